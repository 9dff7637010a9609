/* SPDX-License-Identifier: Apache-2.0 */
/* What cel-go with the API server's libraries answers: types, complaints, values, errors, costs, estimates.
 */
#include <inttypes.h>

#include "base/json.h"
#include "lib/cel_show.h"
#include "lib/t.h"

#define EVERY_IN_TORTURE 37 /* rows */
#define MEMORY ((size_t)16 << 20)

/* The variables of test/interop/cel. */
#define X                                                                              \
	"{\"name\":\"foo\",\"n\":5,\"list\":[1,2,3],\"names\":[\"a\",\"bb\",\"ccc\"]," \
	"\"m\":{\"k\":\"v\"},\"s\":\"hello world\",\"f\":1.5,\"nul\":null,"            \
	"\"mixed\":[1,\"a\",2.5,null,{\"k\":[true]}]}"

typedef struct fixture {
	const sp_cel_env *env;
	const sp_cel_var *vars;
	const sp_cel_binding *bindings;
	size_t n;
	bool max_only; /* of the estimate; the type is not told */
} fixture;

static sp_str member(yyjson_val *row, const char *name)
{
	return sp_json_str(yyjson_obj_get(row, name));
}

static bool same(const char *what, sp_str got, sp_str want)
{
	return sp_str_eq(got, want) ||
	       t_fail(__FILE__, __LINE__, "%s:\n  got  '" SP_FMT "'\n  want '" SP_FMT "'", what, SP_ARG(got),
		      SP_ARG(want));
}

static bool same_u64(const char *what, uint64_t got, uint64_t want)
{
	return got == want ||
	       t_fail(__FILE__, __LINE__, "%s: got %" PRIu64 ", want %" PRIu64, what, got, want);
}

static bool same_max(uint64_t got, sp_str want)
{
	char text[24];
	(void)snprintf(text, sizeof(text), "%" PRIu64, got);
	return same("max", sp_str_c(text), want);
}

static sp_str issues_text(sp_arena *a, const sp_cel_issues *issues)
{
	return issues->instantiation ? SP_CONCAT(a, SP_STR("INST "), issues->text) : issues->text;
}

static bool value_agrees(sp_cel_run *run, sp_cel_val v, yyjson_val *row)
{
	cel_ctx ctx = {.run = run, .arena = run->arena};
	sp_buf shown;
	sp_buf_init(&shown, 1 << 20);
	cel_show_literal(&ctx, &shown, v);
	bool ok = same("value", sp_buf_view(&shown), member(row, "value"));
	sp_buf_done(&shown);
	return ok;
}

static bool agrees_in(sp_arena *a, const fixture *f, yyjson_val *row)
{
	const sp_cel_program *p = NULL;
	sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
	sp_cel_cost cost = {0, 0};
	sp_cel_val v;
	sp_code code = sp_cel_compile(a, f->env, f->vars, f->n, member(row, "expr"), &p, &issues, T_ERR);
	if (code == SP_EINVAL)
		return same("issues", issues_text(a, &issues), member(row, "issues"));
	if (code != SP_OK)
		return t_fail(__FILE__, __LINE__, "compile: %s", T_ERR->msg);
	sp_str type = sp_cel_type_text(a, sp_cel_result_type(p));
	if (f->max_only && !sp_str_eq(type, SP_STR("bool")))
		return same("issues", SP_STR("cel expression must evaluate to a bool"),
			    member(row, "issues"));
	if (!same("issues", SP_STR(""), member(row, "issues")) ||
	    (!f->max_only && !same("type", type, member(row, "type"))))
		return false;
	if (sp_cel_estimate(a, p, &cost) != SP_OK)
		return t_fail(__FILE__, __LINE__, "no estimate");
	if ((!f->max_only && !same_u64("min", cost.min, yyjson_get_uint(yyjson_obj_get(row, "min")))) ||
	    !same_max(cost.max, member(row, "max")))
		return false;
	sp_cel_run run = {.arena = a, .bindings = f->bindings, .cost_limit = SP_CEL_PER_CALL_LIMIT};
	code = sp_cel_eval(p, &run, &v);
	if (!same_u64("cost", run.cost, yyjson_get_uint(yyjson_obj_get(row, "cost"))))
		return false;
	if (code != SP_OK)
		return same("error", run.error, member(row, "error"));
	return same("error", SP_STR(""), member(row, "error")) && value_agrees(&run, v, row);
}

