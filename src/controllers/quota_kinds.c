/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "controllers/quota_int.h"
#include "kube/schema.h"

#define NS_PER_S UINT64_C(1000000000)
#define AGAIN_NS (30 * NS_PER_S) /* upstream asks what is served as often */
#define TREE_BYTES_MAX ((size_t)64 << 20)

/* ---- what is kept of those that are more than counted ---- */

static const char *const pod_paths[] = {
	"spec.containers", "spec.initContainers",        "spec.overhead",          "spec.resources",
	"spec.affinity",   "spec.activeDeadlineSeconds", "spec.priorityClassName", "status.phase"};
static const char *const service_paths[] = {"spec.type", "spec.ports", "spec.allocateLoadBalancerNodePorts"};
static const char *const claim_paths[] = {"spec.resources",
					  "spec.storageClassName",
					  "spec.volumeAttributesClassName",
					  "status.allocatedResources",
					  "status.currentVolumeAttributesClassName",
					  "status.modifyVolumeStatus"};
static const char *const device_paths[] = {"spec.devices"};
static const struct {
	const char *group, *resource;
	const char *version;      /* NULL: to be asked for */
	const char *const *paths; /* NULL: it is only counted */
	size_t n_paths;
} known[] = {
	{"", "pods", "v1", pod_paths, SP_LEN(pod_paths)},
	{"", "services", "v1", service_paths, SP_LEN(service_paths)},
	{"", "persistentvolumeclaims", "v1", claim_paths, SP_LEN(claim_paths)},
	{"", "configmaps", "v1", NULL, 0},
	{"", "secrets", "v1", NULL, 0},
	{"", "resourcequotas", "v1", NULL, 0},
	{"", "replicationcontrollers", "v1", NULL, 0},
	{"resource.k8s.io", "resourceclaims", NULL, device_paths, SP_LEN(device_paths)},
};

static size_t known_index(sp_group_resource gr)
{
	size_t i = 0;
	while (i < SP_LEN(known) && !(sp_str_eq(gr.resource, sp_str_c(known[i].resource)) &&
				      sp_str_eq(gr.group, sp_str_c(known[i].group))))
		i++;
	return i;
}

/* ---- events ---- */

yyjson_mut_val *quota_parse(sp_arena *a, const sp_object *o)
{
	yyjson_mut_val *root = NULL;
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL || sp_json_parse_mut(a, o->json, doc, &root, NULL) != SP_OK)
		return NULL;
	return root;
}

bool quota_kind_is_limited(const quota_kind *k, const sp_quota_ctx *x, yyjson_mut_val *hard)
{
	SP_KV_EACH_MEMBER (name, limit, i, hard) {
		(void)limit;
		if (k->evaluator->counts(x, sp_jmut_str(name)))
			return true;
	}
	return false;
}

static bool takes_the_same(const sp_amounts *a, const sp_amounts *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const sp_qty *other = sp_amounts_get(b, a->items[i].name);
		if (other == NULL || sp_qty_cmp(other, &a->items[i].qty) != 0)
			return false;
	}
	return a->n == b->n && !a->failed && !b->failed;
}

/* Whether it makes a difference to the quota which of the two there is. */
static bool differs(const quota_kind *k, const sp_quota_ctx *x, yyjson_mut_val *quota, yyjson_mut_val *old,
		    yyjson_mut_val *now)
{
	sp_amounts was, is;
	if (sp_quota_scopes_match(x, quota, old) != sp_quota_scopes_match(x, quota, now))
		return true;
	sp_amounts_init(&was, x->arena);
	sp_amounts_init(&is, x->arena);
	k->evaluator->usage(x, old, &was);
	k->evaluator->usage(x, now, &is);
	return !takes_the_same(&was, &is);
}

