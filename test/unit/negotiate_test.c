/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/negotiate.h"

#include "lib/t.h"

#define OBJECT_SHAPES (1u << API_SHAPE_TABLE | 1u << API_SHAPE_METADATA)
#define DISCOVERY "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

SP_TEST(negotiate, chooses_the_best_clause)
{
	static const struct {
		const char *accept;
		uint32_t media, shapes;
		bool stream, ok;
		api_media want;
		api_shape shape;
		bool v1beta1, pretty;
	} rows[] = {
		{"", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT, false, false},
		{"*/*", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT, false, false},
		{"*", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT, false, false},
		{"application/*", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT, false,
		 false},
		{"application/yaml", API_MEDIA_ALL, 0, false, true, API_MEDIA_YAML, API_SHAPE_OBJECT, false,
		 false},
		{"application/vnd.kubernetes.protobuf,application/json", API_MEDIA_ALL, 0, false, true,
		 API_MEDIA_PROTOBUF, API_SHAPE_OBJECT, false, false},
		{"application/vnd.kubernetes.protobuf, application/json", API_MEDIA_BIT(API_MEDIA_JSON), 0,
		 false, true, API_MEDIA_JSON, API_SHAPE_OBJECT, false, false},
		{"application/json;q=0.5, application/yaml;q=0.9", API_MEDIA_ALL, 0, false, true,
		 API_MEDIA_YAML, API_SHAPE_OBJECT, false, false},
		{"text/html", API_MEDIA_ALL, 0, false, false, 0, 0, false, false},
		{"text/html, */*;q=0.1", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT,
		 false, false},
		{"application/json;pretty=1", API_MEDIA_ALL, 0, false, true, API_MEDIA_JSON, API_SHAPE_OBJECT,
		 false, true},
		{"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", API_MEDIA_ALL,
		 OBJECT_SHAPES, false, true, API_MEDIA_JSON, API_SHAPE_TABLE, false, false},
		{"application/json;as=Table;v=v1beta1;g=meta.k8s.io", API_MEDIA_ALL, OBJECT_SHAPES, false,
		 true, API_MEDIA_JSON, API_SHAPE_TABLE, true, false},
		{"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", API_MEDIA_ALL, 0, false,
		 true, API_MEDIA_JSON, API_SHAPE_OBJECT, false, false},
		{"application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", API_MEDIA_ALL,
		 OBJECT_SHAPES, false, false, 0, 0, false, false},
		{"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
		 API_MEDIA_ALL, OBJECT_SHAPES, false, true, API_MEDIA_PROTOBUF, API_SHAPE_METADATA, false,
		 false},
		{"application/json;as=Pod;v=v1;g=", API_MEDIA_ALL, OBJECT_SHAPES, false, false, 0, 0, false,
		 false},
		{"application/json;stream=watch", API_MEDIA_ALL, 0, true, true, API_MEDIA_JSON,
		 API_SHAPE_OBJECT, false, false},
		{"application/json;stream=watch", API_MEDIA_ALL, 0, false, false, 0, 0, false, false},
		{DISCOVERY ",application/json", API_MEDIA_ALL, 1u << API_SHAPE_DISCOVERY, false, true,
		 API_MEDIA_JSON, API_SHAPE_DISCOVERY, false, false},
		{"/,;,a/b/c,=;", API_MEDIA_ALL, 0, false, false, 0, 0, false, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].accept);
		const api_output_rules rules = {rows[i].media, rows[i].shapes, rows[i].stream};
		api_output got;
		T_TRUE(api_negotiate(sp_str_c(rows[i].accept), &rules, &got) == rows[i].ok);
		if (!rows[i].ok)
			continue;
		T_EQ_I64(got.media, rows[i].want);
		T_EQ_I64(got.shape, rows[i].shape);
		T_TRUE(got.v1beta1 == rows[i].v1beta1);
		T_TRUE(got.pretty == rows[i].pretty);
	}
}

SP_TEST(negotiate, reads_content_types)
{
	static const struct {
		const char *header;
		bool ok;
		api_media want;
	} rows[] = {
		{"", true, API_MEDIA_JSON},
		{"application/json", true, API_MEDIA_JSON},
		{"Application/JSON; charset=utf-8", true, API_MEDIA_JSON},
		{"application/yaml", true, API_MEDIA_YAML},
		{"application/vnd.kubernetes.protobuf", true, API_MEDIA_PROTOBUF},
		{"text/plain", false, 0},
		{"json", false, 0},
		{"application/", false, 0},
		{"a b/c", false, 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].header);
		api_media got;
		T_TRUE(api_content_type(sp_str_c(rows[i].header), API_MEDIA_ALL, &got) == rows[i].ok);
		if (rows[i].ok)
			T_EQ_I64(got, rows[i].want);
	}
}

SP_TEST(negotiate, lists_what_is_accepted)
{
	char text[API_MEDIA_TEXT_BYTES];
	T_EQ_C(api_media_list(text, API_MEDIA_ALL, false),
	       "application/json, application/yaml, application/vnd.kubernetes.protobuf");
	T_EQ_C(api_media_list(text, API_MEDIA_ALL, true),
	       "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch");
}

SP_TEST(negotiate, pretty_for_people)
{
	sp_url_query q;
	T_OK(sp_url_query_parse(T_ARENA, SP_STR("pretty=true"), &q, T_ERR));
	T_TRUE(api_wants_pretty(&q, SP_STR("kubectl")));
	T_OK(sp_url_query_parse(T_ARENA, SP_STR("pretty=0"), &q, T_ERR));
	T_TRUE(!api_wants_pretty(&q, SP_STR("curl/7")));
	T_OK(sp_url_query_parse(T_ARENA, SP_STR("a=b"), &q, T_ERR));
	T_TRUE(api_wants_pretty(&q, SP_STR("curl/7.88.1")));
	T_TRUE(!api_wants_pretty(&q, SP_STR("kubectl/v1.20.2")));
}
