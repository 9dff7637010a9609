/* SPDX-License-Identifier: Apache-2.0 */
#include "node/resources.h"

#include "base/num.h"

#define SHARES_MIN 2u
#define SHARES_MAX 262144u
#define QUOTA_MIN_US 1000
#define OOM_GUARANTEED (-997)
#define OOM_BEST_EFFORT 1000

/* A resource list of the pod itself (spec.resources), {NULL} when absent. */
static sp_vmap pod_list(const node_pod *p, const char *which)
{
	yyjson_val *v = sp_json_last(p->v.resources, sp_str_c(which));
	return (sp_vmap){.object = yyjson_is_obj(v) ? v : NULL};
}

int64_t node_amount(sp_vmap list, sp_str resource, bool milli)
{
	sp_qty q;
	sp_str text = sp_vmap_str(list, resource);
	if (text.len == 0 || sp_qty_parse(text, &q, NULL) != SP_OK)
		return -1;
	return milli ? sp_qty_milli(&q) : sp_qty_value(&q);
}

static int64_t amount_of(sp_vmap list, sp_str resource)
{
	return node_amount(list, resource, sp_str_eq(resource, SP_STR("cpu")));
}

/* ---- quality of service ---- */

static const sp_str counted[] = {SP_STR_INIT("cpu"), SP_STR_INIT("memory")};

/* Adds what one list of requests and limits means for the class. */
static void weigh(sp_vmap requests, sp_vmap limits, bool *any, bool *guaranteed)
{
	for (size_t i = 0; i < SP_LEN(counted); i++) {
		int64_t request = amount_of(requests, counted[i]), limit = amount_of(limits, counted[i]);
		*any |= request > 0 || limit > 0;
		/* A request that is not given is the limit; defaults see to that, static pods may lack it. */
		if (limit <= 0 || (request >= 0 && request != limit))
			*guaranteed = false;
	}
}

node_qos node_qos_of(const node_pod *p)
{
	bool any = false, guaranteed = true;
	sp_vmap requests = pod_list(p, "requests"), limits = pod_list(p, "limits");
	if (sp_vmap_count(requests) + sp_vmap_count(limits) > 0) {
		weigh(requests, limits, &any, &guaranteed);
	} else {
		for (size_t i = 0; i < p->n_init + p->n_regular; i++)
			weigh(p->containers[i].v.requests, p->containers[i].v.limits, &any, &guaranteed);
	}
	return !any ? NODE_QOS_BEST_EFFORT : guaranteed ? NODE_QOS_GUARANTEED : NODE_QOS_BURSTABLE;
}

sp_str node_qos_text(node_qos q)
{
	static const sp_str texts[] = {[NODE_QOS_GUARANTEED] = SP_STR_INIT("Guaranteed"),
				       [NODE_QOS_BURSTABLE] = SP_STR_INIT("Burstable"),
				       [NODE_QOS_BEST_EFFORT] = SP_STR_INIT("BestEffort")};
	return texts[q];
}

/* ---- one container ---- */

node_amounts node_amounts_of_lists(sp_vmap requests, sp_vmap limits)
{
	return (node_amounts){
		.cpu_request = SP_MAX(0, amount_of(requests, SP_STR("cpu"))),
		.cpu_limit = SP_MAX(0, amount_of(limits, SP_STR("cpu"))),
		.memory_request = SP_MAX(0, amount_of(requests, SP_STR("memory"))),
		.memory_limit = SP_MAX(0, amount_of(limits, SP_STR("memory"))),
	};
}

bool node_amounts_eq(const node_amounts *a, const node_amounts *b)
{
	return a->cpu_request == b->cpu_request && a->cpu_limit == b->cpu_limit &&
	       a->memory_request == b->memory_request && a->memory_limit == b->memory_limit;
}

uint64_t node_cpu_shares(int64_t milli)
{
	if (milli <= 0)
		return SHARES_MIN;
	uint64_t shares = (uint64_t)milli > UINT64_MAX / 1024 ? SHARES_MAX : (uint64_t)milli * 1024 / 1000;
	shares = SP_MIN(shares, SHARES_MAX);
	return SP_MAX(shares, SHARES_MIN);
}

int64_t node_cpu_quota(int64_t milli)
{
	int64_t quota;
	if (milli <= 0)
		return -1;
	if (!sp_mul(milli, NODE_CPU_PERIOD_US / 1000, &quota))
		return -1;
	return SP_MAX(quota, QUOTA_MIN_US);
}

