/*
 * Attaching to a container that began without us.
 *
 * What it wrote before the attach took hold is in its log alone, what it writes
 * after comes both ways. So the first output is held until its place in the log
 * is found: what stands before it was missed. The runtime keeps a line without
 * an end out of the log, and so the log may lag behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_join.h"
#include "backend/debug_stream.h"
#include "common/base/guard.h"

#define LOG_MAX ((size_t)8 << 20) /* bytes, of what was missed */
#define HELD_MAX ((size_t)1 << 20)
#define RUNS_MAX 1024
#define IDLE_MS 200
/* The runtime attaches input before output: a command that answers at once would
 * be heard by the log alone, which has no CR before an LF. */
#define SETTLE_MS 300
/* What the log has at the first is shown at the second, if nothing came: what is
 * on its way would have come, and would be told twice. */
#define IDLE_LOOK 3
#define IDLE_SHOW 6
#define END_MS 100
#define END_LOOKS 100
#define TAIL_LINES 100

struct attach {
	struct debug_stream s;
	const struct podfs_ref *c;
	size_t shown; /* bytes of the log */
	size_t old;   /* bytes of it that no stream will bring */
	bool joined;  /* what comes is written at once */
	struct podfs_buf held;
	struct {
		int fd;
		size_t n;
	} runs[RUNS_MAX]; /* whose it is that is held */
	size_t n_runs;
	unsigned looks;
	int64_t restarts; /* when it began: what is started again is another */
	bool previous;	  /* it was, and its log is the last one's */
};

static struct attach *attach_of(struct debug_stream *s)
{
	return podfs_container_of(s, struct attach, s);
}

/* ---- what was missed ---------------------------------------------------------- */

static int get_log(struct attach *a, bool tail, char **ret, size_t *ret_len)
{
	PODFS_CLEANUP_FREE char *path = debug_pod_path(a->c, "/log?");
	struct podfs_buf b = PODFS_BUF_INIT(4096);
	struct debug_query q = { .answer_max = LOG_MAX + 4096 };
	struct podfs_err err = PODFS_ERR_INIT;
	int r;

	podfs_buf_add_str(&b, path ? path : "");
	debug_add_query(&b, "container", a->c->container);
	if (tail)
		podfs_buf_printf(&b, "tailLines=%d", TAIL_LINES);
	else
		podfs_buf_printf(&b, "limitBytes=%zu%s", LOG_MAX,
				 a->previous ? "&previous=true" : "");
	q.path = podfs_buf_str(&b);
	r = debug_text(a->s.d, &q, ret, ret_len, &err);
	podfs_buf_done(&b);
	if (r == -EACCES)
		debug_say(a->s.d, "what it wrote before is not shown: %s",
			  err.text);
	return r;
}

static void write_held(struct attach *a)
{
	const uint8_t *p = a->held.p;

	a->joined = true;
	for (size_t i = 0; i < a->n_runs; i++) {
		debug_stream_write(&a->s, a->runs[i].fd, p, a->runs[i].n);
		p += a->runs[i].n;
	}
	a->n_runs = 0;
	podfs_buf_done(&a->held);
}

/* A raw terminal needs the CR that the log has not. */
static void write_log(struct attach *a, const char *p, size_t n)
{
	while (n > 0) {
		const char *end = a->s.io->tty ? memchr(p, '\n', n) : NULL;
		size_t line = end ? (size_t)(end - p) : n;

		debug_stream_write(&a->s, a->s.io->out, (const uint8_t *)p,
				   line);
		if (end)
			debug_stream_write(&a->s, a->s.io->out,
					   (const uint8_t *)"\r\n", 2);
		p += line + (end != NULL);
		n -= line + (end != NULL);
	}
}

