/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins for pods' own fields that are off by default: AlwaysPullImages, ExtendedResourceToleration,
 * LimitPodHardAntiAffinityTopology. U: kubernetes
 * plugin/pkg/admission/{alwayspullimages,extendedresourcetoleration,antiaffinity}/admission.go */
#include "apiserver/admission/admission.h"

#include <stdlib.h>

#include "kube/kinds/resources.h"
#include "kube/meta.h"

static bool is_pod(const api_admit *a)
{
	return (a->op == API_OP_CREATE || a->op == API_OP_UPDATE) && api_admit_is(a, "", "pods", "");
}

static yyjson_mut_val *spec_of(yyjson_mut_val *pod)
{
	return sp_kv_get(pod, "spec");
}

/* In upstream's order of visiting. */
static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};

/* ---- AlwaysPullImages ---- */

static bool has_image(yyjson_mut_val *spec, sp_str image)
{
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, lists[l])) {
			if (sp_str_eq(sp_kv_str(container, "image"), image))
				return true;
		}
	}
	return false;
}

/* Is a container's image one that the pod had not before? All of a new pod's are. */
static bool has_new_image(const api_admit *a)
{
	if (a->op == API_OP_CREATE)
		return true;
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec_of(a->obj), lists[l])) {
			if (!has_image(spec_of(a->old), sp_kv_str(container, "image")))
				return true;
		}
	}
	return false;
}

bool api_admit_pull_images(const api_admit *a)
{
	sp_kind_ctx *c = &a->w->ctx;
	if (!is_pod(a) || !has_new_image(a))
		return true;
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec_of(a->obj), lists[l]))
			SP_KIND_NEED(c,
				     sp_kv_set_str(c->doc, container, "imagePullPolicy", SP_STR("Always")));
	}
	SP_KV_EACH (volume, i, sp_kv_list(spec_of(a->obj), "volumes")) {
		yyjson_mut_val *image = sp_kv_get(volume, "image");
		if (image != NULL)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, image, "pullPolicy", SP_STR("Always")));
	}
	return true;
}

/* What Go says of several errors. */
typedef struct refusals {
	const api_admit *a;
	sp_str text;
	size_t n;
} refusals;

static void check_policy(refusals *r, yyjson_mut_val *of, const char *member, const char *list, size_t i,
			 const char *below)
{
	sp_arena *arena = &r->a->w->arena;
	sp_str policy = sp_kv_str(of, member);
	if (sp_str_eq(policy, SP_STR("Always")))
		return;
	const sp_status s =
		sp_status_forbidden(arena, r->a->w->res->gr, api_admit_name(r->a),
				    sp_arena_printf(arena,
						    "spec.%s[%zu]%s.%s: Unsupported value: \"" SP_FMT
						    "\": supported values: \"Always\"",
						    list, i, below, member, SP_ARG(policy)));
	r->text = r->n == 0 ? s.message
			    : sp_arena_printf(arena, SP_FMT ", " SP_FMT, SP_ARG(r->text), SP_ARG(s.message));
	r->n++;
}

bool api_admit_pull_images_validate(const api_admit *a)
{
	refusals r = {.a = a};
	if (!is_pod(a) || !has_new_image(a))
		return true;
	for (size_t l = 0; l < SP_LEN(lists); l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec_of(a->obj), lists[l]))
			check_policy(&r, container, "imagePullPolicy", lists[l], i, "");
	}
	SP_KV_EACH (volume, i, sp_kv_list(spec_of(a->obj), "volumes")) {
		if (sp_kv_has(volume, "image"))
			check_policy(&r, sp_kv_get(volume, "image"), "pullPolicy", "volumes", i, ".image");
	}
	if (r.n == 0)
		return true;
	/* An aggregate of errors is no status, even one of a single error. */
	const sp_status s = {
		.code = 500,
		.message = r.n == 1 ? r.text : sp_arena_printf(&a->w->arena, "[" SP_FMT "]", SP_ARG(r.text))};
	return api_admit_refuse(a, &s);
}

/* ---- ExtendedResourceToleration ---- */

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* In place of one with the same key, operator, value and effect; behind the others else. */
static bool tolerate(const api_admit *a, yyjson_mut_val *tolerations, sp_str key)
{
	yyjson_mut_doc *doc = a->w->doc;
	SP_KV_EACH (t, i, tolerations) {
		if (sp_str_eq(sp_kv_str(t, "key"), key) && sp_kv_is(t, "operator", "Exists") &&
		    sp_kv_is(t, "effect", "NoSchedule") && sp_kv_str(t, "value").len == 0) {
			sp_kv_drop(t, "tolerationSeconds");
			return true;
		}
	}
	yyjson_mut_val *t = tolerations == NULL ? NULL : yyjson_mut_arr_add_obj(doc, tolerations);
	return t != NULL && sp_kv_set_str(doc, t, "key", key) &&
	       sp_kv_set_str(doc, t, "operator", SP_STR("Exists")) &&
	       sp_kv_set_str(doc, t, "effect", SP_STR("NoSchedule"));
}

static size_t count_requests(yyjson_mut_val *spec)
{
	size_t n = 0;
	for (size_t l = 0; l < 2; l++) {
		SP_KV_EACH (container, i, sp_kv_list(spec, lists[l]))
			n += sp_kv_len(sp_kv_map(sp_kv_get(container, "resources"), "requests"));
	}
	return n;
}

bool api_admit_extended_resources(const api_admit *a)
{
	if (!is_pod(a))
		return true;
	yyjson_mut_val *spec = spec_of(a->obj);
	sp_str *names = sp_try_new(&a->w->arena, sp_str, count_requests(spec) + 1);
	size_t n = 0;
	SP_KIND_NEED(&a->w->ctx, names != NULL);
	for (size_t l = 0; l < 2 && names != NULL; l++) { /* not of ephemeral containers */
		SP_KV_EACH (container, i, sp_kv_list(spec, lists[l])) {
			yyjson_mut_val *requests = sp_kv_map(sp_kv_get(container, "resources"), "requests");
			SP_KV_EACH_MEMBER (key, value, k, requests) {
				(void)value;
				if (sp_res_is_extended(sp_jmut_str(key)))
					names[n++] = sp_jmut_str(key);
			}
		}
	}
	if (n > 0)
		qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++)
		SP_KIND_NEED(&a->w->ctx,
			     tolerate(a, sp_kv_need_list(a->w->doc, spec, "tolerations"), names[i]));
	return true;
}

/* ---- LimitPodHardAntiAffinityTopology ---- */

bool api_admit_anti_affinity(const api_admit *a)
{
	if (!is_pod(a))
		return true;
	yyjson_mut_val *anti = sp_kv_path(spec_of(a->obj), "affinity", "podAntiAffinity", NULL);
	SP_KV_EACH (term, i, sp_kv_list(anti, "requiredDuringSchedulingIgnoredDuringExecution")) {
		sp_str key = sp_kv_str(term, "topologyKey");
		if (!sp_str_eq(key, SP_STR("kubernetes.io/hostname")))
			return api_admit_forbid(
				a,
				"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey " SP_FMT
				" but only key kubernetes.io/hostname is allowed",
				SP_ARG(key));
	}
	return true;
}
