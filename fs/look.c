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

#define ASKED_MIN 3u
/* What changes all the time is looked at so often. */
#define AGAIN_MS 2000
/* What changed while it was looked at, so soon again. */
#define MISSED_MS 1000
#define ENTRIES_MAX ((size_t)1 << 20)

struct look {
	struct podfs_call call;
	struct fs_nodes *nodes;
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
	uint8_t *all;

	if (wire_dec_rep_SCAN(&r, &m) != 0 || m.kind != WIRE_SCAN_FOLDER ||
	    l->whole || m.data.n > ENTRIES_MAX - l->len)
		return -EIO;
	all = realloc(l->entries, l->len + m.data.n + 1);
	if (!all)
		return -ENOMEM;
	if (m.data.n)
		memcpy(all + l->len, m.data.p, m.data.n);
	l->entries = all;
	l->len += m.data.n;
	l->attr = m.attr;
	l->whole = m.end;
	return 0;
}

static void on_restart(struct podfs_call *c)
{
	struct look *l = podfs_container_of(c, struct look, call);

	l->len = 0;
	l->whole = false;
}

/* Who asks about it in so long sets off the next look. */
static void look_in(struct fs_nodes *n, struct fs_node *node, int64_t ms)
{
	pthread_mutex_lock(&n->lock);
	node->looked_at = fs_now_ms() - AGAIN_MS + ms;
	pthread_mutex_unlock(&n->lock);
}

static bool missed(const struct look *l)
{
	bool known;

	pthread_mutex_lock(&l->nodes->lock);
	known = l->node->watch && fs_watch_whole_locked(l->node->watch);
	pthread_mutex_unlock(&l->nodes->lock);
	return (l->attr.flags & WIRE_ATTR_WATCHED) && !known;
}

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct look *l = podfs_container_of(c, struct look, call);

	(void)body;
	(void)len;
	if (status == -EBUSY) /* with another */
		look_in(l->nodes, l->node, 0);
	if (!status && l->whole && l->renews &&
	    fs_listing_ok(l->entries, l->len, 0))
		fs_made_listed(l->nodes, l->node, l->entries, l->len,
			       l->when.at);
	if (!status && l->whole) {
		fs_watch_folder(l->nodes, l->node, &l->attr, l->when);
		if (fs_node_saw(l->nodes, l->node, &l->attr, l->when) &&
		    fs_listing_ok(l->entries, l->len, 0))
			fs_watch_entries(l->nodes, l->node, l->entries, l->len,
					 l->when);
		if (missed(l))
			look_in(l->nodes, l->node, MISSED_MS);
	}
	fs_node_put(l->nodes, l->node);
	podfs_session_put(l->session);
	free(l->entries);
	free(l);
}

/* A budget that the folder itself uses up. */
static void look(struct podfs_fs *fs, struct fs_node *node, bool renews)
{
	const size_t room = WIRE_PATH_MAX + 64;
	struct wire_req_SCAN m = { .base = WIRE_BASE_ROOT, .budget = 1 };
	struct wire_writer w;
	struct fs_loc loc;
	struct look *l;

	if (fs_node_loc(&fs->nodes, node, NULL, &loc) != 0)
		return;
	l = loc.base == WIRE_BASE_ROOT ?
		    calloc(1, sizeof(*l) + PODFS_CALL_HEADROOM + room) :
		    NULL;
	if (l) {
		fs_node_ref(&fs->nodes, node);
		l->nodes = &fs->nodes;
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
}

void fs_look_asked(struct podfs_fs *fs, struct fs_node *node)
{
	struct fs_nodes *n = &fs->nodes;
	int64_t now = fs_now_ms();
	bool now_is_the_time;

	if (!fs_watch_trusted(n, node->session))
		return;
	pthread_mutex_lock(&n->lock);
	now_is_the_time = (node->kind == FS_CONTAINER ||
			   S_ISDIR(node->attr.mode)) &&
			  !(node->attr.flags & WIRE_ATTR_VOLATILE) &&
			  !(node->watch && fs_watch_whole_locked(node->watch)) &&
			  ++node->asked >= ASKED_MIN &&
			  now - node->looked_at > AGAIN_MS;
	if (now_is_the_time) {
		node->asked = 0;
		node->looked_at = now;
	}
	pthread_mutex_unlock(&n->lock);
	if (now_is_the_time)
		look(fs, node, false);
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
