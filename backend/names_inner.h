/*
 * What names.c writes, names_tell.c tells of and names_read.c reads. For these
 * only. Thread: the control thread; any in names_read.c, under the lock.
 */
#ifndef PODFS_BACKEND_NAMES_INNER_H
#define PODFS_BACKEND_NAMES_INNER_H

#include <pthread.h>

/* No memory: the element is left out, and its hh.tbl stays NULL. */
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION PODFS_UTHASH /* a cluster chooses the names */
#include <uthash.h>

#include "backend/names.h"
#include "common/base/hash.h"

/* Bounds against a server that never ends its lists. */
#define NAMES_PODS_MAX 300000
#define NAMES_NAMESPACES_MAX 50000

/* One block: the strings stand behind the struct, name first. For each
 * container: flags, eight bytes of hash, name, NUL. */
struct names_pod {
	UT_hash_handle hh;
	int64_t created;
	uint32_t gen;
	uint16_t containers; /* all of them */
	uint16_t shown;
	uint16_t uid_at; /* offsets into text */
	uint16_t containers_at;
	char text[];
};

enum { CT_SHOWN = 1, CT_RUNNING = 2, CT_IDLE_INIT = 4 };

struct names_container {
	const char *name;
	uint64_t id; /* hash; 0 none */
	bool shown;
	bool running;
	bool idle_init; /* an init container that doesn't run: not shown */
};

/* Reads the container at @p; returns where the next one stands. */
const char *names_container_at(const char *p, struct names_container *ret);

struct names_ns {
	UT_hash_handle hh;
	struct names_pod *pods;
	int64_t created;
	uint32_t gen;	   /* of the row of namespaces */
	uint32_t pods_gen; /* of its own pods' list */
	enum podfs_known pods_state;
	bool listed;	/* else only its pods were seen so far */
	char uid[PODFS_UID_MAX + 1];
	char name[];
};

struct podfs_names {
	const struct podfs_names_events *events;
	uint32_t gen; /* of the newest list; control thread only, as is the next */
	uint32_t namespaces_gen;
	pthread_mutex_t lock;
	/* under lock; the control thread reads without it */
	struct names_ns *namespaces;
	enum podfs_known namespaces_state;
	enum podfs_known pods_state; /* of all namespaces */
	uint32_t pods_gen;
	bool per_namespace;
	size_t n_namespaces, n_pods, n_containers;
};

struct names_ns *names_find_ns(struct podfs_names *n, const char *name);
struct names_pod *names_find_pod(struct names_ns *ns, const char *name);

/* That it came, or is gone (@removed). No lock may be held. */
void names_tell(struct podfs_names *n, enum podfs_kind kind, const char *ns,
		const char *pod, const char *container, bool removed);
/* What became of the containers of @old: @now is the same pod, of which @v has
 * the words; NULL: gone. */
void names_tell_containers(struct podfs_names *n, const char *ns,
			   const struct names_pod *old,
			   const struct names_pod *now,
			   const struct podfs_pod_view *v);
/* Those of @now that @old had not. */
void names_tell_new_containers(struct podfs_names *n, const char *ns,
			       const struct names_pod *old,
			       const struct names_pod *now,
			       const struct podfs_pod_view *v);

#endif
