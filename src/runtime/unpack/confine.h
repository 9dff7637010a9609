/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left to a process that reads a stranger's archive: one directory as its root, the rights that
 * owners and modes of files take, the system calls that files take. No network, no new process, no way to
 * more rights.
 */
#pragma once

#include "base/err.h"

enum {
	UNPACK_MAY_MKNOD = 1u << 0, /* devices */
	UNPACK_MAY_TRUST =
		1u << 1, /* attributes trusted.* (CAP_SYS_ADMIN: the system calls it is for stay forbidden) */
};

/* Without root: a user namespace in which this user is root, and nobody else is anybody. */
sp_code unpack_own_namespace(sp_err *err) SP_MUST_USE;

/* In this order: chroot into the open directory, limits, rights (`may`), system calls. There is no way back.
 */
sp_code unpack_confine(int root, unsigned may, sp_err *err) SP_MUST_USE;
