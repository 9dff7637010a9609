/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions that want too much: costs, memory, depth, size, and trees that grow beyond their text. */
#include "kube/cel/ast.h"
#include "lib/t.h"

typedef struct outcome {
	sp_code compiled, evaluated;
	uint64_t cost;
	sp_str text; /* complaints or the error */
	sp_cel_val value;
} outcome;

static outcome try_in(sp_arena *programs, sp_arena *runs, sp_str source, uint64_t limit)
{
	outcome o = {.evaluated = SP_EINTERNAL};
	const sp_cel_env *env = NULL;
	const sp_cel_program *p = NULL;
	sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
	o.compiled = sp_cel_env_new(T_ARENA, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &env);
	if (o.compiled == SP_OK)
		o.compiled = sp_cel_compile(programs, env, NULL, 0, source, &p, &issues, T_ERR);
	o.text = sp_arena_try_dup(T_ARENA, issues.text);
	if (o.compiled != SP_OK)
		return o;
	sp_cel_run run = {.arena = runs, .cost_limit = limit};
	o.evaluated = sp_cel_eval(p, &run, &o.value);
	o.cost = run.cost;
	o.text = run.error;
	return o;
}

static outcome try_one(sp_str source, uint64_t limit)
{
	return try_in(T_ARENA, T_ARENA, source, limit);
}

/* `piece` n times. */
static sp_str repeated(const char *piece, size_t n)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, 1 << 20);
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_str(&b, sp_str_c(piece));
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&b));
}

static sp_str joined(sp_str a, sp_str b, sp_str c)
{
	return SP_CONCAT(T_ARENA, a, b, c);
}

#define TEN "[1,2,3,4,5,6,7,8,9,10]"

SP_TEST(cel_limits, cost_ends_an_evaluation)
{
	sp_str loops = SP_STR(TEN ".all(a, " TEN ".all(b, " TEN ".all(c, a + b + c > 0)))");
	outcome o = try_one(loops, 500);
	T_OK(o.compiled);
	T_CODE(o.evaluated, SP_ETOOMANY);
	T_EQ_C(o.text, "operation cancelled: actual cost limit exceeded");
	T_TRUE(o.cost > 500 && o.cost < 600);
	o = try_one(loops, SP_CEL_PER_CALL_LIMIT);
	T_OK(o.evaluated);
	T_TRUE(sp_cel_is_true(o.value) && o.cost > 5000);
	/* Exactly the limit is allowed. */
	uint64_t cost = o.cost;
	T_OK(try_one(loops, cost).evaluated);
	T_CODE(try_one(loops, cost - 1).evaluated, SP_ETOOMANY);
	/* The limit is not an error that || forgives. */
	o = try_one(joined(loops, SP_STR(" || "), SP_STR("true")), 500);
	T_CODE(o.evaluated, SP_ETOOMANY);
}

SP_TEST(cel_limits, memory_ends_an_evaluation)
{
	sp_arena runs;
	sp_arena_init(&runs, 256 << 10);
	sp_str grow = SP_STR(
		"['0123456789'].map(x, x + x + x + x + x + x + x + x).map(x, x + x + x + x + x + x + x + x)"
		".map(x, x + x + x + x + x + x + x + x).map(x, x + x + x + x + x + x + x + x)"
		".map(x, x + x + x + x + x + x + x + x)[0].size()");
	outcome o = try_in(T_ARENA, &runs, grow, 0);
	sp_arena_done(&runs);
	T_OK(o.compiled);
	T_CODE(o.evaluated, SP_ETOOLARGE);
	o = try_one(grow, 0);
	T_OK(o.evaluated);
	T_EQ_I64(o.value.i, 327680);
}

/* A text that needs megabytes of patterns, a list of lists, a replace that grows. */
SP_TEST(cel_limits, memory_of_libraries)
{
	static const char *const rows[] = {
		"'%.100f'.format([1.0]).replace('0', '0000000000').replace('0', '0000000000').replace('0', "
		"'0000000000')",
		TEN ".map(a, " TEN ".map(b, " TEN ".map(c, " TEN ".map(d, [a, b, c, d]))))",
		"[" TEN ".map(a, " TEN "), " TEN ".map(a, " TEN
		")].flatten(5).map(x, '%s %s %s'.format([x, x, x]))"
		".join('-------------------------------------------------------------------------------------"
		"')"
		".split('').map(x, x + x)",
		"'(a*)*' .size() > 0 && 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.replace('', "
		"'aaaaaaaaaaaaaaaaaaaaaaaaaaa')"
		".replace('', "
		"'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb').matches('(a*)*c')",
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		sp_arena runs;
		sp_arena_init(&runs, 32 << 10);
		outcome o = try_in(T_ARENA, &runs, sp_str_c(rows[i]), 0);
		sp_arena_done(&runs);
		T_OK(o.compiled);
		T_CODE(o.evaluated, SP_ETOOLARGE);
	}
}

