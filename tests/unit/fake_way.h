/*
 * A way to helpers that are a script: what each stream does, and what each
 * search for a helper ends with. Single-threaded.
 */
#ifndef PODFS_TESTS_FAKE_WAY_H
#define PODFS_TESTS_FAKE_WAY_H

#include "backend/connect.h"
#include "backend/loop.h"
#include "backend/session.h"

#define FAKE_STEPS 64

enum fake_stream {
	FAKE_SERVE,
	FAKE_OPEN_THEN_CLOSE,
	FAKE_HELLO_THEN_CUT,   /* the helper heard it, its reply is lost */
	FAKE_REFUSE_WITH_JUNK, /* behind the reply */
	FAKE_NEVER_OPEN,
	FAKE_MUTE,
	FAKE_NO_PROGRAM, /* closes with -ENOEXEC */
};

struct fake_way {
	struct podfs_way way;
	struct podfs_loop *loop;
	enum fake_stream stream[FAKE_STEPS]; /* the first, the second, ... */
	int n_streams;			     /* then all FAKE_SERVE */
	int ensure[FAKE_STEPS];		     /* -errno or 0 */
	int n_ensures;			     /* then all 0 */
	char target_id[64];
	bool answers_only_hello;
	uint32_t inflight_max; /* that it takes; 0: as much as may be */

	/* what was asked for */
	int opens, ensures, hellos, byes;
	int messages; /* that were not empty */
	uint64_t features; /* of the last HELLO */
	int watches;	   /* WATCH, but those that end it */

	struct podfs_ensure *pending;
	struct podfs_task ensured;
	struct fake_transport *current;
	bool knows; /* a session of this name */
	uint64_t session_lo;
};

/* With a loop of its own. @c, which says all else of its sessions, is told of
 * both; of the first, *ret, its container is known by a uid only. -errno. */
int fake_way_start(struct fake_way *f, struct podfs_session_config *c,
		   struct podfs_session **ret);
/* Once through the loop, and a nap of 0.1 ms. */
void fake_way_turn(struct fake_way *f);
/* @s ends, and the caller's reference with it. NULL is fine. */
void fake_way_end(struct fake_way *f, struct podfs_session *s);
/* After all sessions. */
void fake_way_done(struct fake_way *f);
/* The stream that is open now breaks. */
void fake_way_cut(struct fake_way *f);

#endif
