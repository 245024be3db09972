/* Reads a status document back; see json_scan.h. */
#include "cli/json_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 6 /* document, sessions, session, trace, kind, and one to spare */

struct scan {
	const char *p;
	const char *end;
	char path[256];
	char value[2048];
	json_scan_fn *fn;
	void *arg;
};

static bool value(struct scan *s, int depth);

static int next(struct scan *s)
{
	while (s->p < s->end && isspace((unsigned char)*s->p))
		s->p++;
	return s->p < s->end ? *s->p : -1;
}

static bool take(struct scan *s, char c)
{
	if (next(s) != c)
		return false;
	s->p++;
	return true;
}

static char unescaped(struct scan *s)
{
	char hex[5] = "";
	unsigned code = 0;

	if (*s->p != 'u')
		return *s->p == 'n' ? '\n' : *s->p == 't' ? '\t' : *s->p;
	if (s->end - s->p > 4) {
		memcpy(hex, s->p + 1, 4);
		s->p += 4;
		sscanf(hex, "%x", &code);
	}
	/* what could steer a terminal is shown, not sent */
	return code >= 0x20 && code < 0x7f ? (char)code : '?';
}

/* Into s->value; what does not fit is left out. */
static bool string(struct scan *s)
{
	size_t n = 0;

	if (!take(s, '"'))
		return false;
	for (; s->p < s->end && *s->p != '"'; s->p++) {
		char c = *s->p;

		if (c == '\\') {
			if (++s->p == s->end)
				return false;
			c = unescaped(s);
		}
		if (n < sizeof(s->value) - 1)
			s->value[n++] = c;
	}
	s->value[n] = '\0';
	return take(s, '"');
}

static bool word(struct scan *s)
{
	size_t n = 0;

	for (; s->p < s->end && (isalnum((unsigned char)*s->p) ||
				 strchr("+-.", *s->p));
	     s->p++)
		if (n < sizeof(s->value) - 1)
			s->value[n++] = *s->p;
	s->value[n] = '\0';
	return n > 0;
}

static bool members(struct scan *s, int depth, char close)
{
	size_t base = strlen(s->path);
	unsigned index = 0;
	bool ok = true;

	s->p++;
	if (take(s, close))
		return true;
	do {
		char *at = s->path + base;
		size_t room = sizeof(s->path) - base;

		if (close == '}') {
			ok = string(s) && take(s, ':');
			snprintf(at, room, "%s%.64s", base ? "." : "", s->value);
		} else {
			snprintf(at, room, "%s%u", base ? "." : "", index++);
		}
		ok = ok && value(s, depth + 1);
		s->path[base] = '\0';
	} while (ok && take(s, ','));
	return ok && take(s, close);
}

static bool value(struct scan *s, int depth)
{
	int c = next(s);

	if (depth > DEPTH_MAX)
		return false;
	if (c == '{' || c == '[')
		return members(s, depth, c == '{' ? '}' : ']');
	if (!(c == '"' ? string(s) : word(s)))
		return false;
	s->fn(s->arg, s->path, s->value);
	return true;
}

int json_scan(const char *text, size_t len, json_scan_fn *fn, void *arg)
{
	struct scan s = { .p = text, .end = text + len, .fn = fn, .arg = arg };

	return value(&s, 0) && next(&s) < 0 ? 0 : -EBADMSG;
}
