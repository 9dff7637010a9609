/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/job_int.h"
#include "controllers/pod_template.h"
#include "kube/kinds/values.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)

/* The variable that tells a container its index, unless it has one of that name. */
static bool add_env(yyjson_mut_doc *doc, yyjson_mut_val *container)
{
	yyjson_mut_val *list = sp_kv_need_list(doc, container, "env");
	SP_KV_EACH (item, i, list) {
		if (sp_kv_is(item, "name", "JOB_COMPLETION_INDEX"))
			return true;
	}
	yyjson_mut_val *env = yyjson_mut_obj(doc);
	yyjson_mut_val *from = env == NULL ? NULL : sp_kv_need_obj(doc, env, "valueFrom");
	yyjson_mut_val *ref = from == NULL ? NULL : sp_kv_need_obj(doc, from, "fieldRef");
	return list != NULL && ref != NULL &&
	       sp_kv_set_str(doc, env, "name", SP_STR("JOB_COMPLETION_INDEX")) &&
	       sp_kv_set_str(doc, ref, "fieldPath", SP_STR("metadata.labels['" JOB_INDEX "']")) &&
	       yyjson_mut_arr_append(list, env);
}

static bool add_envs(yyjson_mut_doc *doc, yyjson_mut_val *spec)
{
	const char *const lists[] = {"initContainers", "containers"};
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		SP_KV_EACH (item, i, sp_kv_get(spec, lists[k])) {
			if (!add_env(doc, item))
				return false;
		}
	}
	return true;
}

static sp_code indexed_spec(job_run *x, int64_t index, sp_str *ret, sp_err *err)
{
	char text[SP_NUM_TEXT_BYTES];
	yyjson_mut_val *spec;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	SP_TRY(sp_json_thaw(x->job->arena, sp_json_last(x->view.template_, SP_STR("spec")), &spec, err));
	sp_str host = SP_CONCAT(x->job->arena, x->object->name, SP_STR("-"),
				(sp_str){text, sp_print_i64(text, index)});
	bool ok = add_envs(doc, spec);
	if (ok && sp_kv_str(spec, "hostname").len == 0)
		ok = sp_kv_set_str(doc, spec, "hostname", host);
	if (!ok || sp_json_write_mut(&out, spec) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	*ret = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a pod");
}

sp_code job_pod_body(job_run *x, int64_t index, sp_str *ret, sp_err *err)
{
	sp_arena *a = x->job->arena;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	pod_template t = {.template_ = x->view.template_,
			  .generate_name = SP_CONCAT(a, x->object->name, SP_STR("-")),
			  .owner = x->object,
			  .owner_api_version = "batch/v1",
			  .owner_kind = "Job",
			  .finalizers = SP_STR("\"" JOB_FINALIZER "\"")};
	if (index >= 0) {
		t.labels = sp_arena_printf(a, "\"" JOB_INDEX "\":\"%lld\"", (long long)index);
		t.annotations = SP_CONCAT(a, t.labels, job_index_counts(x, index));
		t.generate_name =
			sp_arena_printf(a, SP_FMT "-%lld-", SP_ARG(x->object->name), (long long)index);
		SP_TRY(indexed_spec(x, index, &t.spec, err));
	}
	(void)pod_template_write(&out, &t);
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || ret->ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	return SP_OK;
}
