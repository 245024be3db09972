#include "backend/scopes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/ns_look.h"
#include "backend/watch.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

/* The pods of one namespace, or of all. */
struct scope {
	struct podfs_scopes *all;
	struct scope *next;
	struct podfs_watch *watch;
	char *ns; /* NULL: all */
	bool answered;
	bool synced; /* or refused */
	bool denied; /* said so in the log */
	bool named; /* by the user, and not seen since */
	bool missing; /* the same, and said so */
	struct podfs_ns_look *look; /* whether it is there */
};

struct podfs_scopes {
	struct podfs_scopes_config c;
	struct podfs_watch *namespaces; /* NULL: they are given */
	struct scope *pods;
	bool per_namespace;
	bool namespaces_known;
	bool settled;
};

static void settle(struct podfs_scopes *s)
{
	bool answered = !s->pods;

	for (struct scope *p = s->pods; p; p = p->next)
		answered |= p->answered;
	if (s->settled || !s->namespaces_known || !answered)
		return;
	s->settled = true;
	s->c.settled(s->c.arg);
}

/* ---- pods -------------------------------------------------------------------- */

static void pods_begin(void *arg)
{
	struct scope *p = arg;

	podfs_names_pods_begin(p->all->c.names, p->ns);
}

/* It has a pod. */
static void is_seen(struct scope *p)
{
	p->named = false;
	if (p->missing)
		p->all->c.missing(p->all->c.arg, p->ns, false);
	p->missing = false;
}

static void pods_object(void *arg, const struct podfs_json *pod, bool removed)
{
	struct scope *p = arg;
	struct podfs_scopes *s = p->all;
	struct podfs_pod_view v;
	int r = podfs_pod_view(pod, &v);

	if (r == 0 && p->ns && strcmp(p->ns, v.ns) != 0)
		r = -EBADMSG;
	if (r == 0 && removed)
		podfs_names_pod_gone(s->c.names, v.ns, v.name, v.uid);
	else if (r == 0)
		r = podfs_names_pod(s->c.names, &v);
	if (r < 0) {
		podfs_warn_seldom("watch", "a pod was left out: %s",
				  strerror(-r));
		return;
	}
	is_seen(p);
	s->c.pod(s->c.arg, pod, removed);
}

static void pods_alive(void *arg)
{
	struct scope *p = arg;

	p->all->c.alive(p->all->c.arg);
}

static void on_looked(void *arg, bool missing)
{
	struct scope *p = arg;

	podfs_ns_look_free(podfs_steal_ptr(&p->look));
	p->missing = missing && p->named;
	if (p->missing) {
		podfs_warn("watch", "there is no namespace '%s': its folder is "
			   "empty until it has a pod", p->ns);
		p->all->c.missing(p->all->c.arg, p->ns, true);
	}
	p->answered = true;
	settle(p->all);
}

static void pods_page(void *arg)
{
	struct scope *p = arg;

	if (p->named && !p->answered && !p->look)
		p->look = podfs_ns_look_new(p->all->c.rest, p->ns, on_looked, p);
	if (p->look)
		return;
	p->answered = true;
	settle(p->all);
}

/* That some namespaces are refused is as usual; but not of those that were
 * named, or of all. @why: the server's words, or NULL. */
static void tell_denied(struct podfs_scopes *s, const char *why)
{
	struct podfs_err words = PODFS_ERR_INIT;
	const struct scope *one = NULL;
	size_t n = 0, denied = 0;

	for (const struct scope *p = s->pods; p; p = p->next) {
		n++;
		denied += p->denied;
		one = p->denied ? p : one;
	}
	if (denied == 1 && (n == 1 || s->c.n_namespaces))
		podfs_err_set(&words, -EACCES,
			      "no right to list and watch pods in namespace "
			      "'%s'%s%s", one->ns, why ? ": " : "",
			      why ? why : "");
	else if (denied && (denied == n || s->c.n_namespaces))
		podfs_err_set(&words, -EACCES,
			      "no right to list and watch pods in %zu of %zu "
			      "namespaces%s%s", denied, n, why ? ": " : "",
			      why ? why : "");
	s->c.denied(s->c.arg, words.text);
}

static void pods_end(void *arg)
{
	struct scope *p = arg;
	struct podfs_scopes *s = p->all;

	p->synced = true;
	if (p->denied) {
		p->denied = false;
		tell_denied(s, NULL);
	}
	podfs_names_pods_end(s->c.names, p->ns);
	s->c.pods_listed(s->c.arg, p->ns);
}

