/* Paths that must still mean the same after the daemon left its folder. */
#include "cli/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/guard.h"

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

char *path_beside_mount(const char *path)
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
	if (!strcmp(base, "/..") || !strcmp(base, "/.") || !base[1])
		return realpath(copy, NULL);
	*base++ = '\0';
	parent = realpath(*copy ? copy : "/", NULL);
	if (!parent)
		return NULL;
	if (asprintf(&ret, "%s/%s", strcmp(parent, "/") ? parent : "", base) < 0)
		return NULL;
	return ret;
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
