/*
 * The FUSE session: options, capabilities, threads, the end.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/base/log.h"
#include "fs/audit.h"
#include "fs/device.h"
#include "common/wire/limits.h"
#include "fs/instead.h"
#include "fs/names.h"

#define BACKGROUND_MAX 512
#define CONGESTION 400
#define WORKERS_MAX 16
#define LAST_POLL_MS 20
/* What was answered is written as long as that goes on, be it over a slow link;
 * where nothing does, `podfs umount` asks for a second, then it takes the mount off. */
#define DRAIN_QUIET_MS 500
#define DRAIN_MAX_MS 30000

static void init(void *userdata, struct fuse_conn_info *conn)
{
	struct podfs_fs *fs = userdata;
	static const unsigned wanted =
		FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
		FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS |
		FUSE_CAP_ATOMIC_O_TRUNC |
		FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS |
		FUSE_CAP_AUTO_INVAL_DATA;

	conn->want |= conn->capable & wanted;
	/* what a default ACL says comes first, and only the helper sees it */
	conn->want |= conn->capable & FUSE_CAP_DONT_MASK;
	/* where the kernel decides by the mode's bits, it has to see the ACL:
	 * the group's bits of a file that has one are its mask */
	if (fs->allow_other)
		conn->want |= conn->capable & FUSE_CAP_POSIX_ACL;
	/* The kernel would stop asking for sizes and times that the container
	 * changes; and inode numbers can't be opened by number. */
	conn->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE |
				  FUSE_CAP_EXPORT_SUPPORT |
				  FUSE_CAP_HANDLE_KILLPRIV);
	/* attributes come with every entry anyway; without them the kernel
	 * asks for each name that a walk touches */
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
	conn->max_write = WIRE_READ_MAX;
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = CONGESTION;
	conn->time_gran = 1;
	fs_device_init(fs, conn->capable & FUSE_CAP_PARALLEL_DIROPS);
}

const struct fuse_lowlevel_ops fs_operations = {
	.init = init,
	.lookup = fs_lookup,
	.forget = fs_forget,
	.forget_multi = fs_forget_multi,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.readlink = fs_readlink,
	.mknod = fs_mknod,
	.mkdir = fs_mkdir,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.symlink = fs_symlink,
	.rename = fs_rename,
	.link = fs_link,
	.open = fs_open,
	.read = fs_read,
	.write = fs_write,
	.flush = fs_flush,
	.release = fs_release,
	.fsync = fs_fsync,
	.opendir = fs_opendir,
	.readdir = fs_readdir,
	.readdirplus = fs_readdirplus,
	.releasedir = fs_releasedir,
	.fsyncdir = fs_fsyncdir,
	.statfs = fs_statfs,
	.setxattr = fs_setxattr,
	.getxattr = fs_getxattr,
	.listxattr = fs_listxattr,
	.removexattr = fs_removexattr,
	.access = fs_access,
	.create = fs_create,
	.getlk = fs_getlk,
	.setlk = fs_setlk,
	.flock = fs_flock,
	.fallocate = fs_fallocate,
	.copy_file_range = fs_copy_file_range,
	.lseek = fs_lseek,
};

static void on_changed(void *arg, const struct podfs_tree_change *c)
{
	fs_notify_change(arg, c);
}

__attribute__((format(printf, 2, 0)))
static void fuse_log_line(enum fuse_log_level level, const char *fmt,
			  va_list ap)
{
	char line[512];
	size_t n;

	vsnprintf(line, sizeof(line), fmt, ap);
	n = strcspn(line, "\n");
	line[n] = '\0';
	podfs_log(level <= FUSE_LOG_ERR ? PODFS_LOG_ERROR : PODFS_LOG_DEBUG,
		  "fuse", "%s", line);
}

static int copy_config(struct podfs_fs *fs, const struct podfs_fs_config *c)
{
	fs->config = *c;
	fs->config.mountpoint = strdup(c->mountpoint);
	fs->config.options = strdup(c->options ? c->options : "");
	fs->config.audit = NULL; /* fs->audit has it */
	return fs->config.mountpoint && fs->config.options ? 0 : -ENOMEM;
}

/* As one -o argument; the kernel's own and fusermount3's go through, set-id
 * programs and devices of a container never count on the host. */
static int session_args(struct podfs_fs *fs, struct fuse_args *args,
			struct podfs_err *err)
{
	char *opts = NULL;
	int n;

	for (const char *p = fs->config.options; *p; p += *p == ',') {
		size_t len = strcspn(p, ",");

		if ((len == 4 && strncmp(p, "suid", 4) == 0) ||
		    (len == 3 && strncmp(p, "dev", 3) == 0))
			return podfs_err_set(err, -EINVAL,
					     "option '%.*s' is not allowed: a "
					     "container's set-id programs and "
					     "devices don't count here",
					     (int)len, p);
		if (len == 11 && strncmp(p, "allow_other", 11) == 0)
			fs->allow_other = true;
		p += len;
	}
	n = asprintf(&opts, "fsname=podfs,subtype=podfs,nosuid,nodev%s%s%s%s",
		     fs->allow_other ? ",default_permissions" : "",
		     fs->config.read_only ? ",ro" : "",
		     fs->config.options[0] ? "," : "", fs->config.options);
	if (n < 0)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	if (fuse_opt_add_arg(args, "podfs") != 0 ||
	    fuse_opt_add_arg(args, "-o") != 0 ||
	    fuse_opt_add_arg(args, opts) != 0)
		podfs_err_set(err, -ENOMEM, "out of memory");
	free(opts);
	return err->code;
}

