/*
 * Calls on their way from any thread to the I/O thread. What is lazy waits here, so
 * that it leaves in one message with what follows; nobody is woken for it.
 */
#include "backend/session.h"
#include "common/base/guard.h"

void podfs_session_wake(struct podfs_session *s)
{
	podfs_session_ref(s); /* the task's */
	if (!podfs_loop_post(s->config->loop, &s->wake))
		podfs_session_put(s);
}

/* Whether the I/O thread must look. */
static bool append_locked(struct podfs_session *s, struct podfs_call *c)
{
	if (!s->submitted) {
		s->lazy_since = podfs_now_ms();
		s->lazy_bytes = 0;
	}
	c->rpc.next = NULL;
	*s->submitted_end = c;
	s->submitted_end = &c->rpc.next;
	s->lazy_bytes += c->body_len;
	if (!c->lazy || s->lazy_bytes > PODFS_LAZY_BYTES)
		s->pushed = true;
	if (s->pushed)
		return true;
	if (s->timed)
		return false;
	s->timed = true;
	return true;
}

void podfs_session_submit(struct podfs_session *s, struct podfs_call *c)
{
	bool look;

	pthread_mutex_lock(&s->lock);
	look = append_locked(s, c);
	pthread_mutex_unlock(&s->lock);
	if (look)
		podfs_session_wake(s);
}

void podfs_session_push(struct podfs_session *s)
{
	bool look;

	pthread_mutex_lock(&s->lock);
	look = s->submitted && !s->pushed;
	s->pushed = s->pushed || look;
	pthread_mutex_unlock(&s->lock);
	if (look)
		podfs_session_wake(s);
}

/* When to look once more for those that wait, or 0: there are none. */
static int64_t next_look_locked(struct podfs_session *s)
{
	s->timed = s->submitted && !s->pushed;
	return s->timed ? s->lazy_since + PODFS_LAZY_MS : 0;
}

static void look_at(struct podfs_session *s, int64_t at)
{
	if (at)
		podfs_timer_set(s->config->loop, &s->lazy, at);
}

void podfs_session_lazy(struct podfs_timer *t)
{
	struct podfs_session *s =
		podfs_container_of(t, struct podfs_session, lazy);
	int64_t now = podfs_now_ms(), at;
	bool due;

	pthread_mutex_lock(&s->lock);
	due = s->submitted && !s->pushed &&
	      now - s->lazy_since >= PODFS_LAZY_MS;
	s->pushed = s->pushed || due;
	at = next_look_locked(s);
	pthread_mutex_unlock(&s->lock);
	if (due)
		podfs_session_wake(s);
	look_at(s, at);
}

struct podfs_call *podfs_session_submitted(struct podfs_session *s)
{
	const bool is_ready = s->state == PODFS_SESSION_READY;
	struct podfs_call *c = NULL;
	int64_t at = 0;

	pthread_mutex_lock(&s->lock);
	if (s->pushed || s->cancels || !is_ready) {
		c = podfs_steal_ptr(&s->submitted);
		s->submitted_end = &s->submitted;
		s->pushed = false;
	}
	/* under the same lock: who ends takes all, and must leave no timer behind */
	if (!s->lazy.armed)
		at = next_look_locked(s);
	pthread_mutex_unlock(&s->lock);
	look_at(s, at);
	return c;
}
