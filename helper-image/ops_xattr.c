/* SETXATTR, GETXATTR, LISTXATTR, REMOVEXATTR. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/object.h"

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

static int flags_of(uint32_t mode, int *ret)
{
	switch (mode) {
	case WIRE_XATTR_ANY:
		*ret = 0;
		return 0;
	case WIRE_XATTR_CREATE:
		*ret = XATTR_CREATE;
		return 0;
	case WIRE_XATTR_REPLACE:
		*ret = XATTR_REPLACE;
		return 0;
	default:
		return -EINVAL;
	}
}

int helper_op_SETXATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_SETXATTR m;
	struct wire_rep_SETXATTR reply = { .attr.mode = 0 };
	struct xattr_name name;
	int flags = 0;
	int err = wire_dec_req_SETXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (!err)
		err = flags_of(m.mode, &flags);
	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	if (setxattr(helper_fd_path(obj.fd).text, name.text, m.value.p,
		     m.value.n, flags) != 0)
		return -errno;
	if (helper_attr_of(obj.fd, "", &reply.attr) != 0)
		reply.attr.mode = 0; /* it is set all the same */
	return wire_enc_rep_SETXATTR(&o->reply, &reply);
}

/* How much is asked for at most, and memory for it. */
static int value_of(uint32_t *size, void **ret)
{
	if (*size > WIRE_XATTR_SIZE_MAX)
		*size = WIRE_XATTR_SIZE_MAX;
	*ret = malloc(*size + 1u);
	return *ret ? 0 : -ENOMEM;
}

int helper_op_GETXATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	PODFS_CLEANUP_FREE void *value = NULL;
	struct wire_req_GETXATTR m;
	struct wire_rep_GETXATTR reply = { 0 };
	struct xattr_name name;
	ssize_t n;
	int err = wire_dec_req_GETXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (!err)
		err = value_of(&m.size, &value);
	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	n = getxattr(helper_fd_path(obj.fd).text, name.text, value, m.size);
	if (n < 0)
		return -errno;
	reply.size = (uint32_t)n;
	reply.value.p = value;
	reply.value.n = m.size ? (uint32_t)n : 0;
	return wire_enc_rep_GETXATTR(&o->reply, &reply);
}

int helper_op_LISTXATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	PODFS_CLEANUP_FREE void *names = NULL;
	struct wire_req_LISTXATTR m;
	struct wire_rep_LISTXATTR reply = { 0 };
	ssize_t n;
	int err = wire_dec_req_LISTXATTR(&o->body, &m);

	if (!err)
		err = value_of(&m.size, &names);
	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	n = listxattr(helper_fd_path(obj.fd).text, names, m.size);
	if (n < 0)
		return -errno;
	reply.size = (uint32_t)n;
	reply.names.p = names;
	reply.names.n = m.size ? (uint32_t)n : 0;
	return wire_enc_rep_LISTXATTR(&o->reply, &reply);
}

int helper_op_REMOVEXATTR(struct helper_op *o)
{
	HELPER_CLEANUP_OBJECT struct helper_object obj = HELPER_NO_OBJECT;
	struct wire_req_REMOVEXATTR m;
	struct xattr_name name;
	int err = wire_dec_req_REMOVEXATTR(&o->body, &m);

	if (!err)
		err = name_of(m.name, &name);
	if (!err)
		err = helper_object(o, m.base, m.path, &obj);
	if (err)
		return err;
	return removexattr(helper_fd_path(obj.fd).text, name.text) == 0 ?
		       0 :
		       -errno;
}
