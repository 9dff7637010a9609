/* SPDX-License-Identifier: Apache-2.0 */
/* A group that another server answers for: what it is asked and told, and what becomes of it when it fails.
 */
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define APIS "/apis/apiregistration.k8s.io/v1/apiservices"
#define API                                                                                                 \
	"{\"metadata\":{\"name\":\"v1.a.b\"},\"spec\":{\"group\":\"a.b\",\"version\":\"v1\","               \
	"\"insecureSkipTLSVerify\":true,\"groupPriorityMinimum\":1000,\"versionPriority\":10,\"service\":{" \
	"\"namespace\":\"default\",\"name\":\"s\"}}}"
#define SERVICE "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":443}]}}"
#define SLICE                                                                                               \
	"{\"metadata\":{\"name\":\"e\",\"labels\":{\"kubernetes.io/service-name\":\"s\"}},\"addressType\":" \
	"\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.3\"]}],\"ports\":[{\"name\":\"\",\"port\":8443}]}"
#define LIST                                                                                                 \
	"{\"kind\":\"APIResourceList\",\"groupVersion\":\"a.b/v1\",\"resources\":[{\"name\":\"things\","     \
	"\"singularName\":\"thing\",\"namespaced\":false,\"kind\":\"Thing\",\"verbs\":[\"get\"]},{\"name\":" \
	"\"things/status\",\"kind\":\"Thing\",\"verbs\":[\"update\"]}]}"
#define INDEX "{\"paths\":{\"apis/a.b/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/a.b/v1?hash=ABC\"}}}"
#define SPEC                                                                                                 \
	"{\"swagger\":\"2.0\",\"paths\":{\"/apis/a.b/v1/things\":{\"get\":{\"responses\":{\"200\":{"         \
	"\"description\":\"OK\",\"schema\":{\"$ref\":\"#/definitions/b.a.Thing\"}}}}},\"/apis/other/v1/\":{" \
	"}},\"definitions\":{\"b.a.Thing\":{\"type\":\"object\"}}}"
#define PROTO "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

typedef struct remote {
	t_asker *f;
	sp_world *world;
	sp_listener *listener;
	sp_http_server *http;
	uint16_t status; /* 0: it does not answer */
	size_t n_probes, n_unchanged;
	const char *spec; /* with the entity tag "s1" */
	bool drained;
} remote;

static sp_str answer_of(const remote *r, sp_str path)
{
	const struct {
		const char *path, *text;
	} rows[] = {{"/openapi/v3", INDEX}, {"/openapi/v2", r->spec}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (sp_str_eq(path, sp_str_c(rows[i].path)))
			return sp_str_c(rows[i].text);
	}
	return SP_STR(LIST);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	remote *r = arg;
	sp_str user = sp_http_find(&ex->headers, SP_STR("x-remote-user"));
	bool probe = sp_str_eq(user, SP_STR("system:kube-aggregator"));
	static const sp_http_header json[] = {{SP_STR_INIT("content-type"), SP_STR_INIT("application/json")},
					      {SP_STR_INIT("etag"), SP_STR_INIT("\"s1\"")}};
	bool unchanged = sp_str_eq(sp_http_get(&ex->headers, SP_HTTP_IF_NONE_MATCH), SP_STR("\"s1\""));
	char text[256];
	r->n_probes += probe && !sp_str_starts(ex->path, SP_STR("/openapi/"));
	r->n_unchanged += probe && unchanged;
	if (r->status == 0)
		return;
	(void)snprintf(text, sizeof text, SP_FMT " " SP_FMT " " SP_FMT " " SP_FMT "\n", SP_ARG(ex->method),
		       SP_ARG(ex->path), SP_ARG(user),
		       SP_ARG(sp_http_find(&ex->headers, SP_STR("x-remote-group"))));
	if (unchanged)
		(void)sp_http_respond(ex, 304, json, SP_LEN(json), SP_STR(""), NULL);
	else
		(void)sp_http_respond(ex, r->status, json, SP_LEN(json),
				      probe ? answer_of(r, ex->path) : sp_str_c(text), NULL);
}

static void on_accept(void *arg, sp_stream *s)
{
	sp_http_server_accept(((remote *)arg)->http, s);
}

static void on_drained(void *arg)
{
	((remote *)arg)->drained = true;
}

