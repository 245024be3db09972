/*
 * What the files of fs/ share. The order of locks: a forward's or tree->ahead.lock, then
 * nodes.lock, then interrupts.lock; behind.lock, notifier.lock and parking.lock stand
 * alone. None is held over a call into backend/ or a fuse_reply_*().
 */
#ifndef PODFS_FS_INTERNAL_H
#define PODFS_FS_INTERNAL_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "fs/behind.h"
#include "fs/fs.h"
#include "fs/handle.h"
#include "fs/interrupt.h"
#include "fs/node.h"
#include "fs/notify.h"
#include "fs/parked.h"
#include "fs/reserve.h"

struct fs_instead;

struct podfs_fs {
	struct podfs_fs_config config; /* its strings are copies */
	struct podfs_backend_events events;
	struct podfs_backend *backend; /* set before the mount, never changed */
	struct fuse_session *session;
	bool mounted;
	atomic_bool init_reply; /* is what is written next */
	bool allow_other;
	uint64_t salt; /* of the inode numbers that users see */
	uid_t uid;     /* the mounter's, owner of the cluster's folders */
	gid_t gid;
	struct fs_nodes nodes;
	struct fs_handles handles;
	struct fs_behind behind;
	struct fs_reserves reserves; /* nodes.lock */
	struct fs_interrupts interrupts;
	struct fs_notifier notifier;
	struct fs_parking parking;
	struct fs_instead *insteads; /* nodes.lock; newest first */
	atomic_uint insteads_kept;   /* how many */
	struct fs_audit *audit; /* or NULL; never changed */
	atomic_ullong dropped_names; /* what a helper listed and no kernel may
				      * see */
};

static inline struct podfs_fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* So old may be what is known without having been told of changes. */
static inline int64_t fs_attr_timeout_ms(const struct podfs_fs *fs)
{
	return (int64_t)(fs->config.attr_timeout * 1000);
}

/* ops_*.c: one family a file; fuse_lowlevel.h says what each must answer */
extern const struct fuse_lowlevel_ops fs_operations;

void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void fs_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets);
void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void fs_readlink(fuse_req_t req, fuse_ino_t ino);
void fs_access(fuse_req_t req, fuse_ino_t ino, int mask);
void fs_statfs(fuse_req_t req, fuse_ino_t ino);

void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev);
void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		const char *name);
void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned int flags);
void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname);

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi);
void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
	      off_t off, struct fuse_file_info *fi);
void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void fs_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
		  off_t length, struct fuse_file_info *fi);
void fs_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags);
void fs_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi);

void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi);

void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

void fs_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock);
void fs_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      struct flock *lock, int sleep);
void fs_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	      int op);

#endif
