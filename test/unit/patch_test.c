/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Patch, merge patch, strategic merge patch: tables of documents, patches and results or refusals. */
#include "kube/patch/json_patch.h"
#include "kube/patch/merge_patch.h"
#include "kube/patch/strategic.h"
#include "lib/t.h"

typedef struct row {
	const char *doc, *patch, *want; /* want NULL: refused */
	uint16_t status;
	const char *message;
} row;

typedef sp_code (*apply_fn)(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			    yyjson_mut_val **ret, sp_patch_error *perr);

static void run_row(const row *r, apply_fn apply)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *object = NULL, *want = NULL, *got = NULL;
	sp_patch_error perr = {0};
	t_row("%s + %s", r->doc, r->patch);
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(r->doc), doc, &object, T_ERR));
	sp_code code = apply(T_ARENA, doc, object, sp_str_c(r->patch), &got, &perr);
	if (r->want == NULL) {
		T_TRUE(code != SP_OK);
		T_EQ_I64(perr.status, r->status);
		if (r->message != NULL)
			T_EQ_C(perr.message, r->message);
		return;
	}
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 20);
	if (code != SP_OK)
		T_FAIL("refused: %u " SP_FMT " " SP_FMT, perr.status, SP_ARG(perr.message),
		       SP_ARG(perr.detail));
	T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(r->want), doc, &want, T_ERR));
	T_OK(sp_json_write_mut(&text, got));
	if (!sp_jmut_equal(got, want))
		T_FAIL("got " SP_FMT "\nwant %s", SP_ARG(sp_buf_view(&text)), r->want);
}

#define INVALID "the server rejected our request due to an error in our request"

SP_TEST(json_patch, table)
{
	static const row rows[] = {
		{"{\"a\":1}", "[]", "{\"a\":1}", 0, NULL},
		{"{\"a\":1}", "null", "{\"a\":1}", 0, NULL},
		{"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":[1]}]", "{\"a\":1,\"b\":[1]}", 0,
		 NULL},
		{"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":9}]", "{\"a\":[1,9,2]}", 0,
		 NULL},
		{"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":9}]", "{\"a\":[1,2,9]}", 0,
		 NULL},
		{"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/-1\",\"value\":9}]", "{\"a\":[1,2,9]}", 0,
		 NULL},
		{"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":9}]", NULL, 422, INVALID},
		{"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/-2\"}]", "{\"a\":[2]}", 0, NULL},
		{"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/2\"}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}", 0,
		 NULL},
		{"{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":2}]", "{\"a\":[2]}", 0,
		 NULL},
		{"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"z\":1}}]", "{\"z\":1}", 0,
		 NULL},
		{"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":3}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":{}}]", NULL, 422, INVALID},
		{"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]",
		 "{\"a\":{},\"c\":1}", 0, NULL},
		{"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL, 422,
		 INVALID},
		{"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/c\"}]",
		 "{\"a\":{\"b\":1,\"c\":{\"b\":1}}}", 0, NULL},
		{"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/none\",\"path\":\"/c\"}]",
		 "{\"a\":1,\"c\":null}", 0, NULL},
		{"{\"a/b\":1,\"m~n\":2}",
		 "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"remove\",\"path\":\"/m~0n\"}]", "{}", 0,
		 NULL},
		{"{\"~1\":1}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":1}]", "{\"~1\":1}", 0, NULL},
		{"{\"a\":{\"x\":1,\"y\":2}}",
		 "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"y\":2,\"x\":1}}]",
		 "{\"a\":{\"x\":1,\"y\":2}}", 0, NULL},
		{"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":null}]", "{\"a\":1}", 0, NULL},
		{"{\"a\":1}", "[{\"op\":\"odd\",\"path\":\"/a\"}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/x/y/z\",\"value\":1}]", NULL, 422, INVALID},
		{"{\"a\":1}", "[{\"op\":\"add\"}]", NULL, 422, INVALID},
		{"{\"a\":1}", "{\"op\":\"add\"}", NULL, 400,
		 "error decoding patch: json: cannot unmarshal object into Go value of type "
		 "[]handlers.jsonPatchOp"},
		{"{\"a\":1}", "[{", NULL, 400, "error decoding patch: unexpected end of JSON input"},
		{"{\"a\":1}", "[{\"op\":1}]", NULL, 400,
		 "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of "
		 "type "
		 "string"},
	};
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++)
		run_row(&rows[i], sp_json_patch_apply);
}

