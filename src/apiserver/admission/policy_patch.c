/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/policy_patch.h"

#include "base/json_out.h"
#include "kube/apply/typed_int.h"
#include "kube/patch/json_patch.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define NAME_BYTES_MAX ((size_t)1 << 16)

static void fail(api_eval *x, api_patch_result *ret, const char *what, sp_str why)
{
	ret->error = sp_arena_printf(x->arena, "%s" SP_FMT, what, SP_ARG(why));
	if (ret->error.len == 0)
		ret->error = SP_STR("no room for the patch");
}

/* ---- names of types ---- */

/* Objects are made of types that are named by the path to where they are put: Object.spec at spec. Else
 * *ret_error. U: apiserver pkg/cel/mutation/dynamic/objects.go. */
static void check_types(api_eval *x, sp_cel_run *run, sp_cel_val v, sp_buf *path, sp_str *ret_error)
{
	size_t len = path->len;
	sp_cel_val key, val;
	if (sp_cel_kind_of(v) == SP_CEL_LIST) {
		for (size_t i = 0; i < sp_cel_size(v) && ret_error->len == 0; i++)
			check_types(x, run, sp_cel_at(run, v, i), path, ret_error);
		return;
	}
	bool object = sp_cel_kind_of(v) == SP_CEL_STRUCT;
	if (!object && sp_cel_kind_of(v) != SP_CEL_MAP)
		return;
	if (object && !sp_str_eq(sp_cel_type_name(v), sp_buf_view(path))) {
		sp_str name = sp_cel_type_name(v);
		*ret_error = sp_arena_printf(x->arena,
					     "type mismatch: unexpected type name \"" SP_FMT
					     "\", expected \"" SP_FMT
					     "\", which matches field name path from root Object type",
					     SP_ARG(name), SP_ARG(sp_buf_view(path)));
		return;
	}
	for (size_t i = 0; ret_error->len == 0 && sp_cel_next(run, v, &i, &key, &val);) {
		if (object)
			(void)sp_buf_printf(path, "." SP_FMT, SP_ARG(sp_cel_str(key)));
		check_types(x, run, val, path, ret_error);
		path->len = len;
	}
}

static void check_root(api_eval *x, sp_cel_run *run, sp_cel_val v, sp_str *ret_error)
{
	SP_AUTO_BUF path;
	sp_buf_init(&path, NAME_BYTES_MAX);
	(void)sp_buf_str(&path, sp_cel_type_name(v));
	check_types(x, run, v, &path, ret_error);
}

/* ---- JSONPatch ---- */

static bool write_member(sp_jout *j, sp_cel_run *run, sp_cel_val op, const char *name, bool always)
{
	sp_cel_val v;
	sp_str text = sp_cel_get(run, op, sp_str_c(name), &v) ? sp_cel_str(v) : (sp_str){NULL, 0};
	if (text.len > 0 || always)
		sp_jout_member_str(j, sp_str_c(name), text);
	return true;
}

/* One operation; false: *ret has the error. */
static bool write_op(api_eval *x, sp_jout *j, sp_cel_run *run, sp_cel_val op, api_patch_result *ret)
{
	sp_cel_val value;
	sp_err err;
	yyjson_mut_val *json = NULL;
	sp_jout_open(j, '{');
	(void)write_member(j, run, op, "op", true);
	(void)write_member(j, run, op, "path", true);
	(void)write_member(j, run, op, "from", false);
	if (sp_cel_get(run, op, SP_STR("value"), &value)) {
		if (sp_cel_kind_of(value) == SP_CEL_STRUCT)
			check_root(x, run, value, &ret->error);
		if (ret->error.len > 0)
			return false;
		if (sp_cel_to_json(run, value, x->a->w->doc, &json, &err) != SP_OK) {
			fail(x, ret,
			     "JSONPath valueExpression evaluated to a type that could not marshal to JSON: ",
			     sp_str_c(err.msg));
			return false;
		}
		sp_jout_key(j, SP_STR("value"));
		sp_jout_raw(j, SP_STR(""));
		(void)sp_json_write_mut(j->out, json);
	}
	sp_jout_close(j, '}');
	return true;
}

static void apply_ops(api_eval *x, const api_form *form, sp_str ops, api_patch_result *ret)
{
	api_write *w = x->a->w;
	sp_patch_error perr = {0};
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(w->doc, form->object);
	if (copy == NULL) {
		fail(x, ret, "", SP_STR(""));
		return;
	}
	sp_code code = sp_json_patch_apply(&w->arena, w->doc, copy, ops, &ret->patched, &perr);
	sp_str why = perr.detail.len > 0 ? perr.detail : perr.message;
	if (code == SP_OK)
		return;
	ret->patched = NULL;
	if (sp_str_find(why, SP_STR("test failed")) < 0) /* a test that fails is no error, only no patch */
		fail(x, ret, "JSON Patch: ", why);
}

