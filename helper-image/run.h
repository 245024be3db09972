/*
 * podfs-helper run: a command in the target's own root, as any user of it.
 *
 * The program becomes the command, in this order: the target's root and working
 * directory are opened, its environment is read, the root is changed, the user is
 * looked up in the /etc/passwd that is there then, and taken.
 */
#ifndef HELPER_RUN_H
#define HELPER_RUN_H

#include <stddef.h>
#include <sys/types.h>

/* Beside the command's own, as shells and docker have them. */
enum helper_run_exit {
	HELPER_RUN_REFUSED = 125, /* nothing was run; said on stderr */
	HELPER_RUN_NOT_EXECUTABLE = 126,
	HELPER_RUN_NOT_FOUND = 127,
};

/* argv[0] is "run". Returns only with one of the above. */
int helper_run(int argc, char **argv);

#define HELPER_RUN_GROUPS_MAX 64

struct helper_run_user {
	uid_t uid;
	gid_t gid;
	gid_t groups[HELPER_RUN_GROUPS_MAX];
	size_t n_groups;
	char home[4096]; /* "/" where none is named */
	char shell[256]; /* "" none named */
};

/*
 * "NAME", "UID", either with ":GROUP" or ":GID", by @passwd and @group, which
 * may be missing. A number that is in neither stands for itself, with group 0.
 * -ENOENT: no such name.
 */
int helper_run_user(const char *text, const char *passwd, const char *group,
		    struct helper_run_user *ret);

#endif
