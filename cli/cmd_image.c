/* podfs image: the helper's image, for a registry or straight onto a node. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/helper_blob.h"
#include "cli/oci.h"
#include "common/base/guard.h"

#define ARCHIVE_MAX (256u << 20)

static const char help[] =
	"podfs image [-o FILE] [--arch amd64|arm64|all]: writes the helper's image\n"
	"\n"
	"  -o, --output FILE  default: standard output\n"
	"  --arch ARCH        default: all\n"
	"  --name NAME        repository and tag (default: " CLI_IMAGE_DEFAULT ")\n"
	"\n"
	"The archive is an OCI layout that docker takes too:\n"
	"  podfs image -o h.tar && ctr -n k8s.io images import h.tar\n"
	"  podfs image | docker load\n"
	"  podfs image -o h.tar && skopeo copy oci-archive:h.tar docker://REPOSITORY\n"
	"Then: podfs mount --image REPOSITORY --image-has-helper\n"
	"Without any of it: podfs mount --image ANY, with sh and cat in it.\n"
	"Exit codes: 0 written, 1 it did not work, 2 wrong usage.\n";

struct request {
	const char *output;
	const char *arch;
	const char *name;
};

/* A file appears whole or not at all. */
static int write_out(const char *path, const struct podfs_buf *bytes)
{
	PODFS_CLEANUP_FREE char *fresh = NULL;
	FILE *f = stdout;
	bool ok;

	if (path) {
		if (asprintf(&fresh, "%s.new", path) < 0) {
			fresh = NULL;
			return cli_fail("out of memory");
		}
		f = fopen(fresh, "we");
		if (!f)
			return cli_fail("'%s': %m", fresh);
	} else if (isatty(STDOUT_FILENO)) {
		return cli_misused("image",
				   "an archive does not belong on a terminal: name a file with -o");
	}
	ok = fwrite(bytes->p, 1, bytes->len, f) == bytes->len &&
	     fflush(f) == 0;
	if (path)
		ok = fclose(f) == 0 && ok && rename(fresh, path) == 0;
	if (ok)
		return CLI_OK;
	cli_fail("'%s': %m", path ? path : "standard output");
	if (path)
		unlink(fresh);
	return CLI_FAILED;
}

/* This machine's first: it is what `docker load` takes. */
static size_t choose(const char *arch, const struct podfs_helper_blob **ret)
{
	const struct podfs_helper_blob *blobs;
	size_t n = helper_blobs(&blobs), found = 0;
	bool here_arm = false;
	struct utsname u;

	if (uname(&u) == 0)
		here_arm = !strcmp(u.machine, "aarch64");
	for (size_t i = 0; i < n; i++)
		if (!strcmp(arch, "all") || !strcmp(arch, blobs[i].arch))
			ret[found++] = &blobs[i];
	if (found == 2 && here_arm) {
		const struct podfs_helper_blob *first = ret[0];

		ret[0] = ret[1];
		ret[1] = first;
	}
	return found;
}

static int run(const struct request *q)
{
	const struct podfs_helper_blob *chosen[2];
	struct podfs_buf bytes = PODFS_BUF_INIT(ARCHIVE_MAX);
	PODFS_CLEANUP_FREE char *repository = strdup(q->name);
	size_t n = choose(q->arch, chosen);
	char *tag;
	int r;

	if (!repository)
		return cli_fail("out of memory");
	if (n == 0)
		return cli_misused("image", "no helper for '%s' in this build",
				   q->arch);
	if (strspn(q->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789._/:-") != strlen(q->name))
		return cli_misused("image", "--name '%s' is no image's name",
				   q->name);
	tag = strrchr(repository, ':');
	if (!tag || strchr(tag, '/') || !tag[1] || tag == repository)
		return cli_misused("image", "--name '%s': write it NAME:TAG",
				   q->name);
	*tag++ = '\0';
	r = oci_write(chosen, n, repository, tag, &bytes);
	if (r < 0)
		r = cli_fail("the image can't be made: %s", strerror(-r));
	else
		r = write_out(q->output, &bytes);
	podfs_buf_done(&bytes);
	return r;
}

int cli_image(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "arch", required_argument, NULL, 'a' },
		{ "name", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct request q = { .arch = "all", .name = CLI_IMAGE_DEFAULT };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			q.output = optarg;
			break;
		case 'a':
			q.arch = optarg;
			break;
		case 'n':
			q.name = optarg;
			break;
		case 'h':
			return cli_print(help);
		default:
			return cli_misused("image", "option '%s' %s",
					   argv[optind - 1],
					   c == ':' ? "needs a value" :
						      "is not known");
		}
	}
	if (optind < argc)
		return cli_misused("image", "argument '%s' is not known",
				   argv[optind]);
	return run(&q);
}
