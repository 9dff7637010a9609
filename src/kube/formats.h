/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of texts and numbers that many kinds share, straight into a list of violations, with upstream's
 * messages. Names of objects are in kube/names.h. U: apimachinery pkg/util/validation/{validation,ip}.go,
 * kubernetes pkg/apis/core/validation/validation.go.
 */
#pragma once

#include "base/map.h"
#include "kube/kinds/values.h"
#include "kube/names.h"
#include "kube/violations.h"

/* Invalid per fault of a name. */
void sp_v_dns1123_label(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_dns1123_subdomain(sp_violations *v, const sp_path *path, sp_str s);
/* With underscores: search domains. */
void sp_v_dns1123_subdomain_underscore(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_qualified_name(sp_violations *v, const sp_path *path, sp_str s);
/* "*.example.com". */
void sp_v_wildcard_subdomain(sp_violations *v, const sp_path *path, sp_str s);
/* A lower-cased domain, "/" and a path: finalizer-like keys of ingress resources and certificates. */
void sp_v_domain_prefixed_path(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_domain_prefixed_key(sp_violations *v, const sp_path *path, sp_str s);

/* Complaints of IsValidPortName; texts as constants. */
sp_name_faults sp_fmt_port_name(sp_str s);
sp_name_faults sp_fmt_config_map_key(sp_str s);
sp_name_faults sp_fmt_env_var(sp_str s); /* printable ASCII without '=' */
sp_name_faults sp_fmt_http_header_name(sp_str s);
sp_name_faults sp_fmt_percent(sp_str s);

/* 1 to 65535. */
void sp_v_port_num(sp_violations *v, const sp_path *path, int64_t port);
/* An IntOrString that names a port. */
void sp_v_port_num_or_name(sp_violations *v, const sp_path *path, const yyjson_mut_val *port);
/* "must be between lo and hi, inclusive". */
void sp_v_range(sp_violations *v, const sp_path *path, int64_t n, int64_t lo, int64_t hi);
void sp_v_user_id(sp_violations *v, const sp_path *path, int64_t id);
void sp_v_group_id(sp_violations *v, const sp_path *path, int64_t id);
void sp_v_positive(sp_violations *v, const sp_path *path, int64_t n);
void sp_v_qty_non_negative(sp_violations *v, const sp_path *path, const yyjson_mut_val *qty);
void sp_v_qty_positive(sp_violations *v, const sp_path *path, const yyjson_mut_val *qty);

/* An address / prefix of an old field: leading zeros and mapped addresses are refused unless `old` (a list of
 * texts, may be NULL) holds the same text. */
void sp_v_ip_legacy(sp_violations *v, const sp_path *path, sp_str s, yyjson_mut_val *old);
void sp_v_cidr_legacy(sp_violations *v, const sp_path *path, sp_str s, yyjson_mut_val *old);
/* Also canonical: newer fields. */
void sp_v_ip(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_cidr(sp_violations *v, const sp_path *path, sp_str s);

/* Paths in volumes. */
void sp_v_no_backsteps(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_local_descending_path(sp_violations *v, const sp_path *path, sp_str s);
void sp_v_local_non_reserved_path(sp_violations *v, const sp_path *path, sp_str s);

/* Required when empty, NotSupported when not in the table; prints the value as a named string type. */
void sp_v_enum(sp_violations *v, const sp_path *path, sp_str s, const char *const *texts, size_t n);
/* The same for an optional field: nothing when empty. */
void sp_v_enum_opt(sp_violations *v, const sp_path *path, sp_str s, const char *const *texts, size_t n);
/* Of an optional member that is there: also an empty text is unsupported. */
#define SP_V_ENUM_PTR(v, path, s, table)                                                          \
	do {                                                                                      \
		if (!sp_str_in((s), (table), SP_LEN(table)))                                      \
			sp_v_not_supported((v), (path), sp_bad_named(s), (table), SP_LEN(table)); \
	} while (0)
#define SP_V_ENUM(v, path, s, table) sp_v_enum((v), (path), (s), (table), SP_LEN(table))
#define SP_V_ENUM_OPT(v, path, s, table) sp_v_enum_opt((v), (path), (s), (table), SP_LEN(table))

/* A set of texts; the texts are not copied. SP_AUTO_STRSET s = {0}; */
typedef struct sp_strset {
	sp_map map;
} sp_strset;
#define SP_AUTO_STRSET SP_CLEANUP(sp_strset_done) sp_strset
void sp_strset_done(sp_strset *s);
bool sp_strset_has(const sp_strset *s, sp_str text);
/* True when it was new. Lack of memory is noted in v->code. */
bool sp_strset_add(sp_strset *s, sp_str text, sp_violations *v);
size_t sp_strset_count(const sp_strset *s);
