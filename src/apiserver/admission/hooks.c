/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/hooks.h"

#include "apiserver/admission/counts.h"
#include "apiserver/admission/eval.h"
#include "apiserver/admission/hook_call.h"
#include "apiserver/admission/match.h"
#include "apiserver/admission/policies.h"
#include "apiserver/admission/shown.h"
#include "apiserver/custom/custom.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "kube/encode.h"
#include "kube/meta.h"
#include "kube/patch/json_patch.h"

/* Two versions of an object and what stands around them. */
#define REVIEW_BYTES_MAX (4 * SP_LIMIT_REQUEST_BODY_BYTES)

struct api_hooks {
	api_hook_index index;
};

enum {                   /* of a webhook in this run */
       CALLED = 1u << 0, /* since the object last changed, and wants to see changes */
       AGAIN = 1u << 1,  /* is to see the object once more */
};

/* The webhooks' part of one write; in its arena. */
typedef struct api_hook_run {
	api_admit a;
	api_hook_set *set; /* a reference */
	void (*then)(api_write *w);
	uint8_t *marks; /* of each webhook; mutating */
	size_t i;       /* the webhook under way; mutating */
	unsigned round;
	bool changed;
	yyjson_mut_val *last; /* what the webhooks left of the object in the first round */
	size_t n_open;        /* validating */
	bool refused;
	sp_status refusal;
	void (*saved_refused)(api_write *w, const sp_status *status);
	/* In which version each webhook sees the write, and what of those is held. */
	const api_resource **res;
	api_match_held held;
	api_form form; /* of the webhook that is asked; mutating */
	/* A conversion on the way to or from that form, and the object before the patch; mutating. */
	api_turn turn;
	yyjson_mut_val *before;
	bool mutating;
	uint64_t began_ns, asked_ns; /* of the run; of the webhook that is asked last */
} api_hook_run;

/* ---- whether a webhook is concerned ---- */

/* UNSEEN: it would be called, but a conversion webhook has to be asked first for the version that it sees. */
typedef enum verdict { SKIP, CALL, REFUSED, UNSEEN } verdict;

static verdict refuse(const api_admit *a, const sp_status *s)
{
	api_write_refuse(a->w, s);
	return REFUSED;
}

static verdict no_room(const api_admit *a)
{
	api_write_fail(a->w, SP_ETOOLARGE, NULL);
	return REFUSED;
}

static verdict settle(const api_admit *a, api_match match, const sp_status *error)
{
	if (match == API_MATCH_ERROR)
		return error->code == 0 ? no_room(a) : refuse(a, error);
	return match == API_MATCH_YES ? CALL : SKIP;
}

static verdict match_namespace(const api_admit *a, const api_hook *h, const api_resource *res)
{
	(void)res;
	sp_status error;
	return settle(a, api_match_namespace(a, &h->namespaces, &error), &error);
}

static verdict match_object(const api_admit *a, const api_hook *h, const api_resource *res)
{
	(void)res;
	sp_status error;
	return settle(a, api_match_object(a, &h->objects, &error), &error);
}

static verdict match_conditions(const api_admit *a, const api_hook *h, const api_resource *res)
{
	api_form own, form;
	api_eval x;
	sp_str why = {NULL, 0};
	if (h->conditions.n == 0)
		return CALL;
	if (!api_form_of(a, &own) || (res != a->w->res && !api_form_in(a, &own, res, &form)))
		return no_room(a);
	if (res == a->w->res)
		form = own;
	bool ready = api_eval_init(&x, a, &form);
	api_condition_verdict v =
		ready ? api_conditions_match(&x, &h->conditions, NULL, h->ignores_failure, &why)
		      : API_CONDITIONS_FAIL;
	api_eval_done(&x);
	if (!ready)
		return no_room(a);
	if (v != API_CONDITIONS_FAIL)
		return v == API_CONDITIONS_HOLD ? CALL : SKIP;
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, api_eval_name(a), why);
	return refuse(a, &s);
}

