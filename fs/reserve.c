#include "fs/reserve.h"

#include <string.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/identity.h"
#include "fs/reserve_inner.h"

void fs_reserve_give_back(struct podfs_fs *fs, struct fs_reserve_dropped *d)
{
	for (unsigned i = 0; i < d->n_files; i++) {
		fs_release_remote(d->files[i].session, d->files[i].handle,
				  d->files[i].epoch);
		podfs_session_put(d->files[i].session);
	}
	fs_node_put(&fs->nodes, d->folder);
}

void fs_reserve_add_dropped(struct fs_reserve_dropped *d,
			    struct podfs_session *s,
			    const struct fs_reserved *f)
{
	d->files[d->n_files].session = podfs_session_ref(s);
	d->files[d->n_files].handle = f->handle;
	d->files[d->n_files++].epoch = f->epoch;
}

int64_t fs_reserve_kept_ms(const struct podfs_fs *fs)
{
	int64_t ms = fs_attr_timeout_ms(fs);

	return ms < FS_RESERVE_KEPT_MS ? ms : FS_RESERVE_KEPT_MS;
}

static bool is_good(const struct podfs_fs *fs, const struct fs_reserved *f,
		    struct podfs_session *s, int64_t now)
{
	return now - f->at < fs_reserve_kept_ms(fs) &&
	       f->epoch == podfs_session_epoch(s);
}

void fs_reserve_drop_locked(const struct podfs_fs *fs, struct fs_reserve *x,
			    bool all, struct fs_reserve_dropped *d)
{
	struct podfs_session *s = x->folder->session;
	int64_t now = fs_now_ms();
	unsigned left = 0;

	for (unsigned i = 0; i < x->n; i++) {
		const struct fs_reserved *f = &x->files[i];

		if (!all && is_good(fs, f, s, now))
			x->files[left++] = *f;
		else
			fs_reserve_add_dropped(d, s, f);
	}
	x->n = left;
}

void fs_reserve_end_locked(const struct podfs_fs *fs, struct fs_reserve *x,
			   struct fs_reserve_dropped *d)
{
	fs_reserve_drop_locked(fs, x, true, d);
	d->folder = podfs_steal_ptr(&x->folder);
}

struct fs_reserve *
fs_reserve_find_locked(struct fs_reserves *r, const struct fs_node *folder,
		       const struct fs_reserve_owner *owner)
{
	for (unsigned i = 0; i < FS_RESERVE_FOLDERS; i++)
		if (r->of[i].folder == folder &&
		    memcmp(&r->of[i].owner, owner, sizeof(*owner)) == 0)
			return &r->of[i];
	return NULL;
}

/* The next; not what a helper says to have made that is another's already. */
static bool pop_new_locked(struct podfs_fs *fs, struct fs_reserve *x,
			   struct fs_reserved *ret,
			   struct fs_reserve_dropped *d)
{
	struct podfs_session *s = x->folder->session;
	bool is_new = false;

	while (x->n > 0 && !is_new) {
		*ret = x->files[0];
		memmove(x->files, x->files + 1, --x->n * sizeof(x->files[0]));
		is_new = !fs_identity_find(&fs->nodes, s, &ret->attr);
		if (!is_new)
			fs_reserve_add_dropped(d, s, ret);
	}
	return is_new;
}

bool fs_reserve_take(struct podfs_fs *fs, const struct fs_node *folder,
		     const struct fs_reserve_owner *owner, pid_t pid,
		     struct fs_reserved *ret)
{
	struct fs_reserves *r = &fs->reserves;
	struct fs_reserve_dropped d = { .n_files = 0 };
	struct fs_reserve *x;
	bool found;

	pthread_mutex_lock(&fs->nodes.lock);
	x = fs_reserve_find_locked(r, folder, owner);
	if (x)
		fs_reserve_drop_locked(fs, x, false, &d);
	found = x && pop_new_locked(fs, x, ret, &d);
	if (found) {
		r->pid = pid;
		r->at = fs_now_ms();
		r->owner = *owner;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_give_back(fs, &d);
	return found;
}

/* ---- the end --------------------------------------------------------------------- */

/* False: nothing is left of it. */
static bool sweep(struct podfs_fs *fs, struct fs_reserve *x)
{
	struct fs_reserve_dropped d = { .n_files = 0 };
	bool ends;

	pthread_mutex_lock(&fs->nodes.lock);
	if (x->folder)
		fs_reserve_drop_locked(fs, x, false, &d);
	ends = x->folder && x->n == 0 && x->asked == 0 &&
	       fs_now_ms() - x->used_at >= fs_reserve_kept_ms(fs);
	if (x->folder && (ends || fs->reserves.ended))
		fs_reserve_end_locked(fs, x, &d);
	ends = !x->folder;
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_give_back(fs, &d);
	return !ends;
}

bool fs_reserve_sweep(struct podfs_fs *fs)
{
	bool left = false;

	for (unsigned i = 0; i < FS_RESERVE_FOLDERS; i++)
		left = sweep(fs, &fs->reserves.of[i]) || left;
	return left;
}

void fs_reserve_end(struct podfs_fs *fs)
{
	pthread_mutex_lock(&fs->nodes.lock);
	fs->reserves.ended = true;
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_sweep(fs);
}
