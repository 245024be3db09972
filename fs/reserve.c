#include "fs/reserve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/identity.h"
#include "fs/names.h"
#include "fs/op.h"

#define FEW 4	/* left: more are asked for */
#define FIRST 4 /* for a folder that may get no more files */
#define MORE 8
#define SECONDS_MAX (INT64_C(1) << 40) /* as good as a year may be */

/* What is dropped under the lock and given back without; of one folder, and of
 * one reply. */
struct dropped {
	struct {
		struct podfs_session *session; /* a reference */
		uint64_t handle;
		uint32_t epoch;
	} files[FS_RESERVE_FILES + MORE];
	unsigned n_files;
	struct fs_node *folder; /* or NULL */
};

static void give_back(struct podfs_fs *fs, struct dropped *d)
{
	for (unsigned i = 0; i < d->n_files; i++) {
		fs_release_remote(d->files[i].session, d->files[i].handle,
				  d->files[i].epoch);
		podfs_session_put(d->files[i].session);
	}
	fs_node_put(&fs->nodes, d->folder);
}

static void add_dropped(struct dropped *d, struct podfs_session *s,
			const struct fs_reserved *f)
{
	d->files[d->n_files].session = podfs_session_ref(s);
	d->files[d->n_files].handle = f->handle;
	d->files[d->n_files++].epoch = f->epoch;
}

static int64_t kept_ms(const struct podfs_fs *fs)
{
	int64_t ms = fs_attr_timeout_ms(fs);

	return ms < FS_RESERVE_KEPT_MS ? ms : FS_RESERVE_KEPT_MS;
}

static bool is_good(const struct podfs_fs *fs, const struct fs_reserved *f,
		    struct podfs_session *s, int64_t now)
{
	return now - f->at < kept_ms(fs) && f->epoch == podfs_session_epoch(s);
}

/* Of @x, what is no good any more, or all. */
static void drop_locked(const struct podfs_fs *fs, struct fs_reserve *x,
			bool all, struct dropped *d)
{
	struct podfs_session *s = x->folder->session;
	int64_t now = fs_now_ms();
	unsigned left = 0;

	for (unsigned i = 0; i < x->n; i++) {
		const struct fs_reserved *f = &x->files[i];

		if (!all && is_good(fs, f, s, now))
			x->files[left++] = *f;
		else
			add_dropped(d, s, f);
	}
	x->n = left;
}

static void end_locked(const struct podfs_fs *fs, struct fs_reserve *x,
		       struct dropped *d)
{
	drop_locked(fs, x, true, d);
	d->folder = podfs_steal_ptr(&x->folder);
}

static struct fs_reserve *find_locked(struct fs_reserves *r,
				      const struct fs_node *folder,
				      const struct fs_reserve_owner *owner)
{
	for (unsigned i = 0; i < FS_RESERVE_FOLDERS; i++)
		if (r->of[i].folder == folder &&
		    memcmp(&r->of[i].owner, owner, sizeof(*owner)) == 0)
			return &r->of[i];
	return NULL;
}

/* In the place of the one that wasn't used for the longest time. */
static struct fs_reserve *begin_locked(struct podfs_fs *fs,
				       struct fs_node *folder,
				       const struct fs_reserve_owner *owner,
				       struct dropped *d)
{
	struct fs_reserve *x = &fs->reserves.of[0];

	for (unsigned i = 1; i < FS_RESERVE_FOLDERS && x->folder; i++)
		if (!fs->reserves.of[i].folder ||
		    fs->reserves.of[i].used_at < x->used_at)
			x = &fs->reserves.of[i];
	if (x->folder)
		end_locked(fs, x, d);
	*x = (struct fs_reserve){ .folder = folder,
				  .owner = *owner,
				  .round = ++fs->reserves.rounds };
	folder->refs++;
	return x;
}

/* The next; not what a helper says to have made that is another's already. */
static bool pop_new_locked(struct podfs_fs *fs, struct fs_reserve *x,
			   struct fs_reserved *ret, struct dropped *d)
{
	struct podfs_session *s = x->folder->session;
	bool is_new = false;

