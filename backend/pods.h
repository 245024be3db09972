/*
 * A pod of the API, reduced to what the tree of names needs.
 *
 * Everything is checked: names by RFC 1123, uids, counts. A pod whose own name
 * is none is refused; a container whose name is none, or comes twice, is left
 * out and counted.
 */
#ifndef PODFS_BACKEND_PODS_H
#define PODFS_BACKEND_PODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/json.h"

/* Ephemeral containers stay in a pod for ever, the others are few: etcd's
 * 1.5 MiB would hold some thousands of them. */
#define PODFS_POD_CONTAINERS_MAX 512

/* Helper containers of podfs, of whatever version, are named so. */
#define PODFS_HELPER_PREFIX "podfs-"

enum podfs_container_kind {
	PODFS_CT_REGULAR,
	PODFS_CT_SIDECAR, /* an init container that is restarted for ever */
	PODFS_CT_INIT,
	PODFS_CT_EPHEMERAL, /* other people's */
	PODFS_CT_HELPER,    /* podfs's own */
};

struct podfs_pod_container {
	const char *name; /* borrowed from the JSON */
	const char *id;	  /* containerID, "" none */
	const char *why;  /* it runs no more, in one word; "" unknown */
	enum podfs_container_kind kind;
	bool running;
	bool shown; /* has a folder */
};

struct podfs_pod_view {
	const char *ns;
	const char *name;
	const char *uid;
	const char *why; /* it ends or ended: "Evicted"; "" unknown */
	int64_t created;
	size_t n;
	unsigned dropped; /* containers left out */
	struct podfs_pod_container c[PODFS_POD_CONTAINERS_MAX];
};

/* Fills in @ret, which borrows from @pod. -EBADMSG for what is no pod. */
int podfs_pod_view(const struct podfs_json *pod, struct podfs_pod_view *ret);

/* RFC 1123: at most 63 bytes of [a-z0-9-], or 253 of them with dots between
 * labels; neither "-" nor "." at the ends. */
bool podfs_is_label(const char *s);
bool podfs_is_subdomain(const char *s);
/* What may stand as a uid in a path or an argument. */
bool podfs_is_uid(const char *s);

/* "2026-11-23T13:59:01Z" as seconds since 1970; 0 where it is no such time. */
int64_t podfs_time_parse(const char *s);

/* The entry of @name in status.<kind>Statuses, or NULL. */
const struct podfs_json *podfs_pod_status(const struct podfs_json *pod,
					  const char *name);

#endif
