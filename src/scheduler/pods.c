/* SPDX-License-Identifier: Apache-2.0 */
/* Pods of the state. */
#include "base/num.h"
#include "scheduler/columns.h"
#include "scheduler/counters_int.h"
#include "scheduler/plugins/volumes.h"
#include "scheduler/state_int.h"

/* -- one pod -------------------------------------------------------------------------------------------- */

static sp_str member_text(yyjson_val *object, const char *member)
{
	return sp_json_str(yyjson_obj_get(object, member));
}

/* Texts stand in one block behind each other. */
typedef struct packer {
	char *next;
} packer;

static sp_str pack(packer *p, sp_str text)
{
	sp_str copy = {p->next, text.len};
	if (text.len > 0)
		memcpy(p->next, text.ptr, text.len);
	p->next[text.len] = '\0';
	p->next += text.len + 1;
	return copy;
}

static bool preempted(yyjson_val *status)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(status, "conditions"));
	for (yyjson_val *c; (c = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(member_text(c, "type"), SP_STR("DisruptionTarget")))
			return sp_str_eq(member_text(c, "status"), SP_STR("True")) &&
			       sp_str_eq(member_text(c, "reason"), SP_STR("PreemptionByScheduler"));
	}
	return false;
}

/* Amounts that the status says; scalars get memory of their own. */
static sp_code read_held(sched_state *st, yyjson_val *object, sched_pod *pod, sp_err *err)
{
	pod->held = pod->spec->requests.held;
	pod->nonzero_cpu_milli = pod->spec->requests.nonzero_cpu_milli;
	pod->nonzero_memory = pod->spec->requests.nonzero_memory;
	if (!sched_requests_in_status(object))
		return SP_OK;
	sp_arena a;
	sched_pod_requests r;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_code code = sched_requests_read(st, &a, object, true, &r, err);
	if (code == SP_OK && r.held.n_scalars > 0) {
		pod->own_scalars = sp_try_alloc(r.held.n_scalars * sizeof *pod->own_scalars);
		if (pod->own_scalars == NULL)
			code = sp_fail(err, SP_ENOMEM, "no memory for a pod");
		else
			memcpy(pod->own_scalars, r.held.scalars, r.held.n_scalars * sizeof *pod->own_scalars);
	}
	if (code == SP_OK) {
		pod->held = r.held;
		pod->held.scalars = pod->own_scalars;
		pod->nonzero_cpu_milli = r.nonzero_cpu_milli;
		pod->nonzero_memory = r.nonzero_memory;
	}
	sp_arena_done(&a);
	return code;
}

sp_code sched_pod_make(sched_state *st, yyjson_val *object, sched_pod **ret, sp_err *err)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata"), *status = yyjson_obj_get(object, "status");
	sp_str ns = member_text(meta, "namespace"), name = member_text(meta, "name"),
	       uid = member_text(meta, "uid");
	sp_str node = member_text(yyjson_obj_get(object, "spec"), "nodeName");
	sp_str nominated = member_text(status, "nominatedNodeName"), start = member_text(status, "startTime");
	if (st->broken)
		return sp_fail(err, SP_ENOMEM, "out of memory before");
	sched_pod *pod =
		sp_try_alloc(sizeof *pod + ns.len + name.len + uid.len + node.len + nominated.len + 8);
	if (pod == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod");
	packer p = {(char *)(pod + 1)};
	sp_str in = pack(&p, ns);
	p.next[-1] = '/';
	pod->name = pack(&p, name);
	pod->key = (sp_str){in.ptr, in.len + 1 + name.len};
	pod->ns = in;
	pod->uid = pack(&p, uid);
	pod->node_name = pack(&p, node);
	pod->nominated = pack(&p, nominated);
	pod->terminating = yyjson_obj_get(meta, "deletionTimestamp") != NULL;
	pod->preempted = pod->terminating && preempted(status);
	pod->has_start = start.len > 0 && sp_time_parse(start, &pod->start, NULL) == SP_OK;
	sp_err why = {0};
	sp_code code = sched_spec_get(st, object, &pod->spec, &why);
	if (code == SP_OK)
		code = read_held(st, object, pod, &why);
	if (code != SP_OK) {
		code = sp_fail(err, code, "pod " SP_FMT ": %s", SP_ARG(pod->key), why.msg);
		sched_pod_free(st, pod);
		return code;
	}
	*ret = pod;
	return SP_OK;
}

void sched_pod_free(sched_state *st, sched_pod *pod)
{
	if (pod == NULL)
		return;
	sched_spec_unref(st, pod->spec);
	sp_free(pod->own_scalars);
	sp_free(pod->node_name_text);
	sp_free(pod->nominated_text);
	sp_free(pod);
}

/* -- on nodes ------------------------------------------------------------------------------------------- */

static bool same_port(const sched_port *a, const sched_port *b)
{
	return a->port == b->port && sp_str_eq(a->protocol, b->protocol) && sp_str_eq(a->ip, b->ip);
}

