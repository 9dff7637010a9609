/* SPDX-License-Identifier: Apache-2.0 */
/* Services: what they may say. Changes are in service_update.c, columns in service_cells.c. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/service_int.h"
#include "kube/meta.h"

static const char *const protocols[] = {"SCTP", "TCP", "UDP"};

bool sp_service_is(yyjson_mut_val *obj, const char *type)
{
	return sp_kv_is(sp_kv_get(obj, "spec"), "type", type);
}

bool sp_service_is_headless(yyjson_mut_val *obj)
{
	yyjson_mut_val *ips = sp_kv_list(sp_kv_get(obj, "spec"), "clusterIPs");
	return sp_kv_len(ips) == 1 && sp_str_eq(sp_jmut_str(yyjson_mut_arr_get_first(ips)), SP_STR("None"));
}

bool sp_service_external(yyjson_mut_val *obj)
{
	return sp_service_is(obj, "LoadBalancer") || sp_service_is(obj, "NodePort") ||
	       (sp_service_is(obj, "ClusterIP") && sp_kv_list(sp_kv_get(obj, "spec"), "externalIPs") != NULL);
}

bool sp_service_health_check(yyjson_mut_val *obj)
{
	return sp_service_is(obj, "LoadBalancer") &&
	       sp_kv_is(sp_kv_get(obj, "spec"), "externalTrafficPolicy", "Local");
}

static void port_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *port, bool need_name,
			  sp_strset *names)
{
	sp_str name = sp_kv_str(port, "name");
	if (need_name && name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	if (name.len > 0) {
		sp_v_dns1123_label(v, SP_AT(path, "name"), name);
		if (!sp_strset_add(names, name, v))
			sp_v_duplicate(v, SP_AT(path, "name"), name);
	}
	sp_v_port_num(v, SP_AT(path, "port"), sp_kv_i64(port, "port", 0));
	SP_V_ENUM(v, SP_AT(path, "protocol"), sp_kv_str(port, "protocol"), protocols);
	sp_v_port_num_or_name(v, SP_AT(path, "targetPort"), sp_kv_get(port, "targetPort"));
	if (sp_kv_has(port, "appProtocol"))
		sp_v_qualified_name(v, SP_AT(path, "appProtocol"), sp_kv_str(port, "appProtocol"));
}

/* A port as the key upstream shows: number and protocol, the rest unset. */
static sp_str port_key(sp_arena *a, sp_str protocol, int64_t port)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, a->limit_bytes);
	(void)sp_buf_str(&out, SP_STR("{\"Name\":\"\",\"Protocol\":"));
	(void)sp_json_write_str(&out, protocol);
	(void)sp_buf_printf(&out, ",\"AppProtocol\":null,\"Port\":%lld,\"TargetPort\":0,\"NodePort\":0}",
			    (long long)port);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

static void ports_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ports = sp_kv_list(sp_kv_get(obj, "spec"), "ports");
	const sp_path *path = SP_PATH("spec.ports");
	sp_violations *v = c->errors;
	SP_AUTO_STRSET names = {.map = {0}}, node_ports = {.map = {0}}, numbers = {.map = {0}};
	if (ports == NULL && !sp_service_is_headless(obj) && !sp_service_is(obj, "ExternalName"))
		sp_v_required(v, path, "%s", "");
	SP_KV_EACH (port, i, ports) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str protocol = sp_kv_str(port, "protocol");
		int64_t node_port = sp_kv_i64(port, "nodePort", 0), number = sp_kv_i64(port, "port", 0);
		port_validate(v, at, port, sp_kv_len(ports) > 1, &names);
		if (node_port != 0 && sp_service_is(obj, "ClusterIP"))
			sp_v_forbidden(v, SP_AT(at, "nodePort"),
				       "may not be used when `type` is 'ClusterIP'");
		sp_str key =
			sp_arena_printf(c->arena, SP_FMT "/%lld", SP_ARG(protocol), (long long)node_port);
		if (node_port != 0 && !sp_strset_add(&node_ports, key, v))
			sp_v_duplicate(v, SP_AT(at, "nodePort"), node_port);
		key = port_key(c->arena, protocol, number);
		if (!sp_strset_add(&numbers, key, v))
			sp_v_duplicate(v, at, sp_bad_text(key));
	}
}

