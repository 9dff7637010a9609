/* SPDX-License-Identifier: Apache-2.0 */
/* How long requests may take. Texts are kube-apiserver's. */
#include <stdio.h>

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

/* ---- answers that are not read ---- */

#define TEXT_BYTES 900000u
#define N_LARGE 6u
#define SAID_BYTES ((size_t)N_LARGE * TEXT_BYTES)

static void stop_reading(t_call *c)
{
	if (c->body.len > 0)
		sp_http_read(c->ex, false);
}

static bool is_closed(void *arg)
{
	return ((t_call *)arg)->closed;
}

static bool put_large(t_asker *f)
{
	char *body = sp_arena_alloc(T_ARENA, TEXT_BYTES + 100);
	int n = snprintf(body, 100, "{\"metadata\":{\"generateName\":\"m\"},\"data\":{\"x\":\"");
	memset(body + n, 'x', TEXT_BYTES);
	memcpy(body + n + TEXT_BYTES, "\"}}", 4);
	const t_req q = {.method = "POST", .path = MAPS, .body = {body, (size_t)n + TEXT_BYTES + 3}};
	for (unsigned i = 0; i < N_LARGE && !t_failed(); i++)
		t_ask_one(f, &q, 201, NULL);
	return !t_failed();
}

static void call_done(void *arg)
{
	t_call_done(arg);
}

static t_call *call_new(void)
{
	t_call *c = sp_new(T_ARENA, t_call, 1);
	t_call_init(c);
	t_defer(call_done, c);
	return c;
}

/* What had been sent comes, and then not the end but the end of the stream. */
static void answer_is_cut(bool h2)
{
	static const t_req list = {.method = "GET", .path = MAPS "?timeout=3s"};
	t_asker *f = t_asker_open();
	t_client *c = sp_new(T_ARENA, t_client, 1);
	t_call *call = call_new();
	if (f == NULL || !put_large(f) || !t_client_open(c, &f->api, "slow", h2))
		return;
	call->on_bytes = stop_reading;
	uint64_t began_ns = sp_sim_now_ns(f->api.sim);
	T_TRUE(t_call_start(c, call, &list));
	sp_sim_run_until(f->api.sim, began_ns + 2 * SECOND);
	T_TRUE(call->status == 200 && !call->closed);
	sp_sim_run_until(f->api.sim, began_ns + 4 * SECOND);
	call->on_bytes = NULL;
	if (!call->closed) /* HTTP/1: the end stands behind what was not read */
		sp_http_read(call->ex, true);
	T_TRUE(sp_sim_run(f->api.sim, is_closed, call, began_ns + 30 * SECOND));
	T_TRUE(call->code != SP_OK && call->body.len > 0 && call->body.len < SAID_BYTES);
}

SP_TEST(api_deadline, answers_are_cut_h1)
{
	answer_is_cut(false);
}

SP_TEST(api_deadline, answers_are_cut_h2)
{
	answer_is_cut(true);
}

/* The same, read in time. */
SP_TEST(api_deadline, answers_in_time_are_whole)
{
	static const t_req list = {.method = "GET", .path = MAPS "?timeout=3s"};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL && put_large(f));
	t_ask_one(f, &list, 200, NULL);
	T_TRUE(f->call.code == SP_OK && f->call.body.len > SAID_BYTES);
	sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + 10 * SECOND);
	t_ask_one(f, &list, 200, NULL);
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
