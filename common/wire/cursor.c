#include "common/wire/cursor.h"

#include <errno.h>
#include <string.h>

#include "common/wire/limits.h"

#define NSEC_PER_SEC 1000000000u

struct wire_reader wire_reader_over(const uint8_t *p, size_t n)
{
	return (struct wire_reader){ .p = p, .end = p + n, .bad = false };
}

static const uint8_t *take(struct wire_reader *r, size_t n)
{
	const uint8_t *q = r->p;

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return q;
}

/* Little-endian, a byte at a time: right on every machine, and compilers make
 * one load of it where that is allowed. */
static uint64_t get_le(struct wire_reader *r, size_t n)
{
	const uint8_t *q = take(r, n);
	uint64_t v = 0;

	if (!q)
		return 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)q[i] << (8 * i);
	return v;
}

uint8_t wire_get_u8(struct wire_reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t wire_get_u16(struct wire_reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t wire_get_u32(struct wire_reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t wire_get_u64(struct wire_reader *r)
{
	return get_le(r, 8);
}

int64_t wire_get_s64(struct wire_reader *r)
{
	return (int64_t)get_le(r, 8);
}

struct wire_time wire_get_time(struct wire_reader *r)
{
	struct wire_time t;

	t.sec = wire_get_s64(r);
	t.nsec = wire_get_u32(r);
	if (t.nsec >= NSEC_PER_SEC)
		r->bad = true;
	return t;
}

struct wire_attr wire_get_attr(struct wire_reader *r)
{
	struct wire_attr a;

	a.dev = wire_get_u64(r);
	a.ino = wire_get_u64(r);
	a.mode = wire_get_u32(r);
	a.nlink = wire_get_u32(r);
	a.uid = wire_get_u32(r);
	a.gid = wire_get_u32(r);
	a.size = wire_get_u64(r);
	a.blocks = wire_get_u64(r);
	a.blksize = wire_get_u32(r);
	a.rdev_major = wire_get_u32(r);
	a.rdev_minor = wire_get_u32(r);
	a.flags = wire_get_u32(r);
	a.atime = wire_get_time(r);
	a.mtime = wire_get_time(r);
	a.ctime = wire_get_time(r);
	a.btime = wire_get_time(r);
	return a;
}

struct wire_statfs wire_get_statfs(struct wire_reader *r)
{
	struct wire_statfs s;

	s.bsize = wire_get_u32(r);
	s.frsize = wire_get_u32(r);
	s.blocks = wire_get_u64(r);
	s.bfree = wire_get_u64(r);
	s.bavail = wire_get_u64(r);
	s.files = wire_get_u64(r);
	s.ffree = wire_get_u64(r);
	s.namelen = wire_get_u32(r);
	s.type = wire_get_u64(r);
	return s;
}

struct wire_str wire_get_str(struct wire_reader *r)
{
	struct wire_str s = { .p = "", .n = 0 };
	uint16_t n = wire_get_u16(r);
	const uint8_t *q = take(r, n);

	if (!q)
		return s;
	if (n > 0 && memchr(q, '\0', n)) {
		r->bad = true;
		return s;
	}
	s.p = (const char *)q;
	s.n = n;
	return s;
}

bool wire_name_ok(struct wire_str s)
{
	if (s.n == 0 || s.n > WIRE_NAME_MAX)
		return false;
	if (s.p[0] == '.' && (s.n == 1 || (s.n == 2 && s.p[1] == '.')))
		return false;
	return !memchr(s.p, '/', s.n) && !memchr(s.p, '\0', s.n);
}

bool wire_path_ok(struct wire_str s)
{
	size_t start = 0;

	if (s.n == 0)
		return true;
	if (s.n > WIRE_PATH_MAX)
		return false;
	for (size_t i = 0; i <= s.n; i++) {
		struct wire_str part;

		if (i < s.n && s.p[i] != '/')
			continue;
		if (i - start > WIRE_NAME_MAX)
			return false;
		part.p = s.p + start;
		part.n = (uint16_t)(i - start);
		if (!wire_name_ok(part))
			return false;
		start = i + 1;
	}
	return true;
}

struct wire_str wire_get_name(struct wire_reader *r)
{
	struct wire_str s = wire_get_str(r);

	if (!wire_name_ok(s))
		r->bad = true;
	return s;
}

struct wire_str wire_get_path(struct wire_reader *r)
{
	struct wire_str s = wire_get_str(r);

	if (!wire_path_ok(s))
		r->bad = true;
	return s;
}

struct wire_data wire_get_data(struct wire_reader *r)
{
	struct wire_data d = { .p = NULL, .n = 0 };
	uint32_t n = wire_get_u32(r);
	const uint8_t *q = take(r, n);

	if (!q)
		return d;
	d.p = q;
	d.n = n;
	return d;
}

int wire_reader_done(const struct wire_reader *r)
{
	return r->bad || r->p != r->end ? -EBADMSG : 0;
}

struct wire_writer wire_writer_over(uint8_t *p, size_t n)
{
	return (struct wire_writer){ .p = p, .start = p, .end = p + n };
}

static void put(struct wire_writer *w, const void *p, size_t n)
{
	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return;
	}
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
}

static void put_le(struct wire_writer *w, uint64_t v, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	put(w, b, n);
}

void wire_put_u8(struct wire_writer *w, uint8_t v)
{
	put_le(w, v, 1);
}

void wire_put_u16(struct wire_writer *w, uint16_t v)
{
	put_le(w, v, 2);
}

void wire_put_u32(struct wire_writer *w, uint32_t v)
{
	put_le(w, v, 4);
}

void wire_put_u64(struct wire_writer *w, uint64_t v)
{
	put_le(w, v, 8);
}

void wire_put_s64(struct wire_writer *w, int64_t v)
{
	put_le(w, (uint64_t)v, 8);
}

void wire_put_time(struct wire_writer *w, struct wire_time v)
{
	wire_put_s64(w, v.sec);
	wire_put_u32(w, v.nsec);
}

void wire_put_attr(struct wire_writer *w, struct wire_attr v)
{
	wire_put_u64(w, v.dev);
	wire_put_u64(w, v.ino);
	wire_put_u32(w, v.mode);
	wire_put_u32(w, v.nlink);
	wire_put_u32(w, v.uid);
	wire_put_u32(w, v.gid);
	wire_put_u64(w, v.size);
	wire_put_u64(w, v.blocks);
	wire_put_u32(w, v.blksize);
	wire_put_u32(w, v.rdev_major);
	wire_put_u32(w, v.rdev_minor);
	wire_put_u32(w, v.flags);
	wire_put_time(w, v.atime);
	wire_put_time(w, v.mtime);
	wire_put_time(w, v.ctime);
	wire_put_time(w, v.btime);
}

void wire_put_statfs(struct wire_writer *w, struct wire_statfs v)
{
	wire_put_u32(w, v.bsize);
	wire_put_u32(w, v.frsize);
	wire_put_u64(w, v.blocks);
	wire_put_u64(w, v.bfree);
	wire_put_u64(w, v.bavail);
	wire_put_u64(w, v.files);
	wire_put_u64(w, v.ffree);
	wire_put_u32(w, v.namelen);
	wire_put_u64(w, v.type);
}

void wire_put_str(struct wire_writer *w, struct wire_str v)
{
	wire_put_u16(w, v.n);
	put(w, v.p, v.n);
}

void wire_put_name(struct wire_writer *w, struct wire_str v)
{
	if (!wire_name_ok(v))
		w->bad = true;
	wire_put_str(w, v);
}

void wire_put_path(struct wire_writer *w, struct wire_str v)
{
	if (!wire_path_ok(v))
		w->bad = true;
	wire_put_str(w, v);
}

void wire_put_data(struct wire_writer *w, struct wire_data v)
{
	wire_put_u32(w, v.n);
	put(w, v.p, v.n);
}

int wire_writer_done(const struct wire_writer *w, size_t *ret_len)
{
	if (w->bad)
		return -EMSGSIZE;
	*ret_len = (size_t)(w->p - w->start);
	return 0;
}

struct wire_str wire_str_from(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	return (struct wire_str){
		.p = s ? s : "",
		.n = (uint16_t)(n > UINT16_MAX ? UINT16_MAX : n),
	};
}

int wire_walk_cmp(struct wire_str a, struct wire_str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	size_t i = 0;

	while (i < n && a.p[i] == b.p[i])
		i++;
	if (i == a.n || i == b.n)
		return (i < a.n) - (i < b.n);
	/* a name that ends here comes before one that goes on */
	if (a.p[i] == '/')
		return -1;
	if (b.p[i] == '/')
		return 1;
	return (unsigned char)a.p[i] < (unsigned char)b.p[i] ? -1 : 1;
}

bool wire_is_below(struct wire_str path, struct wire_str folder)
{
	return path.n >= folder.n &&
	       memcmp(path.p, folder.p, folder.n) == 0 &&
	       (folder.n == 0 || path.n == folder.n ||
		path.p[folder.n] == '/');
}
