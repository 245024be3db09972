/* podfs rbac: the least rights that podfs works with. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/quote.h"

static const char help[] =
	"podfs rbac [OPTION...]: prints the rights that podfs needs, for\n"
	"  podfs rbac | kubectl apply -f -\n"
	"A ClusterRole. Bind it to a user by a ClusterRoleBinding.\n\n"
	"  -n, --namespace NAME  a Role in this namespace instead, to be bound by\n"
	"                        a RoleBinding; may be repeated. Its user names\n"
	"                        the namespaces (mount --namespace), or sees the\n"
	"                        one of his kubeconfig's context\n"
	"  --via exec            without the right to add ephemeral containers,\n"
	"                        for users of mount --via exec\n";

#define HEAD                                                                   \
	"# What podfs asks of the API server, and nothing else.\n"             \
	"apiVersion: rbac.authorization.k8s.io/v1\n"

static const char cluster_role[] =
	HEAD
	"kind: ClusterRole\n"
	"metadata: {name: podfs}\n"
	"rules:\n"
	"# the names: /k8s/NAMESPACE/POD/CONTAINER\n"
	"- {apiGroups: [\"\"], resources: [namespaces], verbs: [list, watch]}\n";
static const char role[] =
	HEAD
	"kind: Role\n"
	"metadata: {name: podfs, namespace: %s}\n"
	"rules:\n"
	"# the names: /k8s/NAMESPACE/POD/CONTAINER\n";
static const char pods[] =
	"- {apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}\n";
static const char add[] =
	"# the helper: added to a pod, then spoken to\n"
	"- {apiGroups: [\"\"], resources: [pods/ephemeralcontainers], verbs: [patch]}\n";
/* get is what a WebSocket upgrade is checked against, create what newer servers
 * ask for as well. No right here changes a pod's own containers, reads a Secret
 * or reaches a node. */
static const char use[] =
	"- {apiGroups: [\"\"], resources: [pods/exec], verbs: [get, create]}\n";

#define NAMESPACES_MAX 64

struct rbac {
	bool by_exec;
	const char *namespaces[NAMESPACES_MAX];
	size_t count;
};

/* A label of RFC 1123, and so nothing that YAML reads otherwise when quoted. */
static bool is_namespace(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 63 && s[n] == '\0' && s[0] != '-' &&
	       s[n - 1] != '-';
}

static int parse(int argc, char **argv, struct rbac *ret)
{
	static const struct option longs[] = {
		{ "via", required_argument, NULL, 'v' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hn:", longs, NULL)) != -1) {
		switch (c) {
		case 'h':
			return cli_print(help);
		case 'n':
			if (!is_namespace(optarg) ||
			    ret->count == NAMESPACES_MAX)
				return cli_misused(
					"rbac", "--namespace %s: no namespace",
					podfs_quote(optarg).text);
			ret->namespaces[ret->count++] = optarg;
			break;
		case 'v':
			ret->by_exec = !strcmp(optarg, "exec");
			if (!ret->by_exec && strcmp(optarg, "ephemeral") != 0)
				return cli_misused(
					"rbac", "--via '%s': exec or ephemeral",
					optarg);
			break;
		case ':':
			return cli_misused("rbac", "option '%s' needs a value",
					   argv[optind - 1]);
		default:
			return cli_misused("rbac", "option '%s' is not known",
					   argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cli_misused("rbac", "argument '%s' is not known",
				   argv[optind]);
	return -1;
}

static void print_rules(const struct rbac *r)
{
	printf("%s%s%s", pods, r->by_exec ? "" : add, use);
}

int cli_rbac(int argc, char **argv)
{
	struct rbac r = { .by_exec = false };
	int code = parse(argc, argv, &r);

	if (code >= 0)
		return code;
	if (r.count == 0) {
		fputs(cluster_role, stdout);
		print_rules(&r);
	}
	for (size_t i = 0; i < r.count; i++) {
		char name[80];

		snprintf(name, sizeof(name), "\"%s\"", r.namespaces[i]);
		printf("%s", i > 0 ? "---\n" : "");
		printf(role, name);
		print_rules(&r);
	}
	return cli_print("");
}
