#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/guard.h"

/* ---- keys -------------------------------------------------------------------- */

static int key_of(const char *p, size_t n)
{
	if (n == 1)
		return (unsigned char)*p;
	if (n != 6 || strncmp(p, "ctrl-", 5) != 0)
		return -EINVAL;
	if (p[5] >= 'a' && p[5] <= 'z')
		return p[5] - 'a' + 1;
	if (p[5] >= '@' && p[5] <= '_')
		return p[5] - '@';
	return -EINVAL;
}

int cli_terminal_keys(struct cli_terminal *t, const char *text)
{
	t->n_keys = 0;
	t->typed = 0;
	while (*text) {
		size_t n = strcspn(text, ",");
		int key = key_of(text, n);

		if (key < 0 || t->n_keys == CLI_DETACH_KEYS_MAX)
			return -EINVAL;
		t->keys[t->n_keys++] = (uint8_t)key;
		text += n;
		if (*text == ',' && !*++text)
			return -EINVAL;
	}
	return 0;
}

/* One byte: how many bytes are to be sent for it, into @ret. */
static size_t type_one(struct cli_terminal *t, uint8_t c, uint8_t *ret,
		       bool *leave)
{
	size_t n = 0;

	if (c == t->keys[t->typed]) {
		*leave = ++t->typed == t->n_keys;
		return 0;
	}
	/* it wasn't meant: what was held back goes first */
	memcpy(ret, t->keys, t->typed);
	n = t->typed;
	t->typed = 0;
	if (n > 0 && c == t->keys[0]) {
		*leave = ++t->typed == t->n_keys;
		return n;
	}
	ret[n++] = c;
	return n;
}

size_t cli_terminal_typed(void *terminal, uint8_t *p, size_t n, bool *leave)
{
	struct cli_terminal *t = terminal;
	uint8_t in[CLI_DETACH_KEYS_MAX + 1];
	size_t out = 0, held = t->typed;

	if (t->n_keys == 0)
		return n;
	/* what is held back makes room by itself: shift by that much */
	memmove(p + held, p, n);
	for (size_t i = 0; i < n && !*leave; i++) {
		size_t k = type_one(t, p[held + i], in, leave);

		memcpy(p + out, in, k);
		out += k;
	}
	return out;
}

/* ---- modes and sizes ------------------------------------------------------------- */

static struct cli_terminal *current; /* for the handlers below */

static void on_resize(int sig)
{
	int saved = errno;

	(void)sig;
	if (current && write(current->resized[1], "", 1) < 0)
		errno = saved; /* full: it is known already */
	errno = saved;
}

static void on_end(int sig)
{
	if (current)
		tcsetattr(STDIN_FILENO, TCSANOW, &current->before);
	signal(sig, SIG_DFL);
	raise(sig);
}

bool cli_terminal_size(void *terminal, unsigned *columns, unsigned *rows)
{
	struct winsize w;

	(void)terminal;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col == 0 ||
	    w.ws_row == 0)
		return false;
	*columns = w.ws_col;
	*rows = w.ws_row;
	return true;
}

int cli_terminal_begin(struct cli_terminal *t)
{
	static const int ends[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	struct sigaction a = { .sa_handler = on_resize, .sa_flags = SA_RESTART };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->before) != 0 ||
	    pipe2(t->resized, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	current = t;
	sigaction(SIGWINCH, &a, NULL);
	a = (struct sigaction){ .sa_handler = on_end };
	for (size_t i = 0; i < PODFS_ARRAY_LEN(ends); i++)
		sigaction(ends[i], &a, NULL);
	raw = t->before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0)
		return -errno;
	t->raw = true;
	return 0;
}

void cli_terminal_end(struct cli_terminal *t)
{
	if (!t->raw)
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t->before);
	t->raw = false;
	signal(SIGWINCH, SIG_DFL);
	current = NULL;
	close(t->resized[0]);
	close(t->resized[1]);
}
