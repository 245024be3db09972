/*
 * For tests of kubeconfig and credentials: a folder that is made and removed
 * around each test, files in it, an environment without surprises, and the log.
 */
#ifndef PODFS_TESTS_KUBE_FILES_H
#define PODFS_TESTS_KUBE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "backend/kubeconfig.h"

#define CERT_PEM                                                               \
	"-----BEGIN CERTIFICATE-----\nMIIBcert\n-----END CERTIFICATE-----\n"
#define KEY_PEM                                                                \
	"-----BEGIN PRIVATE KEY-----\nMIIBSECRETkey\n-----END PRIVATE KEY-----\n"
/* base64 of the two */
#define CERT_DATA                                                              \
	"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJjZXJ0Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"
#define KEY_DATA                                                               \
	"LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUJTRUNSRVRrZXkKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo="

/* cmocka's setup and teardown of a test. */
int kube_setup(void **state);
int kube_teardown(void **state);

/* The folder; and the path of a file in it, good until the test ends. */
const char *kube_dir(void);
const char *kube_path(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* Writes a file (folders in its name are made) and returns its path. */
const char *kube_put(const char *name, const char *text);
const char *kube_put_script(const char *name, const char *text);
/* All of a small file; "" where there is none. Good until the test ends. */
const char *kube_read(const char *name);

/* Loads what must load. */
struct podfs_kubeconfig *kube_load(const char *path, const char *context);

/* Valgrind makes fork(2) of vfork(2): posix_spawn() can't tell that a program
 * was not started, the child ends with a status instead. The suite that runs
 * under it sets PODFS_UNDER_VALGRIND. */
bool kube_spawn_is_blind(void);

/* All lines of the log since the test began; each ends with a newline. */
const char *kube_log(void);

#endif
