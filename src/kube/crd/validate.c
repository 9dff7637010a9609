/* SPDX-License-Identifier: Apache-2.0 */
/* A custom resource against its compiled schema. */
#include <math.h>

#include "base/limits.h"
#include "base/quote.h"
#include "kube/apply/typed_int.h"
#include "kube/crd/crd_int.h"
#include "kube/regex.h"

typedef struct checker {
	sp_arena *arena;
	sp_violations *errors;
	sp_arena *scratch; /* of matches */
	size_t n_looks;    /* values that were looked at */
} checker;

static void check(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path, bool nested);

/* Go's name of the value's type in messages. */
static const char *type_word(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_OBJ:
		return "object";
	case YYJSON_TYPE_ARR:
		return "array";
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_NUM:
		return yyjson_mut_is_real(v) ? "number" : "integer";
	case YYJSON_TYPE_BOOL:
		return "boolean";
	default:
		return "null";
	}
}

static bool is_whole(yyjson_mut_val *v)
{
	return yyjson_mut_is_int(v) ||
	       (yyjson_mut_is_real(v) && floor(yyjson_mut_get_num(v)) == yyjson_mut_get_num(v));
}

/* What the node asks for, or NULL when the value fits. */
static const char *type_wanted(const sp_schema *s, yyjson_mut_val *v)
{
	if (yyjson_mut_is_null(v) && (s->flags & SP_S_NULLABLE) != 0)
		return NULL;
	if (s->kind == SP_K_STRING)
		return yyjson_mut_is_str(v) ? NULL : "string";
	if (s->kind == SP_K_BOOL)
		return yyjson_mut_is_bool(v) ? NULL : "boolean";
	if (s->kind == SP_K_F64)
		return yyjson_mut_is_num(v) ? NULL : "number";
	if (s->kind == SP_K_OBJECT)
		return yyjson_mut_is_obj(v) ? NULL : "object";
	if (s->kind == SP_K_LIST)
		return yyjson_mut_is_arr(v) ? NULL : "array";
	bool whole = is_whole(v);
	if (s->kind == SP_K_I64)
		return whole ? NULL : "integer";
	if (s->kind == SP_K_INT_OR_STRING)
		return whole || yyjson_mut_is_str(v) ? NULL : "integer,string";
	return NULL;
}

/* The value as JSON in the arena; for messages. */
static sp_str json_text(checker *c, yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)sp_json_write_mut(&text, v);
	return sp_arena_try_dup(c->arena, sp_buf_view(&text));
}

static void invalid(checker *c, sp_str path, sp_str shown, const char *what)
{
	sp_v_text(c->errors, SP_V_INVALID, path, "Invalid value: " SP_FMT ": " SP_FMT " in body %s",
		  SP_ARG(shown), SP_ARG(path), what);
}

static void check_number(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	double d = yyjson_mut_get_num(v);
	bool below = (r->has & SP_R_EXCLUSIVE_MINIMUM) != 0 ? d <= r->minimum : d < r->minimum;
	bool above = (r->has & SP_R_EXCLUSIVE_MAXIMUM) != 0 ? d >= r->maximum : d > r->maximum;
	sp_str shown = json_text(c, v);
	char what[96];
	if ((r->has & SP_R_MULTIPLE_OF) != 0 && r->multiple_of > 0 &&
	    fabs(remainder(d, r->multiple_of)) > 1e-9 * r->multiple_of) {
		(void)snprintf(what, sizeof(what), "should be a multiple of %.15g", r->multiple_of);
		invalid(c, path, shown, what);
	}
	if ((r->has & SP_R_MAXIMUM) != 0 && above) {
		(void)snprintf(what, sizeof(what), "should be less than %s%.15g",
			       (r->has & SP_R_EXCLUSIVE_MAXIMUM) != 0 ? "" : "or equal to ", r->maximum);
		invalid(c, path, shown, what);
	}
	if ((r->has & SP_R_MINIMUM) != 0 && below) {
		(void)snprintf(what, sizeof(what), "should be greater than %s%.15g",
			       (r->has & SP_R_EXCLUSIVE_MINIMUM) != 0 ? "" : "or equal to ", r->minimum);
		invalid(c, path, shown, what);
	}
}

static int64_t code_points(sp_str s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	return n;
}

/* A string in quotes, as %q of Go; for messages. */
static sp_str quoted(checker *c, yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES);
	(void)sp_quote_go(&text, sp_jmut_str(v));
	return sp_arena_try_dup(c->arena, sp_buf_view(&text));
}

