/*
 * An open file whose helper died: opened again at the next one, where that is
 * safe. And one that was opened ahead (opened.h): opened at all, for whatever
 * operation needs it.
 *
 * Safe is: what reads, of a file that its path still leads to (device, inode,
 * birth time), that nobody has written to since it was opened (mtime, size; a
 * write of our own counts), and that no lock was taken on, since that
 * is lost. All else is ESTALE, as is every write: nobody knows what became of
 * the ones before.
 *
 * Thread: the I/O thread, where nothing else is said.
 */
#ifndef PODFS_FS_REOPEN_H
#define PODFS_FS_REOPEN_H

#include "fs/op.h"

/* @op has ended with *@status, -ESTALE. True: it is taken over, with its reference,
 * and will end anew. False: with what it ends, which may be -ENOMEM. */
bool fs_reopen(struct fs_op *op, int *status);

/* Submits @op, which is ready and takes the last of its names from what has it. What
 * was only opened ahead is opened before: without its name it can't be, and its
 * attributes could not be changed, nor it be synced. Any thread. */
void fs_open_and_submit(struct fs_op *op);

#endif
