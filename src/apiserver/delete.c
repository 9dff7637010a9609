/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE of one object: preconditions, finalizers by propagation policy, grace. U: apiserver
 * pkg/registry/generic/registry/store.go, pkg/registry/rest/delete.go.
 */
#include "apiserver/delete.h"

#include "apiserver/admission/hooks.h"
#include "apiserver/write.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/meta.h"
#include "kube/protobuf.h"

#define NS_PER_S INT64_C(1000000000)

/* ---- DeleteOptions ---- */

static bool refuse(api_request *r, sp_str message)
{
	sp_status s = sp_status_bad_request(message);
	api_reply_status(r, &s);
	return false;
}

static void read_query(api_request *r, api_delete_options *o)
{
	sp_str grace = sp_url_query_get(&r->query, SP_STR("gracePeriodSeconds"));
	const sp_url_pair *orphan = sp_url_query_find(&r->query, SP_STR("orphanDependents"));
	const sp_url_pair *dry = sp_url_query_find(&r->query, SP_STR("dryRun"));
	o->has_grace = grace.len > 0 && sp_parse_i64(grace, INT64_MIN, INT64_MAX, &o->grace_s, NULL) == SP_OK;
	o->policy = sp_url_query_get(&r->query, SP_STR("propagationPolicy"));
	o->has_orphan = orphan != NULL;
	o->orphan = api_query_flag(&r->query, SP_STR("orphanDependents"));
	if (dry != NULL)
		o->dry_run = dry->value;
	o->has_dry_run = dry != NULL;
}

void api_delete_options_of(yyjson_mut_val *obj, api_delete_options *ret)
{
	*ret = (api_delete_options){0};
	ret->has_grace = sp_kv_has(obj, "gracePeriodSeconds");
	ret->grace_s = sp_kv_i64(obj, "gracePeriodSeconds", 0);
	ret->policy = sp_kv_str(obj, "propagationPolicy");
	ret->has_orphan = sp_kv_has(obj, "orphanDependents");
	ret->orphan = sp_kv_bool(obj, "orphanDependents");
	yyjson_mut_val *dry = sp_kv_list(obj, "dryRun");
	ret->has_dry_run = dry != NULL;
	ret->dry_run = dry == NULL ? (sp_str){NULL, 0} : sp_jmut_str(yyjson_mut_arr_get_first(dry));
	ret->uid = sp_kv_str(sp_kv_get(obj, "preconditions"), "uid");
	ret->revision = sp_kv_str(sp_kv_get(obj, "preconditions"), "resourceVersion");
}

static const sp_schema *options_schema(void)
{
	return sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"));
}

static bool check_kind(api_request *r, sp_str api_version, sp_str kind)
{
	if (kind.len == 0 || sp_str_eq(kind, SP_STR("DeleteOptions")))
		return true;
	return refuse(r,
		      sp_arena_printf(r->arena,
				      "no kind \"" SP_FMT "\" is registered for version \"" SP_FMT
				      "\" in scheme \"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30\"",
				      SP_ARG(kind), SP_ARG(api_version)));
}

static bool refuse_error(api_request *r, const sp_err *err)
{
	return refuse(r, sp_arena_try_dup(r->arena, sp_str_c(err->msg)));
}

static bool read_json(api_request *r, sp_str body, yyjson_mut_doc *doc, yyjson_mut_val **ret)
{
	sp_err err;
	sp_str api_version, kind;
	if (sp_decode_type_meta(r->arena, body, &api_version, &kind, &err) != SP_OK)
		return refuse_error(r, &err);
	if (!check_kind(r, api_version, kind))
		return false;
	return sp_decode_json(r->arena, options_schema(), body, doc, NULL, ret, &err) == SP_OK ||
	       refuse_error(r, &err);
}

static bool read_yaml(api_request *r, sp_str body, yyjson_mut_doc *doc, yyjson_mut_val **ret)
{
	sp_err err;
	sp_str complaints;
	yyjson_mut_val *tree = NULL;
	SP_AUTO_BUF json;
	sp_buf_init(&json, SP_LIMIT_REQUEST_BODY_BYTES);
	if (sp_yaml_parse(r->arena, body, doc, &complaints, &tree, &err) != SP_OK)
		return refuse_error(r, &err);
	if (sp_json_write_mut(&json, tree) != SP_OK)
		return refuse(r, SP_STR("no room for the options"));
	/* What was read refers to its text. */
	sp_str text = sp_arena_try_dup(r->arena, sp_buf_view(&json));
	return text.ptr == NULL ? refuse(r, SP_STR("no room for the options")) : read_json(r, text, doc, ret);
}

