/*
 * Cuts what the API server streams into single objects, as the bytes come.
 *
 * A list's body is one JSON object of any size, a watch's an endless row of
 * them; held here is at most one item, without its managedFields (which are
 * half of a pod and of no use). So the memory of a list of any length is one
 * item's text (PODFS_JSON_LEN_MAX at most, 3 to 10 KB in practice) and, while
 * the callback parses it, its tree.
 *
 * What stands outside of the objects is checked as far as needed to tell a
 * whole answer from a cut or foreign one; objects are checked by whoever
 * parses them.
 */
#ifndef PODFS_BACKEND_STREAM_H
#define PODFS_BACKEND_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum podfs_stream_mode {
	PODFS_STREAM_LIST,  /* {"metadata":{...},"items":[{...},...]} */
	PODFS_STREAM_WATCH, /* {...}\n{...}\n... */
};

struct podfs_stream {
	enum podfs_stream_mode mode;
	void *arg;
	/* One object's text, borrowed. A value below 0 ends the reading. */
	int (*item)(void *arg, const char *text, size_t len);
	/* The list's metadata; it may come before or after the items. */
	int (*metadata)(void *arg, const char *text, size_t len);

	/* the reader's own */
	struct podfs_buf held; /* the object under way */
	uint64_t kinds;	       /* a bit for each depth: 1 object, 0 array */
	unsigned depth;
	unsigned base; /* depth around the object that is held */
	unsigned skip; /* depth around a value that is left out; 0 none */
	bool holding;
	bool in_string;
	bool escaped;
	bool key_next; /* the next string is a key */
	bool is_key;   /* the string under way is one */
	bool ended;    /* the list's last brace was read */
	bool has_items;
	bool in_items; /* inside the array of them */
	bool is_metadata; /* what is held is the metadata */
	char key[16];	  /* the last one, cut */
	size_t key_len;
	int error; /* the first, for ever */
};

void podfs_stream_init(struct podfs_stream *s, enum podfs_stream_mode mode);
void podfs_stream_done(struct podfs_stream *s);

/* 0, or for ever: what a callback returned, -EBADMSG (no JSON, or not this
 * kind of answer), -EMSGSIZE (an object over PODFS_JSON_LEN_MAX, or nested too
 * deep), -ENOMEM. */
int podfs_stream_feed(struct podfs_stream *s, const char *p, size_t n);

/* No more bytes come. A list must be whole, a watch must stand between two
 * objects: else -EBADMSG. */
int podfs_stream_end(struct podfs_stream *s);

#endif
