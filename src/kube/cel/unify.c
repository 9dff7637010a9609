/* SPDX-License-Identifier: Apache-2.0 */
/* Which types agree, and what their variables then stand for. U: cel-go checker/types.go,
 * common/types/types.go */
#include "kube/cel/ast.h"

/* A variable of the checker is a type of kind PARAM with a place for what it stands for. */
typedef struct cel_type_var {
	sp_cel_type type; /* first: a type that is a variable converts to this */
	const sp_cel_type *sub;
	char name[16];
} type_var;

/* Variables are PARAM types that this file made; those of declarations are constants without params or
 * fields. */
static type_var *var_of(const sp_cel_type *t)
{
	if (t->kind != SP_CEL_PARAM || t->n_fields == 0)
		return NULL;
	return (type_var *)(uintptr_t)t;
}

const sp_cel_type *cel_type_var(cel_compiler *c)
{
	type_var *v = sp_try_new(c->arena, type_var, 1);
	if (v == NULL) {
		c->no_memory = true;
		return &sp_cel_dyn;
	}
	int n = snprintf(v->name, sizeof(v->name), "_var%u", c->n_type_vars++);
	v->type = (sp_cel_type){.kind = SP_CEL_PARAM, .name = {v->name, (size_t)n}, .n_fields = 1};
	return &v->type;
}

/* Binds, and remembers what was bound before. */
static void set(cel_compiler *c, type_var *v, const sp_cel_type *t)
{
	if (c->n_trail == c->cap_trail) {
		uint32_t cap = c->cap_trail == 0 ? 16 : c->cap_trail * 2;
		void *more = sp_arena_try_grow(c->arena, c->trail, c->cap_trail * 2 * sizeof(void *),
					       cap * 2 * sizeof(void *));
		if (more == NULL) {
			c->no_memory = true;
			return;
		}
		c->trail = more;
		c->cap_trail = cap;
	}
	const void **slot = (const void **)(void *)c->trail + (size_t)2 * c->n_trail++;
	slot[0] = v;
	slot[1] = v->sub;
	v->sub = t;
}

static void undo(cel_compiler *c, uint32_t to)
{
	while (c->n_trail > to) {
		const void **slot = (const void **)(void *)c->trail + (size_t)2 * --c->n_trail;
		((type_var *)(uintptr_t)slot[0])->sub = slot[1];
	}
}

bool cel_type_is_dyn(const sp_cel_type *t)
{
	return t->kind == SP_CEL_DYN;
}

static bool dyn_or_error(const sp_cel_type *t)
{
	return t->kind == SP_CEL_DYN || t->kind == SP_CEL_ERROR;
}

static bool has_params(const sp_cel_type *t)
{
	return t->kind == SP_CEL_OPAQUE || t->kind == SP_CEL_OPTIONAL || t->kind == SP_CEL_LIST ||
	       t->kind == SP_CEL_MAP;
}

static bool less_specific(const sp_cel_type *a, const sp_cel_type *b)
{
	if (a->kind == SP_CEL_DYN || a->kind == SP_CEL_PARAM)
		return true;
	if (b->kind == SP_CEL_DYN || b->kind == SP_CEL_PARAM || a->kind != b->kind)
		return false;
	if (a->kind == SP_CEL_TYPE)
		return true;
	if (!has_params(a))
		return sp_cel_type_eq(a, b);
	if (!sp_str_eq(a->name, b->name) || a->n_params != b->n_params)
		return false;
	for (unsigned i = 0; i < a->n_params; i++) {
		if (!less_specific(a->params[i], b->params[i]))
			return false;
	}
	return true;
}

const sp_cel_type *cel_most_general(const sp_cel_type *a, const sp_cel_type *b)
{
	return less_specific(a, b) ? a : b;
}

/* The occurs check. */
static bool absent_in(const sp_cel_type *t, const sp_cel_type *within)
{
	if (sp_cel_type_eq(t, within))
		return false;
	type_var *v = var_of(within);
	if (v != NULL)
		return v->sub == NULL || absent_in(t, v->sub);
	for (unsigned i = 0; i < within->n_params; i++) {
		if (!absent_in(t, within->params[i]))
			return false;
	}
	return true;
}

static bool assignable(cel_compiler *c, const sp_cel_type *a, const sp_cel_type *b);

/* Whether b, a variable, may stand for a. */
static bool substitutes(cel_compiler *c, const sp_cel_type *a, const sp_cel_type *b, bool *ret_has_sub)
{
	type_var *v = var_of(b);
	*ret_has_sub = true;
	if (sp_cel_type_eq(a, b))
		return true;
	if (v != NULL && v->sub != NULL) {
		const sp_cel_type *sub = v->sub;
		if (sp_cel_type_eq(a, sub))
			return true;
		if (!assignable(c, a, sub))
			return false;
		const sp_cel_type *more = cel_most_general(a, sub);
		if (absent_in(b, more))
			set(c, v, more);
		return true;
	}
	*ret_has_sub = false;
	if (v == NULL || !absent_in(b, a))
		return false;
	set(c, v, a);
	return true;
}

static bool takes_null(const sp_cel_type *t)
{
	return t->kind == SP_CEL_OPAQUE || t->kind == SP_CEL_OPTIONAL || t->kind == SP_CEL_STRUCT ||
	       t->kind == SP_CEL_DURATION || t->kind == SP_CEL_TIMESTAMP || t->kind == SP_CEL_NULL ||
	       (t->flags & SP_CEL_T_NULLABLE) != 0;
}

