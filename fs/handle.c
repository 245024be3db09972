#include "fs/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/audit.h"
#include "fs/clock.h"
#include "fs/forward.h"
#include "fs/listing.h"
#include "fs/names.h"
#include "fs/op.h"
#include "fs/opened.h"

int fs_handle_add(struct fs_handles *h, struct fs_nodes *n,
		  struct fs_node *node, uint64_t remote, uint32_t epoch,
		  struct fs_handle **ret)
{
	struct fs_handle *x = calloc(1, sizeof(*x));
	int err = -ENOMEM;

	if (!x)
		return -ENOMEM;
	x->node = node;
	x->refs = 1;
	x->remote = (struct fs_remote){ .handle = remote, .epoch = epoch };
	pthread_mutex_lock(&n->lock);
	err = fs_slots_add(&h->slots, x, &x->fh);
	if (!err) {
		node->refs++;
		x->next = node->open;
		if (x->next)
			x->next->prev = x;
		node->open = x;
	}
	pthread_mutex_unlock(&n->lock);
	if (err) {
		free(x);
		return err;
	}
	*ret = x;
	return 0;
}

struct fs_remote fs_handle_remote(struct fs_nodes *n, const struct fs_handle *x)
{
	struct fs_remote r;

	pthread_mutex_lock(&n->lock);
	r = x->remote;
	pthread_mutex_unlock(&n->lock);
	return r;
}

void fs_handle_ref(struct fs_nodes *n, struct fs_handle *x)
{
	pthread_mutex_lock(&n->lock);
	x->refs++;
	pthread_mutex_unlock(&n->lock);
}

struct fs_handle *fs_handle_get(struct fs_handles *h, struct fs_nodes *n,
				uint64_t fh)
{
	struct fs_handle *x;

	pthread_mutex_lock(&n->lock);
	x = fs_slots_get(&h->slots, fh);
	pthread_mutex_unlock(&n->lock);
	return x;
}

void fs_handle_keep_data(struct fs_nodes *n, struct fs_handle *x, uint8_t *data,
			 unsigned writes, int64_t at)
{
	pthread_mutex_lock(&n->lock);
	x->data = data;
	x->data_at = at;
	x->data_writes = writes;
	pthread_mutex_unlock(&n->lock);
}

static bool is_good_locked(const struct fs_handle *x, int64_t age_ms)
{
	return x->data && fs_now_ms() - x->data_at < age_ms &&
	       atomic_load(&x->node->writes) == x->data_writes;
}

bool fs_handle_data(struct fs_nodes *n, struct fs_handle *x, uint64_t offset,
		    size_t size, int64_t age_ms, uint8_t **ret,
		    size_t *ret_len)
{
	uint8_t *copy = NULL, *old = NULL;
	bool good;

	pthread_mutex_lock(&n->lock);
	good = is_good_locked(x, age_ms) && offset < x->size;
	if (good) {
		*ret_len = x->size - offset < size ? x->size - offset : size;
		copy = malloc(*ret_len);
		good = copy != NULL;
	}
	if (good)
		memcpy(copy, x->data + offset, *ret_len);
	if (!fs_is_opened_ahead(x->remote) &&
	    (!good || offset + *ret_len == x->size))
		old = podfs_steal_ptr(&x->data);
	pthread_mutex_unlock(&n->lock);
	free(old);
	*ret = copy;
	return good;
}

bool fs_handle_dense(const struct fs_handle *x, int64_t age_ms)
{
	return x->dense && fs_now_ms() - x->dense_at < age_ms &&
	       atomic_load(&x->node->writes) == x->dense_writes;
}

void fs_handle_remove(struct fs_handles *h, struct fs_nodes *n,
		      struct fs_handle *x)
{
	pthread_mutex_lock(&n->lock);
	fs_slots_remove(&h->slots, x->fh);
	if (x->prev)
		x->prev->next = x->next;
	else
		x->node->open = x->next;
	if (x->next)
		x->next->prev = x->prev;
	pthread_mutex_unlock(&n->lock);
	fs_handle_put(n, x);
}

void fs_handle_put(struct fs_nodes *n, struct fs_handle *x)
{
	bool last;

	pthread_mutex_lock(&n->lock);
	last = --x->refs == 0;
	pthread_mutex_unlock(&n->lock);
	if (!last)
		return;
	if (x->close_remote && x->remote.handle &&
	    !fs_is_opened_ahead(x->remote)) {
		fs_release_remote(x->node->session, x->remote.handle,
				  x->remote.epoch);
		if (atomic_load(&x->locked)) /* others wait for it */
			podfs_session_push(x->node->session);
	}
	fs_audit_closed(x->audit);
	fs_node_put(n, x->node);
	fs_forward_free(x->forward);
	free(x->data);
	free(x);
}

bool fs_handle_is_open(struct fs_nodes *n, const struct fs_node *node)
{
	bool open;

	pthread_mutex_lock(&n->lock);
	open = node->open;
	pthread_mutex_unlock(&n->lock);
	return open;
}

bool fs_handle_by_name(struct fs_nodes *n, const struct fs_node *node)
{
	const struct fs_handle *h;

	pthread_mutex_lock(&n->lock);
	for (h = node->open; h && !S_ISDIR(node->attr.mode) &&
			     !fs_is_opened_ahead(h->remote);
	     h = h->next)
		;
	pthread_mutex_unlock(&n->lock);
	return h;
}

void fs_handles_done(struct fs_handles *h)
{
	for (uint32_t i = 0; i < h->slots.cap; i++) {
		struct fs_handle *x = h->slots.slots[i].item;

		if (!x)
			continue;
		fs_listing_free(x->listing);
		fs_audit_closed(x->audit);
		fs_forward_free(x->forward);
		free(x->data);
		free(x);
	}
	fs_slots_done(&h->slots);
}
