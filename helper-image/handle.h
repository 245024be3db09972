/*
 * Open files and folders of a session: index and generation, checked on every
 * use, so that a peer can never hand back anything but a number.
 *
 * Thread: any; the table's mutex guards it. A handle that is in use is kept by
 * a count until helper_handle_put(), also when it was released meanwhile.
 */
#ifndef HELPER_HANDLE_H
#define HELPER_HANDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct helper_handle {
	int fd;
	bool directory;
	bool readable;
	bool writable;
	int folder; /* where a reserved file is to have its name; or -1 */
	/* a folder's offset: READDIR seeks it; a file's O_APPEND; a reserved
	 * file's folder, and what NAME opens in place of fd */
	pthread_mutex_t position;
	unsigned refs;		  /* the table's mutex */
};

struct helper_handles {
	pthread_mutex_t lock; /* guards all below */
	struct {
		struct helper_handle *h;
		uint32_t generation;
	} *slots;
	uint32_t used, cap, max;
	uint32_t folders; /* of reserved files: a descriptor each, too */
	uint32_t hint; /* where to look for a free slot first */
};

int helper_handles_init(struct helper_handles *t, uint32_t max);
/* Closes all. No handle may be in use. */
void helper_handles_done(struct helper_handles *t);

/* Takes @fd over, also on failure (-EMFILE, -ENOMEM: then it is closed). */
int helper_handle_add(struct helper_handles *t, int fd, bool directory,
		      bool readable, bool writable, uint64_t *ret_id);
/* The same of a reserved file, and of @folder. -EMFILE too where that would leave
 * less than half for those that programs open. */
int helper_handle_reserve(struct helper_handles *t, int fd, int folder,
			  uint64_t *ret_id);
/* It has its name: its folder is closed. */
void helper_handle_named(struct helper_handles *t, struct helper_handle *h);
/* -EBADF for a number that isn't one of ours any more. */
int helper_handle_get(struct helper_handles *t, uint64_t id,
		      struct helper_handle **ret);
void helper_handle_put(struct helper_handles *t, struct helper_handle *h);
/* The last user closes it. -EBADF. */
int helper_handle_release(struct helper_handles *t, uint64_t id);

#endif
