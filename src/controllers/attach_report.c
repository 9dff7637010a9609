/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached to a node, in its status: a kubelet mounts nothing that does not stand there, and nothing
 * is detached that does. U: kubernetes pkg/controller/volume/attachdetach/statusupdater.
 */
#include <stdlib.h>

#include "base/log.h"
#include "controllers/attach_int.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

typedef struct report {
	attach *t;
	sp_job *job;
	att_node *node;
	sp_call call;
} report;

static bool is_reported(const att_place *p, const att_node_view *v)
{
	if (!p->looked_at)
		return att_node_lists(v, true, p->volume->name);
	return p->is_sure && !p->is_pulled;
}

static int by_name(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* SP_ETOOLARGE. */
static sp_code read_names(const att_node *n, const att_node_view *v, sp_arena *a, sp_str **ret, size_t *ret_n)
{
	size_t count = 0;
	SP_LIST_FOREACH (l, &n->places)
		count++;
	sp_str *names = sp_try_new(a, sp_str, count + 1);
	if (names == NULL)
		return SP_ETOOLARGE;
	*ret_n = 0;
	SP_LIST_FOREACH (l, &n->places) {
		const att_place *p = ATT_PLACE_OF_NODE(l);
		if (is_reported(p, v))
			names[(*ret_n)++] = p->volume->name;
	}
	qsort(names, *ret_n, sizeof *names, by_name);
	*ret = names;
	return SP_OK;
}

static bool is_same(const att_node_view *v, const sp_str *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!att_node_lists(v, true, names[i]))
			return false;
	}
	return v->attached.n == n;
}

static void on_written(sp_call *c, const sp_answer *a)
{
	report *x = c->arg;
	attach *t = x->t;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND)
		sp_log(t->base.log, SP_LOG_WARN, "attached volumes not written: trying again",
		       SP_KS("node", x->node->name), SP_KE(a->err));
	/* Those that are to be detached waited for this end: the event may have come before the answer. */
	SP_LIST_FOREACH (l, &x->node->places) {
		if (ATT_PLACE_OF_NODE(l)->unwanted_since_ns > 0)
			att_enqueue(t, ATT_VOLUME_KEY, ATT_PLACE_OF_NODE(l)->volume->name);
	}
	att_node_written(&t->memory, x->node);
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static sp_code write_body(sp_buf *out, const sp_str *names, size_t n)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("status"), '{');
	if (n == 0) {
		sp_jout_key(&j, SP_STR("volumesAttached"));
		sp_jout_null(&j);
	} else {
		sp_jout_member_open(&j, SP_STR("volumesAttached"), '[');
		for (size_t i = 0; i < n; i++) {
			sp_jout_open(&j, '{');
			sp_jout_member_str(&j, SP_STR("name"), names[i]);
			sp_jout_member_str(&j, SP_STR("devicePath"), SP_STR(""));
			sp_jout_close(&j, '}');
		}
		sp_jout_close(&j, ']');
	}
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

void att_sync_node(attach *t, sp_job *job, sp_str name)
{
	report *x = sp_new(job->arena, report, 1);
	att_node *n = att_node_find(&t->memory, name);
	att_node_view v;
	sp_str *names;
	size_t n_names;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (n == NULL || !att_node_read(t, job->arena, name, &v)) {
		sp_job_done(job, SP_OK);
		return;
	}
	sp_code code = read_names(n, &v, job->arena, &names, &n_names);
	if (code == SP_OK && !is_same(&v, names, n_names))
		code = write_body(&body, names, n_names);
	if (code != SP_OK || sp_buf_view(&body).len == 0) {
		sp_job_done(job, code);
		return;
	}
	*x = (report){.t = t, .job = job, .node = n, .call = {.done = on_written, .arg = x}};
	n->is_writing = true;
	sp_call_start(t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}