/* Creations count, too: a look at the quota may have come between its charge and this. */
static void on_object(void *arg, const sp_object *old, const sp_object *now)
{
	quota_kind *k = arg;
	quotas *q = k->q;
	const sp_object *o;
	bool is_update = old != NULL && now != NULL;
	const sp_object *subject = now != NULL ? now : old;
	SP_ASSERT(subject != NULL);
	sp_str ns = subject->ns;
	if ((is_update && k->evaluator->in_scope == NULL && k->evaluator->gr.resource.len == 0) ||
	    sp_informer_find_count(q->all, q->by_namespace, ns) == 0)
		return;
	sp_arena a;
	sp_arena_init(&a, TREE_BYTES_MAX);
	const sp_quota_ctx x = {&a, k->gr, ctl_now_s(q->base.world)};
	yyjson_mut_val *was = is_update ? quota_parse(&a, old) : NULL;
	yyjson_mut_val *is = is_update ? quota_parse(&a, now) : NULL;
	sp_index_at at = sp_informer_find(q->all, q->by_namespace, ns);
	while ((o = sp_index_next(&at)) != NULL) {
		yyjson_mut_val *quota = quota_parse(&a, o);
		if (quota != NULL && !quota_kind_is_limited(k, &x, sp_kv_path(quota, "spec", "hard", NULL)))
			continue;
		if (!is_update || quota == NULL || was == NULL || is == NULL ||
		    differs(k, &x, quota, was, is))
			sp_queue_add(q->base.queue, o->key);
	}
	sp_arena_done(&a);
}

/* ---- kinds ---- */

static void kind_free(quota_kind *k)
{
	if (k->informer != NULL)
		sp_informers_drop(k->q->set, k->informer);
	sp_arena_done(&k->arena);
	sp_free(k);
}

static void on_synced(void *arg)
{
	quota_wake_all(arg);
}

static sp_code follow(quota_kind *k, sp_err *err)
{
	size_t at = known_index(k->gr);
	bool counted = at == SP_LEN(known) || known[at].paths == NULL;
	SP_TRY(sp_informers_get(k->q->set, &(sp_informer_opts){.gvr = k->gvr, .metadata_only = counted},
				&k->informer, err));
	if (counted)
		sp_informer_keep_bare(k->informer);
	for (size_t i = 0; !counted && i < known[at].n_paths; i++) {
		if (sp_informer_keep_path(k->informer, sp_str_c(known[at].paths[i])) != SP_OK)
			return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	}
	SP_TRY(sp_informer_index(k->informer, sp_index_by_namespace, NULL, &k->by_namespace, err));
	controller_watch(k->informer, &k->watch, on_object, k);
	sp_informers_start(k->q->set);
	sp_informers_on_synced(k->q->set, on_synced, k->q);
	return SP_OK;
}

static quota_kind *find(const quotas *q, sp_group_resource gr)
{
	for (size_t i = 0; i < q->n_kinds; i++) {
		const quota_kind *k = q->kinds[i];
		if (sp_str_eq(k->gr.resource, gr.resource) && sp_str_eq(k->gr.group, gr.group))
			return q->kinds[i];
	}
	return NULL;
}

static void ask_what_is_served(quotas *q)
{
	if (q->discover.run == NULL)
		sp_discover_start(q->base.client, &q->discover);
}

