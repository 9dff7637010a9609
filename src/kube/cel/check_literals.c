/* SPDX-License-Identifier: Apache-2.0 */
/* Literal durations, times and patterns, which Kubernetes checks when it compiles. U: cel-go cel/validator.go
 */
#include "base/duration.h"
#include "kube/cel/ast.h"

static bool text_literal(const cel_node *e)
{
	return e->kind == CEL_LITERAL && e->value.kind == SP_CEL_STRING;
}

static void invalid(cel_compiler *c, const cel_node *arg, const char *fn)
{
	cel_issue(c, arg->at, "invalid %s argument", fn);
}

static void check_pattern(cel_compiler *c, const cel_node *arg)
{
	const sp_regex *re;
	sp_arena scratch;
	sp_arena_init(&scratch, SP_REGEX_COMPILE_BYTES);
	sp_code code = sp_regex_compile(&scratch, sp_cel_str(arg->value), &re, NULL, NULL);
	sp_arena_done(&scratch);
	if (code == SP_EINVAL)
		invalid(c, arg, "matches");
	else if (code != SP_OK)
		c->no_memory = true;
}

static void check_node(cel_compiler *c, const cel_node *e)
{
	int64_t ns;
	sp_time t;
	if (e->kind != CEL_CALL || e->n == 0)
		return;
	bool single = e->n == 1 && e->target == NULL && text_literal(e->args[0]);
	if (single && sp_str_eq(e->name, SP_STR("duration")) &&
	    sp_duration_parse(sp_cel_str(e->args[0]->value), &ns, NULL) != SP_OK)
		invalid(c, e->args[0], "duration");
	if (single && sp_str_eq(e->name, SP_STR("timestamp")) &&
	    (sp_time_parse(sp_cel_str(e->args[0]->value), &t, NULL) != SP_OK ||
	     !cel_time_in_range(t.seconds)))
		invalid(c, e->args[0], "timestamp");
	if (sp_str_eq(e->name, SP_STR("matches")) && text_literal(e->args[e->n - 1]) &&
	    e->n + (e->target != NULL) == 2)
		check_pattern(c, e->args[e->n - 1]);
}

static void walk(cel_compiler *c, const cel_node *e)
{
	if (e == NULL || c->no_memory)
		return;
	check_node(c, e);
	walk(c, e->target);
	for (uint32_t i = 0; i < e->n; i++)
		walk(c, e->args[i]);
	if (e->fold != NULL) {
		walk(c, e->fold->range);
		walk(c, e->fold->init);
		walk(c, e->fold->cond);
		walk(c, e->fold->step);
		walk(c, e->fold->result);
	}
}

void cel_check_literals(cel_compiler *c, cel_node *root)
{
	walk(c, root);
}
