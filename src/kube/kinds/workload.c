/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/workload.h"

#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/pod.h"
#include "kube/meta.h"

const char *const sp_reset_status[] = {"status", NULL};
const char *const sp_reset_spec[] = {"spec", NULL};
const char *const sp_reset_spec_labels[] = {"spec", "metadata.labels", NULL};

bool sp_kv_selector(sp_kind_ctx *c, yyjson_mut_val *selector, sp_selector *ret)
{
	SP_AUTO_BUF text = {.len = 0};
	yyjson_val *frozen = NULL;
	if (selector == NULL) {
		*ret = (sp_selector){.nothing = true};
		return true;
	}
	sp_buf_init(&text, c->arena->limit_bytes);
	sp_code code = sp_json_write_mut(&text, selector);
	if (code == SP_OK)
		code = sp_json_parse(c->arena, sp_buf_view(&text), &frozen, NULL);
	if (code == SP_OK)
		code = sp_labels_of_object(c->arena, frozen, ret, NULL);
	SP_KIND_NEED(c, code == SP_OK || code == SP_EINVAL);
	return code == SP_OK;
}

bool sp_kv_selects(sp_kind_ctx *c, const sp_selector *s, yyjson_mut_val *labels)
{
	size_t n = sp_kv_len(labels);
	sp_label *list = sp_try_new(c->arena, sp_label, n + 1);
	SP_KIND_NEED(c, list != NULL);
	if (list == NULL)
		return false;
	SP_KV_EACH_MEMBER (key, val, i, labels) {
		list[i] = (sp_label){sp_jmut_str(key), sp_jmut_str(val)};
	}
	return sp_labels_match(s, list, n);
}

bool sp_kv_selector_empty(yyjson_mut_val *selector)
{
	return sp_kv_map(selector, "matchLabels") == NULL && sp_kv_list(selector, "matchExpressions") == NULL;
}

/* The figure of a percentage; false when it is none. */
static bool percentage(const yyjson_mut_val *value, int64_t *ret)
{
	sp_int_or_str x = sp_kv_int_or_str(value);
	if (!x.is_str || sp_fmt_percent(x.str).n > 0)
		return false;
	int64_t n = 0;
	for (size_t i = 0; i + 1 < x.str.len && n < INT32_MAX; i++)
		n = n * 10 + (x.str.ptr[i] - '0');
	*ret = n;
	return true;
}

int64_t sp_int_or_percent(const yyjson_mut_val *value)
{
	int64_t n = 0;
	return percentage(value, &n) ? n : sp_kv_int_or_str(value).num;
}

void sp_v_int_or_percent(sp_violations *v, const sp_path *path, yyjson_mut_val *value)
{
	sp_int_or_str x = sp_kv_int_or_str(value);
	sp_name_faults faults = {.n = 0};
	if (!x.is_str)
		sp_v_non_negative(v, path, x.num);
	else
		faults = sp_fmt_percent(x.str);
	for (size_t i = 0; i < faults.n; i++)
		sp_v_invalid(v, path, value, SP_FMT SP_FMT, SP_ARG(faults.items[i].prefix),
			     SP_ARG(faults.items[i].text));
}

void sp_v_at_most_100_percent(sp_violations *v, const sp_path *path, yyjson_mut_val *value)
{
	int64_t n;
	if (percentage(value, &n) && n > 100)
		sp_v_invalid(v, path, value, "must not be greater than 100%%");
}

yyjson_mut_val *sp_rolling_update_defaults(sp_kind_ctx *c, yyjson_mut_val *obj, const char *name)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec"), *rolling = NULL;
	yyjson_mut_val *strategy = spec != NULL ? sp_kv_need_obj(c->doc, spec, name) : NULL;
	SP_KIND_NEED(c, strategy != NULL);
	if (strategy == NULL)
		return NULL;
	if (sp_kv_str(strategy, "type").len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, strategy, "type", SP_STR("RollingUpdate")));
	if (sp_kv_is(strategy, "type", "RollingUpdate")) {
		rolling = sp_kv_need_obj(c->doc, strategy, "rollingUpdate");
		SP_KIND_NEED(c, rolling != NULL);
	}
	return rolling;
}