static void type_validate(sp_violations *v, yyjson_mut_val *obj)
{
	static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
	static const char *const not_external[] = {"clusterIPs", "ipFamilies", "ipFamilyPolicy"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_str name = sp_kv_str(spec, "externalName");
	if (sp_service_is_headless(obj) &&
	    (sp_service_is(obj, "LoadBalancer") || sp_service_is(obj, "NodePort"))) {
		sp_str type = sp_kv_str(spec, "type");
		sp_v_invalid(v, SP_AT_I(SP_AT(path, "clusterIPs"), 0), "None",
			     "may not be set to 'None' for " SP_FMT " services", SP_ARG(type));
	}
	SP_V_ENUM(v, SP_AT(path, "type"), sp_kv_str(spec, "type"), types);
	if (!sp_service_is(obj, "ExternalName"))
		return;
	for (size_t i = 0; i < SP_LEN(not_external); i++) {
		yyjson_mut_val *val = sp_kv_get(spec, not_external[i]);
		if (val != NULL && !(yyjson_mut_is_arr(val) && sp_kv_len(val) == 0))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(not_external[i])),
				       "may not be set for ExternalName services");
	}
	if (sp_str_ends(name, SP_STR(".")))
		name = sp_str_sub(name, 0, name.len - 1);
	if (name.len > 0)
		sp_v_dns1123_subdomain(v, SP_AT(path, "externalName"), name);
	else
		sp_v_required(v, SP_AT(path, "externalName"), "%s", "");
}

#define AFFINITY_SECONDS_MAX 86400

static void affinity_validate(sp_violations *v, yyjson_mut_val *spec)
{
	static const char *const kinds[] = {"ClientIP", "None"};
	static const char why[] = "when session affinity type is ClientIP";
	const sp_path *path = SP_PATH("spec.sessionAffinityConfig");
	yyjson_mut_val *config = sp_kv_get(spec, "sessionAffinityConfig"),
		       *client = sp_kv_get(config, "clientIP");
	int64_t seconds = sp_kv_i64(client, "timeoutSeconds", 0);
	SP_V_ENUM(v, SP_PATH("spec.sessionAffinity"), sp_kv_str(spec, "sessionAffinity"), kinds);
	if (sp_kv_is(spec, "sessionAffinity", "None") && config != NULL)
		sp_v_forbidden(v, path, "must not be set when session affinity is None");
	if (!sp_kv_is(spec, "sessionAffinity", "ClientIP"))
		return;
	if (config == NULL)
		sp_v_required(v, path, "%s", why);
	else if (client == NULL)
		sp_v_required(v, SP_AT(path, "clientIP"), "%s", why);
	else if (!sp_kv_has(client, "timeoutSeconds"))
		sp_v_required(v, SP_AT(path, "clientIP.timeoutSeconds"), "%s", why);
	else if (seconds <= 0 || seconds > AFFINITY_SECONDS_MAX)
		sp_v_invalid(v, SP_AT(path, "clientIP.timeoutSeconds"), seconds,
			     "must be greater than 0 and less than %d", AFFINITY_SECONDS_MAX);
}

static bool is_v6(sp_str s)
{
	sp_ip ip;
	return sp_ip_parse(s, &ip) && !ip.v4;
}

static void families_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *families)
{
	static const char *const known[] = {"IPv4", "IPv6"};
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (family, i, families) {
		sp_str s = sp_jmut_str(family);
		if (!SP_STR_IN(s, known))
			sp_v_not_supported(v, SP_AT_I(path, i), sp_bad_named(s), known, SP_LEN(known));
		if (!sp_strset_add(&seen, s, v))
			sp_v_duplicate(v, SP_AT_I(path, i), sp_bad_named(s));
	}
}

/* False: one of them is no address, and more cannot be said. */
static bool addresses_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *ips,
			       yyjson_mut_val *old_ips)
{
	size_t before = v->n + v->dropped;
	SP_KV_EACH (ip, i, ips) {
		sp_str s = sp_jmut_str(ip);
		if (i > 0 || !sp_str_eq(s, SP_STR("None")))
			sp_v_ip_legacy(v, SP_AT_I(path, i), s, old_ips);
		else if (sp_kv_len(ips) > 1)
			sp_v_invalid(v, path, ips, "'None' must be the first and only value");
	}
	bool good = v->n + v->dropped == before;
	if (sp_kv_len(ips) > 2)
		sp_v_invalid(v, path, ips, "may only hold up to 2 values");
	return good;
}

