/*
 * Who reads a stream: two threads take turns. One runs a lone look at a name himself,
 * as to wake a worker takes as long as to look; should it take him long, as in a dead
 * volume, the stream's own thread, which runs nothing, reads on.
 */
#ifndef HELPER_TURNS_H
#define HELPER_TURNS_H

struct helper_request;
struct helper_turns;

/* Reads what comes, and has it run; 0, or the stream's end. @t: what came may go to
 * helper_turns_work(), after which nothing of @arg is touched; NULL: only to the pool. */
typedef int helper_turns_read(void *arg, struct helper_turns *t);

/* NULL where no second thread is to be had, and then the caller reads alone. It ends
 * with helper_turns_run(). */
struct helper_turns *helper_turns_new(helper_turns_read *read, void *arg);
/* Reads, by both threads, until one read what isn't 0: returns that, and nobody reads
 * any more. By the stream's own thread. */
int helper_turns_run(struct helper_turns *t);
/* As helper_pool_push_all(), but a lone look is run by the caller. */
void helper_turns_work(struct helper_turns *t, struct helper_request *came);

#endif
