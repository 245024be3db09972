/* What has come of a piece, and whom that serves. */
#include "fs/forward_piece.h"

struct fs_version fs_version_of(const struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_version v;

	pthread_mutex_lock(&n->lock);
	v.writes = atomic_load(&op->node->writes);
	v.mtime = op->node->attr.mtime;
	v.ctime = op->node->attr.ctime;
	v.size = op->node->attr.size;
	pthread_mutex_unlock(&n->lock);
	return v;
}

bool fs_piece_is_good(const struct fs_piece *p, const struct fs_version *now)
{
	return p->version.writes == now->writes &&
	       p->version.size == now->size &&
	       wire_time_same(&p->version.mtime, &now->mtime) &&
	       wire_time_same(&p->version.ctime, &now->ctime);
}

/* How many bytes have come from @skip on without a gap; *@ret_end: the file ends
 * behind them. */
static size_t run_from(const struct fs_piece *p, size_t skip, bool *ret_end)
{
	size_t end = skip;

	*ret_end = false;
	for (size_t i = skip / FS_FORWARD_PART; i < FS_FORWARD_PARTS; i++) {
		const struct fs_piece_part *part = &p->parts[i];
		const size_t to = i * FS_FORWARD_PART + part->len;

		if (to > end)
			end = to;
		if (part->len == FS_FORWARD_PART)
			continue;
		*ret_end = part->ended;
		break;
	}
	return end - skip;
}

bool fs_piece_has(const struct fs_piece *p, const struct fs_op *op)
{
	bool end;

	return run_from(p, op->offset - p->offset, &end) >= op->size || end;
}

const uint8_t *fs_piece_bytes(const struct fs_piece *p, const struct fs_op *op,
			      size_t *ret_n)
{
	const size_t skip = op->offset - p->offset;
	bool end;
	const size_t n = run_from(p, skip, &end);

	*ret_n = op->size < n ? op->size : n;
	return p->data + skip;
}

struct fs_piece *fs_piece_find_locked(const struct fs_forward *f,
				      const struct fs_op *op)
{
	struct fs_piece *p = f->pieces;

	while (p && (op->offset < p->offset ||
		     op->offset + op->size > p->offset + FS_FORWARD_PIECE))
		p = p->next;
	return p;
}
