/* SPDX-License-Identifier: Apache-2.0 */
/* What containers use: /metrics/resource, which metrics-server reads, and /stats/summary. */
#include "base/json_out.h"
#include "node/serve_int.h"

#define BYTES_MAX ((size_t)64 << 20)

static sp_str label(const sp_cri_container_stats *s, const char *key)
{
	return s->attributes == NULL ? (sp_str){NULL, 0}
				     : node_pair_get(s->attributes->labels.at, s->attributes->labels.n, key);
}

static void list(node_request *r,
		 void (*done)(sp_cri_call *c, int32_t status, sp_str message, const void *response))
{
	sp_cri_list_container_stats_request request = {0};
	r->call = (sp_cri_call){.done = done, .arg = r, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	r->agent->cri->call(r->agent->cri, SP_CRI_LIST_CONTAINER_STATS, &request, &r->call);
}

/* ---- /metrics/resource ---- */

typedef struct metric {
	const char *name, *help, *type;
	bool (*value)(const sp_cri_container_stats *s, sp_buf *out);
	int64_t (*at_ns)(const sp_cri_container_stats *s);
} metric;

static bool cpu_value(const sp_cri_container_stats *s, sp_buf *out)
{
	if (s->cpu == NULL || s->cpu->usage_core_nano_seconds == NULL)
		return false;
	uint64_t ns = s->cpu->usage_core_nano_seconds->value;
	(void)sp_buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
			    (unsigned long long)(ns % 1000000000));
	return true;
}
static int64_t cpu_at(const sp_cri_container_stats *s)
{
	return s->cpu->timestamp;
}
static bool memory_value(const sp_cri_container_stats *s, sp_buf *out)
{
	if (s->memory == NULL || s->memory->working_set_bytes == NULL)
		return false;
	(void)sp_buf_u64(out, s->memory->working_set_bytes->value);
	return true;
}
static int64_t memory_at(const sp_cri_container_stats *s)
{
	return s->memory->timestamp;
}

static const metric metrics[] = {
	{"container_cpu_usage_seconds_total",
	 "[STABLE] Cumulative cpu time consumed by the container in core-seconds", "counter", cpu_value,
	 cpu_at},
	{"container_memory_working_set_bytes", "[STABLE] Current working set of the container in bytes",
	 "gauge", memory_value, memory_at},
};

static void on_metrics(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	static const sp_http_header type = {SP_STR_INIT("content-type"),
					    SP_STR_INIT("text/plain; version=0.0.4; charset=utf-8")};
	node_request *r = c->arg;
	const sp_cri_list_container_stats_response *l = response;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	for (size_t m = 0; m < SP_LEN(metrics) && status == SP_RPC_OK; m++) {
		(void)sp_buf_printf(&out, "# HELP %s %s\n# TYPE %s %s\n", metrics[m].name, metrics[m].help,
				    metrics[m].name, metrics[m].type);
		for (size_t i = 0; i < l->stats.n; i++) {
			const sp_cri_container_stats *s = &l->stats.at[i];
			SP_AUTO_BUF value;
			sp_buf_init(&value, 64);
			if (label(s, NODE_LABEL_CONTAINER).len == 0 || !metrics[m].value(s, &value))
				continue;
			(void)sp_buf_printf(&out,
					    "%s{container=\"" SP_FMT "\",namespace=\"" SP_FMT
					    "\",pod=\"" SP_FMT "\"} " SP_FMT " %lld\n",
					    metrics[m].name, SP_ARG(label(s, NODE_LABEL_CONTAINER)),
					    SP_ARG(label(s, NODE_LABEL_POD_NAMESPACE)),
					    SP_ARG(label(s, NODE_LABEL_POD_NAME)),
					    SP_ARG(sp_buf_view(&value)),
					    (long long)(metrics[m].at_ns(s) / 1000000));
		}
	}
	(void)message;
	(void)sp_buf_printf(&out,
			    "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting "
			    "container metrics, 0 otherwise\n"
			    "# TYPE resource_scrape_error gauge\nresource_scrape_error %d\n",
			    status != SP_RPC_OK);
	if (sp_buf_code(&out) != SP_OK)
		node_answer(r, 500, "the answer is too large");
	else if (sp_http_respond(r->ex, 200, &type, 1, sp_buf_view(&out), NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

void node_serve_metrics(node_request *r)
{
	if (!sp_str_eq(r->segments[1], SP_STR("resource")))
		node_answer(r, 404, "404 page not found\n");
	else
		list(r, on_metrics);
}

/* ---- /stats/summary ---- */

static void out_time(sp_jout *j, int64_t ns)
{
	char text[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(text, (sp_time){.seconds = ns / 1000000000}, 0);
	sp_jout_member_str(j, SP_STR("time"), (sp_str){text, n});
}
static void out_amount(sp_jout *j, sp_str key, const sp_cri_uint64_value *v)
{
	if (v != NULL)
		sp_jout_member_i64(j, key, (int64_t)SP_MIN(v->value, (uint64_t)INT64_MAX));
}

static void out_container(sp_jout *j, const sp_cri_container_stats *s)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), label(s, NODE_LABEL_CONTAINER));
	if (s->cpu != NULL) {
		sp_jout_member_open(j, SP_STR("cpu"), '{');
		out_time(j, s->cpu->timestamp);
		out_amount(j, SP_STR("usageNanoCores"), s->cpu->usage_nano_cores);
		out_amount(j, SP_STR("usageCoreNanoSeconds"), s->cpu->usage_core_nano_seconds);
		sp_jout_close(j, '}');
	}
	if (s->memory != NULL) {
		sp_jout_member_open(j, SP_STR("memory"), '{');
		out_time(j, s->memory->timestamp);
		out_amount(j, SP_STR("availableBytes"), s->memory->available_bytes);
		out_amount(j, SP_STR("usageBytes"), s->memory->usage_bytes);
		out_amount(j, SP_STR("workingSetBytes"), s->memory->working_set_bytes);
		out_amount(j, SP_STR("rssBytes"), s->memory->rss_bytes);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
}

static void out_pod(sp_jout *j, const node_worker *w, const sp_cri_list_container_stats_response *l)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("podRef"), '{');
	sp_jout_member_str(j, SP_STR("name"), w->name);
	sp_jout_member_str(j, SP_STR("namespace"), w->ns);
	sp_jout_member_str(j, SP_STR("uid"), w->uid);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("containers"), '[');
	for (size_t i = 0; i < l->stats.n; i++) {
		if (sp_str_eq(label(&l->stats.at[i], NODE_LABEL_POD_UID), w->uid))
			out_container(j, &l->stats.at[i]);
	}
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

static void on_stats(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_request *r = c->arg;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BYTES_MAX);
	if (status != SP_RPC_OK) {
		node_answer(r, 500, SP_FMT, SP_ARG(message));
		return;
	}
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("node"), '{');
	sp_jout_member_str(&j, SP_STR("nodeName"), r->agent->opts.node_name);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("pods"), '[');
	SP_LIST_FOREACH (node, &r->agent->workers)
		out_pod(&j, SP_CONTAINER_OF(node, node_worker, node), response);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	node_answer_json(r, &out);
}

void node_serve_stats(node_request *r)
{
	if (!sp_str_eq(r->segments[1], SP_STR("summary")))
		node_answer(r, 404, "404 page not found\n");
	else
		list(r, on_stats);
}