SP_TEST(json_patch, limits)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4 << 20);
	T_OK(sp_buf_char(&text, '['));
	for (size_t i = 0; i <= SP_JSON_PATCH_OPS_MAX; i++)
		T_OK(sp_buf_printf(&text, "%s{\"op\":\"test\",\"path\":\"\",\"value\":{}}",
				   i == 0 ? "" : ","));
	T_OK(sp_buf_char(&text, ']'));
	row many = {
		"{}", text.ptr, NULL, 413,
		"Request entity is too large: The allowed maximum operations in a JSON patch is 10000, got "
		"10001"};
	run_row(&many, sp_json_patch_apply);
	/* Doubles its size with each copy: the sum of copies stops it. */
	sp_buf_clear(&text);
	T_OK(sp_buf_str(&text, SP_STR("[{\"op\":\"add\",\"path\":\"/a\",\"value\":\"0123456789abcdef\"}")));
	for (int i = 0; i < 40; i++)
		T_OK(sp_buf_printf(&text, ",{\"op\":\"copy\",\"from\":\"/%c\",\"path\":\"/%c/x\"}", 'a',
				   'b'));
	T_OK(sp_buf_char(&text, ']'));
	row missing = {"{}", text.ptr, NULL, 422, INVALID};
	run_row(&missing, sp_json_patch_apply);
	sp_buf_clear(&text);
	T_OK(sp_buf_str(&text,
			SP_STR("[{\"op\":\"add\",\"path\":\"/a\",\"value\":{\"k\":\"0123456789abcdef\"}}")));
	for (int i = 0; i < 40; i++)
		T_OK(sp_buf_printf(&text, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/x%d\"}", i));
	T_OK(sp_buf_char(&text, ']'));
	row grows = {"{}", text.ptr, NULL, 422, INVALID};
	run_row(&grows, sp_json_patch_apply);
}

SP_TEST(merge_patch, table)
{
	static const row rows[] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}", 0, NULL},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}", 0, NULL},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}", 0, NULL},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}", 0, NULL},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}", 0, NULL},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}", 0,
		 NULL},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}", 0, NULL},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}", 0, NULL},
		{"{}", "{\"a\":[null,{\"x\":null,\"y\":1}]}", "{\"a\":[null,{\"y\":1}]}", 0, NULL},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}", 0, NULL},
		{"{\"a\":1}", "{\"a\":2,\"a\":3}", "{\"a\":3}", 0, NULL},
		{"{}", "[]", NULL, 400,
		 "error decoding patch: json: cannot unmarshal array into Go value of type "
		 "map[string]interface {}"},
		{"{}", "{", NULL, 400, "error decoding patch: unexpected end of JSON input"},
		{"{}", "", NULL, 400, "error decoding patch: unexpected end of JSON input"},
		{"{}", "null", NULL, 400, "Invalid JSON Patch"},
	};
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++)
		run_row(&rows[i], sp_merge_patch_apply);
}

/* A small stand-in for the shapes of real kinds. */
static const sp_schema str_s = {.kind = SP_K_STRING}, i32_s = {.kind = SP_K_I32};
static const sp_schema strs_s = {.kind = SP_K_LIST, .items = &str_s};
static const sp_schema map_s = {.kind = SP_K_MAP, .items = &str_s};
static const uint16_t order2[] = {0, 1}, order9[] = {5, 3, 4, 0, 1, 2, 6, 7, 8};
static const sp_field env_f[] = {{.name = SP_STR_INIT("name"), .schema = &str_s},
				 {.name = SP_STR_INIT("value"), .schema = &str_s}};
static const sp_schema env_s = {.kind = SP_K_OBJECT,
				.n_fields = 2,
				.fields = env_f,
				.by_name = order2,
				.name = SP_STR_INIT("io.k8s.api.core.v1.EnvVar")};
