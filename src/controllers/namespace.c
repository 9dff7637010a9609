/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces that are to go: everything in them is deleted, pods first, and when nothing is left the
 * finalizer "kubernetes" is taken away. What is there is asked of the server each time (discovery), so that
 * custom resources count too. U: kubernetes pkg/controller/namespace.
 */
#include "base/log.h"
#include "client/discover.h"
#include "controllers/common.h"
#include "controllers/fan.h"
#include "controllers/table.h"
#include "kube/schema.h"

#define NS_PER_S UINT64_C(1000000000)
#define LOOK_AGAIN_NS (5 * NS_PER_S) /* what remains may have finalizers of others */
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define FINALIZERS_MAX 16u /* that a message names */
#define METADATA_ONLY "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

typedef struct ns_view {
	sp_str deleted;
	sp_vlist finalizers, conditions;
} ns_view;
SP_VIEW(ns_view_desc, ns_view, "v1/Namespace", SP_V(ns_view, deleted, "metadata.deletionTimestamp"),
	SP_V(ns_view, finalizers, "spec.finalizers"), SP_V(ns_view, conditions, "status.conditions"));

typedef struct pod_view {
	sp_str name;
} pod_view;
SP_VIEW(pod_view_desc, pod_view, "v1/Pod", SP_V(pod_view, name, "metadata.name"));

typedef struct ns_controller {
	controller base;
	sp_informer *namespaces, *pods;
	sp_informer_watch watch, pod_watch;
} ns_controller;

/* A resource, and what of it is left. */
typedef struct content {
	sp_gvr gvr;
	size_t n;
} content;

typedef struct finalizer {
	sp_str name;
	size_t n;
} finalizer;

typedef struct run {
	ns_controller *c;
	sp_job *job;
	const sp_object *object;
	ns_view view;
	sp_discover discover;
	content *contents;
	size_t n_contents, from, n_step; /* pods are a step of their own: contents[from …] */
	fan fan;
	size_t n_left;
	finalizer finalizers[FINALIZERS_MAX];
	size_t n_finalizers;
	sp_str undiscovered, failure;
	ctl_conditions conditions;
	sp_call call;
} run;

/* ---- events ---- */

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	ns_controller *c = arg;
	if (now != NULL)
		return;
	const sp_object *ns = sp_informer_get(c->namespaces, old->ns);
	sp_arena a;
	ns_view v;
	sp_arena_init(&a, (size_t)1 << 20);
	if (ns != NULL && sp_view(&a, ns->json, &ns_view_desc, &v, NULL) == SP_OK && v.deleted.len > 0)
		sp_queue_add(c->base.queue, ns->key);
	sp_arena_done(&a);
}

/* ---- the end ---- */

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && err != NULL && code != SP_ECONFLICT)
		sp_log(x->c->base.log, SP_LOG_WARN, "namespace: trying again", SP_KS("name", x->job->key),
		       SP_KE(err));
	if (code == SP_OK && (x->n_left > 0 || x->failure.len > 0))
		sp_job_again(x->job, LOOK_AGAIN_NS);
	else
		sp_job_done(x->job, code);
}

static void on_finalized(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err);
}

