/* The tree, from libyaml's events. The only home of libyaml. */
#include "backend/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "backend/secret.h"
#include "backend/yaml_inner.h"
#include "common/base/guard.h"

struct frame {
	struct podfs_yaml_node *node;
	const struct podfs_yaml_node *key; /* of a map: its value comes next */
};

struct anchor {
	char *name;
	struct podfs_yaml_node *node;
};

struct reader {
	struct podfs_yaml *doc;
	struct frame stack[PODFS_YAML_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	struct anchor anchors[PODFS_YAML_ANCHORS_MAX];
	size_t n_anchors;
	unsigned line; /* of the event at hand */
	bool ended;
	struct podfs_err *err;
};

static int refuse(const struct reader *r, const char *why)
{
	return podfs_err_set(r->err, -EINVAL, "%s:%u: %s", r->doc->name,
			     r->line, why);
}

static int no_memory(const struct reader *r)
{
	return podfs_err_set(r->err, -ENOMEM, "%s: out of memory",
			     r->doc->name);
}

static struct podfs_yaml_node *new_node(struct reader *r,
					enum podfs_yaml_kind kind)
{
	struct podfs_yaml_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->doc = r->doc;
	n->kind = kind;
	n->line = r->line;
	n->height = 1;
	n->chain = r->doc->all;
	r->doc->all = n;
	return n;
}

static int add_item(struct reader *r, struct podfs_yaml_node *parent,
		    const struct podfs_yaml_node *key,
		    const struct podfs_yaml_node *value)
{
	struct podfs_yaml_item *i = calloc(1, sizeof(*i));

	if (!i)
		return no_memory(r);
	i->key = key;
	i->value = value;
	if (parent->last)
		parent->last->next = i;
	else
		parent->first = i;
	parent->last = i;
	return 0;
}

static int take_key(struct reader *r, struct frame *f,
		    const struct podfs_yaml_node *n)
{
	if (n->kind != YAML_SCALAR || strlen(n->text) != n->len)
		return refuse(r, "a key must be a text");
	if (n->plain && !strcmp(n->text, "<<"))
		return refuse(r, "merge keys (<<) are not supported: "
				 "write the fields out");
	f->key = n;
	return 0;
}

/* Puts @n where the document is at. */
static int attach(struct reader *r, const struct podfs_yaml_node *n)
{
	struct frame *f = r->depth ? &r->stack[r->depth - 1] : NULL;
	const struct podfs_yaml_node *key;

	if (++r->nodes > PODFS_YAML_NODES_MAX)
		return refuse(r, "too many values in this file");
	if (!f) {
		r->doc->root = n;
		return 0;
	}
	if (f->node->kind == YAML_MAP && !f->key)
		return take_key(r, f, n);
	key = f->key;
	f->key = NULL;
	if (f->node->height <= n->height)
		f->node->height = n->height + 1;
	/* Aliases can make it deeper than the stack is. */
	if (f->node->height > PODFS_YAML_DEPTH_MAX)
		return refuse(r, "nested too deeply");
	return add_item(r, f->node, key, n);
}

static int keep_anchor(struct reader *r, const yaml_char_t *name,
		       struct podfs_yaml_node *n)
{
	struct anchor *a = &r->anchors[r->n_anchors];

