/*
 * The messages, field by field: structs and codecs are made from this table
 * (msg.h, msg.c), and a test holds docs/protocol.md to it.
 *
 * WIRE_REQ_<op>(F) and WIRE_REP_<op>(F) list the fields of the request's and
 * the reply's body; F(type, name). Types, little-endian, packed in order:
 *   u8 u16 u32 u64 s64   numbers
 *   time                 sec[8] nsec[4]
 *   attr, statfs         the fields of types.h, in order
 *   str                  n[2] and n bytes without NUL
 *   name                 a str that is one component: 1 to 255 bytes, no "/",
 *                        not "." and not ".."
 *   path                 a str of components joined by "/"; empty means the
 *                        base itself; no leading, doubled or trailing "/", no
 *                        "." and no ".."
 *   data                 n[4] and n bytes
 * A location is a pair (base[8], path): base is WIRE_BASE_ROOT or a handle.
 * No link on the way of a path is followed, and its last component neither.
 */
#ifndef PODFS_WIRE_SCHEMA_H
#define PODFS_WIRE_SCHEMA_H

#define WIRE_NO_FIELDS(F)

/* session[_hi,_lo]: 128 random bits that name the session; a stream that
 * gives the same pair takes it up (RESUME) */
#define WIRE_REQ_HELLO(F)                                                      \
	F(u16, version_min) F(u16, version_max) F(u64, features)               \
	F(u64, session_hi) F(u64, session_lo)                                  \
	F(u32, frame_max) F(u32, inflight_max)                                 \
	F(u8, read_only) F(u8, resume)                                         \
	F(u8, as_user) F(u32, as_uid) F(u32, as_gid)                           \
	F(str, pod_uid) F(str, container)
#define WIRE_REP_HELLO(F)                                                      \
	F(u16, version) F(u64, features) F(u8, resumed)                        \
	F(u32, frame_max) F(u32, inflight_max) F(u32, handles_max)             \
	F(u8, rung) F(u8, seccomp) F(u8, has_target)                           \
	F(u32, uid) F(u32, gid) F(u32, target_uid) F(u32, target_gid)          \
	F(u64, cap_effective) F(u64, boot_id) F(u64, root_type)                \
	F(attr, root) F(str, helper_version) F(str, detail)
#define WIRE_REQ_PING(F) F(u64, stamp)
#define WIRE_REP_PING(F) F(u64, stamp)
#define WIRE_REQ_CANCEL(F) F(u64, id)
#define WIRE_REP_CANCEL(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_BYE(F) F(u8, forget)
#define WIRE_REP_BYE(F) WIRE_NO_FIELDS(F)

#define WIRE_REQ_LOOKUP(F) F(u64, base) F(path, path)
#define WIRE_REP_LOOKUP(F) F(attr, attr) F(str, target)
#define WIRE_REQ_GETATTR(F) F(u64, base) F(path, path)
#define WIRE_REP_GETATTR(F) F(attr, attr)
#define WIRE_REQ_SETATTR(F)                                                    \
	F(u64, base) F(path, path) F(u32, valid) F(u32, mode) F(u32, uid)      \
	F(u32, gid) F(u64, size) F(time, atime) F(time, mtime)
#define WIRE_REP_SETATTR(F) F(attr, attr)
#define WIRE_REQ_READLINK(F) F(u64, base) F(path, path)
#define WIRE_REP_READLINK(F) F(str, target)
/* follows links inside the root: where does this lead? */
#define WIRE_REQ_RESOLVE(F) F(u64, base) F(path, path)
#define WIRE_REP_RESOLVE(F) F(path, path)
#define WIRE_REQ_ACCESS(F) F(u64, base) F(path, path) F(u8, mask)
#define WIRE_REP_ACCESS(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_STATFS(F) F(u64, base) F(path, path)
#define WIRE_REP_STATFS(F) F(statfs, statfs)
#define WIRE_REQ_MKNOD(F)                                                      \
	F(u64, base) F(path, path) F(u32, mode) F(u32, umask) F(u32, major)    \
	F(u32, minor) F(u32, uid) F(u32, gid)
