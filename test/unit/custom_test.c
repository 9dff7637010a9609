/* SPDX-License-Identifier: Apache-2.0 */
/* Custom resources below HTTP: names between definitions, versions, references, the end of a definition. */
#include "apiserver/custom/custom_int.h"
#include "kube/meta.h"
#include "lib/mem_world.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/mem/mem.h"

#define CRDS "/registry/apiextensions.k8s.io/customresourcedefinitions/"

typedef struct fixture {
	sp_world *world;
	sp_store *store;
	api_server *server;
} fixture;

static void ignore(void *arg)
{
	(void)arg;
}

static void fixture_done(fixture *f)
{
	api_server_free(f->server);
	if (f->store != NULL)
		sp_store_close(f->store, ignore, NULL);
	if (f->world != NULL) {
		sp_world_run(f->world);
		mem_world_free(f->world);
	}
}
#define AUTO_FIXTURE SP_CLEANUP(fixture_done) fixture

static sp_code fixture_init(fixture *f)
{
	static const sp_store_mem_opts opts = {.commit_ns = 1000000};
	*f = (fixture){.world = mem_world_new(t_seed(), 1 << 16)};
	SP_TRY(sp_store_mem_open(f->world, &opts, &f->store, T_ERR));
	const api_server_opts server = {.store = f->store,
					.service_cidrs = SP_STR_INIT("10.96.0.0/16"),
					.node_ports = SP_STR_INIT("30000-32767")};
	return api_server_new(f->world, &server, &f->server, T_ERR);
}

/* Everything that follows from what was done: one virtual second. */
static void settle(fixture *f)
{
	mem_world_run_until(f->world, sp_now_ns(f->world) + UINT64_C(1000000000));
}

static void let_go(void *version)
{
	(void)api_custom_unref(version);
}

static void on_done(sp_store_txn *t, sp_code code, const sp_err *err)
{
	(void)err;
	*(sp_code *)t->arg = code;
}

/* Stores JSON below a prefix; NULL deletes. */
static sp_code put(fixture *f, const api_resource *res, const char *prefix, const char *rest,
		   const char *json)
{
	sp_code done = SP_EINTERNAL;
	sp_bytes *record = NULL;
	yyjson_mut_val *obj = NULL;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	if (doc == NULL)
		return SP_ENOMEM;
	if (json != NULL) {
		SP_TRY(sp_json_parse_mut(T_ARENA, sp_str_c(json), doc, &obj, T_ERR));
		SP_TRY(api_object_record(T_ARENA, res, doc, obj, f->server->marker_str, &record, T_ERR));
	}
	sp_store_op op = {.type = json == NULL ? SP_STORE_DELETE : SP_STORE_PUT,
			  .key = {sp_str_c(prefix), sp_str_c(rest)},
			  .expected = SP_STORE_ANY,
			  .record = record};
	sp_store_txn txn = {.ops = &op, .n_ops = 1, .done = on_done, .arg = &done};
	sp_store_write(f->store, &txn);
	settle(f);
	sp_bytes_unref(record);
	return done;
}

static sp_code define(fixture *f, const char *name, const char *json)
{
	return put(f, custom_crd_resource(f->server->customs), CRDS, name, json);
}

/* The stored object as text. */
static sp_str stored(fixture *f, const char *prefix, const char *rest)
{
	sp_store_value value;
	sp_record rec;
	sp_str text = {NULL, 0};
	if (sp_store_get(f->store, (sp_store_key){sp_str_c(prefix), sp_str_c(rest)}, 0, &value, NULL) !=
	    SP_OK)
		return text;
	if (sp_record_decode(sp_bytes_view(value.record), &rec, NULL) == SP_OK)
		text = sp_arena_try_dup(T_ARENA, rec.object);
	sp_bytes_unref(value.record);
	return text;
}

static bool says(sp_str text, const char *part)
{
	return sp_str_find(text, sp_str_c(part)) >= 0;
}

static sp_code find(fixture *f, const char *version, const char *plural, api_custom_found *ret)
{
	return api_customs_find(f->server->customs, T_ARENA, SP_STR("x.io"), sp_str_c(version),
				sp_str_c(plural), ret, T_ERR);
}

static sp_code is_served(fixture *f, const char *version, const char *plural)
{
	api_custom_found found;
	SP_TRY(find(f, version, plural, &found));
	(void)api_custom_unref(found.version);
	return SP_OK;
}

