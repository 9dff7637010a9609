/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/pod_refs.h"

#include "kube/view.h"

typedef struct walk {
	bool (*fn)(void *arg, sp_str name);
	void *arg;
} walk;

static bool tell(const walk *w, sp_str name)
{
	return name.len == 0 || w->fn(w->arg, name);
}

/* The text at a path below each item of a list. */
static bool tell_each(const walk *w, yyjson_val *list, const char *path)
{
	size_t i, max;
	yyjson_val *item;
	yyjson_arr_foreach(list, i, max, item)
	{
		if (!tell(w, sp_view_str_at(item, path)))
			return false;
	}
	return true;
}

/* ---- containers ---- */

static bool walk_containers(const walk *w, yyjson_val *spec, const char *from, const char *ref)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		size_t i, max;
		yyjson_val *c;
		yyjson_arr_foreach(yyjson_obj_get(spec, lists[l]), i, max, c)
		{
			if (!tell_each(w, yyjson_obj_get(c, "envFrom"), from) ||
			    !tell_each(w, yyjson_obj_get(c, "env"), ref))
				return false;
		}
	}
	return true;
}

/* ---- volumes ---- */

static const char *const secret_paths[] = {
	"azureFile.secretName",          "cephfs.secretRef.name", "cinder.secretRef.name",
	"flexVolume.secretRef.name",     "rbd.secretRef.name",    "secret.secretName",
	"scaleIO.secretRef.name",        "iscsi.secretRef.name",  "storageos.secretRef.name",
	"csi.nodePublishSecretRef.name",
};

static bool walk_volumes(const walk *w, yyjson_val *spec, const char *const *paths, size_t n,
			 const char *projected)
{
	size_t i, max;
	yyjson_val *v;
	yyjson_arr_foreach(yyjson_obj_get(spec, "volumes"), i, max, v)
	{
		for (size_t p = 0; p < n; p++) {
			if (!tell(w, sp_view_str_at(v, paths[p])))
				return false;
		}
		if (!tell_each(w, sp_view_at(v, "projected.sources"), projected))
			return false;
	}
	return true;
}

static bool walk_secrets(const walk *w, yyjson_val *spec)
{
	return tell_each(w, yyjson_obj_get(spec, "imagePullSecrets"), "name") &&
	       walk_containers(w, spec, "secretRef.name", "valueFrom.secretKeyRef.name") &&
	       walk_volumes(w, spec, secret_paths, SP_LEN(secret_paths), "secret.name");
}

static bool walk_config_maps(const walk *w, yyjson_val *spec)
{
	static const char *const paths[] = {"configMap.name"};
	return walk_containers(w, spec, "configMapRef.name", "valueFrom.configMapKeyRef.name") &&
	       walk_volumes(w, spec, paths, SP_LEN(paths), "configMap.name");
}

/* A volume of its own is named after pod and volume. */
static bool walk_claims(sp_arena *a, const walk *w, yyjson_val *spec, sp_str pod)
{
	size_t i, max;
	yyjson_val *v;
	yyjson_arr_foreach(yyjson_obj_get(spec, "volumes"), i, max, v)
	{
		sp_str name = sp_view_str_at(v, "persistentVolumeClaim.claimName");
		if (name.len == 0 && yyjson_obj_get(v, "ephemeral") != NULL)
			name = sp_arena_printf(a, SP_FMT "-" SP_FMT, SP_ARG(pod),
					       SP_ARG(sp_view_str_at(v, "name")));
		if (!tell(w, name))
			return false;
	}
	return true;
}

static sp_str made_claim(yyjson_val *status, sp_str name)
{
	size_t i, max;
	yyjson_val *s;
	yyjson_arr_foreach(yyjson_obj_get(status, "resourceClaimStatuses"), i, max, s)
	{
		if (sp_str_eq(sp_view_str_at(s, "name"), name))
			return sp_view_str_at(s, "resourceClaimName");
	}
	return (sp_str){NULL, 0};
}

static bool walk_resource_claims(const walk *w, yyjson_val *spec, yyjson_val *status)
{
	size_t i, max;
	yyjson_val *c;
	yyjson_arr_foreach(yyjson_obj_get(spec, "resourceClaims"), i, max, c)
	{
		sp_str name = sp_view_str_at(c, "resourceClaimName");
		if (name.len == 0)
			name = made_claim(status, sp_view_str_at(c, "name"));
		if (!tell(w, name))
			return false;
	}
	return tell(w, sp_view_str_at(status, "extendedResourceClaimStatus.resourceClaimName"));
}

bool api_pod_refs(sp_arena *a, yyjson_val *pod, api_ref_kind kind, bool (*fn)(void *arg, sp_str name),
		  void *arg)
{
	const walk w = {fn, arg};
	yyjson_val *meta = yyjson_obj_get(pod, "metadata"), *spec = yyjson_obj_get(pod, "spec");
	sp_str name = sp_json_str(yyjson_obj_get(meta, "name"));
	if (kind == API_REF_POD)
		return tell(&w, name);
	if (yyjson_obj_get(yyjson_obj_get(meta, "annotations"), "kubernetes.io/config.mirror") != NULL)
		return true;
	switch (kind) {
	case API_REF_SERVICE_ACCOUNT:
		return tell(&w, sp_view_str_at(spec, "serviceAccountName"));
	case API_REF_SECRET:
		return walk_secrets(&w, spec);
	case API_REF_CONFIG_MAP:
		return walk_config_maps(&w, spec);
	case API_REF_CLAIM:
		return walk_claims(a, &w, spec, name);
	case API_REF_RESOURCE_CLAIM:
		return walk_resource_claims(&w, spec, yyjson_obj_get(pod, "status"));
	case API_REF_POD:
	case API_REF_COUNT_:
		break;
	}
	return true;
}

/* ---- persistent volumes ---- */

static const struct {
	const char *ref; /* of a SecretReference below spec */
	bool claims_ns;  /* without a namespace: the claim's */
} volume_refs[] = {
	{"cephfs.secretRef", true},        {"cinder.secretRef", false},
	{"flexVolume.secretRef", true},    {"rbd.secretRef", true},
	{"scaleIO.secretRef", true},       {"iscsi.secretRef", true},
	{"storageos.secretRef", false},    {"csi.nodePublishSecretRef", false},
	{"csi.nodeStageSecretRef", false}, {"csi.nodeExpandSecretRef", false},
};

bool api_volume_secrets(yyjson_val *spec, bool (*fn)(void *arg, sp_str ns, sp_str name), void *arg)
{
	sp_str claim_ns = sp_view_str_at(spec, "claimRef.namespace");
	sp_str azure = sp_view_str_at(spec, "azureFile.secretName");
	sp_str azure_ns = sp_view_str_at(spec, "azureFile.secretNamespace");
	if (azure.len > 0 && !fn(arg, azure_ns.len > 0 ? azure_ns : claim_ns, azure))
		return false;
	for (size_t i = 0; i < SP_LEN(volume_refs); i++) {
		yyjson_val *ref = sp_view_at(spec, volume_refs[i].ref);
		sp_str name = sp_view_str_at(ref, "name"), ns = sp_view_str_at(ref, "namespace");
		if (ns.len == 0 && volume_refs[i].claims_ns)
			ns = claim_ns;
		if (name.len > 0 && !fn(arg, ns, name))
			return false;
	}
	return true;
}
