/* SPDX-License-Identifier: Apache-2.0 */
/* The probes of a pod's containers, each with a clock of its own. U: kubernetes pkg/kubelet/prober. */
#include "base/alloc.h"
#include "node/node_int.h"
#include "node/probe.h"

#define ID_BYTES 80u
/* Began that long before the agent: an earlier life of it began it. U: kubeletRestartGracePeriod. */
#define OUTLIVED_NS (10 * (int64_t)NODE_SECOND_NS)
#define TRIES_MAX 3u /* of a probe that nobody can tell the result of. U: maxProbeRetries */

typedef struct prober {
	node_worker *w;
	sp_list node;
	node_probe_kind kind;
	char container[64]; /* name */
	char id[ID_BYTES];  /* of the container that is probed; empty: none */
	node_probe_spec spec;
	node_probe_state state;
	node_hook hook;
	sp_timer timer;
	uint64_t since_ns; /* monotonic: the container is seen running */
	unsigned n_errors; /* of this probe in a row */
	uint64_t n_succeeded, n_failed;
	bool holds; /* failed for good: until there is another container */
} prober;

struct node_probes {
	sp_list list;
};

static sp_world *world(const prober *p)
{
	return p->w->agent->world;
}

static yyjson_val *probe_of(const node_container *c, node_probe_kind kind)
{
	switch (kind) {
	case NODE_PROBE_STARTUP:
		return c->v.startup;
	case NODE_PROBE_LIVENESS:
		return c->v.liveness;
	case NODE_PROBE_READINESS:
		return c->v.readiness;
	case NODE_PROBE_COUNT_:
		break;
	}
	SP_UNREACHABLE();
}

static prober *find(const node_worker *w, node_probe_kind kind, sp_str container)
{
	if (w->probes == NULL)
		return NULL;
	SP_LIST_FOREACH (node, &w->probes->list) {
		prober *p = SP_CONTAINER_OF(node, prober, node);
		if (p->kind == kind && sp_str_eq(sp_str_c(p->container), container))
			return p;
	}
	return NULL;
}

node_verdict node_probes_verdict(const node_worker *w, node_probe_kind kind, sp_str container_id)
{
	if (w->probes == NULL)
		return NODE_VERDICT_NONE;
	SP_LIST_FOREACH (node, &w->probes->list) {
		const prober *p = SP_CONTAINER_OF(node, prober, node);
		if (p->kind == kind && sp_str_eq(sp_str_c(p->id), container_id))
			return p->state.verdict;
	}
	return NODE_VERDICT_NONE;
}

/* ---- metrics ---- */

static const char *const names[] = {[NODE_PROBE_STARTUP] = "Startup",
				    [NODE_PROBE_LIVENESS] = "Liveness",
				    [NODE_PROBE_READINESS] = "Readiness"};

static void tell_count(const prober *p, const char *result, uint64_t n, sp_buf *out)
{
	if (n > 0) /* what never was is not told */
		(void)sp_buf_printf(out,
				    "prober_probe_total{container=\"%s\",namespace=\"" SP_FMT
				    "\",pod=\"" SP_FMT "\",pod_uid=\"" SP_FMT
				    "\",probe_type=\"%s\",result=\"%s\"} %llu\n",
				    p->container, SP_ARG(p->w->ns), SP_ARG(p->w->name), SP_ARG(p->w->uid),
				    names[p->kind], result, (unsigned long long)n);
}

void node_probes_tell(const node_worker *w, sp_buf *out)
{
	if (w->probes == NULL)
		return;
	SP_LIST_FOREACH (node, &w->probes->list) {
		const prober *p = SP_CONTAINER_OF(node, prober, node);
		tell_count(p, "failed", p->n_failed, out);
		tell_count(p, "successful", p->n_succeeded, out);
	}
}

/* ---- one probe ---- */

static void on_time(sp_timer *t);

static void stop(prober *p)
{
	node_hook_cancel(&p->hook);
	sp_timer_stop(world(p), &p->timer);
}

