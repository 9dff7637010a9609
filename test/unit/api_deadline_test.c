/* SPDX-License-Identifier: Apache-2.0 */
/* How long requests may take. Texts are kube-apiserver's. */
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MAPS "/api/v1/namespaces/default/configmaps"
#define LATE                                                                                             \
	"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":" \
	"\"Timeout: "                                                                                    \
	"request did not complete within the allotted "                                                  \
	"timeout\",\"reason\":\"Timeout\",\"details\":{},\"code\":504}\n"

SP_TEST(api_deadline, the_parameter)
{
	static const t_ask_row rows[] = {
		{{.method = "GET", .path = MAPS "?timeout=32s"}, 200, NULL},
		{{.method = "GET", .path = MAPS "?timeout=0s"}, 200, NULL},
		{{.method = "GET", .path = MAPS "?timeout=-1s"}, 200, NULL},
		{{.method = "GET", .path = MAPS "?timeout="}, 200, NULL},
		{{.method = "GET", .path = MAPS "?timeout=soon"},
		 400,
		 "*\"message\":\"invalid timeout specified in the request URL - time: invalid duration "
		 "\\\"soon\\\"\",\"reason\":\"BadRequest\",\"code\":400}\n"},
		{{.method = "GET", .path = "/version?timeout=1"}, 400, NULL},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

/* A conversion webhook that nobody answers for. */
#define VERSION(name, stored)                                                                             \
	"{\"name\":\"" name "\",\"served\":true,\"storage\":" stored                                      \
	",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":" \
	"true}}}"
#define CRD                                                                                           \
	"{\"metadata\":{\"name\":\"vs.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\"," \
	"\"names\":{\"plural\":\"vs\",\"kind\":\"V\"},\"conversion\":{\"strategy\":\"Webhook\","      \
	"\"webhook\":{\"conversionReviewVersions\":[\"v1\"],\"clientConfig\":{\"url\":"               \
	"\"https://10.0.0.9/\"}}},\"versions\":[" VERSION("v1", "true") "," VERSION("v2", "false") "]}}"
#define V "{\"apiVersion\":\"x.io/v2\",\"kind\":\"V\",\"metadata\":{\"name\":\"a\"}}"
#define VS "/apis/x.io/v2/namespaces/default/vs"

static t_asker *with_versions(uint64_t timeout_ns)
{
	static const t_req crd = {.method = "POST",
				  .path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
				  .body = SP_STR_INIT(CRD)};
	t_asker *f = t_asker_open();
	if (f == NULL)
		return NULL;
	f->api.request_timeout_ns = timeout_ns;
	t_ask_one(f, &crd, 201, NULL);
	return !t_failed() && t_api_restart(&f->api, SECOND) ? f : NULL;
}

static uint64_t asked_in(t_asker *f, const char *path)
{
	uint64_t began_ns = sp_sim_now_ns(f->api.sim);
	const t_req q = {.method = "POST", .path = path, .body = SP_STR_INIT(V)};
	t_ask_one(f, &q, 504, LATE);
	return (sp_sim_now_ns(f->api.sim) - began_ns) / SECOND;
}

SP_TEST(api_deadline, the_client_says_when)
{
	static const t_ask_row after[] = {
		{{.method = "GET", .path = "/apis/x.io/v1/namespaces/default/vs/a"}, 404, NULL},
		{{.method = "GET", .path = MAPS}, 200, NULL},
	};
	t_asker *f = with_versions(0);
	T_TRUE(f != NULL);
	T_EQ_U64(asked_in(f, VS "?timeout=3s"), 3);
	t_ask_all(f, after, SP_LEN(after));
}

SP_TEST(api_deadline, never_later_than_the_server_says)
{
	t_asker *f = with_versions(5 * SECOND);
	T_TRUE(f != NULL);
	T_EQ_U64(asked_in(f, VS), 5);
	T_EQ_U64(asked_in(f, VS "?timeout=1h"), 5);
	T_EQ_U64(asked_in(f, VS "?timeout=0s"), 5);
	T_EQ_U64(asked_in(f, VS "?timeout=2s"), 2);
}

SP_TEST(api_deadline, watches_have_none)
{
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	f->api.request_timeout_ns = SECOND;
	T_TRUE(t_api_restart(&f->api, SECOND));
	uint64_t began_ns = sp_sim_now_ns(f->api.sim);
	const t_req q = {.method = "GET", .path = MAPS "?watch=1&timeoutSeconds=7&timeout=x"};
	t_ask_one(f, &q, 200, "");
	T_EQ_U64((sp_sim_now_ns(f->api.sim) - began_ns) / SECOND, 7);
}

SP_TEST(api_deadline, tolerations_by_default)
{
	static const t_req pod = {
		.method = "POST",
		.path = "/api/v1/namespaces/default/pods",
		.body = SP_STR_INIT(
			"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
			"\"image\":\"i\"}]}}")};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	f->api.tolerate = (api_toleration_seconds){true, 0, 20};
	T_TRUE(t_api_restart(&f->api, SECOND));
	t_ask_one(f, &pod, 201,
		  "*not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":0},*"
		  "unreachable\",*\"tolerationSeconds\":20}]*");
}
