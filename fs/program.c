#include "fs/program.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "fs/clock.h"

/* Threads that ask are few, and ask often. */
#define KNOWN 16u
#define KNOWN_MS 2000

static bool process_of(pid_t tid, int *ret)
{
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	*ret = tid;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", ret) == 1)
			break;
	fclose(f);
	return true;
}

bool fs_is_in_chown(pid_t tid)
{
	char path[64];
	long call = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
	/* until it sleeps, it is "running" */
	for (int tries = 0; tries < 20 && call < 0; tries++) {
		FILE *f = fopen(path, "re");
		bool seen = f && fscanf(f, "%ld", &call) == 1;

		if (f)
			fclose(f);
		if (!f)
			return false;
		if (!seen)
			sched_yield();
	}
	return call == SYS_fchown || call == SYS_fchownat
#ifdef SYS_chown
	       || call == SYS_chown || call == SYS_lchown
#endif
		;
}

pid_t fs_process_of(pid_t tid)
{
	static _Thread_local struct {
		pid_t tid;
		int pid;
		int64_t at; /* ms */
	} known[KNOWN];
	unsigned i = (unsigned)tid % KNOWN;
	int64_t now = fs_now_ms();

	if (known[i].tid != tid || now - known[i].at >= KNOWN_MS) {
		if (!process_of(tid, &known[i].pid))
			known[i].pid = tid;
		known[i].tid = tid;
		known[i].at = now;
	}
	return known[i].pid;
}

bool fs_program_of(pid_t tid, struct fs_program *ret)
{
	char path[64];
	int pid;
	FILE *f;

	/* a thread may have a name of its own: the process's counts */
	if (!process_of(tid, &pid))
		return false;
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
