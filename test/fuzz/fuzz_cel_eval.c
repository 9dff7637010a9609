/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An expression is compiled as the API server's and as cel-go's, estimated, and evaluated twice over several
 * variables with a budget: the same answer, cost and error each time, and a result of the type that was
 * promised.
 */
#include "kube/cel/value.h"

#include "base/json.h"

#define MEMORY ((size_t)24 << 20)
#define BUDGET 20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define X                                                                                                    \
	"{\"name\":\"foo\",\"n\":5,\"list\":[1,2,3],\"names\":[\"a\",\"bb\"],\"m\":{\"k\":\"v\"},\"f\":1.5," \
	"\"nul\":null,\"mixed\":[1,\"a\",2.5,null,{\"k\":[true]}]}"

typedef struct rig {
	sp_arena arena;
	const sp_cel_env *envs[3];
	sp_cel_var vars[5];
	sp_cel_binding bindings[5];
	yyjson_val *x;
} rig;

static void init(rig *r)
{
	static const sp_cel_type *const types[] = {&sp_cel_dyn, &sp_cel_int, &sp_cel_string, &sp_cel_list_dyn,
						   &sp_cel_map_dyn};
	static const char *const names[] = {"x", "i", "s", "l", "m"};
	sp_arena_init(&r->arena, (size_t)8 << 20);
	sp_code code = sp_cel_env_new(&r->arena, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &r->envs[0]);
	SP_ASSERT(code == SP_OK);
	code = sp_cel_env_new(&r->arena, SP_CEL_KUBERNETES_MUTATION, 0, &r->envs[1]);
	SP_ASSERT(code == SP_OK);
	code = sp_cel_env_new(&r->arena,
			      SP_CEL_KUBERNETES | SP_CEL_LIB_MATH | SP_CEL_LIB_BINDINGS |
				      SP_CEL_LIB_ENCODERS | SP_CEL_LIB_ALL_STRINGS,
			      0, &r->envs[2]);
	SP_ASSERT(code == SP_OK);
	code = sp_json_parse(&r->arena, SP_STR(X), &r->x, NULL);
	SP_ASSERT(code == SP_OK);
	for (size_t i = 0; i < SP_LEN(types); i++)
		r->vars[i] = (sp_cel_var){.name = sp_str_c(names[i]), .type = types[i]};
	r->bindings[0].value = sp_cel_of_json(r->x, NULL, false);
	r->bindings[1].value = sp_cel_of_int(7);
	r->bindings[2].value = sp_cel_of_str(SP_STR("abc"));
	r->bindings[3].value = sp_cel_of_json(yyjson_obj_get(r->x, "mixed"), NULL, false);
	r->bindings[4].value = sp_cel_of_json(yyjson_obj_get(r->x, "m"), NULL, false);
}

typedef struct outcome {
	sp_code code;
	uint64_t cost;
	sp_buf shown;
} outcome;

static outcome run_once(const rig *r, const sp_cel_program *p)
{
	sp_arena arena;
	sp_cel_val v = sp_cel_of_null();
	outcome o = {.code = SP_OK};
	sp_buf_init(&o.shown, (size_t)32 << 20);
	sp_arena_init(&arena, MEMORY);
	sp_cel_run run = {.arena = &arena, .bindings = r->bindings, .cost_limit = BUDGET};
	o.code = sp_cel_eval(p, &run, &v);
	o.cost = run.cost;
	if (o.code != SP_OK) {
		(void)sp_buf_str(&o.shown, run.error);
	} else {
		cel_ctx ctx = {.run = &run, .arena = &arena};
		const sp_cel_type *type = sp_cel_result_type(p);
		SP_ASSERT(type->kind != SP_CEL_BOOL || v.kind == SP_CEL_BOOL);
		SP_ASSERT(type->kind != SP_CEL_INT || v.kind == SP_CEL_INT);
		SP_ASSERT(type->kind != SP_CEL_STRING || v.kind == SP_CEL_STRING);
		SP_ASSERT(type->kind != SP_CEL_LIST || v.kind == SP_CEL_LIST);
		cel_show(&ctx, &o.shown, v);
		yyjson_mut_doc *doc = sp_json_doc(&arena);
		yyjson_mut_val *json = NULL;
		if (doc != NULL) {
			(void)sp_cel_to_json(&run, v, doc, &json, NULL);
			(void)sp_cel_to_object(&run, v, doc, &json, NULL);
		}
	}
	sp_arena_done(&arena);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static rig r;
	if (r.x == NULL)
		init(&r);
	if (size > 2048)
		return 0;
	for (size_t i = 0; i < SP_LEN(r.envs); i++) {
		sp_arena a;
		const sp_cel_program *p = NULL;
		sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
		sp_cel_cost cost;
		sp_arena_init(&a, MEMORY);
		sp_code code = sp_cel_compile(&a, r.envs[i], r.vars, SP_LEN(r.vars),
					      (sp_str){(const char *)data, size}, &p, &issues, NULL);
		SP_ASSERT(
			code == SP_OK || code == SP_ETOOLARGE ||
			(code == SP_EINVAL && issues.text.len > 0 && (issues.n > 0 || issues.instantiation)));
		if (code == SP_OK) {
			SP_ASSERT(sp_cel_estimate(&a, p, &cost) != SP_OK || cost.min <= cost.max);
			outcome one = run_once(&r, p), two = run_once(&r, p);
			SP_ASSERT(one.code == two.code && one.cost == two.cost);
			SP_ASSERT(sp_str_eq(sp_buf_view(&one.shown), sp_buf_view(&two.shown)));
			sp_buf_done(&one.shown);
			sp_buf_done(&two.shown);
		}
		sp_arena_done(&a);
	}
	return 0;
}
