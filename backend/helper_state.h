/*
 * Helper containers as a pod's JSON shows them: which can be used again, and
 * what has become of one.
 */
#ifndef PODFS_BACKEND_HELPER_STATE_H
#define PODFS_BACKEND_HELPER_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"
#include "backend/json.h"
#include "backend/podinfo.h"
#include "common/wire/types.h"

enum podfs_helper_phase {
	PODFS_HELPER_STARTING, /* or not seen by the kubelet yet */
	PODFS_HELPER_RUNNING,
	PODFS_HELPER_NO_IMAGE,	/* retried by the kubelet: may come right */
	PODFS_HELPER_BAD_IMAGE, /* will not */
	PODFS_HELPER_NOT_MADE,	/* the runtime couldn't: may come right */
	PODFS_HELPER_NO_TARGET, /* it can't join the target: that one stopped */
	PODFS_HELPER_DEAD,	/* ended, or could not be run */
};

struct podfs_helper_state {
	enum podfs_helper_phase phase;
	int exit_code;	/* of a dead one; -1 unknown */
	bool any_rung;	/* of a dead one: it isn't the rights, so one with
			 * less of them would fare no better */
	char words[600]; /* the kubelet's: reason and message */
};

/* From ephemeralContainerStatuses, where it may be missing yet: it starts. */
void podfs_helper_state(const struct podfs_json *pod, const char *name,
			struct podfs_helper_state *ret);

struct podfs_helper_found {
	char name[PODFS_NAME_MAX + 1];
	enum wire_rung rung;
	bool sent_in;
	size_t burnt; /* helpers of this target that are of no use any more */
};

/*
 * The helper container for @target that runs, or else one of @image that is
 * about to; of the rung without a target where that one is stopped, else of
 * the others; none of a higher rung than @max. Returns false and counts only
 * where there is none.
 */
bool podfs_helper_find(const struct podfs_podinfo *p, const char *target,
		       const char *image, enum wire_rung max,
		       struct podfs_helper_found *ret);

#endif
