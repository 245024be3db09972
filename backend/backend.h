/*
 * The cluster as the file system sees it: a tree of names, and a session for
 * each container. This is the only header of backend/ that fs/ and cli/ see.
 *
 * Threads
 *   control   curl's loop: kubeconfig refresh, lists, watches, patches
 *   I/O       the exec streams' loop: frames out, frames in, deadlines
 * Both belong to the backend. Functions here may be called from any thread
 * and never wait for the network, except podfs_backend_start() and _stop().
 * No lock is held while a callback runs.
 */
#ifndef PODFS_BACKEND_H
#define PODFS_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"
#include "common/wire/frame.h"
#include "common/wire/op.h"
#include "common/wire/types.h"

struct podfs_backend;
struct podfs_session;

/* ---- configuration ---------------------------------------------------- */

struct podfs_helper_blob {
	const char *arch; /* as Kubernetes names it: "amd64", "arm64" */
	const uint8_t *p;
	size_t len; /* bytes */
};

/* How a helper gets to a container's files. */
enum podfs_via {
	PODFS_VIA_EPHEMERAL, /* in an ephemeral container */
	PODFS_VIA_EXEC,	     /* sent into the container itself, by exec */
	PODFS_VIA_COMMAND,   /* behind a command's stdin and stdout */
};

/* What holds for namespaces whose name matches. */
struct podfs_namespace_rule {
	const char *ns; /* a pattern of fnmatch(3) */
	const char *image; /* of helper containers; NULL: the others' */
	bool image_has_helper;
	enum wire_rung max_rung; /* NONE: the others' */
};

struct podfs_backend_config {
	/* kubeconfig, as kubectl's flags of the same names; NULL: default */
	const char *kubeconfig;
	const char *context;
	/* namespaces to show; empty: all that may be listed, else the
	 * context's */
	const char *const *namespaces;
	size_t n_namespaces;
	/* image of the helper container; NULL: PODFS_IMAGE_DEFAULT */
	const char *image;
	bool image_has_helper; /* false: sh and cat only, helper is sent in */
	/* The helper's binaries, for sending them in. Borrowed for ever. */
	const struct podfs_helper_blob *blobs;
	size_t n_blobs;
	bool read_only; /* all of it; or what is in these namespaces (patterns
			 * of fnmatch(3)), borrowed until the backend is
			 * stopped */
	const char *const *read_only_namespaces;
	size_t n_read_only_namespaces;
	/* Whose the operations in the container are; !as_user: the helper's */
	bool as_user;
	uint32_t uid, gid;
	/* Helper containers: the highest rung to ask for (NONE: any); how many
	 * may be added in a minute, and how many may have ended in one pod for
	 * one container; 0: the default */
	enum wire_rung max_rung;
	unsigned max_new_helpers;
	unsigned max_helpers_per_container;
	bool start_none; /* only what runs already: else -ENOENT */
	/* seconds; 0: the default of that class (docs/architecture.md) */
	unsigned start_timeout; /* helper container running and HELLO */
	unsigned op_timeout;	/* one file operation, but: */
	unsigned data_timeout;	/* that reads, writes or copies */
	unsigned sync_timeout;	/* fsync(2), close(2) */

	/* The first that matches holds. Borrowed until the backend is stopped;
	 * so are the patterns of what isn't shown: NAMESPACE, or
	 * NAMESPACE/POD. */
	const struct podfs_namespace_rule *rules;
	size_t n_rules;
	const char *const *excluded;
	size_t n_excluded;

	enum podfs_via via;
	/* PODFS_VIA_COMMAND: for /bin/sh, which gets the names by {namespace},
	 * {pod}, {container} and {uid} in it; {helper} stands for a shell that
	 * the helper is sent to. podfs_via_check() tells whether it will do. */
	const char *via_command;
	/* With a command only: no cluster, but this one container. Or NULL. */
	const char *via_namespace;
	const char *via_pod;
	const char *via_container;
};

/* ---- the tree of names ------------------------------------------------ */

#define PODFS_NAME_MAX 253 /* RFC 1123 subdomain: pods; others are shorter */
#define PODFS_UID_MAX 63   /* metadata.uid, 36 characters in practice */

enum podfs_kind { PODFS_NAMESPACE, PODFS_POD, PODFS_CONTAINER };

/* Names one namespace, pod or container: the parts below its kind are "". */
struct podfs_ref {
	enum podfs_kind kind;
	char ns[PODFS_NAME_MAX + 1];
	char pod[PODFS_NAME_MAX + 1];
	char container[PODFS_NAME_MAX + 1];
};

