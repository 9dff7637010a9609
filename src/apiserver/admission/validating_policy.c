/* SPDX-License-Identifier: Apache-2.0 */
/* ValidatingAdmissionPolicy. U: apiserver pkg/admission/plugin/policy/validating/{dispatcher,validator}.go.
 */
#include "apiserver/admission/policy_run.h"
#include "apiserver/audit/audit.h"
#include "base/json_out.h"

#define MESSAGE_BYTES_MAX 5120u
#define TOLD_BYTES_MAX ((size_t)10 << 10) /* of an audit annotation */

/* The first denial is the answer. */
typedef struct denial {
	bool is_there;
	sp_str message, reason;
} denial;

typedef struct pass {
	api_policy_walk walk;
	denial denied;
	size_t index; /* of the check that is decided about */
} pass;

static void deny(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str message,
		 sp_str reason)
{
	sp_arena *a = &p->walk.a->w->arena;
	if (p->denied.is_there)
		return;
	p->denied.is_there = true;
	p->denied.reason = reason.len > 0 ? reason : SP_STR("Invalid");
	if (b == NULL)
		p->denied.message =
			sp_arena_printf(a, "ValidatingAdmissionPolicy '" SP_FMT "' denied request: " SP_FMT,
					SP_ARG(policy->name), SP_ARG(message));
	else
		p->denied.message = sp_arena_printf(a,
						    "ValidatingAdmissionPolicy '" SP_FMT
						    "' with binding '" SP_FMT "' denied request: " SP_FMT,
						    SP_ARG(policy->name), SP_ARG(b->name), SP_ARG(message));
}

static void misconfigured(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str why)
{
	if (!policy->ignores_failure)
		deny(p, policy, b,
		     sp_arena_printf(&p->walk.a->w->arena, "failed to configure %s: " SP_FMT,
				     b == NULL ? "policy" : "binding", SP_ARG(why)),
		     SP_STR(""));
}

/* U: dispatcher.go, publishValidationFailureAnnotation */
static void tell_failure(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str message)
{
	static const sp_str names[] = {SP_STR_INIT("Deny"), SP_STR_INIT("Warn"), SP_STR_INIT("Audit")};
	const bool has[] = {b->denies, b->warns, b->audits};
	SP_AUTO_BUF text;
	sp_buf_init(&text, 2 * TOLD_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '[');
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("message"), message);
	sp_jout_member_str(&j, SP_STR("policy"), policy->name);
	sp_jout_member_str(&j, SP_STR("binding"), b->name);
	sp_jout_member_i64(&j, SP_STR("expressionIndex"), (int64_t)p->index);
	sp_jout_member_open(&j, SP_STR("validationActions"), '[');
	for (size_t i = 0; i < SP_LEN(has); i++) {
		if (has[i])
			sp_jout_str(&j, names[i]);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	api_audit_note(p->walk.a->w->r, SP_STR("validation.policy.admission.k8s.io/validation_failure"),
		       sp_buf_view(&text));
}

/* A decision against the write, as the binding's actions have it. */
static void decide(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str message,
		   sp_str reason)
{
	api_write *w = p->walk.a->w;
	if (b->denies)
		deny(p, policy, b, message, reason);
	if (b->audits)
		tell_failure(p, policy, b, message);
	if (b->warns)
		api_warn(w->r, sp_arena_printf(w->r->arena,
					       "Validation failed for ValidatingAdmissionPolicy '" SP_FMT
					       "' with binding '" SP_FMT "': " SP_FMT,
					       SP_ARG(policy->name), SP_ARG(b->name), SP_ARG(message)));
}

static void decide_error(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str message)
{
	if (!policy->ignores_failure)
		decide(p, policy, b, message, SP_STR(""));
}

/* ---- validations ---- */

typedef struct outcome {
	bool failed; /* the expression ended in an error */
	bool holds;
	sp_str error;
	sp_str message; /* of messageExpression; empty: none that can be used */
} outcome;

