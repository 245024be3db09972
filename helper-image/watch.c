#include "helper-image/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/frame.h"
#include "common/wire/msg.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"

/* Of a session. The kernel's limit is each user's, and root is many on a node:
 * a small share of it. */
#define BUDGET_MAX 4096u
#define BUDGET_SHARE 16u
#define LIMIT_FILE "/proc/sys/fs/inotify/max_user_watches"
/* What wasn't read for so long may make place. A client that remembers a folder
 * asks for it again within half of it. */
#define UNUSED_MS 240000

/* inotify instances that are left to others */
#define LEFT_MIN 32u

#define BUFFER_SIZE 4096
#define EVENT_MAX (WIRE_HEADER_SIZE + 22 + WIRE_NAME_MAX)

#define MASK                                                                   \
	(IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | \
	 IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
/* Sent as they are: the rest are the kernel's own (IN_ISDIR). */
#define TOLD (MASK | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)

struct helper_watch {
	struct helper_watch *next; /* of the same bucket */
	int wd;
	uint64_t dev, ino;
	int64_t used_at; /* ms */
	char *path;	 /* as it was read last; NULL: not known */
	uint16_t path_len;
};

static void watch_free(struct helper_watch *x)
{
	free(x->path);
	free(x);
}

void helper_watches_init(struct helper_watches *w,
			 const struct helper_root *root)
{
	memset(w, 0, sizeof(*w));
	w->root = root;
	pthread_mutex_init(&w->lock, NULL);
	w->fd = -1;
}

static unsigned budget(void)
{
	static unsigned known; /* __atomic; 0: not asked yet */
	unsigned max = __atomic_load_n(&known, __ATOMIC_RELAXED);
	PODFS_CLEANUP_FD int fd = -1;
	char text[16] = "";

	if (max)
		return max;
	fd = open(LIMIT_FILE, O_RDONLY | O_CLOEXEC);
	max = BUDGET_MAX;
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	    strtoul(text, NULL, 10) / BUDGET_SHARE < max)
		max = (unsigned)(strtoul(text, NULL, 10) / BUDGET_SHARE) + 1;
	__atomic_store_n(&known, max, __ATOMIC_RELAXED);
	return max;
}

/* The node's root has 128 for all that it runs, and who gets none, the kubelet for
 * its logs, fails. How many there are nobody says but by refusing. */
int helper_watch_open(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int others[LEFT_MIN];
	unsigned n = 0;

	while (fd >= 0 && n < LEFT_MIN &&
	       (others[n] = inotify_init1(IN_CLOEXEC)) >= 0)
		n++;
	if (fd >= 0 && n < LEFT_MIN) {
		close(fd);
		fd = -1;
	}
	while (n > 0)
		close(others[--n]);
	return fd;
}

int helper_watch_fd(struct helper_watches *w)
{
	int fd;

	pthread_mutex_lock(&w->lock);
	fd = w->fd;
	pthread_mutex_unlock(&w->lock);
	return fd;
}

void helper_watches_reset(struct helper_watches *w, int fd)
{
	pthread_mutex_lock(&w->lock);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = fd;
	for (unsigned i = 0; i < HELPER_WATCH_BUCKETS; i++)
		while (w->buckets[i]) {
			struct helper_watch *x = w->buckets[i];

			w->buckets[i] = x->next;
			watch_free(x);
		}
	w->count = 0;
	pthread_mutex_unlock(&w->lock);
}

/* ---- the table ------------------------------------------------------------------- */

static struct helper_watch **find_locked(struct helper_watches *w, int wd)
{
	struct helper_watch **x =
		&w->buckets[(unsigned)wd % HELPER_WATCH_BUCKETS];

	while (*x && (*x)->wd != wd)
		x = &(*x)->next;
	return x;
}

/* Place for one more. The one that leaves is told of by the IN_IGNORED that
 * follows. */
static bool place_locked(struct helper_watches *w, int64_t now)
{
	const struct helper_watch *oldest = NULL;

	if (w->count < budget())
		return true;
	for (unsigned i = 0; i < HELPER_WATCH_BUCKETS; i++)
		for (const struct helper_watch *x = w->buckets[i]; x;
		     x = x->next)
			if (!oldest || x->used_at < oldest->used_at)
				oldest = x;
	return oldest && now - oldest->used_at > UNUSED_MS &&
	       inotify_rm_watch(w->fd, oldest->wd) == 0;
}

