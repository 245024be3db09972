#include "fs/told.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/known.h"
#include "fs/names.h"
#include "fs/opened.h"
#include "fs/tree.h"

/* Bytes of it; more is rarely opened and not read. */
#define CONTENT_MAX (256u << 10)

/* ---- attributes and names --------------------------------------------------------- */

void fs_told_attr(struct fs_op *op, struct fs_node *node, bool name)
{
	struct fs_nodes *n = &op->fs->nodes;
	const struct wire_attr *a = &node->attr;

	/* what was done meanwhile may have been before or after it was seen, and
	 * what is still owed comes after */
	if (op->pid == 0 || !fs_op_was_alone(op) ||
	    fs_behind_owes(&op->fs->behind, node))
		return;
	pthread_mutex_lock(&n->lock);
	if (node->attr_known && !(a->flags & WIRE_ATTR_VOLATILE) &&
	    !S_ISLNK(a->mode))
		node->told = (struct fs_told){
			.pid = op->pid,
			.at = op->when.at,
			.until = fs_absent_until(op->fs, op->when.at),
			.name = name && (S_ISDIR(a->mode) || a->nlink == 1),
			.forgotten = node->told.forgotten,
		};
	pthread_mutex_unlock(&n->lock);
}

void fs_told_read(struct fs_nodes *n, struct fs_node *node)
{
	pthread_mutex_lock(&n->lock);
	node->told.pid = 0;
	node->read_since = true;
	pthread_mutex_unlock(&n->lock);
}

static bool counts_locked(const struct fs_node *node, int pid)
{
	return pid != 0 && node->told.pid == pid &&
	       fs_now_ms() < node->told.until;
}

static double age_of(const struct fs_told *t)
{
	return (double)(fs_now_ms() - t->at) / 1000;
}

bool fs_told_getattr(fuse_req_t req, struct fs_node *node)
{
	struct podfs_fs *fs = fs_of(req);
	struct fuse_entry_param e;
	struct wire_attr a;
	struct fs_told told;
	bool good;

	pthread_mutex_lock(&fs->nodes.lock);
	good = counts_locked(node, fuse_req_ctx(req)->pid);
	told = node->told;
	a = node->attr;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (!good || fs_entry_fill(fs, node, &a, (struct wire_str){ .p = "" },
				   &e) != 0)
		return false;
	fs_entry_aged(&e, age_of(&told));
	fuse_reply_attr(req, &e.attr, e.attr_timeout);
	return true;
}

bool fs_told_lookup(fuse_req_t req, struct fs_node *parent, const char *name)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_nodes *n = &fs->nodes;
	struct fs_node *node = NULL;
	struct fuse_entry_param e;
	const struct fs_name *x;
	struct wire_attr a;
	struct fs_told told;
	bool good;

	pthread_mutex_lock(&n->lock);
	x = fs_names_find(n, parent, name);
	if (x && x->node->told.name && !x->node->names->next &&
	    counts_locked(x->node, fuse_req_ctx(req)->pid)) {
		node = x->node;
		node->refs++;
		node->lookups++;
		told = node->told;
		a = node->attr;
	}
	pthread_mutex_unlock(&n->lock);
	if (!node)
		return false;
	good = !fs_behind_owes(&fs->behind, node) &&
	       fs_entry_fill(fs, node, &a, (struct wire_str){ .p = "" }, &e) ==
		       0;
	if (good)
		fs_entry_aged(&e, age_of(&told));
	if (!good || fuse_reply_entry(req, &e) != 0)
		fs_node_forget(n, node->id, 1);
	fs_node_put(n, node);
	return good;
}

/* ---- content --------------------------------------------------------------------- */

static void keep(struct fs_op *op, const struct wire_attr *attr,
		 const uint8_t *data, size_t len, struct fs_moment when)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_told_content *c = &op->node->tree->content;
	uint8_t *copy, *old;

	if (op->pid == 0 || len > CONTENT_MAX ||
	    (attr->flags & WIRE_ATTR_VOLATILE) || !(copy = malloc(len + 1)))
		return;
	if (len)
		memcpy(copy, data, len);
	pthread_mutex_lock(&n->lock);
	old = c->data;
	*c = (struct fs_told_content){
		.node = op->node->id,
		.pid = op->pid,
		.epoch = podfs_session_epoch(op->session),
		.writes = op->writes,
		.forgotten = op->node->told.forgotten,
		.attr = *attr,
		.when = when,
		.until = fs_absent_until(op->fs, when.at),
		.data = copy,
		.len = len,
	};
	pthread_mutex_unlock(&n->lock);
	free(old);
}

void fs_told_opened(struct fs_op *op, const struct wire_rep_OPEN *m)
{
	bool folder = op->flags & WIRE_OPEN_DIRECTORY;
	bool whole = folder ? m->end : op->data && m->sent == m->attr.size;

	if (!folder)
		fs_told_attr(op, op->node, false);
	if (whole && op->data_len == m->sent)
		keep(op, &m->attr, op->data, op->data_len, op->when);
}

void fs_told_ahead(struct fs_op *op, const struct fs_ahead_item *item)
{
	keep(op, &item->attr, item->data, item->len, item->when);
}

void fs_told_gave(struct fs_nodes *n, const struct fs_node *node)
{
	struct fs_told_content *c = &node->tree->content;
	uint8_t *old = NULL;

	pthread_mutex_lock(&n->lock);
	if (c->node == node->id)
		old = podfs_steal_ptr(&c->data);
	pthread_mutex_unlock(&n->lock);
	free(old);
}

static bool content_locked(const struct fs_op *op, bool folder,
			   struct fs_ahead_item *ret)
{
	const struct fs_node *node = op->node;
	const struct fs_told_content *c = &node->tree->content;
	unsigned changes = atomic_load(&node->tree->changes);

	if (!c->data || c->node != node->id || c->pid != op->pid ||
	    fs_now_ms() >= c->until ||
	    c->forgotten != node->told.forgotten ||
	    c->writes != (folder ? changes : atomic_load(&node->writes)))
		return false;
	*ret = (struct fs_ahead_item){
		.folder = folder,
		.attr = c->attr,
		.at = c->when.at,
		.when = c->when,
		.epoch = c->epoch,
		.changes = changes,
		.known = !folder,
		.data = malloc(c->len + 1),
		.len = c->len,
	};
	if (ret->data && c->len)
		memcpy(ret->data, c->data, c->len);
	return ret->data;
}

bool fs_told_open(struct fs_op *op, struct wire_str path)
{
	bool folder = op->flags & WIRE_OPEN_DIRECTORY, good;
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_ahead_item item;

	if ((op->flags & ~(uint32_t)(WIRE_OPEN_NOATIME | WIRE_OPEN_KILLPRIV |
				     WIRE_OPEN_DIRECTORY)) != WIRE_OPEN_READ)
		return false;
	pthread_mutex_lock(&n->lock);
	good = content_locked(op, folder, &item);
	pthread_mutex_unlock(&n->lock);
	if (!good)
		return false;
	if (folder)
		fs_ahead_opened(op, path); /* a walk may begin with it */
	good = fs_opened_ahead(op, &item);
	free(item.data);
	return good;
}
