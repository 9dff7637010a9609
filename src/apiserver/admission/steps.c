/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mutating and the validating step as a whole, between questions to conversion webhooks: what somebody
 * wants to see is made first, then the plugins run without waiting, and what mutating policies left in
 * another version is brought back.
 */
#include "apiserver/admission/hooks.h"
#include "apiserver/admission/policies.h"
#include "apiserver/admission/shown.h"

typedef struct step {
	api_admit a;
	void (*run)(struct step *s); /* when all is shown; gives back what is held */
	void (*then)(api_write *w);  /* of validation */
	api_admit_then *mutated;
	void *arg;
	api_wanted wanted;
	size_t i;
	api_turn turn;
	api_convert convert; /* of the first of wanted.params */
} step;

static void drop(step *s)
{
	for (api_wanted_params *p = s->wanted.params; p != NULL; p = p->next) {
		for (size_t i = 0; i < p->n; i++)
			p->items[i].record = sp_bytes_unref(p->items[i].record);
	}
	s->wanted.params = NULL;
	api_match_release(&s->wanted.held);
}

/* After something that was waited for; false: the client is gone, and with it the write and the step. */
static bool is_still_there(step *s)
{
	if (s->a.w->r == NULL)
		drop(s);
	return api_write_release(s->a.w);
}

static void no_room(step *s)
{
	drop(s);
	api_write_fail(s->a.w, SP_ETOOLARGE, NULL);
}

/* ---- parameters ---- */

static bool keep_param(api_write *w, const api_resource *res, const api_convert_item *item)
{
	sp_record rec;
	api_param_shown *s = sp_try_new(&w->arena, api_param_shown, 1);
	if (s == NULL || sp_record_decode(sp_bytes_view(item->record), &rec, NULL) != SP_OK ||
	    api_object_tree_as(&w->arena, res, &rec, item->revision, w->doc, &s->object, NULL) != SP_OK)
		return false;
	s->next = w->params_shown;
	s->prefix = sp_arena_try_dup(&w->arena, res->prefix);
	s->version = sp_arena_try_dup(&w->arena, res->kind->version);
	s->rest = item->rest;
	w->params_shown = s;
	return s->prefix.ptr != NULL && s->version.ptr != NULL;
}

/* What could not be converted is not kept: who wants it says that it is not there yet. */
static void keep_params(step *s)
{
	api_wanted_params *p = s->wanted.params;
	s->wanted.params = p->next;
	for (size_t i = 0; i < p->n && !s->convert.failed; i++)
		s->convert.failed = !keep_param(s->a.w, p->res, &p->items[i]);
	api_convert_unref(&s->convert);
}

static void show_params(step *s);

static void on_params(api_convert *c)
{
	step *s = c->arg;
	keep_params(s);
	if (is_still_there(s))
		show_params(s);
}

static void show_params(step *s)
{
	api_write *w = s->a.w;
	while (s->wanted.params != NULL) {
		const api_wanted_params *p = s->wanted.params;
		s->convert = (api_convert){.customs = w->server->customs,
					   .to = p->res->custom,
					   .arena = &w->arena,
					   .items = p->items,
					   .n = p->n,
					   .done = on_params,
					   .arg = s};
		if (!api_convert_start(&s->convert)) {
			api_write_hold(w);
			return;
		}
		keep_params(s);
	}
	s->run(s);
}

/* ---- versions ---- */

static void show_next(step *s);

static void on_turned(api_turn *t)
{
	if (is_still_there(t->arg))
		show_next(t->arg);
}

static void show_next(step *s)
{
	api_write *w = s->a.w;
	bool ok = true;
	for (; ok && s->i < s->wanted.n; s->i++) {
		if (s->turn.to != s->wanted.items[s->i]) {
			s->turn = (api_turn){.w = w,
					     .from = w->res,
					     .to = s->wanted.items[s->i],
					     .objects = {s->a.obj, s->a.old},
					     .done = on_turned,
					     .arg = s};
			if (!api_turn_start(&s->turn)) {
				api_write_hold(w);
				return;
			}
		}
		ok = api_shown_keep(&s->turn);
	}
	if (ok)
		show_params(s);
	else
		no_room(s);
}

/* NULL: no room, answered. */
static step *step_new(const api_admit *a, void (*run)(step *s))
{
	api_shown_forget(a->w);
	step *s = sp_try_new(&a->w->arena, step, 1);
	if (s == NULL) {
		api_write_fail(a->w, SP_ETOOLARGE, NULL);
		return NULL;
	}
	*s = (step){.a = *a, .run = run};
	return s;
}

/* ---- validation ---- */

static void validate(step *s)
{
	api_match_release(&s->wanted.held);
	if (s->a.op == API_OP_CONNECT ? api_admit_validating_policy(&s->a) : api_admit_validate(&s->a))
		api_hooks_validate(&s->a, s->then);
}

void api_admit_validating(const api_admit *a, void (*then)(api_write *w))
{
	step *s = step_new(a, validate);
	if (s == NULL)
		return;
	s->then = then;
	api_policies_want(a, API_POLICY_VALIDATING, &s->wanted);
	api_hooks_want(a, &s->wanted);
	show_next(s);
}

/* ---- mutation ---- */

static void go_on(step *s)
{
	drop(s);
	if (s->a.obj != NULL)
		s->a.obj = s->a.w->obj;
	s->mutated(&s->a, s->arg);
}

static void come_back(step *s)
{
	api_write *w = s->a.w;
	if (s->turn.failed) {
		drop(s);
		sp_status error = sp_status_internal(
			&w->arena,
			sp_arena_printf(&w->arena, "failed to convert object: " SP_FMT, SP_ARG(s->turn.why)));
		api_write_refuse(w, &error);
	} else if (api_policies_take_back(w, s->turn.objects[0])) {
		go_on(s);
	} else {
		no_room(s);
	}
}

static void on_back(api_turn *t)
{
	if (is_still_there(t->arg))
		come_back(t->arg);
}

/* The version of what the policies left is one of those that were shown to them. */
static const api_resource *find_version(const step *s, sp_str version)
{
	for (size_t i = 0; i < s->wanted.n; i++) {
		if (sp_str_eq(s->wanted.items[i]->kind->version, version))
			return s->wanted.items[i];
	}
	return NULL;
}

static void mutate(step *s)
{
	api_write *w = s->a.w;
	api_match_held held = s->wanted.held;
	sp_str version;
	if (!api_admit_mutate(&s->a)) {
		api_match_release(&held);
		return;
	}
	yyjson_mut_val *left = api_policies_left(w, &version);
	if (left == NULL) {
		go_on(s);
		return;
	}
	s->turn = (api_turn){.w = w,
			     .from = find_version(s, version),
			     .to = w->res,
			     .objects = {left, NULL},
			     .done = on_back,
			     .arg = s};
	if (s->turn.from == NULL)
		no_room(s);
	else if (api_turn_start(&s->turn))
		come_back(s);
	else
		api_write_hold(w);
}

void api_admit_mutating(const api_admit *a, api_admit_then *then, void *arg)
{
	step *s = step_new(a, mutate);
	if (s == NULL)
		return;
	s->mutated = then;
	s->arg = arg;
	api_policies_want(a, API_POLICY_MUTATING, &s->wanted);
	show_next(s);
}
