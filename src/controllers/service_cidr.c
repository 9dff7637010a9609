/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of services' addresses: each is told ready and has a finalizer, which goes when no address would be
 * left without a range; not before 10 s, so that whoever gives addresses has heard of the deletion. Until
 * then the range says that it is terminating, and why. The 10 s begin when this process sees the deletion:
 * clocks of two hosts differ. U: kubernetes pkg/controller/servicecidrs.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/ip.h"
#include "base/map.h"
#include "controllers/common.h"
#include "controllers/table.h"

#define FINALIZER "networking.k8s.io/service-cidr-finalizer"
#define GRACE_NS (UINT64_C(10) * 1000000000)
#define BODY_BYTES_MAX ((size_t)1 << 20)

typedef struct range_view {
	sp_str deleted;
	sp_vlist finalizers, cidrs, conditions;
} range_view;
SP_VIEW(range_desc, range_view, "networking.k8s.io/v1/ServiceCIDR",
	SP_V(range_view, deleted, "metadata.deletionTimestamp"),
	SP_V(range_view, finalizers, "metadata.finalizers"), SP_V(range_view, cidrs, "spec.cidrs"),
	SP_V(range_view, conditions, "status.conditions"));

typedef struct address_view {
	sp_vmap labels;
} address_view;
SP_VIEW(address_desc, address_view, "networking.k8s.io/v1/IPAddress",
	SP_V(address_view, labels, "metadata.labels"));

typedef struct service_cidrs {
	controller base;
	sp_informer *ranges, *addresses;
	sp_informer_watch range_watch, address_watch;
	sp_map going; /* by uid: since when ranges are seen to go */
} service_cidrs;

typedef struct going {
	uint64_t since_ns;
	size_t len;
	char uid[];
} going;

typedef struct cidr_run {
	service_cidrs *c;
	sp_job *job;
	const sp_object *range;
	range_view view;
	sp_call call;
} cidr_run;

/* ---- what is in what ---- */

/* Neither the network's own address nor IPv4's broadcast address is given to anyone. */
static bool holds(const sp_cidr *c, const sp_ip *ip)
{
	sp_ip network = sp_cidr_network(c), next = *ip;
	if (c->ip.v4 != ip->v4 || !sp_cidr_contains(c, ip) || sp_ip_eq(&network, ip))
		return false;
	if (!ip->v4)
		return true;
	for (size_t i = sizeof next.bytes; i > 0 && ++next.bytes[i - 1] == 0; i--)
		continue;
	return sp_cidr_contains(c, &next);
}

typedef bool matches_fn(const sp_cidr *c, const void *what);

static bool holds_address(const sp_cidr *c, const void *what)
{
	return holds(c, what);
}

static bool holds_cidr(const sp_cidr *c, const void *what)
{
	const sp_cidr *inner = what;
	return c->ip.v4 == inner->ip.v4 && c->n_bits <= inner->n_bits && sp_cidr_contains(c, &inner->ip);
}

static bool any(sp_arena *a, const sp_object *range, matches_fn *matches, const void *what)
{
	range_view v;
	sp_cidr c;
	if (sp_view(a, range->json, &range_desc, &v, NULL) != SP_OK)
		return false;
	SP_VLIST_FOREACH(text, v.cidrs)
	{
		if (sp_cidr_parse(sp_json_str(text), &c) && matches(&c, what))
			return true;
	}
	return false;
}

/* Whether a range other than this one has it. */
static bool another(const cidr_run *x, matches_fn *matches, const void *what)
{
	const sp_object *o;
	for (size_t at = 0; (o = sp_informer_next(x->c->ranges, &at)) != NULL;) {
		if (!sp_str_eq(o->name, x->range->name) && any(x->job->arena, o, matches, what))
			return true;
	}
	return false;
}

static bool has_parent(const cidr_run *x)
{
	sp_cidr c;
	SP_VLIST_FOREACH(text, x->view.cidrs)
	{
		if (sp_cidr_parse(sp_json_str(text), &c) && !another(x, holds_cidr, &c))
			return false;
	}
	return true;
}

/* An address of a service; others are nothing to ranges. */
static bool read_address(sp_arena *a, const sp_object *o, sp_ip *ret)
{
	address_view v;
	return sp_view(a, o->json, &address_desc, &v, NULL) == SP_OK &&
	       sp_str_eq(sp_vmap_str(v.labels, SP_STR("ipaddress.kubernetes.io/managed-by")),
			 SP_STR("ipallocator.k8s.io")) &&
	       sp_ip_parse(o->name, ret);
}

