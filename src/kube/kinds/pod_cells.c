/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of the pod table. U: kubernetes pkg/printers/internalversion/printers.go, printPod. */
#include "kube/kinds/cells.h"
#include "kube/kinds/pod_int.h"
#include "kube/meta.h"

/* What three columns say, gathered in one pass. */
typedef struct summary {
	sp_kind_ctx *c;
	int64_t ready, total, restarts, sidecar_restarts;
	sp_str reason;
	sp_str last_restart, last_sidecar_restart; /* finishedAt of the newest termination */
	bool initializing;
} summary;

static bool has_condition(yyjson_mut_val *status, const char *type)
{
	SP_KV_EACH (cond, i, sp_kv_list(status, "conditions")) {
		if (sp_kv_is(cond, "type", type))
			return sp_kv_is(cond, "status", "True");
	}
	return false;
}

/* Canonical times sort as text. */
static void newer(sp_str *best, yyjson_mut_val *status)
{
	sp_str when = sp_kv_str(sp_kv_path(status, "lastState", "terminated", NULL), "finishedAt");
	if (sp_str_cmp(when, *best) > 0)
		*best = when;
}

/* "Error", "Signal:9" or "ExitCode:1", with a prefix. */
static sp_str ended(summary *s, const char *prefix, yyjson_mut_val *terminated)
{
	sp_str reason = sp_kv_str(terminated, "reason");
	int64_t signal = sp_kv_i64(terminated, "signal", 0), code = sp_kv_i64(terminated, "exitCode", 0);
	if (reason.len > 0)
		return sp_arena_printf(s->c->arena, "%s" SP_FMT, prefix, SP_ARG(reason));
	return sp_arena_printf(s->c->arena, "%s%s:%lld", prefix, signal != 0 ? "Signal" : "ExitCode",
			       (long long)(signal != 0 ? signal : code));
}

static bool is_sidecar(yyjson_mut_val *spec, sp_str name)
{
	bool sidecar = false;
	SP_KV_EACH (container, i, sp_kv_list(spec, "initContainers")) {
		if (sp_str_eq(sp_kv_str(container, "name"), name))
			sidecar = sp_pod_is_sidecar(container);
	}
	return sidecar;
}

/* The first init container that is not done tells what the pod waits for. */
static void init_containers(summary *s, yyjson_mut_val *spec, yyjson_mut_val *status)
{
	SP_KV_EACH (container, i, sp_kv_list(spec, "initContainers"))
		s->total += sp_pod_is_sidecar(container);
	SP_KV_EACH (st, i, sp_kv_list(status, "initContainerStatuses")) {
		bool sidecar = is_sidecar(spec, sp_kv_str(st, "name"));
		yyjson_mut_val *ended_state = sp_kv_path(st, "state", "terminated", NULL);
		sp_str waiting = sp_kv_str(sp_kv_path(st, "state", "waiting", NULL), "reason");
		int64_t restarts = sp_kv_i64(st, "restartCount", 0);
		s->restarts += restarts;
		newer(&s->last_restart, st);
		if (sidecar) {
			s->sidecar_restarts += restarts;
			newer(&s->last_sidecar_restart, st);
		}
		if (ended_state != NULL && sp_kv_i64(ended_state, "exitCode", 0) == 0)
			continue;
		if (sidecar && sp_kv_bool(st, "started")) {
			s->ready += sp_kv_bool(st, "ready");
			continue;
		}
		s->initializing = true;
		if (ended_state != NULL)
			s->reason = ended(s, "Init:", ended_state);
		else if (waiting.len > 0 && !sp_str_eq(waiting, SP_STR("PodInitializing")))
			s->reason = sp_arena_printf(s->c->arena, "Init:" SP_FMT, SP_ARG(waiting));
		else
			s->reason = sp_arena_printf(s->c->arena, "Init:%zu/%zu", i,
						    sp_kv_len(sp_kv_list(spec, "initContainers")));
		return;
	}
}

