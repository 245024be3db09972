/*
 * The target's process: found by the mount that the kubelet makes for each
 * container's termination log, .../pods/<uid>/containers/<name>/<hash>, which
 * /proc/PID/mountinfo shows to everyone.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "helper-image/root.h"
#include "helper-image/self.h"

#define MOUNTINFO_LINE 4096

struct candidate {
	pid_t pid;
	uint64_t start;
};

static FILE *proc_open(pid_t pid, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	return fopen(path, "re");
}

/* Field 22 of /proc/PID/stat; the command's name may hold spaces and ")". */
static int start_time(pid_t pid, uint64_t *ret)
{
	char line[1024];
	FILE *f = proc_open(pid, "stat");
	const char *p;
	bool got;

	if (!f)
		return -errno;
	got = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	p = got ? strrchr(line, ')') : NULL;
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	*ret = strtoull(p + 1, NULL, 10);
	return 0;
}

static bool runs_in(pid_t pid, const char *mark)
{
	char line[MOUNTINFO_LINE];
	FILE *f = proc_open(pid, "mountinfo");
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, mark) != NULL;
	fclose(f);
	return found;
}

/* The oldest process of the container: its main one. */
static int find(const char *mark, struct candidate *ret)
{
	DIR *proc = opendir("/proc");
	struct candidate best = { .pid = 0 };
	const struct dirent *e;

	if (!proc)
		return -errno;
	while ((e = readdir(proc))) {
		struct candidate c;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		c.pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (c.pid == getpid() || !runs_in(c.pid, mark) ||
		    start_time(c.pid, &c.start) != 0)
			continue;
		if (best.pid == 0 || c.start < best.start ||
		    (c.start == best.start && c.pid < best.pid))
			best = c;
	}
	closedir(proc);
	if (best.pid == 0)
		return -ESRCH;
	*ret = best;
	return 0;
}

/* The real uid and gid that the process runs as. */
static int process_ids(pid_t pid, uid_t *ret_uid, gid_t *ret_gid)
{
	char line[256];
	FILE *f = proc_open(pid, "status");
	int got = 0;

	if (!f)
		return -errno;
	while (got != 3 && fgets(line, sizeof(line), f)) {
		unsigned id;

		if (sscanf(line, "Uid: %u", &id) == 1) {
			*ret_uid = id;
			got |= 1;
		} else if (sscanf(line, "Gid: %u", &id) == 1) {
			*ret_gid = id;
			got |= 2;
		}
	}
	fclose(f);
	return got == 3 ? 0 : -ESRCH;
}

/* Without CAP_SYS_PTRACE the kernel asks for the target's fsuid and fsgid; the
 * descriptor works on as root (kernel: PTRACE_MODE_READ_FSCREDS). Both are
 * this thread's alone. */
static int open_root_as(const char *path, uid_t uid, gid_t gid)
{
	int old_gid = setfsgid(gid);
	int old_uid = setfsuid(uid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : fd;

	setfsuid((uid_t)old_uid);
	setfsgid((gid_t)old_gid);
	return err;
}

int helper_root_target(const char *pod_uid, const char *name,
		       struct helper_root *ret)
{
	struct helper_root r = { .has_target = true, .pidfd = -1 };
	struct candidate c;
	char mark[512];
	char path[64];
	int err;

	snprintf(mark, sizeof(mark), "/pods/%s/containers/%s/", pod_uid, name);
	err = find(mark, &c);
	if (err)
		return err;
	err = process_ids(c.pid, &r.target_uid, &r.target_gid);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)c.pid);
	r.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r.fd < 0)
		r.fd = open_root_as(path, r.target_uid, r.target_gid);
	if (r.fd < 0)
		return r.fd;
	/* before the check of its start time: it then names that process */
	r.pidfd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	r.target = c.pid;
	r.target_start = c.start;
	r.rung = helper_self_rung();
	if (!helper_root_alive(&r) ||
	    start_time(c.pid, &r.target_start) != 0 ||
	    r.target_start != c.start) {
		helper_root_done(&r);
		return -ESRCH;
	}
	*ret = r;
	return 0;
}

bool helper_root_alive(const struct helper_root *r)
{
	struct pollfd ended = { .fd = r->pidfd, .events = POLLIN };
	uint64_t start;

	if (r->target == 0)
		return true;
	if (r->pidfd >= 0)
		return poll(&ended, 1, 0) == 0;
	return start_time(r->target, &start) == 0 && start == r->target_start;
}
