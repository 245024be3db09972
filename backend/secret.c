#include "backend/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/guard.h"

#define READ_FIRST 4096 /* bytes, where the file doesn't say its size */

void podfs_secret_free(char *s)
{
	if (s)
		podfs_secret_free_n(s, strlen(s));
}

void podfs_secret_free_n(void *p, size_t len)
{
	if (p)
		explicit_bzero(p, len);
	free(p);
}

void podfs_secret_strv_free(char **v)
{
	for (char **s = v; s && *s; s++)
		podfs_secret_free(*s);
	free(v);
}

void podfs_guard_secret(char **s)
{
	int saved = errno;

	podfs_secret_free(*s);
	errno = saved;
}

/* As realloc(), which would leave a copy behind. */
static char *grow(char *old, size_t len, size_t cap)
{
	char *p = malloc(cap);

	if (p && old)
		memcpy(p, old, len);
	if (p)
		podfs_secret_free_n(old, len);
	return p;
}

static int read_all(int fd, size_t cap, size_t max, char **ret, size_t *ret_len)
{
	size_t len = 0;
	char *p = malloc(cap);
	int r = p ? 0 : -ENOMEM;

	while (r == 0) {
		ssize_t n;

		/* Two bytes: one that tells of more, and the NUL. */
		if (cap - len < 2) {
			char *q = grow(p, len, cap * 2);

			if (!q) {
				r = -ENOMEM;
				break;
			}
			p = q;
			cap *= 2;
		}
		n = read(fd, p + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > max)
			r = -EFBIG;
	}
	if (r < 0) {
		podfs_secret_free_n(p, len);
		return r;
	}
	p[len] = '\0';
	*ret = p;
	*ret_len = len;
	return 0;
}

int podfs_secret_read(const char *path, size_t max, char **ret, size_t *ret_len,
		      struct podfs_err *err)
{
	PODFS_CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t cap = READ_FIRST;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return podfs_err_set(err, -errno, "%s: %s", path,
				     strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max)
		cap = (size_t)st.st_size + 2;
	r = read_all(fd, cap, max, ret, ret_len);
	if (r == -EFBIG)
		return podfs_err_set(err, r, "%s: over the limit of %zu bytes",
				     path, max);
	if (r < 0)
		return podfs_err_set(err, r, "%s: %s", path, strerror(-r));
	return 0;
}
