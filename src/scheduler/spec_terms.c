/* SPDX-License-Identifier: Apache-2.0 */
/* Rules between pods: (anti-)affinity terms and topology spread constraints. */
#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/spec_int.h"

sp_code sched_text(sched_spec *s, yyjson_val *object, const char *member, sp_str *ret)
{
	sp_str text = sp_json_str(yyjson_obj_get(object, member));
	*ret = (sp_str){0};
	if (text.len == 0)
		return SP_OK;
	*ret = sp_arena_try_dup(&s->arena, text);
	return ret->ptr == NULL ? SP_ENOMEM : SP_OK;
}

void sched_key_member(sp_buf *b, yyjson_val *object, const char *member)
{
	yyjson_val *v = yyjson_obj_get(object, member);
	(void)sp_buf_char(b, '\x1e');
	if (v != NULL)
		(void)sp_json_write(b, v);
}

sp_code sched_str_dup(sp_str s, sp_str *ret)
{
	char *text = sp_try_alloc(s.len + 1);
	if (text == NULL)
		return SP_ENOMEM;
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	*ret = (sp_str){text, s.len};
	return SP_OK;
}

static int by_key(const void *a, const void *b)
{
	return sp_str_cmp(((const sp_label *)a)->key, ((const sp_label *)b)->key);
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

sp_code sched_labels_read(sp_arena *a, yyjson_val *labels, const sp_label **ret, size_t *ret_n)
{
	sp_label *list = sp_try_new(a, sp_label, yyjson_obj_size(labels) + 1);
	size_t n = 0;
	if (list == NULL)
		return SP_ENOMEM;
	yyjson_obj_iter it = yyjson_obj_iter_with(labels);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL; n++) {
		sp_str value = sp_json_str(yyjson_obj_iter_get_val(key));
		list[n].key = sp_arena_try_dup(a, sp_json_str(key));
		list[n].value = sp_arena_try_dup(a, value);
		if (list[n].key.ptr == NULL || list[n].value.len != value.len)
			return SP_ENOMEM;
	}
	if (n > 1)
		qsort(list, n, sizeof *list, by_key);
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

const sp_str *sched_label(const sp_label *labels, size_t n, sp_str key)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(labels[i].key, key))
			return &labels[i].value;
	}
	return NULL;
}

sp_code sched_selector_text(sp_arena *a, const sp_selector *s, sp_str *ret)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, (size_t)1 << 20);
	SP_TRY(sp_buf_str(&b, s->nothing ? SP_STR("\x1c") : SP_STR("*")));
	SP_TRY(sp_selector_print(&b, s));
	*ret = sp_arena_try_dup(a, sp_buf_view(&b));
	return ret->ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code read_selector(sp_arena *a, yyjson_val *object, sp_selector *ret, sp_err *err)
{
	sp_str why = {0};
	sp_code code = sp_labels_of_object(a, object, ret, &why);
	return code == SP_EINVAL ? sp_fail(err, SP_EINVAL, "a label selector: " SP_FMT, SP_ARG(why)) : code;
}

/* -- inter-pod affinity --------------------------------------------------------------------------------- */

static sp_code read_namespaces(sched_spec *s, yyjson_val *term, sched_matcher *m)
{
	yyjson_val *list = yyjson_obj_get(term, "namespaces");
	yyjson_val *selector = yyjson_obj_get(term, "namespaceSelector");
	sp_str *names = sp_try_new(&s->arena, sp_str, yyjson_arr_size(list) + 1);
	if (names == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; m->n_namespaces++) {
		names[m->n_namespaces] = sp_arena_try_dup(&s->arena, sp_json_str(v));
		if (names[m->n_namespaces].len != sp_json_str(v).len)
			return SP_ENOMEM;
	}
	if (m->n_namespaces == 0 && (selector == NULL || yyjson_is_null(selector))) {
		names[0] = sp_arena_try_dup(&s->arena, s->pc->ns->name);
		if (names[0].len != s->pc->ns->name.len)
			return SP_ENOMEM;
		m->n_namespaces = 1;
	}
	if (m->n_namespaces > 1)
		qsort(names, m->n_namespaces, sizeof *names, by_text);
	m->namespaces = names;
	return SP_OK;
}

static sp_code matcher_key(sp_arena *a, sched_matcher *m)
{
	SP_AUTO_BUF b;
	sp_str labels, in;
	sp_buf_init(&b, (size_t)1 << 20);
	SP_TRY(sched_selector_text(a, &m->labels, &labels));
	SP_TRY(sched_selector_text(a, &m->in_namespaces, &in));
	for (size_t i = 0; i < m->n_namespaces; i++) {
		SP_TRY(sp_buf_str(&b, m->namespaces[i]));
		SP_TRY(sp_buf_char(&b, ','));
	}
	SP_TRY(sp_buf_char(&b, ';'));
	SP_TRY(sp_buf_str(&b, in));
	SP_TRY(sp_buf_char(&b, ';'));
	SP_TRY(sp_buf_str(&b, labels));
	m->key = sp_arena_try_dup(a, sp_buf_view(&b));
	return m->key.ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code read_term(sched_state *st, sched_spec *s, yyjson_val *term, int32_t weight, sched_term *t,
			 sp_err *err)
{
	t->weight = weight;
	SP_TRY(sched_text(s, term, "topologyKey", &t->topology_key));
	SP_TRY(read_selector(&s->arena, yyjson_obj_get(term, "labelSelector"), &t->matcher.labels, err));
	SP_TRY(read_selector(&s->arena, yyjson_obj_get(term, "namespaceSelector"), &t->matcher.in_namespaces,
			     err));
	SP_TRY(read_namespaces(s, term, &t->matcher));
	SP_TRY(matcher_key(&s->arena, &t->matcher));
	return sched_carried_get(st, &t->matcher, t->topology_key, &t->carried);
}

#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

static sp_code read_required(sched_state *st, sched_spec *s, yyjson_val *rules, sched_term **ret,
			     size_t *ret_n, sp_err *err)
{
	yyjson_val *list = yyjson_obj_get(rules, REQUIRED);
	*ret = sp_try_new(&s->arena, sched_term, yyjson_arr_size(list) + 1);
	if (*ret == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sched_term *t =
			&(*ret)[(*ret_n)++]; /* counted first: what it holds is let go with the spec */
		SP_TRY(read_term(st, s, v, 1, t, err));
	}
	return SP_OK;
}

static sp_code read_preferred(sched_state *st, sched_spec *s, yyjson_val *rules, int sign, sp_err *err)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(rules, PREFERRED));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		int32_t weight = (int32_t)yyjson_get_sint(yyjson_obj_get(v, "weight"));
		sched_term *t = &s->soft[s->n_soft++];
		SP_TRY(read_term(st, s, yyjson_obj_get(v, "podAffinityTerm"), sign * weight, t, err));
	}
	return SP_OK;
}