static sp_code add_kind(quotas *q, sp_group_resource gr, sp_err *err)
{
	if (q->n_kinds == q->cap) {
		size_t cap = q->cap == 0 ? 8 : 2 * q->cap;
		quota_kind **more = sp_try_realloc(q->kinds, q->cap * sizeof(void *), cap * sizeof(void *));
		if (more == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a kind");
		q->kinds = more;
		q->cap = cap;
	}
	quota_kind *k = SP_NEW(quota_kind);
	k->q = q;
	k->is_needed = true;
	sp_arena_init(&k->arena, 8192);
	k->gr = (sp_group_resource){sp_arena_try_dup(&k->arena, gr.group),
				    sp_arena_try_dup(&k->arena, gr.resource)};
	k->gvr = (sp_gvr){k->gr.group, SP_STR(""), k->gr.resource};
	k->evaluator = sp_quota_evaluator_of(k->gr);
	sp_code code = k->gr.resource.ptr != NULL && (k->gr.group.ptr != NULL || gr.group.len == 0)
			       ? SP_OK
			       : sp_fail(err, SP_ENOMEM, "no memory for a kind");
	size_t at = known_index(k->gr);
	if (code == SP_OK && at < SP_LEN(known) && known[at].version != NULL) {
		k->gvr.version = sp_str_c(known[at].version);
		code = follow(k, err);
	}
	if (code != SP_OK) {
		kind_free(k);
		return code;
	}
	q->kinds[q->n_kinds++] = k;
	if (k->informer == NULL)
		ask_what_is_served(q);
	return SP_OK;
}

/* What quotas never were about. */
static bool is_ignored(sp_group_resource gr)
{
	return sp_str_eq(gr.resource, SP_STR("events")) &&
	       (gr.group.len == 0 || sp_str_eq(gr.group, SP_STR("events.k8s.io")));
}

static sp_code need(quotas *q, yyjson_mut_val *hard, sp_err *err)
{
	SP_KV_EACH_MEMBER (name, limit, i, hard) {
		sp_group_resource gr;
		(void)limit;
		if (!sp_quota_resource_of(sp_jmut_str(name), &gr) || is_ignored(gr))
			continue;
		quota_kind *k = find(q, gr);
		if (k != NULL)
			k->is_needed = true;
		else
			SP_TRY(add_kind(q, gr, err));
	}
	return SP_OK;
}

static sp_code let_go(quotas *q, sp_err *err)
{
	const sp_object *o;
	sp_code code = SP_OK;
	sp_arena a;
	for (size_t i = 0; i < q->n_kinds; i++)
		q->kinds[i]->is_needed = false;
	sp_arena_init(&a, TREE_BYTES_MAX);
	for (size_t at = 0; code == SP_OK && (o = sp_informer_next(q->all, &at)) != NULL;) {
		yyjson_mut_val *quota = quota_parse(&a, o);
		code = quota == NULL ? sp_fail(err, SP_ENOMEM, "no memory for quotas")
				     : need(q, sp_kv_path(quota, "spec", "hard", NULL), err);
		sp_arena_reset(&a);
	}
	sp_arena_done(&a);
	if (code != SP_OK)
		return code;
	size_t n = 0;
	for (size_t i = 0; i < q->n_kinds; i++) {
		if (q->kinds[i]->is_needed)
			q->kinds[n++] = q->kinds[i];
		else
			kind_free(q->kinds[i]);
	}
	q->n_kinds = n;
	q->has_less = false;
	return SP_OK;
}

sp_code quota_kinds_need(quotas *q, yyjson_mut_val *hard, sp_err *err)
{
	if (q->has_less)
		SP_TRY(let_go(q, err));
	return need(q, hard, err);
}

/* ---- where they are served ---- */

static void on_time(sp_timer *t)
{
	ask_what_is_served(t->arg);
}

static bool is_wanted(const quota_kind *k, const sp_api_resource *r)
{
	uint32_t verbs = SP_VERB_CREATE | SP_VERB_DELETE | SP_VERB_LIST | SP_VERB_WATCH;
	return r->namespaced && r->preferred && (r->verbs & verbs) == verbs &&
	       sp_str_eq(r->gvr.resource, k->gr.resource) && sp_str_eq(r->gvr.group, k->gr.group);
}

static sp_code find_version(quota_kind *k, const sp_discovery *found, sp_err *err)
{
	for (size_t i = 0; i < found->n; i++) {
		if (!is_wanted(k, &found->items[i]))
			continue;
		k->gvr.version = sp_arena_try_dup(&k->arena, found->items[i].gvr.version);
		if (k->gvr.version.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a version");
		return follow(k, err);
	}
	return SP_OK;
}

static void on_discovered(sp_discover *d, const sp_discovery *found, const sp_err *err)
{
	quotas *q = d->arg;
	sp_err own = {0};
	bool all = true;
	sp_code code = err == NULL ? SP_OK : err->code;
	for (size_t i = 0; i < q->n_kinds; i++) {
		quota_kind *k = q->kinds[i];
		if (code == SP_OK && k->informer == NULL)
			code = find_version(k, found, &own);
		all = all && k->informer != NULL;
	}
	if (code != SP_OK)
		sp_log(q->base.log, SP_LOG_WARN, "quotas: what is served is not known",
		       SP_KE(err != NULL ? err : &own));
	if (!all)
		sp_timer_start(q->base.world, &q->timer, AGAIN_NS, on_time);
}

/* ---- life ---- */

sp_code quota_kinds_open(quotas *q, sp_err *err)
{
	q->timer.arg = q;
	q->discover = (sp_discover){.done = on_discovered, .arg = q};
	return sp_informers_new(q->base.client, q->base.log, &q->set, err);
}

void quota_kinds_done(quotas *q)
{
	sp_timer_stop(q->base.world, &q->timer);
	sp_discover_cancel(&q->discover);
	for (size_t i = 0; i < q->n_kinds; i++)
		kind_free(q->kinds[i]);
	sp_free(q->kinds);
	sp_informers_free(q->set);
}
