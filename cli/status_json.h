/*
 * The status document: what the daemon knows about itself, as JSON. Read at
 * MOUNTPOINT/.podfs/status.json, by people and by `podfs status`.
 */
#ifndef PODFS_CLI_STATUS_JSON_H
#define PODFS_CLI_STATUS_JSON_H

#include <stddef.h>

#include "backend/backend.h"
#include "fs/fs.h"

struct status_source {
	struct podfs_backend *backend; /* set before the mount is served */
	struct podfs_fs *fs;
	const char *mountpoint;
	const struct podfs_backend_config *config;
};

/* A podfs_fs_config.status: @arg is a struct status_source. Thread: any.
 * The caller frees; NULL where memory is short. */
char *status_json_write(void *arg, size_t *ret_len);

/* The same for podfs_fs_config.metrics, in Prometheus's text format. */
char *status_metrics_write(void *arg, size_t *ret_len);

#endif
