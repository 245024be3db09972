/*
 * podfs superdebug, also run as kubectl-superdebug: what was asked for, and the
 * parts that do it. For cmd_superdebug.c and superdebug_*.c only.
 */
#ifndef PODFS_CLI_SUPERDEBUG_H
#define PODFS_CLI_SUPERDEBUG_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/debug.h"
#include "cli/cli.h"
#include "cli/terminal.h"

struct superdebug {
	struct podfs_debug_config config;
	struct podfs_debug_want want;
	const char *what; /* the first argument: a pod, or what has pods */
	const char *container; /* -c, as it was given */
	char *custom;	       /* the file's text */
	const char **env;      /* want.env */
	size_t n_env;
	struct podfs_debug_copy copy; /* name NULL: no copy */
	bool attach_given, attach;
	bool again; /* --reattach */
	bool quiet;
	bool left; /* detached by hand */
	bool own_pod; /* the container is a regular one of a pod made for it */
	struct cli_terminal terminal;
};

/* CLI_OK; CLI_USAGE, said; or -1: it was --help, which is printed. @command: the
 * arguments behind "--", or NULL. Strings are borrowed from @argv. */
int superdebug_parse(int argc, char **argv, const char *const *command,
		     struct superdebug *ret);
void superdebug_done(struct superdebug *s);

/* "UID[:GID]". False: it is none. */
bool superdebug_parse_user(const char *text, struct podfs_debug_want *ret);
/* "A=1,B=2": appends to s->env. False: one has no name. */
bool superdebug_parse_env(char *text, struct superdebug *s);

extern const char superdebug_help[];

/* superdebug_io.c: what goes on is said on standard error, unless quiet. */
void superdebug_init(struct superdebug *s);
/* Before anything is asked of a cluster: the log, signals, and whether there is
 * a terminal. */
void superdebug_prepare(struct superdebug *s);
/* Standard input, output and errors for a stream; the terminal is raw until
 * cli_terminal_end(). */
void superdebug_io(struct superdebug *s, struct podfs_debug_io *ret);

int superdebug_exec(int argc, char **argv, const char *const *command);

/* superdebug_ls.c: the subcommands that only look, or only say. */
int superdebug_ls(int argc, char **argv);
int superdebug_cp(void);

#endif
