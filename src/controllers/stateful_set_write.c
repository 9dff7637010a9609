/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/log.h"
#include "controllers/pod_template.h"
#include "controllers/stateful_set_int.h"
#include "kube/kinds/values.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)4 << 20)

void sts_end(sts_run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && code != SP_EEXISTS && err != NULL)
		sp_log(x->c->base.log, SP_LOG_WARN, "stateful set: trying again", SP_KS("key", x->job->key),
		       SP_KE(err));
	sp_job_done(x->job, code);
}

/* `pvc` empty: of the pod; `failure.ptr` NULL: it went well. */
void sts_event(sts_run *x, const char *verb, const sts_slot *s, sp_str pvc, sp_str failure)
{
	sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "StatefulSet");
	bool failed = failure.ptr != NULL;
	char reason[32];
	sp_arena *a = x->job->arena;
	sp_str what = pvc.len == 0 ? SP_CONCAT(a, SP_STR("Pod "), s->name)
				   : SP_CONCAT(a, SP_STR("Claim "), pvc,
					       failed ? SP_STR(" for Pod ") : SP_STR(" Pod "), s->name);
	(void)snprintf(reason, sizeof reason, "%s%s", failed ? "Failed" : "Successful", verb);
	if (failed)
		sp_events_emitf(x->c->base.events, &ref, true, reason,
				"%s " SP_FMT " in StatefulSet " SP_FMT " failed error: " SP_FMT, verb,
				SP_ARG(what), SP_ARG(x->object->name), SP_ARG(failure));
	else
		sp_events_emitf(x->c->base.events, &ref, false, reason,
				"%s " SP_FMT " in StatefulSet " SP_FMT " %s", verb, SP_ARG(what),
				SP_ARG(x->object->name), pvc.len == 0 ? "successful" : "success");
}

/* ---- the pod ---- */

static bool is_claimed(const sts_run *x, sp_str volume)
{
	SP_VLIST_FOREACH(t, x->view.claims)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(sp_json_last(t, SP_STR("metadata")), SP_STR("name"))),
			      volume))
			return true;
	}
	return false;
}

/* The volume of a claim. */
static bool add_volume(const sts_run *x, yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_val *template_,
		       const sts_slot *s)
{
	sp_str name = sp_json_str(sp_json_last(sp_json_last(template_, SP_STR("metadata")), SP_STR("name")));
	sp_str pvc = sts_claim_name(x, template_, s);
	yyjson_mut_val *v = yyjson_mut_obj(doc);
	yyjson_mut_val *from = v == NULL ? NULL : sp_kv_need_obj(doc, v, "persistentVolumeClaim");
	return from != NULL && sp_kv_set_str(doc, v, "name", name) &&
	       sp_kv_set_str(doc, from, "claimName", pvc) && yyjson_mut_arr_append(list, v);
}

static bool set_volumes(const sts_run *x, yyjson_mut_doc *doc, yyjson_mut_val *spec, const sts_slot *s)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc), *v, *old = sp_kv_get(spec, "volumes");
	yyjson_mut_arr_iter it;
	bool ok = list != NULL;
	if (x->view.claims.n == 0)
		return true;
	SP_VLIST_FOREACH(t, x->view.claims)
	{
		ok = ok && add_volume(x, doc, list, t, s);
	}
	if (old != NULL && yyjson_mut_arr_iter_init(old, &it)) {
		while (ok && (v = yyjson_mut_arr_iter_next(&it)) != NULL) {
			if (is_claimed(x, sp_kv_str(v, "name")))
				continue;
			yyjson_mut_val *copy = yyjson_mut_val_mut_copy(doc, v);
			ok = copy != NULL && yyjson_mut_arr_append(list, copy);
		}
	}
	return ok && sp_kv_set(doc, spec, "volumes", list);
}

