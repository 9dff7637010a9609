/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about nodes: nodeSelector, required and preferred node affinity. */
#include <stdlib.h>

#include "base/num.h"
#include "kube/names.h"
#include "scheduler/spec_int.h"
#include "scheduler/state.h"

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static const struct {
	sp_str name;
	uint8_t op;
	uint8_t values; /* 0 none, 1 one that is a number, 2 at least one */
} operators[] = {
	{SP_STR_INIT("In"), SP_SEL_IN, 2},         {SP_STR_INIT("NotIn"), SP_SEL_NOT_IN, 2},
	{SP_STR_INIT("Exists"), SP_SEL_EXISTS, 0}, {SP_STR_INIT("DoesNotExist"), SP_SEL_ABSENT, 0},
	{SP_STR_INIT("Gt"), SP_SEL_GT, 1},         {SP_STR_INIT("Lt"), SP_SEL_LT, 1},
};

static sp_code copy_texts(sp_arena *a, yyjson_val *list, const sp_str **ret, size_t *ret_n)
{
	sp_str *texts = sp_try_new(a, sp_str, yyjson_arr_size(list) + 1);
	size_t n = 0;
	if (texts == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
		texts[n] = sp_arena_try_dup(a, sp_json_str(v));
		if (texts[n].len != sp_json_str(v).len)
			return SP_ENOMEM;
	}
	if (n > 1)
		qsort(texts, n, sizeof *texts, by_text);
	*ret = texts;
	*ret_n = n;
	return SP_OK;
}

/* Go's strconv.ParseInt takes a sign of either kind. */
static bool read_number(sp_str text, int64_t *ret)
{
	(void)sp_str_take(&text, SP_STR("+"));
	return sp_parse_i64(text, INT64_MIN, INT64_MAX, ret, NULL) == SP_OK;
}

/* False: a requirement that upstream cannot parse. */
static sp_code read_requirement(sp_arena *a, yyjson_val *v, sp_requirement *r, bool *ret_valid)
{
	sp_str op = sp_json_str(yyjson_obj_get(v, "operator")), key = sp_json_str(yyjson_obj_get(v, "key"));
	size_t row = 0, n = 0;
	*ret_valid = false;
	while (row < SP_LEN(operators) && !sp_str_eq(op, operators[row].name))
		row++;
	SP_TRY(copy_texts(a, yyjson_obj_get(v, "values"), &r->values, &n));
	r->n_values = (uint32_t)n;
	r->key = sp_arena_try_dup(a, key);
	if (r->key.len != key.len)
		return SP_ENOMEM;
	if (row == SP_LEN(operators) || key.len == 0)
		return SP_OK;
	r->op = operators[row].op;
	for (size_t i = 0; i < n; i++) {
		if (sp_name_label_value(r->values[i]).n > 0)
			return SP_OK;
	}
	switch (operators[row].values) {
	case 0:
		*ret_valid = n == 0;
		break;
	case 1:
		*ret_valid = n == 1 && read_number(r->values[0], &r->number);
		break;
	default:
		*ret_valid = n > 0;
	}
	return SP_OK;
}

static sp_code read_fields(sp_arena *a, yyjson_val *list, sched_node_term *t)
{
	size_t n = yyjson_arr_size(list);
	t->fields = sp_arena_try_array(a, n + 1, sizeof *t->fields);
	if (t->fields == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str op = sp_json_str(yyjson_obj_get(v, "operator"));
		yyjson_val *values = yyjson_obj_get(v, "values");
		bool in = sp_str_eq(op, SP_STR("In"));
		if ((!in && !sp_str_eq(op, SP_STR("NotIn"))) || yyjson_arr_size(values) != 1) {
			t->invalid = true;
			continue;
		}
		/* Only the name is a field of nodes; any other is absent, which is the empty text. */
		bool is_name = sp_str_eq(sp_json_str(yyjson_obj_get(v, "key")), SP_STR("metadata.name"));
		sp_str value = sp_json_str(yyjson_arr_get_first(values));
		if (!is_name) {
			if (in != (value.len == 0))
				t->invalid = true;
			continue;
		}
		t->fields[t->n_fields].equal = in;
		t->fields[t->n_fields].name = sp_arena_try_dup(a, value);
		if (t->fields[t->n_fields++].name.len != value.len)
			return SP_ENOMEM;
	}
	return SP_OK;
}

