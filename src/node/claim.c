/* SPDX-License-Identifier: Apache-2.0 */
#include "node/claim.h"

#include "contracts/local_path.h"

#define PROTECTION "kubernetes.io/pvc-protection"

static bool names(sp_vlist list, sp_str volume)
{
	SP_VLIST_FOREACH(item, list)
	{
		if (sp_str_eq(sp_view_str_at(item, "name"), volume))
			return true;
	}
	return false;
}

bool node_claim_use_of(const node_pod *p, yyjson_val *volume, sp_arena *a, node_claim_use *ret)
{
	yyjson_val *source = sp_json_last(volume, SP_STR("persistentVolumeClaim"));
	*ret = (node_claim_use){.volume = sp_view_str_at(volume, "name"),
				.claim = sp_view_str_at(source, "claimName"),
				.read_only = yyjson_get_bool(sp_view_at(source, "readOnly")),
				.is_ephemeral =
					source == NULL && sp_json_last(volume, SP_STR("ephemeral")) != NULL};
	if (source == NULL && !ret->is_ephemeral)
		return false;
	for (size_t i = 0; i < p->n_containers; i++) {
		ret->mounted |= names(p->containers[i].v.mounts, ret->volume);
		ret->as_device |= names(p->containers[i].v.devices, ret->volume);
	}
	if (ret->is_ephemeral)
		ret->claim = sp_arena_printf(a, SP_FMT "-" SP_FMT, SP_ARG(p->v.name), SP_ARG(ret->volume));
	return ret->mounted || ret->as_device;
}

static bool is_protected(yyjson_val *claim)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(claim, "metadata.finalizers"), i, n, item)
	{
		if (sp_str_eq(sp_json_str(item), SP_STR(PROTECTION)))
			return true;
	}
	return false;
}

static bool is_owned(const node_pod *p, yyjson_val *claim)
{
	yyjson_val *owner;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(claim, "metadata.ownerReferences"), i, n, owner)
	{
		if (yyjson_get_bool(sp_view_at(owner, "controller")))
			return sp_str_eq(sp_view_str_at(owner, "uid"), p->v.uid);
	}
	return false;
}

sp_code node_claim_check(const node_pod *p, const node_claim_use *use, yyjson_val *claim, sp_str *ret_volume,
			 sp_str *ret_uid, sp_err *err)
{
	const char *why = NULL;
	sp_str volume = sp_view_str_at(claim, "spec.volumeName");
	if (sp_view_at(claim, "metadata.deletionTimestamp") != NULL && !is_protected(claim))
		why = "PVC is being deleted";
	else if (!sp_str_eq(sp_view_str_at(claim, "status.phase"), SP_STR("Bound")))
		why = "PVC is not bound";
	else if (volume.len == 0)
		why = "PVC has empty pvc.Spec.VolumeName";
	if (why != NULL)
		return sp_fail(err, SP_EUNAVAILABLE, "error processing PVC " SP_FMT "/" SP_FMT ": %s",
			       SP_ARG(p->v.ns), SP_ARG(use->claim), why);
	if (use->is_ephemeral && !is_owned(p, claim))
		return sp_fail(err, SP_EUNAVAILABLE,
			       "PVC " SP_FMT "/" SP_FMT " was not created for pod " SP_FMT "/" SP_FMT
			       " (pod is not owner)",
			       SP_ARG(p->v.ns), SP_ARG(use->claim), SP_ARG(p->v.ns), SP_ARG(p->v.name));
	*ret_volume = volume;
	*ret_uid = sp_view_str_at(claim, "metadata.uid");
	return SP_OK;
}

static bool is_directory(yyjson_val *volume)
{
	yyjson_val *by = sp_json_last(sp_view_at(volume, "metadata.annotations"),
				      SP_STR("pv.kubernetes.io/provisioned-by"));
	return sp_str_eq(sp_json_str(by), SP_STR(SP_LOCAL_PATH_PROVISIONER)) &&
	       sp_local_path_is_volume(sp_view_str_at(volume, "metadata.name"));
}

static void read_source(yyjson_val *volume, node_claim_found *ret)
{
	static const struct {
		const char *member, *text;
		node_claim_kind kind;
	} rows[] = {{"hostPath", "path", NODE_CLAIM_HOST_PATH},
		    {"local", "path", NODE_CLAIM_LOCAL},
		    {"csi", "driver", NODE_CLAIM_CSI}};
	yyjson_val *spec = sp_view_at(volume, "spec");
	ret->kind = NODE_CLAIM_OTHER;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_val *source = sp_json_last(spec, sp_str_c(rows[i].member));
		if (source == NULL)
			continue;
		ret->kind = rows[i].kind;
		ret->path = sp_view_str_at(source, "path");
		ret->type = sp_view_str_at(source, "type");
		ret->driver = sp_view_str_at(source, "driver");
		ret->read_only |= yyjson_get_bool(sp_view_at(source, "readOnly"));
	}
	if (ret->kind == NODE_CLAIM_HOST_PATH && is_directory(volume))
		ret->kind = NODE_CLAIM_DIRECTORY;
}

sp_code node_claim_volume(const node_claim_use *use, sp_str claim_uid, yyjson_val *volume,
			  node_claim_found *ret, sp_err *err)
{
	sp_str name = sp_view_str_at(volume, "metadata.name"),
	       mode = sp_view_str_at(volume, "spec.volumeMode");
	yyjson_val *ref = sp_view_at(volume, "spec.claimRef");
	sp_str uid = sp_view_str_at(ref, "uid");
	node_claim_found f = {.volume = name, .read_only = use->read_only};
	if (ref == NULL)
		return sp_fail(err, SP_EUNAVAILABLE,
			       "found PV object " SP_FMT
			       " but it has a nil pv.Spec.ClaimRef indicating it is "
			       "not yet bound to the claim",
			       SP_ARG(name));
	if (!sp_str_eq(uid, claim_uid))
		return sp_fail(err, SP_EUNAVAILABLE,
			       "found PV object " SP_FMT " but its pv.Spec.ClaimRef.UID " SP_FMT
			       " does not point to claim.UID " SP_FMT,
			       SP_ARG(name), SP_ARG(uid), SP_ARG(claim_uid));
	if (mode.len == 0)
		mode = SP_STR("Filesystem");
	bool is_block = sp_str_eq(mode, SP_STR("Block"));
	if (use->mounted && is_block)
		return sp_fail(err, SP_EUNAVAILABLE,
			       "volume " SP_FMT " has volumeMode " SP_FMT
			       ", but is specified in volumeMounts",
			       SP_ARG(use->volume), SP_ARG(mode));
	if (use->as_device && !is_block)
		return sp_fail(err, SP_EUNAVAILABLE,
			       "volume " SP_FMT " has volumeMode " SP_FMT
			       ", but is specified in volumeDevices",
			       SP_ARG(use->volume), SP_ARG(mode));
	read_source(volume, &f);
	if (is_block)
		f.kind = NODE_CLAIM_OTHER; /* devices are not given to containers */
	*ret = f;
	return SP_OK;
}
