/*
 * From nothing to READY, and back after a stream was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/session.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/errno.h"
#include "common/wire/msg.h"

/* The helper's socket may not be there yet when the container runs. */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 5000
#define QUIET_FAILURES 3
/* So long a helper keeps handles and locks for a stream that is gone, and the
 * session comes back for them, asked or not. */
#define RESUME_MS 600000
/* After a start that failed, the next tries wait so long. */
#define REFUSE_FIRST_MS 2000
#define REFUSE_MAX_MS 60000

static void said(struct podfs_session *s, const char *why)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->info.error, sizeof(s->info.error), "%s", why);
	pthread_mutex_unlock(&s->lock);
}

int podfs_session_event(void *arg, const uint8_t *body, size_t len)
{
	struct podfs_session *s = arg;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_req_EVENT m;
	int err = wire_dec_req_EVENT(&r, &m);

	if (!err)
		s->config->event(s->config->arg, s, &m);
	return err;
}

void podfs_session_set_state(struct podfs_session *s,
			     enum podfs_session_state state)
{
	bool lost = s->state == PODFS_SESSION_READY &&
		    state != PODFS_SESSION_READY;

	s->state = state;
	if (lost && s->config->event)
		s->config->event(s->config->arg, s, NULL);
	if (state == PODFS_SESSION_LOST || state == PODFS_SESSION_IDLE ||
	    state == PODFS_SESSION_DEAD)
		podfs_places_leave(s);
	pthread_mutex_lock(&s->lock);
	s->info.state = state;
	pthread_mutex_unlock(&s->lock);
}

/* The helper's sessions ended, or another helper took its place. */
void podfs_session_epoch_ended(struct podfs_session *s)
{
	if (!s->had_hello)
		return;
	s->had_hello = false;
	s->resume_until = 0;
}

void podfs_session_close_transport(struct podfs_session *s)
{
	struct podfs_transport *t = s->transport;

	s->transport = NULL;
	podfs_timer_cancel(s->config->loop, &s->watchdog);
	podfs_timer_cancel(s->config->loop, &s->turn);
	if (t)
		t->ops->close(t);
}

void podfs_session_refuse(struct podfs_session *s, int status, const char *why)
{
	int64_t wait = REFUSE_FIRST_MS;

	for (unsigned i = 0; i < s->refusals && wait < REFUSE_MAX_MS; i++)
		wait *= 2;
	s->refusals++;
	s->failures = 0;
	s->fail_status = status;
	s->fail_until = podfs_now_ms() +
			(wait < REFUSE_MAX_MS ? wait : REFUSE_MAX_MS);
	said(s, why);
	podfs_error("session", "%s/%s/%s: %s", s->target.ref.ns,
		    s->target.ref.pod, s->target.ref.container, why);
	podfs_timer_cancel(s->config->loop, &s->retry);
	podfs_session_set_state(s, PODFS_SESSION_IDLE);
	if (!s->had_hello)
		podfs_rpc_fail_handles(&s->rpc, -ESTALE);
	podfs_rpc_fail_all(&s->rpc, status);
	podfs_session_publish(s); /* nobody waits any more */
}

