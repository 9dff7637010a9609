/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtime handlers: names of RuntimeClass objects (spec.handler) and what the shim is told for pods that ask
 * for one. U: containerd's [plugins."io.containerd.cri.v1.runtime".containerd.runtimes].
 */
#pragma once

#include "contracts/cri.h"
#include "runtime/runtime.h"

#define RT_HANDLERS_MAX 32u

/* "crun=/usr/bin/crun,old=runc": names (DNS labels) and the programs they stand for, at most RT_HANDLERS_MAX.
 * The programs' names are in shim_options afterwards, for the caller to make options of. Views into `text`.
 * SP_EINVAL names the handler that is wrong. */
sp_code rt_handlers_parse(sp_str text, sp_arena *a, rt_handler **ret, size_t *ret_n, sp_err *err) SP_MUST_USE;

/* What the shim is told for pods of this handler; "" is the default. SP_EINVAL: there is none of the name. */
sp_code rt_handler_options(const rt_opts *o, sp_str name, sp_str *ret, sp_err *err) SP_MUST_USE;

/* All of them, the default first, each with these features. In the arena. */
void rt_handlers_tell(const rt_opts *o, const sp_cri_runtime_handler_features *features, sp_arena *a,
		      sp_cri_status_response *ret);