static bool is_node_critical(const node_pod *p)
{
	return sp_str_eq(p->v.priority_class, SP_STR("system-node-critical"));
}

static int64_t containers_amount(const node_pod *p, bool limits, sp_str resource);

/* What the pod asks for beyond its containers, in equal parts. U: remainingPodMemReqPerContainer. */
static int64_t share_of_pod(const node_pod *p)
{
	int64_t own = amount_of(pod_list(p, "requests"), SP_STR("memory"));
	size_t n = p->n_init + p->n_regular;
	return own <= 0 || n == 0 ? 0 : (own - containers_amount(p, false, SP_STR("memory"))) / (int64_t)n;
}

static int64_t oom_of_burstable(const node_pod *p, const node_container *c, int64_t memory_capacity)
{
	int64_t request = node_amount(c->v.requests, SP_STR("memory"), false);
	request = SP_MAX(request, 0) + share_of_pod(p);
	int64_t score = memory_capacity <= 0 || request <= 0
				? 1000
				: 1000 - (int64_t)((__int128)request * 1000 / memory_capacity);
	/* Above every guaranteed container, below every one that asks for nothing. U:
	 * GetContainerOOMScoreAdjust. */
	if (score < 1000 + OOM_GUARANTEED)
		return 1000 + OOM_GUARANTEED;
	return score == OOM_BEST_EFFORT ? OOM_BEST_EFFORT - 1 : score;
}

static int64_t oom_of(const node_pod *p, const node_container *c, int64_t memory_capacity)
{
	if (is_node_critical(p))
		return OOM_GUARANTEED;
	switch (node_qos_of(p)) {
	case NODE_QOS_GUARANTEED:
		return OOM_GUARANTEED;
	case NODE_QOS_BEST_EFFORT:
		return OOM_BEST_EFFORT;
	case NODE_QOS_BURSTABLE:
		break;
	}
	int64_t score = oom_of_burstable(p, c, memory_capacity);
	if (c->is_sidecar) { /* not killed before what it serves */
		for (size_t i = 0; i < p->n_regular; i++)
			score = SP_MIN(score, oom_of_burstable(p, node_pod_regular(p, i), memory_capacity));
	}
	return score;
}

int64_t node_container_limit(const node_pod *p, const node_container *c, sp_str resource)
{
	int64_t own = amount_of(c->v.limits, resource);
	return own > 0 ? own : amount_of(pod_list(p, "limits"), resource);
}

node_container_limits node_limits_of(const node_pod *p, const node_container *c, int64_t memory_capacity)
{
	int64_t request = node_amount(c->v.requests, SP_STR("cpu"), true);
	int64_t limit = node_container_limit(p, c, SP_STR("cpu")),
		memory = node_container_limit(p, c, SP_STR("memory"));
	return (node_container_limits){
		.cpu_shares = (int64_t)node_cpu_shares(request < 0 ? limit : request),
		.cpu_quota_us = node_cpu_quota(limit),
		.memory_bytes = SP_MAX(memory, 0),
		.oom_score_adj = oom_of(p, c, memory_capacity),
	};
}

/* ---- the whole pod ---- */

static int64_t container_amount(const node_container *c, bool limits, sp_str resource)
{
	return SP_MAX(0, amount_of(limits ? c->v.limits : c->v.requests, resource));
}

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;
	return sp_add(a, b, &sum) ? sum : INT64_MAX;
}

/* U: AggregateContainerRequests, AggregateContainerLimits: the larger of what runs at the end and of each
 * step of the beginning. */
static int64_t containers_amount(const node_pod *p, bool limits, sp_str resource)
{
	int64_t sidecars = 0, init_most = 0, sum = 0;
	for (size_t i = 0; i < p->n_init; i++) {
		const node_container *c = node_pod_init(p, i);
		int64_t at = container_amount(c, limits, resource);
		if (c->is_sidecar)
			sidecars = add(sidecars, at);
		int64_t now = c->is_sidecar ? sidecars : add(at, sidecars);
		init_most = SP_MAX(init_most, now);
	}
	for (size_t i = 0; i < p->n_regular; i++)
		sum = add(sum, container_amount(node_pod_regular(p, i), limits, resource));
	int64_t late = add(sum, sidecars);
	return SP_MAX(late, init_most);
}

/* U: PodRequests, PodLimits without overhead: what the pod itself says goes first. */
static int64_t own_amount(const node_pod *p, bool limits, sp_str resource)
{
	int64_t own = amount_of(pod_list(p, limits ? "limits" : "requests"), resource);
	return own >= 0 ? own : containers_amount(p, limits, resource);
}

