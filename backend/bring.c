#include "backend/bring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backend/sendin.h"
#include "common/base/guard.h"
#include "common/base/log.h"
#include "common/base/quote.h"

#define LINE_MAX_LEN 768 /* of what the script says; longer ones aren't its */
#define TEXT_MAX 8192	 /* of what it is sent, but for the helper */

enum step {
	ASKED,	/* the script has been sent */
	BRINGS, /* the helper is on its way */
	SERVES,
};

struct podfs_bring {
	struct podfs_transport base;
	struct podfs_transport *shell;
	const struct podfs_helper_blob *blobs;
	size_t n_blobs;
	enum step step;
	struct podfs_buf text; /* goes before anything else */
	const struct podfs_helper_blob *blob;
	size_t blob_at;
	char note[32];
	char line[LINE_MAX_LEN + 1];
	size_t line_len; /* may be more than the line holds: it is skipped */
};

void podfs_bring_free(struct podfs_bring *b)
{
	podfs_buf_done(&b->text);
	free(b);
}

/* The end, once; @b is gone. */
static void end(struct podfs_bring *b, const struct podfs_err *why)
{
	struct podfs_sink sink = b->base.sink;
	struct podfs_transport *shell = b->shell;

	podfs_bring_free(b);
	if (shell)
		shell->ops->close(shell);
	sink.closed(sink.arg, why);
}

/* ---- the session's side ---------------------------------------------------- */

static struct podfs_bring *bring_of(struct podfs_transport *t)
{
	return podfs_container_of(t, struct podfs_bring, base);
}

static void want_write(struct podfs_transport *t)
{
	struct podfs_bring *b = bring_of(t);

	if (b->step == SERVES)
		b->shell->ops->want_write(b->shell);
}

static void want_read(struct podfs_transport *t, int on)
{
	struct podfs_bring *b = bring_of(t);

	if (b->step == SERVES)
		b->shell->ops->want_read(b->shell, on);
}

static void bring_close(struct podfs_transport *t)
{
	struct podfs_bring *b = bring_of(t);
	struct podfs_transport *shell = b->shell;

	podfs_bring_free(b);
	shell->ops->close(shell);
}

static const struct podfs_transport_ops bring_ops = {
	.want_write = want_write,
	.want_read = want_read,
	.close = bring_close,
};

/* ---- what the script says --------------------------------------------------- */

/* True while @b lives. */
static bool fails(struct podfs_bring *b, int code, const char *what,
		  const char *said)
{
	struct podfs_err err = PODFS_ERR_INIT;
	char plain[LINE_MAX_LEN + 1];
	size_t n = 0;

	/* folders and programs of somebody else's container */
	for (; said[n]; n++)
		plain[n] = said[n] >= ' ' && said[n] < 0x7f ? said[n] : '?';
	plain[n] = '\0';
	podfs_err_set(&err, code, "can't send the helper in: %s%s", what,
		      plain);
	end(b, &err);
	return false;
}

static bool send_text(struct podfs_bring *b, const char *text)
{
	if (podfs_buf_add_str(&b->text, text) != 0)
		return fails(b, -ENOMEM, "out of memory", "");
	b->shell->ops->want_write(b->shell);
	return true;
}

static bool needed(struct podfs_bring *b, const char *machine)
{
	char size[32];

	b->blob = podfs_sendin_blob(b->blobs, b->n_blobs, machine);
	if (!b->blob)
		return fails(b, -EOPNOTSUPP,
			     "there is none for this architecture: ", machine);
	b->step = BRINGS;
	b->blob_at = 0;
	snprintf(size, sizeof(size), "%zu\n", b->blob->len);
	return send_text(b, size);
}

/* The next bytes from there are the helper's. */
static bool sent(struct podfs_bring *b)
{
	podfs_debug("exec", "sent a helper in, %zu bytes", b->blob->len);
	b->step = SERVES;
	b->blob = NULL;
	return send_text(b, "podfs-go\n");
}

/* One line without its end. False: @b is gone. */
static bool heard(struct podfs_bring *b, const char *line)
{
	const char *rest = strchr(line, ' ');

	rest = rest ? rest + 1 : "";
	if (strncmp(line, "podfs-", 6) != 0)
		return true; /* a greeting of whatever is on the way */
	if (b->step == ASKED && strncmp(line, "podfs-need ", 11) == 0)
		return needed(b, rest);
	if (b->step == BRINGS && strcmp(line, "podfs-sent") == 0)
		return sent(b);
	if (strncmp(line, "podfs-lack ", 11) == 0)
		return fails(b, -EOPNOTSUPP, "the image has no program ", rest);
	if (strncmp(line, "podfs-none", 10) == 0)
		return fails(b, -EOPNOTSUPP,
			     "no folder in the container may be written to and "
			     "executed from; tried: ", rest);
	return true;
}

