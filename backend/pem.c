#include "backend/pem.h"

#include <stddef.h>
#include <string.h>

const char *podfs_pem_certs_problem(const char *pem)
{
	return strstr(pem, "-----BEGIN CERTIFICATE-----") ?
		       NULL :
		       "holds no certificate (PEM)";
}

const char *podfs_pem_key_problem(const char *pem)
{
	if (!strstr(pem, " PRIVATE KEY-----"))
		return "holds no private key (PEM)";
	/* The TLS library would ask for a passphrase on the terminal, and
	 * wait. kubectl can't use such a key either. */
	if (strstr(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
	    strstr(pem, "Proc-Type: 4,ENCRYPTED"))
		return "is encrypted: give a key without passphrase, or use an exec plugin";
	return NULL;
}
