#include "helper-image/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNERS_MAX 1024 /* each costs a descriptor */

struct helper_lock_owner {
	struct helper_lock_owner *next;
	dev_t dev;
	ino_t ino;
	uint64_t owner;
	const struct helper_handle *via; /* the last that was used */
	int fd;
};

int helper_locks_init(struct helper_locks *l)
{
	l->owners = NULL;
	l->count = 0;
	return -pthread_mutex_init(&l->lock, NULL);
}

void helper_locks_done(struct helper_locks *l)
{
	struct helper_lock_owner *o = l->owners;

	while (o) {
		struct helper_lock_owner *next = o->next;

		close(o->fd);
		free(o);
		o = next;
	}
	pthread_mutex_destroy(&l->lock);
}

static struct helper_lock_owner **find_locked(struct helper_locks *l,
					      const struct stat *st,
					      uint64_t owner)
{
	struct helper_lock_owner **o = &l->owners;

	while (*o && ((*o)->dev != st->st_dev || (*o)->ino != st->st_ino ||
		      (*o)->owner != owner))
		o = &(*o)->next;
	return o;
}

/* A description of its own: reading and writing both, where that may be. */
static int reopen(const struct helper_handle *h)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->fd);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open(path, (h->writable ? O_WRONLY : O_RDONLY) |
					O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int owner_fd_locked(struct helper_locks *l,
			   const struct helper_handle *h, uint64_t owner,
			   int *ret_fd)
{
	struct stat st;
	struct helper_lock_owner *o;
	int fd;

	if (fstat(h->fd, &st) != 0)
		return -errno;
	o = *find_locked(l, &st, owner);
	if (o) {
		o->via = h;
		*ret_fd = o->fd;
		return 0;
	}
	if (l->count >= OWNERS_MAX)
		return -ENOLCK;
	fd = reopen(h);
	if (fd < 0)
		return fd;
	o = calloc(1, sizeof(*o));
	if (!o) {
		close(fd);
		return -ENOMEM;
	}
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	o->owner = owner;
	o->via = h;
	o->fd = fd;
	o->next = l->owners;
	l->owners = o;
	l->count++;
	*ret_fd = fd;
	return 0;
}

static int run(struct helper_locks *l, const struct helper_handle *h,
	       uint64_t owner, int cmd, struct helper_range *range)
{
	struct flock fl;
	int fd = -1;
	int err;

	memset(&fl, 0, sizeof(fl));
	fl.l_type = range->type;
	fl.l_whence = SEEK_SET;
	fl.l_start = range->start;
	fl.l_len = range->len;
	pthread_mutex_lock(&l->lock);
	err = owner_fd_locked(l, h, owner, &fd);
	if (!err && fcntl(fd, cmd, &fl) != 0)
		err = errno == EACCES ? -EAGAIN : -errno;
	pthread_mutex_unlock(&l->lock);
	if (err)
		return err;
	range->type = fl.l_type;
	range->start = fl.l_start;
	range->len = fl.l_len;
	range->pid = fl.l_pid;
	return 0;
}

int helper_lock_set(struct helper_locks *l, const struct helper_handle *h,
		    uint64_t owner, const struct helper_range *range)
{
	struct helper_range r = *range;

	return run(l, h, owner, F_OFD_SETLK, &r);
}

int helper_lock_get(struct helper_locks *l, const struct helper_handle *h,
		    uint64_t owner, struct helper_range *range)
{
	return run(l, h, owner, F_OFD_GETLK, range);
}

void helper_lock_drop(struct helper_locks *l, const struct helper_handle *h,
		      uint64_t owner)
{
	struct helper_lock_owner **o, *gone;
	struct stat st;

	if (fstat(h->fd, &st) != 0)
		return;
	pthread_mutex_lock(&l->lock);
	o = find_locked(l, &st, owner);
	gone = *o;
	if (gone) {
		*o = gone->next;
		l->count--;
	}
	pthread_mutex_unlock(&l->lock);
	if (gone) {
		close(gone->fd); /* takes its locks with it */
		free(gone);
	}
}

void helper_lock_end(struct helper_locks *l, const struct helper_handle *h)
{
	struct helper_lock_owner **o, *gone;

	pthread_mutex_lock(&l->lock);
	for (o = &l->owners; (gone = *o);) {
		if (gone->via != h) {
			o = &gone->next;
			continue;
		}
		*o = gone->next;
		l->count--;
		close(gone->fd);
		free(gone);
	}
	pthread_mutex_unlock(&l->lock);
}
