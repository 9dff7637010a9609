/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as Go prints its internal types in error messages: their fields have no JSON names, so the Go names
 * show, in the order of the Go struct, absent pointers as null and the rest as zero values.
 */
#pragma once

#include "kube/kinds/values.h"

typedef enum sp_go_kind {
	SP_GO_STR = 0,
	SP_GO_PTR, /* null when absent, else the value's JSON; pointers, lists and maps */
	SP_GO_BOOL,
	SP_GO_I64,
	SP_GO_STRUCT_PTR,  /* null when absent, else a struct */
	SP_GO_STRUCT_LIST, /* null when absent, else a list of structs */
} sp_go_kind;

typedef struct sp_go_type sp_go_type;

typedef struct sp_go_field {
	const char *go, *json;
	sp_go_kind kind;
	const sp_go_type *type; /* of STRUCT_PTR and STRUCT_LIST */
} sp_go_field;

struct sp_go_type {
	const sp_go_field *fields;
	size_t n;
};

extern const sp_go_type sp_go_taint, sp_go_pod_resource_claim, sp_go_seccomp_profile, sp_go_security_context,
	sp_go_ip, sp_go_scope_selector, sp_go_volume_affinity;

/* The text in the arena; empty without room. */
sp_str sp_go_struct(sp_arena *a, const sp_go_type *type, yyjson_mut_val *v);
/* A list of such values. */
sp_str sp_go_list(sp_arena *a, const sp_go_type *type, yyjson_mut_val *list);
