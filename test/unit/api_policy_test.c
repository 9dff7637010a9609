/* SPDX-License-Identifier: Apache-2.0 */
/* Admission policies, and the rules of custom resources, of a whole server. */
#include <stdio.h>

#include "lib/api_ask.h"
#include "lib/t.h"

#define GROUP "/apis/admissionregistration.k8s.io/v1/"
#define POLICIES GROUP "validatingadmissionpolicies"
#define BINDINGS GROUP "validatingadmissionpolicybindings"
#define MUTATORS GROUP "mutatingadmissionpolicies"
#define MUTATOR_BINDINGS GROUP "mutatingadmissionpolicybindings"
#define MAPS "/api/v1/namespaces/default/configmaps"
#define MATCH(more)                                                                                \
	"\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"]," \
	"\"operations\":[\"CREATE\",\"UPDATE\"],\"resources\":[\"configmaps\"]}]" more "}"
#define POLICY(spec) "{\"metadata\":{\"name\":\"p.x\"},\"spec\":{" MATCH("") "," spec "}}"
#define BINDING(spec) "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p.x\"" spec "}}"
#define DENY ",\"validationActions\":[\"Deny\"]"
#define DENIED                                                                                            \
	"*\"message\":\"configmaps \\\"m\\\" is forbidden: ValidatingAdmissionPolicy 'p.x' with binding " \
	"'b' denied request: "
#define MAP(more) "{\"metadata\":{\"name\":\"m\"" more "}}"

static void settle(t_asker *f)
{
	sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + UINT64_C(1000000000));
}

static void ask(t_asker *f, const char *method, const char *path, const char *body, uint16_t status,
		const char *like)
{
	if (f == NULL || t_failed())
		return;
	bool patches = sp_str_eq(sp_str_c(method), SP_STR("PATCH"));
	const t_req q = {.method = method,
			 .path = path,
			 .type = patches ? "application/merge-patch+json" : NULL,
			 .body = sp_str_c(body)};
	t_ask_one(f, &q, status, like);
}

/* A server with this policy and its binding in force. */
static t_asker *with(const char *policies, const char *policy, const char *bindings, const char *binding)
{
	t_asker *f = t_asker_open();
	ask(f, "POST", policies, policy, 201, NULL);
	ask(f, "POST", bindings, binding, 201, NULL);
	if (f != NULL)
		settle(f);
	return f;
}

/* What becomes of `body` under a policy of this spec. */
typedef struct verdict {
	const char *spec, *binding, *body;
	uint16_t status;
	const char *like;
} verdict;

static void judge(const verdict *rows, size_t n)
{
	for (size_t i = 0; i < n && !t_failed(); i++) {
		t_asker *f = with(POLICIES, rows[i].spec, BINDINGS, rows[i].binding);
		ask(f, "POST", MAPS "?dryRun=All", rows[i].body, rows[i].status, rows[i].like);
	}
}

