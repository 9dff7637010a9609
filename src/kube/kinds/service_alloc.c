/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/service.h"

#include "base/ip.h"
#include "kube/kinds/service_int.h"

static yyjson_mut_val *spec_of(yyjson_mut_val *obj)
{
	return sp_kv_get(obj, "spec");
}

static bool has_cluster_ip(yyjson_mut_val *obj)
{
	return !sp_service_is(obj, "ExternalName");
}

static bool has_node_ports(yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = spec_of(obj);
	return sp_service_is(obj, "NodePort") ||
	       (sp_service_is(obj, "LoadBalancer") && (!sp_kv_has(spec, "allocateLoadBalancerNodePorts") ||
						       sp_kv_bool(spec, "allocateLoadBalancerNodePorts")));
}

static bool same(yyjson_mut_val *obj, yyjson_mut_val *old, const char *member)
{
	return sp_kv_equal(sp_kv_get(spec_of(obj), member), sp_kv_get(spec_of(old), member));
}

static bool uses_node_port(yyjson_mut_val *obj, int64_t port)
{
	SP_KV_EACH (p, i, sp_kv_list(spec_of(obj), "ports")) {
		if (sp_kv_i64(p, "nodePort", 0) == port)
			return true;
	}
	return false;
}

/* The node port that the old service had under the name, the last one counts. */
static int64_t node_port_of(yyjson_mut_val *old, sp_str name)
{
	int64_t port = 0;
	SP_KV_EACH (p, i, sp_kv_list(spec_of(old), "ports")) {
		if (sp_str_eq(sp_kv_str(p, "name"), name))
			port = sp_kv_i64(p, "nodePort", 0);
	}
	return port;
}

/* More ports than this keep no node ports: the work is their square, and no service has as many. */
#define PORTS_MAX 2000u

static void patch_node_ports(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *ports = sp_kv_list(spec_of(obj), "ports");
	if (sp_kv_len(ports) > PORTS_MAX || sp_kv_len(sp_kv_list(spec_of(old), "ports")) > PORTS_MAX)
		return;
	SP_KV_EACH (p, i, ports) {
		if (sp_kv_i64(p, "nodePort", 0) != 0)
			continue;
		int64_t port = node_port_of(old, sp_kv_str(p, "name"));
		/* filled ones can't hide another: upstream looks at the ports that were sent, and a name
		 * that comes twice is refused later */
		if (port != 0 && !uses_node_port(obj, port))
			SP_KIND_NEED(c, sp_kv_set_i64(c->doc, p, "nodePort", port));
	}
}

static void patch(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = spec_of(obj), *was = spec_of(old);
	if (has_cluster_ip(old) && has_cluster_ip(obj)) {
		if (sp_kv_str(spec, "clusterIP").len == 0)
			SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "clusterIP"));
		if (sp_kv_list(spec, "clusterIPs") == NULL && sp_kv_list(was, "clusterIPs") != NULL)
			SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "clusterIPs"));
	}
	if (has_node_ports(old) && has_node_ports(obj))
		patch_node_ports(c, obj, old);
	if (sp_service_health_check(old) && sp_service_health_check(obj) &&
	    sp_kv_i64(spec, "healthCheckNodePort", 0) == 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "healthCheckNodePort"));
}

static void set_only_ip(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	sp_kv_drop(spec, "clusterIPs");
	yyjson_mut_val *ips = sp_kv_need_list(c->doc, spec, "clusterIPs");
	SP_KIND_NEED(c, ips != NULL && sp_kv_append_str(c->doc, ips, sp_kv_str(spec, "clusterIP")));
}

void sp_service_begin(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = spec_of(obj), *was = spec_of(old);
	sp_str now = sp_kv_str(spec, "clusterIP"), then = sp_kv_str(was, "clusterIP");
	if (!yyjson_mut_is_obj(spec))
		return;
	if (old == NULL) {
		if (now.len > 0 && sp_kv_list(spec, "clusterIPs") == NULL)
			set_only_ip(c, spec);
		return;
	}
	patch(c, obj, old);
	now = sp_kv_str(spec, "clusterIP");
	if (sp_kv_list(was, "clusterIPs") != NULL && sp_kv_list(spec, "clusterIPs") == NULL &&
	    sp_str_eq(now, then))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "clusterIPs"));
	if (sp_str_eq(now, then) || !same(obj, old, "clusterIPs"))
		return;
	if (then.len > 0 && now.len == 0)
		sp_kv_drop(spec, "clusterIPs");
	else
		set_only_ip(c, spec);
}

/* A service that prefers two stacks and changed nothing of it keeps what it has. */
static bool prefers_as_before(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = spec_of(old);
	return old != NULL && sp_kv_is(spec_of(obj), "ipFamilyPolicy", "PreferDualStack") &&
	       same(obj, old, "type") &&
	       (sp_service_is(obj, "ClusterIP") || sp_service_is(obj, "NodePort") ||
		sp_service_is(obj, "LoadBalancer")) &&
	       (!sp_kv_has(was, "ipFamilyPolicy") || sp_kv_is(was, "ipFamilyPolicy", "PreferDualStack")) &&
	       same(obj, old, "clusterIPs") && same(obj, old, "ipFamilies");
}

static bool without_selector(yyjson_mut_val *spec)
{
	return sp_kv_is(spec, "clusterIP", "None") && sp_kv_map(spec, "selector") == NULL;
}

