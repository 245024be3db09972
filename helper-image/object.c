#include "helper-image/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "helper-image/volumes.h"

static int base_fd(struct helper_op *o, uint64_t base,
		   struct helper_handle **ret_handle)
{
	if (base == WIRE_BASE_ROOT)
		return o->root->fd;
	if (helper_handle_get(&o->session->handles, base, ret_handle) != 0)
		return -EBADF;
	return (*ret_handle)->fd;
}

int helper_object(struct helper_op *o, uint64_t base, struct wire_str path,
		  struct helper_object *ret)
{
	int fd = base_fd(o, base, &ret->handle);
	int err;

	if (fd < 0)
		return fd;
	ret->table = &o->session->handles;
	if (path.n > 0) {
		err = helper_root_open(o->root, fd, path, O_PATH, &ret->owned);
		if (err)
			return err;
		fd = ret->owned;
	}
	ret->fd = fd;
	return o->changes ? helper_volumes_allow(o->root, fd) : 0;
}

void helper_object_done(struct helper_object *obj)
{
	if (obj->owned >= 0)
		close(obj->owned);
	if (obj->handle)
		helper_handle_put(obj->table, obj->handle);
}

int helper_place(struct helper_op *o, uint64_t base, struct wire_str path,
		 struct helper_place *ret)
{
	int fd = base_fd(o, base, &ret->handle);
	int err;

	if (fd < 0)
		return fd;
	ret->table = &o->session->handles;
	ret->base = fd;
	err = helper_root_parent(o->root, fd, path, &ret->parent);
	if (err)
		return err;
	return helper_volumes_allow(o->root, ret->parent.fd);
}

void helper_place_done(struct helper_place *at)
{
	helper_parent_done(&at->parent, at->base);
	if (at->handle)
		helper_handle_put(at->table, at->handle);
}

struct helper_fd_path helper_fd_path(int fd)
{
	struct helper_fd_path p;

	snprintf(p.text, sizeof(p.text), "/proc/self/fd/%d", fd);
	return p;
}
