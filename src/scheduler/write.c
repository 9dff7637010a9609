/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler writes: bindings, conditions of pods that were not placed, evictions, events. */
#include "base/alloc.h"
#include "base/json_out.h"
#include "base/log.h"
#include "scheduler/live_int.h"

#define AGAIN_NS UINT64_C(1000000000) /* after a binding that nobody answered */

typedef enum write_kind { WRITE_BINDING, WRITE_STATUS, WRITE_VICTIM_STATUS, WRITE_DELETE } write_kind;

typedef struct live_write {
	sp_call call;
	sp_list node;
	scheduler *s;
	write_kind kind;
	sp_str key, ns, name, uid, target;
	struct sched_history history; /* of a binding */
	sp_timer again;               /* the same: when nobody answered */
	bool is_again;
	char text[];
} live_write;

/* ---- life of a write ---- */

static sp_str pack(char **at, sp_str text)
{
	sp_str copy = {*at, text.len};
	if (text.len > 0)
		memcpy(*at, text.ptr, text.len);
	*at += text.len;
	return copy;
}

static void write_free(live_write *w)
{
	sp_list_remove(&w->node);
	w->s->n_writes--;
	w->s->n_binding -= w->kind == WRITE_BINDING;
	sp_timer_stop(w->s->world, &w->again);
	sp_free(w);
}

void live_cancel_writes(scheduler *s)
{
	SP_LIST_FOREACH (node, &s->writes) {
		live_write *w = SP_CONTAINER_OF(node, live_write, node);
		sp_call_cancel(&w->call);
		write_free(w);
	}
}

/* NULL: no memory, or too many under way. */
static live_write *write_new(scheduler *s, write_kind kind, const sched_pod *pod, sp_str target,
			     void (*done)(sp_call *c, const sp_answer *a))
{
	if (kind != WRITE_BINDING && s->n_writes >= LIVE_WRITES)
		return NULL;
	live_write *w = sp_try_alloc(sizeof *w + pod->key.len + pod->uid.len + target.len);
	if (w == NULL)
		return NULL;
	char *at = w->text;
	w->s = s;
	w->kind = kind;
	w->key = pack(&at, pod->key);
	w->ns = sp_str_sub(w->key, 0, pod->ns.len);
	w->name = sp_str_sub(w->key, pod->ns.len + 1, w->key.len);
	w->uid = pack(&at, pod->uid);
	w->target = pack(&at, target);
	w->history = pod->history;
	w->call.done = done;
	w->call.arg = w;
	w->again = (sp_timer){.arg = w};
	w->is_again = false;
	sp_list_push_back(&s->writes, &w->node);
	s->n_writes++;
	s->n_binding += kind == WRITE_BINDING;
	return w;
}

/* ---- events ---- */

void live_event(scheduler *s, const sched_pod *pod, bool is_warning, const char *reason, const char *action,
		sp_str text)
{
	live_profile *p = live_profile_of(s, pod);
	if (p == NULL)
		return;
	const sp_event e = {.about = {.api_version = SP_STR("v1"),
				      .kind = SP_STR("Pod"),
				      .ns = pod->ns,
				      .name = pod->name,
				      .uid = pod->uid},
			    .is_warning = is_warning,
			    .reason = sp_str_c(reason),
			    .action = sp_str_c(action),
			    .message = text};
	sp_events_emit(p->events, &e);
}

static void preempted_event(scheduler *s, const sched_pod *victim, const sched_pod *by, sp_str node)
{
	live_profile *p = live_profile_of(s, by);
	if (p == NULL)
		return;
	const sp_event_ref related = {.api_version = SP_STR("v1"),
				      .kind = SP_STR("Pod"),
				      .ns = by->ns,
				      .name = by->name,
				      .uid = by->uid};
	sp_str text = sp_arena_printf(&s->scratch, "Preempted by pod " SP_FMT " on node " SP_FMT,
				      SP_ARG(by->uid), SP_ARG(node));
	const sp_event e = {.about = {.api_version = SP_STR("v1"),
				      .kind = SP_STR("Pod"),
				      .ns = victim->ns,
				      .name = victim->name,
				      .uid = victim->uid},
			    .related = &related,
			    .reason = SP_STR("Preempted"),
			    .action = SP_STR("Preempting"),
			    .message = text};
	sp_events_emit(p->events, &e);
}