void podfs_session_drop_stream(struct podfs_session *s, const char *why)
{
	int64_t wait = RETRY_FIRST_MS;

	podfs_session_close_transport(s);
	podfs_rpc_lost(&s->rpc);
	said(s, why);
	if (s->state == PODFS_SESSION_DEAD)
		return;
	if (s->state == PODFS_SESSION_READY)
		s->resume_until = podfs_now_ms() + RESUME_MS;
	if (s->had_hello && s->state == PODFS_SESSION_READY)
		podfs_warn("session", "%s/%s/%s: stream lost: %s",
			   s->target.ref.ns, s->target.ref.pod,
			   s->target.ref.container, why);
	/* the first tries may come before the helper's socket is there */
	if (!s->had_hello && s->failures == QUIET_FAILURES)
		podfs_warn("session", "%s/%s/%s: no stream to the helper yet: %s",
			   s->target.ref.ns, s->target.ref.pod,
			   s->target.ref.container, why);
	for (unsigned i = 0; i < s->failures && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	s->failures++;
	podfs_session_set_state(s, PODFS_SESSION_LOST);
	podfs_timer_set(s->config->loop, &s->retry,
			podfs_now_ms() +
				(wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS));
}

void podfs_session_retry(struct podfs_timer *t)
{
	struct podfs_session *s =
		podfs_container_of(t, struct podfs_session, retry);

	podfs_session_advance(s);
}

/* ---- the stream ---------------------------------------------------------- */

static void on_opened(void *arg, const char *note)
{
	struct podfs_session *s = arg;

	pthread_mutex_lock(&s->lock);
	snprintf(s->info.subprotocol, sizeof(s->info.subprotocol), "%s",
		 note ? note : "");
	pthread_mutex_unlock(&s->lock);
	podfs_session_set_state(s, PODFS_SESSION_HELLO);
	s->last_received = podfs_now_ms();
	podfs_session_hello(s);
	if (s->transport)
		s->transport->ops->want_write(s->transport);
}

static void on_bytes(void *arg, const uint8_t *p, size_t n)
{
	struct podfs_session *s = arg;

	s->last_received = podfs_now_ms();
	if (podfs_rpc_bytes(&s->rpc, p, n, s->last_received) != 0) {
		s->rpc.dropped++;
		podfs_session_drop_stream(
			s, "the helper's answer broke the protocol");
		return;
	}
	podfs_session_advance(s);
	podfs_session_publish(s);
}

/* What waits for its turn leaves then, though nothing comes meanwhile. */
static void await_turn(struct podfs_session *s)
{
	const int64_t turn = podfs_rpc_turn(&s->rpc);

	if (turn != INT64_MAX && (!s->turn.armed || s->turn.at > turn / 1000 + 1))
		podfs_timer_set(s->config->loop, &s->turn, turn / 1000 + 1);
}

void podfs_session_turn(struct podfs_timer *t)
{
	podfs_session_advance(podfs_container_of(t, struct podfs_session, turn));
}

static size_t on_fill(void *arg, uint8_t *p, size_t cap)
{
	struct podfs_session *s = arg;
	const size_t n = podfs_rpc_fill(&s->rpc, p, cap);

	if (n == 0)
		await_turn(s);
	return n;
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	struct podfs_session *s = arg;
	int64_t now = podfs_now_ms();

	s->transport = NULL; /* frees itself */
	podfs_timer_cancel(s->config->loop, &s->watchdog);
	podfs_timer_cancel(s->config->loop, &s->turn);
	podfs_session_drop_stream(s, why->text);
	/* a right that is missing, a way without WebSockets, a container
	 * without a shell: waiting won't help. Else: never READY within the
	 * time for a start */
	if (why->code == -EACCES || why->code == -EPROTO ||
	    why->code == -EOPNOTSUPP)
		podfs_session_refuse(s, why->code, why->text);
	else if (!s->had_hello && why->code == -ENOEXEC)
		podfs_session_refuse(s, -EIO, why->text);
	else if (!s->had_hello && now - s->started_at > s->config->start_timeout_ms)
		podfs_session_refuse(s, -EIO, why->text);
}

/* EPROTO too: a connection that is cut in TLS's handshake. */
static bool passes(int status)
{
	return status == -ECONNREFUSED || status == -EHOSTUNREACH ||
	       status == -ETIMEDOUT || status == -EIO || status == -EAGAIN ||
	       status == -EPROTO;
}

/* The API server restarts, the network is away: the helper isn't, and each call
 * has its own deadline. */
static void fail(struct podfs_session *s, int status, const char *why)
{
	if (s->had_hello && passes(status))
		podfs_session_drop_stream(s, why);
	else
		podfs_session_refuse(s, status, why);
}

static void connect_helper(struct podfs_session *s)
{
	const struct podfs_sink sink = {
		.arg = s,
		.opened = on_opened,
		.bytes = on_bytes,
		.fill = on_fill,
		.closed = on_closed,
	};
	struct podfs_err err = PODFS_ERR_INIT;
	int status;

	podfs_session_set_state(s, PODFS_SESSION_CONNECT);
	if (podfs_rpc_attach(&s->rpc) != 0) {
		podfs_session_refuse(s, -ENOMEM, "out of memory");
		return;
	}
	status = s->config->way->ops->open(s->config->way, &s->target,
					   &s->helper, &sink, &s->transport,
					   &err);
	if (status)
		fail(s, status, err.text);
	else
		podfs_timer_set(s->config->loop, &s->watchdog,
				podfs_now_ms() + s->config->start_timeout_ms);
}

/* ---- ensure -------------------------------------------------------------- */

static bool same_helper(const struct podfs_helper *a,
			const struct podfs_helper *b)
{
	return strcmp(a->container, b->container) == 0 &&
	       strcmp(a->target_id, b->target_id) == 0;
}

void podfs_session_ensured(struct podfs_ensure *e, int status,
			   const struct podfs_helper *h,
			   const struct podfs_err *err)
{
	struct podfs_session *s =
		podfs_container_of(e, struct podfs_session, ensure);

	s->ensuring = false;
	if (s->state == PODFS_SESSION_DEAD)
		return;
	if (status) {
		if (status == -ENOENT || status == -EOPNOTSUPP)
			podfs_session_epoch_ended(s);
		fail(s, status, err->text);
		return;
	}
	if (!same_helper(h, &s->helper))
		podfs_session_epoch_ended(s);
	s->helper = *h;
	pthread_mutex_lock(&s->lock);
	snprintf(s->info.helper, sizeof(s->info.helper), "%s", h->container);
	s->helper_gone = false;
	pthread_mutex_unlock(&s->lock);
	connect_helper(s);
}

/* A stream that is open closes by itself; without one there is nobody to come
 * back to, and those who have something open there are told at once. */
static void see_helper(struct podfs_session *s)
{
	bool gone;

	pthread_mutex_lock(&s->lock);
	gone = s->helper_gone;
	pthread_mutex_unlock(&s->lock);
	if (!gone || !s->had_hello)
		return;
	said(s, "the helper's container ended");
	podfs_session_epoch_ended(s);
	podfs_timer_cancel(s->config->loop, &s->retry);
	podfs_rpc_fail_handles(&s->rpc, -ESTALE);
}

/* ---- advance --------------------------------------------------------------- */

void podfs_session_advance(struct podfs_session *s)
{
	bool work;

	switch (s->state) {
	case PODFS_SESSION_IDLE:
	case PODFS_SESSION_LOST:
		see_helper(s);
		work = s->rpc.calls > 0;
		if (s->ensuring || s->retry.armed)
			return;
		if (!work) {
			/* to the helper that is there; for none that isn't */
			if (podfs_now_ms() < s->resume_until)
				connect_helper(s);
			return;
		}
		if (s->state == PODFS_SESSION_IDLE || s->failures <= 1)
			s->started_at = podfs_now_ms();
		podfs_session_set_state(s, PODFS_SESSION_ENSURE);
		s->ensuring = true;
		s->config->way->ops->ensure(s->config->way, &s->target,
					    &s->ensure);
		return;
	case PODFS_SESSION_READY:
	case PODFS_SESSION_HELLO:
		if (s->transport && podfs_rpc_wants_write(&s->rpc))
			s->transport->ops->want_write(s->transport);
		else if (s->transport)
			await_turn(s);
		return;
	case PODFS_SESSION_ENSURE:
	case PODFS_SESSION_CONNECT:
	case PODFS_SESSION_DEAD:
	default:
		return;
	}
}

void podfs_session_stop(struct podfs_session *s, int status)
{
	struct podfs_loop *l = s->config->loop;

	s->fail_status = status;
	podfs_session_set_state(s, PODFS_SESSION_DEAD);
	if (s->ensuring)
		s->config->way->ops->ensure_cancel(s->config->way, &s->ensure);
	s->ensuring = false;
	podfs_timer_cancel(l, &s->retry);
	podfs_timer_cancel(l, &s->deadline);
	podfs_timer_cancel(l, &s->lazy);
	podfs_session_wake(s); /* for what is submitted, lazy or not */
	podfs_session_close_transport(s);
	podfs_rpc_lost(&s->rpc);
	podfs_rpc_fail_all(&s->rpc, status);
	podfs_session_epoch_ended(s);
}
