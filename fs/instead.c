#include "fs/instead.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/audit.h"
#include "fs/clock.h"
#include "fs/convert.h"
#include "fs/identity.h"
#include "fs/names.h"

#define KEPT_MAX 64u
/* A second try begins at once, but looks up each folder on the way, and the
 * machine may be busy. */
#define AGE_MS 5000
/* It looks the name up to see that it is another's, and what it is; where others
 * do the same at the same time, again. */
#define LOOKUPS_MAX 8u

/* ---- the list, under the lock ------------------------------------------------ */

static struct fs_instead *unlink_at(struct podfs_fs *fs, struct fs_instead **at)
{
	struct fs_instead *i = *at;

	*at = i->next;
	atomic_fetch_sub(&fs->insteads_kept, 1);
	return i;
}

/* Those that are over, in a list of their own: freed outside the lock. Over are
 * the old ones, the last of too many, and those of @pid, unless it is 0, which
 * is whoever can't be seen from here. */
static struct fs_instead *over_locked(struct podfs_fs *fs, pid_t pid)
{
	int64_t now = fs_now_ms();
	struct fs_instead **at = &fs->insteads, *over = NULL, *i;
	unsigned count = 0;

	while (*at) {
		if (now - (*at)->at < AGE_MS && ++count <= KEPT_MAX &&
		    !(pid && (*at)->pid == pid)) {
			at = &(*at)->next;
			continue;
		}
		i = unlink_at(fs, at);
		i->next = over;
		over = i;
	}
	return over;
}

static void free_all(struct podfs_fs *fs, struct fs_instead *list)
{
	while (list) {
		struct fs_instead *i = list;

		list = i->next;
		fs_instead_free(fs, i);
	}
}

static bool is_of(const struct fs_instead *i, pid_t pid,
		  const struct fs_node *node)
{
	return i->pid == pid && i->parent->session == node->session &&
	       fs_identity_same(node, &i->attr);
}

/* ---- keeping ------------------------------------------------------------------ */

/* What stands behind the place in the body of a request: all that makes one
 * differ from another. Of an OPEN, how much of the content is wanted with it
 * makes none. */
static bool asked_of(const struct fs_op *op, size_t body_len,
		     struct fs_instead *ret)
{
	const uint8_t *body = op->frame + PODFS_CALL_HEADROOM;
	struct wire_reader r = wire_reader_over(body, body_len);

	wire_get_u64(&r);
	wire_get_path(&r);
	if (r.bad)
		return false;
	ret->asked_len = (size_t)(r.end - r.p);
	if (op->call.op == WIRE_OP_OPEN)
		ret->asked_len = sizeof(uint32_t);
	if (ret->asked_len > sizeof(ret->asked) ||
	    ret->asked_len > (size_t)(r.end - r.p))
		return false;
	memcpy(ret->asked, r.p, ret->asked_len);
	return true;
}

static bool name_locked(struct fs_node *node, struct fs_instead *i)
{
	const struct fs_name *name = node->names ? node->names : node->lost;

	if (!name)
		return false;
	i->parent = name->parent;
	i->parent->refs++;
	memcpy(i->name, fs_name_text(name), strlen(fs_name_text(name)) + 1);
	return true;
}

bool fs_instead_keep(struct fs_op *op, const struct wire_attr *attr,
		     struct fs_remote remote)
{
	struct podfs_fs *fs = op->fs;
	struct fs_instead *i = calloc(1, sizeof(*i)), *over = NULL;
	bool kept = i && !S_ISLNK(attr->mode) &&
		    asked_of(op, op->call.body_len, i);

	if (kept) {
		i->op = (enum wire_op)op->call.op;
		i->pid = op->pid;
		i->at = fs_now_ms();
		i->attr = *attr;
		pthread_mutex_lock(&fs->nodes.lock);
		kept = name_locked(op->node, i);
		if (kept) {
			i->remote = remote;
			i->audit = podfs_steal_ptr(&op->audit_file);
			i->next = fs->insteads;
			fs->insteads = i;
			atomic_fetch_add(&fs->insteads_kept, 1);
			over = over_locked(fs, 0);
		}
		pthread_mutex_unlock(&fs->nodes.lock);
	}
	if (!kept)
		free(i);
	free_all(fs, over);
	return kept;
}

