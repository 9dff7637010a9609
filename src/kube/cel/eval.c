/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation of programs. U: cel-go interpreter/{interpretable,attributes,runtimecost}.go */
#include "kube/cel/plan.h"

static sp_cel_val slot_value(cel_ctx *c, uint32_t i)
{
	sp_cel_val *slot = &c->slots[i];
	if (slot->kind != SP_CEL_PARAM) /* not one that waits for its first use */
		return *slot;
	if (i < c->program->n_vars) {
		const sp_cel_binding *b = slot->ptr;
		*slot = b->get(b->arg, c->run);
	} else {
		const cel_op *init = slot->ptr;
		*slot = cel_eval_op(c, init);
	}
	return *slot;
}

/* Go's names of the types of values, which some of upstream's messages give away. */
static const char *go_value_type(sp_cel_val v)
{
	static const char *const names[SP_CEL_KIND_COUNT_] = {
		[SP_CEL_NULL] = "types.Null",
		[SP_CEL_BOOL] = "types.Bool",
		[SP_CEL_INT] = "types.Int",
		[SP_CEL_UINT] = "types.Uint",
		[SP_CEL_DOUBLE] = "types.Double",
		[SP_CEL_STRING] = "types.String",
		[SP_CEL_BYTES] = "types.Bytes",
		[SP_CEL_TIMESTAMP] = "types.Timestamp",
		[SP_CEL_DURATION] = "types.Duration",
		[SP_CEL_TYPE] = "*types.Type",
		[SP_CEL_OPTIONAL] = "*types.Optional",
	};
	if (v.kind == SP_CEL_LIST)
		return v.rep == CEL_NATIVE ? "*types.baseList" : "[]interface {}";
	if (v.kind == SP_CEL_MAP)
		return v.rep == CEL_NATIVE ? "*types.baseMap" : "map[string]interface {}";
	return names[v.kind] == NULL ? "ref.Val" : names[v.kind];
}

bool cel_is_key(sp_cel_val v)
{
	return v.kind == SP_CEL_STRING || v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT ||
	       v.kind == SP_CEL_BOOL || v.kind == SP_CEL_DOUBLE;
}

sp_cel_val cel_bad_key(cel_ctx *c, sp_cel_val v)
{
	return cel_errorf(c, "invalid qualifier type: %s", go_value_type(v));
}

/* ---- qualifiers ---- */

static sp_cel_val bad_index(cel_ctx *c, sp_cel_val key)
{
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, 4096);
	cel_show(c, &shown, key);
	return cel_errorf(c, "unsupported index value " SP_FMT " in list", SP_ARG(sp_buf_view(&shown)));
}

static cel_found in_list(cel_ctx *c, sp_cel_val list, sp_cel_val key, sp_cel_val *ret)
{
	int64_t i = 0;
	uint64_t u;
	switch (key.kind) {
	case SP_CEL_INT:
		i = key.i;
		break;
	case SP_CEL_UINT:
		i = key.u > INT64_MAX ? -1 : (int64_t)key.u;
		break;
	case SP_CEL_DOUBLE:
		if (cel_f64_to_i64(key.d, &i) && (double)i == key.d)
			break;
		*ret = bad_index(c, key);
		return CEL_FAILED;
	default:
		*ret = cel_errorf(c, "unsupported index type '" SP_FMT "' in list",
				  SP_ARG(sp_cel_type_name(key)));
		return CEL_FAILED;
	}
	u = (uint64_t)i;
	if (i < 0 || u >= sp_cel_size(list))
		return CEL_ABSENT;
	*ret = cel_list_at(c, list, (size_t)u);
	return CEL_FOUND;
}

/* Steps into obj; CEL_FAILED: *ret is the error. */
static cel_found step_into(cel_ctx *c, sp_cel_val obj, sp_cel_val key, sp_cel_val *ret)
{
	cel_found found = CEL_ABSENT;
	if (obj.kind == SP_CEL_MAP || obj.kind == SP_CEL_STRUCT)
		found = cel_find(c, obj, key, ret);
	else if (obj.kind == SP_CEL_LIST)
		found = in_list(c, obj, key, ret);
	else if (cel_is_err(obj)) {
		*ret = obj;
		return CEL_FAILED;
	}
	return found == CEL_FOUND && cel_is_err(*ret) ? CEL_FAILED : found;
}