	while (x->n > 0 && !is_new) {
		*ret = x->files[0];
		memmove(x->files, x->files + 1, --x->n * sizeof(x->files[0]));
		is_new = !fs_identity_find(&fs->nodes, s, &ret->attr);
		if (!is_new)
			add_dropped(d, s, ret);
	}
	return is_new;
}

bool fs_reserve_take(struct podfs_fs *fs, const struct fs_node *folder,
		     const struct fs_reserve_owner *owner, pid_t pid,
		     struct fs_reserved *ret)
{
	struct fs_reserves *r = &fs->reserves;
	struct dropped d = { .n_files = 0 };
	struct fs_reserve *x;
	bool found;

	pthread_mutex_lock(&fs->nodes.lock);
	x = find_locked(r, folder, owner);
	if (x)
		drop_locked(fs, x, false, &d);
	found = x && pop_new_locked(fs, x, ret, &d);
	if (found) {
		r->pid = pid;
		r->at = fs_now_ms();
		r->owner = *owner;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	give_back(fs, &d);
	return found;
}

/* ---- asking ---------------------------------------------------------------------- */

struct asking {
	struct podfs_call call;
	struct podfs_fs *fs;
	struct fs_node *folder; /* a reference */
	struct podfs_session *session;
	struct fs_reserve_owner owner;
	unsigned count, round;
	int64_t at; /* ms */
	uint8_t frame[];
};

static struct fs_reserve *asked_by_locked(struct fs_reserves *r,
					  const struct fs_node *folder,
					  const struct fs_reserve_owner *owner,
					  unsigned round)
{
	struct fs_reserve *x = find_locked(r, folder, owner);

	return x && x->round == round ? x : NULL;
}

/* What was just made is so; a false helper may say anything. */
static bool is_made(const struct wire_attr *a)
{
	const struct wire_time *t = &a->mtime;

	return S_ISREG(a->mode) && a->size == 0 && t->sec > -SECONDS_MAX &&
	       t->sec < SECONDS_MAX && t->nsec < 1000000000;
}

static void keep_locked(struct asking *a, int status, const uint8_t *body,
			size_t len, struct dropped *d)
{
	struct fs_reserves *r = &a->fs->reserves;
	struct fs_reserve *x =
		asked_by_locked(r, a->folder, &a->owner, a->round);
	struct wire_reader reader = wire_reader_over(body, len);
	struct wire_rep_RESERVE m;

	if (x) {
		x->asked -= a->count;
		x->refused = status != 0;
	}
	if (status || wire_dec_rep_RESERVE(&reader, &m) != 0)
		return;
	reader = wire_reader_over(m.files.p, m.files.n);
	for (unsigned i = 0; i < a->count && reader.p != reader.end; i++) {
		struct fs_reserved f = {
			.handle = wire_get_u64(&reader),
			.epoch = podfs_session_epoch(a->session),
			.at = a->at,
			.seen_at = fs_now_ms(),
		};

		f.attr = wire_get_attr(&reader);
		if (reader.bad)
			break;
		if (x && !is_made(&f.attr))
			x->refused = true;
		if (x && !x->refused && x->n < FS_RESERVE_FILES && !r->ended)
			x->files[x->n++] = f;
		else
			add_dropped(d, a->session, &f);
	}
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct asking *a = podfs_container_of(c, struct asking, call);
	struct dropped d = { .n_files = 0 };
	struct podfs_fs *fs = a->fs;

	pthread_mutex_lock(&fs->nodes.lock);
	keep_locked(a, status, body, len, &d);
	pthread_mutex_unlock(&fs->nodes.lock);
	give_back(fs, &d);
	fs_node_put(&fs->nodes, a->folder);
	podfs_session_put(a->session);
	free(a);
	fs_parking_tick(&fs->parking);
}

static bool ask(struct podfs_fs *fs, struct fs_node *folder,
		const struct fs_reserve_owner *owner, unsigned count,
		unsigned round)
{
	const size_t room = WIRE_PATH_MAX + 64;
	struct wire_req_RESERVE m = { .count = (uint8_t)count,
				      .uid = owner->uid,
				      .gid = owner->gid };
	struct asking *a = NULL;
	struct wire_writer w;
	struct fs_loc loc;

	if (fs_node_loc(&fs->nodes, folder, NULL, &loc) != 0)
		return false;
	if (loc.base == WIRE_BASE_ROOT)
		a = calloc(1, sizeof(*a) + PODFS_CALL_HEADROOM + room);
	if (a) {
		w = wire_writer_over(a->frame + PODFS_CALL_HEADROOM, room);
		m.path = fs_loc_path(&loc);
		wire_enc_req_RESERVE(&w, &m);
		a->call.body_len = (size_t)(w.p - w.start);
	}
	fs_loc_done(&loc);
	if (!a)
		return false;
	a->fs = fs;
	a->folder = folder;
	fs_node_ref(&fs->nodes, folder);
	a->session = podfs_session_ref(folder->session);
	a->owner = *owner;
	a->count = count;
	a->round = round;
	a->at = fs_now_ms();
	a->call.op = WIRE_OP_RESERVE;
	a->call.prio = WIRE_PRIO_INTERACTIVE;
	a->call.unawaited = true;
	a->call.frame = a->frame;
	a->call.done = on_done;
	podfs_session_submit(a->session, &a->call);
	return true;
}

void fs_reserve_more(struct podfs_fs *fs, struct fs_node *folder,
		     const struct fs_reserve_owner *owner)
{
	struct dropped d = { .n_files = 0 };
	struct fs_reserve *x;
	unsigned count = 0, round = 0;

	pthread_mutex_lock(&fs->nodes.lock);
	x = find_locked(&fs->reserves, folder, owner);
	if (!x && !fs->reserves.ended) {
		x = begin_locked(fs, folder, owner, &d);
		count = FIRST;
	} else if (x && !x->refused && x->n + x->asked <= FEW) {
		count = MORE;
	}
	if (x) {
		x->asked += count;
		x->used_at = fs_now_ms();
		round = x->round;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	give_back(fs, &d);
	if (count == 0 || ask(fs, folder, owner, count, round))
		return;
	pthread_mutex_lock(&fs->nodes.lock);
	x = asked_by_locked(&fs->reserves, folder, owner, round);
	if (x) {
		x->asked -= count;
		x->refused = true;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_parking_tick(&fs->parking);
}

void fs_reserve_for(struct podfs_fs *fs, struct fs_node *folder, pid_t pid)
{
	const struct fs_reserves *r = &fs->reserves;
	struct fs_reserve_owner owner;
	bool again;

	pthread_mutex_lock(&fs->nodes.lock);
	again = r->pid == pid && fs_now_ms() - r->at < kept_ms(fs);
	owner = r->owner;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (again)
		fs_reserve_more(fs, folder, &owner);
}

/* ---- changes of a folder --------------------------------------------------------- */

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
	struct dropped d = { .n_files = 0 };

	pthread_mutex_lock(&fs->nodes.lock);
	if (x->folder && concerns_locked(op, x->folder)) {
		drop_locked(fs, x, true, &d);
		x->round = ++fs->reserves.rounds;
		x->asked = 0;
		x->refused = begins;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	give_back(fs, &d);
}

void fs_reserve_changing(struct fs_op *op, bool begins)
{
	struct podfs_fs *fs = op->fs;

	if (!may_concern(op))
		return;
	for (unsigned i = 0; i < FS_RESERVE_FOLDERS; i++)
		change(fs, &fs->reserves.of[i], op, begins);
}

/* ---- the end --------------------------------------------------------------------- */

/* False: nothing is left of it. */
static bool sweep(struct podfs_fs *fs, struct fs_reserve *x)
{
	struct dropped d = { .n_files = 0 };
	bool ends;

	pthread_mutex_lock(&fs->nodes.lock);
	if (x->folder)
		drop_locked(fs, x, false, &d);
	ends = x->folder && x->n == 0 && x->asked == 0 &&
	       fs_now_ms() - x->used_at >= kept_ms(fs);
	if (x->folder && (ends || fs->reserves.ended))
		end_locked(fs, x, &d);
	ends = !x->folder;
	pthread_mutex_unlock(&fs->nodes.lock);
	give_back(fs, &d);
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
