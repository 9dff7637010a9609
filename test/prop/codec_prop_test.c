/* SPDX-License-Identifier: Apache-2.0 */
/* Laws of the codecs over random objects of every built-in kind. */
#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/protobuf.h"
#include "lib/kube_random.h"
#include "lib/t.h"

#define TEXT_MAX ((size_t)8 << 20)

static void check_forms(sp_arena *a, const sp_kind *kind, sp_str json)
{
	SP_AUTO_BUF pb;
	SP_AUTO_BUF back;
	sp_buf_init(&pb, TEXT_MAX);
	sp_buf_init(&back, TEXT_MAX);
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *v;
	yyjson_mut_val *w;
	sp_protobuf_envelope e;
	T_TRUE(doc != NULL);
	if (sp_protobuf_has(kind->schema)) {
		T_OK(sp_protobuf_encode(a, &pb, kind->schema, json, T_ERR));
		T_OK(sp_protobuf_open(sp_buf_view(&pb), &e, T_ERR));
		T_OK(sp_protobuf_decode(a, kind->schema, e.raw, e.api_version, e.kind, doc, &v, T_ERR));
		T_OK(sp_encode_json(&back, kind->schema, v));
		T_EQ_STR(sp_buf_view(&back), json);
	}
	sp_buf_clear(&back);
	T_OK(sp_json_parse_mut(a, json, doc, &v, T_ERR));
	T_OK(sp_yaml_write(&back, v, T_ERR));
	T_OK(sp_yaml_parse(a, sp_buf_view(&back), doc, NULL, &w, T_ERR));
	SP_AUTO_BUF one;
	SP_AUTO_BUF two;
	sp_buf_init(&one, TEXT_MAX);
	sp_buf_init(&two, TEXT_MAX);
	T_OK(sp_encode_any(&one, v));
	T_OK(sp_encode_any(&two, w));
	T_EQ_STR(sp_buf_view(&two), sp_buf_view(&one));
}

static void check_kind(const sp_kind *kind)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	SP_AUTO_BUF text;
	SP_AUTO_BUF json;
	SP_AUTO_BUF again;
	sp_buf_init(&text, TEXT_MAX);
	sp_buf_init(&json, TEXT_MAX);
	sp_buf_init(&again, TEXT_MAX);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *v;
	sp_strict strict = {0};
	T_TRUE(doc != NULL);
	v = t_random_value(doc, kind->schema, t_random, 7);
	T_TRUE(v != NULL);
	T_OK(sp_json_write_mut(&text, v));
	T_OK(sp_decode_json(&a, kind->schema, sp_buf_view(&text), doc, &strict, &v, T_ERR));
	T_EQ_U64(strict.n, 0);
	T_OK(sp_encode_json(&json, kind->schema, v));
	/* What was written decodes to a tree that is the same text, and is written the same again. */
	T_OK(sp_decode_json(&a, kind->schema, sp_buf_view(&json), doc, NULL, &v, T_ERR));
	T_OK(sp_json_write_mut(&again, v));
	T_EQ_STR(sp_buf_view(&again), sp_buf_view(&json));
	sp_buf_clear(&again);
	T_OK(sp_encode_json(&again, kind->schema, v));
	T_EQ_STR(sp_buf_view(&again), sp_buf_view(&json));
	check_forms(&a, kind, sp_buf_view(&json));
	/* Defaults keep the form, and are the same the second time. */
	T_OK(sp_default(doc, kind->schema, v, T_ERR));
	sp_buf_clear(&again);
	T_OK(sp_encode_json(&again, kind->schema, v));
	T_OK(sp_default(doc, kind->schema, v, T_ERR));
	sp_buf_clear(&json);
	T_OK(sp_encode_json(&json, kind->schema, v));
	T_EQ_STR(sp_buf_view(&json), sp_buf_view(&again));
}

SP_TEST(codec_laws, every_kind_both_ways)
{
	/* Each fault is a run of its own. */
	size_t step = t_torture() ? 8 : 1;
	int rounds = t_torture() ? 1 : 6;
	for (size_t i = 0; i < sp_n_kinds; i += step) {
		for (int round = 0; round < rounds && !t_failed(); round++) {
			sp_str name = sp_kinds[i]->kind;
			sp_str group = sp_kinds[i]->group;
			t_row(SP_FMT "." SP_FMT " %d", SP_ARG(name), SP_ARG(group), round);
			check_kind(sp_kinds[i]);
		}
	}
}
