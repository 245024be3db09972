/* tar archives; see tar.h. Layout: pax(1), "ustar Interchange Format". */
#include "cli/tar.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
};

_Static_assert(sizeof(struct ustar) == BLOCK, "a header is one block");

static void octal(char *field, size_t size, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*llo", (int)size - 1,
		 (unsigned long long)value);
	memcpy(field, text, size);
}

static int header(struct podfs_buf *to, const char *name, mode_t mode,
		  char type, size_t len)
{
	struct ustar h = { .type = type, .magic = "ustar",
			   .version = { '0', '0' } };
	unsigned sum = 0;

	if (strlen(name) > sizeof(h.name))
		return -ENAMETOOLONG;
	memcpy(h.name, name, strlen(name));
	octal(h.mode, sizeof(h.mode), mode);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), len);
	octal(h.mtime, sizeof(h.mtime), 0);
	/* the sum is taken with its own field blank */
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((const unsigned char *)&h)[i];
	octal(h.checksum, sizeof(h.checksum) - 1, sum);
	return podfs_buf_add(to, &h, sizeof(h));
}

int tar_add_file(struct podfs_buf *to, const char *name, mode_t mode,
		 const void *p, size_t len)
{
	static const char zero[BLOCK];
	int r = header(to, name, mode, '0', len);

	if (r == 0)
		r = podfs_buf_add(to, p, len);
	if (r == 0 && len % BLOCK)
		r = podfs_buf_add(to, zero, BLOCK - len % BLOCK);
	return r;
}

int tar_add_folder(struct podfs_buf *to, const char *name, mode_t mode)
{
	return header(to, name, mode, '5', 0);
}

int tar_end(struct podfs_buf *to)
{
	static const char zero[2 * BLOCK];

	return podfs_buf_add(to, zero, sizeof(zero));
}
