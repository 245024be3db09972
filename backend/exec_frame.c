#include "backend/exec_frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/json.h"
#include "common/base/quote.h"

void podfs_exec_input_init(struct podfs_exec_input *in)
{
	memset(in, 0, sizeof(*in));
	in->channel = -1;
}

/* Keeps the end of what was said: the last words explain. */
static void keep_errors(struct podfs_exec_input *in, const uint8_t *p, size_t n)
{
	const size_t room = sizeof(in->errors);

	if (n > room) {
		p += n - room;
		n = room;
	}
	if (in->errors_len + n > room) {
		size_t drop = in->errors_len + n - room;

		memmove(in->errors, in->errors + drop, in->errors_len - drop);
		in->errors_len -= drop;
	}
	memcpy(in->errors + in->errors_len, p, n);
	in->errors_len += n;
}

static void keep_status(struct podfs_exec_input *in, const uint8_t *p, size_t n)
{
	if (n > sizeof(in->status) - in->status_len) {
		n = sizeof(in->status) - in->status_len;
		in->status_cut = true;
	}
	memcpy(in->status + in->status_len, p, n);
	in->status_len += n;
}

void podfs_exec_input_piece(struct podfs_exec_input *in, const uint8_t *p,
			    size_t n, bool first, bool final,
			    const uint8_t **ret, size_t *ret_len)
{
	*ret = p;
	*ret_len = 0;
	if (first)
		in->channel = -1;
	if (in->channel < 0 && n > 0) {
		in->channel = p[0];
		p++;
		n--;
	}
	if (n > 0 && in->channel == PODFS_EXEC_STDOUT) {
		*ret = p;
		*ret_len = n;
	} else if (n > 0 && in->channel == PODFS_EXEC_STDERR) {
		keep_errors(in, p, n);
	} else if (n > 0 && in->channel == PODFS_EXEC_STATUS) {
		keep_status(in, p, n);
	}
	if (final)
		in->channel = -1;
}

static struct podfs_quoted errors_of(const struct podfs_exec_input *in)
{
	const char *p = in->errors;
	size_t n = in->errors_len;

	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == ' '))
		n--;
	for (size_t i = n; i > 0; i--) { /* the last line */
		if (p[i - 1] != '\n')
			continue;
		p += i;
		n -= i;
		break;
	}
	return podfs_quote_n(p, n);
}

void podfs_exec_input_verdict(const struct podfs_exec_input *in,
			      const char *closed, struct podfs_err *ret)
{
	struct podfs_k8s_status st;

	if (in->status_len == 0 || in->status_cut ||
	    podfs_json_status(in->status, in->status_len, &st) != 0) {
		/* without a status the result is unknown, whatever the close
		 * code says */
		podfs_err_set(ret, -EIO, "the exec stream was cut%s%s%s%s",
			      closed[0] ? ": " : "", closed,
			      in->errors_len ? "; stderr: " : "",
			      in->errors_len ? errors_of(in).text : "");
		return;
	}
	if (st.success) {
		podfs_err_set(ret, -EPIPE, "the helper's stream ended");
		return;
	}
	/* the kubelet's words have the whole command in them, a long one */
	if (st.exit_code >= 0)
		snprintf(st.message, sizeof(st.message), "exit code %d",
			 st.exit_code);
	/* 126 and 127: there is no such program, or it can't be run; POSIX 2.8.2 */
	podfs_err_set(ret,
		      st.exit_code == 126 || st.exit_code == 127 ? -ENOEXEC :
								   -EIO,
		      "exec failed: %s%s%s", st.message,
		      in->errors_len ? "; stderr: " : "",
		      in->errors_len ? errors_of(in).text : "");
}
