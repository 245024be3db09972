/* Who one is to the cluster, and what one may there: it is asked itself. */
#include "backend/doctor_inner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/json_write.h"
#include "common/base/guard.h"
#include "common/base/quote.h"

#define REVIEW_MAX 4096

static bool review(struct doctor *d, const char *path, struct podfs_buf *body,
		   struct doctor_answer *ret)
{
	const struct podfs_rest_request q = {
		.method = "POST",
		.path = path,
		.content_type = "application/json",
		.body = podfs_buf_str(body),
		.body_len = body->len,
	};

	return doctor_ask(d, &q, ret);
}

static void tell_user(struct doctor *d, const struct podfs_json *user)
{
	const struct podfs_json *groups = podfs_json_get_array(user, "groups");
	char list[400] = "";
	size_t n = 0;

	podfs_json_each(g, groups) {
		const char *name = podfs_json_string(g);

		if (name && n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n,
					      "%s%s", n ? ", " : "", name);
	}
	doctor_ok(d, "identity", "user %s, groups %s",
		  podfs_quote(podfs_json_get_text(user, "username")).text,
		  *list ? list : "none");
}

bool doctor_identity(struct doctor *d)
{
	struct podfs_buf body = PODFS_BUF_INIT(REVIEW_MAX);
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(&body);
	struct doctor_answer a;
	bool known = true;

	podfs_json_write_object(&w, NULL);
	podfs_json_write_object_end(&w);
	if (review(d, "/apis/authentication.k8s.io/v1/selfsubjectreviews",
		   &body, &a)) {
		tell_user(d, podfs_json_get(podfs_json_get(a.json, "status"),
					    "userInfo"));
	} else if (a.error || a.http == 401) {
		known = false;
		doctor_fail(d, "identity",
			    "log in again: the credentials of this context "
			    "are no longer good", "%s", a.text);
	} else { /* 1.27 and older; or not allowed, which is rare */
		doctor_warn(d, "identity", "`kubectl auth whoami` may know more",
			    "the server doesn't say who you are: %s", a.text);
	}
	doctor_answer_done(&a);
	podfs_buf_done(&body);
	return known;
}

struct right {
	const char *verb, *resource, *subresource;
	bool whole;	/* of the cluster, not of a namespace */
	bool ephemeral; /* only for that way in */
	enum podfs_finding_level without;
};

/* What podfs asks of the server, all of it: `podfs rbac` prints the same. */
static const struct right rights[] = {
	{ "list", "namespaces", "", true, false, PODFS_FINDING_WARN },
	{ "watch", "namespaces", "", true, false, PODFS_FINDING_WARN },
	{ "list", "pods", "", false, false, PODFS_FINDING_FAIL },
	{ "watch", "pods", "", false, false, PODFS_FINDING_FAIL },
	{ "get", "pods", "", false, false, PODFS_FINDING_FAIL },
	{ "patch", "pods", "ephemeralcontainers", false, true,
	  PODFS_FINDING_FAIL },
	{ "get", "pods", "exec", false, false, PODFS_FINDING_FAIL },
	{ "create", "pods", "exec", false, false, PODFS_FINDING_FAIL },
};

static void write_review(struct podfs_buf *body, const struct right *r,
			 const char *ns)
{
	struct podfs_json_writer w = PODFS_JSON_WRITER_INIT(body);

	podfs_json_write_object(&w, NULL);
	podfs_json_write_object(&w, "spec");
	podfs_json_write_object(&w, "resourceAttributes");
	podfs_json_write_string(&w, "verb", r->verb);
	podfs_json_write_string(&w, "resource", r->resource);
	podfs_json_write_string(&w, "subresource", r->subresource);
	if (!r->whole)
		podfs_json_write_string(&w, "namespace", ns);
	podfs_json_write_object_end(&w);
	podfs_json_write_object_end(&w);
	podfs_json_write_object_end(&w);
}

/* 1 allowed, 0 not, -errno */
static int may(struct doctor *d, const struct right *r, const char *ns,
	       struct doctor_answer *a)
{
	struct podfs_buf body = PODFS_BUF_INIT(REVIEW_MAX);
	bool allowed = false;
	int ret = -EIO;

	write_review(&body, r, ns);
	if (review(d, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		   &body, a)) {
		podfs_json_get_bool(podfs_json_get(a->json, "status"),
				    "allowed", &allowed);
		ret = allowed;
	}
	podfs_buf_done(&body);
	return ret;
}

static void tell_missing(struct doctor *d, const struct right *r,
			 const char *ns)
{
	const char *fix = "ask for the role that `podfs rbac` prints";

	if (r->whole)
		fix = "name the namespaces (mount --namespace NAME), or ask "
		      "for the role that `podfs rbac` prints";
	else if (r->ephemeral)
		fix = "ask for the role that `podfs rbac` prints, or mount "
		      "--via exec";
	podfs_finding(d->fn, d->arg, "rights", r->without, fix,
		      "may not %s %s%s%s%s%s", r->verb, r->resource,
		      *r->subresource ? "/" : "", r->subresource,
		      r->whole ? "" : *ns ? " in namespace " :
					    " in all namespaces",
		      r->whole || !*ns ? "" : podfs_quote(ns).text);
}

/* For a namespace that was named, else for all; where one may not look at all
 * of them, for the context's, as the mount does. */
void doctor_rights(struct doctor *d)
{
	const char *ns = *d->ref.ns ? d->ref.ns :
			 d->config->n_namespaces ? d->config->namespaces[0] :
						   "";
	size_t held = 0, asked = 0;

	for (size_t i = 0; i < PODFS_ARRAY_LEN(rights); i++) {
		const struct right *r = &rights[i];
		struct doctor_answer a;
		int yes;

		if ((r->ephemeral && d->config->via != PODFS_VIA_EPHEMERAL) ||
		    (r->whole && d->config->n_namespaces))
			continue;
		yes = may(d, r, ns, &a);
		if (yes == 0 && r->whole && !*ns)
			ns = d->k->namespace_name;
		asked++;
		held += yes > 0;
		if (yes == 0)
			tell_missing(d, r, ns);
		else if (yes < 0)
			doctor_fail(d, "rights", "`kubectl auth can-i --list` "
				    "may know more", "can't ask: %s", a.text);
		doctor_answer_done(&a);
		if (yes < 0)
			return;
	}
	if (held == asked)
		doctor_ok(d, "rights", "all %zu that podfs needs%s%s", held,
			  *ns ? " in namespace " : " in all namespaces",
			  *ns ? podfs_quote(ns).text : "");
}
