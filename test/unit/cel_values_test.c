/* SPDX-License-Identifier: Apache-2.0 */
/* What callers hand in and get back: views, lazy values, optionals, the authorizer, zones, JSON of results.
 */
#include "base/json.h"
#include "kube/kinds/zone.h"
#include "lib/cel_show.h"
#include "lib/t.h"

#define VARS_MAX 6

typedef struct rig {
	const sp_cel_env *env;
	sp_cel_var vars[VARS_MAX];
	sp_cel_binding bindings[VARS_MAX];
	size_t n;
	sp_cel_run run;
} rig;

static bool rig_init(rig *r, uint32_t libs)
{
	*r = (rig){.n = 0};
	r->run = (sp_cel_run){.arena = T_ARENA, .bindings = r->bindings, .cost_limit = SP_CEL_PER_CALL_LIMIT};
	return sp_cel_env_new(T_ARENA, libs, SP_CEL_KUBERNETES_RULES, &r->env) == SP_OK;
}

static void var(rig *r, const char *name, const sp_cel_type *type, sp_cel_binding b)
{
	SP_ASSERT(r->n < VARS_MAX);
	r->vars[r->n] = (sp_cel_var){.name = sp_str_c(name), .type = type};
	r->bindings[r->n++] = b;
}

/* The value as a literal, or the error, or the complaints. */
static sp_str answer_of(rig *r, const char *expr, sp_cel_val *ret)
{
	const sp_cel_program *p = NULL;
	sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
	sp_code code = sp_cel_compile(T_ARENA, r->env, r->vars, r->n, sp_str_c(expr), &p, &issues, T_ERR);
	if (code == SP_EINVAL)
		return issues.text;
	if (code == SP_OK)
		code = sp_cel_eval(p, &r->run, ret);
	if (code != SP_OK)
		return p == NULL ? SP_STR("no program") : r->run.error;
	cel_ctx ctx = {.run = &r->run, .arena = T_ARENA};
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, 1 << 16);
	cel_show_literal(&ctx, &shown, *ret);
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&shown));
}

static sp_str answer(rig *r, const char *expr)
{
	sp_cel_val v;
	return answer_of(r, expr, &v);
}

static yyjson_mut_val *tree(const char *text)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v = NULL;
	if (doc == NULL || sp_json_parse_mut(T_ARENA, sp_str_c(text), doc, &v, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "parse: %s", text);
	return v;
}

#define OBJECT                                                                                    \
	"{\"a\":{\"b\":[1,2.5,\"x\",null,true]},\"big\":18446744073709551615,\"e\":{},\"k-x\":1," \
	"\"s\":\"\\u00e9\"}"

typedef struct expected {
	const char *expr, *want;
} expected;

/* A tree that can be changed and a parsed one are the same to an expression. */
SP_TEST(cel_values, trees)
{
	static const expected rows[] = {
		{"o.a.b[0] == 1", "true"},
		{"o.a.b[1]", "2.5"},
		{"o.a.b[2] + o.s", "\"xé\""},
		{"o.a.b[3] == null", "true"},
		{"o.a.b.size() + o.size()", "10"},
		{"o['k-x']", "1"},
		{"o.nothing", "no such key: nothing"},
		{"o.a.b[7]", "index out of bounds: 7"},
		{"o.a.b.exists(x, x == true)", "true"},
		{"o.e == {} && o.a == {'b': [dyn(1), dyn(2.5), dyn('x'), dyn(null), dyn(true)]}", "true"},
		{"o.map(k, k)", "[\"a\", \"big\", \"e\", \"k-x\", \"s\"]"},
		{"o.all(k, v, has(o.a))", "true"},
		{"has(o.b) || has(o.a.c)", "false"},
		{"o.?a.?b[?0].orValue(7)", "1"},
		{"o",
		 "{\"a\": {\"b\": [1, 2.5, \"x\", null, true]}, \"big\": 18446744073709552000.0, \"e\": {}, "
		 "\"k-x\": 1, \"s\": \"é\"}"},
	};
	yyjson_val *parsed = NULL;
	T_OK(sp_json_parse(T_ARENA, SP_STR(OBJECT), &parsed, T_ERR));
	sp_cel_val views[] = {sp_cel_of_json(parsed, NULL, false), sp_cel_of_mut(tree(OBJECT), NULL, false)};
	for (size_t k = 0; k < SP_LEN(views); k++) {
		rig r;
		T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
		var(&r, "o", &sp_cel_dyn, (sp_cel_binding){.value = views[k]});
		for (size_t i = 0; i < SP_LEN(rows); i++) {
			t_row("%zu %s", k, rows[i].expr);
			T_EQ_C(answer(&r, rows[i].expr), rows[i].want);
		}
	}
	T_EQ_I64(sp_cel_kind_of(sp_cel_of_json(NULL, NULL, false)), SP_CEL_NULL);
}

