/*
 * What `podfs mount` was asked for, from --long options, from -o name=value
 * and from mount(8)'s way of calling: one table for all three.
 */
#ifndef PODFS_CLI_MOUNT_OPTIONS_H
#define PODFS_CLI_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/backend.h"
#include "common/base/buf.h"
#include "common/base/log.h"

struct words {
	const char **p; /* ended by NULL; NULL: none */
	size_t n;
};

struct mount_options {
	const char *mountpoint;
	bool point_given;
	bool foreground;
	bool help;
	struct podfs_backend_config backend;
	struct podfs_buf fs_options; /* for the kernel, comma-separated */
	double attr_timeout;	     /* seconds */
	double watch_timeout;	     /* seconds */
	enum podfs_log_level log_level;
	const char *log;      /* "stderr", "syslog", "journal"; or NULL */
	const char *log_file; /* or this, or neither */
	bool log_json;

	const char *config_file; /* instead of the usual ones; or NULL */
	struct words excluded;
	struct podfs_namespace_rule *rules;
	size_t n_rules;

	const char *audit; /* file, or NULL */
	struct words namespaces;
	bool namespaces_given; /* on the command line */
	struct words read_only_namespaces;
	struct words refused;
	bool image_given;
	bool fixed; /* --static was given */
	char **owned; /* copies that the pointers above lead into */
	size_t n_owned;
};

/* Takes @argv as `podfs mount` gets it; an enum cli_exit, CLI_OK to go on.
 * The options point into @argv, which must stay. Also after a failure:
 * mount_options_done(). */
int mount_options_parse(int argc, char **argv, struct mount_options *ret);

/* The same as mount(8) calls it: SOURCE TARGET [-sfnv] [-o ...]. */
int mount_options_parse_helper(int argc, char **argv,
			       struct mount_options *ret);

/* The same on top of what @ret has, which mount_options_init() began. */
void mount_options_init(struct mount_options *ret);
int mount_options_add(int argc, char **argv, struct mount_options *ret);
int mount_options_add_helper(int argc, char **argv, struct mount_options *ret);

/* One option by its name, as -o and the configuration file have it; @value NULL
 * where it has none. What is kept of both is copied. */
int mount_options_set(struct mount_options *o, const char *name,
		      const char *value);
/* A copy that lives as long as @o; NULL without memory. */
char *mount_options_keep(struct mount_options *o, const char *s);

void mount_options_done(struct mount_options *o);

#endif
