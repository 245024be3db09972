#include "backend/sendin.h"

#include <stddef.h>
#include <string.h>

/* Sets d to the folder, or ends. Root may "write" to what is read-only, but
 * -w asks access(2), which knows of that. */
#define FIND_DIR                                                               \
	"ok=; for x in $PODFS_DIRS; do "                                       \
	"if [ -d \"$x\" ] && [ -w \"$x\" ]; then "                             \
	"ok=1; d=${x%/}; break; fi; done; "                                    \
	"[ -n \"$ok\" ] || { "                                                 \
	"echo \"podfs: none of '$PODFS_DIRS' can be written to\" >&2; "        \
	"exit 78; }; "

/* It ends after ten minutes or more in which nobody came. No "$(" and no "$$"
 * here: the kubelet would take them for its own. */
const char podfs_sendin_park_script[] =
	FIND_DIR
	"n=; while [ ! -x \"$d/podfs-helper\" ]; do "
	"n=1$n; [ ${#n} -lt 3000 ] || exit 77; "
	"sleep 0.2 2>/dev/null || sleep 1 || exit 79; done; "
	"exec \"$d/podfs-helper\" park --socket \"$d/podfs-helper.sock\" \"$@\"";

const char podfs_sendin_put_script[] =
	FIND_DIR
	"t=\"$d/.podfs-helper.$$\"; "
	"if [ -n \"$1\" ]; then head -c \"$1\"; else cat; fi >\"$t\" && "
	"chmod 755 \"$t\" && mv \"$t\" \"$d/podfs-helper\" && "
	"echo podfs-sent";

const char *const podfs_serve_argv[] = { PODFS_HELPER_PATH, "serve", NULL };

const char *const podfs_sendin_serve_argv[] = {
	"/bin/sh", "-c",
	FIND_DIR
	"exec \"$d/podfs-helper\" serve --socket \"$d/podfs-helper.sock\"",
	NULL
};

const char podfs_sendin_run_script[] =
	FIND_DIR "exec \"$d/podfs-helper\" run \"$@\"";

const char *const podfs_sendin_probe_argv[] = {
	"/bin/sh", "-c",
	FIND_DIR
	"if [ -x \"$d/podfs-helper\" ]; then echo podfs-have; "
	"else echo \"podfs-need $(uname -m)\"; fi",
	NULL
};

/*
 * Where no folder will do, the helper runs from memory (memfd_create), which no
 * shell can have; perl or python can. They go on where the shell was: the
 * machine and what was tried are their arguments. 319 and 279 are the call's
 * numbers on x86_64 and aarch64.
 */
#define IN_PERL                                                                \
	"exec perl -e '"                                                       \
	"($m, $w) = @ARGV; $^F = 99; $| = 1; $s = \"podfs\"; "                 \
	"$d = syscall($m eq \"x86_64\" ? 319 : 279, $s, 0); "                  \
	"if ($d < 0) { print \"podfs-none $w, memory ($!)\\n\"; exit 71 } "     \
	"open(F, \">&=\", $d) or exit 72; "                                    \
	"sub line { my $l = \"\"; while (sysread(STDIN, my $c, 1)) { "         \
	"return $l if $c eq \"\\n\"; $l .= $c } exit 72 } "                    \
	"print \"podfs-need $m\\n\"; $n = line(); "                            \
	"while ($n > 0) { "                                                    \
	"$r = sysread(STDIN, $b, $n < 65536 ? $n : 65536) or exit 72; "        \
	"$r == syswrite(F, $b) or exit 72; $n -= $r } "                        \
	"print \"podfs-sent\\n\"; line() eq \"podfs-go\" or exit 72; "         \
	"exec { \"/proc/self/fd/$d\" } \"podfs-helper\", \"serve\", "          \
	"\"--inline\", \"--root\", \"/\"; exit 72' \"$(uname -m)\" \"${w#, }\"; "

