/* Plugins are run as client.authentication.k8s.io wants, and can't hold us. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/exec_credential.h"
#include "backend/exec_plugin.h"
#include "backend/secret.h"
#include "kube_files.h"

/* The structs have char *, as they own what they point at. */
#define S(text) ((char[]){ text })

static char *no_args[] = { NULL };
static char never[] = "Never";

static struct podfs_exec_plugin plugin(const char *script)
{
	struct podfs_exec_plugin p = {
		.command = (char *)(uintptr_t)kube_put_script("plugin", script),
		.args = no_args,
		.interactive_mode = never,
	};

	return p;
}

static int run(const struct podfs_exec_plugin *p, unsigned timeout, int cancel,
	       char **ret, struct podfs_err *err)
{
	const struct podfs_plugin_run how = {
		.plugin = p,
		.exec_info = "{\"info\":1}",
		.cancel_fd = cancel,
		.timeout_s = timeout,
	};
	size_t len = 0;
	int r = podfs_plugin_run(&how, ret, &len, err);

	if (r == 0)
		assert_int_equal(strlen(*ret), len);
	return r;
}

static void check_output(const struct podfs_exec_plugin *p, const char *want)
{
	struct podfs_err err = PODFS_ERR_INIT;
	char *out = NULL;

	if (run(p, 10, -1, &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(out, want);
	podfs_secret_free(out);
}

static void check_failure(const char *script, int code, const char *text)
{
	struct podfs_exec_plugin p = plugin(script);
	struct podfs_err err = PODFS_ERR_INIT;
	char *out = NULL;

	assert_int_equal(run(&p, 10, -1, &out, &err), code);
	assert_string_equal(err.text, text);
	assert_null(out);
}

static void check_not_started(const char *script, int code, const char *text)
{
	if (!kube_spawn_is_blind())
		check_failure(script, code, text);
}

static void test_arguments_without_shell(void **state)
{
	char *args[] = { S("a b"), S("$HOME"), S(""), S(";'\""), NULL };
	struct podfs_exec_plugin p =
		plugin("#!/bin/sh\nprintf '%s|' \"$@\"\nexit 0\n");

	p.args = args;
	check_output(&p, "a b|$HOME||;'\"|");
}

static void test_environment(void **state)
{
	struct podfs_env_var env[] = {
		{ S("A"), S("1") },
		{ S("PLUGIN_OWN"), S("x=y") },
		{ S("A"), S("2") },
		{ S("KUBERNETES_EXEC_INFO"), S("no") },
	};
	struct podfs_exec_plugin p = plugin(
		"#!/bin/sh\n"
		"echo $A $PLUGIN_OWN $KEPT $KUBERNETES_EXEC_INFO\n"
		"env | grep -c -e ^A= -e ^KUBERNETES_EXEC_INFO=\n");

	setenv("KEPT", "kept", 1);
	setenv("A", "0", 1);
	setenv("KUBERNETES_EXEC_INFO", "older", 1);
	p.env = env;
	p.n_env = 4;
	check_output(&p, "2 x=y kept {\"info\":1}\n2\n");
	unsetenv("KUBERNETES_EXEC_INFO");
	unsetenv("A");
}

/* Nothing of ours: stdin is empty, no descriptor but the three, signals as at
 * the start of a program. */
static void test_what_it_inherits(void **state)
{
	struct podfs_exec_plugin p = plugin(
		"#!/bin/sh\ncat\nls /proc/$$/fd | tr '\\n' ' '\n"
		"grep -e SigBlk -e SigIgn /proc/$$/status | tr -d '\\t'\n");
	int leak = dup(STDOUT_FILENO); /* without O_CLOEXEC */
	struct podfs_err err = PODFS_ERR_INIT;
	const char *ignored;
	char *out = NULL;

	signal(SIGPIPE, SIG_IGN); /* as the daemon has it */
	assert_int_equal(run(&p, 10, -1, &out, &err), 0);
	signal(SIGPIPE, SIG_DFL);
	close(leak);
	/* 10 or 255 is how a shell holds its script. */
	assert_true(!strncmp(out, "0 1 10 2 ", 9) ||
		    !strncmp(out, "0 1 2 255 ", 10));
	assert_non_null(strstr(out, "SigBlk:0000000000000000"));
	ignored = strstr(out, "SigIgn:");
	assert_non_null(ignored);
	/* glibc leaves its own two, 32 and 33, ignored. */
	assert_int_equal(strtoull(ignored + 7, NULL, 16) & 0x7fffffff, 0);
	podfs_secret_free(out);
}

static void test_path(void **state)
{
	struct podfs_exec_plugin p = { .command = S("podfs-test-plugin"),
				       .args = no_args,
				       .interactive_mode = never,
				       .install_hint = S("apt install it") };
	char *path = strdup(getenv("PATH"));
	struct podfs_err err = PODFS_ERR_INIT;
	char *out = NULL;
	char value[512];

	assert_int_equal(run(&p, 10, -1, &out, &err), -ENOENT);
	assert_string_equal(err.text,
			    "there is no such program in PATH: apt install it");
	kube_put("a/podfs-test-plugin", "not executable");
	kube_put_script("b/podfs-test-plugin", "#!/bin/sh\necho $0 b\n");
	snprintf(value, sizeof(value), ".::%s:%s:%s", kube_path("a"),
		 kube_path("b"), path);
	setenv("PATH", value, 1);
	snprintf(value, sizeof(value), "%s b\n",
		 kube_path("b/podfs-test-plugin"));
	check_output(&p, value);
	setenv("PATH", path, 1);
	free(path);
	p.command = S("/none/plugin");
	p.install_hint = NULL;
	assert_int_equal(run(&p, 10, -1, &out, &err), -ENOENT);
	assert_string_equal(err.text, "there is no such program");
	if (kube_spawn_is_blind())
		return;
	p.command = (char *)(uintptr_t)kube_put("plain", "#!/bin/sh\n");
	assert_int_equal(run(&p, 10, -1, &out, &err), -EACCES);
	assert_string_equal(err.text, "can't be started: Permission denied");
}

static void test_failures(void **state)
{
	check_failure("#!/bin/sh\necho first >&2\necho '  the token is gone' >&2\n"
		      "echo >&2\nexit 3\n",
		      -EACCES, "exit status 3:   the token is gone");
	assert_non_null(strstr(kube_log(), "plugin': first\n"));
	check_failure("#!/bin/sh\nexit 1\n", -EACCES, "exit status 1");
	check_failure("#!/bin/sh\nkill -9 $$\n", -EACCES, "ended by signal 9");
	check_not_started("#!/none/sh\n", -ENOENT,
			  "can't be started: No such file or directory");
	check_not_started("no interpreter\n", -ENOEXEC,
			  "can't be started: Exec format error");
}

/* Standard error is for the log, whatever is in it. */
static void test_strange_errors(void **state)
{
	check_failure("#!/bin/sh\nprintf 'a\\033[31mb\\tc\\r\\n' >&2\n"
		      "head -c 100000 /dev/zero | tr '\\0' x >&2\nprintf 'end' >&2\nexit 1\n",
		      -EACCES,
		      "exit status 1: "
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_non_null(strstr(kube_log(), ": a?[31mb c \n"));
}

static void test_large_output(void **state)
{
	struct podfs_exec_plugin p = plugin(
		"#!/bin/sh\nhead -c 262144 /dev/zero | tr '\\0' x\n");
	struct podfs_err err = PODFS_ERR_INIT;
	char *out = NULL;

	assert_int_equal(run(&p, 10, -1, &out, &err), 0);
	assert_int_equal(strlen(out), PODFS_PLUGIN_OUTPUT_MAX);
	podfs_secret_free(out);
	/* One more, and endless. */
	check_failure("#!/bin/sh\nhead -c 262145 /dev/zero | tr '\\0' x\n",
		      -EMSGSIZE, "it wrote more than 262144 bytes");
	check_failure("#!/bin/sh\nexec yes SECRET\n", -EMSGSIZE,
		      "it wrote more than 262144 bytes");
	assert_null(strstr(kube_log(), "SECRET"));
}

/* And what it started, which holds its output: the group is ended. */
static void test_hang(void **state)
{
	struct podfs_exec_plugin p = plugin(
		"#!/bin/sh\nsleep 20 &\necho $! >\"${0}.pid\"\n"
		"echo login at example.org >&2\nwait\n");
	struct podfs_err err = PODFS_ERR_INIT;
	char *out = NULL;
	int status;
	pid_t pid;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(run(&p, 3, -1, &out, &err), -ETIMEDOUT);
	assert_string_equal(err.text,
			    "no answer after 3 s; it said: login at example.org");
	pid = (pid_t)atoi(kube_read("plugin.pid"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* A plugin may leave an agent behind, which holds its output for longer than a
 * plugin may take. */
static void test_agent_is_not_waited_for(void **state)
{
	struct podfs_exec_plugin p =
		plugin("#!/bin/sh\nsleep 15 &\necho answer\n");

	check_output(&p, "answer\n");
	/* Nor one that closes it early. */
	p = plugin("#!/bin/sh\necho answer\nexec >&- 2>&-\nsleep 0.2\n");
	check_output(&p, "answer\n");
}

static void test_cancel(void **state)
{
	struct podfs_exec_plugin p = plugin("#!/bin/sh\nsleep 20\n");
	struct podfs_err err = PODFS_ERR_INIT;
	int fd = eventfd(1, EFD_CLOEXEC);
	char *out = NULL;

	assert_int_equal(run(&p, 10, fd, &out, &err), -ECANCELED);
	close(fd);
}

static void test_terminal(void **state)
{
	struct podfs_exec_plugin p = { .interactive_mode = S("Always") };
	struct podfs_err err = PODFS_ERR_INIT;
	int saved = dup(STDIN_FILENO);
	bool interactive = true;

	assert_non_null(freopen("/dev/null", "r", stdin));
	assert_int_equal(podfs_plugin_interactive(&p, &interactive, &err),
			 -EACCES);
	assert_non_null(strstr(err.text, "it needs a terminal (interactiveMode: Always)"));
	p.interactive_mode = S("IfAvailable");
	assert_int_equal(podfs_plugin_interactive(&p, &interactive, &err), 0);
	assert_false(interactive);
	dup2(saved, STDIN_FILENO);
	close(saved);
	p.interactive_mode = never;
	interactive = true;
	assert_int_equal(podfs_plugin_interactive(&p, &interactive, &err), 0);
	assert_false(interactive);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, kube_setup, kube_teardown)
	const struct CMUnitTest tests[] = {
		T(test_arguments_without_shell),
		T(test_environment),
		T(test_what_it_inherits),
		T(test_path),
		T(test_failures),
		T(test_strange_errors),
		T(test_large_output),
		T(test_hang),
		T(test_agent_is_not_waited_for),
		T(test_cancel),
		T(test_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
