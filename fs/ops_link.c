/* READLINK: as links may be shown (link.h), from memory or from the helper. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/convert.h"
#include "fs/link.h"

/* Whether the link is still where it was when the helper was asked: the answer
 * may be late, and what is right for one depth leads out from another. */
static bool still_there(struct fs_op *op)
{
	struct fs_loc loc;
	bool same;

	if (fs_node_loc_last(&op->fs->nodes, op->node, &loc) != 0)
		return false;
	same = loc.depth == op->size + 1;
	if (loc.held)
		fs_handle_put(&op->fs->nodes, loc.held);
	fs_loc_done(&loc);
	return same;
}

static void reply_link(struct fs_op *op, const char *shown)
{
	if (!still_there(op))
		fs_op_error(op, -ESTALE);
	else if (fs_op_claim(op))
		fuse_reply_readlink(op->req, shown);
}

static void resolve_done(struct fs_op *op, int status, const uint8_t *body,
			 size_t len)
{
	struct wire_rep_RESOLVE m;
	char shown[PATH_MAX];

	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, RESOLVE, body, len, &m))
		return;
	if (fs_link_from_root(m.path, (unsigned)op->size, shown))
		reply_link(op, shown);
	else
		fs_op_error(op, -ENAMETOOLONG);
}

/* Goes on with the same kernel request, as another operation. */
static void resolve_instead(struct fs_op *op)
{
	struct fs_op *next;
	struct fs_loc loc;

	if (!fs_op_claim(op))
		return;
	fs_node_ref(&op->fs->nodes, op->node);
	next = fs_op_new(op->req, op->node, WIRE_OP_RESOLVE, 0, resolve_done);
	if (!next)
		return;
	if (!fs_op_at(next, fs_node_loc_last(&op->fs->nodes, op->node, &loc),
		      &loc))
		return;
	if (loc.base != WIRE_BASE_ROOT) {
		/* below an open folder without a name: no path from the root */
		fs_loc_done(&loc);
		fs_op_fail(next, ESTALE);
		return;
	}
	next->size = op->size;
	FS_SEND(next, RESOLVE, .base = WIRE_BASE_ROOT,
		.path = fs_loc_path(&loc));
	fs_loc_done(&loc);
}

static void readlink_done(struct fs_op *op, int status, const uint8_t *body,
			  size_t len)
{
	struct wire_rep_READLINK m;
	char shown[PATH_MAX];

	if (status == -EINVAL)
		status = -ESTALE; /* by now it's a file: that is looked up */
	if (status) {
		fs_op_error(op, status);
		return;
	}
	if (!FS_DECODE(op, READLINK, body, len, &m))
		return;
	switch (fs_link_show(m.target, (unsigned)op->size, shown)) {
	case FS_LINK_SAFE:
		reply_link(op, shown);
		break;
	case FS_LINK_RESOLVE:
		resolve_instead(op);
		break;
	case FS_LINK_BROKEN:
	default:
		fs_op_error(op, -EIO);
		break;
	}
}

/* It came with its folder, a moment ago. */
static bool reply_known(struct fs_op *op, unsigned depth)
{
	const struct podfs_fs *fs = op->fs;
	char *target = fs_node_target(&op->fs->nodes, op->node,
				      fs_attr_timeout_ms(fs), op->pid);
	char shown[PATH_MAX];
	bool known = target && fs_link_show(wire_str_from(target), depth,
					    shown) == FS_LINK_SAFE;

	free(target);
	if (known && fs_op_claim(op))
		fuse_reply_readlink(op->req, shown);
	if (known)
		fs_op_put(op);
	return known;
}

void fs_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct podfs_fs *fs = fs_of(req);
	struct fs_node *node = fs_node_get(&fs->nodes, ino);
	struct fs_op *op =
		fs_op_new(req, node, WIRE_OP_READLINK, 0, readlink_done);
	struct fs_loc loc;

	if (!op)
		return;
	if (!fs_op_at(op, fs_node_loc_last(&fs->nodes, node, &loc), &loc))
		return;
	if (loc.depth == 0) {
		fs_loc_done(&loc);
		fs_op_fail(op, EINVAL); /* the container's folder is no link */
		return;
	}
	if (reply_known(op, loc.depth - 1)) {
		fs_loc_done(&loc);
		return;
	}
	op->size = loc.depth - 1;
	FS_SEND(op, READLINK, .base = loc.base, .path = fs_loc_path(&loc));
	fs_loc_done(&loc);
}
