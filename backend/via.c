/*
 * The command's way: a helper behind a process's stdin and stdout.
 *
 * One socket pair serves as both, so that closing it ends the command whatever
 * it waits for; its stderr is a pipe whose lines go to the log and into the
 * error when the command ends. Where the command leads to a shell only, that
 * one is sent the helper first (bring.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/bring.h"
#include "backend/connect.h"
#include "backend/via_command.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define MESSAGE_SIZE 65536
#define STDERR_KEPT 512
/* sh(1), and what ssh and kubectl exec pass on of the other end's */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct command_way {
	struct podfs_way way;
	struct podfs_loop *loop;
	struct podfs_via_command command;
	const struct podfs_helper_blob *blobs;
	size_t n_blobs;
};

struct command {
	struct podfs_transport base;
	struct podfs_loop *loop;
	struct podfs_watch_fd io; /* fd -1: ended */
	struct podfs_watch_fd err;
	struct podfs_task start;
	uint32_t events;
	pid_t pid;
	bool closed_by_session;
	char said[STDERR_KEPT + 1]; /* the last that it said */
	size_t said_len;
	bool said_ends; /* with the end of a line */
	size_t out_len, out_at;
	uint8_t out[MESSAGE_SIZE];
	uint8_t in[MESSAGE_SIZE];
};

static struct command *command_of(struct podfs_transport *t)
{
	return podfs_container_of(t, struct command, base);
}

static void watch_fd(struct command *c, uint32_t events)
{
	if (c->io.fd >= 0 && events != c->events) {
		c->events = events;
		podfs_loop_mod(c->loop, &c->io, events);
	}
}

static void close_watch(struct podfs_loop *l, struct podfs_watch_fd *w)
{
	if (w->fd < 0)
		return;
	podfs_loop_del(l, w);
	close(w->fd);
	w->fd = -1;
}

/* Killed, not asked: the helper keeps nothing that an end could lose, and this
 * thread must not wait for a command that takes its time. With all that its
 * shell started; alone if it hasn't come to setsid() yet. */
