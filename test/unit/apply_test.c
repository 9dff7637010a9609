/* SPDX-License-Identifier: Apache-2.0 */
/* Field sets and server-side apply on a small kind with every list and map type. */
#include "kube/apply/apply.h"
#include "lib/t.h"

static const sp_schema str_s = {.kind = SP_K_STRING}, i32_s = {.kind = SP_K_I32};
static const sp_schema strs_s = {.kind = SP_K_LIST, .items = &str_s};
static const sp_schema set_s = {.kind = SP_K_LIST, .items = &str_s, .list_type = SP_LIST_SET};
static const sp_schema map_s = {.kind = SP_K_MAP, .items = &str_s};
static const sp_schema atomic_s = {.kind = SP_K_MAP, .items = &str_s, .map_type = SP_MAP_ATOMIC};
static const uint16_t order2[] = {0, 1}, order3[] = {0, 1, 2}, port_order[] = {1, 0},
		      spec_order[] = {3, 4, 1, 0, 2};
static const uint16_t meta_order[] = {1, 2, 0};
static const sp_str port_keys[] = {SP_STR_INIT("port"), SP_STR_INIT("protocol")};
static const sp_field port_f[] = {
	{.name = SP_STR_INIT("protocol"), .schema = &str_s, .def = SP_STR_INIT("\"TCP\"")},
	{.name = SP_STR_INIT("port"), .schema = &i32_s},
};
static const sp_schema port_s = {.kind = SP_K_OBJECT, .n_fields = 2, .fields = port_f, .by_name = port_order};
static const sp_schema ports_s = {.kind = SP_K_LIST,
				  .items = &port_s,
				  .list_type = SP_LIST_MAP,
				  .list_keys = port_keys,
				  .n_list_keys = 2};
#define OMIT SP_F_OMITEMPTY
static const sp_field spec_f[] = {
	{.name = SP_STR_INIT("replicas"), .schema = &i32_s, .flags = OMIT},
	{.name = SP_STR_INIT("ports"), .schema = &ports_s, .flags = OMIT},
	{.name = SP_STR_INIT("selector"), .schema = &atomic_s, .flags = OMIT},
	{.name = SP_STR_INIT("args"), .schema = &strs_s, .flags = OMIT},
	{.name = SP_STR_INIT("finals"), .schema = &set_s, .flags = OMIT},
};
static const sp_schema spec_s = {.kind = SP_K_OBJECT, .n_fields = 5, .fields = spec_f, .by_name = spec_order};
static const sp_field meta_f[] = {
	{.name = SP_STR_INIT("name"), .schema = &str_s, .flags = OMIT},
	{.name = SP_STR_INIT("annotations"), .schema = &map_s, .flags = OMIT},
	{.name = SP_STR_INIT("labels"), .schema = &map_s, .flags = OMIT},
};
static const sp_schema meta_s = {.kind = SP_K_OBJECT, .n_fields = 3, .fields = meta_f, .by_name = meta_order};
static const sp_field status_f[] = {{.name = SP_STR_INIT("phase"), .schema = &str_s, .flags = OMIT},
				    {.name = SP_STR_INIT("ready"), .schema = &i32_s, .flags = OMIT}};
static const sp_schema status_s = {.kind = SP_K_OBJECT, .n_fields = 2, .fields = status_f, .by_name = order2};
static const sp_field root_f[] = {{.name = SP_STR_INIT("metadata"), .schema = &meta_s},
				  {.name = SP_STR_INIT("spec"), .schema = &spec_s},
				  {.name = SP_STR_INIT("status"), .schema = &status_s}};
static const sp_schema root_s = {.kind = SP_K_OBJECT, .n_fields = 3, .fields = root_f, .by_name = order3};

#define HEAD "\"apiVersion\":\"apps/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\"}"

