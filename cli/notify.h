/* Tells systemd how it goes: sd_notify(3)'s protocol, by hand. */
#ifndef PODFS_CLI_NOTIFY_H
#define PODFS_CLI_NOTIFY_H

/* @state: "READY=1", "STOPPING=1". Nothing where nobody asked ($NOTIFY_SOCKET). */
void notify_systemd(const char *state);

#endif
