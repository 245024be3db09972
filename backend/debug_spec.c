/* What a debug container is made of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backoff.h"
#include "backend/debug_inner.h"
#include "backend/patch_mounts.h"
#include "common/base/guard.h"

void debug_make_name(char ret[DEBUG_NAME_SIZE])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	char tail[6] = "";

	for (size_t i = 0; i < 5; i++)
		tail[i] = letters[podfs_random(sizeof(letters) - 1)];
	snprintf(ret, DEBUG_NAME_SIZE, "debugger-%s", tail);
}

int podfs_debug_profile(const char *name, enum podfs_debug_profile *ret)
{
	static const char *const names[] = {
		[PODFS_DEBUG_AUTO] = "auto",
		[PODFS_DEBUG_LEGACY] = "legacy",
		[PODFS_DEBUG_GENERAL] = "general",
		[PODFS_DEBUG_BASELINE] = "baseline",
		[PODFS_DEBUG_RESTRICTED] = "restricted",
		[PODFS_DEBUG_NETADMIN] = "netadmin",
		[PODFS_DEBUG_SYSADMIN] = "sysadmin",
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(names); i++)
		if (!strcmp(name, names[i])) {
			*ret = (enum podfs_debug_profile)i;
			return 0;
		}
	return -EINVAL;
}

int debug_check_custom(const struct podfs_json *custom, struct podfs_err *err)
{
	static const struct {
		const char *key;
		const char *why;
	} refused[] = {
		{ "resources", "Kubernetes allows none for an ephemeral "
			       "container: it uses what the pod has left" },
		{ "name", "there is --container" },
		{ "image", "there is --image" },
		{ "command", "the command stands behind --" },
		{ "ports", "Kubernetes allows none for an ephemeral container" },
		{ "lifecycle",
		  "Kubernetes allows none for an ephemeral container" },
		{ "livenessProbe",
		  "Kubernetes allows none for an ephemeral container" },
		{ "readinessProbe",
		  "Kubernetes allows none for an ephemeral container" },
		{ "startupProbe",
		  "Kubernetes allows none for an ephemeral container" },
		{ "volumeDevices", "kubectl debug takes none either" },
	};

	for (size_t i = 0; i < PODFS_ARRAY_LEN(refused); i++)
		if (podfs_json_get(custom, refused[i].key))
			return podfs_err_set(err, -EINVAL,
					     "--custom may not set %s: %s",
					     refused[i].key, refused[i].why);
	return 0;
}

/* ---- rights ---------------------------------------------------------------- */

static void write_capabilities(struct podfs_json_writer *w, const char *how,
			       const char *a, const char *b)
{
	podfs_json_write_object(w, "capabilities");
	podfs_json_write_array(w, how);
	podfs_json_write_string(w, NULL, a);
	podfs_json_write_string(w, NULL, b);
	podfs_json_write_array_end(w);
	podfs_json_write_object_end(w);
}

/* kubectl pkg/cmd/debug/profiles.go */
void debug_security(struct podfs_json_writer *w,
		    enum podfs_debug_profile profile)
{
	podfs_json_write_object(w, "securityContext");
	switch (profile) {
	case PODFS_DEBUG_GENERAL:
		write_capabilities(w, "add", "SYS_PTRACE", NULL);
		break;
	case PODFS_DEBUG_RESTRICTED:
		podfs_json_write_bool(w, "runAsNonRoot", true);
		podfs_json_write_bool(w, "allowPrivilegeEscalation", false);
		write_capabilities(w, "drop", "ALL", NULL);
		podfs_json_write_object(w, "seccompProfile");
		podfs_json_write_string(w, "type", "RuntimeDefault");
		podfs_json_write_object_end(w);
		break;
	case PODFS_DEBUG_NETADMIN:
		write_capabilities(w, "add", "NET_ADMIN", "NET_RAW");
		break;
	case PODFS_DEBUG_SYSADMIN:
		podfs_json_write_bool(w, "privileged", true);
		break;
	case PODFS_DEBUG_AUTO:
	case PODFS_DEBUG_LEGACY:
	case PODFS_DEBUG_BASELINE:
	default:
		break;
	}
	podfs_json_write_object_end(w);
}

/* ---- environment and volumes -------------------------------------------------- */

static bool is_set(const struct podfs_debug_want *want, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *e = want->env; e && *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=')
			return true;
	return false;
}

static void write_pair(struct podfs_json_writer *w, const char *pair)
{
	const char *value = strchr(pair, '=');
	char *name = strndup(pair, (size_t)(value - pair));

	if (name)
		podfs_patch_env(w, name, value + 1);
	else
		w->bad = -ENOMEM;
	free(name);
}

void debug_own_env(struct podfs_json_writer *w,
		   const struct podfs_debug_want *want)
{
	for (const char *const *e = want->env; e && *e; e++)
		write_pair(w, *e);
}

