/*
 * Whether a thread may be answered from what is known (known.h).
 *
 * The word of a change takes half a round trip, if nothing is in its way: then
 * whoever asks is answered from memory. It may come late: behind 100 MB that
 * somebody reads (podfs_session_busy()). But it comes in one stream with the
 * replies, so a reply proves to who had it that it was told of all that had
 * changed when the reply was sent. Meanwhile a thread that had none in the last
 * FS_PROOF_MS asks, and the reply to that is its proof; what comes after it, as in
 * a walk, is answered from memory. While a thread goes on so, PINGs that nobody
 * waits for renew its proof.
 *
 * Who waited for a reply has done nothing meanwhile, so it is as good as new when
 * it comes, however long it was on its way. What nobody may have waited for, a
 * PING's or that to a READ ahead, counts from when it was asked for.
 *
 * A helper that wasn't heard of for a while is asked to say something, and who
 * asks is answered from memory for FS_PROOF_WAIT_MS more: a link may hang.
 *
 * Thread: any; nodes->lock guards the table and is taken by each of these.
 */
#ifndef PODFS_FS_PROOF_H
#define PODFS_FS_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Less than it takes to start a command in a container; more than a walk needs
 * from one file to the next, and than most links take there and back. */
#define FS_PROOF_MS 100
/* More than any link that one can work over takes there and back. */
#define FS_PROOF_WAIT_MS 1000
/* Threads that have one at a time; others ask once more. */
#define FS_PROOF_SLOTS 256u

struct fs_node;
struct fs_nodes;
struct podfs_session;

struct fs_proof {
	pid_t pid;
	const struct podfs_session *session; /* never followed */
	int64_t until; /* ms */
	int64_t asked_at; /* ms; a PING left last */
};

struct fs_proofs {
	struct fs_proof slots[FS_PROOF_SLOTS];
};

/* @s has replied to thread @pid (0: of nobody who is known), which has done nothing
 * between @since (ms) and now. */
void fs_proof_had(struct fs_nodes *n, const struct podfs_session *s, pid_t pid,
		  int64_t since);
/* Whether what the helper of @node told can be relied on in an answer to @pid. */
bool fs_proof_good(struct fs_nodes *n, const struct fs_node *node, pid_t pid);

#endif
