/* SPDX-License-Identifier: Apache-2.0 */
/* What wakes the looks at pods and claims on devices, and what both need to know. */
#include <string.h>

#include "base/alloc.h"
#include "controllers/resource_claim_int.h"

SP_VIEW(pod_desc, rc_pod, "v1/Pod", SP_V(rc_pod, node, "spec.nodeName"),
	SP_V(rc_pod, deleted, "metadata.deletionTimestamp"), SP_V(rc_pod, phase, "status.phase"),
	SP_V(rc_pod, extended, "status.extendedResourceClaimStatus.resourceClaimName"),
	SP_V(rc_pod, claims, "spec.resourceClaims"), SP_V(rc_pod, statuses, "status.resourceClaimStatuses"));
const sp_view_desc *const rc_pod_view = &pod_desc;

SP_VIEW(claim_desc, rc_claim, "resource.k8s.io/v1/ResourceClaim",
	SP_V(rc_claim, deleted, "metadata.deletionTimestamp"),
	SP_V(rc_claim, finalizers, "metadata.finalizers"), SP_V(rc_claim, owners, "metadata.ownerReferences"),
	SP_V(rc_claim, reserved, "status.reservedFor"), SP_V(rc_claim, annotations, "metadata.annotations"),
	SP_V(rc_claim, allocation, "status.allocation"));
const sp_view_desc *const rc_claim_view = &claim_desc;

typedef struct template_view {
	yyjson_val *spec;
} template_view;
SP_VIEW(template_desc, template_view, "resource.k8s.io/v1/ResourceClaimTemplate",
	SP_V(template_view, spec, "spec"));

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- what both know ---- */

rc_name rc_name_of(const rc_pod *pod, yyjson_val *entry)
{
	sp_str direct = text(entry, "resourceClaimName");
	if (direct.len > 0)
		return (rc_name){.name = direct, .is_settled = true};
	SP_VLIST_FOREACH(s, pod->statuses)
	{
		if (sp_str_eq(text(s, "name"), text(entry, "name")))
			return (rc_name){text(s, "resourceClaimName"), .is_settled = true, .is_made = true};
	}
	return (rc_name){.is_made = true};
}

bool rc_is_over(const rc_pod *pod)
{
	return sp_str_eq(pod->phase, SP_STR("Succeeded")) || sp_str_eq(pod->phase, SP_STR("Failed")) ||
	       (pod->deleted.len > 0 && pod->node.len == 0);
}

bool rc_has_finalizer(const rc_claim *claim)
{
	SP_VLIST_FOREACH(v, claim->finalizers)
	{
		if (sp_str_eq(sp_json_str(v), SP_STR(RC_FINALIZER)))
			return true;
	}
	return false;
}

/* ---- what was made ---- */

typedef struct made {
	const sp_object *claim;
	size_t len;
	char key[]; /* UID/ENTRY */
} made;

static sp_str made_key(sp_arena *a, sp_str uid, sp_str entry)
{
	return SP_CONCAT(a, uid, SP_STR("/"), entry);
}

static void made_free(made *m)
{
	if (m == NULL)
		return;
	sp_object_unref(m->claim);
	sp_free(m);
}

void rc_made_note(resource_claims *c, sp_arena *a, sp_str uid, sp_str entry, const sp_object *claim)
{
	void *old = NULL;
	sp_str key = made_key(a, uid, entry);
	made *m = key.ptr == NULL ? NULL : sp_try_alloc(sizeof *m + key.len);
	if (m == NULL)
		return;
	m->claim = sp_object_ref(claim);
	m->len = key.len;
	memcpy(m->key, key.ptr, key.len);
	if (sp_map_put(&c->made, (sp_str){m->key, m->len}, m, &old) == SP_OK)
		made_free(old);
	else
		made_free(m);
}

static void forget(resource_claims *c, sp_arena *a, sp_str uid, sp_str entry)
{
	sp_str key = made_key(a, uid, entry);
	if (key.ptr != NULL)
		made_free(sp_map_remove(&c->made, key));
}

sp_str rc_made_name(resource_claims *c, sp_arena *a, sp_str uid, sp_str entry)
{
	sp_str key = made_key(a, uid, entry);
	const made *m = key.ptr == NULL ? NULL : sp_map_get(&c->made, key);
	if (m != NULL && sp_informer_revision(c->claims) < m->claim->revision)
		return sp_arena_try_dup(a, m->claim->name);
	if (m != NULL)
		forget(c, a, uid, entry); /* from here on the cache knows better */
	return (sp_str){NULL, 0};
}

/* ---- keys ---- */

static void add(resource_claims *c, const char *prefix, sp_str ns, sp_str name)
{
	sp_arena a;
	sp_arena_init(&a, 4096);
	sp_str key = SP_CONCAT(&a, sp_str_c(prefix), ns, SP_STR("/"), name);
	if (key.ptr != NULL && name.len > 0)
		sp_queue_add(c->base.queue, key);
	sp_arena_done(&a);
}

