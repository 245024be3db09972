#include "helper-image/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"

#define PRIVATE "/.podfs/"

int helper_volumes_allow(const struct helper_root *r, int fd)
{
	struct stat st;

	if (r->rung != WIRE_RUNG_VOLUMES)
		return 0;
	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_dev == r->between ? -EROFS : 0;
}

/* Enters the folder @name of *fd, made if need be, which must not be in a
 * volume: those are only looked at. */
static int enter(const struct helper_root *r, int *fd, const char *name)
{
	int next;

	if (mkdirat(*fd, name, 0755) != 0 && errno != EEXIST)
		return -errno;
	next = openat(*fd, name,
		      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return -errno;
	close(*fd);
	*fd = next;
	return helper_volumes_allow(r, next) == -EROFS ? 0 : -EXDEV;
}

/* Made by an earlier life of this container. */
static bool is_link_to(int fd, const char *name, const char *target)
{
	char text[WIRE_TARGET_MAX + 1];
	ssize_t n = readlinkat(fd, name, text, sizeof(text));

	errno = EEXIST;
	return n >= 0 && (size_t)n == strlen(target) &&
	       memcmp(text, target, (size_t)n) == 0;
}

/* @place is cut into its names. */
static int make_link(const struct helper_root *r, char *place,
		     const char *target)
{
	PODFS_CLEANUP_FD int fd =
		openat(r->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = NULL;
	char *save = NULL;

	if (fd < 0)
		return -errno;
	for (char *part = strtok_r(place, "/", &save); part;
	     part = strtok_r(NULL, "/", &save)) {
		int err = name ? enter(r, &fd, name) : 0;

		if (err)
			return err;
		if (strcmp(part, "..") == 0)
			return -EINVAL;
		name = part;
	}
	if (!name)
		return -EINVAL;
	if (symlinkat(target, fd, name) == 0)
		return 0;
	return errno == EEXIST && is_link_to(fd, name, target) ? 0 : -errno;
}

static void link_line(const struct helper_root *r, const char *line, size_t n)
{
	char place[WIRE_PATH_MAX + 1], target[WIRE_TARGET_MAX + 1];
	const char *tab = memchr(line, '\t', n);
	size_t at = tab ? (size_t)(tab - line) : 0;
	size_t rest = n - at;
	int err = -EINVAL;

	if (tab && at < sizeof(place) &&
	    strlen(PRIVATE) + rest <= sizeof(target)) {
		memcpy(place, line, at);
		place[at] = '\0';
		snprintf(target, sizeof(target), PRIVATE "%.*s", (int)rest - 1,
			 tab + 1);
		err = make_link(r, place, target);
	}
	if (err)
		fprintf(stderr, "podfs-helper: %.*s isn't shown at its place: %s\n",
			(int)at, line, strerror(-err));
}

int helper_volumes_open(struct helper_root *r, const char *links)
{
	struct stat st;

	if (fstat(r->fd, &st) != 0)
		return -errno;
	r->rung = WIRE_RUNG_VOLUMES;
	r->between = st.st_dev;
	while (links && *links) {
		size_t n = strcspn(links, "\n");

		link_line(r, links, n);
		links += n + (links[n] == '\n');
	}
	return 0;
}
