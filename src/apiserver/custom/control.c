/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server does with definitions by itself: their status, and the end of them and of their objects. A
 * write that meets a conflict is simply lost: whoever was faster made an event, and that begins it anew.
 * U: apiextensions-apiserver pkg/controller/{status,establish,apiapproval,finalizer}.
 */
#include "apiserver/custom/custom_int.h"
#include "base/alloc.h"
#include "kube/apply/apply.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)
#define WRITE_BYTES ((size_t)64 << 20)

/* ---- writes of its own ---- */

void custom_write_free(custom_write *w)
{
	for (size_t i = 0; i < w->txn.n_ops; i++)
		sp_bytes_unref(w->ops[i].record);
	sp_list_remove(&w->node);
	sp_arena_done(&w->arena);
	sp_free(w);
}

static void on_written(sp_store_txn *t, sp_code code, const sp_err *err)
{
	custom_write *w = t->arg;
	api_customs *c = w->owner;
	custom_crd *crd = c == NULL ? NULL : sp_map_get(&c->by_name, w->crd);
	(void)err;
	if (crd != NULL) {
		crd->writing = false;
		/* An event may have come meanwhile, or more is to be done. */
		crd->dirty = crd->dirty || crd->terminating;
		if (crd->dirty && (code == SP_OK || code == SP_ECONFLICT || code == SP_ENOTFOUND))
			sp_defer_call(c->server->world, &c->work);
	}
	custom_write_free(w);
}

custom_write *custom_write_new(api_customs *c, custom_crd *crd)
{
	custom_write *w = sp_try_alloc(sizeof *w);
	if (w == NULL)
		return NULL;
	w->owner = c;
	sp_list_init(&w->node);
	sp_arena_init(&w->arena, WRITE_BYTES);
	w->crd = sp_arena_try_dup(&w->arena, crd->name);
	w->txn = (sp_store_txn){.ops = w->ops, .done = on_written, .arg = w};
	if (w->crd.ptr != NULL)
		return w;
	custom_write_free(w);
	return NULL;
}

void custom_write_add(custom_write *w, sp_str resource, sp_str rest, uint64_t expected, sp_bytes *record)
{
	SP_ASSERT(w->txn.n_ops < CUSTOM_OPS_MAX);
	w->ops[w->txn.n_ops++] = (sp_store_op){.type = record == NULL ? SP_STORE_DELETE : SP_STORE_PUT,
					       .key = {resource, rest},
					       .expected = expected,
					       .record = record};
}

void custom_write_submit(custom_write *w)
{
	api_customs *c = w->owner;
	custom_crd *crd = sp_map_get(&c->by_name, w->crd);
	if (w->txn.n_ops == 0 || crd == NULL) {
		custom_write_free(w);
		return;
	}
	crd->writing = true;
	sp_list_push_back(&c->writes, &w->node);
	sp_store_write(c->store, &w->txn);
}

/* ---- a definition ---- */

typedef struct work {
	api_customs *c;
	custom_crd *crd;
	custom_write *w;
	sp_kind_ctx ctx;
	sp_violations errors;
	yyjson_mut_val *obj, *old;
	uint64_t revision;
	char now[SP_TIME_TEXT_BYTES];
	sp_str now_str;
} work;

static sp_code begin(work *k)
{
	sp_store_value value;
	int64_t wall = sp_wall_ns(k->c->server->world);
	k->w = custom_write_new(k->c, k->crd);
	yyjson_mut_doc *doc = k->w == NULL ? NULL : sp_json_doc(&k->w->arena);
	if (doc == NULL)
		return SP_ENOMEM;
	sp_violations_init(&k->errors, &k->w->arena);
	k->ctx = (sp_kind_ctx){.arena = &k->w->arena,
			       .doc = doc,
			       .kind = custom_crd_resource(k->c)->kind,
			       .errors = &k->errors,
			       .now = {wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)}};
	k->now_str = (sp_str){k->now, sp_time_print(k->now, k->ctx.now, 0)};
	SP_TRY(custom_load(k->c, k->crd->name, &k->w->arena, doc, &k->obj, &value, NULL));
	sp_bytes_unref(value.record);
	k->revision = value.revision;
	k->old = yyjson_mut_val_mut_copy(doc, k->obj);
	return k->old == NULL ? SP_ENOMEM : SP_OK;
}