/* ---- binding ---- */

/* The pod as it was decided, unless it is another one by now. */
static sched_pod *same_pod(const live_write *w)
{
	sched_pod *pod = sched_find_pod(w->s->st, w->key);
	return pod != NULL && sp_str_eq(pod->uid, w->uid) ? pod : NULL;
}

void live_not_bound(scheduler *s, sched_pod *pod, sp_str text)
{
	sp_arena a; /* the pod's own text goes with it */
	sp_arena_init(&a, (size_t)64 << 10);
	sp_str key = sp_arena_try_dup(&a, pod->key), uid = sp_arena_try_dup(&a, pod->uid);
	live_measure_attempt(s, pod->spec->scheduler_name, LIVE_ERROR, pod->history.began_ns);
	live_pod_gone(s, pod);
	sched_forget(s->st, pod);
	if (key.ptr == NULL || uid.ptr == NULL) {
		live_broken(s);
		sp_arena_done(&a);
		return;
	}
	live_refresh(s, key); /* updates that came in the meantime did not count */
	sched_queued *q = sched_queue_find(&s->queue, key);
	pod = sched_find_pod(s->st, key);
	/* Else it is gone, or somebody else bound it. */
	if (q != NULL && pod != NULL && sp_str_eq(pod->uid, uid)) {
		sched_queue_failed(&s->queue, q, 0, sp_now_ns(s->world));
		live_event(s, pod, true, "FailedScheduling", "Scheduling", text);
		live_tell(s, pod, SP_STR("SchedulerError"), text, (sp_str){0});
	}
	sp_arena_done(&a);
}

static void bind_failed(scheduler *s, live_write *w, sched_pod *pod, const sp_answer *a)
{
	sp_log(s->log, SP_LOG_WARN, "a pod was not bound", SP_KS("pod", w->key), SP_KS("node", w->target),
	       SP_KE(a->err));
	live_not_bound(s, pod, a->err == NULL ? SP_STR("binding rejected") : sp_str_c(a->err->msg));
}

static void send_binding(live_write *w)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, (size_t)64 << 10);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Binding"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), w->name);
	sp_jout_member_str(&j, SP_STR("namespace"), w->ns);
	sp_jout_member_str(&j, SP_STR("uid"), w->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("target"), '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Node"));
	sp_jout_member_str(&j, SP_STR("name"), w->target);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_call_start(w->s->client, &w->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_PODS,
				.ns = w->ns,
				.name = w->name,
				.subresource = SP_STR("binding"),
				.body = sp_buf_view(&body)});
}

static void on_again(sp_timer *t)
{
	send_binding(t->arg);
}

/* Nobody answered: the pod may be bound or not. It keeps its place until a server says which, else another
 * pod could be given what it holds. */
static bool is_open(const sp_answer *a)
{
	return a->code != SP_OK && (a->status == 0 || a->status == 504);
}

static void on_bound(sp_call *call, const sp_answer *a)
{
	live_write *w = call->arg;
	scheduler *s = w->s;
	sched_pod *pod = same_pod(w);
	if (pod != NULL && a->code == SP_OK) {
		live_measure_bound(s, pod->spec->scheduler_name, &w->history);
		sp_arena_rewind(&s->scratch);
		live_event(s, pod, false, "Scheduled", "Binding",
			   SP_CONCAT(&s->scratch, SP_STR("Successfully assigned "), w->key, SP_STR(" to "),
				     w->target));
	} else if (pod != NULL && sched_is_assumed(pod)) { /* else the watch has told already where it is */
		if (is_open(a)) {
			w->is_again = true;
			sp_timer_start(s->world, &w->again, AGAIN_NS, on_again);
			return;
		}
		/* A conflict with what came of the first one: the watch will tell. */
		if (!w->is_again || a->code != SP_ECONFLICT)
			bind_failed(s, w, pod, a);
	}
	write_free(w);
	live_wake(s);
}

