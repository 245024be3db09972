/*
 * Which program asks: proc(5). Thread: any.
 */
#ifndef PODFS_FS_PROGRAM_H
#define PODFS_FS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct fs_program {
	pid_t pid;     /* the process's, not the thread's */
	char name[64]; /* comm, at most 15 bytes of it by the kernel */
};

/* Of thread @tid. False: it is gone, or of another PID namespace. */
bool fs_program_of(pid_t tid, struct fs_program *ret);

/* Whether thread @tid, which waits for an answer, is in chown(2) or its like. False
 * too where this user may not see it: ptrace(2), "attach". */
bool fs_is_in_chown(pid_t tid);

/* The process of thread @tid, or @tid where that can't be told. As it was up to
 * two seconds ago. */
pid_t fs_process_of(pid_t tid);

#endif
