/*
 * A helper is brought behind a shell: what is said on the way, what can go
 * wrong there, and the script itself in a shell of this machine.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/bring.h"
#include "backend/sendin.h"
#include "common/base/guard.h"

static const struct podfs_helper_blob blobs[] = {
	{ "amd64", (const uint8_t *)"intel", 5 },
	{ "arm64", (const uint8_t *)"arm\n\0arm", 8 },
};

struct env {
	struct podfs_transport shell; /* the inner one: the first member */
	struct podfs_sink in;	      /* the bring's */
	struct podfs_transport *t;    /* what the session has */
	struct podfs_err why;
	bool opened, closed, shell_closed, wants_write;
	char note[32], got[256];
	size_t got_len;
	const char *hello; /* what the session sends */
};

/* ---- the shell's transport ---------------------------------------------------- */

static struct env *env_of(struct podfs_transport *t)
{
	return podfs_container_of(t, struct env, shell);
}

static void shell_want_write(struct podfs_transport *t)
{
	env_of(t)->wants_write = true;
}

static void shell_want_read(struct podfs_transport *t, int on)
{
	(void)t;
	(void)on;
}

static void shell_close(struct podfs_transport *t)
{
	env_of(t)->shell_closed = true;
}

static const struct podfs_transport_ops shell_ops = {
	.want_write = shell_want_write,
	.want_read = shell_want_read,
	.close = shell_close,
};

/* ---- the session -------------------------------------------------------------- */

static void opened(void *arg, const char *note)
{
	struct env *e = arg;

	assert_false(e->opened);
	e->opened = true;
	snprintf(e->note, sizeof(e->note), "%s", note);
	e->hello = "hi";
}

static void bytes(void *arg, const uint8_t *p, size_t n)
{
	struct env *e = arg;

	assert_true(e->opened);
	assert_true(e->got_len + n < sizeof(e->got));
	memcpy(e->got + e->got_len, p, n);
	e->got_len += n;
}

static size_t fill(void *arg, uint8_t *p, size_t cap)
{
	struct env *e = arg;
	size_t n = e->hello ? strlen(e->hello) : 0;

	assert_true(e->opened);
	assert_true(n <= cap);
	if (n)
		memcpy(p, e->hello, n);
	e->hello = NULL;
	return n;
}

static void closed(void *arg, const struct podfs_err *why)
{
	struct env *e = arg;

	assert_false(e->closed);
	e->closed = true;
	e->why = *why;
}

static void begin(struct env *e)
{
	const struct podfs_sink sink = { .arg = e, .opened = opened,
					 .bytes = bytes, .fill = fill,
					 .closed = closed };
	struct podfs_bring *b;

	memset(e, 0, sizeof(*e));
	e->shell.ops = &shell_ops;
	assert_int_equal(podfs_bring_new(blobs, PODFS_ARRAY_LEN(blobs), &sink,
					 &b), 0);
	e->in = podfs_bring_sink(b);
	e->t = podfs_bring_over(b, &e->shell);
	e->in.opened(e->in.arg, "v4");
	assert_false(e->opened);
}

/* All that is sent now, a few bytes at a time. */
static size_t sends(struct env *e, char *to, size_t cap)
{
	size_t len = 0, n;

	assert_true(e->wants_write);
	while ((n = e->in.fill(e->in.arg, (uint8_t *)to + len, 3)) > 0) {
		len += n;
		assert_true(len + 3 < cap);
	}
	to[len] = '\0';
	e->wants_write = false;
	return len;
}

static void says(struct env *e, const char *text)
{
	e->in.bytes(e->in.arg, (const uint8_t *)text, strlen(text));
}

static void ends(struct env *e, const char *why)
{
	struct podfs_err err = PODFS_ERR_INIT;

	podfs_err_set(&err, -EIO, "%s", why);
	e->in.closed(e->in.arg, &err);
}

/* ---- the dialogue ------------------------------------------------------------- */

static void brings_one(const char *need, const char *want, size_t want_len)
{
	char sent[8192];
	struct env e;

	begin(&e);
	assert_true(sends(&e, sent, sizeof(sent)) > 500);
	assert_memory_equal(sent, "{ i=", 4);
	assert_ptr_equal(strchr(sent, '\n'), sent + strlen(sent) - 1);
	for (const char *p = need; *p; p++) /* byte by byte */
		e.in.bytes(e.in.arg, (const uint8_t *)p, 1);
	assert_int_equal(sends(&e, sent, sizeof(sent)), want_len);
	assert_memory_equal(sent, want, want_len);
	assert_false(e.opened);
	says(&e, "podfs-sent\n");
	assert_true(e.opened);
	assert_string_equal(e.note, "v4");
	sends(&e, sent, sizeof(sent));
	assert_string_equal(sent, "podfs-go\nhi");
	says(&e, "podfs-sent\nbytes of the helper");
	assert_string_equal(e.got, "podfs-sent\nbytes of the helper");
	e.t->ops->close(e.t);
	assert_true(e.shell_closed);
	assert_false(e.closed);
}