static bool read_protobuf(api_request *r, sp_str body, yyjson_mut_doc *doc, yyjson_mut_val **ret)
{
	sp_err err;
	sp_protobuf_envelope e;
	if (sp_protobuf_open(body, &e, &err) != SP_OK)
		return refuse_error(r, &err);
	if (!check_kind(r, e.api_version, e.kind))
		return false;
	return sp_protobuf_decode(r->arena, options_schema(), e.raw, e.api_version, e.kind, doc, ret, &err) ==
		       SP_OK ||
	       refuse_error(r, &err);
}

static bool refuse_type(api_request *r)
{
	sp_status s = sp_status_unsupported_media_type(r->arena, api_media_types, API_MEDIA_COUNT_);
	api_reply_status(r, &s);
	return false;
}

static bool read_body(api_request *r, sp_str body, api_delete_options *o)
{
	static bool (*const readers[API_MEDIA_COUNT_])(api_request *, sp_str, yyjson_mut_doc *,
						       yyjson_mut_val **) = {
		[API_MEDIA_JSON] = read_json,
		[API_MEDIA_YAML] = read_yaml,
		[API_MEDIA_PROTOBUF] = read_protobuf,
	};
	api_media media;
	yyjson_mut_val *obj = NULL;
	yyjson_mut_doc *doc = sp_json_doc(r->arena);
	if (doc == NULL)
		return refuse(r, SP_STR("no room for the options"));
	if (!api_content_type(sp_http_get(&r->ex->headers, SP_HTTP_CONTENT_TYPE), API_MEDIA_ALL, &media))
		return refuse_type(r);
	if (!readers[media](r, body, doc, &obj))
		return false;
	api_delete_options_of(obj, o);
	return true;
}

static bool check(api_request *r, const api_delete_options *o)
{
	static const char *const policies[] = {"Foreground", "Background", "Orphan", "nil"};
	static const char *const all[] = {"All"};
	sp_violations v;
	sp_violations_init(&v, r->arena);
	const sp_path *at = SP_PATH("propagationPolicy");
	if (o->has_orphan && o->policy.len > 0)
		sp_v_invalid(&v, at, o->policy,
			     "orphanDependents and deletionPropagation cannot be both set");
	if (o->policy.len > 0 && !sp_str_in(o->policy, policies, 3))
		sp_v_not_supported(&v, at, o->policy, policies, SP_LEN(policies));
	if (o->has_dry_run && !sp_str_eq(o->dry_run, SP_STR("All")))
		sp_v_not_supported(
			&v, SP_PATH("dryRun"),
			sp_bad_text(sp_arena_printf(r->arena, "[\"" SP_FMT "\"]", SP_ARG(o->dry_run))), all,
			SP_LEN(all));
	if (v.n == 0)
		return true;
	sp_status s = sp_status_invalid(r->arena,
					(sp_group_resource){SP_STR("meta.k8s.io"), SP_STR("DeleteOptions")},
					SP_STR(""), &v);
	api_reply_status(r, &s);
	return false;
}

bool api_delete_options_read(api_request *r, sp_str body, api_delete_options *ret)
{
	*ret = (api_delete_options){0};
	if (body.len == 0)
		read_query(r, ret);
	else if (!read_body(r, body, ret))
		return false;
	return check(r, ret);
}

/* ---- what a deletion makes of an object ---- */

static bool is_gc_finalizer(sp_str f)
{
	return sp_str_eq(f, SP_STR("orphan")) || sp_str_eq(f, SP_STR("foregroundDeletion"));
}

/* The finalizer that the options ask for; empty for none. `keep`: the object's own ones decide. */
static sp_str wanted_finalizer(const sp_kind_hooks *hooks, const api_delete_options *o, bool *ret_keep)
{
	uint32_t flags = hooks == NULL ? 0 : hooks->flags;
	*ret_keep = false;
	if ((flags & SP_KIND_NO_GC) != 0)
		return SP_STR("");
	if (o->has_orphan)
		return o->orphan ? SP_STR("orphan") : SP_STR("");
	if (o->policy.len > 0)
		return sp_str_eq(o->policy, SP_STR("Orphan"))       ? SP_STR("orphan")
		       : sp_str_eq(o->policy, SP_STR("Foreground")) ? SP_STR("foregroundDeletion")
								    : SP_STR("");
	*ret_keep = true;
	return (flags & SP_KIND_ORPHANS_BY_DEFAULT) != 0 ? SP_STR("orphan") : SP_STR("");
}

