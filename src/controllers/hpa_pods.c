/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of an autoscaler's target: which, how they are, and what they ask for. */
#include <stdlib.h>

#include "base/quantity.h"
#include "controllers/hpa_int.h"

typedef struct pod_view {
	sp_str deleted, phase, started;
	sp_vlist conditions;
	sp_vmap labels;
	yyjson_val *containers, *init, *resources, *overhead;
} pod_view;
SP_VIEW(pod_desc, pod_view, "v1/Pod", SP_V(pod_view, deleted, "metadata.deletionTimestamp"),
	SP_V(pod_view, phase, "status.phase"), SP_V(pod_view, started, "status.startTime"),
	SP_V(pod_view, conditions, "status.conditions"), SP_V(pod_view, labels, "metadata.labels"),
	SP_V(pod_view, containers, "spec.containers"), SP_V(pod_view, init, "spec.initContainers"),
	SP_V(pod_view, resources, "spec.resources"), SP_V(pod_view, overhead, "spec.overhead"));
const sp_view_desc *const hpa_pod_view = &pod_desc;

#define NS_PER_S INT64_C(1000000000)

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- how they are ---- */

static void read_ready(const pod_view *v, hpa_pod *p)
{
	SP_VLIST_FOREACH(c, v->conditions)
	{
		if (!sp_str_eq(text(c, "type"), SP_STR("Ready")))
			continue;
		sp_str status = text(c, "status");
		p->has_ready = true;
		p->is_ready = sp_str_eq(status, SP_STR("True"));
		p->is_false_ready = sp_str_eq(status, SP_STR("False"));
		p->ready_ns = ctl_seconds(text(c, "lastTransitionTime")) * NS_PER_S;
		return;
	}
}

static hpa_pod make_pod(const sp_object *o, const pod_view *v)
{
	hpa_pod p = {.name = o->name,
		     .is_going = v->deleted.len > 0 || sp_str_eq(v->phase, SP_STR("Failed")),
		     .is_pending = sp_str_eq(v->phase, SP_STR("Pending")),
		     .is_running = sp_str_eq(v->phase, SP_STR("Running")),
		     .has_started = v->started.len > 0,
		     .started_ns = ctl_seconds(v->started) * NS_PER_S};
	read_ready(v, &p);
	return p;
}

static sp_code add(hpa_run *x, const sp_object *o)
{
	yyjson_val *root;
	pod_view v;
	SP_TRY(sp_json_parse(x->arena, o->json, &root, NULL));
	sp_view_fill(root, &pod_desc, &v);
	if (!sp_labels_match_json(&x->selector, v.labels.object))
		return SP_OK;
	if (ctl_hold(x->arena, o) == NULL)
		return SP_ENOMEM;
	x->pod_trees[x->n_pods] = root;
	x->pods[x->n_pods++] = make_pod(o, &v);
	return SP_OK;
}

sp_code hpa_pods_read(hpa_run *x, sp_err *err)
{
	size_t most = sp_informer_find_count(x->h->pods, x->h->pods_by_namespace, x->o->ns);
	const sp_object *o;
	x->pods = sp_try_new(x->arena, hpa_pod, most + 1);
	x->pod_trees = sp_try_new(x->arena, yyjson_val *, most + 1);
	x->n_pods = 0;
	if (x->pods == NULL || x->pod_trees == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for pods");
	sp_index_at at = sp_informer_find(x->h->pods, x->h->pods_by_namespace, x->o->ns);
	while ((o = sp_index_next(&at)) != NULL) {
		if (add(x, o) != SP_OK)
			return sp_fail(err, SP_ENOMEM, "no memory for pods");
	}
	return SP_OK;
}

/* ---- what they ask for ---- */

/* False: it is not there. */
static bool milli_of(yyjson_val *list, sp_str resource, int64_t *ret)
{
	sp_qty q;
	yyjson_val *v = sp_json_last(list, resource);
	if (v == NULL || sp_qty_parse(sp_json_str(v), &q, NULL) != SP_OK)
		return false;
	*ret = sp_qty_milli(&q);
	return true;
}

static bool request_of(yyjson_val *container, sp_str resource, int64_t *ret)
{
	return milli_of(sp_json_last(sp_json_last(container, SP_STR("resources")), SP_STR("requests")),
			resource, ret);
}

static bool is_sidecar(yyjson_val *container)
{
	return sp_str_eq(text(container, "restartPolicy"), SP_STR("Always"));
}

/* One after the other: the pod's own list for resources it may be asked for as a whole. */
static bool has_pod_level(yyjson_val *requests)
{
	yyjson_val *key;
	yyjson_obj_iter it = yyjson_obj_iter_with(requests);
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_json_str(key);
		if (sp_str_eq(name, SP_STR("cpu")) || sp_str_eq(name, SP_STR("memory")) ||
		    sp_str_starts(name, SP_STR("hugepages-")))
			return true;
	}
	return false;
}

/* The containers together, or the greatest of those that run before them. */
static bool aggregate(const pod_view *v, sp_str resource, int64_t *ret)
{
	int64_t sum = 0, before = 0, most = 0, one;
	bool any = false;
	size_t i, n;
	yyjson_val *c;
	yyjson_arr_foreach(v->containers, i, n, c)
	{
		if (request_of(c, resource, &one)) {
			sum += one;
			any = true;
		}
	}
	yyjson_arr_foreach(v->init, i, n, c)
	{
		if (!request_of(c, resource, &one))
			continue;
		any = true;
		before += is_sidecar(c) ? one : 0;
		most = SP_MAX(most, is_sidecar(c) ? before : before + one);
	}
	*ret = SP_MAX(sum + before, most);
	return any;
}