static void tell_trouble(prober *p, node_outcome outcome, sp_str text)
{
	const node_container *c = node_pod_container(p->w->pod, sp_str_c(p->container));
	if (outcome == NODE_OUTCOME_WARNING)
		node_worker_event(p->w, c, true, "ProbeWarning", "%s probe warning: " SP_FMT, names[p->kind],
				  SP_ARG(text));
	else if (outcome == NODE_OUTCOME_FAILED)
		node_worker_event(p->w, c, true, "Unhealthy", "%s probe failed: " SP_FMT, names[p->kind],
				  SP_ARG(text));
	else
		node_worker_event(p->w, c, true, "Unhealthy",
				  "%s probe errored and resulted in unknown state: " SP_FMT, names[p->kind],
				  SP_ARG(text));
}

static void on_probed(node_hook *h, node_outcome outcome, sp_str text)
{
	prober *p = h->arg;
	p->n_errors = outcome == NODE_OUTCOME_ERROR ? p->n_errors + 1 : 0;
	if (p->n_errors > 0 && p->n_errors < TRIES_MAX) {
		on_time(&p->timer);
		return;
	}
	p->n_errors = 0;
	if (outcome != NODE_OUTCOME_OK)
		tell_trouble(p, outcome, text);
	sp_timer_start(world(p), &p->timer, p->spec.period_ns, on_time);
	p->n_succeeded += outcome <= NODE_OUTCOME_WARNING;
	p->n_failed += outcome == NODE_OUTCOME_FAILED;
	if (outcome == NODE_OUTCOME_ERROR)
		return; /* nobody knows: what held holds */
	if (!node_probe_result(&p->state, &p->spec,
			       outcome <= NODE_OUTCOME_WARNING ? NODE_VERDICT_SUCCESS : NODE_VERDICT_FAILURE))
		return;
	bool failed = p->state.verdict == NODE_VERDICT_FAILURE;
	/* It is killed for this; started once, it stays so. */
	p->holds = (failed && p->kind != NODE_PROBE_READINESS) || (!failed && p->kind == NODE_PROBE_STARTUP);
	if (p->holds)
		sp_timer_stop(world(p), &p->timer);
	node_worker_poke(p->w);
}

static bool is_started(const prober *p)
{
	const node_container *c = node_pod_container(p->w->pod, sp_str_c(p->container));
	return c->v.startup == NULL ||
	       node_probes_verdict(p->w, NODE_PROBE_STARTUP, sp_str_c(p->id)) == NODE_VERDICT_SUCCESS;
}

static void on_time(sp_timer *t)
{
	prober *p = t->arg;
	const node_container *c =
		p->w->pod == NULL ? NULL : node_pod_container(p->w->pod, sp_str_c(p->container));
	if (c == NULL || p->id[0] == '\0' || p->holds)
		return;
	if (p->kind != NODE_PROBE_STARTUP &&
	    !is_started(p)) /* its success pokes the worker, and that comes here */
		return;
	p->hook.done = on_probed;
	p->hook.arg = p;
	node_hook_start(&p->hook, p->w, c, sp_str_c(p->id), probe_of(c, p->kind), p->spec.timeout_ns);
}

/* ---- as containers come and go ---- */

static prober *prober_new(node_worker *w, const node_container *c, node_probe_kind kind)
{
	prober *p = SP_NEW(prober);
	p->w = w;
	p->kind = kind;
	p->timer.arg = p;
	(void)snprintf(p->container, sizeof p->container, SP_FMT, SP_ARG(c->name));
	sp_list_init(&p->node);
	if (w->probes == NULL) {
		w->probes = SP_NEW(node_probes);
		sp_list_init(&w->probes->list);
	}
	sp_list_push_back(&w->probes->list, &p->node);
	return p;
}

/* What the API was told of the container by an earlier life of the agent; NULL: nothing. */
static yyjson_val *told_of(const node_worker *w, const node_seen_container *s)
{
	static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		yyjson_val *list = sp_view_at(w->pod->v.status, lists[k]), *item;
		size_t i, n;
		yyjson_arr_foreach(list, i, n, item)
		{
			if (sp_str_ends(sp_view_str_at(item, "containerID"), s->id))
				return item;
		}
	}
	return NULL;
}

static bool was_ready(const node_pod *p)
{
	SP_VLIST_FOREACH(condition, p->v.conditions)
	{
		if (sp_str_eq(sp_view_str_at(condition, "type"), SP_STR("Ready")))
			return sp_str_eq(sp_view_str_at(condition, "status"), SP_STR("True"));
	}
	return false;
}

