#include "fake_way.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/guard.h"
#include "common/wire/errno.h"
#include "common/wire/msg.h"

struct fake_transport {
	struct podfs_transport base;
	struct fake_way *f;
	enum fake_stream how;
	struct podfs_task opened, written, cut;
	bool closed;
	struct wire_parser parser;
	uint8_t buf[WIRE_FRAME_MAX];
};

/* ---- a helper -------------------------------------------------------------- */

static void answer(struct fake_transport *t, const struct wire_header *q,
		   int err, const uint8_t *body, size_t len, size_t junk)
{
	struct wire_header h = { .size = (uint32_t)(WIRE_HEADER_SIZE + len),
				 .op = q->op,
				 .flags = WIRE_FLAG_REPLY,
				 .id = q->id,
				 .status = wire_errno_from_host(err) };
	uint8_t *frame = malloc(h.size + junk);

	wire_header_put(frame, &h);
	if (len)
		memcpy(frame + WIRE_HEADER_SIZE, body, len);
	memset(frame + h.size, 0x30, junk);
	t->base.sink.bytes(t->base.sink.arg, frame, h.size + junk);
	free(frame);
}

static void hello(struct fake_transport *t, const struct wire_header *h,
		  const uint8_t *body)
{
	struct wire_reader r =
		wire_reader_over(body, h->size - WIRE_HEADER_SIZE);
	struct wire_rep_HELLO rep = { .version = WIRE_VERSION_MAX,
				      .frame_max = WIRE_FRAME_MAX,
				      .helper_version = wire_str_from("1"),
				      .detail = wire_str_from("") };
	struct fake_way *f = t->f;
	struct wire_req_HELLO m;
	struct wire_writer w;
	uint8_t out[1024];
	bool same;

	f->hellos++;
	wire_dec_req_HELLO(&r, &m);
	f->features = m.features;
	same = f->knows && f->session_lo == m.session_lo;
	if (t->how == FAKE_REFUSE_WITH_JUNK) {
		answer(t, h, EPROTO, NULL, 0, 30);
		return;
	}
	if (same && !m.resume) {
		answer(t, h, EEXIST, NULL, 0, 0);
		return;
	}
	f->knows = true;
	f->session_lo = m.session_lo;
	if (t->how == FAKE_HELLO_THEN_CUT) {
		podfs_loop_post(f->loop, &t->cut);
		return;
	}
	rep.inflight_max = f->inflight_max ? f->inflight_max :
					     WIRE_INFLIGHT_MAX;
	rep.resumed = same;
	w = wire_writer_over(out, sizeof(out));
	wire_enc_rep_HELLO(&w, &rep);
	answer(t, h, 0, out, (size_t)(w.p - w.start), 0);
}

static void serve(struct fake_transport *t)
{
	uint8_t out[32768];
	const uint8_t *p = out, *body;
	size_t n = t->base.sink.fill(t->base.sink.arg, out, sizeof(out));
	struct wire_header h;

	t->f->messages += n > 0;
	while (!t->closed &&
	       wire_parser_next(&t->parser, &p, &n, &h, &body) == 1) {
		t->f->byes += h.op == WIRE_OP_BYE;
		if (h.op == WIRE_OP_HELLO)
			hello(t, &h, body);
		else if (h.op == WIRE_OP_WATCH)
			t->f->watches += body[0];
		else if (!t->f->answers_only_hello)
			answer(t, &h, 0, body, h.size - WIRE_HEADER_SIZE, 0);
	}
}

/* ---- its transport --------------------------------------------------------- */

static bool is_gone(struct fake_transport *t)
{
	if (t->closed && !t->opened.queued && !t->written.queued &&
	    !t->cut.queued) {
		free(t);
		return true;
	}
	return t->closed;
}

static void on_open(struct podfs_task *task)
{
	struct fake_transport *t =
		podfs_container_of(task, struct fake_transport, opened);

	if (!is_gone(t))
		t->base.sink.opened(t->base.sink.arg, "fake");
}

static void on_cut(struct podfs_task *task)
{
	struct fake_transport *t =
		podfs_container_of(task, struct fake_transport, cut);
	struct podfs_err err = PODFS_ERR_INIT;

	if (is_gone(t))
		return;
	podfs_err_set(&err, t->how == FAKE_NO_PROGRAM ? -ENOEXEC : -EIO, "cut");
	t->closed = true;
	t->base.sink.closed(t->base.sink.arg, &err);
	is_gone(t);
}