struct podfs_entry {
	char name[PODFS_NAME_MAX + 1];
	char uid[PODFS_UID_MAX + 1]; /* of the namespace or pod; a container
				      * has its pod's */
	int64_t created;	     /* seconds since 1970; 0 unknown */
};

/* Return false to stop. Called without a lock, on the caller's thread. */
typedef bool podfs_entry_fn(void *arg, const struct podfs_entry *e);

/*
 * The children of @dir, from memory: namespaces for NULL, pods of a namespace,
 * containers of a pod (regular, sidecar, init while it runs, other people's
 * ephemeral ones; podfs's own helpers never).
 *
 * Thread: any. Returns 0, -ENOENT, -EACCES (not allowed to list it: the log says which
 * right is missing), -EAGAIN (first list not here yet: ask again after
 * changed()), -EIO (the cluster can't be reached and nothing is known).
 */
int podfs_tree_list(struct podfs_backend *b, const struct podfs_ref *dir,
		    podfs_entry_fn *fn, void *arg);

/* One name. The same errors. Thread: any. */
int podfs_tree_find(struct podfs_backend *b, const struct podfs_ref *what,
		    struct podfs_entry *ret);

/* Told of every change of the tree, on the control thread, after the tree
 * itself has changed. Must not block and must not wait for an answer. */
struct podfs_tree_change {
	struct podfs_ref what;
	bool removed; /* else added; a pod made anew is removed, then added */
};

struct wire_req_EVENT;

struct podfs_backend_events {
	void *arg;
	void (*changed)(void *arg, const struct podfs_tree_change *c);
	/* What a helper tells of the folders that it watches; @e NULL: it may
	 * have told something that didn't arrive. On the I/O thread, in order
	 * with the replies, without a lock. NULL: helpers watch nothing. */
	void (*event)(void *arg, struct podfs_session *s,
		      const struct wire_req_EVENT *e);
};

/* 0, or -EINVAL with what is wrong in @err. @fixed: for one container that was
 * named, so that the command need not tell one from another. Any thread. */
int podfs_via_check(const char *command, bool fixed, struct podfs_err *err);

/* ---- life -------------------------------------------------------------- */

/*
 * Reads the kubeconfig, starts both threads and waits until the first page of
 * names is there (or is refused), at most @start_timeout.
 * Errors: -EINVAL kubeconfig; -EACCES; -ETIMEDOUT, -ECONNREFUSED ... with one
 * line in @err. @events must outlive the backend.
 */
int podfs_backend_start(const struct podfs_backend_config *config,
			const struct podfs_backend_events *events,
			struct podfs_backend **ret, struct podfs_err *err);

/* Completes every call with -ENOTCONN, says BYE, ends the threads. Returns
 * within 2 s whatever the link does. Not on one of its threads. NULL is fine. */
void podfs_backend_stop(struct podfs_backend *b);

/* ---- sessions and calls ----------------------------------------------- */

/*
 * The session of a container; made when asked for first, and shared. Touches
 * no pod: the first submitted call does. Keyed by pod uid and container name,
 * so a pod made anew under the same name has another session.
 * Errors: as podfs_tree_find(). Owner: the caller, until podfs_session_put().
 * Thread: any, as the next three.
 */
int podfs_session_get(struct podfs_backend *b, const struct podfs_ref *container,
		      struct podfs_session **ret);
struct podfs_session *podfs_session_ref(struct podfs_session *s);
void podfs_session_put(struct podfs_session *s); /* NULL is fine */
/* Whether whatever would change the container is refused: -EROFS. */
bool podfs_session_read_only(const struct podfs_session *s);

/* Whether the helper makes files ahead (RESERVE, NAME), and keeps an order. */
bool podfs_session_makes(struct podfs_session *s);
/* Whether the helper's operations are done as @uid, or with the capability
 * @capability of capabilities(7). */
bool podfs_session_acts_as(struct podfs_session *s, uint32_t uid,
			   unsigned capability);

/* Grows by one each time the helper's state is lost: handles given under an
 * older epoch are dead (-ESTALE). 0 before the first HELLO. Any thread. */
uint32_t podfs_session_epoch(struct podfs_session *s);

/* Whether a SCAN may go on where one that runs ends. Any thread. */
bool podfs_session_follows(struct podfs_session *s);

/* Bytes of file data that are worth asking for ahead: so many are let go at a
 * time while nobody waits for anything else. Any thread. */
size_t podfs_session_window(struct podfs_session *s);

