#include "common/wire/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PUT_FIELD(type, name) wire_put_##type(w, m->name);
#define GET_FIELD(type, name) m.name = wire_get_##type(r);

#define CODEC(dir, DIR, name)                                                  \
	int wire_enc_##dir##_##name(struct wire_writer *w,                     \
				    const struct wire_##dir##_##name *m)       \
	{                                                                      \
		(void)m;                                                       \
		WIRE_##DIR##_##name(PUT_FIELD)                                 \
		return w->bad ? -EMSGSIZE : 0;                                 \
	}                                                                      \
	int wire_dec_##dir##_##name(struct wire_reader *r,                     \
				    struct wire_##dir##_##name *ret)           \
	{                                                                      \
		struct wire_##dir##_##name m;                                  \
		int err;                                                       \
									       \
		m.unsent = 0;                                                  \
		WIRE_##DIR##_##name(GET_FIELD)                                 \
		err = wire_reader_done(r);                                     \
		if (err)                                                       \
			return err;                                            \
		*ret = m;                                                      \
		return 0;                                                      \
	}

#define X(name, nr, flags, since)                                              \
	CODEC(req, REQ, name)                                                  \
	CODEC(rep, REP, name)
WIRE_OPS(X)
#undef X

static bool entry_has_target(const struct wire_entry *m)
{
	return m->plus && S_ISLNK(m->attr.mode);
}

int wire_enc_entry(struct wire_writer *w, const struct wire_entry *m)
{
	wire_put_u64(w, m->cookie);
	wire_put_u8(w, m->type);
	wire_put_u8(w, m->plus);
	wire_put_str(w, m->name);
	if (m->plus)
		wire_put_attr(w, m->attr);
	if (entry_has_target(m))
		wire_put_str(w, m->target);
	return w->bad ? -EMSGSIZE : 0;
}

int wire_dec_entry(struct wire_reader *r, struct wire_entry *ret)
{
	struct wire_entry m;

	memset(&m, 0, sizeof(m));
	m.cookie = wire_get_u64(r);
	m.type = wire_get_u8(r);
	m.plus = wire_get_u8(r);
	m.name = wire_get_str(r);
	m.target.p = "";
	if (m.plus)
		m.attr = wire_get_attr(r);
	if (entry_has_target(&m))
		m.target = wire_get_str(r);
	if (r->bad)
		return -EBADMSG;
	*ret = m;
	return 0;
}

size_t wire_entry_size(size_t name_len, bool plus, size_t target_len)
{
	/* attr: 2 x 8, 4 x 4, 2 x 8, 4 x 4 bytes and four times of 12 */
	const size_t attr_size = 16 + 16 + 16 + 16 + 48;

	return 8 + 1 + 1 + 2 + name_len +
	       (plus ? attr_size + 2 + target_len : 0);
}
