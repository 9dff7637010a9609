/* SPDX-License-Identifier: Apache-2.0 */
#include "client/patch.h"

#include "base/json_out.h"
#include "base/num.h"

/* ---- differences ---- */

typedef struct differ {
	yyjson_mut_doc *doc;
	bool no_room;
} differ;

static void add(differ *d, yyjson_mut_val *object, yyjson_mut_val *key, yyjson_mut_val *v)
{
	yyjson_mut_val *copy = v == NULL ? yyjson_mut_null(d->doc) : yyjson_mut_val_mut_copy(d->doc, v);
	if (copy == NULL || !sp_jmut_set(d->doc, object, sp_jmut_str(key), copy))
		d->no_room = true;
}

/* NULL: they are the same. */
static yyjson_mut_val *diff(differ *d, yyjson_mut_val *old, yyjson_mut_val *now, unsigned depth)
{
	yyjson_mut_val *out = yyjson_mut_obj(d->doc), *key, *v;
	size_t i, n;
	if (out == NULL || depth > SP_JSON_BUILD_DEPTH) {
		d->no_room = true;
		return NULL;
	}
	yyjson_mut_obj_foreach(old, i, n, key, v)
	{
		if (sp_jmut_get(now, sp_jmut_str(key)) == NULL && !yyjson_mut_is_null(v))
			add(d, out, key, NULL);
	}
	yyjson_mut_obj_foreach(now, i, n, key, v)
	{
		yyjson_mut_val *was = sp_jmut_get(old, sp_jmut_str(key));
		if (was != NULL && sp_jmut_equal(was, v))
			continue;
		if (!yyjson_mut_is_obj(was) || !yyjson_mut_is_obj(v)) {
			add(d, out, key, v);
			continue;
		}
		yyjson_mut_val *inner = diff(d, was, v, depth + 1);
		if (inner != NULL && !sp_jmut_set(d->doc, out, sp_jmut_str(key), inner))
			d->no_room = true;
	}
	return yyjson_mut_obj_size(out) == 0 ? NULL : out;
}

static bool add_base(yyjson_mut_doc *doc, yyjson_mut_val *patch, const sp_object *base)
{
	char text[SP_NUM_TEXT_BYTES];
	yyjson_mut_val *meta = sp_jmut_get(patch, SP_STR("metadata"));
	if (meta == NULL) {
		meta = yyjson_mut_obj(doc);
		if (meta == NULL || !sp_jmut_set(doc, patch, SP_STR("metadata"), meta))
			return false;
	}
	return sp_jmut_set_str(doc, meta, SP_STR("uid"), base->uid) &&
	       sp_jmut_set_str(doc, meta, SP_STR("resourceVersion"),
			       (sp_str){text, sp_print_u64(text, base->revision)});
}

static sp_code write_patch(sp_buf *out, differ *d, yyjson_mut_val *patch, const sp_object *base,
			   bool *ret_changed, sp_err *err)
{
	*ret_changed = patch != NULL;
	if (patch != NULL && base != NULL && !add_base(d->doc, patch, base))
		d->no_room = true;
	if (d->no_room)
		return sp_fail(err, SP_ETOOLARGE, "no room for a patch");
	if (patch == NULL)
		return SP_OK;
	sp_code code = sp_json_write_mut(out, patch);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for a patch");
}

sp_code sp_patch_merge(sp_buf *out, sp_arena *a, yyjson_mut_val *old, yyjson_mut_val *now,
		       const sp_object *base, bool *ret_changed, sp_err *err)
{
	differ d = {.doc = sp_json_doc(a)};
	if (d.doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a patch");
	return write_patch(out, &d, diff(&d, old, now, 0), base, ret_changed, err);
}

sp_code sp_patch_member(sp_buf *out, sp_arena *a, const char *member, yyjson_mut_val *old,
			yyjson_mut_val *now, const sp_object *base, bool *ret_changed, sp_err *err)
{
	differ d = {.doc = sp_json_doc(a)};
	yyjson_mut_val *patch = d.doc == NULL ? NULL : yyjson_mut_obj(d.doc);
	if (patch == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a patch");
	yyjson_mut_val *inner = diff(&d, old, now, 0);
	if (inner != NULL && !sp_jmut_set(d.doc, patch, sp_str_c(member), inner))
		d.no_room = true;
	return write_patch(out, &d, inner == NULL ? NULL : patch, base, ret_changed, err);
}

/* ---- pieces ---- */

sp_code sp_patch_finalizers(sp_buf *out, const sp_object *base, sp_vlist now, sp_str without, sp_str with)
{
	char revision[SP_NUM_TEXT_BYTES];
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), base->uid);
	sp_jout_member_str(&j, SP_STR("resourceVersion"),
			   (sp_str){revision, sp_print_u64(revision, base->revision)});
	sp_jout_member_open(&j, SP_STR("finalizers"), '[');
	SP_VLIST_FOREACH(v, now)
	{
		if (!sp_str_eq(sp_json_str(v), without))
			sp_jout_str(&j, sp_json_str(v));
	}
	if (with.len > 0)
		sp_jout_str(&j, with);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

sp_code sp_patch_delete_opts(sp_buf *out, const sp_delete_opts *o)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("DeleteOptions"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	if (o->has_grace)
		sp_jout_member_i64(&j, SP_STR("gracePeriodSeconds"), o->grace_s);
	if (o->propagation.len > 0)
		sp_jout_member_str(&j, SP_STR("propagationPolicy"), o->propagation);
	if (o->uid.len > 0 || o->revision.len > 0) {
		sp_jout_member_open(&j, SP_STR("preconditions"), '{');
		if (o->uid.len > 0)
			sp_jout_member_str(&j, SP_STR("uid"), o->uid);
		if (o->revision.len > 0)
			sp_jout_member_str(&j, SP_STR("resourceVersion"), o->revision);
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

sp_code sp_patch_owner(sp_buf *out, const sp_owner *o)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), o->api_version);
	sp_jout_member_str(&j, SP_STR("kind"), o->kind);
	sp_jout_member_str(&j, SP_STR("name"), o->name);
	sp_jout_member_str(&j, SP_STR("uid"), o->uid);
	sp_jout_member_bool(&j, SP_STR("controller"), true);
	sp_jout_member_bool(&j, SP_STR("blockOwnerDeletion"), true);
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}
