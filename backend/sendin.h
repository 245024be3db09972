/*
 * An image without podfs-helper in it, but with sh: the container waits until
 * the helper is brought by an exec, and becomes it.
 *
 * Needs sh, cat, chmod, mv, sleep and, to learn the architecture, uname. The
 * folder is chosen by the scripts themselves, from PODFS_DIRS in the
 * container's environment (which an exec inherits), so that every mount that
 * uses this container finds the same. /dev/shm is never among them: it is
 * mounted noexec and shared by the pod.
 */
#ifndef PODFS_BACKEND_SENDIN_H
#define PODFS_BACKEND_SENDIN_H

#include "backend/backend.h"
#include "common/base/buf.h"

#define PODFS_HELPER_PATH "/podfs-helper"

/* Folders for root, and for others. */
#define PODFS_SENDIN_DIRS_ROOT "/ /tmp /var/tmp"
#define PODFS_SENDIN_DIRS_USER "/tmp /var/tmp /run /home"
/* The parked script found no folder. */
#define PODFS_SENDIN_EXIT_NO_DIR 78

/* argv of a stream: where the helper is the image's, and where it was sent.
 * They end with NULL. */
extern const char *const podfs_serve_argv[];
extern const char *const podfs_sendin_serve_argv[];

/* -c, this, a name, and the arguments of podfs-helper run. */
extern const char podfs_sendin_run_script[];

/* Says "podfs-have" if the helper is there, else "podfs-need MACHINE" with what
 * uname -m says; or nothing, with words on stderr and an exit status. */
extern const char *const podfs_sendin_probe_argv[];

/* Takes the helper on stdin. With a number as the last argument exactly so many
 * bytes (head -c), so that stdin need not be ended; without, up to its end.
 * Says "podfs-sent" when it is in place. Build the argv as
 * { "/bin/sh", "-c", podfs_sendin_put_script, "podfs-put", "BYTES", NULL }. */
extern const char podfs_sendin_put_script[];

/* The container's own command: -c and this. */
extern const char podfs_sendin_park_script[];

/*
 * For a shell of the target itself, which reads it from its stdin: finds a
 * folder where files may be written and executed, takes the helper and becomes
 * it, serving "/" on the same stdin and stdout. The file is gone before the
 * helper runs.
 *
 *     says                    then wants
 *     podfs-need MACHINE      BYTES in decimal, a newline, so many bytes
 *     podfs-sent              podfs-go and a newline; from there the helper's
 *     podfs-none TRIED        nothing: no folder will do, and why each won't
 *     podfs-lack PROGRAM      nothing: it is not in the image
 *
 * @id: letters and digits that nobody can foresee. Appends to @b; 0 or -errno.
 */
int podfs_sendin_inline(const char *id, struct podfs_buf *b);

/* The binary for what uname -m said (up to its first blank), or NULL. */
const struct podfs_helper_blob *
podfs_sendin_blob(const struct podfs_helper_blob *blobs, size_t n_blobs,
		  const char *machine);

#endif