static void go_per_namespace(struct podfs_scopes *s);

static void pods_trouble(void *arg, enum podfs_watch_trouble t,
			 const struct podfs_err *err)
{
	struct scope *p = arg;
	struct podfs_scopes *s = p->all;

	if (t == PODFS_WATCH_FAILED) {
		podfs_names_pods_state(s->c.names, p->ns, PODFS_KNOWN_FAILED);
		s->c.trouble(s->c.arg, err);
		return;
	}
	if (!p->ns) {
		podfs_info("watch",
			   "no right to list pods in all namespaces: "
			   "asks for each namespace");
		go_per_namespace(s);
		settle(s);
		return;
	}
	if (!p->denied)
		podfs_warn("watch",
			   "no right to list and watch pods in namespace "
			   "'%s': its folder stays closed (%s)",
			   p->ns, err->text);
	p->denied = true;
	tell_denied(s, err->text);
	p->answered = true;
	p->synced = true;
	podfs_names_pods_state(s->c.names, p->ns, PODFS_KNOWN_DENIED);
	settle(s);
}

static void scope_free(struct scope *p)
{
	podfs_ns_look_free(p->look);
	podfs_watch_free(p->watch);
	free(p->ns);
	free(p);
}

static int scope_add(struct podfs_scopes *s, const char *ns)
{
	struct podfs_watch_events ev = {
		.begin = pods_begin,
		.object = pods_object,
		.page = pods_page,
		.end = pods_end,
		.alive = pods_alive,
		.trouble = pods_trouble,
	};
	char path[128];
	struct scope *p;
	int r;

	for (p = s->pods; p; p = p->next)
		if (ns && p->ns && !strcmp(p->ns, ns))
			return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->all = s;
	ev.arg = p;
	if (ns)
		snprintf(path, sizeof(path), "/api/v1/namespaces/%s/pods", ns);
	else
		snprintf(path, sizeof(path), "/api/v1/pods");
	p->ns = ns ? strdup(ns) : NULL;
	r = ns && !p->ns ? -ENOMEM :
			   podfs_watch_new(s->c.rest, s->c.loop, path, &ev,
					   &p->watch);
	if (r < 0) {
		scope_free(p);
		return r;
	}
	p->next = s->pods;
	s->pods = p;
	return 0;
}

static bool add_for_entry(void *arg, const struct podfs_entry *e)
{
	struct podfs_scopes *s = arg;

	if (scope_add(s, e->name) < 0)
		podfs_error("watch", "no memory for namespace '%s'", e->name);
	return true;
}

static void go_per_namespace(struct podfs_scopes *s)
{
	if (s->per_namespace)
		return;
	s->per_namespace = true;
	while (s->pods) {
		struct scope *p = s->pods;

		s->pods = p->next;
		scope_free(p);
	}
	podfs_names_per_namespace(s->c.names);
	podfs_names_list(s->c.names, NULL, add_for_entry, s);
}

/* Watches of namespaces that are gone. */
static void drop_stale(struct podfs_scopes *s)
{
	struct podfs_ref ref = { .kind = PODFS_NAMESPACE };
	struct podfs_entry e;
	struct scope **at = &s->pods;

	while (*at) {
		struct scope *p = *at;

		snprintf(ref.ns, sizeof(ref.ns), "%s", p->ns ? p->ns : "");
		if (!p->ns ||
		    podfs_names_find(s->c.names, &ref, &e) != -ENOENT) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		scope_free(p);
	}
}

/* ---- namespaces -------------------------------------------------------------- */

static void ns_begin(void *arg)
{
	struct podfs_scopes *s = arg;

	podfs_names_namespaces_begin(s->c.names);
}

static void ns_object(void *arg, const struct podfs_json *object, bool removed)
{
	struct podfs_scopes *s = arg;
	const struct podfs_json *meta = podfs_json_get(object, "metadata");
	const char *name = podfs_json_get_text(meta, "name");
	int r;

	if (removed) {
		podfs_names_namespace_gone(s->c.names, name);
		drop_stale(s);
		return;
	}
	r = podfs_names_namespace(
		s->c.names, name, podfs_json_get_text(meta, "uid"),
		podfs_time_parse(podfs_json_get_text(meta,
						     "creationTimestamp")));
	if (r == 0 && s->per_namespace)
		r = scope_add(s, name);
	if (r < 0)
		podfs_warn_seldom("watch", "namespace %s was left out: %s",
				  podfs_quote(name).text, strerror(-r));
}

