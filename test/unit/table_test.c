/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/table.h"

#include "base/duration.h"
#include "base/json_span.h"
#include "lib/t.h"
#include "lib/t_data.h"

/* 2026-01-01T00:00:00Z */
#define NOW ((sp_time){.seconds = 1767225600})

static sp_code make(const sp_kind *kind, sp_table_options options, const char *const *objects, size_t n,
		    sp_buf *out)
{
	static const sp_list_meta meta = {
		.resource_version = SP_STR_INIT("7"), .cont = SP_STR_INIT("c"), .remaining = 2};
	const sp_table_plan *plan;
	sp_table t;
	options.now = NOW;
	SP_TRY(sp_table_plan_make(T_ARENA, kind, &plan, T_ERR));
	sp_table_init(&t, plan, &options, out);
	sp_code code = sp_table_begin(&t, &meta);
	for (size_t i = 0; i < n && code == SP_OK; i++)
		code = sp_table_row(&t, sp_str_c(objects[i]), T_ERR);
	if (code == SP_OK)
		code = sp_table_end(&t);
	sp_table_done(&t);
	return code;
}

SP_TEST(table, custom)
{
	static const char *const objects[] = {
		"{\"apiVersion\":\"e/"
		"v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\",\"creationTimestamp\":"
		"\"2025-12-31T23:50:00Z\"},\"spec\":{\"when\":\"2025-12-30T00:00:00Z\"}}",
		"{ \"metadata\" : {\"name\":\"b\"} , \"spec\":{\"when\":\"soon\"}}"};
	static const sp_column columns[] = {{.name = SP_STR_INIT("When"),
					     .type = SP_STR_INIT("date"),
					     .path = SP_STR_INIT(".spec.when"),
					     .priority = 1}};
	sp_kind kind = {.kind = SP_STR("Thing")};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	T_OK(make(&kind, (sp_table_options){.no_headers = true}, objects, 2, &out));
	T_EQ_C(sp_buf_view(&out), "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
				  "v1\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\","
				  "\"remainingItemCount\":2},\"columnDefinitions\":null,\"rows\":[{\"cells\":"
				  "[\"a\",\"10m\"],\"object\":{\"kind\":"
				  "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
				  "v1\",\"metadata\":{\"name\":\"a\",\"creationTimestamp\":"
				  "\"2025-12-31T23:50:00Z\"}}},{\"cells\":[\"b\",null],\"object\":{\"kind\":"
				  "\"PartialObjectMetadata\",\"apiVersion\":"
				  "\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"b\"}}}]}");
	sp_buf_clear(&out);
	kind.columns = columns;
	kind.n_columns = 1;
	T_OK(make(&kind, (sp_table_options){.include = SP_TABLE_OBJECT, .no_headers = true}, &objects[1], 1,
		  &out));
	T_TRUE(sp_str_find(
		       sp_buf_view(&out),
		       SP_STR("{\"cells\":[\"b\",\"\\u003cinvalid\\u003e\"],\"object\":{ \"metadata\" : {")) >
	       0);
	sp_buf_clear(&out);
	T_OK(make(&kind, (sp_table_options){.include = SP_TABLE_NONE}, objects, 1, &out));
	T_TRUE(sp_str_find(sp_buf_view(&out),
			   SP_STR("{\"name\":\"When\",\"type\":\"date\",\"format\":\"\",\"description\":"
				  "\"Custom resource definition "
				  "column (in JSONPath format): "
				  ".spec.when\",\"priority\":1}],\"rows\":[{\"cells\":[\"a\",\"2d\"],"
				  "\"object\":null}]}")) > 0);
}

static yyjson_mut_val *ready(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return yyjson_mut_sint(c->doc, (int64_t)sp_kv_len(sp_kv_get(obj, "spec")));
}

