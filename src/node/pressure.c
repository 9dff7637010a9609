/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's looks at what it has left, every ten seconds, and what follows from them: conditions, room made
 * without touching pods, and else one pod evicted at a time. U: kubernetes
 * pkg/kubelet/eviction/eviction_manager.go.
 *
 * A round: the machine is looked at (on a worker thread). When something is short, or pods' storage is
 * limited, the runtime's statistics are asked for and directories are walked; on an easy node a round is a
 * few small files.
 */
#include "base/alloc.h"
#include "node/measure.h"
#include "node/signals.h"

#define EVERY_NS (10 * NODE_SECOND_NS)       /* U: evictionMonitoringPeriod */
#define CLEANED_NS_MAX (30 * NODE_SECOND_NS) /* U: podCleanupTimeout */
#define VOLUMES_NS_MAX (60 * NODE_SECOND_NS) /* U: volumeStatsAggPeriod */
#define WALK_SHARE 100u                      /* of the time at least goes by without a walk */
#define ROUND_BYTES_MAX ((size_t)64 << 20)
#define HARD_GRACE_S 1 /* U: immediateEvictionGracePeriodSeconds */
#define MESSAGE_BYTES_MAX ((size_t)64 << 10)

/* Names of what pods are evicted for, as kubelet_evictions has them. */
#define COUNTS (NODE_SIGNAL_COUNT_ + 3)

struct node_pressure_watch {
	node_agent *agent;
	sp_timer timer;
	sp_arena arena;         /* of a round */
	char image_mount[4096]; /* empty: not known yet */
	sp_str root;
	node_observations seen;
	node_pressures state;
	const node_threshold *short_of; /* NULL: nothing */
	node_measure measure;
	const sp_cri_list_container_stats_response *containers;
	const sp_cri_list_pod_sandbox_stats_response *boxes;
	uint64_t walk_at_ns, walk_began_ns; /* monotonic */
	bool waits;                         /* for evicted pods to be gone */
	bool is_working, is_freed, is_busy;
	sp_work work;
	void (*worked)(node_pressure_watch *p);
	node_batch batch;
	node_eviction_count counts[COUNTS];
	size_t n_counts;
};

static void begin(node_pressure_watch *p);

static void on_time(sp_timer *t)
{
	node_pressure_watch *p = t->arg;
	p->waits = false;
	begin(p);
}

static void end_round(node_pressure_watch *p)
{
	p->is_busy = false;
	sp_timer_start(p->agent->world, &p->timer, p->waits ? CLEANED_NS_MAX : EVERY_NS, on_time);
}

static void give_up(node_pressure_watch *p, const char *why)
{
	sp_log(p->agent->log, SP_LOG_WARN, "what the node has left can't be told", SP_KC("err", why));
	end_round(p);
}

static void count(node_pressure_watch *p, sp_str signal)
{
	size_t i = 0;
	while (i < p->n_counts && !sp_str_eq(p->counts[i].signal, signal))
		i++;
	SP_ASSERT(i < COUNTS);
	p->counts[i].signal = signal;
	p->counts[i].n++;
	p->n_counts = SP_MAX(p->n_counts, i + 1);
}

const node_eviction_count *node_pressure_counts(const node_agent *a, size_t *ret_n)
{
	*ret_n = a->pressure == NULL ? 0 : a->pressure->n_counts;
	return a->pressure == NULL ? NULL : a->pressure->counts;
}

/* ---- jobs ---- */

static void on_worked(sp_work *job)
{
	node_pressure_watch *p = job->arg;
	p->is_working = false;
	if (p->is_freed) {
		node_pressure_free(p->agent);
		return;
	}
	p->worked(p);
}

static void work(node_pressure_watch *p, void (*fn)(sp_work *job), void (*then)(node_pressure_watch *p))
{
	sp_err err = {0};
	p->worked = then;
	p->work = (sp_work){.fn = fn, .done = on_worked, .arg = p};
	if (sp_work_start(p->agent->world, &p->work, &err) != SP_OK)
		give_up(p, err.msg);
	else
		p->is_working = true;
}

/* On a worker thread: with what stands for the whole life of the agent. */
static void on_look(sp_work *job)
{
	node_pressure_watch *p = job->arg;
	const node_agent *a = p->agent;
	const node_signals_input in = {.root = p->root,
				       .image_mount = sp_str_c(p->image_mount),
				       .memory_bytes = a->memory_bytes,
				       .disk = a->opts.disk == NULL ? node_disk_read : a->opts.disk};
	node_signals_read(a->world, &in, &p->arena, &p->seen);
}

