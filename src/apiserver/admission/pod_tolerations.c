/* SPDX-License-Identifier: Apache-2.0 */
/* PodTolerationRestriction: namespaces say what their pods tolerate by default and at most. U: kubernetes
 * plugin/pkg/admission/podtolerationrestriction/admission.go */
#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"
#include "apiserver/admission/tolerations.h"
#include "kube/kinds/pod.h"
#include "kube/meta.h"

#define PLUGIN "PodTolerationRestriction"

static bool concerns(const api_admit *a)
{
	return (a->op == API_OP_CREATE || a->op == API_OP_UPDATE) && api_admit_is(a, "", "pods", "");
}

/* An error that is no status. */
static bool refuse(const api_admit *a, sp_str why)
{
	const sp_status s = {.code = 500, .message = why};
	return api_admit_refuse(a, &s);
}

/* The tolerations in a namespace's annotation, an empty list when it is empty; NULL: it has none. False:
 * they can't be read, answered. */
static bool read_annotation(const api_admit *a, yyjson_mut_val *namespace, const char *key,
			    yyjson_mut_val **ret)
{
	yyjson_mut_val *annotations = sp_kv_get(sp_meta(namespace), "annotations");
	sp_str text = sp_kv_str(annotations, key);
	sp_err err = {0};
	*ret = NULL;
	if (!sp_kv_has(annotations, key))
		return true;
	if (text.len == 0) {
		*ret = yyjson_mut_arr(a->w->doc);
	} else if (sp_json_parse_mut(&a->w->arena, text, a->w->doc, ret, &err) != SP_OK) {
		return refuse(a, SP_CONCAT(&a->w->arena, sp_str_c(err.msg)));
	} else if (!yyjson_mut_is_arr(*ret) && !yyjson_mut_is_null(*ret)) {
		return refuse(a, SP_STR("json: cannot unmarshal the annotation into Go value of type "
					"[]v1.Toleration"));
	}
	return true;
}

static yyjson_mut_val *configured(const api_admit *a, const char *member)
{
	return sp_kv_list(api_admission_config_of(a->w->server->admission_config, PLUGIN), member);
}

/* What a new pod gets: the namespace's, even none at all, before the cluster's. */
static bool add_defaults(const api_admit *a, yyjson_mut_val *namespace, yyjson_mut_val *extra)
{
	yyjson_mut_val *list = NULL;
	if (a->op != API_OP_CREATE)
		return true;
	if (!read_annotation(a, namespace, "scheduler.alpha.kubernetes.io/defaultTolerations", &list))
		return false;
	if (list == NULL)
		list = configured(a, "default");
	SP_KV_EACH (t, i, list)
		SP_KIND_NEED(&a->w->ctx, yyjson_mut_arr_append(extra, yyjson_mut_val_mut_copy(a->w->doc, t)));
	return true;
}

static bool add_memory_pressure(const api_admit *a, yyjson_mut_val *extra)
{
	yyjson_mut_doc *doc = a->w->doc;
	sp_str qos = sp_kv_str(sp_kv_get(a->obj, "status"), "qosClass");
	if (qos.len == 0)
		qos = sp_pod_qos(sp_kv_get(a->obj, "spec"));
	if (sp_str_eq(qos, SP_STR("BestEffort")))
		return true;
	yyjson_mut_val *t = yyjson_mut_arr_add_obj(doc, extra);
	return t != NULL && sp_kv_set_str(doc, t, "key", SP_STR("node.kubernetes.io/memory-pressure")) &&
	       sp_kv_set_str(doc, t, "operator", SP_STR("Exists")) &&
	       sp_kv_set_str(doc, t, "effect", SP_STR("NoSchedule"));
}

static bool check_whitelist(const api_admit *a, yyjson_mut_val *namespace)
{
	const char *scope = "namespace";
	yyjson_mut_val *tolerations = sp_kv_list(sp_kv_get(a->obj, "spec"), "tolerations"), *list = NULL;
	if (tolerations == NULL)
		return true;
	if (!read_annotation(a, namespace, "scheduler.alpha.kubernetes.io/tolerationsWhitelist", &list))
		return false;
	if (list == NULL) {
		list = configured(a, "whitelist");
		scope = "cluster";
	}
	SP_KV_EACH (t, i, tolerations) {
		bool covered = sp_kv_len(list) == 0;
		SP_KV_EACH (w, k, list)
			covered = covered || api_toleration_covers(w, t);
		if (!covered)
			return refuse(a,
				      sp_arena_printf(&a->w->arena,
						      "pod tolerations (possibly merged with namespace "
						      "default tolerations) conflict with its %s whitelist",
						      scope));
	}
	return true;
}

bool api_admit_tolerations(const api_admit *a)
{
	if (!concerns(a))
		return true;
	yyjson_mut_val *namespace = api_admit_need_namespace(a, sp_meta_namespace(a->obj));
	yyjson_mut_val *extra = yyjson_mut_arr(a->w->doc), *spec = sp_kv_get(a->obj, "spec");
	if (namespace == NULL)
		return false;
	SP_KIND_NEED(&a->w->ctx, extra != NULL);
	if (extra == NULL || !add_defaults(a, namespace, extra))
		return extra == NULL;
	SP_KIND_NEED(&a->w->ctx, add_memory_pressure(a, extra));
	if (sp_kv_len(extra) > 0)
		SP_KIND_NEED(&a->w->ctx,
			     api_tolerations_merge(a->w->doc, sp_kv_need_list(a->w->doc, spec, "tolerations"),
						   extra));
	return check_whitelist(a, namespace);
}

bool api_admit_tolerations_validate(const api_admit *a)
{
	if (!concerns(a))
		return true;
	yyjson_mut_val *namespace = api_admit_need_namespace(a, sp_meta_namespace(a->obj));
	return namespace != NULL && check_whitelist(a, namespace);
}
