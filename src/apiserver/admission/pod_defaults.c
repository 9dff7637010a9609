/* SPDX-License-Identifier: Apache-2.0 */
/* Small steps on pods, nodes and classes: TaintNodesByCondition, Priority, DefaultTolerationSeconds.
 * U: kubernetes plugin/pkg/admission/{nodetaint,priority,defaulttolerationseconds}/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

#define NOT_READY "node.kubernetes.io/not-ready"
#define UNREACHABLE "node.kubernetes.io/unreachable"
#define TOLERATION_SECONDS 300

/* ---- nodes start as not ready ---- */

bool api_admit_taint_nodes(const api_admit *a)
{
	if (a->op != API_OP_CREATE || !api_admit_is(a, "", "nodes", ""))
		return true;
	sp_kind_ctx *c = &a->w->ctx;
	yyjson_mut_val *taints = sp_kv_need_list(c->doc, sp_kv_need_obj(c->doc, a->obj, "spec"), "taints");
	SP_KV_EACH (taint, i, taints) {
		if (sp_kv_is(taint, "key", NOT_READY) && sp_kv_is(taint, "effect", "NoSchedule"))
			return true;
	}
	yyjson_mut_val *taint = yyjson_mut_arr_add_obj(c->doc, taints);
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, taint, "key", SP_STR(NOT_READY)));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, taint, "effect", SP_STR("NoSchedule")));
	return true;
}

/* ---- tolerations of a node that is away for a while ---- */

static bool tolerates(yyjson_mut_val *spec, const char *key)
{
	SP_KV_EACH (t, i, sp_kv_list(spec, "tolerations")) {
		sp_str k = sp_kv_str(t, "key"), effect = sp_kv_str(t, "effect");
		if ((k.len == 0 || sp_str_eq(k, sp_str_c(key))) &&
		    (effect.len == 0 || sp_str_eq(effect, SP_STR("NoExecute"))))
			return true;
	}
	return false;
}

static void tolerate(sp_kind_ctx *c, yyjson_mut_val *spec, const char *key, int64_t seconds)
{
	yyjson_mut_val *t = yyjson_mut_arr_add_obj(c->doc, sp_kv_need_list(c->doc, spec, "tolerations"));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, t, "key", sp_str_c(key)));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, t, "operator", SP_STR("Exists")));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, t, "effect", SP_STR("NoExecute")));
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, t, "tolerationSeconds", seconds));
}

bool api_admit_default_tolerations(const api_admit *a)
{
	if (a->op == API_OP_DELETE || !api_admit_is(a, "", "pods", ""))
		return true;
	yyjson_mut_val *spec = sp_kv_need_obj(a->w->doc, a->obj, "spec");
	bool not_ready = tolerates(spec, NOT_READY), unreachable = tolerates(spec, UNREACHABLE);
	const api_toleration_seconds *s = &a->w->server->tolerate;
	if (!not_ready)
		tolerate(&a->w->ctx, spec, NOT_READY, s->is_set ? s->not_ready : TOLERATION_SECONDS);
	if (!unreachable)
		tolerate(&a->w->ctx, spec, UNREACHABLE, s->is_set ? s->unreachable : TOLERATION_SECONDS);
	return true;
}

/* ---- priority classes ---- */

#define CLASSES "/registry/priorityclasses/"

/* The class pods get that name none: the one marked as default, the lowest when several are. */
typedef struct default_class {
	yyjson_mut_val *found;
} default_class;

static bool look_at(void *arg, yyjson_mut_val *obj)
{
	default_class *d = arg;
	if (sp_kv_bool(obj, "globalDefault") &&
	    (d->found == NULL || sp_kv_i64(obj, "value", 0) < sp_kv_i64(d->found, "value", 0)))
		d->found = obj;
	return true;
}

