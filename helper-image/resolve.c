/*
 * Following links inside the root, by text: each component is looked at, and a
 * link's target takes its place. No ".." of a link leads above the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/root.h"

#define LINKS_MAX 40 /* as path_resolution(7) */

struct walk {
	char done[WIRE_PATH_MAX + 1]; /* resolved, no link in it */
	size_t done_len;
	char todo[WIRE_PATH_MAX + 1]; /* still to come */
	unsigned links;
};

/* Puts @text and what was still to come into todo. */
static int push(struct walk *w, const char *text, size_t n)
{
	size_t rest = strlen(w->todo);

	if (n + 1 + rest > WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	memmove(w->todo + n + 1, w->todo, rest + 1);
	memcpy(w->todo, text, n);
	w->todo[n] = '/';
	return 0;
}

static int append(struct walk *w, const char *name, size_t n)
{
	if (w->done_len + 1 + n > WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	if (w->done_len > 0)
		w->done[w->done_len++] = '/';
	memcpy(w->done + w->done_len, name, n);
	w->done_len += n;
	w->done[w->done_len] = '\0';
	return 0;
}

static void drop_last(struct walk *w)
{
	while (w->done_len > 0 && w->done[w->done_len - 1] != '/')
		w->done_len--;
	if (w->done_len > 0)
		w->done_len--;
	w->done[w->done_len] = '\0';
}

/* The component just appended: if it is a link, put its target in its place. */
static int expand(const struct helper_root *r, struct walk *w)
{
	char target[WIRE_TARGET_MAX + 1];
	struct wire_str path = { .p = w->done, .n = (uint16_t)w->done_len };
	PODFS_CLEANUP_FD int fd = -1;
	ssize_t n;

	if (helper_root_open(r, r->fd, path, O_PATH, &fd) != 0)
		return 0; /* not there: keep the name */
	n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return 0; /* no link */
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (target[0] == '/') {
		w->done_len = 0;
		w->done[0] = '\0';
	} else {
		drop_last(w);
	}
	return push(w, target, (size_t)n);
}

static int step(const struct helper_root *r, struct walk *w)
{
	size_t n = strcspn(w->todo, "/");
	char name[WIRE_NAME_MAX + 1];
	int err;

	if (n > WIRE_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, w->todo, n);
	name[n] = '\0';
	memmove(w->todo, w->todo + n, strlen(w->todo + n) + 1);
	while (w->todo[0] == '/')
		memmove(w->todo, w->todo + 1, strlen(w->todo));
	if (n == 0 || strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		drop_last(w);
		return 0;
	}
	err = append(w, name, n);
	return err ? err : expand(r, w);
}

int helper_root_resolve(const struct helper_root *r, struct wire_str path,
			char *ret, size_t cap)
{
	struct walk w = { .done_len = 0 };
	int err;

	if (path.n > WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.todo, path.p, path.n);
	while (w.todo[0] != '\0') {
		err = step(r, &w);
		if (err)
			return err;
	}
	if (w.done_len >= cap)
		return -ENAMETOOLONG;
	memcpy(ret, w.done, w.done_len + 1);
	return 0;
}
