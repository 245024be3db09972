/* Users of the target, by its own files; no library asks a server for them. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helper-image/run.h"

#define LINE_MAX_LEN 8192
#define FIELDS_MAX 7

/* passwd(5) and group(5): fields between colons. How many there are. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < FIELDS_MAX) {
		fields[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = '\0';
	}
	return n;
}

static int parse_id(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v >= UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

/* The user that is @name, or has the number. 0 or -ENOENT. */
static int find_user(const char *path, const char *name, size_t name_max,
		     char *ret_name, struct helper_run_user *ret)
{
	char line[LINE_MAX_LEN], *f[FIELDS_MAX];
	FILE *in = fopen(path, "re");
	uint32_t number, uid, gid;
	bool by_number = parse_id(name, &number) == 0;
	int r = -ENOENT;

	while (in && r && fgets(line, sizeof(line), in)) {
		size_t n = split(line, f);

		if (n < 4 || parse_id(f[2], &uid) || parse_id(f[3], &gid) ||
		    !(by_number ? uid == number : !strcmp(f[0], name)))
			continue;
		r = 0;
		ret->uid = uid;
		ret->gid = gid;
		snprintf(ret_name, name_max, "%s", f[0]);
		if (n > 5 && f[5][0] == '/')
			snprintf(ret->home, sizeof(ret->home), "%s", f[5]);
		if (n > 6)
			snprintf(ret->shell, sizeof(ret->shell), "%s", f[6]);
	}
	if (in)
		fclose(in);
	if (r && by_number) {
		ret->uid = number;
		r = 0;
	}
	return r;
}

static bool is_member(char *members, const char *name)
{
	char *save = NULL;

	for (char *m = strtok_r(members, ",", &save); m;
	     m = strtok_r(NULL, ",", &save))
		if (!strcmp(m, name))
			return true;
	return false;
}

/* The group that is @name, or has the number; and those that list @user. */
static int read_groups(const char *path, const char *name, const char *user,
		       struct helper_run_user *ret)
{
	char line[LINE_MAX_LEN], *f[FIELDS_MAX];
	FILE *in = fopen(path, "re");
	uint32_t gid;
	int r = !name ? 0 : parse_id(name, &ret->gid) == 0 ? 0 : -ENOENT;

	while (in && fgets(line, sizeof(line), in)) {
		size_t n = split(line, f);

		if (n < 3 || parse_id(f[2], &gid))
			continue;
		if (r && !strcmp(f[0], name)) {
			ret->gid = gid;
			r = 0;
		}
		/* as docker: who names a group has that one alone */
		if (!name && *user && n > 3 && is_member(f[3], user) &&
		    ret->n_groups < HELPER_RUN_GROUPS_MAX)
			ret->groups[ret->n_groups++] = gid;
	}
	if (in)
		fclose(in);
	return r;
}

int helper_run_user(const char *text, const char *passwd, const char *group,
		    struct helper_run_user *ret)
{
	char name[256], found[256] = "";
	size_t n = strcspn(text, ":");
	int r;

	*ret = (struct helper_run_user){ .home = "/" };
	if (n == 0 || n >= sizeof(name))
		return -ENOENT;
	memcpy(name, text, n);
	name[n] = '\0';
	r = find_user(passwd, name, sizeof(found), found, ret);
	if (r)
		return r;
	return read_groups(group, text[n] ? text + n + 1 : NULL, found, ret);
}
