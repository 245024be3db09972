#include "fs/virtual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/listing.h"

#define META_NAME ".podfs"
#define STATUS_NAME "status.json"
#define METRICS_NAME "metrics"

static enum fs_kind kind_below(enum fs_kind kind)
{
	return kind == FS_ROOT	    ? FS_NAMESPACE :
	       kind == FS_NAMESPACE ? FS_POD :
				      FS_CONTAINER;
}

/* Names that don't come are a cluster that doesn't answer. */
static int names_errno(int status)
{
	return status == -EAGAIN ? EIO : fs_errno(status);
}

/* ---- lookup ------------------------------------------------------------------------ */

static int find(struct podfs_fs *fs, struct fs_node *node, const char *name,
		struct podfs_entry *ret, enum fs_kind *ret_kind)
{
	struct podfs_ref ref = node->place->ref;
	char *to;

	memset(ret, 0, sizeof(*ret));
	if (node->kind == FS_ROOT && strcmp(name, META_NAME) == 0)
		*ret_kind = FS_META;
	else if (node->kind == FS_META && strcmp(name, STATUS_NAME) == 0)
		*ret_kind = FS_STATUS;
	else if (node->kind == FS_META && strcmp(name, METRICS_NAME) == 0)
		*ret_kind = FS_METRICS;
	else if (node->kind == FS_META || fs_is_document(node->kind))
		return -ENOENT;
	else
		*ret_kind = kind_below(node->kind);
	if (strlen(name) > PODFS_NAME_MAX)
		return -ENOENT;
	if (*ret_kind == FS_META || fs_is_document(*ret_kind)) {
		strcpy(ret->name, name);
		return 0;
	}
	ref.kind = *ret_kind == FS_NAMESPACE ? PODFS_NAMESPACE :
		   *ret_kind == FS_POD	     ? PODFS_POD :
					       PODFS_CONTAINER;
	to = *ret_kind == FS_NAMESPACE ? ref.ns :
	     *ret_kind == FS_POD       ? ref.pod :
					 ref.container;
	strcpy(to, name);
	return podfs_tree_find(fs->backend, &ref, ret);
}

/* What GETATTR last said of a container's folder, which a lookup must not take
 * back. */
static bool stat_known(const struct podfs_fs *fs, struct fs_nodes *n,
		       struct fs_node *node, struct stat *ret)
{
	struct wire_attr a;
	bool known;

	pthread_mutex_lock(&n->lock);
	a = node->attr;
	known = node->attr_known;
	pthread_mutex_unlock(&n->lock);
	return known && fs_stat_of(fs, node, &a, ret) == 0;
}

/* False: nothing was done, the names are not there yet. */
static bool try_lookup(fuse_req_t req, struct fs_node *node, const char *name,
		       bool last)
{
	struct podfs_fs *fs = fs_of(req);
	struct fuse_entry_param e = { .ino = 0 };
	struct fs_node *child = NULL;
	struct podfs_entry entry;
	enum fs_kind kind;
	bool known;
	int err = find(fs, node, name, &entry, &kind);

	if (err == -EAGAIN && !last)
		return false;
	if (!err)
		err = fs_node_cluster(&fs->nodes, node, kind, &entry, true,
				      &child);
	if (err) {
		fuse_reply_err(req, names_errno(err));
		fs_node_put(&fs->nodes, node);
		return true;
	}
	e.ino = child->id;
	known = stat_known(fs, &fs->nodes, child, &e.attr);
	if (!known)
		fs_stat_virtual(fs, child, 0, &e.attr);
	/* told by the notifier when it changes */
	e.entry_timeout = fs->config.entry_timeout;
	e.attr_timeout = fs_is_document(kind) || known ?
				 0 :
				 fs->config.attr_timeout;
	if (fuse_reply_entry(req, &e) != 0)
		fs_node_forget(&fs->nodes, child->id, 1);
	fs_node_put(&fs->nodes, child);
	fs_node_put(&fs->nodes, node);
	return true;
}

