/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent volumes. */
#include "kube/kinds/cells.h"
#include "kube/kinds/diff.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/storage_int.h"
#include "kube/kinds/volume_sources.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

/* secretRef with name and namespace. */
static void secret_ref(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	yyjson_mut_val *ref = sp_kv_get(source, "secretRef");
	if (ref != NULL && sp_kv_str(ref, "namespace").len == 0)
		sp_v_required(v, SP_AT(path, "secretRef.namespace"), "%s", "");
}

static void cinder(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_cinder(v, path, source);
	secret_ref(v, path, source);
}

static void storageos(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_storageos(v, path, source);
	secret_ref(v, path, source);
}

static void glusterfs(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str ns = sp_kv_str(source, "endpointsNamespace");
	sp_vol_glusterfs(v, path, source);
	if (!sp_kv_has(source, "endpointsNamespace"))
		return;
	if (ns.len == 0)
		sp_v_invalid(v, SP_AT(path, "endpointsNamespace"), ns,
			     "if the endpointnamespace is set, it must be a valid namespace name");
	else
		sp_v_dns1123_label(v, SP_AT(path, "endpointsNamespace"), ns);
}

static void azure_file(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_azure_file(v, path, source);
	if (sp_kv_has(source, "secretNamespace"))
		sp_vol_need(v, path, source, "secretNamespace");
}

static void local(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str dir = sp_kv_str(source, "path");
	if (dir.len == 0)
		sp_v_required(v, SP_AT(path, "path"), "%s", "");
	else
		sp_v_no_backsteps(v, SP_AT(path, "path"), dir);
}

static void csi(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	static const char *const refs[] = {"controllerPublishSecretRef", "controllerExpandSecretRef",
					   "nodePublishSecretRef", "nodeExpandSecretRef"};
	sp_csi_driver_name_validate(v, SP_AT(path, "driver"), sp_kv_str(source, "driver"));
	sp_vol_need(v, path, source, "volumeHandle");
	for (size_t i = 0; i < SP_LEN(refs); i++) {
		yyjson_mut_val *ref = sp_kv_get(source, refs[i]);
		const sp_path *at = SP_AT_STR(path, sp_str_c(refs[i]));
		sp_str name = sp_kv_str(ref, "name"), ns = sp_kv_str(ref, "namespace");
		if (ref == NULL)
			continue;
		if (name.len == 0)
			sp_v_required(v, SP_AT(at, "name"), "%s", "");
		else
			sp_v_dns1123_subdomain(v, SP_AT(at, "name"), name);
		if (ns.len == 0)
			sp_v_required(v, SP_AT(at, "namespace"), "%s", "");
		else
			sp_v_dns1123_label(v, SP_AT(at, "namespace"), ns);
	}
}

/* In upstream's order, with its spellings of paths. */
static const struct {
	const char *member, *forbidden, *path;
	sp_volume_check *check;
} sources[] = {
	{"hostPath", NULL, NULL, sp_vol_host_path},
	{"gcePersistentDisk", NULL, "persistentDisk", sp_vol_gce},
	{"awsElasticBlockStore", NULL, NULL, sp_vol_aws},
	{"glusterfs", NULL, NULL, glusterfs},
	{"flocker", NULL, NULL, sp_vol_flocker},
	{"nfs", NULL, NULL, sp_vol_nfs},
	{"rbd", NULL, NULL, sp_vol_rbd},
	{"quobyte", NULL, NULL, sp_vol_quobyte},
	{"cephfs", "cephFS", NULL, sp_vol_cephfs},
	{"iscsi", NULL, NULL, sp_vol_iscsi_pv},
	{"cinder", NULL, NULL, cinder},
	{"fc", NULL, NULL, sp_vol_fc},
	{"flexVolume", NULL, NULL, sp_vol_flex},
	{"azureFile", NULL, NULL, azure_file},
	{"vsphereVolume", NULL, NULL, sp_vol_vsphere},
	{"photonPersistentDisk", NULL, NULL, sp_vol_photon},
	{"portworxVolume", NULL, NULL, sp_vol_portworx},
	{"azureDisk", NULL, NULL, sp_vol_azure_disk},
	{"scaleIO", NULL, NULL, sp_vol_scaleio},
	{"local", NULL, NULL, local},
	{"storageos", NULL, NULL, storageos},
	{"csi", NULL, NULL, csi},
};

