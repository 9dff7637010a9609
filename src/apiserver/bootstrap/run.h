/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the bootstrap, as its parts see it. */
#pragma once

#include "apiserver/bootstrap/bootstrap.h"
#include "apiserver/server_int.h"
#include "base/json_out.h"

typedef struct boot boot;

/* Where an object stands. */
typedef struct boot_where {
	const char *group, *version, *plural;
	sp_str ns, name;
} boot_where;

/* Brings an object that exists up to date: `obj` is an editable copy of it, `want` the wanted one. False: no
 * room. */
typedef bool boot_merge_fn(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want);

/*
 * Queues an object: made from its JSON when absent, else merged (NULL: left alone). Its kind and apiVersion
 * are filled in, and metadata.name and namespace. A status in it is kept as it is. Errors are kept in the
 * run.
 */
void boot_put(boot *b, const boot_where *where, boot_merge_fn *merge, sp_str json);

/* For the merges. */
yyjson_mut_doc *boot_doc(boot *b);
sp_arena *boot_arena(boot *b);
/* RFC 3339. */
sp_str boot_now(boot *b);
const api_bootstrap_opts *boot_opts(boot *b);
/* Remembers that something failed; the first one counts. */
void boot_fail(boot *b, sp_code code, const char *what);

/* Every member of the object but metadata and status is the wanted one's. */
boot_merge_fn boot_merge_all;

/* The parts. */
void boot_put_roles(boot *b);
void boot_put_flow(boot *b);
void boot_put_objects(boot *b);
