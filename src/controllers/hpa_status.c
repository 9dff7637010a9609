/* SPDX-License-Identifier: Apache-2.0 */
/* The status of an autoscaler, and how Go prints what stands in its messages. */
#include <stdlib.h>

#include "base/log.h"
#include "base/quantity.h"
#include "controllers/hpa_int.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define TEXT_BYTES_MAX ((size_t)64 << 10)

sp_str hpa_amount_text(sp_arena *a, int64_t milli, bool binary)
{
	const sp_qty q = {.nanos = (__int128)milli * 1000000,
			  .format = binary ? SP_QTY_BINARY_SI : SP_QTY_DECIMAL_SI};
	return sp_qty_print(a, q);
}

/* ---- selectors as Go prints them ---- */

static int by_text(const void *x, const void *y)
{
	return sp_str_cmp(*(const sp_str *)x, *(const sp_str *)y);
}

static void put_labels(sp_arena *a, sp_buf *out, yyjson_val *labels)
{
	yyjson_val *key;
	size_t n = 0;
	sp_str *keys = sp_try_new(a, sp_str, yyjson_obj_size(labels) + 1);
	yyjson_obj_iter it = yyjson_obj_iter_with(labels);
	while (keys != NULL && (key = yyjson_obj_iter_next(&it)) != NULL)
		keys[n++] = sp_json_str(key);
	if (n > 1)
		qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(out, SP_FMT ": " SP_FMT ",", SP_ARG(keys[i]),
				    SP_ARG(sp_json_str(sp_json_last(labels, keys[i]))));
}

static void put_requirements(sp_buf *out, yyjson_val *list)
{
	yyjson_val *r, *value;
	size_t i, n, k, m;
	yyjson_arr_foreach(list, i, n, r)
	{
		(void)sp_buf_printf(out,
				    "LabelSelectorRequirement{Key:" SP_FMT ",Operator:" SP_FMT ",Values:[",
				    SP_ARG(sp_json_str(sp_json_last(r, SP_STR("key")))),
				    SP_ARG(sp_json_str(sp_json_last(r, SP_STR("operator")))));
		yyjson_arr_foreach(sp_json_last(r, SP_STR("values")), k, m, value)(void)
			sp_buf_printf(out, "%s" SP_FMT, k == 0 ? "" : " ", SP_ARG(sp_json_str(value)));
		(void)sp_buf_printf(out, "],},");
	}
}

sp_str hpa_selector_text(sp_arena *a, yyjson_val *selector)
{
	SP_AUTO_BUF out;
	if (selector == NULL)
		return SP_STR("nil");
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_printf(&out, "&LabelSelector{MatchLabels:map[string]string{");
	put_labels(a, &out, sp_json_last(selector, SP_STR("matchLabels")));
	(void)sp_buf_printf(&out, "},MatchExpressions:[]LabelSelectorRequirement{");
	put_requirements(&out, sp_json_last(selector, SP_STR("matchExpressions")));
	(void)sp_buf_printf(&out, "},}");
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* ---- the status ---- */

/* Metrics that failed are told of without any figure. */
static void put_metrics(sp_jout *j, const hpa_run *x)
{
	if (!x->has_statuses)
		return;
	sp_jout_member_open(j, SP_STR("currentMetrics"), '[');
	for (size_t i = 0; i < x->n_metrics; i++)
		sp_jout_raw(j,
			    x->metrics[i].status.len > 0 ? x->metrics[i].status : SP_STR("{\"type\":\"\"}"));
	sp_jout_close(j, ']');
}

static void put_status(sp_jout *j, const hpa_run *x)
{
	sp_str last = x->rescaled ? ctl_now(x->h->base.world, x->arena) : x->v.last_scale;
	sp_jout_open(j, '{');
	if (last.len > 0)
		sp_jout_member_str(j, SP_STR("lastScaleTime"), last);
	if (x->current != 0)
		sp_jout_member_i64(j, SP_STR("currentReplicas"), x->current);
	sp_jout_member_i64(j, SP_STR("desiredReplicas"), x->desired);
	put_metrics(j, x);
	ctl_conditions_write(j, &x->conditions);
	sp_jout_close(j, '}');
}

/* Members that are null are not there: the server writes some always. */
static yyjson_mut_val *old_status(const hpa_run *x, yyjson_mut_doc *doc)
{
	yyjson_mut_val *v = x->v.status == NULL ? yyjson_mut_obj(doc) : yyjson_val_mut_copy(doc, x->v.status);
	if (yyjson_mut_is_null(yyjson_mut_obj_get(v, "currentMetrics")))
		(void)yyjson_mut_obj_remove_key(v, "currentMetrics");
	return v;
}

static sp_code make_patch(hpa_run *x, sp_buf *out, bool *ret_changed, sp_err *err)
{
	yyjson_mut_val *now;
	SP_AUTO_BUF text;
	yyjson_mut_doc *doc = sp_json_doc(x->arena);
	sp_buf_init(&text, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	put_status(&j, x);
	yyjson_mut_val *old = doc == NULL ? NULL : old_status(x, doc);
	if (old == NULL || sp_buf_code(&text) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for a status");
	SP_TRY(sp_json_parse_mut(x->arena, sp_buf_view(&text), doc, &now, err));
	return sp_patch_member(out, x->arena, "status", old, now, x->o, ret_changed, err);
}

static void end(hpa_run *x)
{
	sp_job_again(x->job, x->h->period_ns);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	hpa_run *x = c->arg;
	if (a->code != SP_OK)
		hpa_event(x, true, "FailedUpdateStatus",
			  hpa_why(x, a, "patch", SP_STR("horizontalpodautoscalers.autoscaling")));
	end(x);
}

void hpa_status_write(hpa_run *x)
{
	SP_AUTO_BUF body;
	bool changed = false;
	sp_err err = {0};
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_code code = make_patch(x, &body, &changed, &err);
	if (code != SP_OK)
		sp_log(x->h->base.log, SP_LOG_ERROR, "no status of an autoscaler", SP_KE(&err));
	if (code != SP_OK || !changed) {
		end(x);
		return;
	}
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->h->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_GVR("autoscaling", "v2", "horizontalpodautoscalers"),
				.ns = x->o->ns,
				.name = x->o->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}
