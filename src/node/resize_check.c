/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A memory limit below what is in use is not set: the kernel would reclaim, or kill. U: kubernetes
 * pkg/kubelet/kuberuntime/kuberuntime_manager.go validateMemoryResizeAction.
 */
#include "node/node_int.h"

enum { CONTAINERS, POD, CALLS };

#define TEXT_BYTES_MAX ((size_t)16 << 10)

/* The limit that the container is to have, when it is one that it has not now; 0: none, or no less. */
static int64_t less(node_worker *w, const node_seen_container *s)
{
	const node_container *c = node_pod_container(w->pod, s->name);
	const node_memo *m = node_worker_memo(w, s->name);
	int64_t want = c == NULL ? 0 : node_amounts_of(c).memory_limit;
	int64_t has = m == NULL || !m->has_actuated ? 0 : m->actuated.memory_limit;
	return has == 0 || want < has ? want : 0;
}

static int64_t less_of_pod(const node_worker *w)
{
	int64_t want = node_pod_limits_of(w->pod).memory_bytes, has = w->cgroup_limits.memory_bytes;
	return has == 0 || want < has ? want : 0;
}

static bool any_less(node_worker *w)
{
	bool any = less_of_pod(w) > 0;
	for (size_t i = 0; i < w->resizing->n_resizes; i++)
		any |= less(w, w->resizing->resizes[i]) > 0;
	return any;
}

/* ---- what is in use ---- */

/* -1: nobody says. */
static int64_t usage(const sp_cri_memory_usage *m)
{
	return m == NULL || m->usage_bytes == NULL
		       ? -1
		       : (int64_t)SP_MIN(m->usage_bytes->value, (uint64_t)INT64_MAX);
}

static int64_t usage_of(const sp_cri_list_container_stats_response *r, sp_str id)
{
	for (size_t i = 0; i < r->stats.n; i++) {
		const sp_cri_container_stats *s = &r->stats.at[i];
		if (s->attributes != NULL && sp_str_eq(s->attributes->id, id))
			return usage(s->memory);
	}
	return -1;
}

/* Where the runtime says nothing of the pod: what its containers use. */
static int64_t usage_of_pod(const node_worker *w, const node_batch *b)
{
	const sp_cri_pod_sandbox_stats_response *r =
		b->items[POD].status == SP_RPC_OK ? b->items[POD].response : NULL;
	int64_t sum = -1;
	if (r != NULL && r->stats != NULL && r->stats->linux_ != NULL)
		sum = usage(r->stats->linux_->memory);
	if (sum >= 0)
		return sum;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		int64_t one = w->seen.containers[i].state != NODE_RUNNING
				      ? -1
				      : usage_of(b->items[CONTAINERS].response, w->seen.containers[i].id);
		if (one >= 0)
			sum = SP_MAX(sum, 0) + one;
	}
	return sum;
}

/* ---- the answer ---- */

static sp_buf *next(sp_buf *out, unsigned *n)
{
	if ((*n)++ > 0)
		(void)sp_buf_str(out, SP_STR(", "));
	return out;
}

/* How many limits are too low; what is wrong with each. */
static unsigned judge(node_worker *w, const node_batch *b, sp_buf *out)
{
	int64_t want = less_of_pod(w), of_pod = usage_of_pod(w, b);
	unsigned n = 0;
	if (want > 0 && of_pod < 0)
		(void)sp_buf_printf(next(out, &n), "missing pod memory usage");
	else if (want > 0 && of_pod >= want)
		(void)sp_buf_printf(next(out, &n),
				    "attempting to set pod memory limit (%lld) below current usage (%lld)",
				    (long long)want, (long long)of_pod);
	for (size_t i = 0; i < w->resizing->n_resizes; i++) {
		const node_seen_container *s = w->resizing->resizes[i];
		int64_t has = usage_of(b->items[CONTAINERS].response, s->id);
		want = less(w, s);
		if (want > 0 && has < 0)
			(void)sp_buf_printf(next(out, &n), "missing container \"" SP_FMT "\" memory usage",
					    SP_ARG(s->name));
		else if (want > 0 && has >= want) /* upstream tells what the pod uses, too */
			(void)sp_buf_printf(next(out, &n),
					    "attempting to set container \"" SP_FMT
					    "\" memory limit (%lld) below current usage (%lld)",
					    SP_ARG(s->name), (long long)want, (long long)of_pod);
	}
	return n;
}

static void on_usage(node_batch *b)
{
	node_worker *w = b->arg;
	SP_AUTO_BUF text;
	char why[512];
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (b->items[CONTAINERS].status != SP_RPC_OK) {
		(void)snprintf(why, sizeof why, "unable to read memory usage for pod \"" SP_FMT "\"",
			       SP_ARG(w->pod->full_name));
		node_resize_checked(w, why);
		return;
	}
	unsigned n = judge(w, b, &text);
	(void)snprintf(why, sizeof why, "cannot decrease memory limits: %s" SP_FMT "%s", n > 1 ? "[" : "",
		       SP_ARG(sp_buf_view(&text)), n > 1 ? "]" : "");
	node_resize_checked(w, n == 0 ? NULL : why);
}

void node_resize_check(node_worker *w)
{
	const node_seen_sandbox *box = node_seen_sandbox_now(&w->seen);
	sp_err err = {0};
	if (box == NULL || !any_less(w)) {
		node_resize_checked(w, NULL);
		return;
	}
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, CALLS, on_usage, w, &err) != SP_OK) {
		node_resize_checked(w, err.msg);
		return;
	}
	sp_cri_container_stats_filter filter = {.pod_sandbox_id = box->id};
	node_batch_add(&w->batch, SP_CRI_LIST_CONTAINER_STATS,
		       &(sp_cri_list_container_stats_request){.filter = &filter}, NODE_CALL_TIMEOUT_NS);
	node_batch_add(&w->batch, SP_CRI_POD_SANDBOX_STATS,
		       &(sp_cri_pod_sandbox_stats_request){.pod_sandbox_id = box->id}, NODE_CALL_TIMEOUT_NS);
}
