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
