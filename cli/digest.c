/* SHA-256 by libcrypto, which libcurl and libwebsockets bring along. */
#include "cli/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>

int digest_sha256(const void *p, size_t len, char ret[DIGEST_HEX + 1])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(p, len, md, &n, EVP_sha256(), NULL) != 1 ||
	    n * 2 != DIGEST_HEX)
		return -EIO;
	for (unsigned i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", md[i]);
	return 0;
}
