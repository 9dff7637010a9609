/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "controllers/daemon_set_int.h"

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- where pods are ---- */

/* False: the term says nothing of a name. */
static bool target_of_term(yyjson_val *term, sp_str *ret)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(sp_json_last(term, SP_STR("matchFields")), i, n, v)
	{
		yyjson_val *values = sp_json_last(v, SP_STR("values"));
		if (!sp_str_eq(text(v, "key"), SP_STR("metadata.name")) ||
		    !sp_str_eq(text(v, "operator"), SP_STR("In")))
			continue;
		*ret = yyjson_arr_size(values) == 1 ? sp_json_str(yyjson_arr_get_first(values)) : SP_STR("");
		return true;
	}
	return false;
}

sp_str ds_target(sp_str node, yyjson_val *required_affinity)
{
	size_t i, n;
	yyjson_val *term;
	sp_str target;
	if (node.len > 0)
		return node;
	yyjson_arr_foreach(sp_json_last(required_affinity, SP_STR("nodeSelectorTerms")), i, n, term)
	{
		if (target_of_term(term, &target))
			return target;
	}
	return SP_STR("");
}

static int oldest_first(const void *x, const void *y)
{
	const ctl_pod *a = &((const ds_pod *)x)->pod, *b = &((const ds_pod *)y)->pod;
	int d = (a->node.len == 0) - (b->node.len == 0);
	d = d != 0 ? d : sp_str_cmp(a->created, b->created);
	return d != 0 ? d : sp_str_cmp(a->object->name, b->object->name);
}

void ds_sort(ds_pod *pods, size_t n)
{
	qsort(pods, n, sizeof *pods, oldest_first);
}

/* ---- where pods should be ---- */

static bool tolerates(yyjson_val *spec, yyjson_val *taint)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(sp_json_last(spec, SP_STR("tolerations")), i, n, v)
	{
		if (sp_fit_tolerates(v, taint))
			return true;
	}
	return false;
}

void ds_fit(yyjson_val *spec, const sp_fit_node *node, ds_node *ret)
{
	sp_str name = text(spec, "nodeName");
	ret->should_run = ret->may_stay =
		(name.len == 0 || sp_str_eq(name, node->name)) && sp_fit_affinity(spec, node);
	if (!ret->should_run)
		return;
	SP_VLIST_FOREACH(taint, node->taints)
	{
		sp_str effect = text(taint, "effect");
		bool evicts = sp_str_eq(effect, SP_STR("NoExecute"));
		if ((!evicts && !sp_str_eq(effect, SP_STR("NoSchedule"))) || tolerates(spec, taint))
			continue;
		ret->should_run = false;
		if (evicts)
			ret->may_stay = false;
	}
}

/* ---- one for each node ---- */

static bool is_going(const ds_pod *p)
{
	return p->pod.deleted.len > 0;
}

static bool is_available(const ds_rules *r, const ds_pod *p)
{
	return ctl_pod_is_available(&p->pod, r->min_ready_s, r->now_s, NULL);
}

static bool is_running(const ds_pod *p)
{
	return !is_going(p) && !ctl_pod_is_over(&p->pod);
}

static bool drop(ds_pod *p)
{
	p->drop = true;
	return true;
}

static bool drop_all(ds_node *node)
{
	bool any = false;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		if (!is_going(p))
			any = drop(p);
	}
	return any;
}

static bool drop_over(ds_node *node)
{
	bool any = false;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		if (!is_going(p) && ctl_pod_is_over(&p->pod) && !p->waits)
			any = drop(p);
	}
	return any;
}

/* All but the oldest. */
static bool keep_one(ds_node *node)
{
	bool any = false, kept = false;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		if (!is_running(p))
			continue;
		if (kept)
			any = drop(p);
		kept = true;
	}
	return any;
}

/* An old one stays beside a new one only while it is ready and the new one is not available. */
static bool keep_two(const ds_rules *r, ds_node *node)
{
	ds_pod *new_ = NULL, *old = NULL;
	size_t n_running = 0;
	bool any = false;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		ds_pod **first = p->is_updated ? &new_ : &old;
		if (!is_running(p))
			continue;
		n_running++;
		if (*first != NULL)
			any = drop(p);
		else
			*first = p;
	}
	if (n_running == 0 && node->should_run)
		return node->create = true;
	if (new_ != NULL && old != NULL && (!old->pod.is_ready || is_available(r, new_)))
		any = drop(old);
	return any;
}

/* Pods for a node that is not there are never scheduled, and nobody else deletes them. */
static bool drop_unscheduled(ds_node *node)
{
	bool any = false;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		if (p->pod.node.len == 0 && !is_going(p))
			any = drop(p);
	}
	return any;
}

