/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/disruption_int.h"
#include "kube/kinds/values.h"

typedef struct owner_view {
	int64_t replicas;
	bool has_replicas;
	sp_vlist owners;
} owner_view;
#define FIELDS \
	SP_VH(owner_view, replicas, "spec.replicas"), SP_V(owner_view, owners, "metadata.ownerReferences")
SP_VIEW(set_desc, owner_view, "apps/v1/ReplicaSet", FIELDS);
SP_VIEW(deployment_desc, owner_view, "apps/v1/Deployment", FIELDS);
SP_VIEW(replication_desc, owner_view, "v1/ReplicationController", FIELDS);
SP_VIEW(stateful_desc, owner_view, "apps/v1/StatefulSet", FIELDS);

static const struct {
	const char *kind;
	const char *groups[2];
	sp_gvr gvr;
	const sp_view_desc *view;
} kinds[OWNER_N] = {
	[OWNER_SET] = {"ReplicaSet",
		       {"apps", "extensions"},
		       {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("replicasets")},
		       &set_desc},
	[OWNER_DEPLOYMENT] = {"Deployment",
			      {"apps", "extensions"},
			      {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("deployments")},
			      &deployment_desc},
	[OWNER_REPLICATION] = {"ReplicationController",
			       {"", ""},
			       {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("replicationcontrollers")},
			       &replication_desc},
	[OWNER_STATEFUL] = {"StatefulSet",
			    {"apps", "apps"},
			    {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("statefulsets")},
			    &stateful_desc},
};

sp_code budget_scale_open(disruptions *d, sp_err *err)
{
	for (size_t i = 0; i < OWNER_N; i++)
		SP_TRY(controller_follow(&d->base, kinds[i].gvr, kinds[i].view, &d->owners[i], err));
	return SP_OK;
}

/* ---- owners in caches ---- */

static sp_str group_of(sp_str api_version)
{
	sp_str group;
	return sp_str_cut(&api_version, '/', &group) ? group : SP_STR("");
}

static bool is_kind(const ctl_owner *o, size_t kind)
{
	return sp_str_eq(o->kind, sp_str_c(kinds[kind].kind)) &&
	       sp_str_in(group_of(o->api_version), kinds[kind].groups, SP_LEN(kinds[kind].groups));
}

static bool read_owner(const budget_scale *s, size_t kind, const ctl_owner *ref, owner_view *ret)
{
	const sp_object *o = sp_informer_get_in(s->d->owners[kind], s->ns, ref->name);
	return o != NULL && sp_str_eq(o->uid, ref->uid) &&
	       sp_view(s->arena, o->json, kinds[kind].view, ret, NULL) == SP_OK;
}

static void know(budget_owner *o, sp_str uid, const owner_view *v)
{
	o->uid = uid;
	o->scale = v->has_replicas ? v->replicas : 1;
	o->is_known = true;
}

/* A set of a deployment counts as that; a deployment that is not there leaves it to be asked for. */
static void look_up(const budget_scale *s, budget_owner *o)
{
	static const size_t plain[] = {OWNER_REPLICATION, OWNER_STATEFUL};
	owner_view v, above;
	ctl_owner up;
	for (size_t i = 0; i < SP_LEN(plain); i++) {
		if (is_kind(&o->ref, plain[i]) && read_owner(s, plain[i], &o->ref, &v))
			know(o, o->ref.uid, &v);
	}
	if (!is_kind(&o->ref, OWNER_SET) || !read_owner(s, OWNER_SET, &o->ref, &v))
		return;
	if (!ctl_controller_of(v.owners, &up) || !sp_str_eq(up.kind, SP_STR("Deployment")))
		know(o, o->ref.uid, &v);
	else if (is_kind(&up, OWNER_DEPLOYMENT) && read_owner(s, OWNER_DEPLOYMENT, &up, &above))
		know(o, up.uid, &above);
}

/* ---- the sum ---- */

static void finish(budget_scale *s)
{
	for (size_t i = 0; s->code == SP_OK && i < s->n_owners; i++) {
		bool again = false;
		for (size_t k = 0; k < i; k++)
			again = again || sp_str_eq(s->owners[k].uid, s->owners[i].uid);
		if (!again)
			s->total += s->owners[i].scale;
	}
	s->done(s);
}

static sp_code fail_for(sp_err *err, const budget_owner *o)
{
	return sp_fail(err, SP_ENOTFOUND, "found no controllers for pod \"" SP_FMT "\"",
		       SP_ARG(o->pod->object->name));
}

/* ---- owners that are asked ---- */

static sp_code ask_scale(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const budget_scale *s = f->arg;
	(void)err;
	q->verb = SP_ASK_GET;
	q->gvr = s->resources[i].gvr;
	q->ns = s->ns;
	q->name = s->owners[s->asked[i]].ref.name;
	q->subresource = SP_STR("scale");
	return SP_OK;
}

static sp_code take_scale(budget_scale *s, budget_owner *o, sp_str body, sp_err *err)
{
	yyjson_val *root;
	SP_TRY(sp_json_parse(s->arena, body, &root, err));
	if (!sp_str_eq(sp_view_str_at(root, "metadata.uid"), o->ref.uid))
		return fail_for(err, o);
	yyjson_val *replicas = sp_view_at(root, "spec.replicas");
	o->uid = o->ref.uid;
	o->scale = yyjson_get_sint(replicas);
	o->is_known = true;
	return SP_OK;
}

