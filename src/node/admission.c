/* SPDX-License-Identifier: Apache-2.0 */
#include "node/admission.h"

#include "base/num.h"
#include "kube/kinds/resources.h"
#include "node/resources.h"

static void put(node_refusal *to, const char *reason, const char *fmt, ...) SP_PRINTF(3, 4);
static void put(node_refusal *to, const char *reason, const char *fmt, ...)
{
	va_list args;
	(void)snprintf(to->reason, sizeof to->reason, "%s", reason);
	va_start(args, fmt);
	(void)vsnprintf(to->message, sizeof to->message, fmt, args);
	va_end(args);
}

/* ---- what room would not help against ---- */

static bool check_os(const node_pod *p, const node_room *room, node_refusal *ret)
{
	static const sp_str label = SP_STR_INIT("kubernetes.io/os"), own = SP_STR_INIT("linux");
	(void)room;
	sp_str wanted = sp_view_str_at(p->tree, "spec.os.name");
	sp_str named = sp_vmap_str(p->v.labels, label);
	if (named.ptr != NULL && !sp_str_eq(named, own)) {
		put(ret, "PodOSSelectorNodeLabelDoesNotMatch",
		    "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label");
		return false;
	}
	if (wanted.len > 0 && !sp_str_eq(wanted, own)) {
		put(ret, "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS");
		return false;
	}
	return true;
}

static bool check_groups(const node_pod *p, const node_room *room, node_refusal *ret)
{
	sp_str policy = sp_view_str_at(p->v.security, "supplementalGroupsPolicy");
	if (room->has_strict_groups || !sp_str_eq(policy, SP_STR("Strict")))
		return true;
	put(ret, "SupplementalGroupsPolicyNotSupported",
	    "SupplementalGroupsPolicy=Strict is not supported in this node");
	return false;
}

static bool check_sysctls(const node_pod *p, const node_room *room, node_refusal *ret)
{
	static const node_sysctls none;
	yyjson_val *list = sp_view_at(p->v.security, "sysctls"), *item;
	size_t i, n;
	yyjson_arr_foreach(list, i, n, item)
	{
		sp_err err = {0};
		if (node_sysctl_check(room->sysctls == NULL ? &none : room->sysctls,
				      sp_view_str_at(item, "name"), p->v.host_network, p->v.host_ipc,
				      &err) == SP_OK)
			continue;
		put(ret, "SysctlForbidden", "forbidden sysctl: %s", err.msg);
		return false;
	}
	return true;
}

/* ---- room ---- */

static void lacks(node_findings *f, sp_str resource, int64_t ask, int64_t used, int64_t capacity)
{
	if (f->why.reason[0] == '\0') {
		put(&f->why, "",
		    "Node didn't have enough resource: " SP_FMT
		    ", requested: %lld, used: %lld, capacity: %lld",
		    SP_ARG(resource), (long long)ask, (long long)used, (long long)capacity);
		(void)snprintf(f->why.reason, sizeof f->why.reason, "OutOf" SP_FMT, SP_ARG(resource));
	}
	if (f->n_lacks < NODE_SHORTAGES_MAX)
		f->lacks[f->n_lacks++] =
			(node_shortage){.resource = resource, .quantity = ask - (capacity - used)};
}

static int64_t used_by(const node_room *room, sp_str resource)
{
	int64_t sum = 0;
	for (size_t i = 0; i < room->n_others; i++) {
		if (!sp_add(sum, node_pod_request(room->others[i], resource), &sum))
			return INT64_MAX;
	}
	return sum;
}

static void check_resource(const node_pod *p, const node_room *room, sp_str resource, int64_t capacity,
			   node_findings *f)
{
	int64_t ask = node_pod_request(p, resource);
	int64_t used = ask == 0 ? 0 : used_by(room, resource);
	if (ask > 0 && ask > capacity - used)
		lacks(f, resource, ask, used, capacity);
}

static void check_cpu_and_memory(const node_pod *p, const node_room *room, node_findings *f)
{
	check_resource(p, room, SP_STR("cpu"), room->cpu_milli, f);
	check_resource(p, room, SP_STR("memory"), room->memory_bytes, f);
}

bool node_admission_fits(const node_pod *p, const node_room *room, node_refusal *ret)
{
	node_findings f = {.n_lacks = 0};
	check_cpu_and_memory(p, room, &f);
	*ret = f.why;
	return f.n_lacks == 0;
}

static bool requests(const node_container *c, sp_str resource)
{
	return sp_vmap_str(c->v.requests, resource).ptr != NULL;
}

/* Whether one of the containers before asked for it. */
static bool is_repeated(const node_pod *p, size_t before, sp_str resource)
{
	for (size_t i = 0; i < before; i++) {
		if (requests(&p->containers[i], resource))
			return true;
	}
	return false;
}

/* What only some nodes count: an extended resource that this node does not know is the cluster's. U:
 * IsScalarResourceName, removeMissingExtendedResources. */
static bool is_counted(const node_room *room, sp_str resource)
{
	if (sp_res_is_extended(resource))
		return sp_vmap_str(room->scalars, resource).ptr != NULL;
	return sp_res_is_hugepage(resource) || sp_str_find(resource, SP_STR("kubernetes.io/")) >= 0 ||
	       sp_str_starts(resource, SP_STR("attachable-volumes-"));
}

