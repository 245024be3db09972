# For ./demo, ./test and tests/suites/*: build folders, steps that show that
# they live, runners whose results end up in one folder. Sourced by bash.
# shellcheck shell=bash

set -eu

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PODFS_BUILD=${PODFS_BUILD:-build}
case $PODFS_BUILD in
/*) ;;
*) PODFS_BUILD=$top/$PODFS_BUILD ;;
esac
export PODFS_BUILD

# A version manager's python may stand before the one that has Debian's pytest.
python=python3
"$python" -c 'import pytest, yaml, prometheus_client' 2>/dev/null || python=/usr/bin/python3

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# watch PID LABEL: waits for a child; whoever waits too sees the seconds.
watch() {
	local pid=$1 label=$2 start=$SECONDS beat=0 spin='|/-\' rc=0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		beat=$((beat + 1))
		if [ -t 1 ]; then
			printf '\r%s %s %ss ' "${spin:beat % 4:1}" "$label" \
				$((SECONDS - start))
		elif [ $((beat % 150)) = 10 ]; then # at 2 s, then each 30 s
			say "  $label ... $((SECONDS - start)) s"
		fi
	done
	wait "$pid" || rc=$?
	[ ! -t 1 ] || printf '\r\033[K'
	return "$rc"
}

# step LOG LABEL COMMAND...: runs it, its output goes to LOG.
step() {
	local log=$1 label=$2
	shift 2
	"$@" >"$log" 2>&1 </dev/null &
	watch $! "$label"
}

# configure DIR MESON-OPTION...: makes or keeps a build folder.
configure() {
	local dir=$1
	shift
	[ -f "$dir/build.ninja" ] || meson setup "$@" "$dir" "$top"
}

# build DIR MESON-OPTION...: suites that run beside each other share folders
build() {
	mkdir -p "$1"
	(
		flock 9
		configure "$@"
		ninja -C "$1"
	) 9>"$1/.lock"
}

# run_meson DIR SUITE [MESON-TEST-OPTION...]
run_meson() {
	local dir=$1 suite=$2 rc=0 log
	shift 2
	rm -f "$dir"/meson-logs/testlog*.json
	meson test -C "$dir" --no-rebuild --suite "$suite" \
		--print-errorlogs "$@" || rc=$?
	for log in "$dir"/meson-logs/testlog*.json; do
		[ ! -f "$log" ] || cp "$log" \
			"$PODFS_RESULTS/$(basename "$dir")-$suite-${log##*/}"
	done
	return "$rc"
}

# run_pytest NAME PATH-OR-OPTION...: what fails beside others is run again
run_pytest() {
	local name=$1 rc=0
	shift
	"$python" -m pytest -p no:cacheprovider -ra \
		-o junit_family=xunit2 --junitxml="$PODFS_RESULTS/$name.xml" "$@" ||
		rc=$?
	[ "$rc" != 1 ] ||
		! "$python" "$top/tests/again.py" "$top/tests" \
			"$PODFS_RESULTS/$name.xml" || rc=0
	return "$rc"
}

# has_pytest DIR: does it hold tests for pytest?
has_pytest() { compgen -G "$1/test_*.py" >/dev/null; }

need_fuse() {
	[ -c /dev/fuse ] || die "/dev/fuse is missing: load the fuse module, or" \
		"pass the device to this container"
	[ "$(id -u)" = 0 ] || die "needs root"
}
