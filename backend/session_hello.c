/*
 * On the stream itself: the handshake that makes a session READY, and the
 * keep-alive that notices when the link is dead.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/session.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/wire/msg.h"

#define HELLO_TIMEOUT_MS 10000
#define BYE_TIMEOUT_MS 1000
#define PING_MS 5000
/* Nothing came for so long, not even a ping's reply: the link is dead. Short
 * enough that an operation's deadline leaves time for the next stream. */
#define STALL_MS 20000

struct hello_call {
	struct podfs_call call;
	struct podfs_session *session;
	uint8_t frame[PODFS_CALL_HEADROOM + 512];
};

/* The handshake, or a ping: none of both waits for a disk. */
static void answered(struct podfs_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->info.round_trip_us = (uint64_t)(podfs_now_us() - s->asked_us);
	pthread_mutex_unlock(&s->lock);
}

static void keep_info(struct podfs_session *s, const struct wire_rep_HELLO *m)
{
	size_t n = m->helper_version.n;

	pthread_mutex_lock(&s->lock);
	s->info.rung = m->rung;
	s->info.uid = m->uid;
	s->info.gid = m->gid;
	s->info.cap_effective = m->cap_effective;
	s->info.seccomp = m->seccomp;
	s->info.target_uid = m->target_uid;
	s->info.target_gid = m->target_gid;
	if (n >= sizeof(s->info.helper_version))
		n = sizeof(s->info.helper_version) - 1;
	memcpy(s->info.helper_version, m->helper_version.p, n);
	s->info.helper_version[n] = '\0';
	s->info.error[0] = '\0';
	pthread_mutex_unlock(&s->lock);
}

static void ready(struct podfs_session *s, const struct wire_rep_HELLO *m)
{
	bool resumed = s->had_hello && m->resumed;

	if (!resumed) {
		podfs_session_epoch_ended(s);
		atomic_fetch_add(&s->epoch, 1);
	}
	s->had_hello = true;
	s->failures = 0;
	s->refusals = 0;
	s->fail_until = 0;
	keep_info(s, m);
	answered(s);
	s->rpc.inflight_max = m->inflight_max < WIRE_INFLIGHT_MAX ?
				      m->inflight_max :
				      WIRE_INFLIGHT_MAX;
	s->rpc.packs = m->features & WIRE_FEATURE_LZ4;
	s->rpc.orders = m->features & WIRE_FEATURE_MAKE;
	atomic_store(&s->makes, s->rpc.orders);
	atomic_store(&s->follows, (m->features & WIRE_FEATURE_FOLLOW) != 0);
	podfs_session_set_state(s, PODFS_SESSION_READY);
	s->ping_due = false;
	podfs_timer_set(s->config->loop, &s->watchdog,
			podfs_now_ms() + PING_MS);
	podfs_info("session", "%s/%s/%s: %s (helper %s, rung %s, uid %u)",
		   s->target.ref.ns, s->target.ref.pod,
		   s->target.ref.container, resumed ? "resumed" : "ready",
		   s->helper.container[0] ? s->helper.container : "-",
		   wire_rung_name(m->rung), m->uid);
	podfs_rpc_again(&s->rpc, resumed, atomic_load(&s->epoch));
}

static void hello_done(struct podfs_call *c, int status, const uint8_t *body,
		       size_t len)
{
	struct hello_call *h = podfs_container_of(c, struct hello_call, call);
	struct podfs_session *s = h->session;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_HELLO m;

	free(h);
	if (s->state != PODFS_SESSION_HELLO || status == -ENOTCONN)
		return; /* the stream went first; that was dealt with */
	if (!status)
		status = wire_dec_rep_HELLO(&r, &m);
	if (!status && (m.version < WIRE_VERSION_MIN ||
			m.version > WIRE_VERSION_MAX ||
			m.inflight_max < WIRE_FRAME_MAX))
		status = -EPROTO;
	if (!status) {
		ready(s, &m);
		return;
	}
	if (status == -ETIMEDOUT && s->had_hello) {
		/* slow is not lost: the helper keeps the session */
		podfs_session_drop_stream(s, "no answer to the handshake");
		return;
	}
	podfs_session_close_transport(s);
	podfs_rpc_lost(&s->rpc);
	podfs_session_epoch_ended(s);
	s->id_lo++; /* should the name be taken, another is free */
	if (status == -EPERM && s->config->as_user)
		podfs_session_refuse(s, -EACCES,
				     "the helper may not be another user there "
				     "(--user): that takes a rung with root's "
				     "rights, which this namespace doesn't admit");
	else
		podfs_session_refuse(s, status == -ESTALE ? -ESTALE : -EIO,
				     "the helper refused the handshake: is it "
				     "of this version of podfs?");
}

