/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the agent learns that something happened in the runtime: by its events, or, where it has none, by
 * comparing lists every second. U: kubernetes pkg/kubelet/pleg.
 */
#include "base/alloc.h"
#include "base/hash.h"
#include "node/node_int.h"
#include "node/statics.h"

#define RELIST_NS NODE_SECOND_NS
#define LIST_BYTES_MAX ((size_t)64 << 20)

typedef struct entry {
	sp_str uid; /* heap */
	uint64_t digest;
	uint64_t round; /* of the last list that had it */
} entry;

typedef struct node_relist {
	node_agent *agent;
	sp_cri_events events;
	sp_timer timer;
	sp_arena arena;
	node_batch batch;
	sp_map entries;
	uint64_t round;
	bool polls;
} node_relist;

/* ---- lists ---- */

static entry *entry_of(node_relist *r, sp_str uid)
{
	entry *e = sp_map_get(&r->entries, uid);
	if (e != NULL)
		return e;
	char *text = sp_alloc(uid.len + 1);
	memcpy(text, uid.ptr, uid.len);
	e = SP_NEW(entry);
	e->uid = (sp_str){text, uid.len};
	if (sp_map_put(&r->entries, e->uid, e, NULL) != SP_OK) {
		sp_free(text);
		sp_free(e);
		return NULL;
	}
	return e;
}

static void poke(node_relist *r, sp_str uid)
{
	node_worker *w = node_agent_worker(r->agent, uid);
	if (w != NULL)
		node_worker_poke(w);
}

/* Before that nobody can say whether a pod is there. */
static bool are_pods_known(const node_agent *a)
{
	return a->is_synced && node_statics_are_known(a);
}

/* What is found of a pod nobody knows: of an earlier life of the agent. It is ended. */
static void end_unknown(node_agent *a, sp_str uid, sp_str ns, sp_str name)
{
	if (node_agent_worker(a, uid) != NULL)
		return;
	sp_log(a->log, SP_LOG_INFO, "a pod that the API does not have is ended", SP_KS("namespace", ns),
	       SP_KS("pod", name));
	node_worker_poke(node_worker_new(a, ns, name, uid));
}

static void found(node_relist *r, const sp_pb_pair *labels, size_t n)
{
	sp_str uid = node_pair_get(labels, n, NODE_LABEL_POD_UID);
	if (uid.len != 0 && are_pods_known(r->agent))
		end_unknown(r->agent, uid, node_pair_get(labels, n, NODE_LABEL_POD_NAMESPACE),
			    node_pair_get(labels, n, NODE_LABEL_POD_NAME));
}

/* Pods of which there is nothing but directories. Once: what comes later has a worker. */
static void found_on_disk(node_agent *a)
{
	if (!are_pods_known(a))
		return;
	for (size_t i = 0; i < a->leftovers.n; i++)
		end_unknown(a, a->leftovers.at[i].uid, a->leftovers.at[i].ns, a->leftovers.at[i].name);
	a->leftovers = (node_leftovers){0};
	sp_arena_rewind(&a->leftovers_arena);
}

/* Sums up, so the order of a list does not matter. */
static void count(node_relist *r, const sp_pb_pair *labels, size_t n, sp_str id, int32_t state)
{
	sp_str uid = node_pair_get(labels, n, NODE_LABEL_POD_UID);
	entry *e = uid.len == 0 ? NULL : entry_of(r, uid);
	if (e == NULL)
		return;
	if (e->round != r->round) {
		e->round = r->round;
		e->digest = 0;
	}
	e->digest += (sp_fnv1a64(id) ^ (uint64_t)state) * UINT64_C(0x9e3779b97f4a7c15);
}

typedef struct before {
	sp_str uid;
	uint64_t digest;
} before;

static void compare(node_relist *r, const before *old, size_t n_old)
{
	const sp_map_entry *m;
	for (size_t i = 0; i < n_old; i++) {
		const entry *e = sp_map_get(&r->entries, old[i].uid);
		if (e->round != r->round || e->digest != old[i].digest)
			poke(r, old[i].uid);
	}
	size_t k = 0;
	for (size_t i = 0; (m = sp_map_next(&r->entries, &i)) != NULL; k++) {
		if (k >= n_old)
			poke(r, m->key); /* new */
	}
	for (size_t i = 0; i < n_old; i++) { /* forget what is gone */
		entry *e = sp_map_get(&r->entries, old[i].uid);
		if (e->round == r->round)
			continue;
		(void)sp_map_remove(&r->entries, e->uid);
		sp_free((void *)(uintptr_t)e->uid.ptr);
		sp_free(e);
	}
}

