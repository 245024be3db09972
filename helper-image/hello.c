#include "helper-image/hello.h"

#include <errno.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/wire/errno.h"
#include "common/wire/msg.h"
#include "helper-image/attr.h"
#include "helper-image/self.h"
#include "helper-image/session.h"
#include "helper-image/stream.h"
#include "podfs-version.h"

#define FEATURES                                                               \
	(WIRE_FEATURE_RESUME | WIRE_FEATURE_SCAN | WIRE_FEATURE_WATCH |        \
	 WIRE_FEATURE_LZ4 | WIRE_FEATURE_MAKE | WIRE_FEATURE_FOLLOW)

static bool same(struct wire_str got, const char *want)
{
	return !want || (strlen(want) == got.n && memcmp(want, got.p, got.n) == 0);
}

static int check(const struct helper_stream *stream,
		 const struct wire_req_HELLO *m)
{
	if (m->version_min > WIRE_VERSION_MAX ||
	    m->version_max < WIRE_VERSION_MIN)
		return -EPROTONOSUPPORT;
	if (!same(m->pod_uid, stream->pod_uid) ||
	    !same(m->container, stream->container))
		return -EHOSTUNREACH; /* the stream leads to another target */
	if (!helper_root_alive(stream->root))
		return -ESTALE;
	return 0;
}

static void describe(const struct helper_session *s,
		     const struct wire_req_HELLO *m, bool resumed, bool watches,
		     struct wire_rep_HELLO *ret)
{
	struct helper_self self = helper_self_measure();
	const struct helper_root *root = s->root;
	struct statfs fs = { .f_type = 0 };

	memset(ret, 0, sizeof(*ret));
	fstatfs(root->fd, &fs);
	ret->version = m->version_max < WIRE_VERSION_MAX ? m->version_max :
							    WIRE_VERSION_MAX;
	ret->features = m->features & FEATURES;
	if (!watches)
		ret->features &= ~(uint64_t)WIRE_FEATURE_WATCH;
	ret->resumed = resumed;
	ret->frame_max = WIRE_FRAME_MAX;
	ret->inflight_max = WIRE_INFLIGHT_MAX;
	ret->handles_max = s->handles.max;
	ret->rung = (uint8_t)root->rung;
	ret->seccomp = self.seccomp;
	ret->has_target = root->has_target;
	ret->uid = s->user.set ? s->user.uid : geteuid();
	ret->gid = s->user.set ? s->user.gid : getegid();
	ret->target_uid = root->target_uid;
	ret->target_gid = root->target_gid;
	ret->cap_effective = self.cap_effective;
	ret->boot_id = helper_self_boot();
	ret->root_type = (uint64_t)fs.f_type;
	helper_attr_of(root->fd, "", &ret->root);
	ret->helper_version = wire_str_from(PODFS_VERSION);
	ret->detail = wire_str_from("");
}

static void send(struct helper_stream *stream, const struct wire_header *h,
		 int err, const struct wire_rep_HELLO *m)
{
	uint8_t frame[WIRE_HEADER_SIZE + 1024];
	struct wire_writer w = wire_writer_over(frame + WIRE_HEADER_SIZE, 1024);
	struct wire_header reply = {
		.op = WIRE_OP_HELLO,
		.flags = WIRE_FLAG_REPLY,
		.id = h->id,
		.status = wire_errno_from_host(-err),
	};

	if (!err)
		wire_enc_rep_HELLO(&w, m);
	reply.size = (uint32_t)(WIRE_HEADER_SIZE + (size_t)(w.p - w.start));
	wire_header_put(frame, &reply);
	helper_output_write(&stream->out, frame, reply.size, HELPER_NOW);
}

int helper_hello(struct helper_stream *stream, const struct wire_header *h,
		 const uint8_t *body, struct helper_session **ret)
{
	struct wire_reader r =
		wire_reader_over(body, h->size - WIRE_HEADER_SIZE);
	struct helper_session *s = NULL;
	struct wire_req_HELLO m;
	struct wire_rep_HELLO reply;
	struct helper_user user;
	bool found = false;
	int watch = -1;
	int err;

	if (h->op != WIRE_OP_HELLO || (h->flags & WIRE_FLAG_REPLY) ||
	    wire_dec_req_HELLO(&r, &m) != 0)
		return -EPROTO;
	user = (struct helper_user){ .set = m.as_user,
				     .uid = m.as_uid,
				     .gid = m.as_gid };
	err = check(stream, &m);
	if (!err)
		err = helper_user_check(&user);
	if (!err)
		err = helper_session_get(stream->root, m.session_hi,
					 m.session_lo, m.resume,
					 stream->read_only || m.read_only,
					 &user, &s, &found);
	if (err) {
		send(stream, h, err, NULL);
		return err;
	}
	if (m.features & WIRE_FEATURE_WATCH)
		watch = helper_watch_open();
	describe(s, &m, found, watch >= 0, &reply);
	/* Before the session may write to this stream, so that the handshake's
	 * answer is the first frame on it. */
	send(stream, h, 0, &reply);
	atomic_store(&s->packs, reply.features & WIRE_FEATURE_LZ4);
	helper_session_attach(s, stream, watch);
	*ret = s;
	return 0;
}
