/* SPDX-License-Identifier: Apache-2.0 */
/* What Kubernetes checks once the types are right: durations, times, patterns and formats that are literals,
 * and that elements of a literal agree in type. U: cel-go cel/validator.go, ext/formatting.go */
#include "base/duration.h"
#include "kube/cel/ast.h"

static bool text_literal(const cel_node *e)
{
	return e->kind == CEL_LITERAL && e->value.kind == SP_CEL_STRING;
}

static void check_pattern(cel_compiler *c, const cel_node *arg)
{
	const sp_regex *re;
	sp_arena scratch;
	sp_arena_init(&scratch, SP_REGEX_COMPILE_BYTES);
	sp_code code = sp_regex_compile(&scratch, sp_cel_str(arg->value), &re, NULL, NULL);
	sp_arena_done(&scratch);
	if (code == SP_EINVAL)
		cel_issue(c, arg->at, "invalid matches argument");
	else if (code != SP_OK)
		c->no_memory = true;
}

static void check_literal_args(cel_compiler *c, const cel_node *e)
{
	const cel_node *arg = e->args[0];
	int64_t ns;
	sp_time t;
	if (arg->kind != CEL_LITERAL)
		return;
	sp_str text = sp_cel_str(arg->value);
	bool is_text = text_literal(arg);
	if (sp_str_eq(e->name, SP_STR("duration")) &&
	    (!is_text || sp_duration_parse(text, &ns, NULL) != SP_OK))
		cel_issue(c, arg->at, "invalid duration argument");
	if (sp_str_eq(e->name, SP_STR("timestamp"))) {
		bool fine = is_text ? sp_time_parse(text, &t, NULL) == SP_OK && cel_time_in_range(t.seconds)
				    : cel_time_in_range(arg->value.i);
		if (!fine)
			cel_issue(c, arg->at, "invalid timestamp argument");
	}
	if (sp_str_eq(e->name, SP_STR("matches")) && is_text)
		check_pattern(c, arg);
}

/* ---- string.format ---- */

typedef struct clause_rule {
	char clause;
	uint32_t kinds; /* bits of sp_cel_kind */
	const char *error;
} clause_rule;

#define BIT(k) (1u << SP_CEL_##k)
#define STRINGS                                                                                \
	(BIT(LIST) | BIT(MAP) | BIT(INT) | BIT(UINT) | BIT(DOUBLE) | BIT(BOOL) | BIT(STRING) | \
	 BIT(TIMESTAMP) | BIT(BYTES) | BIT(DURATION) | BIT(TYPE) | BIT(NULL))

static const clause_rule clauses[] = {
	{'s', STRINGS,
	 "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, "
	 "durations, and "
	 "timestamps"},
	{'d', BIT(INT) | BIT(UINT), "decimal clause can only be used on integers"},
	{'f', BIT(DOUBLE) | BIT(STRING), "fixed-point clause can only be used on doubles"},
	{'e', BIT(DOUBLE) | BIT(STRING), "scientific clause can only be used on doubles"},
	{'b', BIT(INT) | BIT(UINT) | BIT(BOOL), "only integers and bools can be formatted as binary"},
	{'x', BIT(INT) | BIT(UINT) | BIT(STRING) | BIT(BYTES),
	 "only integers, byte buffers, and strings can be formatted as hex"},
	{'X', BIT(INT) | BIT(UINT) | BIT(STRING) | BIT(BYTES),
	 "only integers, byte buffers, and strings can be formatted as hex"},
	{'o', BIT(INT) | BIT(UINT), "octal clause can only be used on integers"},
};

/* The first node within an argument that the clause can't show. */
static const cel_node *unfit(const cel_node *arg, const clause_rule *r)
{
	const cel_node *bad = NULL;
	if (arg->type->kind != SP_CEL_DYN && (r->kinds & (1u << arg->type->kind)) == 0)
		return arg;
	bool nested = r->clause == 's' && (arg->kind == CEL_LIST || arg->kind == CEL_MAP);
	for (uint32_t i = 0; nested && i < arg->n && bad == NULL; i++)
		bad = unfit(arg->args[i], r);
	return bad;
}

static bool check_clause(cel_compiler *c, const cel_node *e, char ch, const cel_node *arg)
{
	for (size_t i = 0; i < SP_LEN(clauses); i++) {
		if (clauses[i].clause != ch)
			continue;
		const cel_node *bad = unfit(arg, &clauses[i]);
		if (bad != NULL)
			cel_issue(c, bad->at, "error during formatting: %s, was given " SP_FMT,
				  clauses[i].error, SP_ARG(bad->type->name));
		return bad == NULL;
	}
	cel_issue(c, e->at, "could not parse formatting clause: unrecognized formatting clause \"%c\"", ch);
	return false;
}