static bool may_go(const cidr_run *x)
{
	const sp_object *o;
	sp_ip ip;
	if (has_parent(x))
		return true;
	for (size_t at = 0; (o = sp_informer_next(x->c->addresses, &at)) != NULL;) {
		if (read_address(x->job->arena, o, &ip) && any(x->job->arena, x->range, holds_address, &ip) &&
		    !another(x, holds_address, &ip))
			return false;
	}
	return true;
}

/* ---- writing ---- */

static void on_condition(sp_call *c, const sp_answer *a)
{
	cidr_run *x = c->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND && x->view.deleted.len == 0) {
		sp_event_ref about = ctl_event_ref(x->range, "networking.k8s.io/v1", "ServiceCIDR");
		sp_events_emitf(x->c->base.events, &about, true, "KubernetesServiceCIDRError",
				"The ServiceCIDR Status can not be set to Ready=True");
	}
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static bool is_same(const ctl_condition *a, const ctl_condition *b)
{
	return sp_str_eq(a->status, b->status) && sp_str_eq(a->reason, b->reason) &&
	       sp_str_eq(a->message, b->message);
}

static void write_condition(sp_jout *j, const cidr_run *x, const ctl_condition *now)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("networking.k8s.io/v1"));
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("ServiceCIDR"));
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), x->range->name);
	sp_jout_member_str(j, SP_STR("uid"), x->range->uid);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
	sp_jout_member_open(j, SP_STR("conditions"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), now->type);
	sp_jout_member_str(j, SP_STR("status"), now->status);
	sp_jout_member_str(j, SP_STR("reason"), now->reason);
	sp_jout_member_str(j, SP_STR("message"), now->message);
	sp_jout_member_str(j, SP_STR("lastTransitionTime"), ctl_now(x->c->base.world, x->job->arena));
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* Applied: others may have conditions of their own there. */
static void set_condition(cidr_run *x, const ctl_condition *now)
{
	ctl_conditions have;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	ctl_conditions_read(x->view.conditions, &have);
	const ctl_condition *old = ctl_condition_find(&have, "Ready");
	sp_jout j = sp_jout_to(&body);
	if (old != NULL && is_same(old, now)) {
		sp_job_done(x->job, SP_OK);
		return;
	}
	write_condition(&j, x, now);
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_condition, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_APPLY,
				.gvr = SP_SERVICECIDRS,
				.name = x->range->name,
				.subresource = SP_STR("status"),
				.manager = SP_STR("service-cidr-controller"),
				.force = true,
				.body = sp_buf_view(&body)});
}

static void set_ready(cidr_run *x)
{
	set_condition(x, &(ctl_condition){.type = SP_STR("Ready"),
					  .status = SP_STR("True"),
					  .reason = SP_STR(""),
					  .message = SP_STR("Kubernetes Service CIDR is ready")});
}

static void on_finalizer(sp_call *c, const sp_answer *a)
{
	cidr_run *x = c->arg;
	if (a->code != SP_OK)
		sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
	else if (x->view.deleted.len == 0)
		set_ready(x);
	else
		sp_job_done(x->job, SP_OK);
}

static bool has_finalizer(const cidr_run *x)
{
	SP_VLIST_FOREACH(v, x->view.finalizers)
	{
		if (sp_str_eq(sp_json_str(v), SP_STR(FINALIZER)))
			return true;
	}
	return false;
}

static void write_finalizers(cidr_run *x, bool with)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_patch_finalizers(&body, x->range, x->view.finalizers, SP_STR(FINALIZER),
				  with ? SP_STR(FINALIZER) : SP_STR(""));
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_finalizer, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_SERVICECIDRS,
				.name = x->range->name,
				.body = sp_buf_view(&body)});
}

/* ---- a range ---- */

