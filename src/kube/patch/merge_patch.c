/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/merge_patch.h"

#include "kube/patch/members.h"
#include "kube/patch/patch_int.h"

/* Nulls do not survive in what is newly set: members that are null go, at any depth. */
static bool drop_nulls(sp_arena *a, yyjson_mut_val *v)
{
	size_t idx, max;
	yyjson_mut_val *key, *val;
	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, idx, max, val)
		{
			if (!drop_nulls(a, val))
				return false;
		}
		return true;
	}
	if (!yyjson_mut_is_obj(v))
		return true;
	bool any = false;
	yyjson_mut_obj_foreach(v, idx, max, key, val)
	{
		any = any || yyjson_mut_is_null(val);
		if (!drop_nulls(a, val))
			return false;
	}
	if (!any)
		return true;
	sp_members m;
	if (!sp_members_load(a, &m, v))
		return false;
	for (size_t i = 0; i < m.n; i++) {
		if (yyjson_mut_is_null(m.items[i].val))
			m.items[i].val = NULL;
	}
	sp_members_store(&m, v);
	return true;
}

static bool merge_objects(sp_arena *a, yyjson_mut_val *object, yyjson_mut_val *patch)
{
	sp_members to, from;
	if (!sp_members_load(a, &to, object) || !sp_members_load(a, &from, patch))
		return false;
	for (size_t i = 0; i < from.n; i++) {
		sp_str key = sp_members_key(from.items[i].key);
		yyjson_mut_val *val = from.items[i].val;
		if (yyjson_mut_is_null(val)) {
			sp_members_remove(&to, key);
			continue;
		}
		size_t at = sp_members_find(&to, key);
		if (at != SP_MEMBERS_NONE && yyjson_mut_is_obj(to.items[at].val) && yyjson_mut_is_obj(val)) {
			if (!merge_objects(a, to.items[at].val, val))
				return false;
			continue;
		}
		/* An array over an object keeps the nulls of its objects: the one case that upstream skips.
		 */
		bool keep = at != SP_MEMBERS_NONE && yyjson_mut_is_obj(to.items[at].val);
		if (!keep && !drop_nulls(a, val))
			return false;
		if (!sp_members_put(&to, from.items[i].key, val))
			return false;
	}
	sp_members_store(&to, object);
	return true;
}

bool sp_merge_patch_tree(sp_arena *a, yyjson_mut_val *object, yyjson_mut_val *patch)
{
	return merge_objects(a, object, patch);
}

sp_code sp_merge_patch_apply(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			     yyjson_mut_val **ret, sp_patch_error *perr)
{
	yyjson_mut_val *tree = NULL;
	SP_TRY(sp_patch_parse_object(a, doc, patch, "error decoding patch: ", &tree, perr));
	if (yyjson_mut_is_null(tree))
		return sp_patch_fail(a, perr, SP_EINVAL, 400, "BadRequest", "Invalid JSON Patch");
	if (!yyjson_mut_is_obj(object))
		return sp_patch_fail(a, perr, SP_EINVAL, 400, "BadRequest", "Invalid JSON Document");
	if (!sp_merge_patch_tree(a, object, tree))
		return sp_patch_no_room(a, perr);
	*ret = object;
	return SP_OK;
}

/* Adds to `out` what turns `from` into `to`. */
static bool diff_objects(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *from, yyjson_mut_val *to,
			 yyjson_mut_val *out)
{
	sp_members old, new;
	if (!sp_members_load(a, &old, from) || !sp_members_load(a, &new, to))
		return false;
	for (size_t i = 0; i < old.n; i++) {
		sp_str key = sp_members_key(old.items[i].key);
		if (sp_members_find(&new, key) == SP_MEMBERS_NONE &&
		    !yyjson_mut_obj_add(out, yyjson_mut_strncpy(doc, key.ptr, key.len), yyjson_mut_null(doc)))
			return false;
	}
	for (size_t i = 0; i < new.n; i++) {
		sp_str key = sp_members_key(new.items[i].key);
		yyjson_mut_val *val = new.items[i].val, *put = NULL;
		size_t at = sp_members_find(&old, key);
		yyjson_mut_val *was = at == SP_MEMBERS_NONE ? NULL : old.items[at].val;
		if (yyjson_mut_is_obj(was) && yyjson_mut_is_obj(val)) {
			put = yyjson_mut_obj(doc);
			if (put == NULL || !diff_objects(a, doc, was, val, put))
				return false;
			if (yyjson_mut_obj_size(put) == 0)
				continue;
		} else {
			if (was != NULL && sp_jmut_equal(was, val))
				continue;
			put = yyjson_mut_val_mut_copy(doc, val);
		}
		if (put == NULL || !yyjson_mut_obj_add(out, yyjson_mut_strncpy(doc, key.ptr, key.len), put))
			return false;
	}
	return true;
}

yyjson_mut_val *sp_merge_patch_diff(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *from,
				    yyjson_mut_val *to)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	return out != NULL && diff_objects(a, doc, from, to, out) ? out : NULL;
}
