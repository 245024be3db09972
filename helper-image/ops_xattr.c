/* SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/dispatch.h"

struct xattr_name {
	char text[WIRE_XATTR_NAME_MAX + 1];
};

static int name_of(struct wire_str s, struct xattr_name *ret)
{
	if (s.n == 0)
		return -EINVAL;
	if (s.n > WIRE_XATTR_NAME_MAX)
		return -ERANGE; /* as setxattr(2) says of a long name */
	memcpy(ret->text, s.p, s.n);
	ret->text[s.n] = '\0';
	return 0;
}

int helper_op_SETXATTR(struct helper_op *o)
{
	struct wire_req_SETXATTR m;
	struct wire_rep_SETXATTR reply = { .attr.mode = 0 };
	struct helper_object obj;
	struct xattr_name name;
	int flags = 0;
	int err = wire_dec_req_SETXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (err)
		return err;
	if (m.mode == WIRE_XATTR_CREATE)
		flags = XATTR_CREATE;
	else if (m.mode == WIRE_XATTR_REPLACE)
		flags = XATTR_REPLACE;
	else if (m.mode != WIRE_XATTR_ANY)
		return -EINVAL;
	err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	if (setxattr(helper_fd_path(obj.fd).text, name.text, m.value.p,
		     m.value.n, flags) != 0)
		err = -errno;
	else if (helper_attr_of(obj.fd, "", &reply.attr) != 0)
		reply.attr.mode = 0; /* it is set all the same */
	helper_object_done(o, &obj);
	return err ? err : wire_enc_rep_SETXATTR(&o->reply, &reply);
}

int helper_op_GETXATTR(struct helper_op *o)
{
	PODFS_CLEANUP_FREE void *value = NULL;
	struct wire_req_GETXATTR m;
	struct wire_rep_GETXATTR reply = { 0 };
	struct helper_object obj;
	struct xattr_name name;
	ssize_t n;
	int err = wire_dec_req_GETXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (err)
		return err;
	if (m.size > WIRE_XATTR_SIZE_MAX)
		m.size = WIRE_XATTR_SIZE_MAX;
	value = malloc(m.size + 1u);
	if (!value)
		return -ENOMEM;
	err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	n = getxattr(helper_fd_path(obj.fd).text, name.text, value, m.size);
	if (n < 0)
		err = -errno;
	helper_object_done(o, &obj);
	if (err)
		return err;
	reply.size = (uint32_t)n;
	reply.value.p = value;
	reply.value.n = m.size ? (uint32_t)n : 0;
	return wire_enc_rep_GETXATTR(&o->reply, &reply);
}

int helper_op_LISTXATTR(struct helper_op *o)
{
	PODFS_CLEANUP_FREE char *names = NULL;
	struct wire_req_LISTXATTR m;
	struct wire_rep_LISTXATTR reply = { 0 };
	struct helper_object obj;
	ssize_t n;
	int err = wire_dec_req_LISTXATTR(&o->body, &m);

	if (err)
		return err;
	if (m.size > WIRE_XATTR_SIZE_MAX)
		m.size = WIRE_XATTR_SIZE_MAX;
	names = malloc(m.size + 1u);
	if (!names)
		return -ENOMEM;
	err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	n = listxattr(helper_fd_path(obj.fd).text, names, m.size);
	if (n < 0)
		err = -errno;
	helper_object_done(o, &obj);
	if (err)
		return err;
	reply.size = (uint32_t)n;
	reply.names.p = (const uint8_t *)names;
	reply.names.n = m.size ? (uint32_t)n : 0;
	return wire_enc_rep_LISTXATTR(&o->reply, &reply);
}

int helper_op_REMOVEXATTR(struct helper_op *o)
{
	struct wire_req_REMOVEXATTR m;
	struct helper_object obj;
	struct xattr_name name;
	int err = wire_dec_req_REMOVEXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (err)
		return err;
	err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	if (removexattr(helper_fd_path(obj.fd).text, name.text) != 0)
		err = -errno;
	helper_object_done(o, &obj);
	return err;
}