sp_code sched_spec_read_terms(sched_state *st, sched_spec *s, yyjson_val *spec, sp_err *err)
{
	yyjson_val *affinity = yyjson_obj_get(spec, "affinity");
	yyjson_val *with = yyjson_obj_get(affinity, "podAffinity");
	yyjson_val *without = yyjson_obj_get(affinity, "podAntiAffinity");
	if (with == NULL && without == NULL)
		return SP_OK;
	SP_TRY(read_required(st, s, with, &s->affinity, &s->n_affinity, err));
	SP_TRY(read_required(st, s, without, &s->anti, &s->n_anti, err));
	size_t n = yyjson_arr_size(yyjson_obj_get(with, PREFERRED)) +
		   yyjson_arr_size(yyjson_obj_get(without, PREFERRED));
	s->soft = sp_try_new(&s->arena, sched_term, n + 1);
	if (s->soft == NULL)
		return SP_ENOMEM;
	SP_TRY(read_preferred(st, s, with, 1, err));
	return read_preferred(st, s, without, -1, err);
}

/* -- spread --------------------------------------------------------------------------------------------- */

/* The selector with `key = the pod's value` for each of matchLabelKeys that the pod has. One that selects
 * nothing stays so. */
static sp_code add_label_keys(sched_spec *s, yyjson_val *keys, sp_selector *sel)
{
	size_t n = yyjson_arr_size(keys);
	if (n == 0 || sel->nothing)
		return SP_OK;
	sp_requirement *reqs = sp_try_new(&s->arena, sp_requirement, sel->n + n);
	if (reqs == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < sel->n; i++)
		reqs[i] = sel->reqs[i];
	size_t total = sel->n;
	yyjson_arr_iter it = yyjson_arr_iter_with(keys);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		const sp_str *value = sched_label(s->pc->labels, s->pc->n_labels, sp_json_str(v));
		if (value == NULL)
			continue;
		reqs[total++] = (sp_requirement){.key = sp_arena_try_dup(&s->arena, sp_json_str(v)),
						 .values = value,
						 .n_values = 1,
						 .op = SP_SEL_EQ};
	}
	sel->reqs = reqs;
	sel->n = total;
	return SP_OK;
}

static sp_code read_constraint(sched_spec *s, yyjson_val *v, sched_spread *c, sp_err *err)
{
	sp_str affinity = sp_json_str(yyjson_obj_get(v, "nodeAffinityPolicy"));
	sp_str taints = sp_json_str(yyjson_obj_get(v, "nodeTaintsPolicy"));
	yyjson_val *domains = yyjson_obj_get(v, "minDomains");
	c->max_skew = (int32_t)yyjson_get_sint(yyjson_obj_get(v, "maxSkew"));
	c->min_domains = domains == NULL ? 1 : (int32_t)yyjson_get_sint(domains);
	c->honor_affinity = affinity.len == 0 || sp_str_eq(affinity, SP_STR("Honor"));
	c->honor_taints = sp_str_eq(taints, SP_STR("Honor"));
	SP_TRY(sched_text(s, v, "topologyKey", &c->topology_key));
	SP_TRY(read_selector(&s->arena, yyjson_obj_get(v, "labelSelector"), &c->labels, err));
	SP_TRY(add_label_keys(s, yyjson_obj_get(v, "matchLabelKeys"), &c->labels));
	return sched_selector_text(&s->arena, &c->labels, &c->labels_key);
}

sp_code sched_spec_read_spread(sched_spec *s, yyjson_val *spec, sp_err *err)
{
	yyjson_val *list = yyjson_obj_get(spec, "topologySpreadConstraints");
	size_t n = yyjson_arr_size(list);
	if (n == 0)
		return SP_OK;
	sched_spread *hard = sp_try_new(&s->arena, sched_spread, n),
		     *weak = sp_try_new(&s->arena, sched_spread, n);
	if (hard == NULL || weak == NULL)
		return SP_ENOMEM;
	s->has_spread = true;
	s->hard = hard;
	s->weak = weak;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str when = sp_json_str(yyjson_obj_get(v, "whenUnsatisfiable"));
		if (sp_str_eq(when, SP_STR("DoNotSchedule")))
			SP_TRY(read_constraint(s, v, &hard[s->n_hard++], err));
		else if (sp_str_eq(when, SP_STR("ScheduleAnyway")))
			SP_TRY(read_constraint(s, v, &weak[s->n_weak++], err));
	}
	return SP_OK;
}
