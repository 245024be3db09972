#include "fs/proof.h"

#include <stdlib.h>

#include "common/base/guard.h"
#include "common/base/hash.h"
#include "common/wire/msg.h"
#include "fs/clock.h"
#include "fs/node.h"
#include "fs/tree.h"

/* A proof that is so old is renewed, as often: on a link of 75 ms there and back
 * the next is there before it ends. */
#define RENEW_MS 25
/* A helper that wasn't heard of for so long is asked to say something. */
#define SILENT_MS 1000

struct renewal {
	struct podfs_call call;
	struct fs_nodes *nodes;
	struct podfs_session *session;
	pid_t pid;
	int64_t at; /* ms */
	uint8_t frame[PODFS_CALL_HEADROOM + 16];
};

static struct fs_proof *slot_of(struct fs_nodes *n,
				const struct podfs_session *s, pid_t pid)
{
	const uint64_t key[2] = { (uintptr_t)s, (unsigned)pid };

	return &n->proofs.slots[podfs_hash(key, sizeof(key)) % FS_PROOF_SLOTS];
}

static bool is_of(const struct fs_proof *p, const struct podfs_session *s,
		  pid_t pid)
{
	return p->pid == pid && p->session == s;
}

void fs_proof_had(struct fs_nodes *n, const struct podfs_session *s, pid_t pid,
		  int64_t since)
{
	struct fs_proof *p = slot_of(n, s, pid);
	const int64_t until = since + FS_PROOF_MS;

	if (pid == 0)
		return;
	pthread_mutex_lock(&n->lock);
	if (p->until < until) {
		if (!is_of(p, s, pid))
			*p = (struct fs_proof){ .pid = pid, .session = s };
		p->until = until;
	}
	pthread_mutex_unlock(&n->lock);
}

/* ---- PINGs that nobody waits for --------------------------------------------------- */

static void renewed(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	struct renewal *r = podfs_container_of(c, struct renewal, call);
	bool still;

	(void)body;
	(void)len;
	pthread_mutex_lock(&r->nodes->lock);
	still = is_of(slot_of(r->nodes, r->session, r->pid), r->session,
		      r->pid);
	pthread_mutex_unlock(&r->nodes->lock);
	if (!status && still)
		fs_proof_had(r->nodes, r->session, r->pid, r->at);
	podfs_session_put(r->session);
	free(r);
}

static void renew(struct fs_nodes *n, struct podfs_session *s, pid_t pid,
		  int64_t now)
{
	struct renewal *r = calloc(1, sizeof(*r));
	struct wire_req_PING m;
	struct wire_writer w;

	if (!r)
		return;
	m.stamp = (uint64_t)now;
	w = wire_writer_over(r->frame + PODFS_CALL_HEADROOM, 16);
	wire_enc_req_PING(&w, &m);
	r->nodes = n;
	r->session = podfs_session_ref(s);
	r->pid = pid;
	r->at = now;
	r->call.op = WIRE_OP_PING;
	r->call.unawaited = true;
	r->call.frame = r->frame;
	r->call.body_len = (size_t)(w.p - w.start);
	r->call.done = renewed;
	podfs_session_submit(s, &r->call);
}

/* ---- who may be answered ----------------------------------------------------------- */

/* Its word of a change is here in half a round trip, or was just asked for. */
static bool is_quiet(struct fs_nodes *n, const struct fs_node *node,
		     int64_t now)
{
	struct podfs_session *s = node->session;
	int64_t *asked_at = &node->tree->word_asked_at;
	int64_t heard = podfs_session_heard(s);
	bool ask, good;

	if (podfs_session_busy(s) || !fs_watch_trusted(n, s))
		return false;
	if (now - heard < SILENT_MS)
		return true;
	pthread_mutex_lock(&n->lock);
	ask = *asked_at <= heard;
	if (ask)
		*asked_at = now;
	good = now - *asked_at < FS_PROOF_WAIT_MS;
	pthread_mutex_unlock(&n->lock);
	if (ask)
		renew(n, s, 0, now);
	return good;
}

static bool has_proof(struct fs_nodes *n, struct podfs_session *s, pid_t pid,
		      int64_t now)
{
	struct fs_proof *p = slot_of(n, s, pid);
	bool good, old;

	pthread_mutex_lock(&n->lock);
	good = pid != 0 && is_of(p, s, pid) && now < p->until;
	old = good && p->until - now <= FS_PROOF_MS - RENEW_MS &&
	      now - p->asked_at >= RENEW_MS;
	if (old)
		p->asked_at = now;
	pthread_mutex_unlock(&n->lock);
	if (old)
		renew(n, s, pid, now);
	return good;
}

bool fs_proof_good(struct fs_nodes *n, const struct fs_node *node, pid_t pid)
{
	int64_t now = fs_now_ms();

	if (n->watches.age_ms == 0 || !node->session)
		return false;
	return is_quiet(n, node, now) || has_proof(n, node->session, pid, now);
}
