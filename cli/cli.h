/*
 * What the subcommands share: exit codes, and the one-line errors that say
 * what to do. One file a subcommand; main.c chooses.
 */
#ifndef PODFS_CLI_CLI_H
#define PODFS_CLI_CLI_H

#include "podfs-version.h"

/* The same for every subcommand; every --help names them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1, /* it was tried and did not work */
	CLI_USAGE = 2,	/* it was asked wrongly; nothing was tried */
};

#define CLI_MOUNTPOINT_DEFAULT "/k8s"
#define CLI_IMAGE_DEFAULT "podfs-helper:" PODFS_VERSION

/* argv[0] is the subcommand's name. They return an enum cli_exit. */
int cli_mount(int argc, char **argv);
int cli_umount(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_image(int argc, char **argv);
int cli_rbac(int argc, char **argv);
int cli_release(int argc, char **argv);
int cli_superdebug(int argc, char **argv);
int cli_completion(int argc, char **argv);
int cli_version(int argc, char **argv);

/* Called by mount(8) as mount.fuse.podfs SOURCE TARGET [-sfnv] [-o ...]. */
int cli_mount_helper(int argc, char **argv);

/* "podfs: ..." on standard error; returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same and where the help is; returns CLI_USAGE. */
int cli_misused(const char *subcommand, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What is said from here on is about that line; NULL: about the command line. */
void cli_origin(const char *file, unsigned line);

/* Writes @help to standard output; CLI_FAILED where it can't be written. */
int cli_print(const char *text);

/* For subcommands that take --help and nothing else: -1 to go on. */
int cli_no_arguments(int argc, char **argv, const char *help);

#endif
