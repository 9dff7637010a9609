/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, the service "kubernetes", priority classes, API services and what aggregated servers read.
 * U: kubernetes pkg/controlplane/controller, pkg/controlplane/controller/legacytokentracking,
 * cmd/kube-apiserver/app/aggregator.go. */
#include "apiserver/bootstrap/run.h"
#include "base/ip.h"
#include "kube/meta.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

static void put_namespaces(boot *b)
{
	static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		const boot_where where = {"", "v1", "namespaces", {NULL, 0}, sp_str_c(names[i])};
		boot_put(b, &where, NULL, SP_STR("{}"));
	}
}

static void put_priority_classes(boot *b)
{
	static const struct {
		const char *name;
		int64_t value;
		const char *description;
	} classes[] = {
		{"system-node-critical", 2000001000,
		 "Used for system critical pods that must not be moved from their current node."},
		{"system-cluster-critical", 2000000000,
		 "Used for system critical pods that must run in the cluster, but can be moved to another "
		 "node "
		 "if necessary."},
	};
	for (size_t i = 0; i < SP_LEN(classes); i++) {
		const boot_where where = {
			"scheduling.k8s.io", "v1", "priorityclasses", {NULL, 0}, sp_str_c(classes[i].name)};
		boot_put(b, &where, NULL,
			 sp_arena_printf(boot_arena(b), "{\"value\":%lld,\"description\":\"%s\"}",
					 (long long)classes[i].value, classes[i].description));
	}
}

/* ---- API services ---- */

/* Which groups stand first in discovery, and which versions in a group. */
static const struct {
	const char *group, *version;
	uint16_t group_priority, version_priority;
} priorities[] = {
	{"", "v1", 18000, 1},
	{"admissionregistration.k8s.io", "v1", 16700, 15},
	{"apiextensions.k8s.io", "v1", 16700, 15},
	{"apps", "v1", 17800, 15},
	{"authentication.k8s.io", "v1", 17700, 15},
	{"authorization.k8s.io", "v1", 17600, 15},
	{"autoscaling", "v1", 17500, 15},
	{"autoscaling", "v2", 17500, 30},
	{"batch", "v1", 17400, 15},
	{"certificates.k8s.io", "v1", 17300, 15},
	{"coordination.k8s.io", "v1", 16500, 15},
	{"discovery.k8s.io", "v1", 16200, 15},
	{"events.k8s.io", "v1", 17750, 15},
	{"flowcontrol.apiserver.k8s.io", "v1", 16100, 21},
	{"metrics.k8s.io", "v1beta1", 100, 100},
	{"networking.k8s.io", "v1", 17200, 15},
	{"node.k8s.io", "v1", 16300, 15},
	{"policy", "v1", 17100, 15},
	{"rbac.authorization.k8s.io", "v1", 17000, 15},
	{"resource.k8s.io", "v1", 16200, 21},
	{"scheduling.k8s.io", "v1", 16600, 15},
	{"storage.k8s.io", "v1", 16800, 15},
};

static void put_api_services(boot *b)
{
	sp_str now = boot_now(b);
	for (size_t i = 0; i < SP_LEN(priorities); i++) {
		char name[160], group[160] = "";
		int n = snprintf(name, sizeof name, "%s.%s", priorities[i].version, priorities[i].group);
		const boot_where where = {
			"apiregistration.k8s.io", "v1", "apiservices", {NULL, 0}, {name, (size_t)n}};
		/* Written as it is stored: an empty group is none, or each start would find a difference. */
		if (priorities[i].group[0] != '\0')
			(void)snprintf(group, sizeof group, "\"group\":\"%s\",", priorities[i].group);
		/* Somebody's own metrics server takes the place of ours. */
		bool may_change = sp_str_eq(sp_str_c(priorities[i].group), SP_STR("metrics.k8s.io"));
		boot_put(b, &where, may_change ? NULL : boot_merge_all,
			 sp_arena_printf(
				 boot_arena(b),
				 "{\"metadata\":{\"labels\":{\"kube-aggregator.kubernetes.io/automanaged\":"
				 "\"onstart\"}},\"spec\":{%s\"version\":\"%s\","
				 "\"groupPriorityMinimum\":%u,\"versionPriority\":%u},\"status\":{"
				 "\"conditions\":"
				 "[{\"type\":\"Available\",\"status\":\"True\",\"lastTransitionTime\":"
				 "\"" SP_FMT
				 "\",\"reason\":\"Local\",\"message\":\"Local APIServices are always "
				 "available\"}]}}",
				 group, priorities[i].version, priorities[i].group_priority,
				 priorities[i].version_priority, SP_ARG(now)));
	}
}

