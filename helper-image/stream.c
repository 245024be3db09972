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
#include "helper-image/watch.h"

#define INPUT_SIZE 65536
/* The client sends PINGs every 5 s; a link that is silent for so long is
 * dead, and nobody else would tell: the kubelet ends no exec whose client is
 * gone. */
#define SILENCE_MS 180000
/* How soon a stream that was shut is noticed, by who reads and by who writes:
 * its successor waits for the latter. */
#define SHUT_POLL_MS 500
#define SHUT_WRITE_POLL_MS 20
/* So long events are collected: what changes without end is told once in that
 * time. */
#define TELL_MS 2

void helper_stream_shut(struct helper_stream *s)
{
	atomic_store(&s->broken, true);
}

void helper_stream_write(struct helper_stream *s, const uint8_t *p, size_t n)
{
	while (n > 0 && !atomic_load(&s->broken)) {
		ssize_t done = write(s->out, p, n);

		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = s->out, .events = POLLOUT };

			poll(&pfd, 1, SHUT_WRITE_POLL_MS);
		} else if (done == 0 || errno != EINTR) {
			atomic_store(&s->broken, true);
		}
	}
}

/* Until there is something to read; what happens in watched folders meanwhile
 * is told. As poll(2). */
static int wait_for_input(struct helper_stream *s,
			  struct helper_session *session)
{
	struct pollfd p[2] = { { .fd = s->in, .events = POLLIN },
			       { .fd = -1, .events = POLLIN } };
	int ready;

	if (session)
		p[1].fd = helper_watch_fd(&session->watches);
	ready = poll(p, 2, SHUT_POLL_MS);
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

	while (!atomic_load(&s->broken)) {
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

static int receive(struct helper_session *session,
		   const struct helper_stream *stream,
		   const struct wire_header *h, const uint8_t *body)
{
	struct helper_request *r;
	enum helper_known known;
	unsigned flags = 0;

	if (h->flags & (WIRE_FLAG_REPLY | WIRE_FLAG_MORE))
		return -EPROTO;
	helper_session_acked(session, h->ack);
	if (wire_op_flags(h->op, &flags) && (flags & WIRE_F_O))
		return control(session, stream, h, body);
	/* twice: what was taken up from a lost stream may still be running */
	if (atomic_load(&session->queued) + h->size > 2 * WIRE_INFLIGHT_MAX)
		return -EPROTO;
	r = request_new(h, body);
	if (!r)
		return -ENOMEM;
	known = helper_session_admit(session, stream, r);
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
	helper_pool_push(r);
	return 0;
}

struct reading {
	struct helper_stream *stream;
	struct helper_session *session; /* NULL before HELLO */
	uint8_t *unpacked; /* WIRE_BODY_MAX */
	bool bye;
	bool forget; /* with BYE: the session ends, too */
};

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
	err = receive(in->session, in->stream, h, body);
	return err ? err : -ESHUTDOWN;
}

static int frame_in(struct reading *in, const struct wire_header *h,
		    const uint8_t *body)
{
	if (!in->session)
		return helper_hello(in->stream, h, body, &in->session);
	return h->op == WIRE_OP_BYE ? bye(in, h, body) :
				      receive(in->session, in->stream, h, body);
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

static int read_frames(struct reading *in, struct wire_parser *parser,
		       uint8_t *input)
{
	ssize_t n = read_some(in->stream, in->session, input, INPUT_SIZE);
	const uint8_t *p = input;
	size_t left = n > 0 ? (size_t)n : 0;

	if (n < 0)
		return (int)n;
	for (;;) {
		struct wire_header h;
		const uint8_t *body;
		int got = wire_parser_next(parser, &p, &left, &h, &body);
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

int helper_stream_run(struct helper_stream *s)
{
	struct reading in = { .stream = s };
	struct wire_parser parser;
	uint8_t *input = malloc(INPUT_SIZE + 2 * WIRE_FRAME_MAX);
	int err = input ? 0 : -ENOMEM;

	if (input) {
		wire_parser_init(&parser, input + INPUT_SIZE, WIRE_FRAME_MAX);
		in.unpacked = input + INPUT_SIZE + WIRE_FRAME_MAX;
	}
	while (!err)
		err = read_frames(&in, &parser, input);
	if (in.session) {
		helper_session_detach(in.session, s, in.forget);
		helper_session_put(in.session);
	}
	free(input);
	return in.bye ? 0 : err;
}
