/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/eval.h"

#include "apiserver/admission/hook_review.h"
#include "apiserver/admission/shown.h"
#include "apiserver/auth.h"
#include "kube/encode.h"
#include "kube/meta.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define TEXT_BYTES_MAX ((size_t)16 << 20)

/* ---- forms ---- */

/* The tree with everything that Go's JSON of it has. NULL: no room. */
static bool freeze(api_write *w, const sp_schema *schema, yyjson_mut_val *v, yyjson_val **ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	*ret = NULL;
	return v == NULL || (sp_encode_json(&text, schema, v) == SP_OK &&
			     sp_json_parse(&w->arena, sp_buf_view(&text), ret, NULL) == SP_OK);
}

static bool finish_form(const api_admit *a, api_form *f)
{
	f->schema = f->kind->schema;
	return freeze(a->w, f->schema, f->object, &f->object_json) &&
	       freeze(a->w, f->schema, f->old, &f->old_json);
}

/* A subresource with a body of its own is seen as that. */
static bool show(api_write *w, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	*ret = v == NULL ? NULL : w->view->show(&w->arena, w->doc, w->res, v);
	return v == NULL || *ret != NULL;
}

bool api_form_of(const api_admit *a, api_form *ret)
{
	api_write *w = a->w;
	*ret = (api_form){.res = w->res, .kind = w->res->kind, .object = a->obj, .old = a->old};
	if (w->body_res != w->res && a->op != API_OP_DELETE)
		ret->kind = w->body_res->kind;
	if (w->view != NULL && (!show(w, a->obj, &ret->object) || !show(w, a->old, &ret->old)))
		return false;
	return finish_form(a, ret);
}

bool api_form_turn(api_write *w, const api_resource *from, const api_resource *to, yyjson_mut_val *v)
{
	if (to->custom != NULL)
		return api_custom_from_stored(to->custom, w->doc, v);
	return api_object_to_stored(from, &w->arena, w->doc, v) &&
	       api_object_to_served(to, &w->arena, w->doc, v);
}

/* A copy in another version. */
static bool convert(const api_admit *a, const api_resource *to, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	const bool asked = to->custom != NULL && to->custom->converter != NULL;
	const api_shown *s = asked ? api_shown_find(a->w, to) : NULL;
	if (s != NULL)
		v = v == a->obj ? s->object : s->old;
	*ret = v == NULL ? NULL : yyjson_mut_val_mut_copy(a->w->doc, v);
	if (s != NULL)
		return v == NULL || *ret != NULL;
	return v == NULL || (*ret != NULL && api_form_turn(a->w, a->w->res, to, *ret));
}

bool api_form_seen(const api_admit *a, const api_resource *res, api_form *ret)
{
	api_write *w = a->w;
	*ret = (api_form){.res = res, .kind = res->kind, .object = a->obj, .old = a->old};
	if (a->is_body)
		ret->kind = w->body_res->kind; /* which the versions share */
	ret->schema = ret->kind->schema;
	return a->is_body || res == w->res ||
	       (convert(a, res, a->obj, &ret->object) && convert(a, res, a->old, &ret->old));
}

bool api_form_in(const api_admit *a, const api_form *own, const api_resource *res, api_form *ret)
{
	*ret = *own;
	ret->res = res;
	if (own->kind != a->w->res->kind)
		return true; /* a body that the versions share */
	ret->kind = res->kind;
	return convert(a, res, a->obj, &ret->object) && convert(a, res, a->old, &ret->old) &&
	       finish_form(a, ret);
}

sp_str api_eval_name(const api_admit *a)
{
	yyjson_mut_val *meta = sp_meta(a->obj);
	sp_str name = a->w->r == NULL ? SP_STR("") : a->w->r->info.name,
	       prefix = sp_kv_str(meta, "generateName");
	if (name.len > 0)
		return name;
	if (a->obj == NULL)
		return sp_meta_name(a->old);
	name = sp_meta_name(a->obj);
	return a->op == API_OP_CREATE && prefix.len > 0 && sp_str_starts(name, prefix) ? SP_STR("") : name;
}

/* ---- request ---- */

static void member_kind(sp_jout *j, const char *key, const sp_kind *kind)
{
	sp_jout_member_open(j, sp_str_c(key), '{');
	sp_jout_member_str(j, SP_STR("group"), kind->group);
	sp_jout_member_str(j, SP_STR("version"), kind->version);
	sp_jout_member_str(j, SP_STR("kind"), kind->kind);
	sp_jout_close(j, '}');
}

static void member_resource(sp_jout *j, const char *key, const sp_kind *k)
{
	sp_jout_member_open(j, sp_str_c(key), '{');
	sp_jout_member_str(j, SP_STR("group"), k->group);
	sp_jout_member_str(j, SP_STR("version"), k->version);
	sp_jout_member_str(j, SP_STR("resource"), k->plural);
	sp_jout_close(j, '}');
}

