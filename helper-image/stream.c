#include "helper-image/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/wire/frame.h"
#include "common/wire/msg.h"
#include "helper-image/dispatch.h"
#include "helper-image/hello.h"
#include "helper-image/pool.h"
#include "helper-image/session.h"
#include "helper-image/turns.h"
#include "helper-image/watch.h"

#define INPUT_SIZE 65536
/* The client sends PINGs every 5 s; a link that is silent for so long is
 * dead, and nobody else would tell: the kubelet ends no exec whose client is
 * gone. */
#define SILENCE_MS 180000
/* How soon a stream that was shut is noticed. */
#define SHUT_POLL_MS 500
/* So long events are collected: what changes without end is told once in that
 * time. */
#define TELL_MS 2

void helper_stream_shut(struct helper_stream *s)
{
	atomic_store(&s->out.broken, true);
}

/* Until there is something to read; what happens in watched folders meanwhile
 * is told, and no reply held back for long. As poll(2). */
static int wait_for_input(struct helper_stream *s,
			  struct helper_session *session)
{
	struct pollfd p[2] = { { .fd = s->in, .events = POLLIN },
			       { .fd = -1, .events = POLLIN } };
	const bool holds = atomic_load(&s->out.expects) ||
			   atomic_load(&s->out.waits);
	int ready;

	if (session)
		p[1].fd = helper_watch_fd(&session->watches);
	ready = poll(p, 2, holds ? HELPER_SOON_MS : SHUT_POLL_MS);
	if (ready == 0)
		atomic_store(&s->out.expects, false);
	/* a request may come in so slowly that it takes its time, and never so
	 * that there is nothing to read */
	if (session && (ready == 0 || (atomic_load(&s->out.expects) &&
				       atomic_load(&s->out.waits))))
		helper_session_flush(session, s);
	if (ready <= 0 || !p[1].revents)
		return ready;
	helper_session_tell(session);
	return p[0].revents ? 1 : poll(p, 1, TELL_MS);
}