/* `bound`: to nodes, as a local volume has to be. */
static void sources_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec, sp_str name,
			     bool bound)
{
	size_t n = 0;
	yyjson_mut_val *iscsi = sp_kv_get(spec, "iscsi");
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		yyjson_mut_val *source = sp_kv_get(spec, sources[i].member);
		const char *at = sources[i].path != NULL ? sources[i].path : sources[i].member;
		if (source == NULL)
			continue;
		if (n++ == 0 || sources[i].check == sp_vol_flex) { /* upstream forgot to look at that one */
			sources[i].check(v, SP_AT_STR(path, sp_str_c(at)), source);
			if (sources[i].check == local && !bound)
				sp_v_required(v, SP_AT(path, "nodeAffinity"),
					      "Local volume requires node affinity");
			continue;
		}
		at = sources[i].forbidden != NULL ? sources[i].forbidden : sources[i].member;
		sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(at)), "may not specify more than 1 volume type");
	}
	sp_str portal = sp_kv_str(iscsi, "targetPortal");
	if (sp_kv_has(iscsi, "initiatorName") && name.len + 1 + portal.len > 64)
		sp_v_invalid(v, SP_AT(path, "iscsi.targetportal"), portal, SP_ISCSI_PORTAL_TOO_LONG);
	if (n == 0)
		sp_v_required(v, path, "must specify a volume type");
}

static void capacity_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *capacity)
{
	static const char *const storage[] = {"storage"};
	if (sp_kv_len(capacity) == 0)
		sp_v_required(v, path, "%s", "");
	if (!sp_kv_has(capacity, "storage") || sp_kv_len(capacity) > 1)
		sp_v_not_supported(v, path, capacity, storage, 1);
	SP_KV_EACH_MEMBER (key, qty, i, capacity) {
		sp_basic_resource_validate(v, SP_AT_KEY(path, sp_jmut_str(key)), qty);
		sp_v_qty_positive(v, SP_AT_KEY(path, sp_jmut_str(key)), qty);
	}
}

/* A path that is the root, however it is written. */
static bool is_root(sp_str path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.ptr[i] != '/' && path.ptr[i] != '.')
			return false;
	}
	return sp_str_starts(path, SP_STR("/"));
}

static void recycle_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	if (is_root(sp_kv_str(sp_kv_get(spec, "hostPath"), "path")) &&
	    sp_kv_is(spec, "persistentVolumeReclaimPolicy", "Recycle"))
		sp_v_forbidden(v, SP_AT(path, "persistentVolumeReclaimPolicy"),
			       "may not be 'recycle' for a hostPath mount of '/'");
}

static void classes_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	sp_str class = sp_kv_str(spec, "storageClassName"),
	       attributes = sp_kv_str(spec, "volumeAttributesClassName");
	if (class.len > 0)
		sp_v_dns1123_subdomain(v, SP_AT(path, "storageClassName"), class);
	if (sp_kv_has(spec, "volumeMode"))
		SP_V_ENUM_PTR(v, SP_AT(path, "volumeMode"), sp_kv_str(spec, "volumeMode"), sp_volume_modes);
	if (!sp_kv_has(spec, "volumeAttributesClassName"))
		return;
	if (attributes.len == 0)
		sp_v_required(v, SP_AT(path, "volumeAttributesClassName"), "an empty string is disallowed");
	else
		sp_v_dns1123_subdomain(v, SP_AT(path, "volumeAttributesClassName"), attributes);
	if (!sp_kv_has(spec, "csi"))
		sp_v_required(v, SP_AT(path, "csi"),
			      "has to be specified when using volumeAttributesClassName");
}

