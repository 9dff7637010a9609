/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node_int.h"

#define SANDBOX_TIMEOUT_NS (240 * NODE_SECOND_NS)

sp_code node_worker_sandbox_config(node_worker *w, uint32_t attempt, sp_cri_pod_sandbox_config **ret,
				   sp_err *err)
{
	const node_agent *a = w->agent;
	node_dns_opts opts = {.host = &a->host_resolv,
			      .cluster = a->opts.cluster_dns,
			      .n_cluster = a->opts.n_cluster_dns,
			      .domain = a->opts.cluster_domain};
	node_dns_notes notes;
	node_resolv *dns = sp_try_new(&w->scratch, node_resolv, 1);
	if (dns == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a sandbox");
	SP_TRY(node_dns_make(w->pod, &opts, &w->scratch, dns, &notes, err));
	if (notes.no_cluster_dns && !w->told_dns)
		node_worker_event(
			w, NULL, true, "MissingClusterDNS",
			"pod: \"" SP_FMT
			"\". kubelet does not have ClusterDNS IP configured and cannot create Pod using "
			"\"" SP_FMT "\" policy. Falling back to \"Default\" policy.",
			SP_ARG(w->pod->full_name), SP_ARG(w->pod->v.dns_policy));
	if (notes.cut && !w->told_dns)
		node_worker_event(w, NULL, true, "DNSConfigForming",
				  "Nameserver or search limits were exceeded, some have been omitted");
	w->told_dns = true;
	return node_sandbox_config(w->pod, &a->place, dns, attempt, &w->scratch, ret, err);
}

sp_code node_worker_handler(node_worker *w, sp_str *ret, sp_err *err)
{
	sp_str name = w->pod->v.runtime_class;
	yyjson_val *tree;
	*ret = (sp_str){NULL, 0};
	if (name.len == 0)
		return SP_OK;
	const sp_object *o = sp_informer_get(w->agent->runtime_classes, name);
	if (o == NULL)
		return sp_fail(err, SP_ENOTFOUND, "runtimeclass.node.k8s.io \"" SP_FMT "\" not found",
			       SP_ARG(name));
	SP_TRY(sp_json_parse(&w->scratch, o->json, &tree, err));
	*ret = sp_view_str_at(tree, "handler");
	return SP_OK;
}

static void sandbox_failed(node_worker *w, sp_str what)
{
	node_worker_event(w, NULL, true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " SP_FMT,
			  SP_ARG(what));
	w->agent->counters.pods_failed++;
	w->agent->counters.pods_of_users_failed += node_pod_has_own_users(w->pod);
	w->sandbox_retry_ns = sp_now_ns(w->agent->world) + NODE_RETRY_NS;
	node_worker_again(w, NODE_RETRY_NS);
	node_worker_end_turn(w);
}

static void on_sandbox(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL) {
		sp_str text = sp_arena_printf(&w->scratch, "rpc error: code = %s desc = " SP_FMT,
					      node_rpc_code_name(bad->status), SP_ARG(bad->message));
		sandbox_failed(w, text);
		return;
	}
	w->dirty = true;
	node_worker_end_turn(w);
}

void node_start_sandbox(node_worker *w, uint32_t attempt)
{
	sp_err err = {0};
	sp_cri_run_pod_sandbox_request request = {0};
	uint64_t now = sp_now_ns(w->agent->world);
	if (now < w->sandbox_retry_ns) { /* what is left of a failed one is an event, too */
		node_worker_again(w, w->sandbox_retry_ns - now);
		node_worker_end_turn(w);
		return;
	}
	w->agent->counters.pods++;
	w->agent->counters.pods_of_users += node_pod_has_own_users(w->pod);
	sp_code code = node_worker_handler(w, &request.runtime_handler, &err);
	if (code == SP_OK && node_pod_has_own_users(w->pod))
		code = node_self_check_users(w->agent, request.runtime_handler, &err);
	if (code == SP_OK)
		code = node_worker_sandbox_config(w, attempt, &request.config, &err);
	if (code == SP_OK)
		code = node_batch_init(&w->batch, w->agent->cri, &w->scratch, 1, on_sandbox, w, &err);
	if (code != SP_OK) {
		sandbox_failed(w, sp_str_c(err.msg));
		return;
	}
	node_batch_add(&w->batch, SP_CRI_RUN_POD_SANDBOX, &request, SANDBOX_TIMEOUT_NS);
}

const char *node_rpc_code_name(int32_t code)
{
	static const char *const names[] = {
		"OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
		"NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
		"Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
		"DataLoss", "Unauthenticated"};
	return code >= 0 && (size_t)code < SP_LEN(names) ? names[code] : "Unknown";
}
