/*
 * What messages are made of. Nothing here owns memory: strings and data point
 * into the buffer that was decoded, or into the caller's while encoding.
 */
#ifndef PODFS_WIRE_TYPES_H
#define PODFS_WIRE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_str { /* not ended by NUL, holds none */
	const char *p;
	uint16_t n;
};

struct wire_data {
	const uint8_t *p;
	uint32_t n;
};

struct wire_time { /* since 1970, may be before it; nsec 0 .. 999,999,999 */
	int64_t sec;
	uint32_t nsec;
};

static inline bool wire_time_same(const struct wire_time *a,
				  const struct wire_time *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

/* statx(2). (dev, ino, btime) identify a file for as long as the container's
 * file system keeps it; podfs never hands them to the kernel as they are. */
struct wire_attr {
	uint64_t dev;
	uint64_t ino;
	uint32_t mode; /* type and permission bits, inode(7) */
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;	 /* bytes */
	uint64_t blocks; /* of 512 bytes */
	uint32_t blksize;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t flags; /* enum wire_attr_flag */
	struct wire_time atime;
	struct wire_time mtime;
	struct wire_time ctime;
	struct wire_time btime; /* 0 where the file system keeps none */
};

enum wire_attr_flag {
	WIRE_ATTR_MOUNT_ROOT = 1u << 0, /* a mount point: rename gives EBUSY */
	WIRE_ATTR_VOLATILE = 1u << 1,	/* /proc, /sys, network: never cached */
	WIRE_ATTR_NO_XATTR = 1u << 2,	/* no extended attribute; unset: unknown */
	WIRE_ATTR_WATCHED = 1u << 3,	/* a folder: EVENTs say what changes in it
					 * from before it was read */
	WIRE_ATTR_LOCAL = 1u << 4,	/* on a file system of which a close(2)
					 * never reports an error */
	WIRE_ATTR_ROOMY = 1u << 5,	/* of a file that was just made or
					 * reserved: WIRE_ROOM are free there */
};

/* A bit of EVENT.kind that isn't inotify's: the file that got a name has others,
 * and their folders are told nothing. */
#define WIRE_EVENT_LINKED 1u

struct wire_statfs { /* statvfs(3) */
	uint32_t bsize;
	uint32_t frsize;
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t namelen;
	uint64_t type; /* f_type of statfs(2) */
};

/* SETATTR.valid: which of its fields count. */
enum wire_set {
	WIRE_SET_MODE = 1u << 0,
	WIRE_SET_UID = 1u << 1,
	WIRE_SET_GID = 1u << 2,
	WIRE_SET_SIZE = 1u << 3,
	WIRE_SET_ATIME = 1u << 4,
	WIRE_SET_MTIME = 1u << 5,
	WIRE_SET_ATIME_NOW = 1u << 6,
	WIRE_SET_MTIME_NOW = 1u << 7,
};

/* OPEN.flags and CREATE.flags; open(2) without its per-architecture numbers. */
enum wire_open {
	WIRE_OPEN_READ = 1u << 0,
	WIRE_OPEN_WRITE = 1u << 1,
	WIRE_OPEN_APPEND = 1u << 2,
	WIRE_OPEN_TRUNC = 1u << 3,
	WIRE_OPEN_EXCL = 1u << 4,
	WIRE_OPEN_DIRECTORY = 1u << 5,
	WIRE_OPEN_DIRECT = 1u << 6,
	WIRE_OPEN_SYNC = 1u << 7,
	WIRE_OPEN_DSYNC = 1u << 8,
	WIRE_OPEN_NOATIME = 1u << 9,
	WIRE_OPEN_KILLPRIV = 1u << 10, /* with TRUNC: clears set-id bits */
};

enum wire_rename { /* renameat2(2) */
	WIRE_RENAME_NOREPLACE = 1u << 0,
	WIRE_RENAME_EXCHANGE = 1u << 1,
};

enum wire_xattr_mode { /* setxattr(2) */
	WIRE_XATTR_ANY = 0,
	WIRE_XATTR_CREATE = 1,
	WIRE_XATTR_REPLACE = 2,
};

enum wire_whence { /* lseek(2) */
	WIRE_SEEK_DATA = 3,
	WIRE_SEEK_HOLE = 4,
};

enum wire_fallocate { /* fallocate(2) */
	WIRE_FALLOC_KEEP_SIZE = 1u << 0,
	WIRE_FALLOC_PUNCH_HOLE = 1u << 1,
	WIRE_FALLOC_COLLAPSE = 1u << 2,
	WIRE_FALLOC_ZERO_RANGE = 1u << 3,
	WIRE_FALLOC_INSERT = 1u << 4,
};

enum wire_resume { /* where a SCAN begins */
	WIRE_RESUME_NOT = 0,
	WIRE_RESUME_BEHIND = 1, /* @after */
	WIRE_RESUME_AT = 2,
	WIRE_RESUME_FOLLOW = 3, /* behind the end of the SCAN whose id is @base */
};

enum wire_scan { /* what a frame of SCAN's reply holds */
	WIRE_SCAN_FOLDER = 0, /* entries of the folder @path; end: the last */
	WIRE_SCAN_FILE = 1,   /* content of the file @path; end: the last */
	WIRE_SCAN_STOP = 2,   /* the last frame: went up to @path; end: all */
};

enum wire_lock { /* fcntl(2) F_*LCK, flock(2) */
	WIRE_LOCK_READ = 0,
	WIRE_LOCK_WRITE = 1,
	WIRE_LOCK_UNLOCK = 2,
};
#define WIRE_LOCK_WAIT_FOR_EVER UINT32_MAX

/* base of a location: the container's root. Any other base is a handle. */
#define WIRE_BASE_ROOT 0ull
/* the offset of a WRITE: where the file ends then */
#define WIRE_OFFSET_END UINT64_MAX

/* Owner of a new file: the target's main process's. */
#define WIRE_ID_TARGET 0xffffffffu

/* What a client that says BYE leaves behind. */
enum wire_bye {
	WIRE_BYE_KEEP = 0,   /* the session, for another stream */
	WIRE_BYE_FORGET = 1, /* nothing of its own */
	WIRE_BYE_END = 2,    /* nothing at all: the parked helper ends, whoever
			      * else uses it */
};

/* How the helper reaches the container (the access ladder). */
enum wire_rung {
	WIRE_RUNG_NONE = 0,
	WIRE_RUNG_FULL = 1,	  /* uid 0 and SYS_PTRACE */
	WIRE_RUNG_BASELINE = 2,	  /* uid 0, default capabilities */
	WIRE_RUNG_RESTRICTED = 3, /* the target's own ids, no capability */
	WIRE_RUNG_VOLUMES = 4,	  /* no target: its volumes only */
	WIRE_RUNG_PLAIN = 5,	  /* a folder given by hand: tests, --via */
};

/* In small letters, as users write and read it; "unknown" for another number.
 * The name's rung, or WIRE_RUNG_NONE. */
const char *wire_rung_name(unsigned rung);
enum wire_rung wire_rung_parse(const char *name);

#endif
