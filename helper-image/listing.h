/*
 * A folder's entries into the frames of a reply: READDIR's, and OPEN's of a
 * folder.
 *
 * Thread: a worker, which has the folder's position for itself.
 */
#ifndef HELPER_LISTING_H
#define HELPER_LISTING_H

#include "helper-image/dispatch.h"

struct helper_listing {
	struct helper_op *o;
	int fd;	       /* listed from its offset on */
	bool plus;     /* with attributes and targets */
	bool opening;  /* as OPEN's frames, else READDIR's */
	uint32_t left; /* bytes that may still be sent */
	/* out */
	uint32_t sent; /* bytes of entries */
	bool end;      /* there are no more */

	uint8_t *data_start; /* where this frame's entries begin */
};

/* The attributes of @name in the folder @fd, and a link's target (into @target,
 * WIRE_TARGET_MAX bytes). Gone meanwhile: the name alone. */
void helper_entry_fill(struct wire_entry *e, int fd, const char *name,
		       char *target);

/* Leaves the last frame in @l->o->reply. 0 or -errno. */
int helper_list(struct helper_listing *l);

#endif
