/*
 * Files that get another name in the container. What is known of a file that was
 * seen by its one name in a watched folder holds no more then, for it may change by
 * the other; inotify(7) tells nobody of the first. Where the folder of the new name
 * is watched, its event says so, and which file it is is asked of the helper, with
 * nobody waiting.
 */
#ifndef PODFS_FS_LINKED_H
#define PODFS_FS_LINKED_H

#include <stdbool.h>

struct fs_node;
struct podfs_fs;

/* @name in the folder @node is a file that has others. False: so many are being
 * asked for that all is to be forgotten. Thread: the I/O thread. */
bool fs_linked(struct podfs_fs *fs, struct fs_node *folder, const char *name);

#endif