static void member_text(sp_jout *j, const char *key, sp_str text)
{
	if (text.len > 0)
		sp_jout_member_str(j, sp_str_c(key), text);
}

/* The request without its objects, as the AdmissionRequest of a review. */
static bool make_request(api_eval *x, yyjson_val **ret)
{
	const api_write *w = x->a->w;
	const sp_kind *own = w->res->kind,
		      *own_kind = x->form->kind == x->form->res->kind ? own : x->form->kind;
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("uid"), SP_STR(""));
	member_kind(&j, "kind", x->form->kind);
	member_resource(&j, "resource", x->form->res->kind);
	member_text(&j, "subResource", w->ctx.subresource);
	member_kind(&j, "requestKind", own_kind);
	member_resource(&j, "requestResource", own);
	member_text(&j, "requestSubResource", w->ctx.subresource);
	member_text(&j, "name", api_eval_name(x->a));
	member_text(&j, "namespace", api_admit_namespace(x->a));
	sp_jout_member_str(&j, SP_STR("operation"), api_operation_name(x->a->op));
	sp_jout_member_open(&j, SP_STR("userInfo"), '{');
	api_user_write(&j, &w->r->user);
	sp_jout_close(&j, '}');
	sp_jout_member_bool(&j, SP_STR("dryRun"), w->o.dry_run);
	api_review_options(&j, x->a);
	sp_jout_close(&j, '}');
	return sp_buf_code(&text) == SP_OK && sp_json_parse(x->arena, sp_buf_view(&text), ret, NULL) == SP_OK;
}

/* ---- authorizer ---- */

/* Asked from within an evaluation; the answer is the server's own authorizers'. */
static void ask(void *arg, const sp_cel_authz_query *q, sp_cel_authz_answer *ret)
{
	static const sp_cel_decision decisions[] = {
		[API_NO_OPINION] = SP_CEL_NO_OPINION, [API_ALLOW] = SP_CEL_ALLOW, [API_DENY] = SP_CEL_DENY};
	api_eval *x = arg;
	api_write *w = x->a->w;
	api_user user = w->r->user;
	const api_attributes what = {.is_resource = q->resource,
				     .verb = q->verb,
				     .group = q->group,
				     .resource = q->name_of_resource,
				     .subresource = q->subresource,
				     .ns = q->ns,
				     .name = q->name,
				     .path = q->path,
				     .field_selector = q->has_field_selector ? q->field_selector : SP_STR(""),
				     .label_selector =
					     q->has_label_selector ? q->label_selector : SP_STR("")};
	*ret = (sp_cel_authz_answer){.decision = SP_CEL_NO_OPINION};
	/* Upstream's account is in no group but its own two. */
	if (q->user_name.len > 0 &&
	    !api_user_of_service_account(x->arena, q->user_namespace, q->user_name, SP_STR(""), &user))
		return;
	ret->decision = decisions[api_decide(w->server, x->arena, &user, &what, &ret->reason)];
}

static sp_cel_val get_resource_check(void *arg, sp_cel_run *run)
{
	api_eval *x = arg;
	return sp_cel_of_request_resource(run, &x->authorizer, &x->resource);
}

/* ---- variables ---- */

static sp_cel_val get_variable(void *arg, sp_cel_run *run, size_t i)
{
	api_eval *x = arg;
	const api_eval_variable *v = &x->vars->items[i];
	sp_cel_binding bindings[SP_POLICY_VAR_COUNT_];
	sp_cel_val val;
	if (v->program.program == NULL)
		return sp_cel_error(run, "composited variable \"" SP_FMT "\" fails to compile: " SP_FMT,
				    SP_ARG(v->name), SP_ARG(v->program.fault));
	sp_policy_bind(&v->program, x->all, bindings);
	sp_cel_run own = {.arena = &x->scratch, .bindings = bindings, .cost_limit = SP_CEL_PER_CALL_LIMIT};
	sp_code code = sp_cel_eval(v->program.program, &own, &val);
	x->composed = own.cost > UINT64_MAX - x->composed ? UINT64_MAX : x->composed + own.cost;
	if (code != SP_OK)
		return sp_cel_error(run, "composited variable \"" SP_FMT "\" fails to evaluate: " SP_FMT,
				    SP_ARG(v->name), SP_ARG(own.error));
	return val;
}

/* ---- values ---- */

static sp_cel_binding json_binding(const yyjson_val *v)
{
	return (sp_cel_binding){.value = v == NULL ? sp_cel_of_null() : sp_cel_of_json(v, NULL, false)};
}