static sp_code spec_of(sts_run *x, yyjson_val *template_, const sts_slot *s, sp_str *ret, sp_err *err)
{
	yyjson_mut_val *spec;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	SP_TRY(sp_json_thaw(x->job->arena, sp_json_last(template_, SP_STR("spec")), &spec, err));
	bool ok = sp_kv_set_str(doc, spec, "hostname", s->name) && set_volumes(x, doc, spec, s);
	if (x->view.service.len > 0)
		ok = ok && sp_kv_set_str(doc, spec, "subdomain", x->view.service);
	else
		sp_kv_drop(spec, "subdomain");
	if (!ok || sp_json_write_mut(&out, spec) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	*ret = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a pod");
}

sp_code sts_pod_body(sts_run *x, const sts_slot *s, sp_str *ret, sp_err *err)
{
	sp_arena *a = x->job->arena;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	pod_template t = {.template_ = s->is_current ? ctl_revision_template(x->current) : x->view.template_,
			  .name = s->name,
			  .generate_name = SP_CONCAT(a, x->object->name, SP_STR("-")),
			  .owner = x->object,
			  .owner_api_version = "apps/v1",
			  .owner_kind = "StatefulSet",
			  .labels = sp_arena_printf(a,
						    "\"" STS_POD_NAME "\":\"" SP_FMT "\",\"" STS_POD_INDEX
						    "\":\"%lld\",\"" CTL_REVISION_HASH "\":\"" SP_FMT "\"",
						    SP_ARG(s->name), (long long)s->ordinal,
						    SP_ARG(s->revision))};
	SP_TRY(spec_of(x, t.template_, s, &t.spec, err));
	(void)pod_template_write(&out, &t);
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	if (t.labels.ptr == NULL || sp_buf_code(&out) != SP_OK || ret->ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	return SP_OK;
}

/* ---- the status, and what is left of history ---- */

static void on_trimmed(history *h)
{
	sts_run *x = h->arg;
	if (x->code == SP_OK && h->code != SP_OK) {
		x->code = h->code;
		x->err = h->err;
	}
	sts_end(x, x->code, &x->err);
}

static bool has_pods(const sts_run *x, const ctl_revision *r)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (sp_str_eq(sp_vmap_str(x->pods[i].labels, SP_STR(CTL_REVISION_HASH)), r->name))
			return true;
	}
	return false;
}

static void trim(sts_run *x)
{
	history *h = &x->history;
	int64_t n_old = 0;
	if (x->current == NULL) {
		sts_end(x, x->code, &x->err);
		return;
	}
	for (size_t i = 0; i < h->n; i++) {
		ctl_revision *r = &h->all[i];
		r->is_live = r == h->now || r == x->current || has_pods(x, r);
		n_old += !r->is_live;
	}
	int64_t limit = x->view.has_history ? x->view.history : 10;
	h->done = on_trimmed;
	history_trim(h, limit < 0 ? 0 : n_old - limit);
}

static void on_status(sp_call *c, const sp_answer *a)
{
	sts_run *x = c->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND && x->code == SP_OK) {
		x->code = a->code;
		x->err = *a->err;
	}
	trim(x);
}

static sp_str update_name(const sts_run *x)
{
	return x->current == NULL ? x->view.update : x->history.now->name;
}

static bool is_as_written(const sts_run *x)
{
	const sts_view *v = &x->view;
	const sts_counts *c = &x->counts;
	return v->observed >= v->generation && c->n == v->n && c->n_ready == v->n_ready &&
	       c->n_current == v->n_current && c->n_updated == v->n_updated &&
	       c->n_available == v->n_available && sp_str_eq(c->current, v->current) &&
	       sp_str_eq(update_name(x), v->update);
}

