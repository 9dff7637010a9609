/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of the API server to representative requests, to the letter, over the store in memory on a
 * simulated network without faults.
 */
#include "apiserver/gzip.h"
#include "base/json.h"
#include "base/pb.h"
#include "lib/api_ask.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MAPS "/api/v1/namespaces/default/configmaps"
#define META "\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{}"
#define GR_K "\"name\":\"k\",\"kind\":\"configmaps\""
/* What the server adds to an object. */
#define BORN "\"uid\":\"*\",\"resourceVersion\":\"*\",\"creationTimestamp\":\"2026-01-01T00:00:0*Z\""

static t_asker *with_maps(unsigned n)
{
	t_asker *f = t_asker_open();
	for (unsigned i = 0; i < n && f != NULL && !t_failed(); i++) {
		const t_req q = {.method = "POST",
				 .path = MAPS,
				 .body = sp_arena_printf(
					 T_ARENA,
					 "{\"metadata\":{\"name\":\"k%u\",\"labels\":{\"odd\":\"%u\"}}}", i,
					 i % 2)};
		t_ask_one(f, &q, 201, NULL);
	}
	return t_failed() ? NULL : f;
}

/* ---- writes ---- */

SP_TEST(apiserver, create_get_delete)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = MAPS,
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"},\"data\":{\"a\":\"1\"}}")},
		 201,
		 "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"k\",\"namespace\":"
		 "\"default\"," BORN ",\"managedFields\":[*]},\"data\":{\"a\":\"1\"}}\n"},
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 409,
		 "{" META
		 ",\"status\":\"Failure\",\"message\":\"configmaps \\\"k\\\" already exists\",\"reason\":"
		 "\"AlreadyExists\",\"details\":{" GR_K "},\"code\":409}\n"},
		{{.method = "POST", /* a name that was asked for is not made up, but answered alike */
		  .path = MAPS,
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\",\"generateName\":\"k-\"}}")},
		 409,
		 "*already exists, the server was not able to generate a unique name for the "
		 "object\",\"reason\":\"AlreadyExists\",\"details\":{" GR_K
		 ",\"retryAfterSeconds\":1},\"code\":409}\n"},
		{{.method = "PUT",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\",\"resourceVersion\":\"1\"}}")},
		 409,
		 "{" META ",\"status\":\"Failure\",\"message\":\"Operation cannot be fulfilled on configmaps "
		 "\\\"k\\\": the object has been modified; please apply your changes to the latest version "
		 "and try again\",\"reason\":\"Conflict\",\"details\":{" GR_K "},\"code\":409}\n"},
		{{.method = "PUT",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\",\"resourceVersion\":\"x\"}}")},
		 500,
		 "{" META
		 ",\"status\":\"Failure\",\"message\":\"strconv.ParseUint: parsing \\\"x\\\": invalid "
		 "syntax\",\"code\":500}\n"},
		{{.method = "PUT",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\",\"uid\":\"u\"}}")},
		 409,
		 "*Precondition failed: UID in precondition: u, UID in object meta: *"},
		{{.method = "PATCH", /* has no precondition */
		  .path = MAPS "/k",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{\"metadata\":{\"uid\":\"u\"}}")},
		 422,
		 "*metadata.uid: Invalid value: \\\"u\\\": field is immutable*"},
		{{.method = "DELETE", .path = MAPS "/k"},
		 200,
		 "{" META ",\"status\":\"Success\",\"details\":{" GR_K ",\"uid\":\"*\"}}\n"},
		{{.method = "GET", .path = MAPS "/k"},
		 404,
		 "{" META ",\"status\":\"Failure\",\"message\":\"configmaps \\\"k\\\" not "
		 "found\",\"reason\":\"NotFound\",\"details\":{" GR_K "},\"code\":404}\n"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

/* The texts are kube-apiserver 1.36.2's. */
SP_TEST(apiserver, applied_keys_that_are_there_twice)
{
#define TWICE                                                                                         \
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: \"1\"\n  a: \"2\"\n  b: " \
	"\"1\"\n  b: \"2\"\n"
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = MAPS "/c?fieldManager=x&fieldValidation=Strict",
		  .type = "application/apply-patch+yaml",
		  .body = SP_STR_INIT(TWICE)},
		 400,
		 "*\"message\":\"error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal "
		 "errors:\\n  line "
		 "7: key \\\"a\\\" already set in map\\n  line 9: key \\\"b\\\" already set in "
		 "map\",\"reason\":\"BadRequest\",\"code\":400}\n"},
		{{.method = "GET", .path = MAPS "/c"}, 404, NULL},
		{{.method = "PATCH",
		  .path = MAPS "/c?fieldManager=x&fieldValidation=Ignore",
		  .type = "application/apply-patch+yaml",
		  .body = SP_STR_INIT(TWICE)},
		 201,
		 "*\"data\":{\"a\":\"2\",\"b\":\"2\"}}\n"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

/* Options come in any medium; each of these is dryRun: [All], so the object stays. */
SP_TEST(apiserver, delete_options_media)
{
#define OPTIONS_PB                    \
	"k8s\0\n\x13\n\002v1\022\x0d" \
	"DeleteOptions\022\005*\003All"
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 201,
		 NULL},
		{{.method = "DELETE",
		  .path = MAPS "/k",
		  .type = "application/vnd.kubernetes.protobuf",
		  .body = SP_STR_INIT(OPTIONS_PB)},
		 200,
		 "*\"status\":\"Success\"*"},
		{{.method = "DELETE",
		  .path = MAPS,
		  .type = "application/vnd.kubernetes.protobuf",
		  .body = SP_STR_INIT(OPTIONS_PB)},
		 200,
		 "*\"name\":\"k\"*"},
		{{.method = "DELETE",
		  .path = MAPS "/k",
		  .type = "application/yaml",
		  .body = SP_STR_INIT("dryRun: [All]\n")},
		 200,
		 "*\"status\":\"Success\"*"},
		{{.method = "DELETE", .path = MAPS "/k", .body = SP_STR_INIT("{\"dryRun\":[\"All\"]}")},
		 200,
		 "*\"status\":\"Success\"*"},
		{{.method = "DELETE",
		  .path = MAPS "/k",
		  .type = "application/vnd.kubernetes.protobuf",
		  .body = SP_STR_INIT("k8s\0\n\x13")},
		 400,
		 NULL},
		{{.method = "DELETE", .path = MAPS "/k", .type = "text/plain", .body = SP_STR_INIT("x")},
		 415,
		 "*\"reason\":\"UnsupportedMediaType\",\"code\":415}\n"},
		{{.method = "GET", .path = MAPS "/k"}, 200, NULL},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(apiserver, update_and_patch)
{
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 201,
		 NULL},
		{{.method = "PUT",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"},\"data\":{\"a\":\"1\"}}")},
		 200,
		 "*\"data\":{\"a\":\"1\"}}\n"},
		{{.method = "PATCH",
		  .path = MAPS "/k",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{\"data\":{\"a\":null,\"b\":\"2\"}}")},
		 200,
		 "*\"data\":{\"b\":\"2\"}}\n"},
		{{.method = "PATCH",
		  .path = MAPS "/k",
		  .type = "application/json-patch+json",
		  .body = SP_STR_INIT("[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"3\"}]")},
		 200,
		 "*\"data\":{\"b\":\"2\",\"c\":\"3\"}}\n"},
		{{.method = "PATCH",
		  .path = MAPS "/k?fieldManager=m",
		  .type = "application/apply-patch+yaml",
		  .body = SP_STR_INIT(
			  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\ndata: {d: '4'}\n")},
		 200,
		 "*\"data\":{\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"}}\n"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

/* The pieces fit the schema of field owners, the whole is no object of the kind. */
SP_TEST(apiserver, applied_but_no_object)
{
	static const t_ask_row rows[] = {
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/secrets/s?fieldManager=x",
		  .type = "application/apply-patch+yaml",
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},"
			  "\"data\":{\"k\":\"v\"}}")},
		 500,
		 "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		 "\"message\":"
		 "\"failed to convert new object (/s; /v1, Kind=Secret) to proper version: unable to convert "
		 "unstructured object to /v1, Kind=Secret: error decoding from json: illegal base64 data at "
		 "input byte 0\",\"code\":500}\n"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/limitranges/l?fieldManager=x",
		  .type = "application/apply-patch+yaml",
		  .body = SP_STR_INIT(
			  "{\"apiVersion\":\"v1\",\"kind\":\"LimitRange\",\"metadata\":{\"name\":\"l\"},"
			  "\"spec\":{\"limits\":[{\"type\":\"Pod\",\"max\":{\"cpu\":\"x\"}}]}}")},
		 500,
		 "*unable to convert unstructured object to /v1, Kind=LimitRange: quantities must match *"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

