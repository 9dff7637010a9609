/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/apply/apply.h"

#include "base/limits.h"
#include "kube/apply/apply_int.h"
#include "kube/apply/typed_int.h"
#include "kube/patch/patch_int.h"
#include "kube/patch/unstructured.h"

#define LAST_APPLIED SP_STR("kubectl.kubernetes.io/last-applied-configuration")
#define MANAGED SP_STR("managedFields")

static yyjson_mut_val *metadata(yyjson_mut_val *object)
{
	return sp_jmut_get(object, SP_STR("metadata"));
}

static sp_str last_applied(yyjson_mut_val *object)
{
	return sp_jmut_str(sp_jmut_get(sp_jmut_get(metadata(object), SP_STR("annotations")), LAST_APPLIED));
}

/* Takes managedFields out of an object; NULL when there are none. */
static yyjson_mut_val *take_managed(yyjson_mut_val *object)
{
	yyjson_mut_val *list = sp_jmut_get(metadata(object), MANAGED);
	if (list != NULL)
		(void)sp_jmut_remove(metadata(object), MANAGED);
	return list;
}

static sp_code put_managed(const sp_apply_request *q, yyjson_mut_val *object, sp_managers *m)
{
	(void)sp_jmut_remove(metadata(object), MANAGED);
	if (m->n == 0)
		return SP_OK;
	yyjson_mut_val *list = sp_managers_json(q->doc, m), *meta = metadata(object);
	if (!yyjson_mut_is_obj(meta)) {
		meta = yyjson_mut_obj(q->doc);
		if (meta == NULL || !sp_jmut_set(q->doc, object, SP_STR("metadata"), meta))
			return SP_ENOMEM;
	}
	return list != NULL && sp_jmut_set(q->doc, meta, MANAGED, list) ? SP_OK : SP_ENOMEM;
}

/* What nobody owns: the identity of the object and what the server sets. */
static sp_code strip_set(sp_arena *a, const sp_fieldset **ret)
{
	static const char *const top[] = {"apiVersion", "kind", "metadata"};
	static const char *const below[] = {
		"clusterName",     "creationTimestamp", "generation", "managedFields", "name", "namespace",
		"resourceVersion", "selfLink",          "uid"};
	sp_fieldset *s = sp_fieldset_new(a), *meta = sp_fieldset_new(a);
	bool ok = s != NULL && meta != NULL;
	for (size_t i = 0; ok && i < SP_LEN(below); i++) {
		sp_fs_entry e = {.pe = {.kind = SP_PE_FIELD, .name = sp_str_c(below[i])}, .member = true};
		ok = sp_fieldset_append(a, meta, &e);
	}
	for (size_t i = 0; ok && i < SP_LEN(top); i++) {
		sp_fs_entry e = {.pe = {.kind = SP_PE_FIELD, .name = sp_str_c(top[i])}, .member = true};
		e.child = i == 2 ? meta : NULL;
		ok = sp_fieldset_append(a, s, &e);
	}
	*ret = s;
	return ok ? SP_OK : SP_ENOMEM;
}

static sp_code strip(sp_arena *a, sp_manager *m)
{
	const sp_fieldset *gone = NULL;
	SP_TRY(strip_set(a, &gone));
	return sp_fieldset_difference(a, m->set, gone, &m->set);
}

static sp_manager self_of(const sp_apply_request *q, bool applied)
{
	return (sp_manager){.name = q->manager.len > 0 ? q->manager : SP_STR("unknown"),
			    .api_version = q->api_version,
			    .subresource = q->subresource,
			    .applied = applied};
}

/* -- other owners
 * -------------------------------------------------------------------------------------------- */

/* The difference of two objects in one version, without the fields this endpoint resets. What was no apply
 * counts as Go writes it. */
static sp_code diff_at(const sp_apply_request *q, yyjson_mut_val *from, yyjson_mut_val *to, sp_str version,
		       bool written, sp_typed_diff *ret, bool *ret_known)
{
	const sp_schema *s = q->schema;
	sp_arena *a = q->arena;
	*ret_known = true;
	if (q->convert != NULL && !sp_str_eq(version, q->api_version)) {
		from = q->convert(q->convert_arg, from, version, &s);
		to = from == NULL ? NULL : q->convert(q->convert_arg, to, version, &s);
		*ret_known = to != NULL;
		if (to == NULL)
			return SP_OK;
	}
	SP_TRY(sp_typed_compare(a, s, from, to, written, ret));
	SP_TRY(sp_fieldset_recursive_difference(a, ret->added, q->reset, &ret->added));
	SP_TRY(sp_fieldset_recursive_difference(a, ret->modified, q->reset, &ret->modified));
	return sp_fieldset_recursive_difference(a, ret->removed, q->reset, &ret->removed);
}

