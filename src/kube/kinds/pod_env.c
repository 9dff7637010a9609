/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables and where their values come from. */
#include "kube/kinds/pod_int.h"
#include "kube/kinds/volume_sources.h"
#include "kube/meta.h"

static const char *const volume_fields[] = {"metadata.annotations", "metadata.labels", "metadata.name",
					    "metadata.namespace", "metadata.uid"};
static const char *const env_fields[] = {
	"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};
/* Known in v1 at all; the lists above allow a part of them. */
static const char *const known_fields[] = {
	"metadata.annotations", "metadata.labels", "metadata.name",      "metadata.namespace",
	"metadata.uid",         "spec.nodeName",   "spec.restartPolicy", "spec.serviceAccountName",
	"spec.schedulerName",   "status.phase",    "status.hostIP",      "status.hostIPs",
	"status.podIP",         "status.podIPs",   "spec.host"};
static const char *const resource_fields[] = {
	"limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
	"requests.cpu", "requests.ephemeral-storage", "requests.memory"};

/* Splits "metadata.labels['key']". */
static bool split_subscript(sp_str s, sp_str *ret_path, sp_str *ret_key)
{
	ptrdiff_t open = sp_str_find(s, SP_STR("['"));
	if (!sp_str_ends(s, SP_STR("']")) || open <= 0 || (size_t)open + 4 > s.len)
		return false;
	*ret_path = sp_str_sub(s, 0, (size_t)open);
	*ret_key = sp_str_sub(s, (size_t)open + 2, s.len - 2);
	return true;
}

/* Annotation keys are checked without regard to case. */
static void subscript_validate(sp_violations *v, const sp_path *path, sp_str map, sp_str key)
{
	char lower[512];
	if (sp_str_eq(map, SP_STR("metadata.annotations")) && key.len <= sizeof lower) {
		for (size_t i = 0; i < key.len; i++) {
			char c = key.ptr[i];
			lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
		}
		key = (sp_str){lower, key.len};
	}
	sp_v_qualified_name(v, path, key);
}

void sp_pod_field_ref_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *ref, bool volume)
{
	static const char *const maps[] = {"metadata.annotations", "metadata.labels"};
	sp_str version = sp_kv_str(ref, "apiVersion"), field = sp_kv_str(ref, "fieldPath"), map, key;
	if (version.len == 0) {
		sp_v_required(w->v, SP_AT(path, "apiVersion"), "%s", "");
		return;
	}
	if (field.len == 0) {
		sp_v_required(w->v, SP_AT(path, "fieldPath"), "%s", "");
		return;
	}
	const char *why = NULL;
	bool subscript = split_subscript(field, &map, &key);
	if (!sp_str_eq(version, SP_STR("v1")))
		why = "unsupported pod version";
	else if (subscript && !SP_STR_IN(map, maps))
		why = "field label does not support subscript";
	else if (!subscript && !SP_STR_IN(field, known_fields))
		why = "field label not supported";
	if (why != NULL) {
		sp_str shown = sp_str_eq(version, SP_STR("v1")) ? field : version;
		sp_v_invalid(w->v, SP_AT(path, "fieldPath"), field, "error converting fieldPath: %s: " SP_FMT,
			     why, SP_ARG(shown));
		return;
	}
	if (subscript) {
		subscript_validate(w->v, path, map, key);
		return;
	}
	if (sp_str_eq(field, SP_STR("spec.host")))
		field = SP_STR("spec.nodeName");
	if (volume && !SP_STR_IN(field, volume_fields))
		sp_v_not_supported(w->v, SP_AT(path, "fieldPath"), field, volume_fields,
				   SP_LEN(volume_fields));
	if (!volume && !SP_STR_IN(field, env_fields))
		sp_v_not_supported(w->v, SP_AT(path, "fieldPath"), field, env_fields, SP_LEN(env_fields));
}

