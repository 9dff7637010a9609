/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/counts.h"

#include "apiserver/metrics/metrics.h"
#include "base/num.h"

#define NS_PER_S 1e9
#define SHORT_NS UINT64_C(1000000) /* below the first bound, wherever in it */
#define NO_STATUS 503u             /* upstream's word for a call without an answer */

static sp_str truth(bool yes)
{
	return yes ? SP_STR("true") : SP_STR("false");
}

static double seconds_since(const api_server *s, uint64_t began_ns)
{
	return (double)(sp_clock_ns(s->world) - began_ns) / NS_PER_S;
}

/* `n` calls that took that long together; all or none of them are beyond a bound. */
static void tell_plugin(api_server *s, api_operation op, size_t i, bool validates, bool rejected, uint32_t n,
			uint64_t ns)
{
	const sp_str labels[] = {sp_str_c(api_admission_plugins[i].name), api_operation_name(op),
				 truth(rejected), validates ? SP_STR("validate") : SP_STR("admit")};
	if (n > 0)
		sp_metric_observe_many(s->metrics, API_METRIC_ADMISSION_CONTROLLER, labels,
				       (double)ns / NS_PER_S / n, n);
}

void api_count_plugin(api_server *s, api_operation op, size_t i_plugin, bool validates, bool rejected,
		      uint64_t took_ns)
{
	if (i_plugin >= API_COUNTED_PLUGINS_MAX || took_ns > SHORT_NS) {
		tell_plugin(s, op, i_plugin, validates, rejected, 1, took_ns);
		return;
	}
	s->admitted->plugins[i_plugin][validates][op][rejected].n++;
	s->admitted->plugins[i_plugin][validates][op][rejected].ns += took_ns;
}

void api_count_step(api_server *s, api_operation op, bool validates, bool rejected, uint64_t began_ns,
		    uint64_t hooks_began_ns)
{
	api_metrics *m = s->metrics;
	sp_str type = validates ? SP_STR("validate") : SP_STR("admit");
	const sp_str step[] = {api_operation_name(op), truth(rejected), type};
	const sp_str controller[] = {validates ? SP_STR("ValidatingAdmissionWebhook")
					       : SP_STR("MutatingAdmissionWebhook"),
				     api_operation_name(op), truth(rejected), type};
	sp_metric_observe(m, API_METRIC_ADMISSION_STEP, step, seconds_since(s, began_ns));
	if (hooks_began_ns > 0)
		sp_metric_observe(m, API_METRIC_ADMISSION_CONTROLLER, controller,
				  seconds_since(s, hooks_began_ns));
}

void api_count_webhook(api_server *s, api_operation op, const api_hook_call *c, uint64_t began_ns)
{
	api_metrics *m = s->metrics;
	char text[SP_NUM_TEXT_BYTES];
	bool passed_over = c->failed && c->hook->ignores_failure;
	bool rejected = c->failed ? !passed_over : !c->answer.allowed;
	bool http_failed = c->status >= 300;
	unsigned code = c->failed  ? (http_failed ? c->status : NO_STATUS)
			: rejected ? c->answer.status.code
				   : 200;
	sp_str op_name = api_operation_name(op), name = c->hook->name;
	sp_str type = c->mutating ? SP_STR("admit") : SP_STR("validating");
	sp_str code_text = {text, sp_print_u64(text, code)};
	const sp_str asked[] = {code_text, name, op_name, truth(rejected), type};
	const sp_str took[] = {name, op_name, truth(rejected), type};
	const sp_str refused[] = {c->failed ? SP_STR("calling_webhook_error") : SP_STR("no_error"), name,
				  op_name, code_text, type};
	const sp_str opened[] = {name, type};
	sp_metric_add(m, API_METRIC_WEBHOOK_REQUESTS, asked, 1);
	sp_metric_observe(m, API_METRIC_WEBHOOK_SECONDS, took, seconds_since(s, began_ns));
	if (rejected)
		sp_metric_add(m, API_METRIC_WEBHOOK_REJECTIONS, refused, 1);
	if (passed_over)
		sp_metric_add(m, API_METRIC_WEBHOOK_FAIL_OPEN, opened, 1);
}

static void flush_plugin(api_server *s, size_t i)
{
	for (unsigned v = 0; v < 2; v++) {
		for (unsigned op = 0; op <= API_OP_CONNECT; op++) {
			for (unsigned rejected = 0; rejected < 2; rejected++) {
				uint32_t *n = &s->admitted->plugins[i][v][op][rejected].n;
				uint64_t *ns = &s->admitted->plugins[i][v][op][rejected].ns;
				tell_plugin(s, (api_operation)op, i, v != 0, rejected != 0, *n, *ns);
				*n = 0;
				*ns = 0;
			}
		}
	}
}

void api_counts_flush(api_server *s)
{
	for (size_t i = 0; i < api_n_admission_plugins && i < API_COUNTED_PLUGINS_MAX; i++)
		flush_plugin(s, i);
}
