/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a schema on an object. */
#include "kube/apply/typed_int.h"
#include "kube/crd/crd_int.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define MESSAGE_BYTES_MAX 5120u

/* A value and what it was; upstream's CorrelatedObject. */
typedef struct pair {
	const sp_schema *schema;
	yyjson_mut_val *now, *old;
} pair;

/* Where ratcheting looks: at the value itself, or the nearest one around it that has an old value. */
typedef struct ratchet {
	pair own, around;
	bool has_own, has_around;
} ratchet;

typedef struct runner {
	const sp_crd_run *how;
	sp_arena scratch; /* of one evaluation */
	int64_t budget;   /* below zero: nothing more is evaluated */
	sp_code code;
} runner;

/* ---- old and new ---- */

static bool same(sp_arena *a, const pair *p);

/* The old value of each item of a map-like list, by its keys. NULL: no room. */
static yyjson_mut_val **old_items(sp_arena *a, const sp_schema *list, yyjson_mut_val *now,
				  yyjson_mut_val *old)
{
	sp_typed_items_list l, o;
	size_t n = yyjson_mut_arr_size(now), first;
	yyjson_mut_val **ret = sp_try_new(a, yyjson_mut_val *, n + 1);
	if (ret == NULL || list->kind != SP_K_LIST || list->list_type != SP_LIST_MAP ||
	    !yyjson_mut_is_arr(old))
		return ret;
	if (sp_typed_list_load(a, list, now, &l) != SP_OK || sp_typed_list_load(a, list, old, &o) != SP_OK)
		return NULL;
	for (size_t i = 0; i < l.n; i++) {
		if (sp_typed_list_find(&o, &l.items[i].pe, &first) > 0)
			ret[l.items[i].at] = o.sorted[first]->val;
	}
	return ret;
}

static const sp_schema *member_schema(const sp_schema *s, sp_str name)
{
	const sp_field *f = s->kind == SP_K_OBJECT ? sp_schema_field(s, name, NULL) : NULL;
	return f != NULL ? f->schema : s->items;
}

static bool same_lists(sp_arena *a, const pair *p)
{
	size_t i, max;
	yyjson_mut_val *item;
	if (yyjson_mut_arr_size(p->now) != yyjson_mut_arr_size(p->old))
		return false;
	if (p->schema->list_type != SP_LIST_MAP)
		return sp_jmut_equal(p->now, p->old);
	yyjson_mut_val **old = old_items(a, p->schema, p->now, p->old);
	yyjson_mut_arr_foreach(p->now, i, max, item)
	{
		pair down = {p->schema->items, item, old == NULL ? NULL : old[i]};
		if (down.old == NULL || down.schema == NULL || !same(a, &down))
			return false;
	}
	return true;
}

static bool same(sp_arena *a, const pair *p)
{
	if (p->now == NULL || p->old == NULL)
		return p->now == p->old;
	if (yyjson_mut_is_arr(p->now) && yyjson_mut_is_arr(p->old))
		return same_lists(a, p);
	if (!yyjson_mut_is_obj(p->now) || !yyjson_mut_is_obj(p->old))
		return sp_jmut_equal(p->now, p->old);
	if (yyjson_mut_obj_size(p->now) != yyjson_mut_obj_size(p->old))
		return false;
	size_t i, max;
	yyjson_mut_val *key, *val;
	yyjson_mut_obj_foreach(p->now, i, max, key, val)
	{
		sp_str name = sp_jmut_str(key);
		pair down = {member_schema(p->schema, name), val, sp_jmut_get(p->old, name)};
		if (down.old == NULL ||
		    (down.schema != NULL ? !same(a, &down) : !sp_jmut_equal(val, down.old)))
			return false;
	}
	return true;
}

static bool is_unchanged(runner *r, const ratchet *at)
{
	sp_arena scratch;
	if (!at->has_own && !at->has_around)
		return false;
	sp_arena_init(&scratch, r->how->arena->limit_bytes);
	bool yes = same(&scratch, at->has_own ? &at->own : &at->around);
	sp_arena_done(&scratch);
	return yes;
}

/* The same below a member or an item. */
static ratchet descend(const ratchet *at, const sp_schema *s, yyjson_mut_val *now, yyjson_mut_val *old)
{
	if (!at->has_own)
		return *at;
	return (ratchet){.own = {s, now, old},
			 .has_own = s != NULL && old != NULL,
			 .around = at->own,
			 .has_around = true};
}

