/*
 * A look at PEM text, so that a wrong file is named before TLS stumbles on it.
 */
#ifndef PODFS_BACKEND_PEM_H
#define PODFS_BACKEND_PEM_H

/* NULL where nothing is wrong, else what is: "holds no certificate". */
const char *podfs_pem_certs_problem(const char *pem);
const char *podfs_pem_key_problem(const char *pem);

#endif
