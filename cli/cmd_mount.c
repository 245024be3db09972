/*
 * podfs mount: from the options to a mount that is served until it is
 * unmounted.
 *
 * Order of the way up: folder, fs, backend, mount, ready. Of the way down: the
 * name goes first, so that nobody new comes in; then the backend, which answers
 * whatever still waits; then the fs, which holds what those answers need.
 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/helper_blob.h"
#include "cli/log_sink.h"
#include "cli/mount_config.h"
#include "cli/mountpoint.h"
#include "cli/mounts.h"
#include "cli/notify.h"
#include "cli/paths.h"
#include "cli/runfile.h"
#include "cli/status_json.h"
#include "common/base/guard.h"
#include "fs/fs.h"

/* Seconds after which a way down that hangs is cut short: by then `podfs
 * umount` has taken the mount off and ended the connection itself. */
#define TEARDOWN_MAX 10

static const char help[] =
	"podfs mount [OPTION...] [MOUNTPOINT]: mounts the cluster (default: /k8s)\n"
	"\n"
	"  --context NAME        a context of the kubeconfig\n"
	"  --kubeconfig FILE     default: $KUBECONFIG, ~/.kube/config, in-cluster\n"
	"  -n, --namespace NAME  show only this one; may be repeated\n"
	"  --via ephemeral       the way into a container: a helper container is added\n"
	"                        to its pod (default)\n"
	"  --via exec            the helper is sent into the container itself, which\n"
	"                        needs sh in its image, and a folder that may be\n"
	"                        written and executed; nothing is added to the pod\n"
	"  --via 'COMMAND'       a helper serves COMMAND's standard input and output;\n"
	"                        see below\n"
	"  --static NAMESPACE/POD/CONTAINER  with such a command: this one name, and no\n"
	"                        cluster\n"
	"  --image IMAGE         image of the helper container, with sh and cat in it\n"
	"                        (default: " CLI_IMAGE_DEFAULT ", see podfs image)\n"
	"  --image-has-helper    IMAGE is one that podfs image wrote\n"
	"  --read-only           nothing can be changed through this mount\n"
	"  --read-only-namespace NAME  nor in this one; may be repeated\n"
	"  --audit FILE          log who changed what, as JSON lines; SIGHUP makes a\n"
	"                        new file; see docs/security.md\n"
	"  --user UID[:GID]      act as this user of the container, not as root\n"
	"  --timeout SECONDS     for one file operation (default: 30)\n"
	"  --data-timeout SECONDS  for one that reads, writes or copies (default: as\n"
	"                        --timeout)\n"
	"  --sync-timeout SECONDS  for fsync and close (default: four times --timeout)\n"
	"  --start-timeout SECONDS  until a helper container runs and answers\n"
	"  --max-rung RUNG       rights of the helper: full (default), baseline or\n"
	"                        restricted; see docs/access.md\n"
	"  --max-new-helpers N   helper containers added in a minute (default: 30)\n"
	"  --max-helpers-per-container N  that may have ended in one pod for one\n"
	"                        container: they stay in its object (default: 10)\n"
	"  --refuse NAME         this program sets off no helper container, as the\n"
	"                        known indexers; may be repeated\n"
	"  --attr-timeout SECONDS   how old names and attributes may be (default: 1)\n"
	"  --watch-timeout SECONDS  how long they are known in folders that the helper\n"
	"                           watches (default: 60; 0: it watches none)\n"
	"  --log-level LEVEL     error, warn, info (default) or debug\n"
	"  --log WHERE           stderr, syslog, journal or a file; default: syslog, or\n"
	"                        ~/.local/state/podfs/log\n"
	"  --log-file FILE       a file, whatever its name\n"
	"  --log-format FORMAT   text (default) or json: one object a line\n"
	"  --exclude PATTERN     NAMESPACE or NAMESPACE/POD that isn't shown, with *\n"
	"                        and ?; may be repeated\n"
	"  --config FILE         instead of /etc/podfs.conf and\n"
	"                        ~/.config/podfs/podfs.conf; see podfs.conf(5)\n"
	"  -f, --foreground      stay, and log to standard error\n"
	"  -o OPTION[,OPTION...] as mount(8): ro, allow_other, noexec, noatime, and\n"
	"                        every long option above as name=value\n"
	"\n"
	"--via 'COMMAND' runs COMMAND with sh -c for each container that someone\n"
	"looks into. It must hold {container}, and {namespace} and {pod} or {uid} (the\n"
	"pod's): they become \"$PODFS_CONTAINER\" and so on, so keep them out of '...'.\n"
	"{helper} is a shell to which podfs sends its helper; without it COMMAND itself\n"
	"runs a podfs-helper serve --inline. For example:\n"
	"  --via 'kubectl exec -i -n {namespace} {pod} -c {container} -- {helper}'\n"
	"  --via 'ssh node podfs-helper serve --inline --pod-uid {uid} \\\n"
	"             --container {container}'\n"
	"Without a cluster, one name only: --via 'COMMAND' --static\n"
	"NAMESPACE/POD/CONTAINER, say --via 'ssh host {helper}' --static a/host/root\n"
	"\n"
	"The mount is ready when the prompt returns. Also: mount -t fuse.podfs CONTEXT\n"
	"MOUNTPOINT. Exit codes: 0 mounted, 1 it did not work, 2 wrong usage.\n";

