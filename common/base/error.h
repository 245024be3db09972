/*
 * Errors of the control path: a code for the program, a sentence for a person.
 *
 * Control path (kubeconfig, API, exec, start-up): a function returns 0 or
 * -errno and, when it fails, fills a struct podfs_err with one line that names
 * the object, its value and what to do. Callers add context in front with
 * podfs_err_wrap() and never overwrite. The data path (file operations)
 * returns -errno and nothing else.
 *
 * Thread: a struct podfs_err belongs to the thread that fills it.
 */
#ifndef PODFS_BASE_ERROR_H
#define PODFS_BASE_ERROR_H

#include <stdarg.h>

/* Bounded, so that reporting an error can't fail; longer texts are cut. */
#define PODFS_ERR_TEXT_MAX 1024

struct podfs_err {
	int code;			 /* -errno; 0 while nothing failed */
	char text[PODFS_ERR_TEXT_MAX]; /* one line, no newline at the end */
};

#define PODFS_ERR_INIT { .code = 0, .text = "" }

/* Sets code and text and returns @code (a negative errno). @err may be NULL. */
int podfs_err_set(struct podfs_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text and returns err->code. @err may be
 * NULL: then it returns @code, which is otherwise only used when err->code
 * was never set. */
int podfs_err_wrap(struct podfs_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
