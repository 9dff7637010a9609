/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of pods: one source each, its own rules, names. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/pvc.h"
#include "kube/kinds/volume_sources.h"
#include "kube/meta.h"

static void key_to_path(sp_violations *v, const sp_path *path, yyjson_mut_val *item)
{
	sp_vol_need(v, path, item, "key");
	sp_vol_need(v, path, item, "path");
	sp_v_local_non_reserved_path(v, SP_AT(path, "path"), sp_kv_str(item, "path"));
	sp_file_mode_validate(v, path, item, "mode");
}

static void keys_source(sp_violations *v, const sp_path *path, yyjson_mut_val *source, const char *name)
{
	sp_vol_need(v, path, source, name);
	sp_file_mode_validate(v, path, source, "defaultMode");
	SP_KV_EACH (item, i, sp_kv_list(source, "items"))
		key_to_path(v, SP_AT_I(SP_AT(path, "items"), i), item);
}

static void secret(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	keys_source(v, path, source, "secretName");
}

static void config_map(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	keys_source(v, path, source, "name");
}

static void git_repo(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "repository");
	sp_v_local_descending_path(v, SP_AT(path, "directory"), sp_kv_str(source, "directory"));
}

static void claim(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_vol_need(v, path, source, "claimName");
}

static void csi(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	yyjson_mut_val *ref = sp_kv_get(source, "nodePublishSecretRef");
	sp_str name = sp_kv_str(ref, "name");
	sp_csi_driver_name_validate(v, SP_AT(path, "driver"), sp_kv_str(source, "driver"));
	if (ref != NULL && name.len == 0)
		sp_v_required(v, SP_AT(path, "nodePublishSecretRef.name"), "%s", "");
	else if (ref != NULL)
		sp_v_dns1123_subdomain(v, SP_AT(path, "name"), name);
}

static void ephemeral(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	if (!sp_kv_has(source, "volumeClaimTemplate"))
		sp_v_required(v, SP_AT(path, "volumeClaimTemplate"), "%s", "");
	else
		sp_pvc_template_validate(v, SP_AT(path, "volumeClaimTemplate"),
					 sp_kv_get(source, "volumeClaimTemplate"));
}

static void downward_file(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *file)
{
	sp_vol_need(w->v, path, file, "path");
	sp_v_local_non_reserved_path(w->v, SP_AT(path, "path"), sp_kv_str(file, "path"));
	yyjson_mut_val *field = sp_kv_get(file, "fieldRef"), *resource = sp_kv_get(file, "resourceFieldRef");
	if (field != NULL) {
		sp_pod_field_ref_validate(w, SP_AT(path, "fieldRef"), field, true);
		if (resource != NULL)
			sp_v_invalid(w->v, path, "resource",
				     "fieldRef and resourceFieldRef can not be specified simultaneously");
	} else if (resource != NULL) {
		sp_pod_resource_field_validate(w, SP_AT(path, "resourceFieldRef"), resource, true);
	} else {
		sp_v_required(w->v, path, "one of fieldRef and resourceFieldRef is required");
	}
	sp_file_mode_validate(w->v, path, file, "mode");
}

static void downward_api(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *source)
{
	sp_file_mode_validate(w->v, path, source, "defaultMode");
	SP_KV_EACH (file, i, sp_kv_list(source, "items"))
		downward_file(w, path, file); /* upstream's path has no index */
}

static const char *const pull_policies[] = {"Always", "IfNotPresent", "Never"};

static void image(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *source)
{
	if ((w->options & SP_POD_IS_POD) != 0)
		sp_vol_need(w->v, path, source, "reference");
	SP_V_ENUM(w->v, SP_AT(path, "pullPolicy"), sp_kv_str(source, "pullPolicy"), pull_policies);
}

/* Paths of all sources of a projected volume: none may come twice. */
static void unique_path(sp_pod_walk *w, const sp_path *path, sp_strset *seen, sp_str file, sp_str shown)
{
	if (file.len > 0 && !sp_strset_add(seen, file, w->v))
		sp_v_invalid(w->v, path, shown, "conflicting duplicate paths");
}

static void projected_keys(sp_pod_walk *w, const sp_path *path, const sp_path *volume, sp_strset *seen,
			   yyjson_mut_val *source)
{
	sp_vol_need(w->v, path, source, "name");
	SP_KV_EACH (item, i, sp_kv_list(source, "items")) {
		key_to_path(w->v, SP_AT_I(SP_AT(path, "items"), i), item);
		unique_path(w, volume, seen, sp_kv_str(item, "path"), sp_kv_str(source, "name"));
	}
}

