#include "backend/json_write.h"

#include <errno.h>
#include <inttypes.h>

static void put(struct podfs_json_writer *w, const void *p, size_t n)
{
	if (!w->bad)
		w->bad = podfs_buf_add(w->b, p, n);
}

static void put_char(struct podfs_json_writer *w, char c)
{
	put(w, &c, 1);
}

static void put_quoted(struct podfs_json_writer *w, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	const char *from = s;

	put_char(w, '"');
	for (;; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(w, from, (size_t)(s - from));
		from = s + 1;
		if (c == '\0')
			break;
		if (c == '"' || c == '\\') {
			char two[2] = { '\\', (char)c };

			put(w, two, sizeof(two));
		} else {
			char six[6] = { '\\', 'u', '0', '0', hex[c >> 4],
					hex[c & 15] };

			put(w, six, sizeof(six));
		}
	}
	put_char(w, '"');
}

static void begin_value(struct podfs_json_writer *w, const char *key)
{
	if (w->comma)
		put_char(w, ',');
	w->comma = true;
	if (key) {
		put_quoted(w, key);
		put_char(w, ':');
	}
}

static void open_with(struct podfs_json_writer *w, const char *key, char c)
{
	begin_value(w, key);
	put_char(w, c);
	w->comma = false;
	w->depth++;
}

static void end_with(struct podfs_json_writer *w, char c)
{
	if (w->depth == 0) {
		w->bad = w->bad ? w->bad : -EINVAL;
		return;
	}
	w->depth--;
	put_char(w, c);
	w->comma = true;
}

void podfs_json_write_object(struct podfs_json_writer *w, const char *key)
{
	open_with(w, key, '{');
}

void podfs_json_write_array(struct podfs_json_writer *w, const char *key)
{
	open_with(w, key, '[');
}

void podfs_json_write_object_end(struct podfs_json_writer *w)
{
	end_with(w, '}');
}

void podfs_json_write_array_end(struct podfs_json_writer *w)
{
	end_with(w, ']');
}

void podfs_json_write_string(struct podfs_json_writer *w, const char *key,
			     const char *s)
{
	if (!s)
		return;
	begin_value(w, key);
	put_quoted(w, s);
}

void podfs_json_write_int(struct podfs_json_writer *w, const char *key,
			  int64_t v)
{
	begin_value(w, key);
	if (!w->bad)
		w->bad = podfs_buf_printf(w->b, "%" PRId64, v);
}

void podfs_json_write_bool(struct podfs_json_writer *w, const char *key,
			   bool v)
{
	podfs_json_write_raw(w, key, v ? "true" : "false");
}

void podfs_json_write_raw(struct podfs_json_writer *w, const char *key,
			  const char *json)
{
	begin_value(w, key);
	if (!w->bad)
		w->bad = podfs_buf_add_str(w->b, json);
}

int podfs_json_write_end(const struct podfs_json_writer *w)
{
	if (w->bad)
		return w->bad;
	return w->depth == 0 ? 0 : -EINVAL;
}
