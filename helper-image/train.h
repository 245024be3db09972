/*
 * Trains: requests that came together and whose replies nobody waits for one by
 * one (ORDERED, RELEASE), as those of a small file that is made. Their replies are
 * sent together, by the last of them: each write to the stream wakes every station
 * of the way.
 *
 * Any other reply takes along what is held (output.h), and a stream that is silent
 * for half a second what is held because one of a train hangs.
 */
#ifndef HELPER_TRAIN_H
#define HELPER_TRAIN_H

#include <stdbool.h>

struct helper_request;

/* Those of more data are a train of their own: their client waits for room. */
#define HELPER_TRAIN_REQUEST_MAX 17000u

/* Of what came together, by its next; none of it runs yet. */
void helper_train_make(struct helper_request *first);
/* @r is answered now, once: whether one of its train will be. Thread: any, under the
 * session's output lock. */
bool helper_train_goes_on(struct helper_request *r);

#endif
