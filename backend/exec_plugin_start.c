/* Starting a plugin: its path, environment and descriptors. */
#include "backend/exec_plugin_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define EXEC_INFO "KUBERNETES_EXEC_INFO"

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

/* Through our own PATH, as client-go; entries that depend on the current
 * folder are left out. */
static char *look_up(const char *name)
{
	const char *dirs = getenv("PATH");

	for (const char *d = dirs; d && *d;) {
		size_t n = strcspn(d, ":");
		char *path;

		if (*d == '/') {
			if (asprintf(&path, "%.*s/%s", (int)n, d, name) < 0)
				return NULL;
			if (runnable(path))
				return path;
			free(path);
		}
		d += n + (d[n] == ':');
	}
	errno = ENOENT;
	return NULL;
}

static int find_program(const struct podfs_exec_plugin *p, char **ret,
			struct podfs_err *err)
{
	bool bare = !strchr(p->command, '/');
	const char *hint = p->install_hint;
	char *path = bare ? look_up(p->command) : strdup(p->command);

	if (path && (bare || access(path, F_OK) == 0)) {
		*ret = path;
		return 0;
	}
	free(path);
	if (errno != ENOENT && errno != ENOTDIR)
		return podfs_err_set(err, -errno, "%s", strerror(errno));
	return podfs_err_set(err, -ENOENT, "there is no such program%s%s%s",
			     bare ? " in PATH" : "", hint ? ": " : "",
			     hint ? hint : "");
}

static bool same_name(const char *setting, const char *name, size_t len)
{
	return !strncmp(setting, name, len) && setting[len] == '=';
}

static bool overridden(const struct podfs_exec_plugin *p, size_t from,
		       const char *setting)
{
	size_t len = strcspn(setting, "=");

	if (same_name(EXEC_INFO "=", setting, len))
		return true;
	for (size_t i = from; i < p->n_env; i++)
		if (!strncmp(p->env[i].name, setting, len) &&
		    !p->env[i].name[len])
			return true;
	return false;
}

/* Ours, then the plugin's, then what client-go adds: the last of a name, and
 * only that, since programs see the first. */
static char **make_env(const struct podfs_exec_plugin *p, const char *info)
{
	size_t n = 0, own = 0;
	char **env;

	while (environ[own])
		own++;
	env = calloc(own + p->n_env + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < own; i++) {
		if (overridden(p, 0, environ[i]))
			continue;
		if (!(env[n++] = strdup(environ[i])))
			goto fail;
	}
	for (size_t i = 0; i < p->n_env; i++) {
		if (asprintf(&env[n], "%s=%s", p->env[i].name,
			     p->env[i].value) < 0) {
			env[n] = NULL;
			goto fail;
		}
		if (overridden(p, i + 1, env[n]))
			podfs_secret_free(podfs_steal_ptr(&env[n]));
		else
			n++;
	}
	if (asprintf(&env[n], EXEC_INFO "=%s", info) >= 0)
		return env;
	env[n] = NULL;
fail:
	podfs_secret_strv_free(env);
	return NULL;
}

static char **make_argv(const struct podfs_exec_plugin *p)
{
	size_t n = 0;
	char **argv;

	while (p->args[n])
		n++;
	argv = calloc(n + 2, sizeof(*argv)); /* the strings stay p's */
	if (!argv)
		return NULL;
	argv[0] = p->command;
	memcpy(argv + 1, p->args, n * sizeof(*argv));
	return argv;
}

/* Signals as a program expects them. A group of its own, so that a timeout
 * ends also what it started; but not at the terminal, where another group
 * could not read. */
static int set_attributes(posix_spawnattr_t *a, bool own_group)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	if (own_group)
		flags |= POSIX_SPAWN_SETPGROUP;
	posix_spawnattr_setsigmask(a, &none);
	posix_spawnattr_setsigdefault(a, &all);
	posix_spawnattr_setpgroup(a, 0);
	return -posix_spawnattr_setflags(a, flags);
}

static int set_files(posix_spawn_file_actions_t *f, bool interactive, int out,
		     int err)
{
	int r = 0;

	if (!interactive)
		r = posix_spawn_file_actions_addopen(f, STDIN_FILENO,
						     "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(f, out, STDOUT_FILENO);
	if (r == 0 && !interactive)
		r = posix_spawn_file_actions_adddup2(f, err, STDERR_FILENO);
	/* A library's descriptor without O_CLOEXEC must not reach it. */
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(f, 3);
	return -r;
}

static int spawn(const char *path, char **argv, char **env, bool interactive,
		 int out, int err, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int r = -posix_spawn_file_actions_init(&files);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attr);
	if (r < 0) {
		posix_spawn_file_actions_destroy(&files);
		return r;
	}
	r = set_attributes(&attr, !interactive);
	if (r == 0)
		r = set_files(&files, interactive, out, err);
	if (r == 0)
		r = -posix_spawn(ret, path, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Above 2, so that dup2() doesn't meet its own source where we were started
 * with closed standard descriptors. Ours is non-blocking, the plugin's not. */
static int make_pipe(int *ret_ours, int *ret_its)
{
	PODFS_CLEANUP_FD int a = -1;
	PODFS_CLEANUP_FD int b = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	a = fds[0];
	b = fds[1];
	*ret_ours = fcntl(a, F_DUPFD_CLOEXEC, 3);
	*ret_its = fcntl(b, F_DUPFD_CLOEXEC, 3);
	if (*ret_ours < 0 || *ret_its < 0 ||
	    fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int podfs_plugin_start(const struct podfs_plugin_run *run, pid_t *ret_pid,
		       int *ret_out, int *ret_err, struct podfs_err *err)
{
	PODFS_CLEANUP_FD int out = -1;
	PODFS_CLEANUP_FD int its_out = -1;
	PODFS_CLEANUP_FD int errors = -1;
	PODFS_CLEANUP_FD int its_errors = -1;
	PODFS_CLEANUP_FREE char *path = NULL;
	PODFS_CLEANUP_FREE char **argv = make_argv(run->plugin);
	char **env = make_env(run->plugin, run->exec_info);
	int r = argv && env ? find_program(run->plugin, &path, err) :
			      podfs_err_set(err, -ENOMEM, "out of memory");

	if (r < 0)
		goto out;
	r = make_pipe(&out, &its_out);
	if (r == 0 && !run->interactive)
		r = make_pipe(&errors, &its_errors);
	if (r == 0)
		r = spawn(path, argv, env, run->interactive, its_out,
			  its_errors, ret_pid);
	if (r < 0) {
		podfs_err_set(err, r, "can't be started: %s", strerror(-r));
		goto out;
	}
	*ret_out = podfs_steal_fd(&out);
	*ret_err = podfs_steal_fd(&errors);
out:
	podfs_secret_strv_free(env);
	return r;
}
