#include "fs/behind.h"

#include <errno.h>
#include <poll.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/op.h"

/* So long the reply to what was asked before may take, as a rule. */
#define LATE_MS 2000
#define DRAIN_POLL_MS 5

void fs_behind_init(struct fs_behind *b)
{
	pthread_mutex_init(&b->lock, NULL);
	b->full_end = &b->full;
}

void fs_behind_done(struct fs_behind *b)
{
	pthread_mutex_destroy(&b->lock);
}

void fs_behind_came(struct fs_behind *b)
{
	atomic_fetch_add(&b->came, 1);
}

void fs_behind_drain(const struct fs_behind *b, int quiet_ms, int max_ms)
{
	int64_t now = fs_now_ms(), heard = now, end = now + max_ms;
	unsigned came = atomic_load(&b->came);

	while (atomic_load(&b->writes) > 0 && now < end &&
	       now - heard < quiet_ms) {
		poll(NULL, 0, DRAIN_POLL_MS);
		now = fs_now_ms();
		if (atomic_load(&b->came) != came)
			heard = now;
		came = atomic_load(&b->came);
	}
}

/* ---- writes ---------------------------------------------------------------------- */

static size_t cost(const struct fs_behind_write *w)
{
	return w->size + FS_BEHIND_COST;
}

static bool has_room_locked(const struct fs_behind *b,
			    const struct fs_behind_file *f)
{
	return f->bytes <= FS_BEHIND_FILE_MAX && b->bytes <= FS_BEHIND_MAX;
}

void fs_behind_wait_locked(struct fs_behind_file *f, struct fs_behind_wait *w)
{
	w->next = NULL;
	if (!f->waits)
		f->waits_end = &f->waits;
	*f->waits_end = w;
	f->waits_end = &w->next;
}

static enum wire_prio prio_of(const struct fs_behind_write *w, bool bulk)
{
	return bulk || w->size >= FS_BEHIND_BULK ? WIRE_PRIO_BULK :
						   WIRE_PRIO_INTERACTIVE;
}

static void owe_locked(struct fs_behind *b, struct fs_behind_write *w)
{
	struct fs_behind_file *f = &w->node->behind;

	w->prio = prio_of(w, f->bulk);
	f->bulk = w->prio == WIRE_PRIO_BULK;

	f->by = w->op->handle;
	f->writes++;
	f->bytes += cost(w);
	b->bytes += cost(w);
	atomic_fetch_add(&b->writes, 1);
}

static enum fs_behind_how begin_locked(struct fs_behind *b,
				       struct fs_behind_write *w)
{
	struct fs_behind_file *f = &w->node->behind;
	uint64_t end = w->offset + w->size;

	if ((f->writes == 0 && fs_now_ms() - f->ended_at > LATE_MS) ||
	    end > f->end)
		f->end = end;
	owe_locked(b, w);
	w->op->handle->next_write = end;
	w->ordered = f->ordered || f->maker == w->op->handle;
	f->ordered = w->ordered;
	if (has_room_locked(b, f))
		return FS_BEHIND_GOES;
	w->full = true;
	w->next = NULL;
	*b->full_end = w;
	b->full_end = &w->next;
	return FS_BEHIND_FULL;
}

/* It goes on where the one before it ended; or nothing could be before it. */
static bool goes_on_locked(const struct fs_behind_file *f,
			   const struct fs_handle *h,
			   const struct fs_behind_write *w)
{
	if (w->offset == 0 ? !h->first_free : h->next_write != w->offset)
		return false;
	/* who waits already comes first, or might wait for ever */
	return !f->waits && (f->writes == 0 || f->by == h);
}

enum fs_behind_how fs_behind_write(struct fs_behind *b,
				   struct fs_behind_write *w, bool may,
				   struct fs_behind_wait *wait)
{
	struct fs_handle *h = w->op->handle;
	struct fs_behind_file *f = &w->node->behind;
	enum fs_behind_how how = FS_BEHIND_NOT;
	struct podfs_session *s = NULL;