void podfs_session_hello(struct podfs_session *s)
{
	struct hello_call *h = calloc(1, sizeof(*h));
	/* The helper may hold one of that name: of a HELLO whose answer was
	 * lost, of a target that was replaced while the helper lived on. */
	const uint64_t lo = s->had_hello ? s->id_lo : ++s->id_lo;
	struct wire_req_HELLO m = {
		.version_min = WIRE_VERSION_MIN,
		.version_max = WIRE_VERSION_MAX,
		.features = WIRE_FEATURE_RESUME | WIRE_FEATURE_SCAN |
			    WIRE_FEATURE_LZ4 | WIRE_FEATURE_MAKE |
			    WIRE_FEATURE_FOLLOW |
			    (podfs_places_use(s) ? WIRE_FEATURE_WATCH : 0u),
		.session_hi = s->id_hi,
		.session_lo = lo,
		.frame_max = WIRE_FRAME_MAX,
		.inflight_max = WIRE_INFLIGHT_MAX,
		.read_only = s->read_only,
		.resume = s->had_hello,
		.as_user = s->config->as_user,
		.as_uid = s->config->uid,
		.as_gid = s->config->gid,
		.pod_uid = wire_str_from(s->target.pod_uid),
		.container = wire_str_from(s->target.ref.container),
	};
	struct wire_writer w;

	s->asked_us = podfs_now_us();
	if (!h) {
		podfs_session_drop_stream(s, "out of memory");
		return;
	}
	w = wire_writer_over(h->frame + PODFS_CALL_HEADROOM,
			     sizeof(h->frame) - PODFS_CALL_HEADROOM);
	wire_enc_req_HELLO(&w, &m);
	h->session = s;
	h->call.op = WIRE_OP_HELLO;
	h->call.frame = h->frame;
	h->call.body_len = (size_t)(w.p - w.start);
	h->call.done = hello_done;
	podfs_rpc_submit_hello(&s->rpc, &h->call,
			       podfs_now_ms() + HELLO_TIMEOUT_MS);
	if (!s->deadline.armed ||
	    s->deadline.at > podfs_now_ms() + HELLO_TIMEOUT_MS)
		podfs_timer_set(s->config->loop, &s->deadline,
				podfs_now_ms() + HELLO_TIMEOUT_MS);
}

/* ---- leaving --------------------------------------------------------------- */

struct bye_call {
	struct podfs_call call;
	void (*done)(void *arg);
	void *arg;
	uint8_t frame[PODFS_CALL_HEADROOM + 16];
};

static void bye_done(struct podfs_call *c, int status, const uint8_t *body,
		     size_t len)
{
	struct bye_call *b = podfs_container_of(c, struct bye_call, call);

	(void)status;
	(void)body;
	(void)len;
	b->done(b->arg);
	free(b);
}

bool podfs_session_bye(struct podfs_session *s, void (*done)(void *arg),
		       void *arg)
{
	struct wire_req_BYE m = { .forget = WIRE_BYE_FORGET };
	struct wire_writer w;
	struct bye_call *b;

	if (s->state != PODFS_SESSION_READY || !s->transport)
		return false;
	b = calloc(1, sizeof(*b));
	if (!b)
		return false;
	w = wire_writer_over(b->frame + PODFS_CALL_HEADROOM, 16);
	wire_enc_req_BYE(&w, &m);
	b->done = done;
	b->arg = arg;
	b->call.op = WIRE_OP_BYE;
	b->call.frame = b->frame;
	b->call.body_len = (size_t)(w.p - w.start);
	b->call.done = bye_done;
	podfs_rpc_submit(&s->rpc, &b->call, podfs_now_ms() + BYE_TIMEOUT_MS);
	s->transport->ops->want_write(s->transport);
	return true;
}

/* ---- keep-alive ------------------------------------------------------------ */

struct ping_call {
	struct podfs_call call;
	struct podfs_session *session;
	uint8_t frame[PODFS_CALL_HEADROOM + 16];
};

static void ping_done(struct podfs_call *c, int status, const uint8_t *body,
		      size_t len)
{
	struct ping_call *p = podfs_container_of(c, struct ping_call, call);

	(void)body;
	(void)len;
	if (status == 0)
		answered(p->session);
	free(p);
}

/* Data, not a WebSocket ping: those don't re-arm the server's 4 hours of
 * idleness, and only this one passes the helper itself. */
static void ping(struct podfs_session *s)
{
	struct ping_call *p = calloc(1, sizeof(*p));
	struct wire_req_PING m = { .stamp = (uint64_t)podfs_now_ms() };
	struct wire_writer w;

	if (!p)
		return;
	w = wire_writer_over(p->frame + PODFS_CALL_HEADROOM, 16);
	wire_enc_req_PING(&w, &m);
	p->session = s;
	s->asked_us = podfs_now_us();
	p->call.op = WIRE_OP_PING;
	p->call.unawaited = true; /* a keep-alive is no trip */
	p->call.frame = p->frame;
	p->call.body_len = (size_t)(w.p - w.start);
	p->call.done = ping_done;
	podfs_rpc_submit(&s->rpc, &p->call, podfs_now_ms() + 2 * STALL_MS);
	s->transport->ops->want_write(s->transport);
}

void podfs_session_watchdog(struct podfs_timer *t)
{
	struct podfs_session *s =
		podfs_container_of(t, struct podfs_session, watchdog);
	int64_t silent = podfs_now_ms() - s->last_received;

	if (s->state == PODFS_SESSION_CONNECT && s->transport) {
		podfs_session_drop_stream(s, "the way to the helper hangs");
		return;
	}
	if (s->state != PODFS_SESSION_READY || !s->transport)
		return;
	if (silent > STALL_MS) {
		podfs_session_drop_stream(s, "no answer on the stream");
		return;
	}
	if (silent >= PING_MS)
		ping(s);
	podfs_timer_set(s->config->loop, &s->watchdog,
			podfs_now_ms() + PING_MS);
}
