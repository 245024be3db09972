/* One small file for each mount; see runfile.h. */
#include "cli/runfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/guard.h"

#define NAME_LEN 16 /* a hash */

/* A mount point may be longer than a file name, so the name is a hash and the
 * file says the whole path (FNV-1a, 64 bits). */
static uint64_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h;
}

/* The folder, made where it is not; never one of somebody else, who could put
 * a victim's pid into it. */
static int folder(bool make, char *ret, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (geteuid() == 0)
		snprintf(ret, size, "/run/podfs");
	else if (xdg && xdg[0] == '/' && strlen(xdg) < size - 16)
		snprintf(ret, size, "%s/podfs", xdg);
	else
		snprintf(ret, size, "/tmp/podfs-%u", (unsigned)geteuid());
	if (make && mkdir(ret, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(ret, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 0022))
		return -EPERM;
	return 0;
}

/* For who writes, and who removes what others wrote. A descriptor, whose end is
 * the lock's, or -errno. */
static int lock_folder(int how)
{
	char dir[PATH_MAX - 32];
	int fd, r = folder(false, dir, sizeof(dir));

	if (r < 0)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, how) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int name(const char *mountpoint, bool make, char *ret, size_t size)
{
	char dir[PATH_MAX - 32];
	int r = folder(make, dir, sizeof(dir));

	if (r < 0)
		return r;
	snprintf(ret, size, "%s/%016" PRIx64, dir, hash(mountpoint));
	return 0;
}

static int start_time(pid_t pid, unsigned long long *ret)
{
	char path[32], text[1024];
	PODFS_CLEANUP_FD int fd = -1;
	ssize_t n;
	char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* the program's name may hold blanks and brackets; field 22 counts
	 * from behind its last bracket */
	p = strrchr(text, ')');
	if (p && p[1] && (p[2] == 'Z' || p[2] == 'X'))
		return -ESRCH; /* dead; its parent has not taken notice yet */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, " %llu", ret) != 1)
		return -EBADMSG;
	return 0;
}

int runfile_write(const char *mountpoint, mode_t mode)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];
	unsigned long long started;
	FILE *f;
	PODFS_CLEANUP_FD int lock = -1;
	int fd, r = name(mountpoint, true, path, sizeof(path));

	if (r == 0)
		r = start_time(getpid(), &started);
	if (r == 0)
		r = lock = lock_folder(LOCK_EX);
	if (r < 0)
		return r;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	fprintf(f, "%d %llu %o\n%s\n", (int)getpid(), started, (unsigned)mode,
		mountpoint);
	if (fclose(f) != 0 || rename(fresh, path) < 0)
		return -errno;
	return 0;
}

/* @ret_path: whose it is; the caller's to free. */
static int read_file(const char *path, struct runfile *ret, char **ret_path)
{
	PODFS_CLEANUP_FREE char *line = NULL;
	struct runfile got;
	unsigned mode;
	size_t cap = 0;
	int pid, r = -EBADMSG;
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	if (fscanf(f, "%d %llu %o", &pid, &got.started, &mode) == 3 &&
	    pid > 0 && getline(&line, &cap, f) > 0 &&
	    getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		got.pid = pid;
		got.mode = mode & 07777;
		*ret = got;
		*ret_path = podfs_steal_ptr(&line);
		r = 0;
	}
	fclose(f);
	return r;
}

int runfile_read(const char *mountpoint, struct runfile *ret)
{
	PODFS_CLEANUP_FREE char *whose = NULL;
	char path[PATH_MAX];
	struct runfile got;
	int r = name(mountpoint, false, path, sizeof(path));

	if (r == 0)
		r = read_file(path, &got, &whose);
	if (r < 0)
		return r;
	if (strcmp(whose, mountpoint) != 0)
		return -EBADMSG;
	*ret = got;
	return 0;
}

void runfile_remove(const char *mountpoint, pid_t pid)
{
	PODFS_CLEANUP_FD int lock = lock_folder(LOCK_EX);
	char path[PATH_MAX];
	struct runfile now;

	if (lock >= 0 && runfile_read(mountpoint, &now) == 0 &&
	    now.pid == pid && name(mountpoint, false, path, sizeof(path)) == 0)
		unlink(path);
}

int runfile_pidfd(const struct runfile *r)
{
	PODFS_CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, r->pid, 0);
	unsigned long long started;

	/* the descriptor first: a pid that is reused after this line is not
	 * what it points to */
	if (fd < 0 || start_time(r->pid, &started) < 0 || started != r->started)
		return -ESRCH;
	return podfs_steal_fd(&fd);
}

static bool is_dead(const struct runfile *r)
{
	PODFS_CLEANUP_FD int fd = runfile_pidfd(r);

	return fd < 0;
}

void runfile_each_dead(bool (*fn)(const char *mountpoint, mode_t mode))
{
	PODFS_CLEANUP_FD int lock = lock_folder(LOCK_EX | LOCK_NB);
	char dir[PATH_MAX - 32], path[PATH_MAX];
	const struct dirent *e;
	DIR *d;

	if (lock < 0 || folder(false, dir, sizeof(dir)) < 0 ||
	    !(d = opendir(dir)))
		return;
	while ((e = readdir(d))) {
		PODFS_CLEANUP_FREE char *whose = NULL;
		struct runfile run;

		if (strlen(e->d_name) != NAME_LEN)
			continue;
		snprintf(path, sizeof(path), "%s/%.16s", dir, e->d_name);
		if (read_file(path, &run, &whose) == 0 && is_dead(&run) &&
		    fn(whose, run.mode))
			unlink(path);
	}
	closedir(d);
}