bool api_eval_init(api_eval *x, const api_admit *a, const api_form *form)
{
	yyjson_val *request = NULL;
	*x = (api_eval){.a = a, .form = form, .arena = &a->w->arena};
	sp_arena_init(&x->scratch, SCRATCH_BYTES);
	x->authorizer = (sp_cel_authorizer){.ask = ask, .arg = x};
	x->resource = (sp_cel_authz_query){.resource = true,
					   .group = a->w->res->kind->group,
					   .name_of_resource = a->w->res->kind->plural,
					   .subresource = a->w->ctx.subresource,
					   .ns = api_admit_namespace(a),
					   .name = api_eval_name(a)};
	if (!make_request(x, &request))
		return false;
	x->all[SP_POLICY_OBJECT] = json_binding(form->object_json);
	x->all[SP_POLICY_OLD_OBJECT] = json_binding(form->old_json);
	x->all[SP_POLICY_REQUEST] = json_binding(request);
	x->all[SP_POLICY_NAMESPACE] = x->all[SP_POLICY_PARAMS] = json_binding(NULL);
	x->all[SP_POLICY_AUTHORIZER].value = sp_cel_of_authorizer(&x->authorizer);
	x->all[SP_POLICY_REQUEST_RESOURCE] = (sp_cel_binding){.get = get_resource_check, .arg = x};
	return true;
}

void api_eval_done(api_eval *x)
{
	sp_arena_done(&x->scratch);
}

bool api_eval_set_namespace(api_eval *x, yyjson_mut_val *ns)
{
	static const char *const hidden[] = {"managedFields", "ownerReferences", "selfLink"};
	const sp_kind *k = sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Namespace"));
	yyjson_val *json = NULL;
	yyjson_mut_val *copy = ns == NULL ? NULL : yyjson_mut_val_mut_copy(x->a->w->doc, ns);
	if (ns != NULL && copy == NULL)
		return false;
	for (size_t i = 0; i < SP_LEN(hidden) && copy != NULL; i++)
		sp_kv_drop(sp_meta(copy), hidden[i]);
	if (!freeze(x->a->w, k->schema, copy, &json))
		return false;
	x->all[SP_POLICY_NAMESPACE] = json_binding(json);
	return true;
}

void api_eval_set_params(api_eval *x, yyjson_mut_val *params)
{
	x->all[SP_POLICY_PARAMS].value =
		params == NULL ? sp_cel_of_null() : sp_cel_of_mut(params, NULL, false);
}

bool api_eval_set_object(api_eval *x, api_form *form, yyjson_mut_val *object)
{
	form->object = object;
	if (!freeze(x->a->w, form->schema, object, &form->object_json))
		return false;
	x->all[SP_POLICY_OBJECT] = json_binding(form->object_json);
	return true;
}

/* ---- evaluation ---- */

void api_eval_begin(api_eval *x, const api_eval_variables *vars, uint64_t budget)
{
	x->vars = vars;
	x->budget = (int64_t)budget;
	x->composed = 0;
	if (vars == NULL)
		return;
	x->lazy = (sp_cel_lazy){.type = vars->type,
				.get = get_variable,
				.arg = x,
				.cache = sp_try_new(&x->scratch, sp_cel_val, vars->n + 1)};
	x->all[SP_POLICY_VARIABLES].value = sp_cel_of_lazy(&x->lazy);
}

void api_eval_end(api_eval *x)
{
	sp_arena_rewind(&x->scratch);
}

static bool spend(api_eval *x, uint64_t cost)
{
	if (cost > (uint64_t)x->budget)
		return false;
	x->budget -= (int64_t)cost;
	return true;
}

api_eval_code api_eval_run(api_eval *x, const sp_policy_program *p, sp_cel_val *ret, sp_str *ret_error)
{
	sp_cel_binding bindings[SP_POLICY_VAR_COUNT_];
	if (x->vars != NULL && x->lazy.cache == NULL) {
		*ret_error = SP_STR("no room for variables");
		return API_EVAL_STOP;
	}
	if (p->program == NULL) {
		*ret_error = sp_arena_printf(x->arena, "compilation error: " SP_FMT, SP_ARG(p->fault));
		return API_EVAL_ERROR;
	}
	sp_policy_bind(p, x->all, bindings);
	sp_cel_run run = {.arena = &x->scratch, .bindings = bindings, .cost_limit = SP_CEL_PER_CALL_LIMIT};
	sp_code code = sp_cel_eval(p->program, &run, ret);
	uint64_t composed = x->composed;
	x->composed = 0;
	if (!spend(x, composed) || !spend(x, run.cost)) {
		*ret_error = SP_STR(
			"validation failed due to running out of cost budget, no further validation rules "
			"will be run");
		return API_EVAL_STOP;
	}
	if (code == SP_OK)
		return API_EVAL_OK;
	*ret_error = sp_arena_printf(x->arena, "expression '" SP_FMT "' resulted in error: " SP_FMT,
				     SP_ARG(p->source), SP_ARG(run.error));
	return code == SP_ETOOLARGE ? API_EVAL_STOP : API_EVAL_ERROR;
}

sp_cel_run api_eval_reader(api_eval *x)
{
	return (sp_cel_run){.arena = &x->scratch};
}