static void check_pattern(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	bool fits = false;
	sp_code code = sp_regex_match(r->regex, sp_jmut_str(v), c->scratch, &fits);
	if (code != SP_OK) {
		c->errors->code = code;
		return;
	}
	if (!fits) {
		sp_str shown = quoted(c, v);
		sp_v_text(c->errors, SP_V_INVALID, path,
			  "Invalid value: " SP_FMT ": " SP_FMT " in body should match '" SP_FMT "'",
			  SP_ARG(shown), SP_ARG(path), SP_ARG(r->pattern));
	}
}

static void check_format(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	bool fits = true;
	sp_code code = r->format.len == 0 ? SP_OK : sp_crd_format_fits(r, sp_jmut_str(v), c->scratch, &fits);
	if (code != SP_OK) {
		c->errors->code = code;
		return;
	}
	if (fits)
		return;
	sp_str shown = quoted(c, v);
	sp_v_text(c->errors, SP_V_TYPE_INVALID, path,
		  "Invalid value: " SP_FMT ": " SP_FMT " in body must be of type " SP_FMT ": " SP_FMT,
		  SP_ARG(shown), SP_ARG(path), SP_ARG(r->format), SP_ARG(shown));
}

/* Of the lengths and the pattern, the first that fails is the one named. */
static void check_text(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	int64_t n = code_points(sp_jmut_str(v));
	char what[64];
	if ((r->has & SP_R_MAX_LENGTH) != 0 && n > r->max_length) {
		sp_v_text(c->errors, SP_V_TOO_LONG, path, "Too long: may not be more than %lld bytes",
			  (long long)r->max_length);
	} else if ((r->has & SP_R_MIN_LENGTH) != 0 && n < r->min_length) {
		(void)snprintf(what, sizeof(what), "should be at least %lld chars long",
			       (long long)r->min_length);
		invalid(c, path, quoted(c, v), what);
	} else if (r->regex != NULL) {
		check_pattern(c, r, v, path);
	}
	check_format(c, r, v, path);
}

/* Counts of items and of properties. */
static void check_count(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	bool list = yyjson_mut_is_arr(v);
	int64_t n = (int64_t)(list ? yyjson_mut_arr_size(v) : yyjson_mut_obj_size(v));
	int64_t min = list ? r->min_items : r->min_properties, max = list ? r->max_items : r->max_properties;
	const char *unit = list ? "items" : "properties";
	char what[64];
	if ((r->has & (list ? SP_R_MIN_ITEMS : SP_R_MIN_PROPERTIES)) != 0 && n < min) {
		(void)snprintf(what, sizeof(what), "should have at least %lld %s", (long long)min, unit);
		invalid(c, path, sp_arena_printf(c->arena, "%lld", (long long)n), what);
	}
	if ((r->has & (list ? SP_R_MAX_ITEMS : SP_R_MAX_PROPERTIES)) != 0 && n > max)
		sp_v_text(c->errors, SP_V_TOO_MANY, path, "Too many: %lld: must have at most %lld %s",
			  (long long)n, (long long)max, list || max != 1 ? "items" : "item");
}

static void check_enum(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	sp_str shown = json_text(c, v);
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 16);
	for (uint16_t i = 0; i < r->n_enums; i++) {
		if (sp_str_eq(r->enums[i], shown))
			return;
		(void)sp_buf_str(&text, i > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(&text, r->enums[i]);
	}
	sp_str all = sp_buf_view(&text);
	sp_v_text(c->errors, SP_V_NOT_SUPPORTED, path,
		  "Unsupported value: " SP_FMT ": supported values: " SP_FMT, SP_ARG(shown), SP_ARG(all));
}

/* What one of several schemas says of the value, and how much of it that schema looked at. */
typedef struct verdict {
	sp_violations errors;
	size_t n_looks;
} verdict;

static verdict judge(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path)
{
	verdict d = {0};
	sp_violations_init(&d.errors, c->arena);
	checker inner = {.arena = c->arena, .errors = &d.errors, .scratch = c->scratch};
	check(&inner, s, v, path, true);
	if (d.errors.code != SP_OK)
		c->errors->code = d.errors.code;
	d.n_looks = inner.n_looks;
	return d;
}

static void combined(checker *c, sp_str path, const char *what)
{
	sp_v_text(c->errors, SP_V_INVALID, SP_STR("<nil>"), "Invalid value: \"\": \"" SP_FMT "\" must %s",
		  SP_ARG(path), what);
}

