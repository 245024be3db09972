/*
 * Write-behind: a write that goes on where the one before it ended is answered
 * when it leaves, not when the helper has answered.
 *
 * So many bytes may be owed (FS_BEHIND_FILE_MAX of a file, FS_BEHIND_MAX of all
 * of them); beyond that a write is answered when there is room. As a rule the first
 * write waits as it always did: who writes little learns of a full disk from write(2).
 * Whatever else is asked of the file waits until nothing is owed (a barrier),
 * so nobody on this side can tell; a container can, until close(2) or fsync(2).
 *
 * Who made a file here, and alone has it open since, waits for less (its maker):
 * where there is plenty of room, the first write is behind too; and so are
 * changes of its attributes whose outcome is known (maker.h). The helper does all
 * of these in their order.
 *
 * A write that failed after its answer is told once to each open file there was,
 * at its next write(2), fsync(2) or close(2). That a file got no name is told by
 * each of these: a child that closes its copy may be the first.
 *
 * Thread: any; behind->lock guards all of it, and each node's part. What waits
 * goes on on the I/O thread, where writes end.
 */
#ifndef PODFS_FS_BEHIND_H
#define PODFS_FS_BEHIND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/frame.h"

struct fs_behind_write;
struct fs_handle;
struct fs_moment;
struct fs_node;
struct fs_op;
struct podfs_session;

/* A link of 100 MB/s is full at 20 ms; how much of it is under way at a time:
 * backend/share.h. All of it gets through a link of 300 KB/s within an operation's
 * 30 s. */
#define FS_BEHIND_FILE_MAX (2u << 20)
#define FS_BEHIND_MAX (8u << 20)
/* A write of so many bytes gives way to what others wait for. */
#define FS_BEHIND_BULK ((size_t)64 << 10)
/* What each write costs besides its bytes, so that small ones are counted. */
#define FS_BEHIND_COST (16u << 10)

/* What waits until nothing of a file is owed. */
struct fs_behind_wait {
	struct fs_behind_wait *next;
	void (*go)(struct fs_behind_wait *w); /* once, on the I/O thread */
};

/* Of a node. */
struct fs_behind_file {
	unsigned writes;  /* under way; and changes of attributes, names (of a
			   * folder: new ones in it) */
	bool unnamed;	  /* it has no name yet at the helper */
	bool ordered;	  /* some of these have an order: what follows, too */
	bool bulk;	  /* some of these give way to others' (WIRE_PRIO_BULK): so
			   * must what follows, or it would come first */
	size_t bytes;	  /* of these, with their cost */
	const struct fs_handle *by; /* all of them are this one's */
	const struct fs_handle *maker; /* nothing else changed it since it was
					* made by this; or NULL */
	uint64_t size;	  /* of it then, as was answered; bytes */
	uint64_t end;	  /* of the file, as far as they reach */
	int64_t ended_at; /* ms; when the last one did */
	int error;	  /* of the last one that failed, -errno */
	unsigned errors;  /* so many did */
	struct fs_behind_wait *waits, **waits_end;
};

struct fs_behind {
	pthread_mutex_t lock;
	size_t bytes;
	atomic_uint writes; /* of all files; to look at without the lock */
	atomic_uint came;   /* grows with each part of one that is answered */
	struct fs_behind_write *full, **full_end; /* to be answered */
};

/* A write; embedded in what the caller keeps of it. */
struct fs_behind_write {
	struct fs_op *op; /* a reference, the caller's, until the end */
	struct fs_node *node; /* the file */
	uint64_t offset;
	size_t size; /* bytes */
	bool full;   /* listed: it isn't answered yet */
	bool ordered; /* the maker's, or after such: to be sent so */
	enum wire_prio prio; /* to be sent with; set by fs_behind_write(), _set()
			      * and _name() */
	struct fs_behind_write *next;
};

void fs_behind_init(struct fs_behind *b);
void fs_behind_done(struct fs_behind *b);

enum fs_behind_how {
	FS_BEHIND_NOT,	  /* send it, answer when it ends */
	FS_BEHIND_WAITS,  /* the same, once @wait goes on */
	FS_BEHIND_GOES,	  /* send it; it may be answered now */
	FS_BEHIND_FULL,	  /* send it; it is answered when there is room */
};

