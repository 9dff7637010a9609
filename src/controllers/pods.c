/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/pods.h"

#include <stdlib.h>

#include "base/num.h"

typedef struct container_view {
	int64_t restarts;
} container_view;

SP_VIEW(pod_view_desc, ctl_pod, "v1/Pod", SP_V(ctl_pod, node, "spec.nodeName"),
	SP_V(ctl_pod, phase, "status.phase"), SP_V(ctl_pod, reason, "status.reason"),
	SP_V(ctl_pod, created, "metadata.creationTimestamp"),
	SP_V(ctl_pod, deleted, "metadata.deletionTimestamp"), SP_V(ctl_pod, labels, "metadata.labels"),
	SP_V(ctl_pod, annotations, "metadata.annotations"), SP_V(ctl_pod, owners, "metadata.ownerReferences"),
	SP_V(ctl_pod, conditions, "status.conditions"),
	SP_V(ctl_pod, containers, "status.containerStatuses"));
SP_VIEW(container_view_desc, container_view, "io.k8s.api.core.v1.ContainerStatus",
	SP_V(container_view, restarts, "restartCount"));

const sp_view_desc *const ctl_pod_view = &pod_view_desc;

static void derive(ctl_pod *p)
{
	SP_VLIST_FOREACH(v, p->conditions)
	{
		if (!sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("type"))), SP_STR("Ready")))
			continue;
		p->is_ready = sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("status"))), SP_STR("True"));
		p->ready_s = ctl_seconds(sp_json_str(sp_json_last(v, SP_STR("lastTransitionTime"))));
	}
	SP_VLIST_FOREACH(v, p->containers)
	{
		container_view c;
		sp_view_fill(v, &container_view_desc, &c);
		p->restarts = SP_MAX(p->restarts, c.restarts);
	}
}

sp_code ctl_pod_read(sp_arena *a, const sp_object *o, ctl_pod *ret, sp_err *err)
{
	SP_TRY(sp_view(a, o->json, &pod_view_desc, ret, err));
	ret->object = o;
	derive(ret);
	return SP_OK;
}

bool ctl_pod_is_available(const ctl_pod *p, int64_t min_ready_s, int64_t now_s, int64_t *ret_wait_s)
{
	int64_t at;
	if (ret_wait_s != NULL)
		*ret_wait_s = 0;
	if (!p->is_ready)
		return false;
	if (min_ready_s == 0)
		return true;
	if (p->ready_s == 0 || !sp_add(p->ready_s, min_ready_s, &at))
		return false;
	if (at < now_s)
		return true;
	if (ret_wait_s != NULL)
		*ret_wait_s = at - now_s + 1;
	return false;
}

/* ---- which go first ---- */

typedef struct ranked {
	const ctl_pod *pod;
	uint32_t n_siblings; /* on its node */
	int64_t cost;
} ranked;

static int64_t cost_of(const ctl_pod *p)
{
	int64_t cost;
	sp_str text = sp_vmap_str(p->annotations, SP_STR("controller.kubernetes.io/pod-deletion-cost"));
	return text.len > 0 && sp_parse_i64(text, INT32_MIN, INT32_MAX, &cost, NULL) == SP_OK ? cost : 0;
}

static int phase_order(const ctl_pod *p)
{
	return sp_str_eq(p->phase, SP_STR("Pending")) ? 0 : sp_str_eq(p->phase, SP_STR("Running")) ? 2 : 1;
}

static int order(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int newest_first(sp_str a, sp_str b)
{
	return sp_str_cmp(b, a); /* RFC 3339 of one form sorts as text */
}

static int compare(const void *x, const void *y)
{
	const ranked *a = x, *b = y;
	const ctl_pod *p = a->pod, *q = b->pod;
	int d = order(p->node.len > 0, q->node.len > 0);
	d = d != 0 ? d : order(phase_order(p), phase_order(q));
	d = d != 0 ? d : order(p->is_ready, q->is_ready);
	d = d != 0 ? d : order(a->cost, b->cost);
	d = d != 0 ? d : order(b->n_siblings, a->n_siblings);
	if (d == 0 && p->is_ready && q->is_ready)
		d = order(q->ready_s, p->ready_s);
	d = d != 0 ? d : order(q->restarts, p->restarts);
	d = d != 0 ? d : newest_first(p->created, q->created);
	return d != 0 ? d : sp_str_cmp(p->object->key, q->object->key);
}

static uint32_t siblings(const ctl_pod *p, const ctl_pod *const *related, size_t n)
{
	uint32_t count = 0;
	for (size_t i = 0; i < n && p->node.len > 0; i++)
		count += ctl_pod_is_active(related[i]) && sp_str_eq(related[i]->node, p->node);
	return count;
}

sp_code ctl_pods_rank(sp_arena *a, const ctl_pod **pods, size_t n, const ctl_pod *const *related,
		      size_t n_related, sp_err *err)
{
	ranked *r = sp_try_new(a, ranked, n);
	if (r == NULL && n > 0)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n);
	for (size_t i = 0; i < n; i++)
		r[i] = (ranked){pods[i], siblings(pods[i], related, n_related), cost_of(pods[i])};
	qsort(r, n, sizeof *r, compare);
	for (size_t i = 0; i < n; i++)
		pods[i] = r[i].pod;
	return SP_OK;
}