static void projected_token(sp_pod_walk *w, const sp_path *path, const sp_path *volume,
			    yyjson_mut_val *source)
{
	int64_t seconds = sp_kv_i64(source, "expirationSeconds", 0);
	sp_str file = sp_kv_str(source, "path");
	if (seconds < 600)
		sp_v_invalid(w->v, SP_AT(path, "expirationSeconds"), seconds,
			     "may not specify a duration less than 10 minutes");
	if (seconds > (int64_t)1 << 32)
		sp_v_invalid(w->v, SP_AT(path, "expirationSeconds"), seconds,
			     "may not specify a duration larger than 2^32 seconds");
	if (file.len == 0)
		sp_v_required(w->v, SP_AT(volume, "path"), "%s", "");
	else if ((w->options & SP_POD_NON_LOCAL_TOKEN_PATH) == 0)
		sp_v_local_non_reserved_path(w->v, SP_AT(volume, "path"), file);
}

void sp_pod_projected_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *source)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	sp_file_mode_validate(w->v, path, source, "defaultMode");
	SP_KV_EACH (part, i, sp_kv_list(source, "sources")) {
		const sp_path *at = SP_AT_I(SP_AT(path, "sources"), i);
		yyjson_mut_val *keys = sp_kv_get(part, "secret"), *map = sp_kv_get(part, "configMap");
		yyjson_mut_val *downward = sp_kv_get(part, "downwardAPI");
		yyjson_mut_val *token = sp_kv_get(part, "serviceAccountToken");
		if (keys != NULL)
			projected_keys(w, SP_AT(at, "secret"), path, &seen, keys);
		if (map != NULL)
			projected_keys(w, SP_AT(at, "configMap"), path, &seen, map);
		SP_KV_EACH (file, k, sp_kv_list(downward, "items")) {
			sp_str name = sp_kv_str(file, "path");
			downward_file(w, SP_AT(at, "downwardAPI"), file);
			unique_path(w, path, &seen, name, name);
		}
		if (token != NULL)
			projected_token(w, SP_AT(at, "serviceAccountToken"), path, token);
		if ((keys != NULL) + (map != NULL) + (downward != NULL) + (token != NULL) > 1)
			sp_v_forbidden(w->v, at, "may not specify more than 1 volume type per source");
	}
}

typedef struct source_row {
	const char *member;
	const char *forbidden; /* path of "more than 1"; NULL: the member. Upstream's spellings. */
	const char *path;      /* path of its own errors; NULL: the member */
	sp_volume_check *check;
	void (*check_walk)(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *source);
} source_row;

/* In upstream's order: the first source of a volume is taken, the rest is refused. */
static const source_row sources[] = {
	{"emptyDir", NULL, NULL, NULL, NULL},
	{"hostPath", NULL, NULL, sp_vol_host_path, NULL},
	{"gitRepo", NULL, NULL, git_repo, NULL},
	{"gcePersistentDisk", NULL, "persistentDisk", sp_vol_gce, NULL},
	{"awsElasticBlockStore", NULL, NULL, sp_vol_aws, NULL},
	{"secret", NULL, NULL, secret, NULL},
	{"nfs", NULL, NULL, sp_vol_nfs, NULL},
	{"iscsi", NULL, NULL, sp_vol_iscsi, NULL},
	{"glusterfs", NULL, NULL, sp_vol_glusterfs, NULL},
	{"flocker", NULL, NULL, sp_vol_flocker, NULL},
	{"persistentVolumeClaim", NULL, NULL, claim, NULL},
	{"rbd", NULL, NULL, sp_vol_rbd, NULL},
	{"cinder", NULL, NULL, sp_vol_cinder, NULL},
	{"cephfs", "cephFS", NULL, sp_vol_cephfs, NULL},
	{"quobyte", NULL, NULL, sp_vol_quobyte, NULL},
	{"downwardAPI", "downwarAPI", NULL, NULL, downward_api},
	{"fc", NULL, NULL, sp_vol_fc, NULL},
	{"flexVolume", NULL, NULL, sp_vol_flex, NULL},
	{"configMap", NULL, NULL, config_map, NULL},
	{"azureFile", NULL, NULL, sp_vol_azure_file, NULL},
	{"vsphereVolume", NULL, NULL, sp_vol_vsphere, NULL},
	{"photonPersistentDisk", NULL, NULL, sp_vol_photon, NULL},
	{"portworxVolume", NULL, NULL, sp_vol_portworx, NULL},
	{"azureDisk", NULL, NULL, sp_vol_azure_disk, NULL},
	{"storageos", NULL, NULL, sp_vol_storageos, NULL},
	{"projected", NULL, NULL, NULL, sp_pod_projected_validate},
	{"scaleIO", NULL, NULL, sp_vol_scaleio, NULL},
	{"csi", NULL, NULL, csi, NULL},
	{"ephemeral", NULL, NULL, ephemeral, NULL},
	{"image", NULL, NULL, NULL, image},
};