/* The object with its other finalizers, if any: /finalize takes a whole namespace. */
static void finalize(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Namespace"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), x->object->name);
	sp_jout_member_str(&j, SP_STR("uid"), x->object->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_open(&j, SP_STR("finalizers"), '[');
	SP_VLIST_FOREACH(v, x->view.finalizers)
	{
		if (!sp_str_eq(sp_json_str(v), SP_STR("kubernetes")))
			sp_jout_str(&j, sp_json_str(v));
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call = (sp_call){.done = on_finalized, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_UPDATE,
				.gvr = SP_NAMESPACES,
				.name = x->object->name,
				.subresource = SP_STR("finalize"),
				.body = sp_buf_view(&body)});
}

/* ---- conditions ---- */

static void set(run *x, const char *type, bool is, const char *reason, sp_str message)
{
	ctl_condition_set(&x->conditions,
			  &(ctl_condition){.type = sp_str_c(type),
					   .status = is ? SP_STR("True") : SP_STR("False"),
					   .reason = sp_str_c(reason),
					   .message = message,
					   .transition = ctl_now(x->c->base.world, x->job->arena)},
			  true);
}

static sp_str remaining_text(const run *x)
{
	sp_str text = SP_STR("Some resources are remaining: ");
	bool any = false;
	for (size_t i = 0; i < x->n_contents; i++) {
		const content *c = &x->contents[i];
		if (c->n == 0)
			continue;
		text = sp_arena_printf(
			x->job->arena, SP_FMT "%s" SP_FMT "." SP_FMT " has %zu resource instances",
			SP_ARG(text), any ? ", " : "", SP_ARG(c->gvr.resource), SP_ARG(c->gvr.group), c->n);
		any = true;
	}
	return text;
}

static sp_str finalizers_text(const run *x)
{
	sp_str text = SP_STR("Some content in the namespace has finalizers remaining: ");
	for (size_t i = 0; i < x->n_finalizers; i++)
		text = sp_arena_printf(x->job->arena, SP_FMT "%s" SP_FMT " in %zu resource instances",
				       SP_ARG(text), i > 0 ? ", " : "", SP_ARG(x->finalizers[i].name),
				       x->finalizers[i].n);
	return text;
}

static void set_conditions(run *x)
{
	bool unknown = x->undiscovered.len > 0, failed = x->failure.len > 0;
	set(x, "NamespaceDeletionDiscoveryFailure", unknown,
	    unknown ? "DiscoveryFailed" : "ResourcesDiscovered",
	    unknown ? sp_arena_printf(x->job->arena,
				      "Discovery failed for some groups, 1 failing: unable to retrieve the "
				      "complete list of server APIs: " SP_FMT,
				      SP_ARG(x->undiscovered))
		    : SP_STR("All resources successfully discovered"));
	set(x, "NamespaceDeletionGroupVersionParsingFailure", false, "ParsedGroupVersions",
	    SP_STR("All legacy kube types successfully parsed"));
	set(x, "NamespaceDeletionContentFailure", failed, failed ? "ContentDeletionFailed" : "ContentDeleted",
	    failed ? sp_arena_printf(x->job->arena,
				     "Failed to delete all resource types, 1 remaining: " SP_FMT,
				     SP_ARG(x->failure))
		   : SP_STR("All content successfully deleted, may be waiting on finalization"));
	set(x, "NamespaceContentRemaining", x->n_left > 0,
	    x->n_left > 0 ? "SomeResourcesRemain" : "ContentRemoved",
	    x->n_left > 0 ? remaining_text(x) : SP_STR("All content successfully removed"));
	set(x, "NamespaceFinalizersRemaining", x->n_finalizers > 0,
	    x->n_finalizers > 0 ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
	    x->n_finalizers > 0 ? finalizers_text(x) : SP_STR("All content-preserving finalizers finished"));
}

static void decide(run *x)
{
	if (x->n_left == 0 && x->failure.len == 0 && x->undiscovered.len == 0)
		finalize(x);
	else
		end(x, SP_OK, NULL);
}

static void on_status(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND)
		end(x, a->code, a->err);
	else
		decide(x);
}

static void write_status(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	ctl_conditions_read(x->view.conditions, &x->conditions);
	set_conditions(x);
	if (!x->conditions.changed) {
		decide(x);
		return;
	}
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), x->object->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("status"), '{');
	ctl_conditions_write(&j, &x->conditions);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_NAMESPACES,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

/* ---- content ---- */

static void delete_step(run *x);

static void count_finalizers(run *x, yyjson_val *item)
{
	yyjson_val *list = sp_json_last(sp_json_last(item, SP_STR("metadata")), SP_STR("finalizers")), *v;
	size_t i, n;
	yyjson_arr_foreach(list, i, n, v)
	{
		size_t k = 0;
		while (k < x->n_finalizers && !sp_str_eq(x->finalizers[k].name, sp_json_str(v)))
			k++;
		if (k == FINALIZERS_MAX)
			continue;
		if (k == x->n_finalizers) {
			x->finalizers[k].name = sp_arena_try_dup(x->job->arena, sp_json_str(v));
			x->n_finalizers++;
		}
		x->finalizers[k].n++;
	}
}

static sp_code ask_list(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	(void)err;
	q->verb = SP_ASK_LIST;
	q->gvr = x->contents[x->from + i].gvr;
	q->ns = x->object->name;
	q->accept = SP_STR(METADATA_ONLY ",application/json");
	q->answer_bytes = ANSWER_BYTES_MAX;
	return SP_OK;
}

/* Gone while we asked, or a kind that can't be listed: nothing is known to be there. */
static bool is_none(const sp_answer *a)
{
	return a->code == SP_ENOTFOUND || a->code == SP_EUNSUPPORTED;
}

static void note_failure(run *x, const sp_answer *a)
{
	if (x->failure.len == 0)
		x->failure = sp_arena_try_dup(x->job->arena, a->message);
}

static sp_code on_listed(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	yyjson_val *root, *item;
	sp_arena scratch;
	size_t k, n;
	if (is_none(a))
		return SP_OK;
	sp_arena_init(&scratch, 8 * ANSWER_BYTES_MAX);
	sp_code code = a->code;
	if (code == SP_OK)
		code = sp_json_parse(&scratch, a->body, &root, NULL);
	if (code == SP_OK) {
		yyjson_val *items = sp_json_last(root, SP_STR("items"));
		x->contents[x->from + i].n = yyjson_arr_size(items);
		x->n_left += yyjson_arr_size(items);
		yyjson_arr_foreach(items, k, n, item) count_finalizers(x, item);
	} else {
		note_failure(x, a);
	}
	sp_arena_done(&scratch);
	return SP_OK;
}

