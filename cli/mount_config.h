/*
 * All options of a mount: of the configuration files, and over them those of
 * the command line.
 */
#ifndef PODFS_CLI_MOUNT_CONFIG_H
#define PODFS_CLI_MOUNT_CONFIG_H

#include "cli/mount_options.h"

/* @add: mount_options_add() or mount_options_add_helper(). As they; also after
 * a failure: mount_options_done(). */
int mount_config_load(int argc, char **argv,
		      int (*add)(int, char **, struct mount_options *),
		      struct mount_options *ret);

#endif
