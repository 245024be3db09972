/* The pod's node: what runs it, and whether it has the helper's image. */
#include "backend/doctor_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/url.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

/* openat2(2); helpers manage without, slower. */
#define KERNEL_MAJOR_MIN 5
#define KERNEL_MINOR_MIN 6

/* "busybox" is docker.io/library/busybox:latest to a container runtime. */
static void full_name(const char *image, char *ret, size_t size)
{
	const char *slash = strchr(image, '/');
	size_t first = slash ? (size_t)(slash - image) : 0;
	bool host = slash && (memchr(image, '.', first) ||
			      memchr(image, ':', first) ||
			      !strncmp(image, "localhost/", 10));
	const char *last = strrchr(image, '/');

	last = last ? last + 1 : image;
	snprintf(ret, size, "%s%s%s",
		 host  ? "" :
		 slash ? "docker.io/" :
			 "docker.io/library/",
		 image, strpbrk(last, ":@") ? "" : ":latest");
}

static bool node_has(const struct podfs_json *node, const char *full)
{
	const struct podfs_json *images = podfs_json_get_array(
		podfs_json_get(node, "status"), "images");

	podfs_json_each(image, images)
		podfs_json_each(name, podfs_json_get_array(image, "names"))
			if (podfs_json_string(name) &&
			    !strcmp(podfs_json_string(name), full))
				return true;
	return false;
}

static void check_image(struct doctor *d, const struct podfs_json *node)
{
	bool own = d->config->image_has_helper || !d->config->image;
	char full[600];

	full_name(d->image, full, sizeof(full));
	if (node && node_has(node, full))
		doctor_ok(d, "image", "%s is on the node", full);
	else if (own && !strchr(d->image, '/'))
		doctor_warn(d, "image",
			    "bring it there, or to a registry, with `podfs "
			    "image`; or mount --image busybox: any image with "
			    "sh and cat will do",
			    "%s %s: no registry has it by itself", full,
			    node ? "isn't among those that the node named "
			       "last, perhaps minutes ago" :
				   "may not be on the node, which can't be "
				   "looked at");
	else
		doctor_warn(d, "image",
			    "nothing, if the node may pull it: the first "
			    "access waits for that",
			    "%s %s", full,
			    node ? "isn't among those that the node named "
			       "last, perhaps minutes ago" :
				   "may not be on the node, which can't be "
				   "looked at");
}

/* ---- the node ------------------------------------------------------------------- */

static void check_arch(struct doctor *d, const struct podfs_json *info)
{
	const char *arch = podfs_json_get_text(info, "architecture");

	if (!*arch)
		arch = d->info.arch;
	if (!*arch)
		doctor_ok(d, "architecture", "the node's is unknown; the "
			  "helper comes for amd64 and arm64");
	else if (strcmp(arch, "amd64") != 0 && strcmp(arch, "arm64") != 0)
		doctor_fail(d, "architecture", "none: there is no helper for "
			    "it", "the node is %s", podfs_quote(arch).text);
	else
		doctor_ok(d, "architecture", "%s", arch);
}

static void check_runtime(struct doctor *d, const struct podfs_json *info)
{
	const char *class = podfs_json_get_text(podfs_json_get(d->pod, "spec"),
						"runtimeClassName");
	const char *version = podfs_json_get_text(info,
						  "containerRuntimeVersion");
	const char *end = strstr(d->info.target_id, "://");

	if (*class)
		doctor_warn(d, "runtime",
			    "try it: sandboxes such as Kata or gVisor may not "
			    "let one container see another's files",
			    "runtime class %s", podfs_quote(class).text);
	else if (*version)
		doctor_ok(d, "runtime", "%s", version);
	else
		doctor_ok(d, "runtime", "%.*s",
			  end ? (int)(end - d->info.target_id) : 7,
			  end ? d->info.target_id : "unknown");
}

static void check_kernel(struct doctor *d, const struct podfs_json *info)
{
	const char *version = podfs_json_get_text(info, "kernelVersion");
	int major = 0, minor = 0;

	if (sscanf(version, "%d.%d", &major, &minor) != 2)
		return;
	if (major < KERNEL_MAJOR_MIN ||
	    (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN))
		doctor_warn(d, "node-kernel", "it works, somewhat slower",
			    "%s has no openat2(2)", version);
	else
		doctor_ok(d, "node-kernel", "%s", version);
}

/* ---- pull secrets ------------------------------------------------------------------ */

static void check_secret(struct doctor *d, const char *name)
{
	PODFS_CLEANUP_FREE char *part = podfs_url_encode(name);
	PODFS_CLEANUP_FREE char *path = NULL;
	struct podfs_rest_request q = { .method = "GET",
					.metadata_only = true };
	struct doctor_answer a;

	if (!part || asprintf(&path, "/api/v1/namespaces/%s/secrets/%s",
			      d->ref.ns, part) < 0) {
		path = NULL;
		return;
	}
	q.path = path;
	if (doctor_ask(d, &q, &a))
		doctor_ok(d, "pull-secret", "%s is there",
			  podfs_quote(name).text);
	else if (a.http == 404)
		doctor_warn(d, "pull-secret",
			    "create it, or the kubelet pulls without it",
			    "the pod names imagePullSecrets %s, which doesn't "
			    "exist", podfs_quote(name).text);
	else
		doctor_ok(d, "pull-secret", "%s is named by the pod; whether "
			  "it exists can't be seen", podfs_quote(name).text);
	doctor_answer_done(&a);
}

void doctor_image(struct doctor *d)
{
	const struct podfs_json *spec = podfs_json_get(d->pod, "spec");
	const struct podfs_json *info;
	PODFS_CLEANUP_FREE char *name =
		podfs_url_encode(podfs_json_get_text(spec, "nodeName"));
	struct doctor_answer node = { .error = 0 };

	if (!name)
		return;
	/* few may look at nodes, and podfs asks for no such right */
	doctor_get(d, &node, "/api/v1/nodes/%s", name);
	info = podfs_json_get(podfs_json_get(node.json, "status"), "nodeInfo");
	check_arch(d, info);
	check_runtime(d, info);
	check_kernel(d, info);
	if (d->config->via == PODFS_VIA_EPHEMERAL) {
		check_image(d, node.json);
		podfs_json_each(s, podfs_json_get_array(spec,
							"imagePullSecrets"))
			check_secret(d, podfs_json_get_text(s, "name"));
	}
	doctor_answer_done(&node);
}
