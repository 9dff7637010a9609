/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of other servers in ours. What becomes of good ones was seen from kube-openapi's pkg/aggregator,
 * but for descriptions, which do not count here. */
#include "kube/openapi/openapi.h"
#include "lib/t.h"

#define DOC(paths, definitions) \
	"{\"swagger\":\"2.0\",\"paths\":{" paths "},\"definitions\":{" definitions "}}"
#define USES(name) "{\"get\":{\"schema\":{\"$ref\":\"#/definitions/" name "\"}}}"
#define GVK(group, kind) "{\"group\":\"" group "\",\"kind\":\"" kind "\",\"version\":\"v1\"}"
#define KINDS(list) "\"x-kubernetes-group-version-kind\":[" list "]"

#define OURS                                                                                          \
	DOC("\"/api/\":" USES("M") ",\"/apis/a.b/v1/taken\":{\"get\":{}}",                            \
	    "\"M\":{\"description\":\"ours\",\"type\":\"object\"},\"D\":{\"type\":\"object\"," KINDS( \
		    GVK("a", "D") "," GVK("c", "D")) "}")

static const struct {
	const char *name, *remote, *like;
} rows[] = {
	{"paths of its group, and what they use",
	 DOC("\"/apis/a.b/v1/things\":" USES("T") ",\"/apis/c.d/v1/x\":" USES("X") ",\"/apis/a.b/\":{}",
	     "\"T\":{\"properties\":{\"u\":{\"$ref\":\"#/definitions/"
	     "U\"}}},\"U\":{\"type\":\"string\"},\"X\":{"
	     "\"type\":\"string\"},\"Never\":{\"type\":\"integer\"}"),
	 DOC("\"/api/\":" USES("M") ",\"/apis/a.b/v1/taken\":{\"get\":{}},\"/apis/a.b/v1/things\":" USES("T"),
	     "\"M\":{\"description\":\"ours\",\"type\":\"object\"},\"D\":{\"type\":\"object\"," KINDS(GVK(
		     "a", "D") "," GVK("c", "D")) "},\"T\":{\"properties\":{\"u\":{\"$ref\":\"#/definitions/"
						  "U\"}}},\"U\":{\"type\":\"string\"},\"Never\":{\"type\":"
						  "\"integer\"}")},
	{"a path that is there", DOC("\"/apis/a.b/v1/taken\":" USES("T"), "\"T\":{}"), OURS},
	{"the same",
	 DOC("\"/apis/a.b/v1/x\":" USES("M"), "\"M\":{\"type\":\"object\",\"description\":\"other\"}"),
	 DOC("\"/api/\":" USES("M") ",\"/apis/a.b/v1/taken\":{\"get\":{}},\"/apis/a.b/v1/x\":" USES("M"),
	     "\"M\":{\"description\":\"ours\",\"type\":\"object\"},\"D\":{\"type\":\"object\"," KINDS(
		     GVK("a", "D") "," GVK("c", "D")) "}")},
	{"another of that name",
	 DOC("\"/apis/a.b/v1/x\":" USES("M"),
	     "\"M\":{\"type\":\"object\",\"properties\":{\"description\":{\"$ref\":\"#/definitions/M\"}}},"
	     "\"M_v2\":{\"type\":\"string\"}"),
	 DOC("\"/api/\":" USES("M") ",\"/apis/a.b/v1/taken\":{\"get\":{}},\"/apis/a.b/v1/x\":" USES("M_v3"),
	     "\"M\":{\"description\":\"ours\",\"type\":\"object\"},\"D\":{\"type\":\"object\"," KINDS(
		     GVK("a", "D") "," GVK("c", "D")) "},\"M_v3\":{\"type\":\"object\",\"properties\":{"
						      "\"description\":{\"$ref\":\"#/definitions/M_v3\"}}},"
						      "\"M_v2\":{\"type\":\"string\"}")},
	{"more kinds of the same",
	 DOC("\"/apis/a.b/v1/x\":" USES("D"),
	     "\"D\":{\"type\":\"object\"," KINDS(GVK("c", "D") "," GVK("b", "D")) "}"),
	 DOC("\"/api/\":" USES("M") ",\"/apis/a.b/v1/taken\":{\"get\":{}},\"/apis/a.b/v1/x\":" USES("D"),
	     "\"M\":{\"description\":\"ours\",\"type\":\"object\"},\"D\":{\"type\":\"object\"," KINDS(
		     GVK("a", "D") "," GVK("b", "D") "," GVK("c", "D")) "}")},
	{"a shared parameter",
	 "{\"paths\":{\"/apis/a.b/v1/x\":{\"parameters\":[{\"$ref\":\"#/parameters/"
	 "p\"}]}},\"parameters\":{\"p\":{"
	 "\"in\":\"query\"}}}",
	 "{\"swagger\":\"2.0\",\"paths\":{\"/api/\":" USES(
		 "M") ",\"/apis/a.b/v1/taken\":{\"get\":{}},\"/apis/a.b/v1/x\":{\"parameters\":[{\"$ref\":"
		      "\"#/parameters/"
		      "p\"}]}},\"definitions\":{\"M\":{\"description\":\"ours\",\"type\":\"object\"},"
		      "\"D\":{\"type\":\"object\"," KINDS(
			      GVK("a", "D") "," GVK("c", "D")) "}},\"parameters\":{"
							       "\"p\":{\"in\":"
							       "\"query\"}}}"},
	{"no document", "[]", OURS},
	{"no JSON", "{\"paths\":", OURS},
	{"no paths", "{\"definitions\":{\"T\":{}}}", OURS},
	{"odd parts", "{\"paths\":{\"/apis/a.b/v1/taken\":1},\"definitions\":[],\"parameters\":7}", OURS},
};

