/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an API request: line 1 the target, line 2 Accept, line 3 Content-Type. */
#include "apiserver/negotiate.h"
#include "apiserver/reqinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const api_output_rules rules = {API_MEDIA_ALL, UINT32_MAX, true};
	sp_str content_type = {(const char *)data, size}, target, accept, path;
	if (!sp_str_cut(&content_type, '\n', &target) || !sp_str_cut(&content_type, '\n', &accept))
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_url_query query = {0};
	sp_str query_text = target;
	if (!sp_str_cut(&query_text, '?', &path)) {
		path = target;
		query_text.len = 0;
	}
	api_reqinfo info;
	if (sp_url_query_parse(&a, query_text, &query, NULL) == SP_OK &&
	    api_reqinfo_parse(&a, SP_STR("GET"), path, &query, &info, NULL) == SP_OK) {
		SP_ASSERT(!info.is_resource || info.version.len + info.resource.len + info.path.len > 0);
		SP_ASSERT(info.path.len <= path.len);
	}
	api_output output;
	if (api_negotiate(accept, &rules, &output))
		SP_ASSERT(output.media < API_MEDIA_COUNT_ && output.shape < API_SHAPE_COUNT_);
	api_media media;
	if (api_content_type(content_type, API_MEDIA_ALL, &media))
		SP_ASSERT(media < API_MEDIA_COUNT_);
	sp_arena_done(&a);
	return 0;
}