#define WIRE_REP_MKNOD(F) F(attr, attr)
#define WIRE_REQ_MKDIR(F)                                                      \
	F(u64, base) F(path, path) F(u32, mode) F(u32, umask) F(u32, uid)      \
	F(u32, gid)
#define WIRE_REP_MKDIR(F) F(attr, attr)
/* the attributes of the file that lost a name, nlink already lowered */
#define WIRE_REQ_UNLINK(F) F(u64, base) F(path, path)
#define WIRE_REP_UNLINK(F) F(attr, attr)
#define WIRE_REQ_RMDIR(F) F(u64, base) F(path, path)
#define WIRE_REP_RMDIR(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_RENAME(F)                                                     \
	F(u64, base) F(path, path) F(u64, new_base) F(path, new_path)          \
	F(u32, flags)
/* the attributes of what has the new name; of no mode: not known */
#define WIRE_REP_RENAME(F) F(attr, attr)
#define WIRE_REQ_LINK(F)                                                       \
	F(u64, base) F(path, path) F(u64, new_base) F(path, new_path)
#define WIRE_REP_LINK(F) F(attr, attr)
#define WIRE_REQ_SYMLINK(F)                                                    \
	F(u64, base) F(path, path) F(str, target) F(u32, uid) F(u32, gid)
#define WIRE_REP_SYMLINK(F) F(attr, attr)
#define WIRE_REQ_SETXATTR(F)                                                   \
	F(u64, base) F(path, path) F(str, name) F(u32, mode) F(data, value)
/* the attributes afterwards; of no mode: not known */
#define WIRE_REP_SETXATTR(F) F(attr, attr)
/* size 0 asks how long: the reply's size, and no value */
#define WIRE_REQ_GETXATTR(F)                                                   \
	F(u64, base) F(path, path) F(str, name) F(u32, size)
#define WIRE_REP_GETXATTR(F) F(u32, size) F(data, value)
#define WIRE_REQ_LISTXATTR(F) F(u64, base) F(path, path) F(u32, size)
#define WIRE_REP_LISTXATTR(F) F(u32, size) F(data, names)
#define WIRE_REQ_REMOVEXATTR(F) F(u64, base) F(path, path) F(str, name)
#define WIRE_REP_REMOVEXATTR(F) WIRE_NO_FIELDS(F)

#define WIRE_REQ_OPEN(F)                                                       \
	F(u64, base) F(path, path) F(u32, flags) F(u32, data_max)
#define WIRE_REP_OPEN(F)                                                       \
	F(u64, handle) F(attr, attr) F(u32, sent) F(u8, end) F(data, data)
#define WIRE_REQ_CREATE(F)                                                     \
	F(u64, base) F(path, path) F(u32, flags) F(u32, mode) F(u32, umask)    \
	F(u32, uid) F(u32, gid)
#define WIRE_REP_CREATE(F) F(u64, handle) F(u8, created) F(attr, attr)
#define WIRE_REQ_READ(F) F(u64, handle) F(u64, offset) F(u32, count)
#define WIRE_REP_READ(F) F(data, data)
#define WIRE_REQ_WRITE(F) F(u64, handle) F(u64, offset) F(data, data)
#define WIRE_REP_WRITE(F) F(u32, count)
/* gives back the POSIX locks of @owner; 0 where none were taken */
#define WIRE_REQ_FLUSH(F) F(u64, handle) F(u64, owner)
#define WIRE_REP_FLUSH(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_FSYNC(F) F(u64, handle) F(u8, datasync)
/* the attributes afterwards; of no mode: not known */
#define WIRE_REP_FSYNC(F) F(attr, attr)
#define WIRE_REQ_RELEASE(F) F(u64, handle)
#define WIRE_REP_RELEASE(F) WIRE_NO_FIELDS(F)
/* cookie 0 is the start, else the cookie of the last entry that was taken;
 * count bounds the bytes of all entries; with plus != 0 entries carry attr.
 * entries: WIRE_ENTRY after WIRE_ENTRY. end != 0: nothing follows them */
