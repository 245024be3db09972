#include "helper-image/dispatch.h"

#include <errno.h>

#include "common/wire/errno.h"

static int run(struct helper_op *o, uint16_t op)
{
	unsigned flags = 0;

	if (!wire_op_flags(op, &flags))
		return -ENOSYS;
	o->changes = flags & WIRE_F_W;
	if (o->changes && o->session->read_only)
		return -EROFS;
	if (!helper_root_alive(o->root))
		return -ESTALE;
	switch (op) {
	case WIRE_OP_PING:
		return helper_op_PING(o);
	case WIRE_OP_BYE:
		return helper_op_BYE(o);
	case WIRE_OP_LOOKUP:
		return helper_op_LOOKUP(o);
	case WIRE_OP_GETATTR:
		return helper_op_GETATTR(o);
	case WIRE_OP_SETATTR:
		return helper_op_SETATTR(o);
	case WIRE_OP_READLINK:
		return helper_op_READLINK(o);
	case WIRE_OP_RESOLVE:
		return helper_op_RESOLVE(o);
	case WIRE_OP_ACCESS:
		return helper_op_ACCESS(o);
	case WIRE_OP_STATFS:
		return helper_op_STATFS(o);
	case WIRE_OP_MKNOD:
		return helper_op_MKNOD(o);
	case WIRE_OP_MKDIR:
		return helper_op_MKDIR(o);
	case WIRE_OP_UNLINK:
		return helper_op_UNLINK(o);
	case WIRE_OP_RMDIR:
		return helper_op_RMDIR(o);
	case WIRE_OP_RENAME:
		return helper_op_RENAME(o);
	case WIRE_OP_LINK:
		return helper_op_LINK(o);
	case WIRE_OP_SYMLINK:
		return helper_op_SYMLINK(o);
	case WIRE_OP_SETXATTR:
		return helper_op_SETXATTR(o);
	case WIRE_OP_GETXATTR:
		return helper_op_GETXATTR(o);
	case WIRE_OP_LISTXATTR:
		return helper_op_LISTXATTR(o);
	case WIRE_OP_REMOVEXATTR:
		return helper_op_REMOVEXATTR(o);
	case WIRE_OP_OPEN:
		return helper_op_OPEN(o);
	case WIRE_OP_CREATE:
		return helper_op_CREATE(o);
	case WIRE_OP_READ:
		return helper_op_READ(o);
	case WIRE_OP_WRITE:
		return helper_op_WRITE(o);
	case WIRE_OP_FLUSH:
		return helper_op_FLUSH(o);
	case WIRE_OP_FSYNC:
		return helper_op_FSYNC(o);
	case WIRE_OP_RELEASE:
		return helper_op_RELEASE(o);
	case WIRE_OP_READDIR:
		return helper_op_READDIR(o);
	case WIRE_OP_LSEEK:
		return helper_op_LSEEK(o);
	case WIRE_OP_FALLOCATE:
		return helper_op_FALLOCATE(o);
	case WIRE_OP_COPY_FILE_RANGE:
		return helper_op_COPY_FILE_RANGE(o);
	case WIRE_OP_GETLK:
		return helper_op_GETLK(o);
	case WIRE_OP_SETLK:
		return helper_op_SETLK(o);
	case WIRE_OP_FLOCK:
		return helper_op_FLOCK(o);
	case WIRE_OP_RESERVE:
		return helper_op_RESERVE(o);
	case WIRE_OP_NAME:
		return helper_op_NAME(o);
	case WIRE_OP_SCAN:
		return helper_op_SCAN(o);
	case WIRE_OP_HELLO:
		return -EPROTO; /* once a stream, and that was earlier */
	default:
		return -ENOTSUP; /* only a helper sends it */
	}
}

static void reply_reset(struct helper_op *o)
{
	o->reply = wire_writer_over(o->frame + WIRE_HEADER_SIZE,
				    WIRE_FRAME_MAX - WIRE_HEADER_SIZE);
}

void helper_op_part(struct helper_op *o)
{
	size_t len = WIRE_HEADER_SIZE + (size_t)(o->reply.p - o->reply.start);

	helper_session_reply(o->request, o->frame, len, true, 0, false);
	reply_reset(o);
}

int helper_dispatch(struct helper_request *r, uint8_t *frame)
{
	struct helper_op o = {
		.request = r,
		.session = r->session,
		.root = r->session->root,
		.frame = frame,
		.body = wire_reader_over(r->body,
					 r->header.size - WIRE_HEADER_SIZE),
	};
	unsigned flags = 0;
	size_t len;
	int err;

	reply_reset(&o);
	helper_user_enter(&r->session->user);
	err = helper_session_cancelled(r) ? -EINTR : run(&o, r->header.op);
	helper_user_leave(&r->session->user);
	if (err == HELPER_AGAIN || err == HELPER_LATER)
		return err;
	if (!err)
		err = wire_writer_done(&o.reply, &len);
	if (err == -EBADMSG)
		err = -EINVAL; /* a well formed frame, a malformed body */
	if (err)
		len = 0;
	wire_op_flags(r->header.op, &flags);
	helper_session_reply(r, frame, WIRE_HEADER_SIZE + len, false,
			     wire_errno_from_host(-err), !(flags & WIRE_F_I));
	atomic_fetch_sub(&r->session->queued, r->header.size);
	helper_session_finish(r);
	return 0;
}
