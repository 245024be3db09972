/* podfs rbac: the least rights that podfs works with. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

static const char help[] =
	"podfs rbac [--via exec]: prints the ClusterRole that podfs needs, for\n"
	"  podfs rbac | kubectl apply -f -\n"
	"Bind it to a user by a ClusterRoleBinding, or by a RoleBinding in each\n"
	"namespace that the user may see (then name them: mount --namespace).\n"
	"--via exec: without the right to add ephemeral containers, for users of\n"
	"mount --via exec.\n";

/* get on pods/exec is what a WebSocket upgrade is checked against, create what
 * newer servers ask for as well. No right here changes a pod's own containers,
 * reads a Secret or reaches a node. */
#define NAMES                                                                  \
	"# What podfs asks of the API server, and nothing else.\n"             \
	"apiVersion: rbac.authorization.k8s.io/v1\n"                           \
	"kind: ClusterRole\n"                                                  \
	"metadata: {name: podfs}\n"                                            \
	"rules:\n"                                                             \
	"# the names: /k8s/NAMESPACE/POD/CONTAINER\n"                          \
	"- {apiGroups: [\"\"], resources: [namespaces], verbs: [get, list, watch]}\n" \
	"- {apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}\n"
#define ADD                                                                    \
	"- {apiGroups: [\"\"], resources: [pods/ephemeralcontainers], verbs: [patch]}\n"
#define EXEC                                                                   \
	"- {apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}\n"

static const char role[] =
	NAMES
	"# the helper: added to a pod, then spoken to\n"
	ADD
	EXEC;
static const char role_exec[] =
	NAMES
	"# the helper: sent into the container, and spoken to\n"
	EXEC;

int cli_rbac(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "via", required_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool by_exec = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c == 'h')
			return cli_print(help);
		if (c == ':')
			return cli_misused("rbac", "option '%s' needs a value",
					   argv[optind - 1]);
		if (c != 'v')
			return cli_misused("rbac", "option '%s' is not known",
					   argv[optind - 1]);
		by_exec = !strcmp(optarg, "exec");
		if (!by_exec && strcmp(optarg, "ephemeral") != 0)
			return cli_misused("rbac",
					   "--via '%s': exec or ephemeral",
					   optarg);
	}
	if (optind < argc)
		return cli_misused("rbac", "argument '%s' is not known",
				   argv[optind]);
	return cli_print(by_exec ? role_exec : role);
}
