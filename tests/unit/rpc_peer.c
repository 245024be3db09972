#include "rpc_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire/errno.h"
#include "common/wire/msg.h"

struct request sent[4096];
size_t n_sent;

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	((struct one *)c)->parts++;
	(void)body;
	(void)len;
	return 0;
}

static void on_restart(struct podfs_call *c)
{
	((struct one *)c)->restarts++;
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct one *o = (struct one *)c;
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_PING m;

	o->done++;
	o->status = status;
	if (!status && c->op == WIRE_OP_PING &&
	    wire_dec_rep_PING(&r, &m) == 0)
		o->stamp = m.stamp;
}

struct one *make(enum wire_op op, uint64_t stamp)
{
	struct one *o = calloc(1, sizeof(*o));
	struct wire_writer w = wire_writer_over(
		o->frame + PODFS_CALL_HEADROOM, 128);
	struct wire_req_PING ping = { .stamp = stamp };
	struct wire_req_RELEASE any = { .handle = stamp };

	if (op == WIRE_OP_PING)
		wire_enc_req_PING(&w, &ping);
	else
		wire_enc_req_RELEASE(&w, &any);
	o->call.op = op;
	o->call.frame = o->frame;
	o->call.body_len = (size_t)(w.p - w.start);
	o->call.part = on_part;
	o->call.restart = on_restart;
	o->call.done = on_done;
	return o;
}

struct one *submit(struct podfs_rpc *r, enum wire_op op, uint64_t stamp,
		   int64_t deadline)
{
	struct one *o = make(op, stamp);

	podfs_rpc_submit(r, &o->call, deadline);
	return o;
}

void pump(struct podfs_rpc *r)
{
	static uint8_t bytes[65536], buf[WIRE_FRAME_MAX];
	struct wire_parser parser;

	wire_parser_init(&parser, buf, sizeof(buf));
	for (;;) {
		/* small, odd portions: frames are cut in the middle */
		size_t n = podfs_rpc_fill(r, bytes, 37);
		const uint8_t *p = bytes, *body;
		struct wire_header h;

		if (n == 0)
			return;
		while (wire_parser_next(&parser, &p, &n, &h, &body) == 1) {
			sent[n_sent].h = h;
			memcpy(sent[n_sent].body, body,
			       h.size - WIRE_HEADER_SIZE);
			n_sent++;
		}
	}
}

int64_t clock_ms;

int answer(struct podfs_rpc *r, const struct request *q, uint32_t status,
	   uint16_t flags)
{
	uint8_t frame[WIRE_HEADER_SIZE + 128];
	size_t body = status || q->h.op != WIRE_OP_PING ?
			      0 :
			      q->h.size - WIRE_HEADER_SIZE;
	struct wire_header h = { .size = (uint32_t)(WIRE_HEADER_SIZE + body),
				 .op = q->h.op,
				 .flags = (uint16_t)(WIRE_FLAG_REPLY | flags),
				 .id = q->h.id,
				 .status = status };

	wire_header_put(frame, &h);
	memcpy(frame + WIRE_HEADER_SIZE, q->body, body);
	return podfs_rpc_bytes(r, frame, h.size, clock_ms);
}

int rpc_setup(void **state)
{
	struct podfs_rpc *r = calloc(1, sizeof(*r));

	n_sent = 0;
	clock_ms = 1;
	podfs_rpc_init(r);
	if (podfs_rpc_attach(r) != 0)
		return -1;
	r->open = true;
	*state = r;
	return 0;
}

void lose(struct podfs_rpc *r)
{
	podfs_rpc_lost(r);
	assert_int_equal(podfs_rpc_attach(r), 0);
}

int rpc_teardown(void **state)
{
	podfs_rpc_done(*state);
	free(*state);
	return 0;
}
