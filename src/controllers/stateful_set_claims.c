/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/stateful_set_int.h"
#include "kube/kinds/values.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

/* ---- owners ---- */

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static bool is_ref(yyjson_val *ref, const char *api_version, const char *kind, sp_str name)
{
	return sp_str_eq(text(ref, "apiVersion"), sp_str_c(api_version)) &&
	       sp_str_eq(text(ref, "kind"), sp_str_c(kind)) && sp_str_eq(text(ref, "name"), name);
}

static bool is_set(yyjson_val *ref, sp_str name)
{
	return is_ref(ref, "apps/v1", "StatefulSet", name);
}

static bool is_pod(yyjson_val *ref, sp_str name)
{
	return is_ref(ref, "v1", "Pod", name);
}

static bool is_controller(yyjson_val *ref)
{
	return yyjson_is_true(sp_json_last(ref, SP_STR("controller")));
}

static bool has_uid(yyjson_val *ref, sp_str uid)
{
	return uid.len > 0 && sp_str_eq(text(ref, "uid"), uid);
}

static bool has_owner(sp_vlist owners, sp_str uid)
{
	SP_VLIST_FOREACH(ref, owners)
	{
		if (has_uid(ref, uid))
			return true;
	}
	return false;
}

bool sts_claim_is_stale(sp_vlist owners, sp_str pod_name, sp_str pod_uid)
{
	SP_VLIST_FOREACH(ref, owners)
	{
		if (is_pod(ref, pod_name))
			return !has_uid(ref, pod_uid);
	}
	return false;
}

static bool is_set_stale(sp_vlist owners, const sts_claim_rule *r)
{
	SP_VLIST_FOREACH(ref, owners)
	{
		if (is_set(ref, r->set_name))
			return !has_uid(ref, r->set_uid);
	}
	return false;
}

bool sts_claim_has_other_controller(sp_vlist owners, const sts_claim_rule *r)
{
	if (!r->when_scaled && !r->when_deleted)
		return false; /* claims are kept: whoever has them may */
	SP_VLIST_FOREACH(ref, owners)
	{
		bool set = is_set(ref, r->set_name), pod = is_pod(ref, r->pod_name);
		if ((set && !has_uid(ref, r->set_uid)) || (pod && !has_uid(ref, r->pod_uid)))
			return true;
		if (!set && !pod && is_controller(ref))
			return true;
	}
	return false;
}

static bool has_plain_owner(sp_vlist owners, const sts_claim_rule *r)
{
	SP_VLIST_FOREACH(ref, owners)
	{
		if ((has_uid(ref, r->set_uid) || has_uid(ref, r->pod_uid)) && !is_controller(ref))
			return true;
	}
	return false;
}

static bool wants_set(const sts_claim_rule *r)
{
	return r->when_deleted && !(r->when_scaled && r->is_scaled_down);
}

static bool wants_pod(const sts_claim_rule *r)
{
	return r->when_scaled && r->is_scaled_down;
}

bool sts_claim_owners_fit(sp_vlist owners, const sts_claim_rule *r)
{
	bool set = has_owner(owners, r->set_uid), pod = has_owner(owners, r->pod_uid);
	if (is_set_stale(owners, r) || sts_claim_is_stale(owners, r->pod_name, r->pod_uid))
		return true; /* of a set that is gone: not ours to touch */
	if (sts_claim_has_other_controller(owners, r))
		return !set && !pod;
	return !has_plain_owner(owners, r) && set == wants_set(r) && pod == wants_pod(r);
}

static void write_ref(sp_buf *out, bool *any, const char *api_version, const char *kind, sp_str name,
		      sp_str uid)
{
	if (*any)
		(void)sp_buf_char(out, ',');
	*any = true;
	(void)sp_patch_owner(out, &(sp_owner){sp_str_c(api_version), sp_str_c(kind), name, uid});
}

