/* What `podfs mount` needs of this machine. */
#ifndef PODFS_CLI_DOCTOR_LOCAL_H
#define PODFS_CLI_DOCTOR_LOCAL_H

#include "backend/doctor.h"

/* Tells every finding to @fn. Waits for nothing. */
void doctor_local(podfs_finding_fn *fn, void *arg);

#endif