static void end_process(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void command_free(struct command *c)
{
	close_watch(c->loop, &c->io);
	close_watch(c->loop, &c->err);
	if (c->pid > 0)
		end_process(c->pid);
	free(c);
}

static void on_stderr(struct podfs_watch_fd *w, uint32_t events);

/* Whether the shell, here or at the command's other end, found nothing to run:
 * asking again won't help. One that isn't quite gone yet is looked at when the
 * next try ends. It is left to end_process(), with its group. */
static bool nothing_to_run(const struct command *c)
{
	siginfo_t i = { .si_pid = 0 };

	return waitid(P_PID, (id_t)c->pid, &i, WEXITED | WNOHANG | WNOWAIT) ==
		       0 &&
	       i.si_pid == c->pid && i.si_code == CLD_EXITED &&
	       (i.si_status == EXIT_NOT_EXECUTABLE ||
		i.si_status == EXIT_NOT_FOUND);
}

static void ended(struct command *c, int code)
{
	struct pollfd last = { .fd = c->err.fd, .events = POLLIN };
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_sink sink = c->base.sink;

	/* its last words may have come in the same moment */
	if (c->err.fd >= 0 && poll(&last, 1, 0) == 1)
		on_stderr(&c->err, EPOLLIN);
	if (nothing_to_run(c))
		podfs_err_set(&err, -ENOEXEC,
			      "--via: the command, or what it leads to, can't "
			      "be run%s%s", c->said_len ? ": " : "", c->said);
	else
		podfs_err_set(&err, code, "the command ended%s%s",
			      c->said_len ? ": " : "", c->said);
	command_free(c);
	sink.closed(sink.arg, &err);
}

static void command_close(struct podfs_transport *t)
{
	struct command *c = command_of(t);

	if (c->start.queued)
		c->closed_by_session = true; /* freed when the task has run */
	else
		command_free(c);
}

static void want_write(struct podfs_transport *t)
{
	struct command *c = command_of(t);

	watch_fd(c, c->events | EPOLLOUT);
}

static void want_read(struct podfs_transport *t, int on)
{
	struct command *c = command_of(t);

	watch_fd(c, on ? c->events | EPOLLIN : c->events & ~(uint32_t)EPOLLIN);
}

/* false: ended and freed */
static bool write_out(struct command *c)
{
	ssize_t n;

	if (c->out_at == c->out_len) {
		c->out_at = 0;
		c->out_len = c->base.sink.fill(c->base.sink.arg, c->out,
					       sizeof(c->out));
	}
	if (c->out_len == 0) {
		watch_fd(c, c->events & ~(uint32_t)EPOLLOUT);
		return true;
	}
	n = send(c->io.fd, c->out + c->out_at, c->out_len - c->out_at,
		 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0) {
		c->out_at += (size_t)n;
	} else if (errno != EAGAIN && errno != EINTR) {
		ended(c, -errno);
		return false;
	}
	return true;
}

static void on_io(struct podfs_watch_fd *w, uint32_t events)
{
	struct command *c = podfs_container_of(w, struct command, io);

	if ((events & EPOLLOUT) && !write_out(c))
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t n = recv(c->io.fd, c->in, sizeof(c->in), MSG_DONTWAIT);

		if (n > 0)
			c->base.sink.bytes(c->base.sink.arg, c->in, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			ended(c, n == 0 ? -EPIPE : -errno);
	}
}

/* A line may come in pieces. */
static void keep_said(struct command *c, const char *text, size_t n)
{
	if (c->said_ends)
		c->said_len = 0;
	for (size_t i = 0; i < n && c->said_len < STDERR_KEPT; i++)
		c->said[c->said_len++] =
			text[i] >= ' ' && text[i] < 0x7f ? text[i] : ' ';
	c->said[c->said_len] = '\0';
}

static void on_stderr(struct podfs_watch_fd *w, uint32_t events)
{
	struct command *c = podfs_container_of(w, struct command, err);
	char text[256];
	ssize_t n = read(w->fd, text, sizeof(text));
	bool ends;

	(void)events;
	if (n <= 0) {
		close_watch(c->loop, w);
		return;
	}
	ends = text[n - 1] == '\n';
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n > 0) {
		podfs_warn_seldom("via", "command says %s",
				  podfs_quote_n(text, (size_t)n).text);
		keep_said(c, text, (size_t)n);
	}
	c->said_ends = ends;
}

static void on_start(struct podfs_task *t)
{
	struct command *c = podfs_container_of(t, struct command, start);

	if (c->closed_by_session)
		command_free(c);
	else
		c->base.sink.opened(c->base.sink.arg, "command");
}

static const struct podfs_transport_ops command_ops = {
	.want_write = want_write,
	.want_read = want_read,
	.close = command_close,
};

/* Without a terminal, so that nothing can stop and wait for a password. */
static pid_t spawn(const char *command, char **env, int sock, int err_fd)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	setsid();
	signal(SIGPIPE, SIG_DFL);
	if (dup2(sock, STDIN_FILENO) < 0 || dup2(sock, STDOUT_FILENO) < 0 ||
	    dup2(err_fd, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	execve("/bin/sh", argv, env);
	dprintf(STDERR_FILENO, "/bin/sh: %s\n", strerror(errno));
	_exit(EXIT_NOT_FOUND);
}

static int start(struct command *c, const char *command, char **env)
{
	PODFS_CLEANUP_FD int ours = -1, theirs = -1, err_in = -1, err_out = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) != 0)
		return -errno;
	err_in = pair[0];
	err_out = pair[1];
	c->pid = spawn(command, env, theirs, err_out);
	if (c->pid < 0)
		return c->pid;
	c->io = (struct podfs_watch_fd){ .ready = on_io, .fd = -1 };
	c->err = (struct podfs_watch_fd){ .ready = on_stderr, .fd = -1 };
	c->io.fd = podfs_steal_fd(&ours);
	c->err.fd = podfs_steal_fd(&err_in);
	c->events = EPOLLIN;
	if (podfs_loop_add(c->loop, &c->io, c->events) != 0 ||
	    podfs_loop_add(c->loop, &c->err, EPOLLIN) != 0)
		return -errno;
	return 0;
}

