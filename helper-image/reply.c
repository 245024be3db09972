/*
 * A session's requests and replies: which run, which were answered, and what
 * of it the client has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/op.h"
#include "helper-image/pool.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"

/* Replies to changes are small; so many bytes stand for thousands of them. A
 * client that never acknowledges loses the oldest. */
#define REPLY_BYTES_MAX (1u << 20)

/* A request with a large body: its memory is kept for the next, since the C library
 * would take each from the kernel and give it back, a fault for each page. */
#define LARGE 32768u
#define SPARES_MAX 16u

static pthread_mutex_t spares_lock = PTHREAD_MUTEX_INITIALIZER;
static struct helper_request *spares; /* under it */
static unsigned n_spares;	      /* the same */

struct helper_request *helper_request_new(size_t len)
{
	struct helper_request *r = NULL;

	if (len < LARGE)
		return calloc(1, sizeof(*r) + len);
	pthread_mutex_lock(&spares_lock);
	if (spares) {
		r = spares;
		spares = r->next;
		n_spares--;
	}
	pthread_mutex_unlock(&spares_lock);
	if (!r)
		r = malloc(sizeof(*r) + WIRE_BODY_MAX);
	if (r)
		*r = (struct helper_request){ .whole = true };
	return r;
}

void helper_request_free(struct helper_request *r)
{
	pthread_mutex_lock(&spares_lock);
	if (r->whole && n_spares < SPARES_MAX) {
		r->next = spares;
		spares = r;
		n_spares++;
		r = NULL;
	}
	pthread_mutex_unlock(&spares_lock);
	free(r);
}

/* Sends to the stream of that takeover; a lost one loses nothing that matters:
 * what may not run twice is remembered, the rest is asked again. @last: the
 * request whose last frame it is, or NULL. */
static void send_frame(struct helper_session *s, uint64_t takeover,
		       const uint8_t *frame, size_t len,
		       enum helper_haste haste, struct helper_request *last)
{
	struct helper_stream *stream;

	pthread_mutex_lock(&s->output);
	pthread_mutex_lock(&s->lock);
	stream = takeover == s->takeovers ? s->stream : NULL;
	pthread_mutex_unlock(&s->lock);
	/* counted as they leave: what the last of a train would overtake here is
	 * taken along by nobody */
	if (last && helper_train_goes_on(last))
		haste = HELPER_TOGETHER;
	if (stream) {
		/* a reply tells nothing that they don't tell before it */
		helper_watch_tell(&s->watches, stream);
		helper_output_write(&stream->out, frame, len, haste);
	}
	pthread_mutex_unlock(&s->output);
}

void helper_session_flush(struct helper_session *s, struct helper_stream *stream)
{
	/* whoever writes takes it along, or leaves it for the next look */
	if (pthread_mutex_trylock(&s->output) != 0)
		return;
	if (s->stream == stream)
		helper_output_flush(&stream->out);
	pthread_mutex_unlock(&s->output);
}

void helper_session_tell(struct helper_session *s)
{
	struct helper_stream *stream;

	pthread_mutex_lock(&s->output);
	pthread_mutex_lock(&s->lock);
	stream = s->stream;
	pthread_mutex_unlock(&s->lock);
	if (stream)
		helper_watch_tell(&s->watches, stream);
	pthread_mutex_unlock(&s->output);
}

/* What may run twice does so when it comes again: of the reply that is under
 * way the client has only the end. */
static struct helper_request *same_running(struct helper_session *s,
					   const struct helper_request *r)
{
	struct helper_request *q = s->running;
	unsigned flags = 0;

	while (q && q->header.id != r->header.id)
		q = q->running;
	if (!q || q->takeover == s->takeovers ||
	    !wire_op_flags(q->header.op, &flags) || !(flags & WIRE_F_I))
		return q;
	q->cancelled = true;
	return NULL;
}

/* One that wasn't sent before is later than all: somebody who waits for a lock
 * acknowledges nothing meanwhile, and there may be thousands. */
static const struct helper_reply *kept_locked(const struct helper_session *s,
					      uint64_t id)
{
	const struct helper_reply *kept = id > s->replied ? NULL : s->replies;

	while (kept && kept->id != id)
		kept = kept->next;
	return kept;
}

enum helper_known helper_session_admit(struct helper_session *s,
				       const struct helper_stream *stream,
				       struct helper_request *r)
{
	const struct helper_reply *kept;
	uint8_t *copy = NULL;
	uint64_t takeover;
	size_t len = 0;
	enum helper_known known = HELPER_NEW;

	pthread_mutex_lock(&s->lock);
	takeover = s->takeovers;
	kept = kept_locked(s, r->header.id);
	if (s->stream != stream) {
		known = HELPER_LATE;
	} else if ((!kept || kept->takeover == takeover) &&
		   same_running(s, r)) {
		/* one whose reply went to a stream that is gone only hasn't
		 * been taken off the list yet */
		known = HELPER_RUNNING;
	} else if (kept) {
		known = HELPER_ANSWERED;
		len = kept->len;
		copy = malloc(len);
		if (copy)
			memcpy(copy, kept->frame, len);
	} else {
		s->refs++;
		r->session = s;
		r->takeover = s->takeovers;
		r->running = s->running;
		s->running = r;
	}
	pthread_mutex_unlock(&s->lock);
	if (copy)
		send_frame(s, takeover, copy, len, HELPER_NOW, NULL);
	free(copy);
	return known;
}

