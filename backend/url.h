/* Names of the API inside of URLs. */
#ifndef PODFS_BACKEND_URL_H
#define PODFS_BACKEND_URL_H

/* Everything but RFC 3986's unreserved characters as %XX. The caller frees;
 * NULL without memory. */
char *podfs_url_encode(const char *s);

#endif