static bool manage_node(const ds_rules *r, ds_node *node)
{
	if (!node->exists)
		return drop_unscheduled(node);
	if (node->should_run && node->pods == NULL)
		return node->create = true;
	if (!node->may_stay)
		return drop_all(node);
	bool any = drop_over(node);
	return (r->allows_surge ? keep_two(r, node) : keep_one(node)) || any;
}

bool ds_manage(const ds_rules *r, ds_node *nodes, size_t n)
{
	bool any = false;
	for (size_t i = 0; i < n; i++)
		any = manage_node(r, &nodes[i]) || any;
	return any;
}

/* ---- rolling updates ---- */

/* At most one of each on a node; false: there are more, which is for ds_manage to repair. */
static bool find_both(const ds_node *node, ds_pod **ret_new, ds_pod **ret_old)
{
	*ret_new = *ret_old = NULL;
	for (ds_pod *p = node->pods; p != NULL; p = p->next) {
		ds_pod **at = p->is_updated ? ret_new : ret_old;
		if (is_going(p))
			continue;
		if (*at != NULL)
			return false;
		*at = p;
	}
	return true;
}

static bool concerns(const ds_node *node)
{
	return node->pods != NULL || node->should_run;
}

/* Old pods go, as many as may be unavailable; those that are unavailable already go all. */
static void roll_down(const ds_rules *r, ds_node *nodes, size_t n)
{
	int64_t left = r->max_unavailable;
	ds_pod *new_, *old;
	for (size_t i = 0; i < n; i++) {
		if (!concerns(&nodes[i]))
			continue;
		bool ok = find_both(&nodes[i], &new_, &old);
		if (!ok || (new_ == NULL) == (old == NULL)) {
			left--; /* on its way */
		} else if (new_ != NULL) {
			left -= !is_available(r, new_);
		} else if (!is_available(r, old)) {
			(void)drop(old);
			left--;
		}
	}
	for (size_t i = 0; i < n && left > 0; i++) {
		if (!concerns(&nodes[i]) || !find_both(&nodes[i], &new_, &old) || old == NULL ||
		    new_ != NULL || old->drop)
			continue;
		(void)drop(old);
		left--;
	}
}

typedef struct surge {
	int64_t left, n_available, n_desired;
} surge;

/* The first look: what has to be, and what counts. */
static void look_at_surge(const ds_rules *r, ds_node *node, surge *s)
{
	ds_pod *new_, *old;
	s->n_desired += node->should_run;
	if (!concerns(node))
		return;
	if (!find_both(node, &new_, &old)) {
		s->left--;
		return;
	}
	const ds_pod *first = old != NULL ? old : new_;
	bool old_is_available = old != NULL && is_available(r, old);
	s->n_available += first != NULL && is_available(r, first);
	if (old == NULL)
		return;
	if (new_ != NULL) {
		if (is_available(r, new_))
			(void)drop(old);
		else
			s->left--;
	} else if (!old_is_available) { /* it may be replaced at once */
		if (node->should_run)
			node->create = true;
		else
			(void)drop(old);
	}
}

/* New pods beside the old ones, as many as may be too many. */
static void roll_up(const ds_rules *r, ds_node *nodes, size_t n)
{
	surge s = {.left = r->max_surge};
	ds_pod *new_, *old;
	for (size_t i = 0; i < n; i++)
		look_at_surge(r, &nodes[i], &s);
	int64_t spare = s.n_available - s.n_desired;
	for (size_t i = 0; i < n; i++) {
		ds_node *node = &nodes[i];
		if (!concerns(node) || !find_both(node, &new_, &old) || old == NULL || new_ != NULL ||
		    node->create || old->drop)
			continue;
		if (!node->should_run && spare > 0) { /* others are available in its place */
			(void)drop(old);
			spare--;
		} else if (node->should_run && s.left > 0) {
			node->create = true;
			s.left--;
		}
	}
}

void ds_roll(const ds_rules *r, ds_node *nodes, size_t n)
{
	if (r->max_surge > 0)
		roll_up(r, nodes, n);
	else
		roll_down(r, nodes, n);
}

/* ---- counting ---- */

void ds_count(const ds_rules *r, const ds_node *nodes, size_t n, ds_counts *ret)
{
	ds_counts c = {.n_desired = 0};
	for (size_t i = 0; i < n; i++) {
		const ds_node *node = &nodes[i];
		const ds_pod *p = node->pods;
		int64_t wait_s;
		if (!node->exists)
			continue;
		c.n_desired += node->should_run;
		c.n_misscheduled += !node->should_run && p != NULL;
		if (!node->should_run || p == NULL)
			continue;
		c.n_current++;
		c.n_ready += p->pod.is_ready;
		c.n_available += ctl_pod_is_available(&p->pod, r->min_ready_s, r->now_s, &wait_s);
		c.n_updated += p->is_updated;
		if (wait_s > 0 && (c.wait_s == 0 || wait_s < c.wait_s))
			c.wait_s = wait_s;
	}
	*ret = c;
}