static void policy_default(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *was)
{
	if (sp_kv_has(spec, "ipFamilyPolicy"))
		return;
	if (sp_kv_has(was, "ipFamilyPolicy"))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "ipFamilyPolicy"));
	else
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "ipFamilyPolicy",
					      without_selector(spec) ? SP_STR("RequireDualStack")
								     : SP_STR("SingleStack")));
}

static void keep_first(yyjson_mut_val *list)
{
	while (sp_kv_len(list) > 1)
		(void)yyjson_mut_arr_remove_last(list);
}

static bool reduced(yyjson_mut_val *spec, yyjson_mut_val *was, const char *member)
{
	size_t n = sp_kv_len(sp_kv_list(spec, member));
	return n > 0 && n < sp_kv_len(sp_kv_list(was, member));
}

static void policy_fits(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = spec_of(obj), *was = spec_of(old);
	bool single = sp_kv_is(spec, "ipFamilyPolicy", "SingleStack");
	const sp_path *path = SP_PATH("spec.ipFamilyPolicy");
	sp_str policy = sp_kv_str(spec, "ipFamilyPolicy");
	if (old != NULL && single) {
		if (same(obj, old, "clusterIPs"))
			keep_first(sp_kv_list(spec, "clusterIPs"));
		if (same(obj, old, "ipFamilies"))
			keep_first(sp_kv_list(spec, "ipFamilies"));
	} else if (old != NULL) {
		if (reduced(spec, was, "clusterIPs"))
			sp_v_invalid(c->errors, path, policy,
				     "must be 'SingleStack' to release the secondary cluster IP");
		if (reduced(spec, was, "ipFamilies"))
			sp_v_invalid(c->errors, path, policy,
				     "must be 'SingleStack' to release the secondary IP family");
	}
	if (single && sp_kv_len(sp_kv_list(spec, "clusterIPs")) == 2)
		sp_v_invalid(c->errors, path, policy,
			     "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
			     "specified");
	if (single && sp_kv_len(sp_kv_list(spec, "ipFamilies")) == 2)
		sp_v_invalid(c->errors, path, policy,
			     "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are "
			     "specified");
}

static sp_str other_family(sp_str family)
{
	return sp_str_eq(family, SP_STR("IPv4")) ? SP_STR("IPv6") : SP_STR("IPv4");
}

static void add_family(sp_kind_ctx *c, yyjson_mut_val *spec, sp_str family)
{
	yyjson_mut_val *families = sp_kv_need_list(c->doc, spec, "ipFamilies");
	SP_KIND_NEED(c, families != NULL && sp_kv_append_str(c->doc, families, family));
}

/* The families of addresses that were sent without. */
static void families_of_ips(sp_kind_ctx *c, yyjson_mut_val *spec, sp_str primary, bool dual)
{
	yyjson_mut_val *ips = sp_kv_list(spec, "clusterIPs");
	SP_KV_EACH (item, i, ips) {
		sp_ip ip;
		sp_str s = sp_jmut_str(item);
		if (sp_str_eq(s, SP_STR("None")))
			break;
		if (i < sp_kv_len(sp_kv_list(spec, "ipFamilies")))
			continue;
		bool good = sp_ip_parse(s, &ip);
		sp_str family = !good ? SP_STR("unknown") : ip.v4 ? SP_STR("IPv4") : SP_STR("IPv6");
		if (good && (dual || sp_str_eq(family, primary)))
			add_family(c, spec, family);
		else
			sp_v_invalid(c->errors, SP_AT_I(SP_PATH("spec.clusterIPs"), i), ips,
				     SP_FMT " is not configured on this cluster", SP_ARG(family));
	}
}

static sp_str first_family(yyjson_mut_val *spec)
{
	return sp_jmut_str(yyjson_mut_arr_get_first(sp_kv_list(spec, "ipFamilies")));
}

void sp_service_families(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, sp_str primary, bool dual)
{
	yyjson_mut_val *spec = spec_of(obj);
	if (!yyjson_mut_is_obj(spec) || sp_service_is(obj, "ExternalName") || prefers_as_before(obj, old))
		return;
	policy_default(c, spec, spec_of(old));
	sp_service_cluster_ips(c->errors, obj, old);
	if (c->errors->n > 0)
		return;
	policy_fits(c, obj, old);
	families_of_ips(c, spec, primary, dual);
	if (c->errors->n > 0)
		return;
	bool single = sp_kv_is(spec, "ipFamilyPolicy", "SingleStack"), free_choice = without_selector(spec);
	if (!free_choice && sp_kv_is(spec, "ipFamilyPolicy", "RequireDualStack") && !dual)
		sp_v_invalid(c->errors, SP_PATH("spec.ipFamilyPolicy"), sp_kv_str(spec, "ipFamilyPolicy"),
			     "this cluster is not configured for dual-stack services");
	SP_KV_EACH (family, i, free_choice ? NULL : sp_kv_list(spec, "ipFamilies")) {
		if (!dual && !sp_str_eq(sp_jmut_str(family), primary))
			sp_v_invalid(c->errors, SP_AT_I(SP_PATH("spec.ipFamilies"), i), sp_jmut_str(family),
				     "not configured on this cluster");
	}
	if (c->errors->n > 0)
		return;
	if (sp_kv_list(spec, "ipFamilies") == NULL)
		add_family(c, spec, primary);
	if (!single && sp_kv_len(sp_kv_list(spec, "ipFamilies")) == 1 && (dual || free_choice))
		add_family(c, spec, other_family(first_family(spec)));
}
