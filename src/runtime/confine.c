/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#error "which architecture is this?"
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED 1
#else
#define WATCHED 0
#endif

/* By their numbers; those of x32 have a bit that none of these has. */
static const uint16_t allowed[] = {
	/* what runs most, first */
	SYS_futex,
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmmsg,
	SYS_recvmmsg,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_clock_gettime,
	/* files */
	SYS_openat,
	SYS_openat2,
	SYS_close,
	SYS_close_range,
	SYS_pread64,
	SYS_pwrite64,
	SYS_preadv,
	SYS_pwritev,
	SYS_lseek,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_statfs,
	SYS_fstatfs,
	SYS_faccessat,
	SYS_faccessat2,
	SYS_getdents64,
	SYS_getcwd,
	SYS_mkdirat,
	SYS_unlinkat,
	SYS_renameat,
	SYS_renameat2,
	SYS_linkat,
	SYS_symlinkat,
	SYS_readlinkat,
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchown,
	SYS_fchownat,
	SYS_utimensat,
	SYS_truncate,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_fsync,
	SYS_fdatasync,
	SYS_syncfs,
	SYS_fadvise64,
	SYS_flock,
	SYS_fcntl,
	SYS_dup,
	SYS_dup3,
	SYS_pipe2,
	SYS_sendfile,
	SYS_copy_file_range,
	SYS_memfd_create,
	SYS_eventfd2,
	SYS_umask,
	/* sockets; socket has a rule of its own */
	SYS_socketpair,
	SYS_bind,
	SYS_connect,
	SYS_listen,
	SYS_accept,
	SYS_accept4,
	SYS_shutdown,
	SYS_getsockname,
	SYS_getpeername,
	SYS_getsockopt,
	SYS_setsockopt,
	/* waiting, time */
	SYS_epoll_create1,
	SYS_ppoll,
	SYS_pselect6,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_clock_getres,
	SYS_gettimeofday,
	SYS_restart_syscall,
	/* memory, threads; clone has a rule of its own */
	SYS_brk,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_madvise,
	SYS_set_robust_list,
	SYS_get_robust_list,
	SYS_rseq,
	SYS_membarrier,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_exit,
	SYS_exit_group,
	/* signals */
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_tgkill,
	/* what it asks of itself */
	SYS_getpid,
	SYS_gettid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_getrandom,
	SYS_uname,
	SYS_sysinfo,
	SYS_getrusage,
	SYS_prlimit64,
	SYS_prctl,
	SYS_set_tid_address,
#if defined(__x86_64__) /* older forms, which newer machines do not have */
	SYS_epoll_wait,
	SYS_epoll_create,
	SYS_eventfd,
	SYS_pipe,
	SYS_dup2,
	SYS_open,
	SYS_stat,
	SYS_lstat,
	SYS_access,
	SYS_mkdir,
	SYS_rmdir,
	SYS_unlink,
	SYS_rename,
	SYS_link,
	SYS_symlink,
	SYS_readlink,
	SYS_chmod,
	SYS_chown,
	SYS_lchown,
	SYS_utime,
	SYS_utimes,
	SYS_poll,
	SYS_select,
	SYS_time,
	SYS_arch_prctl,
#endif
};

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define REFUSE(with) RETURN(SECCOMP_RET_ERRNO | (with))
/* The next `n` are left out unless it is equal. */
#define UNLESS_EQUAL(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUSER | \
	 CLONE_NEWCGROUP)

/* Behind the list: what depends on arguments. */
static const struct sock_filter rules[] = {
	/* The C library takes clone instead, whose flags can be looked at. */
	UNLESS_EQUAL(SYS_clone3, 1),
	REFUSE(ENOSYS),
	UNLESS_EQUAL(SYS_clone, 5),
	LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_NAMESPACES, 0, 1),
	REFUSE(EPERM),
	ALLOW,
	UNLESS_EQUAL(SYS_ioctl, 7),
	LOAD(args[1]),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONBIO, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIOCLEX, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONREAD, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCGETS, 1, 0), /* is it a terminal? */
	REFUSE(EPERM),
	ALLOW,
	UNLESS_EQUAL(SYS_socket, 9),
	LOAD(args[0]),
	UNLESS_EQUAL(AF_UNIX, 1),
	ALLOW,
	UNLESS_EQUAL(AF_INET, 1),
	ALLOW,
	UNLESS_EQUAL(AF_INET6, 1),
	ALLOW,
	UNLESS_EQUAL(AF_NETLINK, 1), /* names of hosts: which addresses has this machine? */
	ALLOW,
	REFUSE(EPERM),
};

#define N_ALLOWED SP_LEN(allowed)
#define HEAD 4u

/* A jump spans 255 at most: a hit is answered at once. */
static size_t assemble(struct sock_filter *code)
{
	size_t n = 0;
	code[n++] = (struct sock_filter)LOAD(arch);
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)LOAD(nr);
	SP_ASSERT(n == HEAD);
	for (size_t i = 0; i < N_ALLOWED; i++) {
		code[n++] = (struct sock_filter)UNLESS_EQUAL(allowed[i], 1);
		code[n++] = (struct sock_filter)ALLOW;
	}
	for (size_t i = 0; i < SP_LEN(rules); i++)
		code[n++] = rules[i];
	return n;
}

sp_code rt_confine(sp_err *err)
{
	struct sock_filter code[HEAD + 2 * N_ALLOWED + SP_LEN(rules)];
	const struct sock_fprog program = {.len = (unsigned short)assemble(code), .filter = code};
	if (WATCHED)
		return SP_OK;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return sp_fail(err, SP_EUNSUPPORTED, "no seccomp filter: errno %d", errno);
	return SP_OK;
}
