/* SPDX-License-Identifier: Apache-2.0 */
/* What two other servers say they serve, in a document of ours: the whole stays one. */
#include "kube/openapi/openapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sp_str ours = SP_STR_INIT(
	"{\"swagger\":\"2.0\",\"paths\":{\"/apis/a.b/v1/x\":{\"get\":{\"schema\":{\"$ref\":"
	"\"#/definitions/M\"}}}},\"definitions\":{\"M\":{\"type\":\"object\","
	"\"x-kubernetes-group-version-kind\":[{\"group\":\"a\",\"kind\":\"M\",\"version\":\"v1\"}]}},"
	"\"parameters\":{\"p\":{\"in\":\"query\"}}}");

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str text = {(const char *)data, size}, first;
	sp_arena a;
	sp_buf out;
	yyjson_val *doc;
	if (size > 1 << 14)
		return 0;
	if (!sp_str_cut(&text, '\0', &first))
		first = text;
	const sp_openapi_remote remotes[] = {{SP_STR("a.b"), SP_STR("v1"), first},
					     {SP_STR("a.b"), SP_STR("v2"), text}};
	sp_arena_init(&a, (size_t)64 << 20);
	sp_buf_init(&out, (size_t)4 << 20);
	sp_code code = sp_openapi_v2_merge(&a, &out, ours, remotes, SP_LEN(remotes), NULL);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE || code == SP_EINVAL);
	if (code == SP_OK) {
		code = sp_json_parse(&a, sp_buf_view(&out), &doc, NULL);
		SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	}
	sp_buf_done(&out);
	sp_arena_done(&a);
	return 0;
}
