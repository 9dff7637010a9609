/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CRD schema, an object and a rule, one a line: the rule is typed by the schema, estimated, and evaluated
 * over the object whether it fits the schema or not.
 */
#include "kube/cel/value.h"
#include "kube/crd/crd.h"

#define MEMORY ((size_t)24 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rule_over(sp_arena *a, const sp_schema *schema, const yyjson_val *object, sp_str rule)
{
	const sp_cel_env *env = NULL;
	const sp_cel_type *type = NULL;
	const sp_cel_program *p = NULL;
	sp_cel_cost cost;
	sp_cel_val v;
	if (sp_cel_env_new(a, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &env) != SP_OK ||
	    sp_cel_type_of_schema(a, schema, SP_STR("self"), true, &type) != SP_OK || type == NULL)
		return;
	const sp_cel_var vars[] = {{SP_STR("self"), type, schema}, {SP_STR("oldSelf"), type, schema}};
	const sp_cel_binding bindings[] = {{.value = sp_cel_of_json(object, schema, true)},
					   {.value = sp_cel_of_json(object, schema, true)}};
	if (sp_cel_compile(a, env, vars, SP_LEN(vars), rule, &p, NULL, NULL) != SP_OK)
		return;
	SP_ASSERT(sp_cel_estimate(a, p, &cost) != SP_OK || cost.min <= cost.max);
	sp_arena arena;
	sp_arena_init(&arena, MEMORY);
	sp_cel_run run = {.arena = &arena, .bindings = bindings, .cost_limit = 20000};
	if (sp_cel_eval(p, &run, &v) == SP_OK) {
		cel_ctx ctx = {.run = &run, .arena = &arena};
		sp_buf shown;
		sp_buf_init(&shown, (size_t)32 << 20);
		cel_show(&ctx, &shown, v);
		sp_buf_done(&shown);
	}
	sp_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str rest = {(const char *)data, size}, schema_text, object_text;
	if (size > 4096 || !sp_str_cut(&rest, '\n', &schema_text) || !sp_str_cut(&rest, '\n', &object_text))
		return 0;
	sp_arena a;
	sp_arena_init(&a, MEMORY);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *openapi = NULL;
	yyjson_val *object = NULL;
	const sp_schema *schema = NULL;
	sp_violations e;
	SP_ASSERT(doc != NULL);
	sp_violations_init(&e, &a);
	if (sp_json_parse_mut(&a, schema_text, doc, &openapi, NULL) == SP_OK &&
	    sp_crd_compile(&a, openapi, SP_STR("s"), NULL, false, &e, &schema) == SP_OK && schema != NULL &&
	    sp_json_parse(&a, object_text, &object, NULL) == SP_OK && yyjson_is_obj(object)) {
		(void)sp_cel_max_elements(schema);
		(void)sp_cel_min_serialized_size(schema, true);
		rule_over(&a, schema, object, rest);
	}
	sp_arena_done(&a);
	return 0;
}
