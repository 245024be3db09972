/* The person's side of a stream. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/superdebug.h"
#include "common/base/log.h"

/* What goes on, beside what the container says. */
static void say(void *arg, const char *line)
{
	const struct superdebug *s = arg;

	if (!s->quiet)
		fprintf(stderr, "podfs: %s%s\n", line,
			s->terminal.raw ? "\r" : "");
}

/* What is to be known is told by errors and by say(). */
static void no_log(enum podfs_log_level level, const char *area,
		   const char *line)
{
	(void)level;
	(void)area;
	(void)line;
}

void superdebug_init(struct superdebug *s)
{
	*s = (struct superdebug){ .config = { .say = say, .arg = s } };
}

void superdebug_prepare(struct superdebug *s)
{
	podfs_log_setup(no_log, PODFS_LOG_INFO);
	signal(SIGPIPE, SIG_IGN); /* a write says so */
	if (s->want.tty && !isatty(STDIN_FILENO)) {
		say(s, "standard input is no terminal: without --tty");
		s->want.tty = false;
	}
}

void superdebug_io(struct superdebug *s, struct podfs_debug_io *ret)
{
	*ret = (struct podfs_debug_io){
		.in = s->want.in ? STDIN_FILENO : -1,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
		.tty = s->want.tty,
		.quiet = s->quiet,
		.resized = -1,
	};
	if (!ret->tty || cli_terminal_begin(&s->terminal) < 0)
		return;
	ret->resized = s->terminal.resized[0];
	ret->size = cli_terminal_size;
	ret->typed = cli_terminal_typed;
	ret->arg = &s->terminal;
}
