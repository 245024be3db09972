#include "backend/cluster.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cluster_inner.h"
#include "common/base/log.h"
#include "podfs-version.h"

#define START_TIMEOUT_S 60

/* ---- told by the parts, on the control thread -------------------------------- */

static void on_changed(void *arg, const struct podfs_tree_change *change)
{
	struct podfs_cluster *c = arg;

	c->events->changed(c->events->arg, change);
}

static void on_container(void *arg, const char *pod_uid, const char *container,
			 const char *target_id, bool running, const char *why)
{
	struct podfs_cluster *c = arg;

	c->events->container(c->events->arg, pod_uid, container, target_id,
			     running, why);
}

static void note_state(struct podfs_cluster *c)
{
	/* Not yet while the first list is read from inside of _new(). */
	if (!c->scopes)
		return;
	atomic_store(&c->synced, podfs_scopes_synced(c->scopes));
	atomic_store(&c->alive, podfs_scopes_alive(c->scopes));
}

static void on_pod(void *arg, const struct podfs_json *pod, bool removed)
{
	struct podfs_cluster *c = arg;

	podfs_ensures_pod(c->ensures, pod, removed);
}

static void on_pods_listed(void *arg, const char *ns)
{
	struct podfs_cluster *c = arg;

	(void)ns;
	podfs_ensures_listed(c->ensures);
	note_state(c);
}

static void on_settled(void *arg)
{
	struct podfs_cluster *c = arg;

	note_state(c);
	pthread_mutex_lock(&c->lock);
	c->settled = true;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

static void on_denied(void *arg, const char *words)
{
	struct podfs_cluster *c = arg;

	pthread_mutex_lock(&c->lock);
	snprintf(c->denied, sizeof(c->denied), "%s", words);
	pthread_mutex_unlock(&c->lock);
}

static void on_missing(void *arg, const char *ns, bool is)
{
	struct podfs_cluster *c = arg;

	pthread_mutex_lock(&c->lock);
	if (is)
		snprintf(c->missing, sizeof(c->missing), "%s", ns);
	else if (strcmp(c->missing, ns) == 0)
		c->missing[0] = '\0';
	pthread_mutex_unlock(&c->lock);
}

static void on_confined(void *arg)
{
	struct podfs_cluster *c = arg;

	pthread_mutex_lock(&c->lock);
	c->confined = true;
	pthread_mutex_unlock(&c->lock);
}

static void on_alive(void *arg)
{
	struct podfs_cluster *c = arg;

	note_state(c);
	if (c->outdated && atomic_load(&c->alive)) {
		c->outdated = false;
		podfs_info("watch", "names are up to date again");
	}
}

static void on_trouble(void *arg, const struct podfs_err *err)
{
	struct podfs_cluster *c = arg;
	bool settled;

	note_state(c);
	pthread_mutex_lock(&c->lock);
	settled = c->settled;
	c->trouble = *err;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
	/* Once for each time; before that, podfs_cluster_start() returns it. */
	if (settled && !c->outdated)
		podfs_warn("watch", "names may be out of date: %s", err->text);
	c->outdated = settled;
}

/* ---- start and stop ------------------------------------------------------------ */

static void *control(void *arg)
{
	struct podfs_cluster *c = arg;

	podfs_loop_run(c->loop);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct podfs_cluster *c)
{
	sigset_t all, old;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&c->thread, NULL, control, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e)
		return -e;
	c->runs = true;
	pthread_setname_np(c->thread, "podfs-control");
	return 0;
}

/* What no waiting mends: said at once, not after start_timeout. */
static bool is_final(const struct podfs_err *e)
{
	return e->code == -ECONNREFUSED || e->code == -EHOSTUNREACH ||
	       e->code == -EPROTO || e->code == -EACCES ||
	       e->code == -EINVAL || e->code == -ENOENT;
}