/* ---- one rule ---- */

static sp_str go_type(const sp_schema *s)
{
	static const char *const names[SP_K_COUNT_] = {
		[SP_K_STRING] = "string", [SP_K_BOOL] = "boolean",  [SP_K_I64] = "integer",
		[SP_K_F64] = "number",    [SP_K_OBJECT] = "object", [SP_K_LIST] = "array"};
	return names[s->kind] == NULL ? SP_STR("") : sp_str_c(names[s->kind]);
}

/* What the value of an error shows; nothing of objects and lists. */
static sp_bad shown(const sp_schema *s, yyjson_mut_val *v)
{
	if (s->kind == SP_K_OBJECT || s->kind == SP_K_LIST)
		return sp_bad_omit();
	if (yyjson_mut_is_str(v))
		return sp_bad_str(sp_jmut_str(v));
	return sp_bad_json(v);
}

static sp_str short_name(const sp_crd_rule *r)
{
	return sp_str_trim(r->message.len > 0 ? r->message : r->rule);
}

static void out_of_budget(runner *r, const sp_path *path, const sp_schema *s)
{
	sp_v_invalid(r->how->errors, path, go_type(s),
		     "validation failed due to running out of cost budget, no further validation rules will "
		     "be run");
	r->budget = -1;
}

typedef struct evaluation {
	const sp_schema *schema;
	bool root;
	const sp_crd_rule *rule;
	yyjson_mut_val *now, *old;
	const sp_path *path;
	const ratchet *at;
} evaluation;

static sp_code eval(runner *r, const evaluation *e, const sp_cel_program *p, sp_cel_run *run, sp_cel_val *ret)
{
	sp_cel_val old = e->old == NULL ? sp_cel_of_null() : sp_cel_of_mut(e->old, e->schema, e->root);
	sp_cel_binding bindings[2] = {{.value = sp_cel_of_mut(e->now, e->schema, e->root)}, {.value = old}};
	*run = (sp_cel_run){.arena = &r->scratch, .bindings = bindings, .cost_limit = SP_CEL_PER_CALL_LIMIT};
	if (e->rule->optional_old)
		bindings[1].value = sp_cel_of_optional(run, e->old == NULL ? NULL : &old);
	sp_code code = sp_cel_eval(p, run, ret);
	run->bindings = NULL;
	if (code == SP_ETOOLARGE && r->code == SP_OK)
		r->code = code;
	return code;
}

/* An error of a rule that did not hold, or a warning where nothing changed. */
static void complain(runner *r, const evaluation *e, sp_v_type type, const sp_path *path, sp_bad bad,
		     sp_str detail)
{
	const sp_crd_run *how = r->how;
	sp_violations *v = how->errors, aside;
	bool tolerated = !e->rule->uses_old && is_unchanged(r, e->at);
	sp_violations_init(&aside, how->arena);
	if (tolerated)
		v = &aside;
	if (type == SP_V_FORBIDDEN)
		sp_v_forbidden(v, path, SP_FMT, SP_ARG(detail));
	else if (type == SP_V_REQUIRED)
		sp_v_required(v, path, SP_FMT, SP_ARG(detail));
	else
		sp_v_add_(v, type, path, bad, SP_FMT, SP_ARG(type == SP_V_DUPLICATE ? SP_STR("") : detail));
	if (aside.n > 0 && how->warn != NULL)
		how->warn(how->arg, sp_violations_text(how->arena, &aside));
}

