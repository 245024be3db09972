/*
 * A session's calls: taken from any thread, completed on the I/O thread.
 */
#include "backend/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define AFTER_TIMEOUT_MS 500

static void on_wake(struct podfs_task *t);
static void on_deadline(struct podfs_timer *t);

int podfs_session_new(const struct podfs_session_config *config,
		      const struct podfs_target *target, bool read_only,
		      struct podfs_session **ret)
{
	struct podfs_session *s = calloc(1, sizeof(*s));
	uint64_t id[2];

	if (!s)
		return -ENOMEM;
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
		free(s);
		return -ENOMEM;
	}
	podfs_rpc_init(&s->rpc);
	if (config->event)
		s->rpc.event = podfs_session_event;
	s->rpc.event_arg = s;
	s->id_hi = id[0];
	s->id_lo = id[1];
	s->config = config;
	s->target = *target;
	s->read_only = read_only;
	s->info.read_only = read_only;
	atomic_init(&s->refs, 1);
	atomic_init(&s->epoch, 0);
	pthread_mutex_init(&s->lock, NULL);
	s->submitted_end = &s->submitted;
	s->wake.run = on_wake;
	s->deadline.fire = on_deadline;
	s->lazy.fire = podfs_session_lazy;
	s->retry.fire = podfs_session_retry;
	s->turn.fire = podfs_session_turn;
	s->watchdog.fire = podfs_session_watchdog;
	s->ensure.done = podfs_session_ensured;
	s->info.ref = target->ref;
	snprintf(s->info.pod_uid, sizeof(s->info.pod_uid), "%s",
		 target->pod_uid);
	*ret = s;
	return 0;
}