#define HEAD(plural)                                                                         \
	"{\"kind\":\"CustomResourceDefinition\",\"apiVersion\":\"apiextensions.k8s.io/v1\"," \
	"\"metadata\":{\"name\":\"" plural ".x.io\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\""
#define SPEC(plural, kind, versions)                                                              \
	"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"" plural \
	"\",\"singular\":\"one\",\"kind\":\"" kind "\",\"listKind\":\"" kind                      \
	"List\"},\"versions\":[" versions                                                         \
	"],\"conversion\":{\"strategy\":\"None\"}},\"status\":{\"storedVersions\":[\"v1\"]"
#define OPEN_V1                                                                              \
	"{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":" \
	"{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}"

SP_TEST(custom, names_are_taken_and_given_back)
{
	AUTO_FIXTURE f;
	T_OK(fixture_init(&f));
	T_OK(define(&f, "as.x.io", HEAD("as") SPEC("as", "Thing", OPEN_V1) "}}"));
	T_OK(is_served(&f, "v1", "as"));
	T_CODE(is_served(&f, "v2", "as"), SP_ENOTFOUND);
	T_OK(define(&f, "bs.x.io", HEAD("bs") SPEC("bs", "Thing", OPEN_V1) "}}"));
	T_CODE(is_served(&f, "v1", "bs"), SP_ENOTFOUND);
	sp_str text = stored(&f, CRDS, "bs.x.io");
	T_TRUE(says(text,
		    "\"reason\":\"ListKindConflict\",\"message\":\"\\\"ThingList\\\" is already in use\""));
	T_TRUE(says(text, "\"reason\":\"NotAccepted\",\"message\":\"not all names are accepted\""));
	T_OK(define(&f, "as.x.io", NULL));
	T_CODE(is_served(&f, "v1", "as"), SP_ENOTFOUND);
	T_OK(is_served(&f, "v1", "bs"));
}

SP_TEST(custom, protected_groups_say_whether_they_are_approved)
{
	static const struct {
		const char *annotation, *want;
	} rows[] = {
		{"unapproved, for a test",
		 "\"status\":\"False\",\"lastTransitionTime\":\"1994-11-06T08:49:37Z\","
		 "\"reason\":\"UnapprovedAnnotation\",\"message\":\"not approved: "
		 "\\\"unapproved, for a test\\\"\""},
		{"https://example.com/1", "\"reason\":\"ApprovedAnnotation\",\"message\":\"approved in "
					  "https://example.com/1\""},
		{"yes", "\"reason\":\"InvalidAnnotation\""},
	};
	AUTO_FIXTURE f;
	t_no_faults();
	T_OK(fixture_init(&f));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].annotation);
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"kind\":\"CustomResourceDefinition\",\"apiVersion\":\"apiextensions.k8s.io/v1\","
			"\"metadata\":{\"name\":\"as.x.k8s.io\",\"annotations\":{\"api-approved.kubernetes."
			"io\":"
			"\"%s\"}},\"spec\":{\"group\":\"x.k8s.io\",\"scope\":\"Cluster\",\"names\":{"
			"\"plural\":"
			"\"as\",\"singular\":\"a\",\"kind\":\"A\",\"listKind\":\"AList\"},\"versions\":"
			"[" OPEN_V1 "]},\"status\":{\"storedVersions\":[\"v1\"]}}",
			rows[i].annotation);
		T_TRUE(json.ptr != NULL);
		T_OK(define(&f, "as.x.k8s.io", json.ptr));
		T_TRUE(says(stored(&f, CRDS, "as.x.k8s.io"), rows[i].want));
	}
}

#define TWO_VERSIONS                                                                                        \
	"{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"      \
	"\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"         \
	"\"string\"},\"b\":{\"type\":\"string\"}}}}}}},"                                                    \
	"{\"name\":\"v2\",\"served\":true,\"storage\":false,\"deprecated\":true,\"selectableFields\":["     \
	"{\"jsonPath\":\".spec.a\"}],\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{" \
	"\"spec\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"c\":{\"type\":"        \
	"\"string\","                                                                                       \
	"\"default\":\"x\"}}}}}}}"

