#include "common/base/error.h"

#include <stdio.h>
#include <string.h>

int podfs_err_set(struct podfs_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int podfs_err_wrap(struct podfs_err *err, int code, const char *fmt, ...)
{
	char inner[PODFS_ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return code;
	if (err->code == 0)
		err->code = code;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 2 < sizeof(err->text) && inner[0] != '\0') {
		int room = (int)(sizeof(err->text) - (size_t)n - 3);

		snprintf(err->text + n, (size_t)room + 3, ": %.*s", room,
			 inner);
	}
	return err->code;
}