/* When the helper was heard of last (CLOCK_MONOTONIC, ms): it is asked to say
 * something every few seconds. Any thread. */
int64_t podfs_session_heard(struct podfs_session *s);

/* Whether so much is on its way between the helper and here that its word of a
 * change may have to wait behind it: a frame's worth of content, or a walk's
 * piece. Any thread. */
bool podfs_session_busy(struct podfs_session *s);

/* The most that a reply in parts may take, in times of its own. */
#define PODFS_BY_PART_MAX 4

/* Room before the body, so that a frame is built in place. */
#define PODFS_CALL_HEADROOM WIRE_HEADER_SIZE

/*
 * One request. The caller fills the first group and submits; the second group
 * is the session's until done() has been entered.
 */
struct podfs_call {
	enum wire_op op;
	enum wire_prio prio;
	uint32_t epoch;	    /* of the handles in the body; 0: holds none */
	uint32_t timeout_ms; /* 0: the backend's for its class */
	int64_t since;	    /* CLOCK_MONOTONIC, ms: its time counts from then;
			     * 0: from when it is submitted */
	/* Of a reply in parts: its time begins anew with each of them, in all at
	 * most PODFS_BY_PART_MAX times as long. @behind: and with each of those
	 * of that call (its number), which it follows; or 0. */
	bool by_part;
	uint64_t behind;
	size_t moves;	    /* bytes of file data that it carries (WRITE) or asks
			     * for, where these are many: what is BULK leaves in
			     * its turn (share.h); 0: few */
	bool unawaited;	    /* nobody waits for it: no trip */
	bool lazy;	    /* nobody waits for it yet, and more is likely to
			     * follow: it leaves with that, after
			     * podfs_session_push(), or PODFS_LAZY_MS later */
	bool ordered;	    /* runs behind those that were submitted before it
			     * with the same handle, which is its first field,
			     * and this; where podfs_session_makes() */
	uint8_t *frame;	    /* PODFS_CALL_HEADROOM, then the body; must stay
			     * until done() is entered */
	size_t body_len;    /* bytes */
	/* A frame of a reply of several, all but the last. NULL where the op
	 * has no M. Returns 0, or -errno to give the call up with it. */
	int (*part)(struct podfs_call *c, const uint8_t *body, size_t len);
	/* The reply starts over (it was cut off with its stream): forget the
	 * parts. May be NULL where part is. */
	void (*restart)(struct podfs_call *c);
	/* The end, exactly once: @status 0 with the last body, or -errno with
	 * none. Bodies are borrowed and end with the callback. */
	void (*done)(struct podfs_call *c, int status, const uint8_t *body,
		     size_t len);
	/* What takes the operation back, should it succeed after this call was
	 * given up: a lock that nobody waits for any more. The session's, as
	 * the call; it ends with -ECANCELED where it isn't needed. Or NULL. */
	struct podfs_call *undo;

	struct {
		struct podfs_call *next;
		struct podfs_call *prev;
		uint64_t id;
		int64_t deadline; /* CLOCK_MONOTONIC, ms */
		int64_t last;	  /* the same; by_part: none is later */
		uint32_t pause;	  /* ms; by_part: how long none may come */
		uint64_t follower; /* its number, or 0 */
		uint32_t bulk; /* bytes of what it carries, of rpc's */
		int64_t left_at;  /* CLOCK_MONOTONIC, us */
		size_t under_way; /* bytes, of moves */
		uint64_t delivered; /* bytes, of its way when it left */
		uint32_t lap;	    /* of its way, the same */
		bool beside;	  /* it left beside a copy, and moves little */
		uint8_t state;
		atomic_bool cancelled;
	} rpc;
};

/*
 * Queues @call, which was zeroed before it was filled in, and returns at once.
 * Thread: any. part(), restart() and done() run on the I/O thread, without a
 *         lock; they may submit, and must not block.
 * Owner:  @call is the session's from here until done() is entered.
 * Errors: all come through done(): -ENOTCONN stopped; -ESTALE pod or handle
 *         gone; -EIO helper refused or lost; -ETIMEDOUT is given as -EIO by fs;
 *         -EACCES no right; -EROFS read-only; -EINTR cancelled.
 */
void podfs_session_submit(struct podfs_session *s, struct podfs_call *call);

/* Calls that are lazy leave together with the next that isn't, or once so many
 * bytes wait; each message costs every station of the way a wake-up or two, and
 * those who make small files send little else. */
#define PODFS_LAZY_MS 5
#define PODFS_LAZY_BYTES 16384

