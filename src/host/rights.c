/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host process keeps of root. The programs it starts (shims, CNI plugins, the helper of layers) are
 * root's executables and get what root gets, which is why there is neither a bounding set nor no_new_privs
 * nor a filter of system calls here: containers would inherit all three.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"

static const uint8_t kept[] = {
	CAP_SYS_ADMIN, /* mounts, namespaces */
	CAP_NET_ADMIN, /* interfaces, nftables, sysctls of networks */
	/* files of containers and of the other side; the kernel works on root filesystems with these, too */
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP,
	CAP_SETUID,           /* which ids a pod's user namespace has */
	CAP_SETGID, CAP_KILL, /* first processes of pods */
};

sp_code host_give_up_rights(sp_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint64_t keep = 0;
	for (size_t i = 0; i < SP_LEN(kept); i++)
		keep |= UINT64_C(1) << kept[i];
	if (syscall(SYS_capget, &head, data) != 0)
		return sp_fail_sys(err, errno, "look at capabilities");
	for (size_t i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) != 0)
		return sp_fail_sys(err, errno, "give up capabilities");
	return SP_OK;
}
