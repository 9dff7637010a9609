/* SPDX-License-Identifier: Apache-2.0 */
/* What an update of a service may change. U: kubernetes pkg/registry/core/service/strategy.go. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/service_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

static bool same(yyjson_mut_val *a, yyjson_mut_val *b, const char *member)
{
	return sp_kv_equal(sp_kv_get(a, member), sp_kv_get(b, member));
}

static bool needs_node_port(yyjson_mut_val *obj)
{
	return sp_service_is(obj, "NodePort") || sp_service_is(obj, "LoadBalancer");
}

/* True when every node port of the new one is among the old ones. */
static bool node_ports_kept(yyjson_mut_val *spec, yyjson_mut_val *was)
{
	SP_KV_EACH (port, i, sp_kv_list(spec, "ports")) {
		int64_t n = sp_kv_i64(port, "nodePort", 0);
		bool found = n == 0;
		SP_KV_EACH (old, k, found ? NULL : sp_kv_list(was, "ports"))
			found = found || sp_kv_i64(old, "nodePort", 0) == n;
		if (!found)
			return false;
	}
	return true;
}

/* A member that the new type has no use for goes when it was not changed. */
static void drop_same(yyjson_mut_val *spec, yyjson_mut_val *was, const char *member)
{
	if (same(spec, was, member))
		sp_kv_drop(spec, member);
}

static void drop_cluster_ips(yyjson_mut_val *spec, yyjson_mut_val *was)
{
	if (same(spec, was, "clusterIP") && same(spec, was, "clusterIPs")) {
		sp_kv_drop(spec, "clusterIP");
		sp_kv_drop(spec, "clusterIPs");
	}
	drop_same(spec, was, "ipFamilies");
	drop_same(spec, was, "ipFamilyPolicy");
}

/* The cap keeps the comparison of ports linear in practice; services have a handful. */
void sp_service_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	bool balancer = sp_service_is(obj, "LoadBalancer"), was_balancer = sp_service_is(old, "LoadBalancer");
	(void)c;
	if (!sp_service_is(old, "ExternalName") && sp_service_is(obj, "ExternalName"))
		drop_cluster_ips(spec, was);
	if (needs_node_port(old) && !needs_node_port(obj) && node_ports_kept(spec, was)) {
		SP_KV_EACH (port, i, sp_kv_list(spec, "ports"))
			sp_kv_drop(port, "nodePort");
	}
	if (sp_service_health_check(old) && !sp_service_health_check(obj))
		drop_same(spec, was, "healthCheckNodePort");
	if (was_balancer && !balancer) {
		drop_same(spec, was, "allocateLoadBalancerNodePorts");
		drop_same(spec, was, "loadBalancerClass");
	}
	if (sp_service_external(old) && !sp_service_external(obj))
		drop_same(spec, was, "externalTrafficPolicy");
	sp_service_drop_policy(obj);
	if (!balancer)
		sp_kv_drop(sp_kv_get(obj, "status"), "loadBalancer");
}

static sp_str first(yyjson_mut_val *list)
{
	return sp_jmut_str(yyjson_mut_arr_get_first(list));
}

/* An empty Go list that was given as one: upstream prints nil as null. */
static sp_bad list_bad(yyjson_mut_val *list)
{
	return sp_bad_json(list);
}

static void single_stack(sp_violations *v, yyjson_mut_val *spec, const char *what)
{
	yyjson_mut_val *policy = sp_kv_get(spec, "ipFamilyPolicy");
	if (!sp_kv_is(spec, "ipFamilyPolicy", "SingleStack"))
		sp_v_invalid(v, SP_PATH("spec.ipFamilyPolicy"), sp_bad_json(policy),
			     "must be set to 'SingleStack' when releasing the secondary %s", what);
}

