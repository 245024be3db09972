/*
 * Fetched ahead: folders and small files that a program which walks over a tree
 * is about to ask for, by SCAN.
 *
 * A walk is seen when the process that opened a folder opens something in it, or
 * asks for several names in one that it didn't open, as git does by its index, or
 * opens files by a list that is in order, as rsync does.
 * Then the tree below the topmost such folder is scanned, a piece at a time, the
 * first small, each once most of the one before was used, or behind it where the
 * walk keeps up. A smaller piece goes out before, with what may begin a walk. What
 * is asked for and is yet to come in the piece under way waits for it; all else is
 * asked for as ever. What was fetched serves one open of that process, while it is
 * younger than the attributes may be, and while nothing was changed through this
 * mount since it was asked for.
 *
 * Thread: any; tree->ahead.lock guards it: under it nodes.lock may be taken, and it is
 * held over no reply, call or callback.
 */
#ifndef PODFS_FS_AHEAD_H
#define PODFS_FS_AHEAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire/types.h"
#include "fs/watch.h"

struct fs_op;
struct fs_tree;
struct fs_ahead_scan;

/* Files of more bytes aren't fetched; of more than the first not before some
 * were opened in a row. */
#define FS_AHEAD_FILE_FIRST (64u << 10)
#define FS_AHEAD_FILE_MAX (1u << 20)
#define FS_AHEAD_FILE_GUESS (256u << 10) /* where nobody opened one yet */

struct fs_ahead_item {
	struct fs_ahead_item *next;	 /* of the same bucket */
	struct fs_ahead_item *older, *newer;
	char *path; /* below the container */
	uint16_t path_len;
	bool folder;
	struct wire_attr attr;
	uint8_t *data; /* entries, or content */
	size_t len;
	int64_t at; /* ms */
	uint32_t epoch;
	unsigned changes; /* the tree's, when it was asked for */
	struct fs_moment when; /* that was */
	int pid; /* of the process that walks, and that it is for */
	bool guessed; /* for nobody who was seen to walk */
	bool known; /* known.h's: nothing new about it */
	bool used;  /* names were looked up in it: it isn't waste */
	struct fs_ahead_folder *folder_of; /* of what was found: look_locked() */
};

/* All of a folder, for who was the first to find a name in it. */
struct fs_ahead_folder {
	struct wire_attr attr;
	struct fs_moment when; /* it was asked for */
	size_t len;
	uint8_t entries[];
};

/* A folder that was opened a moment ago. */
struct fs_ahead_seen {
	char *path;
	uint16_t len;
	int pid;
	int64_t at;
	bool known; /* nothing was asked for; until a name in it is */
};

/* A folder in which names were asked for. */
struct fs_ahead_asked {
	uint64_t folder, last; /* hashes of paths: its own, the last name's */
	unsigned names;
	int pid;
	int64_t at;
};

/* Files that a process opened one after the other, each behind the last in the
 * order of a walk. */
struct fs_ahead_row {
	int pid;
	unsigned n;
	int64_t at;
	char *last; /* path */
	uint16_t last_len;
	uint16_t top_len; /* so much of it is the folder that has all of them */
};

#define FS_AHEAD_BUCKETS 256u
#define FS_AHEAD_SEEN 32u
/* Of one walk that goes through two trees at once (diff -r), or of two. */
#define FS_AHEAD_SCANS 2u

struct fs_ahead {
	pthread_mutex_t lock;
	struct fs_ahead_item *buckets[FS_AHEAD_BUCKETS];
	struct fs_ahead_item *oldest, *newest;
	size_t bytes; /* of items */
	size_t held; /* bytes of items that weren't used */
	struct fs_ahead_seen seen[FS_AHEAD_SEEN];
	struct fs_ahead_asked asked[FS_AHEAD_SEEN];
	struct fs_ahead_row list;
	/* under way, or to be gone on with; or NULL */
	struct fs_ahead_scan *scans[FS_AHEAD_SCANS];
	int row_pid;	  /* who opened files of a walk last ... */
	unsigned row;	  /* ... and how many before that */
	size_t wasted; /* bytes that grew old unused since the last piece */
	unsigned changes;   /* the tree's, when it was last looked at ... */
	int64_t changed_at; /* ... and when (ms) that was another than before */
	unsigned guesses;   /* in a row that were of no use ... */
	int64_t guessed_at; /* ... and when the last was made (ms) */
	int64_t off_until; /* ms: it was of no use, or refused */
};

void fs_ahead_init(struct fs_ahead *a);
void fs_ahead_done(struct fs_ahead *a);

/*
 * @op opens the folder or file at @path to read it, and is ready to be sent.
 * True: it was answered, or will be or sent. Otherwise the caller sends it.
 * @size: the file's, as far as is known.
 */
bool fs_ahead_take(struct fs_op *op, struct wire_str path, bool folder,
		   uint64_t size);
/* It opened the folder at @path, and was answered by what is known. */
void fs_ahead_opened(struct fs_op *op, struct wire_str path);
/* The same for @op that looks up @path, which was of @kind when it was last
 * seen. What was fetched stays, for its open. */
enum fs_ahead_kind { FS_AHEAD_ANY, FS_AHEAD_FOLDER, FS_AHEAD_FILE };
bool fs_ahead_find(struct fs_op *op, struct wire_str path,
		   enum fs_ahead_kind kind);

#endif