static void spec_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec, sp_str name,
			  bool bad_values)
{
	static const char *const policies[] = {"Delete", "Recycle", "Retain"};
	sp_str policy = sp_kv_str(spec, "persistentVolumeReclaimPolicy");
	yyjson_mut_val *modes = sp_kv_list(spec, "accessModes"), *affinity = sp_kv_get(spec, "nodeAffinity");
	if (modes == NULL)
		sp_v_required(v, SP_AT(path, "accessModes"), "%s", "");
	sp_access_modes_validate(v, SP_AT(path, "accessModes"), modes);
	capacity_validate(v, SP_AT(path, "capacity"), sp_kv_get(spec, "capacity"));
	SP_V_ENUM_OPT(v, SP_AT(path, "persistentVolumeReclaimPolicy"), policy, policies);
	if (affinity != NULL && !sp_kv_has(affinity, "required"))
		sp_v_required(v, SP_AT(path, "nodeAffinity.required"),
			      "must specify required node constraints");
	else if (affinity != NULL)
		sp_node_selector_validate(v, SP_AT(path, "nodeAffinity.required"),
					  sp_kv_get(affinity, "required"), bad_values);
	sources_validate(v, path, spec, name, sp_kv_has(affinity, "required"));
	recycle_validate(v, path, spec);
	classes_validate(v, path, spec);
}

void sp_inline_volume_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	static const char *const forbidden[] = {"claimRef", "capacity", "nodeAffinity", "storageClassName"};
	sp_str policy = sp_kv_str(spec, "persistentVolumeReclaimPolicy"),
	       mode = sp_kv_str(spec, "volumeMode");
	yyjson_mut_val *modes = sp_kv_list(spec, "accessModes");
	for (size_t i = 0; i < SP_LEN(forbidden); i++) {
		yyjson_mut_val *val = sp_kv_get(spec, forbidden[i]);
		if (yyjson_mut_is_str(val) ? sp_jmut_str(val).len > 0
					   : val != NULL && (i != 1 || sp_kv_len(val) > 0))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(forbidden[i])),
				       "may not be specified in the context of inline volumes");
	}
	if (!sp_kv_has(spec, "csi"))
		sp_v_required(v, SP_AT(path, "csi"), "has to be specified in the context of inline volumes");
	if (modes == NULL)
		sp_v_required(v, SP_AT(path, "accessModes"), "%s", "");
	sp_access_modes_validate(v, SP_AT(path, "accessModes"), modes);
	if (policy.len > 0 && !sp_str_eq(policy, SP_STR("Retain")))
		sp_v_forbidden(v, SP_AT(path, "persistentVolumeReclaimPolicy"),
			       "may only be Retain in the context of inline volumes");
	sources_validate(v, path, spec, SP_STR(""), false);
	recycle_validate(v, path, spec);
	if (sp_kv_has(spec, "volumeMode") && !sp_str_eq(mode, SP_STR("Filesystem")))
		sp_v_forbidden(
			v, SP_AT(path, "volumeMode"),
			"may not specify volumeMode other than Filesystem in the context of inline volumes");
}

static void validate_with(sp_kind_ctx *c, yyjson_mut_val *obj, bool bad_values)
{
	sp_meta_validate(c, obj);
	spec_validate(c->errors, SP_PATH("spec"), sp_kv_get(obj, "spec"), sp_meta_name(obj), bad_values);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	validate_with(c, obj, false);
}