struct podfs_session *podfs_session_ref(struct podfs_session *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

/* The backend's list holds a reference until the session was stopped on the I/O
 * thread, a task that waits there another: the last finds nothing under way. */
void podfs_session_put(struct podfs_session *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	podfs_rpc_done(&s->rpc);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool podfs_session_read_only(const struct podfs_session *s)
{
	return s->read_only;
}

bool podfs_session_makes(struct podfs_session *s)
{
	return atomic_load(&s->makes);
}

bool podfs_session_acts_as(struct podfs_session *s, uint32_t uid,
			   unsigned capability)
{
	bool is;

	if (s->config->as_user)
		return s->config->uid == uid;
	pthread_mutex_lock(&s->lock);
	is = s->info.uid == uid || s->info.cap_effective >> capability & 1;
	pthread_mutex_unlock(&s->lock);
	return is;
}

int64_t podfs_session_heard(struct podfs_session *s)
{
	return atomic_load(&s->last_received);
}

bool podfs_session_busy(struct podfs_session *s)
{
	return atomic_load(&s->rpc.bulk) >= WIRE_DATA_MAX;
}

size_t podfs_session_window(struct podfs_session *s)
{
	return atomic_load(&s->rpc.share.window);
}

bool podfs_session_follows(struct podfs_session *s)
{
	return atomic_load(&s->follows);
}

uint32_t podfs_session_epoch(struct podfs_session *s)
{
	return atomic_load(&s->epoch);
}

void podfs_session_cancel(struct podfs_session *s, struct podfs_call *c)
{
	atomic_store(&c->rpc.cancelled, true);
	pthread_mutex_lock(&s->lock);
	s->cancels = true;
	pthread_mutex_unlock(&s->lock);
	podfs_session_wake(s);
}

void podfs_session_waited(struct podfs_session *s, enum wire_op op)
{
	unsigned i;

	s->rpc.trips++;
	if (wire_op_index((uint16_t)op, &i))
		s->rpc.counts[i].trips++;
}

void podfs_session_kill(struct podfs_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->dead = true;
	pthread_mutex_unlock(&s->lock);
	podfs_session_wake(s);
}

void podfs_session_target_is(struct podfs_session *s, const char *target_id,
			     bool running)
{
	pthread_mutex_lock(&s->lock);
	s->target_told = true;
	s->target_running = running;
	snprintf(s->target_id, sizeof(s->target_id), "%s", target_id);
	pthread_mutex_unlock(&s->lock);
	podfs_session_wake(s);
}

void podfs_session_helper_is(struct podfs_session *s, const char *container,
			     bool running, const char *why)
{
	bool mine;

	pthread_mutex_lock(&s->lock);
	mine = strcmp(s->info.helper, container) == 0;
	if (mine && !running && !s->helper_gone) {
		s->helper_told = true;
		snprintf(s->helper_why, sizeof(s->helper_why), "%s", why);
	}
	if (mine)
		s->helper_gone = !running;
	pthread_mutex_unlock(&s->lock);
	if (mine)
		podfs_session_wake(s);
}

static void expire(struct podfs_session *s)
{
	uint64_t before = s->rpc.timed_out;
	int64_t next = podfs_rpc_expire(&s->rpc, podfs_now_ms(), -ETIMEDOUT);

	/* the kernel asks for a name whose revalidation failed a second time:
	 * who has waited for a whole deadline doesn't wait for another */
	if (s->rpc.timed_out != before && s->state != PODFS_SESSION_READY &&
	    s->state != PODFS_SESSION_DEAD) {
		s->fail_status = -ETIMEDOUT;
		s->fail_until = podfs_now_ms() + AFTER_TIMEOUT_MS;
	}
	if (next != INT64_MAX)
		podfs_timer_set(s->config->loop, &s->deadline, next);
	else
		podfs_timer_cancel(s->config->loop, &s->deadline);
}

static void on_deadline(struct podfs_timer *t)
{
	struct podfs_session *s =
		podfs_container_of(t, struct podfs_session, deadline);

	expire(s);
	/* the helper is told of them, and they made room for others */
	podfs_session_advance(s);
	podfs_session_publish(s);
}

/* -errno for a call that must not go out, else 0. */
static int refusal(const struct podfs_session *s, const struct podfs_call *c,
		   int64_t now)
{
	unsigned flags = 0;

	if (s->state == PODFS_SESSION_DEAD)
		return s->fail_status;
	wire_op_flags((uint16_t)c->op, &flags);
	if (s->read_only && (flags & WIRE_F_W))
		return -EROFS;
	if (atomic_load(&c->rpc.cancelled))
		return -EINTR;
	if (c->epoch != 0 &&
	    (c->epoch != atomic_load(&s->epoch) || !s->had_hello))
		return -ESTALE;
	if (s->state != PODFS_SESSION_READY && now < s->fail_until)
		return s->fail_status;
	return 0;
}

/* Of the operation's class. What carries data waits behind other data on a slow
 * link, what syncs for a disk. */
static uint32_t timeout_ms(const struct podfs_session_config *c,
			   enum wire_op op)
{
	uint32_t own = 0;

	switch ((unsigned)op) {
	case WIRE_OP_READ:
	case WIRE_OP_WRITE:
	case WIRE_OP_FALLOCATE:
	case WIRE_OP_COPY_FILE_RANGE:
	case WIRE_OP_SCAN:
		own = c->data_timeout_ms;
		break;
	case WIRE_OP_FLUSH:
	case WIRE_OP_FSYNC:
		own = c->sync_timeout_ms;
		break;
	default:
		break;
	}
	return own ? own : c->op_timeout_ms;
}

static void take_in(struct podfs_session *s, struct podfs_call *c)
{
	int64_t now = podfs_now_ms();
	uint32_t timeout = c->timeout_ms ? c->timeout_ms :
					   timeout_ms(s->config, c->op);
	int err = refusal(s, c, now);
	int64_t deadline;

	if (err) {
		podfs_rpc_end(c, err, NULL, 0);
		return;
	}
	/* the first access may have to wait for a container to start */
	if (!s->had_hello && timeout < s->config->start_timeout_ms)
		timeout = s->config->start_timeout_ms;
	deadline = (c->since ? c->since : now) + timeout;
	if (deadline <= now) {
		podfs_rpc_end(c, -ETIMEDOUT, NULL, 0);
		return;
	}
	if (s->state == PODFS_SESSION_READY && !c->unawaited)
		podfs_places_use(s);
	if (c->by_part) {
		c->rpc.pause = timeout;
		c->rpc.last = now + (int64_t)timeout * PODFS_BY_PART_MAX;
	}
	podfs_rpc_submit(&s->rpc, c, deadline);
	if (!s->deadline.armed || s->deadline.at > deadline)
		podfs_timer_set(s->config->loop, &s->deadline, deadline);
}

void podfs_session_publish(struct podfs_session *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->rpc.calls == 0)
		s->stalled_at = 0;
	else if (s->stalled_at == 0 || s->info.calls != s->rpc.completed)
		s->stalled_at = podfs_now_ms();
	s->info.state = s->state;
	s->info.calls = s->rpc.completed;
	s->info.inflight = s->rpc.calls;
	s->info.bytes_in = s->rpc.bytes_in;
	s->info.bytes_out = s->rpc.bytes_out;
	s->info.trips = s->rpc.trips;
	s->info.dropped = s->rpc.dropped;
	memcpy(s->info.counts, s->rpc.counts, sizeof(s->info.counts));
	pthread_mutex_unlock(&s->lock);
}

/* In whatever state: a pod that goes for good says why just before. */
static void say_helper_ended(struct podfs_session *s)
{
	char name[sizeof(s->info.helper)], why[sizeof(s->helper_why)];
	bool told;

	pthread_mutex_lock(&s->lock);
	told = s->helper_told && (!s->dead || *s->helper_why);
	s->helper_told = false;
	memcpy(name, s->info.helper, sizeof(name));
	memcpy(why, s->helper_why, sizeof(why));
	pthread_mutex_unlock(&s->lock);
	if (told)
		podfs_warn("session", "%s/%s/%s: helper container %s ended%s%s",
			   s->target.ref.ns, s->target.ref.pod,
			   s->target.ref.container, name, *why ? ": " : "",
			   *why ? podfs_quote(why).text : "");
}

static void on_wake(struct podfs_task *t)
{
	struct podfs_session *s =
		podfs_container_of(t, struct podfs_session, wake);
	struct podfs_call *c;
	bool cancels, dead, lost_target;

	say_helper_ended(s);
	c = podfs_session_submitted(s);
	pthread_mutex_lock(&s->lock);
	cancels = s->cancels;
	dead = s->dead;
	lost_target = s->target_told && s->had_hello &&
		      s->helper.target_id[0] != '\0' &&
		      (!s->target_running ||
		       strcmp(s->target_id, s->helper.target_id) != 0);
	/* what it was refused for may be over */
	if (s->target_told && s->target_running)
		s->fail_until = 0;
	s->cancels = false;
	s->target_told = false;
	pthread_mutex_unlock(&s->lock);
	if (lost_target && s->transport) {
		podfs_session_drop_stream(s, "the container ended");
		s->resume_until = 0; /* its successor waits for a user */
	}
	while (c) {
		struct podfs_call *next = c->rpc.next;

		take_in(s, c);
		c = next;
	}
	if (cancels)
		expire(s);
	if (dead && s->state != PODFS_SESSION_DEAD) {
		podfs_session_stop(s, -ESTALE);
		if (s->config->dead)
			s->config->dead(s->config->arg, s);
	}
	podfs_session_advance(s);
	podfs_session_publish(s);
	podfs_session_put(s);
}

static const char *waits_for(const struct podfs_session_info *i)
{
	switch (i->state) {
	case PODFS_SESSION_ENSURE:
		return "a helper";
	case PODFS_SESSION_CONNECT:
		return "a stream to the helper";
	case PODFS_SESSION_HELLO:
		return "the helper's greeting";
	case PODFS_SESSION_READY:
		return "the helper's answer";
	case PODFS_SESSION_LOST:
		return "the next try after a lost stream";
	case PODFS_SESSION_IDLE:
	case PODFS_SESSION_DEAD:
	default:
		return "";
	}
}

void podfs_session_info(struct podfs_session *s,
			struct podfs_session_info *ret)
{
	int64_t stalled_at;

	pthread_mutex_lock(&s->lock);
	*ret = s->info;
	stalled_at = s->stalled_at;
	pthread_mutex_unlock(&s->lock);
	if (!stalled_at)
		return;
	ret->waiting_ms = (uint64_t)(podfs_now_ms() - stalled_at);
	snprintf(ret->waits_for, sizeof(ret->waits_for), "%s", waits_for(ret));
}
