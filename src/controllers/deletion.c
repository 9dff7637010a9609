/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/deletion.h"

#define BODY_BYTES_MAX 4096u

sp_code ctl_deletion(sp_arena *a, sp_gvr gvr, const sp_object *o, const sp_delete_opts *more, sp_ask *q,
		     sp_err *err)
{
	sp_delete_opts opts = more == NULL ? (sp_delete_opts){.has_grace = false} : *more;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	opts.uid = o->uid;
	sp_code code = sp_patch_delete_opts(&body, &opts);
	q->verb = SP_ASK_DELETE;
	q->gvr = gvr;
	q->ns = o->ns;
	q->name = o->name;
	q->body = sp_arena_try_dup(a, sp_buf_view(&body));
	return code == SP_OK && q->body.ptr != NULL ? SP_OK
						    : sp_fail(err, SP_ENOMEM, "no memory for a deletion");
}

bool ctl_is_deleted(const sp_answer *a)
{
	return a->code == SP_OK || a->code == SP_ENOTFOUND || a->code == SP_ECONFLICT;
}

/* ---- of one object ---- */

typedef struct deletion {
	sp_job *job;
	sp_call call;
} deletion;

static void on_deleted(sp_call *c, const sp_answer *a)
{
	const deletion *d = c->arg;
	sp_job_done(d->job, ctl_is_deleted(a) ? SP_OK : a->code);
}

void ctl_delete(sp_client *c, sp_job *job, sp_gvr gvr, const sp_object *o, const sp_delete_opts *more)
{
	deletion *d = sp_new(job->arena, deletion, 1);
	sp_ask q = {.verb = SP_ASK_DELETE};
	sp_code code = ctl_deletion(job->arena, gvr, o, more, &q, NULL);
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	*d = (deletion){.job = job, .call = {.done = on_deleted, .arg = d}};
	sp_call_start(c, &d->call, &q);
}

static void on_marked(sp_call *c, const sp_answer *a)
{
	const ctl_eviction *e = c->arg;
	if (a->code != SP_OK)
		sp_job_done(e->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
	else
		ctl_delete(e->client, e->job, SP_PODS, e->pod, NULL);
}

void ctl_evict(ctl_eviction *e, sp_str now, const char *reason, const char *message)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_buf_printf(
		&body,
		"{\"metadata\":{\"uid\":\"" SP_FMT
		"\"},\"status\":{\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\","
		"\"reason\":\"%s\",\"message\":\"%s\",\"lastTransitionTime\":\"" SP_FMT "\"}]}}",
		SP_ARG(e->pod->uid), reason, message, SP_ARG(now));
	e->call = (sp_call){.done = on_marked, .arg = e};
	sp_call_start(e->client, &e->call,
		      &(sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
				.gvr = SP_PODS,
				.ns = e->pod->ns,
				.name = e->pod->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}