static bool is_said(const sp_violations *errors, const sp_violation *one)
{
	for (size_t i = 0; i < errors->n; i++) {
		if (sp_str_eq(errors->items[i].field, one->field) &&
		    sp_str_eq(errors->items[i].message, one->message))
			return true;
	}
	return false;
}

static void merge(checker *c, const verdict *d)
{
	for (size_t i = 0; i < d->errors.n; i++) {
		const sp_violation *one = &d->errors.items[i];
		if (!is_said(c->errors, one))
			sp_v_text(c->errors, one->type, one->field, SP_FMT, SP_ARG(one->message));
	}
	c->n_looks += d->n_looks;
}

/* How many of the schemas the value fits; none: *best is the verdict of the one that got furthest. */
static size_t n_fit(checker *c, const sp_schema *const *list, uint16_t n, bool one_will_do, yyjson_mut_val *v,
		    sp_str path, verdict *best)
{
	size_t k = 0;
	for (uint16_t i = 0; i < n && !(one_will_do && k > 0); i++) {
		verdict d = judge(c, list[i], v, path);
		k += d.errors.n == 0;
		if (i == 0 || (k == 0 && d.n_looks > best->n_looks))
			*best = d;
	}
	return k;
}

static void wrong_type(checker *c, yyjson_mut_val *v, const char *wanted, sp_str path)
{
	sp_v_text(c->errors, SP_V_TYPE_INVALID, path,
		  "Invalid value: \"%s\": " SP_FMT " in body must be of type %s: \"%s\"", type_word(v),
		  SP_ARG(path), wanted, type_word(v));
}

static void not_whole(checker *c, sp_str path)
{
	sp_v_text(c->errors, SP_V_INVALID, SP_STR("<nil>"),
		  "Invalid value: \"\": Checked value must be of type integer (default format) in " SP_FMT,
		  SP_ARG(path));
}

/* As anyOf: [{type: integer}, {type: string}]. */
static void check_int_or_string(checker *c, yyjson_mut_val *v, sp_str path)
{
	if (yyjson_mut_is_str(v) || is_whole(v))
		return;
	combined(c, path, "validate at least one schema (anyOf)");
	wrong_type(c, v, "integer", path);
	if (yyjson_mut_is_real(v))
		not_whole(c, path);
}

static void check_any_of(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	verdict best = {0};
	if ((r->has & SP_R_INT_OR_STRING) != 0)
		check_int_or_string(c, v, path);
	if (r->n_any_of == 0 || n_fit(c, r->any_of, r->n_any_of, true, v, path, &best) > 0)
		return;
	combined(c, path, "validate at least one schema (anyOf)");
	merge(c, &best);
}

static void check_one_of(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	char what[96];
	verdict best = {0};
	size_t n = r->n_one_of == 0 ? 1 : n_fit(c, r->one_of, r->n_one_of, false, v, path, &best);
	if (n == 1)
		return;
	if (n == 0)
		(void)snprintf(what, sizeof(what),
			       "validate one and only one schema (oneOf). Found none valid");
	else
		(void)snprintf(what, sizeof(what),
			       "validate one and only one schema (oneOf). Found %zu valid alternatives", n);
	combined(c, path, what);
	if (n == 0)
		merge(c, &best);
}

static void check_all_of(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	size_t n = 0;
	for (uint16_t i = 0; i < r->n_all_of; i++) {
		verdict d = judge(c, r->all_of[i], v, path);
		n += d.errors.n == 0;
		merge(c, &d);
	}
	if (n < r->n_all_of)
		combined(c, path,
			 n == 0 ? "validate all the schemas (allOf). None validated"
				: "validate all the schemas (allOf)");
}

static void check_combined(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	check_any_of(c, r, v, path);
	check_one_of(c, r, v, path);
	check_all_of(c, r, v, path);
	if (r->not_ != NULL && judge(c, r->not_, v, path).errors.n == 0)
		combined(c, path, "not validate the schema (not)");
}