#define CLAIM(kind, before, after)                                                                           \
	SP_STR_INIT("{\"apiVersion\":\"resource.k8s.io/v1\",\"kind\":\"" kind                                \
		    "\",\"metadata\":{\"name\":\"c\"}," before                                               \
		    "\"spec\":{\"devices\":{\"requests\":[{\"name\":\"a\",\"exactly\":{\"deviceClassName\":" \
		    "\"c\"}},"                                                                               \
		    "{\"name\":\"b\",\"exactly\":{\"deviceClassName\":\"c\",\"adminAccess\":true}}]}}" after \
		    "}")
#define CLAIMS "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
#define NEEDS_LABEL                                                                                          \
	"*\"causes\":[{\"reason\":\"FieldValueForbidden\",\"message\":\"Forbidden: admin access to devices " \
	"requires the "                                                                                      \
	"`resource.kubernetes.io/admin-access: true` label on the containing "                               \
	"namespace\",\"field\":\"spec.devices."                                                              \
	"requests[1].adminAccess\"}]*"

SP_TEST(apiserver, admin_access_needs_a_labelled_namespace)
{
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = CLAIMS, .body = CLAIM("ResourceClaim", "", "")},
		 422,
		 NEEDS_LABEL},
		{{.method = "POST",
		  .path = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaimtemplates",
		  .body = CLAIM("ResourceClaimTemplate", "\"spec\":{", "}")},
		 422,
		 NEEDS_LABEL},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"labels\":{\"resource.kubernetes.io/admin-access\":\"true\"}}}")},
		 200,
		 NULL},
		{{.method = "POST", .path = CLAIMS, .body = CLAIM("ResourceClaim", "", "")}, 201, NULL},
		/* What was asked for while the label was there is not granted when it is gone. */
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT(
			  "{\"metadata\":{\"labels\":{\"resource.kubernetes.io/admin-access\":null}}}")},
		 200,
		 NULL},
		{{.method = "PATCH",
		  .path = CLAIMS "/c/status",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT(
			  "{\"status\":{\"allocation\":{\"devices\":{\"results\":[{\"request\":\"b\","
			  "\"driver\":"
			  "\"d.example.com\",\"pool\":\"p\",\"device\":\"x\",\"adminAccess\":true}]}}}}")},
		 422,
		 "*\"field\":\"status.allocation.devices.results[0].adminAccess\"*"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(apiserver, a_dry_run_stores_nothing)
{
	static const t_ask_row rows[] = {
		{{.method = "POST",
		  .path = MAPS "?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 201,
		 "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"k\",\"namespace\":"
		 "\"default\","
		 "\"uid\":\"*\",\"creationTimestamp\":*"},
		{{.method = "GET", .path = MAPS "/k"}, 404, NULL},
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 201,
		 NULL},
		{{.method = "POST",
		  .path = MAPS "?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 409,
		 "*\"message\":\"configmaps \\\"k\\\" already exists\",\"reason\":\"AlreadyExists\",*"},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(apiserver, refusals)
{
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"K\"}}")},
		 422,
		 "{" META
		 ",\"status\":\"Failure\",\"message\":\"ConfigMap \\\"K\\\" is invalid: metadata.name: "
		 "Invalid value: \\\"K\\\": a lowercase RFC 1123 subdomain must consist of "
		 "*\",\"reason\":\"Invalid\","
		 "\"details\":{\"name\":\"K\",\"kind\":\"ConfigMap\",\"causes\":[{\"reason\":"
		 "\"FieldValueInvalid\","
		 "\"message\":\"Invalid value: \\\"K\\\": a lowercase "
		 "*\",\"field\":\"metadata.name\"}]},\"code\":422}\n"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/pods",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[]}}")},
		 422,
		 "*\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required "
		 "value\",\"field\":\"spec.containers\"}]},\"code\":422}\n"},
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{")},
		 400,
		 "*\"reason\":\"BadRequest\",\"code\":400}\n"},
		{{.method = "POST", .path = MAPS, .type = "text/plain", .body = SP_STR_INIT("{}")},
		 415,
		 "{" META ",\"status\":\"Failure\",\"message\":\"the body of the request was in an unknown "
		 "format - accepted media "
		 "types include: application/json, application/yaml, "
		 "application/vnd.kubernetes.protobuf\",\"reason\":\"UnsupportedMediaType\",\"code\":415}\n"},
		{{.method = "GET", .path = MAPS, .accept = "text/html"},
		 406,
		 "{" META ",*\"reason\":\"NotAcceptable\",*\"code\":406}\n"},
		{{.method = "POST", .path = MAPS "/k", .body = SP_STR_INIT("{}")},
		 405,
		 "*\"reason\":\"MethodNotAllowed\",*\"code\":405}\n"},
		{{.method = "GET", .path = "/api/v1/things"},
		 404,
		 "*\"message\":\"the server could not find the requested resource\",*\"code\":404}\n"},
		{{.method = "PATCH",
		  .path = "/api/v1/namespaces/default/pods/a/eviction/a",
		  .type = "application/merge-patch+json",
		  .body = SP_STR_INIT("{}")},
		 404,
		 "*\"message\":\"the server could not find the requested resource\",*\"code\":404}\n"},
		{{.method = "GET", .path = "/api/v1/namespaces/default/pods/a/status/b"},
		 404,
		 "*\"message\":\"the server could not find the requested resource\",*\"code\":404}\n"},
		{{.method = "GET", .path = "/nothing"}, 404, NULL},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/none/configmaps",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 404,
		 "*\"message\":\"namespaces \\\"none\\\" not found\",*\"code\":404}\n"},
		{{.method = "GET", .path = MAPS "?resourceVersion=x"}, 400, NULL},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(apiserver, a_body_over_the_limit)
{
	size_t n = ((size_t)3 << 20) + 1;
	t_no_faults();
	char *text = sp_arena_alloc(T_ARENA, n);
	memset(text, 'x', n);
	t_asker *f = t_asker_open();
	const t_req q = {.method = "POST", .path = MAPS, .body = {text, n}};
	if (f != NULL)
		t_ask_one(f, &q, 413,
			  "{" META ",\"status\":\"Failure\",\"message\":\"Request entity too large: limit is "
			  "3145728\",\"reason\":\"RequestEntityTooLarge\",\"code\":413}\n");
}