static int64_t pod_amount(const node_pod *p, bool limits, sp_str resource)
{
	int64_t most = own_amount(p, limits, resource);
	int64_t overhead = amount_of(p->v.overhead, resource);
	/* Limits that are not there get no overhead. */
	return overhead <= 0 || (limits && most == 0) ? most : add(most, overhead);
}

int64_t node_pod_request(const node_pod *p, sp_str resource)
{
	return pod_amount(p, false, resource);
}

int64_t node_pod_limit(const node_pod *p, sp_str resource)
{
	return pod_amount(p, true, resource);
}

/* Whether every container that counts has a limit, or the pod itself. */
static bool is_limited(const node_pod *p, sp_str resource)
{
	if (amount_of(pod_list(p, "limits"), resource) > 0)
		return true;
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		if (amount_of(p->containers[i].v.limits, resource) <= 0)
			return false;
	}
	return true;
}

node_pod_limits node_pod_limits_of(const node_pod *p)
{
	node_pod_limits l = {.cpu_quota_us = -1};
	node_qos qos = node_qos_of(p);
	int64_t request = pod_amount(p, false, SP_STR("cpu"));
	if (request == 0 && is_limited(p, SP_STR("cpu")))
		request = pod_amount(p, true, SP_STR("cpu"));
	l.cpu_shares = qos == NODE_QOS_BEST_EFFORT ? SHARES_MIN : (int64_t)node_cpu_shares(request);
	if (qos != NODE_QOS_BEST_EFFORT && is_limited(p, SP_STR("cpu")))
		l.cpu_quota_us = node_cpu_quota(pod_amount(p, true, SP_STR("cpu")));
	if (qos != NODE_QOS_BEST_EFFORT && is_limited(p, SP_STR("memory")))
		l.memory_bytes = pod_amount(p, true, SP_STR("memory"));
	return l;
}

static node_pod_limits sandbox_limits(int64_t cpu_request, int64_t cpu_limit, int64_t memory)
{
	int64_t quota = node_cpu_quota(cpu_limit);
	return (node_pod_limits){.cpu_shares = (int64_t)node_cpu_shares(cpu_request),
				 .cpu_quota_us = SP_MAX(quota, 0),
				 .memory_bytes = SP_MAX(memory, 0)};
}

node_pod_limits node_sandbox_limits_of(const node_pod *p)
{
	int64_t request = own_amount(p, false, SP_STR("cpu")), limit = own_amount(p, true, SP_STR("cpu"));
	return sandbox_limits(request > 0 ? request : limit, limit, own_amount(p, true, SP_STR("memory")));
}

node_pod_limits node_overhead_limits_of(const node_pod *p)
{
	int64_t cpu = amount_of(p->v.overhead, SP_STR("cpu"));
	return sandbox_limits(cpu, cpu, amount_of(p->v.overhead, SP_STR("memory")));
}

/* ---- names ---- */

/* Systemd cuts names of slices at '-': those of a uid become '_'. */
static sp_str slice_uid(sp_arena *a, sp_str uid)
{
	sp_str copy = sp_arena_try_dup(a, uid);
	char *at = copy.ptr == NULL ? NULL : (char *)(uintptr_t)copy.ptr;
	for (size_t i = 0; at != NULL && i < copy.len; i++) {
		if (at[i] == '-')
			at[i] = '_';
	}
	return copy;
}

sp_str node_pod_cgroup(sp_arena *a, sp_str root, const node_pod *p, bool systemd)
{
	static const char *const classes[] = {[NODE_QOS_GUARANTEED] = "",
					      [NODE_QOS_BURSTABLE] = "burstable",
					      [NODE_QOS_BEST_EFFORT] = "besteffort"};
	const char *class = classes[node_qos_of(p)];
	if (!systemd)
		return sp_arena_printf(a, "/" SP_FMT "%s%s/pod" SP_FMT, SP_ARG(root),
				       *class == '\0' ? "" : "/", class, SP_ARG(p->v.uid));
	sp_str uid = slice_uid(a, p->v.uid);
	if (*class == '\0')
		return sp_arena_printf(a, "/" SP_FMT ".slice/" SP_FMT "-pod" SP_FMT ".slice", SP_ARG(root),
				       SP_ARG(root), SP_ARG(uid));
	return sp_arena_printf(a, "/" SP_FMT ".slice/" SP_FMT "-%s.slice/" SP_FMT "-%s-pod" SP_FMT ".slice",
			       SP_ARG(root), SP_ARG(root), class, SP_ARG(root), class, SP_ARG(uid));
}
