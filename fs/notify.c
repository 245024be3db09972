#include "fs/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/guard.h"
#include "fs/fs_internal.h"

struct fs_notice {
	struct fs_notice *next;
	bool of_file;
	union {
		struct podfs_tree_change change;
		struct fs_file_notice file;
	};
};

/* What a helper tells is soon of no use: the kernel asks again by itself after
 * --attr-timeout. */
#define FILES_MAX 1024u

/* The node of the folder that holds @ref's last name, if the kernel has one. */
static struct fs_node *parent_of(struct podfs_fs *fs,
				 const struct podfs_ref *ref,
				 const char **ret_name)
{
	struct fs_node *node = fs->nodes.root;
	const char *way[] = { ref->ns, ref->pod, ref->container };
	unsigned depth = ref->kind == PODFS_NAMESPACE ? 0 :
			 ref->kind == PODFS_POD	      ? 1 :
							2;

	fs_node_ref(&fs->nodes, node);
	*ret_name = way[depth];
	for (unsigned i = 0; node && i < depth; i++) {
		struct fs_node *below =
			fs_node_named(&fs->nodes, node, way[i]);

		fs_node_put(&fs->nodes, node);
		node = below;
	}
	return node;
}

static void tell(struct podfs_fs *fs, const struct podfs_tree_change *c)
{
	const char *name;
	struct fs_node *parent = parent_of(fs, &c->what, &name);
	struct fs_node *child;

	if (!parent)
		return;
	child = fs_node_named(&fs->nodes, parent, name);
	if (c->removed && child) {
		fs_node_unname(&fs->nodes, parent, name);
		fuse_lowlevel_notify_delete(fs->session,
					    parent == fs->nodes.root ?
						    FUSE_ROOT_ID :
						    parent->id,
					    child->id, name, strlen(name));
	}
	fuse_lowlevel_notify_inval_entry(
		fs->session,
		parent == fs->nodes.root ? FUSE_ROOT_ID : parent->id, name,
		strlen(name));
	fs_node_put(&fs->nodes, child);
	fs_node_put(&fs->nodes, parent);
}

/* Nothing is taken out of the kernel's memory, which would take it from under
 * who is in there: it asks again. */
static void tell_file(struct podfs_fs *fs, const struct fs_file_notice *f)
{
	struct fuse_session *s = fs->session;

	if (f->child)
		fuse_lowlevel_notify_inval_inode(s, f->child,
						 f->pages ? 0 : -1, 0);
	if (f->self)
		fuse_lowlevel_notify_inval_inode(s, f->folder, -1, 0);
	if (f->entry)
		fuse_lowlevel_notify_expire_entry(s, f->folder, f->name,
						  strlen(f->name),
						  FUSE_LL_EXPIRE_ONLY);
}

void fs_notify_attr(struct podfs_fs *fs, const struct fs_node *node)
{
	fuse_lowlevel_notify_inval_inode(fs->session, node->id, -1, 0);
}

static void *notify(void *arg)
{
	struct podfs_fs *fs = arg;
	struct fs_notifier *n = &fs->notifier;

	for (;;) {
		struct fs_notice *notice;

		pthread_mutex_lock(&n->lock);
		while (!n->queue && !n->stop)
			pthread_cond_wait(&n->wake, &n->lock);
		notice = n->stop ? NULL : n->queue;
		if (notice) {
			n->queue = notice->next;
			if (!n->queue)
				n->end = &n->queue;
			n->files -= notice->of_file;
		}
		pthread_mutex_unlock(&n->lock);
		if (!notice) {
			atomic_store(&n->ended, true);
			return NULL;
		}
		if (notice->of_file)
			tell_file(fs, &notice->file);
		else
			tell(fs, &notice->change);
		free(notice);
	}
}

int fs_notifier_start(struct podfs_fs *fs)
{
	struct fs_notifier *n = &fs->notifier;
	int err;

	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->wake, NULL);
	n->end = &n->queue;
	err = -pthread_create(&n->thread, NULL, notify, fs);
	atomic_store(&n->started, err == 0);
	return err;
}

bool fs_notifier_leave(struct podfs_fs *fs)
{
	struct fs_notifier *n = &fs->notifier;

	if (!atomic_load(&n->started))
		return true;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	return atomic_load(&n->ended);
}

void fs_notifier_stop(struct podfs_fs *fs)
{
	struct fs_notifier *n = &fs->notifier;

	if (!atomic_load(&n->started))
		return;
	fs_notifier_leave(fs);
	pthread_join(n->thread, NULL);
	while (n->queue) {
		struct fs_notice *next = n->queue->next;

		free(n->queue);
		n->queue = next;
	}
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
}

static void push_locked(struct fs_notifier *n, struct fs_notice *notice)
{
	*n->end = notice;
	n->end = &notice->next;
	pthread_cond_signal(&n->wake);
}

void fs_notify_change(struct podfs_fs *fs, const struct podfs_tree_change *c)
{
	struct fs_notifier *n = &fs->notifier;
	struct fs_notice *notice;

	if (!atomic_load(&n->started))
		return; /* nothing is mounted, so nothing is cached */
	notice = calloc(1, sizeof(*notice));
	if (!notice)
		return; /* the names' time-out is short enough without */
	notice->change = *c;
	pthread_mutex_lock(&n->lock);
	push_locked(n, notice);
	pthread_mutex_unlock(&n->lock);
}

void fs_notify_file(struct podfs_fs *fs, const struct fs_file_notice *f)
{
	struct fs_notifier *n = &fs->notifier;
	struct fs_notice *notice;

	if (!atomic_load(&n->started) || !(notice = calloc(1, sizeof(*notice))))
		return;
	notice->of_file = true;
	notice->file = *f;
	pthread_mutex_lock(&n->lock);
	if (n->files < FILES_MAX) {
		n->files++;
		push_locked(n, podfs_steal_ptr(&notice));
	}
	pthread_mutex_unlock(&n->lock);
	free(notice);
}
