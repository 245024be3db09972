#include "helper-image/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "helper-image/dispatch.h"
#include "helper-image/session.h"

void helper_ends_done(struct helper_ends *e)
{
	for (unsigned i = 0; i < HELPER_ENDS; i++)
		free(e->list[i].path);
}

void helper_follow_ended(struct helper_request *r, struct wire_str path,
			 bool all)
{
	struct helper_ends *e = &r->session->ends;
	char *copy = malloc(path.n + 1u);

	if (!copy)
		return;
	memcpy(copy, path.p, path.n);
	pthread_mutex_lock(&r->session->lock);
	free(e->list[e->next].path);
	e->list[e->next] = (struct helper_end){
		.id = r->header.id, .path = copy, .len = path.n, .all = all
	};
	e->next = (e->next + 1) % HELPER_ENDS;
	pthread_mutex_unlock(&r->session->lock);
}

static bool runs_locked(const struct helper_session *s, uint64_t id)
{
	const struct helper_request *q = s->running;

	while (q && q->header.id != id)
		q = q->running;
	return q != NULL;
}

int helper_follow(struct helper_request *r, uint64_t id, char *ret,
		  uint16_t *ret_len, bool *ret_all)
{
	struct helper_session *s = r->session;
	int err = -ESTALE;

	if (id >= r->header.id) /* they would wait for each other */
		return -EINVAL;
	pthread_mutex_lock(&s->lock);
	if (runs_locked(s, id))
		err = HELPER_LATER;
	for (unsigned i = 0; i < HELPER_ENDS && err == -ESTALE; i++) {
		const struct helper_end *e = &s->ends.list[i];

		if (e->id != id || !e->path)
			continue;
		memcpy(ret, e->path, e->len);
		*ret_len = e->len;
		*ret_all = e->all;
		err = 0;
	}
	r->follows = id;
	pthread_mutex_unlock(&s->lock);
	return err;
}

bool helper_follow_wait(struct helper_request *r)
{
	struct helper_session *s = r->session;
	bool waits;

	pthread_mutex_lock(&s->lock);
	waits = runs_locked(s, r->follows);
	r->waits = waits;
	pthread_mutex_unlock(&s->lock);
	return waits;
}

struct helper_request *helper_follow_woken_locked(struct helper_request *running,
						  uint64_t id)
{
	struct helper_request *woken = NULL;

	for (struct helper_request *q = running; q; q = q->running) {
		if (!q->waits || q->follows != id)
			continue;
		q->waits = false;
		q->next = woken;
		woken = q;
	}
	return woken;
}