/* ---- lazy values ---- */

typedef struct counter {
	size_t calls;
	const char *error;
} counter;

static sp_cel_val counted(void *arg, sp_cel_run *run)
{
	counter *c = arg;
	c->calls++;
	return c->error == NULL ? sp_cel_of_int(41) : sp_cel_error(run, "%s", c->error);
}

SP_TEST(cel_values, lazy_variables)
{
	counter used = {0, NULL}, unused = {0, NULL}, failing = {0, "no luck"};
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	var(&r, "a", &sp_cel_int, (sp_cel_binding){.get = counted, .arg = &used});
	var(&r, "b", &sp_cel_int, (sp_cel_binding){.get = counted, .arg = &unused});
	var(&r, "c.d", &sp_cel_int, (sp_cel_binding){.get = counted, .arg = &failing});
	T_EQ_C(answer(&r, "a + 1 == 42 || b == 1"), "true");
	T_EQ_C(answer(&r, "[a, a, a].sum()"), "123");
	T_EQ_U64(used.calls, 2); /* once for each evaluation */
	T_EQ_U64(unused.calls, 0);
	T_EQ_C(answer(&r, "c.d > 0"), "no luck");
	T_EQ_C(answer(&r, "c.d > 0 || true"), "true");
	T_EQ_U64(failing.calls, 2);
}

static sp_cel_val field_of(void *arg, sp_cel_run *run, size_t i)
{
	size_t *calls = arg;
	++*calls;
	return i == 0 ? sp_cel_of_str(SP_STR("foo")) : sp_cel_error(run, "composed variable \"bad\" fails");
}

SP_TEST(cel_values, lazy_struct)
{
	static const sp_cel_field fields[] = {{SP_STR_INIT("name"), &sp_cel_string},
					      {SP_STR_INIT("bad"), &sp_cel_int}};
	sp_cel_val cache[2] = {{.kind = SP_CEL_DYN}, {.kind = SP_CEL_DYN}};
	size_t calls = 0;
	rig r;
	memset(cache, 0, sizeof(cache));
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	const sp_cel_type *type = sp_cel_struct_of(T_ARENA, SP_STR("kubernetes.variables"), fields, 2);
	T_TRUE(type != NULL);
	sp_cel_lazy lazy = {.type = type, .get = field_of, .arg = &calls, .cache = cache};
	var(&r, "variables", type, (sp_cel_binding){.value = sp_cel_of_lazy(&lazy)});
	T_EQ_C(answer(&r, "variables.name + variables.name.upperAscii()"), "\"fooFOO\"");
	T_EQ_C(answer(&r, "variables.name"), "\"foo\"");
	T_EQ_U64(calls, 1);
	T_EQ_C(answer(&r, "variables.bad + 1"), "composed variable \"bad\" fails");
	T_EQ_C(answer(&r, "variables.bad + 1 > 0 || variables.name == 'foo'"), "true");
	T_EQ_U64(calls, 2);
	T_EQ_C(answer(&r, "variables.other"),
	       "ERROR: <input>:1:10: undefined field 'other'\n | variables.other\n | .........^");
}

SP_TEST(cel_values, optional_variables)
{
	sp_cel_val seven = sp_cel_of_int(7), got = sp_cel_of_null();
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	const sp_cel_type *type = sp_cel_optional_of(T_ARENA, &sp_cel_int);
	T_TRUE(type != NULL);
	var(&r, "some", type, (sp_cel_binding){.value = sp_cel_of_optional(&r.run, &seven)});
	var(&r, "none", type, (sp_cel_binding){.value = sp_cel_of_optional(&r.run, NULL)});
	T_EQ_C(answer(&r, "some.hasValue() && !none.hasValue()"), "true");
	T_EQ_C(answer(&r, "none.orValue(some.value())"), "7");
	T_EQ_C(answer(&r, "none.value()"), "optional.none() dereference");
	T_EQ_C(answer_of(&r, "some", &got), "optional.of(7)");
	T_TRUE(sp_cel_optional_get(got, &got));
	T_TRUE(got.kind == SP_CEL_INT && got.i == 7);
	T_EQ_C(answer_of(&r, "none", &got), "optional.none()");
	T_TRUE(!sp_cel_optional_get(got, &got));
}

