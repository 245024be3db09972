/*
 * Answers from what is known of files in folders that are watched (watch.h):
 * names and attributes, names that aren't there, whole folders, contents that
 * the kernel has. As old as the last event, at most --watch-timeout.
 *
 * Known is what was seen alone by its name in a watched folder: not a file of
 * several names, nor one that is a mount of its own, for such change where
 * nobody watches. Attributes of a folder are known while it is watched itself.
 *
 * Thread: any; takes nodes->lock, but for the functions that say otherwise.
 */
#ifndef PODFS_FS_KNOWN_H
#define PODFS_FS_KNOWN_H

#include "fs/fs_internal.h"

struct fs_op;

/* Whether a file of such attributes can be known by its name. */
bool fs_known_can_be(const struct wire_attr *a);

/* @node was just seen as @when says, by its name in @parent; NULL: not by a
 * name. Under the lock. */
void fs_known_saw_locked(struct fs_nodes *n, const struct fs_node *parent,
			 struct fs_node *node, struct fs_moment when);
/* What access(2) bits it is still known to allow now that it is seen as @a: where
 * nothing changed that decides it. A folder that is watched would have been told
 * of; else ctime shows it. Under the lock. */
int fs_known_still_locked(const struct fs_node *node, const struct wire_attr *a);
/* Nothing is known of it any more, for now. Under the lock. */
void fs_known_drop_locked(struct fs_node *node);
/* Nor what its names mean, for one was gone or another file's: the kernel looks
 * again, and must not be told the same once more. An overlay file system gives a
 * file another identity without a word. Under the lock; and with it. */
void fs_known_doubt_locked(struct fs_nodes *n, struct fs_node *node);
void fs_known_doubt(struct fs_nodes *n, struct fs_node *node);
/* Of @node, and of @name in it if that isn't NULL: this mount is about to change
 * it, or has. */
void fs_known_changed(struct fs_nodes *n, struct fs_node *node,
		      const char *name);

/* It has got another name through the mount, maybe: of that nothing is told where
 * its others are. */
void fs_known_linked(struct fs_nodes *n, struct fs_node *node);

/* Whether its attributes are known, to thread @pid (proof.h), as below. */
bool fs_known(struct fs_nodes *n, struct fs_node *node, pid_t pid);

/* Whether it would have been told if the folder @node had gone: it is watched, or
 * was seen by its name in one that is. */
bool fs_known_place(struct fs_nodes *n, const struct fs_node *node);

/* Whether a folder, with what is in it, is as who asked @when was told. */
bool fs_known_quiet(struct fs_nodes *n, struct fs_node *node,
		    struct fs_moment when, pid_t pid);

/* Whether all of a folder is known: itself, its entries, and that it has no others.
 * Under the lock. */
bool fs_known_all_locked(const struct fs_nodes *n, const struct fs_node *folder);

/* access(2): the helper said yes to who asked @when; and whether it would. */
void fs_known_allowed(struct fs_nodes *n, struct fs_node *node, int mask,
		      struct fs_moment when);
bool fs_known_may(struct fs_nodes *n, struct fs_node *node, int mask,
		  pid_t pid);

/* Answer the request and return true; false: it must be asked for. */
bool fs_known_lookup(fuse_req_t req, struct fs_node *parent, const char *name);
/* The same for an entry of a listing: with one lookup. */
bool fs_known_entry(struct podfs_fs *fs, struct fs_node *parent,
		    const char *name, pid_t pid, struct fuse_entry_param *ret);
bool fs_known_getattr(fuse_req_t req, struct fs_node *node);

/* The same of @op, an OPEN that is ready to be sent: of a folder whose entries
 * are all known, or, to read it, of a file whose content the kernel has, as far
 * as it still has it. */
bool fs_known_open(struct fs_op *op, struct wire_str path);

#endif
