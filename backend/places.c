#include "backend/places.h"

#include "backend/rpc_own.h"
#include "backend/session.h"
#include "common/wire/msg.h"

/* So long who has one keeps it: many that are walked over in turns would else
 * drive each other out, and none of them would be known when its turn comes. */
#define KEEP_MS 10000

/* Without memory for it the helper watches on, or not yet: what it does it says
 * with each folder. */
static void say(struct podfs_session *s, bool on)
{
	const struct wire_req_WATCH m = { .on = on };
	struct wire_writer w;
	struct podfs_own_call *o = podfs_own_new(WIRE_OP_WATCH, &w);

	if (!o)
		return;
	wire_enc_req_WATCH(&w, &m);
	podfs_own_submit(&s->rpc, o, &w);
	if (s->transport)
		s->transport->ops->want_write(s->transport);
}

static bool makes_place(const struct podfs_session *s, int64_t now)
{
	return s->state == PODFS_SESSION_READY && now - s->used_at > KEEP_MS;
}

/* The one that is free, or of who was asked nothing for longest; or NULL. */
static struct podfs_session **find(struct podfs_places *p, int64_t now)
{
	struct podfs_session **found = NULL;

	for (unsigned i = 0; i < PODFS_PLACES; i++) {
		struct podfs_session **at = &p->of[i];

		if (!*at)
			return at;
		if (makes_place(*at, now) &&
		    (!found || (*at)->used_at < (*found)->used_at))
			found = at;
	}
	return found;
}

bool podfs_places_use(struct podfs_session *s)
{
	int64_t now = podfs_now_ms();
	struct podfs_session **at;

	if (!s->config->places)
		return false;
	s->used_at = now;
	if (s->watching)
		return true;
	at = find(s->config->places, now);
	if (!at)
		return false;
	if (*at) {
		(*at)->watching = false;
		say(*at, false);
	}
	*at = s;
	s->watching = true;
	if (s->state == PODFS_SESSION_READY)
		say(s, true);
	return true;
}

void podfs_places_leave(struct podfs_session *s)
{
	struct podfs_places *p = s->config->places;

	if (!s->watching)
		return;
	s->watching = false;
	for (unsigned i = 0; i < PODFS_PLACES; i++)
		if (p->of[i] == s)
			p->of[i] = NULL;
}
