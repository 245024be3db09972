#include "backend/rest_tunnel.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/rest_curl.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define PIECE 32768

struct podfs_tunnels {
	struct podfs_loop *loop;
	CURLM *multi; /* where tunnels are made, and stay */
	struct podfs_timer timer;
};

/* A socket that curl waits for, while it connects. */
struct curl_wait {
	struct podfs_watch_fd watch;
	struct podfs_tunnels *all;
};

/* One end of a tunnel. Watched only for what it can be used for now: a socket
 * that hung up would wake the loop for ever. */
struct end {
	struct podfs_watch_fd watch;
	uint32_t events; /* 0: not watched */
};

struct piece {
	uint8_t bytes[PIECE];
	size_t at, len;
};

struct podfs_tunnel {
	struct podfs_tunnels *all;
	CURL *easy;
	bool stands;
	struct end here, there;
	struct piece out, in; /* to the server, and from there */
	char error[CURL_ERROR_SIZE];
};

/* ---- moving bytes ----------------------------------------------------------- */

static void end_wants(struct podfs_tunnel *t, struct end *e, uint32_t events)
{
	struct podfs_loop *l = t->all->loop;
	int err = 0;

	if (events == e->events)
		return;
	if (!events)
		podfs_loop_del(l, &e->watch);
	else if (!e->events)
		err = podfs_loop_add(l, &e->watch, events);
	else
		err = podfs_loop_mod(l, &e->watch, events);
	e->events = err ? 0 : events;
}

/* Whoever holds the other end of the local socket sees that it is over. */
static void tunnel_ended(struct podfs_tunnel *t)
{
	end_wants(t, &t->here, 0);
	end_wants(t, &t->there, 0);
	t->stands = false;
	if (t->here.watch.fd >= 0)
		close(podfs_steal_fd(&t->here.watch.fd));
}

/* 1: something moved; 0: it must wait; below 0: the end. */

static int take_from_there(struct podfs_tunnel *t)
{
	size_t n = 0;
	CURLcode code = curl_easy_recv(t->easy, t->in.bytes, PIECE, &n);

	if (code == CURLE_AGAIN)
		return 0;
	if (code != CURLE_OK || n == 0)
		return -EPIPE;
	t->in.at = 0;
	t->in.len = n;
	return 1;
}

static int give_there(struct podfs_tunnel *t)
{
	size_t n = 0;
	/* After CURLE_AGAIN, TLS wants the same bytes again: so it gets. */
	CURLcode code = curl_easy_send(t->easy, t->out.bytes + t->out.at,
				       t->out.len, &n);

	if (code == CURLE_AGAIN)
		return 0;
	if (code != CURLE_OK)
		return -EPIPE;
	t->out.at += n;
	t->out.len -= n;
	return 1;
}

static int moved_here(ssize_t n)
{
	if (n > 0)
		return 1;
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

static int take_from_here(struct podfs_tunnel *t)
{
	ssize_t n = recv(t->here.watch.fd, t->out.bytes, PIECE, MSG_DONTWAIT);

	t->out.at = 0;
	t->out.len = n > 0 ? (size_t)n : 0;
	return moved_here(n);
}

static int give_here(struct podfs_tunnel *t)
{
	ssize_t n = send(t->here.watch.fd, t->in.bytes + t->in.at, t->in.len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0) {
		t->in.at += (size_t)n;
		t->in.len -= (size_t)n;
	}
	return moved_here(n);
}

/* Until both ways wait: TLS may hold bytes that its socket doesn't show. The
 * local socket's own buffer ends it, since its other end is this thread's. */
static void pump(struct podfs_tunnel *t)
{
	int in, out;

	do {
		in = t->in.len ? give_here(t) : take_from_there(t);
		out = in < 0	  ? in :
		      t->out.len ? give_there(t) :
				   take_from_here(t);
	} while (out >= 0 && in + out > 0);
	if (out < 0) {
		tunnel_ended(t);
		return;
	}
	end_wants(t, &t->here,
		  (t->out.len ? 0 : (uint32_t)EPOLLIN) |
			  (t->in.len ? (uint32_t)EPOLLOUT : 0));
	end_wants(t, &t->there,
		  (t->in.len ? 0 : (uint32_t)EPOLLIN) |
			  (t->out.len ? (uint32_t)EPOLLOUT : 0));
}

static void here_ready(struct podfs_watch_fd *w, uint32_t events)
{
	pump(podfs_container_of(w, struct podfs_tunnel, here.watch));
}

static void there_ready(struct podfs_watch_fd *w, uint32_t events)
{
	pump(podfs_container_of(w, struct podfs_tunnel, there.watch));
}

/* ---- connecting --------------------------------------------------------------- */

static void tunnel_made(struct podfs_tunnel *t, CURLcode code)
{
	curl_socket_t s = CURL_SOCKET_BAD;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &s);
	if (code != CURLE_OK || s == CURL_SOCKET_BAD) {
		if (!t->error[0])
			snprintf(t->error, sizeof(t->error), "%s",
				 curl_easy_strerror(code));
		podfs_debug("exec", "no tunnel: %s", t->error);
		tunnel_ended(t);
		return;
	}
	t->error[0] = '\0';
	t->stands = true;
	t->there.watch.fd = s;
	pump(t);
}