/*
 * What the change from `live` to `object` takes from the other owners. With conflicts and without force the
 * managers stay as they are and *ret_conflicts lists them.
 */
static sp_code update_others(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *object,
			     sp_managers *m, const sp_manager *self, bool force, sp_typed_diff *ret_diff,
			     sp_managers *ret_conflicts)
{
	sp_arena *a = q->arena;
	bool known = false;
	SP_TRY(diff_at(q, live, object, q->api_version, self == NULL, ret_diff, &known));
	sp_managers conflicts = {0};
	const sp_fieldset **rest = sp_try_new(a, const sp_fieldset *, m->n + 1);
	if (rest == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		sp_manager *other = &m->items[i];
		const sp_fieldset *changed = NULL, *taken = NULL;
		sp_typed_diff d = *ret_diff;
		rest[i] = other->set;
		if (self != NULL && sp_managers_find(&(sp_managers){other, 1, 1}, self) != NULL)
			continue;
		if (q->convert != NULL && !sp_str_eq(other->api_version, q->api_version)) {
			SP_TRY(diff_at(q, live, object, other->api_version, self == NULL, &d, &known));
			if (!known) {
				rest[i] = NULL;
				continue;
			}
		}
		SP_TRY(sp_fieldset_union(a, d.modified, d.added, &changed));
		SP_TRY(sp_fieldset_intersection(a, other->set, changed, &taken));
		if (taken != NULL) {
			sp_manager c = *other;
			c.set = taken;
			if (sp_managers_add(a, &conflicts, &c) == NULL)
				return SP_ENOMEM;
			SP_TRY(sp_fieldset_difference(a, rest[i], taken, &rest[i]));
		}
		SP_TRY(sp_fieldset_difference(a, rest[i], d.removed, &rest[i]));
	}
	*ret_conflicts = conflicts;
	if (conflicts.n > 0 && !force)
		return SP_OK;
	for (size_t i = 0; i < m->n; i++)
		m->items[i].set = rest[i];
	sp_managers_squeeze(m);
	return SP_OK;
}

/* -- writes that are no apply
 * --------------------------------------------------------------------------------- */

/* Gives everything that differs between the two objects to q->manager. */
static sp_code track(const sp_apply_request *q, sp_str name, yyjson_mut_val *live, yyjson_mut_val *object,
		     sp_managers *m)
{
	sp_arena *a = q->arena;
	sp_typed_diff d = {0};
	sp_managers ignored;
	sp_manager self = self_of(q, false);
	self.name = name.len > 0 ? name : SP_STR("unknown");
	SP_TRY(update_others(q, live, object, m, NULL, true, &d, &ignored));
	SP_TRY(sp_fieldset_union(a, d.modified, d.added, &self.set));
	SP_TRY(strip(a, &self));
	if (self.set != NULL) {
		sp_manager *mine = sp_managers_find(m, &self);
		self.time = q->now;
		if (mine == NULL && sp_managers_add(a, m, &self) == NULL)
			return SP_ENOMEM;
		if (mine != NULL) {
			SP_TRY(sp_fieldset_union(a, self.set, mine->set, &mine->set));
			mine->time = q->now;
		}
	}
	return sp_managers_cap(a, m);
}

/* [] and [{}] ask for forgetting everything. */
static bool is_reset(yyjson_mut_val *list)
{
	if (!yyjson_mut_is_arr(list))
		return false;
	size_t n = yyjson_mut_arr_size(list);
	yyjson_mut_val *first = yyjson_mut_arr_get_first(list);
	return n == 0 || (n == 1 && yyjson_mut_is_obj(first) && yyjson_mut_obj_size(first) == 0);
}

/* Puts managedFields back that were taken out of the live object for the time of a call. */
static sp_code give_back(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *list, sp_code code)
{
	if (list != NULL && !sp_jmut_set(q->doc, metadata(live), MANAGED, list))
		return SP_ENOMEM;
	return code;
}