void fs_virtual_lookup(fuse_req_t req, struct fs_node *node, const char *name)
{
	struct fs_parked p = { .req = req, .node = node };

	if (strlen(name) > WIRE_NAME_MAX) {
		fs_node_put(&fs_of(req)->nodes, node);
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	strcpy(p.name, name);
	if (!try_lookup(req, node, name, false) && !fs_park(fs_of(req), &p))
		try_lookup(req, node, name, true);
}

void fs_virtual_getattr(fuse_req_t req, struct fs_node *node)
{
	struct podfs_fs *fs = fs_of(req);
	struct stat st;

	fs_stat_virtual(fs, node, 0, &st);
	if (node == fs->nodes.root)
		st.st_ino = FUSE_ROOT_ID;
	fuse_reply_attr(req, &st,
			fs_is_document(node->kind) ? 0 :
						     fs->config.attr_timeout);
	fs_node_put(&fs->nodes, node);
}

/* ---- folders ----------------------------------------------------------------------- */

struct collecting {
	struct fs_listing *l;
	size_t cap;
	bool failed;
};

static bool collect(void *arg, const struct podfs_entry *e)
{
	struct collecting *c = arg;

	if (c->l->n_names == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		void *names = realloc(c->l->names, cap * sizeof(*e));

		if (!names) {
			c->failed = true;
			return false;
		}
		c->l->names = names;
		c->cap = cap;
	}
	c->l->names[c->l->n_names++] = *e;
	return true;
}

static int list(struct podfs_fs *fs, struct fs_node *node, struct fs_listing *l)
{
	struct collecting c = { .l = l };
	static const struct podfs_entry status = { .name = STATUS_NAME };
	static const struct podfs_entry metrics = { .name = METRICS_NAME };
	int err;

	if (node->kind == FS_META) {
		collect(&c, &status);
		collect(&c, &metrics);
		return c.failed ? -ENOMEM : 0;
	}
	err = podfs_tree_list(fs->backend,
			      node->kind == FS_ROOT ? NULL : &node->place->ref,
			      collect, &c);
	return err ? err : c.failed ? -ENOMEM : 0;
}

static void reply_handle(fuse_req_t req, struct fs_node *node,
			 struct fs_listing *l, int err,
			 struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = NULL;

	if (!err)
		err = fs_handle_add(&fs->handles, &fs->nodes, node, 0, 0, &h);
	if (err) {
		fs_listing_free(l);
		fuse_reply_err(req, names_errno(err));
		return;
	}
	h->listing = l;
	fi->fh = h->fh;
	if (fuse_reply_open(req, fi) != 0) {
		fs_listing_free(l);
		fs_handle_remove(&fs->handles, &fs->nodes, h);
	}
}

/* As try_lookup(). */
static bool try_opendir(fuse_req_t req, struct fs_node *node,
			const struct fuse_file_info *how, bool last)
{
	struct podfs_fs *fs = fs_of(req);
	struct fuse_file_info fi = *how;
	struct fs_listing *l = fs_listing_new();
	int err = l ? list(fs, node, l) : -ENOMEM;

	if (err == -EAGAIN && !last) {
		fs_listing_free(l);
		return false;
	}
	reply_handle(req, node, l, err, &fi);
	fs_node_put(&fs->nodes, node);
	return true;
}

void fs_virtual_opendir(fuse_req_t req, struct fs_node *node,
			struct fuse_file_info *fi)
{
	const struct fs_parked p = {
		.req = req, .node = node, .opendir = true, .fi = *fi
	};

	if (!try_opendir(req, node, fi, false) && !fs_park(fs_of(req), &p))
		try_opendir(req, node, fi, true);
}

bool fs_virtual_again(const struct fs_parked *p, bool last)
{
	return p->opendir ? try_opendir(p->req, p->node, &p->fi, last) :
			    try_lookup(p->req, p->node, p->name, last);
}

void fs_virtual_open(fuse_req_t req, struct fs_node *node,
		     struct fuse_file_info *fi)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_listing *l = fs_listing_new();
	char *(*write)(void *arg, size_t *ret_len) =
		node->kind == FS_STATUS ? fs->config.status :
					  fs->config.metrics;
	int err = l ? 0 : -ENOMEM;

	if ((fi->flags & O_ACCMODE) != O_RDONLY)
		err = -EACCES;
	if (!err && write)
		l->text = write(fs->config.status_arg, &l->text_len);
	if (!err && !l->text)
		err = -ENOMEM;
	fi->direct_io = 1; /* its size is not known before it is read */
	reply_handle(req, node, l, err, fi);
	fs_node_put(&fs->nodes, node);
}

void fs_virtual_read(fuse_req_t req, const struct fs_handle *h, size_t size,
		     off_t off)
{
	const struct fs_listing *l = h->listing;
	size_t at = off >= 0 ? (size_t)off : 0;
	char *copy;

	if (!l || !l->text) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if (at > l->text_len)
		at = l->text_len;
	if (size > l->text_len - at)
		size = l->text_len - at;
	/* The reader may close, and RELEASE free the listing on another thread,
	 * before the write of this reply has returned here. */
	copy = malloc(size + 1);
	if (!copy) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(copy, l->text + at, size);
	fuse_reply_buf(req, copy, size);
	free(copy);
}
