/*
 * SCAN: a folder and all below it in one exchange, in the order of
 * wire_walk_cmp(). The next request says how far the last one came, or which one
 * it follows.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/listing.h"
#include "helper-image/object.h"

/* Of one folder: a client asks for larger ones by itself. With DEPTH_MAX they
 * bound the memory of a scan. */
#define NAMES_BYTES ((size_t)64 << 10)
#define NAMES_MAX 2048u
/* One that may send less, but for what is of one folder, is a client's guess: it
 * ends before a folder whose names, with what they have, would fill it, and
 * before a file that is too large for it. */
#define GUESS_BELOW NAMES_BYTES
#define ENTRY_FOR_NAME 16u
#define GUESS_NAMES_MIN 256u
#define DEPTH_MAX 64u
#define BUDGET_MAX (8u << 20)
#define INLINE_MAX (1u << 20) /* of a file's content */
/* Scans at one time, of all sessions: the workers are for who waits. Those of one
 * folder, for which nobody waits, have a place of their own and take none from
 * a walk. */
#define SCANS_MAX 3
#define SINGLE_MAX 1
/* So long (ms) a walk waits for a place: those that have one may be stuck. */
#define PLACE_MS 1000

static int scans, single; /* __atomic */

struct named {
	const char *name;
	uint8_t type; /* DT_* */
	uint64_t cookie;
};

struct names {
	char *text;
	size_t used;
	struct named *list;
	size_t count;
};

struct scan {
	struct helper_op *o;
	uint8_t resume; /* enum wire_resume; never FOLLOW */
	struct wire_str after;
	char followed[WIRE_PATH_MAX]; /* after, where that is another's end */
	bool single; /* one folder */
	bool rooted; /* paths are from the root */
	bool guess;
	size_t names_max; /* bytes, of a folder that is sent */
	uint32_t inline_max;
	uint32_t left; /* bytes that may still be sent */
	bool full;     /* they are used up, or the client gave up */
	bool sent;     /* something was ... */
	bool sent_file;
	char path[WIRE_PATH_MAX + 1]; /* where the walk is */
	uint16_t len;
	char done[WIRE_PATH_MAX + 1]; /* the last that was sent or passed */
	uint16_t done_len;
};

static struct wire_str here(const struct scan *s)
{
	return (struct wire_str){ .p = s->path, .n = s->len };
}

static void passed(struct scan *s)
{
	memcpy(s->done, s->path, s->len);
	s->done_len = s->len;
}

/* ---- frames ---------------------------------------------------------------------- */

/* The data's length[4] stands last before it; filled in when known. */
static uint8_t *frame_begin(struct scan *s, uint8_t kind,
			    const struct wire_attr *attr)
{
	const struct wire_rep_SCAN m = { .kind = kind,
					 .path = here(s),
					 .attr = *attr };

	wire_enc_rep_SCAN(&s->o->reply, &m);
	return s->o->reply.p;
}

static void frame_send(struct scan *s, uint8_t *data, bool end)
{
	uint32_t n = (uint32_t)(s->o->reply.p - data);
	uint32_t size = (uint32_t)(s->o->reply.p - s->o->reply.start);
	struct wire_writer head = wire_writer_over(data - 5, 5);

	wire_put_u8(&head, end);
	wire_put_u32(&head, n);
	helper_op_part(s->o);
	s->left -= size < s->left ? size : s->left;
	s->sent = true;
	if (s->left == 0 || helper_session_cancelled(s->o->request))
		s->full = true;
}

/* ---- a folder -------------------------------------------------------------------- */

static void names_done(struct names *n)
{
	free(n->text);
	free(n->list);
}