static void divisor_validate(sp_violations *v, const sp_path *path, sp_str resource, yyjson_mut_val *divisor)
{
	static const char *const cpu[] = {"1m", "1"};
	static const char *const bytes[] = {"1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
					    "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};
	static const char bytes_text[] = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei";
	static const struct {
		const char *prefix, *of;
	} rows[] = {
		{"limits.cpu", NULL},
		{"requests.cpu", NULL},
		{"limits.memory", "memory"},
		{"requests.memory", "memory"},
		{"limits.ephemeral-storage", "local ephemeral storage"},
		{"requests.ephemeral-storage", "local ephemeral storage"},
		{"limits.hugepages-", "hugepages"},
		{"requests.hugepages-", "hugepages"},
	};
	sp_qty q = sp_kv_qty(divisor);
	if (q.nanos == 0)
		return;
	sp_str text = sp_qty_print(v->arena, q);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (!sp_str_starts(resource, sp_str_c(rows[i].prefix)))
			continue;
		if (rows[i].of == NULL && !SP_STR_IN(text, cpu))
			sp_v_invalid(v, SP_AT(path, "divisor"), resource,
				     "only divisor's values 1m and 1 are supported with the cpu resource");
		if (rows[i].of != NULL && !SP_STR_IN(text, bytes))
			sp_v_invalid(v, SP_AT(path, "divisor"), resource,
				     "only divisor's values %s are supported with the %s resource",
				     bytes_text, rows[i].of);
		return;
	}
}

void sp_pod_resource_field_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *ref, bool volume)
{
	sp_str resource = sp_kv_str(ref, "resource");
	bool hugepages = sp_str_starts(resource, SP_STR("limits.hugepages-")) ||
			 sp_str_starts(resource, SP_STR("requests.hugepages-"));
	if (volume && sp_kv_str(ref, "containerName").len == 0)
		sp_v_required(w->v, SP_AT(path, "containerName"), "%s", "");
	else if (resource.len == 0)
		sp_v_required(w->v, SP_AT(path, "resource"), "%s", "");
	else if (!SP_STR_IN(resource, resource_fields) && !hugepages)
		sp_v_not_supported(w->v, SP_AT(path, "resource"), resource, resource_fields,
				   SP_LEN(resource_fields));
	divisor_validate(w->v, path, resource, sp_kv_get(ref, "divisor"));
}

static void key_selector(sp_violations *v, const sp_path *path, yyjson_mut_val *selector)
{
	sp_str key = sp_kv_str(selector, "key");
	sp_v_dns1123_subdomain(v, SP_AT(path, "name"), sp_kv_str(selector, "name"));
	if (key.len == 0)
		sp_v_required(v, SP_AT(path, "key"), "%s", "");
	else
		sp_v_faults(v, SP_AT(path, "key"), key, sp_fmt_config_map_key(key));
}

static void file_key_selector(sp_violations *v, const sp_path *path, yyjson_mut_val *selector)
{
	sp_str key = sp_kv_str(selector, "key"), volume = sp_kv_str(selector, "volumeName");
	sp_str file = sp_kv_str(selector, "path");
	if (key.len == 0)
		sp_v_required(v, SP_AT(path, "key"), "%s", "");
	else
		sp_v_faults(v, SP_AT(path, "key"), key, sp_fmt_env_var(key));
	if (volume.len == 0)
		sp_v_required(v, SP_AT(path, "volumeName"), "%s", "");
	else
		sp_v_dns1123_label(v, SP_AT(path, "volumeName"), volume);
	if (file.len == 0)
		sp_v_required(v, SP_AT(path, "path"), "%s", "");
	else
		sp_v_no_backsteps(v, SP_AT(path, "path"), file);
}

