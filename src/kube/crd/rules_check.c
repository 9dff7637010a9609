/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the rules of a definition can be kept: what they say, that they compile, what they may cost. */
#include "base/json_out.h"
#include "base/num.h"
#include "base/quote.h"
#include "kube/crd/crd_int.h"

/* U: apiextensions/validation.go */
#define RULE_COST_MAX UINT64_C(10000000)
#define SCHEMA_COST_MAX UINT64_C(100000000)
#define REQUEST_BYTES_MAX UINT64_C(3145728)
#define EXPENSIVE_MAX 4u
#define SCRATCH_BYTES ((size_t)64 << 20)
#define SIMPLIFY                                                                                            \
	" (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, " \
	"and "                                                                                              \
	"strings are declared)"

typedef struct expensive {
	sp_str path;
	uint64_t cost;
} expensive;

typedef struct checker {
	sp_arena *arena, scratch;
	sp_violations *errors;
	sp_violations cel; /* shown behind the others */
	uint64_t total;
	expensive most[EXPENSIVE_MAX + 1];
	size_t n_most;
	sp_code code;
} checker;

/* What is known of a node from above. */
typedef struct above {
	const sp_schema *schema; /* NULL: no expressions are looked at */
	bool root;
	uint64_t cardinality;        /* how often it can be there; UINT64_MAX: no bound */
	const sp_path *uncorrelated; /* where old and new values stop belonging together, or NULL */
} above;

static yyjson_mut_val *get(yyjson_mut_val *v, const char *name)
{
	return sp_jmut_get(v, sp_str_c(name));
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;
	return a == 0 || b == 0 ? 0 : sp_mul(a, b, &product) ? product : UINT64_MAX;
}

/* ---- members ---- */

static bool has_newline(sp_str s)
{
	return sp_str_index(s, '\n') >= 0 || sp_str_index(s, '\r') >= 0;
}

static void check_texts(checker *c, yyjson_mut_val *rule, const sp_path *path)
{
	sp_violations *v = c->errors;
	sp_str text = sp_str_trim(sp_jmut_str(get(rule, "rule"))),
	       message = sp_jmut_str(get(rule, "message"));
	sp_str trimmed = sp_str_trim(message), made = sp_jmut_str(get(rule, "messageExpression"));
	if (text.len == 0)
		sp_v_required(v, SP_AT(path, "rule"), "rule is not specified");
	else if (message.len > 0 && trimmed.len == 0)
		sp_v_invalid(v, SP_AT(path, "message"), message, "must be non-empty if specified");
	else if (has_newline(trimmed))
		sp_v_invalid(v, SP_AT(path, "message"), message, "must not contain line breaks");
	else if (has_newline(text) && trimmed.len == 0)
		sp_v_required(v, SP_AT(path, "message"),
			      "message must be specified if rule contains line breaks");
	if (made.len > 0 && sp_str_trim(made).len == 0)
		sp_v_required(v, SP_AT(path, "messageExpression"),
			      "messageExpression must be non-empty if specified");
}

static bool is_reason(sp_str s, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(s, sp_str_c(texts[i])))
			return true;
	}
	return false;
}

static void check_members(checker *c, yyjson_mut_val *openapi, yyjson_mut_val *rule, const sp_path *path)
{
	static const char *const reasons[] = {"FieldValueDuplicate", "FieldValueForbidden",
					      "FieldValueInvalid", "FieldValueRequired"};
	sp_violations *v = c->errors;
	sp_str reason = sp_jmut_str(get(rule, "reason")), place = sp_jmut_str(get(rule, "fieldPath")),
	       ignored;
	const sp_path *at = SP_AT(path, "fieldPath");
	check_texts(c, rule, path);
	if (get(rule, "reason") != NULL && !is_reason(reason, reasons, SP_LEN(reasons)))
		sp_v_not_supported(v, SP_AT(path, "reason"), sp_bad_named(reason), reasons, SP_LEN(reasons));
	if (place.len == 0)
		return;
	if (sp_str_trim(place).len == 0)
		sp_v_invalid(v, at, place, "must be non-empty if specified");
	if (has_newline(place))
		sp_v_invalid(v, at, place, "must not contain line breaks");
	if (!sp_crd_place(c->arena, openapi, place, &ignored))
		sp_v_invalid(v, at, place, "must be a valid path");
}

/* ---- costs ---- */

static sp_str cost_text(checker *c, const char *what, uint64_t cost, uint64_t limit)
{
	double factor = (double)cost / (double)limit;
	if (factor > 100.0)
		return sp_arena_printf(c->arena, "%s exceeds budget by factor of more than 100x" SIMPLIFY,
				       what);
	return sp_arena_printf(c->arena,
			       factor < 1.5 ? "%s exceeds budget by factor of %fx" SIMPLIFY
					    : "%s exceeds budget by factor of %.1fx" SIMPLIFY,
			       what, factor);
}

