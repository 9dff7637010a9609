/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "controllers/quota_int.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define RESYNC_NS (300 * NS_PER_S) /* --resource-quota-sync-period */
#define SETTLE_NS (5 * NS_PER_S)   /* after a change of the status */
#define BODY_BYTES_MAX ((size_t)4 << 20)

typedef struct quota_view {
	sp_vmap hard, status_hard, used;
	sp_vlist scopes;
	yyjson_val *selector;
} quota_view;
SP_VIEW(quota_desc, quota_view, "v1/ResourceQuota", SP_V(quota_view, hard, "spec.hard"),
	SP_V(quota_view, status_hard, "status.hard"), SP_V(quota_view, used, "status.used"),
	SP_V(quota_view, scopes, "spec.scopes"), SP_V(quota_view, selector, "spec.scopeSelector"));

typedef struct run {
	quotas *q;
	sp_job *job;
	const sp_object *object;
	yyjson_mut_val *quota, *hard; /* the tree, its spec.hard */
	sp_amounts sum;
	bool is_partial; /* some kind's objects are not known yet */
	sp_call call;
} run;

/* ---- counting ---- */

/* What one object takes of what the quota limits. */
static void add_object(run *x, const quota_kind *k, const sp_quota_ctx *ctx, yyjson_mut_val *obj)
{
	sp_amounts usage;
	sp_amounts_init(&usage, ctx->arena);
	k->evaluator->usage(ctx, obj, &usage);
	x->sum.failed = x->sum.failed || usage.failed;
	for (size_t i = 0; i < usage.n; i++) {
		if (sp_amounts_get(&x->sum, usage.items[i].name) != NULL)
			sp_amounts_add(&x->sum, usage.items[i].name, &usage.items[i].qty);
	}
}

/* Every name that is about the kind is known from here on, at nothing. */
static void begin_names(run *x, const quota_kind *k, const sp_quota_ctx *ctx)
{
	const sp_qty none = {0};
	SP_KV_EACH_MEMBER (name, limit, i, x->hard) {
		(void)limit;
		if (k->evaluator->counts(ctx, sp_jmut_str(name)))
			sp_amounts_set(&x->sum, sp_jmut_str(name), &none);
	}
}

static sp_code count_kind(run *x, const quota_kind *k, sp_err *err)
{
	const sp_object *o;
	sp_code code = SP_OK;
	sp_quota_ctx ctx = {x->job->arena, k->gr, ctl_now_s(x->q->base.world)};
	if (!quota_kind_is_limited(k, &ctx, x->hard))
		return SP_OK;
	if (k->informer == NULL)
		return SP_OK; /* served by nobody yet; the quota is looked at when it is */
	if (!sp_informer_is_synced(k->informer)) {
		x->is_partial = true;
		return SP_OK;
	}
	begin_names(x, k, &ctx);
	sp_arena a; /* of one object */
	sp_arena_init(&a, (size_t)64 << 20);
	ctx.arena = &a;
	sp_index_at at = sp_informer_find(k->informer, k->by_namespace, x->object->ns);
	while (code == SP_OK && (o = sp_index_next(&at)) != NULL) {
		yyjson_mut_val *obj = quota_parse(&a, o);
		if (obj == NULL)
			code = sp_fail(err, SP_ENOMEM, "no memory for an object");
		else if (sp_quota_scopes_match(&ctx, x->quota, obj))
			add_object(x, k, &ctx, obj);
		sp_arena_reset(&a);
	}
	sp_arena_done(&a);
	return code;
}

static sp_code count(run *x, sp_err *err)
{
	sp_amounts_init(&x->sum, x->job->arena);
	for (size_t i = 0; i < x->q->n_kinds; i++)
		SP_TRY(count_kind(x, x->q->kinds[i], err));
	if (x->sum.failed)
		return sp_fail(err, SP_ETOOLARGE, "no room for what is used");
	return SP_OK;
}

/* ---- the status ---- */

/* What is used of each limit: as counted, or, of what is not known, as it was. Amounts that did not change
 * keep their text. */
static yyjson_mut_val *used_now(const run *x, yyjson_mut_doc *doc, yyjson_mut_val *was)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	SP_KV_EACH_MEMBER (key, limit, i, x->hard) {
		sp_str name = sp_jmut_str(key);
		const sp_qty *now = sp_amounts_get(&x->sum, name);
		yyjson_mut_val *old = sp_jmut_get(was, name);
		sp_qty before = sp_kv_qty(old);
		sp_str text = sp_jmut_str(old);
		(void)limit;
		if (now != NULL && (old == NULL || sp_qty_cmp(now, &before) != 0))
			text = sp_qty_print(x->job->arena, *now);
		if (text.len > 0 && (out == NULL || !sp_jmut_set_str(doc, out, name, text)))
			return NULL;
	}
	return out;
}

