#include "fs/made.h"

#include <string.h>
#include <sys/stat.h>

#include "fs/absent.h"
#include "fs/clock.h"
#include "fs/names.h"
#include "fs/op.h"

void fs_made_folder(struct fs_op *op, uint64_t id)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *node = fs_node_get(n, id);

	if (!node)
		return;
	pthread_mutex_lock(&n->lock);
	/* some kernels' file systems fill new folders (cgroups), and what was
	 * looked for after its reply was lost may be somebody else's */
	if ((node->attr.flags & WIRE_ATTR_LOCAL) && op->sent == 0)
		node->made = (struct fs_made){ .by = op->pid,
					       .at = op->when.at,
					       .lost = node->made.lost };
	pthread_mutex_unlock(&n->lock);
	fs_node_put(n, node);
}

/* Where its new name is. */
static struct fs_node *folder_of(const struct fs_op *op)
{
	return op->other ? op->other : op->node;
}

void fs_made_lost_locked(struct fs_node *folder)
{
	folder->made.by = 0;
	folder->made.lost++;
}

void fs_made_begin(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_node *folder = folder_of(op);
	struct fs_made before;

	pthread_mutex_lock(&n->lock);
	before = folder->made;
	fs_made_lost_locked(folder);
	if (op->node != folder)
		fs_made_lost_locked(op->node);
	op->made = folder->made;
	op->made.by = before.by;
	pthread_mutex_unlock(&n->lock);
}

void fs_made_added(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct fs_made *m = &folder_of(op)->made;

	pthread_mutex_lock(&n->lock);
	if (m->lost == op->made.lost)
		m->by = op->made.by;
	pthread_mutex_unlock(&n->lock);
}

static bool is_ours_locked(struct fs_nodes *n,
			   const struct fs_node *folder, struct wire_str name)
{
	char text[WIRE_NAME_MAX + 1];

	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	return fs_names_find(n, folder, text);
}

void fs_made_listed(struct fs_nodes *n, struct fs_node *folder,
		    const uint8_t *entries, size_t len, int64_t at)
{
	struct wire_reader r = wire_reader_over(entries, len);
	struct wire_entry e;
	bool ours = true;

	pthread_mutex_lock(&n->lock);
	while (ours && r.p != r.end)
		ours = wire_dec_entry(&r, &e) == 0 &&
		       (e.name.n > WIRE_NAME_MAX ||
			is_ours_locked(n, folder, e.name));
	/* else it may be what was made meanwhile */
	if (ours)
		folder->made.at = at;
	pthread_mutex_unlock(&n->lock);
}

bool fs_made_lacks(struct fs_nodes *n, struct fs_node *folder, const char *name,
		   int pid, int64_t age_ms)
{
	const struct fs_made *m = &folder->made;
	bool lacks;

	pthread_mutex_lock(&n->lock);
	lacks = m->by && m->by == pid && fs_now_ms() - m->at < age_ms &&
		strlen(name) <= WIRE_NAME_MAX &&
		(folder->attr.mode & S_IXUSR) &&
		!fs_names_find(n, folder, name) &&
		!fs_absent_shared_locked(n, folder, m->at);
	pthread_mutex_unlock(&n->lock);
	return lacks;
}