	w->prio = prio_of(w, false); /* of one that isn't owed */
	pthread_mutex_lock(&b->lock);
	if (f->maker != h || !may)
		f->maker = NULL;
	else if (w->offset + w->size > f->size)
		f->size = w->offset + w->size;
	may = may && goes_on_locked(f, h, w);
	h->first_free = false;
	if (may) {
		how = begin_locked(b, w);
	} else {
		h->next_write = 0;
		if (f->writes > 0) {
			fs_behind_wait_locked(f, wait);
			s = podfs_session_ref(w->op->session);
			how = FS_BEHIND_WAITS;
		}
	}
	pthread_mutex_unlock(&b->lock);
	fs_behind_push(s);
	return how;
}

bool fs_behind_set(struct fs_behind *b, struct fs_behind_write *w,
		   uint64_t *ret_size)
{
	const struct fs_handle *h = w->op->handle;
	struct fs_behind_file *f = &w->node->behind;
	bool may;

	pthread_mutex_lock(&b->lock);
	may = f->maker == h && !f->waits && has_room_locked(b, f);
	if (may) {
		owe_locked(b, w);
		f->ordered = true;
		*ret_size = f->size;
	}
	pthread_mutex_unlock(&b->lock);
	return may;
}

void fs_behind_name(struct fs_behind *b, struct fs_behind_write *w,
		    struct fs_behind_write *folder)
{
	pthread_mutex_lock(&b->lock);
	owe_locked(b, w);
	owe_locked(b, folder);
	w->node->behind.unnamed = true;
	w->node->behind.ordered = true;
	pthread_mutex_unlock(&b->lock);
}

void fs_behind_named(struct fs_behind *b, const struct fs_behind_write *w,
		     int status)
{
	pthread_mutex_lock(&b->lock);
	w->node->behind.unnamed = false;
	w->op->handle->unnamed = status;
	pthread_mutex_unlock(&b->lock);
}

bool fs_behind_is_last(struct fs_behind *b, const struct fs_node *node)
{
	bool last;

	pthread_mutex_lock(&b->lock);
	last = node->behind.writes == 1;
	pthread_mutex_unlock(&b->lock);
	return last;
}

bool fs_behind_is_awaited(struct fs_behind *b, const struct fs_node *node)
{
	bool awaited;

	pthread_mutex_lock(&b->lock);
	awaited = node->behind.waits;
	pthread_mutex_unlock(&b->lock);
	return awaited;
}

bool fs_behind_making(struct fs_behind *b, const struct fs_node *node,
		      const struct fs_handle *h, uint64_t *ret_size)
{
	const struct fs_behind_file *f = &node->behind;
	bool making;

	pthread_mutex_lock(&b->lock);
	making = f->maker == h;
	*ret_size = f->size;
	pthread_mutex_unlock(&b->lock);
	return making;
}

void fs_behind_wrote(struct fs_behind *b, const struct fs_behind_write *w,
		     bool good)
{
	pthread_mutex_lock(&b->lock);
	w->op->handle->next_write = good ? w->offset + w->size : 0;
	if (!good)
		w->node->behind.maker = NULL;
	pthread_mutex_unlock(&b->lock);
}

static void unlist_locked(struct fs_behind *b, struct fs_behind_write *w)
{
	struct fs_behind_write **p = &b->full;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	if (!*p)
		b->full_end = p;
	w->full = false;
}

/* The first that there is room for now, with a reference. */
static struct fs_op *next_answer_locked(struct fs_behind *b, size_t *ret_size)
{
	for (struct fs_behind_write *w = b->full; w; w = w->next) {
		if (!has_room_locked(b, &w->node->behind))
			continue;
		unlist_locked(b, w);
		*ret_size = w->size;
		atomic_fetch_add(&w->op->refs, 1);
		return w->op;
	}
	return NULL;
}

static void answer_full(struct fs_behind *b)
{
	for (;;) {
		struct fs_op *op;
		size_t size = 0;

		pthread_mutex_lock(&b->lock);
		op = next_answer_locked(b, &size);
		pthread_mutex_unlock(&b->lock);
		if (!op)
			return;
		if (fs_op_claim_early(op))
			fuse_reply_write(op->req, size);
		fs_op_put(op);
	}
}