/* Whoever would have to be asked about an object that we can't show is not passed over. */
static verdict unknown_version(const api_admit *a, const api_hook *h)
{
	if (h->ignores_failure)
		return SKIP;
	sp_status s = sp_status_internal(
		&a->w->arena, sp_arena_printf(&a->w->arena, "failed calling webhook \"" SP_FMT "\": " SP_FMT,
					      SP_ARG(h->name), SP_ARG(API_MATCH_NO_VERSION)));
	return refuse(a, &s);
}

/* As upstream, a conversion that fails is no failure of the webhook, which could be passed over. */
static verdict match_version(const api_admit *a, const api_hook *h, const api_resource *res)
{
	(void)h;
	if (api_match_can_show(a, res))
		return CALL;
	const api_shown *shown = api_shown_find(a->w, res);
	if (shown == NULL)
		return UNSEEN;
	sp_status s = sp_status_internal(&a->w->arena, shown->why);
	return refuse(a, &s);
}

static api_match find_version(const api_admit *a, const api_hook *h, api_match_held *held,
			      const api_resource **ret)
{
	return api_match_rules(a, h->rules, h->n_rules, !h->is_exact, held, ret);
}

/* *ret_res: the version in which the webhook is to see it. */
static verdict should_call(const api_admit *a, const api_hook *h, api_match_held *held,
			   const api_resource **ret_res)
{
	static verdict (*const steps[])(const api_admit *a, const api_hook *h, const api_resource *res) = {
		match_namespace, match_object, match_version, match_conditions};
	api_match match = find_version(a, h, held, ret_res);
	if (match == API_MATCH_NO)
		return SKIP;
	if (match == API_MATCH_ERROR)
		return unknown_version(a, h);
	for (size_t i = 0; i < SP_LEN(steps); i++) {
		verdict v = steps[i](a, h, *ret_res);
		if (v != CALL)
			return v;
	}
	if (!a->w->o.dry_run || h->allows_dry_run)
		return CALL;
	sp_status s = sp_status_bad_request(sp_arena_printf(
		&a->w->arena, "admission webhook \"" SP_FMT "\" does not support dry run", SP_ARG(h->name)));
	return refuse(a, &s);
}