static void cluster_ips_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char why[] = "may not change once set";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *ips = sp_kv_list(spec, "clusterIPs");
	yyjson_mut_val *was = sp_kv_list(sp_kv_get(old, "spec"), "clusterIPs"),
		       *now = yyjson_mut_arr_get_first(ips);
	const sp_path *path = SP_PATH("spec.clusterIPs");
	if (sp_service_is_headless(obj) && sp_service_is_headless(old))
		return;
	if (sp_kv_len(was) == sp_kv_len(ips)) {
		SP_KV_EACH (ip, i, was) {
			if (!sp_str_eq(sp_jmut_str(ip), sp_jmut_str(now)))
				sp_v_invalid(v, SP_AT_I(path, i), list_bad(ips), "%s", why);
			now = now->next;
		}
		return;
	}
	if (ips == NULL)
		sp_v_invalid(v, SP_AT_I(path, 0), list_bad(ips), "primary clusterIP can not be unset");
	else if (was != NULL && !sp_str_eq(first(ips), first(was)))
		sp_v_invalid(v, SP_AT_I(path, 0), list_bad(ips), "%s", why);
	if (sp_kv_len(was) > sp_kv_len(ips) && sp_kv_len(ips) == 1)
		single_stack(v, spec, "clusterIP");
}

static void families_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char why[] = "may not change once set";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *families = sp_kv_list(spec, "ipFamilies");
	yyjson_mut_val *ips = sp_kv_list(spec, "clusterIPs"), *now = yyjson_mut_arr_get_first(families);
	yyjson_mut_val *was = sp_kv_list(sp_kv_get(old, "spec"), "ipFamilies");
	const sp_path *at = SP_AT_I(SP_PATH("spec.ipFamilies"), 0);
	if (sp_service_is_headless(obj) || sp_service_is_headless(old))
		return;
	if (sp_kv_len(was) == sp_kv_len(families)) {
		SP_KV_EACH (family, i, was) {
			if (!sp_str_eq(sp_jmut_str(family), sp_jmut_str(now)))
				sp_v_invalid(v, at, list_bad(families), "%s", why);
			now = now->next;
		}
		return;
	}
	if (sp_kv_len(was) > sp_kv_len(families) && ips == NULL)
		sp_v_invalid(v, at, list_bad(families), "primary ipFamily can not be unset");
	if (families != NULL && was != NULL && !sp_str_eq(first(families), first(was)))
		sp_v_invalid(v, at, list_bad(ips), "%s", why);
	if (sp_kv_len(was) > sp_kv_len(families) && sp_kv_len(families) == 1)
		single_stack(v, spec, "ipFamily");
}

static void class_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *class = sp_kv_get(spec, "loadBalancerClass");
	const sp_path *path = SP_PATH("spec.loadBalancerClass");
	bool balancer = sp_service_is(obj, "LoadBalancer");
	if (balancer && sp_service_is(old, "LoadBalancer") &&
	    !same(spec, sp_kv_get(old, "spec"), "loadBalancerClass"))
		sp_v_invalid(v, path, sp_bad_json(class), "may not change once set");
	/* the general rule is applied here a first time, as upstream does */
	if (class != NULL && balancer)
		sp_v_qualified_name(v, path, sp_jmut_str(class));
	else if (class != NULL)
		sp_v_forbidden(v, path, "may only be used when `type` is 'LoadBalancer'");
}

void sp_service_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations *v = c->errors;
	sp_meta_validate_update(c, obj, old);
	if (!sp_service_is(obj, "ExternalName") && !sp_service_is(old, "ExternalName")) {
		cluster_ips_kept(v, obj, old);
		families_kept(v, obj, old);
	}
	class_kept(v, obj, old);
	if (sp_service_health_check(old) && sp_service_health_check(obj) &&
	    !same(sp_kv_get(obj, "spec"), sp_kv_get(old, "spec"), "healthCheckNodePort"))
		sp_v_forbidden(v, SP_PATH("spec.healthCheckNodePort"), "field is immutable");
	sp_service_rules(c, obj, old);
}

static bool known_ip(yyjson_mut_val *ingresses, sp_str ip)
{
	SP_KV_EACH (ingress, i, ingresses) {
		if (sp_str_eq(sp_kv_str(ingress, "ip"), ip))
			return true;
	}
	return false;
}

