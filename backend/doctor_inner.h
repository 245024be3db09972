/* What the doctor's files share. For doctor*.c only. */
#ifndef PODFS_BACKEND_DOCTOR_INNER_H
#define PODFS_BACKEND_DOCTOR_INNER_H

#include <pthread.h>

#include "backend/doctor.h"
#include "backend/json.h"
#include "backend/kubeconfig.h"
#include "backend/podinfo.h"
#include "backend/rest.h"

struct doctor {
	const struct podfs_backend_config *config;
	const char *image; /* of the helper */
	podfs_finding_fn *fn;
	void *arg;
	struct podfs_ref ref;
	struct podfs_kubeconfig *k;
	struct podfs_json *pod;
	struct podfs_podinfo info;
	/* the control thread, for doctor_ask.c */
	struct podfs_loop *loop;
	struct podfs_rest *rest;
	pthread_t thread;
	bool runs;
};

/* One question and its answer, for who waits. */
struct doctor_answer {
	int error; /* as podfs_rest_result */
	long http;
	int64_t took_ms;
	struct podfs_json *json;  /* of a 2xx; NULL where it was none */
	char reason[64];	  /* of a refusal: "Forbidden" */
	char text[PODFS_ERR_TEXT_MAX]; /* why it failed */
};

/* doctor_ask.c */
int doctor_begin(struct doctor *d, struct podfs_err *err);
void doctor_end(struct doctor *d);
/* Asks and waits. @metadata_only: of an object whose contents are nobody's
 * business. True for a 2xx; always: doctor_answer_done(). */
bool doctor_ask(struct doctor *d, const struct podfs_rest_request *q,
		struct doctor_answer *ret);
bool doctor_get(struct doctor *d, struct doctor_answer *ret, const char *fmt,
		...) __attribute__((format(printf, 3, 4)));
void doctor_answer_done(struct doctor_answer *a);

#define doctor_ok(d, check, ...)                                               \
	podfs_finding((d)->fn, (d)->arg, check, PODFS_FINDING_OK, "",          \
		      __VA_ARGS__)
#define doctor_warn(d, check, fix, ...)                                        \
	podfs_finding((d)->fn, (d)->arg, check, PODFS_FINDING_WARN, fix,       \
		      __VA_ARGS__)
#define doctor_fail(d, check, fix, ...)                                        \
	podfs_finding((d)->fn, (d)->arg, check, PODFS_FINDING_FAIL, fix,       \
		      __VA_ARGS__)

/* doctor_rights.c: who one is, and what one may. False: nothing at all. */
bool doctor_identity(struct doctor *d);
void doctor_rights(struct doctor *d);

/* doctor_near.c: whether those that were named are there, as far as one may ask;
 * and "; there is 'a', 'b'" of a list's names like @name, or "". */
bool doctor_namespaces(struct doctor *d);
void doctor_near(struct doctor *d, const char *path, const char *name,
		 char *ret, size_t size);

/* doctor_pod.c: the container. */
void doctor_pod(struct doctor *d);
/* doctor_image.c: the helper's image, on the pod's node. */
void doctor_image(struct doctor *d);

#endif
