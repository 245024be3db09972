/*
 * Files of lines "name = value" and "[section]": podfs.conf(5).
 */
#ifndef PODFS_CLI_CONFIG_FILE_H
#define PODFS_CLI_CONFIG_FILE_H

#include <stdbool.h>

/* @section "" before the first; @value NULL where there is no "=". Strings are
 * borrowed. An enum cli_exit, CLI_OK to go on. */
typedef int config_line_fn(void *arg, const char *section, const char *name,
			   const char *value);

/* Reads @path line by line; cli_origin() is set during @fn. A file that isn't
 * there is empty unless it @must be. CLI_OK, CLI_FAILED, or what @fn said. */
int config_file_read(const char *path, bool must, config_line_fn *fn,
		     void *arg);

#endif
