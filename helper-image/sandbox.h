/*
 * What the helper takes from itself: all system calls that serving files doesn't
 * need (seccomp(2)). Whoever finds a fault in it gains a process that can start
 * no program, open no network socket, trace, mount and load nothing.
 */
#ifndef HELPER_SANDBOX_H
#define HELPER_SANDBOX_H

/* For this thread and those that it starts; it can't be undone. Calls that are
 * not in the list fail with ENOSYS from here on. 0, or -errno where the kernel,
 * or an emulator, has no filters: then all is as before. */
int helper_sandbox_enter(void);

#endif