static void set_path(struct helper_watch *x, struct wire_str path)
{
	char *copy;

	if (!path.p || (x->path && x->path_len == path.n &&
			memcmp(x->path, path.p, path.n) == 0))
		return;
	copy = malloc(path.n + 1u);
	if (!copy)
		return;
	memcpy(copy, path.p, path.n);
	free(x->path);
	x->path = copy;
	x->path_len = path.n;
}

static bool add_locked(struct helper_watches *w, int fd, struct wire_str path,
		       const struct wire_attr *attr)
{
	int64_t now = helper_now_ms();
	struct helper_watch *x, **at;
	int wd;

	if (w->fd < 0 || !place_locked(w, now))
		return false;
	x = malloc(sizeof(*x));
	if (!x)
		return false;
	wd = inotify_add_watch(w->fd, helper_fd_path(fd).text,
			       MASK | IN_ONLYDIR);
	at = wd >= 0 ? find_locked(w, wd) : NULL;
	if (!at || *at) {
		free(x);
		/* a number that changed (overlayfs may): the client knows it
		 * by the old one, so this isn't said to be watched */
		if (!at || (*at)->dev != attr->dev || (*at)->ino != attr->ino)
			return false;
		(*at)->used_at = now;
		set_path(*at, path);
		return true;
	}
	*x = (struct helper_watch){ .wd = wd,
				    .dev = attr->dev,
				    .ino = attr->ino,
				    .used_at = now };
	set_path(x, path);
	*at = x;
	w->count++;
	return true;
}

void helper_watch_add(struct helper_watches *w, int fd, struct wire_str path,
		      struct wire_attr *attr)
{
	struct wire_attr now;
	bool watched;

	if (attr->flags & WIRE_ATTR_VOLATILE)
		return;
	pthread_mutex_lock(&w->lock);
	watched = add_locked(w, fd, path, attr);
	pthread_mutex_unlock(&w->lock);
	/* what it was before may have changed before it was watched */
	if (!watched || helper_attr_of(fd, "", &now) != 0 ||
	    now.dev != attr->dev || now.ino != attr->ino)
		return;
	*attr = now;
	attr->flags |= WIRE_ATTR_WATCHED;
}

void helper_watch_remove(struct helper_watches *w, uint64_t dev, uint64_t ino)
{
	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; w->count && i < HELPER_WATCH_BUCKETS; i++)
		for (const struct helper_watch *x = w->buckets[i]; x;
		     x = x->next)
			if (x->dev == dev && x->ino == ino)
				inotify_rm_watch(w->fd, x->wd);
	pthread_mutex_unlock(&w->lock);
}

/* ---- telling --------------------------------------------------------------------- */

/* The path of what @e is about, if it is a new name that may be a file's second
 * one; else p is NULL. Owner: the caller. */
static struct wire_str new_name(const struct helper_watch *x,
				const struct inotify_event *e)
{
	struct wire_str path = { .p = NULL };
	size_t len = e->len ? strlen(e->name) : 0;
	char *p;

	if (!(e->mask & (IN_CREATE | IN_MOVED_TO)) || (e->mask & IN_ISDIR) ||
	    !x->path ||
	    len == 0 || x->path_len + 1 + len > WIRE_PATH_MAX ||
	    !(p = malloc(x->path_len + 1 + len)))
		return path;
	path.p = p;
	if (x->path_len > 0) {
		memcpy(p, x->path, x->path_len);
		p[x->path_len] = '/';
		path.n = (uint16_t)(x->path_len + 1);
	}
	memcpy(p + path.n, e->name, len);
	path.n = (uint16_t)(path.n + len);
	return path;
}

/* inotify(7) tells nobody who watches a file's one name that it has another by
 * which it may change. The way to the folder, which is on a disk of the node, may
 * lead over a volume that is dead, and all that the stream has to say would wait
 * for it. *ret_unseen: it was not there to be looked at. */
static bool has_others(const struct helper_root *root, struct wire_str path,
		       const struct wire_req_EVENT *folder, bool *ret_unseen)
{
	struct helper_root here = *root;
	struct helper_parent at;
	struct wire_attr attr;
	bool has;

	here.at_once = true;
	*ret_unseen = true;
	if (helper_root_parent(&here, root->fd, path, &at) != 0)
		return false;
	has = helper_attr_of(at.fd, at.name, &attr) == 0 &&
	      S_ISREG(attr.mode) && attr.nlink > 1;
	*ret_unseen = !has && helper_attr_of(at.fd, "", &attr) == 0 &&
			 (attr.dev != folder->dev || attr.ino != folder->ino);
	helper_parent_done(&at, root->fd);
	return has;
}

