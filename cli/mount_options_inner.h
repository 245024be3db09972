/* What mount_options.c (what options mean) and mount_parse.c (where they come
 * from) share. */
#ifndef PODFS_CLI_MOUNT_OPTIONS_INNER_H
#define PODFS_CLI_MOUNT_OPTIONS_INNER_H

#include <getopt.h>

#include "cli/mount_options.h"

enum mount_option_id {
	MOUNT_CONTEXT = 256,
	MOUNT_KUBECONFIG,
	MOUNT_NAMESPACE,
	MOUNT_IMAGE,
	MOUNT_IMAGE_HAS_HELPER,
	MOUNT_READ_ONLY,
	MOUNT_READ_ONLY_NAMESPACE,
	MOUNT_AUDIT,
	MOUNT_LOG_LEVEL,
	MOUNT_LOG,
	MOUNT_LOG_FILE,
	MOUNT_LOG_FORMAT,
	MOUNT_CONFIG,
	MOUNT_EXCLUDE,
	MOUNT_TIMEOUT,
	MOUNT_DATA_TIMEOUT,
	MOUNT_SYNC_TIMEOUT,
	MOUNT_START_TIMEOUT,
	MOUNT_ATTR_TIMEOUT,
	MOUNT_WATCH_TIMEOUT,
	MOUNT_MAX_RUNG,
	MOUNT_MAX_NEW_HELPERS,
	MOUNT_MAX_HELPERS_PER_CONTAINER,
	MOUNT_USER,
	MOUNT_REFUSE,
	MOUNT_VIA,
	MOUNT_STATIC,
};

extern const struct option mount_longs[];

/* An enum cli_exit. @value is borrowed until mount_options_done(). */
int mount_set(struct mount_options *o, int id, const char *value);
/* The words of one -o. */
int mount_set_words(struct mount_options *o, const char *text);

#endif
