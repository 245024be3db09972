/* What `podfs mount` was asked for; see mount_options.h. */
#include "cli/mount_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/mount_options_inner.h"
#include "common/base/guard.h"

#define COUNT_MAX 10000

const struct option mount_longs[] = {
	{ "context", required_argument, NULL, MOUNT_CONTEXT },
	{ "kubeconfig", required_argument, NULL, MOUNT_KUBECONFIG },
	{ "namespace", required_argument, NULL, MOUNT_NAMESPACE },
	{ "image", required_argument, NULL, MOUNT_IMAGE },
	{ "image-has-helper", no_argument, NULL, MOUNT_IMAGE_HAS_HELPER },
	{ "read-only", no_argument, NULL, MOUNT_READ_ONLY },
	{ "read-only-namespace", required_argument, NULL, MOUNT_READ_ONLY_NAMESPACE },
	{ "audit", required_argument, NULL, MOUNT_AUDIT },
	{ "log-level", required_argument, NULL, MOUNT_LOG_LEVEL },
	{ "log", required_argument, NULL, MOUNT_LOG },
	{ "log-file", required_argument, NULL, MOUNT_LOG_FILE },
	{ "log-format", required_argument, NULL, MOUNT_LOG_FORMAT },
	{ "config", required_argument, NULL, MOUNT_CONFIG },
	{ "exclude", required_argument, NULL, MOUNT_EXCLUDE },
	{ "timeout", required_argument, NULL, MOUNT_TIMEOUT },
	{ "data-timeout", required_argument, NULL, MOUNT_DATA_TIMEOUT },
	{ "sync-timeout", required_argument, NULL, MOUNT_SYNC_TIMEOUT },
	{ "start-timeout", required_argument, NULL, MOUNT_START_TIMEOUT },
	{ "attr-timeout", required_argument, NULL, MOUNT_ATTR_TIMEOUT },
	{ "watch-timeout", required_argument, NULL, MOUNT_WATCH_TIMEOUT },
	{ "max-rung", required_argument, NULL, MOUNT_MAX_RUNG },
	{ "max-new-helpers", required_argument, NULL, MOUNT_MAX_NEW_HELPERS },
	{ "max-helpers-per-container", required_argument, NULL,
	  MOUNT_MAX_HELPERS_PER_CONTAINER },
	{ "user", required_argument, NULL, MOUNT_USER },
	{ "refuse", required_argument, NULL, MOUNT_REFUSE },
	{ "via", required_argument, NULL, MOUNT_VIA },
	{ "static", required_argument, NULL, MOUNT_STATIC },
	{ "foreground", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Options of mount(8) that go on to the kernel or to fusermount3. */
static const char *const passed_on[] = {
	"allow_other", "exec",	   "noexec",  "atime",	 "noatime",
	"sync",	       "async",	   "dirsync", "diratime", "nodiratime",
};

/* Words of fstab(5) and mount(8) that are not about the mount itself, or that
 * ask for what podfs does anyway. */
static const char *const ignored[] = {
	"rw",	 "defaults", "auto",	"noauto", "user",  "users",
	"nouser", "owner",   "group",	"nofail", "_netdev", "nosuid",
	"nodev", "relatime", "norelatime",
};

static bool one_of(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}

char *mount_options_keep(struct mount_options *o, const char *s)
{
	char **grown = reallocarray(o->owned, o->n_owned + 1, sizeof(*grown));
	char *copy;

	if (!grown)
		return NULL;
	o->owned = grown;
	copy = strdup(s);
	if (copy)
		o->owned[o->n_owned++] = copy;
	return copy;
}

static int no_memory(void)
{
	return cli_fail("out of memory");
}

/* Borrowed; a NULL stays behind the last. */
static int add(struct words *list, const char *word)
{
	const char **grown = reallocarray(list->p, list->n + 2, sizeof(*grown));

	if (!grown)
		return no_memory();
	list->p = grown;
	grown[list->n++] = word;
	grown[list->n] = NULL;
	return CLI_OK;
}

static int set_static(struct mount_options *o, const char *value)
{
	char *copy = mount_options_keep(o, value);
	char *part[3];

	if (!copy)
		return no_memory();
	for (size_t i = 0; i < PODFS_ARRAY_LEN(part); i++) {
		part[i] = strsep(&copy, "/");
		if (!part[i] || !*part[i])
			return cli_misused("mount",
					   "--static '%s': write it NAMESPACE/POD/CONTAINER",
					   value);
	}
	if (copy)
		return cli_misused("mount", "--static '%s' has too many parts",
				   value);
	o->backend.via_namespace = part[0];
	o->backend.via_pod = part[1];
	o->backend.via_container = part[2];
	o->fixed = true;
	return CLI_OK;
}

static int set_seconds(const char *name, const char *value, double min,
		       double *ret)
{
	char *end;
	double got;

	errno = 0;
	got = strtod(value, &end);
	if (errno || end == value || *end || !(got >= min && got <= 86400))
		return cli_misused("mount",
				   "--%s '%s': seconds, %g to 86400", name,
				   value, min);
	*ret = got;
	return CLI_OK;
}

static int set_timeout(const char *name, const char *value, unsigned *ret)
{
	double seconds = 0;
	int r = set_seconds(name, value, 1, &seconds);

	if (r == CLI_OK) /* rounded up: 0 would mean the default */
		*ret = (unsigned)seconds + (seconds > (unsigned)seconds);
	return r;
}

static int set_count(const char *name, const char *value, unsigned *ret)
{
	char *end;
	unsigned long got;

	errno = 0;
	got = strtoul(value, &end, 10);
	if (errno || !isdigit((unsigned char)*value) || *end || got < 1 ||
	    got > COUNT_MAX)
		return cli_misused("mount", "--%s '%s': a number, 1 to %d",
				   name, value, COUNT_MAX);
	*ret = (unsigned)got;
	return CLI_OK;
}

static int set_max_rung(struct mount_options *o, const char *value)
{
	enum wire_rung rung = wire_rung_parse(value);

	if (rung != WIRE_RUNG_FULL && rung != WIRE_RUNG_BASELINE &&
	    rung != WIRE_RUNG_RESTRICTED)
		return cli_misused("mount",
				   "--max-rung '%s': full, baseline or restricted",
				   value);
	o->backend.max_rung = rung;
	return CLI_OK;
}

static bool parse_id(const char *text, char end, const char **ret_rest,
		     uint32_t *ret)
{
	unsigned long long got;
	char *rest;

	errno = 0;
	got = strtoull(text, &rest, 10);
	*ret_rest = rest + (*rest != '\0');
	*ret = (uint32_t)got;
	return !errno && isdigit((unsigned char)*text) && *rest == end &&
	       got < UINT32_MAX;
}

/* UID[:GID]; the group of the same number else, as distributions make it. */
static int set_user(struct mount_options *o, const char *value)
{
	struct podfs_backend_config *b = &o->backend;
	bool both = strchr(value, ':');
	const char *rest;

	b->as_user = parse_id(value, both ? ':' : '\0', &rest, &b->uid);
	b->gid = b->uid;
	if (b->as_user && both)
		b->as_user = parse_id(rest, '\0', &rest, &b->gid);
	if (!b->as_user)
		return cli_misused("mount", "--user '%s': UID or UID:GID, as "
				   "numbers of the container", value);
	return CLI_OK;
}

/* Two words that are no command anybody would give. */
static void set_via(struct mount_options *o, const char *value)
{
	o->backend.via_command = NULL;
	if (!strcmp(value, "ephemeral")) {
		o->backend.via = PODFS_VIA_EPHEMERAL;
	} else if (!strcmp(value, "exec")) {
		o->backend.via = PODFS_VIA_EXEC;
	} else {
		o->backend.via = PODFS_VIA_COMMAND;
		o->backend.via_command = value;
	}
}

/* Three words that are no file's name anybody would give. */
static void set_log(struct mount_options *o, const char *value)
{
	bool word = !strcmp(value, "stderr") || !strcmp(value, "syslog") ||
		    !strcmp(value, "journal");

	o->log = word ? value : NULL;
	o->log_file = word ? NULL : value;
}

int mount_set(struct mount_options *o, int id, const char *value)
{
	int level;

	switch (id) {
	case MOUNT_CONTEXT:
		o->backend.context = value;
		return CLI_OK;
	case MOUNT_KUBECONFIG:
		o->backend.kubeconfig = value;
		return CLI_OK;
	case MOUNT_NAMESPACE:
		return add(&o->namespaces, value);
	case MOUNT_IMAGE:
		o->backend.image = value;
		o->image_given = true;
		return CLI_OK;
	case MOUNT_IMAGE_HAS_HELPER:
		o->backend.image_has_helper = true;
		return CLI_OK;
	case MOUNT_READ_ONLY:
		o->backend.read_only = true;
		return CLI_OK;
	case MOUNT_READ_ONLY_NAMESPACE:
		return add(&o->read_only_namespaces, value);
	case MOUNT_AUDIT:
		o->audit = value;
		return CLI_OK;
	case MOUNT_LOG_LEVEL:
		level = podfs_log_level_parse(value);
		if (level < 0)
			return cli_misused("mount",
					   "--log-level '%s': error, warn, info or debug",
					   value);
		o->log_level = (enum podfs_log_level)level;
		return CLI_OK;
	case MOUNT_LOG:
		set_log(o, value);
		return CLI_OK;
	case MOUNT_LOG_FILE:
		o->log = NULL;
		o->log_file = value;
		return CLI_OK;
	case MOUNT_LOG_FORMAT:
		o->log_json = !strcmp(value, "json");
		if (!o->log_json && strcmp(value, "text") != 0)
			return cli_misused("mount",
					   "--log-format '%s': text or json",
					   value);
		return CLI_OK;
	case MOUNT_CONFIG:
		o->config_file = value;
		return CLI_OK;
	case MOUNT_EXCLUDE:
		return add(&o->excluded, value);
	case MOUNT_TIMEOUT:
		return set_timeout("timeout", value, &o->backend.op_timeout);
	case MOUNT_DATA_TIMEOUT:
		return set_timeout("data-timeout", value,
				   &o->backend.data_timeout);
	case MOUNT_SYNC_TIMEOUT:
		return set_timeout("sync-timeout", value,
				   &o->backend.sync_timeout);
	case MOUNT_START_TIMEOUT:
		return set_timeout("start-timeout", value,
				   &o->backend.start_timeout);
	case MOUNT_ATTR_TIMEOUT:
		return set_seconds("attr-timeout", value, 0, &o->attr_timeout);
	case MOUNT_WATCH_TIMEOUT:
		return set_seconds("watch-timeout", value, 0,
				   &o->watch_timeout);
	case MOUNT_MAX_RUNG:
		return set_max_rung(o, value);
	case MOUNT_MAX_NEW_HELPERS:
		return set_count("max-new-helpers", value,
				 &o->backend.max_new_helpers);
	case MOUNT_MAX_HELPERS_PER_CONTAINER:
		return set_count("max-helpers-per-container", value,
				 &o->backend.max_helpers_per_container);
	case MOUNT_USER:
		return set_user(o, value);
	case MOUNT_REFUSE:
		return add(&o->refused, value);
	case MOUNT_VIA:
		set_via(o, value);
		return CLI_OK;
	case MOUNT_STATIC:
		return set_static(o, value);
	case 'f':
		o->foreground = true;
		return CLI_OK;
	case 'h':
		o->help = true;
		return CLI_OK;
	default:
		return CLI_USAGE;
	}
}

/* @lead: how such an option is written. */
static int set_named(struct mount_options *o, const char *lead,
		     const char *name, const char *value)
{
	for (const struct option *l = mount_longs; l->name; l++) {
		if (strcmp(name, l->name) || l->val < MOUNT_CONTEXT)
			continue;
		if ((l->has_arg == required_argument) != (value != NULL))
			return cli_misused("mount", "%s%s %s", lead, name,
					   value ? "takes no value" :
						   "needs a value");
		return mount_set(o, l->val, value);
	}
	return cli_misused("mount", "%s%s is not known", lead, name);
}

/* One name or name=value of -o. */
static int set_word(struct mount_options *o, char *word)
{
	char *value = strchr(word, '=');

	if (!*word || one_of(word, ignored, PODFS_ARRAY_LEN(ignored)) ||
	    !strncmp(word, "x-", 2) || !strncmp(word, "comment=", 8))
		return CLI_OK;
	if (!strcmp(word, "ro"))
		return mount_set(o, MOUNT_READ_ONLY, NULL);
	if (!strcmp(word, "suid") || !strcmp(word, "dev"))
		return cli_misused("mount",
				   "-o %s is refused: a container must not bring programs with extra rights or devices to this machine",
				   word);
	if (one_of(word, passed_on, PODFS_ARRAY_LEN(passed_on)))
		return podfs_buf_printf(&o->fs_options, "%s%s",
					o->fs_options.len ? "," : "",
					word) < 0 ?
			       no_memory() :
			       CLI_OK;
	if (value)
		*value++ = '\0';
	return set_named(o, "-o ", word, value);
}

/* A comma ends a word unless a backslash stands before it. */
int mount_set_words(struct mount_options *o, const char *text)
{
	char *in = mount_options_keep(o, text), *out, *word;
	int r = CLI_OK;

	if (!in)
		return no_memory();
	for (bool more = true; more && r == CLI_OK; in++) {
		for (word = out = in; *in && *in != ','; in++) {
			if (in[0] == '\\' && in[1])
				in++;
			*out++ = *in;
		}
		more = *in == ',';
		*out = '\0';
		r = set_word(o, word);
	}
	return r;
}

int mount_options_set(struct mount_options *o, const char *name,
		      const char *value)
{
	char *copy = value ? mount_options_keep(o, value) : NULL;

	if (value && !copy)
		return no_memory();
	if (!strcmp(name, "options"))
		return mount_set_words(o, copy ? copy : "");
	return set_named(o, "", name, copy);
}
