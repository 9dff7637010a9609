/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/tolerations.h"

#include "kube/kinds/values.h"

static bool same(yyjson_mut_val *a, yyjson_mut_val *b)
{
	return sp_kv_equal_core("Toleration", a, b);
}

static bool same_member(yyjson_mut_val *a, yyjson_mut_val *b, const char *name)
{
	return sp_str_eq(sp_kv_str(a, name), sp_kv_str(b, name));
}

/* Of tolerations that end: the wide one lasts at least as long. */
static bool lasts(yyjson_mut_val *wide, yyjson_mut_val *t)
{
	static const char seconds[] = "tolerationSeconds";
	if (!sp_kv_is(wide, "effect", "NoExecute") || !sp_kv_has(wide, seconds))
		return true;
	return sp_kv_has(t, seconds) && sp_kv_i64(t, seconds, 0) <= sp_kv_i64(wide, seconds, 0);
}

bool api_toleration_covers(yyjson_mut_val *wide, yyjson_mut_val *t)
{
	bool exists = sp_kv_is(wide, "operator", "Exists");
	if (same(wide, t))
		return true;
	if (!same_member(wide, t, "key") && (sp_kv_str(wide, "key").len > 0 || !exists))
		return false;
	if (!same_member(wide, t, "effect") && sp_kv_str(wide, "effect").len > 0)
		return false;
	if (!lasts(wide, t))
		return false;
	if (exists)
		return true;
	bool equal = sp_kv_is(wide, "operator", "Equal") || sp_kv_str(wide, "operator").len == 0;
	return equal && sp_kv_is(t, "operator", "Equal") && same_member(wide, t, "value");
}

/* Is it covered by one that was kept, or by a later one that says more? */
static bool is_redundant(yyjson_mut_val *kept, yyjson_mut_val *later, yyjson_mut_val *t)
{
	SP_KV_EACH (k, i, kept) {
		if (api_toleration_covers(k, t))
			return true;
	}
	SP_KV_EACH (l, i, later) {
		if (!same(l, t) && api_toleration_covers(l, t))
			return true;
	}
	return false;
}

bool api_tolerations_merge(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_mut_val *more)
{
	yyjson_mut_val *kept = yyjson_mut_arr(doc), *t;
	SP_KV_EACH (m, i, more) {
		if (list == NULL || !yyjson_mut_arr_append(list, yyjson_mut_val_mut_copy(doc, m)))
			return false;
	}
	if (list == NULL || kept == NULL)
		return false;
	while ((t = yyjson_mut_arr_remove_first(list)) != NULL) {
		if (!is_redundant(kept, list, t) && !yyjson_mut_arr_append(kept, t))
			return false;
	}
	while ((t = yyjson_mut_arr_remove_first(kept)) != NULL) {
		if (!yyjson_mut_arr_append(list, t))
			return false;
	}
	return true;
}
