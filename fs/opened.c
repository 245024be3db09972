#include "fs/opened.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/listing.h"
#include "fs/told.h"
#include "fs/tree.h"

/* The pages are everybody's: what came with an earlier open of another state
 * must not fill them. @h: the one that opens. */
static bool unchanged(struct podfs_fs *fs, struct fs_node *node,
		      const struct fs_handle *h, const struct wire_attr *a)
{
	bool same;

	pthread_mutex_lock(&fs->nodes.lock);
	same = fs_node_was_seen_locked(node, a);
	if (!same) {
		node->given = 0;
		for (struct fs_handle *x = node->open; x; x = x->next)
			if (x != h)
				x->data_at = FS_LONG_AGO;
	}
	node->seen = true;
	node->seen_size = a->size;
	node->seen_mtime = a->mtime;
	node->seen_ctime = a->ctime;
	pthread_mutex_unlock(&fs->nodes.lock);
	return same;
}

void fs_opened_tell_size(struct podfs_fs *fs, struct fs_node *node)
{
	bool moved;

	pthread_mutex_lock(&fs->nodes.lock);
	moved = node->size_moved;
	node->size_moved = false;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (moved)
		fs_notify_attr(fs, node);
}

void fs_opened_cache(struct podfs_fs *fs, struct fs_node *node,
		     const struct fs_handle *h, const struct wire_attr *a,
		     struct fuse_file_info *fi)
{
	if (a->flags & WIRE_ATTR_VOLATILE) {
		fi->direct_io = 1; /* sizes of /proc's files say nothing */
		return;
	}
	/* whatever was told of it since that was known: others may have it open by
	 * its pages, and nothing else */
	fi->keep_cache = !h || unchanged(fs, node, h, a);
	fs_opened_tell_size(fs, node);
}

void fs_opened_keep(struct fs_handle *h, struct fs_op *op,
		    const struct wire_attr *a, int64_t at, unsigned writes)
{
	int flags = op->fi.flags;

	pthread_mutex_lock(&op->fs->nodes.lock);
	h->pid = op->pid;
	h->read_only = (flags & O_ACCMODE) == O_RDONLY;
	pthread_mutex_unlock(&op->fs->nodes.lock);
	h->audit = podfs_steal_ptr(&op->audit_file);
	h->size = a->size;
	h->mtime = a->mtime;
	h->steady = S_ISREG(a->mode) && !(a->flags & WIRE_ATTR_VOLATILE);
	h->dense = h->steady &&
		   a->blocks >= a->size / 512 + (a->size % 512 != 0);
	h->dense_at = at;
	h->dense_writes = writes;
	h->local = a->flags & WIRE_ATTR_LOCAL;
	h->regular = S_ISREG(a->mode) && !(a->flags & WIRE_ATTR_VOLATILE);
	fs_behind_opened(&op->fs->behind, h);
	h->flags = fs_open_flags(flags) &
		   ~(uint32_t)(WIRE_OPEN_TRUNC | WIRE_OPEN_EXCL);
}

void fs_opened_reply(struct fs_op *op, struct fs_handle *h,
		     const struct wire_attr *a, bool known)
{
	struct podfs_fs *fs = op->fs;
	struct fs_remote remote = fs_handle_remote(&fs->nodes, h);

	if (!(op->flags & WIRE_OPEN_DIRECTORY))
		fs_opened_cache(fs, op->node, known ? NULL : h, a, &op->fi);
	op->fi.fh = h->fh;
	if (fuse_reply_open(op->req, &op->fi) == 0)
		return;
	fs_listing_free(h->listing);
	if (!fs_is_opened_ahead(remote))
		fs_release_remote(op->session, remote.handle, remote.epoch);
	fs_handle_remove(&fs->handles, &fs->nodes, h);
}

/* ---- ahead --------------------------------------------------------------------- */

static bool saw_ahead(const struct fs_op *op, const struct fs_ahead_item *item)
{
	struct fs_nodes *n = &op->fs->nodes;

	if (item->folder)
		fs_watch_folder(n, op->node, &item->attr, item->when);
	return fs_node_saw(n, op->node, &item->attr, item->when);
}

bool fs_opened_ahead(struct fs_op *op, struct fs_ahead_item *item)
{
	bool folder = op->flags & WIRE_OPEN_DIRECTORY;
	struct podfs_fs *fs = op->fs;
	struct fs_handle *h;

	if (item->folder != folder ||
	    item->epoch != podfs_session_epoch(op->session) ||
	    item->changes != atomic_load(&op->node->tree->changes) ||
	    (!item->known &&
	     (fs_watch_told_since(&fs->nodes, op->node, item->when) ||
	      !saw_ahead(op, item))) ||
	    fs_handle_add(&fs->handles, &fs->nodes, op->node, FS_REMOTE_NONE,
			  FS_EPOCH_NONE, &h) != 0)
		return false;
	fs_opened_keep(h, op, &item->attr, item->at,
		       atomic_load(&op->node->writes));
	pthread_mutex_lock(&fs->nodes.lock);
	h->ahead_at = item->known ? FS_LONG_AGO : item->at;
	h->ahead_changes = item->changes;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (folder) {
		h->listing = fs_listing_new();
		if (h->listing)
			fs_listing_opened(h->listing,
					  podfs_steal_ptr(&item->data),
					  item->len, true, item->changes,
					  item->at, item->when);
		if (h->listing)
			h->listing->known = item->known;
		if (h->listing && h->listing->valid && !item->known)
			fs_watch_entries(&fs->nodes, op->node,
					 h->listing->data, h->listing->len,
					 item->when);
	} else {
		if (!item->known)
			fs_told_ahead(op, item);
		fs_handle_keep_data(&fs->nodes, h, podfs_steal_ptr(&item->data),
				    atomic_load(&op->node->writes), item->at);
	}
	if (!fs_op_claim(op)) {
		fs_listing_free(h->listing);
		fs_handle_remove(&fs->handles, &fs->nodes, h);
		fs_op_put(op);
		return true;
	}
	fs_opened_reply(op, h, &item->attr, item->known);
	fs_op_put(op);
	return true;
}
