#include "helper-image/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/frame.h"
#include "common/wire/msg.h"
#include "helper-image/attr.h"
#include "helper-image/dispatch.h"
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
};

void helper_watches_init(struct helper_watches *w)
{
	memset(w, 0, sizeof(*w));
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
			free(x);
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

static bool add_locked(struct helper_watches *w, int fd,
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
		return true;
	}
	*x = (struct helper_watch){ .wd = wd,
				    .dev = attr->dev,
				    .ino = attr->ino,
				    .used_at = now };
	*at = x;
	w->count++;
	return true;
}

void helper_watch_add(struct helper_watches *w, int fd, struct wire_attr *attr)
{
	struct wire_attr now;
	bool watched;

	if (attr->flags & WIRE_ATTR_VOLATILE)
		return;
	pthread_mutex_lock(&w->lock);
	watched = add_locked(w, fd, attr);
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

/* Which folder it was; false: nobody was told that it is watched. */
static bool folder_of(struct helper_watches *w, const struct inotify_event *e,
		      struct wire_req_EVENT *ret, uint64_t *ret_id)
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
		if (e->mask & IN_IGNORED) {
			*at = x->next;
			free(x);
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
	size_t len;

	if (!folder_of(w, e, &m, &h.id))
		return;
	if (e->len > 0)
		m.name = wire_str_from(e->name);
	else
		m.name = wire_str_from("");
	if (wire_enc_req_EVENT(&body, &m) != 0 ||
	    wire_writer_done(&body, &len) != 0)
		return;
	h.size = (uint32_t)(WIRE_HEADER_SIZE + len);
	wire_header_put(frame, &h);
	helper_stream_write(stream, frame, h.size);
}

void helper_watch_end(struct helper_watches *w, struct helper_stream *stream)
{
	const struct inotify_event lost = { .wd = -1, .mask = IN_Q_OVERFLOW };

	tell(w, stream, &lost);
	helper_watches_reset(w, -1);
}

/* A file that is written to a byte at a time is told of once. */
static bool was_told(const uint8_t *from, const struct inotify_event *e)
{
	while (from != (const uint8_t *)e) {
		const struct inotify_event *x = (const void *)from;

		if (x->wd == e->wd && x->mask == e->mask && x->len == e->len &&
		    memcmp(x->name, e->name, e->len) == 0)
			return true;
		from += sizeof(*x) + x->len;
	}
	return false;
}

void helper_watch_tell(struct helper_watches *w, struct helper_stream *stream)
{
	uint8_t buf[BUFFER_SIZE]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	int fd = helper_watch_fd(w);
	ssize_t n;

	/* the output's lock keeps @fd from being reset meanwhile */
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		const uint8_t *p = buf;

		while (p < buf + n) {
			const struct inotify_event *e = (const void *)p;

			if (!was_told(buf, e))
				tell(w, stream, e);
			p += sizeof(*e) + e->len;
		}
	}
}