static void on_all_listed(fan *f)
{
	run *x = f->arg;
	x->from += x->n_step;
	if (x->n_left > 0 || x->failure.len > 0 || x->from == x->n_contents) {
		write_status(x); /* pods first: the rest waits for them */
		return;
	}
	x->n_step = x->n_contents - x->from;
	delete_step(x);
}

static sp_code ask_delete(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	(void)err;
	const content *c = &x->contents[x->from + i];
	q->verb = SP_ASK_DELETE_ALL;
	q->gvr = c->gvr;
	q->ns = x->object->name;
	q->body = SP_STR(
		"{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"Background\"}");
	return SP_OK;
}

static sp_code on_deleted(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	(void)i;
	if (a->code != SP_OK && !is_none(a))
		note_failure(x, a);
	return SP_OK; /* the others are deleted all the same */
}

static void on_all_deleted(fan *f)
{
	run *x = f->arg;
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_step,
		       .ask = ask_list,
		       .each = on_listed,
		       .done = on_all_listed,
		       .arg = x};
	fan_start(&x->fan);
}

static void delete_step(run *x)
{
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_step,
		       .ask = ask_delete,
		       .each = on_deleted,
		       .done = on_all_deleted,
		       .arg = x};
	fan_start(&x->fan);
}

static bool is_wanted(const sp_api_resource *r)
{
	uint32_t verbs = SP_VERB_DELETECOLLECTION | SP_VERB_LIST;
	return r->namespaced && r->preferred && (r->verbs & verbs) == verbs;
}

static bool is_pods(const sp_api_resource *r)
{
	return r->gvr.group.len == 0 && sp_str_eq(r->gvr.resource, SP_STR("pods"));
}

static bool add(run *x, const sp_api_resource *r)
{
	sp_arena *a = x->job->arena;
	content *c = &x->contents[x->n_contents++];
	c->gvr = (sp_gvr){sp_arena_try_dup(a, r->gvr.group), sp_arena_try_dup(a, r->gvr.version),
			  sp_arena_try_dup(a, r->gvr.resource)};
	return c->gvr.resource.ptr != NULL && c->gvr.version.ptr != NULL &&
	       (r->gvr.group.len == 0 || c->gvr.group.ptr != NULL);
}

static void on_discovered(sp_discover *d, const sp_discovery *found, const sp_err *err)
{
	run *x = d->arg;
	if (err != NULL) {
		end(x, err->code, err);
		return;
	}
	x->contents = sp_try_new(x->job->arena, content, found->n + 1);
	bool ok = x->contents != NULL;
	for (size_t i = 0; i < found->n && ok; i++) {
		if (is_pods(&found->items[i]))
			ok = add(x, &found->items[i]);
	}
	x->n_step = ok ? x->n_contents : 0;
	for (size_t i = 0; i < found->n && ok; i++) {
		if (is_wanted(&found->items[i]) && !is_pods(&found->items[i]))
			ok = add(x, &found->items[i]);
	}
	if (found->partial)
		x->undiscovered = sp_arena_try_dup(x->job->arena, found->failed);
	if (ok)
		delete_step(x);
	else
		end(x, SP_ETOOLARGE, NULL);
}

/* ---- a sync ---- */

static bool has_ours(sp_vlist finalizers)
{
	SP_VLIST_FOREACH(v, finalizers)
	{
		if (sp_str_eq(sp_json_str(v), SP_STR("kubernetes")))
			return true;
	}
	return false;
}

static void sync_namespace(controller *base, sp_job *job)
{
	ns_controller *c = SP_CONTAINER_OF(base, ns_controller, base);
	const sp_object *o = sp_informer_get(c->namespaces, job->key);
	run *x = sp_new(job->arena, run, 1);
	if (o == NULL || sp_view(job->arena, o->json, &ns_view_desc, &x->view, NULL) != SP_OK ||
	    x->view.deleted.len == 0 || !has_ours(x->view.finalizers)) {
		sp_job_done(job, SP_OK);
		return;
	}
	x->c = c;
	x->job = job;
	x->object = ctl_hold(job->arena, o);
	if (x->object == NULL) {
		sp_job_done(job, SP_ENOMEM);
		return;
	}
	x->discover = (sp_discover){.done = on_discovered, .arg = x};
	sp_discover_start(base->client, &x->discover);
}

static sp_code open_namespaces(controller *base, sp_err *err)
{
	ns_controller *c = SP_CONTAINER_OF(base, ns_controller, base);
	SP_TRY(controller_follow(base, SP_NAMESPACES, &ns_view_desc, &c->namespaces, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_view_desc, &c->pods, err));
	controller_watch(c->namespaces, &c->watch, controller_enqueue, base);
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	return SP_OK;
}

const controller_type controller_namespace = {.name = "namespace-controller",
					      .size_bytes = sizeof(ns_controller),
					      .n_workers = 10,
					      .open = open_namespaces,
					      .sync = sync_namespace};