void fs_instead_free(struct podfs_fs *fs, struct fs_instead *i)
{
	if (!i)
		return;
	if (i->remote.handle)
		fs_release_remote(i->parent->session, i->remote.handle,
				  i->remote.epoch);
	fs_audit_closed(i->audit);
	fs_node_put(&fs->nodes, i->parent);
	free(i);
}

void fs_insteads_done(struct podfs_fs *fs)
{
	while (fs->insteads) {
		struct fs_instead *i = unlink_at(fs, &fs->insteads);

		fs_audit_closed(i->audit);
		free(i);
	}
}

/* ---- the second try ------------------------------------------------------------ */

/* The kernel is to keep neither the name nor the attributes: others may have
 * seen them change meanwhile. */
bool fs_instead_lookup(fuse_req_t req, struct fs_node *parent, const char *name)
{
	struct podfs_fs *fs = fs_of(req);
	pid_t pid = fuse_req_ctx(req)->pid;
	struct fs_instead *over, *i;
	struct fuse_entry_param e;
	struct wire_attr attr;

	if (atomic_load(&fs->insteads_kept) == 0)
		return false;
	pthread_mutex_lock(&fs->nodes.lock);
	over = over_locked(fs, 0);
	for (i = fs->insteads;
	     i && (i->pid != pid || i->parent != parent ||
		   i->lookups == LOOKUPS_MAX || strcmp(i->name, name) != 0);
	     i = i->next)
		;
	if (i) {
		i->lookups++;
		attr = i->attr;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	free_all(fs, over);
	if (!i || fs_entry_of(fs, parent, name, &attr, wire_str_from(""),
			      FS_NEVER, &e) != 0)
		return false;
	e.attr_timeout = 0;
	e.entry_timeout = 0;
	if (fuse_reply_entry(req, &e) != 0)
		fs_node_forget(&fs->nodes, e.ino, 1);
	return true;
}

/* Before it opens the kernel may ask for what the mode allows. */
bool fs_instead_getattr(fuse_req_t req, struct fs_node *node)
{
	struct podfs_fs *fs = fs_of(req);
	pid_t pid = fuse_req_ctx(req)->pid;
	struct fs_instead **at, *i = NULL;
	struct wire_attr attr;
	struct stat st;
	bool found;

	if (atomic_load(&fs->insteads_kept) == 0)
		return false;
	pthread_mutex_lock(&fs->nodes.lock);
	for (at = &fs->insteads; *at && !is_of(*at, pid, node);
	     at = &(*at)->next)
		;
	found = *at;
	if (found)
		attr = (*at)->attr;
	if (found && (*at)->op == WIRE_OP_GETATTR)
		i = unlink_at(fs, at);
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_instead_free(fs, i);
	if (!found || fs_stat_of(fs, node, &attr, &st) != 0)
		return false;
	fuse_reply_attr(req, &st, 0);
	return true;
}

struct fs_instead *fs_instead_take(struct fs_op *op,
				   const struct wire_writer *w)
{
	struct podfs_fs *fs = op->fs;
	struct fs_instead **at, *over, *i = NULL;
	struct fs_instead like = { .op = (enum wire_op)op->call.op };
	size_t len;

	if (atomic_load(&fs->insteads_kept) == 0)
		return NULL;
	if (wire_writer_done(w, &len) != 0 || !asked_of(op, len, &like))
		like.op = WIRE_OP_GETATTR; /* of which none is taken */
	pthread_mutex_lock(&fs->nodes.lock);
	for (at = &fs->insteads; *at; at = &(*at)->next) {
		if (!is_of(*at, op->pid, op->node) || (*at)->op != like.op ||
		    (*at)->asked_len != like.asked_len ||
		    memcmp((*at)->asked, like.asked, like.asked_len) != 0)
			continue;
		i = unlink_at(fs, at);
		break;
	}
	over = over_locked(fs, op->pid);
	pthread_mutex_unlock(&fs->nodes.lock);
	free_all(fs, over);
	if (i && i->remote.handle &&
	    i->remote.epoch != podfs_session_epoch(op->session)) {
		fs_instead_free(fs, i);
		return NULL;
	}
	return i;
}