static int by_bytes(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int add_name(struct names *n, size_t max, const struct dirent *d)
{
	size_t size = strlen(d->d_name) + 1;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return 0;
	if (n->used + size > max || n->count == NAMES_MAX)
		return -E2BIG;
	memcpy(n->text + n->used, d->d_name, size);
	n->list[n->count++] =
		(struct named){ .name = n->text + n->used,
				.type = d->d_type,
				.cookie = (uint64_t)d->d_off };
	n->used += size;
	return 0;
}

static int names_read(DIR *dir, size_t max, struct names *ret)
{
	const struct dirent *d;
	int err = 0;

	ret->text = malloc(NAMES_BYTES);
	ret->list = malloc(NAMES_MAX * sizeof(*ret->list));
	if (!ret->text || !ret->list)
		return -ENOMEM;
	while (!err && (errno = 0, d = readdir(dir)))
		err = add_name(ret, max, d);
	if (!err)
		err = -errno;
	if (!err)
		qsort(ret->list, ret->count, sizeof(*ret->list), by_bytes);
	return err;
}

static void send_entries(struct scan *s, int fd, const struct names *n,
			 const struct wire_attr *attr)
{
	uint8_t *data = frame_begin(s, WIRE_SCAN_FOLDER, attr);
	char target[WIRE_TARGET_MAX];

	for (size_t i = 0; i < n->count; i++) {
		const struct named *x = &n->list[i];
		struct wire_entry e = { .cookie = x->cookie,
					.type = x->type,
					.name = wire_str_from(x->name) };

		helper_entry_fill(&e, fd, x->name, target);
		if ((size_t)(s->o->reply.p - data) +
			    wire_entry_size(e.name.n, e.plus, e.target.n) >
		    WIRE_DATA_MAX) {
			frame_send(s, data, false);
			data = frame_begin(s, WIRE_SCAN_FOLDER, attr);
		}
		wire_enc_entry(&s->o->reply, &e);
	}
	frame_send(s, data, true);
	passed(s);
}

/* ---- a file ---------------------------------------------------------------------- */

static int open_quietly(int fd, const char *name, int flags)
{
	int ret = openat(fd, name,
			 flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
				 O_CLOEXEC | O_NOATIME);

	if (ret < 0 && errno == EPERM) /* not the owner */
		ret = openat(fd, name,
			     flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
				     O_CLOEXEC);
	return ret;
}

/* In frames of WIRE_DATA_MAX. One that gets shorter meanwhile ends early, which
 * tells the client. */
static void send_pieces(struct scan *s, int fd, const struct wire_attr *attr)
{
	uint64_t at = 0;
	bool end;

	do {
		uint8_t *data = frame_begin(s, WIRE_SCAN_FILE, attr);
		const uint64_t rest = attr->size - at;
		const size_t want = rest < WIRE_DATA_MAX ? (size_t)rest :
							   WIRE_DATA_MAX;
		ssize_t n = pread(fd, data, want, (off_t)at);

		if (n > 0)
			s->o->reply.p += n;
		at += n > 0 ? (uint64_t)n : 0;
		end = n < (ssize_t)want || at == attr->size;
		frame_send(s, data, end);
	} while (!end);
}

static void send_content(struct scan *s, int dir, const char *name)
{
	PODFS_CLEANUP_FD int fd = -1;
	struct wire_attr attr;

	/* looked at before it is opened: a FIFO would notice */
	if (helper_attr_look(dir, name, &attr) != 0 || !S_ISREG(attr.mode) ||
	    attr.size > INLINE_MAX || (attr.flags & WIRE_ATTR_VOLATILE))
		return;
	if (s->guess && (attr.size > s->inline_max ||
			 (s->sent_file && attr.size > s->left)))
		s->full = s->sent;
	if (s->full || attr.size > s->inline_max)
		return;
	fd = open_quietly(dir, name, 0);
	if (fd < 0 || helper_attr_of(fd, "", &attr) != 0 ||
	    !S_ISREG(attr.mode) || attr.size > s->inline_max)
		return;
	s->sent_file = true;
	send_pieces(s, fd, &attr);
	passed(s);
}

/* ---- the walk -------------------------------------------------------------------- */

static void walk(struct scan *s, int fd, unsigned depth);

static bool push(struct scan *s, const char *name)
{
	size_t n = strlen(name);

	if (s->len + 1 + n > WIRE_PATH_MAX)
		return false;
	if (s->len > 0)
		s->path[s->len++] = '/';
	memcpy(s->path + s->len, name, n);
	s->len = (uint16_t)(s->len + n);
	return true;
}

static bool is_behind(const struct scan *s)
{
	int order = wire_walk_cmp(here(s), s->after);

	return s->resume == WIRE_RESUME_NOT || order > 0 ||
	       (order == 0 && s->resume == WIRE_RESUME_AT);
}

static uint8_t type_of(int dir, const struct named *x)
{
	struct wire_attr attr;

	if (x->type != DT_UNKNOWN)
		return x->type;
	if (helper_attr_look(dir, x->name, &attr) != 0)
		return DT_UNKNOWN;
	return (uint8_t)IFTODT(attr.mode);
}

static void visit(struct scan *s, int dir, const struct named *x,
		  unsigned depth)
{
	bool behind = is_behind(s);
	uint8_t type;

	if (!behind && !wire_is_below(s->after, here(s)))
		return;
	type = type_of(dir, x);
	if (type == DT_DIR)
		walk(s, open_quietly(dir, x->name, O_DIRECTORY), depth + 1);
	else if (type == DT_REG && behind && s->inline_max > 0)
		send_content(s, dir, x->name);
}

/* Takes @fd over. What can't be read is left out. */
static void walk(struct scan *s, int fd, unsigned depth)
{
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct names n = { .count = 0 };
	struct wire_attr attr;
	uint16_t len = s->len;
	bool behind = is_behind(s);
	int err;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (depth <= DEPTH_MAX && helper_attr_of(fd, "", &attr) == 0 &&
	    !(attr.flags & WIRE_ATTR_VOLATILE)) {
		helper_watch_add(&s->o->session->watches, fd,
				 s->rooted ? here(s) : HELPER_NO_PATH, &attr);
		err = names_read(dir, behind ? s->names_max : NAMES_BYTES, &n);
		if (!err && behind)
			send_entries(s, fd, &n, &attr);
		else if (err == -E2BIG && s->guess)
			s->full = true;
		for (size_t i = 0; !err && i < n.count && !s->full; i++) {
			if (push(s, n.list[i].name))
				visit(s, fd, &n.list[i], depth);
			s->len = len;
		}
	}
	names_done(&n);
	closedir(dir);
}

static int open_top(struct scan *s, struct wire_str path, int base,
		    int *ret_fd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;
	int err;

	if (path.n == 0) {
		*ret_fd = open_quietly(base, ".", O_DIRECTORY);
		return *ret_fd < 0 ? -errno : 0;
	}
	err = helper_root_open(s->o->root, base, path, flags | O_NOATIME,
			       ret_fd);
	if (err == -EPERM) /* not the owner */
		err = helper_root_open(s->o->root, base, path, flags, ret_fd);
	return err;
}

static int stop(struct scan *s)
{
	struct wire_rep_SCAN m = {
		.kind = WIRE_SCAN_STOP,
		.path = { .p = s->done, .n = s->done_len },
		.end = !s->full,
	};

	/* what is of one folder isn't followed, and would take others' place */
	if (!s->single && !helper_session_cancelled(s->o->request))
		helper_follow_ended(s->o->request, m.path, m.end);
	return wire_enc_rep_SCAN(&s->o->reply, &m);
}

static int run(struct scan *s, struct wire_str path, int base)
{
	int fd;
	int err;

	memcpy(s->path, path.p, path.n);
	s->len = path.n;
	err = open_top(s, path, base, &fd);
	if (err)
		return err;
	walk(s, fd, 0);
	return stop(s);
}

/* Begins where the SCAN @id ended. */
static int follow(struct scan *s, uint64_t id, bool *ret_all)
{
	s->resume = WIRE_RESUME_BEHIND;
	s->after.p = s->followed;
	return helper_follow(s->o->request, id, s->followed, &s->after.n,
			     ret_all);
}

/* Who comes in vain takes none from the next, not even for a moment. */
static bool take_place(int *running, int max)
{
	int n = __atomic_load_n(running, __ATOMIC_RELAXED);

	while (n < max)
		if (__atomic_compare_exchange_n(running, &n, n + 1, false,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* Who follows waits behind another anyway. */
static int no_place(const struct scan *s, bool follows)
{
	struct helper_request *r = s->o->request;
	int64_t now = helper_now_ms();

	if (s->single)
		return -EBUSY;
	if (!r->refused_at)
		r->refused_at = now;
	return follows || now - r->refused_at < PLACE_MS ? HELPER_AGAIN :
							   -EBUSY;
}

int helper_op_SCAN(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object at = HELPER_NO_OBJECT;
	struct wire_req_SCAN m;
	struct scan *s;
	int *running, max;
	bool all = false; /* the one before left nothing */
	int err = wire_dec_req_SCAN(&o->body, &m);

	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->o = o;
	s->resume = m.resume;
	s->after = m.after;
	s->inline_max = m.inline_max < INLINE_MAX ? m.inline_max : INLINE_MAX;
	s->single = m.budget <= 1;
	s->left = m.budget < BUDGET_MAX ? m.budget : BUDGET_MAX;
	s->guess = !s->single && s->left < GUESS_BELOW;
	s->names_max = !s->guess ? NAMES_BYTES :
		       s->left / ENTRY_FOR_NAME > GUESS_NAMES_MIN ?
				  s->left / ENTRY_FOR_NAME :
				  GUESS_NAMES_MIN;
	if (m.resume == WIRE_RESUME_FOLLOW) {
		err = follow(s, m.base, &all);
		m.base = WIRE_BASE_ROOT;
	}
	/* one that sends nothing ends where it began */
	if (!err && s->resume == WIRE_RESUME_BEHIND) {
		memcpy(s->done, s->after.p, s->after.n);
		s->done_len = s->after.n;
	}
	if (!err && all)
		err = stop(s);
	if (err || all) {
		free(s);
		return err;
	}
	s->rooted = m.base == WIRE_BASE_ROOT;
	running = s->single ? &single : &scans;
	max = s->single ? SINGLE_MAX : SCANS_MAX;
	if (!take_place(running, max)) {
		err = no_place(s, m.resume == WIRE_RESUME_FOLLOW);
		free(s);
		return err;
	}
	err = helper_object(o, m.base, (struct wire_str){ .n = 0 }, &at);
	if (!err)
		err = run(s, m.path, at.fd);
	__atomic_sub_fetch(running, 1, __ATOMIC_RELAXED);
	free(s);
	return err;
}
