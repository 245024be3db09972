/*
 * Inside of kubeconfig: the files, their merged tables, and the readers of
 * fields. Nothing of it outlives podfs_kubeconfig_load().
 */
#ifndef PODFS_BACKEND_KUBECONFIG_INNER_H
#define PODFS_BACKEND_KUBECONFIG_INNER_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/kubeconfig.h"
#include "backend/yaml.h"

#define KC_FILES_MAX 256
#define KC_LIST_MAX 10000 /* strings in one list of the chosen user */

struct kc_file {
	struct podfs_yaml *doc;
	char *dir; /* absolute: what its relative paths are relative to */
};

/* One of "clusters", "users", "contexts". */
struct kc_entry {
	const char *name;
	size_t file;
	const struct podfs_yaml_node *item; /* {name, cluster|user|context} */
	const struct podfs_yaml_node *body; /* NULL where it is missing */
};

struct kc_table {
	struct kc_entry *v; /* by name; of equal names the first file's counts */
	size_t n;
};

struct kc_config {
	struct kc_file *files;
	size_t n_files;
	struct kc_table clusters, users, contexts;
	const struct podfs_yaml_node *current; /* current-context, or NULL */
	char *looked; /* where there was something or nothing, for errors */
};

/* kubeconfig_files.c. @path as in podfs_kubeconfig_load(). Files that need not
 * exist and don't are left out. */
int kc_config_load(struct kc_config *c, const char *path,
		   struct podfs_err *err);
void kc_config_done(struct kc_config *c);

/* kubeconfig_table.c. Adds one file's entries; kc_table_sort() comes once,
 * after the last file. */
int kc_table_add(struct kc_table *t, const struct kc_config *c, size_t file,
		 const char *list, const char *body, struct podfs_err *err);
int kc_table_sort(struct kc_table *t, const char *list, struct podfs_err *err);
const struct kc_entry *kc_table_find(const struct kc_table *t,
				     const char *name);

/*
 * kubeconfig_field.c. All: 0, or -EINVAL with FILE:LINE and the field's name,
 * or -ENOMEM. Absent, null and empty are the same and leave *@ret as it was.
 * Values are never in the error's text: they may be secrets.
 */
int kc_text(const struct podfs_yaml_node *map, const char *key, char **ret,
	    struct podfs_err *err);
int kc_path(const struct podfs_yaml_node *map, const char *key,
	    const char *dir, char **ret, struct podfs_err *err);
int kc_bool(const struct podfs_yaml_node *map, const char *key, bool *ret,
	    struct podfs_err *err);
/* Base64 of a text. */
int kc_data(const struct podfs_yaml_node *map, const char *key, char **ret,
	    struct podfs_err *err);
int kc_texts(const struct podfs_yaml_node *map, const char *key, char ***ret,
	     struct podfs_err *err);
/* A list that is itself the value, as in as-user-extra. */
int kc_list(const struct podfs_yaml_node *list, const char *name, char ***ret,
	    struct podfs_err *err);
/* The node, which must be a map or absent; and a list or absent. */
int kc_map(const struct podfs_yaml_node *map, const char *key,
	   const struct podfs_yaml_node **ret, struct podfs_err *err);
int kc_sub_list(const struct podfs_yaml_node *map, const char *key,
		const struct podfs_yaml_node **ret, struct podfs_err *err);
/* What goes into an HTTP header holds no control characters. */
int kc_check_header(const struct podfs_yaml_node *at, const char *field,
		    const char *value, struct podfs_err *err);
/* That the file can be opened for reading. @path may be NULL. */
int kc_check_file(const struct podfs_yaml_node *map, const char *key,
		  const char *path, struct podfs_err *err);
/* Where a sentence about @key is to point: its value, or the map. */
const struct podfs_yaml_node *kc_at(const struct podfs_yaml_node *map,
				    const char *key);

/* kubeconfig_cluster.c, kubeconfig_user.c, kubeconfig_exec.c: fill their part
 * of @k and check it. @e->body is not NULL. */
int kc_cluster(const struct kc_config *c, const struct kc_entry *e,
	       struct podfs_kubeconfig *k, struct podfs_err *err);
/* After the user is known: a server without scheme may be https by it. */
int kc_server(const struct kc_entry *e, struct podfs_kubeconfig *k,
	      struct podfs_err *err);
int kc_user(const struct kc_config *c, const struct kc_entry *e,
	    const struct kc_entry *cluster, struct podfs_kubeconfig *k,
	    struct podfs_err *err);
int kc_exec(const struct kc_config *c, const struct kc_entry *e,
	    const struct podfs_yaml_node *exec,
	    const struct kc_entry *cluster, struct podfs_kubeconfig *k,
	    struct podfs_err *err);
void kc_exec_free(struct podfs_exec_plugin *p);

/* kubeconfig.c. What only goes over TLS: client-go doesn't even read it where
 * the server is plain http. Impersonation stays, as there. */
void kc_drop_credentials(struct podfs_kubeconfig *k);

/* kubeconfig_incluster.c: from the pod that podfs itself runs in. */
bool kc_in_cluster_possible(void);
int kc_in_cluster(struct podfs_kubeconfig *k, struct podfs_err *err);
/* The service account's folder; tests point it elsewhere. */
extern const char *kc_in_cluster_dir;

#endif