/* Ports point into specs: the entry moves on to another pod's when the one it stood for goes. */
static void ports_rebuild(sched_node *node)
{
	node->n_ports = 0;
	for (uint32_t i = 0; i < node->n_pods; i++) {
		const sched_spec *s = node->pods[i]->spec;
		for (size_t k = 0; k < s->n_ports; k++) {
			uint32_t at = 0;
			while (at < node->n_ports && !same_port(node->ports[at].port, &s->ports[k]))
				at++;
			if (at == node->n_ports)
				node->ports[node->n_ports++] = (sched_used_port){&s->ports[k], 0};
			node->ports[at].n++;
		}
	}
}

/* Room for the ports of one more pod. */
static sp_code ports_reserve(sched_node *node, const sched_spec *s)
{
	uint32_t need = node->n_ports + (uint32_t)s->n_ports, cap = need * 2;
	if (need <= node->cap_ports)
		return SP_OK;
	if (!sched_grow_array(&node->ports, node->cap_ports, cap))
		return SP_ENOMEM;
	node->cap_ports = cap;
	return SP_OK;
}

static void count(int64_t *sum, int sign, int64_t amount)
{
	*sum = sp_i64_wrap_add(*sum, sp_i64_wrap_mul(sign, amount));
}

void sched_place_counts(sched_state *st, sched_pod *pod, sched_node *node, int sign)
{
	sched_table *t = &st->t;
	uint32_t slot = node->slot;
	count(&t->used_cpu[slot], sign, pod->held.cpu_milli);
	count(&t->used_memory[slot], sign, pod->held.memory);
	count(&t->used_ephemeral[slot], sign, pod->held.ephemeral);
	count(&t->nonzero_cpu[slot], sign, pod->nonzero_cpu_milli);
	count(&t->nonzero_memory[slot], sign, pod->nonzero_memory);
	t->n_pods[slot] += (uint32_t)sign;
	for (uint32_t i = 0; i < pod->held.n_scalars; i++)
		count(&t->used_scalar[pod->held.scalars[i].resource][slot], sign,
		      pod->held.scalars[i].amount);
	sched_count_pod(pod, slot, sign);
	sched_volumes_count(st, pod, node, sign);
	sched_changed(&st->usage, slot);
}

static sp_code attach(sched_state *st, sched_pod *pod)
{
	sched_node *node;
	SP_TRY(sched_node_entry(st, pod->node_name, &node));
	if (ports_reserve(node, pod->spec) != SP_OK ||
	    !sched_push(&node->pods, &node->n_pods, &node->cap_pods, pod)) {
		sched_node_tidy(st, node);
		return SP_ENOMEM;
	}
	pod->node = node;
	pod->place = node->n_pods - 1;
	if (pod->spec->n_ports > 0)
		ports_rebuild(node);
	if (node->exists)
		sched_place_counts(st, pod, node, 1);
	return SP_OK;
}

static void detach(sched_state *st, sched_pod *pod)
{
	sched_node *node = pod->node;
	if (node == NULL)
		return;
	if (node->exists)
		sched_place_counts(st, pod, node, -1);
	node->pods[pod->place] = node->pods[--node->n_pods];
	node->pods[pod->place]->place = pod->place;
	pod->node = NULL;
	if (pod->spec->n_ports > 0)
		ports_rebuild(node);
	sched_node_tidy(st, node);
}

static void nomination_end(sched_state *st, sched_pod *pod)
{
	if (!pod->on_nominated)
		return;
	sched_node *node = sched_find_node(st, pod->nominated);
	node->nominated[pod->nominated_place] = node->nominated[--node->n_nominated];
	node->nominated[pod->nominated_place]->nominated_place = pod->nominated_place;
	pod->on_nominated = false;
	if (node->n_nominated == 0) {
		st->n_nominated_nodes--;
		if (node->exists)
			sched_bit_clear(st->t.has_nominated, node->slot);
	}
	sched_node_tidy(st, node);
}

static sp_code nomination_begin(sched_state *st, sched_pod *pod)
{
	sched_node *node;
	if (pod->nominated.len == 0 || pod->node_name.len > 0)
		return SP_OK;
	SP_TRY(sched_node_entry(st, pod->nominated, &node));
	if (!sched_push(&node->nominated, &node->n_nominated, &node->cap_nominated, pod)) {
		sched_node_tidy(st, node);
		return SP_ENOMEM;
	}
	pod->nominated_place = node->n_nominated - 1;
	pod->on_nominated = true;
	if (node->n_nominated == 1) {
		st->n_nominated_nodes++;
		if (node->exists)
			sched_bit_set(st->t.has_nominated, node->slot);
	}
	return SP_OK;
}

sched_pod *sched_find_pod(const sched_state *st, sp_str key)
{
	return sp_map_get(&st->pod_by_key, key);
}

void sched_remove_pod(sched_state *st, sp_str key)
{
	sched_pod *pod = sched_find_pod(st, key);
	if (pod == NULL)
		return;
	detach(st, pod);
	nomination_end(st, pod);
	(void)sp_map_remove(&st->pod_by_key, key);
	sched_pod_free(st, pod);
}

