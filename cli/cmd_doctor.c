/* podfs doctor: what stands in the way, before anything is touched. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "backend/doctor.h"
#include "cli/doctor_local.h"
#include "cli/mount_config.h"
#include "cli/target.h"
#include "common/base/guard.h"
#include "common/base/json_writer.h"

#define DOCUMENT_MAX (1u << 20)

static const char help[] =
	"podfs doctor [OPTION...] [NAMESPACE[/POD[/CONTAINER]]]: looks for what stands\n"
	"in the way of a mount, and touches nothing\n"
	"\n"
	"In place of the name also a path in a mount, say /k8s/db/postpod or ./postpod.\n"
	"\n"
	"  -o json       the findings as one JSON document\n"
	"  -n, --namespace NAME  then the name is POD[/CONTAINER]\n"
	"  OPTION        as of podfs mount: --context, --kubeconfig, --image, --via,\n"
	"                --max-rung and the others\n"
	"\n"
	"Looks at this machine (/dev/fuse, fusermount3), the kubeconfig, the way to the\n"
	"server, who you are there and each right that podfs needs. With a pod also:\n"
	"which rights a helper would have in it (by a dry run), its node, the helper's\n"
	"image and the helpers that are there. A line that says warn or fail is followed\n"
	"by what to do. Exit codes: 0 nothing fails, 1 something does, 2 wrong usage.\n";

static const char *const levels[] = { "ok", "warn", "fail" };

struct told {
	bool json;
	unsigned count[PODFS_ARRAY_LEN(levels)];
	struct podfs_json_writer out;
};

static void tell(void *arg, const struct podfs_finding *f)
{
	struct told *t = arg;
	struct podfs_json_writer *o = &t->out;

	t->count[f->level]++;
	if (!t->json) {
		printf("%-5s %-12s %s\n", levels[f->level], f->check, f->text);
		if (*f->fix)
			printf("%18s -> %s\n", "", f->fix);
		fflush(stdout); /* the next may wait for the network */
		return;
	}
	podfs_jw_put(o, o->first ? "{" : ",{");
	o->first = true;
	podfs_jw_text(o, "check", f->check);
	podfs_jw_text(o, "level", levels[f->level]);
	podfs_jw_text(o, "text", f->text);
	podfs_jw_text(o, "fix", f->fix);
	podfs_jw_put(o, "}");
}

/* Takes "-o json" out of @argv; what is left is mount's. -1 wrong usage. */
static int take_output(int *argc, char **argv, bool *ret_json)
{
	int n = 1;

	for (int i = 1; i < *argc; i++) {
		const char *format = NULL;

		if (!strcmp(argv[i], "-o") || !strcmp(argv[i], "--output"))
			format = i + 1 < *argc ? argv[++i] : "";
		else if (!strncmp(argv[i], "-o", 2))
			format = argv[i] + 2;
		else if (!strncmp(argv[i], "--output=", 9))
			format = argv[i] + 9;
		else
			argv[n++] = argv[i];
		if (format && strcmp(format, "json") != 0) {
			cli_misused("doctor", "-o '%s': json", format);
			return -1;
		}
		*ret_json |= format != NULL;
	}
	argv[*argc = n] = NULL;
	return 0;
}

static int conclude(struct told *t)
{
	bool bad = t->count[PODFS_FINDING_FAIL] > 0;

	if (!t->json) {
		printf("%u ok, %u warning%s, %u failed\n", t->count[0],
		       t->count[1], t->count[1] == 1 ? "" : "s", t->count[2]);
	} else {
		podfs_jw_put(&t->out, "]");
		podfs_jw_truth(&t->out, "ok", !bad);
		podfs_jw_put(&t->out, "}\n");
		if (t->out.bad)
			return cli_fail("out of memory");
		printf("%s", podfs_buf_str(&t->out.buf));
	}
	if (cli_print("") != CLI_OK)
		return CLI_FAILED;
	return bad ? CLI_FAILED : CLI_OK;
}

static int examine(struct mount_options *o, const struct podfs_ref *ref,
		   const char *said, bool json)
{
	struct told t = { .json = json,
			  .out = PODFS_JSON_WRITER_INIT(DOCUMENT_MAX) };
	int r;

	podfs_jw_put(&t.out, "{");
	podfs_jw_text(&t.out, "target", said);
	podfs_jw_key(&t.out, "checks");
	podfs_jw_put(&t.out, "[");
	t.out.first = true;
	doctor_local(tell, &t);
	podfs_doctor(&o->backend, ref, tell, &t);
	r = conclude(&t);
	podfs_buf_done(&t.out.buf);
	return r;
}

static int examine_named(struct mount_options *o, bool json)
{
	const char *said = o->point_given ? o->mountpoint : "";
	const char *ns = o->namespaces_given && o->namespaces.n == 1 ?
				 o->namespaces.p[0] :
				 NULL;
	struct target target = { .mountpoint = NULL };
	int r = CLI_OK;

	if (o->point_given)
		r = target_parse("doctor", ns, said, &target);
	if (r == CLI_OK)
		r = target_cluster(&target, &o->backend);
	target.ref.kind = PODFS_CONTAINER;
	if (r == CLI_OK)
		r = examine(o, &target.ref, said, json);
	target_done(&target);
	return r;
}

int cli_doctor(int argc, char **argv)
{
	struct mount_options o;
	bool json = false;
	int r;

	if (take_output(&argc, argv, &json) < 0)
		return CLI_USAGE;
	r = mount_config_load(argc, argv, mount_options_add, &o);
	/* the doctor says what is wrong; the log would say it again */
	podfs_log_setup(NULL, PODFS_LOG_ERROR);
	if (r == CLI_OK)
		r = o.help ? cli_print(help) : examine_named(&o, json);
	mount_options_done(&o);
	return r;
}