/* A tree of the document, or NULL with the test failed. */
static yyjson_mut_val *tree(yyjson_mut_doc *doc, const char *text)
{
	yyjson_mut_val *v = NULL;
	if (sp_json_parse_mut(T_ARENA, sp_str_c(text), doc, &v, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "parse: %s: %s", text, T_ERR->msg);
	return v;
}

static bool same(yyjson_mut_doc *doc, yyjson_mut_val *got, const char *want)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 20);
	yyjson_mut_val *w = tree(doc, want);
	if (got == NULL || w == NULL || sp_json_write_mut(&text, got) != SP_OK || !sp_jmut_equal(got, w)) {
		(void)t_fail(__FILE__, __LINE__, "got  " SP_FMT "\nwant %s", SP_ARG(sp_buf_view(&text)),
			     want);
		return false;
	}
	return true;
}

SP_TEST(fieldset, round_trip_and_algebra)
{
	static const char *const texts[] = {
		"{}",
		"{\"f:a\":{}}",
		"{\"f:spec\":{\".\":{},\"f:replicas\":{}}}",
		"{\"f:p\":{\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":{}}}}",
		"{\"f:s\":{\"v:\\\"x\\\"\":{},\"v:1\":{},\"v:true\":{},\"v:1.5\":{}},\"f:t\":{\"i:3\":{}}}",
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	const sp_fieldset *all = NULL, *x = NULL;
	sp_fieldset *sets[SP_LEN(texts)];
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		t_row("%s", texts[i]);
		yyjson_mut_val *v = tree(doc, texts[i]);
		T_TRUE(v != NULL);
		T_OK(sp_fieldset_parse(T_ARENA, v, &sets[i], T_ERR));
		T_TRUE(same(doc, sp_fieldset_json(doc, sets[i]), texts[i]));
		T_OK(sp_fieldset_union(T_ARENA, all, sets[i], &all));
	}
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		T_OK(sp_fieldset_intersection(T_ARENA, all, sets[i], &x));
		T_TRUE(sp_fieldset_equal(x, sets[i]));
		T_OK(sp_fieldset_difference(T_ARENA, sets[i], all, &x));
		T_TRUE(sp_fieldset_empty(x));
	}
	static const char *const bad[] = {"[]",           "{\"a\":{}}", "{\"k:[]\":{}}", "{\"v:{}\":{}}",
					  "{\"i:x\":{}}", "{\"f:a\":1}"};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		sp_fieldset *s = NULL;
		t_row("%s", bad[i]);
		yyjson_mut_val *v = tree(doc, bad[i]);
		T_TRUE(v != NULL);
		T_TRUE(sp_fieldset_parse(T_ARENA, v, &s, T_ERR) != SP_OK);
	}
}

