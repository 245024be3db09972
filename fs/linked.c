#include "fs/linked.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "common/wire/msg.h"
#include "fs/fs_internal.h"
#include "fs/identity.h"
#include "fs/known.h"
#include "fs/tree.h"

/* At a time in a container: a tree that is copied by links (cp -al) is no reason to
 * ask for each. */
#define UNDER_WAY_MAX 32u

struct linked {
	struct podfs_call call;
	struct podfs_fs *fs;
	struct podfs_session *session;
	struct fs_tree *tree;
	uint8_t frame[];
};

static void forget(struct fs_nodes *n, struct podfs_session *s,
		   const struct wire_attr *attr)
{
	struct fs_node *node;

	pthread_mutex_lock(&n->lock);
	node = fs_identity_find(n, s, attr);
	if (!node || !node->names)
		node = fs_identity_seek(n, s, attr);
	if (node && node->names) {
		fs_known_drop_locked(node);
		node->attr.nlink = attr->nlink;
	}
	fs_watch_linked_locked(n, s, node);
	pthread_mutex_unlock(&n->lock);
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct linked *l = podfs_container_of(c, struct linked, call);
	struct wire_reader r = wire_reader_over(body, len);
	struct fs_nodes *n = &l->fs->nodes;
	struct wire_rep_LOOKUP m;
	/* its other name is its one name as before, or it is where that is told
	 * of */
	bool gone = status == -ENOENT || status == -ENOTDIR;

	if (!gone && (status || wire_dec_rep_LOOKUP(&r, &m) != 0))
		fs_watch_event(l->fs, l->session, NULL); /* any may be it */
	else if (!gone && S_ISREG(m.attr.mode) && m.attr.nlink > 1)
		forget(n, l->session, &m.attr);
	pthread_mutex_lock(&n->lock);
	l->tree->linked--;
	pthread_mutex_unlock(&n->lock);
	fs_tree_put(l->tree);
	podfs_session_put(l->session);
	free(l);
}

static bool begin(struct fs_nodes *n, struct fs_tree *tree)
{
	bool room;

	pthread_mutex_lock(&n->lock);
	room = tree->linked < UNDER_WAY_MAX;
	tree->linked += room;
	pthread_mutex_unlock(&n->lock);
	return room;
}

static bool send(struct podfs_fs *fs, struct fs_node *folder,
		 const struct fs_loc *loc)
{
	const size_t room = WIRE_PATH_MAX + 64;
	const struct wire_req_LOOKUP m = { .base = loc->base,
					   .path = fs_loc_path(loc) };
	struct wire_writer w;
	struct linked *l;

	if (!begin(&fs->nodes, folder->tree))
		return false;
	l = calloc(1, sizeof(*l) + PODFS_CALL_HEADROOM + room);
	if (!l) {
		pthread_mutex_lock(&fs->nodes.lock);
		folder->tree->linked--;
		pthread_mutex_unlock(&fs->nodes.lock);
		return false;
	}
	l->fs = fs;
	l->session = podfs_session_ref(folder->session);
	l->tree = fs_tree_ref(folder->tree);
	w = wire_writer_over(l->frame + PODFS_CALL_HEADROOM, room);
	wire_enc_req_LOOKUP(&w, &m);
	l->call.body_len = (size_t)(w.p - w.start);
	l->call.op = WIRE_OP_LOOKUP;
	l->call.epoch = loc->epoch;
	l->call.frame = l->frame;
	l->call.unawaited = true;
	l->call.done = on_done;
	podfs_session_submit(l->session, &l->call);
	return true;
}

bool fs_linked(struct podfs_fs *fs, struct fs_node *folder, const char *name)
{
	struct fs_loc loc;
	bool sent;

	if (fs_node_loc(&fs->nodes, folder, name, &loc) != 0)
		return false;
	sent = send(fs, folder, &loc);
	fs_loc_done(&loc);
	return sent;
}
