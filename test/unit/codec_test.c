/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codecs of built-in kinds. test/golden/codec/decode.json holds what upstream's decoder, protobuf code
 * and encoding/json make of each input (test/interop/codec writes it).
 */
#include "kube/codec/canon.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "kube/protobuf.h"
#include "lib/t.h"

#define TEXT_MAX ((size_t)1 << 20)

/* "apps/v1/Deployment"; the core group is empty. */
static const sp_kind *kind_of(sp_str path)
{
	sp_str group;
	sp_str version;
	if (!sp_str_cut(&path, '/', &group) || !sp_str_cut(&path, '/', &version))
		return NULL;
	return sp_kind_by_kind(group, version, path);
}

static sp_str hex(sp_str bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *out = sp_arena_alloc(T_ARENA, bytes.len * 2 + 1);
	for (size_t i = 0; i < bytes.len; i++) {
		out[2 * i] = digits[(uint8_t)bytes.ptr[i] >> 4];
		out[2 * i + 1] = digits[(uint8_t)bytes.ptr[i] & 15];
	}
	return (sp_str){out, bytes.len * 2};
}

static sp_str member(yyjson_val *row, const char *name)
{
	return sp_json_str(sp_json_last(row, sp_str_c(name)));
}

static void check_protobuf(const sp_kind *kind, yyjson_val *row, sp_str json)
{
	SP_AUTO_BUF out;
	SP_AUTO_BUF back;
	sp_buf_init(&out, TEXT_MAX);
	sp_buf_init(&back, TEXT_MAX);
	T_OK(sp_protobuf_encode_raw(T_ARENA, &out, kind->schema, json, T_ERR));
	T_EQ_STR(hex(sp_buf_view(&out)), member(row, "pb"));
	yyjson_val *parsed;
	T_OK(sp_json_parse(T_ARENA, json, &parsed, T_ERR));
	sp_str api_version = member(parsed, "apiVersion");
	sp_str kind_name = member(parsed, "kind");
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	T_TRUE(doc != NULL);
	T_OK(sp_protobuf_decode(T_ARENA, kind->schema, sp_buf_view(&out), api_version, kind_name, doc, &v,
				T_ERR));
	T_OK(sp_encode_json(&back, kind->schema, v));
	T_EQ_STR(sp_buf_view(&back), json);
}

static void check_row(yyjson_val *row)
{
	const sp_kind *kind = kind_of(member(row, "kind"));
	SP_AUTO_BUF out;
	SP_AUTO_BUF tree;
	sp_buf_init(&out, TEXT_MAX);
	sp_buf_init(&tree, TEXT_MAX);
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v = NULL;
	sp_strict strict = {0};
	sp_err err = {0};
	T_TRUE(kind != NULL && doc != NULL);
	sp_code code = sp_decode_json(T_ARENA, kind->schema, member(row, "in"), doc, &strict, &v, &err);
	if (code != SP_OK) {
		T_EQ_STR(sp_str_c(err.msg), member(row, "err"));
		return;
	}
	T_EQ_STR(member(row, "err"), SP_STR(""));
	T_OK(sp_encode_json(&out, kind->schema, v));
	T_EQ_STR(sp_buf_view(&out), member(row, "out"));
	/* The tree itself is canonical. */
	T_OK(sp_json_write_mut(&tree, v));
	T_EQ_STR(sp_buf_view(&tree), sp_buf_view(&out));
	yyjson_val *want = sp_json_last(row, SP_STR("strict"));
	T_EQ_U64(strict.n, yyjson_arr_size(want));
	for (size_t i = 0; i < strict.n; i++)
		T_EQ_STR(strict.items[i], sp_json_str(yyjson_arr_get(want, i)));
	check_protobuf(kind, row, sp_buf_view(&out));
}

SP_TEST(codec, as_upstreams_decoder)
{
	yyjson_val *rows;
	T_OK(sp_json_parse(T_ARENA, t_file("test/golden/codec/decode.json"), &rows, T_ERR));
	size_t i, n;
	yyjson_val *row;
	yyjson_arr_foreach(rows, i, n, row)
	{
		sp_str in = member(row, "in");
		t_row(SP_FMT, SP_ARG(in));
		check_row(row);
	}
	T_TRUE(n > 100);
}
