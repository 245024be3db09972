#include "fs/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/quote.h"

#define WAITING_MAX ((size_t)4 << 20)
#define RETRY_S 1

struct fs_audit {
	char *path;
	pthread_t thread;
	sem_t wake; /* something of the following has changed */
	atomic_bool reopen;
	atomic_bool leave;

	pthread_mutex_t lock;
	struct podfs_buf waiting; /* lock */
	uint64_t lost;		  /* lock; lines there was no room for */

	/* the thread's own */
	int fd;
	struct podfs_buf out; /* begins with a line */
	size_t torn;	      /* bytes of that line that are in the file */
	bool failing;
};

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

/* ---- the thread ------------------------------------------------------------------ */

static void reopen(struct fs_audit *a)
{
	int fd = open_log(a->path);

	if (fd < 0) {
		podfs_warn("fs", "audit log %s: %s: the old file is written on",
			   podfs_quote(a->path).text, strerror(-fd));
		return;
	}
	close(a->fd);
	a->fd = fd;
	a->torn = 0; /* the new file gets that line whole */
}

/* As far as whole lines are written they are dropped. */
static void wrote(struct fs_audit *a, size_t n)
{
	size_t all = a->torn + n, lines = all;

	while (lines > 0 && a->out.p[lines - 1] != '\n')
		lines--;
	podfs_buf_consume(&a->out, lines);
	a->torn = all - lines;
}

static void write_out(struct fs_audit *a)
{
	while (a->out.len > a->torn) {
		ssize_t n = write(a->fd, a->out.p + a->torn,
				  a->out.len - a->torn);

		if (n > 0) {
			wrote(a, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (!a->failing)
			podfs_warn("fs", "audit log %s: %s: lines wait in memory, up to 4 MiB",
				   podfs_quote(a->path).text,
				   n < 0 ? strerror(errno) : "nothing written");
		a->failing = true;
		return;
	}
	if (a->failing)
		podfs_info("fs", "audit log %s: written again",
			   podfs_quote(a->path).text);
	a->failing = false;
}

/* How many are left to tell of. */
static uint64_t add_lost(struct podfs_buf *b, uint64_t lost)
{
	if (lost &&
	    podfs_buf_printf(b, "{\"op\":\"lost\",\"lines\":%llu}\n",
			     (unsigned long long)lost) < 0)
		return lost;
	return 0;
}

/* What has come meanwhile, once all before it is written. */
static void take(struct fs_audit *a)
{
	struct podfs_buf empty;

	if (a->out.len > 0)
		return;
	pthread_mutex_lock(&a->lock);
	empty = a->out;
	a->out = a->waiting;
	a->waiting = empty;
	a->lost = add_lost(&a->waiting, a->lost);
	pthread_mutex_unlock(&a->lock);
}

static void wait_for_more(struct fs_audit *a)
{
	struct timespec until;

	if (!a->failing) {
		while (sem_wait(&a->wake) != 0)
			;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRY_S;
	while (sem_timedwait(&a->wake, &until) != 0 && errno == EINTR)
		;
}

static bool all_written(struct fs_audit *a)
{
	bool all;

	pthread_mutex_lock(&a->lock);
	all = a->out.len == 0 && a->waiting.len == 0;
	pthread_mutex_unlock(&a->lock);
	return all;
}

static void *audit_thread(void *arg)
{
	struct fs_audit *a = arg;
	bool last = false;

	while (!last) {
		wait_for_more(a);
		last = atomic_load(&a->leave);
		if (atomic_exchange(&a->reopen, false))
			reopen(a);
		do {
			take(a);
			write_out(a);
		} while (!a->failing && !all_written(a));
	}
	if (!all_written(a))
		podfs_error("fs", "audit log %s: the last lines could not be written",
			    podfs_quote(a->path).text);
	return NULL;
}

/* ---- what others call ------------------------------------------------------------ */

int fs_audit_new(const char *path, struct fs_audit **ret)
{
	struct fs_audit *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->waiting = (struct podfs_buf)PODFS_BUF_INIT(WAITING_MAX);
	a->out = (struct podfs_buf)PODFS_BUF_INIT(WAITING_MAX);
	a->path = strdup(path);
	a->fd = a->path ? open_log(path) : -ENOMEM;
	if (a->fd < 0) {
		err = a->fd;
		free(a->path);
		free(a);
		return err;
	}
	pthread_mutex_init(&a->lock, NULL);
	sem_init(&a->wake, 0, 0);
	err = pthread_create(&a->thread, NULL, audit_thread, a);
	if (err) {
		close(a->fd);
		pthread_mutex_destroy(&a->lock);
		sem_destroy(&a->wake);
		free(a->path);
		free(a);
		return -err;
	}
	*ret = a;
	return 0;
}

void fs_audit_reopen(struct fs_audit *a)
{
	atomic_store(&a->reopen, true);
	sem_post(&a->wake);
}

void fs_audit_free(struct fs_audit *a)
{
	if (!a)
		return;
	atomic_store(&a->leave, true);
	sem_post(&a->wake);
	pthread_join(a->thread, NULL);
	close(a->fd);
	pthread_mutex_destroy(&a->lock);
	sem_destroy(&a->wake);
	podfs_buf_done(&a->waiting);
	podfs_buf_done(&a->out);
	free(a->path);
	free(a);
}

static void stamp(char *ret, size_t size)
{
	struct timespec now;
	char text[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret, size, "%s.%03ldZ", text, now.tv_nsec / 1000000);
}

void fs_audit_add(struct fs_audit *a, struct podfs_json_writer *w)
{
	bool bad = w->bad;
	char time[48];

	stamp(time, sizeof(time));
	pthread_mutex_lock(&a->lock);
	bad = bad || podfs_buf_printf(&a->waiting, "{\"time\":\"%s\",%s}\n",
				      time, podfs_buf_str(&w->buf)) < 0;
	a->lost += bad;
	pthread_mutex_unlock(&a->lock);
	podfs_buf_done(&w->buf);
	sem_post(&a->wake);
}

void fs_audit_lose(struct fs_audit *a)
{
	pthread_mutex_lock(&a->lock);
	a->lost++;
	pthread_mutex_unlock(&a->lock);
	sem_post(&a->wake);
}