void api_patch_json(api_eval *x, const api_form *form, const api_eval_variables *vars,
		    const sp_policy_program *p, api_patch_result *ret)
{
	sp_cel_val list;
	SP_AUTO_BUF ops;
	sp_buf_init(&ops, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&ops);
	*ret = (api_patch_result){.patched = NULL};
	if (p->program == NULL) {
		fail(x, ret, "", p->fault);
		return;
	}
	api_eval_begin(x, vars, SP_CEL_RUNTIME_BUDGET);
	bool ok = api_eval_run(x, p, &list, &ret->error) == API_EVAL_OK;
	sp_cel_run run = api_eval_reader(x);
	sp_jout_open(&j, '[');
	for (size_t i = 0; ok && i < sp_cel_size(list); i++)
		ok = write_op(x, &j, &run, sp_cel_at(&run, list, i), ret);
	sp_jout_close(&j, ']');
	api_eval_end(x);
	if (ok && sp_buf_code(&ops) == SP_OK)
		apply_ops(x, form, sp_buf_view(&ops), ret);
	else if (ret->error.len == 0)
		fail(x, ret, "", SP_STR(""));
}

/* ---- ApplyConfiguration ---- */

/* Containers that a patch would replace as a whole: all that is not said anew would be lost. */
static void find_atomics(const sp_schema *s, yyjson_mut_val *v, sp_buf *path, sp_buf *found)
{
	size_t i, max, len = path->len;
	yyjson_mut_val *key, *val;
	bool list = yyjson_mut_is_arr(v), named;
	if (s == NULL || (!list && !yyjson_mut_is_obj(v)))
		return;
	if (list ? sp_typed_list_atomic(s) : sp_typed_map_atomic(s)) {
		(void)sp_buf_str(found, found->len > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(found, sp_buf_view(path));
	}
	if (list) {
		yyjson_mut_arr_foreach(v, i, max, val)
		{
			(void)sp_buf_printf(path, "[%zu]", i);
			find_atomics(sp_typed_items(s), val, path, found);
			path->len = len;
		}
		return;
	}
	yyjson_mut_obj_foreach(v, i, max, key, val)
	{
		(void)sp_buf_printf(path, "." SP_FMT, SP_ARG(sp_jmut_str(key)));
		find_atomics(sp_typed_member(s, sp_jmut_str(key), &named), val, path, found);
		path->len = len;
	}
}

static bool check_patch(api_eval *x, const api_form *form, yyjson_mut_val *patch, api_patch_result *ret)
{
	sp_str text = {NULL, 0};
	SP_AUTO_BUF path, found;
	sp_buf_init(&path, NAME_BYTES_MAX);
	sp_buf_init(&found, TEXT_BYTES_MAX);
	if (sp_typed_check(x->arena, form->schema, patch, false, &text) != SP_OK) {
		fail(x, ret, "error applying patch: failed to convert patch object to typed object: ", text);
		return false;
	}
	find_atomics(form->schema, patch, &path, &found);
	if (found.len > 0)
		fail(x, ret,
		     "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps "
		     "or structs: ",
		     sp_buf_view(&found));
	return found.len == 0;
}

static void lay_over(api_eval *x, const api_form *form, yyjson_mut_val *patch, api_patch_result *ret)
{
	api_write *w = x->a->w;
	sp_str text = {NULL, 0};
	if (!sp_kv_set_str(w->doc, patch, "apiVersion", form->res->api_version) ||
	    !sp_kv_set_str(w->doc, patch, "kind", form->kind->kind)) {
		fail(x, ret, "", SP_STR(""));
		return;
	}
	if (!check_patch(x, form, patch, ret))
		return;
	if (sp_typed_merge(x->arena, w->doc, form->schema, form->object, patch, &ret->patched, &text) ==
	    SP_OK)
		return;
	ret->patched = NULL;
	fail(x, ret, "error applying patch: failed to merge patch: ", text);
}

void api_patch_apply(api_eval *x, const api_form *form, const api_eval_variables *vars,
		     const sp_policy_program *p, api_patch_result *ret)
{
	sp_cel_val v;
	sp_err err;
	yyjson_mut_val *patch = NULL;
	*ret = (api_patch_result){.patched = NULL};
	if (p->program == NULL) {
		fail(x, ret, "", p->fault);
		return;
	}
	api_eval_begin(x, vars, SP_CEL_RUNTIME_BUDGET);
	if (api_eval_run(x, p, &v, &ret->error) == API_EVAL_OK) {
		sp_cel_run run = api_eval_reader(x);
		check_root(x, &run, v, &ret->error);
		if (ret->error.len == 0 && sp_cel_to_object(&run, v, x->a->w->doc, &patch, &err) != SP_OK)
			fail(x, ret, "", sp_str_c(err.msg));
	}
	api_eval_end(x);
	if (ret->error.len == 0 && patch != NULL)
		lay_over(x, form, patch, ret);
}