	if (!name)
		return 0;
	if (r->n_anchors == PODFS_YAML_ANCHORS_MAX)
		return refuse(r, "too many anchors (&) in this file");
	a->name = strdup((const char *)name);
	a->node = n;
	if (!a->name)
		return no_memory(r);
	r->n_anchors++;
	return 0;
}

static int on_alias(struct reader *r, const char *name)
{
	for (size_t i = r->n_anchors; i-- > 0;) {
		if (strcmp(r->anchors[i].name, name))
			continue;
		if (r->anchors[i].node->open)
			return refuse(r, "an alias (*) inside of what it names");
		return attach(r, r->anchors[i].node);
	}
	return refuse(r, "an alias (*) without its anchor (&)");
}

static int on_scalar(struct reader *r, yaml_event_t *e)
{
	struct podfs_yaml_node *n = new_node(r, YAML_SCALAR);
	const char *tag = (const char *)e->data.scalar.tag;
	int status;

	if (!n)
		return no_memory(r);
	/* Taken, not copied: libyaml would free it without wiping. */
	n->text = (char *)podfs_steal_ptr(&e->data.scalar.value);
	n->len = e->data.scalar.length;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		   !(tag && (!strcmp(tag, YAML_STR_TAG) || !strcmp(tag, "!")));
	status = keep_anchor(r, e->data.scalar.anchor, n);
	return status < 0 ? status : attach(r, n);
}

static int on_start(struct reader *r, enum podfs_yaml_kind kind,
		    const yaml_char_t *anchor)
{
	struct podfs_yaml_node *n;
	int status;

	if (r->depth == PODFS_YAML_DEPTH_MAX)
		return refuse(r, "nested too deeply");
	n = new_node(r, kind);
	if (!n)
		return no_memory(r);
	n->open = true;
	status = keep_anchor(r, anchor, n);
	if (status < 0)
		return status;
	r->stack[r->depth++] = (struct frame){ .node = n };
	return 0;
}

static int on_end(struct reader *r)
{
	struct podfs_yaml_node *n = r->stack[--r->depth].node;

	n->open = false;
	return attach(r, n);
}

static int on_event(struct reader *r, yaml_event_t *e)
{
	r->line = (unsigned)e->start_mark.line + 1;
	switch (e->type) {
	case YAML_ALIAS_EVENT:
		return on_alias(r, (const char *)e->data.alias.anchor);
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, YAML_LIST, e->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, YAML_MAP, e->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r);
	case YAML_DOCUMENT_END_EVENT:
	case YAML_STREAM_END_EVENT:
		r->ended = true;
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	default:
		return 0;
	}
}

static unsigned line_at(const char *text, size_t len, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < len && i < offset; i++)
		line += text[i] == '\n';
	return line;
}

static int syntax_error(struct reader *r, const yaml_parser_t *p,
			const char *text, size_t len)
{
	const char *what = p->problem ? p->problem : "not YAML";

	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	if (p->error == YAML_READER_ERROR)
		r->line = line_at(text, len, p->problem_offset);
	else if (p->context && !strcmp(what, "found unexpected end of stream"))
		r->line = (unsigned)p->context_mark.line + 1; /* the quote */
	else
		r->line = (unsigned)p->problem_mark.line + 1;
	if (!p->context)
		return podfs_err_set(r->err, -EINVAL, "%s:%u: not YAML: %s",
				     r->doc->name, r->line, what);
	return podfs_err_set(r->err, -EINVAL, "%s:%u: not YAML: %s %s",
			     r->doc->name, r->line, p->context, what);
}

/* libyaml's windows on the text; what it copied in between stays unwiped. */
static void wipe_parser(yaml_parser_t *p)
{
	explicit_bzero(p->raw_buffer.start,
		       (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	explicit_bzero(p->buffer.start,
		       (size_t)(p->buffer.end - p->buffer.start));
	yaml_parser_delete(p);
}

static int read_events(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t p;
	int status = 0;

	if (!yaml_parser_initialize(&p))
		return no_memory(r);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	while (status == 0 && !r->ended) {
		yaml_event_t e;

		if (!yaml_parser_parse(&p, &e)) {
			status = syntax_error(r, &p, text, len);
			break;
		}
		status = on_event(r, &e);
		yaml_event_delete(&e);
	}
	wipe_parser(&p);
	return status;
}

int podfs_yaml_parse(const char *name, const char *text, size_t len,
		     struct podfs_yaml **ret, struct podfs_err *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct podfs_yaml *doc = calloc(1, sizeof(*doc));
	int status;

	if (doc)
		doc->name = strdup(name);
	if (!r || !doc || !doc->name) {
		status = podfs_err_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	r->doc = doc;
	r->err = err;
	if (len > PODFS_YAML_LEN_MAX)
		status = podfs_err_set(err, -EINVAL, "%s: over the limit of %zu bytes",
				       name, PODFS_YAML_LEN_MAX);
	else
		status = read_events(r, text, len);
	if (status == 0)
		*ret = podfs_steal_ptr(&doc);
out:
	for (size_t i = 0; r && i < r->n_anchors; i++)
		free(r->anchors[i].name);
	free(r);
	podfs_yaml_free(doc);
	return status;
}

void podfs_yaml_free(struct podfs_yaml *y)
{
	struct podfs_yaml_node *n, *next;
	struct podfs_yaml_item *i, *after;

	if (!y)
		return;
	for (n = y->all; n; n = next) {
		next = n->chain;
		for (i = n->first; i; i = after) {
			after = i->next;
			free(i);
		}
		podfs_secret_free_n(n->text, n->len);
		free(n);
	}
	free(y->name);
	free(y);
}
