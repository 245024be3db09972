#include "backend/json.h"

#include <errno.h>
#include <string.h>

#include <cjson/cJSON.h>

static const cJSON *in(const struct podfs_json *j)
{
	return (const cJSON *)(const void *)j;
}

static const struct podfs_json *out(const cJSON *j)
{
	return (const struct podfs_json *)(const void *)j;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Counts before cJSON allocates: each comma, bracket and brace starts at most
 * one value, and so bounds what the parser will make. */
static int measure(const char *text, size_t len)
{
	size_t depth = 0, values = 1;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
			continue;
		}
		switch (c) {
		case '"':
			in_string = true;
			break;
		case '{':
		case '[':
			values++;
			if (++depth > PODFS_JSON_DEPTH_MAX)
				return -EMSGSIZE;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return -EBADMSG;
			depth--;
			break;
		case ',':
			values++;
			break;
		default:
			break;
		}
		if (values > PODFS_JSON_VALUES_MAX)
			return -EMSGSIZE;
	}
	return in_string || depth ? -EBADMSG : 0;
}

int podfs_json_parse(const char *text, size_t len, struct podfs_json **ret)
{
	const char *end = NULL;
	cJSON *j;
	int r;

	if (len > PODFS_JSON_LEN_MAX)
		return -EMSGSIZE;
	r = measure(text, len);
	if (r < 0)
		return r;
	j = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!j)
		return -EBADMSG;
	/* Not cJSON's own check: that one wants a NUL inside the length. */
	while (end < text + len && is_space(*end))
		end++;
	if (end != text + len) {
		cJSON_Delete(j);
		return -EBADMSG;
	}
	*ret = (struct podfs_json *)(void *)j;
	return 0;
}

void podfs_json_free(struct podfs_json *j)
{
	cJSON_Delete((cJSON *)(void *)j);
}

bool podfs_json_is_object(const struct podfs_json *j)
{
	return cJSON_IsObject(in(j));
}

bool podfs_json_is_array(const struct podfs_json *j)
{
	return cJSON_IsArray(in(j));
}

const struct podfs_json *podfs_json_get(const struct podfs_json *j,
					const char *key)
{
	const cJSON *v;

	if (!cJSON_IsObject(in(j)))
		return NULL;
	v = cJSON_GetObjectItemCaseSensitive(in(j), key);
	return cJSON_IsNull(v) ? NULL : out(v);
}

const struct podfs_json *podfs_json_get_object(const struct podfs_json *j,
					       const char *key)
{
	const struct podfs_json *v = podfs_json_get(j, key);

	return podfs_json_is_object(v) ? v : NULL;
}

const struct podfs_json *podfs_json_get_array(const struct podfs_json *j,
					      const char *key)
{
	const struct podfs_json *v = podfs_json_get(j, key);

	return podfs_json_is_array(v) ? v : NULL;
}

const char *podfs_json_get_string(const struct podfs_json *j, const char *key)
{
	return podfs_json_string(podfs_json_get(j, key));
}

const char *podfs_json_get_text(const struct podfs_json *j, const char *key)
{
	const char *s = podfs_json_get_string(j, key);

	return s ? s : "";
}

bool podfs_json_get_int(const struct podfs_json *j, const char *key,
			int64_t *ret)
{
	const cJSON *v = in(podfs_json_get(j, key));
	const double limit = 9007199254740992.0; /* 2^53 */

	if (!cJSON_IsNumber(v) || !(v->valuedouble > -limit) ||
	    !(v->valuedouble < limit))
		return false;
	*ret = (int64_t)v->valuedouble;
	return true;
}

bool podfs_json_get_bool(const struct podfs_json *j, const char *key,
			 bool *ret)
{
	const cJSON *v = in(podfs_json_get(j, key));

	if (!cJSON_IsBool(v))
		return false;
	*ret = cJSON_IsTrue(v);
	return true;
}

const struct podfs_json *podfs_json_first(const struct podfs_json *j)
{
	if (!podfs_json_is_array(j) && !podfs_json_is_object(j))
		return NULL;
	return out(in(j)->child);
}

const struct podfs_json *podfs_json_next(const struct podfs_json *j)
{
	return j ? out(in(j)->next) : NULL;
}

size_t podfs_json_count(const struct podfs_json *j)
{
	size_t n = 0;

	podfs_json_each(v, j)
		n++;
	return n;
}

const char *podfs_json_key(const struct podfs_json *j)
{
	return j ? in(j)->string : NULL;
}

const char *podfs_json_string(const struct podfs_json *j)
{
	return cJSON_IsString(in(j)) ? in(j)->valuestring : NULL;
}

char *podfs_json_print(const struct podfs_json *j)
{
	/* cJSON's allocator is malloc: nothing sets its hooks. */
	return j ? cJSON_PrintUnformatted(in(j)) : NULL;
}