static void observe(checker *c, const sp_path *path, uint64_t cost)
{
	if (!sp_add(c->total, cost, &c->total))
		c->total = UINT64_MAX;
	if (cost < SCHEMA_COST_MAX / 100)
		return;
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	(void)sp_path_write(&text, path);
	size_t i = c->n_most;
	for (; i > 0 && c->most[i - 1].cost < cost; i--)
		c->most[i] = c->most[i - 1];
	c->most[i] = (expensive){sp_arena_try_dup(c->arena, sp_buf_view(&text)), cost};
	c->n_most = SP_MIN(c->n_most + 1, EXPENSIVE_MAX);
}

/* The most that a program may cost; 0 when there is none. */
static uint64_t max_cost(checker *c, const sp_cel_program *p)
{
	sp_cel_cost cost = {0, 0};
	if (p == NULL)
		return 0;
	sp_code code = sp_cel_estimate(&c->scratch, p, &cost);
	sp_arena_reset(&c->scratch);
	if (code != SP_OK && c->code == SP_OK)
		c->code = code;
	return cost.max;
}

static void check_cost(checker *c, const sp_path *path, const char *what, uint64_t cost)
{
	if (cost > RULE_COST_MAX)
		sp_v_forbidden(&c->cel, path, SP_FMT, SP_ARG(cost_text(c, what, cost, RULE_COST_MAX)));
	observe(c, path, cost);
}

static void check_total(checker *c, const sp_path *path)
{
	if (c->total <= SCHEMA_COST_MAX)
		return;
	for (size_t i = 0; i < c->n_most; i++)
		sp_v_text(c->errors, SP_V_FORBIDDEN, c->most[i].path,
			  "Forbidden: contributed to estimated rule cost total exceeding cost limit for "
			  "entire OpenAPIv3 "
			  "schema");
	sp_v_forbidden(
		c->errors, path, SP_FMT,
		SP_ARG(cost_text(
			c, "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
			c->total, SCHEMA_COST_MAX)));
}

/* ---- expressions ---- */

/* The rule as upstream prints its internal struct. */
static sp_str shown_rule(checker *c, const sp_crd_rule *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("Rule"), r->rule);
	sp_jout_member_str(&j, SP_STR("Message"), r->message);
	sp_jout_member_str(&j, SP_STR("MessageExpression"), r->message_expression);
	sp_jout_key(&j, SP_STR("Reason"));
	if (r->reason.len > 0)
		sp_jout_str(&j, r->reason);
	else
		sp_jout_null(&j);
	sp_jout_member_str(&j, SP_STR("FieldPath"), r->field_path);
	sp_jout_key(&j, SP_STR("OptionalOldSelf"));
	if (r->has_optional_old)
		sp_jout_bool(&j, r->optional_old);
	else
		sp_jout_null(&j);
	sp_jout_close(&j, '}');
	return sp_arena_try_dup(c->arena, sp_buf_view(&text));
}

static void check_rule(checker *c, const above *up, const sp_crd_rule *r, const sp_path *path)
{
	const sp_path *rule = SP_AT(path, "rule"), *message = SP_AT(path, "messageExpression");
	uint64_t cardinality = up->cardinality;
	if (cardinality == UINT64_MAX)
		cardinality = REQUEST_BYTES_MAX / (sp_cel_min_serialized_size(up->schema, up->root) + 1);
	check_cost(c, rule, "estimated rule cost", times(max_cost(c, r->program), cardinality));
	if (r->fault.len > 0)
		sp_v_invalid(&c->cel, rule, sp_bad_text(shown_rule(c, r)), SP_FMT, SP_ARG(r->fault));
	if (r->message_fault.len > 0)
		sp_v_invalid(&c->cel, message, sp_bad_text(shown_rule(c, r)), SP_FMT,
			     SP_ARG(r->message_fault));
	else if (r->message_program != NULL)
		check_cost(c, message, "estimated messageExpression cost", max_cost(c, r->message_program));
	if (r->uses_old && up->uncorrelated != NULL) {
		SP_AUTO_BUF where;
		sp_buf_init(&where, c->arena->limit_bytes);
		(void)sp_path_write(&where, up->uncorrelated);
		sp_v_invalid(
			&c->cel, rule, r->rule,
			"oldSelf cannot be used on the uncorrelatable portion of the schema within " SP_FMT,
			SP_ARG(sp_buf_view(&where)));
	} else if (!r->uses_old && r->has_optional_old) {
		sp_v_invalid(&c->cel, SP_AT(path, "optionalOldSelf"), r->optional_old,
			     "may not be set if oldSelf is not used in rule");
	}
}

