/* A kubeconfig of any content: read, merged with itself, resolved. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/kubeconfig.h"
#include "common/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(enum podfs_log_level level, const char *area,
		  const char *line)
{
	(void)level;
	(void)area;
	if (strchr(line, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_kubeconfig *k = NULL;
	char path[64];
	char *proxy;
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);

	podfs_log_setup(quiet, PODFS_LOG_DEBUG);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (podfs_kubeconfig_load(path, NULL, &k, &err) == 0) {
		if (!k->server || !k->namespace_name)
			abort();
		proxy = podfs_kubeconfig_proxy(k, k->server);
		free(proxy);
		podfs_kubeconfig_free(k);
	} else if (err.code >= 0 || !err.text[0] || strchr(err.text, '\n')) {
		abort(); /* a bad file is one line that says what is wrong */
	}
	close(fd);
	return 0;
}
