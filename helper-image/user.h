/*
 * Operations as another user than the helper: what `podfs mount --user` asks
 * for.
 *
 * The ids are a thread's own: setfsuid(2), setfsgid(2), and setgroups(2) as the
 * kernel has it (the libraries' sets those of all threads). With a fsuid that
 * isn't 0 the kernel takes the file system's capabilities away, capabilities(7).
 */
#ifndef HELPER_USER_H
#define HELPER_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct helper_user {
	bool set; /* false: the helper itself */
	uid_t uid;
	gid_t gid;
};

/* Before any other thread runs: what helper_user_leave() goes back to. */
void helper_user_start(void);

/* 0, or -EPERM: the helper may not be somebody else. Leaves the thread as it
 * was. */
int helper_user_check(const struct helper_user *u);

/* Around an operation, on its thread. */
void helper_user_enter(const struct helper_user *u);
void helper_user_leave(const struct helper_user *u);

#endif
