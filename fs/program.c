#include "fs/program.h"

#include <stdio.h>
#include <string.h>

bool fs_program_of(pid_t tid, struct fs_program *ret)
{
	char path[64], line[128];
	int pid = tid;
	FILE *f;

	/* a thread may have a name of its own: the process's counts */
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
	if (!fgets(ret->name, sizeof(ret->name), f))
		ret->name[0] = '\0';
	fclose(f);
	ret->name[strcspn(ret->name, "\n")] = '\0';
	ret->pid = pid;
	return true;
}