SP_TEST(table, builtin)
{
	static const sp_column columns[] = {{.name = SP_STR_INIT("Ready"), .type = SP_STR_INIT("integer")},
					    {.name = SP_STR_INIT("Age"),
					     .type = SP_STR_INIT("string"),
					     .path = SP_STR_INIT(".metadata.creationTimestamp")},
					    {.name = SP_STR_INIT("Node"),
					     .type = SP_STR_INIT("string"),
					     .path = SP_STR_INIT(".spec.nodeName")},
					    {.name = SP_STR_INIT("N"),
					     .type = SP_STR_INIT("integer"),
					     .path = SP_STR_INIT(".spec.priority")}};
	static const sp_cell cells[] = {{SP_STR_INIT("Ready"), ready}};
	static const sp_kind_hooks hooks = {.cells = cells, .n_cells = 1};
	static const char *const objects[] = {"{\"metadata\":{\"creationTimestamp\":\"2025-12-31T23:59:55Z\"}"
					      ",\"spec\":{\"nodeName\":\"n\",\"priority\":3},"
					      "\"status\":{\"phase\":\"Failed\"}}",
					      "{}"};
	const sp_kind *pod = sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Pod"));
	T_TRUE(pod != NULL);
	sp_kind kind = *pod;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	kind.columns = columns;
	kind.n_columns = SP_LEN(columns);
	kind.hooks = &hooks;
	T_OK(make(&kind, (sp_table_options){.include = SP_TABLE_NONE, .no_headers = true}, objects, 2, &out));
	T_TRUE(sp_str_ends(sp_buf_view(&out),
			   SP_STR("\"rows\":[{\"cells\":[2,\"5s\",\"n\",3],\"conditions\":[{\"type\":"
				  "\"Completed\",\"status\":\"True\","
				  "\"reason\":\"Failed\",\"message\":\"The pod failed.\"}],\"object\":null},"
				  "{\"cells\":[0,\"\\u003cunknown\\u003e\",\"\",0],\"object\":null}]}")));
	sp_buf_clear(&out);
	kind.n_columns = 0;
	T_OK(make(&kind, (sp_table_options){.include = SP_TABLE_NONE, .no_headers = true}, objects, 2, &out));
	T_TRUE(sp_str_ends(sp_buf_view(&out),
			   SP_STR("\"rows\":[{\"cells\":[\"\",\"2025-12-31T23:59:55Z\"],\"conditions\":[{"
				  "\"type\":\"Completed\","
				  "\"status\":\"True\",\"reason\":\"Failed\",\"message\":\"The pod "
				  "failed.\"}],\"object\":null},"
				  "{\"cells\":[\"\",\"0001-01-01T00:00:00Z\"],\"object\":null}]}")));
}

SP_TEST(table, refuses)
{
	static const sp_column columns[] = {
		{.name = SP_STR_INIT("x"), .type = SP_STR_INIT("string"), .path = SP_STR_INIT(".a[")}};
	static const char *const not_object[] = {"[]"};
	const sp_table_plan *plan;
	sp_kind kind = {.kind = SP_STR("Thing"), .columns = columns, .n_columns = 1};
	T_CODE(sp_table_plan_make(T_ARENA, &kind, &plan, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(T_ERR->msg), "unrecognized column definition \".a[\"");
	kind.n_columns = 0;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 10);
	T_CODE(make(&kind, (sp_table_options){.no_headers = true}, not_object, 1, &out), SP_EINVAL);
	sp_table_include include;
	T_CODE(sp_table_include_parse(SP_STR("Odd"), &include, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(T_ERR->msg),
	       "Unable to convert to Table as requested: includeObject: Invalid value: \"Odd\": must be "
	       "'Metadata', 'Object', 'None', or empty");
	T_OK(sp_table_include_parse(SP_STR(""), &include, T_ERR));
	T_EQ_I64(include, SP_TABLE_METADATA);
	T_OK(sp_table_include_parse(SP_STR("None"), &include, T_ERR));
	T_EQ_I64(include, SP_TABLE_NONE);
}

SP_TEST(table, partial_list)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 10);
	sp_jout j = sp_jout_to(&out);
	sp_list_meta meta = {.resource_version = SP_STR("3")};
	T_OK(sp_partial_list_begin(&j, &meta));
	static const sp_kind kind = {.version = SP_STR_INIT("v1")};
	T_OK(sp_partial_write(
		&j, &kind,
		SP_STR("{\"kind\":\"X\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"metadata\":1}}")));
	T_OK(sp_partial_write(&j, &kind, SP_STR("{}")));
	T_OK(sp_partial_list_end(&j));
	T_EQ_C(sp_buf_view(&out),
	       "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/"
	       "v1\",\"metadata\":{\"resourceVersion\":\"3\"},"
	       "\"items\":[{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
	       "v1\",\"metadata\":{\"name\":\"a\"}},"
	       "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{}}]}");
	T_CODE(sp_partial_write(&j, &kind, SP_STR("7")), SP_EINVAL);
}

