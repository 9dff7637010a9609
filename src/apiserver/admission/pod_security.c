/* SPDX-License-Identifier: Apache-2.0 */
/* PodSecurity: namespaces say by labels which pods they take. U: pod-security-admission
 * admission/admission.go */
#include <stdio.h>
#include <stdlib.h>

#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"
#include "apiserver/admission/pod_policy.h"
#include "apiserver/audit/audit.h"
#include "kube/meta.h"

#define LABEL_PREFIX "pod-security.kubernetes.io/"
/* Pods of a namespace that are looked at when its level is raised. */
#define PODS_MAX 1000u
#define REASONS_MAX 64u

typedef struct level_version {
	api_pod_level level;
	uint32_t minor;
} level_version;

typedef struct policy {
	level_version enforce, audit, warn;
} policy;

/* ---- labels ---- */

/* `otherwise` is the level that a word nobody knows stands for. */
static bool read_mode(yyjson_mut_val *labels, const char *mode, api_pod_level otherwise, level_version *ret,
		      sp_violations *v)
{
	char key[64];
	sp_str value;
	yyjson_mut_val *label;
	bool has = false;
	(void)snprintf(key, sizeof key, LABEL_PREFIX "%s", mode);
	label = sp_kv_get(labels, key);
	value = sp_jmut_str(label);
	if (label != NULL) {
		has = api_pod_level_parse(value, &ret->level);
		if (!has) {
			ret->level = otherwise;
			sp_v_invalid(v, SP_AT_KEY(SP_PATH("metadata.labels"), sp_str_c(key)), value,
				     "must be one of privileged, baseline, restricted");
		}
	}
	(void)snprintf(key, sizeof key, LABEL_PREFIX "%s-version", mode);
	label = sp_kv_get(labels, key);
	value = sp_jmut_str(label);
	if (label != NULL && !api_pod_minor_parse(value, &ret->minor))
		sp_v_invalid(v, SP_AT_KEY(SP_PATH("metadata.labels"), sp_str_c(key)), value,
			     "must be \"latest\" or \"v1.x\"");
	return has;
}

static level_version default_of(yyjson_mut_val *defaults, const char *mode)
{
	char key[64];
	level_version l = {API_POD_PRIVILEGED, API_POD_LATEST};
	(void)api_pod_level_parse(sp_kv_str(defaults, mode), &l.level);
	(void)snprintf(key, sizeof key, "%s-version", mode);
	(void)api_pod_minor_parse(sp_kv_str(defaults, key), &l.minor);
	return l;
}

static yyjson_mut_val *config_of(const api_admit *a, const char *member)
{
	return sp_kv_get(api_admission_config_of(a->w->server->admission_config, "PodSecurity"), member);
}

/* What a namespace says; errors in v. */
static policy read_policy(const api_admit *a, yyjson_mut_val *namespace, sp_violations *v)
{
	yyjson_mut_val *defaults = config_of(a, "defaults");
	policy p = {default_of(defaults, "enforce"), default_of(defaults, "audit"),
		    default_of(defaults, "warn")};
	yyjson_mut_val *labels = sp_kv_map(sp_meta(namespace), "labels");
	bool enforces = read_mode(labels, "enforce", API_POD_RESTRICTED, &p.enforce, v);
	(void)read_mode(labels, "audit", API_POD_PRIVILEGED, &p.audit, v);
	bool warns = sp_kv_has(labels, LABEL_PREFIX "warn");
	(void)read_mode(labels, "warn", API_POD_PRIVILEGED, &p.warn, v);
	/* Who enforces much and says nothing of warnings is warned of the same. */
	if (!warns && enforces && p.enforce.level > p.warn.level) {
		p.warn.level = p.enforce.level;
		if (!sp_kv_has(labels, LABEL_PREFIX "warn-version"))
			p.warn.minor = p.enforce.minor;
	}
	return p;
}

