#include "fs/part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fs_part_add(uint8_t **all, size_t *len, struct wire_data part, size_t max)
{
	uint8_t *longer;

	if (*len > max || part.n > max - *len)
		return -EIO;
	/* an empty folder is all of it, too */
	longer = realloc(*all, *len + part.n + 1);
	if (!longer)
		return -ENOMEM;
	if (part.n)
		memcpy(longer + *len, part.p, part.n);
	*all = longer;
	*len += part.n;
	return 0;
}