static struct fs_behind_wait *end_locked(struct fs_behind *b,
					 struct fs_behind_write *w, int status,
					 bool *ret_unanswered)
{
	struct fs_behind_file *f = &w->node->behind;

	*ret_unanswered = w->full;
	if (w->full)
		unlist_locked(b, w);
	f->bytes -= cost(w);
	b->bytes -= cost(w);
	atomic_fetch_sub(&b->writes, 1);
	fs_behind_came(b);
	f->ended_at = fs_now_ms();
	if (status) {
		f->error = status;
		f->errors++;
		f->maker = NULL;
		w->op->handle->next_write = 0;
	}
	if (--f->writes > 0)
		return NULL;
	f->ordered = false;
	f->bulk = false;
	return podfs_steal_ptr(&f->waits);
}

/* The kernel has what was not written. */
static void forget_pages(struct fs_behind_write *w)
{
	struct fs_file_notice f = { .child = w->node->id, .pages = true };

	fs_notify_file(w->op->fs, &f);
}

void fs_behind_ended(struct fs_behind *b, struct fs_behind_write *w, int status,
		     void (*free_write)(struct fs_behind_write *w))
{
	struct fs_op *op = w->op;
	struct fs_behind_wait *waits;
	size_t size = w->size;
	bool unanswered;

	pthread_mutex_lock(&b->lock);
	waits = end_locked(b, w, status, &unanswered);
	pthread_mutex_unlock(&b->lock);
	if (status)
		forget_pages(w);
	if (unanswered && fs_op_claim_early(op)) {
		/* an error is told by the next, as of those before it */
		fuse_reply_write(op->req, size);
	}
	if (waits)
		podfs_session_waited(op->session, WIRE_OP_WRITE);
	/* first, so that its file's RELEASE leaves before what comes next */
	free_write(w);
	answer_full(b);
	while (waits) {
		struct fs_behind_wait *x = waits;

		waits = x->next;
		x->go(x);
	}
}

void fs_behind_let_go(struct fs_behind_write *w)
{
	fs_op_let_go(w->op);
}

/* ---- errors ---------------------------------------------------------------------- */

int fs_behind_error(struct fs_behind *b, struct fs_handle *h)
{
	const struct fs_behind_file *f = &h->node->behind;
	int err = 0;

	pthread_mutex_lock(&b->lock);
	if (h->errors_told != f->errors) {
		h->errors_told = f->errors;
		h->next_write = 0;
		err = f->error;
	}
	if (h->unnamed)
		err = h->unnamed;
	pthread_mutex_unlock(&b->lock);
	return err;
}

void fs_behind_opened(struct fs_behind *b, struct fs_handle *h)
{
	pthread_mutex_lock(&b->lock);
	h->errors_told = h->node->behind.errors;
	h->node->behind.maker = NULL;
	pthread_mutex_unlock(&b->lock);
}

void fs_behind_made(struct fs_behind *b, struct fs_handle *h, bool roomy)
{
	pthread_mutex_lock(&b->lock);
	h->node->behind.maker = h;
	h->node->behind.size = 0;
	h->first_free = roomy;
	pthread_mutex_unlock(&b->lock);
}

void fs_behind_closed(struct fs_behind *b, const struct fs_handle *h)
{
	pthread_mutex_lock(&b->lock);
	if (h->node->behind.maker == h)
		h->node->behind.maker = NULL;
	pthread_mutex_unlock(&b->lock);
}

void fs_behind_touched(struct fs_behind *b, struct fs_node *node)
{
	pthread_mutex_lock(&b->lock);
	node->behind.maker = NULL;
	pthread_mutex_unlock(&b->lock);
}

/* ---- sizes ----------------------------------------------------------------------- */

bool fs_behind_size(struct fs_behind *b, const struct fs_node *node,
		    struct fs_moment when, uint64_t *ret)
{
	const struct fs_behind_file *f = &node->behind;
	bool old;

	pthread_mutex_lock(&b->lock);
	old = f->writes > 0 ||
	      (f->ended_at && when.at && when.at <= f->ended_at);
	*ret = f->end;
	pthread_mutex_unlock(&b->lock);
	return old;
}

void fs_behind_cut(struct fs_behind *b, struct fs_node *node)
{
	pthread_mutex_lock(&b->lock);
	node->behind.maker = NULL;
	if (node->behind.writes == 0)
		node->behind.end = 0;
	pthread_mutex_unlock(&b->lock);
}
