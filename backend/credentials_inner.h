/* Inside of credentials: what each kind of credential remembers. */
#ifndef PODFS_BACKEND_CREDENTIALS_INNER_H
#define PODFS_BACKEND_CREDENTIALS_INNER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "backend/credentials.h"
#include "backend/exec_credential.h"

/* A PEM text, from the kubeconfig or from a file that may change. */
struct cred_pem {
	const char *what;  /* "certificate-authority"... */
	const char *path;  /* NULL: none, or inline */
	const char *inline_pem;
	const char *(*problem)(const char *pem);
	char *pem; /* the last good one */
	struct stat id; /* of the file that was read last */
	bool known;	/* id is set, and the file is good */
	bool warned;
};

struct cred_token {
	const char *path;
	const char *inline_token;
	char *value; /* last read, or NULL */
	int64_t read_at; /* ms */
	bool fresh;	 /* read_at counts */
	bool warned;
};

struct cred_plugin {
	struct podfs_exec_credential now;
	bool have;
	bool refused;	    /* by the server: run again */
	int64_t ran_at;	    /* ms */
	int64_t same_until; /* ms; a 401 doesn't run it again before */
	int64_t failed_until; /* ms; until then get() gives the same error */
	struct podfs_err failure;
};

struct podfs_credentials {
	const struct podfs_kubeconfig *k;
	int stop_fd; /* eventfd: readable once podfs_credentials_stop() came */
	unsigned plugin_timeout_s;
	pthread_mutex_t lock; /* held while a plugin runs */
	/* under lock */
	struct cred_pem ca, cert, key;
	struct cred_token token;
	struct cred_plugin plugin;
	uint64_t generation; /* grows when anything of the above changed */
	int64_t shift_s;     /* tests: added to all clocks */
};

/* Clocks: one that only runs, in ms, and that of the calendar, in s. */
int64_t cred_now_ms(const struct podfs_credentials *c);
int64_t cred_time_s(const struct podfs_credentials *c);

/*
 * credentials_pem.c, credentials_token.c, credentials_plugin.c. Each brings
 * its part up to date and adds to c->generation where that changed it. Errors:
 * as podfs_credentials_get(); what was good before stays in use instead, but
 * for a plugin.
 */
int cred_pem_refresh(struct podfs_credentials *c, struct podfs_err *err);
void cred_pem_forget(struct podfs_credentials *c); /* read anew next time */
void cred_pem_done(struct podfs_credentials *c);

int cred_token_refresh(struct podfs_credentials *c, struct podfs_err *err);
void cred_token_forget(struct podfs_credentials *c);
/* What to send: the file's, else the inline one, else NULL. */
const char *cred_token_value(const struct podfs_credentials *c);
void cred_token_done(struct podfs_credentials *c);

int cred_plugin_refresh(struct podfs_credentials *c, struct podfs_err *err);
/* False: running it again would not help now. */
bool cred_plugin_refuse(struct podfs_credentials *c);
void cred_plugin_done(struct podfs_credentials *c);

/* credentials_headers.c. -ENOMEM. */
int cred_headers(const struct podfs_credentials *c, char ***ret);

#endif
