/* The helper's binaries; helper_blob.S brings the bytes. */
#include "cli/helper_blob.h"

#include <string.h>

#include "common/base/guard.h"

#define DECLARE(name)                                                          \
	extern const uint8_t podfs_blob_##name[];                              \
	extern const uint8_t podfs_blob_##name##_end[]

#ifdef PODFS_HELPER_AMD64
DECLARE(amd64);
#endif
#ifdef PODFS_HELPER_ARM64
DECLARE(arm64);
#endif

size_t helper_blobs(const struct podfs_helper_blob **ret)
{
	/* two: the ends are known to the linker only, so no initialiser */
	static struct podfs_helper_blob blobs[2];
	size_t n = 0;

#ifdef PODFS_HELPER_AMD64
	blobs[n++] = (struct podfs_helper_blob){
		"amd64", podfs_blob_amd64,
		(size_t)(podfs_blob_amd64_end - podfs_blob_amd64)
	};
#endif
#ifdef PODFS_HELPER_ARM64
	blobs[n++] = (struct podfs_helper_blob){
		"arm64", podfs_blob_arm64,
		(size_t)(podfs_blob_arm64_end - podfs_blob_arm64)
	};
#endif
	*ret = blobs;
	return n;
}

const struct podfs_helper_blob *helper_blob_find(const char *arch)
{
	const struct podfs_helper_blob *blobs;
	size_t n = helper_blobs(&blobs);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(blobs[i].arch, arch))
			return &blobs[i];
	return NULL;
}