static void check_scalars(const node_pod *p, const node_room *room, node_findings *f)
{
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		yyjson_val *key, *value;
		size_t k, n;
		yyjson_obj_foreach(p->containers[i].v.requests.object, k, n, key, value)
		{
			sp_str resource = sp_json_str(key);
			if (is_repeated(p, i, resource) || !is_counted(room, resource))
				continue;
			int64_t have = node_amount(room->scalars, resource, false);
			check_resource(p, room, resource, SP_MAX(have, 0), f);
		}
	}
}

static void check_room(const node_pod *p, const node_room *room, node_findings *f)
{
	int64_t n = (int64_t)room->n_others;
	if (n + 1 > room->pods)
		lacks(f, SP_STR("pods"), 1, n, room->pods);
	check_cpu_and_memory(p, room, f);
	check_resource(p, room, SP_STR("ephemeral-storage"), room->ephemeral_bytes, f);
	check_scalars(p, room, f);
}

/* ---- the node's labels, name and taints ---- */

static bool has_affinity(const node_pod *p, const node_room *room)
{
	return sp_fit_affinity(sp_view_at(p->tree, "spec"), &room->self);
}

static bool has_name(const node_pod *p, const node_room *room)
{
	return p->v.node.len == 0 || sp_str_eq(p->v.node, room->self.name);
}

static bool is_tolerated(const node_pod *p, yyjson_val *taint)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(p->tree, "spec.tolerations"), i, n, item)
	{
		if (sp_fit_tolerates(item, taint))
			return true;
	}
	return false;
}

/* Of taints only those that also drive out what runs; static pods bear everything. */
static bool bears_taints(const node_pod *p, const node_room *room)
{
	SP_VLIST_FOREACH(taint, room->self.taints)
	{
		if (!p->is_static && sp_str_eq(sp_view_str_at(taint, "effect"), SP_STR("NoExecute")) &&
		    !is_tolerated(p, taint))
			return false;
	}
	return true;
}

/* ---- host ports ---- */

typedef struct host_port {
	int64_t number;
	sp_str ip, protocol;
} host_port;

static host_port host_port_of(yyjson_val *port)
{
	host_port h = {yyjson_get_sint(sp_view_at(port, "hostPort")), sp_view_str_at(port, "hostIP"),
		       sp_view_str_at(port, "protocol")};
	if (h.ip.len == 0)
		h.ip = SP_STR("0.0.0.0");
	if (h.protocol.len == 0)
		h.protocol = SP_STR("TCP");
	return h;
}

static bool collide(const host_port *a, const host_port *b)
{
	static const sp_str any = SP_STR_INIT("0.0.0.0");
	return a->number > 0 && a->number == b->number && sp_str_eq(a->protocol, b->protocol) &&
	       (sp_str_eq(a->ip, b->ip) || sp_str_eq(a->ip, any) || sp_str_eq(b->ip, any));
}

/* Init containers that end give their ports back. */
static bool holds_ports(const node_container *c)
{
	return c->role == NODE_REGULAR || c->is_sidecar;
}

static bool has_port(const node_pod *p, const host_port *wanted)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (!holds_ports(&p->containers[i]))
			continue;
		SP_VLIST_FOREACH(port, p->containers[i].v.ports)
		{
			host_port h = host_port_of(port);
			if (collide(wanted, &h))
				return true;
		}
	}
	return false;
}

bool node_ports_conflict(const node_pod *p, const node_pod *other)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (!holds_ports(&p->containers[i]))
			continue;
		SP_VLIST_FOREACH(port, p->containers[i].v.ports)
		{
			host_port h = host_port_of(port);
			if (has_port(other, &h))
				return true;
		}
	}
	return false;
}

static bool has_ports(const node_pod *p, const node_room *room)
{
	for (size_t i = 0; i < room->n_others; i++) {
		if (node_ports_conflict(p, room->others[i]))
			return false;
	}
	return true;
}

/* ---- all ---- */

static void check_node(const node_pod *p, const node_room *room, node_findings *f)
{
	static const struct {
		bool (*holds)(const node_pod *p, const node_room *room);
		const char *name, *text;
	} all[] = {
		{has_affinity, "NodeAffinity", "node(s) didn't match Pod's node affinity/selector"},
		{has_name, "NodeName", "node(s) didn't match the requested node name"},
		{has_ports, "NodePorts", "node(s) didn't have free ports for the requested pod ports"},
		{bears_taints, "TaintToleration", "node(s) had taints that the pod didn't tolerate"},
	};
	size_t n_failed = 0;
	for (size_t i = 0; i < SP_LEN(all); i++) {
		if (all[i].holds(p, room))
			continue;
		if (n_failed++ == 0)
			put(&f->other, all[i].name, "Predicate %s failed: %s", all[i].name, all[i].text);
		f->only_affinity = i == 0;
	}
	f->only_affinity = f->only_affinity && n_failed == 1 && f->n_lacks == 0;
}

bool node_admission_check(const node_pod *p, const node_room *room, node_findings *ret)
{
	static bool (*const first[])(const node_pod *p, const node_room *room,
				     node_refusal *ret) = {check_sysctls, check_os, check_groups};
	*ret = (node_findings){.n_lacks = 0};
	for (size_t i = 0; i < SP_LEN(first); i++) {
		if (!first[i](p, room, &ret->other)) {
			ret->why = ret->other;
			return false;
		}
	}
	check_room(p, room, ret);
	check_node(p, room, ret);
	if (ret->why.reason[0] == '\0')
		ret->why = ret->other;
	return ret->why.reason[0] == '\0';
}