void live_bind(scheduler *s, const sched_pod *pod)
{
	live_write *w = write_new(s, WRITE_BINDING, pod, pod->node_name, on_bound);
	if (w == NULL)
		live_broken(s);
	else
		send_binding(w);
}

/* ---- conditions ---- */

static void on_told(sp_call *call, const sp_answer *a)
{
	live_write *w = call->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND && a->code != SP_ECANCELED)
		sp_log(w->s->log, SP_LOG_WARN, "a pod's status was not written", SP_KS("pod", w->key),
		       SP_KE(a->err));
	write_free(w);
}

/* The pod as the cache has it. */
static yyjson_val *cached(scheduler *s, const sched_pod *pod)
{
	const sp_object *o = sp_informer_get(s->informer[LIVE_PODS], pod->key);
	yyjson_val *root = NULL;
	return o != NULL && sp_json_parse(&s->scratch, o->json, &root, NULL) == SP_OK ? root : NULL;
}

static yyjson_val *condition_of(yyjson_val *pod, const char *type)
{
	yyjson_arr_iter it =
		yyjson_arr_iter_with(yyjson_obj_get(yyjson_obj_get(pod, "status"), "conditions"));
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(sp_json_str(yyjson_obj_get(c, "type")), sp_str_c(type)))
			return c;
	}
	return NULL;
}

/* `generation` of the pod that it is about; 0: unknown. */
static void print_condition(sp_jout *j, scheduler *s, const char *type, const char *status, sp_str reason,
			    sp_str message, bool turned, int64_t generation)
{
	char now[SP_TIME_TEXT_BYTES];
	int64_t wall = sp_wall_ns(s->world);
	size_t n = sp_time_print(now, (sp_time){.seconds = wall / 1000000000}, 0);
	sp_jout_member_open(j, SP_STR("conditions"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), sp_str_c(type));
	sp_jout_member_str(j, SP_STR("status"), sp_str_c(status));
	sp_jout_member_str(j, SP_STR("reason"), reason);
	sp_jout_member_str(j, SP_STR("message"), message);
	if (generation > 0)
		sp_jout_member_i64(j, SP_STR("observedGeneration"), generation);
	if (turned)
		sp_jout_member_str(j, SP_STR("lastTransitionTime"), (sp_str){now, n});
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
}

static void patch_status(scheduler *s, live_write *w, sp_str body)
{
	sp_call_start(s->client, &w->call,
		      &(sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
				.gvr = SP_PODS,
				.ns = w->ns,
				.name = w->name,
				.subresource = SP_STR("status"),
				.body = body});
}

/* With the uid in it the patch changes this very pod or fails. */
static void open_patch(sp_jout *j, const live_write *w)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), w->uid);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
}

void live_tell(scheduler *s, const sched_pod *pod, sp_str reason, sp_str message, sp_str nominated)
{
	sp_arena_rewind(&s->scratch);
	yyjson_val *root = cached(s, pod), *old = condition_of(root, "PodScheduled");
	int64_t generation = yyjson_get_sint(yyjson_obj_get(yyjson_obj_get(root, "metadata"), "generation"));
	bool was_false = sp_str_eq(sp_json_str(yyjson_obj_get(old, "status")), SP_STR("False"));
	bool says_so = was_false && sp_str_eq(sp_json_str(yyjson_obj_get(old, "reason")), reason) &&
		       sp_str_eq(sp_json_str(yyjson_obj_get(old, "message")), message);
	bool moved = !sp_str_eq(nominated, pod->nominated);
	bool tells = reason.len > 0 && !says_so;
	live_write *w = tells || moved ? write_new(s, WRITE_STATUS, pod, (sp_str){0}, on_told) : NULL;
	if (w == NULL)
		return;
	SP_AUTO_BUF body;
	sp_buf_init(&body, (size_t)1 << 20);
	sp_jout j = sp_jout_to(&body);
	open_patch(&j, w);
	if (tells)
		print_condition(&j, s, "PodScheduled", "False", reason, message, !was_false, generation);
	if (moved) {
		sp_jout_key(&j, SP_STR("nominatedNodeName"));
		if (nominated.len > 0)
			sp_jout_str(&j, nominated);
		else
			sp_jout_null(&j);
	}
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	patch_status(s, w, sp_buf_view(&body));
}

