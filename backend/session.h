/*
 * Sessions: the state machine between calls and streams.
 *
 *   IDLE -> ENSURE -> CONNECT -> HELLO -> READY -> LOST -> ENSURE ...
 *                                                    any -> DEAD
 *
 * Inside backend/ only. Thread: functions here run on the I/O thread unless
 * they say otherwise.
 */
#ifndef PODFS_BACKEND_SESSION_H
#define PODFS_BACKEND_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "backend/connect.h"
#include "backend/places.h"
#include "backend/rpc.h"

struct podfs_session_config {
	struct podfs_loop *loop;
	struct podfs_way *way;
	bool as_user;
	uint32_t uid, gid;
	unsigned start_timeout_ms;
	unsigned op_timeout_ms;
	unsigned data_timeout_ms; /* reads, writes and the like; 0: as above */
	unsigned sync_timeout_ms; /* fsync(2), close(2); 0: as above */
	/* Told on the I/O thread when the pod is gone: nobody need find the
	 * session any more. */
	void (*dead)(void *arg, struct podfs_session *s);
	/* As podfs_backend_events.event. */
	void (*event)(void *arg, struct podfs_session *s,
		      const struct wire_req_EVENT *e);
	void *arg;
	struct podfs_places *places; /* all sessions'; NULL without event */
};

struct podfs_session {
	const struct podfs_session_config *config;
	struct podfs_target target; /* never changes */
	bool read_only;		    /* the same */
	atomic_uint refs;
	atomic_uint epoch;
	atomic_bool makes; /* MAKE was agreed on */
	atomic_bool follows; /* FOLLOW was */

	/* the I/O thread only */
	struct podfs_rpc rpc;
	enum podfs_session_state state;
	uint64_t id_hi, id_lo;
	bool had_hello; /* a session exists at the helper */
	bool watching;	/* it has one of config->places */
	int64_t used_at; /* ms; it was asked something by who waits */
	struct podfs_helper helper;
	struct podfs_ensure ensure;
	bool ensuring;
	struct podfs_transport *transport;
	struct podfs_timer retry, watchdog, deadline, turn;
	struct podfs_timer lazy; /* looks after what is lazy */
	unsigned failures; /* streams in a row */
	unsigned refusals; /* starts in a row */
	int64_t fail_until; /* ms: calls fail at once with fail_status */
	int fail_status;
	int64_t started_at;   /* of this try to get READY */
	int64_t resume_until; /* come back for the helper's state till then */
	_Atomic int64_t last_received; /* ms; read on any thread */
	int64_t asked_us;     /* the handshake or ping under way left then */
	bool ping_due;

	struct podfs_task wake; /* submitted or cancelled */

	pthread_mutex_t lock; /* guards all below */
	struct podfs_call *submitted, **submitted_end;
	bool pushed;	  /* not all of these are lazy */
	bool timed;	  /* lazy is set, or will be: no need to wake anybody */
	size_t lazy_bytes; /* of these, all of them lazy */
	int64_t lazy_since; /* ms; the first of these was submitted */
	bool cancels; /* some call's rpc.cancelled was set */
	bool dead;    /* the pod is gone, or the backend stops */
	bool target_told;
	bool target_running;
	bool helper_gone; /* the container of info.helper runs no more */
	bool helper_told; /* ... which the log has yet to say */
	char helper_why[64]; /* ... in the kubelet's word */
	char target_id[sizeof(((struct podfs_helper *)0)->target_id)];
	struct podfs_session_info info;
	int64_t stalled_at; /* ms; nothing was completed since; 0: all was */

	struct podfs_session *next; /* the backend's list, under its lock */
};

/* Thread: any. */
int podfs_session_new(const struct podfs_session_config *config,
		      const struct podfs_target *target, bool read_only,
		      struct podfs_session **ret);

/* The pod is gone: calls end with -ESTALE, now and later. Thread: any. */
void podfs_session_kill(struct podfs_session *s);

/* What the target is now. Another container than the helper was made for, or
 * none: the helper died with it. Thread: any. */
void podfs_session_target_is(struct podfs_session *s, const char *target_id,
			     bool running);

/* Whether a container of the pod runs, which may be the helper's, and @why it
 * doesn't, "" unknown. Where the helper's ended, nobody comes back for what was
 * open there. Thread: any. */
void podfs_session_helper_is(struct podfs_session *s, const char *container,
			     bool running, const char *why);

/* Tells the helper that it may forget this session: nobody comes back for its
 * handles and locks. False, and no @done(), where no helper listens; else
 * @done() comes once, when it has heard or the stream ends. */
bool podfs_session_bye(struct podfs_session *s, void (*done)(void *arg),
		       void *arg);

/* Ends everything with @status: the backend stops. */
void podfs_session_stop(struct podfs_session *s, int status);

/* between session.c, session_submit.c, session_state.c and session_hello.c */
/* What is to be taken in now, or NULL: what there is may wait, or nothing is. */
struct podfs_call *podfs_session_submitted(struct podfs_session *s);
void podfs_session_lazy(struct podfs_timer *t);
/* Looks at what was asked for by other threads, soon. Any thread. */
void podfs_session_wake(struct podfs_session *s);
void podfs_session_advance(struct podfs_session *s);
int podfs_session_event(void *arg, const uint8_t *body, size_t len);
void podfs_session_publish(struct podfs_session *s);
void podfs_session_refuse(struct podfs_session *s, int status,
			  const char *why);
void podfs_session_set_state(struct podfs_session *s,
			     enum podfs_session_state state);
void podfs_session_drop_stream(struct podfs_session *s, const char *why);
void podfs_session_close_transport(struct podfs_session *s);
void podfs_session_epoch_ended(struct podfs_session *s);
void podfs_session_watchdog(struct podfs_timer *t);
void podfs_session_retry(struct podfs_timer *t);
void podfs_session_turn(struct podfs_timer *t);
void podfs_session_hello(struct podfs_session *s);
void podfs_session_ensured(struct podfs_ensure *e, int status,
			   const struct podfs_helper *h,
			   const struct podfs_err *err);

#endif