/* The changed definition as an operation, its status owned by the server. */
static sp_code put(work *k)
{
	sp_bytes *record = NULL;
	const api_resource *res = custom_crd_resource(k->c);
	const sp_apply_request req = {.arena = k->ctx.arena,
				      .doc = k->ctx.doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .subresource = SP_STR("status"),
				      .now = k->now_str};
	SP_TRY(k->ctx.code);
	SP_TRY(sp_apply_track(&req, k->old, k->obj));
	SP_TRY(api_object_record(k->ctx.arena, res, k->ctx.doc, k->obj, k->c->server->marker_str, &record,
				 NULL));
	custom_write_add(k->w, res->prefix, k->w->crd, k->revision, record);
	return SP_OK;
}

/* ---- its end ---- */

bool custom_has_finalizer(yyjson_mut_val *obj)
{
	SP_KV_EACH (f, i, sp_kv_list(sp_meta(obj), "finalizers")) {
		if (sp_str_eq(sp_jmut_str(f), CRD_FINALIZER))
			return true;
	}
	return false;
}

static void drop_finalizer(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *kept = yyjson_mut_arr(c->doc);
	SP_KV_EACH (f, i, sp_kv_list(sp_meta(obj), "finalizers")) {
		if (!sp_str_eq(sp_jmut_str(f), CRD_FINALIZER))
			SP_KIND_NEED(c, sp_kv_append_str(c->doc, kept, sp_jmut_str(f)));
	}
	SP_KIND_NEED(c, sp_kv_set(c->doc, sp_meta(obj), "finalizers",
				  yyjson_mut_arr_size(kept) > 0 ? kept : NULL));
}

/* Nothing is left of it: the definition itself goes, or stays for the finalizers of others. */
static sp_code end_definition(work *k)
{
	k->crd->gone = true;
	k->c->epoch++;
	drop_finalizer(&k->ctx, k->obj);
	SP_TRY(k->ctx.code);
	if (sp_kv_list(sp_meta(k->obj), "finalizers") == NULL) {
		custom_write_add(k->w, custom_crd_resource(k->c)->prefix, k->w->crd, k->revision, NULL);
		return SP_OK;
	}
	bool was = k->crd->established;
	custom_set_condition(
		&k->ctx, k->obj, "Terminating", false, was ? "InstanceDeletionCompleted" : "NeverEstablished",
		was ? SP_STR("removed all instances") : SP_STR("resource was never established"));
	return put(k);
}

static bool is_in_progress(yyjson_mut_val *obj)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", "Terminating"))
			return sp_kv_is(cond, "reason", "InstanceDeletionInProgress");
	}
	return false;
}

static sp_code terminate(work *k)
{
	uint64_t n = 0;
	SP_TRY(sp_store_count(k->c->store, k->crd->prefix, SP_STR(""), &n, NULL));
	if (n == 0 || !k->crd->established)
		return end_definition(k);
	if (is_in_progress(k->obj))
		return custom_cleanup(k->c, k->crd);
	custom_set_condition(&k->ctx, k->obj, "Terminating", true, "InstanceDeletionInProgress",
			     SP_STR("CustomResource deletion is in progress"));
	return put(k);
}

void custom_control(api_customs *c, custom_crd *crd)
{
	work k = {.c = c, .crd = crd};
	crd->dirty = false;
	sp_code code = begin(&k);
	if (code == SP_OK && sp_kv_has(sp_meta(k.obj), "deletionTimestamp"))
		code = custom_has_finalizer(k.obj) ? terminate(&k) : SP_OK;
	else if (code == SP_OK && custom_settle_status(&k.ctx, c, crd, k.obj))
		code = put(&k);
	if (code != SP_OK)
		crd->dirty = code != SP_ENOTFOUND; /* the next change, or request, tries again */
	if (k.w != NULL && (code != SP_OK || k.w->txn.n_ops == 0))
		custom_write_free(k.w);
	else if (k.w != NULL)
		custom_write_submit(k.w);
}