/* ---- lists ---- */

/* Names of the items, in order, joined. */
static sp_str items(t_asker *f, sp_str *ret_continue, int64_t *ret_remaining)
{
	yyjson_val *v = NULL, *item;
	size_t i, n;
	sp_str names = {NULL, 0};
	if (sp_json_parse(T_ARENA, sp_buf_view(&f->call.body), &v, T_ERR) != SP_OK)
		return names;
	yyjson_val *meta = sp_json_last(v, SP_STR("metadata"));
	*ret_continue = sp_json_str(sp_json_last(meta, SP_STR("continue")));
	*ret_remaining = yyjson_get_sint(sp_json_last(meta, SP_STR("remainingItemCount")));
	yyjson_arr_foreach(sp_json_last(v, SP_STR("items")), i, n, item)
	{
		sp_str name =
			sp_json_str(sp_json_last(sp_json_last(item, SP_STR("metadata")), SP_STR("name")));
		names = sp_arena_printf(T_ARENA, SP_FMT "%s" SP_FMT, SP_ARG(names), i > 0 ? "," : "",
					SP_ARG(name));
	}
	return names;
}

SP_TEST(apiserver, pages_show_one_revision)
{
	static const t_ask_row between[] = {
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k35\"}}")},
		 201,
		 NULL},
		{{.method = "DELETE", .path = MAPS "/k3"}, 200, NULL},
	};
	sp_str cont;
	int64_t remaining;
	t_no_faults();
	t_asker *f = with_maps(5);
	T_TRUE(f != NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?limit=2"}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k0,k1");
	T_EQ_I64(remaining, 3);
	for (size_t i = 0; i < SP_LEN(between) && !t_failed(); i++)
		t_ask_one(f, &between[i].q, between[i].status, NULL);
	sp_str path = sp_arena_printf(T_ARENA, MAPS "?limit=2&continue=" SP_FMT, SP_ARG(cont));
	T_TRUE(path.ptr != NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = path.ptr}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k2,k3");
	T_EQ_I64(remaining, 1);
	path = sp_arena_printf(T_ARENA, MAPS "?limit=2&continue=" SP_FMT, SP_ARG(cont));
	T_TRUE(path.ptr != NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = path.ptr}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k4");
	T_EQ_U64(cont.len, 0);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?labelSelector=odd"}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k0,k1,k2,k4");
}

