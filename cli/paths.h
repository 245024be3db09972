/* Paths that must still mean the same after the daemon left its folder. */
#ifndef PODFS_CLI_PATHS_H
#define PODFS_CLI_PATHS_H

/* @path as an absolute one, not resolved further. Caller frees; NULL: errno. */
char *path_absolute(const char *path);

/*
 * @path without links, as the kernel names what is mounted there; its last
 * component need not exist. That one is asked nothing else than where it leads:
 * a mounted daemon would be asked, which may not answer. Caller frees; NULL with
 * errno.
 */
char *path_beside_mount(const char *path);

/* Each element of $KUBECONFIG made absolute. 0 or -errno. */
int path_fix_kubeconfig_env(void);

/* mkdir -p, folders with mode 0755. 0 or -errno. */
int path_mkdirs(const char *path);

#endif
