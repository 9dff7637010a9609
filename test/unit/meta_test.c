/* SPDX-License-Identifier: Apache-2.0 */
/* ObjectMeta: what is filled in, taken over and refused. */
#include "kube/meta.h"

#include "lib/t.h"

static void count_up(void *arg, void *bytes, size_t n)
{
	uint8_t *next = arg;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)bytes)[i] = (*next)++;
}

typedef struct fixture {
	sp_kind thing; /* without hooks; the schema is of no matter */
	sp_kind_ctx c;
	sp_violations errors;
	uint8_t seed;
} fixture;

static void setup(fixture *f)
{
	*f = (fixture){.thing = {.kind = SP_STR_INIT("Thing"),
				 .plural = SP_STR_INIT("things"),
				 .namespaced = true,
				 .schema = sp_schema_by_name(SP_STR("io.k8s.api.core.v1.ConfigMap"))}};
	sp_violations_init(&f->errors, T_ARENA);
	f->c = (sp_kind_ctx){.arena = T_ARENA,
			     .doc = sp_json_doc(T_ARENA),
			     .kind = &f->thing,
			     .errors = &f->errors,
			     .now = {.seconds = 1700000000},
			     .random = count_up,
			     .random_arg = &f->seed};
}

static sp_code parse(fixture *f, const char *text, yyjson_mut_val **ret)
{
	if (f->c.doc == NULL)
		return SP_ENOMEM;
	return sp_json_parse_mut(T_ARENA, sp_str_c(text), f->c.doc, ret, T_ERR);
}

static sp_str json(yyjson_mut_val *v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	return sp_json_write_mut(&out, v) == SP_OK ? sp_arena_try_dup(T_ARENA, sp_buf_view(&out))
						   : SP_STR("");
}

SP_TEST(meta, fill_create)
{
	fixture f;
	yyjson_mut_val *obj = NULL;
	setup(&f);
	T_OK(parse(&f,
		   "{\"metadata\":{\"generateName\":\"web-\",\"uid\":\"x\",\"selfLink\":\"/\","
		   "\"deletionTimestamp\":\"2001-01-01T00:00:00Z\",\"deletionGracePeriodSeconds\":1}}",
		   &obj));
	sp_meta_wipe_deletion(obj);
	sp_meta_fill_create(&f.c, obj);
	T_OK(f.c.code);
	T_EQ_C(json(obj), "{\"metadata\":{\"generateName\":\"web-\",\"uid\":"
			  "\"00010203-0405-4607-8809-0a0b0c0d0e0f\",\"creationTimestamp\":"
			  "\"2023-11-14T22:13:20Z\",\"name\":\"web-fctj8\"}}");
	T_OK(parse(&f, "{}", &obj));
	sp_meta_fill_create(&f.c, obj);
	T_OK(f.c.code);
	T_EQ_STR(sp_meta_name(obj), SP_STR(""));
	T_TRUE(sp_kv_has(sp_meta(obj), "uid"));
}

SP_TEST(meta, namespaces)
{
	fixture f;
	yyjson_mut_val *obj = NULL;
	setup(&f);
	T_OK(parse(&f, "{\"metadata\":{\"namespace\":\"a\"}}", &obj));
	T_TRUE(!sp_meta_set_namespace(&f.c, obj, SP_STR("b")));
	T_TRUE(sp_meta_set_namespace(&f.c, obj, SP_STR("a")));
	T_TRUE(sp_meta_set_namespace(&f.c, obj, SP_STR("")));
	T_EQ_STR(sp_meta_namespace(obj), SP_STR(""));
	T_TRUE(sp_meta_set_namespace(&f.c, obj, SP_STR("b")));
	T_OK(f.c.code);
	T_EQ_STR(sp_meta_namespace(obj), SP_STR("b"));
}

SP_TEST(meta, owners_are_deduplicated)
{
	fixture f;
	yyjson_mut_val *obj = NULL;
	setup(&f);
	T_OK(parse(&f,
		   "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"1\"},{\"uid\":\"2\"},{\"uid\":\"1\"},{},{}"
		   ",{\"uid\":\"1\",\"name\":\"x\"},"
		   "{\"uid\":\"1\"}]}}",
		   &obj));
	sp_str dropped = sp_meta_dedup_owners(&f.c, obj);
	T_OK(f.c.code);
	T_EQ_C(dropped, "1, , 1");
	T_EQ_U64(sp_kv_len(sp_kv_get(sp_meta(obj), "ownerReferences")), 4);
}

/* The errors of a create, one text. */
static void expect_create(const char *meta, const char *want)
{
	fixture f;
	yyjson_mut_val *obj = NULL;
	setup(&f);
	t_row("%s", meta);
	T_OK(parse(&f, meta, &obj));
	sp_meta_validate(&f.c, obj);
	T_OK(f.errors.code);
	T_EQ_C(sp_violations_text(T_ARENA, &f.errors), want);
}

#define NAMED(rest) "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"," rest "}}"

