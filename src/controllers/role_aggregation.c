/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cluster roles made of others: their rules are those of all roles their selectors name, each once. U:
 * kubernetes pkg/controller/clusterroleaggregation.
 */
#include <stdlib.h>

#include "controllers/common.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define AGGREGATED "aggregated"
#define MANAGER "clusterrole-aggregation-controller"

typedef struct role_view {
	sp_vmap labels;
	sp_vlist rules, selectors;
} role_view;
SP_VIEW(role_desc, role_view, "rbac.authorization.k8s.io/v1/ClusterRole",
	SP_V(role_view, labels, "metadata.labels"), SP_V(role_view, rules, "rules"),
	SP_V(role_view, selectors, "aggregationRule.clusterRoleSelectors"));

static const sp_gvr roles_gvr = {SP_STR_INIT("rbac.authorization.k8s.io"), SP_STR_INIT("v1"),
				 SP_STR_INIT("clusterroles")};

typedef struct aggregation {
	controller base;
	sp_informer *roles;
	unsigned aggregated;
	sp_informer_watch watch;
} aggregation;

typedef struct role {
	const sp_object *object;
	role_view view;
} role;

typedef struct run {
	aggregation *c;
	sp_job *job;
	const sp_object *object;
	role_view view;
	role *roles; /* all others, by name */
	size_t n_roles;
	yyjson_val **rules;
	size_t n_rules;
	sp_call call;
} run;

/* ---- what it should be ---- */

static int by_name(const void *a, const void *b)
{
	return sp_str_cmp(((const role *)a)->object->name, ((const role *)b)->object->name);
}

static sp_code read_roles(run *x, size_t *ret_n_rules, sp_err *err)
{
	const sp_object *o;
	x->roles = sp_try_new(x->job->arena, role, sp_informer_count(x->c->roles) + 1);
	if (x->roles == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for roles");
	for (size_t at = 0; (o = sp_informer_next(x->c->roles, &at)) != NULL;) {
		role *r = &x->roles[x->n_roles];
		if (sp_str_eq(o->name, x->object->name))
			continue;
		r->object = o;
		SP_TRY(sp_view(x->job->arena, o->json, &role_desc, &r->view, err));
		*ret_n_rules += r->view.rules.n;
		x->n_roles++;
	}
	qsort(x->roles, x->n_roles, sizeof *x->roles, by_name);
	return SP_OK;
}

static void add_rules(run *x, const role *r)
{
	SP_VLIST_FOREACH(rule, r->view.rules)
	{
		bool known = false;
		for (size_t i = 0; i < x->n_rules; i++)
			known = known || yyjson_equals(x->rules[i], rule);
		if (!known)
			x->rules[x->n_rules++] = rule;
	}
}

static sp_code gather(run *x, sp_err *err)
{
	size_t n_rules = 1;
	SP_TRY(read_roles(x, &n_rules, err));
	x->rules = sp_try_new(x->job->arena, yyjson_val *, n_rules);
	if (x->rules == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for rules");
	SP_VLIST_FOREACH(selector, x->view.selectors)
	{
		sp_selector s;
		SP_TRY(ctl_selector(x->job->arena, selector, false, &s, err));
		for (size_t i = 0; i < x->n_roles; i++) {
			if (sp_labels_match_json(&s, x->roles[i].view.labels.object))
				add_rules(x, &x->roles[i]);
		}
	}
	return SP_OK;
}

static bool is_right(const run *x)
{
	size_t i = 0;
	if (x->n_rules != x->view.rules.n)
		return false;
	SP_VLIST_FOREACH(rule, x->view.rules)
	{
		if (!yyjson_equals(rule, x->rules[i++]))
			return false;
	}
	return true;
}

/* ---- writing ---- */

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static sp_code write_rules(run *x, sp_err *err)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("rbac.authorization.k8s.io/v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("ClusterRole"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), x->object->name);
	/* One that was deleted meanwhile is not made again. */
	sp_jout_member_str(&j, SP_STR("uid"), x->object->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("rules"), '[');
	for (size_t i = 0; i < x->n_rules; i++) {
		SP_AUTO_BUF rule;
		sp_buf_init(&rule, BODY_BYTES_MAX);
		if (sp_json_write(&rule, x->rules[i]) != SP_OK)
			return sp_fail(err, SP_ETOOLARGE, "no room for rules");
		sp_jout_raw(&j, sp_buf_view(&rule));
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for rules");
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_APPLY,
				.gvr = roles_gvr,
				.name = x->object->name,
				.manager = SP_STR(MANAGER),
				.force = true,
				.body = sp_buf_view(&body)});
	return SP_OK;
}

static void sync_role(controller *base, sp_job *job)
{
	aggregation *c = SP_CONTAINER_OF(base, aggregation, base);
	const sp_object *o = sp_informer_get(c->roles, job->key);
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job};
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	x->object = ctl_hold(job->arena, o);
	sp_code code =
		x->object == NULL ? SP_ENOMEM : sp_view(job->arena, o->json, &role_desc, &x->view, NULL);
	if (code == SP_OK)
		code = gather(x, NULL);
	bool right = code != SP_OK || is_right(x);
	if (!right)
		code = write_rules(x, NULL);
	if (right || code != SP_OK)
		sp_job_done(job, code);
}

/* ---- events ---- */

static void keys_of_role(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	if (sp_json_last(object, SP_STR("aggregationRule")) != NULL)
		sp_index_emit(keys, SP_STR(AGGREGATED));
}

/* Any role may be part of any other: all that are made of others are looked at. */
static void on_role(void *arg, const sp_object *old, const sp_object *now)
{
	aggregation *c = arg;
	const sp_object *o;
	(void)old;
	(void)now;
	sp_index_at at = sp_informer_find(c->roles, c->aggregated, SP_STR(AGGREGATED));
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(c->base.queue, o->key);
}

static sp_code open_aggregation(controller *base, sp_err *err)
{
	aggregation *c = SP_CONTAINER_OF(base, aggregation, base);
	SP_TRY(controller_follow(base, roles_gvr, &role_desc, &c->roles, err));
	SP_TRY(sp_informer_index(c->roles, keys_of_role, NULL, &c->aggregated, err));
	controller_watch(c->roles, &c->watch, on_role, c);
	return SP_OK;
}

const controller_type controller_role_aggregation = {.name = "clusterrole-aggregation-controller",
						     .size_bytes = sizeof(aggregation),
						     .open = open_aggregation,
						     .sync = sync_role};