void sp_service_cluster_ips(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const policies[] = {"PreferDualStack", "RequireDualStack", "SingleStack"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *ips = sp_kv_list(spec, "clusterIPs");
	yyjson_mut_val *families = sp_kv_list(spec, "ipFamilies");
	const sp_path *path = SP_PATH("spec.clusterIPs");
	sp_str one = sp_kv_str(spec, "clusterIP"), first = sp_jmut_str(yyjson_mut_arr_get_first(ips));
	if (sp_service_is(obj, "ExternalName"))
		return;
	if (one.len > 0 && ips == NULL)
		sp_v_required(v, path, "%s", "");
	else if (one.len > 0 && !sp_str_eq(one, first))
		sp_v_invalid(v, path, ips, "first value must match `clusterIP`");
	else if (one.len == 0 && ips != NULL)
		sp_v_invalid(v, path, ips, "must be empty when `clusterIP` is not specified");
	families_validate(v, SP_PATH("spec.ipFamilies"), families);
	SP_V_ENUM_OPT(v, SP_PATH("spec.ipFamilyPolicy"), sp_kv_str(spec, "ipFamilyPolicy"), policies);
	if (!addresses_validate(v, path, ips, sp_kv_list(sp_kv_get(old, "spec"), "clusterIPs")))
		return;
	if (sp_kv_len(ips) > 1) {
		size_t n_v6 = 0;
		SP_KV_EACH (ip, i, ips)
			n_v6 += is_v6(sp_jmut_str(ip));
		if (n_v6 == 0 || n_v6 == sp_kv_len(ips))
			sp_v_invalid(v, path, ips, "may specify no more than one IP for each IP family");
	}
	yyjson_mut_val *family = yyjson_mut_arr_get_first(families);
	SP_KV_EACH (ip, i, sp_service_is_headless(obj) ? NULL : ips) {
		if (i >= sp_kv_len(families))
			break;
		sp_str want = sp_jmut_str(family);
		bool v6 = is_v6(sp_jmut_str(ip));
		if ((v6 && sp_str_eq(want, SP_STR("IPv4"))) || (!v6 && sp_str_eq(want, SP_STR("IPv6"))))
			sp_v_invalid(v, SP_AT_I(path, i), sp_jmut_str(ip),
				     "expected an " SP_FMT " value as indicated by `ipFamilies[%zu]`",
				     SP_ARG(want), i);
		family = family->next;
	}
}

void sp_endpoint_ip_validate(sp_violations *v, const sp_path *path, sp_str s)
{
	sp_ip ip;
	if (!sp_ip_parse(s, &ip)) {
		sp_v_invalid(v, path, s, "must be a valid IP address");
		return;
	}
	if (sp_ip_is_unspecified(&ip))
		sp_v_invalid(v, path, s, "may not be unspecified (" SP_FMT ")", SP_ARG(s));
	if (sp_ip_is_loopback(&ip))
		sp_v_invalid(v, path, s, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
	if (sp_ip_is_link_local_unicast(&ip))
		sp_v_invalid(v, path, s, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
	if (sp_ip_is_link_local_multicast(&ip))
		sp_v_invalid(v, path, s,
			     "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}

static void external_ips_validate(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *old_spec)
{
	SP_KV_EACH (ip, i, sp_kv_list(spec, "externalIPs")) {
		const sp_path *at = SP_AT_I(SP_PATH("spec.externalIPs"), i);
		size_t before = v->n + v->dropped;
		sp_v_ip_legacy(v, at, sp_jmut_str(ip), sp_kv_list(old_spec, "externalIPs"));
		if (v->n + v->dropped == before)
			sp_endpoint_ip_validate(v, at, sp_jmut_str(ip));
	}
}

#define RANGES_KEY "service.beta.kubernetes.io/load-balancer-source-ranges"

static void ranges_validate(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char why[] = "may only be used when `type` is 'LoadBalancer'";
	const sp_path *path = SP_PATH("spec.LoadBalancerSourceRanges");
	const sp_path *note = SP_AT_KEY(SP_PATH("metadata.annotations"), SP_STR(RANGES_KEY));
	yyjson_mut_val *ranges = sp_kv_list(sp_kv_get(obj, "spec"), "loadBalancerSourceRanges");
	yyjson_mut_val *annotation = sp_kv_get(sp_kv_get(sp_meta(obj), "annotations"), RANGES_KEY);
	bool balancer = sp_service_is(obj, "LoadBalancer");
	if (ranges != NULL) {
		if (!balancer)
			sp_v_forbidden(v, path, "%s", why);
		SP_KV_EACH (range, i, ranges)
			sp_v_cidr_legacy(v, SP_AT_I(path, i), sp_str_trim(sp_jmut_str(range)),
					 sp_kv_list(sp_kv_get(old, "spec"), "loadBalancerSourceRanges"));
		return;
	}
	if (annotation == NULL)
		return;
	if (!balancer)
		sp_v_forbidden(v, note, "%s", why);
	sp_str rest = sp_str_trim(sp_jmut_str(annotation)), one;
	if (rest.len == 0 ||
	    (old != NULL && sp_str_eq(sp_meta_annotation(old, RANGES_KEY), sp_jmut_str(annotation))))
		return;
	bool more = true;
	while (more) {
		more = sp_str_cut(&rest, ',', &one);
		sp_v_cidr_legacy(v, note, sp_str_trim(more ? one : rest), NULL);
	}
}

static void balancer_validate(sp_violations *v, yyjson_mut_val *obj)
{
	static const char why[] = "may only be used when `type` is 'LoadBalancer'";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	bool balancer = sp_service_is(obj, "LoadBalancer"),
	     has = sp_kv_has(spec, "allocateLoadBalancerNodePorts");
	if (has && !balancer)
		sp_v_forbidden(v, SP_PATH("spec.allocateLoadBalancerNodePorts"), "%s", why);
	if (!has && balancer)
		sp_v_required(v, SP_PATH("allocateLoadBalancerNodePorts"), "%s", "");
	if (!sp_kv_has(spec, "loadBalancerClass"))
		return;
	if (balancer)
		sp_v_qualified_name(v, SP_PATH("spec.loadBalancerClass"),
				    sp_kv_str(spec, "loadBalancerClass"));
	else
		sp_v_forbidden(v, SP_PATH("spec.loadBalancerClass"), "%s", why);
}

static void traffic_validate(sp_violations *v, yyjson_mut_val *obj)
{
	static const char *const scopes[] = {"Cluster", "Local"};
	static const char *const spreads[] = {"PreferClose", "PreferSameZone", "PreferSameNode"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_str external = sp_kv_str(spec, "externalTrafficPolicy"),
	       spread = sp_kv_str(spec, "trafficDistribution");
	int64_t check = sp_kv_i64(spec, "healthCheckNodePort", 0);
	if (sp_service_external(obj))
		SP_V_ENUM(v, SP_AT(path, "externalTrafficPolicy"), external, scopes);
	else if (external.len > 0)
		sp_v_invalid(v, SP_AT(path, "externalTrafficPolicy"), sp_bad_named(external),
			     "may only be set for externally-accessible services");
	if (!sp_service_health_check(obj)) {
		if (check != 0)
			sp_v_invalid(v, SP_AT(path, "healthCheckNodePort"), check,
				     "may only be set when `type` is 'LoadBalancer' and "
				     "`externalTrafficPolicy` is "
				     "'Local'");
	} else if (check != 0) {
		sp_v_port_num(v, SP_AT(path, "healthCheckNodePort"), check);
	}
	if (!sp_kv_has(spec, "internalTrafficPolicy") &&
	    (sp_service_is(obj, "NodePort") || sp_service_is(obj, "LoadBalancer") ||
	     sp_service_is(obj, "ClusterIP")))
		sp_v_required(v, SP_AT(path, "internalTrafficPolicy"), "%s", "");
	SP_V_ENUM_OPT(v, SP_AT(path, "internalTrafficPolicy"), sp_kv_str(spec, "internalTrafficPolicy"),
		      scopes);
	if (sp_kv_has(spec, "trafficDistribution") && !SP_STR_IN(spread, spreads))
		sp_v_not_supported(v, SP_AT(path, "trafficDistribution"), spread, spreads, SP_LEN(spreads));
}

void sp_service_rules(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char hints[] = "service.kubernetes.io/topology-aware-hints";
	static const char mode[] = "service.kubernetes.io/topology-mode";
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *notes = sp_kv_get(sp_meta(obj), "annotations");
	sp_violations *v = c->errors;
	if (sp_kv_has(notes, hints) && sp_kv_has(notes, mode) &&
	    !sp_str_eq(sp_kv_str(notes, hints), sp_kv_str(notes, mode)))
		sp_v_invalid(v, SP_AT_KEY(SP_PATH("metadata.annotations"), sp_str_c(mode)),
			     sp_kv_str(notes, mode), "must match annotations[%s] when both are specified",
			     hints);
	type_validate(v, obj);
	ports_validate(c, obj);
	sp_labels_validate(v, SP_PATH("spec.selector"), sp_kv_map(spec, "selector"));
	affinity_validate(v, spec);
	sp_service_cluster_ips(v, obj, old);
	external_ips_validate(v, spec, sp_kv_get(old, "spec"));
	ranges_validate(v, obj, old);
	balancer_validate(v, obj);
	traffic_validate(v, obj);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	sp_service_rules(c, obj, NULL);
}

static void target_ports(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	SP_KV_EACH (port, i, sp_kv_list(spec, "ports")) {
		sp_int_or_str target = sp_kv_int_or_str(sp_kv_get(port, "targetPort"));
		if (target.is_str ? target.str.len == 0 : target.num == 0)
			SP_KIND_NEED(c,
				     sp_kv_set_i64(c->doc, port, "targetPort", sp_kv_i64(port, "port", 0)));
	}
}

static void session_affinity(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *client = sp_kv_path(spec, "sessionAffinityConfig", "clientIP", NULL);
	if (sp_kv_is(spec, "sessionAffinity", "None"))
		sp_kv_drop(spec, "sessionAffinityConfig");
	if (!sp_kv_is(spec, "sessionAffinity", "ClientIP") || sp_kv_has(client, "timeoutSeconds"))
		return;
	sp_kv_drop(spec, "sessionAffinityConfig");
	yyjson_mut_val *config = sp_kv_need_obj(c->doc, spec, "sessionAffinityConfig");
	client = sp_kv_need_obj(c->doc, config, "clientIP");
	SP_KIND_NEED(c, client != NULL && sp_kv_set_i64(c->doc, client, "timeoutSeconds", 10800));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (!yyjson_mut_is_obj(spec))
		return;
	session_affinity(c, spec);
	target_ports(c, spec);
	if (sp_service_external(obj))
		sp_default_str(c, spec, "externalTrafficPolicy", "Cluster");
	if (sp_service_is(obj, "NodePort") || sp_service_is(obj, "LoadBalancer") ||
	    sp_service_is(obj, "ClusterIP"))
		sp_default_str(c, spec, "internalTrafficPolicy", "Cluster");
	if (!sp_service_is(obj, "LoadBalancer"))
		return;
	sp_default_bool(c, spec, "allocateLoadBalancerNodePorts", true);
	SP_KV_EACH (ingress, i, sp_kv_list(sp_kv_path(obj, "status", "loadBalancer", NULL), "ingress")) {
		if (sp_kv_str(ingress, "ip").len > 0)
			sp_default_str(c, ingress, "ipMode", "VIP");
	}
}

/* Upstream stores the policy of an external name and leaves it out of answers. */
void sp_service_drop_policy(yyjson_mut_val *obj)
{
	static const char *const known[] = {"Cluster", "Local"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (sp_service_is(obj, "ExternalName") && SP_STR_IN(sp_kv_str(spec, "internalTrafficPolicy"), known))
		sp_kv_drop(spec, "internalTrafficPolicy");
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_service_drop_policy(obj);
}

static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_selectable selectable[] = {{SP_STR_INIT("spec.clusterIP"), NULL},
					   {SP_STR_INIT("spec.type"), NULL}};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .validate_update = sp_service_validate_status,
				     .warn_update = sp_service_warn_status,
				     .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_service = {
	.flags = SP_KIND_CREATE_ON_UPDATE | SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS |
		 SP_KIND_RETURNS_DELETED,
	.name = sp_name_dns1123_label,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = sp_service_prepare_update,
	.validate = validate,
	.validate_update = sp_service_validate_update,
	.warn_create = sp_service_warn_create,
	.warn_update = sp_service_warn_update,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = sp_service_cells,
	.n_cells = 4,
};
