/*
 * The command of --via: its placeholders, and the names that they stand for.
 *
 * No name ever becomes part of the text that a shell reads: a placeholder is
 * the expansion of a variable, the names go into the environment. So one that
 * no cluster should ever give can't start anything.
 *
 * Thread: any.
 */
#ifndef PODFS_BACKEND_VIA_COMMAND_H
#define PODFS_BACKEND_VIA_COMMAND_H

#include <stdbool.h>

#include "backend/connect.h"

struct podfs_via_command {
	char *text;  /* for sh -c; the owner frees */
	bool names;  /* it uses some */
	bool brings; /* {helper}: what it leads to is a shell */
};

/* @text with each placeholder replaced.
 * Errors: -EINVAL with the reason (a name inside '...'); -ENOMEM. */
int podfs_via_command(const char *text, struct podfs_via_command *ret,
		      struct podfs_err *err);

/*
 * Where @text begins with what is plainly the name of a program: whether the
 * shell finds it. Else a mount would come up that can show nothing.
 *
 * Thread: any; waits for a shell's start. Errors: -ENOENT; -ENOMEM.
 */
int podfs_via_program(const char *text, struct podfs_err *err);

/*
 * This process's environment and the names of @t in PODFS_NAMESPACE, PODFS_POD,
 * PODFS_CONTAINER and PODFS_UID. The caller frees it with one free(); its
 * strings live as long as this process's.
 * Errors: -EINVAL, with the reason: a name that is none; -ENOMEM.
 */
int podfs_via_environment(const struct podfs_target *t, char ***ret,
			  struct podfs_err *err);

#endif