static int open_command(struct command_way *way, char **env,
			const struct podfs_sink *sink,
			struct podfs_transport **ret, struct podfs_err *err)
{
	struct command *c = calloc(1, sizeof(*c));
	int status;

	if (!c)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	c->base.ops = &command_ops;
	c->base.sink = *sink;
	c->loop = way->loop;
	c->io.fd = -1;
	c->err.fd = -1;
	status = start(c, way->command.text, env);
	if (status) {
		command_free(c);
		return podfs_err_set(err, status, "can't start a command: %s",
				     strerror(-status));
	}
	c->start.run = on_start;
	podfs_loop_post(way->loop, &c->start);
	*ret = &c->base;
	return 0;
}

/* ---- the way -------------------------------------------------------------- */

static int open_shell(struct command_way *way, char **env,
		      const struct podfs_sink *sink,
		      struct podfs_transport **ret, struct podfs_err *err)
{
	struct podfs_transport *shell;
	struct podfs_sink between;
	struct podfs_bring *bring;
	int status = podfs_bring_new(way->blobs, way->n_blobs, sink, &bring);

	if (status)
		return podfs_err_set(err, status, "out of memory");
	between = podfs_bring_sink(bring);
	status = open_command(way, env, &between, &shell, err);
	if (status)
		podfs_bring_free(bring);
	else
		*ret = podfs_bring_over(bring, shell);
	return status;
}

static int command_open(struct podfs_way *w, const struct podfs_target *target,
			const struct podfs_helper *h,
			const struct podfs_sink *sink,
			struct podfs_transport **ret, struct podfs_err *err)
{
	struct command_way *way = podfs_container_of(w, struct command_way, way);
	PODFS_CLEANUP_FREE char **given = NULL;
	char **env = environ;
	int status = 0;

	(void)h;
	if (way->command.names) {
		status = podfs_via_environment(target, &given, err);
		env = given;
	}
	if (status)
		return status;
	if (way->command.brings)
		return open_shell(way, env, sink, ret, err);
	return open_command(way, env, sink, ret, err);
}

static void ensured(struct podfs_task *t)
{
	struct podfs_ensure *e = podfs_container_of(t, struct podfs_ensure, task);
	const struct podfs_helper h = { .rung = WIRE_RUNG_PLAIN };

	if (e->op)
		e->done(e, 0, &h, NULL);
}

static void command_ensure(struct podfs_way *w,
			   const struct podfs_target *target,
			   struct podfs_ensure *e)
{
	struct command_way *way = podfs_container_of(w, struct command_way, way);

	(void)target;
	e->op = way;
	e->task.run = ensured;
	podfs_loop_post(way->loop, &e->task);
}

static void command_ensure_cancel(struct podfs_way *w, struct podfs_ensure *e)
{
	(void)w;
	e->op = NULL;
}

static void command_way_free(struct podfs_way *w)
{
	struct command_way *way = podfs_container_of(w, struct command_way, way);

	free(way->command.text);
	free(way);
}

static const struct podfs_way_ops way_ops = {
	.ensure = command_ensure,
	.ensure_cancel = command_ensure_cancel,
	.open = command_open,
	.free = command_way_free,
};

int podfs_way_command_new(struct podfs_loop *l,
			  const struct podfs_backend_config *config,
			  struct podfs_way **ret, struct podfs_err *err)
{
	struct command_way *w = calloc(1, sizeof(*w));
	int status;

	if (!w)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	status = podfs_via_command(config->via_command, &w->command, err);
	if (status == 0)
		status = podfs_via_program(w->command.text, err);
	if (status) {
		free(w->command.text);
		free(w);
		return status;
	}
	w->way.ops = &way_ops;
	w->loop = l;
	w->blobs = config->blobs;
	w->n_blobs = config->n_blobs;
	*ret = &w->way;
	return 0;
}
