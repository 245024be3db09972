/*
 * The tree of names in memory: namespaces, pods, containers.
 *
 * Some 200 bytes a pod of two containers: strings are packed behind one
 * another, container ids are kept as hashes (tests/unit/test_names.c holds
 * 5,000 pods in 1,000 namespaces to 4 MiB).
 *
 * Thread: written by the control thread only, read by any; one lock inside,
 * never held while a callback runs. Events come on the control thread, after
 * the tree has changed.
 */
#ifndef PODFS_BACKEND_NAMES_H
#define PODFS_BACKEND_NAMES_H

#include "backend/backend.h"
#include "backend/pods.h"

struct podfs_names;

struct podfs_names_events {
	void *arg;
	void (*changed)(void *arg, const struct podfs_tree_change *c);
	void (*container)(void *arg, const char *pod_uid, const char *container,
			  const char *target_id, bool running,
			  const char *why);
};

/* What is known of a scope, that is of the row of namespaces, of the pods of
 * all namespaces, or of the pods of one. */
enum podfs_known {
	PODFS_KNOWN_NOT_YET, /* -EAGAIN */
	PODFS_KNOWN,
	PODFS_KNOWN_DENIED, /* -EACCES */
	PODFS_KNOWN_FAILED, /* -EIO; what is known stays so */
};

/* @events must outlive it. -ENOMEM. */
int podfs_names_new(const struct podfs_names_events *events,
		    struct podfs_names **ret);
/* Once no thread uses it. NULL is fine. */
void podfs_names_free(struct podfs_names *n);

/* ---- the control thread ------------------------------------------------- */

/* Pods come from one scope for each namespace instead of one for all. */
void podfs_names_per_namespace(struct podfs_names *n);

/* A list of namespaces begins; what podfs_names_namespace() doesn't say again
 * until the end is removed then. */
void podfs_names_namespaces_begin(struct podfs_names *n);
/* Errors: -EBADMSG no name, -ENOMEM, -ENOSPC too many. */
int podfs_names_namespace(struct podfs_names *n, const char *name,
			  const char *uid, int64_t created);
void podfs_names_namespace_gone(struct podfs_names *n, const char *name);
void podfs_names_namespaces_end(struct podfs_names *n);
void podfs_names_namespaces_state(struct podfs_names *n,
				  enum podfs_known state);

/* The same for pods; @ns NULL: those of all namespaces. */
void podfs_names_pods_begin(struct podfs_names *n, const char *ns);
int podfs_names_pod(struct podfs_names *n, const struct podfs_pod_view *v);
/* @uid "" takes any. */
void podfs_names_pod_gone(struct podfs_names *n, const char *ns,
			  const char *name, const char *uid);
void podfs_names_pods_end(struct podfs_names *n, const char *ns);
void podfs_names_pods_state(struct podfs_names *n, const char *ns,
			    enum podfs_known state);

/* ---- any thread ------------------------------------------------------------ */

/* As podfs_tree_list() and podfs_tree_find(), with their errors. */
int podfs_names_list(struct podfs_names *n, const struct podfs_ref *dir,
		     podfs_entry_fn *fn, void *arg);
int podfs_names_find(struct podfs_names *n, const struct podfs_ref *what,
		     struct podfs_entry *ret);
/* Adds its counts. */
void podfs_names_info(struct podfs_names *n, struct podfs_backend_info *ret);

#endif
