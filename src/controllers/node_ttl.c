/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a kubelet may keep secrets and config maps it has read, as an annotation of its node: longer in
 * larger clusters. U: kubernetes pkg/controller/ttl.
 */
#include "base/num.h"
#include "controllers/common.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)1024)
#define ANNOTATION "node.alpha.kubernetes.io/ttl"

typedef struct ttl_view {
	sp_vmap annotations;
} ttl_view;
SP_VIEW(ttl_desc, ttl_view, "v1/Node", SP_V(ttl_view, annotations, "metadata.annotations"));

typedef struct ttl_controller {
	controller base;
	sp_informer *nodes;
	sp_informer_watch watch;
	size_t step;
} ttl_controller;

typedef struct run {
	sp_job *job;
	sp_call call;
} run;

/* Sizes of clusters overlap, so that one at a boundary does not change all the time. */
static const struct {
	size_t least, most;
	const char *seconds;
} steps[] = {
	{0, 100, "0"}, {90, 500, "15"}, {450, 1000, "30"}, {900, 2000, "60"}, {1800, SIZE_MAX, "300"},
};

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	ttl_controller *c = arg;
	size_t n = sp_informer_count(c->nodes);
	while (n > steps[c->step].most)
		c->step++;
	while (n < steps[c->step].least)
		c->step--;
	if (now != NULL) /* the others when they are heard of the next time */
		controller_enqueue(&c->base, old, now);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void sync_node(controller *base, sp_job *job)
{
	const ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	const sp_object *o = sp_informer_get(c->nodes, job->key);
	ttl_view v;
	sp_str want = sp_str_c(steps[c->step].seconds);
	if (o == NULL || sp_view(job->arena, o->json, &ttl_desc, &v, NULL) != SP_OK ||
	    sp_str_eq(sp_vmap_str(v.annotations, SP_STR(ANNOTATION)), want)) {
		sp_job_done(job, SP_OK);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_open(&j, SP_STR("annotations"), '{');
	sp_jout_member_str(&j, SP_STR(ANNOTATION), want);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.job = job, .call = {.done = on_written, .arg = x}};
	sp_call_start(base->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = o->name,
				.body = sp_buf_view(&body)});
}

static sp_code open_ttl(controller *base, sp_err *err)
{
	ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	SP_TRY(controller_follow(base, SP_NODES, &ttl_desc, &c->nodes, err));
	controller_watch(c->nodes, &c->watch, on_node, c);
	return SP_OK;
}

const controller_type controller_node_ttl = {
	.name = "ttl-controller", .size_bytes = sizeof(ttl_controller), .open = open_ttl, .sync = sync_node};
