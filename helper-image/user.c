#include "helper-image/user.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 128

static gid_t own_groups[GROUPS_MAX];
static int n_own_groups;

void helper_user_start(void)
{
	n_own_groups = getgroups(GROUPS_MAX, own_groups);
	if (n_own_groups < 0)
		n_own_groups = 0;
}

static bool is_self(const struct helper_user *u)
{
	return u->uid == geteuid() && u->gid == getegid();
}

int helper_user_check(const struct helper_user *u)
{
	bool was;

	if (!u->set || is_self(u))
		return 0;
	helper_user_enter(u);
	/* an id that nobody has changes nothing and tells the current one */
	was = (uid_t)setfsuid((uid_t)-1) == u->uid &&
	      (gid_t)setfsgid((gid_t)-1) == u->gid &&
	      getgroups(0, NULL) == 0;
	helper_user_leave(u);
	return was ? 0 : -EPERM;
}

void helper_user_enter(const struct helper_user *u)
{
	if (!u->set || is_self(u))
		return;
	syscall(SYS_setgroups, 0, NULL);
	setfsgid(u->gid);
	setfsuid(u->uid);
}

void helper_user_leave(const struct helper_user *u)
{
	if (!u->set || is_self(u))
		return;
	setfsuid(geteuid());
	setfsgid(getegid());
	syscall(SYS_setgroups, n_own_groups, own_groups);
}