static bool key_of(cel_ctx *c, const cel_qual *q, sp_cel_val *ret);

/* One qualifier. CEL_ABSENT only where absence is no error. */
static cel_found apply(cel_ctx *c, sp_cel_val obj, const cel_qual *q, bool optional, sp_cel_val *ret)
{
	sp_cel_val key = q->key;
	if (q->op != NULL && !key_of(c, q, &key)) {
		cel_charge(c, !optional);
		*ret = key;
		return CEL_FAILED;
	}
	cel_found found = step_into(c, obj, key, ret);
	if (found == CEL_FOUND || !optional || q->test)
		cel_charge(c, 1);
	if (found == CEL_FAILED)
		return found;
	if (q->test) {
		*ret = sp_cel_of_bool(found == CEL_FOUND);
		return CEL_FOUND;
	}
	if (found == CEL_FOUND || optional)
		return found;
	*ret = cel_error_val(c, obj.kind == SP_CEL_LIST ? "index out of bounds: " : "no such key: ", key);
	return CEL_FAILED;
}

/* U: applyQualifiers */
static sp_cel_val qualified(cel_ctx *c, sp_cel_val obj, const cel_op *op)
{
	bool optional = false;
	if (cel_is_err(obj))
		return obj;
	if (obj.kind == SP_CEL_OPTIONAL && op->n_quals > 0) {
		if (obj.ptr == NULL)
			return op->test ? sp_cel_of_bool(false) : obj;
		obj = *cel_optional_ptr(obj);
		optional = true;
	}
	for (uint32_t i = 0; i < op->n_quals; i++) {
		sp_cel_val next;
		optional |= op->quals[i].optional;
		cel_found found = apply(c, obj, &op->quals[i], optional, &next);
		if (c->abort != SP_OK || found == CEL_FAILED)
			return next;
		if (found == CEL_ABSENT)
			return op->test ? sp_cel_of_bool(false) : cel_none();
		obj = next;
	}
	return optional && !op->test ? cel_some(c, obj) : obj;
}

/* ---- attributes and conditions ---- */

static sp_cel_val attr_value(cel_ctx *c, const cel_op *op)
{
	sp_cel_val obj = op->base == NULL ? slot_value(c, op->slot) : cel_eval_op(c, op->base);
	return c->abort != SP_OK ? obj : qualified(c, obj, op);
}

static sp_cel_val eval_cond(cel_ctx *c, const cel_op *op);

/* Upstream does not count a variable that is a branch of a condition, or a key. */
static sp_cel_val unwatched(cel_ctx *c, const cel_op *op)
{
	return op->kind == CEL_OP_ATTR && !op->test ? attr_value(c, op) : cel_eval_op(c, op);
}

static bool key_of(cel_ctx *c, const cel_qual *q, sp_cel_val *ret)
{
	*ret = unwatched(c, q->op);
	if (!cel_is_err(*ret) && !cel_is_key(*ret))
		*ret = cel_bad_key(c, *ret);
	return !cel_is_err(*ret) && c->abort == SP_OK;
}

static sp_cel_val eval_attr(cel_ctx *c, const cel_op *op)
{
	sp_cel_val v = attr_value(c, op);
	if (!op->test || (c->program->env->rules & SP_CEL_FREE_HAS) == 0)
		cel_charge(c, 1);
	return v;
}

static sp_cel_val eval_cond(cel_ctx *c, const cel_op *op)
{
	sp_cel_val cond = cel_eval_op(c, op->args[0]);
	if (cond.kind != SP_CEL_BOOL)
		return cel_is_err(cond) ? cond : CEL_NO_OVERLOAD;
	if (c->abort != SP_OK)
		return cond;
	sp_cel_val v = unwatched(c, op->args[cond.b ? 1 : 2]);
	return op->n_quals == 0 || c->abort != SP_OK ? v : qualified(c, v, op);
}