static bool is_drained(void *arg)
{
	return ((remote *)arg)->drained;
}

static void remote_done(void *arg)
{
	remote *r = arg;
	sp_listener_close(r->listener);
	if (r->http == NULL)
		return;
	sp_http_server_drain(r->http, 0, on_drained, r);
	(void)sp_sim_run(r->f->api.sim, is_drained, r, sp_sim_now_ns(r->f->api.sim) + 60 * SECOND);
	sp_http_server_free(r->http);
}

static void post(remote *r, const char *path, const char *body)
{
	if (!t_failed())
		t_ask_one(r->f, &(t_req){.method = "POST", .path = path, .body = sp_str_c(body)}, 201, NULL);
}

static remote *open_remote(uint16_t status)
{
	remote *r = sp_new(T_ARENA, remote, 1);
	r->f = t_asker_open();
	if (r->f == NULL)
		return NULL;
	r->status = status;
	r->spec = SPEC;
	r->world = sp_sim_world(sp_sim_host_new(r->f->api.sim, "remote", NULL, NULL));
	t_defer(remote_done, r);
	const sp_http_server_opts o = {.on_request = on_request, .arg = r};
	if (!t_api_restart(&r->f->api, SECOND) ||
	    sp_http_server_new(r->world, &o, &r->http, T_ERR) != SP_OK ||
	    sp_listen(r->world, SP_STR("0.0.0.0:8443"), NULL, on_accept, r, &r->listener, T_ERR) != SP_OK)
		return NULL;
	post(r, APIS, API);
	post(r, "/api/v1/namespaces/default/services", SERVICE);
	post(r, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", SLICE);
	return t_failed() ? NULL : r;
}

static void wait_s(remote *r, uint64_t seconds)
{
	sp_sim_run_until(r->f->api.sim, sp_sim_now_ns(r->f->api.sim) + seconds * SECOND);
}

static void look(remote *r, const char *path, const char *accept, uint16_t status, const char *like)
{
	if (!t_failed())
		t_ask_one(r->f, &(t_req){.method = "GET", .path = path, .accept = accept}, status, like);
}

SP_TEST(api_aggregate, answers)
{
	remote *r = open_remote(200);
	if (r == NULL)
		return;
	wait_s(r, 1);
	look(r, APIS "/v1.a.b", NULL, 200,
	     "*\"status\":\"True\",*\"Passed\",\"message\":\"all checks passed\"*");
	look(r, "/apis/a.b/v1/things/x?y=z%20", NULL, 200,
	     "GET /apis/a.b/v1/things/x?y=z%20 system:anonymous system:unauthenticated\n");
	look(r, "/apis/a.b/v1", NULL, 200, "GET /apis/a.b/v1 *");
	look(r, "/openapi/v3/apis/a.b/v1", NULL, 200, "GET /openapi/v3/apis/a.b/v1 *");
	look(r, "/openapi/v3", NULL, 200,
	     "*\"apis/a.b/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/a.b/v1?hash=ABC\"}*");
	look(r, "/apis/a.b/v2", NULL, 404, NULL);
	look(r, "/apis", NULL, 200, "*{\"name\":\"a.b\",*");
	look(r, "/apis", AGGREGATED, 200,
	     "*{\"metadata\":{\"name\":\"a.b\"},\"versions\":[{\"version\":\"v1\",\"resources\":[{"
	     "\"resource\":"
	     "\"things\",\"responseKind\":{\"group\":\"a.b\",\"version\":\"v1\",\"kind\":\"Thing\"},"
	     "\"scope\":"
	     "\"Cluster\",\"singularResource\":\"thing\",\"verbs\":[\"get\"],\"subresources\":[{"
	     "\"subresource\":"
	     "\"status\",*\"verbs\":[\"update\"]}]}],\"freshness\":\"Current\"}]}*");
	t_ask_one(
		r->f,
		&(t_req){.method = "POST", .path = "/apis/a.b/v1/things", .user = "u", .body = SP_STR("{}")},
		200, "POST /apis/a.b/v1/things u system:authenticated\n");
	t_ask_one(r->f, &(t_req){.method = "DELETE", .path = APIS "/v1.a.b"}, 200, NULL);
	look(r, "/apis/a.b/v1/things/x", NULL, 404, "404 page not found\n");
	look(r, "/openapi/v3", NULL, 200, NULL);
	T_TRUE(sp_str_find(sp_buf_view(&r->f->call.body), SP_STR("a.b")) < 0);
}

SP_TEST(api_aggregate, documents)
{
	remote *r = open_remote(200);
	if (r == NULL)
		return;
	look(r, "/openapi/v2", NULL, 200, NULL);
	T_TRUE(sp_str_find(sp_buf_view(&r->f->call.body), SP_STR("/apis/a.b/v1/")) < 0);
	wait_s(r, 1);
	look(r, "/openapi/v2", NULL, 200,
	     "*\"/apis/a.b/v1/things\":{*\"$ref\":\"#/definitions/"
	     "b.a.Thing\"*\"b.a.Thing\":{\"type\":\"object\"}*");
	T_TRUE(sp_str_find(sp_buf_view(&r->f->call.body), SP_STR("/apis/other/v1/")) < 0);
	look(r, "/openapi/v2", PROTO, 200, "*/apis/a.b/v1/things*b.a.Thing*");
	T_EQ_U64(r->n_unchanged, 0);
	/* It is told what we know. What failed meanwhile is still known, what is no document never was. */
	wait_s(r, 40);
	T_EQ_U64(r->n_unchanged, 1);
	r->status = 500;
	wait_s(r, 40);
	look(r, "/openapi/v2", NULL, 200, "*/apis/a.b/v1/things*");
	t_ask_one(r->f, &(t_req){.method = "DELETE", .path = APIS "/v1.a.b"}, 200, NULL);
	look(r, "/openapi/v2", NULL, 200, NULL);
	T_TRUE(sp_str_find(sp_buf_view(&r->f->call.body), SP_STR("/apis/a.b/v1/")) < 0);
}

/* A document without a form in protobuf is left out of that. */
SP_TEST(api_aggregate, odd_documents)
{
	static const char *const odd[] = {
		"{", "{\"paths\":7}", "{\"paths\":{\"/apis/a.b/v1/things\":{\"get\":{\"responses\":7}}}}"};
	for (size_t i = 0; i < SP_LEN(odd); i++) {
		remote *r = open_remote(200);
		t_row("%s", odd[i]);
		if (r == NULL)
			return;
		r->spec = odd[i];
		wait_s(r, 1);
		look(r, "/openapi/v2", NULL, 200, "*\"/api/v1/pods\"*");
		look(r, "/openapi/v2", PROTO, 200, "*/api/v1/pods*");
	}
}

SP_TEST(api_aggregate, fails_and_comes_back)
{
	remote *r = open_remote(200);
	if (r == NULL)
		return;
	wait_s(r, 1);
	r->status = 500;
	wait_s(r, 35);
	look(r, APIS "/v1.a.b", NULL, 200,
	     "*\"status\":\"False\",*\"FailedDiscoveryCheck\",\"message\":\"failing or missing response from "
	     "http://10.0.0.3:8443/apis/a.b/v1: bad status from http://10.0.0.3:8443/apis/a.b/v1: 500\"*");
	look(r, "/apis/a.b/v1/things", NULL, 503, "service unavailable\n");
	look(r, "/apis", AGGREGATED, 200, "*\"things\"*\"freshness\":\"Stale\"*");
	/* It is not asked more often than it helps. */
	size_t n = r->n_probes;
	wait_s(r, 600);
	T_TRUE(r->n_probes - n >= 18 && r->n_probes - n <= 26);
	r->status = 200;
	wait_s(r, 35);
	look(r, "/apis/a.b/v1/things", NULL, 200, NULL);
	look(r, APIS "/v1.a.b", NULL, 200, "*\"Passed\"*");
	/* No endpoint, no answer. */
	t_ask_one(r->f,
		  &(t_req){.method = "DELETE",
			   .path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e"},
		  200, NULL);
	look(r, "/apis/a.b/v1/things", NULL, 503, "service unavailable\n");
	wait_s(r, 1);
	look(r, APIS "/v1.a.b", NULL, 200, "*\"EndpointsNotFound\"*");
}

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define VERSION(name, stored)                                        \
	"{\"name\":\"" name "\",\"served\":true,\"storage\":" stored \
	",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}"
#define CRD                                                                                                 \
	"{\"metadata\":{\"name\":\"xs.c.d\"},\"spec\":{\"group\":\"c.d\",\"scope\":\"Cluster\",\"names\":{" \
	"\"plural\":"                                                                                       \
	"\"xs\",\"kind\":\"X\"},\"versions\":[" VERSION("v1", "true") "," VERSION("v2", "false") "]}}"

/* A definition's groups have APIServices as long as it is there. */
SP_TEST(api_aggregate, definitions_are_registered)
{
	remote *r = open_remote(200);
	if (r == NULL)
		return;
	post(r, APIS,
	     "{\"metadata\":{\"name\":\"v2.c.d\"},\"spec\":{\"group\":\"c.d\",\"version\":\"v2\","
	     "\"groupPriorityMinimum\":7,\"versionPriority\":7}}");
	post(r, CRDS, CRD);
	wait_s(r, 2);
	look(r, APIS "/v1.c.d", NULL, 200,
	     "*\"labels\":{\"kube-aggregator.kubernetes.io/"
	     "automanaged\":\"true\"}*\"spec\":{\"group\":\"c.d\","
	     "\"version\":\"v1\",\"groupPriorityMinimum\":1000,\"versionPriority\":100},*\"Local\"*");
	look(r, APIS "/v2.c.d", NULL, 200, "*\"groupPriorityMinimum\":7*");
	/* It is made again, and goes with the definition; what somebody else made stays. */
	t_ask_one(r->f, &(t_req){.method = "DELETE", .path = APIS "/v1.c.d"}, 200, NULL);
	wait_s(r, 1);
	look(r, APIS "/v1.c.d", NULL, 200, NULL);
	t_ask_one(r->f, &(t_req){.method = "DELETE", .path = CRDS "/xs.c.d"}, 200, NULL);
	wait_s(r, 2);
	look(r, APIS "/v1.c.d", NULL, 404, NULL);
	look(r, APIS "/v2.c.d", NULL, 200, NULL);
}

SP_TEST(api_aggregate, says_nothing)
{
	remote *r = open_remote(0);
	if (r == NULL)
		return;
	wait_s(r, 7);
	look(r, APIS "/v1.a.b", NULL, 200,
	     "*\"FailedDiscoveryCheck\",\"message\":\"failing or missing response from "
	     "http://10.0.0.3:8443/apis/a.b/v1: "
	     "Get *context deadline exceeded*");
	look(r, "/apis/a.b/v1/things", NULL, 503, "service unavailable\n");
	/* A question that is under way holds nobody up when its subject goes, or the server. */
	wait_s(r, 3);
	t_ask_one(r->f, &(t_req){.method = "DELETE", .path = APIS "/v1.a.b"}, 200, NULL);
	post(r, APIS, API);
	look(r, "/apis/a.b/v1/things", NULL, 503, "service unavailable\n");
	T_TRUE(t_api_drain(&r->f->api, SECOND, sp_sim_now_ns(r->f->api.sim) + 10 * SECOND));
}

/* What is no watch is given up after a minute, with the seat that it has. */
SP_TEST(api_aggregate, falls_silent)
{
	remote *r = open_remote(200);
	if (r == NULL)
		return;
	wait_s(r, 1);
	r->status = 0;
	static t_client other;
	static t_call watch;
	T_TRUE(t_client_open(&other, &r->f->api, "other", true));
	t_call_init(&watch);
	T_TRUE(t_call_start(&other, &watch,
			    &(t_req){.method = "GET", .path = "/apis/a.b/v1/things?watch=1"}));
	static t_call get;
	t_call_init(&get);
	T_TRUE(t_call_start(&other, &get, &(t_req){.method = "GET", .path = "/apis/a.b/v1/things/x"}));
	wait_s(r, 59);
	bool early = get.closed;
	wait_s(r, 2);
	bool in_time = get.closed && get.status == 504 && !watch.closed &&
		       t_is_like(sp_buf_view(&get.body),
				 "*\"message\":\"Timeout: request did not complete within the allotted "
				 "timeout\",\"reason\":\"Timeout\",*\"code\":504}*");
	if (watch.ex != NULL)
		sp_http_reset(watch.ex, SP_HTTP2_CANCEL);
	wait_s(r, 1);
	t_call_done(&get);
	t_call_done(&watch);
	T_TRUE(!early);
	T_TRUE(in_time);
}
