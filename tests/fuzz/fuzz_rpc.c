/*
 * The in-flight table against a helper that answers as it likes: calls come and
 * go, replies to any of them or to none, whole or in portions, as frames or as
 * bytes, over streams that are lost and taken up again. Each call ends exactly
 * once, whatever comes.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/rpc.h"
#include "common/base/guard.h"
#include "common/wire/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS_MAX 200
#define FAR (INT64_MAX / 2)

struct one {
	struct podfs_call call;
	unsigned ended;
	uint8_t frame[PODFS_CALL_HEADROOM + 64];
};

struct input {
	const uint8_t *p, *end;
};

static struct one *calls[CALLS_MAX];
static unsigned n_calls;
static uint8_t part_result;

static uint8_t take(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct one *o = podfs_container_of(c, struct one, call);
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += body[i]; /* whether it is there to be read */
	if (o->ended++ || status > 0 || (status && len) || sum == UINT32_MAX)
		abort();
}

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct one *o = podfs_container_of(c, struct one, call);

	(void)body;
	(void)len;
	if (o->ended)
		abort();
	return part_result ? -EIO : 0;
}

static void on_restart(struct podfs_call *c)
{
	if (podfs_container_of(c, struct one, call)->ended)
		abort();
}

static struct one *new_call(uint16_t op)
{
	struct one *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	calls[n_calls++] = o;
	o->call.op = op;
	o->call.frame = o->frame;
	o->call.done = on_done;
	return o;
}

static void submit(struct podfs_rpc *r, struct input *in)
{
	static const uint16_t ops[] = {
		WIRE_OP_READ, WIRE_OP_OPEN, WIRE_OP_CREATE, WIRE_OP_READDIR,
		WIRE_OP_SETLK, WIRE_OP_WRITE, WIRE_OP_GETATTR, WIRE_OP_PING,
		WIRE_OP_CANCEL, WIRE_OP_SCAN, WIRE_OP_RENAME, WIRE_OP_HELLO,
	};
	uint8_t how = take(in);
	unsigned flags = 0;
	struct one *o;

	if (n_calls + 2 > CALLS_MAX)
		return;
	o = new_call(ops[how % (sizeof(ops) / sizeof(ops[0]))]);
	o->call.body_len = take(in) % 64;
	o->call.prio = how >> 6;
	wire_op_flags((uint16_t)o->call.op, &flags);
	if (flags & WIRE_F_M) {
		o->call.part = on_part;
		o->call.restart = on_restart;
	}
	if (flags & WIRE_F_H)
		o->call.epoch = 1;
	if (o->call.op == WIRE_OP_SETLK && how & 0x20)
		o->call.undo = &new_call(WIRE_OP_SETLK)->call;
	if (o->call.op == WIRE_OP_HELLO && !r->hello)
		podfs_rpc_submit_hello(r, &o->call, FAR);
	else
		podfs_rpc_submit(r, &o->call, how & 0x10 ? 5 : FAR);
}

static void fill(struct podfs_rpc *r, struct input *in)
{
	static uint8_t out[WIRE_FRAME_MAX];
	size_t room = 1u + take(in) * 8u;

	if (podfs_rpc_fill(r, out, room) > room)
		abort();
}

/* Of a call that may be under way, of the right operation or another. */
static int reply(struct podfs_rpc *r, struct input *in)
{
	uint8_t frame[WIRE_HEADER_SIZE + 256];
	uint8_t how = take(in), which = take(in), len = take(in);
	struct wire_header h = {
		.size = (uint32_t)(WIRE_HEADER_SIZE + len),
		.op = WIRE_OP_READ,
		.flags = WIRE_FLAG_REPLY,
		.id = which,
		.status = how & 1 ? take(in) : 0,
	};
	size_t at = WIRE_HEADER_SIZE;

	for (unsigned i = 0; i < n_calls; i++)
		if (calls[i]->call.rpc.id == which)
			h.op = (uint16_t)calls[i]->call.op;
	if (how & 2)
		h.op = take(in);
	if (how & 4)
		h.flags |= WIRE_FLAG_MORE;
	if (how & 8)
		h.flags |= WIRE_FLAG_LZ4;
	if (how & 16)
		h.id = UINT64_MAX - which;
	part_result = how & 32;
	wire_header_put(frame, &h);
	for (unsigned i = 0; i < len; i++)
		frame[at++] = take(in);
	if (how & 64)
		at -= len / 2u; /* the rest is the next frame's */
	return podfs_rpc_bytes(r, frame, at, 1);
}

static int bytes(struct podfs_rpc *r, struct input *in)
{
	size_t n = take(in);

	if (n > (size_t)(in->end - in->p))
		n = (size_t)(in->end - in->p);
	in->p += n;
	return podfs_rpc_bytes(r, in->p - n, n, 1);
}

static void new_stream(struct podfs_rpc *r, bool resumed)
{
	podfs_rpc_lost(r);
	if (podfs_rpc_attach(r) != 0)
		abort();
	podfs_rpc_again(r, resumed, resumed ? 1 : 2);
}

static void step(struct podfs_rpc *r, struct input *in)
{
	int err = 0;

	switch (take(in) % 8) {
	case 0:
	case 1:
		submit(r, in);
		break;
	case 2:
		fill(r, in);
		break;
	case 3:
	case 4:
		err = reply(r, in);
		break;
	case 5:
		err = bytes(r, in);
		break;
	case 6:
		podfs_rpc_expire(r, take(in) % 10, -ETIMEDOUT);
		if (n_calls > 0)
			atomic_store(&calls[take(in) % n_calls]
					      ->call.rpc.cancelled, true);
		break;
	default:
		new_stream(r, take(in) & 1);
		break;
	}
	if (err)
		new_stream(r, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct podfs_rpc r;

	n_calls = 0;
	podfs_rpc_init(&r);
	if (podfs_rpc_attach(&r) != 0)
		abort();
	r.packs = size & 1;
	r.open = true;
	while (in.p < in.end)
		step(&r, &in);
	podfs_rpc_fail_all(&r, -ENOTCONN);
	podfs_rpc_done(&r);
	for (unsigned i = 0; i < n_calls; i++) {
		if (calls[i]->ended != 1)
			abort();
		free(calls[i]);
	}
	return 0;
}