/* Which folder it was; false: nobody was told that it is watched. */
static bool folder_of(struct helper_watches *w, const struct inotify_event *e,
		      struct wire_req_EVENT *ret, uint64_t *ret_id,
		      struct wire_str *ret_new)
{
	struct helper_watch **at;
	bool known = e->mask & IN_Q_OVERFLOW;

	pthread_mutex_lock(&w->lock);
	at = find_locked(w, e->wd);
	if (*at) {
		struct helper_watch *x = *at;

		known = true;
		ret->dev = x->dev;
		ret->ino = x->ino;
		*ret_new = new_name(x, e);
		if (e->mask & IN_IGNORED) {
			*at = x->next;
			watch_free(x);
			w->count--;
		}
	}
	*ret_id = ++w->told;
	pthread_mutex_unlock(&w->lock);
	return known;
}

static void tell(struct helper_watches *w, struct helper_stream *stream,
		 const struct inotify_event *e)
{
	uint8_t frame[EVENT_MAX];
	struct wire_writer body = wire_writer_over(
		frame + WIRE_HEADER_SIZE, sizeof(frame) - WIRE_HEADER_SIZE);
	struct wire_header h = { .op = WIRE_OP_EVENT };
	struct wire_req_EVENT m = { .kind = e->mask & TOLD };
	struct wire_str path = { .p = NULL };
	bool unseen = false;
	size_t len;

	if (!folder_of(w, e, &m, &h.id, &path))
		return;
	if (path.p && has_others(w->root, path, &m, &unseen))
		m.kind |= WIRE_EVENT_LINKED;
	free((char *)path.p);
	/* as in a folder that was moved, or the way to which isn't in memory: any file
	 * may have got another name, and from then on it isn't watched; one that was
	 * removed has no watch any more */
	if (unseen && inotify_rm_watch(w->fd, e->wd) == 0)
		m.kind = IN_Q_OVERFLOW;
	if (e->len > 0)
		m.name = wire_str_from(e->name);
	else
		m.name = wire_str_from("");
	if (wire_enc_req_EVENT(&body, &m) != 0 ||
	    wire_writer_done(&body, &len) != 0)
		return;
	h.size = (uint32_t)(WIRE_HEADER_SIZE + len);
	wire_header_put(frame, &h);
	/* a client that writes is told of each of its own writes: with their
	 * replies */
	helper_output_write(&stream->out, frame, h.size,
			    m.kind == IN_MODIFY ? HELPER_SOON : HELPER_NOW);
}

void helper_watch_end(struct helper_watches *w, struct helper_stream *stream)
{
	const struct inotify_event lost = { .wd = -1, .mask = IN_Q_OVERFLOW };

	tell(w, stream, &lost);
	helper_watches_reset(w, -1);
}

#define NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

/* A file that is written to a byte at a time is told of once; but a name's last
 * word is whether it came or went. */
static bool was_told(const uint8_t *from, const struct inotify_event *e)
{
	bool told = false;

	while (from != (const uint8_t *)e) {
		const struct inotify_event *x = (const void *)from;

		if (x->wd == e->wd && x->len == e->len &&
		    memcmp(x->name, e->name, e->len) == 0)
			told = x->mask == e->mask ||
			       (told && !(x->mask & NAMES));
		from += sizeof(*x) + x->len;
	}
	return told;
}

void helper_watch_tell(struct helper_watches *w, struct helper_stream *stream)
{
	uint8_t buf[BUFFER_SIZE]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	int fd = helper_watch_fd(w);
	int left = 0;
	ssize_t n;

	/* What changes faster than it can be told has no end, and whoever waits for
	 * a reply would wait for it: what is there by now. The output's lock keeps
	 * @fd from being reset meanwhile. */
	if (fd >= 0 && ioctl(fd, FIONREAD, &left) != 0)
		left = sizeof(buf);
	while (left > 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		const uint8_t *p = buf;

		left -= (int)n;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			if (!was_told(buf, e))
				tell(w, stream, e);
			p += sizeof(*e) + e->len;
		}
	}
}
