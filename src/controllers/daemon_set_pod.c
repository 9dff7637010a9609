/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/daemon_set_int.h"
#include "controllers/pod_template.h"
#include "kube/kinds/values.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)

/* ---- tolerations: daemons stay on nodes that are in trouble ---- */

static const struct {
	const char *key, *effect;
	bool host_network_only;
} tolerations[] = {
	{"node.kubernetes.io/not-ready", "NoExecute", false},
	{"node.kubernetes.io/unreachable", "NoExecute", false},
	{"node.kubernetes.io/disk-pressure", "NoSchedule", false},
	{"node.kubernetes.io/memory-pressure", "NoSchedule", false},
	{"node.kubernetes.io/pid-pressure", "NoSchedule", false},
	{"node.kubernetes.io/unschedulable", "NoSchedule", false},
	{"node.kubernetes.io/network-unavailable", "NoSchedule", true},
};

static bool tolerate(yyjson_mut_doc *doc, yyjson_mut_val *list, const char *key, const char *effect)
{
	SP_KV_EACH (item, i, list) {
		if (!sp_kv_is(item, "key", key) || !sp_kv_is(item, "effect", effect) ||
		    !sp_kv_is(item, "operator", "Exists") || sp_kv_str(item, "value").len > 0)
			continue;
		sp_kv_drop(item, "tolerationSeconds"); /* for ever */
		return true;
	}
	yyjson_mut_val *item = yyjson_mut_obj(doc);
	return item != NULL && sp_kv_set_str(doc, item, "key", sp_str_c(key)) &&
	       sp_kv_set_str(doc, item, "operator", SP_STR("Exists")) &&
	       sp_kv_set_str(doc, item, "effect", sp_str_c(effect)) && yyjson_mut_arr_append(list, item);
}

sp_code ds_make_spec(ds_run *x, sp_err *err)
{
	yyjson_mut_val *spec;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	SP_TRY(sp_json_thaw(x->job->arena, sp_json_last(x->view.template_, SP_STR("spec")), &spec, err));
	yyjson_mut_val *list = sp_kv_need_list(doc, spec, "tolerations");
	bool ok = list != NULL, host = sp_kv_bool(spec, "hostNetwork");
	for (size_t i = 0; ok && i < SP_LEN(tolerations); i++) {
		if (host || !tolerations[i].host_network_only)
			ok = tolerate(doc, list, tolerations[i].key, tolerations[i].effect);
	}
	if (!ok || sp_json_write_mut(&out, spec) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	return sp_json_parse(x->job->arena, sp_buf_view(&out), &x->spec, err);
}

/* ---- affinity: the node and no other ---- */

static bool bind_to(yyjson_mut_doc *doc, yyjson_mut_val *spec, sp_str node)
{
	static const char required[] = "requiredDuringSchedulingIgnoredDuringExecution";
	yyjson_mut_val *affinity = sp_kv_need_obj(doc, spec, "affinity");
	yyjson_mut_val *of_node = affinity == NULL ? NULL : sp_kv_need_obj(doc, affinity, "nodeAffinity");
	yyjson_mut_val *need = of_node == NULL ? NULL : sp_kv_need_obj(doc, of_node, required);
	yyjson_mut_val *terms = yyjson_mut_arr(doc), *term = yyjson_mut_obj(doc), *req = yyjson_mut_obj(doc);
	if (need == NULL || terms == NULL || term == NULL || req == NULL)
		return false;
	yyjson_mut_val *fields = sp_kv_need_list(doc, term, "matchFields");
	if (fields == NULL || !sp_kv_set_str(doc, req, "key", SP_STR("metadata.name")) ||
	    !sp_kv_set_str(doc, req, "operator", SP_STR("In")))
		return false;
	yyjson_mut_val *values = sp_kv_need_list(doc, req, "values");
	return values != NULL && sp_kv_append_str(doc, values, node) && yyjson_mut_arr_append(fields, req) &&
	       yyjson_mut_arr_append(terms, term) && sp_kv_set(doc, need, "nodeSelectorTerms", terms);
}

static sp_code bound_spec(ds_run *x, sp_str node, sp_str *ret, sp_err *err)
{
	yyjson_mut_val *spec;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	SP_TRY(sp_json_thaw(x->job->arena, x->spec, &spec, err));
	if (!bind_to(doc, spec, node) || sp_json_write_mut(&out, spec) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	*ret = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a pod");
}

/* ---- the pod ---- */

sp_str ds_template_generation(const ds_run *x)
{
	int64_t n;
	sp_str text = sp_vmap_str(x->view.annotations, SP_STR("deprecated.daemonset.template.generation"));
	return text.len > 0 && sp_parse_i64(text, INT64_MIN, INT64_MAX, &n, NULL) == SP_OK ? text
											   : SP_STR("");
}

sp_code ds_pod_body(ds_run *x, sp_str node, sp_str *ret, sp_err *err)
{
	sp_arena *a = x->job->arena;
	sp_str hash = ctl_revision_hash_of(x->history.now), generation = ds_template_generation(x);
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	pod_template t = {
		.template_ = x->view.template_,
		.generate_name = SP_CONCAT(a, x->object->name, SP_STR("-")),
		.owner = x->object,
		.owner_api_version = "apps/v1",
		.owner_kind = "DaemonSet",
		.labels = sp_arena_printf(a, "\"" CTL_REVISION_HASH "\":\"" SP_FMT "\"", SP_ARG(hash))};
	if (generation.len > 0)
		t.labels = SP_CONCAT(a, t.labels, SP_STR(",\"pod-template-generation\":\""), generation,
				     SP_STR("\""));
	SP_TRY(bound_spec(x, node, &t.spec, err));
	(void)pod_template_write(&out, &t);
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	if (t.labels.ptr == NULL || sp_buf_code(&out) != SP_OK || ret->ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	return SP_OK;
}