sp_code sts_claim_owners(sp_buf *out, sp_vlist owners, const sts_claim_rule *r)
{
	bool any = false;
	(void)sp_buf_char(out, '[');
	SP_VLIST_FOREACH(ref, owners)
	{
		if (is_set(ref, r->set_name) || is_pod(ref, r->pod_name))
			continue;
		if (any)
			(void)sp_buf_char(out, ',');
		any = true;
		(void)sp_json_write(out, ref);
	}
	if (!sts_claim_has_other_controller(owners, r)) {
		if (wants_set(r))
			write_ref(out, &any, "apps/v1", "StatefulSet", r->set_name, r->set_uid);
		if (wants_pod(r))
			write_ref(out, &any, "v1", "Pod", r->pod_name, r->pod_uid);
	}
	return sp_buf_char(out, ']');
}

/* ---- claims of a slot ---- */

typedef struct claim_view {
	sp_str deleted;
	sp_vlist owners;
} claim_view;
SP_VIEW(claim_view_desc, claim_view, "v1/PersistentVolumeClaim",
	SP_V(claim_view, deleted, "metadata.deletionTimestamp"),
	SP_V(claim_view, owners, "metadata.ownerReferences"));

const sp_view_desc *const sts_claim_view = &claim_view_desc;

sp_str sts_claim_name(const sts_run *x, yyjson_val *template_, const sts_slot *s)
{
	return SP_CONCAT(x->job->arena, text(sp_json_last(template_, SP_STR("metadata")), "name"),
			 SP_STR("-"), s->name);
}

static sts_claim_rule rule_of(const sts_run *x, const sts_slot *s)
{
	return (sts_claim_rule){.when_deleted = sp_str_eq(x->view.when_deleted, SP_STR("Delete")),
				.when_scaled = sp_str_eq(x->view.when_scaled, SP_STR("Delete")),
				.is_scaled_down = s >= x->condemned && s < x->condemned + x->n_condemned,
				.set_name = x->object->name,
				.set_uid = x->object->uid,
				.pod_name = s->name,
				.pod_uid = s->pod != NULL ? s->pod->object->uid : SP_STR("")};
}

static const sp_object *find(const sts_run *x, sp_str name)
{
	return sp_informer_get_in(x->c->claims, x->object->ns, name);
}

sp_code sts_look_at_claims(sts_run *x, sts_slot *s, sp_err *err)
{
	sts_claim_rule r = rule_of(x, s);
	s->owners_fit = true;
	s->is_stale = false;
	SP_VLIST_FOREACH(t, x->view.claims)
	{
		claim_view v;
		const sp_object *o = find(x, sts_claim_name(x, t, s));
		if (o == NULL)
			continue;
		SP_TRY(sp_view(x->job->arena, o->json, &claim_view_desc, &v, err));
		s->owners_fit = s->owners_fit && sts_claim_owners_fit(v.owners, &r);
		s->is_stale =
			s->is_stale || (r.when_scaled && sts_claim_is_stale(v.owners, r.pod_name, r.pod_uid));
	}
	return SP_OK;
}

/* ---- writing ---- */