SP_TEST(table, human_durations)
{
	static const struct {
		int64_t seconds;
		const char *want;
	} rows[] = {{-2, "<invalid>"},     {-1, "0s"},        {0, "0s"},
		    {119, "119s"},         {120, "2m"},       {121, "2m1s"},
		    {599, "9m59s"},        {600, "10m"},      {10799, "179m"},
		    {10800, "3h"},         {10860, "3h1m"},   {28799, "7h59m"},
		    {28800, "8h"},         {172799, "47h"},   {172800, "2d"},
		    {176400, "2d1h"},      {691199, "7d23h"}, {691200, "8d"},
		    {63071999, "729d"},    {63072000, "2y"},  {63158400, "2y1d"},
		    {252287999, "7y364d"}, {252288000, "8y"}, {315360000, "10y"}};
	char out[SP_DURATION_HUMAN_BYTES];
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%lld", (long long)rows[i].seconds);
		size_t n = sp_duration_human(out, rows[i].seconds * 1000000000);
		T_EQ_C(((sp_str){out, n}), rows[i].want);
	}
	T_TRUE(sp_duration_human(out, INT64_MAX) > 0);
	T_TRUE(sp_duration_human(out, INT64_MIN) > 0);
}

SP_TEST(table, spans)
{
	static const struct {
		const char *text, *want;
		sp_code code;
	} rows[] = {{"{\"a\":1}", "1", SP_OK},
		    {" { \"b\" : [1,{\"a\":2}] , \"a\" : {\"x\":\"}\\\"\"} }", "{\"x\":\"}\\\"\"}", SP_OK},
		    {"{\"a\":\"x,y\",\"a\":2}", "\"x,y\"", SP_OK},
		    {"{}", NULL, SP_ENOTFOUND},
		    {"{\"b\":null}", NULL, SP_ENOTFOUND},
		    {"", NULL, SP_EINVAL},
		    {"[]", NULL, SP_EINVAL},
		    {"{\"a", NULL, SP_EINVAL},
		    {"{\"a\":", NULL, SP_EINVAL},
		    {"{\"a\":{", NULL, SP_EINVAL},
		    {"{\"b\":1", NULL, SP_EINVAL},
		    {"{\"b\":\"\\", NULL, SP_EINVAL}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str got = SP_STR("");
		t_row("%s", rows[i].text);
		T_CODE(sp_json_span(sp_str_c(rows[i].text), SP_STR("a"), &got), rows[i].code);
		if (rows[i].want != NULL)
			T_EQ_C(got, rows[i].want);
	}
}

SP_TEST(table, an_object_without_a_member)
{
	static const struct {
		const char *text, *want;
	} rows[] = {{"{\"a\":1}", "{}"},
		    {"{\"a\":1,\"b\":[2],\"a\":{}}", "{\"b\":[2]}"},
		    {"{ \"b\" : 1 , \"a\" : 2 }", "{ \"b\" : 1}"},
		    {"{\"b\":1}", "{\"b\":1}"},
		    {"{}", "{}"},
		    {"{\"b\":1,}", NULL},
		    {"{\"b\":1", NULL},
		    {"7", NULL}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 10);
		t_row("%s", rows[i].text);
		T_CODE(sp_json_span_without(&out, sp_str_c(rows[i].text), SP_STR("a")),
		       rows[i].want == NULL ? SP_EINVAL : SP_OK);
		if (rows[i].want != NULL)
			T_EQ_C(sp_buf_view(&out), rows[i].want);
	}
}

SP_TEST(table, metadata_alone_hides_what_stands_for_fields)
{
	static const char *const hidden[] = {"x", "y", NULL};
	static const sp_kind_hooks hooks = {.field_annotations = hidden};
	static const sp_kind kind = {.version = SP_STR_INIT("v1"), .hooks = &hooks};
	static const struct {
		const char *metadata, *want;
	} rows[] = {{"{\"name\":\"a\",\"annotations\":{\"x\":\"1\"}}", "{\"name\":\"a\"}"},
		    {"{\"annotations\":{\"y\":\"1\",\"z\":\"2\",\"x\":\"3\"},\"name\":\"a\"}",
		     "{\"name\":\"a\",\"annotations\":{\"z\":\"2\"}}"},
		    {"{\"annotations\":{\"z\":\"2\",\"x\":\"3\"}}", "{\"annotations\":{\"z\":\"2\"}}"},
		    {"{\"annotations\":{\"z\":\"2\"}}", "{\"annotations\":{\"z\":\"2\"}}"},
		    {"{\"name\":\"a\"}", "{\"name\":\"a\"}"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 10);
		sp_jout j = sp_jout_to(&out);
		sp_str object = sp_arena_printf(T_ARENA, "{\"metadata\":%s}", rows[i].metadata);
		T_OK(sp_partial_write(&j, &kind, object));
		T_EQ_STR(sp_buf_view(&out),
			 sp_arena_printf(T_ARENA,
					 "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":"
					 "\"meta.k8s.io/v1\",\"metadata\":%s}",
					 rows[i].want));
	}
}

