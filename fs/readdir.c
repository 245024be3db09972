/*
 * READDIR and READDIRPLUS: one exchange with the helper fills a buffer that
 * many kernel requests are served from.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/known.h"
#include "fs/listing.h"
#include "fs/part.h"
#include "fs/told.h"
#include "fs/tree.h"

struct out {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	bool plus;
	double age; /* seconds, of what is sent */
	struct fs_moment when; /* that was asked for */
	bool known;	       /* maybe long ago */
	bool stale;	       /* and things changed since */
	/* nodes that the kernel was told of, should the reply fail */
	uint64_t *told;
	size_t n_told, cap_told;
};

static bool out_init(struct out *o, fuse_req_t req, size_t size, bool plus)
{
	memset(o, 0, sizeof(*o));
	o->req = req;
	o->size = size;
	o->plus = plus;
	o->buf = malloc(size ? size : 1);
	return o->buf;
}

static void out_done(struct out *o)
{
	free(o->buf);
	free(o->told);
}

static void out_send(struct out *o)
{
	struct podfs_fs *fs = fs_of(o->req); /* which ends with the reply */

	if (fuse_reply_buf(o->req, o->buf, o->used) != 0)
		for (size_t i = 0; i < o->n_told; i++)
			fs_node_forget(&fs->nodes, o->told[i], 1);
	out_done(o);
}

/* A name and a type, without a node. False: full. */
static bool add_plain(struct out *o, const char *name, const struct stat *st,
		      off_t next)
{
	struct fuse_entry_param e = { .attr = *st };
	size_t room = o->size - o->used;
	size_t n = o->plus ? fuse_add_direntry_plus(o->req, o->buf + o->used,
						    room, name, &e, next) :
			     fuse_add_direntry(o->req, o->buf + o->used, room,
					       name, st, next);

	if (n > room)
		return false;
	o->used += n;
	return true;
}

static bool remember_told(struct out *o, uint64_t id)
{
	if (o->n_told == o->cap_told) {
		size_t cap = o->cap_told ? o->cap_told * 2 : 64;
		void *told = realloc(o->told, cap * sizeof(*o->told));

		if (!told)
			return false;
		o->told = told;
		o->cap_told = cap;
	}
	o->told[o->n_told++] = id;
	return true;
}

/* A folder's attributes change by what is in it, of which its own folder isn't
 * told. */
static bool entry_of(const struct out *o, struct podfs_fs *fs,
		     struct fs_node *dir, const char *name,
		     const struct wire_entry *w, struct fuse_entry_param *ret)
{
	if (o->stale)
		return false;
	if (o->known && S_ISDIR(w->attr.mode))
		return fs_known_entry(fs, dir, name,
				      fuse_req_ctx(o->req)->pid, ret);
	return fs_entry_of(fs, dir, name, &w->attr, w->target, o->when, ret) ==
	       0;
}

/* With a node that the kernel is told of; else by its name and type only. */
static bool has_node(struct out *o, struct fs_node *dir, const char *name,
		     const struct wire_entry *w, struct fuse_entry_param *ret)
{
	struct podfs_fs *fs = fs_of(o->req);

	if (!entry_of(o, fs, dir, name, w, ret))
		return false;
	if (remember_told(o, ret->ino))
		return true;
	fs_node_forget(&fs->nodes, ret->ino, 1);
	return false;
}

static bool add_plus(struct out *o, struct fs_node *dir, const char *name,
		     const struct wire_entry *w, off_t next)
{
	size_t room = o->size - o->used;
	struct fuse_entry_param e;
	size_t n;

	/* measured first: a node that doesn't fit must not be counted */
	if (fuse_add_direntry_plus(o->req, NULL, 0, name, NULL, 0) > room)
		return false;
	if (!has_node(o, dir, name, w, &e)) {
		struct stat st = { .st_mode = DTTOIF(w->type),
				   .st_ino = fs_ino_of(fs_of(o->req), dir, w) };

		return add_plain(o, name, &st, next);
	}
	fs_entry_aged(&e, o->age);
	n = fuse_add_direntry_plus(o->req, o->buf + o->used, room, name, &e,
				   next);
	o->used += n;
	return true;
}

/* "." and "..", whose attributes the kernel has. Returns false when full. */
static bool add_dots(struct out *o, off_t off)
{
	const struct stat st = { .st_mode = S_IFDIR, .st_ino = FS_INO_UNKNOWN };

	if (off == 0 && !add_plain(o, ".", &st, FS_OFF_DOT))
		return false;
	if ((off == 0 || off == FS_OFF_DOT) &&
	    !add_plain(o, "..", &st, FS_OFF_DOTDOT))
		return false;
	return true;
}