/* In memory of its own, so that thousands of rows fit. */
static bool agrees(const fixture *f, yyjson_val *row)
{
	sp_arena a;
	sp_arena_init(&a, MEMORY);
	t_row(SP_FMT, SP_ARG(member(row, "expr")));
	bool ok = agrees_in(&a, f, row);
	sp_arena_done(&a);
	return ok;
}

/* False: no more lines. */
static bool next_line(sp_str *file, yyjson_val **ret)
{
	sp_str line;
	return sp_str_cut(file, '\n', &line) && sp_json_parse(T_ARENA, line, ret, T_ERR) == SP_OK;
}

static bool list_of(sp_arena *a, const sp_cel_env *env, const char *literal, sp_cel_val *ret)
{
	const sp_cel_program *p = NULL;
	sp_cel_run run = {.arena = a};
	return sp_cel_compile(a, env, NULL, 0, sp_str_c(literal), &p, NULL, T_ERR) == SP_OK &&
	       sp_cel_eval(p, &run, ret) == SP_OK;
}

SP_TEST(cel_golden, expressions)
{
	fixture f = {.n = 5};
	yyjson_val *x = NULL, *row = NULL;
	sp_cel_binding bindings[5] = {{.value = sp_cel_of_null()}};
	size_t n = 0, n_compared = 0;
	T_OK(sp_cel_env_new(T_ARENA, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &f.env));
	const sp_cel_var vars[5] = {
		{SP_STR("x"), &sp_cel_dyn, NULL},
		{SP_STR("i"), &sp_cel_int, NULL},
		{SP_STR("s"), &sp_cel_string, NULL},
		{SP_STR("l"), sp_cel_list_of(T_ARENA, &sp_cel_int), NULL},
		{SP_STR("ls"), sp_cel_list_of(T_ARENA, &sp_cel_string), NULL},
	};
	T_TRUE(vars[3].type != NULL && vars[4].type != NULL);
	T_OK(sp_json_parse(T_ARENA, SP_STR(X), &x, T_ERR));
	bindings[0].value = sp_cel_of_json(x, NULL, false);
	bindings[1].value = sp_cel_of_int(7);
	bindings[2].value = sp_cel_of_str(SP_STR("abc"));
	T_TRUE(list_of(T_ARENA, f.env, "[3, 1, 2]", &bindings[3].value));
	T_TRUE(list_of(T_ARENA, f.env, "['x', 'yy']", &bindings[4].value));
	f.vars = vars;
	f.bindings = bindings;
	sp_str file = t_file("test/golden/cel/answers.jsonl");
	while (next_line(&file, &row)) {
		if (t_torture() && n++ % EVERY_IN_TORTURE != 0)
			continue;
		T_TRUE(agrees(&f, row));
		n_compared++;
	}
	T_TRUE(n_compared > (t_torture() ? 10 : 600));
}

/* One schema of rules.jsonl with all rules over it. */
static bool rules_agree(fixture *f, yyjson_val *set, size_t *n)
{
	size_t i, max;
	yyjson_val *row;
	const sp_schema *schema = NULL;
	const sp_cel_type *type = NULL;
	bool root = yyjson_get_bool(yyjson_obj_get(set, "root"));
	if (!cel_schema_type(T_ARENA, yyjson_obj_get(set, "schema"), root, &schema, &type))
		return t_fail(__FILE__, __LINE__, "schema");
	const sp_cel_var vars[] = {{SP_STR("self"), type, schema}, {SP_STR("oldSelf"), type, schema}};
	const sp_cel_binding bindings[] = {
		{.value = sp_cel_of_json(yyjson_obj_get(set, "self"), schema, root)},
		{.value = sp_cel_of_json(yyjson_obj_get(set, "oldSelf"), schema, root)},
	};
	f->vars = vars;
	f->bindings = bindings;
	f->n = 2;
	yyjson_arr_foreach(yyjson_obj_get(set, "answers"), i, max, row)
	{
		if (t_torture() && i % EVERY_IN_TORTURE != 0)
			continue;
		if (!agrees(f, row))
			return false;
		++*n;
	}
	return true;
}

SP_TEST(cel_golden, rules_over_schemas)
{
	fixture f = {.max_only = true};
	yyjson_val *set = NULL;
	size_t n = 0;
	T_OK(sp_cel_env_new(T_ARENA, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &f.env));
	sp_str file = t_file("test/golden/cel/rules.jsonl");
	while (next_line(&file, &set))
		T_TRUE(rules_agree(&f, set, &n));
	T_TRUE(n > (t_torture() ? 5 : 150));
}
