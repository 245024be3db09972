/*
 * What stands in the way of a mount, looked for before anything is touched:
 * the kubeconfig, the server, who one is there and what one may, and for a
 * container which rung would be had, with which image.
 *
 * The second header of backend/ that cli/ sees, for `podfs doctor` alone. It
 * changes nothing: it reads, asks for reviews of its own rights, and sends
 * patches as server-side dry runs.
 *
 * Thread: the caller's, which waits for the network; a control thread of its
 * own runs meanwhile.
 */
#ifndef PODFS_DOCTOR_H
#define PODFS_DOCTOR_H

#include "backend/backend.h"

enum podfs_finding_level {
	PODFS_FINDING_OK,
	PODFS_FINDING_WARN, /* it works, with less or perhaps not for long */
	PODFS_FINDING_FAIL, /* it does not work */
};

struct podfs_finding {
	const char *check; /* a word: "kubeconfig", "server", "rights"... */
	enum podfs_finding_level level;
	char text[PODFS_ERR_TEXT_MAX]; /* one line, safe to print */
	char fix[512];		       /* what to do; "" where all is well */
};

/* Borrowed; ends with the callback. */
typedef void podfs_finding_fn(void *arg, const struct podfs_finding *f);

/* Sets all of a finding and tells it. */
void podfs_finding(podfs_finding_fn *fn, void *arg, const char *check,
		   enum podfs_finding_level level, const char *fix,
		   const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/*
 * @ref: what is to be looked at; ns "" for the cluster alone, pod "" for a
 * namespace, container "" for the pod's default one. Every finding is told to
 * @fn on the caller's thread. Once something fails that the rest needs, the
 * rest is left out.
 */
void podfs_doctor(const struct podfs_backend_config *config,
		  const struct podfs_ref *ref, podfs_finding_fn *fn, void *arg);

#endif
