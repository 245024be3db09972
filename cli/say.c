/* What a subcommand says to the person who typed it. */
#include "cli/cli.h"

#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

/* One thread says things. */
static char origin[PATH_MAX + 32];

void cli_origin(const char *file, unsigned line)
{
	origin[0] = '\0';
	if (file)
		snprintf(origin, sizeof(origin), "%s:%u: ", file, line);
}

__attribute__((format(printf, 1, 0)))
static void say(const char *fmt, va_list ap)
{
	fprintf(stderr, "podfs: %s", origin);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int cli_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

int cli_misused(const char *subcommand, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	if (!origin[0])
		fprintf(stderr, "podfs: 'podfs %s --help' shows how it is used\n",
			subcommand);
	return CLI_USAGE;
}

int cli_print(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		return cli_fail("standard output: %m");
	return CLI_OK;
}

int cli_no_arguments(int argc, char **argv, const char *help)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'h')
			return cli_print(help);
		return cli_misused(argv[0], "option '%s' is not known",
				   argv[optind - 1]);
	}
	if (optind < argc)
		return cli_misused(argv[0], "argument '%s' is not known",
				   argv[optind]);
	return -1;
}