/* ---- the cluster's folders --------------------------------------------------------- */

static void send_names(fuse_req_t req, struct fs_handle *h, size_t size,
		       off_t off, bool plus)
{
	const struct fs_listing *l = h->listing;
	struct stat st = { .st_mode = h->node->kind == FS_META ? S_IFREG :
								 S_IFDIR,
			   .st_ino = FS_INO_UNKNOWN };
	size_t at = fs_off_is_start(off) ? 0 : (size_t)off;
	struct out o;

	if (!out_init(&o, req, size, plus)) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (add_dots(&o, off))
		while (at < l->n_names &&
		       add_plain(&o, l->names[at].name, &st, (off_t)at + 1))
			at++;
	out_send(&o);
}

/* ---- a container's folders ---------------------------------------------------------- */

static bool name_of(struct podfs_fs *fs, const struct wire_entry *w, char *ret)
{
	if (!wire_name_ok(w->name)) {
		/* the kernel would fail the whole folder, or let it through */
		atomic_fetch_add(&fs->dropped_names, 1);
		podfs_debug("fs", "name %s left out of a folder",
			    podfs_quote_n(w->name.p, w->name.n).text);
		return false;
	}
	memcpy(ret, w->name.p, w->name.n);
	ret[w->name.n] = '\0';
	return true;
}

/* From the listing's buffer, behind the entry whose cookie is @cookie; all of
 * it if that is what was asked for. False: the buffer doesn't have it. Behind
 * the last, where a helper gave several the same: who reads on comes on. */
static bool seek(const struct fs_listing *l, uint64_t cookie,
		 struct wire_reader *ret)
{
	struct wire_reader r = wire_reader_over(l->data, l->len);
	struct wire_entry e;
	bool found = false;

	if (!l->valid)
		return false;
	if (l->from == cookie) {
		*ret = r;
		return l->len > 0 || l->end;
	}
	while (r.p != r.end && wire_dec_entry(&r, &e) == 0) {
		if (e.cookie != cookie)
			continue;
		*ret = r;
		found = r.p != r.end || l->end;
	}
	return found;
}

static void send_entries(fuse_req_t req, struct fs_handle *h,
			 struct wire_reader *r, size_t size, off_t off,
			 bool plus)
{
	struct podfs_fs *fs = fs_of(req);
	char name[WIRE_NAME_MAX + 1];
	struct wire_entry e;
	bool room;
	struct out o;

	if (!out_init(&o, req, size, plus)) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	room = add_dots(&o, off);
	o.age = (double)(fs_now_ms() - h->listing->at) / 1000;
	o.when = h->listing->when;
	o.known = h->listing->known;
	o.stale = o.known && !fs_known_quiet(&fs->nodes, h->node, o.when,
					     fuse_req_ctx(req)->pid);
	while (room && r->p != r->end && wire_dec_entry(r, &e) == 0) {
		struct stat st = { .st_mode = DTTOIF(e.type),
				   .st_ino = fs_ino_of(fs, h->node, &e) };

		if (!name_of(fs, &e, name))
			continue;
		room = plus && e.plus ?
			       add_plus(&o, h->node, name, &e,
					(off_t)e.cookie) :
			       add_plain(&o, name, &st, (off_t)e.cookie);
	}
	out_send(&o);
}

/* ---- fetching ------------------------------------------------------------------------ */

/* The entries of one frame, behind those that were there. */
static int collect(struct fs_op *op, const uint8_t *body, size_t len,
		   bool *ret_end)
{
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_READDIR m;

	if (wire_dec_rep_READDIR(&r, &m) != 0)
		return -EIO;
	*ret_end = m.end;
	/* more than was asked for: not this helper's idea of a budget */
	return fs_part_add(&op->data, &op->data_len, m.entries,
			   FS_FETCH_BYTES + WIRE_DATA_MAX);
}

static int fetch_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	bool end;

	return collect(podfs_container_of(c, struct fs_op, call), body, len,
		       &end);
}

static void fetch_restart(struct podfs_call *c)
{
	podfs_container_of(c, struct fs_op, call)->data_len = 0;
}

/* A folder that is no more has no entries for who has it open. One that was only
 * moved has, and nobody knows where: that stays an error. */