SP_TEST(api_policy, what_is_denied)
{
	static const verdict rows[] = {
		{POLICY("\"validations\":[{\"expression\":\"has(object.data)\"}]"), BINDING(DENY), MAP(""),
		 422, DENIED "failed expression: has(object.data)\",\"reason\":\"Invalid\"*"},
		{POLICY("\"validations\":[{\"expression\":\"has(object.data)\",\"message\":\"no "
			"data\",\"reason\":"
			"\"Forbidden\"}]"),
		 BINDING(DENY), MAP(""), 403, DENIED "no data\",\"reason\":\"Forbidden\"*"},
		{POLICY("\"validations\":[{\"expression\":\"false\",\"messageExpression\":\"'not ' + "
			"object.metadata.name\"}]"),
		 BINDING(DENY), MAP(""), 422, DENIED "not m\"*"},
		/* A message expression that fails gives way to the message. */
		{POLICY("\"validations\":[{\"expression\":\"false\",\"message\":\"plain\","
			"\"messageExpression\":"
			"\"string(object.data.x)\"}]"),
		 BINDING(DENY), MAP(""), 422, DENIED "plain\"*"},
		{POLICY("\"validations\":[{\"expression\":\"object.data.x == 'y'\"}]"), BINDING(DENY),
		 MAP(""), 422,
		 DENIED "expression 'object.data.x == 'y'' resulted in error: no such key: data\"*"},
		{POLICY("\"failurePolicy\":\"Ignore\",\"validations\":[{\"expression\":\"object.data.x == "
			"'y'\"}]"),
		 BINDING(DENY), MAP(""), 201, "*"},
		{POLICY("\"variables\":[{\"name\":\"n\",\"expression\":\"object.metadata.name\"}],"
			"\"validations\":[{\"expression\":\"variables.n != 'm'\",\"message\":\"m\"}]"),
		 BINDING(DENY), MAP(""), 422, DENIED "m\"*"},
		{POLICY("\"validations\":[{\"expression\":\"request.operation != 'CREATE' || request.dryRun "
			"== "
			"false || namespaceObject.metadata.name != 'default'\"}]"),
		 BINDING(DENY), MAP(""), 422, DENIED "failed expression: request*"},
		{POLICY("\"validations\":[{\"expression\":\"authorizer.group('').resource('pods').check('get'"
			")"
			".allowed() == false\"}]"),
		 BINDING(DENY), MAP(""), 422, DENIED "failed expression: authorizer*"},
	};
	judge(rows, SP_LEN(rows));
}

SP_TEST(api_policy, what_is_let_through)
{
	static const verdict rows[] = {
		{POLICY("\"validations\":[{\"expression\":\"true\"}]"), BINDING(DENY), MAP(""), 201, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(",\"validationActions\":[\"Warn\"]"), MAP(""), 201, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(",\"validationActions\":[\"Audit\"]"), MAP(""), 201, "*"},
		{POLICY("\"matchConditions\":[{\"name\":\"c\",\"expression\":\"object.metadata.name != "
			"'m'\"}],"
			"\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(DENY), MAP(""), 201, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(DENY ",\"matchResources\":{\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}}"),
		 MAP(""), 201, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(DENY ",\"matchResources\":{\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}}}"),
		 MAP(",\"labels\":{\"a\":\"b\"}"), 422, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(DENY ",\"matchResources\":{\"namespaceSelector\":{\"matchLabels\":{"
			      "\"kubernetes.io/metadata.name\":\"other\"}}}"),
		 MAP(""), 201, "*"},
		{POLICY("\"validations\":[{\"expression\":\"false\"}]"),
		 BINDING(DENY
			 ",\"matchResources\":{\"excludeResourceRules\":[{\"apiGroups\":[\"\"],"
			 "\"apiVersions\":[\"*\"],\"operations\":[\"CREATE\"],\"resources\":[\"configmaps\"],"
			 "\"resourceNames\":[\"m\"]}]}"),
		 MAP(""), 201, "*"},
	};
	judge(rows, SP_LEN(rows));
}

#define PARAMS "\"paramKind\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"},"
#define REF(more) DENY ",\"paramRef\":{\"name\":\"limits\",\"namespace\":\"default\"" more "}"

SP_TEST(api_policy, parameters)
{
	t_asker *f = with(
		POLICIES,
		POLICY(PARAMS
		       "\"validations\":[{\"expression\":\"object.metadata.name.size() <= "
		       "int(params.data.max)\",\"messageExpression\":\"'at most ' + params.data.max\"}]"),
		BINDINGS, BINDING(REF(",\"parameterNotFoundAction\":\"Deny\"")));
	ask(f, "POST", MAPS, MAP(""), 422,
	    "*\"message\":\"configmaps \\\"m\\\" is forbidden: ValidatingAdmissionPolicy 'p.x\' with binding "
	    "'b' denied request: failed to configure binding: no "
	    "params found for "
	    "policy binding with `Deny` parameterNotFoundAction\"*");
}

