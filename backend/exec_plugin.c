#include "backend/exec_plugin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/exec_plugin_inner.h"
#include "backend/secret.h"
#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define LINE_MAX_SHOWN 400 /* bytes of a line of standard error */
/* How often to ask whether it ended, where its pipes don't tell. */
#define TICK_MS 50
#define ENDING_MS 2 /* the same, once its pipes are closed */
/* What it left in the pipes comes at once, when it ended. */
#define DRAIN_MS 20

struct running {
	const struct podfs_plugin_run *run;
	pid_t pid;
	int out, errors; /* -1: ended */
	int64_t deadline; /* ms */
	bool ended;
	int status; /* of waitpid() */
	struct podfs_buf output;
	char line[LINE_MAX_SHOWN + 1]; /* being read */
	size_t len;
	char last[LINE_MAX_SHOWN + 1]; /* that had something in it */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int podfs_plugin_interactive(const struct podfs_exec_plugin *p, bool *ret,
			     struct podfs_err *err)
{
	/* A job in the background would be stopped when it reads. */
	bool terminal = isatty(STDIN_FILENO) &&
			tcgetpgrp(STDIN_FILENO) == getpgrp();

	if (!strcmp(p->interactive_mode, "Never"))
		terminal = false;
	if (!terminal && !strcmp(p->interactive_mode, "Always"))
		return podfs_err_set(err, -EACCES,
				     "it needs a terminal (interactiveMode: Always), and a file system in the background has none: mount from a terminal, and use a plugin that can refresh without one");
	*ret = terminal;
	return 0;
}

/* ---- standard error ------------------------------------------------------ */

static void end_line(struct running *r)
{
	r->line[r->len] = '\0';
	if (r->line[strspn(r->line, " ")]) {
		podfs_info("kubeconfig", "exec plugin %s: %s",
			   podfs_quote(r->run->plugin->command).text, r->line);
		memcpy(r->last, r->line, r->len + 1);
	}
	r->len = 0;
}

static void on_error_text(struct running *r, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			end_line(r);
			continue;
		}
		/* Longer lines are cut. It may be anything: no controls. */
		if (r->len < LINE_MAX_SHOWN)
			r->line[r->len++] = p[i] >= 0x20 && p[i] < 0x7f ?
						    p[i] :
					    p[i] == '\t' || p[i] == '\r' ? ' ' :
									   '?';
	}
}

/* ---- the pipes ----------------------------------------------------------- */

static void close_fd(int *fd)
{
	close(*fd);
	*fd = -1;
}

static void read_errors(struct running *r)
{
	char buf[4096];
	ssize_t n = read(r->errors, buf, sizeof(buf));

	if (n > 0)
		on_error_text(r, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&r->errors);
}

static int read_output(struct running *r, struct podfs_err *err)
{
	/* One more than may be, to tell "full" from "too much". */
	size_t room = PODFS_PLUGIN_OUTPUT_MAX + 1 - r->output.len;
	ssize_t n = read(r->out, r->output.p + r->output.len, room);

	if (n > 0)
		podfs_buf_grown(&r->output, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(&r->out);
	if (r->output.len > PODFS_PLUGIN_OUTPUT_MAX)
		return podfs_err_set(err, -EMSGSIZE,
				     "it wrote more than %zu bytes",
				     PODFS_PLUGIN_OUTPUT_MAX);
	return 0;
}

static void ask_ended(struct running *r)
{
	pid_t pid;

	if (r->ended)
		return;
	pid = waitpid(r->pid, &r->status, WNOHANG);
	/* ECHILD: somebody ignores SIGCHLD; then the output must tell. */
	r->ended = pid == r->pid || (pid < 0 && errno == ECHILD);
}

static int timed_out(const struct running *r, struct podfs_err *err)
{
	return podfs_err_set(err, -ETIMEDOUT, "no answer after %u s%s%s",
			     r->run->timeout_s, *r->last ? "; it said: " : "",
			     r->last);
}

/* One wait. 1: something came, 0: nothing did, else -errno. */
static int wait_pipes(struct running *r, struct podfs_err *err)
{
	struct pollfd fds[3] = {
		{ .fd = r->out, .events = POLLIN },
		{ .fd = r->errors, .events = POLLIN },
		{ .fd = r->run->cancel_fd, .events = POLLIN },
	};
	int64_t left = r->deadline - now_ms();
	int wait = r->ended ? DRAIN_MS : TICK_MS;
	int n, status;

	if (left <= 0)
		return timed_out(r, err);
	if (r->out < 0 && r->errors < 0)
		wait = ENDING_MS;
	n = poll(fds, 3, left < wait ? (int)left : wait);
	if (n < 0 && errno != EINTR)
		return podfs_err_set(err, -errno, "poll: %s", strerror(errno));
	if (n <= 0)
		return n < 0;
	if (fds[2].revents)
		return podfs_err_set(err, -ECANCELED, "given up");
	if (fds[1].revents)
		read_errors(r);
	status = fds[0].revents ? read_output(r, err) : 0;
	return status < 0 ? status : 1;
}

/* Until it ended and its output is read. What it left running may hold the
 * pipes for longer: that is not waited for. */
static int wait_end(struct running *r, struct podfs_err *err)
{
	for (;;) {
		int status = wait_pipes(r, err);

		if (status < 0)
			return status;
		if (r->ended && (status == 0 || (r->out < 0 && r->errors < 0)))
			return 0;
		ask_ended(r);
	}
}

static int check_status(const struct running *r, struct podfs_err *err)
{
	const char *sep = *r->last ? ": " : "";

	if (WIFSIGNALED(r->status))
		return podfs_err_set(err, -EACCES, "ended by signal %d%s%s",
				     WTERMSIG(r->status), sep, r->last);
	if (WEXITSTATUS(r->status))
		return podfs_err_set(err, -EACCES, "exit status %d%s%s",
				     WEXITSTATUS(r->status), sep, r->last);
	return 0;
}

static void end_it(struct running *r)
{
	if (r->ended)
		return;
	kill(r->run->interactive ? r->pid : -r->pid, SIGKILL);
	while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
		;
}

int podfs_plugin_run(const struct podfs_plugin_run *run, char **ret,
		     size_t *ret_len, struct podfs_err *err)
{
	struct running r = {
		.run = run,
		.out = -1,
		.errors = -1,
		.deadline = now_ms() + (int64_t)run->timeout_s * 1000,
		.output = PODFS_BUF_INIT(PODFS_PLUGIN_OUTPUT_MAX + 1),
	};
	int status;

	/* All of it now: a buffer that grows leaves copies behind. */
	if (!podfs_buf_reserve(&r.output, PODFS_PLUGIN_OUTPUT_MAX + 1))
		return podfs_err_set(err, -ENOMEM, "out of memory");
	status = podfs_plugin_start(run, &r.pid, &r.out, &r.errors, err);
	if (status == 0) {
		status = wait_end(&r, err);
		end_line(&r);
		end_it(&r);
		if (status == 0)
			status = check_status(&r, err);
	}
	if (r.out >= 0)
		close(r.out);
	if (r.errors >= 0)
		close(r.errors);
	if (status < 0) {
		podfs_secret_free_n(r.output.p, r.output.len);
		return status;
	}
	*ret_len = r.output.len;
	r.output.p[r.output.len] = '\0';
	*ret = (char *)r.output.p;
	return 0;
}