/* ---- the service "kubernetes" ---- */

/* The first address of the range is the API server's. */
static bool service_address(const sp_cidr *range, char text[SP_IP_TEXT_BYTES], size_t *ret_n)
{
	sp_ip ip = sp_cidr_network(range);
	ip.bytes[15] |= 1;
	*ret_n = sp_ip_print(text, &ip);
	return sp_cidr_contains(range, &ip);
}

static void put_service(boot *b, const sp_cidr *range)
{
	char ip[SP_IP_TEXT_BYTES];
	size_t n = 0;
	const boot_where where = {"", "v1", "services", SP_STR("default"), SP_STR("kubernetes")};
	const char *family = range->ip.v4 ? "IPv4" : "IPv6";
	if (!service_address(range, ip, &n)) {
		boot_fail(b, SP_EINVAL, "the range of service addresses has no room for one");
		return;
	}
	boot_put(b, &where, NULL,
		 sp_arena_printf(
			 boot_arena(b),
			 "{\"metadata\":{\"labels\":{\"component\":\"apiserver\",\"provider\":"
			 "\"kubernetes\"}},\"spec\":{\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\","
			 "\"port\":443,\"targetPort\":%u}],\"clusterIP\":\"%.*s\",\"clusterIPs\":[\"%.*s\"],"
			 "\"type\":\"ClusterIP\",\"sessionAffinity\":\"None\",\"ipFamilies\":[\"%s\"],"
			 "\"ipFamilyPolicy\":\"SingleStack\"}}",
			 boot_opts(b)->port, (int)n, ip, (int)n, ip, family));
}

static void put_service_cidr(boot *b)
{
	const boot_where where = {"networking.k8s.io", "v1", "servicecidrs", {NULL, 0}, SP_STR("kubernetes")};
	sp_str cidr = boot_opts(b)->service_cidr, now = boot_now(b);
	boot_put(b, &where, NULL,
		 sp_arena_printf(
			 boot_arena(b),
			 "{\"metadata\":{\"finalizers\":[\"networking.k8s.io/service-cidr-finalizer\"]},"
			 "\"spec\":{\"cidrs\":[\"" SP_FMT "\"]},\"status\":{\"conditions\":[{\"type\":"
			 "\"Ready\",\"status\":\"True\",\"lastTransitionTime\":\"" SP_FMT
			 "\",\"reason\":\"\",\"message\":\"Kubernetes Service CIDR is ready\"}]}}",
			 SP_ARG(cidr), SP_ARG(now)));
}

