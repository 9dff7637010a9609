/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of every custom resource, as hooks of its kind. U: apiextensions-apiserver
 * pkg/registry/customresource/{strategy,status_strategy,validator}.go.
 */
#include "apiserver/custom/custom_int.h"
#include "kube/crd/crd.h"
#include "kube/meta.h"

static const api_custom *custom_of(const sp_kind_ctx *c)
{
	return (const api_custom *)(const void *)((const char *)c->kind - offsetof(api_custom, kind));
}

/* ---- preparing ---- */

static void fill(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_crd_default(c->doc, c->kind->schema, obj));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", 1));
}

static bool is_metadata(sp_str name)
{
	return sp_str_eq(name, SP_STR("metadata"));
}

/* Members of a that b has not, or not so; metadata is no content. */
static bool differs(yyjson_mut_val *a, yyjson_mut_val *b)
{
	SP_KV_EACH_MEMBER (key, val, i, a) {
		sp_str name = sp_jmut_str(key);
		yyjson_mut_val *other = sp_jmut_get(b, name);
		if (!is_metadata(name) && (other == NULL || !sp_jmut_equal(val, other)))
			return true;
	}
	return false;
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (differs(obj, old) || differs(old, obj))
		sp_meta_bump_generation(c, obj, old);
}

/* Everything but the status is as it was. */
static void prepare_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *status = sp_jmut_get(obj, SP_STR("status"));
	yyjson_mut_val *managed = sp_kv_get(sp_meta(obj), "managedFields");
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, old);
	SP_KIND_NEED(c, copy != NULL);
	if (copy == NULL)
		return;
	(void)sp_jmut_remove(copy, SP_STR("status"));
	if (status != NULL)
		SP_KIND_NEED(c, sp_jmut_set(c->doc, copy, SP_STR("status"), status));
	SP_KIND_NEED(c, sp_kv_set(c->doc, sp_meta(copy), "managedFields", managed));
	yyjson_mut_obj_clear(obj);
	SP_KV_EACH_MEMBER (key, val, i, copy)
		SP_KIND_NEED(
			c, sp_jmut_set(c->doc, obj, sp_jmut_str(key), yyjson_mut_val_mut_copy(c->doc, val)));
}

/* ---- checking ---- */

static bool check_type(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const api_custom *v = custom_of(c);
	sp_str kind = sp_kv_str(obj, "kind"), version = sp_kv_str(obj, "apiVersion");
	if (!sp_str_eq(kind, v->kind.kind))
		sp_v_invalid(c->errors, SP_PATH("kind"), kind, "must be " SP_FMT, SP_ARG(v->kind.kind));
	if (!sp_str_eq(version, v->res.api_version))
		sp_v_invalid(c->errors, SP_PATH("apiVersion"), version, "must be " SP_FMT,
			     SP_ARG(v->res.api_version));
	return c->errors->n == 0;
}

/* The value at a dotted path; false: something on the way is no object. */
static bool walk(yyjson_mut_val *obj, sp_str path, yyjson_mut_val **ret)
{
	sp_str step;
	bool more = true;
	(void)sp_str_take(&path, SP_STR("."));
	while (more && obj != NULL) {
		if (!yyjson_mut_is_obj(obj))
			return false;
		more = sp_str_cut(&path, '.', &step);
		obj = sp_jmut_get(obj, more ? step : path);
	}
	*ret = obj;
	return true;
}

static const char *go_type(yyjson_mut_val *v)
{
	return yyjson_mut_is_str(v)    ? "string"
	       : yyjson_mut_is_real(v) ? "float64"
	       : yyjson_mut_is_num(v)  ? "int64"
	       : yyjson_mut_is_bool(v) ? "bool"
	       : yyjson_mut_is_arr(v)  ? "[]interface {}"
	       : yyjson_mut_is_obj(v)  ? "map[string]interface {}"
				       : "<nil>";
}

