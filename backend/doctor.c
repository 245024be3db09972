/* The order of the checks, and those of the server; see doctor.h. */
#include "backend/doctor.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/doctor_inner.h"
#include "backend/ensure.h"
#include "backend/loop.h"
#include "backend/pods.h"
#include "common/base/guard.h"
#include "common/base/quote.h"
#include "podfs-version.h"

/* Ephemeral containers are there since then (KEP-277, stable). */
#define MINOR_MIN 25

void podfs_finding(podfs_finding_fn *fn, void *arg, const char *check,
		   enum podfs_finding_level level, const char *fix,
		   const char *fmt, ...)
{
	struct podfs_finding f = { .check = check, .level = level };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	/* some of it was said by the server */
	for (char *c = f.text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	snprintf(f.fix, sizeof(f.fix), "%s", fix);
	fn(arg, &f);
}

static bool check_kubeconfig(struct doctor *d)
{
	struct podfs_err err = PODFS_ERR_INIT;

	if (podfs_kubeconfig_load(d->config->kubeconfig, d->config->context,
				  &d->k, &err) < 0) {
		doctor_fail(d, "kubeconfig",
			    "name one by --kubeconfig or $KUBECONFIG, a "
			    "context in it by --context; `kubectl config "
			    "get-contexts` lists them", "%s", err.text);
		return false;
	}
	doctor_ok(d, "kubeconfig", "context '%s', server %s",
		  d->k->context ? d->k->context : "", d->k->server);
	return true;
}

/* Without what stands before the "@": a password. */
static void check_proxy(struct doctor *d)
{
	PODFS_CLEANUP_FREE char *proxy =
		podfs_kubeconfig_proxy(d->k, d->k->server);
	const char *at = proxy ? strrchr(proxy, '@') : NULL;

	if (!proxy)
		doctor_ok(d, "proxy", "none between here and the server");
	else
		doctor_ok(d, "proxy", "%s (%s)", at ? at + 1 : proxy,
			  d->k->proxy_url ? "proxy-url of the kubeconfig" :
					    "from the environment");
}

static const char *server_fix(const struct doctor_answer *a)
{
	if (a->http == 401)
		return "log in again: the credentials of this context are no "
		       "longer good";
	if (a->http)
		return "see whether `kubectl version` works; a proxy or load "
		       "balancer may stand between";
	switch (a->error) {
	case -EPROTO:
		return "the server's certificate and "
		       "certificate-authority(-data) of the kubeconfig don't "
		       "belong together";
	case -EACCES:
	case -ENOENT:
	case -EINVAL:
		return "see to the credentials of this context: `kubectl "
		       "config view --minify`";
	default:
		return "see whether `kubectl version` works from here: VPN, "
		       "firewall, $HTTPS_PROXY, the server itself";
	}
}

static void check_tls(struct doctor *d)
{
	if (strncmp(d->k->server, "https:", 6) != 0)
		doctor_warn(d, "tls", "use an https:// server",
			    "%s is not encrypted", d->k->server);
	else if (d->k->insecure_skip_tls_verify)
		doctor_warn(d, "tls",
			    "give the kubeconfig the cluster's "
			    "certificate-authority",
			    "the server's certificate isn't checked "
			    "(insecure-skip-tls-verify)");
	else
		doctor_ok(d, "tls", "the server's certificate is good%s%s",
			  d->k->tls_server_name ? " for " : "",
			  d->k->tls_server_name ? d->k->tls_server_name : "");
}

static bool check_server(struct doctor *d)
{
	struct doctor_answer a;
	bool ok = doctor_get(d, &a, "/version");
	/* "37+" of some providers */
	int minor = atoi(podfs_json_get_text(a.json, "minor"));
	const char *version = podfs_json_get_text(a.json, "gitVersion");

	if (!ok) {
		doctor_fail(d, a.error == -EPROTO ? "tls" : "server",
			    server_fix(&a), "%s", a.text);
	} else {
		check_tls(d);
		if (minor && minor < MINOR_MIN)
			doctor_fail(d, "server",
				    "mount --via exec, which needs no "
				    "ephemeral containers",
				    "Kubernetes %s has no ephemeral containers "
				    "(they came with 1.%d)",
				    podfs_quote(version).text, MINOR_MIN);
		else
			doctor_ok(d, "server", "Kubernetes %s answers in %d ms",
				  podfs_quote(version).text, (int)a.took_ms);
	}
	doctor_answer_done(&a);
	return ok;
}

static bool good_names(struct doctor *d)
{
	const struct podfs_ref *r = &d->ref;

	if ((!*r->ns || podfs_is_label(r->ns)) &&
	    (!*r->pod || podfs_is_subdomain(r->pod)) &&
	    (!*r->container || podfs_is_label(r->container)))
		return true;
	doctor_fail(d, "pod", "write it NAMESPACE/POD/CONTAINER",
		    "that is no name of Kubernetes: %s",
		    podfs_quote(*r->pod ? r->pod : r->ns).text);
	return false;
}

static void check_all(struct doctor *d)
{
	struct podfs_err err = PODFS_ERR_INIT;

	if (!good_names(d) || !check_kubeconfig(d))
		return;
	if (doctor_begin(d, &err) < 0) {
		doctor_fail(d, "kubeconfig",
			    "see to the credentials of this context: `kubectl "
			    "config view --minify`", "%s", err.text);
		return;
	}
	check_proxy(d);
	if (!check_server(d) || !doctor_identity(d) || !doctor_namespaces(d))
		return;
	doctor_rights(d);
	if (*d->ref.pod)
		doctor_pod(d);
}

/* What the configuration says of that namespace. */
static struct podfs_backend_config
config_for(const struct podfs_backend_config *config, const char *ns)
{
	struct podfs_backend_config c = *config;

	for (size_t i = 0; i < c.n_rules; i++) {
		const struct podfs_namespace_rule *r = &c.rules[i];

		if (fnmatch(r->ns, ns, 0) != 0)
			continue;
		if (r->image) {
			c.image = r->image;
			c.image_has_helper = r->image_has_helper;
		}
		if (r->max_rung != WIRE_RUNG_NONE)
			c.max_rung = r->max_rung;
		break;
	}
	return c;
}

void podfs_doctor(const struct podfs_backend_config *config,
		  const struct podfs_ref *ref, podfs_finding_fn *fn, void *arg)
{
	const struct podfs_backend_config c = config_for(config, ref->ns);
	struct doctor d = {
		.config = &c,
		.image = c.image ? c.image : PODFS_IMAGE_DEFAULT,
		.fn = fn,
		.arg = arg,
		.ref = *ref,
	};

	check_all(&d);
	doctor_end(&d);
	podfs_json_free(d.pod);
	podfs_kubeconfig_free(d.k);
}