static void empty_dir(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_qty limit = sp_kv_qty(sp_kv_get(source, "sizeLimit"));
	if (limit.nanos < 0)
		sp_v_forbidden(v, SP_AT(path, "emptyDir.sizeLimit"),
			       "SizeLimit field must be a valid resource quantity");
}

static void iscsi_portal(sp_violations *v, const sp_path *path, yyjson_mut_val *source, sp_str name)
{
	if (sp_kv_has(source, "initiatorName") && name.len + 1 + sp_kv_str(source, "targetPortal").len > 64)
		sp_v_invalid(v, SP_AT(path, "name"), name, SP_ISCSI_PORTAL_TOO_LONG);
}

/* The claim made for an ephemeral volume is named after the pod and the volume. */
static sp_str claim_name(sp_pod_walk *w, sp_str volume)
{
	sp_str pod = sp_kv_str(w->meta, "name");
	return sp_arena_printf(w->arena, SP_FMT "-" SP_FMT, SP_ARG(pod), SP_ARG(volume));
}

static void ephemeral_claim(sp_pod_walk *w, const sp_path *path, sp_str name)
{
	if (sp_kv_str(w->meta, "name").len == 0 || name.len == 0)
		return;
	sp_str made = claim_name(w, name);
	sp_name_faults faults = sp_name_dns1123_subdomain(made);
	for (size_t i = 0; i < faults.n; i++)
		sp_v_invalid(w->v, SP_AT(path, "name"), name, "PVC name \"" SP_FMT "\": " SP_FMT,
			     SP_ARG(made), SP_ARG(faults.items[i].text));
}

static void source_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *volume)
{
	sp_str name = sp_kv_str(volume, "name");
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		const source_row *row = &sources[i];
		yyjson_mut_val *source = sp_kv_get(volume, row->member);
		const char *own = row->path != NULL ? row->path : row->member;
		if (source == NULL)
			continue;
		if (n > 0) {
			own = row->forbidden != NULL ? row->forbidden : row->member;
			sp_v_forbidden(w->v, SP_AT_STR(path, sp_str_c(own)),
				       "may not specify more than 1 volume type");
		} else if (row->check != NULL) {
			row->check(w->v, SP_AT_STR(path, sp_str_c(own)), source);
		} else if (row->check_walk != NULL) {
			row->check_walk(w, SP_AT_STR(path, sp_str_c(own)), source);
		}
		if (n == 0 && sp_str_eq(sp_str_c(row->member), SP_STR("ephemeral")))
			ephemeral_claim(w, path, name);
		n++;
	}
	empty_dir(w->v, path, sp_kv_get(volume, "emptyDir"));
	iscsi_portal(w->v, path, sp_kv_get(volume, "iscsi"), name);
	if (n == 0)
		sp_v_required(w->v, path, "must specify a volume type");
}

void sp_pod_volumes_validate(sp_pod_walk *w, const sp_path *path)
{
	yyjson_mut_val *volumes = sp_kv_list(w->spec, "volumes");
	SP_AUTO_STRSET made = {.map = {0}};
	SP_KV_EACH (volume, i, volumes) {
		if (sp_kv_has(volume, "ephemeral") && sp_kv_str(w->meta, "name").len > 0)
			(void)sp_strset_add(&made, claim_name(w, sp_kv_str(volume, "name")), w->v);
	}
	SP_KV_EACH (volume, i, volumes) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(volume, "name");
		size_t before = w->v->n + w->v->dropped;
		source_validate(w, at, volume);
		if (name.len == 0)
			sp_v_required(w->v, SP_AT(at, "name"), "%s", "");
		else
			sp_v_dns1123_label(w->v, SP_AT(at, "name"), name);
		if (sp_map_get(&w->volumes, name) != NULL)
			sp_v_duplicate(w->v, SP_AT(at, "name"), name);
		else if (w->v->n + w->v->dropped == before &&
			 sp_map_put(&w->volumes, name, volume, NULL) != SP_OK)
			w->v->code = SP_ENOMEM;
		sp_str claimed = sp_kv_str(sp_kv_get(volume, "persistentVolumeClaim"), "claimName");
		if (claimed.len > 0 && sp_strset_has(&made, claimed))
			sp_v_invalid(w->v, SP_AT(at, "persistentVolumeClaim.claimName"), claimed,
				     "must not reference a PVC that gets created for an ephemeral volume");
	}
}
