#include "helper-image/train.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/wire/op.h"
#include "helper-image/session.h"

struct helper_train {
	atomic_uint left; /* to be answered */
};

static bool may_be_late(const struct helper_request *r)
{
	return r->header.op == WIRE_OP_RELEASE ||
	       ((r->header.flags & WIRE_FLAG_ORDERED) &&
		r->header.size <= HELPER_TRAIN_REQUEST_MAX);
}

void helper_train_make(struct helper_request *first)
{
	struct helper_train *t;
	unsigned n = 0;

	for (struct helper_request *r = first; r; r = r->next)
		n += may_be_late(r);
	t = n > 1 ? malloc(sizeof(*t)) : NULL;
	if (!t)
		return; /* each reply is sent by itself */
	atomic_init(&t->left, n);
	for (struct helper_request *r = first; r; r = r->next)
		if (may_be_late(r))
			r->train = t;
}

bool helper_train_goes_on(struct helper_request *r)
{
	struct helper_train *t = r->train;

	r->train = NULL;
	if (!t || atomic_fetch_sub(&t->left, 1) > 1)
		return t;
	free(t);
	return false;
}
