/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds, conditions and admission. */
#include "node/eviction.h"

#define CRITICAL_PRIORITY 2000000000 /* U: scheduling.SystemCriticalPriority */

static const struct {
	sp_str resource;
	node_pressure pressure;
} kinds[] = {
	[NODE_SIGNAL_MEMORY] = {SP_STR_INIT("memory"), NODE_PRESSURE_MEMORY},
	[NODE_SIGNAL_NODEFS] = {SP_STR_INIT("ephemeral-storage"), NODE_PRESSURE_DISK},
	[NODE_SIGNAL_NODEFS_INODES] = {SP_STR_INIT("inodes"), NODE_PRESSURE_DISK},
	[NODE_SIGNAL_IMAGEFS] = {SP_STR_INIT("ephemeral-storage"), NODE_PRESSURE_DISK},
	[NODE_SIGNAL_IMAGEFS_INODES] = {SP_STR_INIT("inodes"), NODE_PRESSURE_DISK},
	[NODE_SIGNAL_PIDS] = {SP_STR_INIT("pids"), NODE_PRESSURE_PID},
};

sp_str node_signal_resource(node_signal s)
{
	return kinds[s].resource;
}

sp_str node_pressure_name(node_pressure p)
{
	static const sp_str names[] = {[NODE_PRESSURE_MEMORY] = SP_STR_INIT("MemoryPressure"),
				       [NODE_PRESSURE_DISK] = SP_STR_INIT("DiskPressure"),
				       [NODE_PRESSURE_PID] = SP_STR_INIT("PIDPressure")};
	return names[p];
}

/* ---- thresholds ---- */

static bool is_met(const node_threshold *t, const node_observations *o, bool with_reclaim)
{
	const node_observation *at = &o->of[t->signal];
	if (!at->is_known)
		return false;
	__int128 level = node_level_value(&t->value, at->capacity);
	if (with_reclaim && t->has_reclaim)
		level += node_level_value(&t->reclaim, at->capacity);
	return level > at->available;
}

bool node_pressures_any_met(const node_eviction *e, const node_observations *o)
{
	for (size_t i = 0; i < e->n; i++) {
		if (is_met(&e->at[i], o, true))
			return true;
	}
	return false;
}

/* A condition stays for a while after it was seen last, so that it does not come and go. */
static void set_conditions(node_pressures *p, const node_eviction *e, uint64_t now_ns)
{
	for (size_t i = 0; i < e->n; i++) {
		if (p->first_ns[i] != 0)
			p->seen_ns[kinds[e->at[i].signal].pressure] = now_ns;
	}
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++)
		p->is_on[k] = p->seen_ns[k] != 0 && now_ns - p->seen_ns[k] < (uint64_t)e->transition_ns;
}

bool node_pressures_step(node_pressures *p, const node_eviction *e, const node_observations *o,
			 uint64_t now_ns, const node_threshold **ret)
{
	const node_threshold *first = NULL;
	for (size_t i = 0; i < e->n; i++) {
		const node_threshold *t = &e->at[i];
		bool now = is_met(t, o, false) || (p->met[i] && is_met(t, o, true));
		if (!now)
			p->first_ns[i] = 0;
		else if (p->first_ns[i] == 0)
			p->first_ns[i] = now_ns;
		p->met[i] = now && now_ns - p->first_ns[i] >= (uint64_t)t->grace_ns;
		if (p->met[i] && (first == NULL ||
				  (t->signal == NODE_SIGNAL_MEMORY && first->signal != NODE_SIGNAL_MEMORY)))
			first = t;
	}
	set_conditions(p, e, now_ns);
	*ret = first;
	return first != NULL;
}

/* ---- admission ---- */

bool node_pod_is_critical(const node_pod *p)
{
	yyjson_val *priority = sp_view_at(p->tree, "spec.priority");
	return p->is_static || (yyjson_is_int(priority) && yyjson_get_sint(priority) >= CRITICAL_PRIORITY);
}

/* Whether the pod bears the taint of memory pressure. U: ToleratesTaint; its value is empty, so a comparison
 * with numbers never holds. */
static bool bears_memory_pressure(const node_pod *p)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(p->tree, "spec.tolerations"), i, n, item)
	{
		sp_str effect = sp_view_str_at(item, "effect"), key = sp_view_str_at(item, "key"),
		       op = sp_view_str_at(item, "operator");
		if (effect.len != 0 && !sp_str_eq(effect, SP_STR("NoSchedule")))
			continue;
		if (key.len != 0 && !sp_str_eq(key, SP_STR("node.kubernetes.io/memory-pressure")))
			continue;
		if (sp_str_eq(op, SP_STR("Exists")) || ((op.len == 0 || sp_str_eq(op, SP_STR("Equal"))) &&
							sp_view_str_at(item, "value").len == 0))
			return true;
	}
	return false;
}

bool node_pressures_admit(const node_pressures *p, const node_pod *pod, sp_buf *message)
{
	size_t n = 0;
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++)
		n += p->is_on[k];
	if (n == 0 || node_pod_is_critical(pod))
		return true;
	if (n == 1 && p->is_on[NODE_PRESSURE_MEMORY] &&
	    (node_qos_of(pod) != NODE_QOS_BEST_EFFORT || bears_memory_pressure(pod)))
		return true;
	(void)sp_buf_printf(message, "The node had condition: [");
	for (size_t k = 0, i = 0; k < NODE_PRESSURE_COUNT_; k++) {
		if (p->is_on[k])
			(void)sp_buf_printf(message, "%s" SP_FMT, i++ == 0 ? "" : " ",
					    SP_ARG(node_pressure_name((node_pressure)k)));
	}
	(void)sp_buf_printf(message, "]. ");
	return false;
}