static const sp_schema envs_s = {.kind = SP_K_LIST, .items = &env_s};
static const sp_field spec_f[] = {
	{.name = SP_STR_INIT("items"),
	 .schema = &envs_s,
	 .flags = SP_F_SMP_MERGE,
	 .merge_key = SP_STR_INIT("name")},
	{.name = SP_STR_INIT("labels"), .schema = &map_s},
	{.name = SP_STR_INIT("n"), .schema = &i32_s},
	{.name = SP_STR_INIT("finalizers"), .schema = &strs_s, .flags = SP_F_SMP_MERGE},
	{.name = SP_STR_INIT("inner"), .schema = &env_s},
	{.name = SP_STR_INIT("args"), .schema = &strs_s},
	{.name = SP_STR_INIT("nokey"), .schema = &envs_s, .flags = SP_F_SMP_MERGE},
	{.name = SP_STR_INIT("repl"), .schema = &map_s, .flags = SP_F_SMP_REPLACE},
	{.name = SP_STR_INIT("retain"), .schema = &env_s, .flags = SP_F_SMP_RETAIN_KEYS},
};
static const sp_schema spec_s = {.kind = SP_K_OBJECT,
				 .n_fields = SP_LEN(spec_f),
				 .fields = spec_f,
				 .by_name = order9,
				 .name = SP_STR_INIT("io.k8s.api.core.v1.PodSpec")};

static sp_code apply_strategic(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			       yyjson_mut_val **ret, sp_patch_error *perr)
{
	return sp_strategic_apply(a, doc, &spec_s, object, patch, ret, perr);
}

#define AB "{\"items\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\"2\"}]}"

