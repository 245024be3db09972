/* Names that there aren't, and those that may have been meant. */
#include "backend/doctor_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define NEAR_MAX 4
#define NAMES_MAX 500 /* of which near ones are looked for */
#define LEN_MAX 253

/* How many letters must be put in, left out or changed to make @b of @a. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[LEN_MAX + 1];
	size_t n = strlen(b);

	if (strlen(a) > LEN_MAX || n > LEN_MAX)
		return LEN_MAX;
	for (size_t i = 0; i <= n; i++)
		row[i] = (unsigned)i;
	for (; *a; a++) {
		unsigned corner = row[0]++;

		for (size_t i = 1; i <= n; i++) {
			unsigned best = corner + (*a != b[i - 1]);

			corner = row[i];
			if (row[i] + 1 < best)
				best = row[i] + 1;
			if (row[i - 1] + 1 < best)
				best = row[i - 1] + 1;
			row[i] = best;
		}
	}
	return row[n];
}

/* One is the other's beginning (a deployment's name that of its pods), or they
 * differ in a letter of three. */
static bool is_near(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	return strncmp(a, b, na < nb ? na : nb) == 0 ||
	       distance(a, b) <= (na + 2) / 3;
}

void doctor_near(struct doctor *d, const char *path, const char *name,
		 char *ret, size_t size)
{
	struct doctor_answer a;
	unsigned n = 0;
	size_t len = 0;

	*ret = '\0';
	if (doctor_get(d, &a, "%s?limit=%d", path, NAMES_MAX))
		podfs_json_each(item, podfs_json_get_array(a.json, "items")) {
			const char *other = podfs_json_get_text(
				podfs_json_get(item, "metadata"), "name");

			if (n == NEAR_MAX || !is_near(name, other) ||
			    len >= size)
				continue;
			len += (size_t)snprintf(ret + len, size - len, "%s%s",
						n++ ? ", " : "; there is ",
						podfs_quote(other).text);
		}
	doctor_answer_done(&a);
}

/* By a list of that one: to get it would be a right more than podfs needs. */
static bool exists(struct doctor *d, const char *ns)
{
	struct doctor_answer a;
	bool there = true;

	if (!podfs_is_label(ns))
		return false;
	if (doctor_get(d, &a, "/api/v1/namespaces?fieldSelector=metadata.name=%s",
		       ns))
		there = podfs_json_first(podfs_json_get_array(a.json, "items"));
	doctor_answer_done(&a);
	return there;
}

static bool check(struct doctor *d, const char *ns)
{
	char near[512];

	if (exists(d, ns))
		return true;
	doctor_near(d, "/api/v1/namespaces", ns, near, sizeof(near));
	doctor_fail(d, "namespace", "`kubectl get namespaces` lists what there is",
		    "there is no namespace %s%s", podfs_quote(ns).text, near);
	return false;
}

bool doctor_namespaces(struct doctor *d)
{
	bool all = true;

	if (*d->ref.ns)
		return check(d, d->ref.ns);
	for (size_t i = 0; i < d->config->n_namespaces; i++)
		all &= check(d, d->config->namespaces[i]);
	return all;
}
