/* Changes of a folder that new files in it depend on: what was made ahead there is
 * given back. */
#include <sys/stat.h>

#include "fs/names.h"
#include "fs/reserve_inner.h"

static bool is_folder(const struct fs_name *name)
{
	return name && S_ISDIR(name->node->attr.mode);
}

static bool is_below(const struct fs_node *folder, const struct fs_name *top)
{
	while (folder != top->node && folder->names)
		folder = folder->names->parent;
	return folder == top->node;
}

static bool moves_locked(const struct fs_op *op, const struct fs_node *folder)
{
	struct fs_nodes *n = &op->fs->nodes;
	const struct fs_name *from = fs_names_find(n, op->node, op->name);
	const struct fs_name *to = fs_names_find(n, op->other, op->name2);

	return (is_folder(from) && is_below(folder, from)) ||
	       (is_folder(to) && is_below(folder, to));
}

static bool concerns_locked(const struct fs_op *op,
			    const struct fs_node *folder)
{
	return op->call.op == WIRE_OP_RENAME ? moves_locked(op, folder) :
					       op->node == folder;
}

static bool may_concern(const struct fs_op *op)
{
	const enum wire_op what = op->call.op;

	if (what == WIRE_OP_SETATTR)
		return op->flags & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID |
				    FUSE_SET_ATTR_GID);
	return what == WIRE_OP_SETXATTR || what == WIRE_OP_REMOVEXATTR ||
	       what == WIRE_OP_RENAME;
}

static void change(struct podfs_fs *fs, struct fs_reserve *x,
		   const struct fs_op *op, bool begins)
{
	struct fs_reserve_dropped d = { .n_files = 0 };

	pthread_mutex_lock(&fs->nodes.lock);
	if (x->folder && concerns_locked(op, x->folder)) {
		fs_reserve_drop_locked(fs, x, true, &d);
		x->round = ++fs->reserves.rounds;
		x->asked = 0;
		x->refused = begins;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_give_back(fs, &d);
}

void fs_reserve_changing(struct fs_op *op, bool begins)
{
	struct podfs_fs *fs = op->fs;

	if (!may_concern(op))
		return;
	for (unsigned i = 0; i < FS_RESERVE_FOLDERS; i++)
		change(fs, &fs->reserves.of[i], op, begins);
}
