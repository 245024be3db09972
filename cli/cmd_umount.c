/*
 * podfs umount: works whatever the link and the daemon do, within two seconds.
 *
 * First the daemon is asked, which lets it end its session with the helper in
 * good order; then the mount is taken off its name and its connection is
 * ended, which frees every process that waits in it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/mount_config.h"
#include "cli/mountpoint.h"
#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/runfile.h"
#include "common/base/guard.h"

#define ASK_MS 1000  /* for the mount to go after the daemon was asked */
#define TOTAL_MS 1800 /* then the process is killed */

static const char help[] =
	"podfs umount [OPTION...] [MOUNTPOINT]: unmounts it\n"
	"\n"
	"  -f, --force        do not ask the daemon first, end the connection at once\n"
	"  --config FILE      as of podfs mount; where no MOUNTPOINT is given, it is\n"
	"  --context NAME     the one where podfs mount with these options mounts: the\n"
	"  --kubeconfig FILE  mountpoint of podfs.conf(5), else " CLI_MOUNTPOINT_DEFAULT "\n"
	"\n"
	"Works also while the cluster can't be reached and while files are open; what\n"
	"a program had not yet closed or synced may be lost. Takes 2 s at most.\n"
	"Exit codes: 0 unmounted, 1 it did not work, 2 wrong usage.\n";

/* Options of podfs mount by which its mount point is found. */
enum { CONFIG, CONTEXT, KUBECONFIG, OF_MOUNT };
static const char *const options_of_mount[OF_MOUNT] = {
	[CONFIG] = "--config",
	[CONTEXT] = "--context",
	[KUBECONFIG] = "--kubeconfig",
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void signal_daemon(int pidfd, int nr)
{
	if (pidfd >= 0)
		syscall(SYS_pidfd_send_signal, pidfd, nr, NULL, 0);
}

/* True once the process ended; no process at all counts as ended. */
static bool wait_gone(int pidfd, int64_t until)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int64_t left = until - now_ms();

	if (pidfd < 0)
		return true;
	return poll(&p, 1, left > 0 ? (int)left : 0) > 0;
}

/* Waits for the mount to go, or the daemon with or without it. */
static void ask(int pidfd, const char *path, int64_t until)
{
	signal_daemon(pidfd, SIGTERM);
	while (mounts_find(path, NULL) > 0 && now_ms() < until)
		if (wait_gone(pidfd, now_ms() + 10))
			break;
}

static int take_off(const struct podfs_mount *m)
{
	struct podfs_mount now;
	int r = mounts_find(m->path, &now);
	bool same;

	if (r <= 0)
		return r;
	same = now.minor == m->minor;
	mounts_done(&now);
	if (!same) /* it went, and what is there now is another one */
		return 0;
	r = mounts_detach(m->path);
	mounts_abort(m); /* without the right to: the kill below does it */
	return r;
}

static int unmount(const struct podfs_mount *m, bool force)
{
	int64_t start = now_ms();
	struct runfile run;
	bool known = runfile_read(m->path, &run) == 0;
	PODFS_CLEANUP_FD int pidfd = known ? runfile_pidfd(&run) : -1;
	int r;

	if (pidfd >= 0 && !force)
		ask(pidfd, m->path, start + ASK_MS);
	r = take_off(m);
	if (r < 0)
		return cli_fail("'%s' can't be unmounted: %s", m->path,
				strerror(-r));
	if (!wait_gone(pidfd, start + TOTAL_MS)) {
		signal_daemon(pidfd, SIGKILL);
		wait_gone(pidfd, start + TOTAL_MS + 100);
	}
	if (known && mounts_find(m->path, NULL) == 0 &&
	    mountpoint_reopen(m->path, run.mode))
		runfile_remove(m->path, run.pid);
	return CLI_OK;
}

static int umount_at(const char *path, bool force)
{
	PODFS_CLEANUP_FREE char *full = path_beside_mount(path);
	struct podfs_mount m = { 0 };
	int r;

	if (!full)
		return cli_fail("'%s': %m", path);
	r = mounts_find(full, &m);
	if (r < 0)
		return cli_fail("/proc/self/mountinfo: %s", strerror(-r));
	if (r == 0)
		r = cli_fail("nothing of podfs is mounted at '%s': 'podfs status' lists what is",
			     path);
	else
		r = unmount(&m, force);
	mounts_done(&m);
	/* last: others' folders may be on disks that hang */
	mountpoint_tidy();
	return r;
}

/* Where `podfs mount` with these options of its own would mount. */
static int umount_default(char *const of_mount[], bool force)
{
	char *argv[2 * OF_MOUNT + 2] = { (char *)"umount" };
	struct mount_options o;
	int argc = 1, r;

	for (size_t i = 0; i < OF_MOUNT; i++) {
		if (!of_mount[i])
			continue;
		argv[argc++] = (char *)options_of_mount[i];
		argv[argc++] = of_mount[i];
	}
	r = mount_config_load(argc, argv, mount_options_add, &o);
	if (r == CLI_OK)
		r = umount_at(o.mountpoint, force);
	else
		cli_fail("so it isn't known where to look: "
			 "'podfs umount MOUNTPOINT' needs no configuration");
	mount_options_done(&o);
	return r;
}

int cli_umount(int argc, char **argv)
{
	enum { FIRST = 256 };
	static const struct option longs[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "config", required_argument, NULL, FIRST + CONFIG },
		{ "context", required_argument, NULL, FIRST + CONTEXT },
		{ "kubeconfig", required_argument, NULL, FIRST + KUBECONFIG },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	char *of_mount[OF_MOUNT] = { NULL };
	bool force = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":fh", longs, NULL)) != -1) {
		if (c == 'h')
			return cli_print(help);
		if (c == ':')
			return cli_misused("umount", "option '%s' needs a value",
					   argv[optind - 1]);
		if (c == '?')
			return cli_misused("umount", "option '%s' is not known",
					   argv[optind - 1]);
		if (c == 'f')
			force = true;
		else
			of_mount[c - FIRST] = optarg;
	}
	if (argc - optind > 1)
		return cli_misused("umount", "one mount point only, not also '%s'",
				   argv[optind + 1]);
	return optind < argc ? umount_at(argv[optind], force) :
			       umount_default(of_mount, force);
}
