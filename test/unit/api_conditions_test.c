/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server says in the status of objects by itself, and how it shows patches that it refuses. */
#include "lib/api_ask.h"
#include "lib/t.h"

#define FLOWS "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
#define LEVELS "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"
#define APIS "/apis/apiregistration.k8s.io/v1/apiservices"
#define FLOW                                                                                              \
	"{\"metadata\":{\"name\":\"f\"},\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"l\"},"       \
	"\"rules\":[{"                                                                                    \
	"\"subjects\":[{\"kind\":\"User\",\"user\":{\"name\":\"u\"}}],\"nonResourceRules\":[{\"verbs\":[" \
	"\"get\"],"                                                                                       \
	"\"nonResourceURLs\":[\"/x\"]}]}]}}"
#define API                                                                                                 \
	"{\"metadata\":{\"name\":\"v1.a.b\"},\"spec\":{\"group\":\"a.b\",\"version\":\"v1\","               \
	"\"insecureSkipTLSVerify\":"                                                                        \
	"true,\"groupPriorityMinimum\":1000,\"versionPriority\":10,\"service\":{\"namespace\":\"default\"," \
	"\"name\":"                                                                                         \
	"\"s\"}}}"
#define SERVICE(port) "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":" port "}]}}"
#define SLICE(ready)                                                                    \
	"{\"metadata\":{\"name\":\"e\",\"labels\":{\"kubernetes.io/"                    \
	"service-name\":\"s\"}},\"addressType\":\"IPv4\","                              \
	"\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":" ready \
	"}}],\"ports\":[{\"name\":\"\","                                                \
	"\"port\":1}]}"
#define SLICES "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
#define SERVICES "/api/v1/namespaces/default/services"

static void settle(t_asker *f)
{
	if (f != NULL)
		sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + UINT64_C(1000000000));
}

/* Does it, waits for what follows from it, and looks at the object. */
static void step(t_asker *f, const char *method, const char *path, const char *body, const char *look,
		 const char *like)
{
	if (f == NULL || t_failed())
		return;
	const t_req q = {.method = method, .path = path, .body = sp_str_c(body)};
	const t_req get = {.method = "GET", .path = look};
	t_ask_one(f, &q, sp_str_eq(sp_str_c(method), SP_STR("POST")) ? 201 : 200, NULL);
	settle(f);
	if (!t_failed())
		t_ask_one(f, &get, 200, like);
}

SP_TEST(api_conditions, a_flow_schema_dangles)
{
	t_asker *f = t_asker_open();
	step(f, "POST", FLOWS, FLOW, FLOWS "/f",
	     "*\"status\":{\"conditions\":[{\"type\":\"Dangling\",\"status\":\"True\",\"lastTransitionTime\":"
	     "\"*\",\"reason\":"
	     "\"NotFound\",\"message\":\"This FlowSchema references the PriorityLevelConfiguration object "
	     "named \\\"l\\\" but "
	     "there is no such object\"}]}}\n");
	step(f, "POST", LEVELS,
	     "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"type\":\"Limited\",\"limited\":{\"limitResponse\":{"
	     "\"type\":\"Reject\"}}}}",
	     FLOWS "/f",
	     "*\"status\":\"False\",*\"reason\":\"Found\",\"message\":\"This FlowSchema references the "
	     "PriorityLevelConfiguration object named \\\"l\\\" and it exists\"}]}}\n");
	step(f, "DELETE", LEVELS "/l", "", FLOWS "/f", "*\"status\":\"True\",*\"reason\":\"NotFound\"*");
}

