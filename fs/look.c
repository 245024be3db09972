#include "fs/look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/guard.h"
#include "common/wire/msg.h"
#include "fs/clock.h"
#include "fs/known.h"
#include "fs/listing.h"
#include "fs/names.h"
#include "fs/part.h"
#include "fs/tree.h"

/* What changes all the time is looked at so often. */
#define AGAIN_MS 2000
/* What changed while it was looked at, so soon again; what another look, of a walk
 * or of a folder that is filled, was in the way of. */
#define MISSED_MS 1000
#define BUSY_MS 50
/* What came to nothing so often is left until somebody asks again. */
#define MISSED_MAX 3u
#define BUSY_MAX 600u
/* Who changes one name changes another. */
#define CHANGED_MS 100
/* One that has too many names, or that the helper won't watch. */
#define VAIN_MS 60000
#define ENTRIES_MAX ((size_t)1 << 20)

struct look {
	struct podfs_call call;
	struct podfs_fs *fs;
	struct fs_node *node; /* a reference */
	struct podfs_session *session;
	struct fs_moment when;
	struct wire_attr attr;
	bool whole;
	bool renews; /* what is known of a folder that was made here */
	uint8_t *entries;
	size_t len;
	uint8_t frame[];
};

static int on_part(struct podfs_call *c, const uint8_t *body, size_t len)
{
	struct look *l = podfs_container_of(c, struct look, call);
	struct wire_reader r = wire_reader_over(body, len);
	struct wire_rep_SCAN m;

	if (wire_dec_rep_SCAN(&r, &m) != 0 || m.kind != WIRE_SCAN_FOLDER ||
	    l->whole)
		return -EIO;
	l->attr = m.attr;
	l->whole = m.end;
	return fs_part_add(&l->entries, &l->len, m.data, ENTRIES_MAX);
}

static void on_restart(struct podfs_call *c)
{
	struct look *l = podfs_container_of(c, struct look, call);

	l->len = 0;
	l->whole = false;
}

static void go(struct podfs_fs *fs);

/* False: it is due already, or there are too many. */
static bool add_locked(struct fs_nodes *n, struct fs_node *node, int64_t at)
{
	struct fs_looks *l = &n->looks;

	if (node->look_due || l->n == FS_LOOKS || l->ended)
		return false;
	node->refs++;
	node->look_due = true;
	l->due[l->n++] = (struct fs_look_due){ .node = node, .at = at };
	return true;
}

/* In how many ms it may be looked at again. @again: it is to be. */
static int64_t came(struct look *l, int status, bool *again)
{
	bool good = !status && l->whole &&
		    fs_listing_ok(l->entries, l->len, 0);

	*again = status == -EBUSY;
	if (*again)
		return BUSY_MS;
	if (good && l->renews)
		fs_made_listed(&l->fs->nodes, l->node, l->entries, l->len,
			       l->when.at);
	if (status)
		return AGAIN_MS;
	if (!good || !(l->attr.flags & WIRE_ATTR_WATCHED))
		return VAIN_MS;
	*again = !fs_look_came(l->fs, l->node, &l->attr, l->entries, l->len,
			       l->when);
	return *again ? MISSED_MS : AGAIN_MS;
}

/* A folder with a log changes with each look; and a helper may be busy for ever. */
static bool goes_on_locked(struct fs_node *node, int status, bool again)
{
	node->look_tries = again ? node->look_tries + 1 : 0;
	return again && node->look_tries < (status ? BUSY_MAX : MISSED_MAX);
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct look *l = podfs_container_of(c, struct look, call);
	struct podfs_fs *fs = l->fs;
	bool again, tick = false;
	int64_t in;

	(void)body;
	(void)len;
	in = came(l, status, &again);
	pthread_mutex_lock(&fs->nodes.lock);
	if (!l->renews) {
		l->node->tree->looking = false;
		l->node->look_at = fs_now_ms() + in;
		tick = goes_on_locked(l->node, status, again) &&
		       add_locked(&fs->nodes, l->node, l->node->look_at);
	}
	pthread_mutex_unlock(&fs->nodes.lock);
	if (tick)
		fs_parking_tick(&fs->parking);
	fs_node_put(&l->fs->nodes, l->node);
	podfs_session_put(l->session);
	free(l->entries);
	free(l);
	go(fs);
}