static sp_cel_val eval_logic(cel_ctx *c, const cel_op *op, bool is_or)
{
	sp_cel_val err = sp_cel_of_bool(!is_or);
	for (uint32_t i = 0; i < op->n; i++) {
		sp_cel_val v = cel_eval_op(c, op->args[i]);
		if (c->abort != SP_OK)
			return v;
		if (v.kind == SP_CEL_BOOL) {
			if (v.b == is_or)
				return v;
		} else if (!cel_is_err(err)) {
			err = cel_is_err(v) ? v : CEL_NO_OVERLOAD;
		}
	}
	return err;
}

/* ---- calls ---- */

sp_cel_val cel_dispatch(cel_ctx *c, const cel_function *fn, const cel_overload *const *overloads, size_t n,
			bool member, const sp_cel_val *args, size_t n_args)
{
	for (size_t i = 0; i < n; i++) {
		const cel_overload *o = overloads[i];
		bool fits = o->member == member && cel_overload_n_args(o) == n_args;
		for (size_t k = 0; fits && k < n_args && !o->operator_; k++)
			fits = cel_fits(c, o->args[k], args[k]);
		if (fits)
			return o->impl(c, args);
	}
	SP_AUTO_BUF types;
	sp_buf_init(&types, 1 << 16);
	for (size_t k = 0; k < n_args; k++)
		(void)sp_buf_printf(&types, "%s" SP_FMT, k == 0 ? "" : ", ",
				    SP_ARG(sp_cel_type_name(args[k])));
	return cel_errorf(c, "no such overload: " SP_FMT "(" SP_FMT ")", SP_ARG(fn->name),
			  SP_ARG(sp_buf_view(&types)));
}

static sp_cel_val invoke(cel_ctx *c, const cel_op *op, const sp_cel_val *args)
{
	c->regex = op->regex;
	if (op->regex != NULL && args[0].kind != SP_CEL_STRING)
		return CEL_NO_OVERLOAD;
	if (op->n_overloads == 1)
		return cel_dispatch(c, op->fn, op->overloads, 1, op->member, args, op->n);
	return cel_dispatch(c, op->fn, op->fn->overloads, op->fn->n, op->member, args, op->n);
}

static sp_cel_val eval_call(cel_ctx *c, const cel_op *op)
{
	sp_cel_val args[CEL_ARGS_MAX], result, failed = {.kind = SP_CEL_NULL};
	const cel_overload *first = op->overloads[0];
	/* Where upstream calls a function of any number of arguments, the first that fails ends it. */
	bool early = op->n > 2 || op->regex != NULL || (op->n_overloads != 1 && !first->operator_);
	for (uint32_t i = 0; i < op->n; i++) {
		args[i] = cel_eval_op(c, op->args[i]);
		if (c->abort != SP_OK)
			return args[i];
		if (!cel_is_err(args[i]) || first->non_strict || cel_is_err(failed))
			continue;
		failed = args[i];
		if (early && i + 1 < op->n)
			return failed; /* what is left is neither evaluated nor charged */
	}
	result = cel_is_err(failed) ? failed : invoke(c, op, args);
	if (c->abort == SP_OK)
		cel_charge(c, cel_call_cost(c, op, args, op->n, result));
	return result;
}

static sp_cel_val eval_equal(cel_ctx *c, const cel_op *op, bool want)
{
	sp_cel_val args[2] = {cel_eval_op(c, op->args[0]), {.kind = SP_CEL_NULL}}, result;
	if (c->abort != SP_OK)
		return args[0];
	args[1] = cel_eval_op(c, op->args[1]);
	if (c->abort != SP_OK)
		return args[1];
	if (cel_is_err(args[0]) || cel_is_err(args[1])) {
		result = cel_is_err(args[0]) ? args[0] : args[1];
	} else {
		result = cel_equal(c, args[0], args[1]);
		if (!want)
			result = sp_cel_of_bool(!sp_cel_is_true(result));
	}
	cel_charge(c, cel_call_cost(c, op, args, 2, result));
	return result;
}

