/* SPDX-License-Identifier: Apache-2.0 */
/* CRD schemas: structure, defaults, pruning, validation; then the recorded refusals where they are present.
 */
#include "kube/crd/crd.h"
#include "lib/t.h"

static yyjson_mut_val *tree(yyjson_mut_doc *doc, const char *text)
{
	yyjson_mut_val *v = NULL;
	if (sp_json_parse_mut(T_ARENA, sp_str_c(text), doc, &v, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "parse: %s: %s", text, T_ERR->msg);
	return v;
}

#define ROOT(props) "{\"type\":\"object\",\"properties\":{" props "}}"

SP_TEST(crd, structure)
{
	static const struct {
		const char *schema, *want;
	} rows[] = {
		{ROOT("\"x\":{\"type\":\"string\"}"), ""},
		{ROOT("\"x\":{}"),
		 "s.properties[x].type: Required value: must not be empty for specified object fields"},
		/* what is not structural is said only when there could be a structural schema */
		{"{\"type\":\"objekt\",\"properties\":{\"x\":{\"type\":\"text\"},\"y\":{}}}",
		 "[s.properties[x].type: Unsupported value: \"text\": supported values: \"array\", "
		 "\"boolean\", "
		 "\"integer\", \"number\", \"object\", \"string\", s.properties[y].type: Required value: "
		 "must not be empty for specified object fields, s.type: Invalid value: \"objekt\": must be "
		 "object at the root, s.type: Unsupported value: \"objekt\": "
		 "supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", "
		 "\"string\"]"},
		{"{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":false,\"properties\":{\"x\":{"
		 "\"type\":\"string\",\"x-kubernetes-map-type\":\"odd\",\"x-kubernetes-list-map-keys\":["
		 "\"a\"]},"
		 "\"y\":{\"type\":\"string\",\"x-kubernetes-list-type\":\"map\"},\"z\":{}}}",
		 "[s.properties[x].type: Invalid value: \"string\": must be object if x-kubernetes-map-type "
		 "is "
		 "specified, s.properties[x].x-kubernetes-list-type: Required value: must be map if "
		 "x-kubernetes-list-map-keys is non-empty, s.properties[x].x-kubernetes-map-type: "
		 "Unsupported "
		 "value: \"odd\": supported values: \"atomic\", \"granular\", s.properties[y].type: Invalid "
		 "value: "
		 "\"string\": must be array if x-kubernetes-list-type is specified, "
		 "s.properties[y].x-kubernetes-list-map-keys: Required value: must not be empty if "
		 "x-kubernetes-list-type is map, s.x-kubernetes-preserve-unknown-fields: Invalid value: "
		 "false: "
		 "must be true or undefined]"},
		{ROOT("\"x\":{\"type\":\"array\"}"),
		 "s.properties[x].items: Required value: must be specified"},
		{ROOT("\"x\":{\"type\":\"string\",\"$ref\":\"#/d\"}"),
		 "s.properties[x].$ref: Forbidden: $ref is not supported"},
		{ROOT("\"x\":{\"x-kubernetes-int-or-string\":true}"), ""},
		{ROOT("\"x\":{\"x-kubernetes-preserve-unknown-fields\":true}"), ""},
		{ROOT("\"x\":{\"type\":\"array\",\"items\":{}}"),
		 "s.properties[x].items.type: Required value: must not be empty for specified array items"},
		{ROOT("\"x\":{\"type\":\"string\",\"anyOf\":[{\"type\":\"string\"}]}"),
		 "s.properties[x].anyOf[0].type: Forbidden: must be empty to be structural"},
		{ROOT("\"x\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}"), ""},
		{ROOT("\"x\":{\"type\":\"string\",\"pattern\":\"[a\"}"),
		 "s.properties[x].pattern: Invalid value: \"[a\": must be a valid regular expression, but "
		 "isn't: "
		 "error parsing regexp: missing closing ]: `[a`"},
		{ROOT("\"x\":{\"type\":\"string\",\"allOf\":[{\"pattern\":\"(?<!\\\\d)\"}]}"),
		 "s.properties[x].allOf[0].pattern: Invalid value: \"(?<!\\\\d)\": must be a valid regular "
		 "expression, but isn't: error parsing regexp: invalid named capture: `(?<!\\d)`"},
		{"{\"type\":\"string\"}", "s.type: Invalid value: \"string\": must be object at the root"},
		{"{}", "s.type: Required value: must not be empty at the root"},
		{ROOT("\"metadata\":{\"type\":\"object\",\"properties\":{\"labels\":{\"type\":\"object\"}}}"),
		 "s.properties[metadata]: Forbidden: must not specify anything other than name and "
		 "generateName, but "
		 "metadata is implicitly specified"},
		{ROOT("\"metadata\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}"),
		 ""},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].schema);
		sp_violations e;
		const sp_schema *s = NULL;
		yyjson_mut_val *v = tree(doc, rows[i].schema);
		T_TRUE(v != NULL);
		sp_violations_init(&e, T_ARENA);
		T_OK(sp_crd_compile(T_ARENA, v, SP_STR("s"), NULL, false, &e, &s));
		T_EQ_C(sp_violations_text(T_ARENA, &e), rows[i].want);
		T_TRUE((s != NULL) == (e.n == 0));
	}
}