static bool is_stored(yyjson_mut_val *live)
{
	return sp_jmut_str(sp_jmut_get(metadata(live), SP_STR("uid"))).len > 0;
}

sp_code sp_apply_track(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *object)
{
	sp_managers m = {0};
	yyjson_mut_val *sent = take_managed(object), *kept = NULL;
	if (live == NULL) {
		live = sp_apply_zero(q->doc, q->schema);
		if (live == NULL)
			return SP_ENOMEM;
	} else {
		kept = take_managed(live);
	}
	bool own = q->subresource.len == 0;
	bool usable = own && sp_managers_parse(q->arena, sent, &m, NULL) == SP_OK && m.n > 0;
	if (own && is_reset(sent))
		m.n = 0;
	else if (!usable && sp_managers_parse(q->arena, kept, &m, NULL) != SP_OK)
		m.n = 0;
	if (m.n == 0 && is_stored(live))
		return give_back(q, live, kept, SP_OK); /* nobody has applied: it stays untracked */
	sp_code code = track(q, q->manager, live, object, &m);
	if (code == SP_OK)
		code = put_managed(q, object, &m);
	else if (code == SP_EINVAL)
		code = SP_OK; /* U: apimachinery pkg/util/managedfields, UpdateNoErrors: it has no owners then
			       */
	return give_back(q, live, kept, code);
}

/* -- apply
 * ---------------------------------------------------------------------------------------------------- */

/* The members of m's sets of one version, together. */
static sp_code owned_at(sp_arena *a, const sp_managers *m, sp_str version, bool any_version,
			const sp_fieldset **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < m->n; i++) {
		if (any_version || sp_str_eq(m->items[i].api_version, version))
			SP_TRY(sp_fieldset_union(a, *ret, m->items[i].set, ret));
	}
	return SP_OK;
}

static sp_code named_set(const sp_apply_request *q, yyjson_mut_val *v, const sp_fieldset **ret)
{
	const sp_fieldset *s = NULL;
	SP_TRY(sp_typed_fieldset(q->arena, q->schema, v, &s));
	return sp_typed_named_members(q->arena, q->schema, s, ret);
}

/*
 * Removes what the manager applied before and does not apply now, unless somebody owns it. First everything
 * it had applied goes; then what others own comes back, and what was only below something that went.
 */
static sp_code prune(const sp_apply_request *q, const sp_managers *m, const sp_fieldset *last,
		     const sp_fieldset *now, yyjson_mut_val **object)
{
	sp_arena *a = q->arena;
	const sp_fieldset *gone = NULL, *owned = NULL, *merged = NULL, *pruned = NULL, *set = NULL;
	SP_TRY(sp_fieldset_difference(a, last, now, &gone));
	if (gone == NULL)
		return SP_OK; /* everything applied before is applied again */
	SP_TRY(sp_typed_named_members(a, q->schema, last, &last));
	yyjson_mut_val *out = sp_typed_remove(a, q->doc, q->schema, *object, last);
	if (out == NULL)
		return SP_ENOMEM;
	SP_TRY(named_set(q, *object, &merged));
	SP_TRY(named_set(q, out, &pruned));
	SP_TRY(owned_at(a, m, q->api_version, q->convert == NULL, &owned));
	SP_TRY(sp_typed_named_members(a, q->schema, owned, &owned));
	SP_TRY(sp_fieldset_union(a, pruned, owned, &set));
	SP_TRY(sp_fieldset_difference(a, merged, set, &set));
	out = sp_typed_remove(a, q->doc, q->schema, *object, set);
	if (out == NULL)
		return SP_ENOMEM;
	SP_TRY(named_set(q, out, &pruned));
	SP_TRY(sp_fieldset_difference(a, merged, pruned, &set));
	SP_TRY(sp_fieldset_intersection(a, set, last, &set));
	out = sp_typed_remove(a, q->doc, q->schema, *object, set);
	if (out == NULL)
		return SP_ENOMEM;
	*object = out;
	return SP_OK;
}

