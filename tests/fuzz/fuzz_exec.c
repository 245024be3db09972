/* What comes on an exec's channels: messages in pieces, stderr, the status. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/exec_frame.h"
#include "backend/exec_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct podfs_exec_input in;
	struct podfs_err why = PODFS_ERR_INIT;
	struct podfs_exec_url url;
	char text[300];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	podfs_exec_input_init(&in);
	for (size_t at = 0; at + 1 < size;) {
		size_t len = data[at] & 0x3f;
		bool first = data[at] & 0x40, final = data[at] & 0x80;
		const uint8_t *out;
		size_t out_len;

		at++;
		if (len > size - at)
			len = size - at;
		podfs_exec_input_piece(&in, data + at, len, first, final, &out,
				       &out_len);
		if (out_len > len)
			abort();
		at += len;
	}
	podfs_exec_input_verdict(&in, "closed", &why);
	if (why.code >= 0 || strlen(why.text) >= sizeof(why.text))
		abort();
	memcpy(text, data, n);
	text[n] = '\0';
	if (podfs_exec_url_split(text, &url) == 0 &&
	    (url.port <= 0 || url.port > 65535 || !url.host[0]))
		abort();
	return 0;
}
