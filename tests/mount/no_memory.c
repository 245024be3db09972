/*
 * Preloaded into podfs: when the file that PODFS_NO_MEMORY names says so, one
 * allocation of the program's own code (not of its libraries') fails.
 *
 * The file holds three int32: how many succeed before the one that fails
 * (negative: all do), how many have failed, and where the last was asked for, for
 * addr2line(1).
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names of what is replaced here */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

struct control {
	_Atomic int32_t left;
	_Atomic int32_t failed;
	_Atomic int32_t where;
};

static struct control *control;
static uintptr_t begin, end; /* of the program's code and data */

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	begin = UINTPTR_MAX;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + h->p_vaddr;

		if (h->p_type != PT_LOAD)
			continue;
		begin = at < begin ? at : begin;
		end = at + h->p_memsz > end ? at + h->p_memsz : end;
	}
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("PODFS_NO_MEMORY");
	struct control *c;
	int fd;

	/* not the programs that it starts */
	if (!path || strcmp(program_invocation_short_name, "podfs") != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	dl_iterate_phdr(first_object, NULL);
	if (c != MAP_FAILED)
		control = c;
}

static bool fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	if (!control || at < begin || at >= end ||
	    atomic_load(&control->left) < 0 ||
	    atomic_fetch_sub(&control->left, 1) != 0)
		return false;
	atomic_fetch_add(&control->failed, 1);
	atomic_store(&control->where, (int32_t)(at - begin));
	errno = ENOMEM;
	return true;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(p, size);
}

char *strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = fails(CALLER) ? NULL : __libc_malloc(n);

	return copy ? memcpy(copy, s, n) : NULL;
}
