/* Cutting lists and watches into objects, wherever the bytes are split. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/json.h"
#include "backend/stream.h"

struct seen {
	struct podfs_buf text; /* items, each followed by a newline */
	struct podfs_buf metadata;
	size_t items;
	int answer;
};

static int on_item(void *arg, const char *text, size_t len)
{
	struct seen *s = arg;

	s->items++;
	podfs_buf_add(&s->text, text, len);
	podfs_buf_add(&s->text, "\n", 1);
	return s->answer;
}

static int on_metadata(void *arg, const char *text, size_t len)
{
	struct seen *s = arg;

	podfs_buf_add(&s->metadata, text, len);
	return 0;
}

static void begin(struct podfs_stream *st, struct seen *s,
		  enum podfs_stream_mode mode)
{
	memset(s, 0, sizeof(*s));
	s->text.max = 16u << 20;
	s->metadata.max = 4096;
	podfs_stream_init(st, mode);
	st->arg = s;
	st->item = on_item;
	st->metadata = on_metadata;
}

static void end(struct podfs_stream *st, struct seen *s)
{
	podfs_stream_done(st);
	podfs_buf_done(&s->text);
	podfs_buf_done(&s->metadata);
}

static int read_all(enum podfs_stream_mode mode, const char *text, size_t split,
		    struct podfs_stream *st, struct seen *s)
{
	size_t n = strlen(text);
	int r;

	begin(st, s, mode);
	r = podfs_stream_feed(st, text, split);
	if (r == 0)
		r = podfs_stream_feed(st, text + split, n - split);
	return r ? r : podfs_stream_end(st);
}

static const char list[] =
	"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":"
	"{\"resourceVersion\":\"12\",\"continue\":\"t\\\"}\"},\"items\":["
	"{\"metadata\":{\"name\":\"a\",\"managedFields\":[{\"f:x\":{\"k{\":1}},"
	"\"}\"],\"uid\":\"1\"},\"items\":[]}, \n"
	"{\"s\":\"]}\\\\\\\"\",\"managedFields\":7}\n],\"more\":[[1,2],{}]}\n";

static const char list_items[] =
	"{\"metadata\":{\"name\":\"a\",\"managedFields\":0,\"uid\":\"1\"},"
	"\"items\":[]}\n"
	"{\"s\":\"]}\\\\\\\"\",\"managedFields\":0}\n";

static void reads_a_list_split_anywhere(void **state)
{
	for (size_t i = 0; i < sizeof(list); i++) {
		struct podfs_stream st;
		struct seen s;

		assert_int_equal(read_all(PODFS_STREAM_LIST, list, i, &st, &s),
				 0);
		assert_int_equal(s.items, 2);
		assert_string_equal(podfs_buf_str(&s.text), list_items);
		assert_string_equal(podfs_buf_str(&s.metadata),
				    "{\"resourceVersion\":\"12\","
				    "\"continue\":\"t\\\"}\"}");
		end(&st, &s);
	}
}

static void a_cut_list_is_no_list(void **state)
{
	for (size_t i = 0; i < sizeof(list) - 2; i++) {
		struct podfs_stream st;
		struct seen s;

		begin(&st, &s, PODFS_STREAM_LIST);
		assert_int_equal(podfs_stream_feed(&st, list, i), 0);
		assert_int_equal(podfs_stream_end(&st), -EBADMSG);
		/* and stays none */
		assert_int_equal(podfs_stream_feed(&st, list + i, 1), -EBADMSG);
		end(&st, &s);
	}
}

static void reads_a_watch_byte_by_byte(void **state)
{
	static const char text[] = "{\"type\":\"ADDED\",\"object\":{}}\n"
				   "{\"a\":\"\\u007d\"}{\"b\":[1]}\r\n";
	struct podfs_stream st;
	struct seen s;

	begin(&st, &s, PODFS_STREAM_WATCH);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		assert_int_equal(podfs_stream_feed(&st, text + i, 1), 0);
	assert_int_equal(podfs_stream_end(&st), 0);
	assert_int_equal(s.items, 3);
	assert_string_equal(podfs_buf_str(&s.text),
			    "{\"type\":\"ADDED\",\"object\":{}}\n"
			    "{\"a\":\"\\u007d\"}\n{\"b\":[1]}\n");
	end(&st, &s);
	/* cut in the middle of a line */
	begin(&st, &s, PODFS_STREAM_WATCH);
	assert_int_equal(podfs_stream_feed(&st, text, 12), 0);
	assert_int_equal(podfs_stream_end(&st), -EBADMSG);
	end(&st, &s);
}

