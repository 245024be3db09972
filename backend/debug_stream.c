#include "backend/debug_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backend/exec_frame.h"
#include "backend/url.h"
#include "common/base/guard.h"

#define V4 "v4.channel.k8s.io"
#define V5 "v5.channel.k8s.io"
#define CHANNEL_SIZE 4
#define CHANNEL_END 255 /* v5: the channel that follows ends */

int debug_add_query(struct podfs_buf *b, const char *name, const char *value)
{
	PODFS_CLEANUP_FREE char *encoded = podfs_url_encode(value);

	if (!encoded)
		return -ENOMEM;
	return podfs_buf_printf(b, "%s=%s&", name, encoded);
}

static struct debug_stream *stream_of(void *arg)
{
	return arg;
}

static void want_write(struct debug_stream *s)
{
	if (s->transport && s->is_open)
		s->transport->ops->want_write(s->transport);
}

/* ---- towards the container ------------------------------------------------------ */

static void watch_input(struct debug_stream *s, bool on)
{
	if (on && !s->in_watched)
		s->in_watched = podfs_loop_add(s->loop, &s->in_watch,
					       EPOLLIN) == 0;
	else if (!on && s->in_watched) {
		podfs_loop_del(s->loop, &s->in_watch);
		s->in_watched = false;
	}
}

static void on_input(struct podfs_watch_fd *w, uint32_t events)
{
	struct debug_stream *s =
		podfs_container_of(w, struct debug_stream, in_watch);

	(void)events;
	watch_input(s, false); /* until what is there was taken */
	want_write(s);
}

static void on_resized(struct podfs_watch_fd *w, uint32_t events)
{
	struct debug_stream *s =
		podfs_container_of(w, struct debug_stream, resized_watch);
	char drain[64];

	(void)events;
	if (read(w->fd, drain, sizeof(drain)) <= 0)
		podfs_loop_del(s->loop, w);
	s->sizes_due = 1;
	want_write(s);
}

static size_t put_size(struct debug_stream *s, uint8_t *p, size_t cap)
{
	unsigned columns = 80, rows = 24;

	s->sizes_due--;
	if (!s->io->size || !s->io->size(s->io->arg, &columns, &rows))
		return 0;
	p[0] = CHANNEL_SIZE;
	return 1 + (size_t)snprintf((char *)p + 1, cap - 1,
				    "{\"Width\":%u,\"Height\":%u}",
				    columns + s->sizes_due,
				    rows + s->sizes_due);
}

/* Nothing more comes: with v5 that is told. */
static size_t end_input(struct debug_stream *s, uint8_t *p)
{
	s->in_ended = true;
	if (!s->v5) {
		debug_say(s->d, "this server can't be told that the input "
			  "ended: a command that reads to its end waits on");
		return 0;
	}
	p[0] = CHANNEL_END;
	p[1] = PODFS_EXEC_STDIN;
	return 2;
}

/* Reading never waits: no other descriptor is made non-blocking, since others
 * have it too. */
static size_t put_input(struct debug_stream *s, uint8_t *p, size_t cap)
{
	struct pollfd ready = { .fd = s->io->in, .events = POLLIN };
	bool leave = false;
	ssize_t n;

	if (s->io->in < 0 || s->in_ended || podfs_now_ms() < s->input_at)
		return 0;
	if (poll(&ready, 1, 0) <= 0) {
		watch_input(s, true);
		return 0;
	}
	p[0] = PODFS_EXEC_STDIN;
	n = read(s->io->in, p + 1, cap - 1 - PODFS_DEBUG_TYPED_MORE);
	if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
		watch_input(s, true);
		return 0;
	}
	if (n <= 0)
		return end_input(s, p);
	if (s->io->typed)
		n = (ssize_t)s->io->typed(s->io->arg, p + 1, (size_t)n,
					  &leave);
	if (leave) {
		s->left = true;
		s->running = false;
	}
	if (n == 0) {
		watch_input(s, true);
		return 0;
	}
	return (size_t)n + 1;
}

static size_t on_message(void *arg, uint8_t *p, size_t cap)
{
	struct debug_stream *s = stream_of(arg);
	size_t n = 0;

	while (n == 0 && s->sizes_due > 0)
		n = put_size(s, p, cap);
	return n ? n : put_input(s, p, cap);
}

/* ---- from the container ----------------------------------------------------------- */

void debug_stream_write(struct debug_stream *s, int fd, const uint8_t *p,
			size_t n)
{
	while (n > 0 && fd >= 0 && !s->out_failed) {
		ssize_t r = write(fd, p, n);

		if (r >= 0) {
			p += r;
			n -= (size_t)r;
		} else if (errno == EAGAIN) {
			struct pollfd room = { .fd = fd, .events = POLLOUT };

			poll(&room, 1, -1);
		} else if (errno != EINTR) {
			s->out_failed = true;
			podfs_err_set(&s->why, -errno, "can't write what the "
				      "container says: %s", strerror(errno));
			s->running = false;
		}
	}
}