static bool is_empty(yyjson_val *term)
{
	return yyjson_arr_size(yyjson_obj_get(term, "matchExpressions")) == 0 &&
	       yyjson_arr_size(yyjson_obj_get(term, "matchFields")) == 0;
}

static sp_code read_node_term(sp_arena *a, yyjson_val *term, sched_node_term *t)
{
	yyjson_val *list = yyjson_obj_get(term, "matchExpressions");
	sp_requirement *reqs = sp_try_new(a, sp_requirement, yyjson_arr_size(list) + 1);
	if (reqs == NULL)
		return SP_ENOMEM;
	t->labels.reqs = reqs;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; t->labels.n++) {
		bool valid;
		SP_TRY(read_requirement(a, v, &reqs[t->labels.n], &valid));
		t->invalid |= !valid;
	}
	return read_fields(a, yyjson_obj_get(term, "matchFields"), t);
}

sp_code sched_node_terms_read(sp_arena *a, yyjson_val *selector, const sched_node_term **ret, size_t *ret_n,
			      sp_err *err)
{
	yyjson_val *list = yyjson_obj_get(selector, "nodeSelectorTerms");
	sched_node_term *terms = sp_try_new(a, sched_node_term, yyjson_arr_size(list) + 1);
	size_t n = 0;
	(void)err;
	if (terms == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!is_empty(v))
			SP_TRY(read_node_term(a, v, &terms[n++]));
	}
	*ret = terms;
	*ret_n = n;
	return SP_OK;
}

bool sched_node_term_holds(const sched_node_term *term, const sched_node *node)
{
	if (term->invalid || !sp_labels_match(&term->labels, node->labels, node->n_labels))
		return false;
	for (size_t i = 0; i < term->n_fields; i++) {
		if (sp_str_eq(term->fields[i].name, node->name) != term->fields[i].equal)
			return false;
	}
	return true;
}

bool sched_need_holds(const sched_node_need *need, const sched_node *node)
{
	if (!sp_labels_match(&need->selector, node->labels, node->n_labels))
		return false;
	for (size_t i = 0; i < need->n_terms; i++) {
		if (sched_node_term_holds(&need->terms[i], node))
			return true;
	}
	return !need->has_terms;
}

/* -- of a pod ------------------------------------------------------------------------------------------- */

static sp_code read_node_selector(sched_spec *s, yyjson_val *map)
{
	sp_requirement *reqs = sp_try_new(&s->arena, sp_requirement, yyjson_obj_size(map) + 1);
	size_t n = 0;
	if (reqs == NULL)
		return SP_ENOMEM;
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL; n++) {
		sp_str *value = sp_try_new(&s->arena, sp_str, 1),
		       text = sp_json_str(yyjson_obj_iter_get_val(key));
		if (value == NULL)
			return SP_ENOMEM;
		*value = sp_arena_try_dup(&s->arena, text);
		reqs[n] = (sp_requirement){.key = sp_arena_try_dup(&s->arena, sp_json_str(key)),
					   .values = value,
					   .n_values = 1,
					   .op = SP_SEL_EQ};
		if (value->len != text.len || reqs[n].key.len != sp_json_str(key).len)
			return SP_ENOMEM;
	}
	s->need.selector = (sp_selector){.reqs = reqs, .n = n};
	return SP_OK;
}

/* The names one term allows: its metadata.name In requirements, intersected. False: the term names none. */
static bool names_of_term(yyjson_val *term, yyjson_val **ret_first)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(term, "matchFields"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (sp_str_eq(sp_json_str(yyjson_obj_get(v, "key")), SP_STR("metadata.name")) &&
		    sp_str_eq(sp_json_str(yyjson_obj_get(v, "operator")), SP_STR("In"))) {
			*ret_first = v;
			return true;
		}
	}
	return false;
}

static bool every_requirement_has(yyjson_val *term, sp_str name)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(term, "matchFields"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!sp_str_eq(sp_json_str(yyjson_obj_get(v, "key")), SP_STR("metadata.name")) ||
		    !sp_str_eq(sp_json_str(yyjson_obj_get(v, "operator")), SP_STR("In")))
			continue;
		bool has = false;
		yyjson_arr_iter values = yyjson_arr_iter_with(yyjson_obj_get(v, "values"));
		for (yyjson_val *x; (x = yyjson_arr_iter_next(&values)) != NULL;)
			has |= sp_str_eq(sp_json_str(x), name);
		if (!has)
			return false;
	}
	return true;
}