/* Digits after a point. False: reported. */
static bool skip_precision(cel_compiler *c, const cel_node *e, sp_str *s)
{
	size_t i = 0;
	if (!sp_str_take(s, SP_STR(".")))
		return true;
	while (i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9')
		i++;
	if (i > 0 && i < s->len) {
		*s = sp_str_sub(*s, i, s->len);
		return true;
	}
	cel_issue(c, e->at, "could not parse formatting clause: error while parsing precision: %s",
		  i == s->len ? "could not find end of precision specifier"
			      : "error while converting precision to integer: strconv.Atoi: parsing \"\": "
				"invalid syntax");
	return false;
}

static void check_format(cel_compiler *c, const cel_node *e)
{
	if (e->target == NULL || e->n != 1 || !text_literal(e->target) || e->args[0]->kind != CEL_LIST)
		return;
	sp_str s = sp_cel_str(e->target->value);
	const cel_node *list = e->args[0];
	uint32_t seen = 0;
	while (s.len > 0) {
		char ch = s.ptr[0];
		s = sp_str_sub(s, 1, s.len);
		if (ch != '%' || sp_str_take(&s, SP_STR("%")))
			continue;
		if (s.len == 0) {
			cel_issue(c, e->at, "unexpected end of string");
			return;
		}
		if (seen >= list->n) {
			cel_issue(c, e->at, "index %u out of range", seen);
			return;
		}
		if (!skip_precision(c, e, &s) || !check_clause(c, e, s.ptr[0], list->args[seen++]))
			return;
		s = sp_str_sub(s, 1, s.len);
	}
	if (list->n > seen)
		cel_issue(c, e->at, "too many arguments supplied to string.format (expected %u, got %u)",
			  seen, list->n);
}

/* ---- literals of one type ---- */

static const sp_cel_type *type_at(const cel_node *e, uint32_t i)
{
	const sp_cel_type *t = e->args[i]->type;
	bool is_value = e->kind == CEL_LIST || i % 2 == 1;
	bool opt = is_value && e->optional != NULL && e->optional[e->kind == CEL_LIST ? i : i / 2];
	return opt && t->kind == SP_CEL_OPTIONAL ? t->params[0] : t;
}

static void check_homogeneous(cel_compiler *c, const cel_node *e)
{
	uint32_t step = e->kind == CEL_MAP ? 2 : 1;
	for (uint32_t i = step; i < e->n; i++) {
		const sp_cel_type *want = type_at(e, i % step), *got = type_at(e, i);
		if (sp_cel_type_eq(want, got))
			continue;
		cel_issue(c, e->args[i]->at, "expected type '" SP_FMT "' but found '" SP_FMT "'",
			  SP_ARG(cel_type_shown(c, want)), SP_ARG(cel_type_shown(c, got)));
		if (e->kind == CEL_LIST)
			return;
	}
}

static void walk(cel_compiler *c, const cel_node *e, bool exempt)
{
	if (e == NULL || c->no_memory || ++c->n_visits > CEL_VISITS_MAX) {
		c->no_memory |= e != NULL;
		return;
	}
	bool literals = (c->env->rules & SP_CEL_CHECK_LITERALS) != 0;
	bool is_format = e->kind == CEL_CALL && sp_str_eq(e->name, SP_STR("format"));
	if (e->kind == CEL_CALL && e->n > 0 && literals)
		check_literal_args(c, e);
	if (is_format && literals)
		check_format(c, e);
	exempt |= is_format;
	if ((e->kind == CEL_LIST || e->kind == CEL_MAP) && !exempt &&
	    (c->env->rules & SP_CEL_HOMOGENEOUS) != 0)
		check_homogeneous(c, e);
	walk(c, e->target, exempt);
	for (uint32_t i = 0; i < e->n; i++)
		walk(c, e->args[i], exempt);
	if (e->fold != NULL) {
		walk(c, e->fold->range, exempt);
		walk(c, e->fold->init, exempt);
		walk(c, e->fold->cond, exempt);
		walk(c, e->fold->step, exempt);
		walk(c, e->fold->result, exempt);
	}
}

void cel_check_literals(cel_compiler *c, cel_node *root)
{
	c->n_visits = 0;
	walk(c, root, false);
}