/* U: apimachinery pkg/apis/meta/v1/unstructured/helpers.go, the text of NestedInt64 and NestedString. */
static void wrong_type(sp_kind_ctx *c, sp_str path, yyjson_mut_val *v, sp_bad shown, const char *expected)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	(void)sp_json_write_go(&text, v);
	sp_v_invalid(c->errors, SP_AT_STR(NULL, path), shown,
		     SP_FMT " accessor error: " SP_FMT " is of the type %s, expected %s", SP_ARG(path),
		     SP_ARG(sp_buf_view(&text)), go_type(v), expected);
}

static void check_replicas(sp_kind_ctx *c, yyjson_mut_val *obj, sp_str path)
{
	yyjson_mut_val *v = NULL;
	const sp_path *at = SP_AT_STR(NULL, path);
	if (!walk(obj, path, &v) || v == NULL)
		return;
	if (!yyjson_mut_is_int(v)) {
		wrong_type(c, path, v, sp_bad_i64(0), "int64");
		return;
	}
	int64_t n = sp_kv_num(v, 0);
	if (n < 0)
		sp_v_invalid(c->errors, at, n, "should be a non-negative integer");
	else if (n > INT32_MAX)
		sp_v_invalid(c->errors, at, n, "should be less than or equal to %d", INT32_MAX);
}

static void check_scale(sp_kind_ctx *c, yyjson_mut_val *obj, bool with_spec)
{
	const api_custom *v = custom_of(c);
	yyjson_mut_val *selector = NULL;
	if (!v->has_scale)
		return;
	if (with_spec)
		check_replicas(c, obj, v->spec_replicas);
	check_replicas(c, obj, v->status_replicas);
	if (v->label_selector.len > 0 && walk(obj, v->label_selector, &selector) && selector != NULL &&
	    !yyjson_mut_is_str(selector))
		wrong_type(c, v->label_selector, selector, sp_bad_str(SP_STR("")), "string");
}

static void check_schema(sp_kind_ctx *c, yyjson_mut_val *obj, sp_violations *errors)
{
	sp_code code = sp_crd_validate(c->arena, c->kind->schema, obj, errors);
	if (code != SP_OK && c->code == SP_OK)
		c->code = code;
}

static void warn_tolerated(void *arg, sp_str text)
{
	sp_warn(arg, SP_FMT, SP_ARG(text));
}

/* Rules are for objects that have the types which the rules were made for. */
static bool is_blocking(sp_v_type type)
{
	return type == SP_V_NOT_SUPPORTED || type == SP_V_REQUIRED || type == SP_V_TOO_LONG ||
	       type == SP_V_TOO_MANY || type == SP_V_TYPE_INVALID;
}

/* x-kubernetes-validations, once all else was looked at. `old`: what is updated, or NULL. */
static void check_rules(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_crd_run how = {.arena = c->arena,
				.errors = c->errors,
				.root = true,
				.ratchets = true,
				.warn = warn_tolerated,
				.arg = c};
	bool blocked = false;
	if ((c->kind->schema->flags & SP_S_HAS_CEL) == 0)
		return;
	for (size_t i = 0; i < c->errors->n; i++)
		blocked = blocked || is_blocking(c->errors->items[i].type);
	if (blocked) {
		sp_v_invalid(
			c->errors, NULL, (yyjson_mut_val *)NULL,
			"some validation rules were not checked because the object was invalid; correct the "
			"existing errors to complete validation");
		return;
	}
	sp_code code = sp_crd_rules_run(&how, c->kind->schema, NULL, obj, old);
	if (code != SP_OK && c->code == SP_OK)
		c->code = code;
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (!check_type(c, obj))
		return;
	sp_meta_validate_custom(c, obj);
	check_schema(c, obj, c->errors);
	check_scale(c, obj, true);
	check_rules(c, obj, NULL);
}

