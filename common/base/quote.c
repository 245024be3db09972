#include "common/base/quote.h"

#include <string.h>

#define QUOTE_SHOWN_MAX 64 /* source bytes shown before "..." */

struct podfs_quoted podfs_quote_n(const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	struct podfs_quoted q;
	char *out = q.text;

	*out++ = '\'';
	for (size_t i = 0; i < len && i < QUOTE_SHOWN_MAX; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c < 0x7f && c != '\'' && c != '\\') {
			*out++ = (char)c;
			continue;
		}
		*out++ = '\\';
		*out++ = 'x';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out++ = '\'';
	if (len > QUOTE_SHOWN_MAX) {
		memcpy(out, "...", 3);
		out += 3;
	}
	*out = '\0';
	return q;
}

struct podfs_quoted podfs_quote(const char *s)
{
	return s ? podfs_quote_n(s, strlen(s)) : podfs_quote_n("", 0);
}
