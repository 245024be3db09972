/*
 * Files that are made before they have a name, so that who makes many small ones
 * needn't wait for each: RESERVE, NAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"
#include "helper-image/owner.h"

/* Of what set-id bits do besides, CREATE takes care. */
#define MODE_MAX 01777u

/* What a kernel or a file system says that can't. */
static int no_tmpfile(int err)
{
	return err == EISDIR || err == EINVAL ? -EOPNOTSUPP : -err;
}

static int reserve_one(struct helper_op *o, int dir,
		       const struct wire_req_RESERVE *m, struct wire_writer *w)
{
	PODFS_CLEANUP_FD int fd = -1;
	PODFS_CLEANUP_FD int folder = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	struct wire_attr attr;
	uint64_t handle;
	int err;

	fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return no_tmpfile(errno);
	err = folder < 0 ? -EMFILE :
			   helper_owner_set_of(o->session, fd, dir, m->uid,
					       m->gid, 0, &attr);
	/* as NAME will have to, when it is too late to say no */
	if (!err && fchmod(fd, attr.mode & 07777) != 0)
		err = -EOPNOTSUPP;
	if (err)
		return err;
	helper_attr_room(fd, &attr);
	err = helper_handle_reserve(&o->session->handles, podfs_steal_fd(&fd),
				    podfs_steal_fd(&folder), &handle);
	if (err)
		return err;
	wire_put_u64(w, handle);
	wire_put_attr(w, attr);
	return 0;
}

/* Fewer than were asked for are none the less. */
int helper_op_RESERVE(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object dir = HELPER_NO_OBJECT;
	uint8_t files[WIRE_RESERVE_MAX * (8 + sizeof(struct wire_attr))];
	struct wire_writer w = wire_writer_over(files, sizeof(files));
	struct wire_req_RESERVE m;
	struct wire_rep_RESERVE reply;
	size_t len;
	int err = wire_dec_req_RESERVE(&o->body, &m);

	if (err)
		return err;
	if (m.count == 0 || m.count > WIRE_RESERVE_MAX)
		return -EINVAL;
	err = helper_object(o, m.base, m.path, &dir);
	if (err)
		return err;
	if (helper_has_default_acl(dir.fd))
		err = -EOPNOTSUPP;
	for (unsigned i = 0; i < m.count && !err; i++)
		err = reserve_one(o, dir.fd, &m, &w);
	if (err && w.p == files)
		return err;
	err = wire_writer_done(&w, &len);
	reply.files = (struct wire_data){ files, (uint32_t)len };
	return err ? err : wire_enc_rep_RESERVE(&o->reply, &reply);
}

/* inotify(7) tells what is done by a descriptor under the name that the file was
 * opened by, and a reserved one has none: who watches the folder would hear of
 * the new file, and never of what is written to it. Best effort. By a look first:
 * to open what has the name by now, a device or a FIFO, may do something. */
static void open_by_name(struct helper_handle *h, const char *name)
{
	PODFS_CLEANUP_FD int found =
		openat(h->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	PODFS_CLEANUP_FD int fd = -1;
	struct stat is, was;

	if (found < 0 || fstat(found, &is) != 0 || fstat(h->fd, &was) != 0 ||
	    is.st_ino != was.st_ino || is.st_dev != was.st_dev)
		return;
	fd = open(helper_fd_path(found).text,
		  O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		dup3(fd, h->fd, O_CLOEXEC);
}

static int name_locked(struct helper_op *o, struct helper_handle *h,
		       const char *name, const struct wire_req_NAME *m,
		       struct wire_attr *ret)
{
	const struct timespec t = { .tv_sec = m->time.sec,
				    .tv_nsec = m->time.nsec };
	const struct timespec times[2] = { t, t };

	if (h->folder < 0 || (m->mode & ~MODE_MAX))
		return -EINVAL;
	if (fchmod(h->fd, m->mode) != 0)
		return -errno;
	if (linkat(AT_FDCWD, helper_fd_path(h->fd).text, h->folder, name,
		   AT_SYMLINK_FOLLOW) != 0)
		return -errno;
	/* it is there now, whatever its times are */
	futimens(h->fd, times);
	open_by_name(h, name);
	helper_handle_named(&o->session->handles, h);
	return helper_attr_of(h->fd, "", ret);
}

int helper_op_NAME(struct helper_op *o)
{
	char name[WIRE_NAME_MAX + 1];
	struct wire_req_NAME m;
	struct wire_rep_NAME reply;
	struct helper_handle *h;
	int err = wire_dec_req_NAME(&o->body, &m);

	if (err)
		return err;
	memcpy(name, m.name.p, m.name.n);
	name[m.name.n] = '\0';
	err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	pthread_mutex_lock(&h->position);
	err = name_locked(o, h, name, &m, &reply.attr);
	pthread_mutex_unlock(&h->position);
	helper_handle_put(&o->session->handles, h);
	return err ? err : wire_enc_rep_NAME(&o->reply, &reply);
}
