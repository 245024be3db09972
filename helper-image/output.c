#include "helper-image/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "helper-image/session.h"

/* How soon who writes notices that the stream was shut: its successor waits. */
#define SHUT_POLL_MS 20

static void advance(struct iovec *v, size_t n)
{
	for (int i = 0; i < 2; i++) {
		size_t part = n < v[i].iov_len ? n : v[i].iov_len;

		v[i].iov_base = (uint8_t *)v[i].iov_base + part;
		v[i].iov_len -= part;
		n -= part;
	}
}

/* What is held back, and the first @n bytes of @p. */
static void write_out(struct helper_output *o, const uint8_t *p, size_t n)
{
	struct iovec v[2] = { { o->held, o->n_held }, { (uint8_t *)p, n } };

	o->n_held = 0;
	atomic_store(&o->waits, false);
	while (v[0].iov_len + v[1].iov_len > 0 && !atomic_load(&o->broken)) {
		ssize_t done = writev(o->fd, v, 2);

		if (done > 0) {
			advance(v, (size_t)done);
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };

			poll(&pfd, 1, SHUT_POLL_MS);
		} else if (done == 0 || errno != EINTR) {
			atomic_store(&o->broken, true);
		}
	}
}

/* How much of the end of @n bytes behind those held back is kept for later: less
 * than a chunk, and with what is held back all or nothing of it. */
static size_t kept(const struct helper_output *o, size_t n,
		   enum helper_haste haste)
{
	const size_t all = o->n_held + n;

	if (!o->held || haste == HELPER_NOW)
		return 0;
	if (haste == HELPER_MORE && o->n_held > 0 && all < HELPER_CHUNK)
		return 0;
	if (haste == HELPER_MORE || (haste == HELPER_MANY && all >= HELPER_CHUNK))
		return all % HELPER_CHUNK;
	if ((all > PIPE_BUF && haste != HELPER_MANY) ||
	    (haste == HELPER_SOON && !atomic_load(&o->expects)))
		return 0;
	return o->n_held == 0 ||
			       helper_now_ms() - o->held_since < HELPER_SOON_MS ?
		       all :
		       0;
}

void helper_output_write(struct helper_output *o, const uint8_t *p, size_t n,
			 enum helper_haste haste)
{
	size_t keep = kept(o, n, haste);

	if (keep < o->n_held + n)
		write_out(o, p, n - keep);
	else
		keep = n;
	if (keep == 0)
		return;
	if (o->n_held == 0)
		o->held_since = helper_now_ms();
	memcpy(o->held + o->n_held, p + n - keep, keep);
	o->n_held += keep;
	if (haste == HELPER_MORE)
		return;
	atomic_store(&o->waits, true);
	/* the reader, which looks the other way round, may have missed it */
	if (haste == HELPER_SOON && !atomic_load(&o->expects))
		write_out(o, NULL, 0);
}

/* Of what is held back so much as goes into a pipe that takes anything at all. */
static void write_little(struct helper_output *o)
{
	const size_t all = o->n_held;
	const size_t n = all < PIPE_BUF ? all : PIPE_BUF;

	o->n_held = 0;
	write_out(o, o->held, n);
	memmove(o->held, o->held + n, all - n);
	o->n_held = all - n;
	atomic_store(&o->waits, all > n);
}

void helper_output_flush(struct helper_output *o)
{
	struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };

	if (!atomic_load(&o->waits) ||
	    (atomic_load(&o->expects) &&
	     helper_now_ms() - o->held_since < HELPER_SOON_MAX_MS))
		return;
	while (atomic_load(&o->waits) && poll(&pfd, 1, 0) == 1)
		write_little(o);
}
