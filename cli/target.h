/*
 * What a command is about: NAMESPACE/POD/CONTAINER, or a path at or below a
 * mount, which may lead on into the container. No daemon is waited for: nothing
 * below a mount is looked at but its status document.
 */
#ifndef PODFS_CLI_TARGET_H
#define PODFS_CLI_TARGET_H

#include "backend/backend.h"

struct target {
	struct podfs_ref ref; /* as far as it was named; what wasn't is "" */
	char *mountpoint;     /* of a path; NULL: it was a name */
	char context[256];    /* the mount's; by target_cluster() */
};

/* An enum cli_exit; what is wrong was said, for @command. A path begins with
 * "/", "./" or "../". @ns: what --namespace gave, so that the name is
 * POD/CONTAINER; or NULL. Always: target_done(). */
int target_parse(const char *command, const char *ns, const char *text,
		 struct target *ret);

/* Of a path: @config gets the mount's context, unless it has one. CLI_FAILED
 * where the mount is of another cluster than @config leads to. */
int target_cluster(struct target *t, struct podfs_backend_config *config);

void target_done(struct target *t);

#endif