SP_TEST(api_policy, parameters_are_looked_up)
{
	t_asker *f = t_asker_open();
	ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"limits\"},\"data\":{\"max\":\"2\"}}", 201, NULL);
	ask(f, "POST", POLICIES,
	    POLICY(PARAMS "\"validations\":[{\"expression\":\"object.metadata.name == 'limits' || "
			  "object.metadata.name.size() <= "
			  "int(params.data.max)\",\"messageExpression\":\"'at most ' + params.data.max\"}]"),
	    201, NULL);
	ask(f, "POST", BINDINGS, BINDING(REF(",\"parameterNotFoundAction\":\"Allow\"")), 201, NULL);
	if (f != NULL)
		settle(f);
	ask(f, "POST", MAPS, MAP(""), 201, NULL);
	ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"long\"}}", 422, "*denied request: at most 2\"*");
	ask(f, "PATCH", MAPS "/limits", "{\"data\":{\"max\":\"9\"}}", 200, NULL);
	if (f != NULL)
		settle(f);
	ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"long\"}}", 201, NULL);
}

SP_TEST(api_policy, the_old_object_is_seen)
{
	t_asker *f = with(POLICIES,
			  POLICY("\"validations\":[{\"expression\":\"oldObject == null || "
				 "oldObject.data.a == object.data.a\",\"message\":\"a stays\"}]"),
			  BINDINGS, BINDING(DENY));
	ask(f, "POST", MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\"}}", 201, NULL);
	ask(f, "PATCH", MAPS "/m", "{\"data\":{\"b\":\"1\"}}", 200, NULL);
	ask(f, "PATCH", MAPS "/m", "{\"data\":{\"a\":\"2\"}}", 422, DENIED "a stays\"*");
	ask(f, "DELETE", BINDINGS "/b", "", 200, NULL);
	if (f != NULL)
		settle(f);
	ask(f, "PATCH", MAPS "/m", "{\"data\":{\"a\":\"2\"}}", 200, NULL);
}

SP_TEST(api_policy, expressions_are_compiled_when_written)
{
	t_asker *f = t_asker_open();
	ask(f, "POST", POLICIES, POLICY("\"validations\":[{\"expression\":\"object.\"}]"), 422,
	    "*spec.validations[0].expression: Invalid value: \\\"object.\\\": compilation failed: ERROR: "
	    "*:1:8: "
	    "Syntax error:*");
	ask(f, "POST", POLICIES, POLICY("\"validations\":[{\"expression\":\"1 + 1\"}]"), 422,
	    "*must evaluate to bool*");
	ask(f, "POST", POLICIES,
	    POLICY("\"validations\":[{\"expression\":\"variables.x\"}],\"variables\":[{\"name\":\"y\","
		   "\"expression\":\"1\"}]"),
	    422, "*undefined field 'x'*");
}

#define MUTATOR(mutation)                                                                            \
	"{\"metadata\":{\"name\":\"p.x\"},\"spec\":{" MATCH("") ",\"reinvocationPolicy\":\"Never\"," \
								"\"mutations\":[" mutation "]}}"