void sp_v_counts(sp_violations *v, const sp_path *path, yyjson_mut_val *object, const char *const *names,
		 size_t n)
{
	for (size_t i = 0; i < n; i++)
		sp_v_non_negative(v, SP_AT_STR(path, sp_str_c(names[i])), sp_kv_i64(object, names[i], 0));
}

void sp_v_not_above(sp_violations *v, const sp_path *path, yyjson_mut_val *status, const char *name,
		    const char *limit, const char *text)
{
	int64_t n = sp_kv_i64(status, name, 0);
	if (n > sp_kv_i64(status, limit, 0))
		sp_v_invalid(v, SP_AT_STR(path, sp_str_c(name)), n, "%s", text);
}

void sp_v_collisions(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *now = sp_kv_path(obj, "status", "collisionCount", NULL);
	yyjson_mut_val *was = sp_kv_path(old, "status", "collisionCount", NULL);
	if (was != NULL && (now == NULL || sp_kv_num(now, 0) < sp_kv_num(was, 0)))
		sp_v_invalid(v, SP_PATH("status.collisionCount"), sp_kv_num(now, 0), "cannot be decremented");
}

bool sp_v_workload_selector(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path, const char *noun,
			    const char *bad)
{
	yyjson_mut_val *selector = sp_kv_get(spec, "selector");
	const sp_path *at = SP_AT(path, "selector");
	sp_selector s;
	if (selector == NULL) {
		sp_v_required(c->errors, at, "%s", "");
		return true;
	}
	sp_label_selector_validate(c->errors, at, selector, 0);
	if (sp_kv_selector_empty(selector))
		sp_v_invalid(c->errors, at, selector, "empty selector is invalid for %s", noun);
	if (sp_kv_selector(c, selector, &s))
		return true;
	sp_v_invalid(c->errors, at, selector, "%s", bad);
	return false;
}

void sp_v_selects_template(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path)
{
	sp_selector s;
	yyjson_mut_val *labels = sp_kv_path(spec, "template", "metadata", "labels", NULL);
	if (!sp_kv_selector(c, sp_kv_get(spec, "selector"), &s) || sp_kv_selects(c, &s, labels))
		return;
	sp_v_invalid(c->errors, SP_AT(path, "metadata.labels"), labels,
		     "`selector` does not match template `labels`");
}

void sp_v_runs_forever(sp_violations *v, yyjson_mut_val *pod_template, const sp_path *path, const char *noun)
{
	static const char *const always[] = {"Always"};
	yyjson_mut_val *spec = sp_kv_get(pod_template, "spec");
	sp_str policy = sp_kv_str(spec, "restartPolicy");
	if (!SP_STR_IN(policy, always))
		sp_v_not_supported(v, SP_AT(path, "spec.restartPolicy"), sp_bad_named(policy), always,
				   SP_LEN(always));
	if (sp_kv_has(spec, "activeDeadlineSeconds"))
		sp_v_forbidden(v, SP_AT(path, "spec.activeDeadlineSeconds"),
			       "activeDeadlineSeconds in %s is not Supported", noun);
}

yyjson_mut_val *sp_workload_names_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_container_names_cell(c, sp_kv_path(obj, "spec", "template", "spec", NULL));
}

yyjson_mut_val *sp_workload_images_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_pod_images_cell(c, sp_kv_path(obj, "spec", "template", "spec", NULL));
}

yyjson_mut_val *sp_workload_selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_selector(c, sp_kv_path(obj, "spec", "selector", NULL));
}

yyjson_mut_val *sp_workload_ready_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_printf(c, "%lld/%lld",
			      (long long)sp_kv_i64(sp_kv_get(obj, "status"), "readyReplicas", 0),
			      (long long)sp_kv_i64(sp_kv_get(obj, "spec"), "replicas", 0));
}
