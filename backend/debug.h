/*
 * Debug containers, as kubectl debug makes them: found, added, attached to.
 * The cli's second door into backend/, beside backend.h; it needs no mount and
 * no session.
 *
 * Thread: all on one, the caller's; every function may wait for the network.
 * No lock is held and no thread started.
 */
#ifndef PODFS_BACKEND_DEBUG_H
#define PODFS_BACKEND_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "common/base/error.h"

struct podfs_debug;

struct podfs_debug_config {
	/* as kubectl's flags of the same names; NULL: default */
	const char *kubeconfig;
	const char *context;
	const char *namespace_name; /* NULL: the context's */
	/* One line of what goes on: what is waited for, what can't be had. */
	void (*say)(void *arg, const char *line);
	void *arg;
};

/* Reads the kubeconfig; nothing is asked of the server yet. Strings of
 * @config are borrowed until podfs_debug_close(). -EINVAL, -ENOENT, ... */
int podfs_debug_open(const struct podfs_debug_config *config,
		     struct podfs_debug **ret, struct podfs_err *err);
void podfs_debug_close(struct podfs_debug *d); /* NULL is fine */

/* The namespace that is meant where none is named. Borrowed. */
const char *podfs_debug_namespace(const struct podfs_debug *d);

/* ---- which pod ---------------------------------------------------------- */

/*
 * "NAME", "pod/NAME", or "deploy/NAME" and the like: a pod of it, a ready one
 * if there is any. Fills in @ret's namespace and pod.
 * Errors: -ENOENT, -EINVAL (no such kind), -EACCES, ...
 */
int podfs_debug_find(struct podfs_debug *d, const char *what,
		     struct podfs_ref *ret, struct podfs_err *err);

/* The container that is meant where none is named: the annotation
 * kubectl.kubernetes.io/default-container, else the first. */
int podfs_debug_default_container(struct podfs_debug *d,
				  struct podfs_ref *pod, struct podfs_err *err);

/* ---- an ephemeral container ------------------------------------------------- */

/* What the new container may do. Names as kubectl's --profile. */
enum podfs_debug_profile {
	PODFS_DEBUG_AUTO, /* the most that the namespace admits (access.md) */
	PODFS_DEBUG_LEGACY,
	PODFS_DEBUG_GENERAL,
	PODFS_DEBUG_BASELINE,
	PODFS_DEBUG_RESTRICTED,
	PODFS_DEBUG_NETADMIN,
	PODFS_DEBUG_SYSADMIN,
};

/* -EINVAL: no such profile. */
int podfs_debug_profile(const char *name, enum podfs_debug_profile *ret);

struct podfs_debug_want {
	const char *name; /* NULL: one is made */
	const char *image;
	const char *pull_policy; /* NULL: the server's default */
	const char *target; /* NULL: the default container; "": none */
	const char *const *command; /* ends with NULL; NULL: the image's */
	bool args_only; /* command replaces the image's arguments only */
	const char *const *env; /* "NAME=VALUE"; ends with NULL; or NULL */
	bool own_env;	/* without the target's environment */
	bool own_mounts; /* without the target's volumes */
	bool in, tty;
	enum podfs_debug_profile profile;
	const char *custom; /* JSON or YAML of a container, merged last */
	bool has_uid, has_gid;
	uint32_t uid, gid;
};

/*
 * Adds the container to @pod, after a server-side dry run, and says what of the
 * target's volumes isn't mounted. Fills in @ret->container.
 * Errors: -EACCES right missing or admission refused; -EINVAL what was wanted
 * is refused by the server or can't be; -ENOENT; -EEXIST the name is burnt.
 */
int podfs_debug_add(struct podfs_debug *d, const struct podfs_ref *pod,
		    const struct podfs_debug_want *want, struct podfs_ref *ret,
		    struct podfs_err *err);

/* Waits until it runs or has ended, and says what is waited for. -EIO: it
 * can't start, with the kubelet's words. */
int podfs_debug_wait(struct podfs_debug *d, const struct podfs_ref *container,
		     struct podfs_err *err);

/* ---- pods for debugging ------------------------------------------------------ */

struct podfs_debug_copy {
	const char *name;      /* of the new pod */
	const char *set_image; /* "CONTAINER=IMAGE,*=IMAGE", or NULL */
	bool share;	       /* one process namespace for all of it */
	bool same_node;
	bool replace; /* the old pod is deleted, once a dry run of the new one
		       * was admitted */
	bool drop_init, keep_labels, keep_annotations;
	bool keep_liveness, keep_readiness, keep_startup;
};