/* What goes wrong here does so again, and is told, when they are asked. */
void api_hooks_want(const api_admit *a, api_wanted *to)
{
	api_hook_set *set = NULL;
	if (api_match_is_exempt(a, true) ||
	    !api_admission_is_on(a->w->server, API_PLUGIN_VALIDATING_WEBHOOK) ||
	    api_hook_index_get(&a->w->server->hooks->index, API_HOOK_VALIDATING, &set, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < set->n; i++) {
		sp_status error;
		const api_resource *res;
		const api_hook *h = &set->hooks[i];
		if (find_version(a, h, &to->held, &res) == API_MATCH_YES &&
		    api_match_namespace(a, &h->namespaces, &error) == API_MATCH_YES &&
		    api_match_object(a, &h->objects, &error) == API_MATCH_YES)
			api_wanted_add(a, res, to);
	}
}

/* ---- a run ---- */

/* `ok`: the write goes on. */
static void finish(api_hook_run *m, bool ok)
{
	api_count_step(m->a.w->server, m->a.op, !m->mutating, !ok, m->a.w->step_began_ns, m->began_ns);
	api_match_release(&m->held);
	m->set = api_hook_set_unref(m->set);
	m->a.w->hook_run = NULL;
}

static void finish_refused(api_hook_run *m, const sp_status *s)
{
	api_write *w = m->a.w;
	finish(m, false);
	api_write_refuse(w, s);
}

static void finish_no_room(api_hook_run *m)
{
	api_write *w = m->a.w;
	finish(m, false);
	api_write_fail(w, SP_ETOOLARGE, NULL);
}

/* False: no room, nothing was started. */
static bool call(api_hook_run *m, size_t i, bool mutating, void (*done)(api_hook_call *c))
{
	const api_hook *h = &m->set->hooks[i];
	api_write *w = m->a.w;
	api_hook_call *c = sp_try_new(&w->arena, api_hook_call, 1);
	SP_AUTO_BUF text;
	sp_buf_init(&text, REVIEW_BYTES_MAX);
	sp_str uid = sp_meta_uuid(&w->ctx);
	if (c == NULL || uid.len == 0 || !api_form_seen(&m->a, m->res[i], &m->form) ||
	    api_review_write(&text, &m->a, &m->form, uid) != SP_OK)
		return false;
	SP_AUTO_BYTES body = sp_bytes_try_dup(sp_buf_view(&text));
	if (body == NULL)
		return false;
	*c = (api_hook_call){.client = w->server->webhooks,
			     .hook = h,
			     .arena = &w->arena,
			     .uid = uid,
			     .mutating = mutating,
			     .done = done,
			     .arg = m};
	m->asked_ns = sp_clock_ns(w->server->world);
	api_hook_call_start(c, body);
	return true;
}

/* What a call says about the write. False: it is refused, *ret says how. */
static bool judge(api_hook_run *m, const api_hook_call *c, sp_status *ret)
{
	api_write *w = m->a.w;
	api_count_webhook(w->server, m->a.op, c, m->asked_ns);
	if (!c->failed) {
		for (size_t i = 0; i < c->answer.n_warnings && w->r != NULL; i++)
			api_warn(w->r, sp_arena_try_dup(w->r->arena, c->answer.warnings[i]));
		*ret = c->answer.status;
		return c->answer.allowed;
	}
	if (c->hook->ignores_failure) {
		if (w->server->log != NULL)
			sp_log(w->server->log, SP_LOG_WARN, "webhook failed and is passed over",
			       SP_KS("webhook", c->hook->name), SP_KS("err", c->why));
		return true;
	}
	*ret = sp_status_internal(&w->arena,
				  sp_arena_printf(&w->arena, "failed calling webhook \"" SP_FMT "\": " SP_FMT,
						  SP_ARG(c->hook->name), SP_ARG(c->why)));
	return false;
}

/* NULL: no webhook is concerned, or the write was refused (`*ret_go` tells). */
static api_hook_run *run_new(const api_admit *a, api_hook_kind kind, void (*then)(api_write *w), bool *ret_go)
{
	api_write *w = a->w;
	api_hook_set *set = NULL;
	sp_err err;
	sp_code code = api_hook_index_get(&w->server->hooks->index, kind, &set, &err);
	*ret_go = false;
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return NULL;
	}
	*ret_go = true;
	size_t i_plugin =
		kind == API_HOOK_MUTATING ? API_PLUGIN_MUTATING_WEBHOOK : API_PLUGIN_VALIDATING_WEBHOOK;
	if (set->n == 0 || api_match_is_exempt(a, true) || !api_admission_is_on(w->server, i_plugin))
		return NULL;
	api_match_held held = {.n = 0};
	const api_resource *ignored;
	size_t i = 0;
	while (i < set->n && find_version(a, &set->hooks[i], &held, &ignored) == API_MATCH_NO)
		i++;
	api_match_release(&held);
	if (i == set->n)
		return NULL;
	api_hook_run *m = sp_try_new(&w->arena, api_hook_run, 1);
	uint8_t *marks = sp_try_new(&w->arena, uint8_t, set->n);
	const api_resource **res = sp_try_new(&w->arena, const api_resource *, set->n);
	if (m == NULL || marks == NULL || res == NULL) {
		*ret_go = false;
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return NULL;
	}
	*m = (api_hook_run){.a = *a,
			    .set = api_hook_set_ref(set),
			    .then = then,
			    .marks = marks,
			    .res = res,
			    .mutating = kind == API_HOOK_MUTATING,
			    .began_ns = sp_clock_ns(w->server->world)};
	w->hook_run = m;
	return m;
}

