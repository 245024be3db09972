#include "kube_files.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/log.h"

#define KEPT_MAX 256

static char dir[64];
static char *kept[KEPT_MAX];
static size_t n_kept;
static struct podfs_buf log_lines = PODFS_BUF_INIT(1 << 20);
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_log(enum podfs_log_level level, const char *area,
		   const char *line)
{
	pthread_mutex_lock(&log_lock);
	podfs_buf_printf(&log_lines, "%s\n", line);
	pthread_mutex_unlock(&log_lock);
}

static char *keep(char *s)
{
	assert_non_null(s);
	assert_true(n_kept < KEPT_MAX);
	kept[n_kept++] = s;
	return s;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

int kube_setup(void **state)
{
	static const char *const variables[] = {
		"KUBECONFIG",  "KUBERNETES_SERVICE_HOST",
		"HTTP_PROXY",  "KUBERNETES_SERVICE_PORT",
		"http_proxy",  "POD_NAMESPACE",
		"HTTPS_PROXY", "https_proxy",
		"NO_PROXY",    "no_proxy",
		"REQUEST_METHOD",
	};

	strcpy(dir, "/tmp/podfs-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		unsetenv(variables[i]);
	setenv("HOME", dir, 1);
	podfs_log_setup(on_log, PODFS_LOG_DEBUG);
	return 0;
}

int kube_teardown(void **state)
{
	podfs_buf_done(&log_lines);
	while (n_kept)
		free(kept[--n_kept]);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *kube_dir(void)
{
	return dir;
}

const char *kube_path(const char *fmt, ...)
{
	char *name, *path;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&name, fmt, ap);
	va_end(ap);
	assert_true(n >= 0);
	assert_true(asprintf(&path, "%s/%s", dir, name) >= 0);
	free(name);
	return keep(path);
}

static const char *put(const char *name, const char *text, mode_t mode)
{
	const char *path = kube_path("%s", name);
	char *parent = keep(strdup(path));
	size_t len = strlen(text);
	int fd;

	for (char *p = parent + strlen(dir) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(parent, 0700);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	return path;
}

const char *kube_put(const char *name, const char *text)
{
	return put(name, text, 0600);
}

const char *kube_put_script(const char *name, const char *text)
{
	return put(name, text, 0700);
}

const char *kube_read(const char *name)
{
	char *text = keep(calloc(1, 65536));
	int fd = open(kube_path("%s", name), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return text;
	assert_true(read(fd, text, 65535) >= 0);
	close(fd);
	return text;
}

struct podfs_kubeconfig *kube_load(const char *path, const char *context)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_kubeconfig *k = NULL;
	int r = podfs_kubeconfig_load(path, context, &k, &err);

	if (r < 0)
		fail_msg("%d: %s", r, err.text);
	return k;
}

const char *kube_log(void)
{
	return podfs_buf_str(&log_lines);
}

bool kube_spawn_is_blind(void)
{
	return getenv("PODFS_UNDER_VALGRIND");
}
