/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces, disruption budgets, and what default spreading takes its selectors from. */
#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/state_int.h"

#define OBJECT_ARENA_BYTES ((size_t)4 << 20)

static yyjson_val *meta_of(yyjson_val *object)
{
	return yyjson_obj_get(object, "metadata");
}

static sp_str meta_text(yyjson_val *object, const char *member)
{
	return sp_json_str(yyjson_obj_get(meta_of(object), member));
}

static sp_str join_key(sp_arena *a, sp_str ns, sp_str name)
{
	return SP_CONCAT(a, ns, SP_STR("/"), name);
}

static void *first_of(const sp_map *m)
{
	size_t i = 0;
	const sp_map_entry *e = sp_map_next(m, &i);
	return e == NULL ? NULL : e->value;
}

/* -- namespaces ----------------------------------------------------------------------------------------- */

sp_code sched_put_namespace(sched_state *st, yyjson_val *object, sp_err *err)
{
	sched_namespace *ns;
	if (st->broken || sched_namespace_get(st, meta_text(object, "name"), &ns) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a namespace");
	ns->exists = true;
	sp_arena_reset(&ns->arena);
	ns->n_labels = 0;
	sp_code code = sched_labels_read(&ns->arena, yyjson_obj_get(meta_of(object), "labels"), &ns->labels,
					 &ns->n_labels);
	if (code == SP_OK)
		code = sched_namespace_changed(st, ns);
	if (code == SP_OK)
		return SP_OK;
	st->broken = true;
	return sp_fail(err, code, "no memory for a namespace");
}

sp_code sched_remove_namespace(sched_state *st, sp_str name)
{
	sched_namespace *ns = sp_map_get(&st->namespaces, name);
	if (ns == NULL || !ns->exists)
		return SP_OK;
	ns->exists = false;
	ns->n_labels = 0;
	if (sched_namespace_changed(st, ns) != SP_OK) {
		st->broken = true;
		return SP_ENOMEM;
	}
	sched_namespace_tidy(st, ns);
	return SP_OK;
}

/* -- budgets -------------------------------------------------------------------------------------------- */

static void budget_free(sched_budget *b)
{
	if (b == NULL)
		return;
	sp_arena_done(&b->arena);
	sp_free(b);
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static sp_code budget_fill(sched_budget *b, yyjson_val *object)
{
	yyjson_val *spec = yyjson_obj_get(object, "spec"), *status = yyjson_obj_get(object, "status");
	yyjson_val *disrupted = yyjson_obj_get(status, "disruptedPods");
	sp_str *names = sp_try_new(&b->arena, sp_str, yyjson_obj_size(disrupted) + 1);
	b->key = join_key(&b->arena, meta_text(object, "namespace"), meta_text(object, "name"));
	if (names == NULL || b->key.ptr == NULL)
		return SP_ENOMEM;
	b->ns = sp_str_sub(b->key, 0, meta_text(object, "namespace").len);
	b->allowed = yyjson_get_sint(yyjson_obj_get(status, "disruptionsAllowed"));
	yyjson_obj_iter it = yyjson_obj_iter_with(disrupted);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		names[b->n_disrupted] = sp_arena_try_dup(&b->arena, sp_json_str(key));
		if (names[b->n_disrupted++].len != sp_json_str(key).len)
			return SP_ENOMEM;
	}
	if (b->n_disrupted > 1)
		qsort(names, b->n_disrupted, sizeof *names, by_text);
	b->disrupted = names;
	sp_code code = sp_labels_of_object(&b->arena, yyjson_obj_get(spec, "selector"), &b->selector, NULL);
	if (code == SP_EINVAL) { /* matches nothing, as upstream ignores it */
		b->selector = (sp_selector){.nothing = true};
		code = SP_OK;
	}
	return code;
}

sp_code sched_put_budget(sched_state *st, yyjson_val *object, sp_err *err)
{
	sched_budget *b = sp_try_alloc(sizeof *b);
	void *old = NULL;
	sp_code code = b == NULL ? SP_ENOMEM : SP_OK;
	if (b != NULL) {
		sp_arena_init(&b->arena, OBJECT_ARENA_BYTES);
		code = budget_fill(b, object);
	}
	if (code == SP_OK)
		code = sp_map_put(&st->budgets, b->key, b, &old);
	st->budgets_revision++;
	budget_free(code == SP_OK ? old : b);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a disruption budget");
}

void sched_remove_budget(sched_state *st, sp_str ns, sp_str name)
{
	sp_arena a;
	sp_arena_init(&a, (size_t)4096 * 4);
	sp_str key = join_key(&a, ns, name);
	st->budgets_revision++;
	if (key.ptr != NULL)
		budget_free(sp_map_remove(&st->budgets, key));
	sp_arena_done(&a);
}

void sched_budgets_done(sched_state *st)
{
	for (sched_budget *b; (b = first_of(&st->budgets)) != NULL;)
		budget_free(sp_map_remove(&st->budgets, b->key));
	sp_map_done(&st->budgets);
}

/* -- sources of default selectors ----------------------------------------------------------------------- */

static void source_free(sched_source *s)
{
	if (s == NULL)
		return;
	sp_arena_done(&s->arena);
	sp_free(s);
}

/* A plain map of labels, as Services and ReplicationControllers have it. */
static sp_code map_selector(sp_arena *a, yyjson_val *map, sp_selector *ret)
{
	sp_requirement *reqs = sp_try_new(a, sp_requirement, yyjson_obj_size(map) + 1);
	const sp_label *labels;
	size_t n;
	if (reqs == NULL)
		return SP_ENOMEM;
	SP_TRY(sched_labels_read(a, map, &labels, &n));
	for (size_t i = 0; i < n; i++)
		reqs[i] = (sp_requirement){
			.key = labels[i].key, .values = &labels[i].value, .n_values = 1, .op = SP_SEL_EQ};
	*ret = (sp_selector){.reqs = reqs, .n = n};
	return SP_OK;
}

static sp_code source_fill(sched_source *s, sched_source_kind kind, yyjson_val *object)
{
	yyjson_val *selector = yyjson_obj_get(yyjson_obj_get(object, "spec"), "selector");
	sp_str ns = meta_text(object, "namespace"), name = meta_text(object, "name");
	s->key = join_key(&s->arena, ns, name);
	if (s->key.ptr == NULL)
		return SP_ENOMEM;
	s->ns = sp_str_sub(s->key, 0, ns.len);
	s->name = sp_str_sub(s->key, ns.len + 1, s->key.len);
	s->has_selector = selector != NULL;
	if (kind == SCHED_SERVICE || kind == SCHED_REPLICATION_CONTROLLER)
		return map_selector(&s->arena, selector, &s->selector);
	sp_code code = sp_labels_of_object(&s->arena, selector, &s->selector, NULL);
	if (code == SP_EINVAL) {
		s->has_selector = false;
		code = SP_OK;
	}
	return code;
}

sp_code sched_put_source(sched_state *st, sched_source_kind kind, yyjson_val *object, sp_err *err)
{
	sched_source *s = sp_try_alloc(sizeof *s);
	void *old = NULL;
	sp_code code = s == NULL ? SP_ENOMEM : SP_OK;
	if (s != NULL) {
		sp_arena_init(&s->arena, OBJECT_ARENA_BYTES);
		code = source_fill(s, kind, object);
	}
	if (code == SP_OK)
		code = sp_map_put(&st->sources[kind], s->key, s, &old);
	source_free(code == SP_OK ? old : s);
	st->sources_revision++;
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a selector");
}

void sched_remove_source(sched_state *st, sched_source_kind kind, sp_str ns, sp_str name)
{
	sp_arena a;
	sp_arena_init(&a, (size_t)4096 * 4);
	sp_str key = join_key(&a, ns, name);
	if (key.ptr != NULL)
		source_free(sp_map_remove(&st->sources[kind], key));
	st->sources_revision++;
	sp_arena_done(&a);
}

void sched_sources_done(sched_state *st)
{
	for (size_t k = 0; k < SCHED_SOURCE_KINDS_; k++) {
		for (sched_source *s; (s = first_of(&st->sources[k])) != NULL;)
			source_free(sp_map_remove(&st->sources[k], s->key));
		sp_map_done(&st->sources[k]);
	}
}
