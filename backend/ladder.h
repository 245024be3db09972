/*
 * The access ladder: which rungs to ask for, and what each asks for.
 * docs/access.md has it; source: the Pod Security Standards, and ptrace(2) on who
 * may look into /proc/PID/root.
 */
#ifndef PODFS_BACKEND_LADDER_H
#define PODFS_BACKEND_LADDER_H

#include <stddef.h>

#include "backend/json_write.h"
#include "backend/podinfo.h"
#include "common/wire/types.h"

enum podfs_rights { /* from most to least */
	PODFS_RIGHTS_TRACE,	 /* uid 0 and SYS_PTRACE */
	PODFS_RIGHTS_ROOT,	 /* uid 0, default capabilities */
	PODFS_RIGHTS_RESTRICTED, /* the target's ids, no capability */
};

struct podfs_rung {
	enum wire_rung rung;
	enum podfs_rights rights;
};

#define PODFS_RUNGS_MAX 4

/* The rungs for @p, best first, none with more rights than @max has (NONE:
 * any). Returns how many. */
size_t podfs_ladder(const struct podfs_podinfo *p, enum wire_rung max,
		    struct podfs_rung ret[PODFS_RUNGS_MAX]);

/* Writes "securityContext". */
void podfs_ladder_context(struct podfs_json_writer *w,
			  const struct podfs_podinfo *p,
			  enum podfs_rights rights);

#endif
