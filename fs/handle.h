/*
 * Open files and folders: what fi->fh names.
 *
 * Thread: any; nodes->lock guards the table and each node's list. Operations
 * hold a reference: the kernel releases a file once its requests are answered,
 * and one that was given up may still be under way.
 */
#ifndef PODFS_FS_HANDLE_H
#define PODFS_FS_HANDLE_H

#include "fs/node.h"

struct fs_audit_line;
struct fs_listing;

/* Before anything, however short the machine is up (ms). */
#define FS_LONG_AGO (INT64_MIN / 2)

struct fs_remote {
	uint64_t handle; /* the helper's; 0: none */
	uint32_t epoch;	 /* of the session, in which it is valid */
};

struct fs_handle {
	uint64_t fh;
	struct fs_node *node;	 /* holds a reference */
	struct fs_remote remote; /* nodes->lock: another after a reopen */
	/* for that: WIRE_OPEN_*, and the file as it was opened */
	uint32_t flags;
	uint64_t size;
	struct wire_time mtime;
	/* its blocks make up its size: it has no hole, as of then (ms), when so
	 * many writes were counted */
	bool dense;
	bool steady; /* a file whose content the kernel keeps */
	int64_t dense_at;
	unsigned dense_writes;
	/* nodes->lock: all of a small file, as it came with the open */
	uint8_t *data;
	int64_t data_at; /* ms */
	unsigned data_writes; /* node->writes then */
	/* nodes->lock: when a walk brought it (ms), and tree->changes then */
	int64_t ahead_at;
	unsigned ahead_changes;
	bool read_only; /* nodes->lock, for whoever looks at all that are open */
	bool local; /* closing it reports nothing */
	bool regular; /* and not one that changes by itself */
	pid_t pid; /* nodes->lock: who opened it */
	atomic_bool locked; /* a lock was had by it */
	bool close_remote; /* if it has one, with the last reference */
	unsigned refs;	   /* nodes->lock; the kernel's, and operations by node */
	struct fs_handle *next, *prev; /* node->open */
	struct fs_forward *forward; /* nodes->lock; or NULL */
	/* behind->lock: where a write goes on that needn't wait, 0: nowhere;
	 * and of node->behind.errors, what was told */
	uint64_t next_write;
	bool first_free; /* the first one needn't wait either */
	unsigned errors_told;
	int unnamed; /* -errno: its file got no name, nor will */
	struct fs_audit_line *audit; /* what is written to it; or NULL */
	struct fs_listing *listing;    /* of a folder; readdir.c's */
};

struct fs_handles {
	struct fs_slots slots; /* nodes->lock */
};

/* -ENOMEM. */
int fs_handle_add(struct fs_handles *h, struct fs_nodes *n,
		  struct fs_node *node, uint64_t remote, uint32_t epoch,
		  struct fs_handle **ret);
struct fs_remote fs_handle_remote(struct fs_nodes *n,
				  const struct fs_handle *handle);
/* A reference, for fs_handle_put(). */
void fs_handle_ref(struct fs_nodes *n, struct fs_handle *handle);
/* NULL: no such. */
struct fs_handle *fs_handle_get(struct fs_handles *h, struct fs_nodes *n,
				uint64_t fh);
void fs_handle_remove(struct fs_handles *h, struct fs_nodes *n,
		      struct fs_handle *handle);
bool fs_handle_is_open(struct fs_nodes *n, const struct fs_node *node);
/* Whether who has @node open asks by its name all the same: of a folder always, of
 * a file where it isn't open at the helper. */
bool fs_handle_by_name(struct fs_nodes *n, const struct fs_node *node);
/* After the session's end: the kernel releases nothing at umount. */
void fs_handles_done(struct fs_handles *h);

/* Takes over @data, all of the file @at (ms), when @writes were counted. */
void fs_handle_keep_data(struct fs_nodes *n, struct fs_handle *handle,
			 uint8_t *data, unsigned writes, int64_t at);
/* What of it lies at @offset, or false: there is none, it is older than @age_ms
 * (INT64_MAX: however old), or the file was written to. Owner of *ret: the
 * caller. What is read to its end is forgotten, for the kernel has it now; but
 * not while nothing is open at the helper, for the name may go. */
bool fs_handle_data(struct fs_nodes *n, struct fs_handle *handle,
		    uint64_t offset, size_t size, int64_t age_ms,
		    uint8_t **ret, size_t *ret_len);

/* Whether the file had no hole when it was opened, which was less than @age_ms
 * ago, and nothing was written to it since. */
bool fs_handle_dense(const struct fs_handle *handle, int64_t age_ms);

/* Drops a reference; the last one closes the helper's handle. */
void fs_handle_put(struct fs_nodes *n, struct fs_handle *handle);

#endif
