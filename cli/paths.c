/* Paths that must still mean the same after the daemon left its folder. */
#include "cli/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/guard.h"

#define LINKS_MAX 40 /* as path_resolution(7) */

char *path_absolute(const char *path)
{
	PODFS_CLEANUP_FREE char *cwd = NULL;
	char *ret = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return NULL;
	return asprintf(&ret, "%s/%s", cwd, path) < 0 ? NULL : ret;
}

/* @path with its parent resolved. *ret_whole: it ends in a name that isn't one of
 * the parent's, and is resolved altogether. */
static char *beside(const char *path, bool *ret_whole)
{
	PODFS_CLEANUP_FREE char *copy = path_absolute(path);
	PODFS_CLEANUP_FREE char *parent = NULL;
	char *base, *ret = NULL;
	size_t n;

	if (!copy)
		return NULL;
	for (n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	base = strrchr(copy, '/');
	*ret_whole = !strcmp(base, "/..") || !strcmp(base, "/.") || !base[1];
	if (*ret_whole)
		return realpath(copy, NULL);
	*base++ = '\0';
	parent = realpath(*copy ? copy : "/", NULL);
	if (!parent)
		return NULL;
	if (asprintf(&ret, "%s/%s", strcmp(parent, "/") ? parent : "", base) < 0)
		return NULL;
	return ret;
}

char *path_beside_mount(const char *path)
{
	bool whole;
	PODFS_CLEANUP_FREE char *at = beside(path, &whole);

	for (unsigned links = 0; at && !whole; links++) {
		PODFS_CLEANUP_FREE char *next = NULL;
		char target[PATH_MAX];
		/* of a mount's root the kernel knows by itself that it is no
		 * link; stat(2) would ask who serves it */
		ssize_t n = readlink(at, target, sizeof(target) - 1);

		if (n < 0)
			break; /* no link; or not there, which is for others to say */
		if (links == LINKS_MAX) {
			errno = ELOOP;
			return NULL;
		}
		target[n] = '\0';
		if (target[0] == '/')
			next = strdup(target);
		else if (asprintf(&next, "%.*s/%s",
				  (int)(strrchr(at, '/') - at), at, target) < 0)
			next = NULL;
		free(at);
		at = next ? beside(next, &whole) : NULL;
	}
	return podfs_steal_ptr(&at);
}

int path_fix_kubeconfig_env(void)
{
	struct podfs_buf out = PODFS_BUF_INIT(1 << 20);
	PODFS_CLEANUP_FREE char *copy = NULL;
	const char *env = getenv("KUBECONFIG");
	char *rest, *one;
	int r = 0;

	if (!env || !*env)
		return 0;
	copy = strdup(env);
	if (!copy)
		return -ENOMEM;
	rest = copy;
	while (r == 0 && (one = strsep(&rest, ":"))) {
		PODFS_CLEANUP_FREE char *full = NULL;

		if (!*one)
			continue;
		full = path_absolute(one);
		r = full ? podfs_buf_printf(&out, "%s%s", out.len ? ":" : "",
					    full) :
			   -errno;
	}
	if (r == 0 && setenv("KUBECONFIG", podfs_buf_str(&out), 1) < 0)
		r = -errno;
	podfs_buf_done(&out);
	return r;
}

int path_mkdirs(const char *path)
{
	PODFS_CLEANUP_FREE char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
}