SP_TEST(typed, sets_of_objects)
{
	static const struct {
		const char *object, *want;
	} rows[] = {
		{"{\"spec\":{\"replicas\":1}}", "{\"f:spec\":{\"f:replicas\":{}}}"},
		{"{\"metadata\":{\"labels\":{\"a\":\"1\"}}}", "{\"f:metadata\":{\"f:labels\":{\"f:a\":{}}}}"},
		{"{\"metadata\":{\"labels\":{}}}", "{\"f:metadata\":{\"f:labels\":{}}}"},
		{"{\"spec\":{\"selector\":{\"a\":\"1\"},\"args\":[\"x\"]}}",
		 "{\"f:spec\":{\"f:selector\":{},\"f:args\":{}}}"},
		{"{\"spec\":{\"finals\":[\"b\",\"a\"]}}",
		 "{\"f:spec\":{\"f:finals\":{\"v:\\\"a\\\"\":{},\"v:\\\"b\\\"\":{}}}}"},
		{"{\"spec\":{\"ports\":[{\"port\":80}]}}",
		 "{\"f:spec\":{\"f:ports\":{\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},"
		 "\"f:port\":{}}}}}"},
		{"{\"spec\":{\"ports\":[]}}", "{}"},
		{"{\"spec\":null}", "{\"f:spec\":{}}"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		const sp_fieldset *s = NULL;
		t_row("%s", rows[i].object);
		yyjson_mut_val *v = tree(doc, rows[i].object);
		T_TRUE(v != NULL);
		T_OK(sp_typed_fieldset(T_ARENA, &root_s, v, &s));
		T_TRUE(same(doc, sp_fieldset_json(doc, s), rows[i].want));
	}
}

SP_TEST(typed, refusals)
{
	static const struct {
		const char *object, *want;
	} rows[] = {
		{"{\"bogus\":1}", ".bogus: field not declared in schema"},
		{"{\"metadata\":{\"labels\":{\"k\":5}}}",
		 ".metadata.labels.k: expected string, got &value.valueUnstructured{Value:5}"},
		{"{\"metadata\":{\"labels\":{\"k\":{\"b\":[null,\"<\\n\"],\"a\":1.5}}}}",
		 ".metadata.labels.k: expected string, got "
		 "&value.valueUnstructured{Value:map[string]interface "
		 "{}{\"a\":1.5, \"b\":[]interface {}{interface {}(nil), \"<\\n\"}}}"},
		{"{\"spec\":{\"replicas\":\"x\"}}",
		 ".spec.replicas: expected numeric (int or float), got string"},
		{"{\"spec\":[]}", ".spec: expected map, got &{[]}"},
		{"{\"spec\":{\"ports\":[{\"port\":1},{\"port\":1}]}}",
		 ".spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]"},
		{"{\"spec\":{\"finals\":[{}]}}",
		 ".spec.finals: element 0: associative list without keys has an element that's a map type"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++) {
		sp_str text = {0};
		t_row("%s", rows[i].object);
		yyjson_mut_val *v = tree(doc, rows[i].object);
		T_TRUE(v != NULL);
		T_CODE(sp_typed_check(T_ARENA, &root_s, v, false, &text), SP_EINVAL);
		T_EQ_C(text, rows[i].want);
	}
}

/* One step of a story: who does what, and what comes of it. */
typedef struct step {
	const char *manager, *subresource;
	const char *body;
	const char *want_spec; /* the spec afterwards, or NULL: not looked at */
	const char *refused;   /* message, or NULL */
	const char *owners;    /* names with operation's first letter: "A:one U:two", NULL: not looked at */
	enum { APPLY, FORCE, WRITE } kind;
} step;

static void owners_text(yyjson_mut_val *object, sp_buf *out)
{
	size_t idx, max;
	yyjson_mut_val *item;
	yyjson_mut_arr_foreach(sp_jmut_path(object, "metadata", "managedFields", NULL), idx, max, item)
	{
		sp_str op = sp_jmut_str(sp_jmut_get(item, SP_STR("operation")));
		sp_str name = sp_jmut_str(sp_jmut_get(item, SP_STR("manager")));
		(void)sp_buf_printf(out, "%s%.1s:" SP_FMT, idx == 0 ? "" : " ", op.ptr, SP_ARG(name));
	}
}

static void story(const sp_schema *schema, const step *steps, size_t n)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *live = NULL;
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < n && !t_failed(); i++) {
		const step *s = &steps[i];
		sp_patch_error perr = {0};
		yyjson_mut_val *got = NULL, *body = tree(doc, s->body);
		char now[64];
		(void)snprintf(now, sizeof(now), "2026-01-01T00:00:%02zuZ", i);
		sp_apply_request q = {.arena = T_ARENA,
				      .doc = doc,
				      .schema = schema,
				      .api_version = SP_STR("apps/v1"),
				      .kind = SP_STR("Thing"),
				      .manager = sp_str_c(s->manager),
				      .subresource = sp_str_c(s->subresource),
				      .now = sp_arena_try_dup(T_ARENA, sp_str_c(now))};
		t_row("step %zu: %s %s", i, s->manager, s->body);
		T_TRUE(body != NULL);
		sp_code code;
		if (s->kind == WRITE) {
			code = sp_apply_track(&q, live, body);
			got = body;
		} else {
			code = sp_apply(&q, live, body, s->kind == FORCE, &got, &perr);
		}
		if (s->refused != NULL) {
			T_TRUE(code != SP_OK);
			T_EQ_C(perr.message, s->refused);
			continue;
		}
		if (code != SP_OK)
			T_FAIL("refused: " SP_FMT, SP_ARG(perr.message));
		SP_AUTO_BUF owners;
		sp_buf_init(&owners, 4096);
		owners_text(got, &owners);
		if (s->owners != NULL)
			T_EQ_C(sp_buf_view(&owners), s->owners);
		if (s->want_spec != NULL)
			T_TRUE(same(doc, sp_jmut_get(got, SP_STR("spec")), s->want_spec));
		if (live == NULL)
			T_TRUE(sp_jmut_set_str(doc, sp_jmut_get(got, SP_STR("metadata")), SP_STR("uid"),
					       SP_STR("u-1")));
		live = got;
	}
}