/* ---- the shell's side ------------------------------------------------------- */

static void on_opened(void *arg, const char *note)
{
	struct podfs_bring *b = arg;

	snprintf(b->note, sizeof(b->note), "%s", note ? note : "");
	b->shell->ops->want_write(b->shell);
}

static void on_bytes(void *arg, const uint8_t *p, size_t n)
{
	struct podfs_bring *b = arg;
	struct podfs_sink sink = b->base.sink;

	while (n > 0 && b->step != SERVES) {
		const char c = (char)*p++;

		n--;
		if (c != '\n') {
			if (b->line_len < LINE_MAX_LEN && c != '\r')
				b->line[b->line_len] = c;
			b->line_len += c != '\r';
			continue;
		}
		b->line[b->line_len <= LINE_MAX_LEN ? b->line_len : 0] = '\0';
		b->line_len = 0;
		if (!heard(b, b->line))
			return;
		if (b->step == SERVES) {
			/* may end it: nothing follows, the helper waits */
			sink.opened(sink.arg, b->note);
			return;
		}
	}
	if (n > 0)
		sink.bytes(sink.arg, p, n);
}

static size_t on_fill(void *arg, uint8_t *p, size_t cap)
{
	struct podfs_bring *b = arg;
	size_t n = b->text.len;

	if (n > 0) {
		if (n > cap)
			n = cap;
		memcpy(p, b->text.p, n);
		podfs_buf_consume(&b->text, n);
		return n;
	}
	if (b->step == SERVES)
		return b->base.sink.fill(b->base.sink.arg, p, cap);
	if (!b->blob)
		return 0;
	n = b->blob->len - b->blob_at;
	if (n > cap)
		n = cap;
	memcpy(p, b->blob->p + b->blob_at, n);
	b->blob_at += n;
	return n;
}

/* In the words of runc, crun and whoever else looks for "sh". */
static bool no_shell(const char *why)
{
	return (strstr(why, "executable file") && strstr(why, "not found")) ||
	       strstr(why, "exit code 127");
}

static void on_closed(void *arg, const struct podfs_err *why)
{
	struct podfs_bring *b = arg;
	struct podfs_err err = *why;

	b->shell = NULL; /* frees itself */
	if (b->step == ASKED && no_shell(err.text)) {
		err.code = -EOPNOTSUPP;
		podfs_err_wrap(&err, err.code,
			       "the container has no shell (sh), through which "
			       "the helper could be sent in");
	} else if (b->step != SERVES) {
		podfs_err_wrap(&err, err.code, "can't send the helper in");
	}
	end(b, &err);
}

/* ---- putting both together -------------------------------------------------- */

int podfs_bring_new(const struct podfs_helper_blob *blobs, size_t n_blobs,
		    const struct podfs_sink *sink, struct podfs_bring **ret)
{
	struct podfs_bring *b = calloc(1, sizeof(*b));
	uint64_t random = 0;
	char id[17];

	if (!b)
		return -ENOMEM;
	b->text = (struct podfs_buf)PODFS_BUF_INIT(TEXT_MAX);
	b->base.ops = &bring_ops;
	b->base.sink = *sink;
	b->blobs = blobs;
	b->n_blobs = n_blobs;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		podfs_bring_free(b);
		return -ENOMEM;
	}
	snprintf(id, sizeof(id), "%016" PRIx64, random);
	if (podfs_sendin_inline(id, &b->text) != 0) {
		podfs_bring_free(b);
		return -ENOMEM;
	}
	*ret = b;
	return 0;
}

struct podfs_sink podfs_bring_sink(struct podfs_bring *b)
{
	return (struct podfs_sink){
		.arg = b,
		.opened = on_opened,
		.bytes = on_bytes,
		.fill = on_fill,
		.closed = on_closed,
	};
}

struct podfs_transport *podfs_bring_over(struct podfs_bring *b,
					 struct podfs_transport *shell)
{
	b->shell = shell;
	return &b->base;
}