sp_code sched_put_pod(sched_state *st, sched_pod *pod)
{
	sched_remove_pod(st, pod->key);
	sp_code code = sp_map_put(&st->pod_by_key, pod->key, pod, NULL);
	if (code != SP_OK) {
		sched_pod_free(st, pod);
		st->broken = true;
		return code;
	}
	code = pod->node_name.len > 0 ? attach(st, pod) : nomination_begin(st, pod);
	if (code != SP_OK)
		st->broken = true;
	return code;
}

sp_code sched_assume(sched_state *st, sched_pod *pod, sp_str node)
{
	sp_str text = {0};
	if (st->broken || sched_str_dup(node, &text) != SP_OK)
		return SP_ENOMEM;
	nomination_end(st, pod);
	sp_free(pod->node_name_text);
	pod->node_name_text = sched_str_unconst(text);
	pod->node_name = text;
	sp_code code = attach(st, pod);
	if (code != SP_OK)
		pod->node_name = (sp_str){0};
	return code;
}

void sched_forget(sched_state *st, sched_pod *pod)
{
	detach(st, pod);
	pod->node_name = (sp_str){0};
	sp_free(pod->node_name_text);
	pod->node_name_text = NULL;
}

sp_code sched_nominate(sched_state *st, sched_pod *pod, sp_str node)
{
	sp_str text = {0};
	if (st->broken || sched_str_dup(node, &text) != SP_OK)
		return SP_ENOMEM;
	nomination_end(st, pod);
	sp_free(pod->nominated_text);
	pod->nominated_text = sched_str_unconst(text);
	pod->nominated = text;
	return nomination_begin(st, pod);
}

/* -- the state ------------------------------------------------------------------------------------------ */

static sp_map *const *maps_of(sched_state *st, sp_map *room[10])
{
	sp_map *const all[10] = {&st->node_by_name, &st->pod_by_key, &st->namespaces, &st->pod_classes,
				 &st->groups,       &st->carried,    &st->topologies, &st->taint_classes,
				 &st->specs,        &st->images};
	memcpy(room, all, sizeof all);
	return room;
}

sched_state *sched_state_new(void)
{
	sched_state *st = sp_try_alloc(sizeof *st);
	sp_map *room[10];
	if (st == NULL)
		return NULL;
	sp_map *const *maps = maps_of(st, room);
	for (size_t i = 0; i < SP_LEN(room); i++)
		sp_map_init(maps[i]);
	sp_map_init(&st->resources);
	sp_map_init(&st->budgets);
	sp_map_init(&st->columns);
	for (size_t k = 0; k < SCHED_SOURCE_KINDS_; k++)
		sp_map_init(&st->sources[k]);
	sp_buf_init(&st->key, SCHED_SPEC_BYTES_MAX);
	st->sources_revision = 1;
	return st;
}

static void free_table(sched_state *st)
{
	sched_table *t = &st->t;
	void *const arrays[] = {t->alloc_cpu,         t->alloc_memory,  t->alloc_ephemeral, t->alloc_pods,
				t->used_cpu,          t->used_memory,   t->used_ephemeral,  t->nonzero_cpu,
				t->nonzero_memory,    t->n_pods,        t->taint_class,     t->nodes,
				t->present,           t->unschedulable, t->has_nominated,   st->free_slots,
				st->taint_class_by_id};
	for (size_t i = 0; i < SP_LEN(arrays); i++)
		sp_free(arrays[i]);
	for (uint32_t r = 0; r < st->n_resources; r++) {
		sp_free(t->alloc_scalar[r]);
		sp_free(t->used_scalar[r]);
		sp_free(sched_str_unconst(st->resource_names[r]));
	}
	sp_free(t->alloc_scalar);
	sp_free(t->used_scalar);
	sp_free(st->resource_names);
}

static void *first_of(const sp_map *m)
{
	size_t i = 0;
	const sp_map_entry *e = sp_map_next(m, &i);
	return e == NULL ? NULL : e->value;
}

void sched_state_free(sched_state *st)
{
	sp_map *room[10];
	if (st == NULL)
		return;
	/* Counting may want memory even here: what it could not get does not keep the rest from going. */
	for (sched_pod *pod; (pod = first_of(&st->pod_by_key)) != NULL;) {
		st->broken = false;
		sched_remove_pod(st, pod->key);
	}
	for (sched_node *node; (node = first_of(&st->node_by_name)) != NULL;) {
		st->broken = false;
		if (node->exists)
			sched_remove_node(st, node->name);
		else
			sched_node_free(st, node);
	}
	for (sched_namespace *ns; (ns = first_of(&st->namespaces)) != NULL;) {
		ns->exists = false;
		sched_namespace_tidy(st, ns);
	}
	sched_volumes_done(st);
	sched_budgets_done(st);
	sched_sources_done(st);
	sched_columns_done(st);
	free_table(st);
	sp_map *const *maps = maps_of(st, room);
	for (size_t i = 0; i < SP_LEN(room); i++)
		sp_map_done(maps[i]);
	sp_map_done(&st->resources);
	sp_buf_done(&st->key);
	sp_free(st);
}