/* How a write by w->op->handle is to be sent. @may: it is one that may be
 * answered before it ends. After GOES and FULL: fs_behind_ended(). */
enum fs_behind_how fs_behind_write(struct fs_behind *b,
				   struct fs_behind_write *w, bool may,
				   struct fs_behind_wait *wait);
/* A change of attributes by @w->op->handle that may be answered before it ends,
 * and the file's size as of then. Then fs_behind_ended(), with @w->size 0; it is
 * to be sent in order. False: it may not. */
bool fs_behind_set(struct fs_behind *b, struct fs_behind_write *w,
		   uint64_t *ret_size);
/* A file that the helper has no name for gets one: @w of the file, @folder of
 * where. Whatever asks of either waits. Then fs_behind_named(), and both end by
 * fs_behind_ended(), @folder with status 0. */
void fs_behind_name(struct fs_behind *b, struct fs_behind_write *w,
		    struct fs_behind_write *folder);
void fs_behind_named(struct fs_behind *b, const struct fs_behind_write *w,
		     int status);
/* Whether somebody waits until nothing is owed: he comes first. */
bool fs_behind_is_awaited(struct fs_behind *b, const struct fs_node *node);
/* Whether nothing was answered after what ends now: its attributes are the last. */
bool fs_behind_is_last(struct fs_behind *b, const struct fs_node *node);
/* Whether @h is the file's maker; its size then. */
bool fs_behind_making(struct fs_behind *b, const struct fs_node *node,
		      const struct fs_handle *h, uint64_t *ret_size);
/* A write that was not behind ended; @good: all of it was written. */
void fs_behind_wrote(struct fs_behind *b, const struct fs_behind_write *w,
		     bool good);
/* One that was ended with @status. I/O thread. @free_write gets *w once nothing here
 * needs it, or w->op, any more: it may free both. */
void fs_behind_ended(struct fs_behind *b, struct fs_behind_write *w, int status,
		     void (*free_write)(struct fs_behind_write *w));
/* The same of what is w->op itself: fs_op_let_go(). */
void fs_behind_let_go(struct fs_behind_write *w);

/* The error that this open file wasn't told yet, and now is; or 0. One that says
 * that the file has no name is told each time: whatever is written is lost. */
int fs_behind_error(struct fs_behind *b, struct fs_handle *h);
/* It is told nothing of what was before. */
void fs_behind_opened(struct fs_behind *b, struct fs_handle *h);
/* It has made its file, which is empty; @roomy: there is plenty of room. */
void fs_behind_made(struct fs_behind *b, struct fs_handle *h, bool roomy);
/* It is about to be closed. */
void fs_behind_closed(struct fs_behind *b, const struct fs_handle *h);
/* Its content is changed in another way than by write(2). */
void fs_behind_touched(struct fs_behind *b, struct fs_node *node);

/* ---- the barrier (behind_wait.c) ---- */

/* Behind all that waits already; under the lock. */
void fs_behind_wait_locked(struct fs_behind_file *f, struct fs_behind_wait *w);
/* What is waited for may be lazy (backend.h): it leaves now. Takes the reference
 * over, since who waits may have ended; NULL: nobody does. */
void fs_behind_push(struct podfs_session *s);
/* Sends what is ready once nothing is owed of its files. */
void fs_behind_submit(struct fs_op *op);
/* True: it will be sent then; false: nothing is owed. */
bool fs_behind_parked(struct fs_op *op);
/* The same for what is owed of one more node. */
bool fs_behind_parked_on(struct fs_op *op, struct fs_node *node);
/* Whether anything is. */
bool fs_behind_owes(struct fs_behind *b, const struct fs_node *node);

/* What was asked for @when may say less of its size than was answered: false,
 * or how much there is at least. Such attributes are old. */
bool fs_behind_size(struct fs_behind *b, const struct fs_node *node,
		    struct fs_moment when, uint64_t *ret);
/* Waits until nothing is owed of any file, or nothing came for so long, or all of it
 * takes longer than that. Main thread, once nobody asks any more. */
void fs_behind_drain(const struct fs_behind *b, int quiet_ms, int max_ms);
void fs_behind_came(struct fs_behind *b);
/* It was cut. */
void fs_behind_cut(struct fs_behind *b, struct fs_node *node);

#endif
