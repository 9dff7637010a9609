/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PATCH in its four forms. A patch edits the stored state as its clients see it; the result goes through the
 * same decoding, defaults and validation as an update. When somebody else wrote in between it is applied
 * again, unless it names a resourceVersion. U: apiserver pkg/endpoints/handlers/patch.go.
 */
#include "apiserver/audit/audit.h"
#include "apiserver/write.h"
#include "base/num.h"
#include "base/yaml.h"
#include "kube/apply/apply.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "kube/meta.h"
#include "kube/patch/json_patch.h"
#include "kube/patch/merge_patch.h"
#include "kube/patch/strategic.h"
#include "kube/patch/unstructured.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)

typedef enum patch_type { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY, PATCH_COUNT_ } patch_type;
static const sp_str patch_media[PATCH_COUNT_] = {
	[PATCH_JSON] = SP_STR_INIT("application/json-patch+json"),
	[PATCH_MERGE] = SP_STR_INIT("application/merge-patch+json"),
	[PATCH_STRATEGIC] = SP_STR_INIT("application/strategic-merge-patch+json"),
	[PATCH_APPLY] = SP_STR_INIT("application/apply-patch+yaml"),
};

static bool find_type(api_request *r, patch_type *ret)
{
	sp_str essence = {NULL, 0};
	bool is_custom = r->res->custom != NULL;
	(void)api_media_essence(sp_http_get(&r->ex->headers, SP_HTTP_CONTENT_TYPE), &essence);
	for (unsigned t = 0; t < PATCH_COUNT_; t++) {
		if (sp_str_eq_nocase(essence, patch_media[t]) && !(is_custom && t == PATCH_STRATEGIC)) {
			*ret = (patch_type)t;
			return true;
		}
	}
	static const sp_str of_custom[] = {
		SP_STR_INIT("application/json-patch+json"),
		SP_STR_INIT("application/merge-patch+json"),
		SP_STR_INIT("application/apply-patch+yaml"),
	};
	sp_status s = sp_status_unsupported_media_type(r->arena, of_custom, SP_LEN(of_custom));
	if (!is_custom)
		s.message = SP_STR("415: Unsupported Media Type"); /* upstream's router, in its words */
	s.has_details = !is_custom;
	api_reply_status(r, &s);
	return false;
}

static void refuse_patch(api_write *w, const sp_patch_error *perr)
{
	sp_status_cause *causes = sp_try_new(&w->arena, sp_status_cause, perr->n_causes + 1);
	for (size_t i = 0; causes != NULL && i < perr->n_causes; i++)
		causes[i] = (sp_status_cause){perr->causes[i].reason, perr->causes[i].message,
					      perr->causes[i].field};
	sp_status s = {.code = perr->status,
		       .reason = perr->reason,
		       .message = perr->message,
		       .has_details = perr->n_causes > 0 || perr->status == 422,
		       .causes = causes,
		       .n_causes = causes == NULL ? 0 : perr->n_causes};
	api_write_refuse(w, &s);
}

/* ---- what a refusal shows ---- */

/* The members of what the patch touched stand in order, the others as in upstream's structs. */
static bool sort_touched(sp_arena *a, yyjson_mut_val *object, yyjson_mut_val *patch)
{
	if (yyjson_mut_is_arr(patch) && yyjson_mut_is_arr(object)) {
		SP_KV_EACH (item, i, object)
			if (!sort_touched(a, item, item))
				return false;
		return true;
	}
	if (!yyjson_mut_is_obj(object) || !yyjson_mut_is_obj(patch))
		return true;
	SP_KV_EACH_MEMBER (key, value, i, patch) {
		yyjson_mut_val *child = sp_jmut_get(object, sp_jmut_str(key));
		if (child != NULL && !sort_touched(a, child, value))
			return false;
	}
	return sp_jmut_sort(a, object);
}

