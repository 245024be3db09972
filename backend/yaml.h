/*
 * YAML as the kubeconfig needs it: a bounded tree with line numbers.
 *
 * The first document of a text counts, as for kubectl. Of equal keys the last
 * counts. Plain scalars get their type by the rules of YAML 1.1 as Go's yaml.v2
 * reads them ("yes" is a boolean). Anchors and aliases work, merge keys (<<)
 * are refused. Bounds are those below; none is reached by a kubeconfig that a
 * person or a tool wrote.
 *
 * Owner: podfs_yaml_parse()'s caller frees the document; nodes and texts are
 * borrowed from it. Freeing wipes the texts.
 * Thread: any; a document doesn't change after it was parsed.
 */
#ifndef PODFS_BACKEND_YAML_H
#define PODFS_BACKEND_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/error.h"

#define PODFS_YAML_LEN_MAX ((size_t)4 << 20)
#define PODFS_YAML_DEPTH_MAX 64
#define PODFS_YAML_NODES_MAX 200000 /* aliases count, too */
#define PODFS_YAML_ANCHORS_MAX 100

struct podfs_yaml;
struct podfs_yaml_node;

/* @name is what errors say in front of the line: "NAME:LINE: what is wrong".
 * Errors: -EINVAL, -ENOMEM. */
int podfs_yaml_parse(const char *name, const char *text, size_t len,
		     struct podfs_yaml **ret, struct podfs_err *err);
void podfs_yaml_free(struct podfs_yaml *y);

/* NULL: the text has no value in it, or null. */
const struct podfs_yaml_node *podfs_yaml_root(const struct podfs_yaml *y);
const char *podfs_yaml_name(const struct podfs_yaml *y);

/* Accessors take NULL and nodes of another type: then they find nothing. */

bool podfs_yaml_is_map(const struct podfs_yaml_node *n);
bool podfs_yaml_is_list(const struct podfs_yaml_node *n);
/* NULL: no such key, or null. */
const struct podfs_yaml_node *podfs_yaml_get(const struct podfs_yaml_node *map,
					     const char *key);
/* A text without NUL in it; NULL for numbers, booleans... that aren't quoted. */
const char *podfs_yaml_text(const struct podfs_yaml_node *n);
bool podfs_yaml_bool(const struct podfs_yaml_node *n, bool *ret);
/* "a number", "a list"...; what @n is, for error texts. */
const char *podfs_yaml_type(const struct podfs_yaml_node *n);
unsigned podfs_yaml_line(const struct podfs_yaml_node *n);

/* The elements of a list or a map, in order. */
struct podfs_yaml_item;
const struct podfs_yaml_item *
podfs_yaml_first(const struct podfs_yaml_node *parent);
const struct podfs_yaml_item *podfs_yaml_next(const struct podfs_yaml_item *i);
const char *podfs_yaml_key(const struct podfs_yaml_item *i); /* of a map */
const struct podfs_yaml_node *podfs_yaml_value(const struct podfs_yaml_item *i);

#define podfs_yaml_each(var, parent)                                           \
	for (const struct podfs_yaml_item *var = podfs_yaml_first(parent);     \
	     var; var = podfs_yaml_next(var))

/* The node as JSON. -EMSGSIZE over the buffer's bound (aliases multiply). */
int podfs_yaml_to_json(const struct podfs_yaml_node *n, struct podfs_buf *b);

/* Sets "NAME:LINE: ..." and returns @code. */
int podfs_yaml_err(const struct podfs_yaml_node *n, struct podfs_err *err,
		   int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
