#include "helper-image/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/wire/op.h"
#include "helper-image/stream.h"

#define SESSIONS_MAX 16
#define HANDLES_RESERVE 80 /* descriptors for everything but handles */
#define HANDLES_MAX 65536

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct helper_session *list; /* list_lock; each holds a reference */
/* ms; when one that was forgotten had a stream last. list_lock */
static int64_t forgotten_at;

int64_t helper_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As many as the descriptor limit allows. */
static uint32_t handles_max(void)
{
	struct rlimit r = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur <= 2 * HANDLES_RESERVE)
		return HANDLES_RESERVE;
	if (r.rlim_cur - HANDLES_RESERVE > HANDLES_MAX)
		return HANDLES_MAX;
	return (uint32_t)r.rlim_cur - HANDLES_RESERVE;
}

static struct helper_session *session_new(const struct helper_root *root,
					  uint64_t hi, uint64_t lo)
{
	struct helper_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->root = root;
	s->id_hi = hi;
	s->id_lo = lo;
	s->refs = 1;
	s->replies_end = &s->replies;
	s->idle_since = helper_now_ms();
	helper_handles_init(&s->handles, handles_max());
	helper_locks_init(&s->locks);
	helper_watches_init(&s->watches, root);
	pthread_mutex_init(&s->output, NULL);
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static void session_free(struct helper_session *s)
{
	struct helper_reply *r = s->replies;

	while (r) {
		struct helper_reply *next = r->next;

		free(r);
		r = next;
	}
	helper_ends_done(&s->ends);
	helper_locks_done(&s->locks);
	helper_watches_reset(&s->watches, -1);
	pthread_mutex_destroy(&s->watches.lock);
	helper_handles_done(&s->handles);
	pthread_mutex_destroy(&s->output);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void helper_session_ref(struct helper_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->refs++;
	pthread_mutex_unlock(&s->lock);
}

void helper_session_put(struct helper_session *s)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --s->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (last)
		session_free(s);
}

static bool has_stream(struct helper_session *s, int64_t *ret_idle_since)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = s->stream != NULL;
	*ret_idle_since = s->idle_since;
	pthread_mutex_unlock(&s->lock);
	return has;
}

/* Takes the session without a stream that is the longest so out of the list,
 * if it is so since before @before. */
static struct helper_session *evict_locked(int64_t before)
{
	struct helper_session **oldest = NULL, *gone;
	int64_t since = before;

	for (struct helper_session **s = &list; *s; s = &(*s)->next) {
		int64_t idle;

		if (!has_stream(*s, &idle) && idle <= since) {
			since = idle;
			oldest = s;
		}
	}
	if (!oldest)
		return NULL;
	gone = *oldest;
	*oldest = gone->next;
	return gone;
}

static unsigned count_locked(void)
{
	unsigned n = 0;

	for (struct helper_session *s = list; s; s = s->next)
		n++;
	return n;
}

int helper_session_get(const struct helper_root *root, uint64_t hi, uint64_t lo,
		       bool resume, bool read_only,
		       const struct helper_user *user,
		       struct helper_session **ret, bool *ret_found)
{
	struct helper_session *s, *gone = NULL;
	int err = 0;

	pthread_mutex_lock(&list_lock);
	for (s = list; s && (s->id_hi != hi || s->id_lo != lo); s = s->next)
		;
	*ret_found = s != NULL;
	if (s && !resume) {
		err = -EEXIST;
	} else if (!s) {
		if (count_locked() >= SESSIONS_MAX)
			gone = evict_locked(INT64_MAX);
		if (count_locked() >= SESSIONS_MAX)
			err = -EUSERS;
		else
			s = session_new(root, hi, lo);
		if (s) {
			s->read_only = read_only;
			s->user = *user;
			s->next = list;
			list = s;
		} else if (!err) {
			err = -ENOMEM;
		}
	}
	if (!err) {
		helper_session_ref(s);
		*ret = s;
	}
	pthread_mutex_unlock(&list_lock);
	if (gone)
		helper_session_put(gone);
	return err;
}

void helper_session_attach(struct helper_session *s,
			   struct helper_stream *stream, int watch)
{
	pthread_mutex_lock(&s->lock);
	if (s->stream)
		helper_stream_shut(s->stream);
	pthread_mutex_unlock(&s->lock);
	/* a frame that is being written to the old one ends first */
	pthread_mutex_lock(&s->output);
	pthread_mutex_lock(&s->lock);
	s->stream = stream;
	s->takeovers++;
	pthread_mutex_unlock(&s->lock);
	helper_watches_reset(&s->watches, watch);
	pthread_mutex_unlock(&s->output);
}

void helper_session_watch(struct helper_session *s,
			  const struct helper_stream *stream, bool on)
{
	pthread_mutex_lock(&s->output);
	if (s->stream == stream && !on)
		helper_watch_end(&s->watches, s->stream);
	else if (s->stream == stream && helper_watch_fd(&s->watches) < 0)
		helper_watches_reset(&s->watches, helper_watch_open());
	pthread_mutex_unlock(&s->output);
}

static void unlist(struct helper_session *gone)
{
	struct helper_session **s;

	pthread_mutex_lock(&list_lock);
	for (s = &list; *s && *s != gone; s = &(*s)->next)
		;
	if (*s) {
		*s = gone->next;
		forgotten_at = helper_now_ms();
	} else {
		gone = NULL;
	}
	pthread_mutex_unlock(&list_lock);
	if (gone)
		helper_session_put(gone);
}

void helper_session_detach(struct helper_session *s,
			   struct helper_stream *stream, bool forget)
{
	bool mine;

	pthread_mutex_lock(&s->output);
	pthread_mutex_lock(&s->lock);
	mine = s->stream == stream;
	if (mine) {
		s->stream = NULL;
		s->idle_since = helper_now_ms();
	}
	pthread_mutex_unlock(&s->lock);
	if (mine)
		helper_watches_reset(&s->watches, -1);
	pthread_mutex_unlock(&s->output);
	if (mine && forget)
		unlist(s);
}

unsigned helper_session_expire(int64_t grace_ms, int64_t *ret_idle_since)
{
	int64_t now = helper_now_ms();
	struct helper_session *gone;
	unsigned left;

	pthread_mutex_lock(&list_lock);
	gone = evict_locked(now - grace_ms);
	left = count_locked();
	*ret_idle_since = forgotten_at;
	for (struct helper_session *s = list; s; s = s->next) {
		int64_t idle;

		if (has_stream(s, &idle))
			idle = now;
		if (idle > *ret_idle_since)
			*ret_idle_since = idle;
	}
	pthread_mutex_unlock(&list_lock);
	if (gone)
		helper_session_put(gone);
	return left;
}
