/* podfs completion: what a shell completes podfs with. The words come from the
 * program's own --help and from the mount, whose names touch no pod. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"podfs completion bash|zsh|fish: prints the shell's completion of podfs\n"
	"\n"
	"  bash: source <(podfs completion bash)\n"
	"  zsh:  source <(podfs completion zsh)\n"
	"  fish: podfs completion fish | source\n"
	"\n"
	"Namespaces and pods are completed where a cluster is mounted, contexts where\n"
	"there is kubectl. Exit codes: 0 printed, 2 wrong usage.\n";

static const char bash[] =
	"_podfs_options() {\n"
	"	podfs \"$1\" --help 2>/dev/null |\n"
	"		sed -nE \"/^  -/{s/^  //; s/(  |').*//; p}\" |\n"
	"		grep -oE -- '--[a-z][a-z-]*' | sort -u\n"
	"}\n"
	"_podfs_mounts() { awk '/ - fuse.podfs / {print $5}' /proc/self/mountinfo; }\n"
	"# NAMESPACE, NAMESPACE/POD and so on, down to $2 slashes\n"
	"_podfs_names() {\n"
	"	local mount part=${1%\"${1##*/}\"}\n"
	"	[ \"$(tr -dc / <<<\"$1\" | wc -c)\" -le \"$2\" ] || return 0\n"
	"	for mount in $(_podfs_mounts); do\n"
	"		# one that hangs is left out\n"
	"		timeout -s KILL 2 ls -1 -- \"$mount/$part\" 2>/dev/null |\n"
	"			sed \"s|^|$part|\"\n"
	"	done\n"
	"}\n"
	"_podfs() {\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	"	local command=${COMP_WORDS[1]} words=\n"
	"	case $COMP_CWORD,$prev in\n"
	"	1,*) words=$(podfs --help | sed -n 's/^  podfs \\([a-z]*\\) .*/\\1/p') ;;\n"
	"	*,--context)\n"
	"		words=$(kubectl config get-contexts -o name 2>/dev/null) ;;\n"
	"	*,--namespace | *,-n) words=$(_podfs_names \"$cur\" 0) ;;\n"
	"	*,--max-rung) words='full baseline restricted' ;;\n"
	"	*,--via) words='ephemeral exec' ;;\n"
	"	*,--log-level) words='error warn info debug' ;;\n"
	"	*,--log-format) words='text json' ;;\n"
	"	*,--kubeconfig | *,--config | *,--log-file | *,--audit)\n"
	"		mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"		return ;;\n"
	"	*)\n"
	"		case $command,$cur in\n"
	"		*,-*) words=$(_podfs_options \"$command\") ;;\n"
	"		status,* | umount,*) words=$(_podfs_mounts) ;;\n"
	"		completion,*) words='bash zsh fish' ;;\n"
	"		doctor,* | release,*) words=$(_podfs_names \"$cur\" 2) ;;\n"
	"		mount,*)\n"
	"			mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
	"			return ;;\n"
	"		esac ;;\n"
	"	esac\n"
	"	mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"}\n"
	"complete -F _podfs podfs\n";

/* bash's, by zsh's own bridge to it; mapfile is the one word it lacks. */
static const char zsh[] =
	"#compdef podfs\n"
	"(( $+functions[compdef] )) || { autoload -U +X compinit && compinit; }\n"
	"autoload -U +X bashcompinit && bashcompinit\n"
	"mapfile() { local line; COMPREPLY=(); while IFS= read -r line; do\n"
	"	COMPREPLY+=(\"$line\"); done; }\n";
/* In a folder of $fpath the whole of it is zsh's first call. */
static const char zsh_end[] =
	"[[ ${funcstack[1]} != _podfs ]] || _bash_complete -F _podfs\n";

static const char fish[] =
	"function __podfs_commands\n"
	"	podfs --help | string replace -rf '^  podfs ([a-z]+) .*  ([^ ].*)$' '$1\\t$2'\n"
	"end\n"
	"function __podfs_options\n"
	"	string match -q -- '-*' (commandline -ct); or return\n"
	"	set -l words (commandline -opc)\n"
	"	podfs $words[2] --help 2>/dev/null |\n"
	"		string match -r '^  -.*' |\n"
	"		string replace -r \"(?<=\\S) ?(  |').*\" '' |\n"
	"		string match -arg -- '(--[a-z][a-z-]*)' | sort -u\n"
	"end\n"
	"function __podfs_mounts\n"
	"	awk '/ - fuse.podfs / {print $5}' /proc/self/mountinfo\n"
	"end\n"
	"# NAMESPACE, NAMESPACE/POD and so on, as far as the word goes\n"
	"function __podfs_names\n"
	"	set -l part (string replace -r '[^/]*$' '' -- (commandline -ct))\n"
	"	for mount in (__podfs_mounts)\n"
	"		# one that hangs is left out\n"
	"		for name in (timeout -s KILL 2 ls -1 -- $mount/$part 2>/dev/null)\n"
	"			echo $part$name\n"
	"		end\n"
	"	end\n"
	"end\n"
	"function __podfs_in\n"
	"	set -l words (commandline -opc)\n"
	"	test (count $words) -gt 1; and contains -- $words[2] $argv\n"
	"end\n"
	"complete -c podfs -f\n"
	"complete -c podfs -n __fish_use_subcommand -a '(__podfs_commands)'\n"
	"complete -c podfs -n 'not __fish_use_subcommand' -a '(__podfs_options)'\n"
	"complete -c podfs -n '__podfs_in doctor release' -a '(__podfs_names)'\n"
	"complete -c podfs -n '__podfs_in status umount' -a '(__podfs_mounts)'\n"
	"complete -c podfs -n '__podfs_in completion' -a 'bash zsh fish'\n"
	"complete -c podfs -n '__podfs_in mount' -a '(__fish_complete_directories (commandline -ct))'\n"
	"complete -c podfs -s n -l namespace -x -a '(__podfs_names)'\n"
	"complete -c podfs -l max-rung -x -a 'full baseline restricted'\n"
	"complete -c podfs -l via -x -a 'ephemeral exec'\n"
	"complete -c podfs -l log-level -x -a 'error warn info debug'\n"
	"complete -c podfs -l log-format -x -a 'text json'\n"
	"complete -c podfs -l context -x -a '(kubectl config get-contexts -o name 2>/dev/null)'\n"
	"for name in kubeconfig config log-file audit\n"
	"	complete -c podfs -l $name -r -F\n"
	"end\n";

int cli_completion(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return cli_print(help);
	if (argc != 2)
		return cli_misused("completion", "say which shell: bash, zsh "
				   "or fish");
	if (!strcmp(argv[1], "bash"))
		return cli_print(bash);
	if (!strcmp(argv[1], "zsh")) {
		fputs(zsh, stdout);
		fputs(bash, stdout);
		return cli_print(zsh_end);
	}
	if (!strcmp(argv[1], "fish"))
		return cli_print(fish);
	return cli_misused("completion", "there is none for '%s'", argv[1]);
}