#define OBJ(spec) "{" HEAD ",\"spec\":" spec "}"

SP_TEST(apply, story_of_appliers)
{
	static const step steps[] = {
		{"one", "", OBJ("{\"replicas\":2,\"args\":[\"a\"]}"), "{\"replicas\":2,\"args\":[\"a\"]}",
		 NULL, "A:one", APPLY},
		{"one", "", OBJ("{\"replicas\":2,\"args\":[\"a\"]}"), NULL, NULL, "A:one", APPLY},
		{"two", "", OBJ("{\"replicas\":3}"), NULL,
		 "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas", NULL, APPLY},
		{"two", "", OBJ("{\"replicas\":3}"), "{\"replicas\":3,\"args\":[\"a\"]}", NULL, "A:one A:two",
		 FORCE},
		{"one", "", OBJ("{\"replicas\":2,\"args\":[\"a\"]}"), NULL,
		 "Apply failed with 1 conflict: conflict with \"two\": .spec.replicas", NULL, APPLY},
		/* Leaving a field out of which another is owner keeps it. */
		{"one", "", OBJ("{\"args\":[\"a\"]}"), "{\"replicas\":3,\"args\":[\"a\"]}", NULL, NULL,
		 APPLY},
		{"three", "", OBJ("{\"replicas\":3}"), NULL, NULL, NULL, APPLY},
		{"two", "", "{" HEAD "}", "{\"replicas\":3,\"args\":[\"a\"]}", NULL, "A:three A:one", APPLY},
		/* The last owner leaves: the field goes. */
		{"three", "", "{" HEAD "}", "{\"args\":[\"a\"]}", NULL, "A:one", APPLY},
		{"one", "", "{\"apiVersion\":\"v9\",\"kind\":\"Thing\"}", NULL,
		 "Incorrect version specified in apply patch. Specified patch version: v9, expected: apps/v1",
		 NULL, APPLY},
		{"one", "", "{\"apiVersion\":\"apps/v1\",\"metadata\":{\"managedFields\":[{}]}}", NULL,
		 "metadata.managedFields must be nil", NULL, APPLY},
		{"one", "", "{" HEAD ",\"bogus\":1}", NULL,
		 "failed to create typed patch object (/a; apps/v1, Kind=Thing): .bogus: field not declared "
		 "in schema",
		 NULL, APPLY},
	};
	story(&root_s, steps, SP_LEN(steps));
}

