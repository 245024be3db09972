/* podfs version */
#include "cli/cli.h"

static const char help[] = "podfs version: prints the program's version.\n";

int cli_version(int argc, char **argv)
{
	int done = cli_no_arguments(argc, argv, help);

	return done >= 0 ? done : cli_print("podfs " PODFS_VERSION "\n");
}