static void value_from_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *var)
{
	yyjson_mut_val *from = sp_kv_get(var, "valueFrom");
	yyjson_mut_val *field = sp_kv_get(from, "fieldRef"), *resource = sp_kv_get(from, "resourceFieldRef");
	yyjson_mut_val *map = sp_kv_get(from, "configMapKeyRef"), *secret = sp_kv_get(from, "secretKeyRef");
	yyjson_mut_val *file = sp_kv_get(from, "fileKeyRef");
	if (from == NULL)
		return;
	if (field != NULL)
		sp_pod_field_ref_validate(w, SP_AT(path, "fieldRef"), field, false);
	if (resource != NULL)
		sp_pod_resource_field_validate(w, SP_AT(path, "resourceFieldRef"), resource, false);
	if (map != NULL)
		key_selector(w->v, SP_AT(path, "configMapKeyRef"), map);
	if (secret != NULL)
		key_selector(w->v, SP_AT(path, "secretKeyRef"), secret);
	if (file != NULL)
		file_key_selector(w->v, SP_AT(path, "fileKeyRef"), file);
	size_t n = (size_t)(field != NULL) + (resource != NULL) + (map != NULL) + (secret != NULL) +
		   (file != NULL);
	if (n == 0)
		sp_v_invalid(w->v, path, "",
			     "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
			     "`secretKeyRef` or `fileKeyRef`");
	else if (sp_kv_str(var, "value").len > 0)
		sp_v_invalid(w->v, path, "", "may not be specified when `value` is not empty");
	else if (n > 1)
		sp_v_invalid(w->v, path, "", "may not have more than one field specified at a time");
}

void sp_pod_env_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *env)
{
	SP_KV_EACH (var, i, env) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(var, "name");
		if (name.len == 0)
			sp_v_required(w->v, SP_AT(at, "name"), "%s", "");
		else
			sp_v_faults(w->v, SP_AT(at, "name"), name, sp_fmt_env_var(name));
		value_from_validate(w, SP_AT(at, "valueFrom"), var);
	}
}

static void env_source(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	sp_str name = sp_kv_str(source, "name");
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	else
		sp_v_faults(v, SP_AT(path, "name"), name, sp_name_prefix(sp_name_dns1123_subdomain, name));
}

void sp_pod_env_from_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *env_from)
{
	SP_KV_EACH (from, i, env_from) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str prefix = sp_kv_str(from, "prefix");
		yyjson_mut_val *map = sp_kv_get(from, "configMapRef"), *secret = sp_kv_get(from, "secretRef");
		if (prefix.len > 0)
			sp_v_faults(w->v, SP_AT(at, "prefix"), prefix, sp_fmt_env_var(prefix));
		if (map != NULL)
			env_source(w->v, SP_AT(at, "configMapRef"), map);
		if (secret != NULL)
			env_source(w->v, SP_AT(at, "secretRef"), secret);
		if (map == NULL && secret == NULL) /* upstream's path has no index here */
			sp_v_invalid(w->v, path, "", "must specify one of: `configMapRef` or `secretRef`");
		else if (map != NULL && secret != NULL)
			sp_v_invalid(w->v, path, "", "may not have more than one field specified at a time");
	}
}

void sp_pod_file_keys_validate(sp_pod_walk *w, const sp_path *spec_path)
{
	sp_map volumes;
	sp_map_init(&volumes);
	SP_KV_EACH (volume, i, sp_kv_list(w->spec, "volumes")) {
		if (sp_map_put(&volumes, sp_kv_str(volume, "name"), volume, NULL) != SP_OK)
			w->v->code = SP_ENOMEM;
	}
	for (size_t list = 0; list < SP_POD_CONTAINER_LISTS; list++) {
		const sp_path *list_path = SP_AT_STR(spec_path, sp_str_c(sp_pod_lists[list]));
		SP_KV_EACH (container, i, sp_kv_list(w->spec, sp_pod_lists[list])) {
			SP_KV_EACH (var, k, sp_kv_list(container, "env")) {
				yyjson_mut_val *ref = sp_kv_path(var, "valueFrom", "fileKeyRef", NULL);
				sp_str name = sp_kv_str(ref, "volumeName");
				yyjson_mut_val *volume = sp_map_get(&volumes, name);
				const sp_path *at = SP_AT(SP_AT_I(SP_AT(SP_AT_I(list_path, i), "env"), k),
							  "valueFrom.fileKeyRef.volumeName");
				if (ref == NULL)
					continue;
				if (volume == NULL)
					sp_v_not_found(w->v, at, name);
				else if (!sp_kv_has(volume, "emptyDir"))
					sp_v_invalid(w->v, at, name,
						     "referenced volume must be of type emptyDir");
			}
		}
	}
	sp_map_done(&volumes);
}