static int write_env(struct podfs_json_writer *w, const struct debug_spec *s)
{
	const struct podfs_json *all =
		podfs_json_get_array(s->info->spec, "env");
	const struct podfs_json *from =
		podfs_json_get_array(s->info->spec, "envFrom");
	int r = 0;

	if (s->want->own_env)
		all = from = NULL;
	podfs_json_write_array(w, "env");
	podfs_json_each(e, all)
		if (!is_set(s->want, podfs_json_get_text(e, "name")) &&
		    strcmp(podfs_json_get_text(e, "name"), DEBUG_ROOT_ENV) != 0)
			r = r ? r : debug_copy(w, NULL, e);
	/* the target's first process: that of the namespace, if it is its own */
	if (s->targeted && !s->info->shared_processes &&
	    !is_set(s->want, DEBUG_ROOT_ENV))
		podfs_patch_env(w, DEBUG_ROOT_ENV, "/proc/1/root");
	debug_own_env(w, s->want);
	podfs_json_write_array_end(w);
	return r || !from ? r : debug_copy(w, "envFrom", from);
}

static int write_mounts(struct podfs_json_writer *w, const struct debug_spec *s)
{
	const struct podfs_patch like = {
		.pod = s->info,
		.rung = { WIRE_RUNG_FULL, PODFS_RIGHTS_TRACE },
		.no_helper = true,
	};
	int n = s->want->own_mounts ? 0 : podfs_patch_mounts(w, &like);

	return n < 0 ? n : 0;
}

/* ---- the whole ------------------------------------------------------------------ */

static void write_command(struct podfs_json_writer *w,
			  const struct podfs_debug_want *want)
{
	if (!want->command || !want->command[0])
		return;
	podfs_json_write_array(w, want->args_only ? "args" : "command");
	for (const char *const *c = want->command; *c; c++)
		podfs_json_write_string(w, NULL, *c);
	podfs_json_write_array_end(w);
}

static int write_base(struct podfs_json_writer *w, const struct debug_spec *s)
{
	const struct podfs_debug_want *want = s->want;
	int r;

	podfs_json_write_object(w, NULL);
	podfs_json_write_string(w, "name", s->name);
	podfs_json_write_string(w, "image", want->image);
	podfs_json_write_string(w, "imagePullPolicy", want->pull_policy);
	podfs_json_write_string(w, "terminationMessagePolicy", "File");
	write_command(w, want);
	if (want->in) {
		podfs_json_write_bool(w, "stdin", true);
		/* what reads a pipe to its end must see that end */
		podfs_json_write_bool(w, "stdinOnce", !want->tty);
	}
	if (want->tty)
		podfs_json_write_bool(w, "tty", true);
	if (s->targeted)
		podfs_json_write_string(w, "targetContainerName",
					s->info->process_target);
	r = write_env(w, s);
	if (r == 0)
		r = write_mounts(w, s);
	if (s->rung)
		podfs_ladder_context(w, s->info, s->rung->rights);
	else
		debug_security(w, s->profile);
	podfs_json_write_object_end(w);
	return r ? r : podfs_json_write_end(w);
}

/* --user, as a container to be laid upon the other. */
static int write_user(struct podfs_json_writer *w,
		      const struct podfs_debug_want *want)
{
	podfs_json_write_object(w, NULL);
	if (want->has_uid) {
		podfs_json_write_object(w, "securityContext");
		podfs_json_write_int(w, "runAsUser", want->uid);
		podfs_json_write_bool(w, "runAsNonRoot", want->uid != 0);
		if (want->has_gid)
			podfs_json_write_int(w, "runAsGroup", want->gid);
		podfs_json_write_object_end(w);
	}
	podfs_json_write_object_end(w);
	return podfs_json_write_end(w);
}

/* Frees @text. NULL without memory. */
static char *lay_upon(char *text, const struct podfs_json *over)
{
	struct podfs_json *base = NULL;
	char *merged = NULL;

	if (text && podfs_json_parse(text, strlen(text), &base) == 0)
		merged = debug_merged(base, over);
	podfs_json_free(base);
	free(text);
	return merged;
}

static char *written(int (*write)(struct podfs_json_writer *w,
				  const void *what),
		     const void *what)
{
	struct podfs_buf b = PODFS_BUF_INIT(DEBUG_TEXT_MAX);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);
	char *text = write(&w, what) == 0 ? strdup(podfs_buf_str(&b)) : NULL;

	podfs_buf_done(&b);
	return text;
}

static int base_of(struct podfs_json_writer *w, const void *s)
{
	return write_base(w, s);
}

static int user_of(struct podfs_json_writer *w, const void *want)
{
	return write_user(w, want);
}

char *debug_container(const struct debug_spec *s)
{
	PODFS_CLEANUP_FREE char *user = written(user_of, s->want);
	char *text = written(base_of, s);
	struct podfs_json *over = NULL;

	if (user && podfs_json_parse(user, strlen(user), &over) == 0)
		text = lay_upon(text, over);
	podfs_json_free(over);
	return s->custom ? lay_upon(text, s->custom) : text;
}
