/* SPDX-License-Identifier: Apache-2.0 */
/* What a container does with the pod's volumes: mounts and block devices. */
#include "kube/kinds/pod_int.h"

/* Names and paths of one of the two lists, against which the other is checked. */
typedef struct taken {
	sp_strset names, paths;
} taken;

static void collect(taken *t, sp_violations *v, yyjson_mut_val *list, const char *path)
{
	SP_KV_EACH (item, i, list) {
		(void)sp_strset_add(&t->names, sp_kv_str(item, "name"), v);
		(void)sp_strset_add(&t->paths, sp_kv_str(item, path), v);
	}
}

static void taken_done(taken *t)
{
	sp_strset_done(&t->names);
	sp_strset_done(&t->paths);
}

static void propagation_validate(sp_violations *v, const sp_path *path, sp_str mode,
				 yyjson_mut_val *container)
{
	static const char *const modes[] = {"Bidirectional", "HostToContainer", "None"};
	SP_V_ENUM_PTR(v, path, mode, modes);
	if (sp_str_eq(mode, SP_STR("Bidirectional")) &&
	    !sp_kv_bool(sp_kv_get(container, "securityContext"), "privileged"))
		sp_v_forbidden(v, path,
			       "Bidirectional mount propagation is available only to privileged containers");
}

static void recursive_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *mount)
{
	static const char *const modes[] = {"Disabled", "Enabled", "IfPossible"};
	sp_str mode = sp_kv_str(mount, "recursiveReadOnly"),
	       propagation = sp_kv_str(mount, "mountPropagation");
	SP_V_ENUM_PTR(v, path, mode, modes);
	if (!sp_str_eq(mode, SP_STR("Enabled")) && !sp_str_eq(mode, SP_STR("IfPossible")))
		return;
	if (!sp_kv_bool(mount, "readOnly"))
		sp_v_forbidden(v, path, "may only be specified when readOnly is true");
	if (sp_kv_has(mount, "mountPropagation") && !sp_str_eq(propagation, SP_STR("None")))
		sp_v_forbidden(v, path,
			       "may only be specified when mountPropagation is None or not specified");
}

/* Sub-paths; upstream's paths of these have no index. */
static void sub_paths_validate(sp_violations *v, const sp_path *path, const sp_path *at,
			       yyjson_mut_val *mount)
{
	sp_str sub = sp_kv_str(mount, "subPath"), expr = sp_kv_str(mount, "subPathExpr");
	if (sub.len > 0)
		sp_v_local_descending_path(v, SP_AT(path, "subPath"), sub);
	if (expr.len == 0)
		return;
	if (sub.len > 0)
		sp_v_invalid(v, SP_AT(at, "subPathExpr"), expr,
			     "subPathExpr and subPath are mutually exclusive");
	sp_v_local_descending_path(v, SP_AT(path, "subPathExpr"), expr);
}

static void mounts_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container,
			    const taken *devices)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (mount, i, sp_kv_list(container, "volumeMounts")) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(mount, "name"), where = sp_kv_str(mount, "mountPath");
		if (name.len == 0)
			sp_v_required(w->v, SP_AT(at, "name"), "%s", "");
		if (sp_map_get(&w->volumes, name) == NULL)
			sp_v_not_found(w->v, SP_AT(at, "name"), name);
		if (where.len == 0)
			sp_v_required(w->v, SP_AT(at, "mountPath"), "%s", "");
		if (!sp_strset_add(&seen, where, w->v))
			sp_v_invalid(w->v, SP_AT(at, "mountPath"), where, "must be unique");
		if (sp_strset_has(&devices->names, name))
			sp_v_invalid(w->v, SP_AT(at, "name"), name,
				     "must not already exist in volumeDevices");
		if (sp_strset_has(&devices->paths, where))
			sp_v_invalid(w->v, SP_AT(at, "mountPath"), where,
				     "must not already exist as a path in volumeDevices");
		sub_paths_validate(w->v, path, at, mount);
		if (sp_kv_has(mount, "mountPropagation"))
			propagation_validate(w->v, SP_AT(path, "mountPropagation"),
					     sp_kv_str(mount, "mountPropagation"), container);
		if (sp_kv_has(mount, "recursiveReadOnly"))
			recursive_validate(w->v, SP_AT(path, "recursiveReadOnly"), mount);
	}
}

static bool has_backstep(sp_str s)
{
	sp_str rest = s, part;
	while (sp_str_cut(&rest, '/', &part)) {
		if (sp_str_eq(part, SP_STR("..")))
			return true;
	}
	return sp_str_eq(rest, SP_STR(".."));
}

static void devices_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *devices,
			     const taken *mounts)
{
	SP_AUTO_STRSET names = {.map = {0}}, paths = {.map = {0}};
	SP_KV_EACH (device, i, devices) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(device, "name"), where = sp_kv_str(device, "devicePath");
		yyjson_mut_val *volume = sp_map_get(&w->volumes, name);
		bool claim = sp_kv_has(volume, "persistentVolumeClaim") || sp_kv_has(volume, "ephemeral");
		if (name.len == 0)
			sp_v_required(w->v, SP_AT(at, "name"), "%s", "");
		if (name.len > 0 && !sp_strset_add(&names, name, w->v))
			sp_v_invalid(w->v, SP_AT(at, "name"), name, "must be unique");
		if (volume != NULL && !claim)
			sp_v_invalid(
				w->v, SP_AT(at, "name"), name,
				"can only use volume source type of PersistentVolumeClaim or Ephemeral for "
				"block mode");
		if (volume == NULL)
			sp_v_not_found(w->v, SP_AT(at, "name"), name);
		if (where.len == 0)
			sp_v_required(w->v, SP_AT(at, "devicePath"), "%s", "");
		if (sp_strset_has(&paths, where))
			sp_v_invalid(w->v, SP_AT(at, "devicePath"), where, "must be unique");
		if (has_backstep(where))
			sp_v_invalid(w->v, SP_AT(at, "devicePath"), where,
				     "can not contain backsteps ('..')");
		else
			(void)sp_strset_add(&paths, where, w->v);
		if (sp_strset_has(&mounts->names, name))
			sp_v_invalid(w->v, SP_AT(at, "name"), name, "must not already exist in volumeMounts");
		if (sp_strset_has(&mounts->paths, where))
			sp_v_invalid(w->v, SP_AT(at, "devicePath"), where,
				     "must not already exist as a path in volumeMounts");
	}
}

void sp_pod_mounts_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container)
{
	yyjson_mut_val *mounts = sp_kv_list(container, "volumeMounts");
	yyjson_mut_val *devices = sp_kv_list(container, "volumeDevices");
	taken by_mount = {.names = {.map = {0}}}, by_device = {.names = {.map = {0}}};
	collect(&by_mount, w->v, mounts, "mountPath");
	collect(&by_device, w->v, devices, "devicePath");
	mounts_validate(w, SP_AT(path, "volumeMounts"), container, &by_device);
	devices_validate(w, SP_AT(path, "volumeDevices"), devices, &by_mount);
	taken_done(&by_mount);
	taken_done(&by_device);
}