SP_TEST(api_conditions, what_an_api_service_lacks)
{
	t_asker *f = t_asker_open();
	step(f, "POST", APIS, API, APIS "/v1.a.b",
	     "*\"reason\":\"ServiceNotFound\",\"message\":\"service/s in \\\"default\\\" is not "
	     "present\"}]}}\n");
	step(f, "POST", SERVICES, SERVICE("80"), APIS "/v1.a.b",
	     "*\"reason\":\"ServicePortError\",\"message\":\"service/s in \\\"default\\\" is not listening "
	     "on port 443\"}]}}\n");
	step(f, "DELETE", SERVICES "/s", "", APIS "/v1.a.b", "*\"ServiceNotFound\"*");
	step(f, "POST", SERVICES, SERVICE("443"), APIS "/v1.a.b",
	     "*\"reason\":\"EndpointsNotFound\",\"message\":\"cannot find endpointslices for service/s in "
	     "\\\"default\\\"\"}]}}\n");
	step(f, "POST", SLICES, SLICE("false"), APIS "/v1.a.b",
	     "*\"reason\":\"MissingEndpoints\",\"message\":\"endpointslices for service/s in \\\"default\\\" "
	     "have no addresses "
	     "with port name \\\"\\\"\"}]}}\n");
	step(f, "PUT", SLICES "/e", SLICE("true"), APIS "/v1.a.b", "*\"FailedDiscoveryCheck\"*");
}

#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"
#define REFUSED(value, why) \
	"*\"message\":\" \\\"\\\" is invalid: patch: Invalid value: \\\"" value "\\\": " why "\",*"

SP_TEST(api_conditions, a_patch_that_does_not_fit_is_shown)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = DEPLOYMENTS,
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{"
				      "\"matchLabels\":{\"a\":\"b\"}},"
				      "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
				      "\"containers\":[{\"name\":"
				      "\"c\",\"image\":\"i\"}]}}}}")},
		 201,
		 NULL},
		/* What the patch touches is in order, the rest as the struct has it. */
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"replicas\":\"x\"}}")},
		 422,
		 REFUSED("{\\\\\\\"apiVersion\\\\\\\":*,\\\\\\\"metadata\\\\\\\":{\\\\\\\"name\\\\\\\":*"
			 "\\\\\\\"spec\\\\\\\":{\\\\\\\"progressDeadlineSeconds\\\\\\\":600,"
			 "\\\\\\\"replicas\\\\\\\":\\\\\\\"x\\\\\\\"*",
			 "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of "
			 "type int32")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/json-patch+json",
		  .body = SP_STR_INIT("[{\"op\":\"replace\",\"path\":\"/metadata\",\"value\":\"x\"}]")},
		 422,
		 REFUSED("{\\\\\\\"apiVersion\\\\\\\":*,\\\\\\\"metadata\\\\\\\":\\\\\\\"x\\\\\\\",*",
			 "json: cannot unmarshal string into Go struct field Deployment.metadata of type "
			 "v1.ObjectMeta")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
				      "\"image\":3}]}}}}")},
		 422,
		 REFUSED("map[spec:map[template:map[spec:map[containers:[map[image:3 name:c]]]]]]",
			 "cannot convert int64 to string")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"replicas\":\"3\"}}")},
		 422,
		 REFUSED("map[spec:map[replicas:3]]", "unrecognized type: int32")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"replicas\":1.5}}")},
		 422,
		 REFUSED("map[spec:map[replicas:1.5]]", "cannot convert float64 to int32")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":\"x\"}")},
		 422,
		 REFUSED("map[spec:x]", "cannot restore struct from: string")},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"strategy\":{\"type\":3}}}")},
		 422,
		 REFUSED("map[spec:map[strategy:map[type:3]]]",
			 "cannot convert int64 to v1.DeploymentStrategyType")},
		{{.method = "PATCH", /* the low bits */
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"replicas\":4294967298}}")},
		 200,
		 "*\"replicas\":2,*"},
		{{.method = "PATCH",
		  .path = DEPLOYMENTS "/d",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"spec\":{\"replicas\":3.0}}")},
		 200,
		 "*\"replicas\":3,*"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/secrets",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"s\"}}")},
		 201,
		 NULL},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/secrets/s",
		  .type = "application/strategic-merge-patch+json",
		  .body = SP_STR_INIT("{\"data\":{\"a\":\"b\"}}")},
		 422,
		 "*error decoding from json: illegal base64 data at input byte 0*"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}
