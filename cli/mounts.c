/* The mounts of podfs: /proc/self/mountinfo, umount2, fusectl. */
#include "cli/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/guard.h"

#define FSTYPE "fuse.podfs"

/* The kernel writes blank, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
					(s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* proc(5): id parent major:minor root mountpoint options [tags] - type source
 * options of the file system */
static bool parse(char *line, struct podfs_mount *ret)
{
	char *field[6] = { NULL };
	char *tail = strstr(line, " - "), *type, *source, *user;

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(field); i++)
		if (!(field[i] = strsep(&line, " ")))
			return false;
	type = strsep(&tail, " ");
	source = strsep(&tail, " ");
	if (!source || !tail || strcmp(type, FSTYPE) ||
	    sscanf(field[2], "%*u:%u", &ret->minor) != 1)
		return false;
	user = strstr(tail, "user_id=");
	ret->owner = user ? (uid_t)strtoul(user + 8, NULL, 10) : 0;
	unescape(field[4]);
	unescape(source);
	ret->path = field[4];
	ret->source = source;
	return true;
}

int mounts_each(bool (*fn)(void *arg, const struct podfs_mount *m), void *arg)
{
	PODFS_CLEANUP_FREE char *line = NULL;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t cap = 0;
	ssize_t n;

	if (!f)
		return -errno;
	while ((n = getline(&line, &cap, f)) > 0) {
		struct podfs_mount m;

		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (parse(line, &m) && !fn(arg, &m))
			break;
	}
	fclose(f);
	return 0;
}

struct find {
	const char *path;
	struct podfs_mount m;
	bool found;
	bool failed;
};

static bool find_one(void *arg, const struct podfs_mount *m)
{
	struct find *f = arg;

	if (strcmp(m->path, f->path))
		return true;
	mounts_done(&f->m); /* a later line lies on top of an earlier one */
	f->m = *m;
	f->m.path = strdup(m->path);
	f->m.source = strdup(m->source);
	f->found = true;
	f->failed = !f->m.path || !f->m.source;
	return !f->failed;
}

int mounts_find(const char *path, struct podfs_mount *ret)
{
	struct find f = { .path = path };
	int r = mounts_each(find_one, &f);

	if (r == 0 && f.failed)
		r = -ENOMEM;
	if (r < 0 || !f.found || !ret) {
		mounts_done(&f.m);
		return r < 0 ? r : f.found;
	}
	*ret = f.m;
	return 1;
}

void mounts_done(struct podfs_mount *m)
{
	free(m->path);
	free(m->source);
	m->path = m->source = NULL;
}

/* Without the right to unmount, the setuid program has it for our own. */
static int fusermount_detach(const char *path)
{
	int status, null;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp("fusermount3", "fusermount3", "-u", "-z", "--", path,
		       (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

int mounts_detach(const char *path)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return fusermount_detach(path);
}

int mounts_abort(const struct podfs_mount *m)
{
	PODFS_CLEANUP_FD int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
		 m->minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, "1", 1) == 1 ? 0 : -errno;
}