static void on_walk(sp_work *job)
{
	node_pressure_watch *p = job->arg;
	node_measure_walk(p->agent->files, &p->measure);
}

/* ---- pods ---- */

static bool evict(node_pressure_watch *p, node_worker *w, sp_str signal, int64_t grace_s, bool is_disrupted,
		  const sp_buf *message, sp_str annotations)
{
	sp_str text = sp_buf_view(message);
	if (node_pod_is_critical(w->pod)) {
		sp_log(p->agent->log, SP_LOG_WARN, "a critical pod is not evicted", SP_KS("pod", w->name),
		       SP_KS("why", text));
		return false;
	}
	sp_log(p->agent->log, SP_LOG_INFO, "a pod is evicted", SP_KS("namespace", w->ns),
	       SP_KS("pod", w->name), SP_KS("why", text));
	w->event_annotations = annotations;
	node_worker_event(w, NULL, true, "Evicted", SP_FMT, SP_ARG(text));
	w->event_annotations = (sp_str){NULL, 0};
	node_worker_evict(w, text, grace_s, is_disrupted);
	count(p, signal);
	return true;
}

/* Every pod that is over a limit of its storage. */
static bool evict_for_storage(node_pressure_watch *p, const node_pod_use *uses, size_t n)
{
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		SP_AUTO_BUF message;
		sp_buf_init(&message, MESSAGE_BYTES_MAX);
		sp_str limit = node_storage_over(&uses[i], p->seen.dedicated_imagefs, &message);
		if (limit.len != 0)
			any |= evict(p, uses[i].owner, limit, HARD_GRACE_S, false, &message,
				     (sp_str){NULL, 0});
	}
	return any;
}

static int64_t grace_of(const node_pressure_watch *p, const node_worker *w)
{
	int64_t most = p->agent->opts.eviction.max_grace_s;
	if (p->short_of->grace_ns == 0)
		return HARD_GRACE_S;
	return w->pod->v.has_grace_s ? SP_MIN(most, w->pod->v.grace_s) : most;
}

/* One pod: the first that may go. */
static bool evict_one(node_pressure_watch *p, node_pod_use *uses, size_t n)
{
	node_signal s = p->short_of->signal;
	node_rank(uses, n, s, p->seen.dedicated_imagefs);
	for (size_t i = 0; i < n; i++) {
		node_worker *w = uses[i].owner;
		SP_AUTO_BUF message, annotations;
		sp_buf_init(&message, MESSAGE_BYTES_MAX);
		sp_buf_init(&annotations, 8 * MESSAGE_BYTES_MAX);
		node_evict_message(&uses[i], &p->agent->opts.eviction, &p->state, &p->seen, s, &message,
				   &annotations);
		if (evict(p, w, node_signal_name(s), grace_of(p, w), true, &message,
			  sp_buf_view(&annotations)))
			return true;
	}
	sp_log(p->agent->log, SP_LOG_WARN, "no pod can be evicted",
	       SP_KS("resource", node_signal_resource(s)));
	return false;
}

static bool uses_of(node_pressure_watch *p, node_pod_use **ret, size_t *ret_n)
{
	sp_err err = {0};
	if (node_measure_uses(p->agent, &p->measure, p->containers, p->boxes, ret, ret_n, &err) == SP_OK)
		return true;
	give_up(p, err.msg);
	return false;
}

/* ---- room without touching pods ---- */

static void choose(node_pressure_watch *p)
{
	node_pod_use *uses;
	size_t n;
	if (!uses_of(p, &uses, &n))
		return;
	p->waits = evict_one(p, uses, n);
	end_round(p);
}

static void on_looked_again(node_pressure_watch *p)
{
	if (node_pressures_any_met(&p->agent->opts.eviction, &p->seen))
		choose(p);
	else
		end_round(p);
}

static void look_again(void *arg)
{
	node_pressure_watch *p = arg;
	work(p, on_look, on_looked_again);
}

static void free_images(node_pressure_watch *p)
{
	if (!node_image_gc_all(p->agent, look_again, p))
		look_again(p);
}

static void on_containers_removed(node_batch *b)
{
	free_images(b->arg);
}

