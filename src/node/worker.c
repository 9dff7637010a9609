/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pod's worker. It works in turns: look at what the runtime has, tell the API, do the one thing that is
 * next, look again. Whatever changes meanwhile only asks for another turn. U: kubernetes
 * pkg/kubelet/pod_workers.go.
 */
#include "base/alloc.h"
#include "node/node_int.h"
#include "node/statics.h"

static sp_str copy(sp_str s)
{
	char *text = sp_alloc(s.len + 1);
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	return (sp_str){text, s.len};
}
static void drop(sp_str s)
{
	sp_free((void *)(uintptr_t)s.ptr);
}

/* ---- memory from turn to turn ---- */

static void memos_free(node_worker *w)
{
	for (size_t i = 0; i < w->n_memos; i++) {
		drop(w->memos[i].name);
		drop(w->memos[i].granted);
	}
	sp_free(w->memos);
	w->memos = NULL;
	w->n_memos = 0;
}

/* Names don't change but for ephemeral containers, which are added: memos are kept by name. */
static void memos_update(node_worker *w)
{
	const node_pod *p = w->pod;
	if (w->n_memos == p->n_containers)
		return;
	node_memo *now = sp_alloc(p->n_containers * sizeof *now);
	for (size_t i = 0; i < p->n_containers; i++) {
		node_memo *old = node_worker_memo(w, p->containers[i].name);
		if (old != NULL) {
			now[i] = *old;
			old->granted = (sp_str){NULL, 0};
		}
		now[i].name = copy(p->containers[i].name);
	}
	memos_free(w);
	w->memos = now;
	w->n_memos = p->n_containers;
}

node_memo *node_worker_memo(node_worker *w, sp_str container)
{
	for (size_t i = 0; i < w->n_memos; i++) {
		if (sp_str_eq(w->memos[i].name, container))
			return &w->memos[i];
	}
	return NULL;
}

static void put_text(char *to, size_t size, sp_str text)
{
	size_t n = text.len < size ? text.len : size - 1;
	if (n > 0)
		memcpy(to, text.ptr, n);
	to[n] = '\0';
}

bool node_memo_wait(node_memo *m, sp_str reason, sp_str message)
{
	char old_reason[sizeof m->reason], old_message[sizeof m->message];
	memcpy(old_reason, m->reason, sizeof old_reason);
	memcpy(old_message, m->message, sizeof old_message);
	put_text(m->reason, sizeof m->reason, reason);
	put_text(m->message, sizeof m->message, message);
	return strcmp(old_reason, m->reason) != 0 || strcmp(old_message, m->message) != 0;
}

/* ---- what status needs ---- */

static node_verdict verdict_of(void *arg, node_probe_kind kind, sp_str id)
{
	return node_probes_verdict(arg, kind, id);
}

node_verdicts node_worker_verdicts(node_worker *w)
{
	return (node_verdicts){.of = verdict_of, .arg = w};
}

static node_wait wait_of(void *arg, const node_container *c)
{
	const node_memo *m = node_worker_memo(arg, c->name);
	if (m == NULL || m->reason[0] == '\0')
		return (node_wait){0};
	return (node_wait){.reason = sp_str_c(m->reason), .message = sp_str_c(m->message)};
}

static uint32_t anew_of(void *arg, const node_container *c)
{
	const node_memo *m = node_worker_memo(arg, c->name);
	return m == NULL ? 0 : m->restarts_next;
}

node_status_input node_worker_status_input(node_worker *w)
{
	const node_agent *a = w->agent;
	return (node_status_input){.pod = w->pod,
				   .seen = &w->seen,
				   .wait_of = wait_of,
				   .anew_of = anew_of,
				   .arg = w,
				   .runtime = sp_str_c(a->runtime_name),
				   .host_ips = a->host_ips,
				   .n_host_ips = a->n_host_ips,
				   .resize_pending = w->resize_pending,
				   .resize_in_progress = w->resize_in_progress,
				   .is_terminal = w->stage == NODE_STAGE_STOPPED,
				   .forced_phase = w->forced_phase,
				   .reason = w->forced_reason,
				   .message = w->forced_message,
				   .disruption = w->disruption,
				   .is_resetting = w->is_resetting,
				   .is_rejected = w->is_rejected,
				   .may_run = node_worker_may_run(w)};
}