SP_TEST(api_policy, objects_are_changed)
{
	static const struct {
		const char *mutation;
		uint16_t status;
		const char *like;
	} rows[] = {
		{"{\"patchType\":\"ApplyConfiguration\",\"applyConfiguration\":{\"expression\":\"Object{"
		 "metadata: "
		 "Object.metadata{labels: {'a': object.metadata.name}}}\"}}",
		 201, "*\"labels\":{\"a\":\"m\"}*"},
		{"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: "
		 "'/data', "
		 "value: {'k': 'v'}}]\"}}",
		 201, "*\"data\":{\"k\":\"v\"}*"},
		/* One after another, each over what the one before made. */
		{"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: "
		 "'/data', "
		 "value: {'k': 'v'}}]\"}},{\"patchType\":\"ApplyConfiguration\",\"applyConfiguration\":{"
		 "\"expression\":\"Object{data: {'l': object.data.k + 'w'}}\"}}",
		 201, "*\"data\":{\"k\":\"v\",\"l\":\"vw\"}*"},
		{"{\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'remove', "
		 "path: "
		 "'/data/x'}]\"}}",
		 403, "*denied request: JSON Patch: remove operation does not apply*"},
	};
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		char policy[2048];
		(void)snprintf(policy, sizeof(policy), MUTATOR("%s"), rows[i].mutation);
		t_asker *f = with(MUTATORS, policy, MUTATOR_BINDINGS, BINDING(""));
		ask(f, "POST", MAPS, MAP(""), rows[i].status, rows[i].like);
	}
}

/* ---- other versions of custom resources ---- */

#define VERSIONS_CRD "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define VERSION(name, stored)                                                                             \
	"{\"name\":\"" name "\",\"served\":true,\"storage\":" stored                                      \
	",\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":" \
	"true}}}"
#define TWO(conversion)                                                                               \
	"{\"metadata\":{\"name\":\"vs.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\"," \
	"\"names\":{\"plural\":\"vs\",\"kind\":\"V\"}," conversion                                    \
	"\"versions\":[" VERSION("v1", "true") "," VERSION("v2", "false") "]}}"