/* ---- mutating ---- */

static void refused_patch(api_write *w, const sp_status *status)
{
	w->refused = w->hook_run->saved_refused;
	sp_status s = api_admit_bad_result(w, status);
	api_write_refuse(w, &s);
}

static bool decode_patched(api_hook_run *m, sp_str json)
{
	api_write *w = m->a.w;
	api_field_validation fields = w->o.fields;
	m->saved_refused = w->refused;
	w->refused = refused_patch;
	w->o.fields = API_FV_IGNORE;
	const api_resource *body_res = w->body_res;
	if (!m->a.is_body)
		w->body_res = m->form.res; /* the object as a whole is what webhooks see */
	bool ok = api_write_decode_json(w, json);
	w->body_res = body_res;
	w->o.fields = fields;
	w->refused = m->saved_refused;
	return ok;
}

/* NULL: no room. */
static yyjson_mut_val *copy_of(api_write *w, yyjson_mut_val *v)
{
	return yyjson_mut_val_mut_copy(w->doc, v);
}

/* The object that the webhook left, in the version in which it saw it, into w->obj. False: the write is
 * answered. */
static bool patch(api_hook_run *m, const api_hook_call *c)
{
	api_write *w = m->a.w;
	sp_patch_error perr = {0};
	SP_AUTO_BUF text;
	sp_buf_init(&text, REVIEW_BYTES_MAX);
	if (m->a.obj == NULL) {
		sp_status s = sp_status_internal(
			&w->arena,
			sp_arena_printf(&w->arena,
					"admission webhook \"" SP_FMT
					"\" attempted to modify the object, which is not supported "
					"for this operation",
					SP_ARG(c->hook->name)));
		api_write_refuse(w, &s);
		return false;
	}
	yyjson_mut_val *patched = copy_of(w, m->form.object);
	m->before = m->a.obj;
	if (patched == NULL) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	if (sp_json_patch_apply(&w->arena, w->doc, patched, c->answer.patch, &patched, &perr) != SP_OK) {
		sp_status s = sp_status_internal(&w->arena, perr.detail.len > 0 ? perr.detail : perr.message);
		api_write_refuse(w, &s);
		return false;
	}
	if (sp_encode_any(&text, patched) != SP_OK) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	return decode_patched(m, sp_buf_view(&text)) && (m->a.op == API_OP_CONNECT || api_write_namespace(w));
}

/* Is w->obj in another version than the write's, to which a webhook has to bring it back? */
static bool is_elsewhere(const api_hook_run *m)
{
	const api_resource *res = m->form.res;
	return res != m->a.w->res && !m->a.is_body && res->custom != NULL && res->custom->converter != NULL;
}

/* w->obj is what the webhook left. False: the write is answered. */
static bool took(api_hook_run *m)
{
	api_write *w = m->a.w;
	if (m->form.res != w->res && !m->a.is_body && !is_elsewhere(m) &&
	    !api_form_turn(w, m->form.res, w->res, w->obj)) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	m->a.obj = w->obj;
	api_shown_forget(w);
	if (sp_kv_equal(m->before, w->obj))
		return true;
	m->changed = true;
	for (size_t i = 0; i < m->set->n; i++)
		m->marks[i] = m->marks[i] != 0 ? AGAIN : 0;
	return true;
}

static void mutate_on(api_hook_run *m);

static void on_second_round(const api_admit *a, void *arg)
{
	api_hook_run *m = arg;
	m->a.obj = a->obj;
	api_shown_forget(a->w);
	bool again = !sp_kv_equal(m->last, m->a.obj);
	for (size_t i = 0; i < m->set->n && again; i++)
		m->marks[i] = m->marks[i] != 0 ? AGAIN : 0;
	m->round = 1;
	m->i = 0;
	mutate_on(m);
}

