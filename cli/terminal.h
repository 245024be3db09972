/*
 * The terminal of whoever typed the command, while a container has it: raw, with
 * its size, and with keys that detach.
 *
 * Thread: the main one; one terminal at a time. Put back as it was also when a
 * signal ends the program.
 */
#ifndef PODFS_CLI_TERMINAL_H
#define PODFS_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#define CLI_DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"
#define CLI_DETACH_KEYS_MAX 8

struct cli_terminal {
	bool raw;
	struct termios before;
	int resized[2]; /* a pipe: readable when the size has changed */
	uint8_t keys[CLI_DETACH_KEYS_MAX];
	size_t n_keys;
	size_t typed; /* so many of them were typed and are held back */
};

/* "ctrl-p,ctrl-q", "a", "ctrl-@" ... as docker's --detach-keys; "" for none.
 * -EINVAL. */
int cli_terminal_keys(struct cli_terminal *t, const char *text);

/* Makes standard input raw. 0 or -errno. */
int cli_terminal_begin(struct cli_terminal *t);
void cli_terminal_end(struct cli_terminal *t);

/* For struct podfs_debug_io, with the terminal as arg. */
bool cli_terminal_size(void *terminal, unsigned *columns, unsigned *rows);
size_t cli_terminal_typed(void *terminal, uint8_t *p, size_t n, bool *leave);

#endif