void node_worker_fields(node_worker *w, node_field_source *ret)
{
	const node_seen_sandbox *box = node_seen_sandbox_now(&w->seen);
	const node_agent *a = w->agent;
	*ret = (node_field_source){.pod = w->pod,
				   .host_ips = a->host_ips,
				   .n_host_ips = a->n_host_ips,
				   .cpu_milli = a->cpu_milli,
				   .memory_bytes = a->memory_bytes,
				   .ephemeral_bytes = a->disk_bytes};
	if (w->pod->v.host_network) {
		ret->pod_ips = a->host_ips;
		ret->n_pod_ips = a->n_host_ips;
	} else if (box != NULL) {
		ret->pod_ips = box->ips;
		ret->n_pod_ips = box->n_ips;
	}
}

int64_t node_worker_grace(const node_worker *w)
{
	const node_pod *p = w->pod;
	if (p == NULL)
		return 30;
	bool is_deleted = p->v.has_deletion && p->v.has_deletion_grace_s;
	int64_t grace_s = is_deleted ? p->v.deletion_grace_s : INT64_MAX;
	if (w->evict_grace_s >= 0)
		grace_s = SP_MIN(grace_s, w->evict_grace_s);
	/* Even at once leaves a second: for the last hook. U: calculateEffectiveGracePeriod. */
	if (grace_s < INT64_MAX)
		return SP_MAX(grace_s, 1);
	return p->v.has_grace_s ? p->v.grace_s : 30;
}

void node_worker_event(node_worker *w, const node_container *c, bool is_warning, const char *reason,
		       const char *fmt, ...)
{
	char line[1024];
	va_list args;
	if (w->agent->events == NULL)
		return;
	SP_AUTO_BUF text;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	sp_buf_init(&text, 32);
	if (w->latest != NULL)
		(void)sp_buf_u64(&text, w->latest->revision);
	const sp_event_ref about = {.api_version = SP_STR("v1"),
				    .kind = SP_STR("Pod"),
				    .ns = w->ns,
				    .name = w->name,
				    .uid = w->uid,
				    .revision = sp_buf_view(&text),
				    .field_path = c == NULL ? (sp_str){NULL, 0} : c->field_path};
	sp_events_emit(w->agent->events, &(sp_event){.about = about,
						     .is_warning = is_warning,
						     .reason = sp_str_c(reason),
						     .message = sp_str_c(line),
						     .annotations = w->event_annotations});
}

/* ---- turns ---- */

void node_worker_take_pod(node_worker *w)
{
	node_pod *p;
	sp_err err = {0};
	if (w->latest == NULL || (w->pod != NULL && w->latest->revision == w->parsed_revision))
		return;
	if (node_pod_parse(w->latest->json, &p, &err) != SP_OK) {
		sp_log(w->agent->log, SP_LOG_ERROR, "a pod can't be read", SP_KS("pod", w->name),
		       SP_KE(&err));
		return;
	}
	p->is_static = w->own != NULL;
	p->ids_from = node_userns_find(&w->agent->userns, w->uid);
	w->turn_kind = NODE_TURN_UPDATE;
	node_pod_free(w->pod);
	w->pod = p;
	w->parsed_revision = w->latest->revision;
	memos_update(w);
	if (node_refs_update(w->agent, &w->refs, p, &err) != SP_OK)
		sp_log(w->agent->log, SP_LOG_ERROR, "objects of a pod can't be followed",
		       SP_KS("pod", w->name), SP_KE(&err));
}

static void on_turn(sp_defer *d)
{
	node_worker *w = d->arg;
	/* A static pod needs nothing of the API. */
	if (w->busy || w->agent->closing || (!w->agent->is_synced && w->own == NULL) ||
	    (w->own != NULL && node_static_waits(w)))
		return;
	w->busy = true;
	w->dirty = false;
	w->turn_began_ns = sp_now_ns(w->agent->world);
	w->turn_kind = NODE_TURN_SYNC;
	w->again_at_ns = 0;
	sp_timer_stop(w->agent->world, &w->again);
	/* Everything of the turn before points into the scratch or the pod. */
	w->seen = (node_seen){0};
	w->status = (node_status){0};
	w->volumes = (node_volumes){0};
	w->services = (node_env){0};
	sp_arena_rewind(&w->scratch);
	node_worker_take_pod(w);
	if (!w->had_turn)
		w->turn_kind = NODE_TURN_CREATE;
	w->had_turn = true;
	if (w->pod != NULL)
		node_resize_grant(w);
	node_observe(w, node_decide);
}