/* A budget that the folder itself uses up. */
static bool look(struct podfs_fs *fs, struct fs_node *node, bool renews)
{
	const size_t room = WIRE_PATH_MAX + 64;
	struct wire_req_SCAN m = { .base = WIRE_BASE_ROOT, .budget = 1 };
	struct wire_writer w;
	struct fs_loc loc;
	struct look *l;

	if (fs_node_loc(&fs->nodes, node, NULL, &loc) != 0)
		return false;
	l = loc.base == WIRE_BASE_ROOT ?
		    calloc(1, sizeof(*l) + PODFS_CALL_HEADROOM + room) :
		    NULL;
	if (l) {
		fs_node_ref(&fs->nodes, node);
		l->fs = fs;
		l->node = node;
		l->renews = renews;
		l->session = podfs_session_ref(node->session);
		l->when = fs_moment_now(&fs->nodes);
		w = wire_writer_over(l->frame + PODFS_CALL_HEADROOM, room);
		m.path = fs_loc_path(&loc);
		m.after = wire_str_from("");
		wire_enc_req_SCAN(&w, &m);
		l->call.body_len = (size_t)(w.p - w.start);
		l->call.op = WIRE_OP_SCAN;
		l->call.prio = WIRE_PRIO_PREFETCH;
		l->call.frame = l->frame;
		l->call.unawaited = true;
		l->call.part = on_part;
		l->call.restart = on_restart;
		l->call.done = on_done;
		podfs_session_submit(l->session, &l->call);
	}
	fs_loc_done(&loc);
	return l;
}

/* ---- which, and when ------------------------------------------------------------- */

static bool is_wanted_locked(const struct fs_nodes *n,
			     const struct fs_node *node)
{
	return (node->kind == FS_CONTAINER || S_ISDIR(node->attr.mode)) &&
	       !(node->attr.flags & WIRE_ATTR_VOLATILE) &&
	       !fs_known_all_locked(n, node);
}

/* The next that may leave, with its reference; or NULL. */
static struct fs_node *next_locked(struct fs_nodes *n, int64_t now)
{
	struct fs_looks *l = &n->looks;

	for (unsigned i = 0; i < l->n; i++) {
		struct fs_node *node = l->due[i].node;

		if (l->due[i].at > now || node->tree->looking)
			continue;
		l->n--;
		memmove(&l->due[i], &l->due[i + 1],
			(l->n - i) * sizeof(l->due[0]));
		node->look_due = false;
		return node;
	}
	return NULL;
}

static void go(struct podfs_fs *fs)
{
	struct fs_nodes *n = &fs->nodes;

	for (;;) {
		struct fs_node *node;
		bool wanted, left;

		pthread_mutex_lock(&n->lock);
		node = next_locked(n, fs_now_ms());
		wanted = node && is_wanted_locked(n, node);
		if (wanted) {
			node->tree->looking = true;
			node->look_at = fs_now_ms() + AGAIN_MS;
		}
		pthread_mutex_unlock(&n->lock);
		if (!node)
			return;
		left = wanted && look(fs, node, false);
		if (wanted && !left) {
			pthread_mutex_lock(&n->lock);
			node->tree->looking = false;
			pthread_mutex_unlock(&n->lock);
		}
		fs_node_put(n, node);
	}
}

void fs_look_asked(struct podfs_fs *fs, struct fs_node *node)
{
	struct fs_nodes *n = &fs->nodes;
	int64_t now = fs_now_ms();
	bool due = false, soon;

	if (!fs_watch_trusted(n, node->session))
		return;
	pthread_mutex_lock(&n->lock);
	if (node->kind == FS_FILE && !S_ISDIR(node->attr.mode) && node->names)
		node = node->names->parent;
	soon = node->look_at <= now;
	node->look_tries = 0;
	/* one in vain isn't waited for: there are folders enough */
	if (is_wanted_locked(n, node) && node->look_at - now <= AGAIN_MS)
		due = add_locked(&fs->nodes, node, soon ? now : node->look_at);
	pthread_mutex_unlock(&n->lock);
	if (due && soon)
		go(fs);
	if (due)
		fs_parking_tick(&fs->parking);
}

bool fs_look_changed_locked(struct fs_nodes *n, struct fs_node *node)
{
	int64_t at = fs_now_ms() + CHANGED_MS;

	return add_locked(n, node, at > node->look_at ? at : node->look_at);
}

bool fs_look_sweep(struct podfs_fs *fs)
{
	bool left;

	go(fs);
	pthread_mutex_lock(&fs->nodes.lock);
	left = fs->nodes.looks.n > 0;
	pthread_mutex_unlock(&fs->nodes.lock);
	return left;
}

void fs_look_end(struct podfs_fs *fs)
{
	struct fs_nodes *n = &fs->nodes;
	struct fs_looks ended;

	pthread_mutex_lock(&n->lock);
	ended = n->looks;
	n->looks.n = 0;
	n->looks.ended = true;
	pthread_mutex_unlock(&n->lock);
	while (ended.n > 0)
		fs_node_put(n, ended.due[--ended.n].node);
}

void fs_look_renew(struct podfs_fs *fs, struct fs_node *node, int pid)
{
	const int64_t age = fs_attr_timeout_ms(fs);
	int64_t now = fs_now_ms();
	bool now_is_the_time;

	pthread_mutex_lock(&fs->nodes.lock);
	now_is_the_time = node->made.by && node->made.by == pid &&
			  now - node->made.at > age / 2 &&
			  now - node->looked_at > age / 4;
	if (now_is_the_time)
		node->looked_at = now;
	pthread_mutex_unlock(&fs->nodes.lock);
	if (now_is_the_time)
		look(fs, node, true);
}