#define IN_PYTHON                                                              \
	"exec python3 -c '"                                                    \
	"import os, sys; m, w = sys.argv[1:]; "                                \
	"sys.excepthook = lambda t, e, b: "                                    \
	"print(\"podfs-none %s, memory (%s)\" % (w, e)); "                     \
	"d = os.memfd_create(\"podfs\", 0); f = open(d, \"wb\", 0); "          \
	"i = open(0, \"rb\", 0); o = open(1, \"wb\", 0); "                     \
	"o.write((\"podfs-need %s\\n\" % m).encode()); n = int(i.readline()); " \
	"all(iter(lambda: f.tell() < n and "                                   \
	"f.write(i.read(min(n - f.tell(), 65536))), 0)); "                     \
	"f.tell() == n or sys.exit(72); o.write(b\"podfs-sent\\n\"); "         \
	"i.readline() == b\"podfs-go\\n\" or sys.exit(72); "                   \
	"os.execv(\"/proc/self/fd/%d\" % d, [\"podfs-helper\", \"serve\", "    \
	"\"--inline\", \"--root\", \"/\"])' \"$(uname -m)\" \"${w#, }\"; "

/*
 * What else is mounted, and may be written, is tried last: a read-only image
 * often has one volume. Not where a server answers: it may be away, and then
 * the shell would wait for ever. "." and noexec are found out by running an
 * empty file, which a shell takes for a script.
 *
 * Another user of the container may write to the same folder. So the file is in
 * a folder of our own, whose owner is looked at from inside: by then no rename
 * can lead elsewhere. The file is opened, removed, and run through the
 * descriptor, which leaves nothing behind whatever becomes of the stream.
 */
static const char inline_script[] =
	"trap '' PIPE; set -f; umask 077; f=; m=; w=; "
	"for x in mkdir rmdir chmod rm uname; do "
	"command -v $x >/dev/null 2>&1 || { echo \"podfs-lack $x\"; exit 70; }; "
	"done; "
	"if command -v head >/dev/null 2>&1; then take() { head -c \"$1\"; }; "
	"elif command -v dd >/dev/null 2>&1; then "
	"take() { dd bs=1 count=\"$1\" 2>/dev/null; }; "
	"else echo 'podfs-lack head'; exit 70; fi; "
	"[ -r /proc/mounts ] && while read -r a b c o e; do "
	"case $c:$o:$b in fuse*|nfs*|cifs*|smb*|ceph*|*\\\\*|*:/proc*|*:/sys*) ;; "
	"*:rw*) m=\"$m $b\";; esac; "
	"done </proc/mounts; "
	"for d in /dev/shm /tmp /var/tmp /run \"$PWD\" $m; do "
	"[ -d \"$d\" ] || continue; "
	"case \"$w,\" in *\" $d (\"*) continue;; esac; "
	"f=\"${d%/}/.podfs-$i\"; "
	"mkdir \"$f\" 2>/dev/null || { w=\"$w, $d (not writable)\"; f=; continue; }; "
	"if cd \"$f\" 2>/dev/null && [ -O . ]; then "
	"(: >h) && chmod 700 h && ./h </dev/null 2>/dev/null && break; "
	"rm -f h; fi; "
	"cd /; rmdir \"$f\"; w=\"$w, $d (noexec)\"; f=; "
	"done; "
	"if [ -z \"$f\" ]; then "
	"if command -v perl >/dev/null 2>&1; then " IN_PERL
	"elif command -v python3 >/dev/null 2>&1; then " IN_PYTHON
	"else echo \"podfs-none ${w#, }\"; exit 71; fi; fi; "
	"echo \"podfs-need $(uname -m)\"; "
	"read -r n && take \"$n\" >h && echo podfs-sent && "
	"read -r g && [ \"$g\" = podfs-go ] && g=yes; "
	"exec 9<h; rm -f h; cd /; rmdir \"$f\"; "
	"[ \"$g\" = yes ] || exit 72; "
	"exec /proc/self/fd/9 serve --inline --root /; ";

int podfs_sendin_inline(const char *id, struct podfs_buf *b)
{
	/* one command, so that the shell has read all of it before it runs */
	return podfs_buf_printf(b, "{ i=%s; %s}\n", id, inline_script);
}

const struct podfs_helper_blob *
podfs_sendin_blob(const struct podfs_helper_blob *blobs, size_t n_blobs,
		  const char *machine)
{
	const size_t n = strcspn(machine, " \r\n");
	const char *arch = "";

	if (n == 6 && strncmp(machine, "x86_64", n) == 0)
		arch = "amd64";
	else if (n == 7 && strncmp(machine, "aarch64", n) == 0)
		arch = "arm64";
	for (size_t i = 0; i < n_blobs; i++)
		if (strcmp(blobs[i].arch, arch) == 0)
			return &blobs[i];
	return NULL;
}
