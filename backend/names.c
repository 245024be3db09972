#include "backend/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/names_inner.h"

/* Tells one container id from the next, nothing more. */
static uint64_t id_hash(const char *s)
{
	uint64_t h = *s ? podfs_hash(s, strlen(s)) : 0;

	return *s && h == 0 ? 1 : h;
}

const char *names_container_at(const char *p, struct names_container *ret)
{
	ret->shown = *p & CT_SHOWN;
	ret->running = *p & CT_RUNNING;
	ret->idle_init = *p & CT_IDLE_INIT;
	memcpy(&ret->id, p + 1, sizeof(ret->id));
	ret->name = p + 1 + sizeof(ret->id);
	return ret->name + strlen(ret->name) + 1;
}

struct names_ns *names_find_ns(struct podfs_names *n, const char *name)
{
	struct names_ns *ns = NULL;

	HASH_FIND_STR(n->namespaces, name, ns);
	return ns;
}

struct names_pod *names_find_pod(struct names_ns *ns, const char *name)
{
	struct names_pod *p = NULL;

	HASH_FIND_STR(ns->pods, name, p);
	return p;
}

int podfs_names_new(const struct podfs_names_events *events,
		    struct podfs_names **ret)
{
	struct podfs_names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->events = events;
	pthread_mutex_init(&n->lock, NULL);
	*ret = n;
	return 0;
}

static void ns_free(struct names_ns *ns)
{
	struct names_pod *p, *tmp;

	HASH_ITER(hh, ns->pods, p, tmp) {
		HASH_DEL(ns->pods, p);
		free(p);
	}
	free(ns);
}

