/* Names and paths of containers; see target.h. */
#include "cli/target.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json_scan.h"
#include "cli/mounts.h"
#include "cli/paths.h"
#include "cli/status_read.h"
#include "common/base/guard.h"

#define STATUS_MAX (8u << 20)
#define LINKS_MAX 40 /* as the kernel's own limit */

/* ---- a name --------------------------------------------------------------- */

/* "a", "a/b" or "a/b/c"; a shell that completed it may have left a "/". What is
 * behind the last of @to is left in *text. No name of Kubernetes begins with a
 * dot; what else one may be says the server. */
static bool read_names_of(const char **text, char *const to[], size_t n_to)
{
	for (size_t i = 0; i < n_to && **text; i++) {
		size_t n = strcspn(*text, "/");

		if (n == 0 || n > PODFS_NAME_MAX || **text == '.')
			return false;
		memcpy(to[i], *text, n);
		*text += n;
		if (**text == '/')
			++*text;
	}
	return true;
}

static bool read_name(const char *text, char *const to[], size_t n_to)
{
	return *text && read_names_of(&text, to, n_to) && !*text;
}

static int read_names(const char *command, const char *ns, const char *text,
		      struct podfs_ref *ret)
{
	char *const to[] = { ret->ns, ret->pod, ret->container };

	if (ns && read_name(ns, to, 1) && read_name(text, to + 1, 2))
		return CLI_OK;
	if (!ns && read_name(text, to, 3))
		return CLI_OK;
	if (ns)
		return cli_misused(command, "'%s' in namespace '%s': write it "
				   "POD or POD/CONTAINER", text, ns);
	return cli_misused(command, "'%s': write it NAMESPACE/POD/CONTAINER, "
			   "NAMESPACE/POD or NAMESPACE; a path in a mount "
			   "begins with / or ./", text);
}

/* ---- a path ----------------------------------------------------------------- */

static bool is_path(const char *text)
{
	return text[0] == '/' || !strcmp(text, ".") || !strcmp(text, "..") ||
	       !strncmp(text, "./", 2) || !strncmp(text, "../", 3);
}

/* A path on its way to a mount: @done leads on to @rest. */
struct walk {
	char done[PATH_MAX]; /* "" is the root */
	char rest[2 * PATH_MAX];
	bool in_mount;
	size_t mount_len; /* of done, where the mount is */
	unsigned links;
};

/* Takes the first name off the rest; false: there is none. */
static bool next_name(struct walk *w, char name[NAME_MAX + 1])
{
	size_t skip = strspn(w->rest, "/");
	size_t n = strcspn(w->rest + skip, "/");

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, w->rest + skip, n);
	name[n] = '\0';
	memmove(w->rest, w->rest + skip + n,
		strlen(w->rest + skip + n) + 1);
	return true;
}

/* Of one name outside of mounts. False: the path is too long. */
static bool follow(struct walk *w)
{
	char to[PATH_MAX], rest[sizeof(w->rest)];
	ssize_t n = readlink(w->done, to, sizeof(to) - 1);
	char *slash = strrchr(w->done, '/');

	if (n < 0) /* no link, or not there: the next names fail by it */
		return true;
	to[n] = '\0';
	if (++w->links > LINKS_MAX ||
	    (size_t)snprintf(rest, sizeof(rest), "%s/%s", to, w->rest) >=
		    sizeof(rest))
		return false;
	memcpy(w->rest, rest, sizeof(rest));
	*(to[0] == '/' ? w->done : slash) = '\0';
	return true;
}

static void go_up(struct walk *w)
{
	char *slash = strrchr(w->done, '/');

	if (slash)
		*slash = '\0';
	if (w->in_mount && strlen(w->done) < w->mount_len)
		w->in_mount = false;
}