/* What a messageExpression makes; empty: the rule's own message is used. False: nothing more is evaluated. */
static bool make_message(runner *r, const evaluation *e, const sp_path *path, sp_str *ret)
{
	sp_cel_run run;
	sp_cel_val val;
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, r->how->arena->limit_bytes);
	sp_code code = eval(r, e, e->rule->message_program, &run, &val);
	if (code == SP_ETOOLARGE)
		return false;
	if (run.cost > (uint64_t)r->budget) {
		complain(r, e, SP_V_INVALID, path, sp_bad_str(go_type(e->schema)),
			 SP_STR("messageExpression evaluation failed due to running out of cost budget, no "
				"further "
				"validation rules will be run"));
		return false;
	}
	if (code == SP_ETOOMANY) {
		(void)sp_json_write_str(&quoted, e->rule->message_expression);
		complain(r, e, SP_V_INVALID, path, sp_bad_str(go_type(e->schema)),
			 sp_arena_printf(
				 r->how->arena,
				 "no further validation rules will be run due to call cost exceeds limit for "
				 "messageExpression: " SP_FMT,
				 SP_ARG(sp_buf_view(&quoted))));
		return false;
	}
	r->budget -= (int64_t)run.cost;
	sp_str text = code == SP_OK ? sp_str_trim(sp_cel_str(val)) : (sp_str){NULL, 0};
	if (text.len <= MESSAGE_BYTES_MAX && sp_str_index(text, '\n') < 0)
		*ret = sp_arena_try_dup(r->how->arena, text);
	return true;
}

static void does_not_hold(runner *r, const evaluation *e)
{
	static const struct {
		const char *reason;
		sp_v_type type;
	} reasons[] = {{"FieldValueForbidden", SP_V_FORBIDDEN},
		       {"FieldValueRequired", SP_V_REQUIRED},
		       {"FieldValueDuplicate", SP_V_DUPLICATE}};
	const sp_crd_rule *rule = e->rule;
	const sp_path *path = rule->place.len > 0 ? SP_AT_STR(e->path, rule->place) : e->path;
	sp_v_type type = SP_V_INVALID;
	sp_str detail = {NULL, 0};
	if (rule->message_program != NULL && !make_message(r, e, path, &detail)) {
		r->budget = -1;
		return;
	}
	if (detail.len == 0)
		detail = rule->message.len > 0 ? sp_str_trim(rule->message)
					       : sp_arena_printf(r->how->arena, "failed rule: " SP_FMT,
								 SP_ARG(short_name(rule)));
	for (size_t i = 0; i < SP_LEN(reasons); i++)
		type = sp_str_eq(rule->reason, sp_str_c(reasons[i].reason)) ? reasons[i].type : type;
	complain(r, e, type, path, shown(e->schema, e->now), detail);
}

static void failed(runner *r, const evaluation *e, sp_code code, sp_str why)
{
	sp_violations *v = r->how->errors;
	sp_str type = go_type(e->schema), rule = short_name(e->rule);
	if (sp_str_starts(why, SP_STR("no such overload"))) {
		sp_v_invalid(v, e->path, type,
			     "'" SP_FMT
			     "': call arguments did not match a supported operator, function or macro "
			     "signature for rule: " SP_FMT,
			     SP_ARG(why), SP_ARG(rule));
	} else if (code == SP_ETOOMANY) {
		sp_v_invalid(v, e->path, type,
			     "'" SP_FMT
			     "': no further validation rules will be run due to call cost exceeds limit for "
			     "rule: " SP_FMT,
			     SP_ARG(why), SP_ARG(rule));
		r->budget = -1;
	} else {
		sp_v_invalid(v, e->path, type, SP_FMT " evaluating rule: " SP_FMT, SP_ARG(why), SP_ARG(rule));
	}
}

static void run_rule(runner *r, const evaluation *e)
{
	const sp_crd_rule *rule = e->rule;
	sp_cel_run run;
	sp_cel_val val;
	if (rule->fault.len > 0) {
		sp_v_invalid(r->how->errors, e->path, go_type(e->schema), "rule compile error: " SP_FMT,
			     SP_ARG(rule->fault));
		return;
	}
	if (rule->program == NULL || (rule->uses_old && e->old == NULL && !rule->optional_old))
		return;
	sp_code code = eval(r, e, rule->program, &run, &val);
	if (code == SP_ETOOLARGE)
		return;
	if (run.cost > (uint64_t)r->budget) {
		out_of_budget(r, e->path, e->schema);
		return;
	}
	r->budget -= (int64_t)run.cost;
	if (code != SP_OK)
		failed(r, e, code, run.error);
	else if (!sp_cel_is_true(val))
		does_not_hold(r, e);
	sp_arena_reset(&r->scratch);
}

static bool goes_on(const runner *r)
{
	return r->budget >= 0 && r->code == SP_OK && r->how->errors->code == SP_OK;
}