static void on_write(struct podfs_task *task)
{
	struct fake_transport *t =
		podfs_container_of(task, struct fake_transport, written);

	if (is_gone(t) || t->how == FAKE_MUTE)
		return;
	if (t->how == FAKE_OPEN_THEN_CLOSE || t->how == FAKE_NO_PROGRAM)
		podfs_loop_post(t->f->loop, &t->cut);
	else
		serve(t);
}

static void want_write(struct podfs_transport *base)
{
	struct fake_transport *t =
		podfs_container_of(base, struct fake_transport, base);

	podfs_loop_post(t->f->loop, &t->written);
}

static void want_read(struct podfs_transport *base, int on)
{
	(void)base;
	(void)on;
}

/* Freed by a task: this may be inside one of its own calls. */
static void close_soon(struct podfs_transport *base)
{
	struct fake_transport *t =
		podfs_container_of(base, struct fake_transport, base);

	t->closed = true;
	podfs_loop_post(t->f->loop, &t->cut);
}

static const struct podfs_transport_ops transport_ops = { want_write, want_read,
							  close_soon };

/* ---- the way --------------------------------------------------------------- */

static int open_stream(struct podfs_way *w, const struct podfs_target *target,
		       const struct podfs_helper *h,
		       const struct podfs_sink *sink,
		       struct podfs_transport **ret, struct podfs_err *err)
{
	struct fake_way *f = podfs_container_of(w, struct fake_way, way);
	struct fake_transport *t = calloc(1, sizeof(*t));

	(void)target;
	(void)h;
	(void)err;
	t->base.ops = &transport_ops;
	t->base.sink = *sink;
	t->f = f;
	t->how = f->opens < f->n_streams ? f->stream[f->opens] : FAKE_SERVE;
	t->opened.run = on_open;
	t->written.run = on_write;
	t->cut.run = on_cut;
	wire_parser_init(&t->parser, t->buf, sizeof(t->buf));
	if (t->how != FAKE_NEVER_OPEN)
		podfs_loop_post(f->loop, &t->opened);
	f->opens++;
	f->current = t;
	*ret = &t->base;
	return 0;
}

static void on_ensured(struct podfs_task *task)
{
	struct fake_way *f = podfs_container_of(task, struct fake_way, ensured);
	int status = f->ensures < f->n_ensures ? f->ensure[f->ensures] : 0;
	struct podfs_helper h = { .container = "h" };
	struct podfs_err err = PODFS_ERR_INIT;

	f->ensures++;
	strcpy(h.target_id, f->target_id);
	podfs_err_set(&err, status, "no helper");
	f->pending->done(f->pending, status, status ? NULL : &h, &err);
}

static void ensure(struct podfs_way *w, const struct podfs_target *target,
		   struct podfs_ensure *e)
{
	struct fake_way *f = podfs_container_of(w, struct fake_way, way);

	(void)target;
	f->pending = e;
	podfs_loop_post(f->loop, &f->ensured);
}

static void ensure_cancel(struct podfs_way *w, struct podfs_ensure *e)
{
	(void)w;
	(void)e;
}

static const struct podfs_way_ops way_ops = { ensure, ensure_cancel,
					      open_stream, NULL };

int fake_way_start(struct fake_way *f, struct podfs_session_config *c,
		   struct podfs_session **ret)
{
	const struct podfs_target target = { .pod_uid = "u" };
	int r;

	memset(f, 0, sizeof(*f));
	f->way.ops = &way_ops;
	f->ensured.run = on_ensured;
	strcpy(f->target_id, "T1");
	r = podfs_loop_new(&f->loop);
	if (r < 0)
		return r;
	c->loop = f->loop;
	c->way = &f->way;
	return podfs_session_new(c, &target, false, ret);
}

void fake_way_turn(struct fake_way *f)
{
	const struct timespec nap = { .tv_nsec = 100000 };

	podfs_loop_dispatch(f->loop);
	nanosleep(&nap, NULL);
}

void fake_way_end(struct fake_way *f, struct podfs_session *s)
{
	if (!s)
		return;
	podfs_session_stop(s, -ENOTCONN);
	for (unsigned i = 0; i < 5; i++)
		fake_way_turn(f);
	podfs_session_put(s);
}

void fake_way_done(struct fake_way *f)
{
	podfs_loop_free(f->loop);
}

void fake_way_cut(struct fake_way *f)
{
	podfs_loop_post(f->loop, &f->current->cut);
}