SP_TEST(openapi_merge, one_remote)
{
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)1 << 16);
		const sp_openapi_remote r = {SP_STR("a.b"), SP_STR("v1"), sp_str_c(rows[i].remote)};
		t_row("%s", rows[i].name);
		T_OK(sp_openapi_v2_merge(T_ARENA, &out, SP_STR(OURS), &r, 1, T_ERR));
		T_EQ_STR(sp_buf_view(&out), sp_str_c(rows[i].like));
	}
}

/* What was renamed for one is not renamed once more for another that says the same. */
SP_TEST(openapi_merge, names_are_used_again)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 16);
	const sp_openapi_remote r[] = {
		{SP_STR("a.b"), SP_STR("v1"),
		 SP_STR(DOC("\"/apis/a.b/v1/x\":" USES("M"), "\"M\":{\"type\":\"string\"}"))},
		{SP_STR("a.b"), SP_STR("v2"),
		 SP_STR(DOC("\"/apis/a.b/v2/x\":" USES("M"), "\"M\":{\"type\":\"string\"}"))},
		{SP_STR("a.b"), SP_STR("v3"),
		 SP_STR(DOC("\"/apis/a.b/v3/x\":" USES("M"), "\"M\":{\"type\":\"number\"}"))}};
	T_OK(sp_openapi_v2_merge(T_ARENA, &out, SP_STR(OURS), r, SP_LEN(r), T_ERR));
	sp_str text = sp_buf_view(&out);
	T_TRUE(sp_str_find(text, SP_STR("\"/apis/a.b/v1/x\":" USES("M_v2"))) > 0);
	T_TRUE(sp_str_find(text, SP_STR("\"/apis/a.b/v2/x\":" USES("M_v2"))) > 0);
	T_TRUE(sp_str_find(text, SP_STR("\"/apis/a.b/v3/x\":" USES("M_v3"))) > 0);
	T_TRUE(sp_str_find(text, SP_STR("\"M_v2\":{\"type\":\"string\"},\"M_v3\":{\"type\":\"number\"}")) >
	       0);
}

SP_TEST(openapi_merge, without_room)
{
	for (size_t room = 512; room <= 16384; room += 128) {
		sp_arena a;
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)1 << 16);
		sp_arena_init(&a, room);
		const sp_openapi_remote r = {SP_STR("a.b"), SP_STR("v1"), sp_str_c(rows[3].remote)};
		sp_code code = sp_openapi_v2_merge(&a, &out, SP_STR(OURS), &r, 1, NULL);
		sp_arena_done(&a);
		T_TRUE(code == SP_ETOOLARGE || code == SP_ENOMEM || code == SP_OK);
	}
}