SP_TEST(apiserver, a_page_that_is_forgotten)
{
	static const t_ask_row deletion = {{.method = "DELETE", .path = MAPS "/k2"}, 200, NULL};
	sp_str cont;
	int64_t remaining;
	yyjson_val *v = NULL;
	t_no_faults();
	t_asker *f = with_maps(4);
	T_TRUE(f != NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?limit=2"}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k0,k1");
	t_ask_one(f, &deletion.q, deletion.status, NULL);
	sp_store_compact(f->api.store, sp_store_revision(f->api.store));
	sp_str path = sp_arena_printf(T_ARENA, MAPS "?limit=2&continue=" SP_FMT, SP_ARG(cont));
	t_ask_one(f, &(t_req){.method = "GET", .path = path.ptr}, 410,
		  "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{\"continue\":\"*\"},\"status\":"
		  "\"Failure\",\"message\":\"The provided continue parameter is too old "
		  "*\",\"reason\":\"Expired\",\"code\":410}\n");
	/* The token in the refusal goes on in what is there now. */
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&f->call.body), &v, T_ERR));
	cont = sp_json_str(sp_json_last(sp_json_last(v, SP_STR("metadata")), SP_STR("continue")));
	path = sp_arena_printf(T_ARENA, MAPS "?limit=2&continue=" SP_FMT, SP_ARG(cont));
	t_ask_one(f, &(t_req){.method = "GET", .path = path.ptr}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k3");
}

