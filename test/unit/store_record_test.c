/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "lib/t.h"
#include "store/record.h"

static const sp_record_pair labels[] = {{SP_STR_INIT("app"), SP_STR_INIT("web")},
					{SP_STR_INIT("empty"), SP_STR_INIT("")}};
static const sp_record_pair fields[] = {{SP_STR_INIT("status.phase"), SP_STR_INIT("Running")},
					{SP_STR_INIT("spec.nodeName"), SP_STR_INIT("n1")}};

static sp_record_info pod_info(void)
{
	return (sp_record_info){.version = SP_STR("v1"),
				.kind = SP_STR("Pod"),
				.schema_hash = UINT64_C(0x123456789abcdef0),
				.encoding = SP_RECORD_JSON,
				.splice = 3,
				.labels = labels,
				.n_labels = SP_LEN(labels),
				.fields = fields,
				.n_fields = SP_LEN(fields),
				.i_indexed = 1};
}

SP_TEST(store_record, round_trip)
{
	sp_record_info info = pod_info();
	SP_AUTO_BYTES b = NULL;
	T_OK(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR));
	sp_record r;
	T_OK(sp_record_decode(sp_bytes_view(b), &r, T_ERR));
	T_EQ_C(r.group, "");
	T_EQ_C(r.version, "v1");
	T_EQ_C(r.kind, "Pod");
	T_EQ_U64(r.schema_hash, info.schema_hash);
	T_EQ_U64(r.splice, 3);
	T_EQ_C(r.object, "{\"a\":1}");
	T_TRUE(r.is_indexed);
	T_EQ_C(r.indexed, "n1");
	sp_str v;
	T_TRUE(sp_record_pair_find(r.labels, SP_STR("app"), &v));
	T_EQ_C(v, "web");
	T_TRUE(sp_record_pair_find(r.labels, SP_STR("empty"), &v));
	T_EQ_U64(v.len, 0);
	T_TRUE(!sp_record_pair_find(r.labels, SP_STR("status.phase"), &v));
	T_TRUE(sp_record_pair_find(r.fields, SP_STR("status.phase"), &v));
	T_EQ_C(v, "Running");
}

SP_TEST(store_record, refuses_what_does_not_fit)
{
	sp_bytes *b = NULL;
	sp_record_info info = pod_info();
	info.splice = 8;
	T_CODE(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR), SP_EINVAL);
	info = pod_info();
	info.i_indexed = 2;
	T_CODE(sp_record_build(&info, SP_STR("{}"), &b, T_ERR), SP_EINVAL);
	info = pod_info();
	info.encoding = (sp_record_encoding)7;
	T_CODE(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR), SP_EINVAL);
	info = pod_info();
	char *big = sp_arena_alloc(T_ARENA, SP_LIMIT_STORED_VALUE_BYTES + 1);
	T_CODE(sp_record_build(&info, (sp_str){big, SP_LIMIT_STORED_VALUE_BYTES + 1}, &b, T_ERR),
	       SP_ETOOLARGE);
	info.kind = (sp_str){big, 256};
	T_CODE(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR), SP_EINVAL);
	sp_record_pair wide = {{big, 70000}, {big, 1}};
	info = pod_info();
	info.labels = &wide;
	info.n_labels = 1;
	T_CODE(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR), SP_EINVAL);
	sp_record_pair many[10];
	for (size_t i = 0; i < SP_LEN(many); i++)
		many[i] = (sp_record_pair){{big, 60000}, {big, 1}};
	info.labels = many;
	info.n_labels = SP_LEN(many);
	T_CODE(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR), SP_ETOOLARGE);
}

SP_TEST(store_record, every_cut_and_flip_is_safe)
{
	sp_record_info info = pod_info();
	SP_AUTO_BYTES b = NULL;
	T_OK(sp_record_build(&info, SP_STR("{\"a\":1}"), &b, T_ERR));
	size_t header = b->len - 7;
	sp_record r;
	for (size_t n = 0; n < header; n++)
		T_CODE(sp_record_decode((sp_str){b->data, n}, &r, T_ERR), SP_EINVAL);
	char *copy = sp_arena_alloc(T_ARENA, b->len);
	for (size_t bit = 0; bit < b->len * 8; bit++) {
		memcpy(copy, b->data, b->len);
		copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
		if (sp_record_decode((sp_str){copy, b->len}, &r, NULL) == SP_OK)
			T_TRUE(r.object.ptr + r.object.len == copy + b->len);
	}
}
