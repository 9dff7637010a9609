/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/requests.h"

#include "scheduler/state.h"

/* -- lists of quantities -------------------------------------------------------------------------------- */

typedef struct list_item {
	sp_str name;
	sp_qty qty;
} list_item;

typedef struct res_list {
	list_item *items;
	size_t n, cap;
} res_list;

/* What one pass over a pod looks at. */
enum {
	USE_STATUS = 1u << 0,    /* resizes */
	USE_POD_LEVEL = 1u << 1, /* spec.resources */
};

typedef struct reader {
	sp_arena *arena;
	yyjson_val *spec, *status;
	unsigned use;
	const res_list *non_missing; /* for resources a container does not name; or NULL */
	bool infeasible;             /* the resize asked for cannot be done */
	sp_err *err;
} reader;

static list_item *find(const res_list *l, sp_str name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (sp_str_eq(l->items[i].name, name))
			return &l->items[i];
	}
	return NULL;
}

static sp_code put(sp_arena *a, res_list *l, sp_str name, const sp_qty *qty)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 4 : l->cap * 2;
		list_item *grown =
			sp_arena_try_grow(a, l->items, l->cap * sizeof *grown, cap * sizeof *grown);
		if (grown == NULL)
			return SP_ENOMEM;
		l->items = grown;
		l->cap = cap;
	}
	l->items[l->n++] = (list_item){name, *qty};
	return SP_OK;
}

static sp_code add(const reader *r, res_list *to, const res_list *more)
{
	for (size_t i = 0; i < more->n; i++) {
		list_item *at = find(to, more->items[i].name);
		if (at == NULL)
			SP_TRY(put(r->arena, to, more->items[i].name, &more->items[i].qty));
		else if (!sp_qty_add(&at->qty, &more->items[i].qty))
			return sp_fail(r->err, SP_EINVAL,
				       "the sum of a pod's requests of " SP_FMT " is too large",
				       SP_ARG(at->name));
	}
	return SP_OK;
}

static sp_code raise(const reader *r, res_list *to, const res_list *other)
{
	for (size_t i = 0; i < other->n; i++) {
		list_item *at = find(to, other->items[i].name);
		if (at == NULL)
			SP_TRY(put(r->arena, to, other->items[i].name, &other->items[i].qty));
		else if (sp_qty_cmp(&other->items[i].qty, &at->qty) > 0)
			at->qty = other->items[i].qty;
	}
	return SP_OK;
}

static sp_code read_list(const reader *r, yyjson_val *object, res_list *ret)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(object);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		sp_qty qty;
		SP_TRY(sp_qty_parse(sp_json_str(yyjson_obj_iter_get_val(key)), &qty, r->err));
		SP_TRY(put(r->arena, ret, sp_json_str(key), &qty));
	}
	return SP_OK;
}

static yyjson_val *member(yyjson_val *v, const char *key)
{
	return yyjson_obj_get(v, key);
}

/* -- containers ----------------------------------------------------------------------------------------- */

/* Of two with one name the last counts, as in upstream's map. */
static yyjson_val *status_of(const reader *r, const char *list, sp_str name)
{
	yyjson_val *found = NULL;
	yyjson_arr_iter it = yyjson_arr_iter_with(member(r->status, list));
	for (yyjson_val *s; (s = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(sp_json_str(member(s, "name")), name))
			found = s;
	}
	return found;
}

/* The largest of what is asked, in force and allotted; what is asked does not count once it was refused. */
static sp_code effective(const reader *r, yyjson_val *asked, yyjson_val *in_force, yyjson_val *allotted,
			 res_list *ret)
{
	yyjson_val *const all[] = {r->infeasible ? NULL : asked, in_force, allotted};
	for (size_t i = 0; i < SP_LEN(all); i++) {
		res_list one = {0};
		SP_TRY(read_list(r, all[i], &one));
		SP_TRY(raise(r, ret, &one));
	}
	return SP_OK;
}

static sp_code of_container(const reader *r, yyjson_val *c, bool resizable, res_list *ret)
{
	yyjson_val *asked = member(member(c, "resources"), "requests");
	yyjson_val *s = NULL;
	if (resizable && (r->use & USE_STATUS) != 0) {
		sp_str name = sp_json_str(member(c, "name"));
		s = status_of(r, "initContainerStatuses", name);
		if (s == NULL)
			s = status_of(r, "containerStatuses", name);
	}
	if (s != NULL && member(s, "resources") != NULL)
		SP_TRY(effective(r, asked, member(member(s, "resources"), "requests"),
				 member(s, "allocatedResources"), ret));
	else
		SP_TRY(read_list(r, asked, ret));
	for (size_t i = 0; r->non_missing != NULL && i < r->non_missing->n; i++) {
		if (find(ret, r->non_missing->items[i].name) == NULL)
			SP_TRY(put(r->arena, ret, r->non_missing->items[i].name,
				   &r->non_missing->items[i].qty));
	}
	return SP_OK;
}

