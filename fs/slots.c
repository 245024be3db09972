#include "fs/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 256

static int grow(struct fs_slots *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : SLOTS_FIRST;
	void *slots;

	if (cap <= s->cap)
		return -ENOMEM;
	slots = realloc(s->slots, cap * sizeof(*s->slots));
	if (!slots)
		return -ENOMEM;
	s->slots = slots;
	memset(s->slots + s->cap, 0, (cap - s->cap) * sizeof(*s->slots));
	s->hint = s->cap;
	s->cap = cap;
	return 0;
}

int fs_slots_add(struct fs_slots *s, void *item, uint64_t *ret)
{
	uint32_t i;

	if (s->used == s->cap && grow(s) != 0)
		return -ENOMEM;
	for (i = s->hint % s->cap; s->slots[i].item; i = (i + 1) % s->cap)
		;
	s->slots[i].item = item;
	s->slots[i].generation++;
	s->hint = i + 1;
	s->used++;
	/* i + 2: 1 is FUSE's root and is never given here */
	*ret = (uint64_t)s->slots[i].generation << 32 | (i + 2);
	return 0;
}

static int index_of(const struct fs_slots *s, uint64_t nr, uint32_t *ret)
{
	uint32_t i = (uint32_t)nr - 2;

	if ((uint32_t)nr < 2 || i >= s->cap || !s->slots[i].item ||
	    s->slots[i].generation != (uint32_t)(nr >> 32))
		return -ENOENT;
	*ret = i;
	return 0;
}

void *fs_slots_get(const struct fs_slots *s, uint64_t nr)
{
	uint32_t i;

	return index_of(s, nr, &i) == 0 ? s->slots[i].item : NULL;
}

void fs_slots_remove(struct fs_slots *s, uint64_t nr)
{
	uint32_t i;

	if (index_of(s, nr, &i) != 0)
		return;
	s->slots[i].item = NULL;
	s->hint = i;
	s->used--;
}

void fs_slots_done(struct fs_slots *s)
{
	free(s->slots);
	memset(s, 0, sizeof(*s));
}
