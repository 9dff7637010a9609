/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of ValidatingAdmissionPolicies: whether their expressions fit the kinds they are for, once for
 * each generation. Custom kinds are read of their definitions only when a policy may name some, page by page;
 * nothing of them is kept. U: kubernetes pkg/controller/validatingadmissionpolicystatus.
 */
#include "base/num.h"
#include "controllers/common.h"
#include "controllers/table.h"
#include "kube/policy/typecheck.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define QUERY_BYTES_MAX ((size_t)16 << 10)
#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define PAGE "20"
#define PAGE_ARENA_BYTES ((size_t)256 << 20)
#define MANAGER "validatingadmissionpolicy-status"

typedef struct policy_view {
	int64_t generation, observed;
	yyjson_val *spec;
} policy_view;
SP_VIEW(policy_desc, policy_view, "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
	SP_V(policy_view, generation, "metadata.generation"),
	SP_V(policy_view, observed, "status.observedGeneration"), SP_V(policy_view, spec, "spec"));

static const sp_gvr policies_gvr = {SP_STR_INIT("admissionregistration.k8s.io"), SP_STR_INIT("v1"),
				    SP_STR_INIT("validatingadmissionpolicies")};
static const sp_gvr definitions_gvr = {SP_STR_INIT("apiextensions.k8s.io"), SP_STR_INIT("v1"),
				       SP_STR_INIT("customresourcedefinitions")};

typedef struct policy_status {
	controller base;
	sp_informer *policies;
	sp_informer_watch watch;
} policy_status;

typedef struct run {
	policy_status *c;
	sp_job *job;
	const sp_object *object;
	policy_view view;
	sp_policy_check check;
	sp_call call;
} run;

/* ---- writing ---- */

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void put_status(sp_jout *j, const run *x, const sp_policy_warning *warnings, size_t n)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("admissionregistration.k8s.io/v1"));
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("ValidatingAdmissionPolicy"));
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), x->object->name);
	/* Not that of another one of the same name. */
	sp_jout_member_str(j, SP_STR("uid"), x->object->uid);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
	sp_jout_member_i64(j, SP_STR("observedGeneration"), x->view.generation);
	sp_jout_member_open(j, SP_STR("typeChecking"), '{');
	if (n > 0) {
		sp_jout_member_open(j, SP_STR("expressionWarnings"), '[');
		for (size_t i = 0; i < n; i++) {
			sp_jout_open(j, '{');
			sp_jout_member_str(j, SP_STR("fieldRef"), warnings[i].field);
			sp_jout_member_str(j, SP_STR("warning"), warnings[i].text);
			sp_jout_close(j, '}');
		}
		sp_jout_close(j, ']');
	}
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static sp_code write_status(run *x)
{
	sp_policy_warning *warnings;
	size_t n;
	SP_TRY(sp_policy_check_run(&x->check, &warnings, &n));
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	put_status(&j, x, warnings, n);
	if (sp_buf_code(&body) != SP_OK)
		return sp_buf_code(&body);
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_APPLY,
				.gvr = policies_gvr,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.manager = SP_STR(MANAGER),
				.force = true,
				.body = sp_buf_view(&body)});
	return SP_OK;
}

/* ---- custom kinds ---- */

static sp_code ask_page(run *x, sp_str after);

static sp_code read_page(run *x, yyjson_val *page)
{
	yyjson_val *item;
	size_t i, max;
	yyjson_arr_foreach(sp_json_last(page, SP_STR("items")), i, max, item)
		SP_TRY(sp_policy_check_custom(&x->check, item));
	sp_str after = sp_json_str(sp_json_last(sp_json_last(page, SP_STR("metadata")), SP_STR("continue")));
	return after.len > 0 ? ask_page(x, after) : write_status(x);
}

/* The page itself goes at once. */
static sp_code take_page(run *x, const sp_answer *a)
{
	yyjson_val *page;
	sp_arena scratch;
	sp_arena_init(&scratch, PAGE_ARENA_BYTES);
	sp_code code = sp_json_parse(&scratch, a->body, &page, NULL);
	if (code == SP_OK)
		code = read_page(x, page);
	sp_arena_done(&scratch);
	return code;
}

static void on_page(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	sp_code code = a->code == SP_OK ? take_page(x, a) : a->code;
	if (code != SP_OK)
		sp_job_done(x->job, code);
}

static sp_code ask_page(run *x, sp_str after)
{
	SP_AUTO_BUF query;
	sp_buf_init(&query, QUERY_BYTES_MAX);
	SP_TRY(sp_query_add(&query, "limit", SP_STR(PAGE)));
	if (after.len > 0)
		SP_TRY(sp_query_add(&query, "continue", after));
	x->call = (sp_call){.done = on_page, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_LIST,
				.gvr = definitions_gvr,
				.query = sp_buf_view(&query),
				.as_cache = true,
				.answer_bytes = PAGE_BYTES_MAX});
	return SP_OK;
}

/* ---- one policy ---- */

static void sync_policy(controller *base, sp_job *job)
{
	policy_status *c = SP_CONTAINER_OF(base, policy_status, base);
	const sp_object *o = sp_informer_get(c->policies, job->key);
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job};
	x->object = o == NULL ? NULL : ctl_hold(job->arena, o);
	sp_code code = SP_OK;
	if (o != NULL)
		code = x->object == NULL ? SP_ENOMEM
					 : sp_view(job->arena, o->json, &policy_desc, &x->view, NULL);
	if (o == NULL || code != SP_OK || x->view.generation <= x->view.observed) {
		sp_job_done(job, code);
		return;
	}
	sp_policy_check_init(&x->check, job->arena, x->view.spec);
	code = sp_policy_check_wants_customs(&x->check) ? ask_page(x, SP_STR("")) : write_status(x);
	if (code != SP_OK)
		sp_job_done(job, code);
}

static sp_code open_status(controller *base, sp_err *err)
{
	policy_status *c = SP_CONTAINER_OF(base, policy_status, base);
	SP_TRY(controller_follow(base, policies_gvr, &policy_desc, &c->policies, err));
	controller_watch(c->policies, &c->watch, controller_enqueue, c);
	return SP_OK;
}

const controller_type controller_policy_status = {.name = "validatingadmissionpolicy-status-controller",
						  .size_bytes = sizeof(policy_status),
						  .open = open_status,
						  .sync = sync_policy};
