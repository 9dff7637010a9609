/* SPDX-License-Identifier: Apache-2.0 */
/* A CRD's schema: its documents of both versions are JSON, and have a protobuf form. */
#include "kube/openapi/openapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sp_subresource subs[] = {{SP_STR_INIT("scale"), SP_STR_INIT("autoscaling"), SP_STR_INIT("v1"),
				       SP_STR_INIT("Scale"), SP_VERB_GET | SP_VERB_PATCH}};
static const sp_kind thing = {.group = SP_STR_INIT("example.com"),
			      .version = SP_STR_INIT("v1"),
			      .kind = SP_STR_INIT("Thing"),
			      .list_kind = SP_STR_INIT("ThingList"),
			      .plural = SP_STR_INIT("things"),
			      .verbs = SP_VERBS_ALL,
			      .namespaced = true,
			      .subresources = subs,
			      .n_subresources = 1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_openapi_custom c = {.kind = &thing};
	sp_openapi_source from = {.custom = &c, .n_custom = 1};
	sp_arena a;
	sp_buf out, pb;
	yyjson_val *doc;
	if (size > 1 << 14)
		return 0;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_buf_init(&out, (size_t)4 << 20);
	sp_buf_init(&pb, (size_t)4 << 20);
	if (sp_json_parse(&a, (sp_str){(const char *)data, size}, &c.schema, NULL) == SP_OK) {
		for (int v3 = 0; v3 < 2; v3++) {
			sp_buf_clear(&out);
			sp_buf_clear(&pb);
			sp_code code = v3 != 0 ? sp_openapi_v3(&a, &out, &from, SP_STR("apis/example.com/v1"))
					       : sp_openapi_v2(&a, &out, &from);
			/* A schema as deep as a request may be is one object deeper in its document. */
			if (code != SP_OK || sp_json_parse(&a, sp_buf_view(&out), &doc, NULL) == SP_ETOOLARGE)
				continue;
			code = v3 != 0 ? sp_openapi_v3_proto(&a, &pb, sp_buf_view(&out), NULL)
				       : sp_openapi_v2_proto(&a, &pb, sp_buf_view(&out), NULL);
			SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
		}
	}
	sp_buf_done(&pb);
	sp_buf_done(&out);
	sp_arena_done(&a);
	return 0;
}
