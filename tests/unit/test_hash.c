/* The keyed hash: SipHash-2-4 as its authors' test vectors have it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/hash.h"

static void test_reference_vectors(void **state)
{
	/* of the bytes 0, 1, 2, ... with the key 0, 1, ... 15 */
	static const struct {
		size_t n;
		uint64_t hash;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31ull },
		{ 1, 0x74f839c593dc67fdull },
		{ 2, 0x0d6c8009d9a94f5aull },
		{ 8, 0x93f5f5799a932462ull },
		{ 15, 0xa129ca6149be45e5ull },
	};
	const struct podfs_hash_key key = { { 0x0706050403020100ull,
					      0x0f0e0d0c0b0a0908ull } };
	uint8_t text[16];

	(void)state;
	for (uint8_t i = 0; i < sizeof(text); i++)
		text[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(podfs_siphash(&key, text, vectors[i].n),
				 vectors[i].hash);
}

/* Of a process that hashes for the first time. */
static uint64_t hash_of_another(void)
{
	uint64_t h = 0;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		h = podfs_hash("name", 4);
		_exit(write(fds[1], &h, sizeof(h)) == sizeof(h) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(fds[0], &h, sizeof(h)), sizeof(h));
	close(fds[0]);
	close(fds[1]);
	return h;
}

static void test_each_process_has_its_key(void **state)
{
	uint64_t one = hash_of_another(), two = hash_of_another();

	(void)state;
	assert_int_not_equal(one, two);
	assert_int_not_equal(podfs_hash("name", 4), one);
	assert_int_equal(podfs_hash("name", 4), podfs_hash("name", 4));
	assert_int_not_equal(podfs_hash("name", 4), podfs_hash("name", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_vectors),
		cmocka_unit_test(test_each_process_has_its_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
