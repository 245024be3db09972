/*
 * Ways to a helper: what a session asks for when it needs a stream.
 *
 * A way makes sure that a helper runs (ensure) and opens a stream to it
 * (open). The cluster's way adds an ephemeral container and execs into it, or
 * brings a helper into the target through an exec; the command's way starts a
 * process.
 */
#ifndef PODFS_BACKEND_CONNECT_H
#define PODFS_BACKEND_CONNECT_H

#include "backend/backend.h"
#include "backend/loop.h"
#include "backend/transport.h"

/* What a session wants to reach; strings belong to the session. */
struct podfs_target {
	struct podfs_ref ref;
	char pod_uid[PODFS_UID_MAX + 1];
};

/* A helper that runs. */
struct podfs_helper {
	char container[PODFS_NAME_MAX + 1]; /* ephemeral container; "" none */
	char target_id[160]; /* containerID of the target it serves: when it
			      * changes, the helper is dead */
	enum wire_rung rung; /* as asked for; HELLO says what was measured */
	bool in_target; /* none of its own container: it is brought into the
			 * target itself, by each stream anew */
	bool sent_in;  /* the image has no helper: bring it first, and exec what
			* sendin.h says instead of podfs_serve_argv */
	char arch[16]; /* as Kubernetes names it; "" not known: the probe of
			* sendin.h tells */
};

/* Answers podfs_way.ensure, on the I/O thread, exactly once unless cancelled.
 * @status 0 with @h, or -errno with @err. */
struct podfs_ensure {
	void (*done)(struct podfs_ensure *e, int status,
		     const struct podfs_helper *h, const struct podfs_err *err);
	struct podfs_task task; /* the way's */
	void *op;		/* the way's */
};

struct podfs_way {
	const struct podfs_way_ops *ops;
};

struct podfs_way_ops {
	/* Starts it; @target and @e must live until done() or cancel(). */
	void (*ensure)(struct podfs_way *w, const struct podfs_target *target,
		       struct podfs_ensure *e);
	/* No done() after this returns. I/O thread. */
	void (*ensure_cancel)(struct podfs_way *w, struct podfs_ensure *e);
	/* A stream to @h. 0 and a transport whose sink is called later (never
	 * from inside open), or -errno and @err. I/O thread. */
	int (*open)(struct podfs_way *w, const struct podfs_target *target,
		    const struct podfs_helper *h, const struct podfs_sink *sink,
		    struct podfs_transport **ret, struct podfs_err *err);
	void (*free)(struct podfs_way *w);
	/* What ensure() of @target waits for at this moment, for people; "" no
	 * such is under way. Any thread. NULL where there is nothing to say. */
	void (*waits_for)(struct podfs_way *w, const struct podfs_target *target,
			  char *ret, size_t size);
};

/* The command's way: each stream is a new process of config->via_command, whose
 * stdin and stdout are the stream and whose stderr goes to the log. Of @config
 * the command and the helpers' binaries are used. -ENOENT where it begins with
 * the name of a program that isn't there. (via.c) */
int podfs_way_command_new(struct podfs_loop *l,
			  const struct podfs_backend_config *config,
			  struct podfs_way **ret, struct podfs_err *err);

#endif
