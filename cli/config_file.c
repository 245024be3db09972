/* Lines and sections; see config_file.h. */
#include "cli/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/guard.h"

#define LINE_MAX_BYTES 4096

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static int section_of(char *line, char *ret, size_t size)
{
	char *end = strchr(line, ']');

	if (!end || end[1] != '\0')
		return cli_misused("mount", "a section is written [...], alone "
				   "on its line");
	*end = '\0';
	snprintf(ret, size, "%s", trim(line + 1));
	return CLI_OK;
}

static int read_lines(FILE *f, const char *path, config_line_fn *fn, void *arg)
{
	char line[LINE_MAX_BYTES], section[LINE_MAX_BYTES] = "";
	int r = CLI_OK;

	for (unsigned nr = 1; r == CLI_OK && fgets(line, sizeof(line), f);
	     nr++) {
		char *name = trim(line), *value;

		cli_origin(path, nr);
		if (strlen(line) + 1 == sizeof(line))
			r = cli_misused("mount", "the line is too long");
		else if (*name == '[')
			r = section_of(name, section, sizeof(section));
		else if (*name && *name != '#' && *name != ';') {
			value = strchr(name, '=');
			if (value)
				*value++ = '\0';
			r = fn(arg, section, trim(name),
			       value ? trim(value) : NULL);
		}
	}
	cli_origin(NULL, 0);
	if (r == CLI_OK && ferror(f))
		r = cli_fail("%s: %m", path);
	return r;
}

int config_file_read(const char *path, bool must, config_line_fn *fn, void *arg)
{
	FILE *f = fopen(path, "re");
	int r;

	if (!f)
		return errno == ENOENT && !must ?
			       CLI_OK :
			       cli_fail("%s: %s", path, strerror(errno));
	r = read_lines(f, path, fn, arg);
	fclose(f);
	return r;
}
