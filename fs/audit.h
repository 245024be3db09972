/*
 * The audit log: who changed what in which container through this mount, as
 * JSON lines (docs/security.md has their members).
 *
 * A line is begun when an operation that changes something is about to leave,
 * and written when its outcome is known. What is written to an open file is
 * summed up in one line when it is closed for the last time.
 *
 * A thread of its own writes, so that a slow disk holds up nobody. On a disk
 * that is full lines wait, up to 4 MiB; those beyond are counted, and the count
 * becomes a line. Operations go on.
 *
 * Thread: any, unless said otherwise; audit.lock stands alone.
 */
#ifndef PODFS_FS_AUDIT_H
#define PODFS_FS_AUDIT_H

#include <stdint.h>

#include "common/base/json_writer.h"

struct fs_audit;
struct fs_audit_line;
struct fs_op;

/* Appends to @path (made with mode 600) and starts the thread. -errno of
 * open(2), -ENOMEM, -EAGAIN. Thread: before others ask. */
int fs_audit_new(const char *path, struct fs_audit **ret);
/* Another file may be at the path by now. Also from signal handlers. */
void fs_audit_reopen(struct fs_audit *a);
/* What waits is written, if it can be. After the last line; NULL is fine. */
void fs_audit_free(struct fs_audit *a);
/* A whole object without its brackets. Empties @w. */
void fs_audit_add(struct fs_audit *a, struct podfs_json_writer *w);
/* There was no memory for a line. */
void fs_audit_lose(struct fs_audit *a);

/* ---- lines (audit_line.c) --------------------------------------------------- */

/* Of @op, encoded and about to leave. NULL: it changes nothing, or the line is
 * counted as lost. */
struct fs_audit_line *fs_audit_begin(const struct fs_op *op);
/* Writes @l with the outcome, 0 or -errno, and frees it. NULL is fine. */
void fs_audit_end(struct fs_audit_line *l, int status);

/* For a file that @l has opened: who it was, and where. NULL: it is lost. */
struct fs_audit_line *fs_audit_file(const struct fs_audit_line *l);
/* @bytes were written to it, or it failed with @status; the first error counts.
 * NULL is fine. */
void fs_audit_wrote(struct fs_audit_line *file, uint64_t bytes, int status);
/* It is closed: a line if anything was written or tried. Frees @file. */
void fs_audit_closed(struct fs_audit_line *file);

#endif
