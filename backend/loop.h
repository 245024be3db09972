/*
 * The I/O thread's loop: file descriptors, timers, and work posted to it.
 *
 * epoll in one file; nothing here knows of libwebsockets. The exec transport
 * lets libwebsockets' own poll() wait instead, with this loop's epoll
 * descriptor as one of its descriptors (podfs_loop_set_waiter).
 *
 * Thread: every function runs on the loop's thread, except podfs_loop_post(),
 * podfs_loop_stop() and what is called before podfs_loop_run().
 */
#ifndef PODFS_BACKEND_LOOP_H
#define PODFS_BACKEND_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct podfs_loop;

/* Work for the loop's thread. Embedded in its owner, who keeps it alive until
 * run() was entered. A task that is already queued is not queued twice. */
struct podfs_task {
	void (*run)(struct podfs_task *t);
	struct podfs_task *next; /* the loop's */
	bool queued;		 /* the loop's, under its lock */
};

struct podfs_timer {
	void (*fire)(struct podfs_timer *t);
	int64_t at;		  /* CLOCK_MONOTONIC, ms */
	struct podfs_timer *next; /* the loop's, ordered by at */
	bool armed;
};

struct podfs_watch_fd {
	void (*ready)(struct podfs_watch_fd *w, uint32_t epoll_events);
	int fd;
};

int podfs_loop_new(struct podfs_loop **ret);
void podfs_loop_free(struct podfs_loop *l);

/* Runs until podfs_loop_stop(). */
void podfs_loop_run(struct podfs_loop *l);
/* Runs as long as *@wanted, which what it runs may change; for whoever waits for
 * one thing at a time. */
void podfs_loop_run_while(struct podfs_loop *l, const bool *wanted);
/* Any thread, and signal handlers. */
void podfs_loop_stop(struct podfs_loop *l);

/* Any thread. False: @t waits there already and will run once. */
bool podfs_loop_post(struct podfs_loop *l, struct podfs_task *t);

/* Arms, or moves, @t to fire once at @at. */
void podfs_timer_set(struct podfs_loop *l, struct podfs_timer *t, int64_t at);
void podfs_timer_cancel(struct podfs_loop *l, struct podfs_timer *t);

/* 0 or -errno. @events as epoll_ctl(2), level-triggered. */
int podfs_loop_add(struct podfs_loop *l, struct podfs_watch_fd *w,
		   uint32_t events);
int podfs_loop_mod(struct podfs_loop *l, struct podfs_watch_fd *w,
		   uint32_t events);
void podfs_loop_del(struct podfs_loop *l, struct podfs_watch_fd *w);

/* Becomes readable when the loop has something to do; dispatch then does it
 * without waiting. */
int podfs_loop_fd(struct podfs_loop *l);
void podfs_loop_dispatch(struct podfs_loop *l);

/* Who waits instead of epoll_wait(2): must return when podfs_loop_fd() is
 * readable or after podfs_loop_dispatch() was called from inside. NULL: the
 * loop itself again. */
void podfs_loop_set_waiter(struct podfs_loop *l, void (*wait)(void *arg),
			   void *arg);

/* CLOCK_MONOTONIC in ms, and in us. Any thread. */
int64_t podfs_now_ms(void);
int64_t podfs_now_us(void);

#endif