void podfs_names_free(struct podfs_names *n)
{
	struct names_ns *ns, *tmp;

	if (!n)
		return;
	HASH_ITER(hh, n->namespaces, ns, tmp) {
		HASH_DEL(n->namespaces, ns);
		ns_free(ns);
	}
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* ---- pods ------------------------------------------------------------------ */

static char *put_text(char *at, const char *s)
{
	return stpcpy(at, s) + 1;
}

static struct names_pod *pod_pack(const struct podfs_pod_view *v)
{
	size_t size = strlen(v->name) + 1 + strlen(v->uid) + 1;
	struct names_pod *p;
	char *at;

	for (size_t i = 0; i < v->n; i++)
		size += 1 + sizeof(uint64_t) + strlen(v->c[i].name) + 1;
	p = calloc(1, sizeof(*p) + size);
	if (!p)
		return NULL;
	p->created = v->created;
	p->containers = (uint16_t)v->n;
	at = put_text(p->text, v->name);
	p->uid_at = (uint16_t)(at - p->text);
	at = put_text(at, v->uid);
	p->containers_at = (uint16_t)(at - p->text);
	for (size_t i = 0; i < v->n; i++) {
		const struct podfs_pod_container *c = &v->c[i];
		uint64_t id = id_hash(c->id);

		*at = (char)((c->shown ? CT_SHOWN : 0) |
			     (c->running ? CT_RUNNING : 0) |
			     (c->kind == PODFS_CT_INIT && !c->running ?
				      CT_IDLE_INIT : 0));
		memcpy(at + 1, &id, sizeof(id));
		at = put_text(at + 1 + sizeof(id), c->name);
		p->shown = (uint16_t)(p->shown + c->shown);
	}
	return p;
}

static struct names_ns *ns_make(struct podfs_names *n, const char *name)
{
	struct names_ns *ns = names_find_ns(n, name);

	if (ns)
		return ns;
	if (HASH_COUNT(n->namespaces) >= NAMES_NAMESPACES_MAX)
		return NULL;
	ns = calloc(1, sizeof(*ns) + strlen(name) + 1);
	if (!ns)
		return NULL;
	strcpy(ns->name, name);
	pthread_mutex_lock(&n->lock);
	HASH_ADD_STR(n->namespaces, name, ns);
	pthread_mutex_unlock(&n->lock);
	if (!ns->hh.tbl) {
		free(ns);
		return NULL;
	}
	return ns;
}

/* Swaps @now in for @old; either may be NULL. */
static void pod_swap(struct podfs_names *n, struct names_ns *ns,
		     struct names_pod *old, struct names_pod *now)
{
	pthread_mutex_lock(&n->lock);
	if (old) {
		HASH_DEL(ns->pods, old);
		n->n_pods--;
		n->n_containers -= old->shown;
	}
	if (now) {
		HASH_ADD_STR(ns->pods, text, now);
		if (now->hh.tbl) {
			n->n_pods++;
			n->n_containers += now->shown;
		}
	}
	pthread_mutex_unlock(&n->lock);
}

static void pod_remove(struct podfs_names *n, struct names_ns *ns,
		       struct names_pod *p)
{
	pod_swap(n, ns, p, NULL);
	if (ns->listed)
		names_tell(n, PODFS_POD, ns->name, p->text, "", true);
	names_tell_containers(n, ns->name, p, NULL, NULL);
	free(p);
}

int podfs_names_pod(struct podfs_names *n, const struct podfs_pod_view *v)
{
	struct names_ns *ns = ns_make(n, v->ns);
	struct names_pod *old, *now;

	if (!ns)
		return -ENOMEM;
	old = names_find_pod(ns, v->name);
	if (old && strcmp(old->text + old->uid_at, v->uid)) {
		pod_remove(n, ns, old);
		old = NULL;
	}
	if (!old && n->n_pods >= NAMES_PODS_MAX)
		return -ENOSPC;
	now = pod_pack(v);
	if (!now)
		return -ENOMEM;
	now->gen = n->per_namespace ? ns->pods_gen : n->pods_gen;
	pod_swap(n, ns, old, now);
	if (!now->hh.tbl) {
		free(now);
		now = NULL;
	}
	if (old) {
		names_tell_containers(n, ns->name, old, now, v);
		if (now)
			names_tell_new_containers(n, ns->name, old, now, v);
		free(old);
	} else if (now && ns->listed) {
		names_tell(n, PODFS_POD, ns->name, now->text, "", false);
	}
	return now ? 0 : -ENOMEM;
}

void podfs_names_pod_gone(struct podfs_names *n, const char *ns_name,
			  const char *name, const char *uid)
{
	struct names_ns *ns = names_find_ns(n, ns_name);
	struct names_pod *p = ns ? names_find_pod(ns, name) : NULL;

	if (p && (!*uid || !strcmp(uid, p->text + p->uid_at)))
		pod_remove(n, ns, p);
}

void podfs_names_per_namespace(struct podfs_names *n)
{
	pthread_mutex_lock(&n->lock);
	n->per_namespace = true;
	pthread_mutex_unlock(&n->lock);
}

void podfs_names_pods_begin(struct podfs_names *n, const char *ns_name)
{
	struct names_ns *ns;

	n->gen++;
	if (!ns_name) {
		n->pods_gen = n->gen;
		return;
	}
	ns = names_find_ns(n, ns_name);
	if (ns)
		ns->pods_gen = n->gen;
}

static void sweep(struct podfs_names *n, struct names_ns *ns, uint32_t gen)
{
	struct names_pod *p, *tmp;

	HASH_ITER(hh, ns->pods, p, tmp)
		if (p->gen != gen)
			pod_remove(n, ns, p);
}

void podfs_names_pods_end(struct podfs_names *n, const char *ns_name)
{
	struct names_ns *ns, *tmp;

	if (ns_name) {
		ns = names_find_ns(n, ns_name);
		if (ns)
			sweep(n, ns, ns->pods_gen);
	} else {
		HASH_ITER(hh, n->namespaces, ns, tmp)
			sweep(n, ns, n->pods_gen);
	}
	podfs_names_pods_state(n, ns_name, PODFS_KNOWN);
}

/* Those who were told "not yet" ask again when their folder is named. */
static void tell_listed(struct podfs_names *n, struct names_ns *ns)
{
	if (ns->listed)
		names_tell(n, PODFS_NAMESPACE, ns->name, "", "", false);
}

/* Better what was true a while ago than nothing. */
static enum podfs_known still(enum podfs_known was, enum podfs_known state)
{
	return was == PODFS_KNOWN && state == PODFS_KNOWN_FAILED ? was : state;
}

void podfs_names_pods_state(struct podfs_names *n, const char *ns_name,
			    enum podfs_known state)
{
	struct names_ns *ns = ns_name ? names_find_ns(n, ns_name) : NULL;
	enum podfs_known was;
	struct names_ns *tmp;

	if (ns_name && !ns)
		return;
	pthread_mutex_lock(&n->lock);
	was = ns ? ns->pods_state : n->pods_state;
	state = still(was, state);
	if (ns)
		ns->pods_state = state;
	else
		n->pods_state = state;
	pthread_mutex_unlock(&n->lock);
	if (was == state)
		return;
	if (ns)
		tell_listed(n, ns);
	else
		HASH_ITER(hh, n->namespaces, ns, tmp)
			tell_listed(n, ns);
}

/* ---- namespaces -------------------------------------------------------------- */

void podfs_names_namespaces_begin(struct podfs_names *n)
{
	n->namespaces_gen = ++n->gen;
}

int podfs_names_namespace(struct podfs_names *n, const char *name,
			  const char *uid, int64_t created)
{
	struct names_ns *ns;
	bool is_new;

	if (!podfs_is_label(name) || (*uid && !podfs_is_uid(uid)))
		return -EBADMSG;
	ns = ns_make(n, name);
	if (!ns)
		return -ENOMEM;
	is_new = !ns->listed || strcmp(ns->uid, uid);
	pthread_mutex_lock(&n->lock);
	ns->gen = n->namespaces_gen;
	n->n_namespaces += !ns->listed;
	ns->listed = true;
	ns->created = created;
	strcpy(ns->uid, uid);
	pthread_mutex_unlock(&n->lock);
	if (is_new)
		tell_listed(n, ns);
	return 0;
}

static void ns_remove(struct podfs_names *n, struct names_ns *ns)
{
	struct names_pod *p, *tmp;

	HASH_ITER(hh, ns->pods, p, tmp)
		pod_remove(n, ns, p);
	pthread_mutex_lock(&n->lock);
	HASH_DEL(n->namespaces, ns);
	n->n_namespaces--;
	pthread_mutex_unlock(&n->lock);
	names_tell(n, PODFS_NAMESPACE, ns->name, "", "", true);
	free(ns);
}

void podfs_names_namespace_gone(struct podfs_names *n, const char *name)
{
	struct names_ns *ns = names_find_ns(n, name);

	if (ns && ns->listed)
		ns_remove(n, ns);
}

void podfs_names_namespaces_end(struct podfs_names *n)
{
	struct names_ns *ns, *tmp;

	HASH_ITER(hh, n->namespaces, ns, tmp)
		if (ns->listed && ns->gen != n->namespaces_gen)
			ns_remove(n, ns);
	podfs_names_namespaces_state(n, PODFS_KNOWN);
}

void podfs_names_namespaces_state(struct podfs_names *n, enum podfs_known state)
{
	enum podfs_known was;

	pthread_mutex_lock(&n->lock);
	was = n->namespaces_state;
	state = still(was, state);
	n->namespaces_state = state;
	pthread_mutex_unlock(&n->lock);
	if (was != state)
		names_tell(n, PODFS_NAMESPACE, "", "", "", false);
}
