#include "backend/debug_join.h"

#include <string.h>

/* So many bytes in a row are no chance. */
#define TELLING 16

/* The longest end of @log that @seen begins with. */
static size_t overlap(const uint8_t *log, size_t n, const uint8_t *seen,
		      size_t m)
{
	for (size_t k = n < m ? n : m; k > 0; k--)
		if (memcmp(log + n - k, seen, k) == 0)
			return k;
	return 0;
}

struct debug_join debug_join(const uint8_t *log, size_t n, const uint8_t *seen,
			     size_t m, bool complete)
{
	struct debug_join j = { .missed = n };
	const uint8_t *from = log, *at;
	size_t k;

	if (m == 0 || n == 0)
		return j;
	if (complete) {
		j.missed = n > m ? n - m : 0;
		j.sure = true;
		return j;
	}
	/* all that both have must be the same: a stream of like lines holds its
	 * first bytes many times */
	while (m >= TELLING &&
	       (at = memmem(from, n - (size_t)(from - log), seen, TELLING))) {
		size_t rest = n - (size_t)(at - log);

		if (memcmp(at, seen, rest < m ? rest : m) == 0) {
			j.missed = (size_t)(at - log);
			j.sure = true;
			return j;
		}
		from = at + 1;
	}
	k = overlap(log, n, seen, m < TELLING ? m : TELLING);
	j.missed = n - k;
	j.sure = k == m;
	return j;
}

size_t debug_as_logged(uint8_t *p, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (p[i] != '\r' || i + 1 == n || p[i + 1] != '\n')
			p[kept++] = p[i];
	return kept;
}