static bool set_priority(const api_admit *a, yyjson_mut_val *spec, yyjson_mut_val *class)
{
	sp_kind_ctx *c = &a->w->ctx;
	int64_t value = class == NULL ? 0 : sp_kv_i64(class, "value", 0);
	sp_str policy = class == NULL ? SP_STR("") : sp_kv_str(class, "preemptionPolicy");
	if (policy.len == 0)
		policy = SP_STR("PreemptLowerPriority");
	if (sp_kv_has(spec, "priority") && sp_kv_i64(spec, "priority", 0) != value)
		return api_admit_forbid(
			a,
			"the integer value of priority (%lld) must not be provided in pod spec; "
			"priority admission controller computed %lld from the given PriorityClass name",
			(long long)sp_kv_i64(spec, "priority", 0), (long long)value);
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, spec, "priority", value));
	if (sp_kv_has(spec, "preemptionPolicy") && !sp_str_eq(sp_kv_str(spec, "preemptionPolicy"), policy)) {
		sp_str given = sp_kv_str(spec, "preemptionPolicy");
		return api_admit_forbid(a,
					"the string value of PreemptionPolicy (" SP_FMT
					") must not be provided in pod "
					"spec; priority admission controller computed " SP_FMT
					" from the given PriorityClass name",
					SP_ARG(given), SP_ARG(policy));
	}
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "preemptionPolicy", policy));
	return true;
}

static bool create_pod(const api_admit *a)
{
	yyjson_mut_val *spec = sp_kv_need_obj(a->w->doc, a->obj, "spec"), *class;
	sp_str name = sp_kv_str(spec, "priorityClassName");
	default_class d = {NULL};
	if (name.len == 0) {
		(void)api_admit_each(a, CLASSES, SP_STR(""), look_at, &d);
		class = d.found;
		if (class != NULL)
			SP_KIND_NEED(&a->w->ctx, sp_kv_set_str(a->w->doc, spec, "priorityClassName",
							       sp_meta_name(class)));
	} else {
		class = api_admit_load(a, CLASSES, SP_STR(""), name);
		if (class == NULL)
			return api_admit_forbid(a, "no PriorityClass with name " SP_FMT " was found",
						SP_ARG(name));
	}
	return set_priority(a, spec, class);
}

bool api_admit_priority(const api_admit *a)
{
	if (!api_admit_is(a, "", "pods", ""))
		return true;
	if (a->op == API_OP_CREATE)
		return create_pod(a);
	if (a->op == API_OP_UPDATE) {
		/* Old clients leave it out when they write the object back. */
		yyjson_mut_val *spec = sp_kv_get(a->obj, "spec"), *old = sp_kv_get(a->old, "spec");
		static const char *const kept[] = {"priority", "preemptionPolicy"};
		for (size_t i = 0; i < SP_LEN(kept); i++) {
			if (spec != NULL && !sp_kv_has(spec, kept[i]) && sp_kv_has(old, kept[i]))
				SP_KIND_NEED(&a->w->ctx, sp_kv_copy(a->w->doc, spec, old, kept[i]));
		}
	}
	return true;
}

typedef struct rival {
	sp_str name; /* of the class being written */
	sp_str found;
} rival;

static bool is_rival(void *arg, yyjson_mut_val *obj)
{
	rival *r = arg;
	if (sp_kv_bool(obj, "globalDefault") && !sp_str_eq(sp_meta_name(obj), r->name))
		r->found = sp_meta_name(obj);
	return r->found.len == 0;
}

bool api_admit_priority_class_validate(const api_admit *a)
{
	if (a->op == API_OP_DELETE || !api_admit_is(a, "scheduling.k8s.io", "priorityclasses", "") ||
	    !sp_kv_bool(a->obj, "globalDefault"))
		return true;
	rival r = {.name = sp_meta_name(a->obj)};
	(void)api_admit_each(a, CLASSES, SP_STR(""), is_rival, &r);
	if (r.found.len == 0)
		return true;
	return api_admit_forbid(
		a, "PriorityClass " SP_FMT " is already marked as default. Only one default can exist",
		SP_ARG(r.found));
}
