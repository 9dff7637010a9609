/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints of services with selectors, for old clients: one object per service, addresses grouped by their
 * ports, at most 1000. U: kubernetes pkg/controller/endpoint.
 */
#include "base/log.h"
#include "base/num.h"
#include "controllers/service_pods.h"
#include "controllers/table.h"
#include "controllers/trigger_times.h"

#define MOST 1000u
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define GROUPS_MAX 32u
#define OVER_CAPACITY "endpoints.kubernetes.io/over-capacity"
#define MANAGED_BY "endpoints.kubernetes.io/managed-by"
#define HEADLESS "service.kubernetes.io/headless"

typedef struct ep_view {
	sp_vmap labels, annotations;
	yyjson_val *subsets;
} ep_view;
SP_VIEW(ep_view_desc, ep_view, "v1/Endpoints", SP_V(ep_view, labels, "metadata.labels"),
	SP_V(ep_view, annotations, "metadata.annotations"), SP_V(ep_view, subsets, "subsets"));

typedef struct ep_controller {
	svc_controller s;
	sp_informer *endpoints;
	sp_informer_watch watch;
	trigger_times times;
} ep_controller;

typedef struct run {
	ep_controller *c;
	sp_job *job;
	const sp_object *service, *object; /* object NULL: there is none yet */
	svc_view view;
	sp_str changed_at;
	svc_pod *pods;
	size_t n_pods, n_ready;
	svc_ports *groups;
	size_t *group; /* of each pod */
	size_t n_groups;
	sp_call call;
} run;

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT)
		sp_log(x->c->s.base.log, SP_LOG_WARN, "endpoints: trying again",
		       SP_KS("service", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

static bool is_ready(const run *x, const svc_pod *p)
{
	return x->view.publish_not_ready || (p->is_ready && p->deleted.len == 0);
}

/* Those that are going show only where unready ones are wanted. */
static bool is_shown(const run *x, const svc_pod *p)
{
	return p->deleted.len == 0 || x->view.publish_not_ready;
}

/* ---- groups ---- */

static sp_code make_groups(run *x, sp_err *err)
{
	x->groups = sp_try_new(x->job->arena, svc_ports, GROUPS_MAX);
	x->group = sp_try_new(x->job->arena, size_t, x->n_pods + 1);
	if (x->groups == NULL || x->group == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for endpoints");
	for (size_t i = 0; i < x->n_pods; i++) {
		size_t g = 0;
		if (!is_shown(x, &x->pods[i]))
			continue;
		svc_ports ports;
		svc_ports_of(&x->view, &x->pods[i], &ports);
		while (g < x->n_groups && !svc_ports_equal(&x->groups[g], &ports))
			g++;
		if (g == GROUPS_MAX)
			return sp_fail(err, SP_ETOOLARGE, "pods of one service serve too many sets of ports");
		if (g == x->n_groups)
			x->groups[x->n_groups++] = ports;
		x->group[i] = g;
		x->n_ready += is_ready(x, &x->pods[i]);
	}
	return SP_OK;
}

/* ---- writing ---- */

static void write_address(const run *x, sp_jout *j, const svc_pod *p)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("ip"), p->ip);
	if (p->hostname.len > 0 && sp_str_eq(p->subdomain, x->service->name))
		sp_jout_member_str(j, SP_STR("hostname"), p->hostname);
	if (p->node.len > 0)
		sp_jout_member_str(j, SP_STR("nodeName"), p->node);
	sp_jout_member_open(j, SP_STR("targetRef"), '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Pod"));
	sp_jout_member_str(j, SP_STR("namespace"), p->object->ns);
	sp_jout_member_str(j, SP_STR("name"), p->object->name);
	sp_jout_member_str(j, SP_STR("uid"), p->object->uid);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void write_addresses(const run *x, sp_jout *j, size_t g, bool ready, size_t *room)
{
	bool open = false;
	for (size_t i = 0; i<x->n_pods && * room> 0; i++) {
		const svc_pod *p = &x->pods[i];
		if (!is_shown(x, p) || x->group[i] != g || is_ready(x, p) != ready)
			continue;
		if (!open)
			sp_jout_member_open(j, ready ? SP_STR("addresses") : SP_STR("notReadyAddresses"),
					    '[');
		open = true;
		write_address(x, j, p);
		--*room;
	}
	if (open)
		sp_jout_close(j, ']');
}

static void write_subsets(const run *x, sp_jout *j)
{
	/* Ready ones go first when there is not room for all. */
	size_t room_ready = MOST, room_rest = MOST - SP_MIN(x->n_ready, (size_t)MOST);
	sp_jout_open(j, '[');
	for (size_t g = 0; g < x->n_groups; g++) {
		sp_jout_open(j, '{');
		write_addresses(x, j, g, true, &room_ready);
		write_addresses(x, j, g, false, &room_rest);
		if (x->groups[g].n > 0)
			svc_ports_write(j, &x->groups[g], false);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

static void write_labels(const run *x, sp_jout *j)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(x->view.labels.object);
	yyjson_val *k;
	sp_jout_open(j, '{');
	while ((k = yyjson_obj_iter_next(&it)) != NULL) {
		if (!sp_str_eq(sp_json_str(k), SP_STR(HEADLESS)) &&
		    !sp_str_eq(sp_json_str(k), SP_STR(MANAGED_BY)))
			sp_jout_member_str(j, sp_json_str(k), sp_json_str(yyjson_obj_iter_get_val(k)));
	}
	sp_jout_member_str(j, SP_STR(MANAGED_BY), SP_STR("endpoint-controller"));
	if (svc_is_headless(&x->view))
		sp_jout_member_str(j, SP_STR(HEADLESS), SP_STR(""));
	sp_jout_close(j, '}');
}

static void on_written(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	bool fine = a->code == SP_EEXISTS || a->code == SP_ENOTFOUND || ctl_namespace_goes(a);
	end(x, fine ? SP_OK : a->code, a->err);
}

/* As JSON values; names in ports that are empty are left out by the server, as ours are compared. */
static sp_code write_object(run *x, sp_err *err)
{
	char text[SP_NUM_TEXT_BYTES];
	ep_view have = {.subsets = NULL};
	SP_AUTO_BUF subsets, labels, body;
	sp_buf_init(&subsets, BODY_BYTES_MAX);
	sp_buf_init(&labels, BODY_BYTES_MAX);
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&subsets);
	write_subsets(x, &j);
	j = sp_jout_to(&labels);
	write_labels(x, &j);
	if (x->object != NULL)
		SP_TRY(sp_view(x->job->arena, x->object->json, &ep_view_desc, &have, err));
	bool over = x->n_pods > MOST;
	bool said = sp_vmap_str(have.annotations, SP_STR(OVER_CAPACITY)).len > 0;
	if (x->object != NULL && over == said &&
	    ctl_is_same_json(x->job->arena, have.subsets, sp_buf_view(&subsets)) &&
	    ctl_is_same_json(x->job->arena, have.labels.object, sp_buf_view(&labels))) {
		end(x, SP_OK, NULL);
		return SP_OK;
	}
	j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), x->service->name);
	if (x->object != NULL)
		sp_jout_member_str(&j, SP_STR("resourceVersion"),
				   (sp_str){text, sp_print_u64(text, x->object->revision)});
	sp_jout_member_raw(&j, SP_STR("labels"), sp_buf_view(&labels));
	sp_jout_member_open(&j, SP_STR("annotations"), '{');
	if (over)
		sp_jout_member_str(&j, SP_STR(OVER_CAPACITY), SP_STR("truncated"));
	trigger_time_write(&j, have.annotations, OVER_CAPACITY, x->changed_at);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_member_raw(&j, SP_STR("subsets"), sp_buf_view(&subsets));
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK)
		return sp_fail(err, sp_buf_code(&body), "no room for endpoints");
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->s.base.client, &x->call,
		      &(sp_ask){.verb = x->object == NULL ? SP_ASK_CREATE : SP_ASK_UPDATE,
				.gvr = SP_ENDPOINTS,
				.ns = x->service->ns,
				.name = x->object == NULL ? SP_STR("") : x->object->name,
				.body = sp_buf_view(&body)});
	return SP_OK;
}