static int wait_settled(struct podfs_cluster *c, unsigned seconds,
			struct podfs_err *err)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&c->lock);
	while (!c->settled && !is_final(&c->trouble) && r == 0)
		r = pthread_cond_timedwait(&c->cond, &c->lock, &until);
	if (c->settled)
		r = 0;
	else if (is_final(&c->trouble))
		r = podfs_err_set(err, c->trouble.code, "%s", c->trouble.text);
	else
		r = podfs_err_set(err, -ETIMEDOUT,
				  "the cluster at %s gave no list of names "
				  "within %u s%s%s", c->k->server, seconds,
				  c->trouble.code ? ": " : "",
				  c->trouble.text);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static void run_refused(struct podfs_task *t);

static int make_parts(struct podfs_cluster *c,
		      const struct podfs_backend_config *config,
		      unsigned timeout, struct podfs_err *err)
{
	struct podfs_ensures_config ec = {
		.loop = c->loop,
		.io = c->io,
		.names = c->names,
		.image = config->image ? config->image : PODFS_IMAGE_DEFAULT,
		.image_has_helper = config->image ? config->image_has_helper :
						    true,
		.in_target = config->via != PODFS_VIA_EPHEMERAL,
		.start_timeout = timeout,
		.max_rung = config->max_rung,
		.max_new = config->max_new_helpers,
		.max_burnt = config->max_helpers_per_container,
		.start_none = config->start_none,
		.rules = config->rules,
		.n_rules = config->n_rules,
	};
	struct podfs_scopes_config sc = {
		.loop = c->loop,
		.names = c->names,
		.namespaces = config->namespaces,
		.n_namespaces = config->n_namespaces,
		.default_namespace = c->k->namespace_name,
		.arg = c,
		.pod = on_pod,
		.pods_listed = on_pods_listed,
		.settled = on_settled,
		.denied = on_denied,
		.missing = on_missing,
		.confined = on_confined,
		.alive = on_alive,
		.trouble = on_trouble,
	};
	int r = podfs_rest_new(c->k, c->loop, &c->rest, err);

	if (r < 0)
		return r;
	ec.rest = c->rest;
	sc.rest = c->rest;
	r = podfs_ensures_new(&ec, &c->ensures);
	if (r < 0)
		return podfs_err_set(err, r, "out of memory");
	return podfs_scopes_new(&sc, &c->scopes, err);
}

static int cluster_init(struct podfs_cluster *c,
			const struct podfs_backend_config *config,
			unsigned timeout, struct podfs_err *err)
{
	int r = podfs_kubeconfig_load(config->kubeconfig, config->context,
				      &c->k, err);

	if (r < 0)
		return r;
	c->names_events.arg = c;
	c->names_events.changed = on_changed;
	c->names_events.container = on_container;
	c->refused_task.run = run_refused;
	r = podfs_loop_new(&c->loop);
	if (r == 0)
		r = podfs_names_new(&c->names_events, &c->names);
	if (r < 0)
		return podfs_err_set(err, r, "can't start: %s", strerror(-r));
	r = make_parts(c, config, timeout, err);
	if (r < 0)
		return r;
	r = start_thread(c);
	if (r < 0)
		return podfs_err_set(err, r, "can't start a thread: %s",
				     strerror(-r));
	return 0;
}

int podfs_cluster_start(const struct podfs_backend_config *config,
			const struct podfs_cluster_events *events,
			struct podfs_loop *io, struct podfs_cluster **ret,
			struct podfs_err *err)
{
	unsigned timeout = config->start_timeout ? config->start_timeout :
						   START_TIMEOUT_S;
	struct podfs_cluster *c = calloc(1, sizeof(*c));
	pthread_condattr_t monotonic;
	int r;

	if (!c)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	c->events = events;
	c->io = io;
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = cluster_init(c, config, timeout, err);
	if (r == 0)
		r = wait_settled(c, timeout, err);
	if (r < 0) {
		podfs_cluster_stop(c);
		return r;
	}
	*ret = c;
	return 0;
}

