#include "helper-image/run.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include "helper-image/root.h"

#define ENV_MAX (2 << 20) /* bytes; the kernel's limit for all of it */

struct run {
	const char *container;
	const char *pod_uid;
	const char *user;    /* NULL: the target's */
	const char *workdir; /* NULL: the target's */
	char **env;	     /* "NAME=VALUE", beside the target's */
	size_t n_env;
	struct helper_root root;
	int cwd;
	char *target_env; /* as /proc/PID/environ has it */
};

static int refuse(const char *what, int err, const char *todo)
{
	fprintf(stderr, "podfs-helper: %s: %s%s%s\n", what, strerror(-err),
		todo ? "; " : "", todo ? todo : "");
	return HELPER_RUN_REFUSED;
}

/* ---- what the target has --------------------------------------------------------- */

/* Without CAP_SYS_PTRACE the kernel asks for the target's own ids. */
static int open_of_target(const struct run *r, const char *what, int flags)
{
	char path[64];
	int fd, old_gid, old_uid;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)r->root.target, what);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	old_gid = setfsgid(r->root.target_gid);
	old_uid = setfsuid(r->root.target_uid);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	setfsuid((uid_t)old_uid);
	setfsgid((gid_t)old_gid);
	return fd;
}

static int read_env(struct run *r)
{
	int fd = open_of_target(r, "environ", O_RDONLY);
	size_t n = 0;

	if (fd < 0)
		return fd;
	r->target_env = calloc(1, ENV_MAX + 2);
	while (r->target_env && n < ENV_MAX) {
		ssize_t got = read(fd, r->target_env + n, ENV_MAX - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	return r->target_env ? 0 : -ENOMEM;
}

/* The environment of what is run: the target's, the terminal's kind, and what was
 * asked for. */
static void take_env(struct run *r, const struct helper_run_user *u)
{
	const char *term = getenv("TERM");
	char *kept = term ? strdup(term) : NULL;

	clearenv();
	for (char *e = r->target_env; *e; e += strlen(e) + 1)
		if (strchr(e, '=') && e[0] != '=')
			putenv(e);
	if (kept && !getenv("TERM"))
		setenv("TERM", kept, 1);
	free(kept);
	if (r->user || !getenv("HOME"))
		setenv("HOME", u->home, 1);
	for (size_t i = 0; i < r->n_env; i++)
		putenv(r->env[i]);
}

/* ---- becoming it ------------------------------------------------------------------ */

static int change_root(const struct run *r)
{
	if (fchdir(r->root.fd) != 0 || chroot(".") != 0)
		return refuse("the target's root can't be entered", -errno,
			      "the namespace's Pod Security level leaves no "
			      "right to (CAP_SYS_CHROOT); kubectl exec runs as "
			      "the container's own user");
	/* the folder may be gone, or hidden from this user */
	if (r->workdir ? chdir(r->workdir) != 0 :
			 r->cwd < 0 || fchdir(r->cwd) != 0) {
		if (r->workdir)
			return refuse(r->workdir, -errno, NULL);
		if (chdir("/") != 0)
			return refuse("/", -errno, NULL);
	}
	return 0;
}

static int change_user(const struct helper_run_user *u)
{
	if (u->uid == geteuid() && u->gid == getegid() && geteuid() != 0)
		return 0;
	if (setgroups(u->n_groups, u->groups) != 0 || setgid(u->gid) != 0 ||
	    setuid(u->uid) != 0)
		return refuse("this user can't be taken", -errno,
			      "the namespace's Pod Security level leaves no "
			      "right to");
	return 0;
}

static int find_user(const struct run *r, struct helper_run_user *ret)
{
	char own[64];

	snprintf(own, sizeof(own), "%u:%u", (unsigned)r->root.target_uid,
		 (unsigned)r->root.target_gid);
	if (helper_run_user(r->user ? r->user : own, "/etc/passwd",
			    "/etc/group", ret) == 0)
		return 0;
	fprintf(stderr, "podfs-helper: there is no user or group %s in the "
		"container's /etc/passwd and /etc/group\n", r->user);
	return HELPER_RUN_REFUSED;
}

static int become(struct run *r, char **argv)
{
	struct helper_run_user u;
	int e = change_root(r);

	if (!e)
		e = find_user(r, &u);
	if (!e)
		e = change_user(&u);
	if (e)
		return e;
	take_env(r, &u);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	e = errno;
	fprintf(stderr, "podfs-helper: %s: %s\n", argv[0], strerror(e));
	return e == ENOENT || e == ENOTDIR ? HELPER_RUN_NOT_FOUND :
					     HELPER_RUN_NOT_EXECUTABLE;
}

static int run(struct run *r, char **argv)
{
	int e = helper_root_target(r->pod_uid, r->container, &r->root);

	if (e == -ESRCH)
		return refuse("the container", e, "does it run?");
	if (e)
		return refuse("the container's root", e, NULL);
	r->cwd = open_of_target(r, "cwd", O_PATH | O_DIRECTORY);
	e = read_env(r);
	if (e)
		return refuse("the container's environment", e, NULL);
	e = become(r, argv);
	free(r->target_env);
	return e;
}

int helper_run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "container", required_argument, NULL, 'c' },
		{ "pod-uid", required_argument, NULL, 'p' },
		{ "user", required_argument, NULL, 'u' },
		{ "workdir", required_argument, NULL, 'w' },
		{ "env", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	struct run r = { .cwd = -1 };
	int c, e;

	r.env = calloc((size_t)argc, sizeof(*r.env));
	optind = 1;
	while (r.env && (c = getopt_long(argc, argv, "+", longs, NULL)) >= 0) {
		if (c == 'c')
			r.container = optarg;
		else if (c == 'p')
			r.pod_uid = optarg;
		else if (c == 'u')
			r.user = optarg;
		else if (c == 'w')
			r.workdir = optarg;
		else if (c == 'e' && strchr(optarg, '='))
			r.env[r.n_env++] = optarg;
		else
			break;
	}
	if (!r.env || !r.container || !r.pod_uid || optind >= argc) {
		fputs("usage: podfs-helper run --pod-uid UID --container NAME "
		      "[--user USER[:GROUP]] [--workdir DIR]\n"
		      "       [--env NAME=VALUE] -- COMMAND...\n", stderr);
		e = HELPER_RUN_REFUSED;
	} else {
		e = run(&r, argv + optind);
	}
	free(r.env);
	return e;
}
