/*
 * Nodes: what the kernel knows by a number. Folders of the cluster's names,
 * and files and folders of containers.
 *
 * A folder is a node for each path, so that one that a container moves can't
 * change the depth under whoever walks in it. A file is a node for each
 * identity (identity.h), so that hard links are one file. Numbers are the
 * daemon's own; what a helper says only tells files of its container apart.
 *
 * Thread: any; nodes->lock guards all tables and the members marked so. A node
 * that is used outside the lock is held by a reference.
 */
#ifndef PODFS_FS_NODE_H
#define PODFS_FS_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "fs/absent.h"
#include "fs/behind.h"
#include "fs/look.h"
#include "fs/made.h"
#include "fs/proof.h"
#include "fs/slots.h"
#include "fs/watch.h"

enum fs_kind {
	FS_ROOT,
	FS_META,	/* /.podfs */
	FS_STATUS,	/* /.podfs/status.json */
	FS_METRICS,	/* /.podfs/metrics */
	FS_NAMESPACE,
	FS_POD,
	FS_CONTAINER, /* the root of a container's files */
	FS_FILE,      /* anything below it */
};

/* A file of the daemon's own: written when it is opened. */
static inline bool fs_is_document(enum fs_kind kind)
{
	return kind == FS_STATUS || kind == FS_METRICS;
}

struct fs_name;
struct fs_handle;
struct fs_tree;

/* What a name of the cluster has and a file hasn't. Never changes. */
struct fs_place {
	struct podfs_ref ref;
	char uid[PODFS_UID_MAX + 1]; /* of the namespace or pod */
	int64_t created;	     /* seconds since 1970; 0 unknown */
};

/* What a thread was told of it last: told.h. */
struct fs_told {
	int pid;       /* 0: nobody, or it counts no more */
	int64_t at;    /* ms; it was asked for */
	int64_t until; /* ms */
	bool name;     /* what its one name means, too */
	unsigned forgotten; /* so often it was */
};

struct fs_node {
	uint64_t id; /* the kernel's nodeid */
	enum fs_kind kind;
	struct fs_place *place; /* kind <= CONTAINER; else NULL */
	/* Of a container and what is in it; NULL in a container's node until
	 * fs_node_enter(), which sets both once. */
	struct podfs_session *_Atomic session;
	struct fs_tree *_Atomic tree;
	uint64_t ino_salt; /* of what users see as inode numbers */

	/* nodes->lock */
	uint64_t lookups; /* the kernel's count */
	unsigned refs;	  /* children's names and running operations */
	struct fs_name *names;
	struct fs_name *lost; /* of what has none: its last, in no table ... */
	int64_t lost_at;      /* ms; ... since another has it; or NULL */
	struct fs_handle *open; /* open files, newest first */
	struct wire_attr attr; /* the last that was seen; whose device and
				* inode never change */
	struct wire_time born; /* as it was seen first */
	bool attr_known;
	bool size_moved; /* the kernel may know an older one; until opened.h tells it */
	bool removed; /* a folder: its helper told that it is no more */
	int64_t attr_at;	 /* ms; when that was ... */
	int64_t attr_asked_at;	 /* ... and was asked for; 0: not known */
	bool read_since; /* at the helper: another atime by now, of which none
			  * is told */
	int64_t xattr_set_at;	 /* ms; what is said of them since is late */
	int64_t no_capability_at; /* ms; security.capability was asked for */
	struct wire_time seen_mtime; /* of what the page cache holds */
	struct wire_time seen_ctime;
	uint64_t seen_size;
	uint64_t given; /* bytes of that; as many as there are: all of it */
	bool seen;
	char *target; /* of a symbolic link, or NULL */
	int64_t target_at; /* ms; when that was seen */
	atomic_uint writes; /* of content, through this mount; when they ended */
	atomic_bool locked; /* a lock was ever asked for */
	_Atomic int64_t lock_closed_at; /* ms; of an open file that had one */
	_Atomic int64_t own_at; /* ms; when this mount changed it last */
	/* known.h: of a folder that is watched, or NULL; what tells when the
	 * name and the attributes change, or NULL, and when they were asked for
	 * (ms); a folder's own attributes */
	struct fs_watch *watch;
	struct fs_watch *known;
	int64_t known_at;
	bool self_known;
	int64_t self_at;
	int allowed; /* access(2) bits that the helper said yes to */
	struct fs_told told;
	int may;     /* the same, of what isn't watched ... */
	int64_t may_at; /* ... and when (ms) they were asked for */
	bool look_due;	   /* look.h: it is among those that are */
	unsigned look_tries; /* in a row that brought nothing, and nobody asked */
	int64_t look_at;   /* ms; from then on it may be */
	int64_t looked_at; /* ms; of a folder that was made here */
	struct fs_made made;
	struct fs_behind_file behind; /* behind->lock */
	struct fs_node *same; /* the identity table's chain */
	/* the chain of those with its device and inode, and what points to it
	 * there */
	struct fs_node *numbered, **numbered_at;
};

