#include "fs/absent.h"

#include <string.h>

#include "common/base/hash.h"
#include "fs/clock.h"
#include "fs/op.h"
#include "fs/tree.h"

/* By which it is the same wherever it is mounted in the container. */
struct folder_key {
	uint64_t dev, ino;
};

static bool key_locked(const struct fs_node *folder, struct folder_key *ret)
{
	if (!folder->attr_known || (folder->attr.flags & WIRE_ATTR_VOLATILE))
		return false;
	*ret = (struct folder_key){ folder->attr.dev, folder->attr.ino };
	return true;
}

static unsigned slot_of(const struct folder_key *key)
{
	return (unsigned)(podfs_hash(key, sizeof(*key)) % FS_ABSENT_FOLDERS);
}

static unsigned *added_locked(struct fs_nodes *n, const struct folder_key *key)
{
	return &n->added.folders[slot_of(key)];
}

static uint64_t hash_of(const struct folder_key *key, const char *name)
{
	char text[sizeof(*key) + WIRE_NAME_MAX];
	size_t len = strnlen(name, WIRE_NAME_MAX);

	memcpy(text, key, sizeof(*key));
	memcpy(text + sizeof(*key), name, len);
	return podfs_hash(text, sizeof(*key) + len);
}

void fs_absent_doubt_all_locked(struct fs_nodes *n)
{
	for (unsigned i = 0; i < FS_ABSENT_FOLDERS; i++)
		n->added.folders[i]++;
}

static void note_locked(struct fs_nodes *n, unsigned slot,
			const struct fs_node *folder)
{
	n->added.folders[slot]++;
	if (n->added.by[slot].last != folder)
		n->added.by[slot].others_at = n->added.by[slot].last_at;
	n->added.by[slot].last = folder;
	n->added.by[slot].last_at = fs_now_ms();
}

void fs_absent_doubt_locked(struct fs_nodes *n, const struct fs_node *folder)
{
	struct folder_key key;

	if (key_locked(folder, &key))
		note_locked(n, slot_of(&key), folder);
	else /* a container's root, not seen yet, or nothing that is remembered */
		fs_absent_doubt_all_locked(n);
}

bool fs_absent_shared_locked(const struct fs_nodes *n,
			     const struct fs_node *folder, int64_t since)
{
	struct folder_key key;
	unsigned slot;

	if (!key_locked(folder, &key))
		return false;
	slot = slot_of(&key);
	return (n->added.by[slot].last == folder ?
			n->added.by[slot].others_at :
			n->added.by[slot].last_at) >= since;
}

bool fs_absent_shared(struct fs_nodes *n, const struct fs_node *folder,
		      int64_t since)
{
	bool shared;

	pthread_mutex_lock(&n->lock);
	shared = fs_absent_shared_locked(n, folder, since);
	pthread_mutex_unlock(&n->lock);
	return shared;
}

void fs_absent_adding(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;

	pthread_mutex_lock(&n->lock);
	fs_absent_doubt_locked(n, op->name2[0] ? op->other : op->node);
	pthread_mutex_unlock(&n->lock);
}

void fs_absent_begin(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct folder_key key;

	pthread_mutex_lock(&n->lock);
	op->asks = key_locked(op->node, &key);
	if (op->asks)
		op->added = *added_locked(n, &key);
	pthread_mutex_unlock(&n->lock);
}

/* A rename(2) within one folder has itself added a name to it. */
static bool own_locked(const struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct folder_key key, other;

	return op->name2[0] && key_locked(op->node, &key) &&
	       key_locked(op->other, &other) &&
	       added_locked(n, &key) == added_locked(n, &other);
}

int64_t fs_absent_until(const struct podfs_fs *fs, int64_t at)
{
	int64_t old = at + fs_attr_timeout_ms(fs);
	int64_t soon = fs_now_ms() + FS_ABSENT_MS;

	return old < soon ? old : soon;
}

void fs_absent_told(struct fs_op *op)
{
	struct fs_nodes *n = &op->fs->nodes;
	struct folder_key key;
	uint64_t name;

	/* settled: it was done, and another may have the name by now */
	if (!op->asks || op->pid == 0 || op->sent > 0)
		return;
	pthread_mutex_lock(&n->lock);
	if (key_locked(op->node, &key) &&
	    *added_locked(n, &key) == op->added + own_locked(op)) {
		name = hash_of(&key, op->name);
		op->node->tree->absents[name % FS_ABSENT_SLOTS] =
			(struct fs_absent){
				.name = name,
				.pid = op->pid,
				.epoch = podfs_session_epoch(op->session),
				.added = *added_locked(n, &key),
				.until = fs_absent_until(op->fs, op->when.at),
			};
	}
	pthread_mutex_unlock(&n->lock);
}

bool fs_absent_is(struct fs_nodes *n, struct fs_node *folder, const char *name,
		  int pid)
{
	uint32_t epoch = fs_node_epoch(folder);
	const struct fs_absent *x;
	struct folder_key key;
	bool is = false;
	uint64_t hash;

	if (!folder->tree || pid == 0 || strlen(name) > WIRE_NAME_MAX)
		return false;
	pthread_mutex_lock(&n->lock);
	if (key_locked(folder, &key)) {
		hash = hash_of(&key, name);
		x = &folder->tree->absents[hash % FS_ABSENT_SLOTS];
		is = x->name == hash && x->pid == pid && x->epoch == epoch &&
		     x->added == *added_locked(n, &key) &&
		     fs_now_ms() < x->until;
	}
	pthread_mutex_unlock(&n->lock);
	return is;
}