/* metadata.finalizers after the policy; true when they changed. */
static bool set_finalizers(sp_kind_ctx *c, yyjson_mut_val *meta, const sp_kind_hooks *hooks,
			   const api_delete_options *o)
{
	bool keep, has_gc = false, changed = false;
	sp_str wanted = wanted_finalizer(hooks, o, &keep);
	yyjson_mut_val *old = sp_kv_list(meta, "finalizers"), *now = yyjson_mut_arr(c->doc);
	SP_KV_EACH (f, i, old) {
		sp_str text = sp_jmut_str(f);
		if (is_gc_finalizer(text)) {
			has_gc = true;
			if (!keep && !sp_str_eq(text, wanted)) {
				changed = true;
				continue;
			}
			if (sp_str_eq(text, wanted))
				wanted.len = 0;
		}
		SP_KIND_NEED(c, yyjson_mut_arr_add_val(now, yyjson_mut_val_mut_copy(c->doc, f)));
	}
	if (keep && has_gc)
		wanted.len = 0;
	if (wanted.len > 0) {
		changed = true;
		SP_KIND_NEED(c, yyjson_mut_arr_add_strncpy(c->doc, now, wanted.ptr, wanted.len));
	}
	if (changed)
		SP_KIND_NEED(
			c, sp_kv_set(c->doc, meta, "finalizers", yyjson_mut_arr_size(now) > 0 ? now : NULL));
	return changed;
}

static int64_t grace_of(const sp_kind_hooks *hooks, yyjson_mut_val *obj, const api_delete_options *o)
{
	if (hooks == NULL || (hooks->flags & SP_KIND_GRACEFUL_DELETE) == 0)
		return 0;
	int64_t grace = o->has_grace ? o->grace_s
				     : sp_kv_i64(sp_kv_get(obj, "spec"), "terminationGracePeriodSeconds", 30);
	sp_str phase = sp_kv_str(sp_kv_get(obj, "status"), "phase");
	if (sp_kv_str(sp_kv_get(obj, "spec"), "nodeName").len == 0 || sp_str_eq(phase, SP_STR("Failed")) ||
	    sp_str_eq(phase, SP_STR("Succeeded")))
		return 0;
	return grace < 0 ? 1 : grace;
}

static void set_time(sp_kind_ctx *c, yyjson_mut_val *meta, int64_t after_s)
{
	char text[SP_TIME_TEXT_BYTES];
	sp_time t = {c->now.seconds + after_s, 0};
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "deletionTimestamp",
				      (sp_str){text, sp_time_print(text, t, 0)}));
}

/* Marks the object as being deleted in `grace` seconds. `timed`: the grace is noted too; what a kind of its
 * own holds back (a namespace with content) has none. True when that is a change. */
static bool mark(sp_kind_ctx *c, yyjson_mut_val *obj, int64_t grace, bool timed)
{
	yyjson_mut_val *meta = sp_meta(obj);
	int64_t before = sp_kv_i64(meta, "deletionGracePeriodSeconds", 0);
	if (sp_kv_has(meta, "deletionTimestamp") && (before <= grace))
		return false;
	bool first = !sp_kv_has(meta, "deletionTimestamp");
	int64_t generation = sp_kv_i64(meta, "generation", 0);
	set_time(c, meta, grace);
	if (timed)
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, meta, "deletionGracePeriodSeconds", grace));
	if (first && generation > 0)
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, meta, "generation", generation + 1));
	return true;
}

/* ---- answers ---- */

static void reply_deleted(api_write *w, sp_str json, uint64_t revision)
{
	const sp_kind_hooks *hooks = w->res->kind->hooks;
	if (hooks != NULL && (hooks->flags & SP_KIND_RETURNS_DELETED) != 0) {
		api_reply_object(w->r, 200, json, revision);
		return;
	}
	sp_status s = sp_status_deleted(w->res->gr, sp_meta_name(w->obj), sp_kv_str(sp_meta(w->obj), "uid"));
	api_reply_status(w->r, &s);
}

