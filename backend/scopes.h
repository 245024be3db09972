/*
 * Which lists and watches are kept, by what the user may see.
 *
 *   all rights                namespaces + pods of all namespaces
 *   no pods cluster-wide      namespaces + one watch of pods for each
 *   no namespaces             the context's namespace, one watch
 *   --namespace               the named ones, one watch each
 *
 * Rights that are missing at the top are not asked for again; a namespace
 * whose pods are refused is asked once a minute.
 * Thread: the control thread.
 */
#ifndef PODFS_BACKEND_SCOPES_H
#define PODFS_BACKEND_SCOPES_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/json.h"
#include "backend/loop.h"
#include "backend/names.h"
#include "backend/rest.h"

struct podfs_scopes;

struct podfs_scopes_config {
	struct podfs_rest *rest;
	struct podfs_loop *loop;
	struct podfs_names *names;
	const char *const *namespaces; /* those that were asked for */
	size_t n_namespaces;
	const char *default_namespace; /* the context's */
	void *arg;
	/* Every pod that a list or a watch shows, after the tree has it. */
	void (*pod)(void *arg, const struct podfs_json *pod, bool removed);
	/* A list of all pods of @ns (NULL: of all) is through. */
	void (*pods_listed)(void *arg, const char *ns);
	/* The first names are there, or were refused. Once. */
	void (*settled)(void *arg);
	/* podfs_scopes_alive() may say another thing than before. */
	void (*alive)(void *arg);
	/* Nothing can be seen at all, or not of what was asked for; "" it can.
	 * Before settled(), where that comes of it. */
	void (*denied)(void *arg, const char *words);
	/* @ns, which was asked for, isn't there; or (false) it has pods now. The
	 * first time before settled(), where only one was. */
	void (*missing)(void *arg, const char *ns, bool is);
	/* Namespaces can't be listed: only the default one is shown. Once,
	 * before settled(). */
	void (*confined)(void *arg);
	/* No names yet, or none that are new, and why. */
	void (*trouble)(void *arg, const struct podfs_err *err);
};

/* -EINVAL with the name of a namespace that is none; -ENOMEM. */
int podfs_scopes_new(const struct podfs_scopes_config *config,
		     struct podfs_scopes **ret, struct podfs_err *err);
void podfs_scopes_free(struct podfs_scopes *s);

/* Every first list is complete or refused; every watch runs. */
bool podfs_scopes_synced(const struct podfs_scopes *s);
bool podfs_scopes_alive(const struct podfs_scopes *s);

#endif