static bool assignable_params(cel_compiler *c, const sp_cel_type *a, const sp_cel_type *b)
{
	if (a->n_params != b->n_params)
		return false;
	for (unsigned i = 0; i < a->n_params; i++) {
		if (!assignable(c, a->params[i], b->params[i]))
			return false;
	}
	return true;
}

static bool assignable(cel_compiler *c, const sp_cel_type *a, const sp_cel_type *b)
{
	bool has_sub;
	if (b->kind == SP_CEL_PARAM) {
		if (substitutes(c, a, b, &has_sub))
			return true;
		if (has_sub)
			return false;
	}
	if (a->kind == SP_CEL_PARAM)
		return substitutes(c, b, a, &has_sub);
	if (dyn_or_error(a) || dyn_or_error(b))
		return true;
	if (a->kind == SP_CEL_NULL)
		return takes_null(b);
	if (b->kind == SP_CEL_NULL)
		return takes_null(a);
	if (a->kind != b->kind)
		return false;
	if (a->kind == SP_CEL_TYPE)
		return true;
	return sp_str_eq(a->name, b->name) && assignable_params(c, a, b);
}

bool cel_assignable(cel_compiler *c, const sp_cel_type *to, const sp_cel_type *from)
{
	uint32_t mark = c->n_trail;
	bool fits = assignable(c, to, from);
	if (!fits)
		undo(c, mark);
	return fits;
}

bool cel_assignable_list(cel_compiler *c, const sp_cel_type *const *to, const sp_cel_type *const *from,
			 size_t n)
{
	uint32_t mark = c->n_trail;
	for (size_t i = 0; i < n; i++) {
		if (!assignable(c, to[i], from[i])) {
			undo(c, mark);
			return false;
		}
	}
	return true;
}

/* A copy with other parameters; the type itself where none changed. */
static const sp_cel_type *with_params(cel_compiler *c, const sp_cel_type *t, const sp_cel_type *const *params)
{
	bool same = true;
	for (unsigned i = 0; i < t->n_params; i++)
		same &= t->params[i] == params[i];
	if (same)
		return t;
	sp_cel_type *made = sp_try_new(c->arena, sp_cel_type, 1);
	const sp_cel_type **kept = sp_try_new(c->arena, const sp_cel_type *, t->n_params);
	if (made == NULL || kept == NULL) {
		c->no_memory = true;
		return &sp_cel_dyn;
	}
	memcpy(kept, params, t->n_params * sizeof(params[0]));
	*made = *t;
	made->params = kept;
	return made;
}

const sp_cel_type *cel_substitute(cel_compiler *c, const sp_cel_type *t, bool final)
{
	type_var *v = var_of(t);
	if (v != NULL && v->sub != NULL)
		return cel_substitute(c, v->sub, final);
	if (t->kind == SP_CEL_PARAM)
		return final ? &sp_cel_dyn : t;
	const sp_cel_type *params[2];
	if (t->n_params == 0 || t->n_params > SP_LEN(params))
		return t;
	for (unsigned i = 0; i < t->n_params; i++)
		params[i] = cel_substitute(c, t->params[i], final);
	return with_params(c, t, params);
}

const sp_cel_type *cel_freshen(cel_compiler *c, cel_fresh *f, const sp_cel_type *t)
{
	if (t->kind == SP_CEL_PARAM) {
		size_t i = (size_t)(t->name.ptr[0] - 'A') % SP_LEN(f->vars);
		if (f->vars[i] == NULL)
			f->vars[i] = cel_type_var(c);
		return f->vars[i];
	}
	const sp_cel_type *params[2];
	if (t->n_params == 0 || t->n_params > SP_LEN(params))
		return t;
	for (unsigned i = 0; i < t->n_params; i++)
		params[i] = cel_freshen(c, f, t->params[i]);
	return with_params(c, t, params);
}

static void shown(sp_buf *out, const sp_cel_type *t)
{
	bool wrapped = (t->flags & SP_CEL_T_NULLABLE) != 0 && t->n_params == 0;
	sp_str name = t->name;
	if (t->kind == SP_CEL_DURATION)
		name = SP_STR("duration");
	else if (t->kind == SP_CEL_TIMESTAMP)
		name = SP_STR("timestamp");
	else if (t->kind == SP_CEL_NULL)
		name = SP_STR("null");
	else if (t->kind == SP_CEL_ERROR)
		name = SP_STR("!error!");
	(void)sp_buf_printf(out, "%s" SP_FMT "%s", wrapped ? "wrapper(" : "", SP_ARG(name),
			    wrapped ? ")" : "");
	for (unsigned i = 0; i < t->n_params; i++) {
		(void)sp_buf_str(out, i == 0 ? SP_STR("(") : SP_STR(", "));
		shown(out, t->params[i]);
	}
	if (t->n_params > 0)
		(void)sp_buf_char(out, ')');
}

sp_str cel_type_shown(cel_compiler *c, const sp_cel_type *t)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	shown(&out, t);
	sp_str s = sp_arena_try_dup(c->arena, sp_buf_view(&out));
	c->no_memory |= s.len == 0;
	return s;
}
