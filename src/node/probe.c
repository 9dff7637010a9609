/* SPDX-License-Identifier: Apache-2.0 */
#include "node/probe.h"

static uint64_t number(yyjson_val *probe, const char *member, uint64_t otherwise, uint64_t least)
{
	yyjson_val *v = sp_view_at(probe, member);
	int64_t n = yyjson_is_int(v) ? yyjson_get_sint(v) : (int64_t)otherwise;
	return n < (int64_t)least ? otherwise : (uint64_t)n;
}

node_probe_spec node_probe_spec_of(yyjson_val *probe)
{
	const uint64_t second = UINT64_C(1000000000);
	return (node_probe_spec){
		.initial_delay_ns = number(probe, "initialDelaySeconds", 0, 0) * second,
		.period_ns = number(probe, "periodSeconds", 10, 1) * second,
		.timeout_ns = number(probe, "timeoutSeconds", 1, 1) * second,
		.successes = (uint32_t)number(probe, "successThreshold", 1, 1),
		.failures = (uint32_t)number(probe, "failureThreshold", 3, 1),
	};
}

void node_probe_begin(node_probe_state *s, node_probe_kind kind)
{
	static const node_verdict first[NODE_PROBE_COUNT_] = {[NODE_PROBE_STARTUP] = NODE_VERDICT_UNKNOWN,
							      [NODE_PROBE_LIVENESS] = NODE_VERDICT_SUCCESS,
							      [NODE_PROBE_READINESS] = NODE_VERDICT_FAILURE};
	*s = (node_probe_state){.verdict = first[kind]};
}

bool node_probe_result(node_probe_state *s, const node_probe_spec *spec, node_verdict result)
{
	s->run = s->last == result ? s->run + 1 : 1;
	s->last = result;
	if (s->run < (result == NODE_VERDICT_SUCCESS ? spec->successes : spec->failures) ||
	    s->verdict == result)
		return false;
	s->verdict = result;
	return true;
}