/* The sources are the same, but for an expansion secret that a CSI source may gain. */
static bool source_kept(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *was)
{
	static const char secret[] = "controllerExpandSecretRef";
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		yyjson_mut_val *now = sp_kv_get(spec, sources[i].member),
			       *old = sp_kv_get(was, sources[i].member);
		bool csi_source = sources[i].check == csi;
		if (csi_source && now != NULL && old != NULL && !sp_kv_has(old, secret) &&
		    sp_kv_has(now, secret)) {
			now = yyjson_mut_val_mut_copy(c->doc, now);
			SP_KIND_NEED(c, now != NULL);
			sp_kv_drop(now, secret);
		}
		if (!sp_kv_equal(now, old) || (now != NULL) != (old != NULL))
			return false;
	}
	return true;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char attributes[] = "volumeAttributesClassName";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	bool bad_values = false;
	SP_KV_EACH (term, i,
		    sp_kv_list(sp_kv_path(was, "nodeAffinity", "required", NULL), "nodeSelectorTerms"))
		bad_values = bad_values || sp_label_selector_has_bad_value(term);
	/* the strategy validates the whole, and so does the update's own check: errors of it come twice */
	validate_with(c, obj, bad_values);
	validate_with(c, obj, bad_values);
	if (!source_kept(c, spec, was))
		sp_v_forbidden(c->errors, SP_PATH("spec.persistentvolumesource"),
			       "spec.persistentvolumesource is immutable after creation\n" SP_FMT,
			       SP_ARG(sp_kind_diff_go(c, &sp_go_persistent_volume_source, was, spec)));
	sp_v_immutable(c->errors, SP_PATH("volumeMode"), sp_kv_get(spec, "volumeMode"),
		       sp_kv_get(was, "volumeMode"));
	yyjson_mut_val *now = sp_kv_get(spec, "nodeAffinity");
	sp_str affinity = now != NULL ? sp_go_struct(c->arena, &sp_go_volume_affinity, now) : SP_STR("null");
	if (sp_kv_has(was, "nodeAffinity") &&
	    (now == NULL || !sp_kv_equal(now, sp_kv_get(was, "nodeAffinity"))))
		sp_v_invalid(c->errors, SP_PATH("nodeAffinity"), sp_bad_text(affinity),
			     "field is immutable, except for updating from beta label to GA");
	if (sp_kv_has(was, attributes) && !sp_kv_has(spec, attributes))
		sp_v_forbidden(c->errors, SP_PATH("spec.volumeAttributesClassName"),
			       "update from non-nil value to nil is forbidden");
}

static void set_transition(sp_kind_ctx *c, yyjson_mut_val *status)
{
	char when[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(when, c->now, 0);
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, status, "lastPhaseTransitionTime", (sp_str){when, n}));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status = sp_kv_need_obj(c->doc, obj, "status");
	SP_KIND_NEED(c, status != NULL && sp_kv_set_str(c->doc, status, "phase", SP_STR("Pending")));
	set_transition(c, status);
}

static void status_prepare(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char when[] = "lastPhaseTransitionTime";
	yyjson_mut_val *status = sp_kv_get(obj, "status"), *was = sp_kv_get(old, "status");
	bool same = sp_str_eq(sp_kv_str(status, "phase"), sp_kv_str(was, "phase"));
	if (same && !sp_kv_has(status, when))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, status, was, when));
	else if (!same &&
		 (!sp_kv_has(status, when) || sp_kv_equal(sp_kv_get(status, when), sp_kv_get(was, when))))
		set_transition(c, status);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
}

