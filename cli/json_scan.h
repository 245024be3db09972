/*
 * Reads a status document back: every value, with the way to it. Only for what
 * status_json.c wrote; JSON from a cluster is read in backend/.
 */
#ifndef PODFS_CLI_JSON_SCAN_H
#define PODFS_CLI_JSON_SCAN_H

#include <stddef.h>

/* @path: "server", "sessions.0.pod". @value: unescaped; numbers and words as
 * they stand. Both borrowed. */
typedef void json_scan_fn(void *arg, const char *path, const char *value);

/* 0, or -EBADMSG after what was understood has been told. */
int json_scan(const char *text, size_t len, json_scan_fn *fn, void *arg);

#endif
