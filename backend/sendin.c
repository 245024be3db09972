#include "backend/sendin.h"

#include <stddef.h>

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

const char *const podfs_sendin_probe_argv[] = {
	"/bin/sh", "-c",
	FIND_DIR
	"if [ -x \"$d/podfs-helper\" ]; then echo podfs-have; "
	"else echo \"podfs-need $(uname -m)\"; fi",
	NULL
};