SP_TEST(cel_limits, memory_ends_a_compilation)
{
	sp_arena programs;
	sp_arena_init(&programs, 16 << 10);
	outcome o = try_in(&programs, T_ARENA, joined(SP_STR("["), repeated("1 + 2,", 1000), SP_STR("]")), 0);
	sp_arena_done(&programs);
	T_CODE(o.compiled, SP_ETOOLARGE);
}

SP_TEST(cel_limits, depth)
{
	struct {
		const char *before, *middle, *after;
	} rows[] = {{"(", "1", ")"},    {"[", "1", "]"},   {"{1:", "1", "}"},  {"!", "true", ""},
		    {"-", "x", ""},     {"a.b(", "", ")"}, {"", "a", ".b"},    {"true ? 1 : ", "1", ""},
		    {"dyn(", "1", ")"}, {"", "a", "[0]"},  {"1 + (", "1", ")"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s%s%s", rows[i].before, rows[i].middle, rows[i].after);
		for (size_t n = 100; n <= (t_torture() ? 100 : 10000); n *= 10) {
			outcome o = try_one(joined(repeated(rows[i].before, n), sp_str_c(rows[i].middle),
						   repeated(rows[i].after, n)),
					    0);
			T_TRUE(o.compiled == SP_OK || o.compiled == SP_EINVAL);
		}
	}
	outcome o = try_one(joined(repeated("(", 300), SP_STR("1"), repeated(")", 300)), 0);
	T_CODE(o.compiled, SP_EINVAL);
	T_TRUE(sp_str_find(o.text, SP_STR("expression recursion limit exceeded: 250")) >= 0);
}

SP_TEST(cel_limits, size_of_the_source)
{
	sp_str most = joined(SP_STR("'"), repeated("é", SP_CEL_SOURCE_RUNES_MAX - 2), SP_STR("'"));
	outcome o = try_one(most, 0);
	T_OK(o.compiled);
	T_EQ_U64(o.value.len, 2 * (SP_CEL_SOURCE_RUNES_MAX - 2));
	o = try_one(joined(most, SP_STR(" "), SP_STR("")), 0);
	T_CODE(o.compiled, SP_EINVAL);
	T_EQ_C(o.text,
	       "ERROR: <input>:1:1: expression code point size exceeds limit: size: 100001, limit 100000");
}

/* optMap writes its target twice. */
SP_TEST(cel_limits, trees_that_grow_beyond_their_text)
{
	sp_str s = SP_STR("optional.of(1)");
	for (int i = 0; i < (t_torture() ? 6 : 40); i++)
		s = SP_CONCAT(T_ARENA, s, SP_STR(".optMap(x, x + 1)"));
	outcome o = try_one(s, 0);
	T_TRUE(t_torture() || o.compiled == SP_ETOOLARGE || o.compiled == SP_EINVAL);
}

/* One program, many runs: same answers, same costs, nothing kept from one in the next. */
SP_TEST(cel_limits, programs_are_constant)
{
	const sp_cel_env *env = NULL;
	const sp_cel_program *p = NULL;
	const sp_cel_var vars[] = {{SP_STR("a"), &sp_cel_int, NULL}, {SP_STR("b"), &sp_cel_int, NULL}};
	T_OK(sp_cel_env_new(T_ARENA, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &env));
	T_OK(sp_cel_compile(T_ARENA, env, vars, 2,
			    SP_STR("[3, 1] + [a] == [3, 1, 2] && {'k': [a]}.k[0] == a"), &p, NULL, T_ERR));
	T_TRUE(sp_cel_uses(p, 0) && !sp_cel_uses(p, 1));
	T_EQ_C(sp_cel_source(p), "[3, 1] + [a] == [3, 1, 2] && {'k': [a]}.k[0] == a");
	uint64_t first = 0;
	for (int64_t i = 0; i < 4; i++) {
		sp_arena arena;
		sp_cel_val v;
		const sp_cel_binding bindings[] = {{.value = sp_cel_of_int(i)}, {.value = sp_cel_of_null()}};
		sp_arena_init(&arena, 1 << 20);
		sp_cel_run run = {.arena = &arena, .bindings = bindings};
		sp_code code = sp_cel_eval(p, &run, &v);
		sp_arena_done(&arena);
		T_OK(code);
		T_TRUE(sp_cel_is_true(v) == (i == 2));
		if (i == 0)
			first = run.cost;
		T_TRUE(i == 0 || i == 2 || run.cost == first);
	}
}
