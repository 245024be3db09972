#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/names.h"
#include "backend/names_inner.h"
#include "common/base/log.h"

/* Grows while the lock is held, is walked after it: callbacks see no lock. */
struct snapshot {
	struct podfs_entry *e;
	size_t n, cap;
	bool failed;
};

static void snapshot_add(struct snapshot *s, const char *name, const char *uid,
			 int64_t created)
{
	struct podfs_entry *e;

	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;

		e = realloc(s->e, cap * sizeof(*e));
		if (!e) {
			s->failed = true;
			return;
		}
		s->e = e;
		s->cap = cap;
	}
	e = &s->e[s->n++];
	strcpy(e->name, name);
	strcpy(e->uid, uid);
	e->created = created;
}

static int state_error(enum podfs_known state)
{
	switch (state) {
	case PODFS_KNOWN_NOT_YET:
		return -EAGAIN;
	case PODFS_KNOWN:
		return 0;
	case PODFS_KNOWN_DENIED:
		return -EACCES;
	case PODFS_KNOWN_FAILED:
	default:
		return -EIO;
	}
}

static int root_error_locked(const struct podfs_names *n)
{
	return state_error(n->namespaces_state);
}

static int pods_error_locked(const struct podfs_names *n,
			     const struct names_ns *ns)
{
	return state_error(n->per_namespace ? ns->pods_state : n->pods_state);
}

static int find_ns_locked(struct podfs_names *n, const char *name,
			  struct names_ns **ret)
{
	struct names_ns *ns = names_find_ns(n, name);
	int r;

	if (ns && ns->listed) {
		*ret = ns;
		return 0;
	}
	r = root_error_locked(n);
	return r ? r : -ENOENT;
}

static int find_pod_locked(struct podfs_names *n, const struct podfs_ref *what,
			   struct names_pod **ret)
{
	struct names_ns *ns = NULL;
	int r = find_ns_locked(n, what->ns, &ns);

	if (r < 0)
		return r;
	/* A pod that is there is there, whatever else is still to come. */
	*ret = names_find_pod(ns, what->pod);
	if (*ret)
		return 0;
	r = pods_error_locked(n, ns);
	return r ? r : -ENOENT;
}

static int list_namespaces_locked(struct podfs_names *n, struct snapshot *s)
{
	struct names_ns *ns, *tmp;
	int r = root_error_locked(n);

	if (r < 0)
		return r;
	HASH_ITER(hh, n->namespaces, ns, tmp)
		if (ns->listed)
			snapshot_add(s, ns->name, ns->uid, ns->created);
	return 0;
}

static int list_pods_locked(struct podfs_names *n, const char *name,
			    struct snapshot *s)
{
	struct names_pod *p, *tmp;
	struct names_ns *ns = NULL;
	int r = find_ns_locked(n, name, &ns);

	if (r == 0)
		r = pods_error_locked(n, ns);
	if (r < 0)
		return r;
	HASH_ITER(hh, ns->pods, p, tmp)
		snapshot_add(s, p->text, p->text + p->uid_at, p->created);
	return 0;
}

static int list_containers_locked(struct podfs_names *n,
				  const struct podfs_ref *dir,
				  struct snapshot *s)
{
	struct names_container c;
	struct names_pod *p;
	const char *at;
	int r = find_pod_locked(n, dir, &p);

	if (r < 0)
		return r;
	at = p->text + p->containers_at;
	for (unsigned i = 0; i < p->containers; i++) {
		at = names_container_at(at, &c);
		if (c.shown)
			snapshot_add(s, c.name, p->text + p->uid_at,
				     p->created);
	}
	return 0;
}

int podfs_names_list(struct podfs_names *n, const struct podfs_ref *dir,
		     podfs_entry_fn *fn, void *arg)
{
	struct snapshot s = { .e = NULL };
	int r;

	pthread_mutex_lock(&n->lock);
	if (!dir)
		r = list_namespaces_locked(n, &s);
	else if (dir->kind == PODFS_NAMESPACE)
		r = list_pods_locked(n, dir->ns, &s);
	else if (dir->kind == PODFS_POD)
		r = list_containers_locked(n, dir, &s);
	else
		r = -ENOENT;
	pthread_mutex_unlock(&n->lock);
	if (r == 0 && s.failed)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < s.n; i++)
		if (!fn(arg, &s.e[i]))
			break;
	free(s.e);
	return r;
}

static int find_container(const struct names_pod *p, const char *name,
			  bool *idle_init)
{
	const char *at = p->text + p->containers_at;
	struct names_container c;

	for (unsigned i = 0; i < p->containers; i++) {
		at = names_container_at(at, &c);
		if (strcmp(c.name, name) != 0)
			continue;
		*idle_init = c.idle_init;
		return c.shown ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static int find_locked(struct podfs_names *n, const struct podfs_ref *what,
		       struct podfs_entry *ret, bool *idle_init)
{
	struct names_ns *ns;
	struct names_pod *p;
	const char *name = what->pod;
	int r;

	if (what->kind == PODFS_NAMESPACE) {
		r = find_ns_locked(n, what->ns, &ns);
		if (r == 0) {
			strcpy(ret->name, ns->name);
			strcpy(ret->uid, ns->uid);
			ret->created = ns->created;
		}
		return r;
	}
	r = find_pod_locked(n, what, &p);
	if (r == 0 && what->kind == PODFS_CONTAINER) {
		name = what->container;
		r = find_container(p, name, idle_init);
	}
	if (r == 0) {
		strcpy(ret->name, name);
		strcpy(ret->uid, p->text + p->uid_at);
		ret->created = p->created;
	}
	return r;
}

int podfs_names_find(struct podfs_names *n, const struct podfs_ref *what,
		     struct podfs_entry *ret)
{
	bool idle_init = false;
	int r;

	pthread_mutex_lock(&n->lock);
	r = find_locked(n, what, ret, &idle_init);
	pthread_mutex_unlock(&n->lock);
	if (idle_init) /* who asks for it by name may want to know */
		podfs_warn("watch", "%s/%s/%s: it is an init container that "
			   "has ended or not begun: only those that run are "
			   "shown", what->ns, what->pod, what->container);
	return r;
}

void podfs_names_info(struct podfs_names *n, struct podfs_backend_info *ret)
{
	pthread_mutex_lock(&n->lock);
	ret->namespaces = n->n_namespaces;
	ret->pods = n->n_pods;
	ret->containers = n->n_containers;
	pthread_mutex_unlock(&n->lock);
}