/* The columns of a recorded CustomResourceDefinition. */
static uint16_t read_columns(yyjson_val *crd, sp_column *columns, size_t max)
{
	uint16_t n = 0;
	yyjson_val *version =
		yyjson_arr_get_first(sp_json_last(sp_json_last(crd, SP_STR("spec")), SP_STR("versions")));
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(version, SP_STR("additionalPrinterColumns")));
	for (yyjson_val *c; n < max && (c = yyjson_arr_iter_next(&it)) != NULL; n++)
		columns[n] =
			(sp_column){.name = sp_json_str(sp_json_last(c, SP_STR("name"))),
				    .type = sp_json_str(sp_json_last(c, SP_STR("type"))),
				    .description = sp_json_str(sp_json_last(c, SP_STR("description"))),
				    .path = sp_json_str(sp_json_last(c, SP_STR("jsonPath"))),
				    .priority = (int32_t)yyjson_get_int(sp_json_last(c, SP_STR("priority")))};
	return n;
}

static void compare_table(const sp_kind *kind, yyjson_val *want)
{
	yyjson_val *row = yyjson_arr_get_first(sp_json_last(want, SP_STR("rows"))), *got;
	SP_AUTO_BUF object, out;
	sp_buf_init(&object, 1 << 16);
	sp_buf_init(&out, 1 << 16);
	T_OK(sp_json_write(&object, sp_json_last(row, SP_STR("object"))));
	const char *objects[] = {object.ptr};
	T_OK(make(kind, (sp_table_options){.include = SP_TABLE_OBJECT}, objects, 1, &out));
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &got, T_ERR));
	char where[512] = "";
	if (!t_json_equal(sp_json_last(got, SP_STR("columnDefinitions")),
			  sp_json_last(want, SP_STR("columnDefinitions")), where, sizeof(where)))
		T_FAIL("columns differ at %s", where);
	yyjson_val *mine = yyjson_arr_get_first(sp_json_last(got, SP_STR("rows")));
	yyjson_val *cells = sp_json_last(row, SP_STR("cells"));
	for (size_t i = 0; i < yyjson_arr_size(cells); i++) {
		yyjson_val *cell = yyjson_arr_get(cells, i);
		t_row("cell %zu", i);
		if (!sp_str_eq(sp_json_str(cell), SP_STR("<age>"))) /* the moment is not recorded */
			T_TRUE(yyjson_equals(yyjson_arr_get(sp_json_last(mine, SP_STR("cells")), i), cell));
	}
}

SP_TEST(table, as_recorded)
{
	yyjson_val *root = t_data_json("api/crd.json"), *scenario, *step;
	T_TRUE(root != NULL);
	sp_column columns[16];
	sp_kind kind = {.kind = SP_STR("Thing"), .columns = columns};
	size_t i, n, k, m, compared = 0;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("scenarios")), i, n, scenario)
	{
		if (!sp_str_eq(sp_json_str(sp_json_last(scenario, SP_STR("name"))),
			       SP_STR("crd-printer-columns")))
			continue;
		yyjson_arr_foreach(sp_json_last(scenario, SP_STR("steps")), k, m, step)
		{
			sp_str id = sp_json_str(sp_json_last(step, SP_STR("id")));
			sp_str path = sp_json_str(sp_json_last(step, SP_STR("path")));
			if (sp_str_eq(id, SP_STR("crd")))
				kind.n_columns = read_columns(
					sp_json_last(sp_json_last(step, SP_STR("body")), SP_STR("json")),
					columns, SP_LEN(columns));
			if (sp_str_find(path, SP_STR("includeObject=Object")) < 0 || t_failed())
				continue;
			compare_table(&kind,
				      sp_json_last(sp_json_last(step, SP_STR("expect")), SP_STR("body")));
			compared++;
		}
	}
	T_TRUE(compared > 0);
}

