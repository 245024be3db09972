#include "fs/indexer.h"

#include <string.h>

#include "fs/program.h"

#define COMM_MAX 15 /* proc(5): longer names are cut */

/* Their names begin so; each has several processes. */
static const char *const known[] = {
	"updatedb",   "mlocate",     "plocate",	  "tracker-",
	"localsearch", "baloo_file",  "recollindex", "beagled",
	"nepomuk",
};

bool fs_is_indexer(pid_t tid, const char *const *more)
{
	struct fs_program program;
	const char *name = program.name;

	if (!fs_program_of(tid, &program))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(name, known[i], strlen(known[i])) == 0)
			return true;
	for (; more && *more; more++)
		if (strncmp(name, *more, COMM_MAX) == 0)
			return true;
	return false;
}
