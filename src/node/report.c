/* SPDX-License-Identifier: Apache-2.0 */
/* What the API is told of a pod. U: kubernetes pkg/kubelet/status/status_manager.go. */
#include "node/node_int.h"

#include "base/json_out.h"
#include "client/patch.h"

#define STATUS_BYTES_MAX ((size_t)1 << 20)
#define TELL_AGAIN_NS (5 * NODE_SECOND_NS)

static void on_again(sp_timer *t)
{
	node_worker_poke(t->arg);
}

static void tell_later(node_worker *w)
{
	w->report_again.arg = w;
	sp_timer_start(w->agent->world, &w->report_again, TELL_AGAIN_NS, on_again);
}

/* The answer is the pod as it is now. */
static void take_answer(node_worker *w, sp_str body)
{
	const sp_object *o;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_POD_BYTES_MAX);
	if (sp_object_parse(&arena, body, NULL, &o, NULL) != SP_OK)
		return;
	if (sp_str_eq(o->uid, w->uid)) {
		node_told_set(w, o);
		node_worker_set(w, o);
	}
	(void)sp_object_unref(o);
}

static void on_reported(sp_call *c, const sp_answer *a)
{
	node_worker *w = c->arg;
	if (a->code == SP_OK) {
		w->reported = sp_bytes_unref(w->reported);
		w->reported = SP_TAKE(w->reporting);
		take_answer(w, a->body);
	} else {
		w->reporting = sp_bytes_unref(w->reporting);
		/* A pod that is not there any more, or another one of its name: its watch will tell. */
		if (a->code != SP_ENOTFOUND && a->code != SP_ECONFLICT) {
			sp_log(w->agent->log, SP_LOG_WARN, "the status of a pod was not taken",
			       SP_KS("pod", w->name), SP_KS("err", a->message));
			tell_later(w);
		}
	}
	node_told_look(w); /* it may have been changed meanwhile */
	if (w->report_waits) {
		w->report_waits = false;
		node_worker_poke(w);
	}
}

static sp_code status_text(node_worker *w, int64_t now_ns, sp_buf *out, sp_err *err)
{
	node_status_input in = node_worker_status_input(w);
	return node_status_json(out, &in, &w->status, now_ns, err);
}

static void send(node_worker *w, sp_str status)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, STATUS_BYTES_MAX + 4096);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), w->own == NULL ? w->uid : sp_str_c(w->mirror_uid));
	sp_jout_close(&j, '}');
	sp_jout_member_raw(&j, SP_STR("status"), status);
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK)
		return;
	w->report_call = (sp_call){.done = on_reported, .arg = w};
	sp_call_start(w->agent->client, &w->report_call,
		      &(sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
				.gvr = SP_PODS,
				.ns = w->ns,
				.name = w->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

void node_report(node_worker *w)
{
	if (w->own != NULL && w->mirror_uid[0] == '\0')
		return; /* its mirror's coming brings another turn */
	SP_AUTO_BUF plain, full;
	sp_err err = {0};
	sp_buf_init(&plain, STATUS_BYTES_MAX);
	sp_buf_init(&full, STATUS_BYTES_MAX);
	if (status_text(w, 0, &plain, &err) != SP_OK ||
	    status_text(w, sp_wall_ns(w->agent->world), &full, &err) != SP_OK) {
		sp_log(w->agent->log, SP_LOG_ERROR, "the status of a pod can't be told",
		       SP_KS("pod", w->name), SP_KE(&err));
		return;
	}
	if (sp_call_is_running(&w->report_call)) {
		if (w->reporting == NULL || !sp_str_eq(sp_bytes_view(w->reporting), sp_buf_view(&plain)))
			w->report_waits = true;
		return;
	}
	if (w->reported != NULL && sp_str_eq(sp_bytes_view(w->reported), sp_buf_view(&plain)))
		return;
	sp_timer_stop(w->agent->world, &w->report_again);
	w->reporting = sp_bytes_try_dup(sp_buf_view(&plain));
	send(w, sp_buf_view(&full));
}

static void on_deleted(sp_call *c, const sp_answer *a)
{
	node_worker *w = c->arg;
	if (a->code == SP_OK || a->code == SP_ENOTFOUND) {
		w->delete_done = true;
		return; /* the watch tells when it is gone */
	}
	sp_log(w->agent->log, SP_LOG_WARN, "a pod was not deleted", SP_KS("pod", w->name),
	       SP_KS("err", a->message));
	tell_later(w);
}

void node_report_deleted(node_worker *w)
{
	if (sp_call_is_running(&w->delete_call) || w->delete_done)
		return;
	/* What it came to is told first. */
	if (sp_call_is_running(&w->report_call)) {
		w->report_waits = true;
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	if (sp_patch_delete_opts(&body, &(sp_delete_opts){.uid = w->uid, .has_grace = true}) != SP_OK)
		return;
	w->delete_call = (sp_call){.done = on_deleted, .arg = w};
	sp_call_start(w->agent->client, &w->delete_call,
		      &(sp_ask){.verb = SP_ASK_DELETE,
				.gvr = SP_PODS,
				.ns = w->ns,
				.name = w->name,
				.body = sp_buf_view(&body)});
}

void node_report_cancel(node_worker *w)
{
	sp_call_cancel(&w->report_call);
	sp_call_cancel(&w->delete_call);
	sp_timer_stop(w->agent->world, &w->report_again);
	node_told_free(w);
	w->reported = sp_bytes_unref(w->reported);
	w->reporting = sp_bytes_unref(w->reporting);
}