/* The built-in kind that a recorded path lists or reads; NULL for subresources and others. */
static const sp_kind *kind_of_path(sp_str path)
{
	sp_str group = SP_STR(""), version, plural, rest = path, head;
	if (sp_str_cut(&rest, '?', &head))
		path = head;
	if (!sp_str_take(&path, SP_STR("/api/")) &&
	    !(sp_str_take(&path, SP_STR("/apis/")) && sp_str_cut(&path, '/', &group)))
		return NULL;
	if (!sp_str_cut(&path, '/', &version))
		return NULL;
	if (sp_str_take(&path, SP_STR("namespaces/${ns}/")) && sp_str_find(path, SP_STR("/")) >= 0) {
		rest = path;
		(void)sp_str_cut(&rest, '/', &head);
		if (sp_str_index(rest, '/') >= 0)
			return NULL;
	}
	plural = sp_str_cut(&path, '/', &plural) ? plural : path;
	return sp_kind_by_plural(group, version, plural);
}

/* Columns, and cells that are no work of hooks, of one recorded table. */
static void compare_builtin(const sp_kind *kind, yyjson_val *want)
{
	yyjson_val *got, *row = yyjson_arr_get_first(sp_json_last(want, SP_STR("rows")));
	yyjson_val *full = sp_json_last(row, SP_STR("object"));
	bool has_object =
		full != NULL && sp_str_eq(sp_json_str(sp_json_last(full, SP_STR("kind"))), kind->kind);
	SP_AUTO_BUF object, out;
	sp_buf_init(&object, 1 << 16);
	sp_buf_init(&out, 1 << 18);
	if (has_object)
		T_OK(sp_json_write(&object, full));
	const char *objects[] = {object.ptr};
	T_OK(make(kind, (sp_table_options){.include = SP_TABLE_NONE}, objects, has_object, &out));
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &got, T_ERR));
	char where[512] = "";
	if (!t_json_equal(sp_json_last(got, SP_STR("columnDefinitions")),
			  sp_json_last(want, SP_STR("columnDefinitions")), where, sizeof(where)))
		T_FAIL("columns differ at %s", where);
	yyjson_val *mine = yyjson_arr_get_first(sp_json_last(got, SP_STR("rows")));
	yyjson_val *cells = sp_json_last(row, SP_STR("cells"));
	for (uint16_t i = 0; has_object && i < kind->n_columns; i++) {
		yyjson_val *cell = yyjson_arr_get(cells, i);
		t_row(SP_FMT " cell %u", SP_ARG(kind->kind), i);
		if (kind->columns[i].path.len > 0 && !sp_str_eq(sp_json_str(cell), SP_STR("<age>")))
			T_TRUE(yyjson_equals(yyjson_arr_get(sp_json_last(mine, SP_STR("cells")), i), cell));
	}
}

static size_t compare_file(const char *file)
{
	yyjson_val *root = t_data_json(file), *scenario, *step;
	size_t i, n, k, m, compared = 0;
	if (root == NULL)
		return 0;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("scenarios")), i, n, scenario)
		yyjson_arr_foreach(sp_json_last(scenario, SP_STR("steps")), k, m, step)
	{
		yyjson_val *want = sp_json_last(sp_json_last(step, SP_STR("expect")), SP_STR("body"));
		sp_str path = sp_json_str(sp_json_last(step, SP_STR("path")));
		const sp_kind *kind = kind_of_path(path);
		if (kind == NULL ||
		    !sp_str_eq(sp_json_str(sp_json_last(want, SP_STR("kind"))), SP_STR("Table")))
			continue;
		t_row(SP_FMT, SP_ARG(path));
		if (!t_failed())
			compare_builtin(kind, want);
		compared++;
	}
	return compared;
}

SP_TEST(table, builtin_as_recorded)
{
	static const char *const files[] = {"api/tables.json",
					    "api/kinds-apps.json",
					    "api/kinds-policy.json",
					    "api/kinds-coordination-k8s-io.json",
					    "api/kinds-node-k8s-io.json",
					    "api/kinds-scheduling-k8s-io.json",
					    "api/kinds-storage-k8s-io.json"};
	for (size_t i = 0; i < SP_LEN(files); i++)
		T_TRUE(compare_file(files[i]) > 0);
}
