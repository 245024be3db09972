#include "backend/stream.h"

#include <errno.h>
#include <string.h>

#include "backend/json.h"

/* Kept for the next item; more is given back. */
#define HELD_KEPT 32768

#define DROPPED_KEY "managedFields"

void podfs_stream_init(struct podfs_stream *s, enum podfs_stream_mode mode)
{
	memset(s, 0, sizeof(*s));
	s->mode = mode;
	s->held.max = PODFS_JSON_LEN_MAX;
}

void podfs_stream_done(struct podfs_stream *s)
{
	podfs_buf_done(&s->held);
}

static bool in_object(const struct podfs_stream *s)
{
	return s->depth > 0 && (s->kinds >> (s->depth - 1) & 1);
}

static bool key_is(const struct podfs_stream *s, const char *name)
{
	size_t n = strlen(name);

	return s->key_len == n && !memcmp(s->key, name, n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_scalar(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' ||
	       c == '+' || c == '.' || c == 'E';
}

/* True inside the array that holds the items, outside of each. */
static bool between_items(const struct podfs_stream *s)
{
	return s->in_items && s->depth == 2;
}

/* May an object begin here that is to be held? */
static bool begins_held(const struct podfs_stream *s)
{
	if (s->holding)
		return false;
	if (s->mode == PODFS_STREAM_WATCH)
		return s->depth == 0;
	return between_items(s) || (s->depth == 1 && key_is(s, "metadata"));
}

static int keep(struct podfs_stream *s, const char *p, size_t n)
{
	if (!s->holding || s->skip)
		return 0;
	return podfs_buf_add(&s->held, p, n);
}

static int deliver(struct podfs_stream *s)
{
	int (*fn)(void *, const char *, size_t) =
		s->is_metadata ? s->metadata : s->item;
	int r = fn ? fn(s->arg, podfs_buf_str(&s->held), s->held.len) : 0;

	s->holding = false;
	s->is_metadata = false;
	s->held.len = 0;
	if (s->held.cap > HELD_KEPT)
		podfs_buf_done(&s->held);
	return r < 0 ? r : 0;
}

static int open_value(struct podfs_stream *s, char c)
{
	bool object = c == '{';

	/* A list or a watch is made of objects; keys are followed by ':'. */
	if ((s->depth == 0 || between_items(s)) && !object)
		return -EBADMSG;
	if (s->depth >= PODFS_JSON_DEPTH_MAX)
		return -EMSGSIZE;
	if (in_object(s) && s->key_next)
		return -EBADMSG;
	if (object && begins_held(s)) {
		s->holding = true;
		s->base = s->depth;
		s->is_metadata = s->mode == PODFS_STREAM_LIST && s->depth == 1;
	} else if (s->mode == PODFS_STREAM_LIST && s->depth == 1 && !object &&
		   key_is(s, "items")) {
		if (s->has_items)
			return -EBADMSG;
		s->has_items = true;
		s->in_items = true;
	}
	s->kinds &= ~(UINT64_C(1) << s->depth);
	s->kinds |= (uint64_t)object << s->depth;
	s->depth++;
	s->key_next = object;
	return keep(s, &c, 1);
}

static int close_value(struct podfs_stream *s, char c)
{
	int r;

	if (s->depth == 0 || in_object(s) != (c == '}'))
		return -EBADMSG;
	/* The end of the object that holds the value left out, not of it. */
	if (s->skip == s->depth)
		s->skip = 0;
	r = keep(s, &c, 1);
	s->depth--;
	s->key_next = false;
	if (r < 0)
		return r;
	if (s->holding && s->depth == s->base)
		return deliver(s);
	if (s->depth == 1)
		s->in_items = false;
	if (s->depth == 0)
		s->ended = true;
	return 0;
}

static int structural(struct podfs_stream *s, char c)
{
	switch (c) {
	case '{':
	case '[':
		return open_value(s, c);
	case '}':
	case ']':
		return close_value(s, c);
	case ',':
		if (s->depth == 0)
			return -EBADMSG;
		if (s->skip == s->depth)
			s->skip = 0;
		s->key_next = in_object(s);
		return keep(s, &c, 1);
	case ':': {
		int r;

		if (!in_object(s) || !s->key_next)
			return -EBADMSG;
		s->key_next = false;
		r = keep(s, &c, 1);
		if (r == 0 && s->holding && !s->skip &&
		    key_is(s, DROPPED_KEY)) {
			r = keep(s, "0", 1);
			s->skip = s->depth;
		}
		return r;
	}
	case '"':
		/* No bare strings outside of the answer, nor as items. */
		if (s->depth == 0 || between_items(s))
			return -EBADMSG;
		s->in_string = true;
		s->is_key = in_object(s) && s->key_next;
		/* Below the list's first level, keys must not hide the one
		 * that says where we are. */
		if (s->is_key && (s->holding || s->depth == 1))
			s->key_len = 0;
		else
			s->is_key = false;
		return keep(s, &c, 1);
	default:
		if (is_space(c))
			return 0;
		if (s->depth == 0 || between_items(s) || !is_scalar(c))
			return -EBADMSG;
		/* items: null is a list of none. */
		if (s->mode == PODFS_STREAM_LIST && s->depth == 1 &&
		    key_is(s, "items") && c == 'n')
			s->has_items = true;
		return keep(s, &c, 1);
	}
}

/* The bytes of a string up to its end, in one piece. */
static int string_run(struct podfs_stream *s, const char *p, size_t n,
		      size_t *ret_used)
{
	size_t i = 0;

	for (; i < n && s->in_string; i++) {
		char c = p[i];

		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		if (s->is_key && s->in_string) {
			if (s->key_len < sizeof(s->key))
				s->key[s->key_len] = c;
			s->key_len++;
		}
	}
	*ret_used = i;
	return keep(s, p, i);
}

int podfs_stream_feed(struct podfs_stream *s, const char *p, size_t n)
{
	while (n > 0 && s->error == 0) {
		size_t used = 1;

		if (s->in_string)
			s->error = string_run(s, p, n, &used);
		else if (s->mode == PODFS_STREAM_LIST && s->ended &&
			 !is_space(*p))
			s->error = -EBADMSG;
		else
			s->error = structural(s, *p);
		p += used;
		n -= used;
	}
	return s->error;
}

int podfs_stream_end(struct podfs_stream *s)
{
	if (s->error)
		return s->error;
	if (s->depth || s->in_string)
		s->error = -EBADMSG;
	else if (s->mode == PODFS_STREAM_LIST && (!s->ended || !s->has_items))
		s->error = -EBADMSG;
	return s->error;
}
