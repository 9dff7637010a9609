/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codecs of built-in kinds. test/golden/codec/decode.json holds what upstream's decoder, protobuf code
 * and encoding/json make of each input (test/interop/codec writes it).
 */
#include "kube/codec/canon.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/protobuf.h"
#include "kube/transcode.h"
#include "kube/view.h"
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
	/* The tree of canonical text is canonical itself. */
	T_OK(sp_decode_json(T_ARENA, kind->schema, sp_buf_view(&out), doc, NULL, &v, T_ERR));
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

static sp_code decode(const char *kind, const char *text, sp_strict *strict, yyjson_mut_val **ret,
		      yyjson_mut_doc **ret_doc)
{
	*ret_doc = sp_json_doc(T_ARENA);
	const sp_kind *k = kind_of(sp_str_c(kind));
	if (*ret_doc == NULL || k == NULL)
		return SP_ENOMEM;
	return sp_decode_json(T_ARENA, k->schema, sp_str_c(text), *ret_doc, strict, ret, t_err());
}

SP_TEST(codec, defaults_of_the_schema)
{
	yyjson_mut_doc *doc;
	yyjson_mut_val *v;
	const sp_kind *kind = kind_of(SP_STR("/v1/Pod"));
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_MAX);
	T_OK(decode("/v1/Pod",
		    "{\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":80}]}]}}", NULL,
		    &v, &doc));
	T_OK(sp_default(doc, kind->schema, v, T_ERR));
	T_OK(sp_encode_json(&out, kind->schema, v));
	yyjson_val *parsed;
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &parsed, T_ERR));
	T_EQ_C(sp_view_str_at(parsed, "spec.containers[0].ports[0].protocol"), "TCP");
	T_EQ_C(sp_view_str_at(parsed, "spec.restartPolicy"), "Always");
	T_EQ_C(sp_view_str_at(parsed, "spec.dnsPolicy"), "ClusterFirst");
	T_EQ_C(sp_view_str_at(parsed, "spec.containers[0].terminationMessagePath"), "/dev/termination-log");
	/* Twice is the same as once. */
	SP_AUTO_BUF again;
	sp_buf_init(&again, TEXT_MAX);
	T_OK(sp_default(doc, kind->schema, v, T_ERR));
	T_OK(sp_encode_json(&again, kind->schema, v));
	T_EQ_STR(sp_buf_view(&again), sp_buf_view(&out));
}

SP_TEST(codec, complaints_are_bounded)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_MAX);
	sp_buf_char(&text, '{');
	for (unsigned i = 0; i < 300; i++)
		sp_buf_printf(&text, "%s\"x%u\":1,\"x%u\":2", i == 0 ? "" : ",", i, i);
	sp_buf_char(&text, '}');
	T_OK(sp_buf_code(&text));
	yyjson_mut_doc *doc;
	yyjson_mut_val *v;
	sp_strict strict = {0};
	T_OK(decode("/v1/ConfigMap", text.ptr, &strict, &v, &doc));
	T_EQ_U64(strict.n, SP_STRICT_MAX);
	strict.n = 2;
	T_EQ_C(sp_strict_text(T_ARENA, &strict),
	       "strict decoding error: unknown field \"x0\", unknown field \"x1\"");
}

SP_TEST(codec, type_meta_of_a_body)
{
	static const struct {
		const char *in, *api_version, *kind, *message;
	} rows[] = {
		{"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", "v1", "Pod", ""},
		{"{\"Kind\":\"Pod\",\"kind\":null}", "", "Pod", ""},
		{"{}", "", "", ""},
		{"null", "", "", ""},
		{"{bad", "", "",
		 "couldn't get version/kind; json parse error: invalid character 'b' looking for beginning "
		 "of object key "
		 "string"},
		{"", "", "", "couldn't get version/kind; json parse error: unexpected end of JSON input"},
		{"{\"kind\":5}", "", "",
		 "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct "
		 "field .kind of "
		 "type string"},
		{"\"x\"", "", "",
		 "couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value "
		 "of type struct { "
		 "APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
		 "\"json:\\\"kind,omitempty\\\"\" }"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		sp_str api_version = {0};
		sp_str kind = {0};
		t_row("%s", rows[i].in);
		sp_code code = sp_decode_type_meta(T_ARENA, sp_str_c(rows[i].in), &api_version, &kind, &err);
		T_TRUE((code == SP_OK) == (rows[i].message[0] == '\0'));
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
		T_EQ_C(api_version, rows[i].api_version);
		T_EQ_C(kind, rows[i].kind);
	}
}

/* Errors say the names of Go's string types. */
SP_TEST(codec, named_strings)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"{\"spec\":{\"restartPolicy\":[]}}",
		 "array into Go struct field PodSpec.spec.restartPolicy of type "
		 "v1.RestartPolicy"},
		{"{\"status\":{\"qosClass\":1}}",
		 "number into Go struct field PodStatus.status.qosClass of type v1.PodQOSClass"},
		{"{\"metadata\":{\"uid\":{}}}",
		 "object into Go struct field ObjectMeta.metadata.uid of type types.UID"},
		{"{\"metadata\":{\"name\":{}}}",
		 "object into Go struct field ObjectMeta.metadata.name of type string"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_mut_doc *doc;
		yyjson_mut_val *v;
		sp_strict strict = {0};
		t_row("%s", rows[i].in);
		T_TRUE(decode("/v1/Pod", rows[i].in, &strict, &v, &doc) != SP_OK);
		sp_str why = sp_str_c(T_ERR->msg);
		T_TRUE(sp_str_starts(why, SP_STR("json: cannot unmarshal ")));
		T_EQ_STR(sp_str_sub(why, sizeof "json: cannot unmarshal " - 1, why.len),
			 sp_str_c(rows[i].want));
	}
}