static sp_cel_val eval_or_else(cel_ctx *c, const cel_op *op)
{
	sp_cel_val v = cel_eval_op(c, op->args[0]);
	if (v.kind != SP_CEL_OPTIONAL || c->abort != SP_OK)
		return v;
	if (v.ptr == NULL)
		return cel_eval_op(c, op->args[1]);
	return op->fn->name.len == 2 ? v : *cel_optional_ptr(v);
}

static sp_cel_val eval_in_set(cel_ctx *c, const cel_op *op)
{
	sp_cel_val v = cel_eval_op(c, op->args[0]);
	if (cel_is_err(v))
		return v;
	const cel_vec *set = cel_vec_of(op->value);
	for (uint32_t i = 0; i < op->value.n; i++) {
		if (cel_equals(c, set->items[i], v))
			return sp_cel_of_bool(true);
	}
	return sp_cel_of_bool(false);
}

/* ---- aggregates ---- */

typedef enum taken { TAKEN, SKIPPED, FAILED } taken;

/* An element or value written ?x: what the optional holds, or nothing. */
static taken take(cel_ctx *c, const cel_op *op, uint32_t i, const sp_cel_val *key, sp_cel_val *v)
{
	if (op->optional == NULL || !op->optional[i])
		return TAKEN;
	if (v->kind == SP_CEL_OPTIONAL)
		return sp_cel_optional_get(*v, v) ? TAKEN : SKIPPED;
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, CEL_TEXT_BYTES_MAX);
	if (key == NULL) {
		(void)sp_buf_str(&shown, SP_STR("cannot initialize optional list element"));
	} else {
		(void)sp_buf_str(&shown, SP_STR("cannot initialize optional entry '"));
		cel_show(c, &shown, *key);
		(void)sp_buf_char(&shown, '\'');
	}
	(void)sp_buf_str(&shown, SP_STR(" from non-optional value "));
	cel_show(c, &shown, *v);
	*v = cel_error_str(c, sp_buf_view(&shown));
	return FAILED;
}

static sp_cel_val eval_list(cel_ctx *c, const cel_op *op)
{
	sp_cel_val list = cel_list_new(c, op->n);
	for (uint32_t i = 0; i < op->n && !cel_is_err(list); i++) {
		sp_cel_val v = cel_eval_op(c, op->args[i]);
		taken t = cel_is_err(v) ? FAILED : take(c, op, i, NULL, &v);
		if (t == FAILED || c->abort != SP_OK)
			list = v;
		else if (t == TAKEN)
			(void)cel_list_append(c, &list, v);
		if (t == FAILED || c->abort != SP_OK)
			break;
	}
	cel_charge(c, 10); /* also when an element failed */
	return list;
}

static sp_cel_val make_map(cel_ctx *c, const cel_op *op)
{
	sp_cel_val map = cel_map_new(c, op->n / 2);
	for (uint32_t i = 0; i < op->n && !cel_is_err(map); i += 2) {
		sp_cel_val k = cel_eval_op(c, op->args[i]);
		if (cel_is_err(k) || c->abort != SP_OK)
			return k;
		sp_cel_val v = cel_eval_op(c, op->args[i + 1]);
		taken t = cel_is_err(v) ? FAILED : take(c, op, i / 2, &k, &v);
		if (t == FAILED || c->abort != SP_OK)
			return v;
		if (t == TAKEN && !cel_map_set(c, &map, k, v))
			return cel_oom(c);
	}
	return map;
}

