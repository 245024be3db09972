#include "fs/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/base/guard.h"
#include "fs/link.h"

#define BLKSIZE_DEFAULT 4096

/* Finalizer of MurmurHash3. */
static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ (h >> 33);
}

/* A user's inode number: stable for a file of a container, also when it is
 * copied up (identity.h), different for two, and no number that the container
 * chose, for it knows nothing of the salt. Of one file system they are in the
 * order of its own: cp opens files in that order, and they mostly were made in
 * the order of their names, in which a walk's files come. */
static uint64_t inode_number(const struct podfs_fs *fs,
			     const struct fs_node *node,
			     const struct wire_attr *a)
{
	uint64_t h = mix(fs->salt, node->ino_salt);

	h = mix(h, a->dev) + a->ino;
	return h > FS_INO_UNKNOWN ? h : h + FS_INO_UNKNOWN + 1;
}

uint64_t fs_ino_of(const struct podfs_fs *fs, const struct fs_node *dir,
		   const struct wire_entry *e)
{
	return e->plus ? inode_number(fs, dir, &e->attr) : FS_INO_UNKNOWN;
}

static struct timespec time_of(struct wire_time t)
{
	return (struct timespec){ .tv_sec = t.sec, .tv_nsec = t.nsec };
}

static bool type_known(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return true;
	default:
		return false;
	}
}

int fs_stat_of(const struct podfs_fs *fs, const struct fs_node *node,
	       const struct wire_attr *a, struct stat *ret)
{
	if (!type_known(a->mode) || a->size > INT64_MAX || a->blocks > INT64_MAX)
		return -EIO;
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = inode_number(fs, node, a);
	ret->st_mode = a->mode & (S_IFMT | 07777);
	ret->st_nlink = a->nlink;
	ret->st_uid = a->uid;
	ret->st_gid = a->gid;
	ret->st_rdev = makedev(a->rdev_major, a->rdev_minor);
	ret->st_size = (off_t)a->size;
	ret->st_blocks = (blkcnt_t)a->blocks;
	ret->st_blksize = a->blksize >= 512 && a->blksize <= (1u << 20) ?
				  (blksize_t)a->blksize :
				  BLKSIZE_DEFAULT;
	ret->st_atim = time_of(a->atime);
	ret->st_mtim = time_of(a->mtime);
	ret->st_ctim = time_of(a->ctime);
	return 0;
}

void fs_stat_virtual(const struct podfs_fs *fs, const struct fs_node *node,
		     size_t size, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = mix(fs->salt, node->id);
	ret->st_mode = fs_is_document(node->kind)  ? S_IFREG | 0400 :
		       node->kind == FS_META	  ? S_IFDIR | 0500 :
		       node->kind == FS_CONTAINER ? S_IFDIR | 0755 :
						    S_IFDIR | 0555;
	ret->st_nlink = fs_is_document(node->kind) ? 1 : 2;
	ret->st_uid = fs->uid;
	ret->st_gid = fs->gid;
	ret->st_size = (off_t)size;
	ret->st_blksize = BLKSIZE_DEFAULT;
	ret->st_atim.tv_sec = node->place->created;
	ret->st_mtim.tv_sec = node->place->created;
	ret->st_ctim.tv_sec = node->place->created;
}

double fs_attr_timeout(const struct podfs_fs *fs, const struct wire_attr *a)
{
	return a->flags & WIRE_ATTR_VOLATILE ? 0 : fs->config.attr_timeout;
}

double fs_entry_timeout(const struct podfs_fs *fs, const struct wire_attr *a)
{
	return a->flags & WIRE_ATTR_VOLATILE ? 0 : fs->config.entry_timeout;
}

/* lstat(2) of a link says as many bytes as readlink(2) will give. */
static void size_of_link(struct podfs_fs *fs, struct fs_node *node,
			 struct wire_str target, struct stat *st)
{
	char shown[PATH_MAX];
	struct fs_loc loc;