void node_worker_poke(node_worker *w)
{
	w->dirty = true;
	if (!w->busy)
		sp_defer_call(w->agent->world, &w->turn);
}

void node_worker_end_turn(node_worker *w)
{
	SP_ASSERT(w->busy);
	w->busy = false;
	node_count(&w->agent->counters.turns[w->turn_kind], NODE_DURATION_TURN,
		   sp_now_ns(w->agent->world) - w->turn_began_ns);
	if (w->dirty)
		sp_defer_call(w->agent->world, &w->turn);
}

static void on_again(sp_timer *t)
{
	node_worker *w = t->arg;
	w->again_at_ns = 0;
	node_worker_poke(w);
}

void node_worker_again(node_worker *w, uint64_t delay_ns)
{
	uint64_t at_ns = sp_now_ns(w->agent->world) + delay_ns;
	if (w->again_at_ns != 0 && w->again_at_ns <= at_ns)
		return;
	w->again_at_ns = at_ns;
	sp_timer_start(w->agent->world, &w->again, delay_ns, on_again);
}

/* ---- jobs ---- */

static void on_worked(sp_work *job)
{
	node_worker *w = job->arg;
	w->working = false;
	if (w->is_freed) {
		w->is_freed = false;
		node_worker_free(w);
		return;
	}
	w->work_done(w);
}

static void on_not_worked(node_worker *w)
{
	sp_log(w->agent->log, SP_LOG_WARN, "no worker is free", SP_KS("pod", w->name), SP_KE(&w->work_err));
	node_start_cancel(w); /* of a container that is not made yet */
	node_worker_again(w, NODE_SECOND_NS);
	node_worker_end_turn(w);
}

bool node_worker_try_work(node_worker *w, void (*fn)(sp_work *job), void (*done)(node_worker *w))
{
	w->work_done = done;
	w->work_code = SP_OK;
	w->work_err = (sp_err){0};
	w->work = (sp_work){.fn = fn, .done = on_worked, .arg = w};
	w->working = sp_work_start(w->agent->world, &w->work, &w->work_err) == SP_OK;
	return w->working;
}

void node_worker_work(node_worker *w, void (*fn)(sp_work *job), void (*done)(node_worker *w))
{
	if (!node_worker_try_work(w, fn, done))
		on_not_worked(w);
}

/* ---- life ---- */

node_worker *node_worker_new(node_agent *a, sp_str ns, sp_str name, sp_str uid)
{
	node_worker *w = SP_NEW(node_worker);
	w->agent = a;
	w->ns = copy(ns);
	w->name = copy(name);
	w->uid = copy(uid);
	w->again.arg = w;
	w->first_seen_ns = sp_now_ns(a->world);
	w->evict_grace_s = -1;
	sp_list_init(&w->node);
	sp_arena_init(&w->scratch, NODE_SCRATCH_BYTES);
	sp_defer_init(&w->turn, on_turn, w);
	if (sp_map_put(&a->workers_by_uid, w->uid, w, NULL) != SP_OK)
		sp_log(a->log, SP_LOG_ERROR, "no memory for a pod", SP_KS("pod", name));
	sp_list_push_back(&a->workers, &w->node);
	return w;
}

void node_worker_free(node_worker *w)
{
	node_agent *a = w->agent;
	if (w->is_freed)
		return;
	sp_defer_cancel(&w->turn);
	sp_timer_stop(a->world, &w->again);
	node_batch_cancel(&w->batch);
	node_start_cancel(w);
	node_stop_cancel(w);
	node_report_cancel(w);
	node_probes_free(w);
	node_tokens_free(w);
	node_claims_free(w);
	if (sp_map_get(&a->workers_by_uid, w->uid) == w)
		(void)sp_map_remove(&a->workers_by_uid, w->uid);
	sp_list_remove(&w->node);
	node_refs_clear(a, &w->refs);
	if (w->working) { /* a job has our memory: the end comes with its done */
		w->is_freed = true;
		sp_list_push_back(&a->workers, &w->node);
		return;
	}
	node_words_free(w);
	memos_free(w);
	node_pod_free(w->pod);
	w->latest = sp_object_unref(w->latest);
	sp_arena_done(&w->scratch);
	drop(w->ns);
	drop(w->name);
	drop(w->uid);
	drop(w->forced_message);
	bool was_static = w->own != NULL;
	(void)sp_bytes_unref(w->own);
	(void)sp_bytes_unref(w->own_path);
	sp_free(w);
	if (was_static)
		node_static_gone(a);
	node_agent_check_closed(a);
}