/* Somebody waits for what was submitted until now: it leaves at once.
 * Thread: any. */
void podfs_session_push(struct podfs_session *s);

/*
 * Asks for @call to be given up: it is completed soon, with -EINTR or, if it
 * was quicker, with its reply. A request that already left is not undone: its
 * outcome at the helper is unknown, and a late reply of OPEN or CREATE has its
 * handle released by the session. Where the stream is lost before that reply, the
 * helper keeps the handle until the session ends.
 * Thread: any, while the caller knows that @call lives (holds a reference of
 *         its own on what contains it). Completed calls are left alone.
 */
void podfs_session_cancel(struct podfs_session *s, struct podfs_call *call);

/* Somebody waited for the link to answer calls of a kind that are marked
 * unawaited: one of session_info's trips. I/O thread, as done(). */
void podfs_session_waited(struct podfs_session *s, enum wire_op op);

/* ---- status -------------------------------------------------------------- */

enum podfs_session_state {
	PODFS_SESSION_IDLE,
	PODFS_SESSION_ENSURE,
	PODFS_SESSION_CONNECT,
	PODFS_SESSION_HELLO,
	PODFS_SESSION_READY,
	PODFS_SESSION_LOST,
	PODFS_SESSION_DEAD,
};

/* What went over the link for the operations of one kind. */
struct podfs_op_count {
	uint64_t calls;	    /* sent */
	uint64_t trips;	    /* of session_info's, begun by one of these */
	uint64_t bytes_out; /* frames, as they went over the stream */
	uint64_t bytes_in;
};

struct podfs_session_info {
	struct podfs_ref ref;
	char pod_uid[PODFS_UID_MAX + 1];
	enum podfs_session_state state;
	enum wire_rung rung;
	char helper[PODFS_NAME_MAX + 1]; /* the ephemeral container's name */
	char helper_version[64];
	char subprotocol[32];
	/* as the helper measured them: its own, and its target's */
	uint32_t uid, gid;
	uint32_t target_uid, target_gid;
	uint64_t cap_effective; /* capabilities(7), as bits */
	uint8_t seccomp;	/* proc(5): 0 none, 1 strict, 2 filter */
	uint64_t calls;	  /* completed */
	uint64_t inflight;
	uint64_t bytes_out, bytes_in;
	uint64_t trips; /* times that someone waited for the link: requests
			 * that somebody waits for, sent while no such was under
			 * way */
	struct podfs_op_count counts[WIRE_OP_COUNT]; /* wire_op_at() */
	uint64_t dropped; /* what a peer sent and was refused */
	/* us, from the last handshake or ping to its reply; 0: not yet */
	uint64_t round_trip_us;
	/* Something waits, and nothing was completed for so long; ms, 0: no.
	 * And what it waits for, for people; "" nothing. */
	uint64_t waiting_ms;
	char waits_for[PODFS_ERR_TEXT_MAX];
	bool read_only;
	char error[PODFS_ERR_TEXT_MAX]; /* the last one, "" if none */
};

/* Any thread. */
void podfs_session_info(struct podfs_session *s,
			struct podfs_session_info *ret);

/* Every session, as a copy. Any thread; @fn may not call the backend. */
void podfs_backend_sessions(struct podfs_backend *b,
			    void (*fn)(void *arg,
				       const struct podfs_session_info *i),
			    void *arg);

struct podfs_backend_info {
	char server[256];
	char context[256];
	char user_agent[64];
	bool synced;	   /* the first lists are complete */
	bool watch_alive;
	size_t namespaces, pods, containers;
	uint64_t requests; /* REST requests sent */
	uint64_t helpers;  /* helper containers added to pods */
	char error[PODFS_ERR_TEXT_MAX];
	/* The right without which nothing is shown, or not a namespace that was
	 * asked for, in words; "": none is missing. */
	char denied[PODFS_ERR_TEXT_MAX];
	/* A namespace that was asked for and isn't there; or "". */
	char missing[64];
	/* The one namespace that is shown, since they can't be listed and none
	 * was asked for; or "". */
	char only[64];
};

/* Any thread. */
void podfs_backend_info(struct podfs_backend *b,
			struct podfs_backend_info *ret);

/* The context (@context, or the kubeconfig's current one) and the server that a
 * mount would take; the rest of @ret is zero. Asks nobody. Any thread.
 * Errors as podfs_backend_start(). */
int podfs_backend_where(const char *kubeconfig, const char *context,
			struct podfs_backend_info *ret, struct podfs_err *err);

#endif
