/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime (crun or runc) as a program: which one, with which words, and what its end says.
 *
 * crun 1.x refuses machines where cgroup v1 is in use and a cgroup2 mount beside it has controllers. It is
 * then run in a mount namespace of its own with an empty tmpfs there (`containerd-shim-sampan-v1 hide-unified
 * …`); a container with mounts that are to be seen outside can't be, and gets runc.
 */
#pragma once

#include "shim/cgroup.h"
#include "shim/child.h"
#include "shim/config.h"
#include "shim/messages.h"

#define SHIM_DEFAULT_ROOT "/run/containerd/runc"

typedef struct shim_oci {
	const char *path; /* absolute */
	const char *root; /* --root */
	bool hide;        /* run behind hide-unified */
	bool systemd_cgroup, no_pivot_root, no_new_keyring;
} shim_oci;

/*
 * Chooses by the options: binary_name as it is (a name is looked for on `path`), else crun, else runc. Where
 * crun can't do what config.json asks for on this machine it is runc, if there is one, whatever was named.
 * Strings are in the arena. *ret_note: something to log, or empty. SP_ENOTFOUND: no runtime.
 */
sp_code shim_oci_choose(const shim_options *o, const shim_config *config, const shim_cgroup_fs *fs, sp_str ns,
			sp_str path, sp_arena *a, shim_oci *ret, sp_str *ret_note, sp_err *err) SP_MUST_USE;

typedef struct shim_run shim_run;

typedef struct shim_run_opts {
	shim_reaper *reaper;
	const shim_oci *oci;
	const char *bundle;      /* log.json stands there */
	const char *const *args; /* the verb and what follows, NULL-terminated */
	const int *fds; /* three, of create and exec; NULL: /dev/null, and output kept for the error */
	int std_in;     /* without fds: descriptor 0, or -1 */
	/* why: the runtime's words when it failed, good during the call; the run is gone afterwards. */
	void (*done)(void *arg, bool ok, sp_str why);
	void *arg;
} shim_run_opts;

sp_code shim_oci_run(const shim_run_opts *o, sp_err *err) SP_MUST_USE;

/* The program behind `hide-unified`: argv is the command to become. Returns only on an error, the exit code.
 */
int shim_hide_unified(char **argv);
