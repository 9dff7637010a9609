/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces and service accounts. */
#include "kube/formats.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

static void name_label(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *meta = sp_meta(obj);
	sp_str name = sp_kv_str(meta, "name");
	if (name.len == 0)
		return;
	yyjson_mut_val *labels = sp_kv_need_obj(c->doc, meta, "labels");
	SP_KIND_NEED(c, labels != NULL && sp_kv_set_str(c->doc, labels, "kubernetes.io/metadata.name", name));
}

static void namespace_prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	yyjson_mut_val *finalizers = sp_kv_need_list(c->doc, spec, "finalizers");
	bool found = false;
	SP_KIND_NEED(c, finalizers != NULL);
	SP_KV_EACH (item, i, finalizers)
		found = found || sp_str_eq(sp_jmut_str(item), SP_STR("kubernetes"));
	if (!found && finalizers != NULL)
		SP_KIND_NEED(c, yyjson_mut_arr_add_str(c->doc, finalizers, "kubernetes"));
	name_label(c, obj); /* generated names are new since the defaults */
}

static void namespace_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	SP_KIND_NEED(c, spec != NULL && sp_kv_copy(c->doc, spec, sp_kv_get(old, "spec"), "finalizers"));
}

/* A namespace ends in two steps: what is in it goes first, while its own finalizers hold it. */
static bool namespace_prepare_delete(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_list(sp_kv_get(obj, "spec"), "finalizers") == NULL)
		return false;
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, sp_kv_need_obj(c->doc, obj, "status"), "phase",
				      SP_STR("Terminating")));
	return true;
}

static void finalizer(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_v_qualified_name(v, path, s);
	sp_finalizer_validate(v, path, s);
}

static void namespace_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "spec"), "finalizers"))
		finalizer(c->errors, SP_PATH("spec.finalizers"), sp_jmut_str(item));
}

static void namespace_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	namespace_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_str phase = sp_kv_str(sp_kv_get(obj, "status"), "phase");
	bool deleted = sp_kv_has(sp_meta(obj), "deletionTimestamp");
	const char *want = deleted ? "Terminating" : "Active";
	sp_meta_validate_update(c, obj, old);
	if (!sp_str_eq(phase, sp_str_c(want)))
		sp_v_invalid(c->errors, SP_PATH("status.Phase"), sp_bad_named(phase),
			     "may only be '%s' if `deletionTimestamp` is %s", want,
			     deleted ? "not empty" : "empty");
}

static void finalize_prepare(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "status"));
}

static void finalize_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "spec"), "finalizers"))
		finalizer(c->errors, SP_AT_I(SP_PATH("spec.finalizers"), i), sp_jmut_str(item));
}

static sp_str name_field(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_meta_name(obj);
}

static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_selectable selectable[] = {{SP_STR_INIT("status.phase"), NULL},
					   {SP_STR_INIT("name"), name_field}};
static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = status_reset},
	{.name = SP_STR_INIT("finalize"),
	 .prepare_update = finalize_prepare,
	 .validate_update = finalize_validate,
	 .reset_fields = reset},
};

const sp_kind_hooks sp_hooks_namespace = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_RETURNS_DELETED,
	.name = sp_name_dns1123_label,
	.defaults = name_label,
	.prepare_create = namespace_prepare_create,
	.prepare_update = namespace_prepare_update,
	.validate = namespace_validate,
	.validate_update = namespace_validate_update,
	.prepare_delete = namespace_prepare_delete,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
};

/* Of a secret that an account names, only the name is kept. */
static void clean_secrets(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (secret, i, sp_kv_list(obj, "secrets")) {
		yyjson_mut_val *name = sp_kv_get(secret, "name");
		if (!yyjson_mut_is_obj(secret))
			continue;
		(void)yyjson_mut_obj_clear(secret);
		if (name != NULL)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, secret, "name", sp_jmut_str(name)));
	}
}

static void account_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	clean_secrets(c, obj);
}

static void account_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	sp_meta_validate(c, obj);
}

#define MOUNTABLE "kubernetes.io/enforce-mountable-secrets"

static void account_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (!sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), MOUNTABLE) ||
	    sp_kv_has(sp_kv_get(sp_meta(old), "annotations"), MOUNTABLE))
		return;
	sp_warn(c, "metadata.annotations[" MOUNTABLE
		   "]: deprecated in v1.32+; prefer separate namespaces to isolate "
		   "access to mounted secrets");
}

static void account_warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	account_warn_update(c, obj, NULL);
}

const sp_kind_hooks sp_hooks_service_account = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_RETURNS_DELETED,
	.prepare_create = clean_secrets,
	.prepare_update = account_prepare_update,
	.validate = sp_meta_validate,
	.validate_update = account_validate_update,
	.warn_create = account_warn_create,
	.warn_update = account_warn_update,
};
