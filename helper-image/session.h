/*
 * Sessions: what outlives a stream. Open handles, locks, requests that run,
 * and the replies that the client may not have got.
 *
 * A stream takes a session up with HELLO; a second stream of the same session
 * replaces the first. Thread: any; locks below, in the order they are taken.
 */
#ifndef HELPER_SESSION_H
#define HELPER_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire/frame.h"
#include "common/wire/pack.h"
#include "helper-image/follow.h"
#include "helper-image/handle.h"
#include "helper-image/lock.h"
#include "helper-image/root.h"
#include "helper-image/train.h"
#include "helper-image/user.h"
#include "helper-image/watch.h"

struct helper_stream;

struct helper_reply { /* kept until the client acknowledges it */
	struct helper_reply *next;
	uint64_t id;
	uint64_t takeover; /* of the stream that its worker sends it to */
	size_t len;
	uint8_t frame[];
};

struct helper_request {
	struct helper_request *next;	 /* the pool's queue */
	struct helper_request *running; /* session->running, under its lock */
	struct helper_session *session; /* holds a reference */
	struct wire_header header;
	int64_t refused_at; /* ms; a lock or place that is waited for; 0: not yet */
	int64_t retry_at;   /* ms */
	bool cancelled;	  /* session->lock */
	bool whole;	  /* has room for any body */
	uint64_t follows; /* a SCAN: it begins where that of this id ends ... */
	bool waits;	  /* ... for which it waits; session->lock */
	uint64_t takeover; /* the session's when it came */
	struct helper_train *train; /* or NULL */
	uint8_t *room; /* WIRE_FRAME_MAX bytes of who runs it, where replies are
			* packed; NULL: they aren't */
	uint8_t body[];	  /* header.size - WIRE_HEADER_SIZE bytes */
};

struct helper_session {
	const struct helper_root *root;
	uint64_t id_hi, id_lo;
	bool read_only;
	struct helper_user user; /* whose operations they are */
	struct helper_handles handles;
	struct helper_locks locks;
	atomic_bool packs; /* LZ4 was agreed on */
	struct wire_packer packer; /* of replies */
	atomic_size_t queued; /* bytes of requests that wait or run */

	pthread_mutex_t output; /* held while a frame is written */
	struct helper_watches watches; /* of the stream; its lock is inside
					* output */
	pthread_mutex_t lock;	/* guards all below */
	unsigned refs;
	struct helper_stream *stream;	 /* NULL: none; also needs output to
					  * be changed */
	uint64_t takeovers;		 /* how many streams it has had */
	struct helper_request *running;
	struct helper_ends ends;	 /* of SCANs */
	struct helper_reply *replies, **replies_end; /* oldest first */
	uint64_t replied; /* none of them is of a later id ... */
	uint64_t acked;	  /* ... and none was below this when it was told */
	size_t reply_bytes;
	int64_t idle_since;		 /* ms; while stream is NULL */
	struct helper_session *next;	 /* the list's, under its own lock */
};

/* The session named (hi, lo): found, or made. With @resume false an existing
 * one of that name is -EEXIST. @ret_found tells. Bounded: when there are too
 * many, the one that is longest without a stream ends, else -EUSERS. */
int helper_session_get(const struct helper_root *root, uint64_t hi, uint64_t lo,
		       bool resume, bool read_only,
		       const struct helper_user *user,
		       struct helper_session **ret, bool *ret_found);
void helper_session_ref(struct helper_session *s);
void helper_session_put(struct helper_session *s);

/* Makes @stream the one that replies go to; the one before is shut down.
 * @watch: helper_watch_open()'s, taken over. */
void helper_session_attach(struct helper_session *s,
			   struct helper_stream *stream, int watch);
/* Whether folders are watched from now on, as @stream asked, unless it was
 * replaced. */
void helper_session_watch(struct helper_session *s,
			  const struct helper_stream *stream, bool on);
/* @stream ended; nothing if it was replaced before. @forget: end the session
 * (BYE), else it waits for another stream. */
void helper_session_detach(struct helper_session *s,
			   struct helper_stream *stream, bool forget);

/* Ends sessions that were without a stream for @grace_ms. Returns how many
 * are left, and since when none, nor one that was forgotten, has had a stream (ms;
 * now if one has, 0 if there was none). */
unsigned helper_session_expire(int64_t grace_ms, int64_t *ret_idle_since);

/* Before a request of @stream runs: may it, and is it known already? */
enum helper_known {
	HELPER_NEW,
	HELPER_RUNNING, /* its reply will come */
	HELPER_ANSWERED, /* its reply was sent again */
	HELPER_LATE, /* its stream was replaced: it was sent again since */
};
enum helper_known helper_session_admit(struct helper_session *s,
				       const struct helper_stream *stream,
				       struct helper_request *r);
/* Drops remembered replies below @ack. */
void helper_session_acked(struct helper_session *s, uint64_t ack);
void helper_session_cancel(struct helper_session *s, uint64_t id);
bool helper_session_cancelled(struct helper_request *r);
/* What was held back of @stream's is written, unless that would block. By its
 * reader. */
void helper_session_flush(struct helper_session *s,
			  struct helper_stream *stream);
/* Sends what has happened in the folders that are watched. */
void helper_session_tell(struct helper_session *s);

/* For a body of @len bytes; all else is zero. NULL without memory. It ends with
 * helper_session_finish(), or where no session took it by helper_request_free().
 * Thread: any. */
struct helper_request *helper_request_new(size_t len);
void helper_request_free(struct helper_request *r);

/* One frame of an answer: remembered (@keep) and sent. @frame has room for the
 * header in front. On a stream that came after the request only what is
 * remembered is sent: of the rest the client has lost the beginning, or asks
 * anew. */
void helper_session_reply(struct helper_request *r, uint8_t *frame, size_t len,
			  bool more, uint32_t status, bool keep);
/* The request is over: frees it. */
void helper_session_finish(struct helper_request *r);

int64_t helper_now_ms(void);

#endif
