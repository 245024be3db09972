/*
 * How much file data may be under way on one stream, so that what somebody waits
 * for doesn't stand behind it: a stream keeps its order, and nothing overtakes what
 * API server, kubelet and sockets hold.
 *
 * What moves much data (call->moves) with WIRE_PRIO_BULK leaves while no more than
 * a window is under way in its direction: twice bandwidth times delay, both as they
 * are measured (once fills a link, twice lets it grow), and PODFS_SHARE_ALONE for
 * the stations between. Where somebody was served a moment ago who moves little, it
 * is bandwidth times delay and PODFS_SHARE_BESIDE; and while he waits for an answer
 * one such call leaves every PODFS_SHARE_TURN_US: he soon has link and processors
 * for himself, and the copy is never stopped: nor is it by large reads that programs
 * wait for, which count but don't wait; one of its calls is under way at any time.
 * Where nothing came for PODFS_SHARE_STALL_US, what is under way counts no more: the
 * writes of one file, whose disk hangs, can fill a window, and those of others need
 * not wait for it.
 *
 * Thread: the I/O thread. Knows no clock: times are CLOCK_MONOTONIC, us.
 */
#ifndef PODFS_BACKEND_SHARE_H
#define PODFS_BACKEND_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct podfs_call;

#define PODFS_SHARE_ALONE ((size_t)1024 << 10) /* bytes */
#define PODFS_SHARE_BESIDE ((size_t)128 << 10) /* bytes */
#define PODFS_SHARE_TURN_US 4000
#define PODFS_SHARE_STALL_US 4000000 /* a link of 16 KB/s is slow, no more */

struct podfs_share_way { /* one direction */
	size_t under_way;   /* bytes; of whatever moves many */
	uint64_t delivered; /* bytes, ever */
	uint64_t rate, rate_before; /* bytes/s, the most of this period and of
				     * the one before */
	int64_t period_at;
	unsigned copies; /* calls under way that had to wait for their turn */
	int64_t left_at; /* when the last of them left */
	int64_t moved_at; /* when one of these was heard of, or the first left */
	uint32_t lap;	 /* what left in one before counts no more */
	bool filling;	 /* up to the window: so several share a message */
};

struct podfs_share {
	struct podfs_share_way in, out;
	int64_t trip;	  /* us: the quickest answer so far; 0: none */
	unsigned waiting; /* calls that somebody waits for beside a copy, and
			   * that move little */
	int64_t waited_at; /* when the last of them left, or was answered */
	atomic_size_t window; /* bytes, of what comes in; read on any thread */
};

void podfs_share_init(struct podfs_share *s);

/* Whether @c, which is BULK, may leave now. False: once something was delivered,
 * or at *@ret_at. */
bool podfs_share_may(struct podfs_share *s, const struct podfs_call *c,
		     int64_t now, int64_t *ret_at);

/* Of each call: it leaves, @queued: while some that move much data can't yet; a
 * frame of its reply came, with @n bytes; that was the last; it is under way no
 * more, whatever became of it. */
void podfs_share_left(struct podfs_share *s, struct podfs_call *c, bool queued,
		      int64_t now);
void podfs_share_came(struct podfs_share *s, struct podfs_call *c, size_t n,
		      int64_t now);
void podfs_share_answered(struct podfs_share *s, struct podfs_call *c,
			  size_t n, int64_t now);
void podfs_share_gone(struct podfs_share *s, const struct podfs_call *c);

/* The stream is gone: what was measured isn't the next one's. */
void podfs_share_lost(struct podfs_share *s);

#endif