SP_TEST(apiserver, a_watch_of_one_name)
{
	t_no_faults();
	t_asker *f = with_maps(3);
	T_TRUE(f != NULL);
	t_ask_one(f,
		  &(t_req){.method = "GET",
			   .path = MAPS "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dk1"},
		  200, "{\"type\":\"ADDED\",\"object\":{*\"metadata\":{\"name\":\"k1\",*}}\n");
	T_TRUE(sp_str_find(sp_buf_view(&f->call.body), SP_STR("\"k2\"")) < 0);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "/k1?watch=1"}, 200,
		  "{\"kind\":\"ConfigMap\",*}\n");
}

/* Upstream names the kind here, not the resource. U: apiserver pkg/registry/rest/delete.go */
SP_TEST(apiserver, deletions_have_preconditions)
{
	static const t_ask_row rows[] = {
		{{.method = "POST", .path = MAPS, .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}")},
		 201,
		 NULL},
		{{.method = "DELETE",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"preconditions\":{\"uid\":\"x\"}}")},
		 409,
		 "*\"reason\":\"Conflict\",\"details\":{\"name\":\"k\",\"kind\":\"ConfigMap\"},\"code\":409}"
		 "\n"},
		{{.method = "DELETE",
		  .path = MAPS "/k",
		  .body = SP_STR_INIT("{\"preconditions\":{\"resourceVersion\":\"1\"}}")},
		 409,
		 "*\"reason\":\"Conflict\",\"details\":{\"name\":\"k\",\"kind\":\"ConfigMap\"},\"code\":409}"
		 "\n"},
		{{.method = "DELETE", .path = MAPS "/k?dryRun=All"}, 200, "*\"status\":\"Success\",*"},
		{{.method = "GET", .path = MAPS "/k"}, 200, NULL},
	};
	t_no_faults();
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(apiserver, a_collection_is_deleted_by_label)
{
	sp_str cont;
	int64_t remaining;
	t_asker *f = with_maps(4);
	T_TRUE(f != NULL);
	t_ask_one(
		f, &(t_req){.method = "DELETE", .path = MAPS "?labelSelector=odd%3D1"}, 200,
		"{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"*\"},"
		"\"items\":[*]}\n");
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS}, 200, NULL);
	T_EQ_C(items(f, &cont, &remaining), "k0,k2");
}