static void brings(void **state)
{
	(void)state;
	brings_one("podfs-need x86_64\n", "5\nintel", 7);
	brings_one("podfs-need aarch64\r\n", "8\narm\n\0arm", 10);
	brings_one("Welcome!\n\npodfs-sent\npodfs-need x86_64\n", "5\nintel",
		   7);
}

static void fails(const char *said, int code, const char *word)
{
	char sent[8192];
	struct env e;

	begin(&e);
	sends(&e, sent, sizeof(sent));
	says(&e, said);
	assert_true(e.closed);
	assert_true(e.shell_closed);
	assert_false(e.opened);
	assert_int_equal(e.why.code, code);
	if (!strstr(e.why.text, word))
		fail_msg("'%s' not in '%s'", word, e.why.text);
}

static void what_no_other_try_helps(void **state)
{
	(void)state;
	fails("podfs-need mips\n", -EOPNOTSUPP, "architecture: mips");
	fails("podfs-need \n", -EOPNOTSUPP, "architecture");
	fails("podfs-lack mkdir\n", -EOPNOTSUPP, "no program mkdir");
	fails("podfs-none /tmp (noexec), /run (not writable)\n", -EOPNOTSUPP,
	      "tried: /tmp (noexec), /run");
	fails("podfs-lack \033[2J\n", -EOPNOTSUPP, "?[2J");
}

static void check_end(const char *why, int code, const char *word)
{
	struct env e;

	begin(&e);
	ends(&e, why);
	assert_true(e.closed);
	assert_false(e.shell_closed);
	assert_int_equal(e.why.code, code);
	if (!strstr(e.why.text, word))
		fail_msg("'%s' not in '%s'", word, e.why.text);
	assert_non_null(strstr(e.why.text, why));
}

static void ends_on_the_way(void **state)
{
	(void)state;
	check_end("exec: \"sh\": executable file not found in $PATH",
		  -EOPNOTSUPP, "no shell");
	check_end("executable file `sh` not found in $PATH", -EOPNOTSUPP,
		  "no shell");
	check_end("connection lost", -EIO, "can't send the helper in");
}

static void long_lines_are_nobodys(void **state)
{
	char text[4096];
	struct env e;

	(void)state;
	begin(&e);
	memset(text, 'x', sizeof(text));
	memcpy(text, "podfs-lack ", 11);
	text[sizeof(text) - 1] = '\0';
	says(&e, text);
	says(&e, "\n");
	assert_false(e.closed);
	says(&e, "podfs-lack dd\n");
	assert_true(e.closed);
}

/* ---- the script itself ---------------------------------------------------------- */

struct shell {
	pid_t pid;
	int fd;
};

/* @path NULL: this process's. */
static struct shell start_shell_with(const char *path)
{
	struct podfs_buf b = PODFS_BUF_INIT(8192);
	struct shell s;
	int pair[2];

	assert_int_equal(podfs_sendin_inline("test", &b), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    pair), 0);
	s.pid = fork();
	if (s.pid == 0) {
		dup2(pair[1], STDIN_FILENO);
		dup2(pair[1], STDOUT_FILENO);
		if (path)
			setenv("PATH", path, 1);
		execl("/bin/sh", "sh", NULL);
		_exit(127);
	}
	close(pair[1]);
	s.fd = pair[0];
	assert_int_equal(write(s.fd, b.p, b.len), b.len);
	podfs_buf_done(&b);
	return s;
}

static struct shell start_shell(void)
{
	return start_shell_with(NULL);
}

