/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conditions.h"

/* Names for a message, as Go prints a list. */
typedef struct names {
	sp_arena *arena;
	sp_str text;
	size_t n;
	bool short_of_memory;
} names;

static void add_name(names *l, sp_str name)
{
	l->text = l->n++ == 0 ? sp_arena_try_dup(l->arena, name)
			      : SP_CONCAT(l->arena, l->text, SP_STR(" "), name);
	l->short_of_memory |= l->text.ptr == NULL;
}

static void put(node_status *s, node_condition c)
{
	SP_ASSERT(s->n_conditions < NODE_CONDITIONS_MAX);
	s->conditions[s->n_conditions++] = c;
}

static bool any_main_started(const node_status_input *in, const node_status *s)
{
	for (size_t i = 0; i < in->pod->n_regular; i++) {
		const node_container_status *c = &s->containers[in->pod->n_init + i];
		if (c->started || c->is != NODE_IS_WAITING || c->has_last)
			return true;
	}
	return false;
}

/* The status of a condition that the API has; {NULL, 0} when it has none. */
static sp_str condition_now(const node_pod *p, sp_str type)
{
	SP_VLIST_FOREACH(item, p->v.conditions)
	{
		if (sp_str_eq(sp_view_str_at(item, "type"), type))
			return sp_view_str_at(item, "status");
	}
	return (sp_str){NULL, 0};
}

static node_condition initialized(const node_status_input *in, names *l, const node_status *s)
{
	const node_pod *p = in->pod;
	node_condition c = {.type = SP_STR("Initialized"), .is_true = true};
	for (size_t i = 0; i < p->n_init; i++) {
		const node_container_status *st = &s->containers[i];
		if (st->container->is_sidecar ? !st->started : !st->ready)
			add_name(l, st->container->name);
	}
	if (sp_str_eq(s->told_phase, SP_STR("Succeeded"))) {
		c.reason = SP_STR("PodCompleted");
	} else if (l->n > 0 && !any_main_started(in, s) &&
		   !sp_str_eq(condition_now(p, c.type), SP_STR("True"))) { /* what is initialized stays so */
		c.is_true = false;
		c.reason = SP_STR("ContainersNotInitialized");
		c.message = sp_arena_printf(l->arena, "containers with incomplete status: [" SP_FMT "]",
					    SP_ARG(l->text));
		l->short_of_memory |= c.message.ptr == NULL;
	}
	return c;
}

static node_condition containers_ready(const node_status_input *in, names *l, const node_status *s)
{
	const node_pod *p = in->pod;
	node_condition c = {.type = SP_STR("ContainersReady"), .is_true = true};
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		const node_container_status *st = &s->containers[i];
		if ((st->container->role == NODE_REGULAR || st->container->is_sidecar) && !st->ready)
			add_name(l, st->container->name);
	}
	if (sp_str_eq(s->told_phase, SP_STR("Succeeded"))) {
		c.is_true = false;
		c.reason = SP_STR("PodCompleted");
	} else if (sp_str_eq(s->told_phase, SP_STR("Failed"))) {
		c.is_true = false;
		c.reason = SP_STR("PodFailed");
	} else if (l->n > 0) {
		c.is_true = false;
		c.reason = SP_STR("ContainersNotReady");
		c.message = sp_arena_printf(l->arena, "containers with unready status: [" SP_FMT "]",
					    SP_ARG(l->text));
		l->short_of_memory |= c.message.ptr == NULL;
	}
	return c;
}

static node_condition ready(const node_status_input *in, sp_arena *a, const node_condition *of_containers,
			    bool *short_of_memory)
{
	node_condition c = *of_containers;
	sp_str text = {NULL, 0};
	c.type = SP_STR("Ready");
	if (!c.is_true)
		return c;
	SP_VLIST_FOREACH(item, in->pod->v.gates)
	{
		sp_str type = sp_view_str_at(item, "conditionType"), now = condition_now(in->pod, type);
		if (sp_str_eq(now, SP_STR("True")))
			continue;
		sp_str one =
			now.len == 0
				? sp_arena_printf(a,
						  "corresponding condition of pod readiness gate \"" SP_FMT
						  "\" does not exist.",
						  SP_ARG(type))
				: sp_arena_printf(a,
						  "the status of pod readiness gate \"" SP_FMT
						  "\" is not \"True\", but " SP_FMT,
						  SP_ARG(type), SP_ARG(now));
		text = text.len == 0 ? one : SP_CONCAT(a, text, SP_STR(", "), one);
		*short_of_memory |= text.ptr == NULL;
	}
	if (text.len != 0) {
		c.is_true = false;
		c.reason = SP_STR("ReadinessGatesNotReady");
		c.message = text;
	}
	return c;
}

static bool can_start_containers(const node_status_input *in)
{
	uint32_t attempt;
	sp_str id;
	return !node_sandbox_changed(in->pod, in->seen, &attempt, &id);
}

/* U: GenerateAllContainersRestartingCondition. */
static node_condition resetting(const node_status_input *in, const node_status *s)
{
	node_condition c = {.type = SP_STR("AllContainersRestarting")};
	bool any = false;
	for (size_t i = 0; i < in->pod->n_init + in->pod->n_regular; i++)
		any |= node_seen_newest(in->seen, in->pod->containers[i].name) != NULL;
	if (sp_str_eq(s->told_phase, SP_STR("Succeeded"))) {
		c.reason = SP_STR("PodCompleted");
	} else if (sp_str_eq(s->told_phase, SP_STR("Failed"))) {
		c.reason = SP_STR("PodFailed");
	} else if (in->is_resetting && any) {
		c.is_true = true;
		c.reason = SP_STR("RestartAllContainersStarted");
		c.message = SP_STR("container exited with restart policy rule");
	}
	return c;
}

static void put_resize(node_status *s, sp_str type, const node_resize_state *r)
{
	if (r->is_set)
		put(s, (node_condition){.type = type,
					.reason = r->reason,
					.message = r->message,
					.generation = r->generation,
					.is_true = true});
}

sp_code node_conditions_make(const node_status_input *in, sp_arena *a, node_status *ret, sp_err *err)
{
	names inits = {.arena = a}, unready = {.arena = a};
	bool short_of_memory = false;
	put(ret, (node_condition){.type = SP_STR("PodReadyToStartContainers"),
				  .is_true = can_start_containers(in)});
	put(ret, initialized(in, &inits, ret));
	node_condition of_containers = containers_ready(in, &unready, ret);
	put(ret, ready(in, a, &of_containers, &short_of_memory));
	put(ret, of_containers);
	put(ret, (node_condition){.type = SP_STR("PodScheduled"), .is_true = true});
	if (node_pod_may_reset(in->pod))
		put(ret, resetting(in, ret));
	put_resize(ret, SP_STR("PodResizePending"), &in->resize_pending);
	put_resize(ret, SP_STR("PodResizeInProgress"), &in->resize_in_progress);
	if (in->disruption.len != 0 && node_phase_is_terminal(ret->told_phase) &&
	    !node_phase_is_terminal(in->pod->v.phase))
		put(ret, (node_condition){.type = SP_STR("DisruptionTarget"),
					  .reason = SP_STR("TerminationByKubelet"),
					  .message = in->disruption,
					  .is_true = true});
	if (inits.short_of_memory || unready.short_of_memory || short_of_memory)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's conditions");
	return SP_OK;
}