/* Every container on the way of a JSON Pointer. */
static bool sort_way(sp_arena *a, yyjson_mut_val *v, sp_str pointer)
{
	sp_str step;
	for (bool more = sp_str_take(&pointer, SP_STR("/")); v != NULL;) {
		if (!sp_jmut_sort(a, v))
			return false;
		if (!more)
			return true;
		more = sp_str_cut(&pointer, '/', &step);
		if (!more)
			step = pointer;
		uint64_t index = 0;
		v = yyjson_mut_is_obj(v) ? sp_jmut_get(v, step)
		    : sp_parse_u64(step, 0, UINT32_MAX, &index, NULL) == SP_OK
			    ? yyjson_mut_arr_get(v, (size_t)index)
			    : NULL;
	}
	return true;
}

static bool sort_ways(sp_arena *a, yyjson_mut_val *object, yyjson_mut_val *ops)
{
	SP_KV_EACH (op, i, ops) {
		if (!sort_way(a, object, sp_kv_str(op, "path")) ||
		    !sort_way(a, object, sp_kv_str(op, "from")))
			return false;
	}
	return true;
}

static yyjson_mut_val *parsed_patch(api_write *w)
{
	yyjson_mut_val *patch = NULL;
	return sp_json_parse_mut(&w->arena, w->body, w->doc, &patch, NULL) == SP_OK ? patch : NULL;
}

static sp_str text_of(api_write *w, yyjson_mut_val *v, sp_code (*write)(sp_buf *, const yyjson_mut_val *))
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	return v != NULL && write(&text, v) == SP_OK ? sp_arena_try_dup(&w->arena, sp_buf_view(&text))
						     : (sp_str){NULL, 0};
}

static sp_str show_merged(api_write *w, sp_str json, sp_str *why)
{
	(void)json;
	(void)why;
	if (!sort_touched(&w->arena, w->patch_result, parsed_patch(w)))
		return (sp_str){NULL, 0};
	return text_of(w, w->patch_result, sp_json_write_mut);
}

static sp_str show_edited(api_write *w, sp_str json, sp_str *why)
{
	(void)json;
	(void)why;
	if (!sort_ways(&w->arena, w->patch_result, parsed_patch(w)))
		return (sp_str){NULL, 0};
	return text_of(w, w->patch_result, sp_json_write_mut);
}

/* Of a strategic merge patch upstream shows the patch, as Go prints it. */
static sp_str show_strategic(api_write *w, sp_str json, sp_str *why)
{
	(void)json;
	(void)sp_unstructured_fault(&w->arena, w->body_res->kind->schema, w->patch_result, why);
	return text_of(w, parsed_patch(w), sp_json_write_go);
}

/* Of an apply only why it failed. */
static sp_str show_applied(api_write *w, sp_str json, sp_str *why)
{
	(void)sp_unstructured_fault(&w->arena, w->body_res->kind->schema, w->patch_result, why);
	return json;
}

/* The patched tree once more as text through the decoder: types and unknown fields are judged there. */
static bool decode_result(api_write *w, yyjson_mut_val *patched)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	w->patch_result = patched;
	if (sp_encode_any(&text, patched) != SP_OK) {
		api_write_fail(w, sp_buf_code(&text) != SP_OK ? sp_buf_code(&text) : SP_EINVAL, NULL);
		return false;
	}
	return api_write_decode_json(w, sp_buf_view(&text));
}

static sp_code edit(api_write *w, patch_type type, yyjson_mut_val *copy, yyjson_mut_val **ret,
		    sp_patch_error *perr)
{
	switch (type) {
	case PATCH_JSON:
		return sp_json_patch_apply(&w->arena, w->doc, copy, w->body, ret, perr);
	case PATCH_MERGE:
		return sp_merge_patch_apply(&w->arena, w->doc, copy, w->body, ret, perr);
	case PATCH_STRATEGIC:
		return sp_strategic_apply(&w->arena, w->doc, w->body_res->kind->schema, copy, w->body, ret,
					  perr);
	case PATCH_APPLY:
	case PATCH_COUNT_:
		break;
	}
	SP_UNREACHABLE();
}