SP_TEST(apply, story_of_lists)
{
	static const step steps[] = {
		{"one", "", OBJ("{\"ports\":[{\"port\":80}],\"finals\":[\"a\"],\"selector\":{\"x\":\"1\"}}"),
		 NULL, NULL, NULL, APPLY},
		{"two", "", OBJ("{\"ports\":[{\"port\":81}],\"finals\":[\"b\"]}"),
		 "{\"ports\":[{\"port\":80},{\"port\":81}],\"finals\":[\"a\",\"b\"],\"selector\":{\"x\":"
		 "\"1\"}}",
		 NULL, NULL, APPLY},
		{"two", "", OBJ("{\"selector\":{\"y\":\"1\"}}"), NULL,
		 "Apply failed with 1 conflict: conflict with \"one\": .spec.selector", NULL, APPLY},
		{"one", "", OBJ("{\"finals\":[\"a\"],\"selector\":{\"x\":\"1\"}}"),
		 "{\"ports\":[{\"port\":81}],\"finals\":[\"a\",\"b\"],\"selector\":{\"x\":\"1\"}}", NULL,
		 "A:two A:one", APPLY},
		{"three", "", OBJ("{\"ports\":[{\"port\":81,\"protocol\":\"UDP\"}]}"),
		 "{\"ports\":[{\"port\":81},{\"port\":81,\"protocol\":\"UDP\"}],\"finals\":[\"a\",\"b\"],"
		 "\"selector\":{\"x\":"
		 "\"1\"}}",
		 NULL, NULL, APPLY},
	};
	story(&root_s, steps, SP_LEN(steps));
}

SP_TEST(apply, story_of_writers)
{
	static const step steps[] = {
		{"creator", "", OBJ("{\"replicas\":2}"), NULL, NULL, "U:creator", WRITE},
		{"app", "", OBJ("{\"replicas\":5}"), NULL,
		 "Apply failed with 1 conflict: conflict with \"creator\" using apps/v1: .spec.replicas",
		 NULL, APPLY},
		{"app", "", OBJ("{\"replicas\":2}"), NULL, NULL, "A:app U:creator", APPLY},
		{"app", "", OBJ("{\"replicas\":5}"), NULL, NULL, "A:app", FORCE},
		{"app", "", "{" HEAD ",\"spec\":{\"replicas\":6}}", "{\"replicas\":6}", NULL, "A:app", APPLY},
	};
	story(&root_s, steps, SP_LEN(steps));
	/* A write takes fields; objects nobody tracked stay so until they are applied. */
	static const step untracked[] = {
		{"w", "", "{\"metadata\":{\"name\":\"a\",\"managedFields\":[]},\"spec\":{}}", NULL, NULL, "",
		 WRITE},
		{"w", "", OBJ("{\"replicas\":3}"), NULL, NULL, "", WRITE},
	};
	story(&root_s, untracked, SP_LEN(untracked));
}

SP_TEST(apply, status_is_told_apart)
{
	static const step steps[] = {
		{"ctl", "status", "{" HEAD ",\"status\":{\"ready\":1}}", NULL, NULL, "A:ctl", APPLY},
		{"two", "status", "{" HEAD ",\"status\":{\"ready\":2}}", NULL,
		 "Apply failed with 1 conflict: conflict with \"ctl\" with subresource \"status\": "
		 ".status.ready",
		 NULL, APPLY},
		{"w", "", "{" HEAD ",\"spec\":{},\"status\":{\"ready\":3,\"phase\":\"x\"}}", NULL, NULL, NULL,
		 WRITE},
		{"two", "status", "{" HEAD ",\"status\":{\"ready\":4,\"phase\":\"y\"}}", NULL, NULL, NULL,
		 FORCE},
	};
	story(&root_s, steps, SP_LEN(steps));
}

/* What its applier empties stays, for he still writes it. */
SP_TEST(apply, emptied)
{
	static const step steps[] = {
		{"one", "", OBJ("{\"replicas\":2}"), NULL, NULL, "A:one", APPLY},
		{"one", "", OBJ("{}"), "{}", NULL, "A:one", APPLY},
	};
	story(&root_s, steps, SP_LEN(steps));
}

SP_TEST(apply, unknown_schema)
{
	static const step steps[] = {
		{"one", "", OBJ("{\"m\":{\"a\":1},\"l\":[1,2]}"), "{\"m\":{\"a\":1},\"l\":[1,2]}", NULL,
		 "A:one", APPLY},
		{"two", "", OBJ("{\"m\":{\"b\":1}}"), "{\"m\":{\"a\":1,\"b\":1},\"l\":[1,2]}", NULL, NULL,
		 APPLY},
		{"two", "", OBJ("{\"l\":[3]}"), NULL,
		 "Apply failed with 1 conflict: conflict with \"one\": .spec.l", NULL, APPLY},
		{"one", "", OBJ("{\"l\":[1,2]}"), "{\"m\":{\"b\":1},\"l\":[1,2]}", NULL, NULL, APPLY},
	};
	story(NULL, steps, SP_LEN(steps));
}

