/* podfs rbac: the least rights that podfs works with. */
#include "cli/cli.h"

static const char help[] =
	"podfs rbac: prints the ClusterRole that podfs needs, for\n"
	"  podfs rbac | kubectl apply -f -\n"
	"Bind it to a user by a ClusterRoleBinding, or by a RoleBinding in each\n"
	"namespace that the user may see (then name them: mount --namespace).\n";

/* get on pods/exec is what a WebSocket upgrade is checked against, create what
 * newer servers ask for as well. No right here changes a pod's own containers,
 * reads a Secret or reaches a node. */
static const char role[] =
	"# What podfs asks of the API server, and nothing else.\n"
	"apiVersion: rbac.authorization.k8s.io/v1\n"
	"kind: ClusterRole\n"
	"metadata: {name: podfs}\n"
	"rules:\n"
	"# the names: /k8s/NAMESPACE/POD/CONTAINER\n"
	"- {apiGroups: [\"\"], resources: [namespaces], verbs: [get, list, watch]}\n"
	"- {apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}\n"
	"# the helper: added to a pod, then spoken to\n"
	"- {apiGroups: [\"\"], resources: [pods/ephemeralcontainers], verbs: [patch]}\n"
	"- {apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}\n";

int cli_rbac(int argc, char **argv)
{
	int done = cli_no_arguments(argc, argv, help);

	return done >= 0 ? done : cli_print(role);
}
