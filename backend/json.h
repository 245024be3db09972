/*
 * JSON from the API server, from plugins and from exec streams: bounded.
 *
 * The only home of cJSON. Text is measured before it is parsed: its length,
 * its depth and the number of its values have caps, because cJSON spends about
 * 80 bytes on a value of two. Object keys are compared case-sensitively, and
 * the first of two equal keys counts. A string is cut at an inner NUL.
 *
 * Owner: podfs_json_parse()'s caller frees the root; everything that the
 * accessors return is borrowed from it.
 * Thread: any, each tree by one thread at a time.
 * JSON is written by json_write.h.
 */
#ifndef PODFS_BACKEND_JSON_H
#define PODFS_BACKEND_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 3 MiB: the API server's own limit for a request body; a pod is at most
 * etcd's 1.5 MiB. */
#define PODFS_JSON_LEN_MAX ((size_t)3 << 20)
#define PODFS_JSON_DEPTH_MAX 64
/* Values in one text. A pod with everything set has some 1,000. */
#define PODFS_JSON_VALUES_MAX 100000

struct podfs_json;

/* The whole text is one value; space may stand around it.
 * Errors: -EMSGSIZE over a cap, -EBADMSG no JSON, -ENOMEM. */
int podfs_json_parse(const char *text, size_t len, struct podfs_json **ret);
void podfs_json_free(struct podfs_json *j);

/* Accessors take NULL and values of another type: then they find nothing. */

bool podfs_json_is_object(const struct podfs_json *j);
bool podfs_json_is_array(const struct podfs_json *j);

/* The member @key of an object, whatever its type; NULL: none, or null. */
const struct podfs_json *podfs_json_get(const struct podfs_json *j,
					const char *key);
/* The member if it is an object, or an array; else NULL. */
const struct podfs_json *podfs_json_get_object(const struct podfs_json *j,
					       const char *key);
const struct podfs_json *podfs_json_get_array(const struct podfs_json *j,
					      const char *key);
/* The member if it is a string; NULL where it isn't. */
const char *podfs_json_get_string(const struct podfs_json *j, const char *key);
/* The same, "" where it isn't. */
const char *podfs_json_get_text(const struct podfs_json *j, const char *key);
/* A whole number of less than 2^53 either way. Returns false and leaves @ret
 * as it was where there is none. */
bool podfs_json_get_int(const struct podfs_json *j, const char *key,
			int64_t *ret);
/* The same for true and false. */
bool podfs_json_get_bool(const struct podfs_json *j, const char *key,
			 bool *ret);

/* Iteration over an array's or an object's values. */
const struct podfs_json *podfs_json_first(const struct podfs_json *j);
const struct podfs_json *podfs_json_next(const struct podfs_json *j);
size_t podfs_json_count(const struct podfs_json *j);
/* The value's own key in its object; NULL in an array. */
const char *podfs_json_key(const struct podfs_json *j);
/* The value itself as a string; NULL where it isn't one. */
const char *podfs_json_string(const struct podfs_json *j);

#define podfs_json_each(var, array)                                            \
	for (const struct podfs_json *var = podfs_json_first(array); var;      \
	     var = podfs_json_next(var))

/* Compact text of @j; the caller frees. NULL without memory. */
char *podfs_json_print(const struct podfs_json *j);

/*
 * meta/v1 Status: the body of a refused request, of an ERROR in a watch, and
 * of channel 3 of an exec.
 */
struct podfs_k8s_status {
	bool success;	   /* status is "Success" */
	int code;	   /* HTTP; 0 where it has none */
	int exit_code;	   /* of the command (cause "ExitCode"); -1 none */
	int retry_after;   /* seconds; 0 none */
	bool rv_too_large; /* cause ResourceVersionTooLarge */
	char reason[64];   /* "Forbidden", "NonZeroExitCode"... */
	char name[254];	   /* details.name */
	char message[1024]; /* control characters made spaces */
};

/* Errors: as podfs_json_parse(); -EBADMSG where it is no Status. */
int podfs_json_status(const char *text, size_t len,
		      struct podfs_k8s_status *ret);
int podfs_json_to_status(const struct podfs_json *j,
			 struct podfs_k8s_status *ret);

#endif