static void on_piece(void *arg, int channel, const uint8_t *p, size_t n)
{
	struct debug_stream *s = stream_of(arg);
	int fd = channel == PODFS_EXEC_STDERR ? s->io->err : s->io->out;

	if (channel == PODFS_EXEC_STATUS) {
		if (n > sizeof(s->status_text) - s->status_len)
			n = sizeof(s->status_text) - s->status_len;
		memcpy(s->status_text + s->status_len, p, n);
		s->status_len += n;
	} else if (channel == PODFS_EXEC_STDOUT ||
		   channel == PODFS_EXEC_STDERR) {
		if (s->output)
			s->output(s, fd, p, n);
		else
			debug_stream_write(s, fd, p, n);
	}
}

static void on_opened(void *arg, const char *note)
{
	struct debug_stream *s = stream_of(arg);

	(void)note;
	s->is_open = true;
	s->input_at = podfs_now_ms() + s->settle_ms;
	if (s->opened)
		s->opened(s);
	want_write(s);
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	struct debug_stream *s = stream_of(arg);

	s->transport = NULL;
	s->running = false;
	s->cut = podfs_json_status(s->status_text, s->status_len,
				   &s->status) != 0;
	if (!s->out_failed)
		s->why = *why;
}

static void on_timer(struct podfs_timer *t)
{
	struct debug_stream *s =
		podfs_container_of(t, struct debug_stream, timer);

	if (s->is_open)
		s->idle(s);
	want_write(s); /* what had to settle may be sent now */
	podfs_timer_set(s->loop, t, podfs_now_ms() + s->idle_ms);
}

/* ---- its life --------------------------------------------------------------------- */

static int open_stream(struct debug_stream *s, struct podfs_exec_hub *hub,
		       struct podfs_err *err)
{
	static const struct podfs_exec_raw raw = { .piece = on_piece,
						   .message = on_message };
	const struct podfs_sink sink = { .arg = s,
					 .opened = on_opened,
					 .closed = on_closed };
	struct podfs_auth *auth = podfs_rest_auth(s->d->rest);
	PODFS_CLEANUP_FREE char *proxy =
		podfs_kubeconfig_proxy(s->d->k, s->d->k->server);
	const struct podfs_exec_request r = {
		.server = s->d->k->server,
		.path = s->path,
		.subprotocol = s->v5 ? V5 : V4,
		.proxy = proxy,
		.tls_server_name = s->d->k->tls_server_name,
		.insecure = s->d->k->insecure_skip_tls_verify,
		.auth = auth,
		.raw = &raw,
	};
	int status;

	if (!auth)
		return podfs_err_set(err, -EACCES, "no credentials yet");
	s->refusal.http_status = 0;
	s->running = true;
	status = podfs_exec_open(hub, &r, &sink, &s->refusal, &s->transport,
				 err);
	podfs_auth_free(auth);
	return status;
}

/* libwebsockets shows no body: the same path, asked for plainly, tells why. */
static int explain(struct debug_stream *s, struct podfs_err *err)
{
	const struct debug_query q = { .path = s->path };
	PODFS_CLEANUP_FREE char *text = NULL;
	struct podfs_err said = PODFS_ERR_INIT;
	size_t len;
	int r = debug_text(s->d, &q, &text, &len, &said);

	if (r < 0 && r != -EINVAL) /* 400: "Upgrade request required" */
		return podfs_err_set(err, r, "%s", said.text);
	return podfs_err_set(err, -EPROTO, "%s; the upgrade to a WebSocket was "
			     "refused: %d", s->why.text, s->refusal.http_status);
}

static int run(struct debug_stream *s, struct podfs_exec_hub *hub,
	       struct podfs_err *err)
{
	int r = open_stream(s, hub, err);

	if (r < 0)
		return r;
	podfs_loop_run_while(s->loop, &s->running);
	if (s->is_open || !s->refusal.http_status)
		return s->is_open ? 0 :
				    podfs_err_set(err, -EIO, "%s", s->why.text);
	s->v5 = false; /* older servers know v4 alone */
	r = open_stream(s, hub, err);
	if (r < 0)
		return r;
	podfs_loop_run_while(s->loop, &s->running);
	return s->is_open ? 0 : explain(s, err);
}

static void stop(struct debug_stream *s)
{
	watch_input(s, false);
	podfs_timer_cancel(s->loop, &s->timer);
	if (s->transport)
		s->transport->ops->close(s->transport);
	s->transport = NULL;
}

int debug_stream_run(struct debug_stream *s, struct podfs_err *err)
{
	struct podfs_exec_hub *hub = NULL;
	int r = podfs_loop_new(&s->loop);

	if (r == 0)
		r = podfs_exec_hub_new(s->loop, &hub);
	if (r < 0) {
		podfs_loop_free(s->loop);
		return podfs_err_set(err, r, "streams: %s", strerror(-r));
	}
	s->v5 = true;
	s->sizes_due = !s->io->tty ? 0 : s->redraw ? 2 : 1;
	s->in_watch = (struct podfs_watch_fd){ .ready = on_input,
					       .fd = s->io->in };
	s->resized_watch = (struct podfs_watch_fd){ .ready = on_resized,
						    .fd = s->io->resized };
	s->timer.fire = on_timer;
	if (s->idle)
		podfs_timer_set(s->loop, &s->timer,
				podfs_now_ms() + s->idle_ms);
	if (s->io->tty && s->io->resized >= 0)
		podfs_loop_add(s->loop, &s->resized_watch, EPOLLIN);
	r = run(s, hub, err);
	stop(s);
	podfs_exec_hub_free(hub);
	podfs_loop_free(s->loop);
	return r;
}