/* U: nodeaffinity (PreFilter). Empty terms count here, though they match no node. */
static sp_code read_names(sched_spec *s, yyjson_val *terms)
{
	size_t room = 0;
	yyjson_val *first;
	yyjson_arr_iter it = yyjson_arr_iter_with(terms);
	for (yyjson_val *t; (t = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!names_of_term(t, &first))
			return SP_OK;
		room += yyjson_arr_size(yyjson_obj_get(first, "values"));
	}
	if (yyjson_arr_size(terms) == 0)
		return SP_OK;
	sp_str *names = sp_try_new(&s->arena, sp_str, room + 1);
	if (names == NULL)
		return SP_ENOMEM;
	it = yyjson_arr_iter_with(terms);
	for (yyjson_val *t; (t = yyjson_arr_iter_next(&it)) != NULL;) {
		if (!names_of_term(t, &first))
			continue;
		yyjson_arr_iter values = yyjson_arr_iter_with(yyjson_obj_get(first, "values"));
		for (yyjson_val *x; (x = yyjson_arr_iter_next(&values)) != NULL;) {
			if (!every_requirement_has(t, sp_json_str(x)))
				continue;
			names[s->n_names] = sp_arena_try_dup(&s->arena, sp_json_str(x));
			if (names[s->n_names++].len != sp_json_str(x).len)
				return SP_ENOMEM;
		}
	}
	if (s->n_names > 1)
		qsort(names, s->n_names, sizeof *names, by_text);
	size_t n = 0;
	for (size_t i = 0; i < s->n_names; i++) {
		if (n == 0 || !sp_str_eq(names[n - 1], names[i]))
			names[n++] = names[i];
	}
	s->n_names = n;
	s->names = names;
	s->has_names = true;
	return SP_OK;
}

static sp_code read_preferred(sched_spec *s, yyjson_val *list)
{
	sched_node_term *terms = sp_try_new(&s->arena, sched_node_term, yyjson_arr_size(list) + 1);
	if (terms == NULL)
		return SP_ENOMEM;
	s->preferred = terms;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		yyjson_val *term = yyjson_obj_get(v, "preference");
		int32_t weight = (int32_t)yyjson_get_sint(yyjson_obj_get(v, "weight"));
		if (weight == 0 || is_empty(term))
			continue;
		terms[s->n_preferred].weight = weight;
		SP_TRY(read_node_term(&s->arena, term, &terms[s->n_preferred++]));
	}
	return SP_OK;
}

static sp_code member_key(sched_spec *s, yyjson_val *a, const char *a_member, yyjson_val *b,
			  const char *b_member, sp_str *ret)
{
	SP_AUTO_BUF buf;
	sp_buf_init(&buf, (size_t)1 << 20);
	sched_key_member(&buf, a, a_member);
	sched_key_member(&buf, b, b_member);
	SP_TRY(sp_buf_code(&buf));
	*ret = sp_arena_try_dup(&s->arena, sp_buf_view(&buf));
	return ret->ptr == NULL ? SP_ENOMEM : SP_OK;
}

sp_code sched_spec_read_nodes(sched_spec *s, yyjson_val *spec, sp_err *err)
{
	yyjson_val *selector = yyjson_obj_get(spec, "nodeSelector");
	yyjson_val *affinity = yyjson_obj_get(yyjson_obj_get(spec, "affinity"), "nodeAffinity");
	yyjson_val *required = yyjson_obj_get(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
	yyjson_val *preferred = yyjson_obj_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
	if (yyjson_obj_size(selector) > 0 || required != NULL) {
		s->has_node_need = true;
		s->need.has_terms = required != NULL;
		SP_TRY(read_node_selector(s, selector));
		SP_TRY(sched_node_terms_read(&s->arena, required, &s->need.terms, &s->need.n_terms, err));
		SP_TRY(member_key(s, spec, "nodeSelector", affinity,
				  "requiredDuringSchedulingIgnoredDuringExecution", &s->need_key));
		SP_TRY(read_names(s, yyjson_obj_get(required, "nodeSelectorTerms")));
	}
	if (yyjson_arr_size(preferred) == 0)
		return SP_OK;
	SP_TRY(member_key(s, affinity, "preferredDuringSchedulingIgnoredDuringExecution", NULL, "",
			  &s->preferred_key));
	return read_preferred(s, preferred);
}
