#include "common/base/json_writer.h"

#include <inttypes.h>
#include <string.h>

void podfs_jw_put(struct podfs_json_writer *w, const char *text)
{
	w->bad = w->bad || podfs_buf_add_str(&w->buf, text) < 0;
}

static void put_escaped(struct podfs_json_writer *w, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			w->bad = w->bad ||
				 podfs_buf_printf(&w->buf, "\\%c", c) < 0;
		else if (c < 0x20 || c >= 0x7f)
			w->bad = w->bad ||
				 podfs_buf_printf(&w->buf, "\\u%04x", c) < 0;
		else
			w->bad = w->bad || podfs_buf_add(&w->buf, &s[i], 1) < 0;
	}
}

static void put_string(struct podfs_json_writer *w, const char *s)
{
	podfs_jw_put(w, "\"");
	put_escaped(w, s, strlen(s));
	podfs_jw_put(w, "\"");
}

void podfs_jw_key(struct podfs_json_writer *w, const char *name)
{
	if (!w->first)
		podfs_jw_put(w, ",");
	w->first = false;
	put_string(w, name);
	podfs_jw_put(w, ":");
}

void podfs_jw_text(struct podfs_json_writer *w, const char *name,
		     const char *value)
{
	podfs_jw_key(w, name);
	put_string(w, value);
}

void podfs_jw_text_n(struct podfs_json_writer *w, const char *name,
		       const char *lead, const char *value, size_t len)
{
	podfs_jw_key(w, name);
	podfs_jw_put(w, "\"");
	put_escaped(w, lead, strlen(lead));
	put_escaped(w, value, len);
	podfs_jw_put(w, "\"");
}

void podfs_jw_number(struct podfs_json_writer *w, const char *name,
		       uint64_t value)
{
	podfs_jw_key(w, name);
	w->bad = w->bad || podfs_buf_printf(&w->buf, "%" PRIu64, value) < 0;
}

void podfs_jw_hex(struct podfs_json_writer *w, const char *name,
		    uint64_t value)
{
	podfs_jw_key(w, name);
	w->bad = w->bad || podfs_buf_printf(&w->buf, "\"%016" PRIx64 "\"",
					    value) < 0;
}

void podfs_jw_truth(struct podfs_json_writer *w, const char *name, bool value)
{
	podfs_jw_key(w, name);
	podfs_jw_put(w, value ? "true" : "false");
}