/* As in Go's structs, a list or a map that is given empty is not one that is absent: it is written as it is
 * where a message shows it, and is gone once it was stored. */
SP_TEST(codec, empty_is_not_absent)
{
	static const struct {
		const char *kind, *in, *tree, *text;
	} rows[] = {
		{"/v1/ConfigMap", "{\"metadata\":{\"labels\":{}},\"data\":{}}",
		 "{\"metadata\":{\"labels\":{}},\"data\":{}}", "{\"metadata\":{}}"},
		{"/v1/ConfigMap", "{\"metadata\":{\"labels\":null},\"data\":null}", "{\"metadata\":{}}",
		 "{\"metadata\":{}}"},
		{"rbac.authorization.k8s.io/v1/Role", "{\"rules\":[]}", "{\"metadata\":{},\"rules\":[]}",
		 "{\"metadata\":{},\"rules\":null}"},
		{"rbac.authorization.k8s.io/v1/Role", "{\"rules\":null}", "{\"metadata\":{},\"rules\":null}",
		 "{\"metadata\":{},\"rules\":null}"},
		{"rbac.authorization.k8s.io/v1/Role", "{\"rules\":[{\"verbs\":[],\"apiGroups\":[]}]}",
		 "{\"metadata\":{},\"rules\":[{\"verbs\":[],\"apiGroups\":[]}]}",
		 "{\"metadata\":{},\"rules\":[{\"verbs\":null}]}"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF tree;
		SP_AUTO_BUF text;
		sp_buf_init(&tree, TEXT_MAX);
		sp_buf_init(&text, TEXT_MAX);
		yyjson_mut_doc *doc;
		yyjson_mut_val *v;
		T_OK(decode(rows[i].kind, rows[i].in, NULL, &v, &doc));
		T_OK(sp_json_write_mut(&tree, v));
		T_EQ_C(sp_buf_view(&tree), rows[i].tree);
		T_OK(sp_encode_json(&text, kind_of(sp_str_c(rows[i].kind))->schema, v));
		T_EQ_C(sp_buf_view(&text), rows[i].text);
	}
}

/* An editable object in any order, with and without zero values, is written the same. */
SP_TEST(codec, encoding_makes_canonical)
{
	static const char *const rows[] = {
		"{\"data\":{\"b\":\"2\",\"a\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},"
		"\"apiVersion\":\"v1\"}",
		"{\"apiVersion\":\"v1\",\"metadata\":{\"namespace\":\"\",\"labels\":{},\"name\":\"x\","
		"\"finalizers\":null},"
		"\"binaryData\":{},\"data\":{\"a\":\"1\",\"b\":\"2\"},\"kind\":\"ConfigMap\",\"unknown\":1}",
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, TEXT_MAX);
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		yyjson_mut_val *v;
		T_TRUE(doc != NULL);
		T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(rows[i]), doc, &v, T_ERR));
		T_OK(sp_encode_json(&out, kind_of(SP_STR("/v1/ConfigMap"))->schema, v));
		T_EQ_C(sp_buf_view(&out),
		       "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},"
		       "\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
	}
}

/* Schemas of CRDs: everything is kept, sorted; the last of equal members counts. */
SP_TEST(codec, custom_resources_keep_everything)
{
	static const sp_schema crd = {.kind = SP_K_OBJECT, .flags = SP_S_CRD};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	sp_strict strict = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_MAX);
	T_TRUE(doc != NULL);
	T_OK(sp_decode_json(T_ARENA, &crd,
			    SP_STR("{\"spec\":{\"b\":[{\"z\":1.50,\"z\":2}],\"a\":null},\"kind\":\"X\","
				   "\"apiVersion\":\"g/v1\"}"),
			    doc, &strict, &v, T_ERR));
	T_OK(sp_encode_json(&out, &crd, v));
	T_EQ_C(sp_buf_view(&out),
	       "{\"apiVersion\":\"g/v1\",\"kind\":\"X\",\"spec\":{\"a\":null,\"b\":[{\"z\":2}]}}");
	T_EQ_U64(strict.n, 1);
	T_EQ_C(strict.items[0], "duplicate field \"spec.b[0].z\"");
}

