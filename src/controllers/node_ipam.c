/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of pods' addresses: each node gets a part of the cluster's range of each family, once. U: kubernetes
 * pkg/controller/nodeipam/ipam/range_allocator.go.
 */
#include "controllers/common.h"
#include "controllers/node_ranges.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)4096)
#define RANGES_MAX 2u

typedef struct ipam_view {
	sp_str deleted;
	sp_vlist ranges;
} ipam_view;
SP_VIEW(ipam_desc, ipam_view, "v1/Node", SP_V(ipam_view, deleted, "metadata.deletionTimestamp"),
	SP_V(ipam_view, ranges, "spec.podCIDRs"));

typedef struct ipam {
	controller base;
	sp_informer *nodes;
	sp_informer_watch watch;
	node_range ranges[RANGES_MAX];
	size_t n_ranges;
} ipam;

typedef struct run {
	ipam *c;
	sp_job *job;
	sp_cidr parts[RANGES_MAX];
	size_t n;
	sp_call call;
} run;

/* ---- what is taken ---- */

static void mark(ipam *c, sp_vlist ranges, bool taken)
{
	SP_VLIST_FOREACH(v, ranges)
	{
		sp_cidr cidr;
		for (size_t i = 0; sp_cidr_parse(sp_json_str(v), &cidr) && i < c->n_ranges; i++)
			node_range_mark(&c->ranges[i], &cidr, taken);
	}
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	ipam *c = arg;
	ipam_view v;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, (now != NULL ? now : old)->json, &ipam_desc, &v, NULL) == SP_OK) {
		mark(c, v.ranges, now != NULL);
		if (now != NULL && v.ranges.n == 0)
			sp_queue_add(c->base.queue, now->key);
	}
	sp_arena_done(&a);
}

/* ---- a node without ---- */

static void give_back(run *x)
{
	for (size_t i = 0; i < x->n; i++)
		node_range_mark(&x->c->ranges[i], &x->parts[i], false);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	/* Without an answer it may have been written: then the node's next event says so. */
	if (a->code != SP_OK && a->status != 0)
		give_back(x);
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void write_ranges(run *x, const sp_object *node)
{
	char texts[RANGES_MAX][SP_IP_TEXT_BYTES];
	sp_str ranges[RANGES_MAX] = {{NULL, 0}};
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	for (size_t i = 0; i < x->n; i++)
		ranges[i] = (sp_str){texts[i], sp_cidr_print(texts[i], &x->parts[i])};
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), node->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("podCIDR"), ranges[0]);
	sp_jout_member_strs(&j, SP_STR("podCIDRs"), ranges, x->n);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = node->name,
				.body = sp_buf_view(&body)});
}

static void sync_node(controller *base, sp_job *job)
{
	ipam *c = SP_CONTAINER_OF(base, ipam, base);
	const sp_object *o = sp_informer_get(c->nodes, job->key);
	ipam_view v;
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job};
	if (o == NULL || sp_view(job->arena, o->json, &ipam_desc, &v, NULL) != SP_OK || v.ranges.n > 0 ||
	    v.deleted.len > 0) {
		sp_job_done(job, SP_OK);
		return;
	}
	while (x->n < c->n_ranges && node_range_take(&c->ranges[x->n], &x->parts[x->n]))
		x->n++;
	if (x->n == c->n_ranges) {
		write_ranges(x, o);
		return;
	}
	sp_event_ref ref = ctl_event_ref(o, "v1", "Node");
	give_back(x);
	sp_events_emitf(base->events, &ref, false, "CIDRNotAvailable",
			"Node " SP_FMT " status is now: CIDRNotAvailable", SP_ARG(o->name));
	sp_job_done(job, SP_ETOOMANY);
}

/* ---- life ---- */

/* Addresses of services are no pods'. */
static sp_code spare_services(ipam *c, sp_err *err)
{
	sp_str rest = c->base.config->service_cidrs, text;
	while (sp_str_next(&rest, ',', &text)) {
		sp_cidr cidr;
		if (!sp_cidr_parse(sp_str_trim(text), &cidr))
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no range of services", SP_ARG(text));
		for (size_t i = 0; i < c->n_ranges; i++)
			node_range_mark(&c->ranges[i], &cidr, true);
	}
	return SP_OK;
}

static sp_code open_ipam(controller *base, sp_err *err)
{
	ipam *c = SP_CONTAINER_OF(base, ipam, base);
	const controllers_config *config = base->config;
	sp_str rest = config->cluster_cidrs, cidr;
	if (rest.len == 0)
		return sp_fail(err, SP_EUNSUPPORTED, "no range of pods' addresses is known");
	while (sp_str_next(&rest, ',', &cidr)) {
		if (c->n_ranges == RANGES_MAX)
			return sp_fail(err, SP_EINVAL, "there is one range of each family at most");
		SP_TRY(node_range_init(&c->ranges[c->n_ranges], sp_str_trim(cidr),
				       config->node_mask == 0 ? 24 : config->node_mask,
				       config->node_mask_v6 == 0 ? 64 : config->node_mask_v6, err));
		c->n_ranges++;
	}
	if (c->n_ranges == 2 && c->ranges[0].all.ip.v4 == c->ranges[1].all.ip.v4)
		return sp_fail(err, SP_EINVAL, "there is one range of each family at most");
	SP_TRY(spare_services(c, err));
	SP_TRY(controller_follow(base, SP_NODES, &ipam_desc, &c->nodes, err));
	controller_watch(c->nodes, &c->watch, on_node, c);
	return SP_OK;
}

static void done(controller *base)
{
	ipam *c = SP_CONTAINER_OF(base, ipam, base);
	for (size_t i = 0; i < c->n_ranges; i++)
		node_range_done(&c->ranges[i]);
}

const controller_type controller_node_ipam = {.name = "node-ipam-controller",
					      .account = "node-controller",
					      .component = "cidrAllocator",
					      .size_bytes = sizeof(ipam),
					      .n_workers = 1,
					      .open = open_ipam,
					      .sync = sync_node,
					      .done = done};