static _Atomic(struct podfs_fs *) serving;

/* The main thread's, which waits for it: one that was sent while the process
 * stood still may come to any other, and nobody would notice. */
static void on_signal(int nr)
{
	struct podfs_fs *fs = atomic_load(&serving);

	if (gettid() != getpid()) {
		tgkill(getpid(), getpid(), nr);
		return;
	}
	alarm(TEARDOWN_MAX);
	if (fs)
		podfs_fs_stop(fs);
}

/* The terminal went and the mount stays; or logs were rotated. */
static void on_hangup(int nr)
{
	struct podfs_fs *fs = atomic_load(&serving);

	if (fs)
		podfs_fs_reopen_audit(fs);
}

static void catch_signals(struct podfs_fs *fs)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct sigaction hangup = { .sa_handler = on_hangup,
				    .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	atomic_store(&serving, fs);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGHUP, &hangup, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

struct running {
	struct mountpoint at;
	struct status_source status;
	char *audit; /* absolute: the daemon leaves its folder */
	struct podfs_fs *fs;
	struct podfs_backend *backend;
};

static int way_up(struct running *run, struct mount_options *o,
		  struct podfs_err *err)
{
	struct podfs_fs_config fs = {
		.options = podfs_buf_str(&o->fs_options),
		.read_only = o->backend.read_only,
		.attr_timeout = o->attr_timeout,
		.entry_timeout = o->attr_timeout,
		.watch_timeout = o->watch_timeout,
		.refused = o->refused.p,
		.status = status_json_write,
		.metrics = status_metrics_write,
		.status_arg = &run->status,
	};
	int r;

	mountpoint_tidy();
	r = mountpoint_prepare(o->mountpoint, &run->at, err);
	if (r < 0)
		return r;
	fs.mountpoint = run->at.path;
	fs.audit = run->audit;
	run->status.mountpoint = run->at.path;
	run->status.config = &o->backend;
	o->backend.n_blobs = helper_blobs(&o->backend.blobs);
	r = podfs_fs_new(&fs, &run->fs, err);
	if (r < 0)
		return r;
	r = podfs_backend_start(&o->backend, podfs_fs_events(run->fs),
				&run->backend, err);
	if (r < 0)
		return r;
	run->status.backend = run->backend;
	run->status.fs = run->fs;
	/* before the mount: from its first moment there is someone to ask */
	r = runfile_write(run->at.path, run->at.mode);
	if (r < 0)
		podfs_warn("cli", "no run file for %s: %s; 'podfs umount' will end the connection without asking",
			   run->at.path, strerror(-r));
	catch_signals(run->fs);
	r = podfs_fs_mount(run->fs, run->backend, err);
	if (r < 0)
		return r;
	mountpoint_close(&run->at);
	return 0;
}

/* By now another podfs may have been mounted there, after an umount(8) of
 * ours: then name, run file and the folder below are its own. */
enum whose { NOBODYS, OURS, ANOTHERS };

static enum whose whose_is(const struct running *run)
{
	struct runfile file;

	if (!run->at.path || runfile_read(run->at.path, &file) != 0)
		return NOBODYS;
	return file.pid == getpid() ? OURS : ANOTHERS;
}

static void way_down(struct running *run)
{
	if (whose_is(run) == OURS && mounts_find(run->at.path, NULL) > 0)
		mounts_detach(run->at.path);
	atomic_store(&serving, NULL);
	podfs_backend_stop(run->backend);
	podfs_fs_free(run->fs);
	/* once more: to end may have taken seconds */
	if (whose_is(run) == ANOTHERS)
		run->at.closed = false;
	else if (run->at.path)
		runfile_remove(run->at.path, getpid());
	mountpoint_done(&run->at);
	free(run->audit);
}

/* While there is somebody to read it: an empty folder doesn't say why. */
static void warn_of_emptiness(const struct running *run)
{
	struct podfs_backend_info info = { .synced = false };

	podfs_backend_info(run->backend, &info);
	if (*info.denied)
		cli_fail("warning: %s: its folder stays closed; 'podfs doctor' tells which rights are missing",
			 info.denied);
	else if (*info.only)
		cli_fail("no right to list namespaces: only '%s', the context's, is shown; --namespace names others",
			 info.only);
	if (*info.missing)
		cli_fail("warning: there is no namespace '%s': its folder is empty until it has a pod",
			 info.missing);
}

static int serve(struct mount_options *o, int report)
{
	struct running run = { .at = MOUNTPOINT_INIT };
	struct podfs_err err = PODFS_ERR_INIT;
	int r;

	daemon_harden();
	daemon_keep_memory();
	r = path_fix_kubeconfig_env();
	if (r < 0)
		podfs_err_set(&err, r, "$KUBECONFIG: %s", strerror(-r));
	else
		r = log_sink_setup(&(struct log_sink){
					   .where = o->log,
					   .file = o->log_file,
					   .foreground = o->foreground,
					   .json = o->log_json,
					   .max = o->log_level },
				   &err);
	daemon_drop_capabilities();
	if (r == 0 && o->audit) {
		run.audit = path_absolute(o->audit);
		if (!run.audit)
			r = podfs_err_set(&err, -errno, "audit log '%s': %s",
					  o->audit, strerror(errno));
	}
	if (r == 0)
		r = way_up(&run, o, &err);
	if (r < 0) {
		way_down(&run);
		if (report < 0)
			return cli_fail("%s", err.text);
		daemon_failed(report, &err);
		return CLI_FAILED;
	}
	podfs_info("cli", "mounted at %s", run.at.path);
	notify_systemd("READY=1");
	if (report >= 0) {
		warn_of_emptiness(&run);
		if (chdir("/") < 0)
			podfs_debug("cli", "stays in its folder: %m");
		daemon_ready(report);
	}
	r = podfs_fs_run(run.fs);
	if (r < 0)
		podfs_error("cli", "%s: serving ended: %s", run.at.path,
			    strerror(-r));
	else
		podfs_info("cli", "%s: unmounted", run.at.path);
	way_down(&run);
	return r < 0 ? CLI_FAILED : CLI_OK;
}

static int mount_it(struct mount_options *o)
{
	int report = -1, code = CLI_OK, pid;

	if (o->foreground)
		return serve(o, -1);
	pid = daemon_fork(&report, &code);
	return pid == 0 ? serve(o, report) : code;
}

int cli_mount(int argc, char **argv)
{
	struct mount_options o;
	int r = mount_config_load(argc, argv, mount_options_add, &o);

	if (r == CLI_OK)
		r = o.help ? cli_print(help) : mount_it(&o);
	mount_options_done(&o);
	return r;
}

int cli_mount_helper(int argc, char **argv)
{
	struct mount_options o;
	int r = mount_config_load(argc, argv, mount_options_add_helper, &o);

	if (r == CLI_OK)
		r = mount_it(&o);
	mount_options_done(&o);
	return r;
}