	if (!S_ISLNK(st->st_mode) || target.n == 0 ||
	    fs_node_loc(&fs->nodes, node, NULL, &loc) != 0)
		return;
	if (loc.depth > 0 &&
	    fs_link_show(target, loc.depth - 1, shown) == FS_LINK_SAFE)
		st->st_size = (off_t)strlen(shown);
	fs_loc_done(&loc);
}

int fs_entry_fill(struct podfs_fs *fs, struct fs_node *node,
		  const struct wire_attr *a, struct wire_str target,
		  struct fuse_entry_param *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	err = fs_stat_of(fs, node, a, &ret->attr);
	if (err)
		return err;
	size_of_link(fs, node, target, &ret->attr);
	ret->ino = node->id;
	/* without its target a link's size is not known */
	ret->attr_timeout = S_ISLNK(a->mode) && target.n == 0 ?
				    0 :
				    fs_attr_timeout(fs, a);
	ret->entry_timeout = fs_entry_timeout(fs, a);
	return 0;
}

/* A file never gets shorter than what write(2) said. */
static void see_behind(struct podfs_fs *fs, const struct fs_node *node,
		       struct fs_moment when, struct fuse_entry_param *e)
{
	uint64_t end;

	if (!fs_behind_size(&fs->behind, node, when, &end))
		return;
	if (e->attr.st_size < (off_t)end)
		e->attr.st_size = (off_t)end;
	e->attr_timeout = 0;
}

int fs_entry_of(struct podfs_fs *fs, struct fs_node *parent, const char *name,
		const struct wire_attr *a, struct wire_str target,
		struct fs_moment when, struct fuse_entry_param *ret)
{
	struct fs_node *node;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = fs_node_file(&fs->nodes, parent, name, a, true, when, &node);
	if (err)
		return err;
	err = fs_entry_fill(fs, node, a, target, ret);
	if (err)
		fs_node_forget(&fs->nodes, node->id, 1);
	else if (S_ISREG(a->mode))
		see_behind(fs, node, when, ret);
	else if (S_ISLNK(a->mode) && target.n > 0)
		fs_node_keep_target(&fs->nodes, node, target);
	fs_node_put(&fs->nodes, node);
	return err;
}

void fs_entry_aged(struct fuse_entry_param *e, double age)
{
	e->attr_timeout = e->attr_timeout > age ? e->attr_timeout - age : 0;
	e->entry_timeout = e->entry_timeout > age ? e->entry_timeout - age : 0;
}

uint32_t fs_open_flags(int flags)
{
	static const struct {
		int host;
		uint32_t wire;
	} map[] = {
		{ O_APPEND, WIRE_OPEN_APPEND },
		{ O_TRUNC, WIRE_OPEN_TRUNC },
		{ O_EXCL, WIRE_OPEN_EXCL },
		{ O_DIRECTORY, WIRE_OPEN_DIRECTORY },
		{ O_NOATIME, WIRE_OPEN_NOATIME },
	};
	uint32_t wire = 0;

	if ((flags & O_ACCMODE) != O_WRONLY)
		wire |= WIRE_OPEN_READ;
	if ((flags & O_ACCMODE) != O_RDONLY)
		wire |= WIRE_OPEN_WRITE;
	for (size_t i = 0; i < PODFS_ARRAY_LEN(map); i++)
		if (flags & map[i].host)
			wire |= map[i].wire;
	if ((flags & O_SYNC) == O_SYNC)
		wire |= WIRE_OPEN_SYNC;
	else if (flags & O_DSYNC)
		wire |= WIRE_OPEN_DSYNC;
	return wire;
}

uint32_t fs_new_uid(fuse_req_t req)
{
	return fs_of(req)->allow_other ? fuse_req_ctx(req)->uid :
					 WIRE_ID_TARGET;
}

uint32_t fs_new_gid(fuse_req_t req)
{
	return fs_of(req)->allow_other ? fuse_req_ctx(req)->gid :
					 WIRE_ID_TARGET;
}