static bool was_removed(struct fs_op *op, int status)
{
	bool removed;

	pthread_mutex_lock(&op->fs->nodes.lock);
	removed = op->node->removed;
	pthread_mutex_unlock(&op->fs->nodes.lock);
	return status == -ESTALE && removed;
}

/* op->offset: the kernel's; op->size; op->flags: plus */
static void fetch_done(struct fs_op *op, int status, const uint8_t *body,
		       size_t len)
{
	off_t off = (off_t)op->offset;
	uint64_t from = fs_off_is_start(off) ? 0 : op->offset;
	struct fs_listing *l;
	struct wire_reader r;
	bool end = false;

	if (was_removed(op, status)) {
		status = 0;
		end = true;
		op->data_len = 0;
	} else if (!status) {
		status = collect(op, body, len, &end);
	}
	/* an empty reply that isn't the end would be asked for for ever */
	if (!status && ((op->data_len == 0 && !end) ||
			!fs_listing_ok(op->data, op->data_len, from)))
		status = -EIO;
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!fs_op_claim(op))
		return; /* given up: the handle may be gone */
	l = op->handle->listing;
	if (from == 0 && end)
		fs_listing_sort(&op->data, op->data_len);
	pthread_mutex_lock(&l->lock);
	free(l->data);
	l->data = op->data;
	l->len = op->data_len;
	op->data = NULL;
	l->from = from;
	l->end = end;
	l->valid = true;
	l->at = fs_now_ms();
	l->when = op->when;
	l->known = false;
	r = wire_reader_over(l->data, l->len);
	pthread_mutex_unlock(&l->lock);
	send_entries(op->req, op->handle, &r, op->size, off, op->flags);
}

static void fetch(fuse_req_t req, struct fuse_file_info *fi, size_t size,
		  off_t off, bool plus)
{
	struct fs_op *op =
		fs_op_by_handle(req, fi, WIRE_OP_READDIR, 0, fetch_done);

	if (!op)
		return;
	fs_told_read(&op->fs->nodes, op->node);
	op->offset = (uint64_t)off;
	op->size = size;
	op->flags = plus;
	op->call.part = fetch_part;
	op->call.restart = fetch_restart;
	FS_SEND(op, READDIR, .handle = op->remote,
		.cookie = fs_off_is_start(off) ? 0 : (uint64_t)off,
		.count = FS_FETCH_BYTES, .plus = true); /* for d_ino at least */
}

/* Came with the open, and nothing was changed since: a moment ago, or as is
 * known. */
static bool is_fresh_locked(struct podfs_fs *fs, const struct fs_handle *h,
			    pid_t pid)
{
	const struct fs_listing *l = h->listing;

	return l->unread &&
	       l->changes == atomic_load(&h->node->tree->changes) &&
	       ((double)(fs_now_ms() - l->at) <
			fs->config.attr_timeout * 1000 ||
		fs_known_quiet(&fs->nodes, h->node, l->when, pid));
}

static void read_folder(fuse_req_t req, size_t size, off_t off,
			struct fuse_file_info *fi, bool plus)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_handle *h = fs_handle_get(&fs->handles, &fs->nodes, fi->fh);
	struct fs_listing *l = h ? h->listing : NULL;
	struct wire_reader r;
	bool here, endless;

	if (!l) {
		fuse_reply_err(req, h ? ENOMEM : EBADF);
		return;
	}
	if (fs_handle_remote(&fs->nodes, h).handle == 0) {
		send_names(req, h, size, off, plus);
		return;
	}
	pthread_mutex_lock(&l->lock);
	/* rewinddir(3) and a first read want today's names */
	here = (off != 0 || is_fresh_locked(fs, h, fuse_req_ctx(req)->pid)) &&
	       seek(l, fs_off_is_start(off) ? 0 : (uint64_t)off, &r);
	l->unread = false;
	if (!here)
		l->fetches = fs_off_is_start(off) ? 1 : l->fetches + 1;
	endless = l->fetches > FS_FETCHES_MAX;
	pthread_mutex_unlock(&l->lock);
	/* the kernel reads a folder's handle in one thread at a time, so the
	 * buffer stays while it is sent from */
	fs_told_gave(&fs->nodes, h->node);
	if (here)
		send_entries(req, h, &r, size, off, plus);
	else if (endless)
		fuse_reply_err(req, EIO);
	else
		fetch(req, fi, size, off, plus);
}

void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	(void)ino;
	read_folder(req, size, off, fi, false);
}

void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)ino;
	read_folder(req, size, off, fi, true);
}