static void empty_lists(void **state)
{
	static const char *const good[] = {
		"{\"items\":[],\"metadata\":{}}",
		"{\"metadata\":{},\"items\":null}",
		"  {\"items\":[ ]}\n\n",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct podfs_stream st;
		struct seen s;

		assert_int_equal(
			read_all(PODFS_STREAM_LIST, good[i], 1, &st, &s), 0);
		assert_int_equal(s.items, 0);
		end(&st, &s);
	}
}

static void refuses_garbage(void **state)
{
	static const char *const bad_lists[] = {
		"",
		"[]",
		"null",
		"\"items\"",
		"<html>",
		"{}",
		"{\"items\":{}}",
		"{\"items\":[1]}",
		"{\"items\":[\"a\"]}",
		"{\"items\":[[]]}",
		"{\"items\":[{]}",
		"{\"items\":[}",
		"{\"items\":[]}{\"items\":[]}",
		"{\"items\":[],\"items\":[]}",
		"{\"items\":[]} x",
		"{\"items\":[] @ }",
		"{{}}",
		"{:}",
		"{\"kind\":\"Status\",\"status\":\"Failure\"}",
	};
	static const char *const bad_watches[] = {
		"x", "1", "[]", "\"\"", "{}}", "{]", ",", "{} ,{}", "}",
	};

	for (size_t i = 0; i < sizeof(bad_lists) / sizeof(bad_lists[0]); i++) {
		struct podfs_stream st;
		struct seen s;

		assert_int_equal(
			read_all(PODFS_STREAM_LIST, bad_lists[i], 0, &st, &s),
			-EBADMSG);
		end(&st, &s);
	}
	for (size_t i = 0; i < sizeof(bad_watches) / sizeof(bad_watches[0]);
	     i++) {
		struct podfs_stream st;
		struct seen s;

		assert_int_equal(read_all(PODFS_STREAM_WATCH, bad_watches[i], 0,
					  &st, &s),
				 -EBADMSG);
		end(&st, &s);
	}
}

static void holds_no_more_than_an_item(void **state)
{
	size_t n = PODFS_JSON_LEN_MAX;
	char *big = malloc(n);
	struct podfs_stream st;
	struct seen s;

	assert_non_null(big);
	memset(big, 'a', n);
	begin(&st, &s, PODFS_STREAM_WATCH);
	assert_int_equal(podfs_stream_feed(&st, "{\"k\":\"", 6), 0);
	assert_int_equal(podfs_stream_feed(&st, big, n), -EMSGSIZE);
	end(&st, &s);
	/* left out, managedFields may be as long as they like */
	begin(&st, &s, PODFS_STREAM_WATCH);
	assert_int_equal(podfs_stream_feed(&st, "{\"managedFields\":\"", 18),
			 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(podfs_stream_feed(&st, big, n), 0);
	assert_int_equal(podfs_stream_feed(&st, "\",\"z\":1}", 8), 0);
	assert_string_equal(podfs_buf_str(&s.text),
			    "{\"managedFields\":0,\"z\":1}\n");
	assert_true(st.held.cap <= 65536);
	end(&st, &s);
	/* a large one that fits is given back after use */
	begin(&st, &s, PODFS_STREAM_WATCH);
	podfs_stream_feed(&st, "{\"k\":\"", 6);
	podfs_stream_feed(&st, big, n / 2);
	assert_int_equal(podfs_stream_feed(&st, "\"}", 2), 0);
	assert_int_equal(s.items, 1);
	assert_int_equal(st.held.cap, 0);
	end(&st, &s);
	/* nested too deep */
	memset(big, '[', 100);
	begin(&st, &s, PODFS_STREAM_WATCH);
	podfs_stream_feed(&st, "{\"k\":", 5);
	assert_int_equal(podfs_stream_feed(&st, big, 100), -EMSGSIZE);
	end(&st, &s);
	free(big);
}

static void a_callback_ends_it(void **state)
{
	struct podfs_stream st;
	struct seen s;

	begin(&st, &s, PODFS_STREAM_WATCH);
	s.answer = -ECANCELED;
	assert_int_equal(podfs_stream_feed(&st, "{}{}", 4), -ECANCELED);
	assert_int_equal(s.items, 1);
	assert_int_equal(podfs_stream_feed(&st, "{}", 2), -ECANCELED);
	assert_int_equal(s.items, 1);
	end(&st, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_list_split_anywhere),
		cmocka_unit_test(a_cut_list_is_no_list),
		cmocka_unit_test(reads_a_watch_byte_by_byte),
		cmocka_unit_test(empty_lists),
		cmocka_unit_test(refuses_garbage),
		cmocka_unit_test(holds_no_more_than_an_item),
		cmocka_unit_test(a_callback_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