/* What is left of pods that have ended and are still in the API. */
static bool is_dead(node_agent *a, const sp_cri_container *c)
{
	const node_worker *w =
		node_agent_worker(a, node_pair_get(c->labels.at, c->labels.n, NODE_LABEL_POD_UID));
	return c->state == SP_CRI_CONTAINER_EXITED && w != NULL && w->stage == NODE_STAGE_STOPPED;
}

static void on_dead_containers(node_batch *b)
{
	node_pressure_watch *p = b->arg;
	const sp_cri_list_containers_response *l = b->items[0].response;
	size_t n = 0;
	sp_err err = {0};
	for (size_t i = 0; l != NULL && i < l->containers.n; i++)
		n += is_dead(p->agent, &l->containers.at[i]);
	if (n == 0 || node_batch_init(&p->batch, p->agent->cri, &p->arena, n, on_containers_removed, p,
				      &err) != SP_OK) {
		free_images(p);
		return;
	}
	for (size_t i = 0; i < l->containers.n; i++) {
		if (is_dead(p->agent, &l->containers.at[i]))
			node_batch_add(
				&p->batch, SP_CRI_REMOVE_CONTAINER,
				&(sp_cri_remove_container_request){.container_id = l->containers.at[i].id},
				NODE_CALL_TIMEOUT_NS);
	}
}

static bool needs_disk(const node_threshold *t)
{
	return t != NULL && t->signal != NODE_SIGNAL_MEMORY && t->signal != NODE_SIGNAL_PIDS;
}

/* U: buildSignalToNodeReclaimFuncs. */
static bool can_reclaim(const node_pressure_watch *p)
{
	node_signal s = p->short_of->signal;
	bool of_images = s == NODE_SIGNAL_IMAGEFS || s == NODE_SIGNAL_IMAGEFS_INODES;
	return needs_disk(p->short_of) && (of_images || !p->seen.dedicated_imagefs);
}

static void reclaim(node_pressure_watch *p)
{
	sp_cri_list_containers_request all = {0};
	const node_agent *a = p->agent;
	sp_str resource = node_signal_resource(p->short_of->signal);
	const sp_event_ref about = {
		.kind = SP_STR("Node"), .name = a->opts.node_name, .uid = a->opts.node_name};
	sp_err err = {0};
	sp_events_emitf(a->events, &about, true, "EvictionThresholdMet", "Attempting to reclaim " SP_FMT,
			SP_ARG(resource));
	if (!can_reclaim(p)) {
		choose(p);
		return;
	}
	if (node_batch_init(&p->batch, a->cri, &p->arena, 1, on_dead_containers, p, &err) != SP_OK) {
		give_up(p, err.msg);
		return;
	}
	node_batch_add(&p->batch, SP_CRI_LIST_CONTAINERS, &all, NODE_CALL_TIMEOUT_NS);
}

/* ---- what pods use ---- */

static void judge(node_pressure_watch *p)
{
	node_pod_use *uses;
	size_t n;
	if (!uses_of(p, &uses, &n))
		return;
	if (evict_for_storage(p, uses, n)) {
		p->waits = true;
		end_round(p);
	} else if (p->short_of != NULL) {
		reclaim(p);
	} else {
		end_round(p);
	}
}

/* However large the directories are, walking them is a small part of the time. */
static void on_walked(node_pressure_watch *p)
{
	uint64_t now = sp_now_ns(p->agent->world), pause = (now - p->walk_began_ns) * WALK_SHARE;
	pause = SP_MIN(pause, VOLUMES_NS_MAX - EVERY_NS / 2);
	p->walk_at_ns = now + SP_MAX(pause, EVERY_NS / 2);
	judge(p);
}

static void on_stats(node_batch *b)
{
	node_pressure_watch *p = b->arg;
	p->containers = b->items[0].status == SP_RPC_OK ? b->items[0].response : NULL;
	p->boxes = b->n > 1 && b->items[1].status == SP_RPC_OK ? b->items[1].response : NULL;
	p->walk_began_ns = sp_now_ns(p->agent->world);
	if (p->measure.n > 0)
		work(p, on_walk, on_walked);
	else
		judge(p);
}

static bool any_limited(const node_agent *a)
{
	SP_LIST_FOREACH (node, &a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->stage == NODE_STAGE_RUN && w->pod != NULL && node_pod_limits_storage(w->pod))
			return true;
	}
	return false;
}

