#include "backend/ladder.h"

size_t podfs_ladder(const struct podfs_podinfo *p,
		    struct podfs_rung ret[PODFS_RUNGS_MAX])
{
	/* A target that runs as root can't be matched without root; Pod
	 * Security waives that inside a user namespace. */
	bool restricted = !p->has_uid || p->uid != 0 || !p->host_users;
	size_t n = 0;

	if (p->state == PODFS_TARGET_STOPPED) {
		ret[n++] = (struct podfs_rung){ WIRE_RUNG_VOLUMES,
						PODFS_RIGHTS_ROOT };
		if (restricted)
			ret[n++] = (struct podfs_rung){
				WIRE_RUNG_VOLUMES, PODFS_RIGHTS_RESTRICTED
			};
		return n;
	}
	ret[n++] = (struct podfs_rung){ WIRE_RUNG_FULL, PODFS_RIGHTS_TRACE };
	ret[n++] = (struct podfs_rung){ WIRE_RUNG_BASELINE, PODFS_RIGHTS_ROOT };
	if (restricted)
		ret[n++] = (struct podfs_rung){ WIRE_RUNG_RESTRICTED,
						PODFS_RIGHTS_RESTRICTED };
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

/* The smallest that Pod Security "restricted" admits (facts 4). The group
 * counts as much as the user for /proc/PID/root (facts 5.1). */
static void write_restricted(struct podfs_json_writer *w,
			     const struct podfs_podinfo *p)
{
	bool root = p->has_uid && p->uid == 0;

	if (p->has_uid) {
		podfs_json_write_int(w, "runAsUser", p->uid);
		podfs_json_write_int(w, "runAsGroup", p->gid);
	}
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
