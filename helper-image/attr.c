#include "helper-image/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"

#ifndef NFS_SUPER_MAGIC
#define NFS_SUPER_MAGIC 0x6969
#endif
#define FUSE_MAGIC 0x65735546
#define CIFS_MAGIC 0xff534d42
#define SMB2_MAGIC 0xfe534d42
#define CEPH_MAGIC 0x00c36400
#define V9FS 0x01021997
#define XFS_MAGIC 0x58465342

/* Kinds whose files change without the kernel here being told. */
static bool type_is_volatile(long type)
{
	static const unsigned long kinds[] = {
		PROC_SUPER_MAGIC, SYSFS_MAGIC,	CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, NFS_SUPER_MAGIC, FUSE_MAGIC,
		CIFS_MAGIC,	  SMB2_MAGIC,	CEPH_MAGIC,
		V9FS,		  DEBUGFS_MAGIC, TRACEFS_MAGIC,
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(kinds); i++)
		if (kinds[i] == (unsigned long)type)
			return true;
	return false;
}

/* Those known to write nothing, and so to report nothing, when a file is closed. */
static bool type_is_local(long type)
{
	static const unsigned long kinds[] = {
		EXT4_SUPER_MAGIC,      BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
		OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC,	  XFS_MAGIC,
		F2FS_SUPER_MAGIC,
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(kinds); i++)
		if (kinds[i] == (unsigned long)type)
			return true;
	return false;
}

/* A few devices are seen over and over: their kind is asked once. */
#define DEVICES_KNOWN 32
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { /* devices_lock */
	uint64_t dev;
	uint32_t flags; /* WIRE_ATTR_VOLATILE, WIRE_ATTR_LOCAL */
} devices[DEVICES_KNOWN];
static unsigned devices_used;

static bool device_known(uint64_t dev, uint32_t *ret)
{
	bool found = false;

	pthread_mutex_lock(&devices_lock);
	for (unsigned i = 0; i < DEVICES_KNOWN && i < devices_used; i++) {
		if (devices[i].dev != dev)
			continue;
		*ret = devices[i].flags;
		found = true;
	}
	pthread_mutex_unlock(&devices_lock);
	return found;
}

static uint32_t device_flags(uint64_t dev, int fd, const char *name)
{
	PODFS_CLEANUP_FD int opened = -1;
	struct statfs fs;
	uint32_t flags = 0;

	if (device_known(dev, &flags))
		return flags;
	if (name[0] != '\0') {
		opened = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		fd = opened;
	}
	if (fd < 0 || fstatfs(fd, &fs) != 0)
		return WIRE_ATTR_VOLATILE; /* not known: nothing is kept */
	if (type_is_volatile((long)fs.f_type))
		flags = WIRE_ATTR_VOLATILE;
	else if (type_is_local((long)fs.f_type))
		flags = WIRE_ATTR_LOCAL;
	pthread_mutex_lock(&devices_lock);
	devices[devices_used % DEVICES_KNOWN].dev = dev;
	devices[devices_used % DEVICES_KNOWN].flags = flags;
	devices_used++;
	pthread_mutex_unlock(&devices_lock);
	return flags;
}

/* ls -l asks each file for an access control list, and the kernel asks before
 * each write(2) for capabilities: this saves a trip for most of them. */
static bool has_none(int fd, const char *name, uint32_t mode)
{
	char path[32 + WIRE_NAME_MAX];
	int n = snprintf(path, sizeof(path), "/proc/self/fd/%d%s%s", fd,
			 name[0] ? "/" : "", name);
	ssize_t size = -1;
	bool plain = (mode & S_IFMT) == S_IFREG || (mode & S_IFMT) == S_IFDIR ||
		     ((mode & S_IFMT) == S_IFLNK && name[0]);

	if (!plain || (size_t)n >= sizeof(path))
		return false;
	/* not of an O_PATH; the way by /proc takes longer */
	if (!name[0])
		size = flistxattr(fd, NULL, 0);
	if (size >= 0)
		return size == 0;
	return (name[0] ? llistxattr(path, NULL, 0) :
			  listxattr(path, NULL, 0)) == 0;
}

static struct wire_time time_of(struct statx_timestamp t)
{
	return (struct wire_time){ .sec = t.tv_sec, .nsec = t.tv_nsec };
}

int helper_attr_look(int fd, const char *name, struct wire_attr *ret)
{
	struct statx x;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
		    (name[0] == '\0' ? AT_EMPTY_PATH : 0);

	memset(&x, 0, sizeof(x));
	/* musl 1.2.3 has no struct statx: the kernel's own and a plain call */
	if (syscall(SYS_statx, fd, name, flags, STATX_BASIC_STATS | STATX_BTIME,
		    &x) != 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	ret->dev = makedev(x.stx_dev_major, x.stx_dev_minor);
	ret->ino = x.stx_ino;
	ret->mode = x.stx_mode;
	ret->nlink = x.stx_nlink;
	ret->uid = x.stx_uid;
	ret->gid = x.stx_gid;
	ret->size = x.stx_size;
	ret->blocks = x.stx_blocks;
	ret->blksize = x.stx_blksize;
	ret->rdev_major = x.stx_rdev_major;
	ret->rdev_minor = x.stx_rdev_minor;
	ret->atime = time_of(x.stx_atime);
	ret->mtime = time_of(x.stx_mtime);
	ret->ctime = time_of(x.stx_ctime);
	if (x.stx_mask & STATX_BTIME)
		ret->btime = time_of(x.stx_btime);
	if (x.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		ret->flags |= WIRE_ATTR_MOUNT_ROOT;
	ret->flags |= device_flags(ret->dev, fd, name);
	return 0;
}

int helper_attr_of(int fd, const char *name, struct wire_attr *ret)
{
	int err = helper_attr_look(fd, name, ret);

	if (!err && !(ret->flags & WIRE_ATTR_VOLATILE) &&
	    has_none(fd, name, ret->mode))
		ret->flags |= WIRE_ATTR_NO_XATTR;
	return err;
}

void helper_attr_room(int fd, struct wire_attr *attr)
{
	struct statfs fs;

	if ((attr->flags & WIRE_ATTR_LOCAL) && fstatfs(fd, &fs) == 0 &&
	    fs.f_bavail > WIRE_ROOM / (uint64_t)fs.f_bsize)
		attr->flags |= WIRE_ATTR_ROOMY;
}

bool helper_is_mount(int fd, const char *name)
{
	struct statx x, folder;

	memset(&x, 0, sizeof(x));
	memset(&folder, 0, sizeof(folder));
	if (syscall(SYS_statx, fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		    0, &x) != 0)
		return false;
	if (x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)
		return x.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	/* before Linux 5.8: not seen where both are of one file system */
	return syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0, &folder) == 0 &&
	       (folder.stx_dev_major != x.stx_dev_major ||
		folder.stx_dev_minor != x.stx_dev_minor);
}
