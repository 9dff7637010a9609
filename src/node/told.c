/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's status that somebody else overwrites is told again. What the API had after our last report is kept;
 * what differs from it in what is the agent's stays for 10 s at most. Conditions of others don't count. U:
 * kubernetes pkg/kubelet/status/status_manager.go needsReconcile.
 */
#include "node/node_int.h"

#define RECONCILE_NS (10 * NODE_SECOND_NS)

/* U: pkg/kubelet/types/pod_status.go PodConditionByKubelet. */
static bool is_ours(sp_str type)
{
	static const sp_str ours[] = {
		SP_STR_INIT("PodReadyToStartContainers"), SP_STR_INIT("Initialized"),
		SP_STR_INIT("ContainersReady"),           SP_STR_INIT("Ready"),
		SP_STR_INIT("PodResizePending"),          SP_STR_INIT("PodResizeInProgress"),
		SP_STR_INIT("AllContainersRestarting"),
	};
	for (size_t i = 0; i < SP_LEN(ours); i++) {
		if (sp_str_eq(ours[i], type))
			return true;
	}
	return false;
}

static yyjson_val *condition(yyjson_val *conditions, sp_str type)
{
	size_t i, n;
	yyjson_val *c;
	yyjson_arr_foreach(conditions, i, n, c)
	{
		if (sp_str_eq(sp_view_str_at(c, "type"), type))
			return c;
	}
	return NULL;
}

/* Every condition of ours that is in `a` is in `b`, the same. */
static bool has_conditions(yyjson_val *a, yyjson_val *b)
{
	size_t i, n;
	yyjson_val *c;
	yyjson_arr_foreach(a, i, n, c)
	{
		sp_str type = sp_view_str_at(c, "type");
		yyjson_val *other = condition(b, type);
		if (is_ours(type) && (other == NULL || !yyjson_equals(c, other)))
			return false;
	}
	return true;
}

/* The same for all other members. */
static bool has_members(yyjson_val *a, yyjson_val *b)
{
	size_t i, n;
	yyjson_val *key, *value;
	yyjson_obj_foreach(a, i, n, key, value)
	{
		yyjson_val *other = yyjson_obj_getn(b, yyjson_get_str(key), yyjson_get_len(key));
		if (strcmp(yyjson_get_str(key), "conditions") != 0 &&
		    (other == NULL || !yyjson_equals(value, other)))
			return false;
	}
	return true;
}

/* Without memory: as if it were. */
static bool is_same(const sp_object *x, const sp_object *y)
{
	yyjson_val *trees[2];
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, 2 * NODE_POD_BYTES_MAX);
	if (x == y || sp_json_parse(&arena, x->json, &trees[0], NULL) != SP_OK ||
	    sp_json_parse(&arena, y->json, &trees[1], NULL) != SP_OK)
		return true;
	yyjson_val *a = sp_view_at(trees[0], "status"), *b = sp_view_at(trees[1], "status");
	return has_members(a, b) && has_members(b, a) &&
	       has_conditions(sp_view_at(a, "conditions"), sp_view_at(b, "conditions")) &&
	       has_conditions(sp_view_at(b, "conditions"), sp_view_at(a, "conditions"));
}

static void keep(node_worker *w, const sp_object *o)
{
	const sp_object *old = w->told;
	w->told = o == NULL ? NULL : sp_object_ref(o);
	(void)sp_object_unref(old);
}

void node_told_set(node_worker *w, const sp_object *o)
{
	keep(w, o);
	sp_timer_stop(w->agent->world, &w->reconcile);
}

static void on_time(sp_timer *t)
{
	node_worker *w = t->arg;
	w->reported = sp_bytes_unref(w->reported);
	node_worker_poke(w);
}

void node_told_look(node_worker *w)
{
	if (w->told == NULL || w->latest == NULL || w->latest == w->told ||
	    sp_call_is_running(&w->report_call) || sp_timer_is_running(&w->reconcile))
		return;
	if (is_same(w->told, w->latest)) {
		keep(w, w->latest);
		return;
	}
	w->reconcile.arg = w;
	sp_timer_start(w->agent->world, &w->reconcile, RECONCILE_NS, on_time);
}

void node_told_free(node_worker *w)
{
	node_told_set(w, NULL);
}