static void check_rules(checker *c, const above *up, const sp_path *path)
{
	const sp_cel_rules *rules = up->schema->rules == NULL ? NULL : up->schema->rules->cel;
	if (rules == NULL)
		return;
	if (rules->untyped) {
		sp_v_internal(&c->cel, path,
			      "internal error: failed to construct type information for "
			      "x-kubernetes-validations rules: "
			      "unable to convert structural schema to CEL declarations");
		return;
	}
	for (size_t i = 0; i < rules->n; i++)
		check_rule(c, up, &rules->rules[i], SP_AT_I(path, i));
}

/* ---- the walk ---- */

static bool check_node(checker *c, yyjson_mut_val *openapi, const above *up, const sp_path *path);

/* How many times an element can be there for each time its container is. */
static uint64_t elements(yyjson_mut_val *openapi)
{
	sp_str type = sp_jmut_str(get(openapi, "type"));
	const char *limit = sp_str_eq(type, SP_STR("array")) ? "maxItems" : "maxProperties";
	yyjson_mut_val *max = get(openapi, limit);
	bool many = sp_str_eq(type, SP_STR("array")) ||
		    (sp_str_eq(type, SP_STR("object")) && get(openapi, "additionalProperties") != NULL);
	if (!many)
		return 1;
	if (!yyjson_mut_is_int(max))
		return UINT64_MAX;
	int64_t n = yyjson_mut_get_sint(max);
	return n < 0 ? 0 : (uint64_t)n;
}

static above below(const above *up, yyjson_mut_val *openapi, const sp_schema *schema)
{
	uint64_t n = elements(openapi);
	above down = {.schema = up->schema == NULL ? NULL : schema,
		      .root = schema != NULL && (schema->flags & SP_S_EMBEDDED_RESOURCE) != 0,
		      .cardinality = UINT64_MAX,
		      .uncorrelated = up->uncorrelated};
	if (up->cardinality != UINT64_MAX && n != UINT64_MAX)
		down.cardinality = times(up->cardinality, n);
	return down;
}

static bool check_children(checker *c, yyjson_mut_val *openapi, const above *up, const sp_path *path)
{
	bool ok = true,
	     list_map = sp_str_eq(sp_jmut_str(get(openapi, "x-kubernetes-list-type")), SP_STR("map"));
	yyjson_mut_val *items = get(openapi, "items"), *more = get(openapi, "additionalProperties"), *key,
		       *val;
	const sp_schema *s = up->schema;
	size_t i, max;
	if (yyjson_mut_is_obj(more)) {
		above down = below(up, openapi, s == NULL ? NULL : s->items);
		ok = check_node(c, more, &down, SP_AT(path, "additionalProperties"));
	}
	yyjson_mut_obj_foreach(get(openapi, "properties"), i, max, key, val)
	{
		const sp_field *f = s == NULL ? NULL : sp_schema_field(s, sp_jmut_str(key), NULL);
		above down = below(up, openapi, f == NULL ? NULL : f->schema);
		ok = check_node(c, val, &down, SP_AT_KEY(SP_AT(path, "properties"), sp_jmut_str(key))) && ok;
	}
	if (yyjson_mut_is_obj(items)) {
		above down = below(up, openapi, s == NULL ? NULL : s->items);
		if (!list_map && down.uncorrelated == NULL)
			down.uncorrelated = path;
		ok = check_node(c, items, &down, SP_AT(path, "items")) && ok;
	}
	return ok;
}

/* False: members of rules here or below have faults. Depth is that of JSON. */
static bool check_node(checker *c, yyjson_mut_val *openapi, const above *up, const sp_path *path)
{
	size_t before = c->errors->n;
	const sp_path *at = SP_AT(path, "x-kubernetes-validations");
	bool ok = check_children(c, openapi, up, path);
	yyjson_mut_val *list = get(openapi, "x-kubernetes-validations"), *rule;
	size_t i, max;
	yyjson_mut_arr_foreach(list, i, max, rule) check_members(c, openapi, rule, SP_AT_I(at, i));
	ok = ok && c->errors->n == before;
	if (ok && up->schema != NULL)
		check_rules(c, up, at);
	return ok;
}

sp_code sp_crd_rules_check(sp_arena *a, const sp_schema *schema, yyjson_mut_val *openapi, const sp_path *path,
			   sp_violations *errors)
{
	checker c = {.arena = a, .errors = errors};
	const above top = {.schema = schema, .root = true, .cardinality = 1};
	sp_arena_init(&c.scratch, SCRATCH_BYTES);
	sp_violations_init(&c.cel, a);
	(void)check_node(&c, openapi, &top, path);
	for (size_t i = 0; i < c.cel.n; i++)
		sp_v_text(errors, c.cel.items[i].type, c.cel.items[i].field, SP_FMT,
			  SP_ARG(c.cel.items[i].message));
	check_total(&c, path);
	sp_arena_done(&c.scratch);
	if (c.code == SP_OK)
		c.code = c.cel.code;
	return c.code == SP_OK ? errors->code : c.code;
}
