/* SPDX-License-Identifier: Apache-2.0 */
/* What containers use, as JSON: /stats/summary. */
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