/* False: the budget is spent; *ret_error says so. */
static bool run_checks(api_eval *x, const api_policy *policy, outcome *outcomes, sp_str *ret_error)
{
	bool ok = true;
	api_eval_begin(x, &policy->variables, SP_CEL_RUNTIME_BUDGET);
	for (size_t i = 0; i < policy->n_checks && ok; i++) {
		sp_cel_val val;
		api_eval_code code = api_eval_run(x, &policy->checks[i].test, &val, ret_error);
		ok = code != API_EVAL_STOP;
		outcomes[i] = (outcome){.failed = code == API_EVAL_ERROR,
					.holds = code == API_EVAL_OK && sp_cel_is_true(val)};
		outcomes[i].error = outcomes[i].failed ? *ret_error : (sp_str){NULL, 0};
	}
	api_eval_end(x);
	return ok;
}

/* Messages are made where something does not hold. False: the rest of the budget is spent. */
static bool run_messages(api_eval *x, const api_policy *policy, outcome *outcomes, sp_str *ret_error)
{
	bool ok = true;
	api_eval_begin(x, &policy->variables, (uint64_t)x->budget);
	for (size_t i = 0; i < policy->n_checks && ok; i++) {
		const sp_policy_program *p = &policy->checks[i].message_program;
		sp_cel_val val;
		if (p->source.len == 0 || outcomes[i].failed || outcomes[i].holds)
			continue;
		api_eval_code code = api_eval_run(x, p, &val, ret_error);
		ok = code != API_EVAL_STOP;
		sp_str text = code == API_EVAL_OK ? sp_str_trim(sp_cel_str(val)) : (sp_str){NULL, 0};
		if (text.len <= MESSAGE_BYTES_MAX && sp_str_index(text, '\n') < 0)
			outcomes[i].message = sp_arena_try_dup(x->arena, text);
	}
	api_eval_end(x);
	return ok;
}

static sp_str message_of(sp_arena *a, const api_policy_check *c, const outcome *o)
{
	if (o->message.len > 0)
		return o->message;
	sp_str message = sp_str_trim(c->message);
	return message.len > 0 ? message
			       : sp_arena_printf(a, "failed expression: " SP_FMT,
						 SP_ARG(sp_str_trim(c->test.source)));
}

/* ---- audit annotations ---- */

/* What can't be evaluated counts, too. *ret_error is set when all is over. */
static bool run_notes(pass *p, api_eval *x, const api_policy *policy, const api_policy_binding *b,
		      sp_str *ret_error)
{
	bool ok = true;
	api_request *r = p->walk.a->w->r;
	api_eval_begin(x, &policy->variables, SP_CEL_RUNTIME_BUDGET);
	for (size_t i = 0; i < policy->n_notes && ok; i++) {
		sp_cel_val val;
		api_eval_code code = api_eval_run(x, &policy->notes[i].program, &val, ret_error);
		ok = code != API_EVAL_STOP;
		if (code == API_EVAL_ERROR && !policy->ignores_failure)
			deny(p, policy, b, *ret_error, SP_STR(""));
		sp_str text = code == API_EVAL_OK ? sp_str_trim(sp_cel_str(val)) : (sp_str){NULL, 0};
		if (text.len > 0 && r != NULL)
			api_audit_note_also(
				r, SP_CONCAT(r->arena, policy->name, SP_STR("/"), policy->notes[i].key),
				sp_str_sub(text, 0, TOLD_BYTES_MAX));
	}
	api_eval_end(x);
	return ok;
}

/* ---- one policy for one binding and one parameter ---- */

static void validate(pass *p, api_eval *x, const api_policy *policy, const api_policy_binding *b)
{
	sp_str why = {NULL, 0};
	outcome *outcomes = sp_try_new(x->arena, outcome, policy->n_checks + 1);
	switch (api_conditions_match(x, &policy->conditions, &policy->variables, policy->ignores_failure,
				     &why)) {
	case API_CONDITIONS_SKIP:
		return;
	case API_CONDITIONS_FAIL:
		decide_error(p, policy, b, why);
		return;
	case API_CONDITIONS_HOLD:
		break;
	}
	if (outcomes == NULL || !run_checks(x, policy, outcomes, &why)) {
		decide_error(p, policy, b, outcomes == NULL ? SP_STR("no room for the results") : why);
		return;
	}
	bool spent = !run_messages(x, policy, outcomes, &why);
	denial before = p->denied;
	for (size_t i = 0; i < policy->n_checks; i++) {
		const outcome *o = &outcomes[i];
		p->index = i;
		if (o->failed)
			decide_error(p, policy, b, o->error);
		else if (spent)
			decide_error(
				p, policy, b,
				sp_arena_printf(x->arena, "failed messageExpression: " SP_FMT, SP_ARG(why)));
		else if (!o->holds)
			decide(p, policy, b, message_of(x->arena, &policy->checks[i], o),
			       policy->checks[i].reason);
	}
	if (policy->n_notes > 0 && !run_notes(p, x, policy, b, &why)) {
		p->denied = before; /* upstream forgets what the validations said */
		decide_error(p, policy, b, why);
	}
}

