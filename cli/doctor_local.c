/* What `podfs mount` needs of this machine; see doctor_local.h. */
#include "cli/doctor_local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/base/guard.h"

#define FUSERMOUNT "fusermount3"
/* pidfd_open(2); podfs umount asks the daemon by it. */
#define KERNEL_MAJOR_MIN 5
#define KERNEL_MINOR_MIN 3

static void check_device(podfs_finding_fn *fn, void *arg)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	bool closed = fd < 0 && (errno == EACCES || errno == EPERM);

	if (fd < 0)
		podfs_finding(fn, arg, "fuse", PODFS_FINDING_FAIL,
			      closed ? "see who may open it (ls -l /dev/fuse; as "
				       "a rule everybody, mode 0666); in a "
				       "container, give it the device (--device "
				       "/dev/fuse)" :
				       "load the module (modprobe fuse); in a "
				       "container, give it the device (--device "
				       "/dev/fuse)",
			      "/dev/fuse: %s", strerror(errno));
	else
		podfs_finding(fn, arg, "fuse", PODFS_FINDING_OK, "",
			      "/dev/fuse can be opened");
	podfs_guard_fd(&fd);
}

static bool find_program(const char *name, char *ret, size_t size)
{
	const char *path = getenv("PATH");
	PODFS_CLEANUP_FREE char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(ret, size, "%s/%s", dir, name);
		if (access(ret, X_OK) == 0)
			return true;
	}
	return false;
}

/* libfuse mounts by itself where it may, which is root's right. */
static void check_fusermount(podfs_finding_fn *fn, void *arg)
{
	const char *fix = "install it: the package fuse3 has it";
	char path[PATH_MAX];

	if (find_program(FUSERMOUNT, path, sizeof(path)))
		podfs_finding(fn, arg, FUSERMOUNT, PODFS_FINDING_OK, "", "%s",
			      path);
	else if (geteuid() == 0)
		podfs_finding(fn, arg, FUSERMOUNT, PODFS_FINDING_WARN, fix,
			      FUSERMOUNT " isn't in the PATH: only root can "
			      "mount");
	else
		podfs_finding(fn, arg, FUSERMOUNT, PODFS_FINDING_FAIL, fix,
			      FUSERMOUNT " isn't in the PATH, and you aren't "
			      "root");
}

static bool has_line(const char *file, const char *wanted)
{
	FILE *f = fopen(file, "re");
	char line[256], word[64];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, " %63[a-z_]", word) == 1 &&
			!strcmp(word, wanted);
	if (f)
		fclose(f);
	return found;
}

static void check_others(podfs_finding_fn *fn, void *arg)
{
	if (geteuid() == 0 || has_line("/etc/fuse.conf", "user_allow_other"))
		podfs_finding(fn, arg, "allow_other", PODFS_FINDING_OK, "",
			      "-o allow_other may be given");
	else
		podfs_finding(fn, arg, "allow_other", PODFS_FINDING_WARN,
			      "nothing, if the mount is for you alone; else put "
			      "user_allow_other into /etc/fuse.conf",
			      "-o allow_other is refused to all but root");
}

static void check_kernel(podfs_finding_fn *fn, void *arg)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	if (sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	    (major < KERNEL_MAJOR_MIN ||
	     (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN)))
		podfs_finding(fn, arg, "kernel", PODFS_FINDING_WARN,
			      "take a newer one",
			      "Linux %s is older than podfs was tried with",
			      u.release);
	else
		podfs_finding(fn, arg, "kernel", PODFS_FINDING_OK, "",
			      "Linux %s", u.release);
}

void doctor_local(podfs_finding_fn *fn, void *arg)
{
	check_device(fn, arg);
	check_fusermount(fn, arg);
	check_others(fn, arg);
	check_kernel(fn, arg);
}
