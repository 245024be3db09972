/* What the configuration's lines mean; see mount_config.h, podfs.conf(5). */
#include "cli/mount_config.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/config_file.h"
#include "common/base/guard.h"

#define SYSTEM_FILE "/etc/podfs.conf"

struct loading {
	struct mount_options *o;
	const struct mount_options *given; /* by the command line alone */
	char context[256];
	bool context_known;
};

static bool is_yes(const char *value)
{
	return !value || !strcmp(value, "yes") || !strcmp(value, "true");
}

/* ---- [context NAME] ------------------------------------------------------------ */

/* The one that will be mounted. It must be known: what a section forbids must
 * not be left out. */
static int learn_context(struct loading *l)
{
	const struct podfs_backend_config *given = &l->given->backend;
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_backend_info where = { .synced = false };
	const char *context = given->context ? given->context :
					       l->o->backend.context;
	const char *file = given->kubeconfig ? given->kubeconfig :
					       l->o->backend.kubeconfig;

	if (l->context_known)
		return CLI_OK;
	if (!context && podfs_backend_where(file, NULL, &where, &err) < 0)
		return cli_fail("which context is it? %s", err.text);
	snprintf(l->context, sizeof(l->context), "%s",
		 context ? context : where.context);
	l->context_known = true;
	return CLI_OK;
}

/* ---- [namespace NAME] ----------------------------------------------------------- */

static struct podfs_namespace_rule *rule_of(struct mount_options *o,
					    const char *ns)
{
	struct podfs_namespace_rule *grown;

	for (size_t i = 0; i < o->n_rules; i++)
		if (!strcmp(o->rules[i].ns, ns))
			return &o->rules[i];
	grown = reallocarray(o->rules, o->n_rules + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	o->rules = grown;
	grown[o->n_rules] = (struct podfs_namespace_rule){
		.ns = mount_options_keep(o, ns)
	};
	return grown[o->n_rules].ns ? &grown[o->n_rules++] : NULL;
}

static int exclude_in(struct mount_options *o, const char *ns,
		      const char *value)
{
	PODFS_CLEANUP_FREE char *pattern = NULL;

	if (!value)
		return mount_options_set(o, "exclude", ns);
	if (asprintf(&pattern, "%s/%s", ns, value) < 0) {
		pattern = NULL;
		return cli_fail("out of memory");
	}
	return mount_options_set(o, "exclude", pattern);
}

static int set_rule(struct mount_options *o, const char *ns, const char *name,
		    const char *value)
{
	struct podfs_namespace_rule *rule;

	if (!strcmp(name, "read-only") && is_yes(value))
		return mount_options_set(o, "read-only-namespace", ns);
	if (!strcmp(name, "exclude"))
		return exclude_in(o, ns, value);
	rule = rule_of(o, ns);
	if (!rule)
		return cli_fail("out of memory");
	if (!strcmp(name, "image") && value) {
		rule->image = mount_options_keep(o, value);
		return rule->image ? CLI_OK : cli_fail("out of memory");
	}
	if (!strcmp(name, "image-has-helper") && is_yes(value)) {
		rule->image_has_helper = true;
		return CLI_OK;
	}
	if (!strcmp(name, "max-rung") && value) {
		rule->max_rung = wire_rung_parse(value);
		if (rule->max_rung == WIRE_RUNG_FULL ||
		    rule->max_rung == WIRE_RUNG_BASELINE ||
		    rule->max_rung == WIRE_RUNG_RESTRICTED)
			return CLI_OK;
		return cli_misused("mount", "max-rung '%s': full, baseline or "
				   "restricted", value);
	}
	return cli_misused("mount", "a namespace may have read-only, image, "
			   "image-has-helper, max-rung and exclude, not '%s'",
			   name);
}

/* ---- all of it -------------------------------------------------------------------- */

static int set_option(struct mount_options *o, const char *name,
		      const char *value)
{
	if (!strcmp(name, "mountpoint") && value) {
		o->mountpoint = mount_options_keep(o, value);
		return o->mountpoint ? CLI_OK : cli_fail("out of memory");
	}
	if (!strcmp(name, "config"))
		return cli_misused("mount", "config is for the command line");
	/* so that a word without a value may be written as one with it */
	if (value && (!strcmp(name, "read-only") ||
		      !strcmp(name, "image-has-helper")) && is_yes(value))
		value = NULL;
	return mount_options_set(o, name, value);
}

/* "context NAME", "namespace NAME" or both, in this order. */
static int parse_section(char *text, const char **ret_context,
			 const char **ret_ns)
{
	char *save = NULL;
	char *word = strtok_r(text, " \t", &save);

	*ret_context = *ret_ns = NULL;
	if (word && !strcmp(word, "context")) {
		*ret_context = strtok_r(NULL, " \t", &save);
		word = *ret_context ? strtok_r(NULL, " \t", &save) : word;
	}
	if (word && !strcmp(word, "namespace")) {
		*ret_ns = strtok_r(NULL, " \t", &save);
		word = *ret_ns ? strtok_r(NULL, " \t", &save) : word;
	}
	if (word || (!*ret_context && !*ret_ns))
		return cli_misused("mount", "sections are [context NAME], "
				   "[namespace NAME] and [context NAME "
				   "namespace NAME]");
	return CLI_OK;
}

static int on_line(void *arg, const char *section, const char *name,
		   const char *value)
{
	struct loading *l = arg;
	PODFS_CLEANUP_FREE char *copy = strdup(section);
	const char *context = NULL, *ns = NULL;
	int r = CLI_OK;

	if (!copy)
		return cli_fail("out of memory");
	if (*section)
		r = parse_section(copy, &context, &ns);
	if (r == CLI_OK && context)
		r = learn_context(l);
	if (r != CLI_OK)
		return r;
	if (context && fnmatch(context, l->context, 0) != 0)
		return CLI_OK;
	return ns ? set_rule(l->o, ns, name, value) :
		    set_option(l->o, name, value);
}

static int read_all(struct loading *l)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char own[PATH_MAX] = "";
	int r;

	if (l->given->config_file)
		return config_file_read(l->given->config_file, true, on_line,
					l);
	if (xdg && *xdg == '/')
		snprintf(own, sizeof(own), "%s/podfs/podfs.conf", xdg);
	else if (home && *home == '/')
		snprintf(own, sizeof(own), "%s/.config/podfs/podfs.conf", home);
	r = config_file_read(SYSTEM_FILE, false, on_line, l);
	if (r == CLI_OK && *own)
		r = config_file_read(own, false, on_line, l);
	return r;
}

int mount_config_load(int argc, char **argv,
		      int (*add)(int, char **, struct mount_options *),
		      struct mount_options *ret)
{
	struct mount_options given;
	struct loading l = { .o = ret, .given = &given };
	int r;

	mount_options_init(ret);
	mount_options_init(&given);
	r = add(argc, argv, &given);
	if (r == CLI_OK && !given.help)
		r = read_all(&l);
	/* what the command line names takes the place of what the files name */
	if (given.backend.context)
		ret->backend.context = NULL;
	if (given.namespaces.n)
		ret->namespaces.n = 0;
	if (r == CLI_OK)
		r = add(argc, argv, ret);
	ret->namespaces_given = given.namespaces.n > 0;
	mount_options_done(&given);
	return r;
}
