#include "backend/rpc_own.h"

#include <stdlib.h>

#include "backend/loop.h"
#include "common/base/guard.h"

#define TIMEOUT_MS 60000

static void on_done(struct podfs_call *c, int status, const uint8_t *body,
		    size_t len)
{
	(void)status;
	(void)body;
	(void)len;
	free(podfs_container_of(c, struct podfs_own_call, call));
}

struct podfs_own_call *podfs_own_new(enum wire_op op,
				     struct wire_writer *ret_body)
{
	struct podfs_own_call *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->call.op = op;
	o->call.prio = WIRE_PRIO_INTERACTIVE;
	o->call.unawaited = true;
	o->call.frame = o->frame;
	o->call.done = on_done;
	*ret_body = wire_writer_over(o->frame + PODFS_CALL_HEADROOM,
				     PODFS_OWN_BODY);
	return o;
}

void podfs_own_submit(struct podfs_rpc *r, struct podfs_own_call *o,
		      const struct wire_writer *body)
{
	o->call.body_len = (size_t)(body->p - body->start);
	podfs_rpc_submit(r, &o->call, podfs_now_ms() + TIMEOUT_MS);
}