SP_TEST(custom, another_version_is_pruned_and_defaulted)
{
	AUTO_FIXTURE f;
	api_custom_found v1, v2;
	sp_store_value value;
	sp_record rec;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 16);
	T_OK(fixture_init(&f));
	T_OK(define(&f, "as.x.io", HEAD("as") SPEC("as", "Thing", TWO_VERSIONS) "}}"));
	T_OK(find(&f, "v1", "as", &v1));
	T_DEFER(let_go, v1.version);
	T_OK(find(&f, "v2", "as", &v2));
	T_DEFER(let_go, v2.version);
	T_EQ_C(v1.warning, "");
	T_EQ_C(v2.warning, "x.io/v2 Thing is deprecated");
	/* Written in v2, it is stored in v1. */
	T_OK(put(&f, &v2.version->res, "/registry/x.io/as/", "ns/o",
		 "{\"apiVersion\":\"x.io/v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"o\",\"namespace\":"
		 "\"ns\"},\"spec\":{\"a\":\"1\",\"c\":\"2\"}}"));
	T_EQ_C(stored(&f, "/registry/x.io/as/", "ns/o"),
	       "{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"o\",\"namespace\":"
	       "\"ns\",\"resourceVersion\":\"\"},\"spec\":{\"a\":\"1\"}}");
	T_OK(sp_store_get(f.store, (sp_store_key){SP_STR("/registry/x.io/as/"), SP_STR("ns/o")}, 0, &value,
			  T_ERR));
	SP_AUTO_BYTES held = value.record;
	T_OK(sp_record_decode(sp_bytes_view(held), &rec, T_ERR));
	T_TRUE(api_custom_is_current(v1.version, &rec));
	T_TRUE(!api_custom_is_current(v2.version, &rec));
	T_TRUE(api_custom_has_fields(v2.version, &rec));
	T_OK(api_object_json(&text, &v2.version->res, &rec, 7));
	T_EQ_C(sp_buf_view(&text),
	       "{\"apiVersion\":\"x.io/v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"o\",\"namespace\":"
	       "\"ns\",\"resourceVersion\":\"7\"},\"spec\":{\"a\":\"1\",\"c\":\"x\"}}");
}

SP_TEST(custom, a_request_keeps_what_it_began_with)
{
	AUTO_FIXTURE f;
	api_custom_found before, after;
	T_OK(fixture_init(&f));
	T_OK(define(&f, "as.x.io", HEAD("as") SPEC("as", "Thing", OPEN_V1) "}}"));
	T_OK(find(&f, "v1", "as", &before));
	T_DEFER(let_go, before.version);
	T_EQ_U64(before.version->n_refs, 2);
	uint64_t mark = api_customs_mark(f.server->customs, SP_STR("x.io"));
	T_OK(define(&f, "as.x.io", HEAD("as") SPEC("as", "Thing", TWO_VERSIONS) "}}"));
	T_TRUE(mark != api_customs_mark(f.server->customs, SP_STR("x.io")));
	T_OK(find(&f, "v1", "as", &after));
	T_DEFER(let_go, after.version);
	T_TRUE(after.version != before.version);
	T_EQ_U64(before.version->n_refs, 1);
	T_TRUE((before.version->kind.schema->flags & SP_S_PRESERVE_UNKNOWN) != 0);
	T_TRUE((after.version->kind.schema->flags & SP_S_PRESERVE_UNKNOWN) == 0);
}

#define TERMINATING                                                                                  \
	",\"conditions\":[{\"type\":\"Established\",\"status\":\"True\"},{\"type\":\"Terminating\"," \
	"\"status\":"                                                                                \
	"\"True\",\"reason\":\"InstanceDeletionPending\"}]"
#define DELETED                                                            \
	",\"deletionTimestamp\":\"2026-01-02T00:00:00Z\",\"finalizers\":[" \
	"\"customresourcecleanup.apiextensions.k8s.io\"]"

static sp_code put_object(fixture *f, const char *name, const char *more)
{
	api_custom_found found;
	SP_TRY(find(f, "v1", "as", &found));
	sp_str rest = sp_arena_printf(T_ARENA, "ns/%s", name);
	sp_str json = sp_arena_printf(
		T_ARENA,
		"{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
		"\"ns\"%s}}",
		name, more);
	sp_code code = rest.ptr == NULL || json.ptr == NULL
			       ? SP_ENOMEM
			       : put(f, &found.version->res, "/registry/x.io/as/", rest.ptr, json.ptr);
	(void)api_custom_unref(found.version);
	return code;
}

