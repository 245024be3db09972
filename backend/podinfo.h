/*
 * A pod as one looks at it before adding a helper to it: may it be done, what
 * state is the target in, who does it run as.
 *
 * Thread: any; everything borrows from the pod's JSON.
 */
#ifndef PODFS_BACKEND_PODINFO_H
#define PODFS_BACKEND_PODINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/json.h"
#include "common/base/error.h"

enum podfs_target_state {
	PODFS_TARGET_RUNNING,
	PODFS_TARGET_STARTING, /* will run soon: wait */
	PODFS_TARGET_STOPPED,  /* crash-looping, waiting, ended */
};

struct podfs_podinfo {
	const struct podfs_json *pod;
	const struct podfs_json *spec;	 /* the target's */
	const struct podfs_json *status; /* the target's; may be NULL */
	enum podfs_target_state state;
	bool ended; /* and where it is "starting", not started again yet */
	const char *target_id; /* containerID; "" none */
	char words[320];       /* the state, for people */
	/* Whose process namespace to enter: the target itself, or the one that
	 * an ephemeral target was given. NULL: the pod shares one. */
	const char *process_target;
	bool shared_processes; /* one namespace for all, or the node's */
	/* Why no ephemeral container can look into it: a static pod, a process
	 * namespace that nothing can join. NULL: one can. */
	const char *no_helper;
	bool host_users; /* false: the pod has its own user namespace */
	/* As the target runs: its status, else the specs. */
	bool has_uid, has_gid;
	int64_t uid, gid;
	const char *arch; /* of the node, where the pod asks for one; "" */
};

/*
 * Fills in @ret for container @name of @pod.
 * Errors, with the reason: -ENOENT no such container; -EOPNOTSUPP Windows,
 * ended, not scheduled; -ENOENT being deleted.
 */
int podfs_podinfo(const struct podfs_json *pod, const char *name,
		  struct podfs_podinfo *ret, struct podfs_err *err);

/* For people: that @pod has no container @name, and which it has. -ENOENT. */
int podfs_podinfo_no_container(const struct podfs_json *pod, const char *name,
			       struct podfs_err *err);

#endif
