/* The token: inline, or from a file that somebody renews. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/credentials_inner.h"
#include "backend/secret.h"
#include "common/base/guard.h"
#include "common/base/log.h"

#define TOKEN_MAX ((size_t)128 << 10)
/* client-go: a minute less ten seconds. The kubelet renews a token at 80 % of
 * its life, which is at least ten minutes. */
#define REREAD_MS 50000

static int read_token(const char *path, char **ret, struct podfs_err *err)
{
	PODFS_CLEANUP_SECRET char *text = NULL;
	char *start, *token;
	size_t len, end;
	int r = podfs_secret_read(path, TOKEN_MAX, &text, &len, err);

	if (r < 0)
		return podfs_err_wrap(err, r, "tokenFile");
	start = text + strspn(text, " \t\r\n\v\f");
	for (end = strlen(start); end > 0; end--)
		if (!strchr(" \t\r\n\v\f", start[end - 1]))
			break;
	if (end == 0)
		return podfs_err_set(err, -EINVAL, "tokenFile: %s is empty",
				     path);
	for (size_t i = 0; i < end; i++)
		if ((unsigned char)start[i] < 0x20 || start[i] == 0x7f)
			return podfs_err_set(err, -EINVAL,
					     "tokenFile: %s has a line break or another control character in its middle",
					     path);
	token = strndup(start, end);
	if (!token)
		return podfs_err_set(err, -ENOMEM, "out of memory");
	*ret = token;
	return 0;
}

int cred_token_refresh(struct podfs_credentials *c, struct podfs_err *err)
{
	struct cred_token *t = &c->token;
	struct podfs_err why = PODFS_ERR_INIT;
	int64_t now = cred_now_ms(c);
	char *value;
	int r;

	if (!t->path || (t->fresh && now - t->read_at < REREAD_MS))
		return 0;
	r = read_token(t->path, &value, &why);
	if (r == 0) {
		const char *old = cred_token_value(c);

		if (!old || strcmp(old, value))
			c->generation++;
		podfs_secret_free(t->value);
		t->value = value;
		t->read_at = now;
		t->fresh = true;
		t->warned = false;
		return 0;
	}
	if (!cred_token_value(c))
		return podfs_err_set(err, r, "%s", why.text);
	if (!t->warned)
		podfs_warn("kubeconfig", "%s: %s", why.text,
			   t->value ? "the token read before stays in use" :
				      "the kubeconfig's own token is used");
	t->warned = true;
	return 0;
}

void cred_token_forget(struct podfs_credentials *c)
{
	c->token.fresh = false;
}

const char *cred_token_value(const struct podfs_credentials *c)
{
	return c->token.value ? c->token.value : c->token.inline_token;
}

void cred_token_done(struct podfs_credentials *c)
{
	podfs_secret_free(c->token.value);
}