static void digest_lists(node_relist *r, const sp_cri_list_pod_sandbox_response *boxes,
			 const sp_cri_list_containers_response *containers)
{
	size_t n = 0;
	const sp_map_entry *m;
	before *old = sp_try_new(&r->arena, before, sp_map_count(&r->entries) + 1);
	if (old == NULL)
		return;
	for (size_t i = 0; (m = sp_map_next(&r->entries, &i)) != NULL;)
		old[n++] = (before){m->key, ((const entry *)m->value)->digest};
	r->round++;
	for (size_t i = 0; i < boxes->items.n; i++) {
		const sp_cri_pod_sandbox *b = &boxes->items.at[i];
		count(r, b->labels.at, b->labels.n, b->id, b->state + 8);
		found(r, b->labels.at, b->labels.n);
	}
	for (size_t i = 0; i < containers->containers.n; i++) {
		const sp_cri_container *c = &containers->containers.at[i];
		count(r, c->labels.at, c->labels.n, c->id, c->state);
		found(r, c->labels.at, c->labels.n);
	}
	found_on_disk(r->agent);
	compare(r, old, n);
}

static void list(node_relist *r);

static void on_time(sp_timer *t)
{
	list(t->arg);
}

static void on_lists(node_batch *b)
{
	node_relist *r = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL)
		sp_log(r->agent->log, SP_LOG_WARN, "the runtime does not answer", SP_KS("err", bad->message));
	else
		digest_lists(r, b->items[0].response, b->items[1].response);
	sp_timer_start(r->agent->world, &r->timer, bad != NULL ? 5 * NODE_SECOND_NS : RELIST_NS, on_time);
	if (bad == NULL && !r->polls && r->events.impl == NULL) { /* the runtime is back: its events again */
		r->agent->cri->subscribe(r->agent->cri, &r->events);
		node_self_runtime_is_back(r->agent);
	}
	if (r->events.impl != NULL && are_pods_known(r->agent) && bad == NULL)
		sp_timer_stop(r->agent->world, &r->timer);
}

static void list(node_relist *r)
{
	sp_cri_list_pod_sandbox_request boxes = {0};
	sp_cri_list_containers_request containers = {0};
	sp_err err = {0};
	sp_arena_rewind(&r->arena);
	if (node_batch_init(&r->batch, r->agent->cri, &r->arena, 2, on_lists, r, &err) != SP_OK)
		return;
	node_batch_add(&r->batch, SP_CRI_LIST_POD_SANDBOX, &boxes, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&r->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
}

/* ---- events ---- */

static void on_event(sp_cri_events *e, const sp_cri_container_event_response *event)
{
	node_relist *r = e->arg;
	const sp_cri_pod_sandbox_status *box = event->pod_sandbox_status;
	if (box != NULL && box->metadata != NULL) {
		poke(r, box->metadata->uid);
		return;
	}
	/* It does not say whose: everybody looks. */
	SP_LIST_FOREACH (node, &r->agent->workers)
		node_worker_poke(SP_CONTAINER_OF(node, node_worker, node));
}

static void on_end(sp_cri_events *e, int32_t status, sp_str message)
{
	node_relist *r = e->arg;
	(void)message;
	r->polls = status == SP_RPC_UNIMPLEMENTED;
	if (r->batch.n_left == 0)
		sp_timer_start(r->agent->world, &r->timer, r->polls ? 0 : RELIST_NS, on_time);
}

sp_code node_relist_new(node_agent *a, sp_err *err)
{
	node_relist *r = SP_NEW(node_relist);
	(void)err;
	r->agent = a;
	r->timer.arg = r;
	r->events = (sp_cri_events){.on_event = on_event, .on_end = on_end, .arg = r};
	sp_arena_init(&r->arena, LIST_BYTES_MAX);
	sp_map_init(&r->entries);
	a->relist = r;
	list(r);
	return SP_OK;
}

void node_relist_free(node_agent *a)
{
	node_relist *r = SP_TAKE(a->relist);
	const sp_map_entry *m;
	if (r == NULL)
		return;
	sp_timer_stop(a->world, &r->timer);
	node_batch_cancel(&r->batch);
	a->cri->unsubscribe(a->cri, &r->events);
	for (size_t i = 0; (m = sp_map_next(&r->entries, &i)) != NULL;) {
		sp_free((void *)(uintptr_t)m->key.ptr);
		sp_free(m->value);
	}
	sp_map_done(&r->entries);
	sp_arena_done(&r->arena);
	sp_free(r);
}
