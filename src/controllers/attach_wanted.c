/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pods want a volume, and where: from the volume by its claim to the claim's pods, or from a volume
 * that stands in pods. U: kubernetes pkg/controller/volume/attachdetach/util, populator.
 */
#include "controllers/attach_int.h"
#include "controllers/volumes.h"

#define ARENA_BYTES_MAX ((size_t)16 << 20)

typedef struct reading {
	const attach *t;
	sp_arena *a;
	sp_str name;
	att_wanted *ret;
	size_t cap;
} reading;

static yyjson_val *at(yyjson_val *v, const char *first, const char *second)
{
	return sp_json_last(sp_json_last(v, sp_str_c(first)), sp_str_c(second));
}

static sp_str text_at(yyjson_val *v, const char *first, const char *second)
{
	return sp_json_str(at(v, first, second));
}

/* ---- pods ---- */

static bool is_running(yyjson_val *status)
{
	yyjson_val *state = sp_json_last(status, SP_STR("state"));
	return sp_json_last(state, SP_STR("terminated")) == NULL &&
	       sp_json_last(state, SP_STR("waiting")) == NULL;
}

bool att_pod_counts(yyjson_val *pod)
{
	sp_str phase = text_at(pod, "status", "phase");
	yyjson_val *v, *statuses = at(pod, "status", "containerStatuses");
	size_t i, n;
	if (sp_str_eq(phase, SP_STR("Succeeded")) || sp_str_eq(phase, SP_STR("Failed")))
		return false;
	if (at(pod, "metadata", "deletionTimestamp") == NULL)
		return true;
	yyjson_arr_foreach(statuses, i, n, v)
	{
		if (is_running(v))
			return true;
	}
	return false;
}

/* A volume of the pod names the claim; the claim of an ephemeral one has to be the pod's. */
static bool uses_claim(yyjson_val *pod, const sp_object *o, const sp_object *claim, sp_str owner)
{
	yyjson_val *v, *volumes = at(pod, "spec", "volumes");
	size_t i, n;
	yyjson_arr_foreach(volumes, i, n, v)
	{
		sp_str rest = claim->name;
		if (sp_str_eq(text_at(v, "persistentVolumeClaim", "claimName"), claim->name))
			return true;
		if (sp_json_last(v, SP_STR("ephemeral")) != NULL && sp_str_take(&rest, o->name) &&
		    sp_str_take(&rest, SP_STR("-")) &&
		    sp_str_eq(rest, sp_json_str(sp_json_last(v, SP_STR("name")))) && sp_str_eq(owner, o->uid))
			return true;
	}
	return false;
}

