/* What is told of a change of the tree, once it is done. */
#include <string.h>

#include "backend/names_inner.h"

void names_tell(struct podfs_names *n, enum podfs_kind kind, const char *ns,
		const char *pod, const char *container, bool removed)
{
	struct podfs_tree_change c = { .what.kind = kind, .removed = removed };

	strncpy(c.what.ns, ns, PODFS_NAME_MAX);
	strncpy(c.what.pod, pod, PODFS_NAME_MAX);
	strncpy(c.what.container, container, PODFS_NAME_MAX);
	n->events->changed(n->events->arg, &c);
}

static bool pod_container(const struct names_pod *p, const char *name,
			  struct names_container *ret)
{
	const char *at = p->text + p->containers_at;

	for (unsigned i = 0; i < p->containers; i++) {
		at = names_container_at(at, ret);
		if (!strcmp(ret->name, name))
			return true;
	}
	return false;
}

static void tell_state(struct podfs_names *n, const struct podfs_pod_view *v,
		       const struct names_container *is)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->c[i].name, is->name))
			n->events->container(n->events->arg, v->uid, is->name,
					     v->c[i].id, is->running,
					     is->running ? "" : v->c[i].why);
}

void names_tell_containers(struct podfs_names *n, const char *ns,
			   const struct names_pod *old,
			   const struct names_pod *now,
			   const struct podfs_pod_view *v)
{
	const char *at = old->text + old->containers_at;
	const char *uid = old->text + old->uid_at;
	struct names_container was, is;

	for (unsigned i = 0; i < old->containers; i++) {
		at = names_container_at(at, &was);
		if (!now || !pod_container(now, was.name, &is)) {
			n->events->container(n->events->arg, uid, was.name, "",
					     false, "");
			if (now && was.shown)
				names_tell(n, PODFS_CONTAINER, ns, old->text,
					   was.name, true);
			continue;
		}
		if (was.id != is.id || was.running != is.running)
			tell_state(n, v, &is);
		if (was.shown != is.shown)
			names_tell(n, PODFS_CONTAINER, ns, old->text, was.name,
				   was.shown);
	}
}

void names_tell_new_containers(struct podfs_names *n, const char *ns,
			       const struct names_pod *old,
			       const struct names_pod *now,
			       const struct podfs_pod_view *v)
{
	const char *at = now->text + now->containers_at;
	struct names_container is, was;

	for (unsigned i = 0; i < now->containers; i++) {
		at = names_container_at(at, &is);
		if (pod_container(old, is.name, &was))
			continue;
		if (is.id)
			tell_state(n, v, &is);
		if (is.shown)
			names_tell(n, PODFS_CONTAINER, ns, now->text, is.name,
				   false);
	}
}
