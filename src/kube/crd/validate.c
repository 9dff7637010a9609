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
	bool whole = yyjson_mut_is_int(v) ||
		     (yyjson_mut_is_real(v) && floor(yyjson_mut_get_num(v)) == yyjson_mut_get_num(v));
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

/* Matches a shape where 'd' is a digit; the rest of the text is left in *in. */
static bool shape(sp_str *in, const char *want)
{
	size_t n = strlen(want);
	for (size_t i = 0; i < n; i++) {
		char c = i < in->len ? in->ptr[i] : '\0';
		if (want[i] == 'd' ? c < '0' || c > '9' : c != want[i])
			return false;
	}
	*in = sp_str_sub(*in, n, in->len);
	return true;
}

static bool is_date(sp_str *in)
{
	sp_str at = *in;
	if (!shape(in, "dddd-dd-dd"))
		return false;
	int month = (at.ptr[5] - '0') * 10 + at.ptr[6] - '0', day = (at.ptr[8] - '0') * 10 + at.ptr[9] - '0';
	return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool is_date_time(sp_str s)
{
	sp_str rest = s, zone;
	if (!is_date(&rest) || !(shape(&rest, "T") || shape(&rest, "t")))
		return false;
	sp_str clock = rest;
	if (!shape(&rest, "dd:dd:dd") || sp_str_cmp(sp_str_sub(clock, 0, 2), SP_STR("23")) > 0 ||
	    clock.ptr[3] > '5' || clock.ptr[6] > '5')
		return false;
	if (shape(&rest, ".d")) {
		while (shape(&rest, "d")) {
		}
	}
	zone = rest;
	return sp_str_eq(zone, SP_STR("Z")) || sp_str_eq(zone, SP_STR("z")) ||
	       ((shape(&rest, "+dd:dd") || shape(&rest, "-dd:dd")) && rest.len == 0);
}

/* Formats known here; others are not checked. */
static bool format_fits(sp_str format, sp_str text)
{
	if (sp_str_eq(format, SP_STR("date-time")))
		return is_date_time(text);
	if (sp_str_eq(format, SP_STR("date")))
		return is_date(&text) && text.len == 0;
	return true;
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
	if (r->format.len > 0 && !format_fits(r->format, sp_jmut_str(v))) {
		sp_str shown = quoted(c, v);
		sp_v_text(c->errors, SP_V_TYPE_INVALID, path,
			  "Invalid value: " SP_FMT ": " SP_FMT " in body must be of type " SP_FMT ": " SP_FMT,
			  SP_ARG(shown), SP_ARG(path), SP_ARG(r->format), SP_ARG(shown));
	}
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

/* True when the value has no violations of the schema. */
static bool fits(checker *c, const sp_schema *s, yyjson_mut_val *v, sp_str path)
{
	sp_violations mine;
	sp_violations_init(&mine, c->arena);
	checker inner = {c->arena, &mine, c->scratch};
	check(&inner, s, v, path, true);
	if (mine.code != SP_OK)
		c->errors->code = mine.code;
	return mine.n == 0;
}

static size_t n_fit(checker *c, const sp_schema *const *list, uint16_t n, yyjson_mut_val *v, sp_str path)
{
	size_t k = 0;
	for (uint16_t i = 0; i < n; i++)
		k += fits(c, list[i], v, path);
	return k;
}

static void check_combined(checker *c, const sp_rules *r, yyjson_mut_val *v, sp_str path)
{
	sp_str empty = SP_STR("\"\"");
	const char *bad = NULL;
	if (r->n_any_of > 0 && n_fit(c, r->any_of, r->n_any_of, v, path) == 0)
		bad = "must validate at least one schema (anyOf)";
	size_t one = r->n_one_of > 0 ? n_fit(c, r->one_of, r->n_one_of, v, path) : 1;
	if (bad == NULL && one != 1)
		bad = one == 0 ? "must validate one and only one schema (oneOf). Found none valid"
			       : "must validate one and only one schema (oneOf). Found 2 valid alternatives";
	if (bad == NULL && r->not_ != NULL && fits(c, r->not_, v, path))
		bad = "must not validate the schema (not)";
	if (bad != NULL)
		sp_v_text(c->errors, SP_V_INVALID, path, "Invalid value: " SP_FMT ": \"" SP_FMT "\" %s",
			  SP_ARG(empty), SP_ARG(path), bad);
	for (uint16_t i = 0; i < r->n_all_of; i++)
		check(c, r->all_of[i], v, path, true);
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
	if (wanted != NULL) {
		sp_v_text(c->errors, SP_V_TYPE_INVALID, path,
			  "Invalid value: \"%s\": " SP_FMT " in body must be of type %s: \"%s\"",
			  type_word(v), SP_ARG(path), wanted, type_word(v));
		if (s->kind == SP_K_I64 && yyjson_mut_is_real(v) && r != NULL &&
		    (r->has & (SP_R_MINIMUM | SP_R_MAXIMUM | SP_R_MULTIPLE_OF)) != 0)
			sp_v_text(c->errors, SP_V_INVALID, SP_STR("<nil>"),
				  "Invalid value: \"\": Checked value must be of type integer (default "
				  "format) in " SP_FMT,
				  SP_ARG(path));
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
	checker c = {a, errors, &scratch};
	check(&c, schema, object, SP_STR(""), false);
	sp_arena_done(&scratch);
	return errors->code;
}
