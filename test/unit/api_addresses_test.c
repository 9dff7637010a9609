/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of services from ServiceCIDRs. U: kubernetes pkg/registry/core/service/ipallocator. */
#include "lib/api_ask.h"
#include "lib/t.h"

#define CIDRS "/apis/networking.k8s.io/v1/servicecidrs"
#define SERVICES "/api/v1/namespaces/default/services"
#define CIDR(name, prefix) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"cidrs\":[\"" prefix "\"]}}"
#define READY(yes)                                                           \
	"{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"" yes \
	"\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"r\",\"message\":\"\"}]}}"
#define SERVICE(name, more) \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" more "\"ports\":[{\"port\":80}]}}"
#define AT(ip) "\"clusterIP\":\"" ip "\","
#define REFUSED(ip, why)                                                                        \
	"*spec.clusterIPs: Invalid value: [\\\"" ip "\\\"]: failed to allocate IP " ip ": " why \
	"\",\"reason\"*"
#define POST(at, json)                                                  \
	{                                                               \
		.method = "POST", .path = at, .body = SP_STR_INIT(json) \
	}
#define PATCH(at, json)                                                                \
	{                                                                              \
		.method = "PATCH", .path = at, .type = "application/merge-patch+json", \
		.body = SP_STR_INIT(json)                                              \
	}

SP_TEST(api_addresses, of_ranges_that_are_ready)
{
	static const t_ask_row rows[] = {
		{POST(CIDRS, CIDR("a", "10.90.0.0/30")), 201, NULL},
		{POST(SERVICES, SERVICE("x", AT("10.90.0.1"))), 422,
		 REFUSED("10.90.0.1", "the provided network does not match the current range")},
		{PATCH(CIDRS "/a/status", READY("True")), 200, NULL},
		{POST(SERVICES, SERVICE("x", AT("10.90.0.1"))), 201, "*\"clusterIPs\":[\"10.90.0.1\"]*"},
		{{.method = "GET", .path = "/apis/networking.k8s.io/v1/ipaddresses/10.90.0.1"},
		 200,
		 "*\"parentRef\":{\"resource\":\"services\",\"namespace\":\"default\","
		 "\"name\":\"x\"}*"},
		{POST(SERVICES, SERVICE("y", AT("10.90.0.1"))), 422,
		 REFUSED("10.90.0.1", "provided IP is already allocated")},
		{POST(SERVICES, SERVICE("y", AT("10.90.0.3"))), 422,
		 REFUSED("10.90.0.3",
			 "the provided IP (10.90.0.3) is not in the valid range. The range of valid "
			 "IPs is 10.90.0.0/30")},
		{PATCH(CIDRS "/a/status", READY("False")), 200, NULL},
		{POST(SERVICES, SERVICE("y", AT("10.90.0.2"))), 422,
		 REFUSED("10.90.0.2", "the provided network does not match the current range")},
		/* What was given before stays, and is given back. */
		{{.method = "DELETE", .path = SERVICES "/x"}, 200, NULL},
		{{.method = "GET", .path = "/apis/networking.k8s.io/v1/ipaddresses/10.90.0.1"}, 404, NULL},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(api_addresses, of_further_ranges_when_the_first_is_full)
{
	static const t_ask_row rows[] = {
		{POST(SERVICES, SERVICE("a", "")), 201, "*\"clusterIP\":\"10.96.0.*"},
		{POST(SERVICES, SERVICE("b", "")), 201, "*\"clusterIP\":\"10.96.0.*"},
		{POST(SERVICES, SERVICE("c", "")), 500,
		 "*failed to allocate a serviceIP for Service \\\"c\\\": range is full*"},
		{POST(CIDRS, CIDR("v6", "fd00::/112")), 201, NULL},
		{PATCH(CIDRS "/v6/status", READY("True")), 200, NULL},
		{POST(SERVICES, SERVICE("c", "")), 500, "*range is full*"},
		{POST(CIDRS, CIDR("more", "10.90.0.0/30")), 201, NULL},
		{PATCH(CIDRS "/more/status", READY("True")), 200, NULL},
		{POST(SERVICES, SERVICE("c", "")), 201, "*\"clusterIP\":\"10.90.0.*"},
		{POST(SERVICES, SERVICE("d", "")), 201, "*\"clusterIP\":\"10.90.0.*"},
		{POST(SERVICES, SERVICE("e", "")), 500, "*range is full*"},
		{{.method = "DELETE", .path = SERVICES "/a"}, 200, NULL},
		{POST(SERVICES, SERVICE("e", "")), 201, "*\"clusterIP\":\"10.96.0.*"},
	};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	f->api.service_cidrs = "10.96.0.0/30";
	T_TRUE(t_api_restart(&f->api, UINT64_C(1000000000)));
	t_ask_all(f, rows, SP_LEN(rows));
}
