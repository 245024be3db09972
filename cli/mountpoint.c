/* The folder below the mount; see mountpoint.h. */
#include "cli/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/runfile.h"
#include "common/base/guard.h"
#include "common/base/log.h"

/* fchmod refuses O_PATH descriptors; their link in /proc leads to the folder
 * itself and not to what is mounted on it. */
static int chmod_below(int fd, mode_t mode)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode) < 0 ? -errno : 0;
}

static int check_empty(int below, const char *path, struct podfs_err *err)
{
	int fd = openat(below, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	if (!dir)
		return podfs_err_set(err, -errno, "'%s' can't be read: %m", path);
	while (r == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = podfs_err_set(err, -ENOTEMPTY,
					  "'%s' is not empty: choose an empty folder",
					  path);
	closedir(dir);
	return r;
}

/* A mount whose daemon is gone is taken off; one that lives is left alone. */
static int clear_dead(const char *path, const struct runfile *run,
		      bool run_known, struct podfs_err *err)
{
	struct statfs st;
	int r, pidfd;

	while ((r = mounts_find(path, NULL)) > 0) {
		pidfd = run_known ? runfile_pidfd(run) : -ESRCH;
		if (pidfd >= 0)
			close(pidfd);
		/* asked only where no daemon is known that could let us wait;
		 * by statfs, which the kernel never answers from memory */
		if (pidfd >= 0 || statfs(path, &st) == 0 || errno != ENOTCONN)
			return podfs_err_set(err, -EBUSY,
					     "'%s' is mounted already: 'podfs umount %s' first",
					     path, path);
		r = mounts_detach(path);
		if (r < 0)
			return podfs_err_set(err, r,
					     "'%s': a podfs that died left its mount there, and it can't be taken off: %s",
					     path, strerror(-r));
		podfs_info("cli", "took off the mount that a podfs that died left at %s",
			   path);
	}
	if (r < 0)
		return podfs_err_set(err, r, "/proc/self/mountinfo: %s",
				     strerror(-r));
	return 0;
}

static int open_below(struct mountpoint *m, const struct runfile *run,
		      bool run_known, struct podfs_err *err)
{
	struct stat st;

	m->below = open(m->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->below < 0 || fstat(m->below, &st) < 0)
		return podfs_err_set(err, -errno, "'%s': %m", m->path);
	m->mode = st.st_mode & 07777;
	if (m->mode == 0) {
		/* closed by a podfs that could not open it again */
		m->mode = run_known && run->mode ? run->mode : 0755;
		chmod_below(m->below, m->mode);
	}
	return check_empty(m->below, m->path, err);
}

int mountpoint_prepare(const char *path, struct mountpoint *ret,
		       struct podfs_err *err)
{
	PODFS_CLEANUP_FREE char *wanted = path_absolute(path);
	struct mountpoint m = MOUNTPOINT_INIT;
	struct runfile run;
	bool run_known;
	int r;

	if (!wanted)
		return podfs_err_set(err, -errno, "'%s': %m", path);
	m.path = path_beside_mount(wanted);
	if (!m.path || mounts_find(m.path, NULL) <= 0) {
		r = path_mkdirs(m.path ? m.path : wanted);
		if (r < 0)
			r = podfs_err_set(err, r,
					  "'%s' can't be made: %s; name a folder that you may write to",
					  path, strerror(-r));
		free(m.path);
		m.path = r < 0 ? NULL : path_beside_mount(wanted);
		if (!m.path)
			return r < 0 ? r : podfs_err_set(err, -errno, "'%s': %m",
							 path);
	}
	run_known = runfile_read(m.path, &run) == 0;
	r = clear_dead(m.path, &run, run_known, err);
	if (r == 0)
		r = open_below(&m, &run, run_known, err);
	if (r < 0) {
		mountpoint_done(&m);
		return r;
	}
	*ret = m;
	return 0;
}

void mountpoint_close(struct mountpoint *m)
{
	int r = chmod_below(m->below, 0);

	m->closed = r == 0;
	if (r < 0)
		podfs_debug("cli", "the folder below %s stays as it is: %s",
			    m->path, strerror(-r));
}

void mountpoint_done(struct mountpoint *m)
{
	if (m->closed)
		chmod_below(m->below, m->mode);
	if (m->below >= 0)
		close(m->below);
	free(m->path);
	*m = (struct mountpoint)MOUNTPOINT_INIT;
}

bool mountpoint_reopen(const char *path, mode_t mode)
{
	/* whoever may write to a folder on the way may have put a link there,
	 * to a folder that somebody else closed */
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	PODFS_CLEANUP_FD int fd = (int)syscall(SYS_openat2, AT_FDCWD, path,
					       &how, sizeof(how));
	struct stat st;

	if (fd < 0) /* no such folder, or not the one any more */
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
	if (fstat(fd, &st) < 0)
		return false;
	return (st.st_mode & 07777) != 0 ||
	       chmod_below(fd, mode ? mode : 0755) == 0;
}

static bool is_left_over(const char *path, mode_t mode)
{
	/* podfs umount will want to know of what is still there */
	return mounts_find(path, NULL) == 0 && mountpoint_reopen(path, mode);
}

void mountpoint_tidy(void)
{
	runfile_each_dead(is_left_over);
}