/* What a patch is applied to: the stored object as its clients see it. NULL: no room. */
static yyjson_mut_val *seen(api_write *w, yyjson_mut_val *old)
{
	return w->view == NULL ? yyjson_mut_val_mut_copy(w->doc, old)
			       : w->view->show(&w->arena, w->doc, w->res, old);
}

static void run_edit(api_write *w, patch_type type)
{
	yyjson_mut_val *old = NULL, *copy, *patched = NULL;
	sp_patch_error perr = {0};
	sp_err err;
	sp_code code = api_write_load(w, w->r->info.name, &old, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return;
	}
	copy = seen(w, old);
	if (copy == NULL) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return;
	}
	if (edit(w, type, copy, &patched, &perr) != SP_OK) {
		refuse_patch(w, &perr);
		return;
	}
	if (type == PATCH_STRATEGIC)
		sp_unstructured_fit(w->body_res->kind->schema, patched);
	if (decode_result(w, patched) && api_write_namespace(w) && api_write_check_name(w) &&
	    (w->view == NULL || w->view->take(w, old)))
		api_write_update(w, old);
}

/* ---- server-side apply ---- */

static bool refuse(api_write *w, sp_str message)
{
	sp_status s = sp_status_bad_request(message);
	api_write_refuse(w, &s);
	return false;
}

static bool read_applied(api_write *w, yyjson_mut_val **ret, sp_str *ret_complaints)
{
	sp_err err;
	sp_code code = sp_yaml_parse(&w->arena, w->body, w->doc, ret_complaints, ret, &err);
	if (code == SP_OK && !yyjson_mut_is_obj(*ret))
		return refuse(w, SP_STR("error decoding YAML: not an object"));
	if (code != SP_OK)
		return refuse(w, sp_arena_printf(&w->arena,
						 "error decoding YAML: error converting YAML to JSON: %s",
						 err.msg));
	return true;
}

/* Keys that are there twice count only once the apply went well.
 * U: apiserver pkg/endpoints/handlers/patch.go, applyPatcher */
static bool report_complaints(api_write *w, sp_str complaints)
{
	if (complaints.len == 0 || w->o.fields == API_FV_IGNORE)
		return true;
	if (w->o.fields == API_FV_STRICT)
		return refuse(w,
			      SP_CONCAT(&w->arena,
					SP_STR("error strict decoding YAML: error converting YAML to JSON: "),
					complaints));
	api_warn_yaml(w->r, complaints);
	return true;
}

/* U: apiserver pkg/endpoints/handlers/fieldmanager; a group/version prints its slash always. */
static bool check_applied_type(api_write *w, yyjson_mut_val *applied)
{
	sp_str api_version = sp_kv_str(applied, "apiVersion"), kind = sp_kv_str(applied, "kind");
	bool slash = sp_str_index(api_version, '/') >= 0;
	if (sp_str_eq(kind, w->body_res->kind->kind) && api_version.len > 0)
		return true;
	return refuse(w, sp_arena_printf(&w->arena, "invalid object type: %s" SP_FMT ", Kind=" SP_FMT,
					 slash ? "" : "/", SP_ARG(api_version), SP_ARG(kind)));
}

/* Something that is not there yet has no uid, and no revision that counts. */
static bool check_applied_new(api_write *w, yyjson_mut_val *applied)
{
	yyjson_mut_val *meta = sp_meta(applied);
	sp_str uid = sp_kv_str(meta, "uid");
	uint64_t revision;
	if (uid.len == 0 && !api_write_revision(w, sp_kv_str(meta, "resourceVersion"), &revision))
		return false;
	sp_kv_drop(meta, "resourceVersion");
	if (uid.len == 0)
		return true;
	sp_status s =
		sp_status_conflict(&w->arena, w->res->gr, w->r->info.name,
				   sp_arena_printf(&w->arena,
						   "uid mismatch: the provided object specified uid " SP_FMT
						   ", and no existing object was found",
						   SP_ARG(uid)));
	api_write_refuse(w, &s);
	return false;
}