SP_TEST(apiserver, media_of_lists)
{
	static const char like[] = "apiVersion: v1\nitems:\n- metadata:\n*kind: ConfigMapList\nmetadata:\n  "
				   "resourceVersion: \"*\"\n";
	t_asker *f = with_maps(1);
	T_TRUE(f != NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS, .accept = "application/yaml"}, 200, like);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?pretty=1"}, 200,
		  "{\n  \"kind\": \"ConfigMapList\",\n*\n}");
	t_ask_one(f,
		  &(t_req){.method = "GET",
			   .path = MAPS,
			   .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"},
		  200, "{\"kind\":\"Table\",*}\n");
	t_ask_one(f,
		  &(t_req){.method = "GET",
			   .path = MAPS "?includeObject=x",
			   .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"},
		  400, NULL);
	t_ask_one(f, &(t_req){.method = "DELETE", .path = MAPS, .accept = "application/yaml"}, 200, like);
}

SP_TEST(apiserver, a_large_list_is_compressed)
{
	char *body = sp_arena_alloc(T_ARENA, 200100);
	t_no_faults();
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	int n = snprintf(body, 100, "{\"metadata\":{\"name\":\"k\"},\"data\":{\"x\":\"");
	memset(body + n, 'x', 200000);
	memcpy(body + n + 200000, "\"}}", 4);
	t_ask_one(f, &(t_req){.method = "POST", .path = MAPS, .body = {body, (size_t)n + 200003}}, 201, NULL);
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS}, 200, NULL);
	T_TRUE(f->call.encoding[0] == '\0');
	sp_str plain = sp_arena_try_dup(T_ARENA, sp_buf_view(&f->call.body));
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS, .encoding = "gzip"}, 200, NULL);
	T_EQ_C(sp_str_c(f->call.encoding), "gzip");
	T_TRUE(f->call.body.len < plain.len / 10);
	SP_AUTO_BUF unpacked;
	sp_buf_init(&unpacked, 1 << 20);
	T_OK(api_gunzip_all(sp_buf_view(&f->call.body), &unpacked));
	T_EQ_STR(sp_buf_view(&unpacked), plain);
}

/* Fields of that number in a message; SIZE_MAX: it is none. The last one in *ret. */
static size_t count_fields(sp_str message, uint32_t number, sp_str *ret)
{
	sp_pb_field f;
	size_t n = 0;
	while (message.len > 0) {
		if (sp_pb_next(&message, "list", &f, T_ERR) != SP_OK)
			return SIZE_MAX;
		if (f.number == number) {
			*ret = f.bytes;
			n++;
		}
	}
	return n;
}

/* Too long to be gathered: it is read twice, and tells its length in front all the same. */
SP_TEST(apiserver, a_long_list_of_protobuf)
{
	enum { N = 6, SIZE = 900000 };
	char *body = sp_arena_alloc(T_ARENA, SIZE + 200);
	sp_str raw, last;
	t_no_faults();
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	for (int i = 0; i < N; i++) {
		int n = snprintf(body, 100, "{\"metadata\":{\"name\":\"k%d\"},\"data\":{\"x\":\"", i);
		memset(body + n, 'x', SIZE);
		memcpy(body + n + SIZE, "\"}}", 4);
		t_ask_one(f, &(t_req){.method = "POST", .path = MAPS, .body = {body, (size_t)n + SIZE + 3}},
			  201, NULL);
	}
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS, .accept = "application/vnd.kubernetes.protobuf"},
		  200, NULL);
	sp_str list = sp_buf_view(&f->call.body);
	T_TRUE(list.len > (size_t)N * SIZE);
	T_TRUE(sp_str_take(&list, (sp_str){"k8s\0", 4}));
	T_EQ_U64(count_fields(list, 2, &raw), 1);
	T_EQ_U64(count_fields(raw, 2, &last), N);
}

/* ---- watches ---- */