/* One attempt. *ret is NULL when the object stays as it is. */
static sp_code attempt(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *patch, bool force,
		       sp_managers *m, yyjson_mut_val **ret, sp_managers *conflicts)
{
	sp_arena *a = q->arena;
	sp_manager self = self_of(q, true), *mine = sp_managers_find(m, &self);
	const sp_fieldset *last = mine == NULL ? NULL : mine->set;
	yyjson_mut_val *object = NULL;
	sp_typed_diff d;
	SP_TRY(sp_typed_merge(a, q->doc, q->schema, live, patch, &object, NULL));
	SP_TRY(sp_typed_fieldset(a, q->schema, patch, &self.set));
	SP_TRY(sp_fieldset_recursive_difference(a, self.set, q->reset, &self.set));
	if (mine == NULL) {
		mine = sp_managers_add(a, m, &self);
		if (mine == NULL)
			return SP_ENOMEM;
	}
	mine->set = self.set;
	mine->api_version = self.api_version;
	if (last != NULL)
		SP_TRY(prune(q, m, last, self.set, &object));
	SP_TRY(update_others(q, live, object, m, &self, force, &d, conflicts));
	if (conflicts->n > 0 && !force)
		return SP_OK;
	*ret = sp_typed_equal(live, object) ? NULL : object;
	mine = sp_managers_find(m, &self);
	if (mine != NULL) {
		SP_TRY(strip(a, mine));
		if (*ret != NULL)
			mine->time = q->now;
	}
	sp_managers_squeeze(m);
	return SP_OK;
}

static sp_code managers_copy(sp_arena *a, const sp_managers *from, sp_managers *ret)
{
	*ret = (sp_managers){0};
	for (size_t i = 0; i < from->n; i++) {
		if (sp_managers_add(a, ret, &from->items[i]) == NULL)
			return SP_ENOMEM;
	}
	return SP_OK;
}

/*
 * Objects that kubectl managed on the client before: fields that its annotation lists and that still have
 * those values may be taken from any owner. Leaves the conflicts that remain.
 */
static sp_code allow_last_applied(const sp_apply_request *q, yyjson_mut_val *live, sp_managers *conflicts)
{
	sp_arena *a = q->arena;
	sp_str text = last_applied(live);
	yyjson_mut_val *was = NULL;
	const sp_fieldset *allowed = NULL;
	sp_typed_diff d;
	if (text.len == 0 || sp_json_parse_mut(a, text, q->doc, &was, NULL) != SP_OK ||
	    !sp_str_eq(sp_jmut_str(sp_jmut_get(was, SP_STR("apiVersion"))), q->api_version) ||
	    sp_typed_check(a, q->schema, was, false, NULL) != SP_OK)
		return SP_OK;
	SP_TRY(sp_typed_fieldset(a, q->schema, was, &allowed));
	SP_TRY(sp_typed_compare(a, q->schema, was, live, false, &d));
	SP_TRY(sp_fieldset_difference(a, allowed, d.modified, &allowed));
	SP_TRY(sp_fieldset_difference(a, allowed, d.added, &allowed));
	SP_TRY(sp_fieldset_difference(a, allowed, d.removed, &allowed));
	for (size_t i = 0; i < conflicts->n; i++)
		SP_TRY(sp_fieldset_difference(a, conflicts->items[i].set, allowed, &conflicts->items[i].set));
	sp_managers_squeeze(conflicts);
	return SP_OK;
}

/* "default/a; /v1, Kind=ConfigMap" */
static sp_str shown(const sp_apply_request *q, yyjson_mut_val *object)
{
	sp_str name = sp_jmut_str(sp_jmut_get(metadata(object), SP_STR("name")));
	sp_str space = sp_jmut_str(sp_jmut_get(metadata(object), SP_STR("namespace")));
	bool core = sp_str_index(q->api_version, '/') < 0;
	return sp_arena_printf(q->arena, SP_FMT "/" SP_FMT "; %s" SP_FMT ", Kind=" SP_FMT, SP_ARG(space),
			       SP_ARG(name), core ? "/" : "", SP_ARG(q->api_version), SP_ARG(q->kind));
}

/* What nobody owns so far is somebody's from now on: who was there before the first apply. */
static sp_code track_before(const sp_apply_request *q, yyjson_mut_val *live, sp_managers *m,
			    sp_patch_error *perr)
{
	sp_str text = {0}, what = shown(q, live);
	yyjson_mut_val *zero = sp_apply_zero(q->doc, q->schema);
	if (zero == NULL)
		return SP_ENOMEM;
	sp_code code = sp_typed_check(q->arena, q->schema, live, true, &text);
	if (code == SP_EINVAL)
		return sp_patch_fail(q->arena, perr, code, 500, "",
				     "failed to create manager for existing fields: failed to convert new "
				     "object (" SP_FMT ") to smd typed: " SP_FMT,
				     SP_ARG(what), SP_ARG(text));
	SP_TRY(code);
	return track(q, SP_STR("before-first-apply"), zero, live, m);
}