static sp_str print_level(sp_arena *a, level_version l)
{
	if (l.minor == API_POD_LATEST)
		return sp_arena_printf(a, "%s:latest", api_pod_level_names[l.level]);
	return sp_arena_printf(a, "%s:v1.%u", api_pod_level_names[l.level], l.minor);
}

/* ---- pods and what makes pods ---- */

static bool judge(const api_admit *a, level_version l, yyjson_mut_val *meta, yyjson_mut_val *spec,
		  sp_str *ret)
{
	*ret = api_pod_violations(&a->w->arena, l.level, l.minor, meta, spec, true);
	if (ret->ptr != NULL)
		return true;
	api_write_fail(a->w, SP_ETOOLARGE, NULL);
	return false;
}

static sp_str would_violate(const api_admit *a, level_version l, sp_str bad)
{
	return sp_arena_printf(a->w->r->arena, "would violate PodSecurity \"" SP_FMT "\": " SP_FMT,
			       SP_ARG(print_level(&a->w->arena, l)), SP_ARG(bad));
}

static bool evaluate(const api_admit *a, const policy *p, yyjson_mut_val *meta, yyjson_mut_val *spec,
		     bool enforce)
{
	sp_str bad;
	if (enforce) {
		api_audit_note(a->w->r, SP_STR("pod-security.kubernetes.io/enforce-policy"),
			       print_level(&a->w->arena, p->enforce));
		if (!judge(a, p->enforce, meta, spec, &bad))
			return false;
		if (bad.len > 0)
			return api_admit_forbid(a, "violates PodSecurity \"" SP_FMT "\": " SP_FMT,
						SP_ARG(print_level(&a->w->arena, p->enforce)), SP_ARG(bad));
	}
	if (a->w->r != NULL && a->w->r->audit != NULL) {
		if (!judge(a, p->audit, meta, spec, &bad))
			return false;
		if (bad.len > 0)
			api_audit_note(a->w->r, SP_STR("pod-security.kubernetes.io/audit-violations"),
				       would_violate(a, p->audit, bad));
	}
	if (!judge(a, p->warn, meta, spec, &bad))
		return false;
	if (bad.len > 0 && a->w->r != NULL)
		api_warn(a->w->r, would_violate(a, p->warn, bad));
	return true;
}

static bool same_images(yyjson_mut_val *x, yyjson_mut_val *y, const char *list)
{
	yyjson_mut_val *a = sp_kv_list(x, list), *b = sp_kv_list(y, list);
	if (sp_kv_len(a) != sp_kv_len(b))
		return false;
	SP_KV_EACH (c, i, a) {
		if (!sp_str_eq(sp_kv_str(c, "image"), sp_kv_str(yyjson_mut_arr_get(b, i), "image")))
			return false;
	}
	return true;
}

static bool same_annotations(yyjson_mut_val *x, yyjson_mut_val *y)
{
	return sp_kv_equal(sp_kv_map(sp_meta(x), "annotations"), sp_kv_map(sp_meta(y), "annotations"));
}

/* Whether an update changes what the checks look at; most of a pod can't change. */
static bool is_significant(const api_admit *a)
{
	yyjson_mut_val *now = sp_kv_get(a->obj, "spec"), *was = sp_kv_get(a->old, "spec");
	return !(same_images(now, was, "containers") && same_images(now, was, "initContainers") &&
		 same_images(now, was, "ephemeralContainers") && same_annotations(a->obj, a->old));
}

static const struct {
	const char *group, *resource;
	const char *steps[4]; /* to the template */
} templates[] = {
	{"", "podtemplates", {"template"}},
	{"", "replicationcontrollers", {"spec", "template"}},
	{"apps", "deployments", {"spec", "template"}},
	{"apps", "replicasets", {"spec", "template"}},
	{"apps", "statefulsets", {"spec", "template"}},
	{"apps", "daemonsets", {"spec", "template"}},
	{"batch", "jobs", {"spec", "template"}},
	{"batch", "cronjobs", {"spec", "jobTemplate", "spec", "template"}},
};