struct fs_nodes {
	pthread_mutex_t lock;
	struct fs_slots slots;
	struct fs_node *root;
	struct fs_name *by_name; /* uthash */
	struct fs_node **by_identity, **by_number; /* as many buckets */
	uint32_t identity_buckets;
	uint32_t files;
	struct fs_watches watches;
	struct fs_looks looks;
	struct fs_added added;
	struct fs_proofs proofs;
};

int fs_nodes_init(struct fs_nodes *n);
void fs_nodes_done(struct fs_nodes *n);

/* The node that the kernel names, with a reference; NULL: it forgot it. */
struct fs_node *fs_node_get(struct fs_nodes *n, uint64_t id);
void fs_node_ref(struct fs_nodes *n, struct fs_node *node);
void fs_node_put(struct fs_nodes *n, struct fs_node *node);
void fs_node_forget(struct fs_nodes *n, uint64_t id, uint64_t count);

/* A name of the cluster below @parent: found, or made. @e as the tree gave it;
 * a pod under an old name with another uid is another node. Counts one lookup
 * if @lookup. With a reference. -ENOMEM. */
int fs_node_cluster(struct fs_nodes *n, struct fs_node *parent,
		    enum fs_kind kind, const struct podfs_entry *e, bool lookup,
		    struct fs_node **ret);

/*
 * Somebody goes into a container, or asks it something: from now on its node has
 * a session and a tree. Not before: who lists a large cluster looks at thousands
 * that nobody goes into.
 * Errors: -ESTALE the pod is gone; -ENOMEM, or podfs_session_get()'s.
 */
int fs_node_enter(struct fs_nodes *n, struct podfs_backend *b,
		  struct fs_node *node);

/* podfs_session_epoch(); 0 too where nobody went in yet. */
static inline uint32_t fs_node_epoch(const struct fs_node *node)
{
	struct podfs_session *s = node->session;

	return s ? podfs_session_epoch(s) : 0;
}

/* A file that the helper showed as @name in @parent to who asked @when. Counts
 * one lookup if @lookup. With a reference. */
int fs_node_file(struct fs_nodes *n, struct fs_node *parent, const char *name,
		 const struct wire_attr *attr, bool lookup,
		 struct fs_moment when, struct fs_node **ret);

/* Names come and go by our own operations, or because the cluster says so. */
void fs_node_unname(struct fs_nodes *n, struct fs_node *parent,
		    const char *name);
void fs_node_rename(struct fs_nodes *n, struct fs_node *from,
		    const char *old_name, struct fs_node *to,
		    const char *new_name, bool exchange);
/* The node that has this name now, with a reference, or NULL. */
struct fs_node *fs_node_named(struct fs_nodes *n, struct fs_node *parent,
			      const char *name);

/* As last seen; 0: never. */
uint32_t fs_node_mode(struct fs_nodes *n, const struct fs_node *node);
/* What a folder's links tell, on file systems that count them. */
bool fs_node_may_have_folders(struct fs_nodes *n, const struct fs_node *node);
/* Whether it is known not to have the extended attribute: from what is known of
 * it by thread @pid (known.h), or was seen within @age_ms. So the link's target
 * below. */