static void see_what_is_made(struct podfs_tunnels *all)
{
	CURLMsg *m;
	int n;

	while ((m = curl_multi_info_read(all->multi, &n))) {
		struct podfs_tunnel *t = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
				  (char **)&t);
		tunnel_made(t, code);
	}
}

static void act(struct podfs_tunnels *all, curl_socket_t s, int what)
{
	int running;

	curl_multi_socket_action(all->multi, s, what, &running);
	see_what_is_made(all);
}

static void timer_fired(struct podfs_timer *timer)
{
	act(podfs_container_of(timer, struct podfs_tunnels, timer),
	    CURL_SOCKET_TIMEOUT, 0);
}

static void curl_ready(struct podfs_watch_fd *w, uint32_t events)
{
	const struct curl_wait *c =
		podfs_container_of(w, struct curl_wait, watch);

	/* @w may be gone after it */
	act(c->all, w->fd,
	    (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		    (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	struct podfs_tunnels *all = arg;

	if (ms < 0)
		podfs_timer_cancel(all->loop, &all->timer);
	else
		podfs_timer_set(all->loop, &all->timer, podfs_now_ms() + ms);
	return 0;
}

static int on_socket(CURL *e, curl_socket_t s, int what, void *arg, void *of)
{
	struct podfs_tunnels *all = arg;
	struct curl_wait *c = of;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	if (what == CURL_POLL_REMOVE) {
		if (c)
			podfs_loop_del(all->loop, &c->watch);
		free(c);
		return 0;
	}
	if (c)
		return podfs_loop_mod(all->loop, &c->watch, events) ? -1 : 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -1;
	c->all = all;
	c->watch = (struct podfs_watch_fd){ .ready = curl_ready, .fd = s };
	if (podfs_loop_add(all->loop, &c->watch, events) ||
	    curl_multi_assign(all->multi, s, c) != CURLM_OK) {
		free(c);
		return -1;
	}
	return 0;
}

/* ---- the interface ------------------------------------------------------------- */

int podfs_tunnels_new(struct podfs_loop *l, struct podfs_tunnels **ret)
{
	struct podfs_tunnels *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	rest_curl_init();
	all->loop = l;
	all->timer.fire = timer_fired;
	all->multi = curl_multi_init();
	if (!all->multi) {
		free(all);
		return -ENOMEM;
	}
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(all->multi, CURLMOPT_SOCKETDATA, all);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(all->multi, CURLMOPT_TIMERDATA, all);
	*ret = all;
	return 0;
}

void podfs_tunnels_free(struct podfs_tunnels *all)
{
	if (!all)
		return;
	curl_multi_cleanup(all->multi);
	podfs_timer_cancel(all->loop, &all->timer);
	free(all);
}

static int connect_through(struct podfs_tunnel *t,
			   const struct podfs_tunnel_request *r)
{
	char url[300];
	CURL *e = curl_easy_init();

	t->easy = e;
	if (!e)
		return -ENOMEM;
	/* No https: TLS to the server is libwebsockets'. */
	snprintf(url, sizeof(url),
		 strchr(r->host, ':') ? "http://[%s]:%d" : "http://%s:%d",
		 r->host, r->port);
	if (curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	rest_curl_connects(e);
	rest_curl_proxy(e, r->proxy, r->auth, r->insecure);
	curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	return curl_multi_add_handle(t->all->multi, e) == CURLM_OK ? 0 :
								     -ENOMEM;
}

int podfs_tunnel_open(struct podfs_tunnels *all,
		      const struct podfs_tunnel_request *r, int fd,
		      struct podfs_tunnel **ret)
{
	struct podfs_tunnel *t = calloc(1, sizeof(*t));
	int err;

	if (!t) {
		close(fd);
		return -ENOMEM;
	}
	t->all = all;
	t->here.watch = (struct podfs_watch_fd){ .ready = here_ready,
						 .fd = fd };
	t->there.watch = (struct podfs_watch_fd){ .ready = there_ready,
						  .fd = -1 };
	err = connect_through(t, r);
	if (err) {
		podfs_tunnel_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

const char *podfs_tunnel_trouble(const struct podfs_tunnel *t)
{
	return t->error[0] ? t->error : NULL;
}

void podfs_tunnel_free(struct podfs_tunnel *t)
{
	if (!t)
		return;
	tunnel_ended(t);
	/* this closes the connection, too */
	if (t->easy)
		curl_multi_remove_handle(t->all->multi, t->easy);
	curl_easy_cleanup(t->easy);
	free(t);
}