static void measure(node_pressure_watch *p, bool limited)
{
	sp_cri_list_container_stats_request containers = {0};
	sp_cri_list_pod_sandbox_stats_request boxes = {0};
	sp_err err = {0};
	bool all = needs_disk(p->short_of);
	p->measure = (node_measure){.arena = &p->arena};
	if (((all || limited) && node_measure_plan(p->agent, !all, &p->measure, &err) != SP_OK) ||
	    node_batch_init(&p->batch, p->agent->cri, &p->arena, 2, on_stats, p, &err) != SP_OK) {
		give_up(p, err.msg);
		return;
	}
	bool of_boxes = p->short_of != NULL && !all;
	node_batch_add(&p->batch, SP_CRI_LIST_CONTAINER_STATS, &containers, NODE_CALL_TIMEOUT_NS);
	if (of_boxes)
		node_batch_add(&p->batch, SP_CRI_LIST_POD_SANDBOX_STATS, &boxes, NODE_CALL_TIMEOUT_NS);
}

/* ---- the machine ---- */

static void on_looked(node_pressure_watch *p)
{
	node_agent *a = p->agent;
	uint64_t now = sp_now_ns(a->world);
	node_pressures before = p->state;
	(void)node_pressures_step(&p->state, &a->opts.eviction, &p->seen, SP_MAX(now, 1u), &p->short_of);
	if (memcmp(before.is_on, p->state.is_on, sizeof before.is_on) != 0)
		node_self_changed(a);
	bool limited = now >= p->walk_at_ns && any_limited(a);
	if (p->short_of != NULL || limited)
		measure(p, limited);
	else
		end_round(p);
}

static void on_image_fs(node_batch *b)
{
	node_pressure_watch *p = b->arg;
	const sp_cri_image_fs_info_response *r = b->items[0].response;
	if (r != NULL && r->image_filesystems.n > 0 && r->image_filesystems.at[0].fs_id != NULL)
		(void)snprintf(p->image_mount, sizeof p->image_mount, SP_FMT,
			       SP_ARG(r->image_filesystems.at[0].fs_id->mountpoint));
	work(p, on_look, on_looked);
}

static void begin(node_pressure_watch *p)
{
	sp_cri_empty none = {0};
	sp_err err = {0};
	sp_timer_stop(p->agent->world, &p->timer);
	p->is_busy = true;
	p->short_of = NULL;
	p->containers = NULL;
	p->boxes = NULL;
	sp_arena_rewind(&p->arena);
	if (p->image_mount[0] != '\0') {
		work(p, on_look, on_looked);
		return;
	}
	if (node_batch_init(&p->batch, p->agent->cri, &p->arena, 1, on_image_fs, p, &err) != SP_OK) {
		give_up(p, err.msg);
		return;
	}
	node_batch_add(&p->batch, SP_CRI_IMAGE_FS_INFO, &none, NODE_CALL_TIMEOUT_NS);
}

/* ---- for the rest of the agent ---- */

bool node_pressure_is_on(const node_agent *a, node_pressure k)
{
	return a->pressure != NULL && a->pressure->state.is_on[k];
}

void node_pressure_cleaned(node_agent *a)
{
	node_pressure_watch *p = a->pressure;
	if (p == NULL || p->is_freed || !p->waits || p->is_busy)
		return;
	SP_LIST_FOREACH (node, &a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->evict_grace_s >= 0 && !w->unmounted)
			return;
	}
	p->waits = false;
	begin(p);
}

bool node_pressure_admit(node_worker *w)
{
	SP_AUTO_BUF why;
	sp_buf_init(&why, 4096);
	if (w->agent->pressure == NULL || node_pressures_admit(&w->agent->pressure->state, w->pod, &why))
		return true;
	node_worker_reject(w, SP_STR("Evicted"), sp_buf_view(&why));
	return false;
}

void node_pressure_start(node_agent *a)
{
	node_pressure_watch *p = SP_NEW(node_pressure_watch);
	p->agent = a;
	p->timer.arg = p;
	p->root = a->place.root;
	sp_arena_init(&p->arena, ROUND_BYTES_MAX);
	a->pressure = p;
	begin(p);
}

void node_pressure_free(node_agent *a)
{
	node_pressure_watch *p = a->pressure;
	if (p == NULL)
		return;
	p->is_freed = true;
	sp_timer_stop(a->world, &p->timer);
	node_batch_cancel(&p->batch);
	if (p->is_working) /* a job has our memory: the end comes with its done */
		return;
	a->pressure = NULL;
	sp_arena_done(&p->arena);
	sp_free(p);
	node_agent_check_closed(a);
}
