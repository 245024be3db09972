/*
 * Errors on the wire: numbers of the protocol, not of a machine.
 *
 * They are those of Linux's asm-generic/errno (amd64, arm64), but each is
 * named here and mapped both ways, so that an architecture with other numbers
 * still says the same. A number without a name becomes EIO.
 */
#ifndef PODFS_WIRE_ERRNO_H
#define PODFS_WIRE_ERRNO_H

#include <stdint.h>

/* From a positive errno of this machine; 0 stays 0. */
uint32_t wire_errno_from_host(int host);

/* To a positive errno of this machine; 0 stays 0. */
int wire_errno_to_host(uint32_t wire);

#endif
