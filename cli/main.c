/* podfs: chooses the subcommand. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "common/base/guard.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "mount", cli_mount },	  { "umount", cli_umount },
	{ "status", cli_status }, { "doctor", cli_doctor },
	{ "image", cli_image },
	{ "release", cli_release }, { "rbac", cli_rbac },
	{ "superdebug", cli_superdebug },
	{ "completion", cli_completion },
	{ "version", cli_version },
};

static const char help[] =
	"podfs mounts a Kubernetes cluster as a folder:\n"
	"/k8s/NAMESPACE/POD/CONTAINER/... is that container's root.\n"
	"\n"
	"  podfs mount [OPTION...] [MOUNTPOINT]   mount it (default: /k8s)\n"
	"  podfs umount [-f] [MOUNTPOINT]         unmount it, whatever the link does\n"
	"  podfs status [-w] [-o json]            what is mounted, and how it goes\n"
	"  podfs doctor [NAMESPACE/POD | PATH]    what stands in the way, and the cure\n"
	"  podfs image [-o FILE]                  write the helper's image\n"
	"  podfs release NAMESPACE/POD | PATH     end its helpers\n"
	"  podfs rbac                             print the rights that podfs needs\n"
	"  podfs superdebug POD                   a debug container that sees its target\n"
	"  podfs completion SHELL                 for bash, zsh and fish\n"
	"  podfs version                          print the version\n"
	"\n"
	"Each has --help. Exit codes: 0 done, 1 it did not work, 2 wrong usage.\n";

int main(int argc, char **argv)
{
	const char *self = strrchr(argv[0] ? argv[0] : "", '/');

	self = self ? self + 1 : (argv[0] ? argv[0] : "podfs");
	if (!strcmp(self, "mount.fuse.podfs") || !strcmp(self, "mount.podfs"))
		return cli_mount_helper(argc, argv);
	if (!strcmp(self, "kubectl-superdebug"))
		return cli_superdebug(argc, argv);
	if (argc < 2) {
		fputs(help, stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return cli_print(help);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cli_version(1, argv);
	for (size_t i = 0; i < PODFS_ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	cli_fail("there is no '%s'; 'podfs --help' lists what there is",
		 argv[1]);
	return CLI_USAGE;
}