static yyjson_mut_val *template_of(const api_admit *a)
{
	for (size_t i = 0; i < SP_LEN(templates); i++) {
		if (!api_admit_is(a, templates[i].group, templates[i].resource, ""))
			continue;
		yyjson_mut_val *v = a->obj;
		for (size_t k = 0; k < SP_LEN(templates[i].steps) && templates[i].steps[k] != NULL; k++)
			v = sp_kv_get(v, templates[i].steps[k]);
		return v;
	}
	return NULL;
}

static bool is_pod(const api_admit *a)
{
	return (api_admit_is(a, "", "pods", "") || api_admit_is(a, "", "pods", "ephemeralcontainers") ||
		api_admit_is(a, "", "pods", "resize")) &&
	       (a->op == API_OP_CREATE || is_significant(a));
}

/* Does the configuration except such pods from everything? */
static bool is_exempt(const api_admit *a, yyjson_mut_val *spec)
{
	yyjson_mut_val *exemptions = config_of(a, "exemptions");
	const struct {
		const char *list, *reason;
		sp_str what;
	} rows[] = {{"namespaces", "namespace", sp_meta_namespace(a->obj)},
		    {"usernames", "user", a->w->r == NULL ? SP_STR("") : a->w->r->user.name},
		    {"runtimeClasses", "runtimeClass", sp_kv_str(spec, "runtimeClassName")}};
	for (size_t i = 0; i < SP_LEN(rows) && exemptions != NULL; i++) {
		SP_KV_EACH (item, k, sp_kv_list(exemptions, rows[i].list)) {
			if (rows[i].what.len == 0 || !sp_str_eq(sp_jmut_str(item), rows[i].what))
				continue;
			if (a->w->r != NULL)
				api_audit_note(a->w->r, SP_STR("pod-security.kubernetes.io/exempt"),
					       sp_str_c(rows[i].reason));
			return true;
		}
	}
	return false;
}

static bool validate_pods(const api_admit *a, bool pod, yyjson_mut_val *holder)
{
	sp_violations ignored;
	sp_str ns = sp_meta_namespace(a->obj);
	if (is_exempt(a, sp_kv_get(holder, "spec")))
		return true;
	yyjson_mut_val *namespace = api_admit_load(a, "/registry/namespaces/", SP_STR(""), ns);
	if (namespace == NULL && !pod)
		return true;
	if (namespace == NULL) {
		sp_status s = sp_status_internal(&a->w->arena,
						 sp_arena_printf(&a->w->arena,
								 "failed to lookup namespace \"" SP_FMT "\"",
								 SP_ARG(ns)));
		return api_admit_refuse(a, &s);
	}
	sp_violations_init(&ignored, &a->w->arena);
	policy p = read_policy(a, namespace, &ignored);
	return evaluate(a, &p, sp_meta(holder), sp_kv_get(holder, "spec"), pod);
}

/* ---- namespaces ---- */

typedef struct reason {
	sp_str text, name;
	size_t n;
} reason;

typedef struct census {
	const api_admit *a;
	level_version level;
	size_t n_pods, n_reasons;
	reason reasons[REASONS_MAX];
	bool failed;
} census;

static bool count_pod(void *arg, yyjson_mut_val *pod)
{
	census *c = arg;
	if (++c->n_pods > PODS_MAX)
		return true; /* only counted */
	sp_str text = api_pod_violations(&c->a->w->arena, c->level.level, c->level.minor, sp_meta(pod),
					 sp_kv_get(pod, "spec"), false);
	if (text.ptr == NULL) {
		c->failed = true;
		return false;
	}
	if (text.len == 0)
		return !c->failed;
	size_t i = 0;
	while (i < c->n_reasons && !sp_str_eq(c->reasons[i].text, text))
		i++;
	if (i == REASONS_MAX)
		return true;
	if (i == c->n_reasons)
		c->reasons[c->n_reasons++] = (reason){text, sp_meta_name(pod), 0};
	c->reasons[i].n++;
	return true;
}

