/* The exec plugin's credential, and when to run the plugin. */
#include <errno.h>
#include <string.h>

#include "backend/credentials_inner.h"
#include "backend/exec_plugin.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

/* A plugin that fails isn't run for each of the requests that wait. */
#define FAILURE_MS 3000
/* One whose credential is expired at birth (a clock that is wrong) neither. */
#define LIFE_MIN_MS 3000
/* The server refused it, and the plugin gave the same again: a 401 doesn't run
 * it more often than this. */
#define SAME_MS 10000

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool usable(const struct podfs_credentials *c)
{
	const struct cred_plugin *p = &c->plugin;

	if (!p->have || p->refused)
		return false;
	/* No margin: client-go has none, and plugins build on it. */
	return !p->now.expires || cred_time_s(c) <= p->now.expiry ||
	       cred_now_ms(c) - p->ran_at < LIFE_MIN_MS;
}

static int run(struct podfs_credentials *c, struct podfs_exec_credential *ret,
	       struct podfs_err *err)
{
	const struct podfs_exec_plugin *p = c->k->exec;
	struct podfs_plugin_run how = { .plugin = p,
					.cancel_fd = c->stop_fd,
					.timeout_s = c->plugin_timeout_s };
	PODFS_CLEANUP_SECRET char *info = NULL;
	char *out = NULL;
	size_t len = 0;
	int r = podfs_plugin_interactive(p, &how.interactive, err);

	if (r < 0)
		return r;
	info = podfs_exec_info(c->k, c->ca.path ? c->ca.pem : c->k->ca_pem,
			       how.interactive);
	if (!info)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	how.exec_info = info;
	r = podfs_plugin_run(&how, &out, &len, err);
	if (r < 0)
		return r;
	r = podfs_exec_credential_parse(p->api_version, out, len, ret, err);
	podfs_secret_free_n(out, len);
	return r;
}

static void take(struct podfs_credentials *c,
		 const struct podfs_exec_credential *fresh)
{
	struct cred_plugin *p = &c->plugin;
	bool again = p->have && p->refused &&
		     same(p->now.token, fresh->token) &&
		     same(p->now.cert_pem, fresh->cert_pem);

	p->ran_at = cred_now_ms(c);
	p->same_until = again ? p->ran_at + SAME_MS : 0;
	podfs_exec_credential_done(&p->now);
	p->now = *fresh;
	p->have = true;
	p->refused = false;
	p->failed_until = 0;
	/* Also for the same credential: the requests that were refused with the
	 * one before must not run the plugin once each. */
	c->generation++;
}

int cred_plugin_refresh(struct podfs_credentials *c, struct podfs_err *err)
{
	struct cred_plugin *p = &c->plugin;
	struct podfs_exec_credential fresh = { .token = NULL };
	struct podfs_err why = PODFS_ERR_INIT;
	int r;

	if (!c->k->exec || usable(c))
		return 0;
	if (cred_now_ms(c) < p->failed_until)
		return podfs_err_set(err, p->failure.code, "%s",
				     p->failure.text);
	podfs_debug("kubeconfig", "exec plugin %s runs",
		    podfs_quote(c->k->exec->command).text);
	r = run(c, &fresh, &why);
	if (r == 0) {
		take(c, &fresh);
		return 0;
	}
	if (r != -ETIMEDOUT && r != -ENOENT && r != -ECANCELED && r != -ENOMEM)
		r = -EACCES;
	why.code = r;
	podfs_err_wrap(&why, r, "exec plugin %s",
		       podfs_quote(c->k->exec->command).text);
	p->failure = why;
	p->failed_until = cred_now_ms(c) + FAILURE_MS;
	return podfs_err_set(err, r, "%s", why.text);
}

bool cred_plugin_refuse(struct podfs_credentials *c)
{
	struct cred_plugin *p = &c->plugin;

	if (!c->k->exec || cred_now_ms(c) < p->same_until)
		return false;
	p->refused = true;
	return true;
}

void cred_plugin_done(struct podfs_credentials *c)
{
	podfs_exec_credential_done(&c->plugin.now);
}