/* ---- the end before its time ---- */

bool node_worker_may_run(const node_worker *w)
{
	for (size_t i = 0; i < w->seen.n_sandboxes; i++) {
		if (w->seen.sandboxes[i].ready)
			return true;
	}
	return node_seen_any_running(&w->seen);
}

void node_worker_fail(node_worker *w, sp_str reason, sp_str message)
{
	drop(w->forced_message);
	w->forced_phase = SP_STR("Failed");
	w->forced_reason = reason;
	w->forced_message = copy(message);
	w->disruption = (sp_str){NULL, 0}; /* it may have been the message before */
}

void node_worker_reject(node_worker *w, sp_str reason, sp_str why)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	(void)snprintf(w->rejected_reason, sizeof w->rejected_reason, SP_FMT, SP_ARG(reason));
	(void)sp_buf_printf(&text, "Pod was rejected: " SP_FMT, SP_ARG(why));
	node_worker_event(w, NULL, true, w->rejected_reason, SP_FMT, SP_ARG(why));
	node_worker_fail(w, sp_str_c(w->rejected_reason), sp_buf_view(&text));
	w->is_rejected = true;
	node_count_rejection(&w->agent->counters, reason);
}

/* What a failed pod still does ends now, within that grace. */
static void end_early(node_worker *w, int64_t grace_s)
{
	if (node_start_may_interrupt(w)) {
		node_start_cancel(w);
		w->dirty = true;
		node_worker_end_turn(w);
		return;
	}
	if (w->stop != NULL && grace_s < w->stop_grace_s)
		node_stop_hurry(w, grace_s);
	node_worker_poke(w);
}

void node_worker_evict(node_worker *w, sp_str message, int64_t grace_s, bool is_disrupted)
{
	node_worker_fail(w, SP_STR("Evicted"), message);
	w->evict_grace_s = grace_s;
	if (is_disrupted)
		w->disruption = w->forced_message;
	end_early(w, grace_s);
}

void node_worker_preempt(node_worker *w)
{
	static const sp_str message = SP_STR_INIT("Preempted in order to admit critical pod");
	node_worker_event(w, NULL, true, "Preempting", SP_FMT, SP_ARG(message));
	node_worker_fail(w, SP_STR("Preempting"), message);
	w->disruption = SP_STR("Pod was preempted by Kubelet to accommodate a critical pod.");
	w->is_preempted = true;
	end_early(w, node_worker_grace(w));
}

/* A deletion does not wait for an image or a hook of a start. */
static bool interrupts(const node_worker *w, const sp_object *o)
{
	return w->stage == NODE_STAGE_RUN &&
	       (o == NULL || sp_str_find(o->json, SP_STR("\"deletionTimestamp\":")) >= 0);
}

void node_worker_set(node_worker *w, const sp_object *o)
{
	if (o != NULL && w->latest != NULL && o->revision <= w->latest->revision)
		return;
	if (o == NULL) {
		w->is_gone = true;
	} else {
		w->was_known = true;
		const sp_object *old = w->latest;
		w->latest = sp_object_ref(o);
		(void)sp_object_unref(old);
		node_told_look(w);
	}
	if (node_start_may_interrupt(w) && interrupts(w, o)) {
		node_start_cancel(w);
		w->dirty = true;
		node_worker_end_turn(w);
		return;
	}
	if (w->stop != NULL && o != NULL) { /* the grace may have been made shorter */
		yyjson_val *tree;
		SP_CLEANUP(sp_arena_done) sp_arena arena;
		sp_arena_init(&arena, NODE_POD_BYTES_MAX);
		if (sp_json_parse(&arena, o->json, &tree, NULL) == SP_OK) {
			yyjson_val *grace = sp_view_at(tree, "metadata.deletionGracePeriodSeconds");
			int64_t grace_s =
				yyjson_is_int(grace) ? SP_MAX(yyjson_get_sint(grace), 1) : INT64_MAX;
			if (grace_s < w->stop_grace_s)
				node_stop_hurry(w, grace_s);
		}
	}
	node_worker_poke(w);
}
