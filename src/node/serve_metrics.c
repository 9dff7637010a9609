/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics of the agent, /metrics/resource, which metrics-server reads, and /metrics/cadvisor for dashboards.
 */
#include <unistd.h>

#include "base/alloc.h"
#include "io/file.h"
#include "node/cadvisor.h"
#include "node/metrics.h"
#include "node/serve_int.h"

#define BYTES_MAX ((size_t)64 << 20)
#define PROC_BYTES_MAX ((size_t)4 << 20)

static void end_scrape(node_request *r)
{
	node_scrape *s = r->state;
	node_batch_cancel(&s->batch);
	sp_arena_done(&s->arena);
	sp_free(s);
}

const void *node_scrape_answer(const node_batch *b, size_t i)
{
	return b->items[i].status == SP_RPC_OK ? b->items[i].response : NULL;
}

static void answer_text(node_request *r, const sp_buf *out)
{
	static const sp_http_header type = {SP_STR_INIT("content-type"),
					    SP_STR_INIT("text/plain; version=0.0.4; charset=utf-8")};
	if (sp_buf_code(out) != SP_OK)
		node_answer(r, 500, "the answer is too large");
	else if (sp_http_respond(r->ex, 200, &type, 1, sp_buf_view(out), NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

node_scrape *node_scrape_begin(node_request *r, size_t n, void (*done)(node_batch *b))
{
	node_scrape *s = sp_try_alloc(sizeof *s);
	if (s == NULL) {
		node_answer(r, 500, "no memory for the answer");
		return NULL;
	}
	sp_arena_init(&s->arena, BYTES_MAX);
	r->state = s;
	r->end = end_scrape;
	if (node_batch_init(&s->batch, r->agent->cri, &s->arena, n, done, r, NULL) == SP_OK)
		return s;
	node_answer(r, 500, "no memory for the answer");
	return NULL;
}

/* ---- /metrics/resource ---- */

node_use node_machine_use(node_request *r, sp_arena *a)
{
	node_use use = {.at_ns = sp_wall_ns(r->agent->world)};
	sp_str stat = {NULL, 0}, meminfo = {NULL, 0};
	long ticks = sysconf(_SC_CLK_TCK);
	(void)!sp_file_read_arena(r->agent->world, SP_STR("/proc/stat"), a, PROC_BYTES_MAX, &stat, NULL);
	(void)!sp_file_read_arena(r->agent->world, SP_STR("/proc/meminfo"), a, PROC_BYTES_MAX, &meminfo,
				  NULL);
	node_use_read(stat, meminfo, ticks > 0 ? (uint64_t)ticks : 0, &use);
	return use;
}

static void on_resource(node_batch *b)
{
	node_request *r = b->arg;
	const node_use use = node_machine_use(r, b->arena);
	const node_resource_input in = {.node = &use,
					.stats = node_scrape_answer(b, 0),
					.containers = node_scrape_answer(b, 1),
					.pods = node_scrape_answer(b, 2)};
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	node_metrics_resource(&out, &in);
	answer_text(r, &out);
}

typedef struct cgroups {
	const node_agent *agent;
	sp_arena *arena;
} cgroups;

/* Of a pod whose spec is not at hand: as if it had no class. */
static sp_str cgroup_of(void *arg, sp_str uid)
{
	const cgroups *c = arg;
	const node_agent *a = c->agent;
	const node_worker *w = sp_map_get(&a->workers_by_uid, uid);
	if (uid.len == 0)
		return SP_STR("");
	if (w != NULL && w->pod != NULL)
		return node_pod_cgroup(c->arena, a->place.cgroup_root, w->pod, a->place.systemd);
	return sp_arena_printf(c->arena, "/" SP_FMT "/pod" SP_FMT, SP_ARG(a->place.cgroup_root), SP_ARG(uid));
}

static void on_cadvisor(node_batch *b)
{
	node_request *r = b->arg;
	node_agent *a = r->agent;
	const node_use use = node_machine_use(r, b->arena);
	cgroups find = {a, b->arena};
	node_cadvisor_input in = {.node = &use,
				  .cpu_milli = a->cpu_milli,
				  .memory_bytes = a->memory_bytes,
				  .cgroup_of = cgroup_of,
				  .arg = &find,
				  .stats = node_scrape_answer(b, 0),
				  .containers = node_scrape_answer(b, 1),
				  .pods = node_scrape_answer(b, 2)};
	node_self_ids(a, &in.boot_id, &in.machine_id, &in.system_uuid);
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	node_cadvisor_write(&out, &in);
	answer_text(r, &out);
}

/* Both tell of the same statistics. */
static void serve_usage(node_request *r, void (*done)(node_batch *b))
{
	const sp_cri_list_container_stats_request stats = {0};
	const sp_cri_list_containers_request containers = {0};
	const sp_cri_list_pod_sandbox_stats_request pods = {0};
	node_scrape *s = node_scrape_begin(r, 3, done);
	if (s == NULL)
		return;
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINER_STATS, &stats, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_POD_SANDBOX_STATS, &pods, NODE_CALL_TIMEOUT_NS);
}

/* ---- /metrics ---- */

static void on_own(node_batch *b)
{
	node_request *r = b->arg;
	node_own_input in = {.node_name = r->agent->opts.node_name,
			     .boxes = node_scrape_answer(b, 0),
			     .containers = node_scrape_answer(b, 1),
			     .images_freed = node_image_gc_count(r->agent)};
	SP_LIST_FOREACH (node, &r->agent->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		bool is_static = w->own != NULL, is_active = w->stage == NODE_STAGE_RUN;
		if (w->is_gone || w->latest == NULL)
			continue;
		in.desired += !is_static;
		in.desired_static += is_static;
		in.active += is_active && !is_static;
		in.active_static += is_active && is_static;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	node_metrics_own(&out, &in);
	node_counters_tell(r->agent, &out);
	answer_text(r, &out);
}

/* U: pkg/kubelet/prober/prober_manager.go. */
static void serve_probes(node_request *r)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("# HELP prober_probe_total [BETA] Cumulative number of a liveness, "
				      "readiness or startup probe for a container by result.\n"
				      "# TYPE prober_probe_total counter\n"));
	SP_LIST_FOREACH (node, &r->agent->workers)
		node_probes_tell(SP_CONTAINER_OF(node, node_worker, node), &out);
	answer_text(r, &out);
}

void node_serve_metrics(node_request *r)
{
	const sp_cri_list_pod_sandbox_request boxes = {0};
	const sp_cri_list_containers_request containers = {0};
	if (r->n_segments == 2) {
		if (sp_str_eq(r->segments[1], SP_STR("resource")))
			serve_usage(r, on_resource);
		else if (sp_str_eq(r->segments[1], SP_STR("cadvisor")))
			serve_usage(r, on_cadvisor);
		else if (sp_str_eq(r->segments[1], SP_STR("probes")))
			serve_probes(r);
		else
			node_answer(r, 404, "404 page not found\n");
		return;
	}
	node_scrape *s = node_scrape_begin(r, 2, on_own);
	if (s == NULL)
		return;
	node_batch_add(&s->batch, SP_CRI_LIST_POD_SANDBOX, &boxes, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&s->batch, SP_CRI_LIST_CONTAINERS, &containers, NODE_CALL_TIMEOUT_NS);
}