static void write_status(sts_run *x)
{
	const sts_counts *c = &x->counts;
	SP_AUTO_BUF body;
	sp_buf_init(&body, 65536);
	if (c->wait_s > 0)
		sp_queue_add_after(x->c->base.queue, x->job->key, (uint64_t)c->wait_s * NS_PER_S);
	if (is_as_written(x)) {
		trim(x);
		return;
	}
	sp_jout jout = sp_jout_to(&body), *j = &jout;
	ctl_status_open(j, x->object);
	sp_jout_member_i64(j, SP_STR("observedGeneration"), x->view.generation);
	sp_jout_member_i64(j, SP_STR("replicas"), c->n);
	sp_jout_member_i64(j, SP_STR("readyReplicas"), c->n_ready);
	sp_jout_member_i64(j, SP_STR("currentReplicas"), c->n_current);
	sp_jout_member_i64(j, SP_STR("updatedReplicas"), c->n_updated);
	sp_jout_member_i64(j, SP_STR("availableReplicas"), c->n_available);
	sp_jout_member_str(j, SP_STR("currentRevision"), c->current);
	sp_jout_member_str(j, SP_STR("updateRevision"), update_name(x));
	sp_jout_member_i64(j, SP_STR("collisionCount"), x->history.collisions);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_STATEFULSETS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

/* ---- pods ---- */

static const char *const verbs[] = {
	[STS_KEEP] = "", [STS_CREATE] = "Create", [STS_DELETE] = "Delete", [STS_FIX] = "Update"};

static sp_code ask_pod(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	sts_run *x = f->arg;
	const sts_slot *s = x->pod_writes[i];
	if (s->act == STS_DELETE)
		return ctl_deletion(x->job->arena, SP_PODS, s->pod->object, NULL, q, err);
	q->gvr = SP_PODS;
	q->ns = x->object->ns;
	if (s->act == STS_CREATE) {
		q->verb = SP_ASK_CREATE;
		return sts_pod_body(x, s, &q->body, err);
	}
	q->name = s->name;
	q->verb = SP_ASK_MERGE_PATCH;
	q->body = sp_arena_printf(x->job->arena,
				  "{\"metadata\":{\"uid\":\"" SP_FMT "\",\"labels\":{\"" STS_POD_NAME
				  "\":\"" SP_FMT "\",\"" STS_POD_INDEX "\":\"%lld\"}}}",
				  SP_ARG(s->pod->object->uid), SP_ARG(s->name), (long long)s->ordinal);
	return SP_OK;
}

static sp_code on_pod(fan *f, size_t i, const sp_answer *a)
{
	sts_run *x = f->arg;
	sts_slot *s = x->pod_writes[i];
	bool ok = a->code == SP_OK || (s->act == STS_DELETE && ctl_is_deleted(a));
	if (a->code != SP_OK && s->act == STS_CREATE)
		sp_expect_created(&x->c->owned.expect, x->job->key); /* nothing will be seen of it */
	if (a->code != SP_OK && s->act == STS_DELETE)
		sp_expect_deleted(&x->c->owned.expect, x->job->key, s->pod->object->uid);
	if (s->act != STS_CREATE || a->code != SP_EEXISTS)
		sts_event(x, verbs[s->act], s, SP_STR(""), ok ? (sp_str){NULL, 0} : a->message);
	return ok ? SP_OK : a->code;
}

/* What was never asked for is not waited for either. */
static void expect_no_more(sts_run *x, size_t from)
{
	for (size_t i = from; i < x->n_pod_writes; i++) {
		const sts_slot *s = x->pod_writes[i];
		if (s->act == STS_CREATE)
			sp_expect_created(&x->c->owned.expect, x->job->key);
		else if (s->act == STS_DELETE)
			sp_expect_deleted(&x->c->owned.expect, x->job->key, s->pod->object->uid);
	}
}

static void on_all_pods(fan *f)
{
	sts_run *x = f->arg;
	expect_no_more(x, f->n - f->n_skipped);
	if (x->code == SP_OK && f->code != SP_OK) {
		x->code = f->code;
		x->err = f->err;
	}
	write_status(x);
}

static sp_code list_pods(sts_run *x, sp_err *err)
{
	size_t n = x->n_slots + x->n_condemned, n_doomed = 0;
	uint32_t n_new = 0;
	x->pod_writes = sp_try_new(x->job->arena, sts_slot *, n + 1);
	sp_str *uids = sp_try_new(x->job->arena, sp_str, n + 1);
	if (x->pod_writes == NULL || uids == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n);
	for (size_t i = 0; i < n; i++) {
		sts_slot *s = &x->slots[i];
		if (s->act == STS_KEEP || s->failed)
			continue;
		x->pod_writes[x->n_pod_writes++] = s;
		n_new += s->act == STS_CREATE;
		if (s->act == STS_DELETE)
			uids[n_doomed++] = s->pod->object->uid;
	}
	if (n_new + n_doomed > 0 &&
	    sp_expect_set(&x->c->owned.expect, x->job->key, n_new, uids, n_doomed) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	return SP_OK;
}

static void write_pods(sts_run *x)
{
	sp_err err = {0};
	sp_code code = list_pods(x, &err);
	if (code != SP_OK) {
		sts_end(x, code, &err);
		return;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_pod_writes,
		       .first = 1,
		       .ask = ask_pod,
		       .each = on_pod,
		       .done = on_all_pods,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- claims, then the rest ---- */

static void on_all_claims(fan *f)
{
	sts_run *x = f->arg;
	bool parallel = sp_str_eq(x->view.policy, SP_STR("Parallel"));
	if (x->code == SP_OK && f->code != SP_OK) {
		x->code = f->code;
		x->err = f->err;
	}
	if (x->code != SP_OK && !parallel)
		write_status(x); /* in order: nothing goes on behind a failure */
	else
		write_pods(x);
}

void sts_write(sts_run *x)
{
	sp_err err = {0};
	sp_code code = sts_list_claim_writes(x, &err);
	if (code != SP_OK) {
		sts_end(x, code, &err);
		return;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_claim_writes,
		       .ask = sts_ask_claim,
		       .each = sts_on_claim,
		       .done = on_all_claims,
		       .arg = x};
	fan_start(&x->fan);
}