/* -EPIPE at the end, -ETIMEDOUT after a long silence. */
static ssize_t read_some(struct helper_stream *s,
			 struct helper_session *session, uint8_t *buf,
			 size_t size)
{
	int64_t end = helper_now_ms() + SILENCE_MS;

	while (!atomic_load(&s->out.broken)) {
		int ready = wait_for_input(s, session);
		ssize_t n;

		if (ready == 0 && helper_now_ms() > end)
			return -ETIMEDOUT;
		if (ready <= 0)
			continue;
		n = read(s->in, buf, size);
		if (n > 0)
			return n;
		if (n == 0)
			return -EPIPE;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return -EPIPE;
}

static struct helper_request *request_new(const struct wire_header *h,
					  const uint8_t *body)
{
	size_t len = h->size - WIRE_HEADER_SIZE;
	struct helper_request *r = helper_request_new(len);

	if (!r)
		return NULL;
	r->header = *h;
	if (len)
		memcpy(r->body, body, len);
	return r;
}

/* The session's own operations are answered by the reader, so that a CANCEL
 * never waits behind what it cancels. */
static int control(struct helper_session *session,
		   const struct helper_stream *stream,
		   const struct wire_header *h, const uint8_t *body)
{
	struct wire_reader r =
		wire_reader_over(body, h->size - WIRE_HEADER_SIZE);
	struct wire_req_UNWATCH folder;
	struct wire_req_CANCEL cancel;
	struct wire_req_WATCH watch;

	if (h->op == WIRE_OP_WATCH && wire_dec_req_WATCH(&r, &watch) == 0)
		helper_session_watch(session, stream, watch.on);
	else if (h->op == WIRE_OP_UNWATCH && wire_dec_req_UNWATCH(&r, &folder) == 0)
		helper_watch_remove(&session->watches, folder.dev, folder.ino);
	else if (h->op == WIRE_OP_CANCEL &&
		 wire_dec_req_CANCEL(&r, &cancel) == 0)
		helper_session_cancel(session, cancel.id);
	else if (h->op == WIRE_OP_CANCEL || h->op == WIRE_OP_WATCH ||
		 h->op == WIRE_OP_UNWATCH)
		return -EPROTO;
	return 0;
}

struct reading { /* of who has the turn */
	struct helper_stream *stream;
	struct helper_session *session; /* NULL before HELLO */
	struct wire_parser parser;
	uint8_t *input; /* INPUT_SIZE */
	uint8_t *unpacked; /* WIRE_BODY_MAX */
	bool bye;
	bool forget; /* with BYE: the session ends, too */
	struct helper_request *came, **came_end; /* together, to be run */
};

static int receive(struct reading *in, const struct wire_header *h,
		   const uint8_t *body)
{
	struct helper_session *session = in->session;
	struct helper_request *r;
	enum helper_known known;
	unsigned flags = 0;

	if (h->flags & (WIRE_FLAG_REPLY | WIRE_FLAG_MORE))
		return -EPROTO;
	helper_session_acked(session, h->ack);
	if (wire_op_flags(h->op, &flags) && (flags & WIRE_F_O))
		return control(session, in->stream, h, body);
	/* twice: what was taken up from a lost stream may still be running */
	if (atomic_load(&session->queued) + h->size > 2 * WIRE_INFLIGHT_MAX)
		return -EPROTO;
	r = request_new(h, body);
	if (!r)
		return -ENOMEM;
	known = helper_session_admit(session, in->stream, r);
	if (known != HELPER_NEW) {
		helper_request_free(r);
		return known == HELPER_LATE ? -EPIPE : 0;
	}
	atomic_fetch_add(&session->queued, h->size);
	if (h->op == WIRE_OP_PING || h->op == WIRE_OP_BYE) {
		/* here: workers may all hang in a dead volume, the stream
		 * doesn't; a number at most is the reply */
		uint8_t frame[WIRE_HEADER_SIZE + 64];

		helper_dispatch(r, frame);
		return 0;
	}
	*in->came_end = r;
	in->came_end = &r->next;
	return 0;
}

/* Nothing of @in is touched after it: another one may have read on. */
static void run(struct reading *in, struct helper_turns *t)
{
	struct helper_request *came = in->came;

	*in->came_end = NULL;
	in->came = NULL;
	in->came_end = &in->came;
	if (!came)
		return;
	helper_train_make(came);
	if (t)
		helper_turns_work(t, came);
	else
		helper_pool_push_all(came);
}

/* The client leaves, and nobody else would end the stream for it: the exec's
 * standard input stays open when its client is gone. */
static int bye(struct reading *in, const struct wire_header *h,
	       const uint8_t *body)
{
	struct wire_reader r =
		wire_reader_over(body, h->size - WIRE_HEADER_SIZE);
	struct wire_req_BYE m;
	int err;

	in->bye = true;
	in->forget = wire_dec_req_BYE(&r, &m) == 0 && m.forget;
	in->stream->end = in->forget && m.forget == WIRE_BYE_END;
	err = receive(in, h, body);
	return err ? err : -ESHUTDOWN;
}

static int frame_in(struct reading *in, const struct wire_header *h,
		    const uint8_t *body)
{
	if (!in->session)
		return helper_hello(in->stream, h, body, &in->session);
	return h->op == WIRE_OP_BYE ? bye(in, h, body) :
				      receive(in, h, body);
}

static int plain(struct reading *in, struct wire_header *h,
		 const uint8_t **body)
{
	if (!(h->flags & WIRE_FLAG_LZ4))
		return 0;
	if (!in->session || !atomic_load(&in->session->packs) ||
	    wire_unpack(h, body, in->unpacked) != 0)
		return -EPROTO;
	return 0;
}

static int take_frames(struct reading *in, const uint8_t *p, size_t left)
{
	for (;;) {
		struct wire_header h;
		const uint8_t *body;
		int got = wire_parser_next(&in->parser, &p, &left, &h,
					   &body);
		int err;

		if (got <= 0)
			return got < 0 ? -EPROTO : 0;
		err = plain(in, &h, &body);
		if (!err)
			err = frame_in(in, &h, body);
		if (err)
			return err;
	}
}

static int read_frames(void *arg, struct helper_turns *t)
{
	struct reading *in = arg;
	ssize_t n = read_some(in->stream, in->session, in->input, INPUT_SIZE);
	int err;

	if (n < 0)
		return (int)n;
	err = take_frames(in, in->input, (size_t)n);
	if (!err)
		atomic_store(&in->stream->out.expects, in->parser.have > 0);
	/* who has read the end tells of it at once */
	run(in, err ? NULL : t);
	return err;
}

static int read_all(struct reading *in)
{
	struct helper_turns *t = helper_turns_new(read_frames, in);
	int err;

	if (t)
		return helper_turns_run(t);
	while ((err = read_frames(in, NULL)) == 0)
		;
	return err;
}

int helper_stream_run(struct helper_stream *s)
{
	struct reading in = { .stream = s, .came_end = &in.came };
	int err = -ENOMEM;

	in.input = malloc(INPUT_SIZE + 2 * WIRE_FRAME_MAX + HELPER_CHUNK);
	if (in.input) {
		s->out.held = in.input + INPUT_SIZE + 2 * WIRE_FRAME_MAX;
		wire_parser_init(&in.parser, in.input + INPUT_SIZE,
				 WIRE_FRAME_MAX);
		in.unpacked = in.input + INPUT_SIZE + WIRE_FRAME_MAX;
		err = read_all(&in);
	}
	if (in.session) {
		helper_session_detach(in.session, s, in.forget);
		helper_session_put(in.session);
	}
	free(in.input);
	return in.bye ? 0 : err;
}
