#include "helper-image/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"

int helper_owner_set_of(const struct helper_session *s, int fd, int dir,
			uint32_t uid, uint32_t gid, uint32_t mode,
			struct wire_attr *ret)
{
	bool named = uid != WIRE_ID_TARGET || gid != WIRE_ID_TARGET;
	struct stat parent;
	int err;

	err = helper_attr_of(fd, "", ret);
	if (err)
		return err;
	if (uid == WIRE_ID_TARGET)
		uid = s->user.set ? s->user.uid : s->root->target_uid;
	if (gid == WIRE_ID_TARGET)
		gid = s->user.set ? s->user.gid : s->root->target_gid;
	if (fstatat(dir, "", &parent, AT_EMPTY_PATH) == 0 &&
	    (parent.st_mode & S_ISGID))
		gid = ret->gid;
	if (ret->uid == uid && ret->gid == gid)
		return 0;
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) != 0)
		return named ? -errno : 0;
	if ((mode & (S_ISUID | S_ISGID)) && !S_ISLNK(ret->mode) &&
	    chmod(helper_fd_path(fd).text, ret->mode & 07777) != 0)
		return -errno;
	return helper_attr_of(fd, "", ret);
}

int helper_owner_set(const struct helper_session *s,
		     const struct helper_parent *at, uint32_t uid, uint32_t gid,
		     uint32_t mode, struct wire_attr *ret)
{
	PODFS_CLEANUP_FD int fd = openat(at->fd, at->name,
					 O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno :
			helper_owner_set_of(s, fd, at->fd, uid, gid, mode, ret);
}

bool helper_has_default_acl(int dir)
{
	return getxattr(helper_fd_path(dir).text, "system.posix_acl_default",
			NULL, 0) > 0;
}

uint32_t helper_new_mode(int dir, uint32_t mode, uint32_t mask)
{
	mask &= 0777;
	if (!(mode & mask) || helper_has_default_acl(dir))
		return mode;
	return mode & ~mask;
}