/* ---- reading results ---- */

SP_TEST(cel_values, results_are_read)
{
	sp_cel_val v = sp_cel_of_null(), e = sp_cel_of_null(), key;
	size_t i = 0, n = 0;
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	(void)answer_of(&r, "{'a': [1, 2], 'b': []}", &v);
	T_EQ_U64(sp_cel_size(v), 2);
	T_TRUE(sp_cel_get(&r.run, v, SP_STR("a"), &e) && !sp_cel_get(&r.run, v, SP_STR("c"), &key));
	T_EQ_U64(sp_cel_size(e), 2);
	T_EQ_I64(sp_cel_at(&r.run, e, 1).i, 2);
	T_EQ_C(sp_cel_type_name(v), "map");
	while (sp_cel_next(&r.run, v, &i, &key, &e)) {
		T_EQ_C(sp_cel_str(key), n == 0 ? "a" : "b");
		n++;
	}
	T_EQ_U64(n, 2);
	T_EQ_U64(sp_cel_size(sp_cel_of_int(3)), 0);
	T_EQ_C(sp_cel_error_text(sp_cel_error(&r.run, "%d", 5)), "5");
	T_TRUE(sp_cel_is_true(sp_cel_of_bool(true)) && !sp_cel_is_true(sp_cel_of_int(1)));
}

static sp_str as_json(rig *r, const char *expr, bool object)
{
	sp_cel_val v = sp_cel_of_null();
	yyjson_mut_val *out = NULL;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	sp_str text = answer_of(r, expr, &v), json = {NULL, 0};
	sp_code code = doc == NULL ? SP_ETOOLARGE
		       : object    ? sp_cel_to_object(&r->run, v, doc, &out, T_ERR)
				   : sp_cel_to_json(&r->run, v, doc, &out, T_ERR);
	if (code == SP_EINVAL)
		return sp_str_c(T_ERR->msg);
	SP_AUTO_BUF b;
	sp_buf_init(&b, 1 << 16);
	if (code != SP_OK || sp_json_write_mut(&b, out) != SP_OK)
		return text;
	json = sp_arena_try_dup(T_ARENA, sp_buf_view(&b));
	return json;
}

SP_TEST(cel_values, json_of_results)
{
	static const struct {
		const char *expr, *json, *object;
	} rows[] = {
		{"{'a': [dyn(1), dyn(2.5), dyn('x'), dyn(null), dyn(true)]}",
		 "{\"a\":[1,2.5,\"x\",null,true]}", NULL},
		{"b'hi'", "\"aGk=\"", NULL},
		{"duration('1500ms')", "\"1.5s\"", "\"1.5s\""},
		{"timestamp('2020-01-02T03:04:05Z')", "\"2020-01-02T03:04:05Z\"", NULL},
		{"9007199254740993", "\"9007199254740993\"", "9007199254740993"},
		{"{1: 2}", "{\"1\":2}", NULL},
	};
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].expr);
		T_EQ_C(as_json(&r, rows[i].expr, false), rows[i].json);
		if (rows[i].object != NULL)
			T_EQ_C(as_json(&r, rows[i].expr, true), rows[i].object);
	}
}

SP_TEST(cel_values, objects_of_mutations)
{
	static const expected rows[] = {
		{"Object{spec: Object.spec{replicas: 3, template: Object.spec.template{?x: "
		 "optional.none()}}}",
		 "{\"spec\":{\"replicas\":3,\"template\":{}}}"},
		{"[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c~'), value: {'x': 1}}]",
		 "[{\"op\":\"add\",\"path\":\"/a/b~1c~0\",\"value\":{\"x\":1}}]"},
		{"Object{spec: Object.spec{n: 1}.n == 1}", "{\"spec\":true}"},
	};
	sp_cel_val v = sp_cel_of_null();
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES_MUTATION));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].expr);
		T_EQ_C(as_json(&r, rows[i].expr, true), rows[i].want);
	}
	(void)answer_of(&r, "Object{spec: Object.spec{}}.spec", &v);
	T_EQ_C(sp_cel_type_name(v), "Object.spec");
	T_EQ_C(answer(&r, "JSONPatch{op: 1}"),
	       "ERROR: <input>:1:13: expected type of field 'op' is 'string' but provided type is 'int'\n"
	       " | JSONPatch{op: 1}\n | ............^");
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	T_EQ_C(answer(&r, "Object{}"),
	       "ERROR: <input>:1:7: undeclared reference to 'Object' (in container '')\n | Object{}\n | "
	       "......^");
}

/* ---- the authorizer ---- */