static void finish(const run *x)
{
	if (x->is_partial)
		sp_job_done(x->job, SP_EUNAVAILABLE);
	else
		sp_job_again(x->job, RESYNC_NS);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	if (a->code == SP_OK || a->code == SP_ENOTFOUND)
		finish(x);
	else
		sp_job_done(x->job, a->code);
}

static sp_code write_status(run *x, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	yyjson_mut_val *was = sp_kv_get(x->quota, "status"), *now = doc == NULL ? NULL : yyjson_mut_obj(doc);
	yyjson_mut_val *used = doc == NULL ? NULL : used_now(x, doc, sp_kv_get(was, "used"));
	yyjson_mut_val *hard = doc == NULL       ? NULL
			       : x->hard != NULL ? yyjson_mut_val_mut_copy(doc, x->hard)
						 : yyjson_mut_obj(doc);
	bool changed;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (now == NULL || used == NULL || hard == NULL || !sp_jmut_set(doc, now, SP_STR("hard"), hard) ||
	    !sp_jmut_set(doc, now, SP_STR("used"), used))
		return sp_fail(err, SP_ETOOLARGE, "no room for a status");
	SP_TRY(sp_patch_member(&body, x->job->arena, "status", was, now, x->object, &changed, err));
	if (!changed) {
		finish(x);
		return SP_OK;
	}
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->q->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_RESOURCEQUOTAS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
	return SP_OK;
}

/* ---- a sync ---- */

static sp_code look(run *x, sp_err *err)
{
	x->quota = x->object == NULL ? NULL : quota_parse(x->job->arena, x->object);
	if (x->quota == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a quota");
	x->hard = sp_kv_map(sp_kv_get(x->quota, "spec"), "hard");
	SP_TRY(quota_kinds_need(x->q, x->hard, err));
	SP_TRY(count(x, err));
	return write_status(x, err);
}

static void sync_quota(controller *c, sp_job *job)
{
	quotas *q = SP_CONTAINER_OF(c, quotas, base);
	const sp_object *o = sp_informer_get(q->all, job->key);
	sp_err err = {0};
	sp_code code;
	if (o == NULL) {
		sp_job_done(job, q->has_less ? quota_kinds_need(q, NULL, NULL) : SP_OK);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.q = q, .job = job, .object = ctl_hold(job->arena, o)};
	code = look(x, &err);
	if (code == SP_OK)
		return;
	sp_log(c->log, SP_LOG_WARN, "quota: trying again", SP_KS("key", job->key), SP_KE(&err));
	sp_job_done(job, code);
}

/* ---- events ---- */

void quota_wake_all(quotas *q)
{
	const sp_object *o;
	for (size_t at = 0; (o = sp_informer_next(q->all, &at)) != NULL;)
		sp_queue_add(q->base.queue, o->key);
}

static bool is_same(sp_vmap a, sp_vmap b)
{
	return a.object == NULL || b.object == NULL ? a.object == b.object
						    : yyjson_equals(a.object, b.object);
}

/*
 * Changes of a status are ours, or come from who admits. They are looked at a little later, many together: a
 * count that was compared with an older status may have found nothing to write.
 */
static void compare(const sp_object *old, const sp_object *now, bool *ret_limits, bool *ret_used)
{
	quota_view was, is;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	bool ok = sp_view(&a, old->json, &quota_desc, &was, NULL) == SP_OK &&
		  sp_view(&a, now->json, &quota_desc, &is, NULL) == SP_OK;
	*ret_limits = !ok || !is_same(was.hard, is.hard);
	*ret_used = !ok || !is_same(was.used, is.used);
	sp_arena_done(&a);
}

static void on_quota(void *arg, const sp_object *old, const sp_object *now)
{
	quotas *q = arg;
	bool limits = true, used = false;
	if (old != NULL && now != NULL)
		compare(old, now, &limits, &used);
	q->has_less = q->has_less || (limits && old != NULL);
	if (limits)
		controller_enqueue(&q->base, old, now);
	else if (used)
		sp_queue_add_after(q->base.queue, now->key, SETTLE_NS);
}

/* ---- life ---- */

static sp_code open_quotas(controller *c, sp_err *err)
{
	quotas *q = SP_CONTAINER_OF(c, quotas, base);
	SP_TRY(controller_follow(c, SP_RESOURCEQUOTAS, &quota_desc, &q->all, err));
	SP_TRY(sp_informer_index(q->all, sp_index_by_namespace, NULL, &q->by_namespace, err));
	controller_watch(q->all, &q->watch, on_quota, q);
	return quota_kinds_open(q, err);
}

static void done(controller *c)
{
	quota_kinds_done(SP_CONTAINER_OF(c, quotas, base));
}

const controller_type controller_resource_quota = {.name = "resourcequota-controller",
						   .size_bytes = sizeof(quotas),
						   .open = open_quotas,
						   .sync = sync_quota,
						   .done = done};