static sp_str view_fault(pass *p, const api_resource *res)
{
	sp_str why = api_policy_view_fault(&p->walk, res);
	return why.len == 0
		       ? why
		       : SP_CONCAT(&p->walk.a->w->arena, SP_STR("failed to convert object version: "), why);
}

static void run_binding(pass *p, const api_policy *policy, const api_policy_binding *b,
			const api_resource *res)
{
	sp_status error;
	const api_resource *ignored;
	api_policy_params params;
	api_match match = api_match_policy(p->walk.a, &b->match, &p->walk.held, &ignored, &error);
	if (match == API_MATCH_NO)
		return;
	if (match == API_MATCH_ERROR) {
		misconfigured(p, policy, b, error.message);
		return;
	}
	api_policy_params_get(&p->walk, policy, b, &params);
	if (params.error.len == 0 && params.n > 0)
		params.error = view_fault(p, res);
	if (params.error.len > 0) {
		misconfigured(p, policy, b, params.error);
		return;
	}
	api_policy_view *v = params.n == 0 ? NULL : api_policy_view_of(&p->walk, res);
	for (size_t i = 0; i < params.n && v != NULL; i++) {
		api_eval_set_params(&v->eval, params.items[i]);
		validate(p, &v->eval, policy, b);
	}
}

static void run_policy(pass *p, const api_policy_hook *h)
{
	sp_status error;
	const api_resource *res;
	api_match match = api_match_policy(p->walk.a, &h->policy->match, &p->walk.held, &res, &error);
	if (match == API_MATCH_NO)
		return;
	if (match == API_MATCH_ERROR) {
		misconfigured(p, h->policy, NULL, error.message);
		return;
	}
	sp_str fault = api_policy_param_fault(&p->walk, h->policy);
	if (fault.len > 0) {
		misconfigured(p, h->policy, NULL, fault);
		return;
	}
	for (size_t i = 0; i < h->n && !p->walk.failed; i++)
		run_binding(p, h->policy, &h->bindings[i], res);
}

static bool refuse(const api_admit *a, const denial *d)
{
	static const struct {
		const char *reason;
		uint16_t code;
	} codes[] = {{"Forbidden", 403}, {"Unauthorized", 401}, {"RequestEntityTooLarge", 413}};
	sp_str name = a->obj != NULL && a->op != API_OP_CONNECT
			      ? sp_kv_str(sp_kv_get(a->obj, "metadata"), "name")
			      : api_eval_name(a);
	const sp_status_cause cause = {.message = d->message};
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, name, d->message);
	s.reason = d->reason;
	s.code = 422;
	for (size_t i = 0; i < SP_LEN(codes); i++)
		s.code = sp_str_eq(d->reason, sp_str_c(codes[i].reason)) ? codes[i].code : s.code;
	s.causes = &cause;
	s.n_causes = 1;
	return api_admit_refuse(a, &s);
}

bool api_admit_validating_policy(const api_admit *a)
{
	pass p = {.denied = {.is_there = false}};
	if (!api_policy_walk_begin(&p.walk, a, API_POLICY_VALIDATING))
		return !p.walk.failed;
	for (size_t i = 0; i < p.walk.set->n && !p.walk.failed; i++)
		run_policy(&p, &p.walk.set->hooks[i]);
	api_policy_walk_end(&p.walk);
	if (p.walk.failed)
		return false;
	return !p.denied.is_there || refuse(a, &p.denied);
}