SP_TEST(strategic, table)
{
	static const row rows[] = {
		{AB, "{\"items\":[{\"name\":\"b\",\"value\":\"3\"}]}",
		 "{\"items\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":\"3\"}]}", 0, NULL},
		/* A new item goes before the first that stood there: upstream's weave. */
		{AB, "{\"items\":[{\"name\":\"c\"}]}",
		 "{\"items\":[{\"name\":\"c\"},{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"b\",\"value\":"
		 "\"2\"}]}",
		 0, NULL},
		/* Items that the patch names stand as it has them. */
		{AB, "{\"items\":[{\"name\":\"a\",\"value\":\"3\"},{\"name\":\"c\"}]}",
		 "{\"items\":[{\"name\":\"a\",\"value\":\"3\"},{\"name\":\"c\"},{\"name\":\"b\",\"value\":"
		 "\"2\"}]}",
		 0, NULL},
		{AB, "{\"items\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}",
		 "{\"items\":[{\"name\":\"b\",\"value\":\"2\"}]}", 0, NULL},
		{AB, "{\"items\":[{\"$patch\":\"replace\"},{\"name\":\"r\"}]}",
		 "{\"items\":[{\"name\":\"r\"}]}", 0, NULL},
		{AB, "{\"items\":[{\"value\":\"x\"}]}", NULL, 500,
		 "map: map[value:x] does not contain declared merge key: name"},
		{AB, "{\"items\":[{\"$patch\":\"merge\",\"name\":\"a\"}]}", NULL, 500,
		 "merging lists cannot yet be specified in the patch"},
		{AB, "{\"items\":[{\"$patch\":\"odd\",\"name\":\"a\"}]}", NULL, 500,
		 "unknown patch type: odd in map: map[$patch:odd name:a]"},
		{AB, "{\"$setElementOrder/items\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
		 "{\"items\":[{\"name\":\"b\",\"value\":\"2\"},{\"name\":\"a\",\"value\":\"1\"}]}", 0, NULL},
		{AB,
		 "{\"$setElementOrder/"
		 "items\":[{\"name\":\"a\"},{\"name\":\"n\"}],\"items\":[{\"name\":\"n\"}]}",
		 "{\"items\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"n\"},{\"name\":\"b\",\"value\":"
		 "\"2\"}]}",
		 0, NULL},
		{AB, "{\"$setElementOrder/items\":[{\"name\":\"a\"}],\"items\":[{\"name\":\"n\"}]}", NULL,
		 500,
		 "The order in patch list:\n[map[name:n]]\n doesn't match $setElementOrder "
		 "list:\n[map[name:a]]\n"},
		{"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"replace\",\"c\":\"2\"}}",
		 "{\"labels\":{\"c\":\"2\"}}", 0, NULL},
		{"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"delete\"}}", "{\"labels\":{}}", 0,
		 NULL},
		{"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"x\"}}", NULL, 500,
		 "unknown patch type: x in map: map[$patch:x]"},
		{"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"a\":null,\"b\":\"2\"}}",
		 "{\"labels\":{\"b\":\"2\"}}", 0, NULL},
		{"{\"labels\":{\"a\":\"1\"}}", "{\"labels\":null}", "{}", 0, NULL},
		{"{}", "{\"labels\":{\"a\":null,\"b\":\"2\"}}", "{\"labels\":{\"b\":\"2\"}}", 0, NULL},
		{"{\"finalizers\":[\"a\",\"b\"]}", "{\"finalizers\":[\"b\",\"c\"]}",
		 "{\"finalizers\":[\"a\",\"b\",\"c\"]}", 0, NULL},
		{"{\"finalizers\":[\"a\",\"b\"]}", "{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}",
		 "{\"finalizers\":[\"b\"]}", 0, NULL},
		{"{\"finalizers\":[\"a\",\"b\"]}",
		 "{\"$deleteFromPrimitiveList/finalizers\":[\"a\"],\"$setElementOrder/"
		 "finalizers\":[\"c\",\"b\"],"
		 "\"finalizers\":[\"c\"]}",
		 "{\"finalizers\":[\"c\",\"b\"]}", 0, NULL},
		{"{\"finalizers\":[\"a\"]}", "{\"$deleteFromPrimitiveListfinalizers\":[\"a\"]}", NULL, 400,
		 "invalid patch format of primitive list"},
		{"{\"args\":[\"a\",\"b\"]}", "{\"args\":[\"c\"]}", "{\"args\":[\"c\"]}", 0, NULL},
		{"{\"retain\":{\"name\":\"a\",\"value\":\"1\"}}",
		 "{\"retain\":{\"$retainKeys\":[\"value\"],\"value\":\"2\"}}",
		 "{\"retain\":{\"value\":\"2\"}}", 0, NULL},
		{"{\"retain\":{\"name\":\"a\"}}", "{\"retain\":{\"$retainKeys\":[\"value\"],\"name\":\"2\"}}",
		 NULL, 400, "invalid patch format of retainKeys"},
		{"{\"retain\":{\"name\":\"a\"}}", "{\"retain\":{\"$retainKeys\":\"value\"}}", NULL, 400,
		 "invalid patch format of retainKeys"},
		{"{\"repl\":{\"a\":\"1\"}}", "{\"repl\":{\"b\":\"1\"}}", "{\"repl\":{\"b\":\"1\"}}", 0, NULL},
		{"{\"nokey\":[{\"name\":\"a\"}]}", "{\"nokey\":[{\"name\":\"a\"}]}", NULL, 500,
		 "cannot merge lists without merge key for struct"},
		{"{\"items\":[\"x\"]}", "{\"items\":[{\"name\":\"a\"}]}", NULL, 500,
		 "list element types are not identical: [[x] [map[name:a]]]"},
		{"{\"finalizers\":[[\"x\"]]}", "{\"finalizers\":[[\"a\"]]}", NULL, 422, INVALID},
		{"{\"bogus\":{\"a\":1}}", "{\"bogus\":{\"a\":2}}", NULL, 500,
		 "unable to find api field in struct PodSpec for the json field \"bogus\""},
		{"{}", "{\"bogus\":{\"a\":2}}", "{\"bogus\":{\"a\":2}}", 0, NULL},
		{"{}", "[]", NULL, 400,
		 "json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"{\"n\":1}", "null", "{\"n\":1}", 0, NULL},
		{"{}", "{\"$setElementOrder/items\":\"x\"}", NULL, 500,
		 "expected a []interface {}, but received a string"},
	};
	for (size_t i = 0; i < SP_LEN(rows) && !t_failed(); i++)
		run_row(&rows[i], apply_strategic);
}
