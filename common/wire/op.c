#include "common/wire/op.h"

const char *wire_op_name(uint16_t op)
{
	switch (op) {
#define X(name, nr, flags, since)                                              \
	case nr:                                                               \
		return #name;
		WIRE_OPS(X)
#undef X
	default:
		return 0;
	}
}

bool wire_op_flags(uint16_t op, unsigned *ret)
{
	switch (op) {
#define X(name, nr, flags, since)                                              \
	case nr:                                                               \
		*ret = (flags);                                                \
		return true;
		WIRE_OPS(X)
#undef X
	default:
		return false;
	}
}

static const uint16_t numbers[WIRE_OP_COUNT] = {
#define X(name, nr, flags, since) (nr),
	WIRE_OPS(X)
#undef X
};

uint16_t wire_op_at(unsigned i)
{
	return i < WIRE_OP_COUNT ? numbers[i] : 0;
}

bool wire_op_index(uint16_t op, unsigned *ret)
{
	for (unsigned i = 0; i < WIRE_OP_COUNT; i++) {
		if (numbers[i] != op)
			continue;
		*ret = i;
		return true;
	}
	return false;
}
