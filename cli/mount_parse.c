/* Options from the command line, and as mount(8) calls; see mount_options.h. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/mount_options_inner.h"

static int finish(struct mount_options *o)
{
	struct podfs_err err = PODFS_ERR_INIT;

	if (o->fixed && o->backend.via != PODFS_VIA_COMMAND)
		return cli_misused("mount",
				   "--static needs --via 'COMMAND': what serves the one name");
	if (o->backend.via == PODFS_VIA_COMMAND &&
	    podfs_via_check(o->backend.via_command, o->fixed, &err) != 0)
		return cli_misused("mount", "--via '%s': %s",
				   o->backend.via_command, err.text);
	if (!o->image_given) {
		o->backend.image = CLI_IMAGE_DEFAULT;
		o->backend.image_has_helper = true;
	}
	o->backend.namespaces = o->namespaces.p;
	o->backend.n_namespaces = o->namespaces.n;
	o->backend.read_only_namespaces = o->read_only_namespaces.p;
	o->backend.n_read_only_namespaces = o->read_only_namespaces.n;
	o->backend.excluded = o->excluded.p;
	o->backend.n_excluded = o->excluded.n;
	o->backend.rules = o->rules;
	o->backend.n_rules = o->n_rules;
	return CLI_OK;
}

void mount_options_init(struct mount_options *o)
{
	*o = (struct mount_options){
		.mountpoint = CLI_MOUNTPOINT_DEFAULT,
		.fs_options = PODFS_BUF_INIT(4096),
		.attr_timeout = 1,
		.watch_timeout = 60,
		.log_level = PODFS_LOG_INFO,
	};
}

int mount_options_parse(int argc, char **argv, struct mount_options *ret)
{
	mount_options_init(ret);
	return mount_options_add(argc, argv, ret);
}

int mount_options_add(int argc, char **argv, struct mount_options *ret)
{
	/* doctor takes mount's options, and a name in place of the folder */
	const bool doctor = argc && !strcmp(argv[0], "doctor");
	const char *command = doctor ? "doctor" : "mount";
	int c, r = CLI_OK;

	opterr = 0;
	optind = 0; /* glibc: start anew, also after another getopt */
	while (r == CLI_OK &&
	       (c = getopt_long(argc, argv, ":hfn:o:", mount_longs, NULL)) != -1) {
		if (c == '?')
			return cli_misused(command, "option '%s' is not known",
					   argv[optind - 1]);
		if (c == ':')
			return cli_misused(command, "option '%s' needs a value",
					   argv[optind - 1]);
		if (c == 'o')
			r = mount_set_words(ret, optarg);
		else
			r = mount_set(ret, c == 'n' ? MOUNT_NAMESPACE : c, optarg);
	}
	if (r != CLI_OK || ret->help)
		return r;
	if (optind < argc) {
		ret->mountpoint = argv[optind++];
		ret->point_given = true;
	}
	if (optind < argc)
		return cli_misused(command, "one %s only, not also '%s'",
				   doctor ? "name" : "mount point",
				   argv[optind]);
	return finish(ret);
}

int mount_options_parse_helper(int argc, char **argv,
			       struct mount_options *ret)
{
	mount_options_init(ret);
	return mount_options_add_helper(argc, argv, ret);
}

int mount_options_add_helper(int argc, char **argv, struct mount_options *ret)
{
	int c, r = CLI_OK;

	opterr = 0;
	optind = 0;
	while (r == CLI_OK &&
	       (c = getopt_long(argc, argv, "sfnvN:t:o:", mount_longs, NULL)) != -1) {
		if (c == 'o')
			r = mount_set_words(ret, optarg);
		else if (c == '?')
			r = cli_misused("mount", "option '%s' is not known",
					argv[optind - 1]);
		/* s, f, n, v, N and t are mount(8)'s own affairs */
	}
	if (r != CLI_OK)
		return r;
	if (argc - optind != 2)
		return cli_misused("mount", "mount -t fuse.podfs CONTEXT FOLDER");
	/* fstab wants a source: the context, or a word for "the current one" */
	if (!ret->backend.context && strcmp(argv[optind], "podfs") &&
	    strcmp(argv[optind], "none"))
		ret->backend.context = argv[optind];
	ret->mountpoint = argv[optind + 1];
	return finish(ret);
}

void mount_options_done(struct mount_options *o)
{
	for (size_t i = 0; i < o->n_owned; i++)
		free(o->owned[i]);
	free(o->owned);
	free(o->namespaces.p);
	free(o->read_only_namespaces.p);
	free(o->refused.p);
	free(o->excluded.p);
	free(o->rules);
	podfs_buf_done(&o->fs_options);
}