/* A service that is gone takes its endpoints along: they have no owner. */
static void delete_object(run *x, sp_str ns, sp_str name)
{
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->s.base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_DELETE, .gvr = SP_ENDPOINTS, .ns = ns, .name = name});
}

static bool is_ours(sp_arena *a, const sp_object *o)
{
	ep_view v;
	return sp_view(a, o->json, &ep_view_desc, &v, NULL) == SP_OK &&
	       sp_vmap_str(v.labels, SP_STR(MANAGED_BY)).len > 0;
}

static void sync_service(controller *base, sp_job *job)
{
	ep_controller *c = SP_CONTAINER_OF(base, ep_controller, s.base);
	const sp_object *o = sp_informer_get(c->s.services, job->key);
	const sp_object *have = sp_informer_get(c->endpoints, job->key);
	run *x = sp_new(job->arena, run, 1);
	sp_err err = {0};
	*x = (run){.c = c, .job = job};
	if (o == NULL) {
		sp_str ns, name;
		trigger_times_forget(&c->times, job->key);
		sp_object_key_split(job->key, &ns, &name);
		if (have != NULL && is_ours(job->arena, have))
			delete_object(x, ns, name);
		else
			sp_job_done(job, SP_OK);
		return;
	}
	x->service = ctl_hold(job->arena, o);
	x->object = have == NULL ? NULL : ctl_hold(job->arena, have);
	sp_code code = x->service == NULL ? SP_ENOMEM : svc_read(job->arena, o, &x->view, &err);
	if (code == SP_ENOTFOUND) {
		sp_job_done(job, SP_OK);
		return;
	}
	if (code == SP_OK)
		code = svc_read_pods(&c->s, job->arena, o, &x->view, &x->pods, &x->n_pods, &err);
	if (code == SP_OK)
		code = trigger_times_look(&c->times, job->key, x->view.created, x->pods, x->n_pods,
					  &x->changed_at, &err);
	if (code == SP_OK)
		code = make_groups(x, &err);
	if (code == SP_OK)
		code = write_object(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

static sp_code open_endpoints(controller *base, sp_err *err)
{
	ep_controller *c = SP_CONTAINER_OF(base, ep_controller, s.base);
	SP_TRY(svc_open(&c->s, err));
	SP_TRY(controller_follow(base, SP_ENDPOINTS, &ep_view_desc, &c->endpoints, err));
	controller_watch(c->endpoints, &c->watch, controller_enqueue, base);
	return SP_OK;
}

static void done_endpoints(controller *base)
{
	trigger_times_done(&SP_CONTAINER_OF(base, ep_controller, s.base)->times);
}

const controller_type controller_endpoints = {.name = "endpoints-controller",
					      .account = "endpoint-controller",
					      .component = "endpoint-controller",
					      .size_bytes = sizeof(ep_controller),
					      .open = open_endpoints,
					      .sync = sync_service,
					      .done = done_endpoints};
