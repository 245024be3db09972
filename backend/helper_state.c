#include "backend/helper_state.h"

#include <stdio.h>
#include <string.h>

#include "backend/ladder.h"
#include "backend/patch.h"
#include "backend/pods.h"
#include "common/base/guard.h"

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, list[i]))
			return true;
	return false;
}

static bool names_one_of(const char *text, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasestr(text, list[i]))
			return true;
	return false;
}

/* The words of kubelet and runtime when the target is gone: kubelet's
 * getTargetID, containerd's validateTargetContainer, and runc's as seen live. */
static bool lost_target(const char *message)
{
	static const char *const words[] = { "unable to find target container",
					     "invalid target container",
					     "namespace path" };

	return names_one_of(message, words, PODFS_ARRAY_LEN(words));
}

static enum podfs_helper_phase waiting_phase(const char *reason,
					     const char *message)
{
	static const char *const bad_image[] = {
		"ErrImageNeverPull", "InvalidImageName", "ImageInspectError",
		"SignatureValidationFailed"
	};
	static const char *const no_image[] = { "ErrImagePull",
						"ImagePullBackOff",
						"RegistryUnavailable" };
	/* What no retry mends. */
	static const char *const final[] = { "not found", "unauthorized",
					     "denied", "no match for platform",
					     "manifest unknown" };

	if (is_one_of(reason, bad_image, PODFS_ARRAY_LEN(bad_image)))
		return PODFS_HELPER_BAD_IMAGE;
	if (is_one_of(reason, no_image, PODFS_ARRAY_LEN(no_image)))
		return names_one_of(message, final, PODFS_ARRAY_LEN(final)) ?
			       PODFS_HELPER_BAD_IMAGE :
			       PODFS_HELPER_NO_IMAGE;
	/* and the kubelet may not have seen yet what a variable comes from */
	if (!strcmp(reason, "CreateContainerError") ||
	    strcasestr(message, "failed to sync"))
		return lost_target(message) ? PODFS_HELPER_NO_TARGET :
					      PODFS_HELPER_NOT_MADE;
	/* Of the first the spec is the cause, which can't be changed; and where
	 * a container record exists, the kubelet won't try again. */
	if (!strcmp(reason, "CreateContainerConfigError") ||
	    !strcmp(reason, "RunContainerError"))
		return lost_target(message) ? PODFS_HELPER_NO_TARGET :
					      PODFS_HELPER_DEAD;
	return PODFS_HELPER_STARTING;
}

/* Does another rung help against it? Not where its image lacks the program or
 * is another machine's, nor where what its environment comes from is missing. */
static bool at_any_rung(const char *reason, const char *message)
{
	static const char *const user[] = { "runAsNonRoot", "non-numeric user",
					    "run as root" };
	static const char *const program[] = { "no such file or directory",
					       "executable file not found",
					       "exec format error" };

	if (!strcmp(reason, "CreateContainerConfigError"))
		return !names_one_of(message, user, PODFS_ARRAY_LEN(user));
	return strstr(message, "exec") &&
	       names_one_of(message, program, PODFS_ARRAY_LEN(program));
}