static sp_code on_scale(fan *f, size_t i, const sp_answer *a)
{
	budget_scale *s = f->arg;
	budget_owner *o = &s->owners[s->asked[i]];
	const sp_gvr *r = &s->resources[i].gvr;
	sp_err err = {0};
	sp_code code = a->code;
	if (code == SP_OK)
		code = take_scale(s, o, a->body, &err);
	else if (code == SP_ENOTFOUND && sp_str_find(a->message, SP_STR("could not find the requested")) >= 0)
		code = sp_fail(&err, SP_EUNSUPPORTED,
			       SP_FMT "%s" SP_FMT " does not implement the scale subresource",
			       SP_ARG(r->resource), r->group.len > 0 ? "." : "", SP_ARG(r->group));
	else if (code == SP_ENOTFOUND)
		code = fail_for(&err, o);
	else
		code = sp_fail(&err, code, SP_FMT, SP_ARG(a->message));
	if (code != SP_OK && s->code == SP_OK) {
		s->code = code;
		s->err = err;
	}
	return SP_OK;
}

static void on_all_asked(fan *f)
{
	finish(f->arg);
}

static const sp_api_resource *find_resource(const sp_discovery *found, const ctl_owner *ref)
{
	sp_str group = group_of(ref->api_version), version = ref->api_version;
	const sp_api_resource *best = NULL;
	sp_str skip;
	(void)sp_str_cut(&version, '/', &skip);
	for (size_t i = 0; i < found->n; i++) {
		const sp_api_resource *r = &found->items[i];
		if (sp_str_eq(r->kind, ref->kind) && sp_str_eq(r->gvr.group, group) &&
		    sp_str_eq(r->gvr.version, version))
			best = r;
	}
	return best;
}

/* Copies what is served of the owners asked for: what was discovered is gone after this. */
static sp_code find_resources(budget_scale *s, const sp_discovery *found, sp_err *err)
{
	sp_api_resource *all = sp_try_new(s->arena, sp_api_resource, s->n_asked);
	if (all == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for owners");
	for (size_t i = 0; i < s->n_asked; i++) {
		const ctl_owner *ref = &s->owners[s->asked[i]].ref;
		const sp_api_resource *r = find_resource(found, ref);
		if (r == NULL)
			return sp_fail(err, SP_ENOTFOUND,
				       "no matches for kind \"" SP_FMT "\" in version \"" SP_FMT "\"",
				       SP_ARG(ref->kind), SP_ARG(ref->api_version));
		all[i].gvr = (sp_gvr){sp_arena_try_dup(s->arena, r->gvr.group),
				      sp_arena_try_dup(s->arena, r->gvr.version),
				      sp_arena_try_dup(s->arena, r->gvr.resource)};
		if (all[i].gvr.version.ptr == NULL || all[i].gvr.resource.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for owners");
	}
	s->resources = all;
	return SP_OK;
}

static void on_discovered(sp_discover *d, const sp_discovery *found, const sp_err *err)
{
	budget_scale *s = d->arg;
	if (err != NULL) {
		s->code = err->code;
		s->err = *err;
	} else {
		s->code = find_resources(s, found, &s->err);
	}
	if (s->code != SP_OK) {
		finish(s);
		return;
	}
	s->fan = (fan){.client = s->d->base.client,
		       .arena = s->arena,
		       .n = s->n_asked,
		       .ask = ask_scale,
		       .each = on_scale,
		       .done = on_all_asked,
		       .arg = s};
	fan_start(&s->fan);
}

/* ---- the walk ---- */

static bool has_owner(const budget_scale *s, sp_str uid)
{
	for (size_t i = s->n_owners; i > 0; i--) {
		if (sp_str_eq(s->owners[i - 1].ref.uid, uid))
			return true;
	}
	return false;
}

static sp_code find_owners(budget_scale *s, sp_err *err)
{
	s->owners = sp_try_new(s->arena, budget_owner, s->n_pods + 1);
	s->asked = sp_try_new(s->arena, size_t, s->n_pods + 1);
	if (s->owners == NULL || s->asked == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for owners");
	for (size_t i = 0; i < s->n_pods; i++) {
		budget_owner o = {.pod = &s->pods[i]};
		if (!ctl_controller_of(s->pods[i].owners, &o.ref)) {
			s->n_unmanaged++;
			continue;
		}
		if (has_owner(s, o.ref.uid))
			continue;
		look_up(s, &o);
		if (!o.is_known)
			s->asked[s->n_asked++] = s->n_owners;
		s->owners[s->n_owners++] = o;
	}
	return SP_OK;
}

void budget_scale_start(budget_scale *s)
{
	s->code = find_owners(s, &s->err);
	if (s->code != SP_OK || s->n_asked == 0) {
		finish(s);
		return;
	}
	s->discover = (sp_discover){.done = on_discovered, .arg = s};
	sp_discover_start(s->d->base.client, &s->discover);
}
