#include "backend/share.h"

#include "backend/backend.h"

/* So long after the last call that somebody waited for the next is likely. */
#define BESIDE_US 200000
/* The same program's next one: it is told, and asks again. */
#define LINGER_US 1000
/* A lock, or a disk that hangs, isn't helped by an empty link. */
#define PATIENCE_US 8000
/* Calls leave together that have room together: a message costs each station of
 * the way more than its bytes. */
#define TOGETHER ((size_t)256 << 10)
/* A rate counts for one period at least, and two at most. */
#define PERIOD_US 1000000
/* 1 GiB/s: more is no link, but what came while this thread had no processor. */
#define RATE_MAX ((uint64_t)1 << 30)

void podfs_share_init(struct podfs_share *s)
{
	*s = (struct podfs_share){ .waited_at = INT64_MIN / 2 };
	atomic_init(&s->window, PODFS_SHARE_ALONE);
}

static struct podfs_share_way *way_of(struct podfs_share *s,
				      const struct podfs_call *c)
{
	return c->op == WIRE_OP_WRITE ? &s->out : &s->in;
}

static bool is_waited_for(const struct podfs_call *c)
{
	return !c->moves && !c->unawaited && c->prio == WIRE_PRIO_INTERACTIVE;
}

/* Has to wait for its turn. */
static bool is_copy(const struct podfs_call *c)
{
	return c->moves && c->prio == WIRE_PRIO_BULK;
}

/* Bandwidth times delay. */
static size_t flight(const struct podfs_share *s,
		     const struct podfs_share_way *w)
{
	const uint64_t rate = w->rate > w->rate_before ? w->rate :
							 w->rate_before;

	return (size_t)(rate * (uint64_t)s->trip / 1000000);
}

static size_t window_alone(const struct podfs_share *s,
			   const struct podfs_share_way *w)
{
	return 2 * flight(s, w) + PODFS_SHARE_ALONE;
}

/* Until when the link is for who waits. */
static int64_t held_until(const struct podfs_share *s)
{
	return s->waited_at + (s->waiting ? PATIENCE_US : LINGER_US);
}

/* What hangs holds up nobody else. */
static void forgive(struct podfs_share_way *w, int64_t now)
{
	if (now - w->moved_at < PODFS_SHARE_STALL_US)
		return;
	w->under_way = 0;
	w->copies = 0;
	w->lap++;
}

bool podfs_share_may(struct podfs_share *s, const struct podfs_call *c,
		     int64_t now, int64_t *ret_at)
{
	struct podfs_share_way *w = way_of(s, c);
	const bool beside = now - s->waited_at < BESIDE_US;
	const size_t window = beside ? flight(s, w) + PODFS_SHARE_BESIDE :
				       window_alone(s, w);
	size_t room;
	const int64_t turn = w->left_at + PODFS_SHARE_TURN_US;
	const int64_t held = held_until(s);

	if (w->under_way > 0)
		forgive(w, now);
	room = window > w->under_way ? window - w->under_way : 0;
	*ret_at = w->moved_at + PODFS_SHARE_STALL_US;
	/* one at least, however much others have under way: they may never end */
	if (w->copies > 0 && room < c->moves) {
		w->filling = false;
		return false;
	}
	if (now < held && now < turn) {
		*ret_at = turn < held ? turn : held;
		return false;
	}
	if (!beside && !w->filling && w->copies > 0 && room < TOGETHER)
		return false;
	w->filling = true;
	return true;
}

void podfs_share_left(struct podfs_share *s, struct podfs_call *c, bool queued,
		      int64_t now)
{
	struct podfs_share_way *w = way_of(s, c);

	c->rpc.left_at = now;
	c->rpc.under_way = c->moves;
	c->rpc.delivered = w->delivered;
	c->rpc.lap = w->lap;
	if (c->moves && w->under_way == 0)
		w->moved_at = now;
	w->under_way += c->moves;
	if (is_copy(c)) {
		w->copies++;
		w->left_at = now;
	}
	/* a copy's own open is none of those: then nothing is copied yet */
	c->rpc.beside = is_waited_for(c) &&
			(queued || s->in.under_way || s->out.under_way);
	if (c->rpc.beside) {
		s->waiting++;
		s->waited_at = now;
	}
}

void podfs_share_came(struct podfs_share *s, struct podfs_call *c, size_t n,
		      int64_t now)
{
	struct podfs_share_way *w = way_of(s, c);

	if (n > c->rpc.under_way)
		n = c->rpc.under_way;
	c->rpc.under_way -= n;
	if (c->rpc.lap == w->lap)
		w->under_way -= n;
	w->delivered += n;
	if (c->moves)
		w->moved_at = now;
}

static void measure_rate(struct podfs_share_way *w, const struct podfs_call *c,
			 int64_t now)
{
	const int64_t took = now - c->rpc.left_at;
	uint64_t rate = 0;

	if (took > 0)
		rate = (w->delivered - c->rpc.delivered) * 1000000 /
		       (uint64_t)took;
	if (now - w->period_at >= PERIOD_US) {
		w->rate_before = now - w->period_at < 2 * PERIOD_US ? w->rate :
								      0;
		w->rate = 0;
		w->period_at = now;
	}
	if (rate > w->rate)
		w->rate = rate < RATE_MAX ? rate : RATE_MAX;
}

void podfs_share_lost(struct podfs_share *s)
{
	s->trip = 0;
	s->in.rate = s->in.rate_before = 0;
	s->out.rate = s->out.rate_before = 0;
	atomic_store(&s->window, PODFS_SHARE_ALONE);
}

void podfs_share_answered(struct podfs_share *s, struct podfs_call *c,
			  size_t n, int64_t now)
{
	struct podfs_share_way *w = way_of(s, c);
	const int64_t took = now - c->rpc.left_at;

	if (c->moves) {
		podfs_share_came(s, c, n, now);
		measure_rate(w, c, now);
		atomic_store(&s->window, window_alone(s, &s->in));
	} else if (took > 0 && (!s->trip || took < s->trip)) {
		s->trip = took;
	}
	if (c->rpc.beside)
		s->waited_at = now;
}

void podfs_share_gone(struct podfs_share *s, const struct podfs_call *c)
{
	struct podfs_share_way *w = way_of(s, c);

	if (c->rpc.lap == w->lap) {
		w->under_way -= c->rpc.under_way;
		w->copies -= is_copy(c);
	}
	if (c->rpc.beside)
		s->waiting--;
}
