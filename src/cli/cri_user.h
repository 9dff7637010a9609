/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan cri` without root: whom it becomes once the host process is forked, and what that user has to own.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct cri_user {
	bool set; /* else: stays who it is */
	uint32_t uid, gid;
} cri_user;

/* Empty: not set. SP_ENOTFOUND: no such user; SP_EFORBIDDEN: only root can become another. */
sp_code cri_user_find(sp_str name, cri_user *ret, sp_err *err) SP_MUST_USE;

/*
 * Makes the directory below its existing parents and gives it and what is in it to the user; no link is
 * followed, and nothing that has several names is touched. In a directory "snapshots" only the first level:
 * what is in layers is the images'. Also when it is not set, then without giving.
 */
sp_code cri_user_own(const cri_user *u, sp_str dir, sp_err *err) SP_MUST_USE;

/* A unix socket that is bound and does not listen yet, for the user's own directory it need not be. A stale
 * one is replaced; SP_EEXISTS: somebody listens there. */
sp_code cri_user_bind(sp_str path, int *ret_fd, sp_err *err) SP_MUST_USE;

/* For good: no group but its own, no capability, none to be gained. Nothing when it is not set. */
sp_code cri_user_become(const cri_user *u, sp_err *err) SP_MUST_USE;