SP_TEST(crd, pattern)
{
	static const struct {
		const char *object, *want;
	} rows[] = {
		{"{\"spec\":{\"a\":\"aaa\"}}", ""},
		{"{\"spec\":{\"a\":\"x\"}}",
		 "spec.a: Invalid value: \"x\": spec.a in body should match '^a+$'"},
		{"{\"spec\":{\"a\":\"<\\u0001\"}}",
		 "spec.a: Invalid value: \"<\\x01\": spec.a in body should match '^a+$'"},
		{"{\"spec\":{\"a\":\"aaaaaaaaaa\"}}", "spec.a: Too long: may not be more than 4 bytes"},
		{"{\"spec\":{\"a\":\"bbbbbbbbbb\"}}", "spec.a: Too long: may not be more than 4 bytes"},
		{"{\"spec\":{\"b\":\"x1\"}}", ""},
		{"{\"spec\":{\"b\":\"xy\"}}",
		 "[<nil>: Invalid value: \"\": \"spec.b\" must validate at least one schema (anyOf), spec.b: "
		 "Invalid value: \"xy\": spec.b in body should match '^y', "
		 "spec.b: Invalid value: \"xy\": spec.b in body should match '\\d']"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	yyjson_mut_val *v = tree(doc, ROOT("\"spec\":{\"type\":\"object\",\"properties\":{"
					   "\"a\":{\"type\":\"string\",\"pattern\":\"^a+$\",\"maxLength\":4},"
					   "\"b\":{\"type\":\"string\",\"pattern\":\"\\\\d\","
					   "\"anyOf\":[{\"pattern\":\"^y\"},{\"pattern\":\"1$\"}]}}}"));
	T_TRUE(v != NULL);
	sp_violations e;
	const sp_schema *s = NULL;
	sp_violations_init(&e, T_ARENA);
	T_OK(sp_crd_compile(T_ARENA, v, SP_STR("s"), NULL, false, &e, &s));
	T_TRUE(s != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].object);
		yyjson_mut_val *object = tree(doc, rows[i].object);
		T_TRUE(object != NULL);
		sp_violations_init(&e, T_ARENA);
		T_OK(sp_crd_validate(T_ARENA, s, object, &e));
		T_EQ_C(sp_violations_text(T_ARENA, &e), rows[i].want);
	}
}

static const char schema_text[] = ROOT(
	"\"spec\":{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{"
	"\"name\":{\"type\":\"string\",\"maxLength\":5},\"n\":{\"type\":\"integer\",\"minimum\":1,"
	"\"default\":3},"
	"\"e\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},\"nul\":{\"type\":\"string\",\"nullable\":true,"
	"\"default\":\"d\"},"
	"\"set\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-kubernetes-list-type\":\"set\"},"
	"\"any\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true},"
	"\"of\":{\"type\":\"integer\",\"oneOf\":[{\"minimum\":5},{\"maximum\":7}]},"
	"\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}}}");

static void note(void *arg, sp_str path)
{
	(void)sp_buf_char(arg, ' ');
	(void)sp_buf_str(arg, path);
}

