/* What `podfs mount` was asked for; see mount_options.h. */
#include "cli/mount_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/guard.h"

#define COUNT_MAX 10000

enum id {
	CONTEXT = 256,
	KUBECONFIG,
	NAMESPACE,
	IMAGE,
	IMAGE_HAS_HELPER,
	READ_ONLY,
	READ_ONLY_NAMESPACE,
	AUDIT,
	LOG_LEVEL,
	LOG_FILE,
	TIMEOUT,
	DATA_TIMEOUT,
	SYNC_TIMEOUT,
	START_TIMEOUT,
	ATTR_TIMEOUT,
	MAX_RUNG,
	MAX_NEW_HELPERS,
	MAX_HELPERS_PER_CONTAINER,
	USER,
	REFUSE,
	VIA,
	STATIC,
};

static const struct option longs[] = {
	{ "context", required_argument, NULL, CONTEXT },
	{ "kubeconfig", required_argument, NULL, KUBECONFIG },
	{ "namespace", required_argument, NULL, NAMESPACE },
	{ "image", required_argument, NULL, IMAGE },
	{ "image-has-helper", no_argument, NULL, IMAGE_HAS_HELPER },
	{ "read-only", no_argument, NULL, READ_ONLY },
	{ "read-only-namespace", required_argument, NULL, READ_ONLY_NAMESPACE },
	{ "audit", required_argument, NULL, AUDIT },
	{ "log-level", required_argument, NULL, LOG_LEVEL },
	{ "log-file", required_argument, NULL, LOG_FILE },
	{ "timeout", required_argument, NULL, TIMEOUT },
	{ "data-timeout", required_argument, NULL, DATA_TIMEOUT },
	{ "sync-timeout", required_argument, NULL, SYNC_TIMEOUT },
	{ "start-timeout", required_argument, NULL, START_TIMEOUT },
	{ "attr-timeout", required_argument, NULL, ATTR_TIMEOUT },
	{ "max-rung", required_argument, NULL, MAX_RUNG },
	{ "max-new-helpers", required_argument, NULL, MAX_NEW_HELPERS },
	{ "max-helpers-per-container", required_argument, NULL,
	  MAX_HELPERS_PER_CONTAINER },
	{ "user", required_argument, NULL, USER },
	{ "refuse", required_argument, NULL, REFUSE },
	{ "via", required_argument, NULL, VIA },
	{ "static", required_argument, NULL, STATIC },
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

/* A copy that lives as long as @o. */
static char *keep(struct mount_options *o, const char *s)
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
	char *copy = keep(o, value);
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

static int set(struct mount_options *o, int id, const char *value)
{
	int level;

	switch (id) {
	case CONTEXT:
		o->backend.context = value;
		return CLI_OK;
	case KUBECONFIG:
		o->backend.kubeconfig = value;
		return CLI_OK;
	case NAMESPACE:
		return add(&o->namespaces, value);
	case IMAGE:
		o->backend.image = value;
		o->image_given = true;
		return CLI_OK;
	case IMAGE_HAS_HELPER:
		o->backend.image_has_helper = true;
		return CLI_OK;
	case READ_ONLY:
		o->backend.read_only = true;
		return CLI_OK;
	case READ_ONLY_NAMESPACE:
		return add(&o->read_only_namespaces, value);
	case AUDIT:
		o->audit = value;
		return CLI_OK;
	case LOG_LEVEL:
		level = podfs_log_level_parse(value);
		if (level < 0)
			return cli_misused("mount",
					   "--log-level '%s': error, warn, info or debug",
					   value);
		o->log_level = (enum podfs_log_level)level;
		return CLI_OK;
	case LOG_FILE:
		o->log_file = value;
		return CLI_OK;
	case TIMEOUT:
		return set_timeout("timeout", value, &o->backend.op_timeout);
	case DATA_TIMEOUT:
		return set_timeout("data-timeout", value,
				   &o->backend.data_timeout);
	case SYNC_TIMEOUT:
		return set_timeout("sync-timeout", value,
				   &o->backend.sync_timeout);
	case START_TIMEOUT:
		return set_timeout("start-timeout", value,
				   &o->backend.start_timeout);
	case ATTR_TIMEOUT:
		return set_seconds("attr-timeout", value, 0, &o->attr_timeout);
	case MAX_RUNG:
		return set_max_rung(o, value);
	case MAX_NEW_HELPERS:
		return set_count("max-new-helpers", value,
				 &o->backend.max_new_helpers);
	case MAX_HELPERS_PER_CONTAINER:
		return set_count("max-helpers-per-container", value,
				 &o->backend.max_helpers_per_container);
	case USER:
		return set_user(o, value);
	case REFUSE:
		return add(&o->refused, value);
	case VIA:
		set_via(o, value);
		return CLI_OK;
	case STATIC:
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

/* One name or name=value of -o. */
static int set_word(struct mount_options *o, char *word)
{
	char *value = strchr(word, '=');

	if (!*word || one_of(word, ignored, PODFS_ARRAY_LEN(ignored)) ||
	    !strncmp(word, "x-", 2) || !strncmp(word, "comment=", 8))
		return CLI_OK;
	if (!strcmp(word, "ro"))
		return set(o, READ_ONLY, NULL);
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
	for (const struct option *l = longs; l->name; l++) {
		if (strcmp(word, l->name) || l->val < CONTEXT)
			continue;
		if ((l->has_arg == required_argument) != (value != NULL))
			return cli_misused("mount", "-o %s %s", word,
					   value ? "takes no value" :
						   "needs a value");
		return set(o, l->val, value);
	}
	return cli_misused("mount", "-o %s is not known", word);
}

/* A comma ends a word unless a backslash stands before it. */
static int set_words(struct mount_options *o, const char *text)
{
	char *in = keep(o, text), *out, *word;
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

static int finish(struct mount_options *o)
{
	struct podfs_err err = PODFS_ERR_INIT;

	if (o->fixed && o->backend.via != PODFS_VIA_COMMAND)
		return cli_misused("mount",
				   "--static needs --via 'COMMAND': what serves the one name");
	if (o->backend.via == PODFS_VIA_COMMAND &&
	    podfs_via_check(o->backend.via_command, o->fixed, &err) != 0)
		return cli_misused("mount", "--via '%s': %s",
				   o->backend.via_command, err.text);
	if (!o->image_given) {
		o->backend.image = CLI_IMAGE_DEFAULT;
		o->backend.image_has_helper = true;
	}
	o->backend.namespaces = o->namespaces.p;
	o->backend.n_namespaces = o->namespaces.n;
	o->backend.read_only_namespaces = o->read_only_namespaces.p;
	o->backend.n_read_only_namespaces = o->read_only_namespaces.n;
	return CLI_OK;
}

static void init(struct mount_options *o)
{
	*o = (struct mount_options){
		.mountpoint = CLI_MOUNTPOINT_DEFAULT,
		.fs_options = PODFS_BUF_INIT(4096),
		.attr_timeout = 1,
		.log_level = PODFS_LOG_INFO,
	};
}

int mount_options_parse(int argc, char **argv, struct mount_options *ret)
{
	int c, r = CLI_OK;

	init(ret);
	opterr = 0;
	optind = 0; /* glibc: start anew, also after another getopt */
	while (r == CLI_OK &&
	       (c = getopt_long(argc, argv, ":hfn:o:", longs, NULL)) != -1) {
		if (c == '?')
			return cli_misused("mount", "option '%s' is not known",
					   argv[optind - 1]);
		if (c == ':')
			return cli_misused("mount", "option '%s' needs a value",
					   argv[optind - 1]);
		if (c == 'o')
			r = set_words(ret, optarg);
		else
			r = set(ret, c == 'n' ? NAMESPACE : c, optarg);
	}
	if (r != CLI_OK || ret->help)
		return r;
	if (optind < argc) {
		ret->mountpoint = argv[optind++];
		ret->point_given = true;
	}
	if (optind < argc)
		return cli_misused("mount", "one mount point only, not also '%s'",
				   argv[optind]);
	return finish(ret);
}

int mount_options_parse_helper(int argc, char **argv,
			       struct mount_options *ret)
{
	int c, r = CLI_OK;

	init(ret);
	opterr = 0;
	optind = 0;
	while (r == CLI_OK &&
	       (c = getopt_long(argc, argv, "sfnvN:t:o:", longs, NULL)) != -1) {
		if (c == 'o')
			r = set_words(ret, optarg);
		else if (c == '?')
			r = cli_misused("mount", "option '%s' is not known",
					argv[optind - 1]);
		/* s, f, n, v, N and t are mount(8)'s own affairs */
	}
	if (r != CLI_OK)
		return r;
	if (argc - optind != 2)
		return cli_misused("mount", "mount -t fuse.podfs CONTEXT FOLDER");
	/* fstab wants a source: the context, or a word for "the current one" */
	if (!ret->backend.context && strcmp(argv[optind], "podfs") &&
	    strcmp(argv[optind], "none"))
		ret->backend.context = argv[optind];
	ret->mountpoint = argv[optind + 1];
	return finish(ret);
}

void mount_options_done(struct mount_options *o)
{
	for (size_t i = 0; i < o->n_owned; i++)
		free(o->owned[i]);
	free(o->owned);
	free(o->namespaces.p);
	free(o->read_only_namespaces.p);
	free(o->refused.p);
	podfs_buf_done(&o->fs_options);
}
