/*
 * The backend as a whole: the I/O thread, the tree, the sessions.
 */
#include "backend/backend.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend_internal.h"
#include "backend/connect.h"
#include "backend/loop.h"
#include "backend/session.h"
#include "backend/tree.h"
#include "common/base/guard.h"

/* Pulling an image onto a node takes its time; kubectl waits for ever. */
#define START_TIMEOUT_S 60
#define OP_TIMEOUT_S 30
#define SYNC_TIMES 4 /* as long for a disk */

/* For helpers to hear that the sessions end; a dead link must not hold up an
 * umount. */
#define LEAVE_MS 300

static void *io_thread(void *arg)
{
	struct podfs_backend *b = arg;

	podfs_loop_run(b->loop);
	return NULL;
}

static void session_dead(void *arg, struct podfs_session *s)
{
	struct podfs_backend *b = arg;
	struct podfs_session **p;

	pthread_mutex_lock(&b->lock);
	for (p = &b->sessions; *p && *p != s; p = &(*p)->next)
		;
	if (*p)
		*p = s->next;
	pthread_mutex_unlock(&b->lock);
	podfs_session_put(s);
}

static void session_event(void *arg, struct podfs_session *s,
			  const struct wire_req_EVENT *e)
{
	const struct podfs_backend *b = arg;

	b->events->event(b->events->arg, s, e);
}

static int start_static(struct podfs_backend *b,
			const struct podfs_backend_config *c,
			struct podfs_err *err)
{
	int status = podfs_way_command_new(b->loop, c, &b->way, err);

	if (status)
		return status;
	status = podfs_tree_static_new(c->via_namespace, c->via_pod,
				       c->via_container, &b->tree);
	if (status)
		return podfs_err_set(err, status, "out of memory");
	return 0;
}

int podfs_backend_start(const struct podfs_backend_config *config,
			const struct podfs_backend_events *events,
			struct podfs_backend **ret, struct podfs_err *err)
{
	struct podfs_backend *b = calloc(1, sizeof(*b));
	unsigned op_timeout;
	int status;

	if (!b)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	b->events = events;
	b->read_only = config->read_only;
	b->read_only_namespaces = config->read_only_namespaces;
	b->n_read_only_namespaces = config->n_read_only_namespaces;
	b->excluded = config->excluded;
	b->n_excluded = config->n_excluded;
	pthread_mutex_init(&b->lock, NULL);
	op_timeout = config->op_timeout ? config->op_timeout : OP_TIMEOUT_S;
	b->session_config = (struct podfs_session_config){
		.as_user = config->as_user,
		.uid = config->uid,
		.gid = config->gid,
		.start_timeout_ms = 1000 * (config->start_timeout ?
						    config->start_timeout :
						    START_TIMEOUT_S),
		.op_timeout_ms = 1000 * op_timeout,
		.data_timeout_ms = 1000 * config->data_timeout,
		.sync_timeout_ms = 1000 * (config->sync_timeout ?
						   config->sync_timeout :
						   SYNC_TIMES * op_timeout),
		.dead = session_dead,
		.event = events->event ? session_event : NULL,
		.arg = b,
		.places = events->event ? &b->places : NULL,
	};
	status = podfs_loop_new(&b->loop);
	if (status)
		podfs_err_set(err, status, "event loop: %s", strerror(-status));
	else
		status = config->via_namespace ?
				 start_static(b, config, err) :
				 podfs_backend_start_cluster(b, config, err);
	if (!status) {
		b->session_config.loop = b->loop;
		b->session_config.way = b->way;
		status = -pthread_create(&b->io, NULL, io_thread, b);
		if (status)
			podfs_err_set(err, status, "threads: %s",
				      strerror(-status));
		else
			b->io_runs = true;
	}
	if (status) {
		podfs_backend_stop(b);
		return status;
	}
	*ret = b;
	return 0;
}

/* ---- the end, on the I/O thread -------------------------------------------- */

/* Everything that is under way ends. */
static void end_sessions(struct podfs_timer *t)
{
	struct podfs_backend *b =
		podfs_container_of(t, struct podfs_backend, leaving);

	for (struct podfs_session *s = b->sessions; s; s = s->next)
		podfs_session_stop(s, -ENOTCONN);
	podfs_loop_stop(b->loop);
}

/* A helper has heard it; after the last one, soon: not from inside a call. */
static void on_left(void *arg)
{
	struct podfs_backend *b = arg;

	if (--b->byes == 0)
		podfs_timer_set(b->loop, &b->leaving, podfs_now_ms());
}

static void leave(struct podfs_task *t)
{
	struct podfs_backend *b =
		podfs_container_of(t, struct podfs_backend, stop_task);

	b->leaving.fire = end_sessions;
	b->byes = 0;
	for (struct podfs_session *s = b->sessions; s; s = s->next)
		b->byes += podfs_session_bye(s, on_left, b);
	podfs_timer_set(b->loop, &b->leaving,
			podfs_now_ms() + (b->byes ? LEAVE_MS : 0));
}