int podfs_fs_new(const struct podfs_fs_config *config, struct podfs_fs **ret,
		 struct podfs_err *err)
{
	struct podfs_fs *fs = calloc(1, sizeof(*fs));
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int status;

	if (!fs)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	fuse_set_log_func(fuse_log_line);
	fs_behind_init(&fs->behind);
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->events = (struct podfs_backend_events){ .arg = fs,
						    .changed = on_changed };
	if (config->watch_timeout > 0)
		fs->events.event = fs_watch_event;
	status = copy_config(fs, config);
	if (!status)
		status = fs_nodes_init(&fs->nodes);
	fs->nodes.watches.age_ms = (int64_t)(config->watch_timeout * 1000);
	if (!status && getrandom(&fs->salt, sizeof(fs->salt), 0) < 0)
		status = -errno;
	if (status)
		podfs_err_set(err, status, "can't start: %s",
			      strerror(-status));
	if (!status)
		status = session_args(fs, &args, err);
	if (!status && config->audit) {
		status = fs_audit_new(config->audit, &fs->audit);
		if (status)
			podfs_err_set(err, status, "audit log '%s': %s",
				      config->audit, strerror(-status));
	}
	if (!status) {
		fs->session = fuse_session_new(&args, &fs_operations,
					       sizeof(fs_operations), fs);
		if (!fs->session)
			status = podfs_err_set(err, -EINVAL,
					       "mount options '%s' were not "
					       "understood",
					       fs->config.options);
	}
	fuse_opt_free_args(&args);
	if (status) {
		podfs_fs_free(fs);
		return status;
	}
	*ret = fs;
	return 0;
}

const struct podfs_backend_events *podfs_fs_events(struct podfs_fs *fs)
{
	return &fs->events;
}

int podfs_fs_mount(struct podfs_fs *fs, struct podfs_backend *b,
		   struct podfs_err *err)
{
	int status;

	fs->backend = b;
	if (fuse_session_mount(fs->session, fs->config.mountpoint) != 0)
		return podfs_err_set(err, -EIO,
				     "can't mount on '%s': is /dev/fuse there, "
				     "and may this user mount (fusermount3)? "
				     "'podfs doctor' looks",
				     fs->config.mountpoint);
	fs->mounted = true;
	status = fs_device_use(fs);
	if (!status)
		status = fs_interrupts_start(&fs->interrupts);
	if (!status)
		status = fs_parking_start(fs);
	if (!status)
		status = fs_notifier_start(fs);
	if (status)
		return podfs_err_set(err, status, "threads: %s",
				     strerror(-status));
	return 0;
}

/* The workers are gone, but a notification may wait in the kernel for a folder
 * whose lookup nobody has read yet. */
static void serve_the_last(struct podfs_fs *fs)
{
	struct pollfd p = { .fd = fuse_session_fd(fs->session),
			    .events = POLLIN };
	struct fuse_buf buf = { .mem = NULL };

	fs_parking_stop(fs);
	while (!fs_notifier_leave(fs)) {
		if (poll(&p, 1, LAST_POLL_MS) <= 0)
			continue;
		if (fuse_session_receive_buf(fs->session, &buf) <= 0)
			break;
		fuse_session_process_buf(fs->session, &buf);
	}
	free(buf.mem);
}

int podfs_fs_run(struct podfs_fs *fs)
{
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	int r;

	if (!loop)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(loop, 0);
	fuse_loop_cfg_set_max_threads(loop, WORKERS_MAX);
	r = fuse_session_loop_mt(fs->session, loop);
	fuse_loop_cfg_destroy(loop);
	/* while the backend, which ends before @fs, still answers */
	serve_the_last(fs);
	fs_behind_drain(&fs->behind, DRAIN_QUIET_MS, DRAIN_MAX_MS);
	fs_reserve_end(fs);
	fs_look_end(fs);
	return r > 0 ? 0 : r;
}

void podfs_fs_stop(struct podfs_fs *fs)
{
	fuse_session_exit(fs->session);
}

void podfs_fs_info(struct podfs_fs *fs, struct podfs_fs_info *ret)
{
	pthread_mutex_lock(&fs->nodes.lock);
	ret->nodes = fs->nodes.slots.used;
	ret->handles = fs->handles.slots.used;
	pthread_mutex_unlock(&fs->nodes.lock);
}

void podfs_fs_reopen_audit(struct podfs_fs *fs)
{
	if (fs->audit)
		fs_audit_reopen(fs->audit);
}

void podfs_fs_free(struct podfs_fs *fs)
{
	if (!fs)
		return;
	fs_notifier_stop(fs);
	fs_parking_stop(fs); /* where nothing ran */
	fs_interrupts_stop(&fs->interrupts);
	if (fs->mounted)
		fuse_session_unmount(fs->session);
	if (fs->session)
		fuse_session_destroy(fs->session);
	fs_parking_done(&fs->parking);
	fs_insteads_done(fs);
	fs_handles_done(&fs->handles);
	fs_nodes_done(&fs->nodes);
	fs_behind_done(&fs->behind);
	fs_audit_free(fs->audit);
	free((char *)fs->config.mountpoint);
	free((char *)fs->config.options);
	free(fs);
}