static void check_members(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path, bool nested)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	bool embedded = (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	static const char *const identity[] = {"apiVersion", "kind"};
	for (uint16_t i = 0; s->rules != NULL && i < s->rules->n_required; i++) {
		if (sp_jmut_get(v, s->rules->required[i]) == NULL)
			sp_v_text(c->errors, SP_V_REQUIRED,
				  sp_crd_path(c->arena, path, s->rules->required[i]), "Required value");
	}
	for (size_t i = 0; embedded && i < SP_LEN(identity); i++) {
		if (sp_jmut_str(sp_jmut_get(v, sp_str_c(identity[i]))).len == 0)
			sp_v_text(c->errors, SP_V_REQUIRED,
				  sp_crd_path(c->arena, path, sp_str_c(identity[i])), "Required value");
	}
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		const sp_field *f = sp_schema_field(s, sp_jmut_str(key), NULL);
		const sp_schema *m = f != NULL ? f->schema : s->items;
		if (m != NULL && (m->flags & SP_S_CRD) != 0)
			check(c, m, val, sp_crd_path(c->arena, path, sp_jmut_str(key)), nested);
	}
}

/* Lists of type set and map hold nothing twice. */
static void check_doubles(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path)
{
	sp_typed_items_list l;
	if (sp_typed_list_load(c->arena, s, v, &l) != SP_OK) {
		c->errors->code = SP_ENOMEM;
		return;
	}
	for (size_t i = 1; i < l.n; i++) {
		if (sp_pe_cmp(&l.sorted[i - 1]->pe, &l.sorted[i]->pe) != 0)
			continue;
		sp_str shown = {0};
		if (s->n_list_keys == 0) {
			shown = json_text(c, l.sorted[i]->val);
		} else {
			SP_AUTO_BUF text;
			sp_buf_init(&text, 1 << 16);
			const sp_pe *pe = &l.sorted[i]->pe;
			for (uint32_t k = 0; k < pe->n_keys; k++) {
				(void)sp_buf_char(&text, k == 0 ? '{' : ',');
				(void)sp_json_write_str(&text, pe->keys[k].name);
				(void)sp_buf_char(&text, ':');
				(void)sp_pe_value_json(&text, &pe->keys[k].value);
			}
			(void)sp_buf_char(&text, '}');
			shown = sp_arena_try_dup(c->arena, sp_buf_view(&text));
		}
		sp_v_text(c->errors, SP_V_DUPLICATE,
			  sp_arena_printf(c->arena, SP_FMT "[%zu]", SP_ARG(path), l.sorted[i]->at),
			  "Duplicate value: " SP_FMT, SP_ARG(shown));
	}
}

static void check_items(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path, bool nested)
{
	size_t idx, max;
	yyjson_mut_val *item;
	yyjson_mut_arr_foreach(v, idx, max, item)
	{
		sp_str at = sp_arena_printf(c->arena, SP_FMT "[%zu]", SP_ARG(path), idx);
		if (s->items != NULL)
			check(c, s->items, item, at, nested);
	}
}

static void check(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path, bool nested)
{
	const sp_rules *r = s->rules;
	const char *wanted = nested && s->kind == SP_K_ANY ? NULL : type_wanted(s, v);
	if (c->errors->code != SP_OK || (yyjson_mut_is_null(v) && (s->flags & SP_S_NULLABLE) != 0))
		return;
	c->n_looks++;
	if (wanted != NULL) {
		wrong_type(c, v, wanted, path);
		if (s->kind == SP_K_I64 && yyjson_mut_is_real(v) && r != NULL &&
		    (r->has & (SP_R_MINIMUM | SP_R_MAXIMUM | SP_R_MULTIPLE_OF)) != 0)
			not_whole(c, path);
		if (r != NULL)
			check_combined(c, r, v, path);
		return;
	}
	if (r != NULL) {
		check_combined(c, r, v, path);
		if (yyjson_mut_is_str(v))
			check_text(c, r, v, path);
		if (yyjson_mut_is_num(v))
			check_number(c, r, v, path);
		if (yyjson_mut_is_ctn(v))
			check_count(c, r, v, path);
		if (r->n_enums > 0)
			check_enum(c, r, v, path);
	}
	if (yyjson_mut_is_obj(v))
		check_members(c, s, v, path, nested);
	if (yyjson_mut_is_arr(v)) {
		check_items(c, s, v, path, nested);
		if (s->kind == SP_K_LIST && s->list_type != SP_LIST_ATOMIC)
			check_doubles(c, s, v, path);
	}
}

sp_code sp_crd_validate(sp_arena *a, const sp_schema *schema, yyjson_mut_val *object, sp_violations *errors)
{
	sp_arena scratch;
	sp_arena_init(&scratch, SP_REGEX_SCRATCH_BYTES);
	checker c = {.arena = a, .errors = errors, .scratch = &scratch};
	check(&c, schema, object, SP_STR(""), false);
	sp_arena_done(&scratch);
	return errors->code;
}