SP_TEST(custom, a_definition_ends_with_its_objects)
{
	AUTO_FIXTURE f;
	api_custom_found found;
	uint64_t n = 0;
	T_OK(fixture_init(&f));
	T_OK(define(&f, "as.x.io", HEAD("as") SPEC("as", "Thing", OPEN_V1) "}}"));
	unsigned n_objects = t_torture() ? 1 : 2 * CUSTOM_OPS_MAX + 3;
	for (unsigned i = 0; i < n_objects; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "o%u", i);
		T_OK(put_object(&f, name, ""));
	}
	T_OK(put_object(&f, "held", ",\"finalizers\":[\"x.io/hold\"]"));
	T_OK(define(&f, "as.x.io", HEAD("as") DELETED SPEC("as", "Thing", OPEN_V1) TERMINATING "}}"));
	/* All but the held one are gone; that one is marked, and the definition waits. */
	T_OK(sp_store_count(f.store, SP_STR("/registry/x.io/as/"), SP_STR(""), &n, T_ERR));
	T_EQ_U64(n, 1);
	T_TRUE(says(stored(&f, "/registry/x.io/as/", "ns/held"), "\"deletionTimestamp\":\"1994-"));
	T_TRUE(says(stored(&f, CRDS, "as.x.io"), "\"reason\":\"InstanceDeletionInProgress\""));
	T_OK(find(&f, "v1", "as", &found));
	T_TRUE(found.terminating);
	(void)api_custom_unref(found.version);
	T_OK(put(&f, NULL, "/registry/x.io/as/", "ns/held", NULL));
	T_TRUE(stored(&f, CRDS, "as.x.io").ptr == NULL);
	T_CODE(is_served(&f, "v1", "as"), SP_ENOTFOUND);
}

SP_TEST(custom, a_definition_waits_for_the_finalizers_of_others)
{
	AUTO_FIXTURE f;
	T_OK(fixture_init(&f));
	T_OK(define(&f, "as.x.io",
		    HEAD("as") ",\"deletionTimestamp\":\"2026-01-02T00:00:00Z\",\"finalizers\":["
			       "\"x.io/hold\",\"customresourcecleanup.apiextensions.k8s.io\"]" SPEC(
				       "as", "Thing", OPEN_V1) TERMINATING "}}"));
	sp_str text = stored(&f, CRDS, "as.x.io");
	T_TRUE(says(text, "\"finalizers\":[\"x.io/hold\"]"));
	T_TRUE(says(text, "\"reason\":\"InstanceDeletionCompleted\""));
	T_CODE(is_served(&f, "v1", "as"), SP_ENOTFOUND);
}

SP_TEST(custom, compiled_versions_have_a_budget)
{
	AUTO_FIXTURE f;
	SP_AUTO_BUF json;
	sp_buf_init(&json, (size_t)4 << 20);
	t_no_faults();
	T_OK(fixture_init(&f));
	for (unsigned i = 0; i < 12; i++) {
		char name[64], plural[32];
		api_custom_found found;
		sp_buf_clear(&json);
		(void)snprintf(plural, sizeof plural, "p%us", i);
		(void)snprintf(name, sizeof name, "%s.x.io", plural);
		(void)sp_buf_printf(
			&json,
			"{\"kind\":\"CustomResourceDefinition\",\"apiVersion\":\"apiextensions.k8s.io/v1\","
			"\"metadata\":{\"name\":\"%s\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Cluster\","
			"\"names\":{\"plural\":\"%s\",\"singular\":\"s%u\",\"kind\":\"K%u\",\"listKind\":"
			"\"K%uList\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
			"\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{",
			name, plural, i, i, i);
		for (unsigned k = 0; k < 2000; k++)
			(void)sp_buf_printf(&json, "%s\"f%u\":{\"type\":\"string\",\"maxLength\":%u}",
					    k > 0 ? "," : "", k, k);
		T_OK(sp_buf_str(&json, SP_STR("}}}}]},\"status\":{\"storedVersions\":[\"v1\"]}}")));
		sp_str text = sp_arena_try_dup(T_ARENA, sp_buf_view(&json));
		T_TRUE(text.ptr != NULL);
		T_OK(define(&f, name, text.ptr));
		T_OK(find(&f, "v1", plural, &found));
		(void)api_custom_unref(found.version);
		T_TRUE(f.server->customs->compiled_bytes <= (size_t)5 << 20);
	}
}
