/* How much file data is under way on a link with a delay. Time is a number here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "backend/share.h"

enum { PART = 64 << 10, /* bytes that a call moves */
       CALLS = 256, DELAY = 20000, RATE = 100 }; /* us, there and back; bytes/us */

static int64_t now; /* us */

/* The most that was under way in so long, where there is always more to ask. */
static size_t run(struct podfs_share *s, int64_t us)
{
	static struct podfs_call calls[CALLS];
	int64_t due[CALLS], free_at = now, turn;
	const int64_t stop = now + us;
	size_t first = 0, next = 0, most = 0;

	memset(calls, 0, sizeof(calls));
	for (; now < stop; now += 100) {
		for (; first < next && due[first % CALLS] <= now; first++) {
			struct podfs_call *c = &calls[first % CALLS];

			podfs_share_answered(s, c, PART, now);
			podfs_share_gone(s, c);
		}
		for (;;) {
			struct podfs_call *c = &calls[next % CALLS];

			*c = (struct podfs_call){ .op = WIRE_OP_READ,
						  .prio = WIRE_PRIO_BULK,
						  .moves = PART };
			if (next - first == CALLS ||
			    !podfs_share_may(s, c, now, &turn))
				break;
			podfs_share_left(s, c, false, now);
			if (free_at < now + DELAY)
				free_at = now + DELAY;
			free_at += PART / RATE;
			due[next++ % CALLS] = free_at;
		}
		if (s->in.under_way > most)
			most = s->in.under_way;
	}
	for (; first < next; first++) {
		struct podfs_call *c = &calls[first % CALLS];

		if (due[first % CALLS] > now)
			now = due[first % CALLS];
		podfs_share_answered(s, c, PART, now);
		podfs_share_gone(s, c);
	}
	return most;
}

static void test_a_link_that_is_far_is_filled(void **state)
{
	const size_t flight = (size_t)DELAY * RATE;
	struct podfs_call small = { .op = WIRE_OP_LOOKUP };
	struct podfs_share s;
	uint64_t before;
	size_t most;

	(void)state;
	now = 5000000;
	podfs_share_init(&s);
	podfs_share_left(&s, &small, true, now);
	now += DELAY;
	podfs_share_answered(&s, &small, 0, now);
	podfs_share_gone(&s, &small);
	now += 2000000;
	run(&s, 1000000); /* it grows */
	before = s.in.delivered;
	most = run(&s, 1000000);
	assert_true(s.in.delivered - before > 95ul * RATE * 1000000 / 100);
	/* and no more than so stands in a queue */
	assert_true(most <= 2 * flight + PODFS_SHARE_ALONE);
	podfs_share_left(&s, &small, true, now);
	now += DELAY;
	podfs_share_answered(&s, &small, 0, now);
	podfs_share_gone(&s, &small);
	assert_true(run(&s, 150000) <= flight + PODFS_SHARE_BESIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_link_that_is_far_is_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
