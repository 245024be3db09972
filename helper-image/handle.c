#include "helper-image/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_FIRST 64

int helper_handles_init(struct helper_handles *t, uint32_t max)
{
	memset(t, 0, sizeof(*t));
	t->max = max;
	return -pthread_mutex_init(&t->lock, NULL);
}

static void destroy(struct helper_handle *h)
{
	close(h->fd);
	if (h->folder >= 0)
		close(h->folder);
	pthread_mutex_destroy(&h->position);
	free(h);
}

void helper_handles_done(struct helper_handles *t)
{
	for (uint32_t i = 0; i < t->cap; i++)
		if (t->slots[i].h)
			destroy(t->slots[i].h);
	free(t->slots);
	pthread_mutex_destroy(&t->lock);
}

static int grow_locked(struct helper_handles *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : SLOTS_FIRST;
	void *slots;

	if (cap > t->max)
		cap = t->max;
	if (cap == t->cap)
		return -EMFILE;
	slots = realloc(t->slots, cap * sizeof(*t->slots));
	if (!slots)
		return -ENOMEM;
	t->slots = slots;
	memset(t->slots + t->cap, 0, (cap - t->cap) * sizeof(*t->slots));
	t->hint = t->cap;
	t->cap = cap;
	return 0;
}

static int add_locked(struct helper_handles *t, struct helper_handle *h,
		      uint64_t *ret_id)
{
	uint32_t i;

	if (t->used + t->folders + (h->folder >= 0) >=
	    (h->folder >= 0 ? t->max / 2 : t->max))
		return -EMFILE;
	if (t->used == t->cap) {
		int err = grow_locked(t);

		if (err)
			return err;
	}
	for (i = t->hint % t->cap; t->slots[i].h; i = (i + 1) % t->cap)
		;
	t->slots[i].h = h;
	t->slots[i].generation++;
	t->hint = i + 1;
	t->used++;
	t->folders += h->folder >= 0;
	*ret_id = (uint64_t)t->slots[i].generation << 32 | (i + 1);
	return 0;
}

/* Takes all of @like over. */
static int add(struct helper_handles *t, const struct helper_handle *like,
	       uint64_t *ret_id)
{
	struct helper_handle *h = malloc(sizeof(*h));
	int err;

	if (!h) {
		close(like->fd);
		if (like->folder >= 0)
			close(like->folder);
		return -ENOMEM;
	}
	*h = *like;
	h->refs = 1;
	pthread_mutex_init(&h->position, NULL);
	pthread_mutex_lock(&t->lock);
	err = add_locked(t, h, ret_id);
	pthread_mutex_unlock(&t->lock);
	if (err)
		destroy(h);
	return err;
}

int helper_handle_add(struct helper_handles *t, int fd, bool directory,
		      bool readable, bool writable, uint64_t *ret_id)
{
	const struct helper_handle h = { .fd = fd,
					 .directory = directory,
					 .readable = readable,
					 .writable = writable,
					 .folder = -1 };

	return add(t, &h, ret_id);
}

int helper_handle_reserve(struct helper_handles *t, int fd, int folder,
			  uint64_t *ret_id)
{
	const struct helper_handle h = { .fd = fd,
					 .readable = true,
					 .writable = true,
					 .folder = folder };

	return add(t, &h, ret_id);
}

void helper_handle_named(struct helper_handles *t, struct helper_handle *h)
{
	int folder;

	pthread_mutex_lock(&t->lock);
	folder = h->folder;
	h->folder = -1;
	t->folders--;
	pthread_mutex_unlock(&t->lock);
	close(folder);
}

static int slot_locked(struct helper_handles *t, uint64_t id, uint32_t *ret)
{
	uint32_t i = (uint32_t)id - 1;

	if (i >= t->cap || !t->slots[i].h ||
	    t->slots[i].generation != (uint32_t)(id >> 32))
		return -EBADF;
	*ret = i;
	return 0;
}

int helper_handle_get(struct helper_handles *t, uint64_t id,
		      struct helper_handle **ret)
{
	uint32_t i;
	int err;

	pthread_mutex_lock(&t->lock);
	err = slot_locked(t, id, &i);
	if (!err) {
		*ret = t->slots[i].h;
		(*ret)->refs++;
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

void helper_handle_put(struct helper_handles *t, struct helper_handle *h)
{
	bool last;

	pthread_mutex_lock(&t->lock);
	last = --h->refs == 0;
	if (last && h->folder >= 0)
		t->folders--;
	pthread_mutex_unlock(&t->lock);
	if (last)
		destroy(h);
}

int helper_handle_release(struct helper_handles *t, uint64_t id)
{
	struct helper_handle *h = NULL;
	uint32_t i;
	int err;

	pthread_mutex_lock(&t->lock);
	err = slot_locked(t, id, &i);
	if (!err) {
		h = t->slots[i].h;
		t->slots[i].h = NULL;
		t->hint = i;
		t->used--;
	}
	pthread_mutex_unlock(&t->lock);
	if (h)
		helper_handle_put(t, h);
	return err;
}
