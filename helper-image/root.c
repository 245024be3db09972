#include "helper-image/root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"

int helper_root_plain(const char *dir, struct helper_root *ret)
{
	struct helper_root r = { .rung = WIRE_RUNG_PLAIN,
				 .has_target = true,
				 .pidfd = -1 };

	r.fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r.fd < 0)
		return -errno;
	r.target_uid = geteuid();
	r.target_gid = getegid();
	*ret = r;
	return 0;
}

void helper_root_done(struct helper_root *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->pidfd >= 0)
		close(r->pidfd);
	r->fd = -1;
	r->pidfd = -1;
}

/* A piece of a path that the kernel takes: shorter than PATH_MAX, and a single
 * component where openat2 is missing. An error of openat2 is never an occasion
 * for openat: of several components that one follows the links on the way, and
 * a container can bring any error about (a FUSE file system of its own). */
static int open_piece(const struct helper_root *r, int base, const char *piece,
		      int flags)
{
	struct open_how how;
	int fd;

	if (r->no_openat2) {
		fd = openat(base, piece, flags | O_NOFOLLOW | O_CLOEXEC);
		return fd >= 0 ? fd : -errno;
	}
	memset(&how, 0, sizeof(how));
	how.flags = (unsigned)(flags | O_NOFOLLOW | O_CLOEXEC);
	how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS |
		      (r->at_once ? RESOLVE_CACHED : 0);
	fd = (int)syscall(SYS_openat2, base, piece, &how, sizeof(how));
	if (fd < 0 && errno == EINVAL && r->at_once) {
		how.resolve &= ~(unsigned)RESOLVE_CACHED;
		fd = (int)syscall(SYS_openat2, base, piece, &how, sizeof(how));
	}
	return fd >= 0 ? fd : -errno;
}

/* How much of @path one openat2() may take: whole components below PATH_MAX,
 * or a single one where openat2 is missing. */
static size_t piece_len(const struct helper_root *r, const char *p, size_t n)
{
	size_t cut = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && p[i] != '/')
			continue;
		if (cut > 0 && (r->no_openat2 || i >= PATH_MAX))
			return cut;
		cut = i;
	}
	return cut;
}

/* A seccomp profile that is older than the call refuses it with EPERM, an old
 * kernel with ENOSYS. */
static bool kernel_has_openat2(const struct helper_root *r)
{
	static int known; /* 0 not asked, 1 yes, -1 no; racing is harmless */
	struct open_how how = { .flags = O_PATH | O_CLOEXEC };
	int state = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (state == 0) {
		int fd = (int)syscall(SYS_openat2, r->fd, ".", &how,
				      sizeof(how));

		state = fd >= 0 ? 1 : -1;
		if (fd >= 0)
			close(fd);
		__atomic_store_n(&known, state, __ATOMIC_RELAXED);
	}
	return state > 0;
}

int helper_root_open(const struct helper_root *root, int base,
		     struct wire_str path, int flags, int *ret_fd)
{
	struct helper_root r = *root;
	PODFS_CLEANUP_FD int held = -1;
	char piece[PATH_MAX];
	const char *p = path.p;
	size_t left = path.n;

	r.no_openat2 = r.no_openat2 || !kernel_has_openat2(root);
	for (;;) {
		size_t n = piece_len(&r, p, left);
		bool last = n == left;
		int from = held >= 0 ? held : base;
		int fd;

		memcpy(piece, p, n);
		piece[n] = '\0';
		fd = open_piece(&r, from, piece,
				last ? flags : O_PATH | O_DIRECTORY);
		if (fd == -ELOOP && !(last && (flags & O_PATH) == 0))
			return -ESTALE;
		if (fd < 0)
			return fd;
		if (held >= 0)
			close(held);
		held = fd;
		if (last)
			break;
		p += n + 1;
		left -= n + 1;
	}
	*ret_fd = podfs_steal_fd(&held);
	return 0;
}

int helper_root_parent(const struct helper_root *r, int base,
		       struct wire_str path, struct helper_parent *ret)
{
	size_t cut = path.n;
	struct wire_str dir = { .p = path.p };
	int fd = base;
	int err;

	if (path.n == 0)
		return -EBUSY; /* the root itself can't be made or removed */
	while (cut > 0 && path.p[cut - 1] != '/')
		cut--;
	if (cut > 0) {
		dir.n = (uint16_t)(cut - 1);
		err = helper_root_open(r, base, dir, O_PATH | O_DIRECTORY, &fd);
		if (err)
			return err;
	}
	memcpy(ret->name, path.p + cut, path.n - cut);
	ret->name[path.n - cut] = '\0';
	ret->fd = fd;
	return 0;
}

void helper_parent_done(struct helper_parent *p, int base)
{
	if (p->fd >= 0 && p->fd != base)
		close(p->fd);
	p->fd = -1;
}