void sp_service_validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const modes[] = {"Proxy", "VIP"};
	const sp_path *path = SP_PATH("status.loadBalancer.ingress");
	yyjson_mut_val *list = sp_kv_list(sp_kv_path(obj, "status", "loadBalancer", NULL), "ingress");
	yyjson_mut_val *was = sp_kv_list(sp_kv_path(old, "status", "loadBalancer", NULL), "ingress");
	sp_violations *v = c->errors;
	sp_meta_validate_update(c, obj, old);
	if (list != NULL && !sp_service_is(obj, "LoadBalancer")) {
		sp_v_forbidden(v, path, "may only be used when `spec.type` is 'LoadBalancer'");
		return;
	}
	SP_KV_EACH (ingress, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str ip = sp_kv_str(ingress, "ip"), mode = sp_kv_str(ingress, "ipMode"), parsed_name;
		sp_ip parsed;
		if (ip.len > 0 && !(i < 64 && known_ip(was, ip)))
			sp_v_ip_legacy(v, SP_AT(at, "ip"), ip, NULL);
		if (!sp_kv_has(ingress, "ipMode")) {
			if (ip.len > 0)
				sp_v_required(v, SP_AT(at, "ipMode"), "must be specified when `ip` is set");
		} else if (ip.len == 0) {
			sp_v_forbidden(v, SP_AT(at, "ipMode"), "may not be specified when `ip` is not set");
		} else if (!SP_STR_IN(mode, modes)) {
			sp_v_not_supported(v, SP_AT(at, "ipMode"), sp_bad_named(mode), modes, SP_LEN(modes));
		}
		parsed_name = sp_kv_str(ingress, "hostname");
		if (parsed_name.len == 0)
			continue;
		sp_v_dns1123_subdomain(v, SP_AT(at, "hostname"), parsed_name);
		if (sp_ip_parse(parsed_name, &parsed))
			sp_v_invalid(v, SP_AT(at, "hostname"), parsed_name,
				     "must be a DNS name, not an IP address");
	}
}

static void headless_warnings(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	if (!sp_kv_is(spec, "type", "ClusterIP") || !sp_kv_is(spec, "clusterIP", "None"))
		return;
	if (sp_kv_str(spec, "loadBalancerIP").len > 0)
		sp_warn(c, "spec.loadBalancerIP is ignored for headless services");
	if (sp_kv_list(spec, "externalIPs") != NULL)
		sp_warn(c, "spec.externalIPs is ignored for headless services");
	if (!sp_kv_is(spec, "sessionAffinity", "None"))
		sp_warn(c, "spec.SessionAffinity is ignored for headless services");
}

void sp_service_warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char hints[] = "service.kubernetes.io/topology-aware-hints";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *external = sp_kv_list(spec, "externalIPs");
	const sp_path *path = SP_PATH("spec");
	bool named = sp_service_is(obj, "ExternalName");
	if (sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), hints))
		sp_warn(c,
			"annotation %s is deprecated, please use service.kubernetes.io/topology-mode instead",
			hints);
	SP_KV_EACH (ip, i, sp_kv_list(spec, "clusterIPs"))
		sp_ip_warn(c, SP_AT_I(SP_AT(path, "clusterIPs"), i), sp_jmut_str(ip));
	headless_warnings(c, spec);
	SP_KV_EACH (ip, i, external)
		sp_ip_warn(c, SP_AT_I(SP_AT(path, "externalIPs"), i), sp_jmut_str(ip));
	if (external != NULL)
		sp_warn(c,
			"spec.externalIPs is deprecated and may no longer be implemented in some clusters");
	if (sp_kv_str(spec, "loadBalancerIP").len > 0)
		sp_ip_warn(c, SP_AT(path, "loadBalancerIP"), sp_kv_str(spec, "loadBalancerIP"));
	if (named && external != NULL)
		sp_warn(c, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
	if (!named && sp_kv_str(spec, "externalName").len > 0)
		sp_warn(c, "spec.externalName is ignored when spec.type is not \"ExternalName\"");
	if (sp_kv_is(spec, "trafficDistribution", "PreferClose"))
		sp_warn(c, "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"");
}

void sp_service_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	sp_service_warn_create(c, obj);
}

void sp_service_warn_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	SP_KV_EACH (ingress, i, sp_kv_list(sp_kv_path(obj, "status", "loadBalancer", NULL), "ingress"))
		sp_ip_warn(c, SP_AT_I(SP_PATH("status.loadBalancer.ingress"), i), sp_kv_str(ingress, "ip"));
}
