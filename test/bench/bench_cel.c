/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling and evaluating rules; the ratio to cel-go is printed by test/interop/cel. */
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "kube/cel/cel.h"
#include "kube/crd/crd.h"

#define RUNS 5

/* Of the processor: other programs may run meanwhile. */
static double now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(sp_code code)
{
	SP_ASSERT(code == SP_OK);
}

#define SCHEMA                                                                                          \
	"{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"           \
	"\"replicas\":{\"type\":\"integer\"},\"max\":{\"type\":\"integer\"},"                           \
	"\"name\":{\"type\":\"string\",\"maxLength\":63},\"mode\":{\"type\":\"string\"},"               \
	"\"ports\":{\"type\":\"array\",\"maxItems\":16,\"items\":{\"type\":\"object\",\"properties\":{" \
	"\"port\":{\"type\":\"integer\"},\"name\":{\"type\":\"string\",\"maxLength\":15}}}}}}}}"

#define OBJECT                                                                                              \
	"{\"apiVersion\":\"a/v1\",\"kind\":\"K\",\"metadata\":{\"name\":\"n\"},\"spec\":{\"replicas\":3,"   \
	"\"max\":5,\"name\":\"web-frontend\",\"mode\":\"Auto\",\"ports\":[{\"port\":80,\"name\":\"http\"}," \
	"{\"port\":443,\"name\":\"https\"},{\"port\":9090,\"name\":\"metrics\"}]}}"

typedef struct rig {
	sp_arena arena;
	const sp_cel_env *env;
	sp_cel_var vars[2];
	sp_cel_binding bindings[2];
} rig;

static void init(rig *r)
{
	yyjson_mut_val *openapi = NULL;
	yyjson_val *object = NULL;
	const sp_schema *schema = NULL;
	const sp_cel_type *type = NULL;
	sp_violations e;
	sp_arena_init(&r->arena, (size_t)64 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&r->arena);
	SP_ASSERT(doc != NULL);
	sp_violations_init(&e, &r->arena);
	must(sp_cel_env_new(&r->arena, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &r->env));
	must(sp_json_parse_mut(&r->arena, SP_STR(SCHEMA), doc, &openapi, NULL));
	must(sp_json_parse(&r->arena, SP_STR(OBJECT), &object, NULL));
	must(sp_crd_compile(&r->arena, openapi, SP_STR("s"), NULL, false, &e, &schema));
	SP_ASSERT(schema != NULL);
	must(sp_cel_type_of_schema(&r->arena, schema, SP_STR("self"), true, &type));
	r->vars[0] = (sp_cel_var){SP_STR("self"), type, schema};
	r->vars[1] = (sp_cel_var){SP_STR("oldSelf"), type, schema};
	r->bindings[0].value = r->bindings[1].value = sp_cel_of_json(object, schema, true);
}

static const sp_cel_program *compiled(const rig *r, sp_arena *a, const char *rule)
{
	const sp_cel_program *p = NULL;
	must(sp_cel_compile(a, r->env, r->vars, SP_LEN(r->vars), sp_str_c(rule), &p, NULL, NULL));
	return p;
}

static void compile(const rig *r, const char *name, const char *rule, int rounds)
{
	double best = 1e18;
	for (int run = 0; run < RUNS; run++) {
		double from = now_ns();
		for (int i = 0; i < rounds; i++) {
			sp_arena a;
			sp_cel_cost cost;
			sp_arena_init(&a, (size_t)16 << 20);
			must(sp_cel_estimate(&a, compiled(r, &a, rule), &cost));
			sp_arena_done(&a);
		}
		best = SP_MIN(best, (now_ns() - from) / rounds);
	}
	printf("bench cel_compile_%s %.2f us peer=none\n", name, best / 1e3);
}

static void evaluate(const rig *r, const char *name, const char *rule, int rounds)
{
	double best = 1e18;
	sp_arena programs, arena;
	sp_arena_init(&programs, (size_t)16 << 20);
	sp_arena_init(&arena, (size_t)16 << 20);
	const sp_cel_program *p = compiled(r, &programs, rule);
	for (int run = 0; run < RUNS; run++) {
		double from = now_ns();
		for (int i = 0; i < rounds; i++) {
			sp_cel_val v;
			sp_cel_run one = {.arena = &arena,
					  .bindings = r->bindings,
					  .cost_limit = SP_CEL_PER_CALL_LIMIT};
			must(sp_cel_eval(p, &one, &v));
			SP_ASSERT(sp_cel_is_true(v));
			sp_arena_rewind(&arena);
		}
		best = SP_MIN(best, (now_ns() - from) / rounds);
	}
	printf("bench cel_eval_%s %.1f ns peer=none\n", name, best);
	sp_arena_done(&arena);
	sp_arena_done(&programs);
}

int main(void)
{
	rig r = {.env = NULL};
	const char *simple = "self.spec.replicas <= self.spec.max";
	const char *typical = "self.spec.ports.all(p, p.port > 0 && p.port < 65536 && (!has(p.name) || "
			      "p.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')))";
	const char *text = "self.spec.name.startsWith('web') && self.spec.mode in ['Auto', 'Manual'] && "
			   "self.spec.name == oldSelf.spec.name";
	const char *pairs =
		"self.spec.ports.all(p, self.spec.ports.exists_one(q, q.name == p.name && q.port == p.port))";
	init(&r);
	compile(&r, "simple", simple, 5000);
	compile(&r, "typical", typical, 2000);
	compile(&r, "pairs", pairs, 2000);
	evaluate(&r, "simple", simple, 200000);
	evaluate(&r, "text", text, 200000);
	evaluate(&r, "typical", typical, 50000);
	evaluate(&r, "pairs", pairs, 50000);
	sp_arena_done(&r.arena);
	return 0;
}