SP_TEST(apiserver, a_watch_ends_in_time)
{
	t_asker *f = with_maps(1);
	T_TRUE(f != NULL);
	uint64_t before = sp_sim_now_ns(f->api.sim);
	t_ask_one(
		f,
		&(t_req){.method = "GET", .path = MAPS "?watch=1&timeoutSeconds=7&allowWatchBookmarks=true"},
		200,
		"{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",*}}\n"
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
		"\"metadata\":{"
		"\"resourceVersion\":\"*\"}}}\n");
	uint64_t after = sp_sim_now_ns(f->api.sim);
	T_TRUE(after - before >= 7 * SECOND && after - before < 8 * SECOND);
	T_CODE(f->call.code, SP_OK);
}

SP_TEST(apiserver, initial_events_and_their_end)
{
	t_asker *f = with_maps(2);
	T_TRUE(f != NULL);
	t_ask_one(
		f,
		&(t_req){.method = "GET",
			 .path = MAPS
			 "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&"
			 "resourceVersionMatch=NotOlderThan"},
		200,
		"{\"type\":\"ADDED\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{"
		"\"name\":\"k0\",*}}\n"
		"{\"type\":\"ADDED\",*\"name\":\"k1\",*}}\n"
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
		"\"metadata\":{"
		"\"resourceVersion\":\"*\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n");
}

SP_TEST(apiserver, a_watch_of_what_is_forgotten)
{
	t_no_faults();
	t_asker *f = with_maps(4);
	T_TRUE(f != NULL);
	sp_store_compact(f->api.store, sp_store_revision(f->api.store));
	t_ask_one(f, &(t_req){.method = "GET", .path = MAPS "?watch=1&resourceVersion=1"}, 200,
		  "{\"type\":\"ERROR\",\"object\":{" META
		  ",\"status\":\"Failure\",\"message\":\"too old resource version: 1 "
		  "(*)\",\"reason\":\"Expired\",\"code\":410}}\n");
}

/* ---- watches of custom resources ---- */

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define WS "/apis/x.io/v1/namespaces/default/ws"
#define WS_CRD                                                                                               \
	"{\"metadata\":{\"name\":\"ws.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\","        \
	"\"names\":{"                                                                                        \
	"\"plural\":\"ws\",\"kind\":\"W\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true," \
	"\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}"

/* Ended when what it shows would be of a definition that is not there any more; not by a new status. */
SP_TEST(apiserver, a_watch_ends_with_its_definition)
{
	static const struct {
		const char *method, *path, *body;
		bool ends;
	} rows[] = {
		{"PATCH", CRDS "/ws.x.io", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", false},
		{"PATCH", CRDS "/ws.x.io/status", "{\"status\":{\"storedVersions\":[\"v1\"]}}", false},
		{"PATCH", CRDS "/ws.x.io",
		 "{\"spec\":{\"preserveUnknownFields\":false,\"names\":{\"shortNames\":[\"w\"]}}}", true},
		{"DELETE", CRDS "/ws.x.io", "", true},
	};
	t_no_faults();
	t_asker *f = t_asker_open();
	static t_client other; /* until the end of the test */
	static t_call watch;
	T_TRUE(f != NULL);
	t_ask_one(f, &(t_req){.method = "POST", .path = CRDS, .body = sp_str_c(WS_CRD)}, 201, NULL);
	sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + SECOND);
	T_TRUE(t_client_open(&other, &f->api, "other", true));
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		t_row("%zu", i);
		t_call_init(&watch);
		T_TRUE(t_call_start(&other, &watch,
				    &(t_req){.method = "GET", .path = WS "?watch=1&timeoutSeconds=20"}));
		sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + SECOND);
		bool began = watch.status == 200 && !watch.closed;
		t_ask_one(f,
			  &(t_req){.method = rows[i].method,
				   .path = rows[i].path,
				   .type = "application/merge-patch+json",
				   .body = sp_str_c(rows[i].body)},
			  200, NULL);
		sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + SECOND);
		bool ended = watch.closed && watch.code == SP_OK;
		sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + 30 * SECOND);
		t_call_done(&watch);
		T_TRUE(began);
		T_TRUE(ended == rows[i].ends);
	}
}
