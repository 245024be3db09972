#include "helper-image/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the helper is built for amd64 and arm64"
#endif

/* Those that musl makes, and those that the operations make themselves. The
 * kernel remembers which are always allowed, so their order costs nothing. */
static const uint32_t allowed[] = {
	/* files */
	SYS_read, SYS_pread64, SYS_readv, SYS_write, SYS_pwrite64, SYS_writev,
	SYS_pwritev2, SYS_openat, SYS_openat2, SYS_close, SYS_fstat,
	SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_lseek,
	SYS_getdents64, SYS_readlinkat, SYS_faccessat, SYS_faccessat2,
	SYS_dup3, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_truncate, SYS_fallocate,
	SYS_copy_file_range, SYS_flock, SYS_fcntl, SYS_umask,
	SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
	/* names, owners, times */
	SYS_mknodat, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat,
	SYS_symlinkat, SYS_fchownat, SYS_fchmod, SYS_fchmodat, SYS_utimensat,
	SYS_setxattr, SYS_getxattr, SYS_listxattr, SYS_removexattr,
	SYS_fsetxattr, SYS_fgetxattr, SYS_flistxattr, SYS_fremovexattr,
	SYS_lgetxattr, SYS_llistxattr,
	/* who it is and what it may */
	SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid,
	SYS_getegid, SYS_getgroups, SYS_setgroups, SYS_setfsuid, SYS_setfsgid,
	SYS_prlimit64,
	/* memory, threads (see below), time, signals, the end */
	SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_brk,
	SYS_futex, SYS_set_tid_address, SYS_set_robust_list,
	SYS_membarrier, SYS_sched_yield, SYS_clock_gettime, SYS_nanosleep,
	SYS_clock_nanosleep, SYS_getrandom, SYS_rt_sigaction,
	SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_restart_syscall, SYS_tkill,
	SYS_tgkill, SYS_exit, SYS_exit_group, SYS_wait4, SYS_pidfd_open,
	SYS_ppoll, SYS_timerfd_create, SYS_timerfd_settime,
	/* the way from one process to the other; which sockets, see below */
	SYS_bind, SYS_listen, SYS_accept4, SYS_connect, SYS_sendmsg,
	SYS_recvmsg, SYS_sendto, SYS_recvfrom, SYS_shutdown, SYS_getsockopt,
	SYS_setsockopt,
#ifdef SYS_open /* amd64 has the older ones too, and musl takes them */
	SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_poll,
	SYS_chmod, SYS_unlink, SYS_mkdir, SYS_arch_prctl, SYS_getrlimit,
	SYS_setrlimit,
#endif
};

#define COUNT (sizeof(allowed) / sizeof(allowed[0]))
#define DATA(field) (uint32_t) offsetof(struct seccomp_data, field)

int helper_sandbox_enter(void)
{
	struct sock_filter code[2 * COUNT + 21];
	struct sock_fprog program = { .filter = code };
	unsigned n = 0;

#define EMIT(...) code[n++] = (struct sock_filter)__VA_ARGS__
	EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(arch)));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4));
	EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[0])));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
	EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[0])));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
	/* how much there is to read, and nothing else */
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4));
	EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[1])));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONREAD, 0, 1));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
	for (unsigned i = 0; i < COUNT; i++) {
		EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1));
		EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	}
	/* as a kernel that doesn't have them, for which libraries are ready */
	EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
#undef EMIT
	program.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return -errno;
	return 0;
}
