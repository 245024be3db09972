#include "common/wire/types.h"

#include <string.h>

static const char *const rungs[] = {
	[WIRE_RUNG_NONE] = "none",
	[WIRE_RUNG_FULL] = "full",
	[WIRE_RUNG_BASELINE] = "baseline",
	[WIRE_RUNG_RESTRICTED] = "restricted",
	[WIRE_RUNG_VOLUMES] = "volumes",
	[WIRE_RUNG_PLAIN] = "plain",
};

#define RUNGS (sizeof(rungs) / sizeof(rungs[0]))

const char *wire_rung_name(unsigned rung)
{
	return rung < RUNGS ? rungs[rung] : "unknown";
}

enum wire_rung wire_rung_parse(const char *name)
{
	for (unsigned i = 0; i < RUNGS; i++)
		if (strcmp(rungs[i], name) == 0)
			return (enum wire_rung)i;
	return WIRE_RUNG_NONE;
}
