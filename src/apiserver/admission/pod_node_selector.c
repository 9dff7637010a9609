/* SPDX-License-Identifier: Apache-2.0 */
/* PodNodeSelector: which nodes the pods of a namespace may ask for. U: kubernetes
 * plugin/pkg/admission/podnodeselector/admission.go, apimachinery pkg/labels/labels.go */
#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"
#include "kube/meta.h"

#define ANNOTATION "scheduler.alpha.kubernetes.io/node-selector"

static bool concerns(const api_admit *a)
{
	return a->op == API_OP_CREATE && api_admit_is(a, "", "pods", "");
}

/* An error that is no status. */
static bool refuse(const api_admit *a, sp_str why)
{
	const sp_status s = {.code = 500, .message = why};
	return api_admit_refuse(a, &s);
}

/* ---- selectors as text ---- */

/* Go's %s of what lies between the signs of equality. */
static sp_str parts_of(const api_admit *a, sp_str term)
{
	sp_str part, all = SP_STR("[");
	while (sp_str_cut(&term, '=', &part))
		all = SP_CONCAT(&a->w->arena, all, part, SP_STR(" "));
	return SP_CONCAT(&a->w->arena, all, term, SP_STR("]"));
}

static bool take_term(const api_admit *a, sp_str term, yyjson_mut_val *labels)
{
	sp_violations v;
	sp_str key, value = term;
	if (!sp_str_cut(&value, '=', &key) || sp_str_index(value, '=') >= 0)
		return refuse(a, SP_CONCAT(&a->w->arena, SP_STR("invalid selector: "), parts_of(a, term)));
	key = sp_str_trim(key);
	value = sp_str_trim(value);
	sp_violations_init(&v, &a->w->arena);
	sp_label_key_validate(&v, SP_PATH("<nil>"), key);
	if (v.n == 0)
		sp_v_faults(&v, SP_AT_KEY(SP_PATH(""), key), value, sp_name_label_value(value));
	SP_KIND_NEED(&a->w->ctx, v.code == SP_OK);
	if (v.n > 0)
		return refuse(a, sp_violations_text(&a->w->arena, &v));
	SP_KIND_NEED(&a->w->ctx, labels != NULL && sp_jmut_set_str(a->w->doc, labels, key, value));
	return true;
}

/* "a=b,c=d" as an object. NULL: it is no such text, answered. */
static yyjson_mut_val *read_selector(const api_admit *a, sp_str text)
{
	sp_str term;
	yyjson_mut_val *labels = yyjson_mut_obj(a->w->doc);
	SP_KIND_NEED(&a->w->ctx, labels != NULL);
	bool more = text.len > 0, ok = true;
	while (more && ok) {
		more = sp_str_cut(&text, ',', &term);
		ok = take_term(a, more ? term : text, labels);
	}
	return ok ? labels : NULL;
}

/* ---- the plugin ---- */

static yyjson_mut_val *configured(const api_admit *a)
{
	return sp_kv_get(api_admission_config_of(a->w->server->admission_config, "PodNodeSelector"),
			 "podNodeSelectorPluginConfig");
}

/* What the namespace wants of all its pods, else the cluster's default. NULL: answered. */
static yyjson_mut_val *selector_of(const api_admit *a)
{
	yyjson_mut_val *namespace = api_admit_need_namespace(a, sp_meta_namespace(a->obj));
	yyjson_mut_val *annotations = sp_kv_get(sp_meta(namespace), "annotations");
	if (namespace == NULL)
		return NULL;
	return read_selector(a, sp_kv_has(annotations, ANNOTATION)
					? sp_kv_str(annotations, ANNOTATION)
					: sp_kv_str(configured(a), "clusterDefaultNodeSelector"));
}

static bool agrees(const api_admit *a, yyjson_mut_val *wanted)
{
	yyjson_mut_val *own = sp_kv_get(sp_kv_get(a->obj, "spec"), "nodeSelector");
	SP_KV_EACH_MEMBER (key, value, i, wanted) {
		yyjson_mut_val *had = sp_jmut_get(own, sp_jmut_str(key));
		if (had != NULL && !sp_str_eq(sp_jmut_str(had), sp_jmut_str(value)))
			return api_admit_forbid(a, "pod node label selector conflicts with its namespace "
						   "node label selector");
	}
	return true;
}

/* No label but those that the configuration lists for the namespace. */
static bool check_whitelist(const api_admit *a)
{
	yyjson_mut_val *listed =
		sp_jmut_get(configured(a), sp_meta_namespace(a->obj)); /* a name may be any text */
	yyjson_mut_val *whitelist = read_selector(a, sp_jmut_str(listed));
	if (whitelist == NULL)
		return false;
	SP_KV_EACH_MEMBER (key, value, i, sp_kv_get(sp_kv_get(a->obj, "spec"), "nodeSelector")) {
		yyjson_mut_val *may = sp_jmut_get(whitelist, sp_jmut_str(key));
		if (sp_kv_len(whitelist) > 0 &&
		    (may == NULL || !sp_str_eq(sp_jmut_str(may), sp_jmut_str(value))))
			return api_admit_forbid(
				a, "pod node label selector labels conflict with its namespace whitelist");
	}
	return true;
}

bool api_admit_node_selector_validate(const api_admit *a)
{
	if (!concerns(a))
		return true;
	yyjson_mut_val *wanted = selector_of(a);
	return wanted != NULL && agrees(a, wanted) && check_whitelist(a);
}

bool api_admit_node_selector(const api_admit *a)
{
	if (!concerns(a))
		return true;
	yyjson_mut_val *wanted = selector_of(a), *spec = sp_kv_get(a->obj, "spec");
	if (wanted == NULL || !agrees(a, wanted))
		return false;
	SP_KV_EACH_MEMBER (key, value, i, wanted) {
		yyjson_mut_val *own = sp_kv_need_obj(a->w->doc, spec, "nodeSelector");
		SP_KIND_NEED(&a->w->ctx, own != NULL && sp_jmut_set_str(a->w->doc, own, sp_jmut_str(key),
									sp_jmut_str(value)));
	}
	return api_admit_node_selector_validate(a);
}