/* Writers own what Go writes that differs from Go's zero object. */
SP_TEST(managed, what_go_writes)
{
	static const sp_schema time_s = {.kind = SP_K_TIME}, long_s = {.kind = SP_K_DURATION};
	static const sp_field f[] = {
		{.name = SP_STR_INIT("first"), .schema = &time_s, .flags = OMIT},
		{.name = SP_STR_INIT("items"), .schema = &strs_s},
		{.name = SP_STR_INIT("last"), .schema = &time_s, .flags = OMIT | SP_F_POINTER},
		{.name = SP_STR_INIT("least"), .schema = &i32_s, .flags = OMIT | SP_F_POINTER},
		{.name = SP_STR_INIT("long"), .schema = &long_s, .flags = OMIT},
		{.name = SP_STR_INIT("metadata"), .schema = &meta_s},
		{.name = SP_STR_INIT("ready"), .schema = &i32_s, .flags = OMIT},
	};
	static const uint16_t order[] = {0, 1, 2, 3, 4, 5, 6};
	static const sp_schema s = {
		.kind = SP_K_OBJECT, .n_fields = SP_LEN(f), .fields = f, .by_name = order};
	static const struct {
		const char *object, *owners;
	} rows[] = {
		{"{\"first\":null,\"long\":\"0s\"}", ""}, /* structs are written, and so they were */
		{"{\"ready\":0,\"last\":null}", ""},      /* left out */
		{"{\"least\":0}", "U:w"},                 /* a pointer that points */
		{"{\"ready\":1}", "U:w"},
		{"{\"items\":null}", ""},
		{"{\"items\":[]}", "U:w"}, /* not nil */
		{"{\"first\":\"2024-01-02T03:04:05Z\"}", "U:w"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_mut_val *v = tree(doc, rows[i].object);
		t_row("%s", rows[i].object);
		T_TRUE(v != NULL);
		sp_apply_request q = {.arena = T_ARENA,
				      .doc = doc,
				      .schema = &s,
				      .api_version = SP_STR("v1"),
				      .kind = SP_STR("Thing"),
				      .manager = SP_STR("w"),
				      .now = SP_STR("2026-01-01T00:00:00Z")};
		T_OK(sp_apply_track(&q, NULL, v));
		SP_AUTO_BUF owners;
		sp_buf_init(&owners, 4096);
		owners_text(v, &owners);
		T_EQ_C(sp_buf_view(&owners), rows[i].owners);
	}
}

SP_TEST(managed, ancient_changes)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	sp_managers m = {0};
	for (int i = 0; i < 13; i++) {
		sp_fieldset *s = sp_fieldset_new(T_ARENA);
		T_TRUE(s != NULL);
		sp_str name = sp_arena_printf(T_ARENA, "m%02d", i);
		sp_fs_entry e = {.pe = {.kind = SP_PE_FIELD, .name = name}, .member = true};
		T_TRUE(name.ptr != NULL && sp_fieldset_append(T_ARENA, s, &e));
		sp_manager it = {.name = name,
				 .api_version = SP_STR("v1"),
				 .time = sp_arena_printf(T_ARENA, "2026-01-01T00:00:%02dZ", i),
				 .set = s};
		T_TRUE(sp_managers_add(T_ARENA, &m, &it) != NULL);
	}
	T_OK(sp_managers_cap(T_ARENA, &m));
	T_EQ_U64(m.n, 10);
	T_EQ_C(m.items[0].name, "ancient-changes");
	T_EQ_C(m.items[0].time, "2026-01-01T00:00:03Z");
	T_EQ_U64(sp_fieldset_count(m.items[0].set), 4);
}
