/* RESERVE: who asks for files ahead, and what comes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "fs/clock.h"
#include "fs/reserve_inner.h"

#define FEW 4 /* left: more are asked for */
#define SECONDS_MAX (INT64_C(1) << 40) /* as good as a year may be */

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
	struct fs_reserve *x = fs_reserve_find_locked(r, folder, owner);

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
			size_t len, struct fs_reserve_dropped *d)
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
			fs_reserve_add_dropped(d, a->session, &f);
	}
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct asking *a = podfs_container_of(c, struct asking, call);
	struct fs_reserve_dropped d = { .n_files = 0 };
	struct podfs_fs *fs = a->fs;

	pthread_mutex_lock(&fs->nodes.lock);
	keep_locked(a, status, body, len, &d);
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_give_back(fs, &d);
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
	a->call.lazy = count == FS_RESERVE_MORE; /* some are left */
	a->call.frame = a->frame;
	a->call.done = on_done;
	podfs_session_submit(a->session, &a->call);
	return true;
}

/* In the place of the one that wasn't used for the longest time. */
static struct fs_reserve *begin_locked(struct podfs_fs *fs,
				       struct fs_node *folder,
				       const struct fs_reserve_owner *owner,
				       struct fs_reserve_dropped *d)
{
	struct fs_reserve *x = &fs->reserves.of[0];

	for (unsigned i = 1; i < FS_RESERVE_FOLDERS && x->folder; i++)
		if (!fs->reserves.of[i].folder ||
		    fs->reserves.of[i].used_at < x->used_at)
			x = &fs->reserves.of[i];
	if (x->folder)
		fs_reserve_end_locked(fs, x, d);
	*x = (struct fs_reserve){ .folder = folder,
				  .owner = *owner,
				  .round = ++fs->reserves.rounds };
	folder->refs++;
	return x;
}

void fs_reserve_more(struct podfs_fs *fs, struct fs_node *folder,
		     const struct fs_reserve_owner *owner)
{
	struct fs_reserve_dropped d = { .n_files = 0 };
	struct fs_reserve *x;
	unsigned count = 0, round = 0;

	pthread_mutex_lock(&fs->nodes.lock);
	x = fs_reserve_find_locked(&fs->reserves, folder, owner);
	if (!x && !fs->reserves.ended) {
		x = begin_locked(fs, folder, owner, &d);
		count = FS_RESERVE_FIRST;
	} else if (x && !x->refused && x->n + x->asked <= FEW) {
		count = FS_RESERVE_MORE;
	}
	if (x) {
		x->asked += count;
		x->used_at = fs_now_ms();
		round = x->round;
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	fs_reserve_give_back(fs, &d);
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
	again = r->pid == pid && fs_now_ms() - r->at < fs_reserve_kept_ms(fs);
	owner = r->owner;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (again)
		fs_reserve_more(fs, folder, &owner);
}