static void run_rules(runner *r, evaluation *e)
{
	const sp_cel_rules *rules = e->schema->rules == NULL ? NULL : e->schema->rules->cel;
	if (rules == NULL)
		return;
	if (r->budget <= 0) {
		out_of_budget(r, e->path, e->schema);
		return;
	}
	if (rules->untyped) {
		sp_v_invalid(r->how->errors, e->path, go_type(e->schema),
			     "rule compiler initialization error: failed to convert to declType for CEL "
			     "validation rules");
		return;
	}
	for (size_t i = 0; i < rules->n && goes_on(r); i++) {
		e->rule = &rules->rules[i];
		run_rule(r, e);
	}
}

/* ---- the walk ---- */

static void run_node(runner *r, const sp_schema *s, bool root, const sp_path *path, yyjson_mut_val *now,
		     yyjson_mut_val *old, const ratchet *at);

static void run_items(runner *r, const sp_schema *s, const sp_path *path, yyjson_mut_val *now,
		      yyjson_mut_val *old, const ratchet *at)
{
	size_t i, max;
	yyjson_mut_val *item, **before = old_items(r->how->arena, s, now, old);
	if (before == NULL) {
		r->code = SP_ETOOLARGE;
		return;
	}
	yyjson_mut_arr_foreach(now, i, max, item)
	{
		ratchet down = descend(at, s->items, item, before[i]);
		if (goes_on(r))
			run_node(r, s->items, false, SP_AT_I(path, i), item, before[i], &down);
	}
}

static void run_members(runner *r, const sp_schema *s, bool root, const sp_path *path, yyjson_mut_val *now,
			yyjson_mut_val *old, const ratchet *at)
{
	static const ratchet none = {.has_own = false};
	size_t i, max;
	yyjson_mut_val *key, *val;
	yyjson_mut_obj_foreach(now, i, max, key, val)
	{
		sp_str name = sp_jmut_str(key);
		const sp_field *f = sp_schema_field(s, name, NULL);
		const sp_schema *m = f != NULL ? f->schema : s->items;
		if (m == NULL || (m->flags & SP_S_HAS_CEL) == 0 || !goes_on(r))
			continue;
		yyjson_mut_val *before = yyjson_mut_is_obj(old) ? sp_jmut_get(old, name) : NULL;
		/* Both are of the version that is asked for, so these never look changed. */
		bool type = root && !at->has_around &&
			    (sp_str_eq(name, SP_STR("apiVersion")) || sp_str_eq(name, SP_STR("kind")));
		ratchet down = type ? none : descend(at, m, val, before);
		run_node(r, m, false, f != NULL ? SP_AT_STR(path, name) : SP_AT_KEY(path, name), val, before,
			 &down);
	}
}

static void run_node(runner *r, const sp_schema *s, bool root, const sp_path *path, yyjson_mut_val *now,
		     yyjson_mut_val *old, const ratchet *at)
{
	if (now == NULL || yyjson_mut_is_null(now) || (s->flags & SP_S_HAS_CEL) == 0)
		return;
	if (old != NULL && yyjson_mut_is_null(old))
		old = NULL;
	evaluation e = {.schema = s,
			.root = root || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0,
			.now = now,
			.old = old,
			.path = path,
			.at = at};
	run_rules(r, &e);
	if (!goes_on(r))
		return;
	if (yyjson_mut_is_arr(now) && s->kind == SP_K_LIST && s->items != NULL)
		run_items(r, s, path, now, old, at);
	else if (yyjson_mut_is_obj(now))
		run_members(r, s, root, path, now, old, at);
}

sp_code sp_crd_rules_run(const sp_crd_run *how, const sp_schema *schema, const sp_path *path,
			 yyjson_mut_val *value, yyjson_mut_val *old)
{
	runner r = {.how = how, .budget = (int64_t)SP_CEL_RUNTIME_BUDGET};
	const ratchet at = {.own = {schema, value, old}, .has_own = how->ratchets && old != NULL};
	if ((schema->flags & SP_S_HAS_CEL) == 0)
		return SP_OK;
	sp_arena_init(&r.scratch, SCRATCH_BYTES);
	run_node(&r, schema, how->root, path, value, old, &at);
	sp_arena_done(&r.scratch);
	return r.code == SP_OK ? how->errors->code : r.code;
}