void helper_session_acked(struct helper_session *s, uint64_t ack)
{
	struct helper_reply *gone = NULL, **r = &s->replies;

	pthread_mutex_lock(&s->lock);
	while (ack > s->acked && *r) {
		struct helper_reply *kept = *r;

		if (kept->id >= ack) {
			r = &kept->next;
			continue;
		}
		*r = kept->next;
		s->reply_bytes -= kept->len;
		kept->next = gone;
		gone = kept;
	}
	if (ack > s->acked) {
		s->acked = ack;
		s->replies_end = r;
	}
	pthread_mutex_unlock(&s->lock);
	while (gone) {
		struct helper_reply *next = gone->next;

		free(gone);
		gone = next;
	}
}

/* Returns the takeover whose stream it is to be sent to. Whoever asks for it on
 * a later one gets what is remembered, and nothing twice. */
static uint64_t remember(struct helper_session *s, uint64_t id,
			 const uint8_t *frame, size_t len)
{
	struct helper_reply *r = malloc(sizeof(*r) + len);
	struct helper_reply *oldest = NULL;
	uint64_t takeover;

	pthread_mutex_lock(&s->lock);
	takeover = s->takeovers;
	if (!r || id < s->acked) { /* nobody will ask for it again */
		pthread_mutex_unlock(&s->lock);
		free(r);
		return takeover;
	}
	*r = (struct helper_reply){
		.id = id, .takeover = takeover, .len = len
	};
	memcpy(r->frame, frame, len);
	*s->replies_end = r;
	s->replies_end = &r->next;
	if (id > s->replied)
		s->replied = id;
	s->reply_bytes += len;
	if (s->reply_bytes > REPLY_BYTES_MAX && s->replies != r) {
		oldest = s->replies;
		s->replies = oldest->next;
		s->reply_bytes -= oldest->len;
	}
	pthread_mutex_unlock(&s->lock);
	free(oldest);
	return takeover;
}

void helper_session_cancel(struct helper_session *s, uint64_t id)
{
	pthread_mutex_lock(&s->lock);
	for (struct helper_request *r = s->running; r; r = r->running)
		if (r->header.id == id)
			r->cancelled = true;
	pthread_mutex_unlock(&s->lock);
}

bool helper_session_cancelled(struct helper_request *r)
{
	bool cancelled;

	pthread_mutex_lock(&r->session->lock);
	cancelled = r->cancelled;
	pthread_mutex_unlock(&r->session->lock);
	return cancelled;
}

/* Of a file that its client asked for before anybody waited for it. A walk by names
 * only is quicker: what is held back of those it waits for. */
static bool is_ahead(const struct wire_header *h, const uint8_t *frame)
{
	return (h->flags & WIRE_FLAG_PRIO_MASK) >> WIRE_FLAG_PRIO_SHIFT ==
		       WIRE_PRIO_PREFETCH &&
	       frame[WIRE_HEADER_SIZE] == WIRE_SCAN_FILE;
}

void helper_session_reply(struct helper_request *r, uint8_t *frame, size_t len,
			  bool more, uint32_t status, bool keep)
{
	struct wire_header h = {
		.size = (uint32_t)len,
		.op = r->header.op,
		.flags = (uint16_t)(WIRE_FLAG_REPLY |
				    (more ? WIRE_FLAG_MORE : 0) |
				    (r->header.flags & WIRE_FLAG_PRIO_MASK)),
		.id = r->header.id,
		.status = status,
	};

	enum helper_haste haste = HELPER_NOW;
	uint64_t takeover = r->takeover;

	if (more && h.op == WIRE_OP_READ)
		haste = HELPER_MORE;
	else if (more && h.op == WIRE_OP_SCAN && is_ahead(&h, frame))
		haste = HELPER_MANY;
	else if (h.op == WIRE_OP_WRITE && r->whole && !status)
		haste = HELPER_SOON;
	wire_header_put(frame, &h);
	if (keep)
		takeover = remember(r->session, h.id, frame, len);
	if (r->room && atomic_load(&r->session->packs) &&
	    wire_pack(&r->session->packer, frame, len, r->room, &len))
		frame = r->room;
	send_frame(r->session, takeover, frame, len, haste, more ? NULL : r);
}

void helper_session_finish(struct helper_request *r)
{
	struct helper_session *s = r->session;
	struct helper_request *woken;
	struct helper_request **q;

	pthread_mutex_lock(&s->lock);
	for (q = &s->running; *q && *q != r; q = &(*q)->running)
		;
	if (*q)
		*q = r->running;
	woken = helper_follow_woken_locked(s->running, r->header.id);
	pthread_mutex_unlock(&s->lock);
	helper_request_free(r);
	while (woken) {
		struct helper_request *next = woken->next;

		helper_pool_push(woken);
		woken = next;
	}
	helper_session_put(s);
}