/* Where the service leads. Loopback addresses may not stand in endpoints: nobody else could use them. */
static void put_endpoints(boot *b)
{
	const api_bootstrap_opts *o = boot_opts(b);
	sp_ip ip;
	if (!sp_ip_parse(o->address, &ip) || sp_ip_is_loopback(&ip) || sp_ip_is_unspecified(&ip))
		return;
	boot_where where = {"", "v1", "endpoints", SP_STR("default"), SP_STR("kubernetes")};
	boot_put(b, &where, boot_merge_all,
		 sp_arena_printf(
			 boot_arena(b),
			 "{\"metadata\":{\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},"
			 "\"subsets\":[{\"addresses\":[{\"ip\":\"" SP_FMT
			 "\"}],\"ports\":[{\"name\":\"https\",\"port\":%u,\"protocol\":\"TCP\"}]}]}",
			 SP_ARG(o->address), o->port));
	where.group = "discovery.k8s.io";
	where.plural = "endpointslices";
	boot_put(b, &where, boot_merge_all,
		 sp_arena_printf(
			 boot_arena(b),
			 "{\"metadata\":{\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},"
			 "\"addressType\":\"%s\",\"endpoints\":[{\"addresses\":[\"" SP_FMT
			 "\"],\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":\"https\",\"port\":%u,"
			 "\"protocol\":\"TCP\"}]}",
			 ip.v4 ? "IPv4" : "IPv6", SP_ARG(o->address), o->port));
}

/* ---- what aggregated servers read ---- */

static void put_authentication(boot *b)
{
	const api_bootstrap_opts *o = boot_opts(b);
	const boot_where where = {"", "v1", "configmaps", SP_STR("kube-system"),
				  SP_STR("extension-apiserver-authentication")};
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("data"), '{');
	if (o->client_ca.len > 0)
		sp_jout_member_str(&j, SP_STR("client-ca-file"), o->client_ca);
	if (o->front_proxy_ca.len > 0) {
		sp_jout_member_str(&j, SP_STR("requestheader-allowed-names"), o->front_proxy_names);
		sp_jout_member_str(&j, SP_STR("requestheader-client-ca-file"), o->front_proxy_ca);
		sp_jout_member_str(&j, SP_STR("requestheader-extra-headers-prefix"), o->extra_prefixes);
		sp_jout_member_str(&j, SP_STR("requestheader-group-headers"), o->group_headers);
		sp_jout_member_str(&j, SP_STR("requestheader-uid-headers"), o->uid_headers);
		sp_jout_member_str(&j, SP_STR("requestheader-username-headers"), o->user_headers);
	}
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	boot_put(b, &where, boot_merge_all, sp_buf_view(&text));
}

/* ---- since when uses of tokens in secrets are noted (legacy_use.h) ---- */

static bool is_day(sp_str text)
{
	sp_time t;
	char whole[SP_TIME_TEXT_BYTES];
	int n = snprintf(whole, sizeof whole, SP_FMT "T00:00:00Z", SP_ARG(text));
	return text.len == 10 && sp_time_parse((sp_str){whole, (size_t)n}, &t, NULL) == SP_OK;
}

/* What is no day becomes today. */
static bool merge_tracking(boot *b, yyjson_mut_val *obj, yyjson_mut_val *want)
{
	if (is_day(sp_kv_str(sp_kv_get(obj, "data"), "since")))
		return true;
	yyjson_mut_val *data = sp_kv_need_obj(boot_doc(b), obj, "data");
	return data != NULL &&
	       sp_kv_set_str(boot_doc(b), data, "since", sp_kv_str(sp_kv_get(want, "data"), "since"));
}

static void put_tracking(boot *b)
{
	const boot_where where = {"", "v1", "configmaps", SP_STR("kube-system"),
				  SP_STR("kube-apiserver-legacy-service-account-token-tracking")};
	sp_str today = sp_str_sub(boot_now(b), 0, 10);
	boot_put(b, &where, merge_tracking,
		 sp_arena_printf(boot_arena(b), "{\"data\":{\"since\":\"" SP_FMT "\"}}", SP_ARG(today)));
}

void boot_put_objects(boot *b)
{
	sp_cidr range;
	if (!sp_cidr_parse(boot_opts(b)->service_cidr, &range)) {
		boot_fail(b, SP_EINVAL, "the range of service addresses is no CIDR");
		return;
	}
	put_namespaces(b);
	put_priority_classes(b);
	put_api_services(b);
	put_service_cidr(b);
	put_service(b, &range);
	put_endpoints(b);
	put_authentication(b);
	put_tracking(b);
}
