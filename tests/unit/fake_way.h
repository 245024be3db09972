/*
 * A way to helpers that are a script: what each stream does, and what each
 * search for a helper ends with. For test_session.c; single-threaded.
 */
#ifndef PODFS_TESTS_FAKE_WAY_H
#define PODFS_TESTS_FAKE_WAY_H

#include "backend/connect.h"
#include "backend/loop.h"

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

	/* what was asked for */
	int opens, ensures, hellos, byes;
	uint64_t features; /* of the last HELLO */
	int watches;	   /* WATCH, but those that end it */

	struct podfs_ensure *pending;
	struct podfs_task ensured;
	struct fake_transport *current;
	bool knows; /* a session of this name */
	uint64_t session_lo;
};

void fake_way_init(struct fake_way *f, struct podfs_loop *l);
/* The stream that is open now breaks. */
void fake_way_cut(struct fake_way *f);

#endif
