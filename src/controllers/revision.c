/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/revision.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/num.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define PATCH_KEY "$patch"

SP_VIEW(revision_view_desc, ctl_revision, "apps/v1/ControllerRevision",
	SP_V(ctl_revision, name, "metadata.name"), SP_V(ctl_revision, uid, "metadata.uid"),
	SP_V(ctl_revision, created, "metadata.creationTimestamp"),
	SP_V(ctl_revision, labels, "metadata.labels"), SP_V(ctl_revision, number, "revision"),
	SP_V(ctl_revision, data, "data"));

const sp_view_desc *const ctl_revision_view = &revision_view_desc;

yyjson_val *ctl_revision_template(const ctl_revision *r)
{
	return sp_json_last(sp_json_last(r->data, SP_STR("spec")), SP_STR("template"));
}

/* ---- data ---- */

static bool sort_members(sp_arena *a, yyjson_mut_val *v)
{
	size_t i, n;
	yyjson_mut_val *key, *item;
	bool ok = true;
	if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, i, n, item) ok = ok && sort_members(a, item);
	} else if (yyjson_mut_is_obj(v)) {
		ok = sp_jmut_sort(a, v);
		yyjson_mut_obj_foreach(v, i, n, key, item) ok = ok && sort_members(a, item);
	}
	return ok;
}

sp_code ctl_revision_data(sp_arena *a, yyjson_val *template_, sp_str *ret, sp_err *err)
{
	yyjson_mut_val *tree;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a revision");
	SP_TRY(sp_json_thaw(a, template_, &tree, err));
	bool ok = sp_jmut_set_str(doc, tree, SP_STR(PATCH_KEY), SP_STR("replace")) && sort_members(a, tree);
	(void)sp_buf_str(&out, SP_STR("{\"spec\":{\"template\":"));
	ok = ok && sp_json_write_mut(&out, tree) == SP_OK;
	(void)sp_buf_str(&out, SP_STR("}}"));
	sp_str text = sp_arena_try_dup(a, sp_buf_view(&out));
	if (!ok || sp_buf_code(&out) != SP_OK || text.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a revision");
	*ret = text;
	return SP_OK;
}

static bool same(yyjson_val *a, yyjson_val *b);

static bool counts(yyjson_val *key, yyjson_val *v)
{
	return !yyjson_is_null(v) && !sp_str_eq(sp_json_str(key), SP_STR(PATCH_KEY));
}

static bool same_members(yyjson_val *a, yyjson_val *b)
{
	size_t i, n;
	ptrdiff_t more = 0;
	yyjson_val *key, *v;
	yyjson_obj_foreach(a, i, n, key, v)
	{
		if (!counts(key, v))
			continue;
		yyjson_val *other = sp_json_last(b, sp_json_str(key));
		if (other == NULL || !same(v, other))
			return false;
		more++;
	}
	yyjson_obj_foreach(b, i, n, key, v) more -= counts(key, v);
	return more == 0;
}

static bool same(yyjson_val *a, yyjson_val *b)
{
	size_t i, n;
	yyjson_val *v;
	if (yyjson_is_obj(a) && yyjson_is_obj(b))
		return same_members(a, b);
	if (!yyjson_is_arr(a) || !yyjson_is_arr(b))
		return yyjson_equals(a, b);
	if (yyjson_arr_size(a) != yyjson_arr_size(b))
		return false;
	yyjson_val *other = yyjson_arr_get_first(b);
	yyjson_arr_foreach(a, i, n, v)
	{
		if (!same(v, other))
			return false;
		other = unsafe_yyjson_get_next(other);
	}
	return true;
}

bool ctl_revision_is_of(const ctl_revision *r, yyjson_val *template_)
{
	yyjson_val *kept = ctl_revision_template(r);
	return kept != NULL && same(kept, template_);
}

size_t ctl_revision_hash(char out[CTL_HASH_BYTES], sp_arena *a, sp_str data, int64_t collisions)
{
	char text[SP_NUM_TEXT_BYTES];
	sp_str probe = {text, sp_print_i64(text, collisions)};
	sp_str all = SP_CONCAT(a, data, probe);
	return ctl_hash_text(out, sp_fnv1_32(all.ptr != NULL ? all : data));
}

/* ---- several ---- */

static int by_number(const void *x, const void *y)
{
	const ctl_revision *a = x, *b = y;
	int d = (a->number > b->number) - (a->number < b->number);
	d = d != 0 ? d : sp_str_cmp(a->created, b->created);
	return d != 0 ? d : sp_str_cmp(a->name, b->name);
}

void ctl_revisions_sort(ctl_revision *all, size_t n)
{
	qsort(all, n, sizeof *all, by_number);
}

ctl_revision *ctl_revisions_equal(ctl_revision *all, size_t n)
{
	for (size_t i = n; i > 0; i--) {
		if (all[i - 1].is_equal)
			return &all[i - 1];
	}
	return NULL;
}

/* ---- a new one ---- */

static void write_map(sp_jout *j, const char *name, yyjson_val *map, sp_str hash)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	yyjson_val *key;
	sp_jout_member_open(j, sp_str_c(name), '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (hash.len == 0 || !sp_str_eq(sp_json_str(key), SP_STR(CTL_REVISION_HASH)))
			sp_jout_member_str(j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	}
	if (hash.len > 0)
		sp_jout_member_str(j, SP_STR(CTL_REVISION_HASH), hash);
	sp_jout_close(j, '}');
}

sp_code ctl_revision_write(sp_buf *out, const ctl_revision_new *n)
{
	sp_jout jout = sp_jout_to(out), *j = &jout;
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), n->name);
	write_map(j, "labels", sp_json_last(sp_json_last(n->template_, SP_STR("metadata")), SP_STR("labels")),
		  n->hash);
	if (sp_vmap_count(n->annotations) > 0)
		write_map(j, "annotations", n->annotations.object, SP_STR(""));
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	(void)sp_patch_owner(
		out, &(sp_owner){SP_STR("apps/v1"), sp_str_c(n->owner_kind), n->owner->name, n->owner->uid});
	j->comma = true;
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_member_raw(j, SP_STR("data"), n->data);
	sp_jout_member_i64(j, SP_STR("revision"), n->number);
	sp_jout_close(j, '}');
	return sp_buf_code(out);
}