static sp_code body_of_new(sts_run *x, yyjson_val *template_, sp_str name, sp_str *ret, sp_err *err)
{
	yyjson_mut_val *made;
	yyjson_val *key, *labels = sp_json_last(x->view.selector, SP_STR("matchLabels"));
	size_t i, n;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(x->job->arena);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a claim");
	SP_TRY(sp_json_thaw(x->job->arena, template_, &made, err));
	yyjson_mut_val *meta = sp_kv_need_obj(doc, made, "metadata");
	yyjson_mut_val *map = meta == NULL ? NULL : sp_kv_need_obj(doc, meta, "labels");
	bool ok = map != NULL && sp_jmut_set_str(doc, meta, SP_STR("name"), name);
	yyjson_val *value;
	yyjson_obj_foreach(labels, i, n, key, value) ok =
		ok && sp_jmut_set_str(doc, map, sp_json_str(key), sp_json_str(value));
	sp_kv_drop(made, "status");
	if (!ok || sp_json_write_mut(&out, made) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for a claim");
	*ret = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a claim");
}

static sp_code body_of_owners(sts_run *x, const sp_object *o, sp_vlist owners, const sts_claim_rule *r,
			      sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	(void)sts_claim_owners(&out, owners, r);
	*ret = sp_arena_printf(x->job->arena,
			       "{\"metadata\":{\"uid\":\"" SP_FMT
			       "\",\"resourceVersion\":\"%llu\",\"ownerReferences\":" SP_FMT "}}",
			       SP_ARG(o->uid), (unsigned long long)o->revision, SP_ARG(sp_buf_view(&out)));
	return sp_buf_code(&out) == SP_OK && ret->ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for owners");
}

static sp_code list_one(sts_run *x, sts_slot *s, yyjson_val *template_, sp_err *err)
{
	sts_claim_write *w = &x->claim_writes[x->n_claim_writes];
	sts_claim_rule r = rule_of(x, s);
	claim_view v = {.deleted = {NULL, 0}};
	*w = (sts_claim_write){.slot = s, .name = sts_claim_name(x, template_, s)};
	const sp_object *o = find(x, w->name);
	if (o == NULL && !s->claims)
		return SP_OK;
	x->n_claim_writes++;
	if (o == NULL) {
		w->create = true;
		return body_of_new(x, template_, w->name, &w->body, err);
	}
	SP_TRY(sp_view(x->job->arena, o->json, &claim_view_desc, &v, err));
	if (s->claims && v.deleted.len > 0) { /* the pod has to wait */
		s->failed = true;
		x->code = sp_fail(&x->err, SP_ECONFLICT, "pvc " SP_FMT " is being deleted", SP_ARG(w->name));
		if (s->act == STS_CREATE)
			sts_event(x, "Create", s, SP_STR(""), sp_str_c(x->err.msg));
	}
	if (s->owners && sts_claim_has_other_controller(v.owners, &r)) {
		sp_event_ref ref = ctl_event_ref(x->object, "apps/v1", "StatefulSet");
		sp_events_emitf(x->c->base.events, &ref, true, "ConflictingController",
				"PersistentVolumeClaim " SP_FMT
				" has a conflicting OwnerReference that acts as a "
				"manging controller, the retention policy is ignored for this claim",
				SP_ARG(w->name));
	}
	if (s->failed || !s->owners || sts_claim_owners_fit(v.owners, &r)) {
		x->n_claim_writes--;
		return SP_OK;
	}
	return body_of_owners(x, o, v.owners, &r, &w->body, err);
}

sp_code sts_list_claim_writes(sts_run *x, sp_err *err)
{
	size_t n_slots = x->n_slots + x->n_condemned;
	x->claim_writes = sp_try_new(x->job->arena, sts_claim_write, n_slots * x->view.claims.n + 1);
	if (x->claim_writes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the claims of %zu pods", n_slots);
	for (size_t i = 0; i < n_slots; i++) {
		sts_slot *s = &x->slots[i];
		if (!s->claims && !s->owners)
			continue;
		SP_VLIST_FOREACH(t, x->view.claims)
		{
			SP_TRY(list_one(x, s, t, err));
		}
	}
	return SP_OK;
}

sp_code sts_ask_claim(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const sts_run *x = f->arg;
	const sts_claim_write *w = &x->claim_writes[i];
	(void)err;
	q->verb = w->create ? SP_ASK_CREATE : SP_ASK_MERGE_UPDATE;
	q->gvr = SP_PERSISTENTVOLUMECLAIMS;
	q->ns = x->object->ns;
	q->name = w->create ? SP_STR("") : w->name;
	q->body = w->body;
	return SP_OK;
}

sp_code sts_on_claim(fan *f, size_t i, const sp_answer *a)
{
	sts_run *x = f->arg;
	sts_claim_write *w = &x->claim_writes[i];
	w->slot->failed = w->slot->failed || a->code != SP_OK;
	if (w->create && a->code != SP_EEXISTS) /* else the cache does not show it yet */
		sts_event(x, "Create", w->slot, w->name, a->code == SP_OK ? (sp_str){NULL, 0} : a->message);
	if (a->code == SP_OK || a->code == SP_EEXISTS || a->code == SP_ECONFLICT)
		return a->code;
	if (!w->create)
		sts_event(x, "Update", w->slot, SP_STR(""), a->message);
	else if (w->slot->act == STS_CREATE)
		sts_event(x, "Create", w->slot, SP_STR(""),
			  sp_arena_printf(x->job->arena, "failed to create PVC " SP_FMT ": " SP_FMT,
					  SP_ARG(w->name), SP_ARG(a->message)));
	return a->code;
}