static void merge(api_write *w, yyjson_mut_val *old, yyjson_mut_val *applied, sp_str complaints)
{
	yyjson_mut_val *merged = NULL;
	sp_patch_error perr = {0};
	sp_apply_request req;
	if (!api_write_apply_request(w, &req)) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return;
	}
	yyjson_mut_val *live = old;
	w->is_apply = true;
	w->applied = applied;
	if (w->view != NULL) {
		live = seen(w, old);
		if (live == NULL || !w->view->show_owners(w, old, live)) {
			api_write_fail(w, SP_ETOOLARGE, NULL);
			return;
		}
	}
	if (sp_apply(&req, live, applied, w->o.force, &merged, &perr) != SP_OK) {
		refuse_patch(w, &perr);
		return;
	}
	if (!report_complaints(w, complaints))
		return;
	sp_unstructured_fit(w->body_res->kind->schema, merged);
	if (!decode_result(w, merged) || !api_write_namespace(w) || !api_write_check_name(w))
		return;
	if (old == NULL)
		api_write_create(w);
	else if (w->view == NULL || w->view->take(w, old))
		api_write_update(w, old);
}

static void run_apply(api_write *w)
{
	yyjson_mut_val *old = NULL, *applied = NULL;
	sp_str complaints = {NULL, 0};
	sp_err err;
	sp_code code = api_write_load(w, w->r->info.name, &old, &err);
	if (code != SP_OK && (code != SP_ENOTFOUND || w->r->sub != NULL)) {
		api_write_fail(w, code, &err);
		return;
	}
	if (read_applied(w, &applied, &complaints) && check_applied_type(w, applied) &&
	    (old != NULL || check_applied_new(w, applied)))
		merge(w, old, applied, complaints);
}

/* ---- the beginning ---- */

static patch_type type_of(api_write *w)
{
	patch_type type = PATCH_JSON;
	(void)find_type(w->r, &type); /* it was found before */
	return type;
}

static void run_seen(api_write *w)
{
	patch_type type = type_of(w);
	if (type == PATCH_APPLY)
		run_apply(w);
	else
		run_edit(w, type);
}

static void run(api_write *w)
{
	api_write_see(w, w->r->info.ns, w->r->info.name, run_seen);
}

/* Does the patch name the revision it is meant for? Then a conflict is its author's to solve. */
static bool names_revision(api_write *w)
{
	yyjson_val *root = NULL;
	return sp_json_parse(&w->arena, w->body, &root, NULL) == SP_OK &&
	       sp_json_last(sp_json_last(root, SP_STR("metadata")), SP_STR("resourceVersion")) != NULL;
}

static sp_str (*const shows[PATCH_COUNT_])(api_write *, sp_str,
					   sp_str *) = {[PATCH_JSON] = show_edited,
							[PATCH_MERGE] = show_merged,
							[PATCH_STRATEGIC] = show_strategic,
							[PATCH_APPLY] = show_applied};

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->body = body;
	api_audit_patch(r, body);
	w->patched = shows[type_of(w)];
	w->redo = run;
	if (!names_revision(w))
		w->again = run;
	run(w);
}

void api_patch_view(api_request *r, const api_view *view)
{
	patch_type type;
	if (!find_type(r, &type))
		return;
	api_write *w = api_write_new(r, "PatchOptions", type == PATCH_APPLY);
	if (w == NULL)
		return;
	if (view != NULL)
		api_write_show_as(w, view);
	api_read_body(r, on_body);
}

void api_patch(api_request *r)
{
	api_patch_view(r, NULL);
}