SP_TEST(meta, create_rules)
{
	expect_create(NAMED("\"labels\":{\"a\":\"b\"}"), "");
	expect_create("{\"metadata\":{\"name\":\"a\"}}", "metadata.namespace: Required value");
	expect_create("{}", "[metadata.name: Required value: name or generateName is required, "
			    "metadata.namespace: Required value]");
	expect_create(NAMED("\"generation\":-1"),
		      "metadata.generation: Invalid value: -1: must be greater than or equal to 0");
	expect_create(
		NAMED("\"finalizers\":[\"a\"]"),
		"metadata.finalizers[0]: Invalid value: \"a\": name is neither a standard finalizer name nor "
		"is it fully qualified");
	expect_create(
		NAMED("\"finalizers\":[\"orphan\",\"foregroundDeletion\"]"),
		"metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer orphan "
		"and foregroundDeletion cannot be both set");
	expect_create(
		NAMED("\"managedFields\":[{\"operation\":\"X\",\"fieldsType\":\"Y\",\"manager\":\"\\n\"}]"),
		"[metadata.managedFields[0].operation: Invalid value: \"X\": must be `Apply` or `Update`, "
		"metadata.managedFields[0].fieldsType: Invalid value: \"Y\": must be `FieldsV1`, "
		"metadata.managedFields[0].manager: Invalid value: \"\\n\": invalid character U+000A (at "
		"position 0)]");
	expect_create(NAMED("\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"e\","
			    "\"uid\":\"u\",\"controller\":false}]"),
		      "metadata.ownerReferences: Invalid value: "
		      "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":\"e\",\"uid\":\"u\",\"controller\":"
		      "false}: "
		      "/v1, Kind=Event is disallowed from being an owner");
	expect_create(NAMED("\"annotations\":{\"Example.COM/A\":\"anything goes \"}"), "");
}

static void expect_update(const char *now, const char *old, const char *want)
{
	fixture f;
	yyjson_mut_val *obj = NULL, *was = NULL;
	setup(&f);
	t_row("%s", now);
	T_OK(parse(&f, now, &obj));
	T_OK(parse(&f, old, &was));
	T_OK(sp_kind_before_update(&f.c, obj, was));
	T_EQ_C(sp_violations_text(T_ARENA, &f.errors), want);
}

SP_TEST(meta, update_rules)
{
	expect_update(NAMED("\"resourceVersion\":\"1\",\"generation\":7"),
		      NAMED("\"resourceVersion\":\"1\",\"uid\":\"u\",\"generation\":3"), "");
	expect_update(NAMED("\"uid\":\"v\""), NAMED("\"uid\":\"u\""),
		      "[metadata.resourceVersion: Invalid value: \"\": must be specified for an update, "
		      "metadata.uid: Invalid value: \"v\": field is immutable]");
	expect_update("{\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"resourceVersion\":\"1\"}}",
		      NAMED("\"uid\":\"u\""), "metadata.name: Invalid value: \"b\": field is immutable");
	expect_update(NAMED("\"resourceVersion\":\"1\",\"finalizers\":[\"x/c\",\"x/b\",\"x/a\"]"),
		      NAMED("\"deletionTimestamp\":\"2001-01-01T00:00:00Z\",\"finalizers\":[\"x/a\"]"),
		      "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
		      "deleted, found new finalizers []string{\"x/b\", \"x/c\"}");
}

SP_TEST(meta, label_selectors)
{
	static const struct {
		const char *selector, *want;
	} rows[] = {
		{"{\"matchLabels\":{\"a\":\"b\"}}", ""},
		{"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}",
		 "s.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
		 "'NotIn'"},
		{"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"b\"]}]}",
		 "s.matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' "
		 "or "
		 "'DoesNotExist'"},
		{"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"X\"}]}",
		 "s.matchExpressions[0].operator: Invalid value: \"X\": not a valid selector operator"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		fixture f;
		yyjson_mut_val *selector = NULL;
		setup(&f);
		t_row("%s", rows[i].selector);
		T_OK(parse(&f, rows[i].selector, &selector));
		sp_label_selector_validate(&f.errors, SP_PATH("s"), selector, 0);
		T_EQ_C(sp_violations_text(T_ARENA, &f.errors), rows[i].want);
	}
}

SP_TEST(meta, conditions)
{
	fixture f;
	yyjson_mut_val *list = NULL;
	setup(&f);
	T_OK(parse(&f,
		   "[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"R\",\"lastTransitionTime\":"
		   "\"2001-01-01T00:00:00Z\"},{\"type\":\"A\",\"status\":\"x\"}]",
		   &list));
	sp_conditions_validate(&f.errors, SP_PATH("c"), list);
	T_EQ_C(sp_violations_text(T_ARENA, &f.errors),
	       "[c[1].type: Duplicate value: \"A\", c[1].status: Unsupported value: \"x\": supported values: "
	       "\"False\", \"True\", \"Unknown\", c[1].lastTransitionTime: Required value, c[1].reason: "
	       "Required "
	       "value]");
}
