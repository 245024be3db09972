/* GETLK, SETLK, FLOCK. What is held by another is tried again by the pool
 * until it is free, its time is over or the request is cancelled. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "helper-image/dispatch.h"
#include "helper-image/lock.h"

/* Whether a lock that was refused is asked for again. */
static int verdict(struct helper_request *r, int err, uint32_t wait_ms)
{
	int64_t now;

	if (err != -EAGAIN || !wait_ms)
		return err;
	now = helper_now_ms();
	if (!r->refused_at)
		r->refused_at = now;
	return wait_ms == WIRE_LOCK_WAIT_FOR_EVER ||
			       now - r->refused_at < wait_ms ?
		       HELPER_AGAIN :
		       err;
}

static int type_of(uint8_t wire, short *ret)
{
	switch (wire) {
	case WIRE_LOCK_READ:
		*ret = F_RDLCK;
		return 0;
	case WIRE_LOCK_WRITE:
		*ret = F_WRLCK;
		return 0;
	case WIRE_LOCK_UNLOCK:
		*ret = F_UNLCK;
		return 0;
	default:
		return -EINVAL;
	}
}

static int range_of(uint8_t type, uint64_t start, uint64_t end,
		    struct helper_range *ret)
{
	if (start > INT64_MAX || end > INT64_MAX || end < start)
		return -EINVAL;
	ret->start = (off_t)start;
	ret->len = end == INT64_MAX ? 0 : (off_t)(end - start + 1);
	ret->pid = 0;
	return type_of(type, &ret->type);
}

int helper_op_GETLK(struct helper_op *o)
{
	struct wire_req_GETLK m;
	struct wire_rep_GETLK reply = { .type = WIRE_LOCK_UNLOCK };
	struct helper_range range;
	struct helper_handle *h;
	int err = wire_dec_req_GETLK(&o->body, &m);

	if (!err)
		err = range_of(m.type, m.start, m.end, &range);
	if (!err)
		err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	err = helper_lock_get(&o->session->locks, h, m.owner, &range);
	helper_handle_put(&o->session->handles, h);
	if (err)
		return err;
	if (range.type != F_UNLCK) {
		reply.type = range.type == F_RDLCK ? WIRE_LOCK_READ :
						     WIRE_LOCK_WRITE;
		reply.start = (uint64_t)range.start;
		reply.end = range.len == 0 ?
				    INT64_MAX :
				    (uint64_t)(range.start + range.len - 1);
		/* -1: an open file description lock has no process */
		reply.pid = range.pid > 0 ? (uint32_t)range.pid : 0;
	}
	return wire_enc_rep_GETLK(&o->reply, &reply);
}

static struct wire_reader rewound(const struct helper_op *o)
{
	return wire_reader_over(o->request->body,
				o->request->header.size - WIRE_HEADER_SIZE);
}

int helper_op_SETLK(struct helper_op *o)
{
	struct wire_reader body = rewound(o);
	struct wire_req_SETLK m;
	struct helper_range range;
	struct helper_handle *h;
	int err = wire_dec_req_SETLK(&body, &m);

	if (!err)
		err = range_of(m.type, m.start, m.end, &range);
	if (!err)
		err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	err = helper_lock_set(&o->session->locks, h, m.owner, &range);
	helper_handle_put(&o->session->handles, h);
	return verdict(o->request, err, m.wait_ms);
}

int helper_op_FLOCK(struct helper_op *o)
{
	struct wire_reader body = rewound(o);
	struct wire_req_FLOCK m;
	struct helper_handle *h;
	int op = LOCK_NB;
	int err = wire_dec_req_FLOCK(&body, &m);

	if (err)
		return err;
	if (m.type > WIRE_LOCK_UNLOCK)
		return -EINVAL;
	op |= m.type == WIRE_LOCK_READ	? LOCK_SH :
	      m.type == WIRE_LOCK_WRITE ? LOCK_EX :
					  LOCK_UN;
	err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	if (flock(h->fd, op) != 0)
		err = errno == EWOULDBLOCK ? -EAGAIN : -errno;
	helper_handle_put(&o->session->handles, h);
	return verdict(o->request, err, m.wait_ms);
}