typedef struct asked {
	sp_cel_authz_query last;
	size_t n;
} asked;

static void ask(void *arg, const sp_cel_authz_query *q, sp_cel_authz_answer *ret)
{
	asked *a = arg;
	a->last = *q;
	a->n++;
	ret->decision = sp_str_eq(q->verb, SP_STR("get")) ? SP_CEL_ALLOW : SP_CEL_NO_OPINION;
	ret->reason = SP_STR("because");
	ret->error = sp_str_eq(q->verb, SP_STR("fail")) ? SP_STR("broken") : SP_STR("");
}

SP_TEST(cel_values, authorizer)
{
	asked a = {.n = 0};
	sp_cel_authorizer z = {.ask = ask, .arg = &a};
	sp_cel_authz_query own = {.resource = true,
				  .group = SP_STR("apps"),
				  .name_of_resource = SP_STR("deployments"),
				  .ns = SP_STR("ns1"),
				  .name = SP_STR("web")};
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	var(&r, "authorizer", &sp_cel_authorizer_type, (sp_cel_binding){.value = sp_cel_of_authorizer(&z)});
	var(&r, "authorizer.requestResource", &sp_cel_resource_check_type,
	    (sp_cel_binding){.value = sp_cel_of_request_resource(&r.run, &z, &own)});
	T_EQ_C(answer(&r, "authorizer.group('').resource('pods').subresource('log').namespace('n').name('p')"
			  ".fieldSelector('a=b').labelSelector('c in (d)').check('get').allowed()"),
	       "true");
	T_EQ_C(a.last.name_of_resource, "pods");
	T_EQ_C(a.last.subresource, "log");
	T_EQ_C(a.last.ns, "n");
	T_EQ_C(a.last.name, "p");
	T_EQ_C(a.last.version, "*");
	T_TRUE(a.last.resource && a.last.has_field_selector && a.last.has_label_selector);
	T_EQ_C(a.last.field_selector, "a=b");
	T_EQ_C(a.last.label_selector, "c in (d)");
	T_EQ_C(answer(&r, "authorizer.path('/healthz').check('get').reason()"), "\"because\"");
	T_TRUE(!a.last.resource);
	T_EQ_C(a.last.path, "/healthz");
	T_EQ_C(answer(&r, "authorizer.serviceAccount('ns2', 'sa').requestResource"),
	       "ERROR: <input>:1:39: unexpected failed resolution of 'kubernetes.authorization.Authorizer'\n"
	       " | authorizer.serviceAccount('ns2', 'sa').requestResource\n"
	       " | ......................................^");
	T_EQ_C(answer(&r, "authorizer.serviceAccount('ns2', 'sa').path('/x').check('put').allowed()"),
	       "false");
	T_EQ_C(a.last.user_namespace, "ns2");
	T_EQ_C(a.last.user_name, "sa");
	T_EQ_C(answer(&r, "authorizer.requestResource.check('fail').errored()"), "true");
	T_EQ_C(a.last.name, "web");
	T_EQ_C(answer(&r, "authorizer.requestResource.check('fail').error()"), "\"broken\"");
	T_EQ_U64(a.n, 5);
	T_EQ_C(answer(&r, "authorizer.path('').check('get').allowed()"), "path must not be empty");
	T_EQ_U64(a.n, 5);
}

/* ---- zones ---- */

static const sp_zone *one_zone(void *arg, sp_str name)
{
	return sp_str_eq(name, SP_STR("Europe/Berlin")) ? arg : NULL;
}

SP_TEST(cel_values, zones)
{
	sp_zone zone = {.first_offset = 3600};
	sp_cel_zones zones = {.find = one_zone, .arg = &zone};
	const char *in_zone = "timestamp('2020-01-02T23:04:05Z').getDayOfMonth('Europe/Berlin')";
	rig r;
	T_TRUE(rig_init(&r, SP_CEL_KUBERNETES));
	T_EQ_C(answer(&r, "timestamp('2020-01-02T03:04:05Z').getHours('-02:30')"), "0");
	T_EQ_C(answer(&r, in_zone), "unknown time zone Europe/Berlin");
	r.run.zones = &zones;
	T_EQ_C(answer(&r, in_zone), "2"); /* the third: counted from 0 */
	T_EQ_C(answer(&r, "timestamp('2020-01-02T03:04:05Z').getHours('Nowhere')"),
	       "unknown time zone Nowhere");
	T_EQ_C(answer(&r, "timestamp('2020-01-02T03:04:05Z').getHours('Europe/Paris')"),
	       "unknown time zone Europe/Paris");
}
