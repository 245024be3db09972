/*
 * The helper's dispatcher with real system calls: sequences of well-formed and
 * of malformed requests, on a small tree in a file system of their own. What
 * lies beside that tree must never change.
 *
 * Needs root: a mount namespace, tmpfs (nodev, so that device nodes a sequence
 * makes stay dead) and a chroot.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wire/msg.h"
#include "helper-image/dispatch.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "nobody may change this"
#define LOCK_TRIES 2 /* of an operation that waits for a lock */

struct input {
	const uint8_t *p, *end;
};

static uint8_t frame[WIRE_FRAME_MAX];
static nlink_t above; /* folders of the root, when all were made */

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	abort();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) >= 0, path);
	close(fd);
}

/* ---- the world ------------------------------------------------------------- */

/* Makes the folders of @path and shows the folder itself there, as it is
 * outside. */
static void show(const char *path)
{
	char here[4096], outside[4096];

	must(realpath(path, outside) != NULL, path);
	snprintf(here, sizeof(here), ".%s", outside);
	for (char *p = here + 2; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(here, 0755);
		*p = '/';
	}
	must(mkdir(here, 0755) == 0 || errno == EEXIST, here);
	must(mount(outside, here, NULL, MS_BIND, NULL) == 0, outside);
}

/* libFuzzer's own folders: what its command line names. */
static void show_all(char **argv)
{
	static const char option[] = "-artifact_prefix=";
	const size_t n = sizeof(option) - 1;

	for (argv++; *argv; argv++) {
		char *end = strrchr(*argv, '/');
		struct stat st;

		if (strncmp(*argv, option, n) == 0 && end) {
			*end = '\0';
			show(*argv + n);
			*end = '/';
		} else if (stat(*argv, &st) == 0 && S_ISDIR(st.st_mode)) {
			show(*argv);
		}
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* any folder that is always there: covered in this namespace only */
	static const char dir[] = "/mnt";
	struct stat st;

	(void)argc;
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	must(mount("tmpfs", dir, "tmpfs", MS_NODEV | MS_NOSUID, "size=4m") == 0,
	     "tmpfs");
	must(chdir(dir) == 0 && mkdir("proc", 0755) == 0 &&
		     mkdir("tree", 0755) == 0 && mkdir("beside", 0755) == 0,
	     "folders");
	must(mount("proc", "proc", "proc", MS_NOSUID, NULL) == 0, "proc");
	put("beside/canary", CANARY);
	show_all(*argv);
	must(chroot(".") == 0 && stat("/", &st) == 0, "chroot");
	above = st.st_nlink;
	return 0;
}

static void world_make(void)
{
	must(mount("tmpfs", "/tree", "tmpfs", MS_NODEV | MS_NOSUID,
		   "size=2m,nr_inodes=200") == 0, "tree");
	must(mkdir("/tree/d", 0755) == 0 && mkdir("/tree/d/e", 0777) == 0, "d");
	put("/tree/f", "content");
	put("/tree/d/g", "");
	must(symlink("/beside/canary", "/tree/abs") == 0 &&
		     symlink("../../beside", "/tree/d/up") == 0 &&
		     symlink("d", "/tree/l") == 0 &&
		     symlink("loop", "/tree/loop") == 0 &&
		     mkfifo("/tree/pipe", 0666) == 0,
	     "links");
}

static void world_check(void)
{
	char text[64] = "";
	struct stat st;
	int fd = open("/beside/canary", O_RDONLY | O_CLOEXEC);

	must(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0, "canary");
	must(fstat(fd, &st) == 0 && st.st_mode == (S_IFREG | 0644) &&
		     st.st_nlink == 1 && st.st_uid == 0, "canary's attributes");
	close(fd);
	must(strcmp(text, CANARY) == 0, "canary's content");
	must(stat("/beside", &st) == 0 && st.st_nlink == 2 &&
		     st.st_mode == (S_IFDIR | 0755), "the folder beside");
	must(stat("/", &st) == 0 && st.st_nlink == above, "the folder above");
	must(umount2("/tree", MNT_DETACH) == 0, "umount");
}

/* ---- requests -------------------------------------------------------------- */

static uint64_t take(struct input *in, unsigned n)
{
	uint64_t v = 0;

	while (n-- && in->p < in->end)
		v = v << 8 | *in->p++;
	return v;
}

/* Small, a handle that may be one, all bits, or any. */
static uint64_t take_u64(struct input *in)
{
	uint64_t how = take(in, 1);

	switch (how >> 6) {
	case 0:
		return how & 0x3f;
	case 1:
		return (how >> 3 & 7) << 32 | (how & 7);
	case 2:
		return UINT64_MAX >> (how & 0x3f);
	default:
		return take(in, 8);
	}
}

static struct wire_str take_path(struct input *in, char *room)
{
	static const char *const names[] = {
		"",	   "f",	     "d",    "d/e",	"d/g",	 "l",
		"abs",	   "d/up",   "loop", "pipe",	"new",	 "d/new",
		"l/g",	   "d/up/x", "n",    "abs/x",	"d/e/n", "f/x",
		"d/new/n", "new/n",  "l/e",  "loop/x",	"d/e/m", "proc",
	};
	uint64_t how = take(in, 1);
	size_t n;

	if (how < 0xe0) {
		const char *s = names[how % (sizeof(names) / sizeof(*names))];

		return (struct wire_str){ s, (uint16_t)strlen(s) };
	}
	n = how & 0x1f;
	if (n > (size_t)(in->end - in->p))
		n = (size_t)(in->end - in->p);
	memcpy(room, in->p, n);
	in->p += n;
	return (struct wire_str){ room, (uint16_t)n };
}

#define TAKE_u8(f) m.f = (uint8_t)take(in, 1);
#define TAKE_u16(f) m.f = (uint16_t)take(in, 2);
#define TAKE_u32(f) m.f = (uint32_t)take_u64(in);
#define TAKE_u64(f) m.f = take_u64(in);
#define TAKE_s64(f) m.f = (int64_t)take_u64(in);
#define TAKE_str(f) m.f = take_path(in, room[rooms++]);
#define TAKE_name(f) m.f = take_path(in, room[rooms++]);
#define TAKE_path(f) m.f = take_path(in, room[rooms++]);
#define TAKE_time(f)                                                           \
	m.f.sec = (int64_t)take_u64(in);                                       \
	m.f.nsec = (uint32_t)take(in, 4);
#define TAKE_data(f)                                                           \
	{                                                                      \
		struct wire_str s_ = take_path(in, room[rooms++]);             \
		m.f = (struct wire_data){ (const uint8_t *)s_.p, s_.n };       \
	}
#define TAKE(type, name) TAKE_##type(name)

/* The body of a request of the table, empty where its parts don't encode. */
static size_t build(struct input *in, uint16_t op, uint8_t *body, size_t cap)
{
	struct wire_writer w = wire_writer_over(body, cap);
	char room[4][32];
	unsigned rooms = 0;

	switch (op) {
#define X(name, nr, flags, since)                                              \
	case nr: {                                                             \
		struct wire_req_##name m = { 0 };                              \
									       \
		WIRE_REQ_##name(TAKE) wire_enc_req_##name(&w, &m);             \
		break;                                                         \
	}
		WIRE_OPS(X)
#undef X
	default:
		break;
	}
	(void)rooms;
	return (size_t)(w.p - w.start);
}

static void request(struct helper_session *s, struct input *in, uint64_t id)
{
	uint8_t body[1024], how;
	struct helper_request *r;
	uint16_t op;
	size_t len;

	how = (uint8_t)take(in, 1);
	op = (uint16_t)take(in, 1);
	len = build(in, op, body, sizeof(body));
	if (how & 0x80) /* malformed */
		for (size_t i = 0; i < len && in->p < in->end; i++)
			body[i] = (uint8_t)(body[i] ^ take(in, 1));
	if (how & 0x40 && len)
		len = take(in, 1) % len;
	r = calloc(1, sizeof(*r) + len);
	must(r != NULL, "memory");
	memcpy(r->body, body, len);
	r->header = (struct wire_header){
		.size = (uint32_t)(WIRE_HEADER_SIZE + len),
		.op = op,
		.id = id,
	};
	if (helper_session_admit(s, NULL, r) != HELPER_NEW) {
		free(r);
		return;
	}
	atomic_fetch_add(&s->queued, r->header.size);
	for (int i = 0; helper_dispatch(r, frame) == HELPER_AGAIN; i++)
		if (i >= LOCK_TRIES)
			helper_session_cancel(s, id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct helper_user nobody = { .set = false };
	struct input in = { data, data + size };
	struct helper_session *s = NULL;
	struct helper_root root;
	bool found;

	if (size < 4)
		return 0;
	world_make();
	must(helper_root_plain("/tree", &root) == 0, "root");
	root.no_openat2 = data[0] & 1;
	must(helper_session_get(&root, 1, 1, false, data[0] & 2 && data[1] & 2,
				&nobody, &s, &found) == 0, "session");
	in.p++;
	for (uint64_t id = 1; in.p < in.end && id < 64; id++)
		request(s, &in, id);
	helper_session_detach(s, NULL, true);
	helper_session_put(s);
	helper_root_done(&root);
	world_check();
	return 0;
}