void podfs_cluster_stop(struct podfs_cluster *c)
{
	if (!c)
		return;
	if (c->runs) {
		podfs_rest_stop(c->rest);
		podfs_loop_stop(c->loop);
		pthread_join(c->thread, NULL);
	}
	podfs_scopes_free(c->scopes);
	podfs_ensures_free(c->ensures);
	podfs_rest_free(c->rest);
	cluster_free_diagnoses(c);
	podfs_names_free(c->names);
	podfs_loop_free(c->loop);
	podfs_kubeconfig_free(c->k);
	pthread_cond_destroy(&c->cond);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- asked by others ------------------------------------------------------------- */

int podfs_cluster_list(struct podfs_cluster *c, const struct podfs_ref *dir,
		       podfs_entry_fn *fn, void *arg)
{
	return podfs_names_list(c->names, dir, fn, arg);
}

int podfs_cluster_find(struct podfs_cluster *c, const struct podfs_ref *what,
		       struct podfs_entry *ret)
{
	return podfs_names_find(c->names, what, ret);
}

void podfs_cluster_info(struct podfs_cluster *c, struct podfs_backend_info *ret)
{
	snprintf(ret->server, sizeof(ret->server), "%s", c->k->server);
	snprintf(ret->context, sizeof(ret->context), "%s",
		 c->k->context ? c->k->context : "");
	snprintf(ret->user_agent, sizeof(ret->user_agent), "%s",
		 podfs_user_agent());
	ret->synced = atomic_load(&c->synced);
	ret->watch_alive = atomic_load(&c->alive);
	ret->requests = podfs_rest_count(c->rest);
	ret->helpers = podfs_ensures_created(c->ensures);
	podfs_names_info(c->names, ret);
	pthread_mutex_lock(&c->lock);
	snprintf(ret->error, sizeof(ret->error), "%s",
		 ret->watch_alive ? "" : c->trouble.text);
	memcpy(ret->denied, c->denied, sizeof(ret->denied));
	memcpy(ret->missing, c->missing, sizeof(ret->missing));
	snprintf(ret->only, sizeof(ret->only), "%s",
		 c->confined ? c->k->namespace_name : "");
	pthread_mutex_unlock(&c->lock);
}

void podfs_cluster_ensure(struct podfs_cluster *c,
			  const struct podfs_target *target,
			  struct podfs_ensure *e)
{
	podfs_ensures_begin(c->ensures, target, e);
}

void podfs_cluster_ensure_cancel(struct podfs_cluster *c,
				 struct podfs_ensure *e)
{
	podfs_ensures_cancel(c->ensures, e);
}

void podfs_cluster_waits_for(struct podfs_cluster *c,
			     const struct podfs_target *target, char *ret,
			     size_t size)
{
	podfs_ensures_waits_for(c->ensures, target, ret, size);
}

/* ---- for the exec stream ---------------------------------------------------------- */

int podfs_cluster_exec_where(struct podfs_cluster *c,
			     struct podfs_exec_where *ret)
{
	struct podfs_auth *auth = podfs_rest_auth(c->rest);

	if (!auth)
		return -EAGAIN;
	ret->kubeconfig = c->k;
	ret->auth = auth;
	ret->proxy = podfs_kubeconfig_proxy(c->k, c->k->server);
	return 0;
}

void podfs_exec_where_done(struct podfs_exec_where *w)
{
	podfs_auth_free(w->auth);
	free(w->proxy);
	memset(w, 0, sizeof(*w));
}

static void run_refused(struct podfs_task *t)
{
	struct podfs_cluster *c =
		podfs_container_of(t, struct podfs_cluster, refused_task);

	podfs_rest_refused(c->rest, atomic_load(&c->refused));
}

void podfs_cluster_exec_refused(struct podfs_cluster *c, uint64_t generation)
{
	atomic_store(&c->refused, generation);
	podfs_loop_post(c->loop, &c->refused_task);
}
