/* SPDX-License-Identifier: Apache-2.0 */
/* PUT of an object, whole or a subresource that is a part of it. */
#include "apiserver/options.h"
#include "apiserver/write.h"
#include "kube/apply/managed.h"
#include "kube/meta.h"

/* U: apiserver pkg/endpoints/handlers/rest.go, checkName. */
bool api_write_check_name(api_write *w)
{
	sp_str name = sp_meta_name(w->obj), want = w->r->info.name;
	sp_str why;
	if (sp_str_eq(name, want))
		return true;
	if (name.len == 0)
		why = sp_arena_printf(&w->arena,
				      "the name of the object (" SP_FMT
				      " based on URL) was undeterminable: name must be provided",
				      SP_ARG(want));
	else
		why = sp_arena_printf(&w->arena,
				      "the name of the object (" SP_FMT
				      ") does not match the name on the URL (" SP_FMT ")",
				      SP_ARG(name), SP_ARG(want));
	sp_status s = sp_status_bad_request(why);
	api_write_refuse(w, &s);
	return false;
}

static bool conflict(api_write *w, sp_str why)
{
	sp_status s = sp_status_conflict(&w->arena, w->res->gr, w->r->info.name, why);
	api_write_refuse(w, &s);
	return false;
}

sp_str api_write_precondition_text(api_write *w, const char *what, sp_str wanted, sp_str stored)
{
	sp_str prefix = w->res->prefix;
	if (w->o.dry_run) /* upstream's dry runs know the key without its root */
		(void)sp_str_take(&prefix, SP_STR("/registry"));
	return sp_arena_printf(&w->arena,
			       "StorageError: invalid object, Code: 4, Key: " SP_FMT SP_FMT
			       ", ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: %s in "
			       "precondition: " SP_FMT ", %s in object meta: " SP_FMT,
			       SP_ARG(prefix), SP_ARG(w->rest), what, SP_ARG(wanted), what, SP_ARG(stored));
}

/* U: apiserver pkg/registry/generic/registry/store.go: the resource stands where the kind usually does. */
static bool refuse_unconditional(api_write *w)
{
	sp_violations v;
	sp_violations_init(&v, &w->arena);
	sp_v_invalid(&v, SP_PATH("metadata.resourceVersion"), (int64_t)0, "must be specified for an update");
	sp_status s = sp_status_invalid(&w->arena, w->res->gr, w->r->info.name, &v);
	api_write_refuse(w, &s);
	return false;
}

bool api_write_revision(api_write *w, sp_str text, uint64_t *ret)
{
	sp_str why = {NULL, 0};
	*ret = 0;
	if (text.len == 0 || api_revision_parse(&w->arena, text, ret, &why) == SP_OK)
		return true;
	const sp_status s = {.code = 500, .message = why};
	api_write_refuse(w, &s);
	return false;
}

/* A patch has no precondition: another UID is an error of validation there.
 * U: apiserver pkg/registry/generic/registry/store.go, pkg/registry/rest/update.go. */
static bool check_preconditions(api_write *w, yyjson_mut_val *old)
{
	uint64_t revision;
	yyjson_mut_val *meta = sp_meta(w->obj);
	sp_str uid = sp_kv_str(meta, "uid"), old_uid = sp_kv_str(sp_meta(old), "uid");
	sp_str rv = sp_kv_str(meta, "resourceVersion"), old_rv = sp_kv_str(sp_meta(old), "resourceVersion");
	const sp_kind_hooks *hooks = w->res->kind->hooks;
	if (w->patched == NULL && uid.len > 0 && !sp_str_eq(uid, old_uid))
		return conflict(w, api_write_precondition_text(w, "UID", uid, old_uid));
	if (!api_write_revision(w, rv, &revision))
		return false;
	if (revision != 0)
		return sp_str_eq(rv, old_rv) || conflict(w, SP_STR(SP_STATUS_MODIFIED));
	if (hooks == NULL || (hooks->flags & SP_KIND_UNCONDITIONAL_UPDATE) == 0)
		return refuse_unconditional(w);
	SP_KIND_NEED(&w->ctx, sp_kv_set_str(w->doc, meta, "resourceVersion", old_rv));
	return true;
}

static void on_prepared(api_write *w)
{
	(void)sp_managed_keep_times(w->doc, w->before,
				    w->obj); /* times of field owners alone are no change */
	api_write_commit(w);
}

void api_write_update(api_write *w, yyjson_mut_val *old)
{
	w->ok_code = 200;
	if (check_preconditions(w, old))
		api_write_prepare_update(w, old, on_prepared);
}

static void run_seen(api_write *w)
{
	yyjson_mut_val *old = NULL;
	sp_err err;
	const sp_kind_hooks *hooks = w->res->kind->hooks;
	sp_code code = api_write_load(w, w->r->info.name, &old, &err);
	if (code == SP_ENOTFOUND && hooks != NULL && (hooks->flags & SP_KIND_CREATE_ON_UPDATE) != 0 &&
	    w->r->sub == NULL)
		api_write_create(w);
	else if (code != SP_OK)
		api_write_fail(w, code, &err);
	else if (w->view == NULL || w->view->take(w, old))
		api_write_update(w, old);
}

static void run(api_write *w)
{
	api_write_see(w, w->r->info.ns, w->r->info.name, run_seen);
}

/* The stored object changed in between: only a write that named no revision may go on. */
static void again(api_write *w)
{
	if (api_write_decode(w, w->body) && api_write_namespace(w))
		run(w);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->redo = again;
	if (!api_write_decode(w, body) || !api_write_check_name(w) || !api_write_namespace(w))
		return;
	if (sp_kv_str(sp_meta(w->obj), "resourceVersion").len == 0)
		w->again = again;
	run(w);
}

void api_update_view(api_request *r, const api_view *view)
{
	api_write *w = api_write_new(r, "UpdateOptions", false);
	if (w == NULL)
		return;
	if (view != NULL)
		api_write_show_as(w, view);
	api_read_body(r, on_body);
}

void api_update(api_request *r)
{
	api_update_view(r, NULL);
}