bool fs_node_lacks_xattr(struct fs_nodes *n, struct fs_node *node,
			 const char *name, int64_t age_ms, pid_t pid);
/* Whether it is a folder that whoever there is may go into, as was seen within
 * @age_ms: so says its mode, and no access control list says otherwise. */
bool fs_node_is_open_to_all(struct fs_nodes *n, struct fs_node *node,
			    int64_t age_ms, pid_t pid);
/* One is being set or was, security.capability or another; or that one wasn't
 * there for who asked @at (ms). */
void fs_node_xattr_set(struct fs_nodes *n, struct fs_node *node,
		       bool capability);
void fs_node_no_capability(struct fs_nodes *n, struct fs_node *node,
			   int64_t at);

/* access(2): the helper said yes to who asked @at (ms); and whether it did within
 * @age_ms, and nothing was done to the file since. */
void fs_node_allowed(struct fs_nodes *n, struct fs_node *node, int mask,
		     int64_t at);
bool fs_node_may(struct fs_nodes *n, struct fs_node *node, int mask,
		 int64_t age_ms);

/* A link's target, as an entry had it; and as it was seen within @age_ms, or
 * NULL. Owner of the text: the caller. */
void fs_node_keep_target(struct fs_nodes *n, struct fs_node *node,
			 struct wire_str target);
char *fs_node_target(struct fs_nodes *n, struct fs_node *node, int64_t age_ms,
		     pid_t pid);

/* Remembers what the helper said of its name to who asked @when; FS_NEVER: not
 * of its name, or it may have changed. False: another file is meant by now. */
#define FS_NEVER ((struct fs_moment){ .told = 0 })
bool fs_node_saw(struct fs_nodes *n, struct fs_node *node,
		 const struct wire_attr *attr, struct fs_moment when);
/* Whether the pages that the kernel may still have of the file are those that
 * @a tells of: nothing about it changed since they were read. Under the lock. */
bool fs_node_was_seen_locked(const struct fs_node *node,
			     const struct wire_attr *a);
/* The kernel is given @len bytes of its content. */
void fs_node_gave(struct fs_nodes *n, struct fs_node *node, size_t len);

/* Where the helper finds a node, or the name @name in it. The text is the
 * caller's to free. */
struct fs_loc {
	uint64_t base;	/* WIRE_BASE_ROOT, or an open handle at the helper */
	uint32_t epoch; /* of that handle; 0 none */
	char *path;
	uint16_t len;
	struct fs_handle *held; /* a reference to what base is, or NULL */
	unsigned depth; /* folders between the container's root and @path */
};
/* -ESTALE: it has no name any more and is not open; -ENAMETOOLONG; -ENOMEM. */
int fs_node_loc(struct fs_nodes *n, struct fs_node *node, const char *name,
		struct fs_loc *ret);
/* As fs_node_loc(), also where its last name was seen to be another's a moment
 * ago: who looked it up before, and means it by that name, is on his way here.
 * ret->held as with the next. */
int fs_node_loc_last(struct fs_nodes *n, struct fs_node *node,
		     struct fs_loc *ret);
/* As fs_node_loc(), for what is done to the file itself: through an open file of
 * it if there is one, since its name may mean another by now. */
int fs_node_loc_open(struct fs_nodes *n, struct fs_node *node,
		     struct fs_loc *ret);
/* As fs_node_loc_open(), else as fs_node_loc_last(). */
int fs_node_loc_any(struct fs_nodes *n, struct fs_node *node,
		    struct fs_loc *ret);
/* The folder that is or was @up levels above it, at least 1, or one further up, by
 * its names: at last the container's root. -ENAMETOOLONG; -ENOMEM. */
int fs_node_loc_above(struct fs_nodes *n, const struct fs_node *node,
		      unsigned up, struct fs_loc *ret);
void fs_loc_done(struct fs_loc *l);
struct wire_str fs_loc_path(const struct fs_loc *l);

#endif