#define WIRE_REQ_READDIR(F)                                                    \
	F(u64, handle) F(u64, cookie) F(u32, count) F(u8, plus)
#define WIRE_REP_READDIR(F) F(u8, end) F(data, entries)
#define WIRE_REQ_LSEEK(F) F(u64, handle) F(u64, offset) F(u8, whence)
#define WIRE_REP_LSEEK(F) F(u64, offset)
#define WIRE_REQ_FALLOCATE(F)                                                  \
	F(u64, handle) F(u32, mode) F(u64, offset) F(u64, length)
#define WIRE_REP_FALLOCATE(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_COPY_FILE_RANGE(F)                                            \
	F(u64, handle) F(u64, offset) F(u64, to_handle) F(u64, to_offset)      \
	F(u64, length)
#define WIRE_REP_COPY_FILE_RANGE(F) F(u64, count)
/* POSIX record locks, fcntl(2): end is the last byte, 2^63-1 for all; wait_ms:
 * 2^32-1 for ever */
#define WIRE_REQ_GETLK(F)                                                      \
	F(u64, handle) F(u64, owner) F(u8, type) F(u64, start) F(u64, end)
#define WIRE_REP_GETLK(F) F(u8, type) F(u64, start) F(u64, end) F(u32, pid)
#define WIRE_REQ_SETLK(F)                                                      \
	F(u64, handle) F(u64, owner) F(u8, type) F(u64, start) F(u64, end)     \
	F(u32, wait_ms)
#define WIRE_REP_SETLK(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_FLOCK(F)                                                      \
	F(u64, handle) F(u64, owner) F(u8, type) F(u32, wait_ms)
#define WIRE_REP_FLOCK(F) WIRE_NO_FIELDS(F)
/* files: handle[8] and attr, one after the other */
#define WIRE_REQ_RESERVE(F)                                                    \
	F(u64, base) F(path, path) F(u8, count) F(u32, uid) F(u32, gid)
#define WIRE_REP_RESERVE(F) F(data, files)
#define WIRE_REQ_NAME(F) F(u64, handle) F(name, name) F(u32, mode) F(time, time)
#define WIRE_REP_NAME(F) F(attr, attr)

/* below @path, behind @after (both from base): docs/protocol.md */
#define WIRE_REQ_SCAN(F)                                                       \
	F(u64, base) F(path, path) F(u8, resume) F(path, after)                \
	F(u32, inline_max) F(u32, budget)
#define WIRE_REP_SCAN(F)                                                       \
	F(u8, kind) F(path, path) F(attr, attr) F(u8, end) F(data, data)
/* whether folders are, from now on */
#define WIRE_REQ_WATCH(F) F(u8, on)
#define WIRE_REP_WATCH(F) WIRE_NO_FIELDS(F)
/* a folder by its attributes, as the reply had them that said WATCHED */
#define WIRE_REQ_UNWATCH(F) F(u64, dev) F(u64, ino)
#define WIRE_REP_UNWATCH(F) WIRE_NO_FIELDS(F)
#define WIRE_REQ_EVENT(F) F(u64, dev) F(u64, ino) F(u32, kind) F(str, name)
#define WIRE_REP_EVENT(F) WIRE_NO_FIELDS(F)

/* One entry of READDIR and SCAN. type is DT_* of readdir(3); plus says that
 * attr and, for a link, target hold something. */
#define WIRE_ENTRY(F)                                                          \
	F(u64, cookie) F(u8, type) F(u8, plus) F(str, name) F(attr, attr)      \
	F(str, target)

#endif