/* Where in the log what is held begins. */
static struct debug_join place(const struct attach *a, const char *log,
			       size_t n, bool at_end)
{
	PODFS_CLEANUP_FREE uint8_t *seen = malloc(a->held.len + 1);
	size_t m = 0;

	if (seen && a->held.len > 0) {
		memcpy(seen, a->held.p, a->held.len);
		m = debug_as_logged(seen, a->held.len);
	}
	return debug_join((const uint8_t *)log, n, seen, m, at_end);
}

/* Shows what the log has and the stream had not, and then what is held, if its
 * place is known. */
static void look(struct attach *a, bool at_end)
{
	PODFS_CLEANUP_FREE char *log = NULL;
	struct debug_join j;
	size_t n = 0;
	int r = get_log(a, false, &log, &n);

	if (r < 0 || n < a->shown) {
		if (r == -EACCES || at_end || a->held.len >= HELD_MAX)
			write_held(a);
		return;
	}
	n -= a->shown;
	j = place(a, log + a->shown, n, at_end);
	if (a->held.len > 0 && !j.sure && !at_end && !a->s.io->tty &&
	    a->held.len < HELD_MAX)
		return; /* the log lags */
	write_log(a, log + a->shown, j.missed);
	a->shown += j.missed;
	if (a->held.len > 0 || at_end)
		write_held(a);
}

/* Nothing has come yet. */
static void show_old(struct attach *a, bool show)
{
	PODFS_CLEANUP_FREE char *log = NULL;
	size_t n = 0;

	if (get_log(a, false, &log, &n) < 0)
		return;
	if (!show) {
		a->old = n;
	} else if (n >= a->old && a->old > a->shown) {
		write_log(a, log + a->shown, a->old - a->shown);
		a->shown = a->old;
	}
}

/* ---- while it is attached -------------------------------------------------------- */

static void on_opened(struct debug_stream *s)
{
	if (s->io->tty && !s->io->quiet)
		debug_say(s->d, "if you see no prompt, press enter");
}

static void on_output(struct debug_stream *s, int fd, const uint8_t *p, size_t n)
{
	struct attach *a = attach_of(s);

	if (a->joined) {
		debug_stream_write(s, fd, p, n);
		return;
	}
	if (a->n_runs > 0 && a->runs[a->n_runs - 1].fd == fd) {
		a->runs[a->n_runs - 1].n += n;
	} else {
		a->runs[a->n_runs].fd = fd;
		a->runs[a->n_runs++].n = n;
	}
	if (podfs_buf_add(&a->held, p, n) < 0) { /* no memory for it */
		a->runs[a->n_runs - 1].n -= n;
		write_held(a);
		debug_stream_write(s, fd, p, n);
		return;
	}
	if (s->io->tty || a->held.len >= HELD_MAX)
		look(a, false);
	if (!a->joined && a->n_runs == RUNS_MAX)
		write_held(a);
}

static void on_idle(struct debug_stream *s)
{
	struct attach *a = attach_of(s);

	if (a->joined)
		return;
	if (a->held.len > 0)
		look(a, false);
	else if (++a->looks == IDLE_LOOK || a->looks == IDLE_SHOW)
		show_old(a, a->looks == IDLE_SHOW);
}

/* ---- the end --------------------------------------------------------------------- */

/* How it has ended, or NULL: it runs. */
static const struct podfs_json *end_of(struct attach *a,
				       const struct podfs_json *pod)
{
	const struct podfs_json *status = debug_status_of(pod, a->c->container);
	int64_t restarts = 0;

	podfs_json_get_int(status, "restartCount", &restarts);
	a->previous = restarts > a->restarts;
	return podfs_json_get_object(
		podfs_json_get(status, a->previous ? "lastState" : "state"),
		"terminated");
}

static void note_restarts(struct attach *a)
{
	struct podfs_json *pod;

	if (debug_get_pod(a->s.d, a->c, &pod, NULL) < 0)
		return;
	podfs_json_get_int(debug_status_of(pod, a->c->container),
			   "restartCount", &a->restarts);
	podfs_json_free(pod);
}