static int by_reason(const void *a, const void *b)
{
	return sp_str_cmp(((const reason *)a)->name, ((const reason *)b)->name);
}

static void warn_reasons(census *c)
{
	api_request *r = c->a->w->r;
	qsort(c->reasons, c->n_reasons, sizeof *c->reasons, by_reason);
	if (c->n_pods > PODS_MAX)
		api_warn(r, sp_arena_printf(r->arena,
					    "new PodSecurity enforce level only checked against the first "
					    "%u of %zu existing pods",
					    PODS_MAX, c->n_pods));
	if (c->n_reasons > 0)
		api_warn(r, sp_arena_printf(r->arena,
					    "existing pods in namespace \"" SP_FMT
					    "\" violate the new PodSecurity enforce level \"" SP_FMT "\"",
					    SP_ARG(sp_meta_name(c->a->obj)),
					    SP_ARG(print_level(r->arena, c->level))));
	for (size_t i = 0; i < c->n_reasons; i++) {
		const reason *why = &c->reasons[i];
		sp_str others = why->n == 1 ? SP_STR("")
				: why->n == 2
					? SP_STR(" (and 1 other pod)")
					: sp_arena_printf(r->arena, " (and %zu other pods)", why->n - 1);
		api_warn(r, sp_arena_printf(r->arena, SP_FMT SP_FMT ": " SP_FMT, SP_ARG(why->name),
					    SP_ARG(others), SP_ARG(why->text)));
	}
}

static bool warn_of_pods(const api_admit *a, level_version level)
{
	census *c = sp_try_new(&a->w->arena, census, 1);
	if (c == NULL || a->w->r == NULL)
		return true; /* a warning is not worth a failure */
	*c = (census){.a = a, .level = level};
	if (!api_admit_each(a, "/registry/pods/", sp_meta_name(a->obj), count_pod, c) || c->failed)
		api_warn(a->w->r, SP_STR("failed to list pods while checking new PodSecurity enforce level"));
	else
		warn_reasons(c);
	return true;
}

static bool same_violations(const sp_violations *x, const sp_violations *y)
{
	bool same = x->n == y->n;
	for (size_t i = 0; i < x->n && same; i++)
		same = sp_str_eq(x->items[i].field, y->items[i].field) &&
		       sp_str_eq(x->items[i].message, y->items[i].message);
	return same;
}

static bool validate_namespace(const api_admit *a)
{
	sp_violations now, before;
	sp_violations_init(&now, &a->w->arena);
	sp_violations_init(&before, &a->w->arena);
	policy p = read_policy(a, a->obj, &now), was = {0};
	if (a->op == API_OP_UPDATE)
		was = read_policy(a, a->old, &before);
	if (now.n > 0 && (a->op == API_OP_CREATE || !same_violations(&now, &before))) {
		sp_status s =
			sp_status_invalid(&a->w->arena, (sp_group_resource){SP_STR(""), SP_STR("Namespace")},
					  sp_meta_name(a->obj), &now);
		return api_admit_refuse(a, &s);
	}
	bool raised = a->op == API_OP_UPDATE && p.enforce.level != API_POD_PRIVILEGED &&
		      (p.enforce.minor != was.enforce.minor || p.enforce.level > was.enforce.level);
	return !raised || warn_of_pods(a, p.enforce);
}

bool api_admit_pod_security(const api_admit *a)
{
	if (a->op == API_OP_DELETE)
		return true;
	if (api_admit_is(a, "", "namespaces", ""))
		return validate_namespace(a);
	if (is_pod(a))
		return validate_pods(a, true, a->obj);
	yyjson_mut_val *template = template_of(a);
	return template == NULL || validate_pods(a, false, template);
}