static bool is_sidecar(yyjson_val *c)
{
	return sp_str_eq(sp_json_str(member(c, "restartPolicy")), SP_STR("Always"));
}

/* Sum of what runs at the same time, raised by each init container together with the sidecars before it. */
static sp_code of_containers(const reader *r, res_list *ret)
{
	res_list sidecars = {0}, peak = {0};
	yyjson_arr_iter it = yyjson_arr_iter_with(member(r->spec, "containers"));
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		res_list one = {0};
		SP_TRY(of_container(r, c, true, &one));
		SP_TRY(add(r, ret, &one));
	}
	it = yyjson_arr_iter_with(member(r->spec, "initContainers"));
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		res_list one = {0};
		SP_TRY(of_container(r, c, is_sidecar(c), &one));
		if (is_sidecar(c)) {
			SP_TRY(add(r, ret, &one));
			SP_TRY(add(r, &sidecars, &one));
			SP_TRY(raise(r, &peak, &sidecars));
		} else {
			SP_TRY(add(r, &one, &sidecars));
			SP_TRY(raise(r, &peak, &one));
		}
	}
	return raise(r, ret, &peak);
}

/* -- the pod -------------------------------------------------------------------------------------------- */

static bool is_pod_level(sp_str name)
{
	return sp_str_eq(name, SP_STR("cpu")) || sp_str_eq(name, SP_STR("memory")) ||
	       sp_str_starts(name, SP_STR("hugepages-"));
}

static bool has_pod_level(const reader *r)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(member(member(r->spec, "resources"), "requests"));
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		if (is_pod_level(sp_json_str(key)))
			return true;
	}
	return false;
}

static sp_code pod_level(const reader *r, res_list *ret)
{
	yyjson_val *asked = member(member(r->spec, "resources"), "requests"),
		   *now = member(r->status, "resources");
	res_list spec = {0}, in_effect = {0};
	bool resized = (r->use & USE_STATUS) != 0 && now != NULL;
	SP_TRY(read_list(r, asked, &spec));
	if (resized)
		SP_TRY(effective(r, asked, member(now, "requests"), member(r->status, "allocatedResources"),
				 &in_effect));
	for (size_t i = 0; i < spec.n; i++) {
		if (!is_pod_level(spec.items[i].name))
			continue;
		const list_item *e = resized ? find(&in_effect, spec.items[i].name) : &spec.items[i];
		sp_qty qty = e == NULL ? (sp_qty){0} : e->qty;
		list_item *at = find(ret, spec.items[i].name);
		if (at == NULL)
			SP_TRY(put(r->arena, ret, spec.items[i].name, &qty));
		else
			at->qty = qty;
	}
	return SP_OK;
}

static sp_code of_pod(const reader *r, res_list *ret)
{
	res_list overhead = {0};
	SP_TRY(of_containers(r, ret));
	if ((r->use & USE_POD_LEVEL) != 0)
		SP_TRY(pod_level(r, ret));
	SP_TRY(read_list(r, member(r->spec, "overhead"), &overhead));
	return add(r, ret, &overhead);
}

/* -- rounding ------------------------------------------------------------------------------------------- */

bool sched_resource_is_extended(sp_str name)
{
	return sp_str_index(name, '/') >= 0 && sp_str_find(name, SP_STR("kubernetes.io/")) < 0 &&
	       !sp_str_starts(name, SP_STR("requests."));
}

bool sched_resource_is_scalar(sp_str name)
{
	return sched_resource_is_extended(name) || sp_str_starts(name, SP_STR("hugepages-")) ||
	       sp_str_find(name, SP_STR("kubernetes.io/")) >= 0 ||
	       sp_str_starts(name, SP_STR("attachable-volumes-"));
}

