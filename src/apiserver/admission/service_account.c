/* SPDX-License-Identifier: Apache-2.0 */
/* Every pod runs as a service account that exists, and gets its token, the cluster's CA and its namespace
 * mounted. U: kubernetes plugin/pkg/admission/serviceaccount/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

#define TOKEN_PATH "/var/run/secrets/kubernetes.io/serviceaccount"
#define TOKEN_SECONDS 3607
#define MIRROR "kubernetes.io/config.mirror"

static bool concerns(const api_admit *a)
{
	return a->op == API_OP_CREATE && api_admit_is(a, "", "pods", "");
}

static bool is_mirror(const api_admit *a)
{
	return sp_meta_annotation(a->obj, MIRROR).len > 0;
}

/* ---- the token volume ---- */

static bool has_mount(yyjson_mut_val *container, const char *path)
{
	SP_KV_EACH (mount, i, sp_kv_list(container, "volumeMounts")) {
		if (sp_kv_is(mount, "mountPath", path))
			return true;
	}
	return false;
}

static const char *const container_lists[] = {"initContainers", "containers"};

static void mount_everywhere(sp_kind_ctx *c, yyjson_mut_val *spec, sp_str volume, bool *ret_any)
{
	for (size_t l = 0; l < SP_LEN(container_lists); l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, container_lists[l])) {
			if (has_mount(container, TOKEN_PATH))
				continue;
			yyjson_mut_val *mounts = sp_kv_need_list(c->doc, container, "volumeMounts");
			yyjson_mut_val *mount = yyjson_mut_arr_add_obj(c->doc, mounts);
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, mount, "name", volume));
			SP_KIND_NEED(c, sp_kv_set_bool(c->doc, mount, "readOnly", true));
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, mount, "mountPath", SP_STR(TOKEN_PATH)));
			*ret_any = true;
		}
	}
}

static yyjson_mut_val *add_source(sp_kind_ctx *c, yyjson_mut_val *sources, const char *kind)
{
	return sp_kv_need_obj(c->doc, yyjson_mut_arr_add_obj(c->doc, sources), kind);
}

static void add_volume(sp_kind_ctx *c, yyjson_mut_val *spec, sp_str name)
{
	yyjson_mut_val *volume = yyjson_mut_arr_add_obj(c->doc, sp_kv_need_list(c->doc, spec, "volumes"));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, volume, "name", name));
	yyjson_mut_val *projected = sp_kv_need_obj(c->doc, volume, "projected");
	yyjson_mut_val *sources = sp_kv_need_list(c->doc, projected, "sources");
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, projected, "defaultMode", 0644));
	yyjson_mut_val *token = add_source(c, sources, "serviceAccountToken");
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, token, "expirationSeconds", TOKEN_SECONDS));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, token, "path", SP_STR("token")));
	yyjson_mut_val *ca = add_source(c, sources, "configMap");
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, ca, "name", SP_STR("kube-root-ca.crt")));
	yyjson_mut_val *item = yyjson_mut_arr_add_obj(c->doc, sp_kv_need_list(c->doc, ca, "items"));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, item, "key", SP_STR("ca.crt")));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, item, "path", SP_STR("ca.crt")));
	yyjson_mut_val *downward = add_source(c, sources, "downwardAPI");
	yyjson_mut_val *file = yyjson_mut_arr_add_obj(c->doc, sp_kv_need_list(c->doc, downward, "items"));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, file, "path", SP_STR("namespace")));
	yyjson_mut_val *ref = sp_kv_need_obj(c->doc, file, "fieldRef");
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, ref, "apiVersion", SP_STR("v1")));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, ref, "fieldPath", SP_STR("metadata.namespace")));
}

static sp_str volume_name(sp_kind_ctx *c)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	uint8_t b[5];
	c->random(c->random_arg, b, sizeof b);
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = (uint8_t)letters[b[i] % (sizeof letters - 1)];
	return sp_arena_printf(c->arena, "kube-api-access-%.5s", (const char *)b);
}

static bool wants_token(yyjson_mut_val *spec, yyjson_mut_val *account)
{
	if (sp_kv_has(spec, "automountServiceAccountToken"))
		return sp_kv_bool(spec, "automountServiceAccountToken");
	return !sp_kv_has(account, "automountServiceAccountToken") ||
	       sp_kv_bool(account, "automountServiceAccountToken");
}

static void mount_token(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	bool any = false;
	sp_str name = volume_name(c);
	mount_everywhere(c, spec, name, &any);
	if (any)
		add_volume(c, spec, name);
}

/* ---- the plugin ---- */

static yyjson_mut_val *find_account(const api_admit *a, sp_str name)
{
	return api_admit_load(a, "/registry/serviceaccounts/", sp_meta_namespace(a->obj), name);
}

static bool refuse_missing(const api_admit *a, sp_str name)
{
	sp_str ns = sp_meta_namespace(a->obj);
	return api_admit_forbid(a,
				"error looking up service account " SP_FMT "/" SP_FMT
				": serviceaccount \"" SP_FMT "\" not found",
				SP_ARG(ns), SP_ARG(name), SP_ARG(name));
}

bool api_admit_service_account(const api_admit *a)
{
	if (!concerns(a) || is_mirror(a))
		return true;
	sp_kind_ctx *c = &a->w->ctx;
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, a->obj, "spec");
	if (sp_kv_str(spec, "serviceAccountName").len == 0) {
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "serviceAccountName", SP_STR("default")));
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "serviceAccount", SP_STR("default")));
	}
	sp_str name = sp_kv_str(spec, "serviceAccountName");
	yyjson_mut_val *account = find_account(a, name);
	if (account == NULL)
		return refuse_missing(a, name);
	if (wants_token(spec, account))
		mount_token(c, spec);
	if (sp_kv_list(spec, "imagePullSecrets") == NULL && sp_kv_list(account, "imagePullSecrets") != NULL)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, account, "imagePullSecrets"));
	return true;
}

static bool refuse_mirror(const api_admit *a, yyjson_mut_val *spec)
{
	if (sp_kv_str(spec, "serviceAccountName").len > 0)
		return api_admit_forbid(a, "a mirror pod may not reference service accounts");
	SP_KV_EACH (volume, i, sp_kv_list(spec, "volumes")) {
		if (sp_kv_has(volume, "secret"))
			return api_admit_forbid(a, "a mirror pod may not reference secrets");
		SP_KV_EACH (source, j, sp_kv_list(sp_kv_get(volume, "projected"), "sources")) {
			if (sp_kv_has(source, "serviceAccountToken"))
				return api_admit_forbid(
					a, "a mirror pod may not use ServiceAccountToken volume projections");
		}
	}
	return true;
}

bool api_admit_service_account_validate(const api_admit *a)
{
	if (!concerns(a))
		return true;
	yyjson_mut_val *spec = sp_kv_get(a->obj, "spec");
	if (is_mirror(a))
		return refuse_mirror(a, spec);
	sp_str name = sp_kv_str(spec, "serviceAccountName");
	return find_account(a, name) != NULL || refuse_missing(a, name);
}
