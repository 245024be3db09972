/*
 * A stream to a shell becomes a stream to a helper: the shell is given the
 * script of sendin.h, the script the helper, and from there the stream is the
 * session's. Whatever carries the shell's stdin and stdout: an exec into the
 * target, a command.
 *
 * Thread: the I/O thread.
 */
#ifndef PODFS_BACKEND_BRING_H
#define PODFS_BACKEND_BRING_H

#include "backend/backend.h"
#include "backend/transport.h"

struct podfs_bring;

/*
 * @sink is the session's: opened() when the helper runs; closed() with
 * -EOPNOTSUPP where no other try can help, as without a shell or a folder.
 * @blobs are borrowed. 0 or -ENOMEM.
 */
int podfs_bring_new(const struct podfs_helper_blob *blobs, size_t n_blobs,
		    const struct podfs_sink *sink, struct podfs_bring **ret);

/* For the stream to the shell. */
struct podfs_sink podfs_bring_sink(struct podfs_bring *b);

/* @shell was opened with that sink: @b and @shell are one transport now, which
 * goes as transport.h says. Never fails. */
struct podfs_transport *podfs_bring_over(struct podfs_bring *b,
					 struct podfs_transport *shell);

/* Instead, where there is no stream to a shell. */
void podfs_bring_free(struct podfs_bring *b);

#endif