static sp_cel_val make_struct(cel_ctx *c, const cel_op *op)
{
	cel_object *o = sp_try_new(c->arena, cel_object, 1);
	sp_str *names = sp_try_new(c->arena, sp_str, op->n + 1);
	sp_cel_val *values = sp_try_new(c->arena, sp_cel_val, op->n + 1);
	if (o == NULL || names == NULL || values == NULL)
		return cel_oom(c);
	*o = (cel_object){.type = op->type, .names = names, .values = values};
	for (uint32_t i = 0; i < op->n; i++) {
		sp_cel_val v = cel_eval_op(c, op->args[i]), name = sp_cel_of_str(op->fields[i]);
		taken t = cel_is_err(v) ? FAILED : take(c, op, i, &name, &v);
		if (t == FAILED || c->abort != SP_OK)
			return v;
		if (t == SKIPPED)
			continue;
		const sp_cel_type *want = NULL;
		for (uint32_t k = 0; k < op->type->n_fields; k++) {
			if (sp_str_eq(op->type->fields[k].name, op->fields[i]))
				want = op->type->fields[k].type;
		}
		if (want != NULL && !cel_fits(c, want, v))
			return cel_errorf(
				c, "unexpected type " SP_FMT " for " SP_FMT "Type '" SP_FMT "' field",
				SP_ARG(sp_cel_type_name(v)), SP_ARG(op->type->name), SP_ARG(op->fields[i]));
		names[o->n] = op->fields[i];
		values[o->n++] = v;
	}
	return (sp_cel_val){.kind = SP_CEL_STRUCT, .ptr = o};
}

/* Constructors are charged also when they fail. */
static sp_cel_val charged(cel_ctx *c, sp_cel_val v, uint64_t cost)
{
	cel_charge(c, cost);
	return v;
}

/* ---- comprehensions ---- */

static void wait_for(cel_ctx *c, uint32_t slot, const cel_op *init)
{
	c->slots[slot] = (sp_cel_val){.kind = SP_CEL_PARAM, .ptr = init};
}

static sp_cel_val eval_fold(cel_ctx *c, const cel_op *op)
{
	const cel_loop *l = op->loop;
	sp_cel_val range = cel_eval_op(c, l->range), key, value;
	if (cel_is_err(range) || c->abort != SP_OK)
		return range;
	if (range.kind != SP_CEL_LIST && range.kind != SP_CEL_MAP)
		return l->two ? cel_errorf(c, "unsupported comprehension range type: %s",
					   go_value_type(range))
			      : cel_errorf(c, "got '%s', expected iterable type", go_value_type(range));
	if (l->bind)
		wait_for(c, l->slot_accu, l->init);
	else
		c->slots[l->slot_accu] = cel_eval_op(c, l->init);
	cel_iter it = cel_iter_of(range);
	while (c->abort == SP_OK && cel_iter_next(c, &it, &key, &value)) {
		bool one_key = l->two || range.kind == SP_CEL_MAP;
		c->slots[l->slot_iter] = one_key ? key : value;
		c->slots[l->slot_iter2] = value;
		sp_cel_val go_on = cel_eval_op(c, l->cond);
		if (go_on.kind == SP_CEL_BOOL && !go_on.b)
			break;
		c->slots[l->slot_accu] = cel_eval_op(c, l->step);
	}
	return c->abort != SP_OK ? range : cel_eval_op(c, l->result);
}

sp_cel_val cel_eval_op(cel_ctx *c, const cel_op *op)
{
	switch (op->kind) {
	case CEL_OP_CONST:
		return op->value;
	case CEL_OP_ATTR:
		return eval_attr(c, op);
	case CEL_OP_COND:
		return eval_cond(c, op);
	case CEL_OP_CALL:
		return eval_call(c, op);
	case CEL_OP_EQUAL:
		return eval_equal(c, op, true);
	case CEL_OP_DIFFER:
		return eval_equal(c, op, false);
	case CEL_OP_AND:
		return eval_logic(c, op, false);
	case CEL_OP_OR:
		return eval_logic(c, op, true);
	case CEL_OP_LIST:
		return eval_list(c, op);
	case CEL_OP_MAP:
		return charged(c, make_map(c, op), 30);
	case CEL_OP_STRUCT:
		return charged(c, make_struct(c, op), 40);
	case CEL_OP_OR_ELSE:
		return eval_or_else(c, op);
	case CEL_OP_IN_SET:
		return eval_in_set(c, op);
	default:
		return eval_fold(c, op);
	}
}