static void containers(summary *s, yyjson_mut_val *status)
{
	yyjson_mut_val *list = sp_kv_list(status, "containerStatuses");
	bool running = false;
	sp_str error = {NULL, 0};
	s->restarts = s->sidecar_restarts;
	s->last_restart = s->last_sidecar_restart;
	/* upstream goes backwards, so the first container's word counts, and the first failed one's */
	bool decided = false;
	SP_KV_EACH (st, i, list) {
		yyjson_mut_val *ended_state = sp_kv_path(st, "state", "terminated", NULL);
		sp_str waiting = sp_kv_str(sp_kv_path(st, "state", "waiting", NULL), "reason");
		s->restarts += sp_kv_i64(st, "restartCount", 0);
		newer(&s->last_restart, st);
		if (waiting.len > 0) {
			s->reason = decided ? s->reason : waiting;
			decided = true;
		} else if (ended_state != NULL) {
			sp_str how = ended(s, "", ended_state);
			s->reason = decided ? s->reason : how;
			decided = true;
			if (sp_kv_i64(ended_state, "exitCode", 0) != 0 && error.len == 0)
				error = how;
		} else if (sp_kv_bool(st, "ready") && sp_kv_path(st, "state", "running", NULL) != NULL) {
			running = true;
			s->ready++;
		}
	}
	if (!sp_str_eq(s->reason, SP_STR("Completed")))
		return;
	if (running && has_condition(status, "Ready"))
		s->reason = SP_STR("Running");
	else if (error.len > 0)
		s->reason = error;
	else if (running)
		s->reason = SP_STR("NotReady");
}

static summary summarize(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status = sp_kv_get(obj, "status");
	sp_str phase = sp_kv_str(status, "phase"), why = sp_kv_str(status, "reason");
	summary s = {.c = c, .reason = why.len > 0 ? why : phase};
	s.total = (int64_t)sp_kv_len(sp_kv_list(spec, "containers"));
	SP_KV_EACH (cond, i, sp_kv_list(status, "conditions")) {
		if (sp_kv_is(cond, "type", "PodScheduled") && sp_kv_is(cond, "reason", "SchedulingGated"))
			s.reason = SP_STR("SchedulingGated");
	}
	init_containers(&s, spec, status);
	if (!s.initializing || has_condition(status, "Initialized"))
		containers(&s, status);
	if (!sp_kv_has(sp_meta(obj), "deletionTimestamp"))
		return s;
	if (sp_str_eq(why, SP_STR("NodeLost")))
		s.reason = SP_STR("Unknown");
	else if (!sp_str_eq(phase, SP_STR("Failed")) && !sp_str_eq(phase, SP_STR("Succeeded")))
		s.reason = SP_STR("Terminating");
	return s;
}

static yyjson_mut_val *ready_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	summary s = summarize(c, obj);
	return sp_cell_printf(c, "%lld/%lld", (long long)s.ready, (long long)s.total);
}

static yyjson_mut_val *status_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, summarize(c, obj).reason);
}

static yyjson_mut_val *restarts_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	summary s = summarize(c, obj);
	if (s.restarts == 0 || s.last_restart.len == 0)
		return sp_cell_printf(c, "%lld", (long long)s.restarts);
	sp_str ago = sp_age_since(c, s.last_restart);
	return sp_cell_printf(c, "%lld (" SP_FMT " ago)", (long long)s.restarts, SP_ARG(ago));
}

static yyjson_mut_val *ip_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *first = yyjson_mut_arr_get_first(sp_kv_list(sp_kv_get(obj, "status"), "podIPs"));
	return sp_cell_or_none(c, sp_kv_str(first, "ip"));
}

static yyjson_mut_val *node_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_or_none(c, sp_kv_str(sp_kv_get(obj, "spec"), "nodeName"));
}

static yyjson_mut_val *nominated_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_or_none(c, sp_kv_str(sp_kv_get(obj, "status"), "nominatedNodeName"));
}

static yyjson_mut_val *gates_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *gates = sp_kv_list(sp_kv_get(obj, "spec"), "readinessGates");
	size_t n_true = 0;
	SP_KV_EACH (gate, i, gates) {
		SP_KV_EACH (cond, k, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
			if (sp_str_eq(sp_kv_str(cond, "type"), sp_kv_str(gate, "conditionType"))) {
				n_true += sp_kv_is(cond, "status", "True");
				break;
			}
		}
	}
	if (gates == NULL)
		return sp_cell_str(c, SP_STR("<none>"));
	return sp_cell_printf(c, "%zu/%zu", n_true, sp_kv_len(gates));
}

const sp_cell sp_pod_cells[] = {
	{SP_STR_INIT("Ready"), ready_cell},
	{SP_STR_INIT("Status"), status_cell},
	{SP_STR_INIT("Restarts"), restarts_cell},
	{SP_STR_INIT("IP"), ip_cell},
	{SP_STR_INIT("Node"), node_cell},
	{SP_STR_INIT("Nominated Node"), nominated_cell},
	{SP_STR_INIT("Readiness Gates"), gates_cell},
};
const size_t sp_n_pod_cells = SP_LEN(sp_pod_cells);

yyjson_mut_val *sp_pod_container_names_cell(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	return sp_cell_joined(c, sp_kv_list(spec, "containers"), "name");
}

yyjson_mut_val *sp_pod_images_cell(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	return sp_cell_joined(c, sp_kv_list(spec, "containers"), "image");
}
