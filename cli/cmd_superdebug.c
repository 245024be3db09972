/* podfs superdebug: adds a debug container, or finds one, and attaches to it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/superdebug.h"
#include "common/base/guard.h"

/* ---- streams ------------------------------------------------------------------ */

static int attach(struct podfs_debug *d, struct superdebug *s,
		  const struct podfs_ref *container)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_debug_end end;
	struct podfs_debug_io io;
	int r;

	superdebug_io(s, &io);
	r = podfs_debug_attach(d, container, &io, s->again, &end, &err);
	cli_terminal_end(&s->terminal);
	if (r < 0)
		return cli_fail("%s", err.text);
	s->left = end.left;
	if (end.left && !s->quiet)
		fprintf(stderr, "\npodfs: detached; %s -n %s -c %s %s\n",
			s->own_pod ? "kubectl attach -it" :
				     "podfs superdebug --reattach",
			container->ns, container->container, container->pod);
	return end.exit_code;
}

/* ---- the container ------------------------------------------------------------- */

static int wait_and_attach(struct podfs_debug *d, struct superdebug *s,
			   const struct podfs_ref *container, bool link)
{
	struct podfs_err err = PODFS_ERR_INIT;

	if (!s->attach)
		return CLI_OK;
	if (podfs_debug_wait(d, container, &err) < 0)
		return cli_fail("%s/%s: %s", container->ns, container->pod,
				err.text);
	if (link)
		podfs_debug_link(d, container);
	return attach(d, s, container);
}

static int debug_new(struct podfs_debug *d, struct superdebug *s,
		     const struct podfs_ref *pod)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_ref container;
	int r;

	s->own_pod = s->copy.name != NULL;
	r = s->copy.name ? podfs_debug_copy(d, pod, &s->want, &s->copy,
					    &container, &err) :
			   podfs_debug_add(d, pod, &s->want, &container, &err);
	if (r < 0)
		return cli_fail("%s/%s: %s", pod->ns, pod->pod, err.text);
	if (!s->want.name && !s->quiet)
		fprintf(stderr, "podfs: its name is %s\n", container.container);
	return wait_and_attach(d, s, &container, !s->copy.name);
}

/* A pod for the time that somebody is in it. */
static int debug_node(struct podfs_debug *d, struct superdebug *s,
		      const char *node)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_ref container;
	int r = podfs_debug_node(d, node, &s->want, &container, &err);

	s->own_pod = true;
	if (r < 0)
		return cli_fail("node %s: %s", node, err.text);
	if (!s->quiet)
		fprintf(stderr, "podfs: its pod is %s/%s\n", container.ns,
			container.pod);
	r = wait_and_attach(d, s, &container, false);
	if (s->attach && !s->left &&
	    podfs_debug_delete(d, &container, &err) < 0)
		cli_fail("pod %s/%s is left behind: %s", container.ns,
			 container.pod, err.text);
	return r;
}

/* "node/NAME": the name, or NULL. */
static const char *node_of(const char *what)
{
	static const char *const kinds[] = { "node/", "nodes/", "no/" };

	for (size_t i = 0; i < PODFS_ARRAY_LEN(kinds); i++)
		if (!strncmp(what, kinds[i], strlen(kinds[i])))
			return what + strlen(kinds[i]);
	return NULL;
}

static int debug_again(struct podfs_debug *d, struct superdebug *s,
		       const struct podfs_ref *pod)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_debug_found f;

	if (podfs_debug_newest(d, pod, s->container, &f, &err) < 0)
		return cli_fail("%s/%s: %s", pod->ns, pod->pod, err.text);
	/* as it was made; a terminal only where there is one */
	s->want.in = f.in;
	s->want.tty = f.tty;
	if (f.tty && !isatty(STDIN_FILENO))
		return cli_fail("container '%s' has a terminal, and standard "
				"input is none", f.ref.container);
	if (!s->quiet)
		fprintf(stderr, "podfs: attaching to %s\n", f.ref.container);
	return attach(d, s, &f.ref);
}

static int run(struct superdebug *s)
{
	struct podfs_err err = PODFS_ERR_INIT;
	struct podfs_debug *d = NULL;
	struct podfs_ref pod;
	const char *node = node_of(s->what);
	int r = podfs_debug_open(&s->config, &d, &err);

	if (r == 0 && !node)
		r = podfs_debug_find(d, s->what, &pod, &err);
	if (r < 0)
		r = cli_fail("%s", err.text);
	else if (node)
		r = debug_node(d, s, node);
	else
		r = s->again ? debug_again(d, s, &pod) :
			       debug_new(d, s, &pod);
	podfs_debug_close(d);
	return r;
}

/* Everything behind "--" is the command's, whatever it looks like. */
static const char *const *cut_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (!strcmp(argv[i], "--")) {
			*argc = i;
			return (const char *const *)argv + i + 1;
		}
	return NULL;
}

int cli_superdebug(int argc, char **argv)
{
	const char *const *command = cut_command(&argc, argv);
	struct superdebug s;
	int r;

	if (argc > 1 && !strcmp(argv[1], "ls"))
		return superdebug_ls(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return superdebug_exec(argc - 1, argv + 1, command);
	if (argc > 1 && !strcmp(argv[1], "cp"))
		return superdebug_cp();
	superdebug_init(&s);
	r = superdebug_parse(argc, argv, command, &s);

	if (r == CLI_OK) {
		superdebug_prepare(&s);
		r = run(&s);
	}
	superdebug_done(&s);
	return r < 0 ? CLI_OK : r;
}
