/* What a pod's object says of its containers. */
#include <string.h>

#include "backend/debug_inner.h"
#include "common/base/guard.h"

#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"

const struct podfs_json *debug_by_name(const struct podfs_json *list,
				       const char *name)
{
	podfs_json_each(c, list)
		if (!strcmp(podfs_json_get_text(c, "name"), name))
			return c;
	return NULL;
}

const char *debug_default_container(const struct podfs_json *pod)
{
	const struct podfs_json *all = podfs_json_get_array(
		podfs_json_get(pod, "spec"), "containers");
	const char *named = podfs_json_get_text(
		podfs_json_get(podfs_json_get(pod, "metadata"), "annotations"),
		DEFAULT_CONTAINER);

	return debug_by_name(all, named) ?
		       named :
		       podfs_json_get_text(podfs_json_first(all), "name");
}

const struct podfs_json *debug_status_of(const struct podfs_json *pod,
					 const char *name)
{
	static const char *const lists[] = { "ephemeralContainerStatuses",
					     "containerStatuses",
					     "initContainerStatuses" };
	const struct podfs_json *status = podfs_json_get(pod, "status");
	const struct podfs_json *found = NULL;

	for (size_t i = 0; !found && i < PODFS_ARRAY_LEN(lists); i++)
		found = debug_by_name(podfs_json_get_array(status, lists[i]),
				      name);
	return found;
}
