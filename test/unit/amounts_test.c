/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/amounts.h"
#include "lib/t.h"

static yyjson_mut_val *parse(const char *json)
{
	yyjson_mut_val *v = NULL;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	if (doc == NULL || sp_json_parse_mut(T_ARENA, sp_str_c(json), doc, &v, T_ERR) != SP_OK)
		return NULL;
	return v;
}

static void check(const sp_amounts *list, const char *name, const char *want)
{
	const sp_qty *q = sp_amounts_get(list, sp_str_c(name));
	T_TRUE(!list->failed);
	T_TRUE((q == NULL) == (want == NULL));
	if (q != NULL)
		T_EQ_C(sp_qty_print(T_ARENA, *q), want);
}

SP_TEST(amounts, add_keep_and_sort)
{
	sp_amounts list;
	sp_qty one = {0}, two = {0};
	sp_amounts_init(&list, T_ARENA);
	T_OK(sp_qty_parse(SP_STR("600m"), &one, T_ERR));
	T_OK(sp_qty_parse(SP_STR("1"), &two, T_ERR));
	sp_amounts_add(&list, SP_STR("cpu"), &one);
	sp_amounts_add(&list, SP_STR("cpu"), &two);
	sp_amounts_max(&list, SP_STR("cpu"), &two);
	sp_amounts_max(&list, SP_STR("a"), &one);
	sp_amounts_max(&list, SP_STR("a"), &two);
	check(&list, "cpu", "1600m");
	check(&list, "a", "1");
	check(&list, "none", NULL);
	sp_amounts_sort(&list);
	T_EQ_C(list.items[0].name, "a");
	sp_amounts_set(&list, SP_STR("cpu"), &one);
	check(&list, "cpu", "600m");
}

/* What resource/helpers.go makes of init containers, sidecars, pod-level amounts and overhead. */
SP_TEST(amounts, of_a_pod)
{
	static const struct {
		const char *pod, *what, *name;
		bool overhead;
		const char *want;
	} rows[] = {
		{"{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"100m\"}}},{"
		 "\"resources\":{"
		 "\"requests\":{\"cpu\":\"1\"}}}]}}",
		 "requests", "cpu", false, "1100m"},
		{"{\"spec\":{\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}],"
		 "\"containers\":["
		 "{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}",
		 "requests", "cpu", false, "2"},
		{"{\"spec\":{\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{"
		 "\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}],\"containers\":[{"
		 "\"resources\":"
		 "{\"requests\":{\"cpu\":\"1\"}}}]}}",
		 "requests", "cpu", false, "3"},
		{"{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"5\",\"x.io/y\":\"3\"}},\"containers\":[{"
		 "\"resources\":{\"requests\":{\"cpu\":\"1\",\"x.io/y\":\"1\"}}}]}}",
		 "requests", "x.io/y", false, "1"},
		{"{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"5\"}},\"containers\":[{\"resources\":{"
		 "\"requests\":{\"cpu\":\"1\"}}}]}}",
		 "requests", "cpu", false, "5"},
		{"{\"spec\":{\"overhead\":{\"cpu\":\"10m\"},\"containers\":[{\"resources\":{\"requests\":{"
		 "\"cpu\":"
		 "\"1\"}}}]}}",
		 "requests", "cpu", true, "1010m"},
		{"{\"spec\":{\"overhead\":{\"cpu\":\"10m\"},\"containers\":[{}]}}", "limits", "cpu", true,
		 NULL},
		{"{\"spec\":{\"overhead\":{\"cpu\":\"10m\"},\"containers\":[{}]}}", "requests", "cpu", true,
		 "10m"},
		{"{\"spec\":{\"containers\":[{}]}}", "requests", "cpu", false, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_amounts list;
		yyjson_mut_val *pod = parse(rows[i].pod);
		t_row("%zu", i);
		T_TRUE(pod != NULL);
		sp_amounts_init(&list, T_ARENA);
		sp_pod_amounts(&list, pod, rows[i].what, rows[i].overhead);
		check(&list, rows[i].name, rows[i].want);
	}
}
