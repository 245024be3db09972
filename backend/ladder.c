#include "backend/ladder.h"

#include "common/base/guard.h"

static enum podfs_rights most_rights(enum wire_rung max)
{
	switch (max) {
	case WIRE_RUNG_BASELINE:
		return PODFS_RIGHTS_ROOT;
	case WIRE_RUNG_RESTRICTED:
		return PODFS_RIGHTS_RESTRICTED;
	case WIRE_RUNG_NONE:
	case WIRE_RUNG_FULL:
	case WIRE_RUNG_VOLUMES:
	case WIRE_RUNG_PLAIN:
	default:
		return PODFS_RIGHTS_TRACE;
	}
}

size_t podfs_ladder(const struct podfs_podinfo *p, enum wire_rung max,
		    struct podfs_rung ret[PODFS_RUNGS_MAX])
{
	static const struct podfs_rung running[] = {
		{ WIRE_RUNG_FULL, PODFS_RIGHTS_TRACE },
		{ WIRE_RUNG_BASELINE, PODFS_RIGHTS_ROOT },
		{ WIRE_RUNG_RESTRICTED, PODFS_RIGHTS_RESTRICTED },
	};
	static const struct podfs_rung stopped[] = {
		{ WIRE_RUNG_VOLUMES, PODFS_RIGHTS_ROOT },
		{ WIRE_RUNG_VOLUMES, PODFS_RIGHTS_RESTRICTED },
	};
	bool stop = p->state == PODFS_TARGET_STOPPED;
	const struct podfs_rung *all = stop ? stopped : running;
	size_t count = stop ? PODFS_ARRAY_LEN(stopped) :
			      PODFS_ARRAY_LEN(running);
	/* A target that runs as root can't be matched without root; Pod
	 * Security waives that inside a user namespace. */
	bool restricted = !p->has_uid || p->uid != 0 || !p->host_users;
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (all[i].rights >= most_rights(max) &&
		    (restricted || all[i].rights != PODFS_RIGHTS_RESTRICTED))
			ret[n++] = all[i];
	return n;
}

static void write_root(struct podfs_json_writer *w, bool trace)
{
	/* Said in full, since the pod may say otherwise for all. */
	podfs_json_write_int(w, "runAsUser", 0);
	podfs_json_write_int(w, "runAsGroup", 0);
	podfs_json_write_bool(w, "runAsNonRoot", false);
	if (!trace)
		return;
	podfs_json_write_object(w, "capabilities");
	podfs_json_write_array(w, "add");
	podfs_json_write_string(w, NULL, "SYS_PTRACE");
	podfs_json_write_array_end(w);
	podfs_json_write_object_end(w);
}

/* Whose a target is that never ran and that only its image tells. Any number
 * but root's: the kubelet starts no helper whose image is root's, either. */
#define UNKNOWN_ID 65532

/* The smallest that Pod Security "restricted" admits (facts 4). The group
 * counts as much as the user for /proc/PID/root (facts 5.1). */
static void write_restricted(struct podfs_json_writer *w,
			     const struct podfs_podinfo *p)
{
	bool root = p->has_uid && p->uid == 0;

	podfs_json_write_int(w, "runAsUser",
			     p->has_uid ? p->uid : UNKNOWN_ID);
	podfs_json_write_int(w, "runAsGroup",
			     p->has_gid ? p->gid : UNKNOWN_ID);
	podfs_json_write_bool(w, "runAsNonRoot", !root);
	podfs_json_write_bool(w, "allowPrivilegeEscalation", false);
	podfs_json_write_object(w, "capabilities");
	podfs_json_write_array(w, "drop");
	podfs_json_write_string(w, NULL, "ALL");
	podfs_json_write_array_end(w);
	podfs_json_write_object_end(w);
	podfs_json_write_object(w, "seccompProfile");
	podfs_json_write_string(w, "type", "RuntimeDefault");
	podfs_json_write_object_end(w);
}

void podfs_ladder_context(struct podfs_json_writer *w,
			  const struct podfs_podinfo *p,
			  enum podfs_rights rights)
{
	podfs_json_write_object(w, "securityContext");
	if (rights == PODFS_RIGHTS_RESTRICTED)
		write_restricted(w, p);
	else
		write_root(w, rights == PODFS_RIGHTS_TRACE);
	podfs_json_write_object_end(w);
}