/* A line, its end included. */
static const char *line_of(const struct shell *s)
{
	static char line[1024];
	size_t n = 0;

	while (n + 1 < sizeof(line) && read(s->fd, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	return line;
}

static int status_of(struct shell *s)
{
	int status;

	close(s->fd);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	return WEXITSTATUS(status);
}

static bool left_behind(void)
{
	static const char *const folders[] = { "/dev/shm", "/tmp", "/var/tmp",
					       "/run", ".", "/" };
	char path[64];

	for (size_t i = 0; i < PODFS_ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof(path), "%s/.podfs-test", folders[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* What it is sent here is a script instead of the helper. */
static void the_script_runs_what_it_got(void **state)
{
	static const char program[] =
		"#!/bin/sh\necho \"$@\"; read -r x; echo \"$x\"\n";
	struct shell s = start_shell();

	(void)state;
	assert_memory_equal(line_of(&s), "podfs-need ", 11);
	assert_true(left_behind());
	dprintf(s.fd, "%zu\n%s", strlen(program), program);
	assert_string_equal(line_of(&s), "podfs-sent\n");
	dprintf(s.fd, "podfs-go\nfirst bytes\n");
	assert_string_equal(line_of(&s), "serve --inline --root /\n");
	assert_string_equal(line_of(&s), "first bytes\n");
	assert_int_equal(status_of(&s), 0);
	assert_false(left_behind());
}

static void a_script_that_is_cut_off_leaves_nothing(void **state)
{
	struct shell s = start_shell();

	(void)state;
	assert_memory_equal(line_of(&s), "podfs-need ", 11);
	assert_int_equal(status_of(&s), 72);
	assert_false(left_behind());
	s = start_shell();
	assert_memory_equal(line_of(&s), "podfs-need ", 11);
	dprintf(s.fd, "100\nfew bytes");
	assert_int_equal(status_of(&s), 72);
	assert_false(left_behind());
}

/* A folder of programs: what the script needs, and one that can do more; but
 * none that makes a folder. */
static void make_programs(char *dir, const char *more)
{
	static const char *const names[] = { "rmdir", "chmod", "rm", "uname",
					     "head" };
	char from[64], to[128];

	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < PODFS_ARRAY_LEN(names); i++) {
		snprintf(from, sizeof(from), "/bin/%s", names[i]);
		if (access(from, X_OK) != 0)
			snprintf(from, sizeof(from), "/usr/bin/%s", names[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, names[i]);
		assert_int_equal(symlink(from, to), 0);
	}
	snprintf(to, sizeof(to), "%s/mkdir", dir);
	assert_int_equal(symlink("/bin/false", to), 0);
	if (!more)
		return;
	snprintf(from, sizeof(from), "/usr/bin/%s", more);
	snprintf(to, sizeof(to), "%s/%s", dir, more);
	assert_int_equal(symlink(from, to), 0);
}

static void remove_programs(const char *dir)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Here, too, a script instead of the helper: it is named by its descriptor. */
static void runs_from_memory(const char *with)
{
	static const char program[] =
		"#!/bin/sh\necho \"$@\"; read -r x; echo \"$x\"\n";
	char dir[] = "/tmp/podfs-programs-XXXXXX";
	struct shell s;

	make_programs(dir, with);
	s = start_shell_with(dir);
	assert_memory_equal(line_of(&s), "podfs-need ", 11);
	dprintf(s.fd, "%zu\n%s", strlen(program), program);
	assert_string_equal(line_of(&s), "podfs-sent\n");
	dprintf(s.fd, "podfs-go\nfirst bytes\n");
	assert_string_equal(line_of(&s), "serve --inline --root /\n");
	assert_string_equal(line_of(&s), "first bytes\n");
	assert_int_equal(status_of(&s), 0);

	s = start_shell_with(dir); /* and one that is cut off */
	assert_memory_equal(line_of(&s), "podfs-need ", 11);
	dprintf(s.fd, "100\nfew bytes");
	assert_int_equal(status_of(&s), 72);
	remove_programs(dir);
}

static void without_a_folder_it_runs_from_memory(void **state)
{
	(void)state;
	runs_from_memory("perl");
	runs_from_memory("python3");
}

static void without_either_it_says_what_it_tried(void **state)
{
	char dir[] = "/tmp/podfs-programs-XXXXXX";
	struct shell s;

	(void)state;
	make_programs(dir, NULL);
	s = start_shell_with(dir);
	assert_non_null(strstr(line_of(&s), "/tmp (not writable)"));
	assert_int_equal(status_of(&s), 71);
	remove_programs(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brings),
		cmocka_unit_test(what_no_other_try_helps),
		cmocka_unit_test(ends_on_the_way),
		cmocka_unit_test(long_lines_are_nobodys),
		cmocka_unit_test(the_script_runs_what_it_got),
		cmocka_unit_test(a_script_that_is_cut_off_leaves_nothing),
		cmocka_unit_test(without_a_folder_it_runs_from_memory),
		cmocka_unit_test(without_either_it_says_what_it_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