SP_TEST(crd, values)
{
	static const struct {
		const char *object, *want, *pruned, *errors;
	} rows[] = {
		{"{\"spec\":{\"name\":\"x\",\"zz\":1}}", "{\"spec\":{\"name\":\"x\",\"n\":3,\"nul\":\"d\"}}",
		 " spec.zz", ""},
		{"{\"spec\":{\"name\":\"x\",\"n\":null,\"nul\":null}}",
		 "{\"spec\":{\"name\":\"x\",\"n\":3,\"nul\":null}}", "", ""},
		{"{\"spec\":{\"name\":\"x\",\"any\":{\"q\":{\"r\":1}}},\"top\":1}",
		 "{\"spec\":{\"name\":\"x\",\"n\":3,\"nul\":\"d\",\"any\":{\"q\":{\"r\":1}}}}", " top", ""},
		{"{\"spec\":{}}", NULL, "", "spec.name: Required value"},
		{"{\"spec\":{\"name\":\"abcdef\"}}", NULL, "",
		 "spec.name: Too long: may not be more than 5 bytes"},
		{"{\"spec\":{\"name\":\"x\",\"e\":\"z\"}}", NULL, "",
		 "spec.e: Unsupported value: \"z\": supported values: \"a\", \"b\""},
		{"{\"spec\":{\"name\":\"x\",\"n\":0}}", NULL, "",
		 "spec.n: Invalid value: 0: spec.n in body should be greater than or equal to 1"},
		{"{\"spec\":{\"name\":\"x\",\"set\":[\"a\",\"a\"]}}", NULL, "",
		 "spec.set[1]: Duplicate value: \"a\""},
		{"{\"spec\":{\"name\":\"x\",\"m\":{\"a\":\"b\"}}}", NULL, "",
		 "spec.m.a: Invalid value: \"string\": spec.m.a in body must be of type integer: \"string\""},
		{"{\"spec\":{\"name\":\"x\",\"of\":6}}", NULL, "",
		 "<nil>: Invalid value: \"\": \"spec.of\" must validate one and only one schema (oneOf). "
		 "Found 2 valid "
		 "alternatives"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	sp_violations e;
	const sp_schema *s = NULL;
	yyjson_mut_val *v = tree(doc, schema_text);
	T_TRUE(v != NULL);
	sp_violations_init(&e, T_ARENA);
	T_OK(sp_crd_compile(T_ARENA, v, SP_STR(""), NULL, false, &e, &s));
	T_TRUE(s != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].object);
		SP_AUTO_BUF pruned;
		sp_buf_init(&pruned, 4096);
		yyjson_mut_val *o = tree(doc, rows[i].object), *want = NULL;
		T_TRUE(o != NULL);
		sp_crd_prune(s, o, note, &pruned);
		T_EQ_C(sp_buf_view(&pruned), rows[i].pruned);
		T_TRUE(sp_crd_default(doc, s, o));
		if (rows[i].want != NULL) {
			want = tree(doc, rows[i].want);
			T_TRUE(want != NULL && sp_jmut_equal(o, want));
		}
		sp_violations_init(&e, T_ARENA);
		T_OK(sp_crd_validate(T_ARENA, s, o, &e));
		T_EQ_C(sp_violations_text(T_ARENA, &e), rows[i].errors);
	}
}

/* What stands behind "is invalid: " in a recorded Status, or empty. */
static sp_str recorded_refusal(yyjson_mut_val *body)
{
	sp_str text = sp_jmut_str(sp_jmut_get(body, SP_STR("message")));
	ptrdiff_t at = sp_str_find(text, SP_STR("is invalid: "));
	return at < 0 ? SP_STR("") : sp_str_sub(text, (size_t)at + 12, text.len);
}

static yyjson_mut_val *crd_schema(yyjson_mut_val *step)
{
	yyjson_mut_val *versions = sp_jmut_path(step, "body", "json", "spec", "versions", NULL);
	return sp_jmut_path(yyjson_mut_arr_get_first(versions), "schema", "openAPIV3Schema", NULL);
}

/* Replays creates of one scenario; counts those that were compared. */
static void replay(yyjson_mut_doc *doc, yyjson_mut_val *scenario, size_t *n)
{
	size_t idx, max;
	yyjson_mut_val *step;
	const sp_schema *s = NULL;
	sp_violations e;
	yyjson_mut_arr_foreach(sp_jmut_get(scenario, SP_STR("steps")), idx, max, step)
	{
		yyjson_mut_val *body = sp_jmut_path(step, "body", "json", NULL);
		sp_str kind = sp_jmut_str(sp_jmut_get(body, SP_STR("kind")));
		sp_violations_init(&e, T_ARENA);
		if (s == NULL && crd_schema(step) != NULL) {
			T_OK(sp_crd_compile(T_ARENA, crd_schema(step), SP_STR(""), NULL, false, &e, &s));
			T_TRUE(s != NULL);
			continue;
		}
		int64_t status = yyjson_mut_get_sint(sp_jmut_path(step, "expect", "status", NULL));
		if (s == NULL || !sp_str_eq(kind, SP_STR("Thing")) || (status != 422 && status != 201) ||
		    !sp_str_eq(sp_jmut_str(sp_jmut_get(step, SP_STR("method"))), SP_STR("POST")))
			continue;
		sp_str want = recorded_refusal(sp_jmut_path(step, "expect", "body", NULL));
		t_row("%zu", idx);
		sp_crd_prune(s, body, NULL, NULL);
		T_TRUE(sp_crd_default(doc, s, body));
		T_OK(sp_crd_validate(T_ARENA, s, body, &e));
		T_EQ_STR(sp_violations_text(T_ARENA, &e), want);
		(*n)++;
	}
}

SP_TEST(crd, recorded_refusals)
{
	static const char path[] = "../shared/data/api/crd.json";
	FILE *f = fopen(path, "r");
	if (f == NULL)
		t_skip("no recorded exchanges");
	(void)fclose(f);
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *all = NULL, *scenario;
	size_t idx, max, n = 0;
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, t_file(path), doc, &all, T_ERR));
	yyjson_mut_arr_foreach(sp_jmut_get(all, SP_STR("scenarios")), idx, max, scenario)
	{
		sp_str name = sp_jmut_str(sp_jmut_get(scenario, SP_STR("name")));
		if (sp_str_eq(name, SP_STR("crd-schema-validation")) ||
		    sp_str_eq(name, SP_STR("crd-list-types")))
			replay(doc, scenario, &n);
		if (t_failed())
			return;
	}
	T_TRUE(n > 15);
}