/* ---- evictions ---- */

typedef struct live_eviction {
	sp_str victim, by; /* keys */
	char text[];
} live_eviction;

/* Without memory, or when the victim leaves for another pod already, nobody waits for it. */
static void hold(scheduler *s, const sched_pod *victim, const sched_pod *by)
{
	if (sp_map_get(&s->evictions, victim->key) != NULL)
		return;
	live_eviction *e = sp_try_alloc(sizeof *e + victim->key.len + by->key.len);
	if (e == NULL)
		return;
	char *at = e->text;
	e->victim = pack(&at, victim->key);
	e->by = pack(&at, by->key);
	if (sp_map_put(&s->evictions, e->victim, e, NULL) != SP_OK) {
		sp_free(e);
		return;
	}
	sched_queue_hold(&s->queue, e->by);
}

void live_evicted(scheduler *s, sp_str key, bool helps)
{
	live_eviction *e = sp_map_remove(&s->evictions, key);
	if (e == NULL)
		return;
	sched_queue_release(&s->queue, e->by, helps, sp_now_ns(s->world));
	sp_free(e);
	live_wake(s);
}

static void on_deleted(sp_call *call, const sp_answer *a)
{
	live_write *w = call->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND && a->code != SP_ECANCELED)
		sp_log(w->s->log, SP_LOG_WARN, "a victim was not deleted", SP_KS("pod", w->key),
		       SP_KE(a->err));
	if (a->code != SP_OK) {
		live_refresh(w->s, w->key); /* it may not be leaving after all */
		live_evicted(w->s, w->key, true);
	}
	write_free(w);
}

/* The condition first, so that whoever sees the deletion sees why; then the deletion. */
static void on_victim_told(sp_call *call, const sp_answer *a)
{
	live_write *w = call->arg;
	scheduler *s = w->s;
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	if (a->code == SP_ENOTFOUND || a->code == SP_ECANCELED) {
		write_free(w);
		return;
	}
	(void)sp_buf_printf(&body, "{\"preconditions\":{\"uid\":\"" SP_FMT "\"}}", SP_ARG(w->uid));
	w->call.done = on_deleted;
	sp_call_start(s->client, &w->call,
		      &(sp_ask){.verb = SP_ASK_DELETE,
				.gvr = SP_PODS,
				.ns = w->ns,
				.name = w->name,
				.body = sp_buf_view(&body)});
}

void live_evict(scheduler *s, const sched_pod *victim, const sched_pod *for_pod)
{
	if (victim->terminating)
		return;
	live_write *w = write_new(s, WRITE_VICTIM_STATUS, victim, (sp_str){0}, on_victim_told);
	if (w == NULL)
		return;
	sp_arena_rewind(&s->scratch);
	/* Before the server says so: while it leaves, nobody looks for others in its place. */
	sched_pod *here = sched_find_pod(s->st, victim->key);
	if (here == victim)
		here->preempted = true;
	hold(s, victim, for_pod);
	preempted_event(s, victim, for_pod, victim->node_name);
	SP_AUTO_BUF body;
	sp_buf_init(&body, (size_t)64 << 10);
	sp_jout j = sp_jout_to(&body);
	open_patch(&j, w);
	sp_str text = SP_CONCAT(&s->scratch, for_pod->spec->scheduler_name,
				SP_STR(": preempting to accommodate a higher priority pod"));
	print_condition(&j, s, "DisruptionTarget", "True", SP_STR("PreemptionByScheduler"), text, true, 0);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	patch_status(s, w, sp_buf_view(&body));
}
