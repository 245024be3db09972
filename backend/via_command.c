#include "backend/via_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define TEXT_MAX 65536

enum { NAMESPACE, POD, CONTAINER, UID, HELPER };

static const struct {
	const char *placeholder;
	const char *variable;
} names[] = {
	[NAMESPACE] = { "{namespace}", "PODFS_NAMESPACE" },
	[POD] = { "{pod}", "PODFS_POD" },
	[CONTAINER] = { "{container}", "PODFS_CONTAINER" },
	[UID] = { "{uid}", "PODFS_UID" },
	[HELPER] = { "{helper}", NULL },
};

/* Which placeholder @p begins with; -1: none. */
static int placeholder_at(const char *p)
{
	for (size_t i = 0; *p == '{' && i < PODFS_ARRAY_LEN(names); i++)
		if (strncmp(p, names[i].placeholder,
			    strlen(names[i].placeholder)) == 0)
			return (int)i;
	return -1;
}

/* The quotes that @p stands in, as a shell sees them: 0, ' or ". "$(" inside
 * quotes is not followed, which costs nothing: a variable's value is a word of
 * its own there, too, since no name holds a blank. */
static char quotes_after(char quotes, const char **p)
{
	const char c = **p;

	if (c == '\\' && quotes != '\'' && (*p)[1])
		(*p)++;
	else if (quotes == 0 && (c == '\'' || c == '"'))
		return c;
	else if (c == quotes)
		return 0;
	return quotes;
}

static int replace(struct podfs_buf *b, int which, char quotes)
{
	if (which == HELPER)
		return podfs_buf_add_str(b, "sh");
	return podfs_buf_printf(b, quotes ? "${%s}" : "\"${%s}\"",
				names[which].variable);
}

/* Goes through @text; @seen counts each placeholder. */
static int expand(const char *text, struct podfs_buf *b, unsigned *seen,
		  struct podfs_err *err)
{
	char quotes = 0;
	int r = 0;

	for (const char *p = text; *p && r == 0; p++) {
		const char *start = p;
		int which = placeholder_at(p);

		if (which < 0) {
			quotes = quotes_after(quotes, &p);
			r = podfs_buf_add(b, start, (size_t)(p + 1 - start));
			continue;
		}
		if (quotes == '\'' && which != HELPER)
			return podfs_err_set(
				err, -EINVAL,
				"%s stands inside '...', where no shell would "
				"replace it: use \"...\"",
				names[which].placeholder);
		seen[which]++;
		r = replace(b, which, quotes);
		p += strlen(names[which].placeholder) - 1;
	}
	if (r)
		podfs_err_set(err, r, "the command is too long");
	return r;
}

int podfs_via_command(const char *text, struct podfs_via_command *ret,
		      struct podfs_err *err)
{
	struct podfs_buf b = PODFS_BUF_INIT(TEXT_MAX);
	unsigned seen[PODFS_ARRAY_LEN(names)] = { 0 };
	int r = expand(text, &b, seen, err);
	char *copy = r ? NULL : strdup(podfs_buf_str(&b));

	podfs_buf_done(&b);
	if (r)
		return r;
	if (!copy)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	*ret = (struct podfs_via_command){
		.text = copy,
		.names = seen[NAMESPACE] || seen[POD] || seen[CONTAINER] ||
			 seen[UID],
		.brings = seen[HELPER] > 0,
	};
	return 0;
}

/* A command that doesn't tell containers apart would show one's files, and
 * write to them, under another's name. */
int podfs_via_check(const char *command, bool fixed, struct podfs_err *err)
{
	struct podfs_buf b = PODFS_BUF_INIT(TEXT_MAX);
	unsigned seen[PODFS_ARRAY_LEN(names)] = { 0 };
	int r = expand(command, &b, seen, err);

	podfs_buf_done(&b);
	if (r || fixed)
		return r;
	if (!seen[CONTAINER] ||
	    (!seen[UID] && (!seen[NAMESPACE] || !seen[POD])))
		return podfs_err_set(
			err, -EINVAL,
			"it must tell one container from another: by "
			"{container}, and {namespace} and {pod} or {uid}");
	return 0;
}

/* Asks the shell whether there is a program, or a word of its own, @name. */
static bool is_there(const char *name)
{
	char *argv[] = { (char *)"sh", (char *)"-c",
			 (char *)"command -v \"$1\" >/dev/null 2>&1",
			 (char *)"sh", (char *)name, NULL };
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		execve("/bin/sh", argv, environ);
		_exit(EXIT_SUCCESS); /* the command's own start will tell */
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

int podfs_via_program(const char *text, struct podfs_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._+/";
	const char *word = text + strspn(text, " \t\n");
	size_t n = strspn(word, plain);
	PODFS_CLEANUP_FREE char *name = strndup(word, n);

	if (!name)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	if (n == 0 || (word[n] && !strchr(" \t\n", word[n])) ||
	    is_there(name))
		return 0;
	return podfs_err_set(err, -ENOENT, "--via: there is no command %s",
			     podfs_quote(name).text);
}

/* As Kubernetes' names and uids are made (RFC 1123), and a bit more: nothing
 * that a program could take for an option or a folder, or that a second shell,
 * at the other end of ssh, would take apart. */
static bool is_plain(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._";

	return name[0] && name[0] != '-' && name[0] != '.' &&
	       name[strspn(name, allowed)] == '\0';
}

static bool is_ours(const char *variable)
{
	for (size_t i = 0; i < HELPER; i++) {
		size_t n = strlen(names[i].variable);

		if (strncmp(variable, names[i].variable, n) == 0 &&
		    variable[n] == '=')
			return true;
	}
	return false;
}

int podfs_via_environment(const struct podfs_target *t, char ***ret,
			  struct podfs_err *err)
{
	const char *const values[HELPER] = {
		[NAMESPACE] = t->ref.ns,
		[POD] = t->ref.pod,
		[CONTAINER] = t->ref.container,
		[UID] = t->pod_uid,
	};
	size_t n = 0, room = 0;
	char **env, *text;

	for (size_t i = 0; i < HELPER; i++) {
		if (!is_plain(values[i]))
			return podfs_err_set(
				err, -EINVAL,
				"no command is given the name %s",
				podfs_quote(values[i]).text);
		room += strlen(names[i].variable) + strlen(values[i]) + 2;
	}
	while (environ && environ[n])
		n++;
	/* the row, and behind it the text of what is added */
	env = malloc((n + HELPER + 1) * sizeof(*env) + room);
	if (!env)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	text = (char *)(env + n + HELPER + 1);
	n = 0;
	for (char **e = environ; e && *e; e++)
		if (!is_ours(*e))
			env[n++] = *e;
	for (size_t i = 0; i < HELPER; i++) {
		env[n++] = text;
		text += sprintf(text, "%s=%s", names[i].variable, values[i]) + 1;
	}
	env[n] = NULL;
	*ret = env;
	return 0;
}
