#include "fs/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/hash.h"
#include "fs/handle.h"

#define BUCKETS_FIRST 1024u
/* Files of one device and inode, each born at another time: more are no file
 * system's, but a helper's that lies. */
#define SEEK_MAX 64u

int fs_identities_init(struct fs_nodes *n)
{
	n->identity_buckets = BUCKETS_FIRST;
	n->by_identity = calloc(BUCKETS_FIRST, sizeof(*n->by_identity));
	n->by_number = calloc(BUCKETS_FIRST, sizeof(*n->by_number));
	return n->by_identity && n->by_number ? 0 : -ENOMEM;
}

void fs_identities_done(struct fs_nodes *n)
{
	free(n->by_identity);
	free(n->by_number);
}

bool fs_by_path(const struct wire_attr *a)
{
	return S_ISDIR(a->mode) || S_ISLNK(a->mode);
}

static bool is_open(const struct fs_node *node)
{
	return node->open &&
	       node->open->remote.epoch == podfs_session_epoch(node->session);
}

bool fs_identity_same(const struct fs_node *node, const struct wire_attr *b)
{
	const struct wire_attr *a = &node->attr;

	if (a->dev != b->dev || a->ino != b->ino ||
	    (a->mode & S_IFMT) != (b->mode & S_IFMT))
		return false;
	return wire_time_same(&node->born, &b->btime) || S_ISDIR(b->mode) ||
	       is_open(node);
}

static uint32_t bucket(const struct fs_nodes *n, const struct podfs_session *s,
		       const struct wire_attr *a, const struct wire_time *born)
{
	/* all but the session are the container's word */
	const uint64_t key[] = { (uintptr_t)s, a->dev, a->ino,
				 (uint64_t)born->sec, born->nsec };

	return (uint32_t)podfs_hash(key, sizeof(key)) &
	       (n->identity_buckets - 1);
}

static uint32_t bucket_of(const struct fs_nodes *n, const struct fs_node *x)
{
	return bucket(n, x->session, &x->attr, &x->born);
}

static struct fs_node **numbered(const struct fs_nodes *n,
				 const struct podfs_session *s,
				 const struct wire_attr *a)
{
	const uint64_t key[] = { (uintptr_t)s, a->dev, a->ino };

	return &n->by_number[(uint32_t)podfs_hash(key, sizeof(key)) &
			     (n->identity_buckets - 1)];
}

static void add(struct fs_nodes *n, struct fs_node *x)
{
	struct fs_node **at = &n->by_identity[bucket_of(n, x)];

	x->same = *at;
	*at = x;
	at = numbered(n, x->session, &x->attr);
	x->numbered = *at;
	x->numbered_at = at;
	if (x->numbered)
		x->numbered->numbered_at = &x->numbered;
	*at = x;
}

static void rehash(struct fs_nodes *n)
{
	uint32_t old = n->identity_buckets;
	struct fs_node **from = n->by_identity, **to, **by_number;

	if (n->files < old || old >= (1u << 30))
		return;
	to = calloc((size_t)old * 2, sizeof(*to));
	by_number = calloc((size_t)old * 2, sizeof(*by_number));
	if (!to || !by_number) {
		free(to);
		free(by_number);
		return; /* longer chains are still right */
	}
	free(n->by_number);
	n->identity_buckets = old * 2;
	n->by_identity = to;
	n->by_number = by_number;
	for (uint32_t i = 0; i < old; i++) {
		while (from[i]) {
			struct fs_node *x = from[i];

			from[i] = x->same;
			add(n, x);
		}
	}
	free(from);
}

void fs_identity_add(struct fs_nodes *n, struct fs_node *node)
{
	rehash(n);
	add(n, node);
	n->files++;
}

void fs_identity_remove(struct fs_nodes *n, struct fs_node *node)
{
	uint32_t b = bucket_of(n, node);
	struct fs_node **p;

	for (p = &n->by_identity[b]; *p && *p != node; p = &(*p)->same)
		;
	if (!*p)
		return;
	*p = node->same;
	*node->numbered_at = node->numbered;
	if (node->numbered)
		node->numbered->numbered_at = node->numbered_at;
	n->files--;
}

struct fs_node *fs_identity_find(struct fs_nodes *n,
				 const struct podfs_session *s,
				 const struct wire_attr *attr)
{
	struct fs_node *x = n->by_identity[bucket(n, s, attr, &attr->btime)];

	while (x && (x->session != s || !fs_identity_same(x, attr)))
		x = x->same;
	return x;
}

struct fs_node *fs_identity_seek(struct fs_nodes *n,
				 const struct podfs_session *s,
				 const struct wire_attr *attr)
{
	struct fs_node *x = *numbered(n, s, attr);

	for (unsigned i = 0; x && i < SEEK_MAX; i++, x = x->numbered)
		if (x->session == s && x->attr.dev == attr->dev &&
		    x->attr.ino == attr->ino)
			return x;
	return NULL;
}
