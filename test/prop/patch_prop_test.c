/* SPDX-License-Identifier: Apache-2.0 */
/* Laws of patches and apply over random objects: a diff applied is the target; applying twice changes
 * nothing. */
#include "kube/apply/apply.h"
#include "kube/patch/merge_patch.h"
#include "lib/t.h"

static yyjson_mut_val *random_value(yyjson_mut_doc *doc, int depth)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	uint64_t kind = t_random_below(depth > 0 ? 6 : 4);
	if (kind == 0)
		return yyjson_mut_bool(doc, t_random_below(2) != 0);
	if (kind == 1)
		return yyjson_mut_int(doc, (int64_t)t_random_below(5));
	if (kind == 2)
		return yyjson_mut_str(doc, names[t_random_below(5)]);
	if (kind == 3)
		return yyjson_mut_real(doc, (double)t_random_below(4) + 0.5);
	yyjson_mut_val *out = kind == 4 ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
	uint64_t n = t_random_below(4);
	for (uint64_t i = 0; out != NULL && i < n; i++) {
		const char *name = names[t_random_below(5)];
		yyjson_mut_val *v = random_value(doc, depth - 1);
		if (kind == 4)
			(void)yyjson_mut_arr_append(out, v);
		else if (yyjson_mut_obj_get(out, name) == NULL)
			(void)yyjson_mut_obj_add_val(doc, out, name, v);
	}
	return out;
}

static yyjson_mut_val *random_object(yyjson_mut_doc *doc)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	for (int i = 0; out != NULL && i < 3; i++) {
		static const char *const names[] = {"x", "y", "z"};
		(void)yyjson_mut_obj_add_val(doc, out, names[i], random_value(doc, 4));
	}
	return out;
}

SP_TEST(patch_laws, diff_then_patch_is_the_target)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (int i = 0; i < 500; i++) {
		t_row("%d", i);
		yyjson_mut_val *from = random_object(doc), *to = random_object(doc);
		yyjson_mut_val *diff =
			from == NULL || to == NULL ? NULL : sp_merge_patch_diff(T_ARENA, doc, from, to);
		T_TRUE(diff != NULL);
		T_TRUE(sp_merge_patch_tree(T_ARENA, from, diff));
		T_TRUE(sp_jmut_equal(from, to));
	}
}

SP_TEST(patch_laws, applying_twice_changes_nothing)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (int i = 0; i < 300; i++) {
		t_row("%d", i);
		sp_apply_request q = {.arena = T_ARENA,
				      .doc = doc,
				      .api_version = SP_STR("v1"),
				      .kind = SP_STR("Thing"),
				      .manager = SP_STR("one"),
				      .now = SP_STR("2026-01-01T00:00:00Z")};
		yyjson_mut_val *live = random_object(doc), *patch = random_object(doc), *one = NULL,
			       *two = NULL;
		T_TRUE(live != NULL && patch != NULL &&
		       yyjson_mut_obj_add_str(doc, patch, "apiVersion", "v1"));
		T_OK(sp_apply(&q, live, patch, true, &one, NULL));
		q.now = SP_STR("2026-01-01T00:00:09Z");
		T_OK(sp_apply(&q, one, patch, false, &two, NULL));
		(void)sp_managed_keep_times(doc, one, two);
		T_TRUE(sp_jmut_equal(one, two));
	}
}

SP_TEST(patch_laws, sets_of_fields)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	for (int i = 0; i < 300; i++) {
		const sp_fieldset *x = NULL, *y = NULL, *u = NULL, *n = NULL, *dx = NULL, *dy = NULL,
				  *all = NULL;
		t_row("%d", i);
		yyjson_mut_val *a = random_object(doc), *b = random_object(doc);
		T_TRUE(a != NULL && b != NULL);
		T_OK(sp_typed_fieldset(T_ARENA, NULL, a, &x));
		T_OK(sp_typed_fieldset(T_ARENA, NULL, b, &y));
		T_OK(sp_fieldset_union(T_ARENA, x, y, &u));
		T_OK(sp_fieldset_intersection(T_ARENA, x, y, &n));
		T_EQ_U64(sp_fieldset_count(x) + sp_fieldset_count(y),
			 sp_fieldset_count(u) + sp_fieldset_count(n));
		T_OK(sp_fieldset_difference(T_ARENA, x, y, &dx));
		T_OK(sp_fieldset_difference(T_ARENA, y, x, &dy));
		T_OK(sp_fieldset_union(T_ARENA, dx, dy, &all));
		T_OK(sp_fieldset_union(T_ARENA, all, n, &all));
		T_TRUE(sp_fieldset_equal(all, u));
	}
}