#define BY_WEBHOOK                                                                                     \
	"\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":[\"v1\"]," \
	"\"clientConfig\":{\"url\":\"https://10.0.0.9/\"}}},"
#define OF_V2(more)                                                                                 \
	"{\"metadata\":{\"name\":\"p.x\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{"     \
	"\"apiGroups\":["                                                                           \
	"\"x.io\"],\"apiVersions\":[\"v2\"],\"operations\":[\"*\"],\"resources\":[\"vs\"]}]}," more \
	"\"validations\":[{\"expression\":\"object.apiVersion == 'x.io/v2'\"}]}}"
#define V(name) "{\"apiVersion\":\"x.io/v1\",\"kind\":\"V\",\"metadata\":{\"name\":\"" name "\"}}"
#define VS "/apis/x.io/v1/namespaces/default/vs"

/* An object that a webhook has to convert first, and does not, is not judged as what it is not. */
SP_TEST(api_policy, other_versions)
{
	static const struct {
		const char *crd, *policy;
		uint16_t status;
		const char *like;
	} rows[] = {
		{TWO(""), OF_V2(""), 201, NULL},
		{TWO(BY_WEBHOOK), OF_V2(""), 422,
		 "*'p.x' with binding 'b' denied request: failed to configure binding: failed to convert "
		 "object version: conversion webhook for x.io/v1, Kind=V failed: Post "
		 "\\\"https://10.0.0.9/?timeout=30s\\\": context deadline exceeded\"*"},
		{TWO(BY_WEBHOOK), OF_V2("\"failurePolicy\":\"Ignore\","), 201, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		t_asker *f = with(POLICIES, rows[i].policy, BINDINGS, BINDING(DENY));
		ask(f, "POST", VERSIONS_CRD, rows[i].crd, 201, NULL);
		if (f != NULL)
			settle(f);
		ask(f, "POST", VS, V("a"), rows[i].status, rows[i].like);
	}
}

#define BY_V2                                                                                         \
	"\"paramKind\":{\"apiVersion\":\"x.io/v2\",\"kind\":\"V\"},\"validations\":[{\"expression\":" \
	"\"params.apiVersion == 'x.io/v2'\"}]"
#define OF_A \
	DENY ",\"paramRef\":{\"name\":\"a\",\"namespace\":\"default\",\"parameterNotFoundAction\":\"Deny\"}"

SP_TEST(api_policy, parameters_of_other_versions)
{
	static const struct {
		const char *crd;
		uint16_t status;
		const char *like;
	} rows[] = {
		{TWO(""), 201, NULL},
		{TWO(BY_WEBHOOK), 422,
		 DENIED "failed to configure binding: paramKind kind `\\u0026ParamKind{APIVersion:x.io/v2,"
			"Kind:V,}` not yet synced to use for admission\"*"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		t_asker *f = t_asker_open();
		ask(f, "POST", VERSIONS_CRD, rows[i].crd, 201, NULL);
		if (f != NULL)
			settle(f);
		ask(f, "POST", VS, V("a"), 201, NULL);
		ask(f, "POST", POLICIES, POLICY(BY_V2), 201, NULL);
		ask(f, "POST", BINDINGS, BINDING(OF_A), 201, NULL);
		if (f != NULL)
			settle(f);
		ask(f, "POST", MAPS, MAP(""), rows[i].status, rows[i].like);
	}
}

#define MUTATES_V2(more)                                                                           \
	"{\"metadata\":{\"name\":\"p.x\"},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{"    \
	"\"apiGroups\":[\"x.io\"],\"apiVersions\":[\"v2\"],\"operations\":[\"CREATE\"],"           \
	"\"resources\":[\"vs\"]}]}," more "\"reinvocationPolicy\":\"IfNeeded\",\"mutations\":[{"   \
	"\"patchType\":\"JSONPatch\",\"jsonPatch\":{\"expression\":\"[JSONPatch{op: 'add', path: " \
	"'/spec', value: {'of': object.apiVersion + (has(object.spec) ? object.spec.of : '')}}]\"}}]}}"

/* One that changes something sees it once more, itself, as upstream. */
SP_TEST(api_policy, mutations_of_other_versions)
{
	static const struct {
		const char *crd, *policy;
		uint16_t status;
		const char *like;
	} rows[] = {
		{TWO(""), MUTATES_V2(""), 201,
		 "*\"apiVersion\":\"x.io/v1\"*\"spec\":{\"of\":\"x.io/v2x.io/v2\"}*"},
		{TWO(BY_WEBHOOK), MUTATES_V2(""), 403,
		 "*policy \\\"p.x\\\" denied request: failed to configure policy: conversion webhook for "
		 "x.io/v1, Kind=V failed: Post \\\"https://10.0.0.9/?timeout=30s\\\": context deadline "
		 "exceeded\"*"},
		{TWO(BY_WEBHOOK), MUTATES_V2("\"failurePolicy\":\"Ignore\","), 201, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		t_asker *f = with(MUTATORS, rows[i].policy, MUTATOR_BINDINGS, BINDING(""));
		ask(f, "POST", VERSIONS_CRD, rows[i].crd, 201, NULL);
		if (f != NULL)
			settle(f);
		ask(f, "POST", VS, V("a"), rows[i].status, rows[i].like);
	}
}

/* A client that does not wait for the conversion takes its write along, and all that was kept for it. */
SP_TEST(api_policy, nobody_waits_for_other_versions)
{
	static const t_req hasty = {.method = "POST",
				    .path = VS,
				    .body = SP_STR_INIT(V("b")),
				    .within_ns = UINT64_C(2000000000)},
			   map = {.method = "POST",
				  .path = MAPS,
				  .body = SP_STR_INIT(MAP("")),
				  .within_ns = UINT64_C(2000000000)};
	t_asker *f = t_asker_open();
	ask(f, "POST", VERSIONS_CRD, TWO(BY_WEBHOOK), 201, NULL);
	if (f != NULL)
		settle(f);
	ask(f, "POST", VS, V("a"), 201, NULL);
	ask(f, "POST", POLICIES, POLICY(BY_V2), 201, NULL);
	ask(f, "POST", BINDINGS, BINDING(OF_A), 201, NULL);
	ask(f, "POST", MUTATORS, MUTATES_V2(""), 201, NULL);
	ask(f, "POST", MUTATOR_BINDINGS, BINDING(""), 201, NULL);
	T_TRUE(f != NULL && !t_failed());
	settle(f);
	T_TRUE(t_call_wait(&f->api.maker, &f->call, &hasty));
	T_EQ_U64(f->call.status, 0);
	T_TRUE(t_call_wait(&f->api.maker, &f->call, &map));
	T_EQ_U64(f->call.status, 0);
	ask(f, "GET", "/apis/x.io/v1/namespaces/default/vs/b", "", 404, NULL);
	ask(f, "GET", MAPS "/m", "", 404, NULL);
}

#define N_VERSIONS 20u

/* A server with a kind of many versions, and a webhook for each but the first; only the last one may not
 * fail. */
static t_asker *with_many_versions(void)
{
	t_asker *f = t_asker_open();
	SP_AUTO_BUF crd;
	SP_AUTO_BUF hooks;
	sp_buf_init(&crd, (size_t)1 << 16);
	sp_buf_init(&hooks, (size_t)1 << 16);
	(void)sp_buf_str(&crd, SP_STR("{\"metadata\":{\"name\":\"vs.x.io\"},\"spec\":{\"group\":\"x.io\","
				      "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"vs\",\"kind\":"
				      "\"V\"},\"versions\":["));
	(void)sp_buf_str(&hooks, SP_STR("{\"metadata\":{\"name\":\"w\"},\"webhooks\":["));
	for (unsigned i = 1; i <= N_VERSIONS; i++) {
		(void)sp_buf_printf(&crd,
				    "%s{\"name\":\"v%u\",\"served\":true,\"storage\":%s,\"schema\":{"
				    "\"openAPIV3Schema\":{\"type\":\"object\"}}}",
				    i > 1 ? "," : "", i, i == 1 ? "true" : "false");
		if (i > 1)
			(void)sp_buf_printf(
				&hooks,
				"%s{\"name\":\"w%u.x.io\",\"clientConfig\":{\"url\":\"https://10.0.0.9/\"},"
				"\"rules\":[{\"apiGroups\":[\"x.io\"],\"apiVersions\":[\"v%u\"],"
				"\"operations\":"
				"[\"*\"],\"resources\":[\"vs\"]}],\"failurePolicy\":\"%s\",\"sideEffects\":"
				"\"None\",\"admissionReviewVersions\":[\"v1\"]}",
				i > 2 ? "," : "", i, i, i == N_VERSIONS ? "Fail" : "Ignore");
	}
	(void)sp_buf_str(&crd, SP_STR("]}}"));
	(void)sp_buf_str(&hooks, SP_STR("]}"));
	(void)sp_buf_char(&crd, '\0');
	(void)sp_buf_char(&hooks, '\0');
	ask(f, "POST", VERSIONS_CRD, sp_buf_view(&crd).ptr, 201, NULL);
	ask(f, "POST", GROUP "validatingwebhookconfigurations", sp_buf_view(&hooks).ptr, 201, NULL);
	if (f != NULL)
		settle(f);
	return f;
}

/* However many versions are asked for, the last one is asked, too. */
SP_TEST(api_policy, webhooks_of_many_versions)
{
	t_asker *f = with_many_versions();
	ask(f, "POST", VS, V("a"), 500,
	    "*failed calling webhook \\\"w20.x.io\\\": failed to call webhook: *");
}

/* ---- quotas ---- */

#define QUOTAS "/api/v1/namespaces/default/resourcequotas"

/* A namespace may have as many as it likes, and each counts. */
SP_TEST(api_policy, every_quota_counts)
{
	char text[64];
	t_asker *f = t_asker_open();
	for (unsigned i = 0; i < 70; i++) {
		(void)snprintf(text, sizeof text, "{\"metadata\":{\"name\":\"q%u\"}}", i);
		ask(f, "POST", QUOTAS, text, 201, NULL);
	}
	ask(f, "POST", QUOTAS, "{\"metadata\":{\"name\":\"z\"},\"spec\":{\"hard\":{\"configmaps\":\"0\"}}}",
	    201, NULL);
	ask(f, "PATCH", QUOTAS "/z/status",
	    "{\"status\":{\"hard\":{\"configmaps\":\"0\"},\"used\":{\"configmaps\":\"0\"}}}", 200, NULL);
	ask(f, "POST", MAPS, MAP(""), 403, "*exceeded quota: z, requested: configmaps=1, used: *");
}

/* ---- rules of custom resources ---- */

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define CRD(schema)                                                                                    \
	"{\"metadata\":{\"name\":\"ws.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\","  \
	"\"names\":{\"plural\":\"ws\",\"kind\":\"W\"},\"versions\":[{\"name\":\"v1\",\"served\":true," \
	"\"storage\":true,\"subresources\":{\"status\":{}},\"schema\":{\"openAPIV3Schema\":{\"type\":" \
	"\"object\",\"properties\":{" schema "}}}}]}}"
#define SPEC(properties, rules)                                          \
	"\"spec\":{\"type\":\"object\",\"properties\":{" properties "}," \
	"\"x-kubernetes-validations\":[" rules "]}"
#define MIN_MAX "\"min\":{\"type\":\"integer\"},\"max\":{\"type\":\"integer\"}"
#define WS "/apis/x.io/v1/namespaces/default/ws"
#define W(spec) \
	"{\"apiVersion\":\"x.io/v1\",\"kind\":\"W\",\"metadata\":{\"name\":\"w\"},\"spec\":{" spec "}}"

static t_asker *with_crd(const char *crd)
{
	t_asker *f = t_asker_open();
	ask(f, "POST", CRDS, crd, 201, NULL);
	if (f != NULL)
		settle(f);
	return f;
}

SP_TEST(api_policy, custom_resources_keep_their_rules)
{
	t_asker *f = with_crd(CRD(SPEC(
		MIN_MAX,
		"{\"rule\":\"self.min <= self.max\",\"message\":\"min over max\"},{\"rule\":\"self.max < "
		"100\","
		"\"messageExpression\":\"'max is %d'.format([self.max])\",\"fieldPath\":\".max\",\"reason\":"
		"\"FieldValueForbidden\"},{\"rule\":\"self.min >= oldSelf.min\"}")));
	ask(f, "POST", WS, W("\"min\":2,\"max\":1"), 422,
	    "*\"message\":\"W.x.io \\\"w\\\" is invalid: spec: Invalid value: min over max\",*");
	ask(f, "POST", WS, W("\"min\":2,\"max\":100"), 422,
	    "*{\"reason\":\"FieldValueForbidden\",\"message\":\"Forbidden: max is "
	    "100\",\"field\":\"spec.max\"}*");
	ask(f, "POST", WS, W("\"min\":2"), 422, "*no such key: max evaluating rule: min over max*");
	ask(f, "POST", WS, W("\"min\":2,\"max\":3"), 201, NULL);
	ask(f, "PATCH", WS "/w", "{\"spec\":{\"min\":1}}", 422, "*failed rule: self.min *= oldSelf.min\",*");
	ask(f, "PATCH", WS "/w", "{\"spec\":{\"min\":3}}", 200, NULL);
}

SP_TEST(api_policy, unchanged_values_are_tolerated)
{
	static const char rule[] =
		"[{\"op\":\"add\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/"
		"properties/spec/properties/max/x-kubernetes-validations\",\"value\":[{\"rule\":"
		"\"self < 10\"}]}]";
	t_asker *f = with_crd(CRD("\"spec\":{\"type\":\"object\",\"properties\":{" MIN_MAX "}}"));
	ask(f, "POST", WS, W("\"min\":2,\"max\":30"), 201, NULL);
	if (f != NULL && !t_failed()) {
		const t_req q = {.method = "PATCH",
				 .path = CRDS "/ws.x.io",
				 .type = "application/json-patch+json",
				 .body = sp_str_c(rule)};
		t_ask_one(f, &q, 200, NULL);
		settle(f);
	}
	ask(f, "PATCH", WS "/w", "{\"spec\":{\"min\":5}}", 200, NULL);
	ask(f, "PATCH", WS "/w", "{\"spec\":{\"max\":31}}", 422,
	    "*spec.max: Invalid value: 31: failed rule: self *");
	ask(f, "PATCH", WS "/w", "{\"spec\":{\"max\":9}}", 200, NULL);
}

SP_TEST(api_policy, rules_are_compiled_and_weighed)
{
	static const struct {
		const char *crd, *like;
	} rows[] = {
		{CRD(SPEC(MIN_MAX, "{\"rule\":\"self.nope > 1\"}")),
		 "*x-kubernetes-validations[0].rule: Invalid value: *self.nope *compilation "
		 "failed: ERROR: *:1:5: undefined field 'nope'*"},
		{CRD(SPEC("\"l\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{\"type\":"
			  "\"string\"}}}",
			  "{\"rule\":\"self.l.all(a, a.all(b, a.all(c, b != c)))\"}")),
		 "*estimated rule cost exceeds budget by factor of more than 100x*"},
		{CRD(SPEC(MIN_MAX, "{\"rule\":\"true\",\"fieldPath\":\".nope\"}")),
		 "*fieldPath: Invalid value:*"},
		{CRD(SPEC(MIN_MAX, "{\"rule\":\"true\",\"messageExpression\":\"1\"}")),
		 "*messageExpression: Invalid value:*must evaluate to a string*"},
		{CRD(SPEC(MIN_MAX, "{\"rule\":\"true\",\"optionalOldSelf\":true}")),
		 "*optionalOldSelf: Invalid value:*"},
	};
	t_asker *f = t_asker_open();
	for (size_t i = 0; i < SP_LEN(rows); i++)
		ask(f, "POST", CRDS, rows[i].crd, 422, rows[i].like);
}

SP_TEST(api_policy, formats_and_choices)
{
	t_asker *f = with_crd(CRD(
		"\"spec\":{\"type\":\"object\",\"properties\":{\"ip\":{\"type\":\"string\",\"format\":"
		"\"ipv4\"},\"wait\":{\"type\":\"string\",\"format\":\"duration\"},\"mail\":{\"type\":"
		"\"string\",\"format\":\"email\"},\"isbn\":{\"type\":\"string\",\"format\":\"isbn\"},\"mac\":"
		"{"
		"\"type\":\"string\",\"format\":\"mac\"},\"n\":{\"type\":\"integer\",\"anyOf\":[{\"minimum\":"
		"10},{\"multipleOf\":7}]}}}"));
	ask(f, "POST", WS, W("\"ip\":\"1.2.3\""), 422,
	    "*spec.ip: Invalid value: \\\"1.2.3\\\": spec.ip in body must be of type ipv4: \\\"1.2.3\\\"*");
	ask(f, "POST", WS,
	    W("\"wait\":\"3 fortnights\",\"mail\":\"a@@b\",\"isbn\":\"0321751044\",\"mac\":\"00:11\""), 422,
	    "*type isbn*type mac*type email*type duration*");
	ask(f, "POST", WS, W("\"n\":3"), 422,
	    "*nil*: Invalid value: \\\"\\\": \\\"spec.n\\\" must validate at least one schema (anyOf), "
	    "spec.n: "
	    "Invalid value: 3: spec.n in body should be greater than or equal to 10*");
	ask(f, "POST", WS,
	    W("\"ip\":\"1.2.3.4\",\"wait\":\"2 days\",\"mail\":\"B "
	      "<a@b.c>\",\"isbn\":\"978-0321751041\",\"mac\":"
	      "\"0123.4567.89ab\",\"n\":14"),
	    201, NULL);
}