/* 0: it has ended, and with which code; -EBUSY: it runs. */
static int ended(struct attach *a, unsigned looks, int *exit_code,
		 struct podfs_err *err)
{
	for (unsigned i = 0; i < looks; i++) {
		const struct podfs_json *end;
		struct podfs_json *pod;
		int64_t code = 0;
		int r = debug_get_pod(a->s.d, a->c, &pod, err);

		if (r < 0)
			return r;
		end = end_of(a, pod);
		podfs_json_get_int(end, "exitCode", &code);
		*exit_code = (int)code;
		r = end ? 0 : -EBUSY;
		podfs_json_free(pod);
		if (r == 0)
			return 0;
		debug_sleep(END_MS);
	}
	return -EBUSY;
}

/* The stream is no more: has the container ended with it? */
static int finish(struct attach *a, struct podfs_debug_end *ret,
		  struct podfs_err *err)
{
	int r = ended(a, a->s.cut ? END_LOOKS / 5 : END_LOOKS, &ret->exit_code,
		      err);

	if (r == -EBUSY) {
		write_held(a);
		return podfs_err_set(err, -EIO, "the connection was lost, and "
				     "container '%s' runs on (--reattach): %s",
				     a->c->container, a->s.why.text);
	}
	if (!a->joined && !a->s.out_failed)
		look(a, r == 0);
	return r;
}

static void attach_path(const struct attach *a, struct podfs_buf *b)
{
	PODFS_CLEANUP_FREE char *path = debug_pod_path(a->c, "/attach?");

	podfs_buf_add_str(b, path ? path : "");
	debug_add_query(b, "container", a->c->container);
	podfs_buf_printf(b, "stdin=%s&stdout=true&stderr=%s&tty=%s",
			 a->s.io->in >= 0 ? "true" : "false",
			 a->s.io->tty ? "false" : "true",
			 a->s.io->tty ? "true" : "false");
}

/* What it said last; no place is looked for. */
static void show_tail(struct attach *a)
{
	PODFS_CLEANUP_FREE char *log = NULL;
	size_t n;

	if (get_log(a, true, &log, &n) == 0)
		write_log(a, log, n);
	a->joined = true;
}

int podfs_debug_attach(struct podfs_debug *d, const struct podfs_ref *container,
		       const struct podfs_debug_io *io, bool again,
		       struct podfs_debug_end *ret, struct podfs_err *err)
{
	struct attach *a = calloc(1, sizeof(*a));
	struct podfs_buf path = PODFS_BUF_INIT(4096);
	struct podfs_err why = PODFS_ERR_INIT;
	int r;

	if (!a)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	*ret = (struct podfs_debug_end){ .left = false };
	a->held.max = HELD_MAX * 2;
	a->c = container;
	a->s = (struct debug_stream){ .d = d,
				      .io = io,
				      .redraw = true,
				      .settle_ms = io->tty ? 0 : SETTLE_MS,
				      .opened = on_opened,
				      .output = on_output,
				      .idle = on_idle,
				      .idle_ms = IDLE_MS };
	note_restarts(a);
	if (again)
		show_tail(a);
	attach_path(a, &path);
	a->s.path = podfs_buf_str(&path);
	r = debug_stream_run(&a->s, &why);
	ret->left = r == 0 && a->s.left;
	if (r == 0 && a->s.out_failed) {
		r = podfs_err_set(err, -EPIPE, "%s", a->s.why.text);
	} else if (ret->left) {
		write_held(a);
	} else if (r == 0) {
		r = finish(a, ret, err);
	} else if (ended(a, END_LOOKS, &ret->exit_code, err) == 0) {
		look(a, true); /* quicker than we were */
		r = 0;
	} else {
		podfs_err_set(err, r, "can't attach to '%s': %s",
			      container->container, why.text);
	}
	podfs_buf_done(&path);
	podfs_buf_done(&a->held);
	free(a);
	return r;
}
