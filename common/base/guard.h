/*
 * Scope guards and hand-over: every resource has one owner in view.
 *
 * A guarded variable releases what it holds when its scope ends; steal moves
 * it out, so that the guard finds nothing. The guards keep errno, since they
 * run between a failing call and the line that reports it.
 */
#ifndef PODFS_BASE_GUARD_H
#define PODFS_BASE_GUARD_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static inline void podfs_guard_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void podfs_guard_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

#define PODFS_CLEANUP_FD __attribute__((cleanup(podfs_guard_fd)))
#define PODFS_CLEANUP_FREE __attribute__((cleanup(podfs_guard_free)))

/* Returns *@fd and leaves -1 behind: the caller owns it from here. */
static inline int podfs_steal_fd(int *fd)
{
	int moved = *fd;

	*fd = -1;
	return moved;
}

/* Moves a pointer out of a guarded variable, leaving NULL behind. */
#define podfs_steal_ptr(p)                                                     \
	({                                                                     \
		__typeof__(*(p)) moved_ = *(p);                                \
		*(p) = NULL;                                                   \
		moved_;                                                        \
	})

/* The structure that holds @member, given a pointer to that member. */
#define podfs_container_of(ptr, type, member)                                  \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define PODFS_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
