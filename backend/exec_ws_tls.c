/*
 * Whom a stream's TLS trusts and who it says one is, from PEM text.
 *
 * libwebsockets takes one certificate and one key from memory, each alone in
 * its text. A chain, several roots or a file that holds certificate and key
 * both are what curl takes, so the lists come and the streams would not.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "backend/exec_ws_inner.h"

/* What isn't a certificate is passed over. NULL: there is none more. */
static X509 *next_certificate(BIO *pem)
{
	X509 *x = PEM_read_bio_X509(pem, NULL, NULL, NULL);

	ERR_clear_error(); /* of the end, or of what nothing can be made of */
	return x;
}

static bool trust(SSL_CTX *ctx, const char *ca_pem)
{
	BIO *pem = BIO_new_mem_buf(ca_pem, -1);
	X509_STORE *store = X509_STORE_new();
	bool ok = pem && store;
	size_t n = 0;
	X509 *x;

	while (ok && (x = next_certificate(pem))) {
		ok = X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
		n++;
	}
	BIO_free(pem);
	if (!ok || n == 0) {
		X509_STORE_free(store);
		return false;
	}
	SSL_CTX_set_cert_store(ctx, store); /* the context owns it */
	return true;
}

/* A passphrase is asked of nobody. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

static bool use_key(SSL_CTX *ctx, const char *key_pem)
{
	BIO *pem = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = pem ? PEM_read_bio_PrivateKey(pem, NULL, no_passphrase,
						      NULL) :
			      NULL;
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		  SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(pem);
	return ok;
}

/* The first is one's own, the rest leads to the root. */
static bool use_chain(SSL_CTX *ctx, const char *cert_pem)
{
	BIO *pem = BIO_new_mem_buf(cert_pem, -1);
	X509 *x = pem ? next_certificate(pem) : NULL;
	bool ok = x && SSL_CTX_use_certificate(ctx, x) == 1 &&
		  SSL_CTX_clear_chain_certs(ctx) == 1;

	X509_free(x);
	while (ok && (x = next_certificate(pem))) {
		ok = SSL_CTX_add1_chain_cert(ctx, x) == 1;
		X509_free(x);
	}
	BIO_free(pem);
	return ok;
}

/* The server's certificate must name an address where the URL holds one; lws
 * compares host names only. */
static bool require_ip(SSL_CTX *ctx, const char *ip)
{
	return !*ip || X509_VERIFY_PARAM_set1_ip_asc(SSL_CTX_get0_param(ctx),
						     ip) == 1;
}

bool exec_ws_tls(void *ssl_ctx, const struct podfs_auth *auth, const char *ip)
{
	SSL_CTX *ctx = ssl_ctx;
	bool ok = require_ip(ctx, ip);

	if (ok && auth->ca_pem)
		ok = trust(ctx, auth->ca_pem);
	if (ok && auth->cert_pem && auth->key_pem)
		ok = use_chain(ctx, auth->cert_pem) &&
		     use_key(ctx, auth->key_pem);
	ERR_clear_error();
	return ok;
}

char *exec_ws_first_certificate(const char *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const char *from = strstr(pem, begin);
	const char *to = from ? strstr(from, end) : NULL;
	char *ret = NULL;

	if (to && asprintf(&ret, "%.*s\n",
			   (int)(to - from) + (int)strlen(end), from) < 0)
		ret = NULL;
	return ret;
}