/* A container that outlived an agent is what it was until its probes say something else. U:
 * isContainerStarted, setReadyStateOnKubeletRestart. */
static void go_on(prober *p, const node_seen_container *s)
{
	const node_agent *a = p->w->agent;
	if (s->started_ns <= 0 || s->started_ns >= a->started_wall_ns - OUTLIVED_NS)
		return;
	if (p->kind == NODE_PROBE_READINESS && was_ready(p->w->pod))
		p->state.verdict = NODE_VERDICT_SUCCESS;
	if (p->kind == NODE_PROBE_STARTUP && yyjson_get_bool(sp_view_at(told_of(p->w, s), "started"))) {
		p->state.verdict = NODE_VERDICT_SUCCESS;
		p->holds = true;
	}
}

/* Soon after the agent began, probes come one by one: not all of a node at once. */
static uint64_t jitter(const prober *p)
{
	uint64_t age_ns = sp_now_ns(world(p)) - p->w->agent->started_ns;
	return p->spec.period_ns <= age_ns ? 0 : sp_random_u64(world(p)) % p->spec.period_ns;
}

static void begin(prober *p, const node_container *c, const node_seen_container *s)
{
	uint64_t ran_ns = 0, delay_ns;
	int64_t wall = sp_wall_ns(world(p));
	stop(p);
	p->spec = node_probe_spec_of(probe_of(c, p->kind));
	p->holds = false;
	(void)snprintf(p->id, sizeof p->id, SP_FMT, SP_ARG(s->id));
	node_probe_begin(&p->state, p->kind);
	if (s->started_ns > 0 && wall > s->started_ns)
		ran_ns = (uint64_t)(wall - s->started_ns);
	go_on(p, s);
	delay_ns = ran_ns >= p->spec.initial_delay_ns ? 0 : p->spec.initial_delay_ns - ran_ns;
	if (!p->holds)
		sp_timer_start(world(p), &p->timer, SP_MAX(delay_ns, jitter(p)), on_time);
}

/* A probe over the network waits for the pod's address, which may be seen after the container runs. */
static bool can_be_asked(node_worker *w, yyjson_val *probe)
{
	node_field_source fields;
	node_worker_fields(w, &fields);
	return fields.n_pod_ips > 0 || sp_json_last(probe, SP_STR("exec")) != NULL ||
	       sp_view_str_at(probe, "httpGet.host").len > 0 ||
	       sp_view_str_at(probe, "tcpSocket.host").len > 0;
}

static void update(node_worker *w, const node_container *c, node_probe_kind kind)
{
	const node_seen_container *s = node_seen_newest(&w->seen, c->name);
	prober *p = find(w, kind, c->name);
	if (probe_of(c, kind) == NULL)
		return;
	/* A pod that ends is only asked whether it is ready. */
	bool ends = w->stage != NODE_STAGE_RUN && kind != NODE_PROBE_READINESS;
	if (s == NULL || s->state != NODE_RUNNING || ends) {
		if (p != NULL) {
			stop(p);
			if (!ends)
				p->id[0] = '\0';
		}
		return;
	}
	if (!can_be_asked(w, probe_of(c, kind)))
		return; /* it is seen again with one */
	if (p == NULL)
		p = prober_new(w, c, kind);
	if (!sp_str_eq(sp_str_c(p->id), s->id))
		begin(p, c, s);
	else if (!p->holds && !sp_timer_is_running(&p->timer) && p->hook.running == 0 && is_started(p))
		on_time(&p->timer); /* it waited for the start */
}

void node_probes_update(node_worker *w)
{
	for (size_t i = 0; i < w->pod->n_init + w->pod->n_regular; i++) {
		const node_container *c = &w->pod->containers[i];
		if (c->role == NODE_INIT && !c->is_sidecar)
			continue;
		for (unsigned k = 0; k < NODE_PROBE_COUNT_; k++)
			update(w, c, (node_probe_kind)k);
	}
}

void node_probes_free(node_worker *w)
{
	if (w->probes == NULL)
		return;
	SP_LIST_FOREACH (node, &w->probes->list) {
		prober *p = SP_CONTAINER_OF(node, prober, node);
		stop(p);
		sp_free(p);
	}
	sp_free(w->probes);
	w->probes = NULL;
}
