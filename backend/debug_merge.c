/* Containers as JSON, laid one upon the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/debug_inner.h"
#include "backend/yaml.h"
#include "common/base/guard.h"

int debug_parse(const char *name, const char *text, struct podfs_json **ret,
		struct podfs_err *err)
{
	struct podfs_buf b = PODFS_BUF_INIT(DEBUG_TEXT_MAX);
	struct podfs_yaml *y;
	int r = podfs_json_parse(text, strlen(text), ret);

	if (r < 0) {
		r = podfs_yaml_parse(name, text, strlen(text), &y, err);
		if (r < 0)
			return r;
		r = podfs_yaml_to_json(podfs_yaml_root(y), &b);
		podfs_yaml_free(y);
		if (r == 0)
			r = podfs_json_parse(podfs_buf_str(&b), b.len, ret);
		podfs_buf_done(&b);
		if (r < 0)
			return podfs_err_set(err, -EINVAL, "%s: %s", name,
					     strerror(-r));
	}
	if (podfs_json_is_object(*ret))
		return 0;
	podfs_json_free(*ret);
	return podfs_err_set(err, -EINVAL, "%s: it holds no object, such as "
			     "{\"env\": [...]}", name);
}

int debug_copy(struct podfs_json_writer *w, const char *key,
	       const struct podfs_json *j)
{
	char *text = podfs_json_print(j);

	if (!text)
		return -ENOMEM;
	podfs_json_write_raw(w, key, text);
	free(text);
	return 0;
}

/* What tells an element of this list from the others; NULL: nothing does. */
static const char *key_of(const char *list)
{
	if (!list)
		return NULL;
	return !strcmp(list, "env")	     ? "name" :
	       !strcmp(list, "volumeMounts") ? "mountPath" :
					       NULL;
}

static const struct podfs_json *same(const struct podfs_json *list,
				     const char *key,
				     const struct podfs_json *element)
{
	podfs_json_each(e, list)
		if (!strcmp(podfs_json_get_text(e, key),
			    podfs_json_get_text(element, key)))
			return e;
	return NULL;
}

static int merge_lists(struct podfs_json_writer *w, const char *key,
		       const struct podfs_json *base,
		       const struct podfs_json *over)
{
	int r = 0;

	podfs_json_write_array(w, key);
	podfs_json_each(e, base) {
		const struct podfs_json *o = same(over, key_of(key), e);

		/* an element is replaced, not merged: value and valueFrom
		 * exclude each other */
		r = r ? r : debug_copy(w, NULL, o ? o : e);
	}
	podfs_json_each(o, over)
		if (!same(base, key_of(key), o))
			r = r ? r : debug_copy(w, NULL, o);
	podfs_json_write_array_end(w);
	return r;
}

static bool has(const struct podfs_json *object, const char *key)
{
	podfs_json_each(m, object)
		if (!strcmp(podfs_json_key(m), key))
			return true;
	return false;
}

static int merge_objects(struct podfs_json_writer *w, const char *key,
			 const struct podfs_json *base,
			 const struct podfs_json *over)
{
	int r = 0;

	podfs_json_write_object(w, key);
	podfs_json_each(m, base) {
		const char *name = podfs_json_key(m);
		const struct podfs_json *o = podfs_json_get(over, name);

		if (o)
			r = r ? r : debug_merge(w, name, m, o);
		else if (!has(over, name)) /* else null: taken away */
			r = r ? r : debug_copy(w, name, m);
	}
	podfs_json_each(m, over) {
		const char *name = podfs_json_key(m);

		if (!has(base, name) && podfs_json_get(over, name))
			r = r ? r : debug_copy(w, name, m);
	}
	podfs_json_write_object_end(w);
	return r;
}

/* Bounded: neither tree is deeper than PODFS_JSON_DEPTH_MAX. */
int debug_merge(struct podfs_json_writer *w, const char *key,
		const struct podfs_json *base, const struct podfs_json *over)
{
	if (podfs_json_is_object(base) && podfs_json_is_object(over))
		return merge_objects(w, key, base, over);
	if (key_of(key) && podfs_json_is_array(base) &&
	    podfs_json_is_array(over))
		return merge_lists(w, key, base, over);
	return debug_copy(w, key, over);
}

char *debug_merged(const struct podfs_json *base, const struct podfs_json *over)
{
	struct podfs_buf b = PODFS_BUF_INIT(DEBUG_TEXT_MAX);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&b);
	char *text = NULL;

	if (debug_merge(&w, NULL, base, over) == 0 &&
	    podfs_json_write_end(&w) == 0)
		text = strdup(podfs_buf_str(&b));
	podfs_buf_done(&b);
	return text;
}
