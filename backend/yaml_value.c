/* Reading the tree: look-ups, the types of plain scalars, JSON. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/yaml_inner.h"

static bool among(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const trues[] = { "y",    "Y",    "yes", "Yes", "YES", "on",
				     "On",   "ON",   "true", "True", "TRUE",
				     NULL };
static const char *const falses[] = { "n",   "N",     "no",    "No",  "NO",
				      "off", "Off",   "OFF",   "false",
				      "False", "FALSE", NULL };
static const char *const specials[] = { ".nan", ".NaN",	 ".NAN",  ".inf",
					".Inf", ".INF",	 "+.inf", "+.Inf",
					"+.INF", "-.inf", "-.Inf", "-.INF",
					NULL };

static size_t count_digits(const char *s)
{
	return strspn(s, "0123456789");
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *s)
{
	size_t whole, fraction = 0;

	s += *s == '-' || *s == '+';
	whole = count_digits(s);
	s += whole;
	if (*s == '.') {
		fraction = count_digits(s + 1);
		s += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!count_digits(s))
			return false;
		s += count_digits(s);
	}
	return !*s;
}

/* Digits of the base that the prefix names; "_" may stand between them. */
static bool is_int(const char *s)
{
	const char *digits = "0123456789_";

	s += *s == '-' || *s == '+';
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		digits = "0123456789abcdefABCDEF_";
		s += 2;
	} else if (s[0] == '0' && (s[1] == 'b' || s[1] == 'B')) {
		digits = "01_";
		s += 2;
	} else if (s[0] == '0' && (s[1] == 'o' || s[1] == 'O')) {
		digits = "01234567_";
		s += 2;
	}
	return *s && *s != '_' && !s[strspn(s, digits)];
}

enum podfs_yaml_type podfs_yaml_resolve(const struct podfs_yaml_node *n)
{
	const char *s = n->text;

	if (!n->plain || strlen(s) != n->len)
		return YAML_TYPE_TEXT;
	if (among(s, nulls))
		return YAML_TYPE_NULL;
	if (among(s, trues) || among(s, falses))
		return YAML_TYPE_BOOL;
	if (is_int(s))
		return YAML_TYPE_INT;
	if (is_float(s) || among(s, specials))
		return YAML_TYPE_FLOAT;
	return YAML_TYPE_TEXT;
}

static bool is_null(const struct podfs_yaml_node *n)
{
	return n->kind == YAML_SCALAR &&
	       podfs_yaml_resolve(n) == YAML_TYPE_NULL;
}

const struct podfs_yaml_node *podfs_yaml_root(const struct podfs_yaml *y)
{
	return y->root && !is_null(y->root) ? y->root : NULL;
}

const char *podfs_yaml_name(const struct podfs_yaml *y)
{
	return y->name;
}

bool podfs_yaml_is_map(const struct podfs_yaml_node *n)
{
	return n && n->kind == YAML_MAP;
}

bool podfs_yaml_is_list(const struct podfs_yaml_node *n)
{
	return n && n->kind == YAML_LIST;
}

const struct podfs_yaml_node *podfs_yaml_get(const struct podfs_yaml_node *map,
					     const char *key)
{
	const struct podfs_yaml_node *found = NULL;

	if (!podfs_yaml_is_map(map))
		return NULL;
	for (const struct podfs_yaml_item *i = map->first; i; i = i->next)
		if (!strcmp(i->key->text, key))
			found = i->value;
	return found && !is_null(found) ? found : NULL;
}

const char *podfs_yaml_text(const struct podfs_yaml_node *n)
{
	if (!n || n->kind != YAML_SCALAR || strlen(n->text) != n->len ||
	    podfs_yaml_resolve(n) != YAML_TYPE_TEXT)
		return NULL;
	return n->text;
}

bool podfs_yaml_bool(const struct podfs_yaml_node *n, bool *ret)
{
	if (!n || n->kind != YAML_SCALAR ||
	    podfs_yaml_resolve(n) != YAML_TYPE_BOOL)
		return false;
	*ret = among(n->text, trues);
	return true;
}

