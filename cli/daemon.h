/*
 * Into the background: the parent waits until the child is ready, so that the
 * mount works when the prompt returns, and says what the child could not.
 */
#ifndef PODFS_CLI_DAEMON_H
#define PODFS_CLI_DAEMON_H

#include "common/base/error.h"

/* Forks. In the child: 0 and a descriptor to report on. In the parent: the
 * child's pid, once it has reported or ended, and @ret_exit, an enum cli_exit.
 * Thread: before others are started. */
int daemon_fork(int *ret_report, int *ret_exit);

/* The child is ready: a session of its own, standard streams to nowhere. */
void daemon_ready(int report);

/* The child gives up: @err is what the parent prints. */
void daemon_failed(int report, const struct podfs_err *err);

/* This process holds credentials: no core dump, no debugger of the same user. */
void daemon_harden(void);

/* Memory that was freed is kept for what comes next, as much as files under way
 * need. Thread: before others are started. */
void daemon_keep_memory(void);

/* Of root's capabilities those that serving a mount needs. What it starts (a
 * plugin, a command that leads to a container) is root again, by its exec.
 * Thread: before others are started. */
void daemon_drop_capabilities(void);

#endif