/* How long it still has to wait. */
static uint64_t left_ns(service_cidrs *c, sp_str uid)
{
	uint64_t now_ns = sp_now_ns(c->base.world), gone_ns;
	going *g = sp_map_get(&c->going, uid);
	if (g == NULL) {
		g = sp_try_alloc(sizeof *g + uid.len);
		if (g == NULL)
			return GRACE_NS; /* which begins later */
		g->since_ns = now_ns;
		g->len = uid.len;
		memcpy(g->uid, uid.ptr, uid.len);
		if (sp_map_put(&c->going, (sp_str){g->uid, g->len}, g, NULL) != SP_OK)
			sp_free(g);
		return GRACE_NS;
	}
	gone_ns = now_ns - g->since_ns;
	return gone_ns >= GRACE_NS ? 0 : GRACE_NS - gone_ns;
}

static void sync_going(cidr_run *x)
{
	uint64_t left = left_ns(x->c, x->range->uid);
	if (!may_go(x)) {
		set_condition(x, &(ctl_condition){
					 .type = SP_STR("Ready"),
					 .status = SP_STR("False"),
					 .reason = SP_STR("Terminating"),
					 .message = SP_STR("There are still IPAddresses referencing the "
							   "ServiceCIDR, please remove them or create a new "
							   "ServiceCIDR")});
		return;
	}
	if (left > 0)
		sp_job_again(x->job, left);
	else if (has_finalizer(x))
		write_finalizers(x, false);
	else
		sp_job_done(x->job, SP_OK);
}

static void sync_range(controller *base, sp_job *job)
{
	service_cidrs *c = SP_CONTAINER_OF(base, service_cidrs, base);
	const sp_object *o = sp_informer_get(c->ranges, job->key);
	cidr_run *x = sp_new(job->arena, cidr_run, 1);
	sp_code code = SP_OK;
	*x = (cidr_run){.c = c, .job = job, .range = o};
	if (o != NULL)
		code = ctl_hold(job->arena, o) == NULL
			       ? SP_ENOMEM
			       : sp_view(job->arena, o->json, &range_desc, &x->view, NULL);
	if (o == NULL || code != SP_OK)
		sp_job_done(job, code);
	else if (x->view.deleted.len > 0)
		sync_going(x);
	else if (has_finalizer(x))
		set_ready(x);
	else
		write_finalizers(x, true);
}

/* ---- changes ---- */

/* One that comes or goes may free or hold others. */
static void on_range(void *arg, const sp_object *old, const sp_object *now)
{
	service_cidrs *c = arg;
	const sp_object *o;
	if (now != NULL)
		sp_queue_add(c->base.queue, now->key);
	else
		sp_free(sp_map_remove(&c->going, old->uid));
	if (old != NULL && now != NULL)
		return;
	for (size_t at = 0; (o = sp_informer_next(c->ranges, &at)) != NULL;)
		sp_queue_add(c->base.queue, o->key);
}

static void on_address(void *arg, const sp_object *old, const sp_object *now)
{
	service_cidrs *c = arg;
	const sp_object *o;
	sp_ip ip;
	sp_arena a;
	if ((old == NULL) == (now == NULL))
		return; /* an update changes nothing here */
	sp_arena_init(&a, (size_t)16 << 20);
	bool counts = read_address(&a, now != NULL ? now : old, &ip);
	for (size_t at = 0; counts && (o = sp_informer_next(c->ranges, &at)) != NULL;) {
		if (any(&a, o, holds_address, &ip))
			sp_queue_add(c->base.queue, o->key);
	}
	sp_arena_done(&a);
}

static sp_code open_ranges(controller *base, sp_err *err)
{
	service_cidrs *c = SP_CONTAINER_OF(base, service_cidrs, base);
	sp_map_init(&c->going);
	SP_TRY(controller_follow(base, SP_SERVICECIDRS, &range_desc, &c->ranges, err));
	SP_TRY(controller_follow(base, SP_GVR("networking.k8s.io", "v1", "ipaddresses"), &address_desc,
				 &c->addresses, err));
	controller_watch(c->ranges, &c->range_watch, on_range, c);
	controller_watch(c->addresses, &c->address_watch, on_address, c);
	return SP_OK;
}

static void done(controller *base)
{
	service_cidrs *c = SP_CONTAINER_OF(base, service_cidrs, base);
	sp_map_done_values(&c->going);
}

const controller_type controller_service_cidr = {.name = "service-cidr-controller",
						 .account = "service-cidrs-controller",
						 .size_bytes = sizeof(service_cidrs),
						 .open = open_ranges,
						 .sync = sync_range,
						 .done = done};
