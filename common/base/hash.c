#include "common/base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

struct state {
	uint64_t v[4];
};

static uint64_t rotated(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void rounds(struct state *s, unsigned n)
{
	uint64_t *v = s->v;

	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotated(v[1], 13) ^ v[0];
		v[3] = rotated(v[3], 16) ^ v[2];
		v[0] = rotated(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotated(v[1], 17) ^ v[2];
		v[3] = rotated(v[3], 21) ^ v[0];
		v[2] = rotated(v[2], 32);
	}
}

static void take(struct state *s, uint64_t word)
{
	s->v[3] ^= word;
	rounds(s, 2);
	s->v[0] ^= word;
}

static uint64_t word_of(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

uint64_t podfs_siphash(const struct podfs_hash_key *key, const void *p,
		       size_t n)
{
	const uint8_t *at = p;
	struct state s = { {
		key->k[0] ^ 0x736f6d6570736575ull,
		key->k[1] ^ 0x646f72616e646f6dull,
		key->k[0] ^ 0x6c7967656e657261ull,
		key->k[1] ^ 0x7465646279746573ull,
	} };
	size_t left = n;

	for (; left >= 8; left -= 8, at += 8)
		take(&s, word_of(at, 8));
	take(&s, word_of(at, left) | (uint64_t)n << 56);
	s.v[2] ^= 0xff;
	rounds(&s, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

static struct podfs_hash_key own_key; /* written once, by make_key() */

static void make_key(void)
{
	/* so few bytes come whole, or the kernel has no such call at all */
	if (getrandom(&own_key, sizeof(own_key), 0) != sizeof(own_key))
		abort();
}

uint64_t podfs_hash(const void *p, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_key);
	return podfs_siphash(&own_key, p, n);
}
