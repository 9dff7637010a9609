/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unpack/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_BYTES ((rlim_t)1 << 30) /* zstd's largest window, the names of directories, and room */

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH AUDIT_ARCH_RISCV64
#else
#error "no seccomp filter for this machine: add its AUDIT_ARCH"
#endif

/* ---- a namespace of one user ---- */

static sp_code write_proc(const char *path, const char *text, sp_err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int errnum = errno;
	if (fd >= 0)
		(void)close(fd);
	return n >= 0 ? SP_OK : sp_fail_sys(err, errnum, "write %s", path);
}

sp_code unpack_own_namespace(sp_err *err)
{
	char uid[48], gid[48];
	(void)snprintf(uid, sizeof uid, "0 %u 1\n", (unsigned)geteuid());
	(void)snprintf(gid, sizeof gid, "0 %u 1\n", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER) != 0)
		return sp_fail_sys(err, errno, "make a user namespace");
	SP_TRY(write_proc("/proc/self/setgroups", "deny", err));
	SP_TRY(write_proc("/proc/self/uid_map", uid, err));
	return write_proc("/proc/self/gid_map", gid, err);
}

/* ---- rights ---- */

static uint64_t bit(unsigned cap)
{
	return UINT64_C(1) << cap;
}

static sp_code keep_capabilities(unsigned may, sp_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t keep = bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH) | bit(CAP_FOWNER) |
			bit(CAP_FSETID) | bit(CAP_SETFCAP);
	if ((may & UNPACK_MAY_MKNOD) != 0)
		keep |= bit(CAP_MKNOD);
	if ((may & UNPACK_MAY_TRUST) != 0)
		keep |= bit(CAP_SYS_ADMIN);
	if (syscall(SYS_capget, &head, data) != 0)
		return sp_fail_sys(err, errno, "look at capabilities");
	for (size_t i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) != 0)
		return sp_fail_sys(err, errno, "drop capabilities");
	return SP_OK;
}

/* Sanitizers map terabytes and start threads. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED 1
#else
#define WATCHED 0
#endif

static sp_code set_limits(sp_err *err)
{
	const struct rlimit none = {0, 0}, memory = {MEMORY_BYTES, MEMORY_BYTES};
	if (setrlimit(RLIMIT_CORE, &none) != 0 || (!WATCHED && setrlimit(RLIMIT_AS, &memory) != 0))
		return sp_fail_sys(err, errno, "set limits");
	return SP_OK;
}

/* ---- system calls ---- */

/* What files, memory and the end of a process take. Old calls are missing on new machines. */
static const uint16_t allowed[] = {
	SYS_read,       SYS_write,     SYS_pread64,   SYS_pwrite64,   SYS_lseek,      SYS_close,
	SYS_openat,     SYS_openat2,   SYS_fstat,     SYS_newfstatat, SYS_statx,      SYS_fstatfs,
	SYS_getdents64, SYS_mkdirat,   SYS_mknodat,   SYS_linkat,     SYS_symlinkat,  SYS_unlinkat,
	SYS_readlinkat, SYS_renameat2, SYS_fchown,    SYS_fchownat,   SYS_fchmod,     SYS_fchmodat,
	SYS_utimensat,  SYS_ftruncate, SYS_fgetxattr, SYS_fsetxattr,  SYS_flistxattr, SYS_fcntl,
	SYS_dup,        SYS_syncfs,    SYS_brk,       SYS_mmap,       SYS_munmap,     SYS_mremap,
	SYS_madvise,    SYS_futex,     SYS_getrandom, SYS_exit,       SYS_exit_group,
};
#define N_ALLOWED (sizeof allowed / sizeof allowed[0])

static sp_code filter_system_calls(sp_err *err)
{
	struct sock_filter code[N_ALLOWED + 6];
	size_t n = 0;
	code[n++] =
		(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < N_ALLOWED; i++) /* a hit jumps to the last instruction */
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
							 (uint8_t)(N_ALLOWED - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
		return sp_fail_sys(err, errno, "forbid system calls");
	return SP_OK;
}

sp_code unpack_confine(int root, unsigned may, sp_err *err)
{
	if (fchdir(root) != 0 || chroot(".") != 0)
		return sp_fail_sys(err, errno, "enter the directory");
	SP_TRY(set_limits(err));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return sp_fail_sys(err, errno, "give rights up");
	SP_TRY(keep_capabilities(may, err));
	return WATCHED ? SP_OK : filter_system_calls(err);
}