/* Not in the schema: the volume given inline in a VolumeAttachment has none of these. */
static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL);
	sp_default_str(c, spec, "persistentVolumeReclaimPolicy", "Retain");
	sp_default_str(c, spec, "volumeMode", "Filesystem");
	sp_res_list_round(c, sp_kv_map(spec, "capacity"));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const rows[][2] = {
		{"photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"},
		{"scaleIO", "deprecated in v1.16, non-functional in v1.22+"},
		{"storageos", "deprecated in v1.22, non-functional in v1.25+"},
		{"glusterfs", "deprecated in v1.25, non-functional in v1.26+"},
		{"cephfs", "deprecated in v1.28, non-functional in v1.31+"},
		{"rbd", "deprecated in v1.28, non-functional in v1.31+"},
	};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	if (sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), BETA_CLASS))
		sp_warn_at(c, SP_AT_KEY(SP_PATH("metadata.annotations"), SP_STR(BETA_CLASS)),
			   "deprecated since v1.8; use \"storageClassName\" attribute instead");
	if (sp_kv_is(spec, "persistentVolumeReclaimPolicy", "Recycle"))
		sp_warn_at(c, SP_AT(path, "persistentVolumeReclaimPolicy"),
			   "The Recycle reclaim policy is deprecated. Instead, the recommended approach is "
			   "to use dynamic "
			   "provisioning.");
	SP_KV_EACH (term, i,
		    sp_kv_list(sp_kv_path(spec, "nodeAffinity", "required", NULL), "nodeSelectorTerms"))
		sp_node_selector_term_warn(
			c, SP_AT_I(SP_AT(path, "nodeAffinity.required.nodeSelectorTerms"), i), term);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (sp_kv_has(spec, rows[i][0]))
			sp_warn_at(c, SP_AT_STR(path, sp_str_c(rows[i][0])), "%s", rows[i][1]);
	}
	sp_qty size = sp_kv_qty(sp_kv_path(spec, "capacity", "storage", NULL));
	if (sp_qty_milli(&size) % 1000 != 0) {
		sp_str text = sp_qty_print(c->arena, size);
		sp_warn_at(c, SP_AT_KEY(SP_AT(path, "capacity"), SP_STR("storage")),
			   "fractional byte value \"" SP_FMT "\" is invalid, must be an integer",
			   SP_ARG(text));
	}
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	warn_create(c, obj);
}

static yyjson_mut_val *capacity_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *qty = sp_kv_path(obj, "spec", "capacity", "storage", NULL);
	return sp_cell_str(c, qty != NULL ? sp_jmut_str(qty) : SP_STR("0"));
}

static yyjson_mut_val *modes_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_access_modes_cell(c, sp_kv_list(sp_kv_get(obj, "spec"), "accessModes"));
}

static yyjson_mut_val *status_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_has(sp_meta(obj), "deletionTimestamp"))
		return sp_cell_str(c, SP_STR("Terminating"));
	return sp_cell_str(c, sp_kv_str(sp_kv_get(obj, "status"), "phase"));
}

static yyjson_mut_val *claim_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "claimRef", NULL);
	sp_str ns = sp_kv_str(ref, "namespace"), name = sp_kv_str(ref, "name");
	if (ref == NULL)
		return sp_cell_str(c, SP_STR(""));
	return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(ns), SP_ARG(name));
}

static yyjson_mut_val *class_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *old_way = sp_kv_get(sp_kv_get(sp_meta(obj), "annotations"), BETA_CLASS);
	return sp_cell_str(c, old_way != NULL ? sp_jmut_str(old_way)
					      : sp_kv_str(sp_kv_get(obj, "spec"), "storageClassName"));
}

static yyjson_mut_val *or_unset(sp_kind_ctx *c, yyjson_mut_val *val)
{
	return sp_cell_str(c, val != NULL ? sp_jmut_str(val) : SP_STR("<unset>"));
}

static yyjson_mut_val *attributes_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return or_unset(c, sp_kv_path(obj, "spec", "volumeAttributesClassName", NULL));
}

static yyjson_mut_val *mode_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return or_unset(c, sp_kv_path(obj, "spec", "volumeMode", NULL));
}

static const sp_cell cells[] = {
	{SP_STR_INIT("Capacity"), capacity_cell},  {SP_STR_INIT("Access Modes"), modes_cell},
	{SP_STR_INIT("Status"), status_cell},      {SP_STR_INIT("Claim"), claim_cell},
	{SP_STR_INIT("StorageClass"), class_cell}, {SP_STR_INIT("VolumeAttributesClass"), attributes_cell},
	{SP_STR_INIT("VolumeMode"), mode_cell},
};

static sp_str name_field(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_meta_name(obj);
}

static const sp_selectable selectable[] = {{SP_STR_INIT("name"), name_field}};
static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .prepare_update = status_prepare,
				     .validate_update = status_validate,
				     .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_persistent_volume = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_RETURNS_DELETED,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
