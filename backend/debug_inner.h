/* What the files debug*.c and attach*.c share; for them only. */
#ifndef PODFS_BACKEND_DEBUG_INNER_H
#define PODFS_BACKEND_DEBUG_INNER_H

#include "backend/debug.h"
#include "backend/json.h"
#include "backend/json_write.h"
#include "backend/kubeconfig.h"
#include "backend/ladder.h"
#include "backend/loop.h"
#include "backend/podinfo.h"
#include "backend/rest.h"

/* Of a pod's object, or a merge of it. */
#define DEBUG_TEXT_MAX PODFS_JSON_LEN_MAX

#define DEBUG_MERGE_PATCH "application/strategic-merge-patch+json"

struct podfs_debug {
	struct podfs_debug_config config;
	struct podfs_kubeconfig *k;
	struct podfs_loop *loop; /* curl's */
	struct podfs_rest *rest;
	struct podfs_task woken; /* does nothing: the loop looks up */
};

/* ---- debug.c ------------------------------------------------------------- */

/* Tells the person who waits. */
void debug_say(struct podfs_debug *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One exchange, waited for. The caller frees *ret (may be NULL: not wanted).
 * Errors: -EACCES 401 and 403, -ENOENT 404, -EEXIST 409, -EINVAL 400 and 422,
 * -EIO others; connections as podfs_rest_result. */
struct debug_query {
	const char *method; /* NULL: GET */
	const char *path;
	const char *type; /* of the body */
	const char *body;
	size_t answer_max;
};
int debug_text(struct podfs_debug *d, const struct debug_query *q, char **ret,
	       size_t *ret_len, struct podfs_err *err);
int debug_json(struct podfs_debug *d, const struct debug_query *q,
	       struct podfs_json **ret, struct podfs_err *err);

/* "/api/v1/namespaces/NS/pods/POD" and @rest; NULL without memory. */
char *debug_pod_path(const struct podfs_ref *pod, const char *rest);
int debug_get_pod(struct podfs_debug *d, const struct podfs_ref *pod,
		  struct podfs_json **ret, struct podfs_err *err);

/* ---- debug_pod.c ----------------------------------------------------------- */

/* The member of @list whose "name" is @name, or NULL. */
const struct podfs_json *debug_by_name(const struct podfs_json *list,
				       const char *name);
/* podfs_debug_default_container() of a pod at hand; "" if it has none. */
const char *debug_default_container(const struct podfs_json *pod);
/* status.ephemeralContainerStatuses and the others: that of @name, or NULL. */
const struct podfs_json *debug_status_of(const struct podfs_json *pod,
					 const char *name);

/* ---- debug_wait.c -------------------------------------------------------- */

void debug_sleep(unsigned ms);

/* ---- debug_merge.c ------------------------------------------------------- */

/* JSON or YAML of one object. -EINVAL with the line. */
int debug_parse(const char *name, const char *text, struct podfs_json **ret,
		struct podfs_err *err);
/*
 * Writes @base with @over laid upon it: objects member by member, null takes a
 * member away, "env" and "volumeMounts" by their elements' name or mountPath,
 * other lists as a whole. As kubectl's strategic merge of a container.
 */
int debug_merge(struct podfs_json_writer *w, const char *key,
		const struct podfs_json *base, const struct podfs_json *over);
/* debug_merge() as a text, which the caller frees. NULL without memory. */
char *debug_merged(const struct podfs_json *base, const struct podfs_json *over);
/* Writes @j as it is. */
int debug_copy(struct podfs_json_writer *w, const char *key,
	       const struct podfs_json *j);

/* ---- debug_spec.c --------------------------------------------------------- */

/* Where the target's root is, in the debug container's environment. */
#define DEBUG_ROOT_ENV "TARGET_ROOT"

struct debug_spec {
	const struct podfs_debug_want *want;
	const struct podfs_podinfo *info; /* of the target, or of any */
	bool targeted; /* its processes are to be seen */
	const char *name;
	enum podfs_debug_profile profile; /* never AUTO */
	const struct podfs_rung *rung;	  /* instead of a profile; or NULL */
	const struct podfs_json *custom;  /* or NULL */
};

/* What --custom may not say, with the reason: -EINVAL. */
int debug_check_custom(const struct podfs_json *custom, struct podfs_err *err);
/* The container as the API takes it; the caller frees. NULL without memory. */
char *debug_container(const struct debug_spec *s);
/* Writes "securityContext" of a profile. */
void debug_security(struct podfs_json_writer *w,
		    enum podfs_debug_profile profile);
/* Writes "env" entries of @want, and the names that they take. */
void debug_own_env(struct podfs_json_writer *w,
		   const struct podfs_debug_want *want);
/* "debugger-x2k9w" */
#define DEBUG_NAME_SIZE 32
void debug_make_name(char ret[DEBUG_NAME_SIZE]);

#endif
