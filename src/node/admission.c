/* SPDX-License-Identifier: Apache-2.0 */
#include "node/admission.h"

#include "base/num.h"
#include "node/resources.h"

/* ---- what the node is ---- */

static bool check_os(const node_pod *p, const node_room *room, node_refusal *ret)
{
	static const sp_str label = SP_STR_INIT("kubernetes.io/os"), own = SP_STR_INIT("linux");
	(void)room;
	sp_str wanted = sp_view_str_at(p->tree, "spec.os.name");
	sp_str named = sp_vmap_str(p->v.labels, label);
	if (named.ptr != NULL && !sp_str_eq(named, own)) {
		(void)snprintf(ret->reason, sizeof ret->reason, "PodOSSelectorNodeLabelDoesNotMatch");
		(void)snprintf(
			ret->message, sizeof ret->message,
			"Failed to admit pod as the `kubernetes.io/os` label doesn't match node label");
		return false;
	}
	if (wanted.len > 0 && !sp_str_eq(wanted, own)) {
		(void)snprintf(ret->reason, sizeof ret->reason, "PodOSNotSupported");
		(void)snprintf(ret->message, sizeof ret->message,
			       "Failed to admit pod as the OS field doesn't match node OS");
		return false;
	}
	return true;
}

/* ---- sysctls ---- */

/* Those that a namespace keeps for itself. U: pkg/kubelet/sysctl/safe_sysctls.go. */
static const char *const safe_sysctls[] = {
	"kernel.shm_rmid_forced",           "net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",        "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",     "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",      "net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",          "net.ipv4.tcp_wmem",
};

/* Names of sysctls may be written with slashes. */
static bool is_safe(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(safe_sysctls); i++) {
		sp_str safe = sp_str_c(safe_sysctls[i]);
		size_t at = 0;
		while (at < name.len && name.len == safe.len &&
		       (name.ptr[at] == '/' ? '.' : name.ptr[at]) == safe.ptr[at])
			at++;
		if (at == name.len && at > 0)
			return true;
	}
	return false;
}

static const char *sysctl_fault(const node_pod *p, sp_str name)
{
	if (!is_safe(name))
		return "not allowlisted";
	if (sp_str_starts(name, SP_STR("net")) && p->v.host_network)
		return "not allowed with host Net enabled";
	if (sp_str_starts(name, SP_STR("kernel")) && p->v.host_ipc)
		return "not allowed with host IPC enabled";
	return NULL;
}

static bool check_sysctls(const node_pod *p, const node_room *room, node_refusal *ret)
{
	yyjson_val *list = sp_view_at(p->v.security, "sysctls"), *item;
	size_t i, n;
	(void)room;
	yyjson_arr_foreach(list, i, n, item)
	{
		sp_str name = sp_view_str_at(item, "name");
		const char *fault = sysctl_fault(p, name);
		if (fault == NULL)
			continue;
		(void)snprintf(ret->reason, sizeof ret->reason, "SysctlForbidden");
		(void)snprintf(ret->message, sizeof ret->message, "forbidden sysctl: \"" SP_FMT "\" %s",
			       SP_ARG(name), fault);
		return false;
	}
	return true;
}

/* ---- room ---- */

static bool lacks(node_refusal *ret, sp_str resource, int64_t ask, int64_t used, int64_t capacity)
{
	(void)snprintf(ret->reason, sizeof ret->reason, "OutOf" SP_FMT, SP_ARG(resource));
	(void)snprintf(ret->message, sizeof ret->message,
		       "Node didn't have enough resource: " SP_FMT
		       ", requested: %lld, used: %lld, capacity: %lld",
		       SP_ARG(resource), (long long)ask, (long long)used, (long long)capacity);
	return false;
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

static bool check_resource(const node_pod *p, const node_room *room, sp_str resource, int64_t capacity,
			   node_refusal *ret)
{
	int64_t ask = node_pod_request(p, resource);
	int64_t used = ask == 0 ? 0 : used_by(room, resource);
	return ask == 0 || ask <= capacity - used || lacks(ret, resource, ask, used, capacity);
}

bool node_admission_fits(const node_pod *p, const node_room *room, node_refusal *ret)
{
	return check_resource(p, room, SP_STR("cpu"), room->cpu_milli, ret) &&
	       check_resource(p, room, SP_STR("memory"), room->memory_bytes, ret);
}

static bool check_room(const node_pod *p, const node_room *room, node_refusal *ret)
{
	int64_t n = (int64_t)room->n_others;
	if (n + 1 > room->pods)
		return lacks(ret, SP_STR("pods"), 1, n, room->pods);
	return node_admission_fits(p, room, ret) &&
	       check_resource(p, room, SP_STR("ephemeral-storage"), room->ephemeral_bytes, ret);
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

static bool check_ports(const node_pod *p, const node_room *room, node_refusal *ret)
{
	for (size_t i = 0; i < room->n_others; i++) {
		if (!node_ports_conflict(p, room->others[i]))
			continue;
		(void)snprintf(ret->reason, sizeof ret->reason, "NodePorts");
		(void)snprintf(ret->message, sizeof ret->message,
			       "Predicate NodePorts failed: node(s) didn't have free ports for the requested "
			       "pod ports");
		return false;
	}
	return true;
}

/* ---- all ---- */

bool node_admission_check(const node_pod *p, const node_room *room, node_refusal *ret)
{
	static bool (*const checks[])(const node_pod *p, const node_room *room,
				      node_refusal *ret) = {check_sysctls, check_os, check_room, check_ports};
	*ret = (node_refusal){.reason = ""};
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		if (!checks[i](p, room, ret))
			return false;
	}
	return true;
}