static void ns_page(void *arg)
{
	struct podfs_scopes *s = arg;

	s->namespaces_known = true;
	settle(s);
}

static void ns_end(void *arg)
{
	struct podfs_scopes *s = arg;

	podfs_names_namespaces_end(s->c.names);
	drop_stale(s);
	/* Names that came before pods were refused, and a list before its end
	 * doesn't tell its names: they have no watch yet. */
	if (s->per_namespace)
		podfs_names_list(s->c.names, NULL, add_for_entry, s);
}

static void ns_alive(void *arg)
{
	struct podfs_scopes *s = arg;

	s->c.alive(s->c.arg);
}

/* @ns is shown without having been seen. */
static int show(struct podfs_scopes *s, const char *ns)
{
	int r = podfs_names_namespace(s->c.names, ns, "", 0);

	if (r == 0)
		r = scope_add(s, ns);
	if (r == 0)
		s->pods->named = true;
	return r;
}

static void ns_trouble(void *arg, enum podfs_watch_trouble t,
		       const struct podfs_err *err)
{
	struct podfs_scopes *s = arg;

	if (t == PODFS_WATCH_FAILED) {
		podfs_names_namespaces_state(s->c.names, PODFS_KNOWN_FAILED);
		s->c.trouble(s->c.arg, err);
		return;
	}
	if (s->namespaces_known) { /* the right was taken away */
		podfs_warn("watch", "namespaces can't be listed any more: %s",
			   err->text);
		return;
	}
	podfs_info("watch",
		   "no right to list namespaces: shows '%s' (more with "
		   "--namespace)", s->c.default_namespace);
	podfs_watch_free(podfs_steal_ptr(&s->namespaces));
	go_per_namespace(s);
	podfs_names_namespaces_begin(s->c.names);
	if (show(s, s->c.default_namespace) < 0)
		podfs_error("watch", "namespace %s can't be shown",
			    podfs_quote(s->c.default_namespace).text);
	podfs_names_namespaces_end(s->c.names);
	s->namespaces_known = true;
	s->c.confined(s->c.arg);
	settle(s);
}

/* ---- the interface ------------------------------------------------------------ */

static int show_given(struct podfs_scopes *s, struct podfs_err *err)
{
	s->per_namespace = true;
	s->namespaces_known = true;
	podfs_names_per_namespace(s->c.names);
	podfs_names_namespaces_begin(s->c.names);
	for (size_t i = 0; i < s->c.n_namespaces; i++) {
		int r = show(s, s->c.namespaces[i]);

		if (r < 0)
			return podfs_err_set(
				err, r == -EBADMSG ? -EINVAL : r,
				"namespace %s: %s",
				podfs_quote(s->c.namespaces[i]).text,
				r == -EBADMSG ? "no name of a namespace" :
						strerror(-r));
	}
	podfs_names_namespaces_end(s->c.names);
	return 0;
}

static int show_all(struct podfs_scopes *s, struct podfs_err *err)
{
	const struct podfs_watch_events ev = {
		.arg = s,
		.begin = ns_begin,
		.object = ns_object,
		.page = ns_page,
		.end = ns_end,
		.alive = ns_alive,
		.trouble = ns_trouble,
	};
	int r = podfs_watch_new(s->c.rest, s->c.loop, "/api/v1/namespaces", &ev,
				&s->namespaces);

	if (r == 0)
		r = scope_add(s, NULL);
	return r ? podfs_err_set(err, r, "out of memory") : 0;
}

int podfs_scopes_new(const struct podfs_scopes_config *config,
		     struct podfs_scopes **ret, struct podfs_err *err)
{
	struct podfs_scopes *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	s->c = *config;
	r = config->n_namespaces ? show_given(s, err) : show_all(s, err);
	if (r < 0) {
		podfs_scopes_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void podfs_scopes_free(struct podfs_scopes *s)
{
	if (!s)
		return;
	podfs_watch_free(s->namespaces);
	while (s->pods) {
		struct scope *p = s->pods;

		s->pods = p->next;
		scope_free(p);
	}
	free(s);
}

bool podfs_scopes_synced(const struct podfs_scopes *s)
{
	for (const struct scope *p = s->pods; p; p = p->next)
		if (!p->synced)
			return false;
	return s->namespaces_known;
}

bool podfs_scopes_alive(const struct podfs_scopes *s)
{
	for (const struct scope *p = s->pods; p; p = p->next)
		if (!p->denied && !podfs_watch_alive(p->watch))
			return false;
	return !s->namespaces || podfs_watch_alive(s->namespaces);
}