static sp_code apply_checked(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *patch,
			     bool force, sp_managers *m, yyjson_mut_val **ret, sp_patch_error *perr)
{
	sp_arena *a = q->arena;
	sp_managers conflicts = {0}, again;
	if (m->n == 0 && is_stored(live))
		SP_TRY(track_before(q, live, m, perr));
	SP_TRY(managers_copy(a, m, &again));
	SP_TRY(attempt(q, live, patch, force, m, ret, &conflicts));
	if (conflicts.n > 0 && !force && sp_str_eq(q->manager, SP_STR("kubectl"))) {
		SP_TRY(allow_last_applied(q, live, &conflicts));
		*m = again;
		if (conflicts.n == 0)
			SP_TRY(attempt(q, live, patch, true, m, ret, &again));
	}
	if (conflicts.n > 0 && !force)
		return sp_apply_conflict(a, &conflicts, perr);
	if (*ret == NULL) {
		*ret = sp_typed_copy(q->doc, live);
		if (*ret == NULL)
			return SP_ENOMEM;
	}
	if (sp_str_eq(q->manager, SP_STR("kubectl")) && last_applied(*ret).len > 0)
		SP_TRY(sp_apply_set_last_applied(q, *ret, patch));
	return put_managed(q, *ret, m);
}

/* True when the patch has managedFields that Go can read; others count as none here.
 * U: apimachinery pkg/apis/meta/v1/unstructured, GetManagedFields */
static bool names_owners(const sp_apply_request *q, yyjson_mut_val *patch)
{
	const sp_schema *meta = sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
	yyjson_mut_val *sent = sp_jmut_get(metadata(patch), MANAGED);
	const sp_field *f = sp_schema_field(meta, MANAGED, NULL);
	size_t i, max;
	yyjson_mut_val *item;
	sp_str why;
	if (!yyjson_mut_is_arr(sent))
		return false;
	yyjson_mut_arr_foreach(sent, i, max, item)
	{
		if (!yyjson_mut_is_obj(item))
			return false;
	}
	return !sp_unstructured_fault(q->arena, f->schema, sent, &why);
}

sp_code sp_apply(const sp_apply_request *q, yyjson_mut_val *live, yyjson_mut_val *patch, bool force,
		 yyjson_mut_val **ret, sp_patch_error *perr)
{
	sp_arena *a = q->arena;
	sp_str version = sp_jmut_str(sp_jmut_get(patch, SP_STR("apiVersion"))), text = {0};
	if (!sp_str_eq(version, q->api_version))
		return sp_patch_fail(
			a, perr, SP_EINVAL, 400, "BadRequest",
			"Incorrect version specified in apply patch. Specified patch version: " SP_FMT
			", expected: " SP_FMT,
			SP_ARG(version), SP_ARG(q->api_version));
	if (names_owners(q, patch))
		return sp_patch_fail(a, perr, SP_EINVAL, 400, "BadRequest",
				     "metadata.managedFields must be nil");
	sp_code code = sp_typed_check(a, q->schema, patch, false, &text);
	if (code == SP_EINVAL) {
		sp_str what = shown(q, patch);
		return sp_patch_fail(a, perr, code, 500, "",
				     "failed to create typed patch object (" SP_FMT "): " SP_FMT,
				     SP_ARG(what), SP_ARG(text));
	}
	if (code != SP_OK)
		return sp_patch_no_room(a, perr);
	yyjson_mut_val *kept = NULL;
	if (live == NULL) {
		live = yyjson_mut_obj(q->doc);
		if (live == NULL)
			return sp_patch_no_room(a, perr);
	} else {
		kept = take_managed(live);
	}
	sp_managers m;
	sp_err err = {0};
	*ret = NULL;
	code = sp_managers_parse(a, kept, &m, &err);
	if (code == SP_EINVAL)
		code = sp_patch_fail(a, perr, code, 500, "", "failed to decode managed fields: %s", err.msg);
	else if (code == SP_OK)
		code = apply_checked(q, live, patch, force, &m, ret, perr);
	code = give_back(q, live, kept, code);
	if (code == SP_OK || code == SP_ECONFLICT || code == SP_EINVAL)
		return code;
	return sp_patch_no_room(a, perr);
}