static void copy_words(struct podfs_helper_state *s, const char *reason,
		       const char *message)
{
	snprintf(s->words, sizeof(s->words), "%s%s%s", reason,
		 *reason && *message ? ": " : "", message);
	for (char *c = s->words; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

void podfs_helper_state(const struct podfs_json *pod, const char *name,
			struct podfs_helper_state *ret)
{
	const struct podfs_json *state =
		podfs_json_get(podfs_pod_status(pod, name), "state");
	const struct podfs_json *waiting = podfs_json_get(state, "waiting");
	const struct podfs_json *ended = podfs_json_get(state, "terminated");
	const char *reason =
		podfs_json_get_text(ended ? ended : waiting, "reason");
	const char *message =
		podfs_json_get_text(ended ? ended : waiting, "message");
	int64_t code;

	ret->exit_code = -1;
	ret->any_rung = at_any_rung(reason, message);
	copy_words(ret, reason, message);
	if (podfs_json_get_object(state, "running")) {
		ret->phase = PODFS_HELPER_RUNNING;
		snprintf(ret->words, sizeof(ret->words), "running");
	} else if (ended) {
		ret->phase = lost_target(message) ? PODFS_HELPER_NO_TARGET :
						    PODFS_HELPER_DEAD;
		if (podfs_json_get_int(ended, "exitCode", &code))
			ret->exit_code = (int)code;
	} else {
		ret->phase = waiting_phase(reason, message);
		if (!ret->words[0])
			snprintf(ret->words, sizeof(ret->words),
				 "not started by the node yet");
	}
}

/* The value of an environment variable in a container's spec; "" none. */
static const char *env_of(const struct podfs_json *spec, const char *name)
{
	podfs_json_each(e, podfs_json_get_array(spec, "env"))
		if (!strcmp(podfs_json_get_text(e, "name"), name))
			return podfs_json_get_text(e, "value");
	return "";
}

/* Made by a podfs that speaks as this one, for this container. */
static bool is_ours(const struct podfs_json *spec, const char *target)
{
	const char *name = podfs_json_get_text(spec, "name");

	return !strncmp(name, PODFS_HELPER_PREFIX,
			strlen(PODFS_HELPER_PREFIX)) &&
	       podfs_is_label(name) &&
	       !strcmp(env_of(spec, PODFS_ENV_TARGET), target);
}

/* Can this one be used, now or soon? */
static bool is_of_use(const struct podfs_podinfo *p,
		      const struct podfs_json *spec, const char *image,
		      enum podfs_helper_phase phase)
{
	enum wire_rung rung = wire_rung_parse(env_of(spec, PODFS_ENV_RUNG));
	bool volumes = p->state == PODFS_TARGET_STOPPED;

	if (rung == WIRE_RUNG_NONE || (rung == WIRE_RUNG_VOLUMES) != volumes ||
	    strcmp(env_of(spec, PODFS_ENV_PROTOCOL), PODFS_HELPER_PROTOCOL))
		return false;
	/* It died with the target it joined, even where the status doesn't say
	 * so yet. */
	if (!volumes && !p->shared_processes &&
	    strcmp(env_of(spec, PODFS_ENV_TARGET_ID), p->target_id) != 0)
		return false;
	if (phase == PODFS_HELPER_RUNNING)
		return true;
	/* Where its image can't be had, another of it would fare no better,
	 * and the kubelet goes on trying with this one. */
	return (phase == PODFS_HELPER_STARTING ||
		phase == PODFS_HELPER_NO_IMAGE ||
		phase == PODFS_HELPER_BAD_IMAGE) &&
	       !strcmp(podfs_json_get_text(spec, "image"), image);
}

bool podfs_helper_find(const struct podfs_podinfo *p, const char *target,
		       const char *image, enum wire_rung max,
		       struct podfs_helper_found *ret)
{
	const struct podfs_json *list = podfs_json_get_array(
		podfs_json_get(p->pod, "spec"), "ephemeralContainers");
	bool found = false, running = false;

	memset(ret, 0, sizeof(*ret));
	podfs_json_each(spec, list) {
		const char *name = podfs_json_get_text(spec, "name");
		struct podfs_helper_state s;

		if (!is_ours(spec, target))
			continue;
		podfs_helper_state(p->pod, name, &s);
		if (!is_of_use(p, spec, image, s.phase)) {
			ret->burnt += s.phase != PODFS_HELPER_RUNNING;
			continue;
		}
		if (running || (found && s.phase != PODFS_HELPER_RUNNING) ||
		    wire_rung_parse(env_of(spec, PODFS_ENV_RUNG)) < max)
			continue;
		found = true;
		running = s.phase == PODFS_HELPER_RUNNING;
		snprintf(ret->name, sizeof(ret->name), "%s", name);
		ret->rung = wire_rung_parse(env_of(spec, PODFS_ENV_RUNG));
		ret->sent_in = *env_of(spec, PODFS_ENV_DIRS) != '\0';
	}
	return found;
}
