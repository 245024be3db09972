#include "backend/rest_curl.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Unanswered bytes of a link that went dead without a word. */
#define TCP_DEAD_MS 20000

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void rest_curl_init(void)
{
	pthread_once(&global_once, global_init);
}

/* Sockets must not reach exec plugins, and a dead link must end. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
				 struct curl_sockaddr *a)
{
	unsigned dead = TCP_DEAD_MS;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (a->family == AF_INET || a->family == AF_INET6)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead,
			   sizeof(dead));
	return fd;
}

void rest_curl_connects(CURL *e)
{
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* A name server that hangs must not hold up the end. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)REST_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 10L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, 5L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
}

void rest_curl_pem(CURL *e, CURLoption what, const char *pem)
{
	struct curl_blob blob = { .data = (void *)(uintptr_t)pem,
				  .len = strlen(pem),
				  .flags = CURL_BLOB_COPY };

	curl_easy_setopt(e, what, &blob);
}

void rest_curl_proxy(CURL *e, const char *proxy, const struct podfs_auth *auth,
		     bool insecure)
{
	char socks[512];

	/* As Go does it: the proxy resolves the name. */
	if (proxy && !strncasecmp(proxy, "socks5://", 9)) {
		snprintf(socks, sizeof(socks), "socks5h://%s", proxy + 9);
		proxy = socks;
	}
	/* "" and not NULL: the environment was already looked at, by the same
	 * rules as kubectl's, which are not curl's. */
	curl_easy_setopt(e, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	if (proxy == socks)
		explicit_bzero(socks, sizeof(socks));
	if (insecure) {
		curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_PROXY_SSL_VERIFYHOST, 0L);
	}
	if (auth->ca_pem) {
		rest_curl_pem(e, CURLOPT_PROXY_CAINFO_BLOB, auth->ca_pem);
		/* A blob replaces curl's file of roots but not its folder. */
		curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
	}
}
