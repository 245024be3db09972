/* The helper's image as one archive; see oci.h. OCI image-spec 1.1. */
#include "cli/oci.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/digest.h"
#include "cli/tar.h"

#define BLOB_MAX (64u << 20)

#define TYPE_INDEX "application/vnd.oci.image.index.v1+json"
#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

struct blob {
	char hex[DIGEST_HEX + 1];
	size_t len;
};

/* One architecture's part. */
struct part {
	const char *arch;
	struct blob layer, config, manifest;
};

static int add_blob(struct podfs_buf *to, const void *p, size_t len,
		    struct blob *ret)
{
	char name[sizeof("blobs/sha256/") + DIGEST_HEX];
	int r = digest_sha256(p, len, ret->hex);

	if (r < 0)
		return r;
	ret->len = len;
	snprintf(name, sizeof(name), "blobs/sha256/%s", ret->hex);
	return tar_add_file(to, name, 0644, p, len);
}

static int add_text(struct podfs_buf *to, struct podfs_buf *text,
		    struct blob *ret)
{
	return add_blob(to, podfs_buf_str(text), text->len, ret);
}

/*
 * FROM scratch: the helper, and an empty folder for its socket that any uid
 * may use: in an image without one a helper that is not root could make none.
 */
static int layer(const struct podfs_helper_blob *helper, struct podfs_buf *ret)
{
	int r = tar_add_file(ret, "podfs-helper", 0755, helper->p, helper->len);

	if (r == 0)
		r = tar_add_folder(ret, "run/", 0755);
	if (r == 0)
		r = tar_add_folder(ret, "run/podfs/", 01777);
	if (r == 0)
		r = tar_end(ret);
	return r;
}

static int config(const struct part *p, struct podfs_buf *ret)
{
	return podfs_buf_printf(ret,
		"{\"created\":\"1970-01-01T00:00:00Z\",\"architecture\":\"%s\","
		"\"os\":\"linux\",\"config\":{\"User\":\"" OCI_USER "\","
		"\"Env\":[\"PATH=/\"],\"Entrypoint\":[\"/podfs-helper\"],"
		"\"Cmd\":[\"park\"],\"WorkingDir\":\"/\"},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]},"
		"\"history\":[{\"created\":\"1970-01-01T00:00:00Z\","
		"\"created_by\":\"podfs image\"}]}",
		p->arch, p->layer.hex);
}

static int manifest(const struct part *p, struct podfs_buf *ret)
{
	return podfs_buf_printf(ret,
		"{\"schemaVersion\":2,\"mediaType\":\"" TYPE_MANIFEST "\","
		"\"config\":{\"mediaType\":\"" TYPE_CONFIG "\","
		"\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[{"
		"\"mediaType\":\"" TYPE_LAYER "\",\"digest\":\"sha256:%s\","
		"\"size\":%zu}]}",
		p->config.hex, p->config.len, p->layer.hex, p->layer.len);
}

static int add_part(struct podfs_buf *to,
		    const struct podfs_helper_blob *helper, struct part *ret)
{
	struct podfs_buf bytes = PODFS_BUF_INIT(BLOB_MAX);
	struct podfs_buf text = PODFS_BUF_INIT(4096);
	int r;

	ret->arch = helper->arch;
	r = layer(helper, &bytes);
	if (r == 0)
		r = add_blob(to, bytes.p, bytes.len, &ret->layer);
	if (r == 0)
		r = config(ret, &text);
	if (r == 0)
		r = add_text(to, &text, &ret->config);
	podfs_buf_consume(&text, text.len);
	if (r == 0)
		r = manifest(ret, &text);
	if (r == 0)
		r = add_text(to, &text, &ret->manifest);
	podfs_buf_done(&bytes);
	podfs_buf_done(&text);
	return r;
}

/* The image's own index: a manifest for each architecture. */
static int add_index(struct podfs_buf *to, const struct part *parts, size_t n,
		     struct blob *ret)
{
	struct podfs_buf text = PODFS_BUF_INIT(8192);
	int r = podfs_buf_printf(&text,
		"{\"schemaVersion\":2,\"mediaType\":\"" TYPE_INDEX "\","
		"\"manifests\":[");

	for (size_t i = 0; r == 0 && i < n; i++)
		r = podfs_buf_printf(&text,
			"%s{\"mediaType\":\"" TYPE_MANIFEST "\","
			"\"digest\":\"sha256:%s\",\"size\":%zu,\"platform\":"
			"{\"architecture\":\"%s\",\"os\":\"linux\"}}",
			i ? "," : "", parts[i].manifest.hex,
			parts[i].manifest.len, parts[i].arch);
	if (r == 0)
		r = podfs_buf_add_str(&text, "]}");
	if (r == 0)
		r = add_text(to, &text, ret);
	podfs_buf_done(&text);
	return r;
}

/* What importers look for first: each reads one of the three. */
static int add_entry_points(struct podfs_buf *to, const struct blob *index,
			    const struct part *first, const char *repository,
			    const char *tag)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct podfs_buf text = PODFS_BUF_INIT(4096);
	int r = tar_add_file(to, "oci-layout", 0644, layout,
			     sizeof(layout) - 1);

	if (r == 0)
		r = podfs_buf_printf(&text,
			"{\"schemaVersion\":2,\"mediaType\":\"" TYPE_INDEX "\","
			"\"manifests\":[{\"mediaType\":\"" TYPE_INDEX "\","
			"\"digest\":\"sha256:%s\",\"size\":%zu,\"annotations\":{"
			"\"io.containerd.image.name\":"
			"\"docker.io/library/%s:%s\","
			"\"org.opencontainers.image.ref.name\":\"%s\"}}]}",
			index->hex, index->len, repository, tag, tag);
	if (r == 0)
		r = tar_add_file(to, "index.json", 0644, podfs_buf_str(&text),
				 text.len);
	podfs_buf_consume(&text, text.len);
	if (r == 0)
		r = podfs_buf_printf(&text,
			"[{\"Config\":\"blobs/sha256/%s\","
			"\"RepoTags\":[\"%s:%s\"],"
			"\"Layers\":[\"blobs/sha256/%s\"]}]",
			first->config.hex, repository, tag, first->layer.hex);
	if (r == 0)
		r = tar_add_file(to, "manifest.json", 0644,
				 podfs_buf_str(&text), text.len);
	podfs_buf_done(&text);
	return r;
}

int oci_write(const struct podfs_helper_blob *const *blobs, size_t n,
	      const char *repository, const char *tag, struct podfs_buf *ret)
{
	struct part parts[4] = { 0 };
	struct blob index;
	int r = 0;

	if (n < 1 || n > sizeof(parts) / sizeof(parts[0]))
		return -EINVAL;
	r = tar_add_folder(ret, "blobs/", 0755);
	if (r == 0)
		r = tar_add_folder(ret, "blobs/sha256/", 0755);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_part(ret, blobs[i], &parts[i]);
	if (r == 0)
		r = add_index(ret, parts, n, &index);
	if (r == 0)
		r = add_entry_points(ret, &index, &parts[0], repository, tag);
	return r == 0 ? tar_end(ret) : r;
}