static bool had(const sp_violations *old, const sp_violation *v)
{
	for (size_t i = 0; i < old->n; i++) {
		if (sp_str_eq(old->items[i].field, v->field) && sp_str_eq(old->items[i].message, v->message))
			return true;
	}
	return false;
}

static bool is_in(sp_str field, sp_str part)
{
	return part.len == 0 ||
	       (sp_str_take(&field, part) && (field.len == 0 || field.ptr[0] == '.' || field.ptr[0] == '['));
}

/* What was wrong before in the same way stays tolerated. `part`: only what is below it counts. */
static void check_change(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, sp_str part)
{
	sp_violations now, before;
	sp_violations_init(&now, c->arena);
	sp_violations_init(&before, c->arena);
	check_schema(c, obj, &now);
	if (now.n > 0)
		check_schema(c, old, &before);
	for (size_t i = 0; i < now.n; i++) {
		const sp_violation *v = &now.items[i];
		if (is_in(v->field, part) && !had(&before, v))
			sp_v_text(c->errors, v->type, v->field, SP_FMT, SP_ARG(v->message));
	}
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (!check_type(c, obj))
		return;
	sp_meta_validate_update_generic(c, obj, old);
	check_change(c, obj, old, SP_STR(""));
	check_scale(c, obj, true);
	check_rules(c, obj, old);
}

static void validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update_generic(c, obj, old);
	check_change(c, obj, old, SP_STR("status"));
	check_scale(c, obj, false);
	check_rules(c, obj, old);
}

/* ---- warnings about finalizers ---- */

static void warn_finalizer(sp_kind_ctx *c, sp_str name)
{
	static const char *const standard[] = {"orphan", "foregroundDeletion", "kubernetes"};
	sp_name_faults faults = sp_name_qualified(name);
	for (size_t i = 0; i < faults.n; i++)
		sp_warn(c, "metadata.finalizers: \"" SP_FMT "\": " SP_FMT SP_FMT, SP_ARG(name),
			SP_ARG(faults.items[i].prefix), SP_ARG(faults.items[i].text));
	if (sp_str_index(name, '/') >= 0 || SP_STR_IN(name, standard))
		return;
	sp_warn(c,
		"metadata.finalizers: \"" SP_FMT "\": prefer a domain-qualified finalizer name%s to avoid "
		"accidental conflicts with other finalizer writers",
		SP_ARG(name), sp_str_index(name, '.') >= 0 ? " including a path (/)" : "");
}

static bool list_has(yyjson_mut_val *list, sp_str s)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_jmut_str(item), s))
			return true;
	}
	return false;
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *before = sp_kv_list(sp_meta(old), "finalizers");
	SP_KV_EACH (f, i, sp_kv_list(sp_meta(obj), "finalizers")) {
		if (!list_has(before, sp_jmut_str(f)))
			warn_finalizer(c, sp_jmut_str(f));
	}
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	warn_update(c, obj, NULL);
}

/* ---- the tables ---- */

static const char *const reset_status[] = {"status", NULL};
static const char *const reset_all_but_status[] = {"metadata", "spec", NULL};

void custom_hooks(api_custom *v)
{
	sp_kind_hooks *h = &v->hooks;
	h->flags = v->has_status ? SP_KIND_HAS_STATUS : 0;
	h->defaults = fill;
	h->prepare_create = prepare_create;
	h->prepare_update = prepare_update;
	h->validate = validate;
	h->validate_update = validate_update;
	h->warn_create = warn_create;
	h->warn_update = warn_update;
	h->reset_fields = v->has_status ? reset_status : NULL;
	v->subs[0] = (sp_sub_hooks){.name = SP_STR("status"),
				    .prepare_update = prepare_status,
				    .validate_update = validate_status,
				    .reset_fields = reset_all_but_status};
	h->subs = v->subs;
	v->subs[1] = (sp_sub_hooks){.name = SP_STR("scale"),
				    .prepare_update = prepare_update,
				    .validate_update = validate_update,
				    .reset_fields = h->reset_fields};
	h->n_subs = 2;
}