/* By the names alone: what lies in a mount isn't asked for. */
static bool walk(struct walk *w)
{
	char name[NAME_MAX + 1];

	while (next_name(w, name)) {
		size_t len = strlen(w->done);

		if (!strcmp(name, "."))
			continue;
		if (!strcmp(name, "..")) {
			go_up(w);
			continue;
		}
		if ((size_t)snprintf(w->done + len, sizeof(w->done) - len,
				     "/%s", name) >= sizeof(w->done) - len)
			return false;
		if (w->in_mount)
			continue;
		w->in_mount = mounts_find(w->done, NULL) > 0;
		w->mount_len = strlen(w->done);
		if (!w->in_mount && !follow(w))
			return false;
	}
	return true;
}

/* What is below the container is its own affair. */
static bool read_below(const char *below, struct podfs_ref *ret)
{
	char *const to[] = { ret->ns, ret->pod, ret->container };

	below += *below == '/';
	return read_names_of(&below, to, PODFS_ARRAY_LEN(to));
}

static int read_path(const char *command, const char *text, struct target *ret)
{
	PODFS_CLEANUP_FREE char *full = path_absolute(text);
	PODFS_CLEANUP_FREE struct walk *w = calloc(1, sizeof(*w));

	if (!full || !w)
		return cli_fail("'%s': %m", text);
	if (strlen(full) >= PATH_MAX)
		return cli_misused(command, "the path is too long");
	strcpy(w->rest, full);
	if (!walk(w) || !w->in_mount)
		return cli_misused(command, "'%s' lies in no mount of podfs: "
				   "'podfs status' lists them; a name is "
				   "written NAMESPACE/POD/CONTAINER", text);
	if (!read_below(w->done + w->mount_len, &ret->ref))
		return cli_misused(command, "'%s' belongs to no pod", text);
	w->done[w->mount_len] = '\0';
	ret->mountpoint = strdup(w->done);
	return ret->mountpoint ? CLI_OK : cli_fail("out of memory");
}

int target_parse(const char *command, const char *ns, const char *text,
		 struct target *ret)
{
	*ret = (struct target){ .mountpoint = NULL };
	return is_path(text) ? read_path(command, text, ret) :
			       read_names(command, ns, text, &ret->ref);
}

/* ---- the mount's cluster --------------------------------------------------- */

struct cluster {
	char *context, *server;
};

static void on_value(void *arg, const char *path, const char *value)
{
	struct cluster *c = arg;
	char **to = !strcmp(path, "context") ? &c->context :
		    !strcmp(path, "server")  ? &c->server :
					       NULL;

	if (to && !*to)
		*to = strdup(value);
}

static int same_cluster(struct target *t, struct podfs_backend_config *config,
			const struct cluster *c)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_backend_info info;

	if (!c->context || !c->server || !strcmp(c->server, "none"))
		return cli_fail("'%s' is a mount without a cluster",
				t->mountpoint);
	snprintf(t->context, sizeof(t->context), "%s", c->context);
	if (!config->context && *t->context)
		config->context = t->context;
	if (podfs_backend_where(config->kubeconfig, config->context, &info,
				&err) < 0)
		return cli_fail("%s", err.text);
	if (strcmp(info.server, c->server) != 0)
		return cli_fail("'%s' is a mount of %s, context '%s' leads to "
				"%s: name the right one by --context and "
				"--kubeconfig", t->mountpoint, c->server,
				info.context, info.server);
	return CLI_OK;
}

int target_cluster(struct target *t, struct podfs_backend_config *config)
{
	struct podfs_buf text = PODFS_BUF_INIT(STATUS_MAX);
	struct cluster c = { NULL };
	int r;

	if (!t->mountpoint)
		return CLI_OK;
	r = status_read(t->mountpoint, &text);
	if (r == 0) {
		json_scan(podfs_buf_str(&text), text.len, on_value, &c);
		r = same_cluster(t, config, &c);
	} else {
		r = cli_fail("'%s' doesn't say of which cluster it is (%s): "
			     "write NAMESPACE/POD/CONTAINER", t->mountpoint,
			     strerror(-r));
	}
	podfs_buf_done(&text);
	free(c.context);
	free(c.server);
	return r;
}

void target_done(struct target *t)
{
	free(t->mountpoint);
}