static bool check_preconditions(api_write *w, const api_delete_options *o)
{
	yyjson_mut_val *meta = sp_meta(w->obj);
	sp_str uid = sp_kv_str(meta, "uid"), rv = sp_kv_str(meta, "resourceVersion");
	sp_str why;
	if (o->uid.len > 0 && !sp_str_eq(o->uid, uid))
		why = sp_arena_printf(&w->arena,
				      "the UID in the precondition (" SP_FMT
				      ") does not match the UID in record (" SP_FMT
				      "). The object might have been deleted and then recreated",
				      SP_ARG(o->uid), SP_ARG(uid));
	else if (o->revision.len > 0 && !sp_str_eq(o->revision, rv))
		why = sp_arena_printf(&w->arena,
				      "the ResourceVersion in the precondition (" SP_FMT
				      ") does not match the ResourceVersion in record (" SP_FMT
				      "). The object might have been modified",
				      SP_ARG(o->revision), SP_ARG(rv));
	else
		return true;
	sp_status s =
		sp_status_conflict(&w->arena, (sp_group_resource){w->res->kind->group, w->res->kind->kind},
				   w->r->info.name, why);
	api_write_refuse(w, &s);
	return false;
}

/* U: kubernetes pkg/registry/batch/job/storage/storage.go */
static void warn_preserved(api_write *w, const api_delete_options *o)
{
	if (sp_str_eq(w->res->kind->group, SP_STR("batch")) &&
	    sp_str_eq(w->res->kind->plural, SP_STR("jobs")) && !o->has_orphan && o->policy.len == 0)
		api_warn(w->r, SP_STR("child pods are preserved by default when jobs are deleted; set "
				      "propagationPolicy=Background to remove them or set "
				      "propagationPolicy=Orphan to suppress this warning"));
}

/* ---- the walk ---- */

static void remove_now(api_write *w, bool marked)
{
	if (w->reply == NULL)
		w->reply = reply_deleted;
	if (marked)
		api_write_mark_and_remove(w);
	else
		api_write_remove(w);
}

static void on_admitted(api_write *w)
{
	const sp_kind_hooks *hooks = w->res->kind->hooks;
	const api_delete_options *o = w->deletion;
	if (!check_preconditions(w, o))
		return;
	warn_preserved(w, o);
	w->ok_code = 200;
	int64_t grace = grace_of(hooks, w->obj, o);
	(void)set_finalizers(&w->ctx, sp_meta(w->obj), hooks, o);
	bool held = hooks != NULL && hooks->prepare_delete != NULL && hooks->prepare_delete(&w->ctx, w->obj);
	bool waits = grace > 0 || held || sp_kv_list(sp_meta(w->obj), "finalizers") != NULL;
	bool graceful = hooks != NULL && (hooks->flags & SP_KIND_GRACEFUL_DELETE) != 0;
	bool marked = (waits || graceful) && mark(&w->ctx, w->obj, grace, !held);
	if (w->ctx.code != SP_OK)
		api_write_fail(w, w->ctx.code, NULL);
	else if (waits)
		api_write_commit(w);
	else
		remove_now(w, marked);
}

static void on_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_DELETE, .old = w->obj};
	api_admit_validating(&admit, on_admitted);
}

void api_write_delete(api_write *w, const api_delete_options *o)
{
	const api_admit admit = {.w = w, .op = API_OP_DELETE, .old = w->obj};
	api_delete_options *own = sp_try_new(&w->arena, api_delete_options, 1);
	if (own == NULL) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return;
	}
	*own = *o;
	w->deletion = own;
	w->o.dry_run = o->has_dry_run;
	if (api_admit_mutate(&admit))
		api_hooks_mutate(&admit, on_mutated);
}

static void run_seen(api_write *w)
{
	sp_err err;
	api_delete_options o;
	if (!api_delete_options_read(w->r, w->body, &o))
		return;
	sp_code code = api_write_load(w, w->r->info.name, &w->obj, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return;
	}
	api_write_delete(w, &o);
}

static void run(api_write *w)
{
	api_write_forget_also(w);
	api_write_see(w, w->r->info.ns, w->r->info.name, run_seen);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->body = body;
	w->again = run;
	run(w);
}

void api_delete(api_request *r)
{
	if (api_write_new(r, NULL, false) != NULL)
		api_read_body(r, on_body);
}
