/* SPDX-License-Identifier: Apache-2.0 */
#include "node/node_int.h"

#define SANDBOX_TIMEOUT_NS (240 * NODE_SECOND_NS)
#define LINE_BYTES_MAX ((size_t)16 << 10)

/* "WHAT limits were exceeded, …: the ones that are left". U: formDNSConfigFitsLimits. */
static void tell_cut(node_worker *w, const char *what, const sp_str *left, size_t n)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, LINE_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(&text, i == 0 ? SP_STR("") : SP_STR(" "));
		(void)sp_buf_str(&text, left[i]);
	}
	node_worker_event(w, NULL, true, "DNSConfigForming", "%s line is: " SP_FMT, what,
			  SP_ARG(sp_buf_view(&text)));
}

static void tell_dns(node_worker *w, const node_resolv *dns, const node_dns_notes *notes)
{
	if (notes->no_cluster_dns)
		node_worker_event(
			w, NULL, true, "MissingClusterDNS",
			"pod: \"" SP_FMT
			"\". kubelet does not have ClusterDNS IP configured and cannot create Pod using "
			"\"ClusterFirst\" policy. Falling back to \"Default\" policy.",
			SP_ARG(w->pod->full_name));
	if (dns->cut_servers)
		tell_cut(w,
			 "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
			 "nameserver",
			 dns->servers, dns->n_servers);
	if (dns->cut_searches)
		tell_cut(w,
			 "Search Line limits were exceeded, some search paths have been omitted, the applied "
			 "search",
			 dns->searches, dns->n_searches);
}

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
	if (!w->told_dns)
		tell_dns(w, dns, &notes);
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