SP_TEST(codec, transcoding)
{
	static const char json[] = "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
				   "\"x\"},\"data\":{\"a\":\"1\"}}";
	const sp_schema *schema = kind_of(SP_STR("/v1/ConfigMap"))->schema;
	static const char *const want[] = {
		[SP_ENC_JSON] = json,
		[SP_ENC_YAML] = "apiVersion: v1\ndata:\n  a: \"1\"\nkind: ConfigMap\nmetadata:\n  name: x\n",
	};
	for (unsigned i = 0; i < SP_ENC_COUNT_; i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, TEXT_MAX);
		T_OK(sp_transcode(T_ARENA, schema, sp_str_c(json), (sp_encoding)i, &out, T_ERR));
		if (i != SP_ENC_PROTOBUF) {
			T_EQ_C(sp_buf_view(&out), want[i]);
			continue;
		}
		sp_protobuf_envelope e;
		SP_AUTO_BUF same;
		sp_buf_init(&same, TEXT_MAX);
		T_OK(sp_protobuf_open(sp_buf_view(&out), &e, T_ERR));
		T_EQ_C(e.kind, "ConfigMap");
		T_EQ_C(e.api_version, "v1");
		sp_protobuf_begin(&same, e.api_version, e.kind, e.raw.len);
		sp_buf_str(&same, e.raw);
		sp_protobuf_end(&same);
		T_EQ_STR(sp_buf_view(&same), sp_buf_view(&out));
	}
}

SP_TEST(codec, protobuf_bodies_that_are_wrong)
{
	static const struct {
		sp_str in;
		const char *message;
	} rows[] = {
		{SP_STR_INIT(""), "empty data"},
		{SP_STR_INIT("{}"),
		 "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"},
		{SP_STR_INIT("k8s\0"), "empty body"},
		{SP_STR_INIT("k8s\0garbage"), "proto: illegal wireType 7"},
		{SP_STR_INIT("k8s\0\x08\x01"), "proto: wrong wireType = 0 for field TypeMeta"},
		{SP_STR_INIT("k8s\0\x12\x05"
			     "a"),
		 "unexpected EOF"},
	};
	sp_protobuf_envelope e;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		T_CODE(sp_protobuf_open(rows[i].in, &e, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
	static const struct {
		sp_str in;
		const char *message;
	} raws[] = {
		{SP_STR_INIT("\x08\x01"), "proto: wrong wireType = 0 for field Metadata"},
		{SP_STR_INIT("\x0a\x02\x0a\x05"), "unexpected EOF"},
		{SP_STR_INIT("\x0a\x02\x38\x80"), "unexpected EOF"},
		{SP_STR_INIT("\x0a\x02\x3a\x00"), "proto: wrong wireType = 2 for field Generation"},
		{SP_STR_INIT("\x02"), "proto: ConfigMap: illegal tag 0 (wire type 2)"},
		{SP_STR_INIT("\x0c"), "proto: ConfigMap: wiretype end group for non-group"},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	const sp_kind *kind = kind_of(SP_STR("/v1/ConfigMap"));
	T_TRUE(doc != NULL);
	for (size_t i = 0; i < SP_LEN(raws); i++) {
		sp_err err = {0};
		t_row("%zu", i);
		T_CODE(sp_protobuf_decode(T_ARENA, kind->schema, raws[i].in, SP_STR("v1"), kind->kind, doc,
					  &v, &err),
		       SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), raws[i].message);
	}
}

/* What the codecs take for granted about the tables. */
SP_TEST(codec, tables_fit)
{
	size_t most = 0;
	for (size_t i = 0; i < sp_n_schema_types; i++) {
		const sp_schema *s = sp_schema_types[i];
		most = SP_MAX(most, sp_canon_slots(s));
		for (size_t k = 0; k < s->n_fields; k++) {
			const sp_schema *a = s->fields[k].schema;
			for (size_t m = 0; sp_canon_is_inline(&s->fields[k]) && m < a->n_fields; m++) {
				const sp_schema *b = a->fields[m].schema;
				for (size_t o = 0; sp_canon_is_inline(&a->fields[m]) && o < b->n_fields; o++)
					T_TRUE(!sp_canon_is_inline(&b->fields[o]));
			}
		}
	}
	T_TRUE(sp_n_schema_types > 500 && most <= 128);
}

/* Go keeps malformed bytes and writes \\ufffd; ours become that character when they are read. */
SP_TEST(codec, protobuf_text_that_is_no_utf8)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	const sp_kind *kind = kind_of(SP_STR("/v1/ConfigMap"));
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_MAX);
	T_TRUE(doc != NULL);
	T_OK(sp_protobuf_decode(T_ARENA, kind->schema, SP_STR("\x12\x07\x0a\x01\xff\x12\x02g\xfe"),
				(sp_str){0}, (sp_str){0}, doc, &v, T_ERR));
	T_OK(sp_encode_json(&out, kind->schema, v));
	T_EQ_C(sp_buf_view(&out), "{\"metadata\":{},\"data\":{\"\xef\xbf\xbd\":\"g\xef\xbf\xbd\"}}");
}
