/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the status of an admission policy says of its expressions, against what upstream's controller wrote
 * (test/golden/policy/type_checks.json, renewed by test/interop/typecheck).
 */
#include "kube/policy/typecheck.h"
#include "lib/t.h"

/* Upstream's types end in a number that is another each time, 0 in the file. Ours of params end in 1. */
static sp_str steady(sp_str text)
{
	static const sp_str params = SP_STR_INIT("Boat1");
	char *out = sp_arena_alloc(T_ARENA, text.len + 1);
	for (size_t i = 0; i < text.len; i++)
		out[i] = i > 3 && sp_str_eq(sp_str_sub(text, i - 4, i + 1), params) ? '0' : text.ptr[i];
	return (sp_str){out, text.len};
}

static void check_case(yyjson_val *crds, yyjson_val *c)
{
	sp_policy_check check;
	sp_policy_warning *got;
	yyjson_val *want = sp_json_last(c, SP_STR("warnings")), *crd;
	size_t n, i, max;
	sp_policy_check_init(&check, T_ARENA, sp_json_last(c, SP_STR("spec")));
	if (sp_policy_check_wants_customs(&check)) {
		yyjson_arr_foreach(crds, i, max, crd) T_OK(sp_policy_check_custom(&check, crd));
	}
	T_OK(sp_policy_check_run(&check, &got, &n));
	for (i = 0; i < n && i < yyjson_arr_size(want); i++) {
		yyjson_val *w = yyjson_arr_get(want, i);
		T_EQ_STR(got[i].field, sp_json_str(sp_json_last(w, SP_STR("fieldRef"))));
		T_EQ_STR(steady(got[i].text), sp_json_str(sp_json_last(w, SP_STR("warning"))));
	}
	T_EQ_U64(n, yyjson_arr_size(want));
}

SP_TEST(policy_check, as_upstream)
{
	sp_str file = t_file("test/golden/policy/type_checks.json");
	yyjson_val *golden, *c;
	size_t i, max;
	T_OK(sp_json_parse(T_ARENA, file, &golden, T_ERR));
	yyjson_arr_foreach(sp_json_last(golden, SP_STR("cases")), i, max, c)
	{
		check_case(sp_json_last(golden, SP_STR("crds")), c);
		if (t_failed())
			return;
	}
}
