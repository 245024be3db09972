/* What the lines of the audit log say. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/audit.h"
#include "fs/op.h"
#include "fs/program.h"

/* A path or two whose every byte is escaped, and a value. */
#define LINE_MAX_BYTES ((size_t)64 << 10)

struct fs_audit_line {
	struct fs_audit *audit;
	struct podfs_json_writer w;
	size_t common; /* bytes of w that say who and where */
	/* of an open file */
	atomic_ullong bytes;
	atomic_int status;
};

static struct fs_audit_line *line_new(struct fs_audit *a)
{
	struct fs_audit_line *l = calloc(1, sizeof(*l));

	if (!l) {
		fs_audit_lose(a);
		return NULL;
	}
	l->audit = a;
	l->w = (struct podfs_json_writer)PODFS_JSON_WRITER_INIT(LINE_MAX_BYTES);
	return l;
}

static void who(struct fs_audit_line *l, const struct fs_op *op)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(op->req);
	struct podfs_session_info i;
	struct fs_program program;

	podfs_jw_number(&l->w, "uid", ctx->uid);
	podfs_jw_number(&l->w, "gid", ctx->gid);
	if (fs_program_of(ctx->pid, &program)) {
		podfs_jw_number(&l->w, "pid", (uint64_t)program.pid);
		podfs_jw_text(&l->w, "program", program.name);
	}
	podfs_session_info(op->session, &i);
	podfs_jw_text(&l->w, "namespace", i.ref.ns);
	podfs_jw_text(&l->w, "pod", i.ref.pod);
	podfs_jw_text(&l->w, "pod_uid", i.pod_uid);
	podfs_jw_text(&l->w, "container", i.ref.container);
}

static void string(struct fs_audit_line *l, const char *name, struct wire_str s)
{
	podfs_jw_text_n(&l->w, name, "", s.p, s.n);
}

/* A place as the helper is told it. From a handle only the file's name is known
 * that the kernel has for it; without one the member is left out. */
static void place(struct fs_audit_line *l, const char *name,
		  const struct fs_op *op, struct fs_node *node, uint64_t base,
		  struct wire_str path)
{
	struct fs_loc loc;

	if (base == WIRE_BASE_ROOT) {
		podfs_jw_text_n(&l->w, name, "/", path.p, path.n);
		return;
	}
	if (fs_node_loc(&op->fs->nodes, node, NULL, &loc) != 0)
		return;
	if (loc.base == WIRE_BASE_ROOT && path.n == 0)
		podfs_jw_text_n(&l->w, name, "/", loc.path, loc.len);
	fs_loc_done(&loc);
}

static void octal(struct fs_audit_line *l, const char *name, uint32_t mode)
{
	char text[16];

	snprintf(text, sizeof(text), "%04o", mode);
	podfs_jw_text(&l->w, name, text);
}

static void settings(struct fs_audit_line *l, const struct wire_req_SETATTR *m)
{
	if (m->valid & WIRE_SET_MODE)
		octal(l, "mode", m->mode);
	if (m->valid & WIRE_SET_UID)
		podfs_jw_number(&l->w, "owner", m->uid);
	if (m->valid & WIRE_SET_GID)
		podfs_jw_number(&l->w, "group", m->gid);
	if (m->valid & WIRE_SET_SIZE)
		podfs_jw_number(&l->w, "size", m->size);
	if (m->valid & (WIRE_SET_ATIME | WIRE_SET_ATIME_NOW))
		podfs_jw_truth(&l->w, "atime", true);
	if (m->valid & (WIRE_SET_MTIME | WIRE_SET_MTIME_NOW))
		podfs_jw_truth(&l->w, "mtime", true);
}

/* All of them begin with a handle, or with a base and a path. */
static void where(struct fs_audit_line *l, const struct fs_op *op,
		  struct wire_reader r, unsigned flags)
{
	uint64_t base = wire_get_u64(&r);
	struct wire_str path = { .p = "" };

	if (!(flags & WIRE_F_H))
		path = wire_get_str(&r);
	place(l, "path", op, op->node, base, path);
}

static void mode_of(struct fs_audit_line *l, uint32_t mode, uint32_t mask)
{
	octal(l, "mode", mode);
	octal(l, "umask", mask);
}

static void made(struct fs_audit_line *l, enum wire_op what,
		 struct wire_reader r)
{
	struct wire_req_SYMLINK link;
	struct wire_req_CREATE file;
	struct wire_req_MKNOD node;
	struct wire_req_MKDIR dir;

	if (what == WIRE_OP_MKNOD && wire_dec_req_MKNOD(&r, &node) == 0)
		mode_of(l, node.mode, node.umask);
	if (what == WIRE_OP_MKDIR && wire_dec_req_MKDIR(&r, &dir) == 0)
		mode_of(l, dir.mode, dir.umask);
	if (what == WIRE_OP_CREATE && wire_dec_req_CREATE(&r, &file) == 0)
		mode_of(l, file.mode, file.umask);
	if (what == WIRE_OP_SYMLINK && wire_dec_req_SYMLINK(&r, &link) == 0)
		string(l, "target", link.target);
}

static void moved(struct fs_audit_line *l, const struct fs_op *op,
		  struct wire_reader r)
{
	struct wire_req_RENAME rename;
	struct wire_req_LINK link;