/* Built-in steps see the object again, and then those webhooks that ask for it. */
static void begin_second_round(api_hook_run *m)
{
	m->last = copy_of(m->a.w, m->a.obj);
	if (m->last == NULL) {
		finish_no_room(m);
		return;
	}
	(void)api_policies_want_again(m->a.w); /* this is the second round for policies too */
	api_admit_mutating(&m->a, on_second_round, m);
}

/* The next webhook of this round that is to be asked. SKIP: there is none. */
static verdict find_next(api_hook_run *m)
{
	for (; m->i < m->set->n; m->i++) {
		if (m->round == 1 && (m->marks[m->i] & AGAIN) == 0)
			continue;
		verdict v = should_call(&m->a, &m->set->hooks[m->i], &m->held, &m->res[m->i]);
		if (v != SKIP)
			return v;
	}
	return SKIP;
}

/* After something that was waited for; false: the client is gone, and with it the write and the run. */
static bool is_still_there(api_hook_run *m)
{
	return api_write_release(m->a.w);
}

static void turn(api_hook_run *m, const api_resource *from, const api_resource *to, yyjson_mut_val *old,
		 void (*then)(api_turn *t), void (*now)(api_hook_run *m))
{
	api_write *w = m->a.w;
	m->turn =
		(api_turn){.w = w, .from = from, .to = to, .objects = {w->obj, old}, .done = then, .arg = m};
	if (m->a.obj == NULL)
		m->turn.objects[0] = NULL;
	if (api_turn_start(&m->turn))
		now(m);
	else
		api_write_hold(w);
}

/* ---- the version that a webhook sees ---- */

static void show(api_hook_run *m)
{
	if (api_shown_keep(&m->turn))
		mutate_on(m);
	else
		finish_no_room(m);
}

static void on_shown(api_turn *t)
{
	if (is_still_there(t->arg))
		show(t->arg);
}

/* ---- what it left ---- */

static void next(api_hook_run *m)
{
	if (m->set->hooks[m->i].is_reinvoked)
		m->marks[m->i] |= CALLED;
	m->i++;
	mutate_on(m);
}

static void come_back(api_hook_run *m)
{
	if (m->turn.failed) {
		sp_status s = sp_status_internal(&m->a.w->arena, m->turn.why);
		finish_refused(m, &s);
		return;
	}
	m->a.w->obj = m->turn.objects[0];
	if (took(m))
		next(m);
	else
		finish(m, false);
}

static void on_back(api_turn *t)
{
	if (is_still_there(t->arg))
		come_back(t->arg);
}

static void on_mutated(api_hook_call *c)
{
	api_hook_run *m = c->arg;
	sp_status s;
	if (!is_still_there(m))
		return;
	if (!judge(m, c, &s)) {
		finish_refused(m, &s);
		return;
	}
	m->marks[m->i] = 0;
	bool patched = c->answer.patch.len > 0;
	if (patched && !patch(m, c))
		finish(m, false);
	else if (patched && is_elsewhere(m))
		turn(m, m->form.res, m->a.w->res, NULL, on_back, come_back);
	else if (patched && !took(m))
		finish(m, false);
	else
		next(m);
}

static void mutate_on(api_hook_run *m)
{
	api_write *w = m->a.w;
	verdict v = find_next(m);
	if (v == SKIP && m->round == 0 && (m->changed || api_policies_want_again(w))) {
		begin_second_round(m);
	} else if (v == REFUSED) {
		finish(m, false);
	} else if (v == UNSEEN) {
		turn(m, w->res, m->res[m->i], m->a.old, on_shown, show);
	} else if (v == SKIP) {
		void (*then)(api_write *) = m->then;
		finish(m, true);
		then(w);
	} else if (call(m, m->i, true, on_mutated)) {
		api_write_hold(w);
	} else {
		finish_no_room(m);
	}
}

/* Without webhooks. */
typedef struct lone {
	void (*then)(api_write *w);
} lone;