static sp_code pod_level(const hpa_pod *p, const pod_view *v, yyjson_val *requests, sp_str resource,
			 int64_t *ret, sp_err *err)
{
	int64_t more;
	bool found = milli_of(requests, resource, ret) || aggregate(v, resource, ret);
	if (milli_of(v->overhead, resource, &more)) {
		*ret = found ? *ret + more : more;
		found = true;
	}
	return found ? SP_OK
		     : sp_fail(err, SP_EINVAL, "missing pod-level request for " SP_FMT " in Pod " SP_FMT,
			       SP_ARG(resource), SP_ARG(p->name));
}

typedef struct asking {
	const hpa_pod *pod;
	sp_str container, resource;
	int64_t sum;
	bool found; /* the container */
} asking;

static sp_code add_container(asking *a, yyjson_val *c, sp_err *err)
{
	int64_t one;
	sp_str name = text(c, "name");
	if (a->found || (a->container.len > 0 && !sp_str_eq(a->container, name)))
		return SP_OK;
	if (!request_of(c, a->resource, &one))
		return sp_fail(err, SP_EINVAL,
			       "missing request for " SP_FMT " in container " SP_FMT " of Pod " SP_FMT,
			       SP_ARG(a->resource), SP_ARG(name), SP_ARG(a->pod->name));
	a->sum += one;
	a->found = a->container.len > 0;
	return SP_OK;
}

static sp_code from_containers(const hpa_pod *p, const pod_view *v, sp_str container, sp_str resource,
			       int64_t *ret, sp_err *err)
{
	asking a = {.pod = p, .container = container, .resource = resource};
	size_t i, n;
	yyjson_val *c;
	yyjson_arr_foreach(v->containers, i, n, c)
	{
		SP_TRY(add_container(&a, c, err));
	}
	yyjson_arr_foreach(v->init, i, n, c)
	{
		if (is_sidecar(c))
			SP_TRY(add_container(&a, c, err));
	}
	if (container.len > 0 && !a.found)
		return sp_fail(err, SP_EINVAL, "container " SP_FMT " not found in Pod " SP_FMT,
			       SP_ARG(container), SP_ARG(p->name));
	*ret = a.sum;
	return SP_OK;
}

sp_code hpa_pods_requests(hpa_run *x, sp_str container, sp_str resource, sp_err *err)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		pod_view v;
		hpa_pod *p = &x->pods[i];
		sp_view_fill(x->pod_trees[i], &pod_desc, &v);
		yyjson_val *requests = sp_json_last(v.resources, SP_STR("requests"));
		if (container.len == 0 && has_pod_level(requests))
			SP_TRY(pod_level(p, &v, requests, resource, &p->request, err));
		else
			SP_TRY(from_containers(p, &v, container, resource, &p->request, err));
	}
	return SP_OK;
}

/* ---- whose they are ---- */

sp_code hpa_keep_selector(hpa_run *x)
{
	hpa_memory *m = x->memory;
	sp_arena_reset(&m->arena);
	m->has_selector = sp_labels_parse(&m->arena, x->selector_text, &m->selector, NULL) == SP_OK;
	return m->has_selector ? SP_OK : SP_ENOMEM;
}

static bool selects_any(const hpa_run *x, const hpa_memory *m)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		yyjson_val *meta = sp_json_last(x->pod_trees[i], SP_STR("metadata"));
		if (sp_labels_match_json(&m->selector, sp_json_last(meta, SP_STR("labels"))))
			return true;
	}
	return false;
}

static int by_key(const void *x, const void *y)
{
	const hpa_memory *const *a = x, *const *b = y;
	return sp_str_cmp((*a)->key, (*b)->key);
}

/* Those in the target's namespace that select one of the pods, in the order of their names. */
static size_t find_rivals(const hpa_run *x, hpa_memory **ret)
{
	const sp_map_entry *e;
	size_t n = 0;
	for (size_t i = 0; (e = sp_map_next(&x->h->memories, &i)) != NULL;) {
		hpa_memory *m = e->value;
		sp_str ns, name;
		sp_object_key_split(m->key, &ns, &name);
		if (m->has_selector && sp_str_eq(ns, x->o->ns) && selects_any(x, m))
			ret[n++] = m;
	}
	if (n > 1)
		qsort(ret, n, sizeof(void *), by_key);
	return n;
}

sp_str hpa_ambiguity(hpa_run *x)
{
	hpa_memory **rivals = sp_try_new(x->arena, hpa_memory *, sp_map_count(&x->h->memories) + 1);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	size_t n = rivals == NULL ? 0 : find_rivals(x, rivals);
	if (n < 2)
		return SP_STR("");
	(void)sp_buf_printf(&out, "pods by selector " SP_FMT " are controlled by multiple HPAs: [",
			    SP_ARG(x->selector_text));
	for (size_t i = 0; i < n; i++) {
		sp_str ns, name;
		sp_object_key_split(rivals[i]->key, &ns, &name);
		(void)sp_buf_printf(&out, "%s{" SP_FMT " " SP_FMT "}", i == 0 ? "" : " ", SP_ARG(name),
				    SP_ARG(ns));
	}
	(void)sp_buf_char(&out, ']');
	return sp_arena_try_dup(x->arena, sp_buf_view(&out));
}