/* Makes a copy of @pod: with its container @want->name changed, or with one
 * more. Without an image no container is added, and the default one is changed.
 * Errors: as podfs_debug_add(); -EEXIST there is such a pod. */
int podfs_debug_copy(struct podfs_debug *d, const struct podfs_ref *pod,
		     const struct podfs_debug_want *want,
		     const struct podfs_debug_copy *copy, struct podfs_ref *ret,
		     struct podfs_err *err);

/* Makes a pod on a node, in the node's namespaces and with its root at /host,
 * where @want->profile doesn't say less. */
int podfs_debug_node(struct podfs_debug *d, const char *node,
		     const struct podfs_debug_want *want, struct podfs_ref *ret,
		     struct podfs_err *err);
int podfs_debug_delete(struct podfs_debug *d, const struct podfs_ref *pod,
		       struct podfs_err *err);

/* ---- those that are there --------------------------------------------------- */

struct podfs_debug_found {
	struct podfs_ref ref;
	char image[256];
	char target[PODFS_NAME_MAX + 1]; /* "" none */
	char state[64];			 /* for people */
	bool running, in, tty;
	int64_t started; /* seconds since 1970; 0 not yet */
};

typedef void podfs_debug_found_fn(void *arg, const struct podfs_debug_found *f);

/* The ephemeral containers of a pod, or, without one, of the namespace; podfs's
 * helpers are none. */
int podfs_debug_list(struct podfs_debug *d, const struct podfs_ref *pod,
		     podfs_debug_found_fn *fn, void *arg, struct podfs_err *err);
/* The one of that name, or without one the newest, that runs. -ENOENT. */
int podfs_debug_newest(struct podfs_debug *d, const struct podfs_ref *pod,
		       const char *name, struct podfs_debug_found *ret,
		       struct podfs_err *err);

/* ---- streams ------------------------------------------------------------------- */

#define PODFS_DEBUG_TYPED_MORE 16 /* bytes */

struct podfs_debug_io {
	int in, out, err; /* descriptors, borrowed; -1: none */
	bool tty;	  /* one stream, sizes are sent */
	bool quiet;	  /* no hint to press enter */
	int resized; /* readable when size() says something new; -1: none */
	bool (*size)(void *arg, unsigned *columns, unsigned *rows);
	/* Looks at the @n bytes at @p that were typed: returns how many there
	 * are to send now, PODFS_DEBUG_TYPED_MORE more at most, and sets *leave
	 * where they mean to detach. NULL: all. */
	size_t (*typed)(void *arg, uint8_t *p, size_t n, bool *leave);
	void *arg;
};

/* How a stream ended. */
struct podfs_debug_end {
	bool left;     /* detached by hand: it runs on */
	int exit_code; /* of the command or container otherwise */
};

/*
 * Attaches to a container that runs or has ended; what it wrote before comes
 * first: all of it, or, @again, its last lines.
 * Errors: -EIO the connection was lost and the container runs on; -EPIPE @io's
 * out or err is closed; -EACCES; -ENOENT.
 */
int podfs_debug_attach(struct podfs_debug *d, const struct podfs_ref *container,
		       const struct podfs_debug_io *io, bool again,
		       struct podfs_debug_end *ret, struct podfs_err *err);

/*
 * Runs @argv, which ends with NULL, in a container.
 * Errors: as podfs_debug_attach(); -ENOENT there is no such program.
 */
int podfs_debug_exec(struct podfs_debug *d, const struct podfs_ref *container,
		     const char *const *argv, const struct podfs_debug_io *io,
		     struct podfs_debug_end *ret, struct podfs_err *err);

struct podfs_debug_run {
	struct podfs_ref target;
	const char *user; /* "NAME", "UID", with ":GROUP"; NULL: the target's */
	const char *workdir;	    /* NULL: the target's */
	const char *const *env;	    /* as podfs_debug_want's */
	const char *const *command; /* ends with NULL */
};

/* Runs a command in the target's own root, through its helper container
 * @helper. What that one can't do it says on @io's err, and the exit code is
 * PODFS_DEBUG_REFUSED. */
#define PODFS_DEBUG_REFUSED 125
int podfs_debug_run(struct podfs_debug *d, const struct podfs_debug_run *run,
		    const char *helper, const struct podfs_debug_io *io,
		    struct podfs_debug_end *ret, struct podfs_err *err);

/* Links what the target mounts by subPath into its debug container, where
 * podfs_debug_add() said so; where the image can't, its paths stay as said. */
void podfs_debug_link(struct podfs_debug *d, const struct podfs_ref *container);

#endif
