/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling and running. */
#include "kube/cel/plan.h"

static sp_code too_large(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "the expression is too large");
}

/* A constant part that fails stops upstream from making a program at all. */
static sp_code refused(cel_compiler *c, sp_cel_val why, sp_cel_issues *ret, sp_err *err)
{
	sp_str text = sp_cel_error_text(why);
	if (ret != NULL)
		*ret = (sp_cel_issues){.text = text, .instantiation = true};
	if (c->no_memory)
		return too_large(err);
	return sp_fail(err, SP_EINVAL, "program instantiation failed: " SP_FMT, SP_ARG(text));
}

static sp_code issues(cel_compiler *c, sp_cel_issues *ret, sp_err *err)
{
	sp_cel_issues found = {NULL, 0, {NULL, 0}, false};
	if (c->no_memory || !cel_issues_finish(c, &found))
		return too_large(err);
	if (ret != NULL)
		*ret = found;
	return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(found.text));
}

static sp_code make_program(cel_compiler *c, cel_node *root, const sp_cel_program **ret,
			    sp_cel_issues *ret_issues, sp_err *err)
{
	sp_cel_program *p = sp_try_new(c->arena, sp_cel_program, 1);
	if (p == NULL)
		return too_large(err);
	*p = (sp_cel_program){.env = c->env,
			      .vars = c->vars,
			      .n_vars = (uint32_t)c->n_vars,
			      .n_slots = c->n_slots_max,
			      .n_nodes = c->n_nodes,
			      .source = c->source,
			      .root = root,
			      .used = c->used};
	sp_cel_run run = {.arena = c->arena};
	cel_ctx ctx = {.run = &run, .arena = c->arena, .program = p, .limit = UINT64_MAX};
	sp_cel_val error = {.kind = SP_CEL_NULL};
	p->op = cel_plan(c, root, &ctx, &error);
	if (ctx.has_scratch)
		sp_arena_done(&ctx.scratch);
	if (p->op == NULL)
		return cel_is_err(error) ? refused(c, error, ret_issues, err) : too_large(err);
	*ret = p;
	return SP_OK;
}

sp_code sp_cel_compile(sp_arena *a, const sp_cel_env *env, const sp_cel_var *vars, size_t n_vars,
		       sp_str source, const sp_cel_program **ret, sp_cel_issues *ret_issues, sp_err *err)
{
	cel_compiler c = {.arena = a, .env = env, .vars = vars, .n_vars = n_vars};
	c.source = sp_arena_try_dup(a, source);
	c.used = sp_try_new(a, bool, n_vars + 1);
	if ((c.source.ptr == NULL && source.len > 0) || c.used == NULL || source.len > UINT32_MAX / 2)
		return too_large(err);
	cel_node *root = cel_parse(&c);
	if (root == NULL || c.no_memory)
		return too_large(err);
	if (c.n_issues > 0)
		return issues(&c, ret_issues, err);
	cel_check(&c, root);
	if (c.n_issues == 0 && !c.no_memory &&
	    (env->rules & (SP_CEL_CHECK_LITERALS | SP_CEL_HOMOGENEOUS)) != 0)
		cel_check_literals(&c, root);
	if (c.n_issues > 0 || c.no_memory)
		return issues(&c, ret_issues, err);
	return make_program(&c, root, ret, ret_issues, err);
}

const sp_cel_type *sp_cel_result_type(const sp_cel_program *p)
{
	return p->root->type;
}

sp_str sp_cel_source(const sp_cel_program *p)
{
	return p->source;
}

bool sp_cel_uses(const sp_cel_program *p, size_t i_var)
{
	return i_var < p->n_vars && p->used[i_var];
}

sp_arena *cel_scratch(cel_ctx *c)
{
	if (!c->has_scratch)
		sp_arena_init(&c->scratch, SP_REGEX_SCRATCH_BYTES);
	c->has_scratch = true;
	return &c->scratch;
}

static sp_code ended(cel_ctx *c, sp_cel_val v)
{
	sp_cel_run *run = c->run;
	run->error = (sp_str){NULL, 0};
	if (c->abort == SP_ETOOMANY)
		run->error = SP_STR("operation cancelled: actual cost limit exceeded");
	else if (c->abort != SP_OK)
		run->error = SP_STR("the evaluation needs too much memory");
	else if (cel_is_err(v))
		run->error = sp_cel_error_text(v);
	return c->abort != SP_OK ? c->abort : cel_is_err(v) ? SP_EINVAL : SP_OK;
}

sp_code sp_cel_eval(const sp_cel_program *p, sp_cel_run *run, sp_cel_val *ret)
{
	cel_ctx c = {.run = run, .arena = run->arena, .program = p};
	c.limit = run->cost_limit == 0 ? UINT64_MAX : run->cost_limit;
	c.slots = sp_try_new(run->arena, sp_cel_val, p->n_slots + 1);
	sp_cel_val v = {.kind = SP_CEL_NULL};
	if (c.slots == NULL)
		(void)cel_oom(&c);
	for (uint32_t i = 0; i < p->n_vars && c.abort == SP_OK; i++) {
		const sp_cel_binding *b = &run->bindings[i];
		c.slots[i] = b->get == NULL ? b->value : (sp_cel_val){.kind = SP_CEL_PARAM, .ptr = b};
	}
	if (c.abort == SP_OK)
		v = cel_eval_op(&c, p->op);
	if (c.has_scratch)
		sp_arena_done(&c.scratch);
	run->cost = c.cost;
	sp_code code = ended(&c, v);
	if (code == SP_OK)
		*ret = v;
	return code;
}