void podfs_backend_stop(struct podfs_backend *b)
{
	if (!b)
		return;
	if (b->io_runs) {
		b->stop_task.run = leave;
		podfs_loop_post(b->loop, &b->stop_task);
		pthread_join(b->io, NULL);
		podfs_loop_dispatch(b->loop); /* what was still posted */
	}
	if (b->tree)
		b->tree->ops->free(b->tree);
	if (b->way)
		b->way->ops->free(b->way);
	while (b->sessions) {
		struct podfs_session *next = b->sessions->next;

		podfs_session_put(b->sessions);
		b->sessions = next;
	}
	podfs_loop_free(b->loop);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* ---- what isn't shown -------------------------------------------------------- */

static bool is_excluded(const struct podfs_backend *b, const char *ns,
			const char *pod)
{
	char both[2 * PODFS_NAME_MAX + 2];

	if (b->n_excluded == 0)
		return false;
	snprintf(both, sizeof(both), "%s/%s", ns, pod);
	for (size_t i = 0; i < b->n_excluded; i++)
		if (fnmatch(b->excluded[i], ns, 0) == 0 ||
		    (*pod && fnmatch(b->excluded[i], both, FNM_PATHNAME) == 0))
			return true;
	return false;
}

struct filter {
	const struct podfs_backend *b;
	const struct podfs_ref *dir; /* NULL: names are namespaces */
	podfs_entry_fn *fn;
	void *arg;
};

static bool pass_on(void *arg, const struct podfs_entry *e)
{
	const struct filter *f = arg;

	return is_excluded(f->b, f->dir ? f->dir->ns : e->name,
			   f->dir ? e->name : "") ||
	       f->fn(f->arg, e);
}

int podfs_tree_list(struct podfs_backend *b, const struct podfs_ref *dir,
		    podfs_entry_fn *fn, void *arg)
{
	struct filter f = { .b = b, .dir = dir, .fn = fn, .arg = arg };

	if (dir && is_excluded(b, dir->ns,
			       dir->kind == PODFS_NAMESPACE ? "" : dir->pod))
		return -ENOENT;
	if (dir && dir->kind != PODFS_NAMESPACE)
		return b->tree->ops->list(b->tree, dir, fn, arg);
	return b->tree->ops->list(b->tree, dir, pass_on, &f);
}

int podfs_tree_find(struct podfs_backend *b, const struct podfs_ref *what,
		    struct podfs_entry *ret)
{
	if (is_excluded(b, what->ns,
			what->kind == PODFS_NAMESPACE ? "" : what->pod))
		return -ENOENT;
	return b->tree->ops->find(b->tree, what, ret);
}

static bool same_target(const struct podfs_session *s,
			const struct podfs_ref *ref, const char *uid)
{
	return strcmp(s->target.pod_uid, uid) == 0 &&
	       strcmp(s->target.ref.ns, ref->ns) == 0 &&
	       strcmp(s->target.ref.pod, ref->pod) == 0 &&
	       strcmp(s->target.ref.container, ref->container) == 0;
}

static bool is_read_only(const struct podfs_backend *b, const char *ns)
{
	bool yes = b->read_only;

	for (size_t i = 0; !yes && i < b->n_read_only_namespaces; i++)
		yes = fnmatch(b->read_only_namespaces[i], ns, 0) == 0;
	return yes;
}

int podfs_session_get(struct podfs_backend *b, const struct podfs_ref *ref,
		      struct podfs_session **ret)
{
	struct podfs_target target = { .ref = *ref };
	struct podfs_session *s;
	struct podfs_entry e;
	int err;

	target.ref.kind = PODFS_CONTAINER;
	err = podfs_tree_find(b, &target.ref, &e);
	if (err)
		return err;
	memcpy(target.pod_uid, e.uid, sizeof(target.pod_uid));
	pthread_mutex_lock(&b->lock);
	for (s = b->sessions; s && !same_target(s, ref, e.uid); s = s->next)
		;
	if (!s) {
		err = podfs_session_new(&b->session_config, &target,
					is_read_only(b, ref->ns), &s);
		if (!err) {
			s->next = b->sessions;
			b->sessions = s;
		}
	}
	if (!err)
		*ret = podfs_session_ref(s);
	pthread_mutex_unlock(&b->lock);
	return err;
}

static void say_what_it_waits_for(const struct podfs_backend *b,
				  const struct podfs_session *s,
				  struct podfs_session_info *i)
{
	char words[sizeof(i->waits_for)] = "";

	if (i->state == PODFS_SESSION_ENSURE && i->waiting_ms &&
	    b->way->ops->waits_for)
		b->way->ops->waits_for(b->way, &s->target, words,
				       sizeof(words));
	if (words[0])
		strcpy(i->waits_for, words);
}

void podfs_backend_sessions(struct podfs_backend *b,
			    void (*fn)(void *arg,
				       const struct podfs_session_info *i),
			    void *arg)
{
	pthread_mutex_lock(&b->lock);
	for (struct podfs_session *s = b->sessions; s; s = s->next) {
		struct podfs_session_info info;

		podfs_session_info(s, &info);
		say_what_it_waits_for(b, s, &info);
		fn(arg, &info);
	}
	pthread_mutex_unlock(&b->lock);
}

void podfs_backend_info(struct podfs_backend *b, struct podfs_backend_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	b->tree->ops->info(b->tree, ret);
}