	if (op->call.op == WIRE_OP_LINK) {
		if (wire_dec_req_LINK(&r, &link) == 0)
			place(l, "to", op, op->other, link.new_base,
			      link.new_path);
	} else if (wire_dec_req_RENAME(&r, &rename) == 0) {
		place(l, "to", op, op->other, rename.new_base, rename.new_path);
		if (rename.flags & WIRE_RENAME_EXCHANGE)
			podfs_jw_truth(&l->w, "exchange", true);
	}
}

static void attribute(struct fs_audit_line *l, enum wire_op what,
		      struct wire_reader r)
{
	struct wire_req_REMOVEXATTR gone;
	struct wire_req_SETXATTR set;

	if (what == WIRE_OP_SETXATTR && wire_dec_req_SETXATTR(&r, &set) == 0)
		string(l, "name", set.name);
	if (what == WIRE_OP_REMOVEXATTR &&
	    wire_dec_req_REMOVEXATTR(&r, &gone) == 0)
		string(l, "name", gone.name);
}

static void content(struct fs_audit_line *l, const struct fs_op *op,
		    struct wire_reader r)
{
	struct wire_req_COPY_FILE_RANGE copy;
	struct wire_req_FALLOCATE space;

	if (op->call.op == WIRE_OP_FALLOCATE) {
		if (wire_dec_req_FALLOCATE(&r, &space) != 0)
			return;
		podfs_jw_number(&l->w, "offset", space.offset);
		podfs_jw_number(&l->w, "length", space.length);
	} else if (wire_dec_req_COPY_FILE_RANGE(&r, &copy) == 0) {
		place(l, "to", op, op->other, copy.to_handle,
		      (struct wire_str){ .p = "" });
		podfs_jw_number(&l->w, "length", copy.length);
	}
}

static void details(struct fs_audit_line *l, const struct fs_op *op,
		    struct wire_reader r)
{
	struct wire_req_SETATTR set;
	struct wire_req_OPEN open;

	switch ((uint16_t)op->call.op) {
	case WIRE_OP_SETATTR:
		if (wire_dec_req_SETATTR(&r, &set) == 0)
			settings(l, &set);
		break;
	case WIRE_OP_OPEN:
		if (wire_dec_req_OPEN(&r, &open) == 0)
			podfs_jw_truth(&l->w, "truncate",
					 open.flags & WIRE_OPEN_TRUNC);
		break;
	case WIRE_OP_MKNOD:
	case WIRE_OP_MKDIR:
	case WIRE_OP_CREATE:
	case WIRE_OP_SYMLINK:
		made(l, op->call.op, r);
		break;
	case WIRE_OP_RENAME:
	case WIRE_OP_LINK:
		moved(l, op, r);
		break;
	case WIRE_OP_SETXATTR:
	case WIRE_OP_REMOVEXATTR:
		attribute(l, op->call.op, r);
		break;
	case WIRE_OP_FALLOCATE:
	case WIRE_OP_COPY_FILE_RANGE:
		content(l, op, r);
		break;
	default:
		break;
	}
}

/* "UNLINK" becomes "unlink". */
static void name_of(struct fs_audit_line *l, enum wire_op what)
{
	const char *name = wire_op_name((uint16_t)what);
	char word[32];
	size_t i;

	for (i = 0; name[i] && i < sizeof(word) - 1; i++)
		word[i] = (char)tolower((unsigned char)name[i]);
	word[i] = '\0';
	podfs_jw_text(&l->w, "op", word);
}

struct fs_audit_line *fs_audit_begin(const struct fs_op *op)
{
	struct wire_reader r = wire_reader_over(
		op->frame + PODFS_CALL_HEADROOM, op->call.body_len);
	struct fs_audit_line *l;
	unsigned flags = 0;

	wire_op_flags((uint16_t)op->call.op, &flags);
	if (!(flags & WIRE_F_W) && !op->changes)
		return NULL;
	l = line_new(op->fs->audit);
	if (!l)
		return NULL;
	who(l, op);
	where(l, op, r, flags);
	l->common = l->w.buf.len;
	name_of(l, op->call.op);
	details(l, op, r);
	return l;
}

void fs_audit_end(struct fs_audit_line *l, int status)
{
	const char *error = NULL;

	if (!l)
		return;
	if (status)
		error = strerrorname_np(-status);
	podfs_jw_text(&l->w, "result",
			!status ? "ok" : error ? error : "EIO");
	fs_audit_add(l->audit, &l->w);
	free(l);
}

struct fs_audit_line *fs_audit_file(const struct fs_audit_line *l)
{
	struct fs_audit_line *file = line_new(l->audit);

	if (!file)
		return NULL;
	file->w.first = false;
	file->w.bad = l->w.bad || podfs_buf_add(&file->w.buf, l->w.buf.p,
						l->common) < 0;
	return file;
}

void fs_audit_wrote(struct fs_audit_line *file, uint64_t bytes, int status)
{
	int none = 0;

	if (!file)
		return;
	atomic_fetch_add(&file->bytes, bytes);
	if (status)
		atomic_compare_exchange_strong(&file->status, &none, status);
}

void fs_audit_closed(struct fs_audit_line *file)
{
	uint64_t bytes;
	int status;

	if (!file)
		return;
	bytes = atomic_load(&file->bytes);
	status = atomic_load(&file->status);
	if (bytes == 0 && status == 0) {
		podfs_buf_done(&file->w.buf);
		free(file);
		return;
	}
	podfs_jw_text(&file->w, "op", "write");
	podfs_jw_number(&file->w, "bytes", bytes);
	fs_audit_end(file, status);
}
