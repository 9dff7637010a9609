/* SPDX-License-Identifier: Apache-2.0 */
/* Files of CNI: configurations, and what is remembered of an attachment. All of it blocks. */
#pragma once

#include "io/world.h"
#include "network/cni/conf.h"

/*
 * The text of the first configuration of a directory by name (*.conflist, *.conf, *.json), as a list,
 * with the plugins that DIR/NAME has in files of their own. Empty: there is none. SP_EINVAL and others with
 * the file's path: the first one cannot be used.
 */
sp_code cni_load(sp_world *w, sp_str dir, sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;

/* What DEL needs, in the format of libcni's cache: a file for each sandbox, named by its id. */
typedef struct cni_record {
	sp_str id, if_name, network;
	sp_str conf; /* of the list */
	sp_str args;
	cni_capabilities caps;
	sp_str result; /* JSON; empty: ADD has not ended */
} cni_record;

sp_code cni_record_write(const cni_record *r, sp_buf *out, sp_err *err) SP_MUST_USE;
/* Views into the arena. SP_EINVAL. */
sp_code cni_record_parse(sp_str text, sp_arena *a, cni_record *ret, sp_err *err) SP_MUST_USE;

sp_code cni_record_save(sp_world *w, sp_str dir, const cni_record *r, sp_arena *a, sp_err *err) SP_MUST_USE;
/* SP_ENOTFOUND: none. */
sp_code cni_record_load(sp_world *w, sp_str dir, sp_str id, sp_arena *a, cni_record *ret,
			sp_err *err) SP_MUST_USE;
/* Fine when there is none. */
sp_code cni_record_remove(sp_world *w, sp_str dir, sp_str id, sp_arena *a, sp_err *err) SP_MUST_USE;
