/* The tree behind yaml.h, for yaml.c, which builds it, and yaml_value.c. */
#ifndef PODFS_BACKEND_YAML_INNER_H
#define PODFS_BACKEND_YAML_INNER_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/yaml.h"

enum podfs_yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

/* Apart from the node, which may stand in several places by aliases. */
struct podfs_yaml_item {
	struct podfs_yaml_item *next;
	const struct podfs_yaml_node *key; /* a scalar; NULL in a list */
	const struct podfs_yaml_node *value;
};

struct podfs_yaml_node {
	const struct podfs_yaml *doc;
	struct podfs_yaml_node *chain; /* all nodes of the document */
	enum podfs_yaml_kind kind;
	unsigned line;
	unsigned height; /* 1 + that of the highest child */
	bool open;	 /* not all children are read yet */
	bool plain;	 /* no quotes and no tag that says "text" */
	char *text;
	size_t len;
	struct podfs_yaml_item *first, *last;
};

struct podfs_yaml {
	char *name;
	struct podfs_yaml_node *all;
	const struct podfs_yaml_node *root;
};

enum podfs_yaml_type {
	YAML_TYPE_NULL,
	YAML_TYPE_BOOL,
	YAML_TYPE_INT,
	YAML_TYPE_FLOAT,
	YAML_TYPE_TEXT,
};

/* Of a scalar. */
enum podfs_yaml_type podfs_yaml_resolve(const struct podfs_yaml_node *n);

#endif
