/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "io/tls/x509.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define FOREIGN_BIT 0x40000000u /* x32: the same calls by other numbers */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define FOREIGN_BIT 0x80000000u
#else
#error "which architecture is this?"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
/* The next `n` are left out unless it is equal. */
#define UNLESS_EQUAL(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))
#define REFUSE_CALL(number) UNLESS_EQUAL(number, 1), REFUSE

static sp_code filter(sp_err *err)
{
	struct sock_filter rules[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FOREIGN_BIT, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		REFUSE_CALL(__NR_execve),
		REFUSE_CALL(__NR_execveat),
		REFUSE_CALL(__NR_ptrace),
		REFUSE_CALL(__NR_process_vm_readv),
		REFUSE_CALL(__NR_process_vm_writev),
		/* It can make sockets too. */
		UNLESS_EQUAL(__NR_io_uring_setup, 1),
		RETURN(SECCOMP_RET_ERRNO | ENOSYS),
		UNLESS_EQUAL(__NR_socket, 3),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		REFUSE,
		RETURN(SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = SP_LEN(rules), .filter = rules};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return sp_fail(err, SP_EUNSUPPORTED, "no seccomp filter: errno %d", errno);
	return SP_OK;
}

sp_code keys_confine(sp_err *err)
{
	const struct rlimit none = {0, 0};
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
		return sp_fail(err, SP_EUNSUPPORTED, "core dumps can't be turned off: errno %d", errno);
	if (!sp_key_lock_memory())
		return sp_fail(err, SP_EUNSUPPORTED, "no memory can be locked for keys");
	return filter(err);
}
