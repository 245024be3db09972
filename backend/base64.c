#include "backend/base64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/secret.h"
#include "common/base/checked.h"

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

struct decoder {
	char *out;
	size_t len;
	uint32_t bits;
	unsigned have; /* digits and paddings of the group at hand */
	unsigned pads;
	bool ended;
};

static bool take(struct decoder *d, char c)
{
	int v = digit(c);

	if (d->ended || (v < 0 && c != '='))
		return false;
	if (c == '=') {
		if (d->have < 2)
			return false;
		d->pads++;
		v = 0;
	} else if (d->pads) {
		return false;
	}
	d->bits = d->bits << 6 | (uint32_t)v;
	if (++d->have < 4)
		return true;
	for (unsigned i = 0; i < 3 - d->pads; i++)
		d->out[d->len++] = (char)(d->bits >> (16 - 8 * i));
	d->ended = d->pads > 0;
	d->have = 0;
	d->bits = 0;
	return true;
}

int podfs_base64_decode(const char *text, size_t len, char **ret,
			size_t *ret_len)
{
	struct decoder d = { .out = malloc(len / 4 * 3 + 4) };
	bool ok = d.out != NULL;

	if (!ok)
		return -ENOMEM;
	for (size_t i = 0; ok && i < len; i++)
		if (text[i] != '\r' && text[i] != '\n')
			ok = take(&d, text[i]);
	if (!ok || d.have) {
		podfs_secret_free_n(d.out, d.len);
		return -EBADMSG;
	}
	d.out[d.len] = '\0';
	*ret = d.out;
	*ret_len = d.len;
	return 0;
}

char *podfs_base64_encode(const void *data, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	size_t size;
	char *ret, *out;

	if (podfs_mul_overflows(len / 3 + 1, 4, &size))
		return NULL;
	ret = malloc(size + 1);
	out = ret;
	if (!ret)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)p[i] << 16;

		if (left > 1)
			bits |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			bits |= p[i + 2];
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	return ret;
}