static void on_mutated_alone(const api_admit *a, void *arg)
{
	const lone *l = arg;
	api_count_step(a->w->server, a->op, false, false, a->w->step_began_ns, 0);
	l->then(a->w);
}

static void mutate_alone(const api_admit *a, void (*then)(api_write *w))
{
	api_admit again = *a;
	lone *l = sp_try_new(&a->w->arena, lone, 1);
	if (l == NULL) {
		api_write_fail(a->w, SP_ETOOLARGE, NULL);
		return;
	}
	l->then = then;
	again.obj = a->obj == NULL ? NULL : a->w->obj;
	if (api_policies_want_again(a->w))
		api_admit_mutating(&again, on_mutated_alone, l);
	else
		on_mutated_alone(&again, l);
}

void api_hooks_mutate(const api_admit *a, void (*then)(api_write *w))
{
	bool go;
	api_hook_run *m = run_new(a, API_HOOK_MUTATING, then, &go);
	api_shown_forget(a->w);
	if (m != NULL) {
		mutate_on(m);
	} else if (go) {
		mutate_alone(a, then);
	}
}

/* ---- validating ---- */

static void on_validated(api_hook_call *c)
{
	api_hook_run *m = c->arg;
	void (*then)(api_write *) = m->then;
	api_write *w = m->a.w;
	sp_status s;
	if (!judge(m, c, &s) && !m->refused) {
		m->refused = true;
		m->refusal = s;
	}
	if (--m->n_open > 0)
		return;
	if (!is_still_there(m))
		return;
	if (m->refused) {
		finish_refused(m, &m->refusal);
		return;
	}
	finish(m, true);
	then(w);
}

/* Marks the webhooks that are to be asked. False: the write is answered. */
static bool choose(api_hook_run *m, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t i = 0; i < m->set->n; i++) {
		verdict v = should_call(&m->a, &m->set->hooks[i], &m->held, &m->res[i]);
		if (v == UNSEEN) /* more versions than are made for one write */
			v = unknown_version(&m->a, &m->set->hooks[i]);
		if (v == REFUSED)
			return false;
		m->marks[i] = v == CALL ? CALLED : 0;
		*ret_n += v == CALL ? 1 : 0;
	}
	return true;
}

void api_hooks_validate(const api_admit *a, void (*then)(api_write *w))
{
	bool go;
	size_t n;
	api_write *w = a->w;
	api_hook_run *m = run_new(a, API_HOOK_VALIDATING, then, &go);
	if (m == NULL) {
		if (go) {
			api_count_step(w->server, a->op, true, false, w->step_began_ns, 0);
			then(w);
		}
		return;
	}
	if (!choose(m, &n)) {
		finish(m, false);
		return;
	}
	if (n == 0) {
		finish(m, true);
		then(w);
		return;
	}
	for (size_t i = 0; i < m->set->n && !m->refused; i++) {
		if (m->marks[i] == 0)
			continue;
		if (call(m, i, false, on_validated)) {
			m->n_open++;
		} else {
			m->refused = true;
			m->refusal = api_status_of(w->r, SP_ETOOLARGE, NULL);
		}
	}
	if (m->n_open > 0)
		api_write_hold(w);
	else
		finish_refused(m, &m->refusal);
}

/* ---- life ---- */

void api_hooks_forget(api_write *w)
{
	api_hook_run *m = w->hook_run;
	if (m == NULL)
		return;
	api_match_release(&m->held);
	m->set = api_hook_set_unref(m->set);
	w->hook_run = NULL;
}

api_hooks *api_hooks_new(sp_store *store)
{
	api_hooks *h = SP_NEW(api_hooks);
	api_hook_index_init(&h->index, store);
	return h;
}

void api_hooks_free(api_hooks *h)
{
	if (h == NULL)
		return;
	api_hook_index_done(&h->index);
	sp_free(h);
}
