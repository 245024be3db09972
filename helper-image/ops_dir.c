/* READDIR: getdents64(2) with its own cookies, so that seekdir(3) works. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/guard.h"
#include "common/wire/limits.h"
#include "helper-image/attr.h"
#include "helper-image/listing.h"

#define DENTS_SIZE 16384
#define COUNT_MAX (1u << 20) /* bytes of entries in one exchange */

struct linux_dirent64 { /* getdents64(2) */
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

/* In both replies end[1] and the entries' length[4] come last before them;
 * filled in when known. */
static void frame_begin(struct helper_listing *l)
{
	static const struct wire_rep_OPEN open = { .handle = 0 };
	static const struct wire_rep_READDIR readdir = { .end = 0 };

	if (l->opening)
		wire_enc_rep_OPEN(&l->o->reply, &open);
	else
		wire_enc_rep_READDIR(&l->o->reply, &readdir);
	l->data_start = l->o->reply.p;
}

static void frame_end(struct helper_listing *l, bool end)
{
	uint32_t n = (uint32_t)(l->o->reply.p - l->data_start);
	struct wire_writer head = wire_writer_over(l->data_start - 5, 5);

	wire_put_u8(&head, end);
	wire_put_u32(&head, n);
	l->sent += n;
	l->end = end;
}

void helper_entry_fill(struct wire_entry *e, int fd, const char *name,
		       char *target)
{
	ssize_t n;

	if (helper_attr_of(fd, name, &e->attr) != 0)
		return;
	e->plus = 1;
	e->type = (uint8_t)IFTODT(e->attr.mode);
	if (!S_ISLNK(e->attr.mode))
		return;
	n = readlinkat(fd, name, target, WIRE_TARGET_MAX);
	if (n < 0) {
		e->plus = 0;
		return;
	}
	e->target.p = target;
	e->target.n = (uint16_t)n;
}

/* false when the budget is used up: @d is not sent. */
static bool add(struct helper_listing *l, const struct linux_dirent64 *d)
{
	char target[WIRE_TARGET_MAX];
	struct wire_entry e = { .cookie = (uint64_t)d->d_off,
				.type = d->d_type,
				.name = wire_str_from(d->d_name) };
	size_t size;

	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return true;
	if (l->plus)
		helper_entry_fill(&e, l->fd, d->d_name, target);
	size = wire_entry_size(e.name.n, e.plus, e.target.n);
	if (size > l->left)
		return false;
	if ((size_t)(l->o->reply.p - l->data_start) + size > WIRE_DATA_MAX) {
		frame_end(l, false);
		helper_op_part(l->o);
		frame_begin(l);
	}
	wire_enc_entry(&l->o->reply, &e);
	l->left -= (uint32_t)size;
	return true;
}

int helper_list(struct helper_listing *l)
{
	uint8_t dents[DENTS_SIZE] __attribute__((aligned(8)));

	frame_begin(l);
	for (;;) {
		long n = syscall(SYS_getdents64, l->fd, dents,
				 sizeof(dents));

		if (n < 0)
			return -errno;
		if (n == 0) {
			frame_end(l, true);
			return 0;
		}
		for (long at = 0; at < n;) {
			const struct linux_dirent64 *d = (void *)(dents + at);

			if (!add(l, d)) {
				frame_end(l, false);
				return 0;
			}
			at += d->d_reclen;
		}
	}
}

int helper_op_READDIR(struct helper_op *o)
{
	struct wire_req_READDIR m;
	struct helper_listing l = { .o = o };
	struct helper_handle *h;
	int err = wire_dec_req_READDIR(&o->body, &m);

	if (err)
		return err;
	err = helper_handle_get(&o->session->handles, m.handle, &h);
	if (err)
		return err;
	l.fd = h->fd;
	l.plus = m.plus;
	l.left = m.count < COUNT_MAX ? m.count : COUNT_MAX;
	pthread_mutex_lock(&h->position);
	if (!h->directory)
		err = -ENOTDIR;
	else if (lseek(l.fd, (off_t)m.cookie, SEEK_SET) < 0)
		err = -errno;
	if (!err)
		err = helper_list(&l);
	pthread_mutex_unlock(&h->position);
	helper_handle_put(&o->session->handles, h);
	return err;
}
