/* SPDX-License-Identifier: Apache-2.0 */
/* The command line and the standard input of the shim, as containerd writes them. */
#pragma once

#include "shim/messages.h"

typedef struct shim_args {
	const char *ns, *address, *id, *bundle, *socket; /* "" when not given */
	const char *action;                              /* "start", "delete", "" = serve */
	bool debug, version, info;
} shim_args;

/* Go's flags: -name value, --name=value, switches alone; the first word that is no flag is the action. */
sp_code shim_args_parse(int argc, const char *const *argv, shim_args *ret, sp_err *err) SP_MUST_USE;

typedef struct shim_boot {
	bool is_params; /* BootstrapParams: the answer is a BootstrapResult */
	sp_str ttrpc_address, socket_dir;
	shim_options options;
	shim_owner owner; /* of the socket */
} shim_boot;

/*
 * What containerd writes to `start`: nothing, an Any with options, or (2.3 and later) BootstrapParams, which
 * are known by fields that an Any does not have. Views into `bytes` and the arena. Options of other types are
 * not read.
 */
sp_code shim_boot_parse(sp_str bytes, sp_arena *a, shim_boot *ret, sp_err *err) SP_MUST_USE;
/* The options of an Any, if they are containerd.runc.v1.Options. */
sp_code shim_options_of(const shim_any *any, sp_arena *a, shim_options *ret, sp_err *err) SP_MUST_USE;