static sp_code add_want(reading *r, yyjson_val *pod, const sp_object *o)
{
	att_wanted *w = r->ret;
	if (w->n == r->cap) {
		size_t cap = r->cap == 0 ? 8 : 2 * r->cap;
		att_want *items =
			sp_arena_try_grow(r->a, w->items, r->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return SP_ETOOLARGE;
		w->items = items;
		r->cap = cap;
	}
	if (ctl_hold(r->a, o) == NULL)
		return SP_ENOMEM;
	w->items[w->n++] = (att_want){.node = text_at(pod, "spec", "nodeName"), .pod = o};
	return SP_OK;
}

/* ---- by claims ---- */

static bool is_not_attached(const attach *t, sp_str driver)
{
	yyjson_val *root;
	bool off = false;
	sp_arena a;
	const sp_object *o = driver.len == 0 ? NULL : sp_informer_get(t->drivers, driver);
	if (o == NULL)
		return false;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (sp_json_parse(&a, o->json, &root, NULL) == SP_OK) {
		yyjson_val *required = at(root, "spec", "attachRequired");
		off = required != NULL && !yyjson_get_bool(required);
	}
	sp_arena_done(&a);
	return off;
}

/* The claim that has the volume; NULL: none. Its controller's uid too. */
static const sp_object *claim_of(const reading *r, const sp_object *volume, yyjson_val *pv, sp_str *ret_owner)
{
	yyjson_val *root;
	ctl_owner owner;
	const sp_object *o = sp_informer_get_in(
		r->t->claims, sp_json_str(sp_json_last(at(pv, "spec", "claimRef"), SP_STR("namespace"))),
		sp_json_str(sp_json_last(at(pv, "spec", "claimRef"), SP_STR("name"))));
	if (o == NULL ||
	    !sp_str_eq(o->uid, sp_json_str(sp_json_last(at(pv, "spec", "claimRef"), SP_STR("uid")))) ||
	    sp_json_parse(r->a, o->json, &root, NULL) != SP_OK ||
	    !sp_str_eq(text_at(root, "status", "phase"), SP_STR("Bound")) ||
	    !sp_str_eq(text_at(root, "spec", "volumeName"), volume->name))
		return NULL;
	*ret_owner = ctl_controller_of_object(r->a, o, &owner) ? owner.uid : SP_STR("");
	return o;
}

static sp_code read_pods_of_claim(reading *r, const sp_object *claim, sp_str owner)
{
	const sp_object *o;
	yyjson_val *pod;
	sp_index_at at_pod = sp_informer_find(r->t->pods, r->t->pods_by_claim, claim->key);
	while ((o = sp_index_next(&at_pod)) != NULL) {
		SP_TRY(sp_json_parse(r->a, o->json, &pod, NULL));
		if (text_at(pod, "spec", "nodeName").len > 0 && att_pod_counts(pod) &&
		    uses_claim(pod, o, claim, owner))
			SP_TRY(add_want(r, pod, o));
	}
	return SP_OK;
}

static sp_code read_volume(reading *r, const sp_object *o)
{
	yyjson_val *pv;
	sp_str owner;
	if (ctl_hold(r->a, o) == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_json_parse(r->a, o->json, &pv, NULL));
	if (!vol_name_of_pv(pv, &r->ret->name))
		return SP_OK;
	r->ret->is_inline = false;
	r->ret->title = o->name;
	const sp_object *claim = claim_of(r, o, pv, &owner);
	return claim == NULL ? SP_OK : read_pods_of_claim(r, claim, owner);
}

/* ---- in pods ---- */

static sp_code read_inline(reading *r, const sp_object *o)
{
	yyjson_val *v, *pod;
	vol_name name;
	size_t i, n;
	SP_TRY(sp_json_parse(r->a, o->json, &pod, NULL));
	if (text_at(pod, "spec", "nodeName").len == 0 || !att_pod_counts(pod))
		return SP_OK;
	yyjson_arr_foreach(at(pod, "spec", "volumes"), i, n, v)
	{
		if (!vol_name_of_inline(v, &name) || !sp_str_eq(vol_name_unique(r->a, &name), r->name))
			continue;
		(void)vol_name_of_inline(v, &r->ret->name);
		r->ret->is_inline = true;
		r->ret->title = vol_name_inline_title(r->a, &name, v);
		return add_want(r, pod, o);
	}
	return SP_OK;
}

sp_code att_read_wanted(const attach *t, sp_arena *a, sp_str name, att_wanted *ret, sp_err *err)
{
	reading r = {.t = t, .a = a, .name = name, .ret = ret};
	const sp_object *o;
	sp_code code = SP_OK;
	*ret = (att_wanted){.name.is_shared = true};
	sp_index_at pod = sp_informer_find(t->pods, t->pods_by_name, name);
	while (code == SP_OK && (o = sp_index_next(&pod)) != NULL)
		code = read_inline(&r, o);
	sp_index_at volume = sp_informer_find(t->volumes, t->volumes_by_name, name);
	while (code == SP_OK && (o = sp_index_next(&volume)) != NULL)
		code = read_volume(&r, o);
	if (code != SP_OK)
		return sp_fail(err, code, "pods of volume " SP_FMT " cannot be read", SP_ARG(name));
	if (is_not_attached(t, ret->name.driver))
		ret->n = 0;
	return SP_OK;
}

/* ---- whom a pod concerns ---- */

static void enqueue_claimed(attach *t, sp_arena *a, sp_str key)
{
	yyjson_val *claim, *pv;
	vol_name name;
	const sp_object *o = key.len == 0 ? NULL : sp_informer_get(t->claims, key);
	if (o == NULL || sp_json_parse(a, o->json, &claim, NULL) != SP_OK)
		return;
	o = sp_informer_get(t->volumes, text_at(claim, "spec", "volumeName"));
	if (o != NULL && sp_json_parse(a, o->json, &pv, NULL) == SP_OK && vol_name_of_pv(pv, &name))
		att_enqueue(t, ATT_VOLUME_KEY, vol_name_unique(a, &name));
}

void att_enqueue_pod(attach *t, const sp_object *o)
{
	yyjson_val *v, *pod;
	vol_name name;
	size_t i, n;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	bool read = sp_json_parse(&a, o->json, &pod, NULL) == SP_OK;
	yyjson_arr_foreach(read ? at(pod, "spec", "volumes") : NULL, i, n, v)
	{
		sp_str claim = text_at(v, "persistentVolumeClaim", "claimName");
		sp_str own = sp_json_str(sp_json_last(v, SP_STR("name")));
		if (sp_json_last(v, SP_STR("ephemeral")) != NULL)
			claim = SP_CONCAT(&a, o->name, SP_STR("-"), own);
		if (claim.len > 0)
			enqueue_claimed(t, &a, sp_object_key_join(&a, o->ns, claim));
		else if (vol_name_of_inline(v, &name))
			att_enqueue(t, ATT_VOLUME_KEY, vol_name_unique(&a, &name));
	}
	sp_arena_done(&a);
}

/* ---- indexes ---- */

void att_index_pods(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *v;
	vol_name name;
	size_t i, n;
	(void)arg;
	(void)o;
	yyjson_arr_foreach(at(object, "spec", "volumes"), i, n, v)
	{
		if (vol_name_of_inline(v, &name))
			sp_index_emit_parts(keys, name.parts, name.n);
	}
}

void att_index_pods_by_node(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys, text_at(object, "spec", "nodeName"));
}

void att_index_volumes(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	vol_name name;
	(void)arg;
	(void)o;
	if (vol_name_of_pv(object, &name))
		sp_index_emit_parts(keys, name.parts, name.n);
}

void att_index_attachments(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys, sp_json_str(sp_json_last(at(object, "spec", "source"),
						     SP_STR("persistentVolumeName"))));
}
