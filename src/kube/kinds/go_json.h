/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as Go prints its internal types in error messages: their fields have no JSON names, so the Go names
 * show, in the order of the Go struct, absent pointers as null and the rest as zero values.
 */
#pragma once

#include "kube/kinds/values.h"
#include "kube/meta.h"

typedef enum sp_go_kind {
	SP_GO_STR = 0,
	SP_GO_PTR, /* null when absent, else the value's JSON; pointers, lists and maps */
	SP_GO_BOOL,
	SP_GO_I64,
	SP_GO_STRUCT_PTR,  /* null when absent, else a struct */
	SP_GO_STRUCT_LIST, /* null when absent, else a list of structs */
	SP_GO_STRUCT,      /* never null: zero values when absent */
	SP_GO_INT_OR_STR,  /* 0 when absent */
	SP_GO_QUANTITY,    /* "0" when absent */
	SP_GO_OUTER_BOOL,  /* the JSON has it in the value around this one */
	SP_GO_OUTER_PTR,
	SP_GO_MEMBERS, /* the members of the JSON's object, which has JSON names: embedded metadata */
} sp_go_kind;

typedef struct sp_go_type sp_go_type;

typedef struct sp_go_field {
	const char *go, *json;
	sp_go_kind kind;
	const sp_go_type *type; /* of STRUCT, STRUCT_PTR and STRUCT_LIST */
} sp_go_field;

struct sp_go_type {
	const sp_go_field *fields;
	size_t n;
};

extern const sp_go_type sp_go_taint, sp_go_ip, sp_go_scope_selector;
/* go_volume.c */
extern const sp_go_type sp_go_volume, sp_go_persistent_volume_claim_spec, sp_go_local_object_reference,
	sp_go_host_path_volume_source, sp_go_nfs_volume_source, sp_go_fc_volume_source,
	sp_go_flocker_volume_source, sp_go_quobyte_volume_source, sp_go_portworx_volume_source,
	sp_go_aws_elastic_block_store_volume_source, sp_go_azure_disk_volume_source,
	sp_go_gce_persistent_disk_volume_source, sp_go_photon_persistent_disk_volume_source,
	sp_go_vsphere_virtual_disk_volume_source, sp_go_object_field_selector, sp_go_resource_field_selector;
/* go_container.c */
extern const sp_go_type sp_go_container, sp_go_ephemeral_container, sp_go_resource_requirements,
	sp_go_security_context, sp_go_seccomp_profile, sp_go_app_armor_profile, sp_go_selinux_options,
	sp_go_windows_security_context_options;
/* go_affinity.c */
extern const sp_go_type sp_go_affinity, sp_go_node_selector, sp_go_node_selector_term;
/* go_pod.c */
extern const sp_go_type sp_go_pod_spec, sp_go_pod_template_spec, sp_go_pod_resource_claim, sp_go_toleration;
/* go_job.c */
extern const sp_go_type sp_go_pod_failure_policy, sp_go_success_policy;
/* go_resource_claim.c */
extern const sp_go_type sp_go_resource_claim_spec, sp_go_resource_claim_template_spec;
/* go_persistent_volume.c */
extern const sp_go_type sp_go_persistent_volume_spec, sp_go_persistent_volume_source, sp_go_volume_affinity;

/* The text in the arena; empty without room. */
sp_str sp_go_struct(sp_arena *a, const sp_go_type *type, yyjson_mut_val *v);
/* A list of such values; null when absent. */
sp_str sp_go_list(sp_arena *a, const sp_go_type *type, yyjson_mut_val *list);
/* A pointer to such a value that must stay as it was. */
void sp_v_immutable_go(sp_violations *v, const sp_path *path, const sp_go_type *type, yyjson_mut_val *now,
		       yyjson_mut_val *old);
