/*
 * One exec or attach stream between descriptors of this process and a
 * container. For the files debug*.c only.
 *
 * Thread: the caller's; the stream's loop runs inside debug_stream_run().
 */
#ifndef PODFS_BACKEND_DEBUG_STREAM_H
#define PODFS_BACKEND_DEBUG_STREAM_H

#include "backend/debug_inner.h"
#include "backend/exec_ws.h"

struct debug_stream {
	/* the caller's, before it runs */
	struct podfs_debug *d;
	const char *path; /* "/api/v1/.../exec?...", encoded */
	const struct podfs_debug_io *io;
	bool redraw; /* two sizes first, so that a program draws all anew */
	unsigned settle_ms; /* nothing is sent so long after it was opened */
	void *arg;
	/* May be NULL. opened: the upgrade was accepted. output: instead of
	 * writing it to io->out. idle: as often as @idle_ms, while it runs. */
	void (*opened)(struct debug_stream *s);
	void (*output)(struct debug_stream *s, int fd, const uint8_t *p,
		       size_t n);
	void (*idle)(struct debug_stream *s);
	unsigned idle_ms;

	/* how it ended */
	bool left;	 /* by hand */
	bool cut;	 /* by the connection, without a status */
	bool out_failed; /* io->out or io->err can't be written */
	struct podfs_k8s_status status; /* where it isn't cut */
	struct podfs_err why;

	/* its own */
	struct podfs_loop *loop;
	struct podfs_transport *transport;
	struct podfs_exec_refusal refusal;
	struct podfs_watch_fd in_watch, resized_watch;
	struct podfs_timer timer;
	bool running, is_open, v5;
	bool in_watched, in_ended, end_due;
	unsigned sizes_due;
	int64_t input_at; /* CLOCK_MONOTONIC, ms */
	char status_text[8192];
	size_t status_len;
};

/* 0: it was open and has ended, see above. Else -errno: it never was. */
int debug_stream_run(struct debug_stream *s, struct podfs_err *err);
/* Writes it all to a descriptor; sets out_failed, and ends the stream. */
void debug_stream_write(struct debug_stream *s, int fd, const uint8_t *p,
			size_t n);
/* "NAME=VALUE&", encoded. */
int debug_add_query(struct podfs_buf *b, const char *name, const char *value);

#endif