void rc_index_pods(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	rc_pod v;
	(void)arg;
	sp_view_fill(object, &pod_desc, &v);
	SP_VLIST_FOREACH(entry, v.claims)
	{
		sp_str name = rc_name_of(&v, entry).name;
		if (name.len > 0)
			sp_index_emit_parts(keys, (const sp_str[]){o->ns, SP_STR("/"), name}, 3);
	}
}

static void index_templates(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	rc_pod v;
	(void)arg;
	sp_view_fill(object, &pod_desc, &v);
	SP_VLIST_FOREACH(entry, v.claims)
	{
		sp_str name = text(entry, "resourceClaimTemplateName");
		if (name.len > 0)
			sp_index_emit_parts(keys, (const sp_str[]){o->ns, SP_STR("/"), name}, 3);
	}
}

static void add_pods(resource_claims *c, unsigned by, sp_str key)
{
	const sp_object *o;
	sp_index_at at = sp_informer_find(c->pods, by, key);
	while ((o = sp_index_next(&at)) != NULL)
		add(c, "pod:", o->ns, o->name);
}

/* ---- changes ---- */

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	resource_claims *c = arg;
	const sp_object *o = now != NULL ? now : old;
	rc_pod v;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, o->json, &pod_desc, &v, NULL) == SP_OK && (v.claims.n > 0 || v.extended.len > 0)) {
		bool over = now == NULL || rc_is_over(&v);
		SP_VLIST_FOREACH(entry, v.claims)
		{
			if (over)
				add(c, "claim:", o->ns, rc_name_of(&v, entry).name);
			if (now == NULL)
				forget(c, &a, o->uid, text(entry, "name"));
		}
		if (over)
			add(c, "claim:", o->ns, v.extended);
		if (now != NULL && v.deleted.len == 0 && v.claims.n > 0)
			add(c, "pod:", o->ns, o->name);
	}
	sp_arena_done(&a);
}

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	resource_claims *c = arg;
	const sp_object *o = now != NULL ? now : old;
	rc_claim v;
	ctl_owner owner;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, o->json, &claim_desc, &v, NULL) == SP_OK && ctl_controller_of(v.owners, &owner))
		forget(c, &a, owner.uid, sp_vmap_str(v.annotations, SP_STR(RC_ANNOTATION)));
	sp_arena_done(&a);
	if (now != NULL)
		add(c, "claim:", o->ns, o->name);
	add_pods(c, c->pods_by_claim, o->key);
}

static void on_template(void *arg, const sp_object *old, const sp_object *now)
{
	resource_claims *c = arg;
	(void)old;
	if (now != NULL)
		add_pods(c, c->pods_by_template, now->key);
}

/* ---- the controller ---- */

static void sync_key(controller *base, sp_job *job)
{
	resource_claims *c = SP_CONTAINER_OF(base, resource_claims, base);
	sp_str key = job->key;
	bool is_pod = sp_str_take(&key, SP_STR("pod:"));
	if (!is_pod)
		(void)sp_str_take(&key, SP_STR("claim:"));
	const sp_object *o = sp_informer_get(is_pod ? c->pods : c->claims, key);
	if (o == NULL)
		sp_job_done(job, SP_OK);
	else if (ctl_hold(job->arena, o) == NULL)
		sp_job_done(job, SP_ENOMEM);
	else if (is_pod)
		rc_sync_pod(c, job, o);
	else
		rc_sync_claim(c, job, o);
}

static sp_code open_claims(controller *base, sp_err *err)
{
	resource_claims *c = SP_CONTAINER_OF(base, resource_claims, base);
	sp_map_init(&c->made);
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &c->pods, err));
	SP_TRY(controller_follow(base, RC_CLAIMS, &claim_desc, &c->claims, err));
	SP_TRY(controller_follow(base, RC_TEMPLATES, &template_desc, &c->templates, err));
	SP_TRY(sp_informer_index(c->pods, rc_index_pods, NULL, &c->pods_by_claim, err));
	SP_TRY(sp_informer_index(c->pods, index_templates, NULL, &c->pods_by_template, err));
	SP_TRY(sp_informer_index(c->claims, sp_index_by_controller, NULL, &c->claims_by_owner, err));
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	controller_watch(c->claims, &c->claim_watch, on_claim, c);
	controller_watch(c->templates, &c->template_watch, on_template, c);
	return SP_OK;
}

static void done(controller *base)
{
	resource_claims *c = SP_CONTAINER_OF(base, resource_claims, base);
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&c->made, &i)) != NULL;)
		sp_object_unref(((const made *)e->value)->claim);
	sp_map_done_values(&c->made);
}

const controller_type controller_resource_claim = {.name = "resourceclaim-controller",
						   .component = "resource_claim",
						   .account = "resource-claim-controller",
						   .size_bytes = sizeof(resource_claims),
						   .n_workers = 50,
						   .open = open_claims,
						   .sync = sync_key,
						   .done = done};
