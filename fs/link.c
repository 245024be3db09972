#include "fs/link.h"

#include <limits.h>
#include <string.h>

static bool append(char *ret, size_t *len, const char *p, size_t n)
{
	if (*len + n >= PATH_MAX)
		return false;
	memcpy(ret + *len, p, n);
	*len += n;
	ret[*len] = '\0';
	return true;
}

bool fs_link_from_root(struct wire_str path, unsigned depth, char *ret)
{
	size_t len = 0;

	for (unsigned i = 0; i < depth; i++)
		if (!append(ret, &len, "../", 3))
			return false;
	if (path.n == 0)
		return append(ret, &len, ".", 1);
	return append(ret, &len, path.p, path.n);
}

const char *fs_link_to_store(const char *target, const char *folder)
{
	size_t n = strlen(folder);

	if (strncmp(target, folder, n) != 0)
		return target;
	return target[n] == '\0' ? "/" : target[n] == '/' ? target + n : target;
}

static bool is_up(const char *p, size_t n)
{
	return n == 2 && p[0] == '.' && p[1] == '.';
}

/* How often the target goes up before its first name; -1: also behind one. */
static int leading_ups(struct wire_str t)
{
	int ups = 0;
	bool named = false;

	for (size_t i = 0; i < t.n;) {
		size_t n = 0;

		while (i + n < t.n && t.p[i + n] != '/')
			n++;
		if (is_up(t.p + i, n)) {
			if (named)
				return -1;
			ups++;
		} else if (n > 0 && !(n == 1 && t.p[i] == '.')) {
			named = true;
		}
		i += n + 1;
	}
	return ups;
}

enum fs_link fs_link_show(struct wire_str target, unsigned depth, char *ret)
{
	size_t len = 0;
	int ups;

	if (target.n == 0 || target.n >= PATH_MAX)
		return FS_LINK_BROKEN;
	ups = leading_ups(target);
	if (target.p[0] == '/') {
		if (ups != 0)
			return FS_LINK_RESOLVE;
		while (target.n > 0 && target.p[0] == '/') {
			target.p++;
			target.n--;
		}
		return fs_link_from_root(target, depth, ret) ? FS_LINK_SAFE :
							       FS_LINK_BROKEN;
	}
	if (ups < 0 || (unsigned)ups > depth)
		return FS_LINK_RESOLVE;
	return append(ret, &len, target.p, target.n) ? FS_LINK_SAFE :
						       FS_LINK_BROKEN;
}
