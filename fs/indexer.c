#include "fs/indexer.h"

#include <stdio.h>
#include <string.h>

#define COMM_MAX 15 /* proc(5): longer names are cut */

/* Their names begin so; each has several processes. */
static const char *const known[] = {
	"updatedb",   "mlocate",     "plocate",	  "tracker-",
	"localsearch", "baloo_file",  "recollindex", "beagled",
	"nepomuk",
};

/* A thread may have a name of its own: the process's counts. */
static bool name_of(pid_t tid, char *ret, size_t cap)
{
	char path[64], line[128];
	int pid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(ret, (int)cap, f))
		ret[0] = '\0';
	fclose(f);
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

bool fs_is_indexer(pid_t tid, const char *const *more)
{
	char name[64];

	if (!name_of(tid, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(name, known[i], strlen(known[i])) == 0)
			return true;
	for (; more && *more; more++)
		if (strncmp(name, *more, COMM_MAX) == 0)
			return true;
	return false;
}