const char *podfs_yaml_type(const struct podfs_yaml_node *n)
{
	if (!n)
		return "nothing";
	if (n->kind == YAML_LIST)
		return "a list";
	if (n->kind == YAML_MAP)
		return "a map";
	switch (podfs_yaml_resolve(n)) {
	case YAML_TYPE_NULL:
		return "null";
	case YAML_TYPE_BOOL:
		return "a boolean";
	case YAML_TYPE_INT:
	case YAML_TYPE_FLOAT:
		return "a number";
	case YAML_TYPE_TEXT:
	default:
		return strlen(n->text) == n->len ? "a text" :
						   "a text with NUL in it";
	}
}

unsigned podfs_yaml_line(const struct podfs_yaml_node *n)
{
	return n ? n->line : 0;
}

const struct podfs_yaml_item *
podfs_yaml_first(const struct podfs_yaml_node *parent)
{
	return parent ? parent->first : NULL;
}

const struct podfs_yaml_item *podfs_yaml_next(const struct podfs_yaml_item *i)
{
	return i->next;
}

const char *podfs_yaml_key(const struct podfs_yaml_item *i)
{
	return i->key ? i->key->text : "";
}

const struct podfs_yaml_node *podfs_yaml_value(const struct podfs_yaml_item *i)
{
	return is_null(i->value) ? NULL : i->value;
}

static int json_text(const char *s, size_t len, struct podfs_buf *b)
{
	int r = podfs_buf_add(b, "\"", 1);

	for (size_t i = 0; i < len && r == 0; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20)
			r = podfs_buf_printf(b, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			r = podfs_buf_printf(b, "\\%c", c);
		else
			r = podfs_buf_add(b, &s[i], 1);
	}
	return r < 0 ? r : podfs_buf_add(b, "\"", 1);
}

static int json_int(const char *s, struct podfs_buf *b)
{
	char digits[72];
	size_t n = 0;
	unsigned long long v;
	const char *p;
	bool minus;

	for (; *s && n < sizeof(digits) - 1; s++)
		if (*s != '_')
			digits[n++] = *s;
	digits[n] = '\0';
	if (*s)
		return -EINVAL;
	minus = *digits == '-';
	p = digits + (minus || *digits == '+');
	/* strtoull() knows 0x and the leading 0, but not these. */
	if (p[0] == '0' && strchr("bB", p[1]) && p[1])
		v = strtoull(p + 2, NULL, 2);
	else if (p[0] == '0' && strchr("oO", p[1]) && p[1])
		v = strtoull(p + 2, NULL, 8);
	else
		v = strtoull(p, NULL, 0);
	return podfs_buf_printf(b, "%s%llu", minus ? "-" : "", v);
}

static int json_scalar(const struct podfs_yaml_node *n, struct podfs_buf *b)
{
	switch (podfs_yaml_resolve(n)) {
	case YAML_TYPE_NULL:
		return podfs_buf_add_str(b, "null");
	case YAML_TYPE_BOOL:
		return podfs_buf_add_str(b, among(n->text, trues) ? "true" :
								    "false");
	case YAML_TYPE_INT:
		return json_int(n->text, b);
	case YAML_TYPE_FLOAT:
		if (among(n->text, specials))
			return -EINVAL; /* JSON has no such numbers */
		return podfs_buf_printf(b, "%.17g", strtod(n->text, NULL));
	case YAML_TYPE_TEXT:
	default:
		return json_text(n->text, n->len, b);
	}
}

int podfs_yaml_to_json(const struct podfs_yaml_node *n, struct podfs_buf *b)
{
	bool map = n->kind == YAML_MAP;
	int r;

	if (n->kind == YAML_SCALAR)
		return json_scalar(n, b);
	r = podfs_buf_add(b, map ? "{" : "[", 1);
	/* The depth is bounded: see attach() in yaml.c. */
	for (const struct podfs_yaml_item *i = n->first; i && r == 0;
	     i = i->next) {
		if (i != n->first)
			r = podfs_buf_add(b, ",", 1);
		if (r == 0 && map) {
			r = json_text(i->key->text, i->key->len, b);
			if (r == 0)
				r = podfs_buf_add(b, ":", 1);
		}
		if (r == 0)
			r = podfs_yaml_to_json(i->value, b);
	}
	return r < 0 ? r : podfs_buf_add(b, map ? "}" : "]", 1);
}

int podfs_yaml_err(const struct podfs_yaml_node *n, struct podfs_err *err,
		   int code, const char *fmt, ...)
{
	char what[PODFS_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return podfs_err_set(err, code, "%s:%u: %s", n->doc->name, n->line,
			     what);
}