static sp_code rounded(sched_state *st, sp_arena *a, const res_list *l, sched_requests *ret,
		       int64_t *ret_pods, sp_err *err)
{
	sched_amount *scalars = sp_try_new(a, sched_amount, l->n + 1);
	if (scalars == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a list of resources");
	*ret = (sched_requests){.scalars = scalars};
	for (size_t i = 0; i < l->n; i++) {
		const list_item *it = &l->items[i];
		if (sp_str_eq(it->name, SP_STR("cpu")))
			ret->cpu_milli = sp_qty_milli(&it->qty);
		else if (sp_str_eq(it->name, SP_STR("memory")))
			ret->memory = sp_qty_value(&it->qty);
		else if (sp_str_eq(it->name, SP_STR("ephemeral-storage")))
			ret->ephemeral = sp_qty_value(&it->qty);
		else if (sp_str_eq(it->name, SP_STR("pods")) && ret_pods != NULL)
			*ret_pods = sp_qty_value(&it->qty);
		else if (sched_resource_is_scalar(it->name)) {
			sched_amount *s = &scalars[ret->n_scalars++];
			s->amount = sp_qty_value(&it->qty);
			SP_TRY(sched_state_resource(st, it->name, &s->resource, err));
		}
	}
	return SP_OK;
}

static bool resize_infeasible(yyjson_val *status)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(member(status, "conditions"));
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(sp_json_str(member(c, "type")), SP_STR("PodResizePending")))
			return sp_str_eq(sp_json_str(member(c, "reason")), SP_STR("Infeasible"));
	}
	return false;
}

static int64_t cpu_of(const res_list *l)
{
	const list_item *it = find(l, SP_STR("cpu"));
	return it == NULL ? 0 : sp_qty_milli(&it->qty);
}
static int64_t memory_of(const res_list *l)
{
	const list_item *it = find(l, SP_STR("memory"));
	return it == NULL ? 0 : sp_qty_value(&it->qty);
}

static void defaults(res_list *ret, list_item items[2], bool cpu, bool memory)
{
	*ret = (res_list){.items = items, .cap = 2};
	if (cpu)
		items[ret->n++] = (list_item){
			SP_STR("cpu"), {(__int128)SCHED_DEFAULT_CPU_MILLI * 1000000, SP_QTY_DECIMAL_SI}};
	if (memory)
		items[ret->n++] =
			(list_item){SP_STR("memory"),
				    {(__int128)SCHED_DEFAULT_MEMORY_BYTES * 1000000000, SP_QTY_DECIMAL_SI}};
}

bool sched_requests_in_status(yyjson_val *pod)
{
	static const char *const lists[] = {"containerStatuses", "initContainerStatuses"};
	yyjson_val *status = member(pod, "status");
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(member(status, lists[i]));
		for (yyjson_val *s; (s = yyjson_arr_iter_next(&it)) != NULL;) {
			if (member(s, "resources") != NULL)
				return true;
		}
	}
	return member(status, "resources") != NULL;
}

sp_code sched_requests_read(sched_state *st, sp_arena *a, yyjson_val *pod, bool with_status,
			    sched_pod_requests *ret, sp_err *err)
{
	reader r = {.arena = a,
		    .spec = member(pod, "spec"),
		    .status = with_status ? member(pod, "status") : NULL,
		    .err = err};
	list_item room[2];
	res_list asked = {0}, held = {0}, nonzero = {0}, fit = {0}, missing;
	r.infeasible = resize_infeasible(r.status);
	r.use = USE_POD_LEVEL;
	SP_TRY(of_pod(&r, &asked));
	SP_TRY(rounded(st, a, &asked, &ret->filter, NULL, err));
	r.use = USE_POD_LEVEL | USE_STATUS;
	SP_TRY(of_pod(&r, &held));
	SP_TRY(rounded(st, a, &held, &ret->held, NULL, err));
	/* With pod-level requests only what neither level says gets the default. */
	bool level = has_pod_level(&r);
	defaults(&missing, room, !level || find(&held, SP_STR("cpu")) == NULL,
		 !level || find(&held, SP_STR("memory")) == NULL);
	r.non_missing = &missing;
	SP_TRY(of_pod(&r, &nonzero));
	ret->nonzero_cpu_milli = cpu_of(&nonzero);
	ret->nonzero_memory = memory_of(&nonzero);
	r.use = 0;
	defaults(&missing, room, true, true);
	SP_TRY(of_pod(&r, &fit));
	ret->fit_cpu_milli = cpu_of(&fit);
	ret->fit_memory = memory_of(&fit);
	return SP_OK;
}

sp_code sched_allocatable_read(sched_state *st, sp_arena *a, yyjson_val *list, sched_requests *ret,
			       int64_t *ret_pods, sp_err *err)
{
	const reader r = {.arena = a, .err = err};
	res_list l = {0};
	*ret_pods = 0;
	SP_TRY(read_list(&r, list, &l));
	return rounded(st, a, &l, ret, ret_pods, err);
}
