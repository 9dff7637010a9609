/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as structs: expected bytes were written by hand from the wire format's rules. */
#include "base/pb_struct.h"

#include "base/pb.h"
#include "lib/t.h"

typedef struct inner {
	int32_t code;
	sp_str text;
} inner;

typedef struct outer {
	bool on;
	int32_t small;
	int64_t big;
	uint32_t u32;
	uint64_t u64;
	double ratio;
	sp_str name, blob;
	inner *one;
	SP_PB_LIST(inner) many;
	SP_PB_LIST(int64_t) numbers;
	SP_PB_LIST(double) ratios;
	SP_PB_LIST(sp_str) texts;
	SP_PB_LIST(sp_pb_pair) labels;
	struct outer *self;
} outer;

static const sp_pb_slot inner_slots[] = {
	SP_PB_SLOT(inner, code, 1, INT32),
	SP_PB_SLOT(inner, text, 2, STRING),
};
static const sp_pb_message inner_message = SP_PB_MESSAGE_OF("Inner", inner, inner_slots);

static const sp_pb_message outer_message;
static const sp_pb_slot outer_slots[] = {
	SP_PB_SLOT(outer, on, 1, BOOL),
	SP_PB_SLOT(outer, small, 2, INT32),
	SP_PB_SLOT(outer, big, 3, INT64),
	SP_PB_SLOT(outer, u32, 4, UINT32),
	SP_PB_SLOT(outer, u64, 5, UINT64),
	SP_PB_SLOT(outer, ratio, 6, DOUBLE),
	SP_PB_SLOT(outer, name, 7, STRING),
	SP_PB_SLOT(outer, blob, 8, BYTES),
	SP_PB_SLOT_MSG(outer, one, 9, &inner_message),
	SP_PB_SLOT_MSGS(outer, many, 10, &inner_message),
	SP_PB_SLOT_LIST(outer, numbers, 11, INT64),
	SP_PB_SLOT_LIST(outer, ratios, 12, DOUBLE),
	SP_PB_SLOT_LIST(outer, texts, 13, STRING),
	SP_PB_SLOT_MAP(outer, labels, 14),
	SP_PB_SLOT_MSG(outer, self, 15, &outer_message),
};
static const sp_pb_message outer_message = SP_PB_MESSAGE_OF("Outer", outer, outer_slots);

#define BYTES(lit) ((sp_str){"" lit, sizeof(lit) - 1})

static sp_str encoded(const outer *o)
{
	sp_buf out = {.limit_bytes = 1 << 16};
	sp_pb_encode(&outer_message, o, &out);
	sp_str s = sp_arena_try_dup(T_ARENA, (sp_str){(char *)out.ptr, out.len});
	sp_buf_done(&out);
	return s;
}

SP_TEST(pb_struct, fields_have_their_bytes)
{
	inner one = {.code = -1}, many[] = {{0}, {.code = 5, .text = SP_STR("x")}};
	int64_t numbers[] = {0, 300};
	double ratios[] = {0.5};
	sp_str texts[] = {SP_STR(""), SP_STR("b")};
	sp_pb_pair labels[] = {{SP_STR("k"), SP_STR("v")}};
	const struct {
		outer o;
		sp_str bytes;
	} rows[] = {
		{{0}, BYTES("")},
		{{.on = true}, BYTES("\x08\x01")},
		{{.small = -2}, BYTES("\x10\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{{.big = 150, .u32 = 1, .u64 = 2}, BYTES("\x18\x96\x01\x20\x01\x28\x02")},
		{{.ratio = 1.0}, BYTES("\x31\0\0\0\0\0\0\xf0\x3f")},
		{{.name = SP_STR("n"), .blob = SP_STR("\xff")}, BYTES("\x3a\x01n\x42\x01\xff")},
		{{.one = &one}, BYTES("\x4a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},
		{{.many = {many, 2}}, BYTES("\x52\x00\x52\x05\x08\x05\x12\x01x")},
		{{.numbers = {numbers, 2}}, BYTES("\x5a\x03\x00\xac\x02")},
		{{.ratios = {ratios, 1}}, BYTES("\x62\x08\0\0\0\0\0\0\xe0\x3f")},
		{{.texts = {texts, 2}},
		 BYTES("\x6a\x00\x6a\x01"
		       "b")},
		{{.labels = {labels, 1}}, BYTES("\x72\x06\x0a\x01k\x12\x01v")},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		outer back;
		t_row("row %zu", i);
		sp_str got = encoded(&rows[i].o);
		T_TRUE(sp_str_eq(got, rows[i].bytes));
		T_OK(sp_pb_decode(&outer_message, got, T_ARENA, &back, T_ERR));
		T_TRUE(sp_str_eq(encoded(&back), got));
	}
}

SP_TEST(pb_struct, reads_what_others_write)
{
	outer o;
	/* Numbers not packed; an unknown field; a known number on another wire type; a message in two pieces.
	 */
	sp_str in = BYTES("\x58\x01\x58\x02\xa0\x06\x07\x38\x05\x4a\x02\x08\x03\x4a\x03\x12\x01y");
	T_OK(sp_pb_decode(&outer_message, in, T_ARENA, &o, T_ERR));
	T_EQ_U64(o.numbers.n, 2);
	T_TRUE(o.numbers.at[0] == 1 && o.numbers.at[1] == 2);
	T_EQ_U64(o.name.len, 0);
	T_TRUE(o.one != NULL && o.one->code == 3);
	T_EQ_C(o.one->text, "y");
}

SP_TEST(pb_struct, malformed)
{
	const struct {
		sp_str in;
		const char *message;
	} rows[] = {
		{BYTES("\x3a\x02n"), "proto: cannot parse invalid wire-format data"},
		{BYTES("\x00\x01"), "proto: cannot parse invalid wire-format data"},
		{BYTES("\x3a\x01\xff"), "string field contains invalid UTF-8"},
		{BYTES("\x5a\x01\x80"), "proto: cannot parse invalid wire-format data"},
		{BYTES("\x62\x07\0\0\0\0\0\0\0"), "proto: cannot parse invalid wire-format data"},
		{BYTES("\x4a\x01\x08"), "proto: cannot parse invalid wire-format data"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		outer o;
		t_row("row %zu", i);
		T_CODE(sp_pb_decode(&outer_message, rows[i].in, T_ARENA, &o, T_ERR), SP_EINVAL);
		T_EQ_C(sp_str_c(T_ERR->msg), rows[i].message);
	}
}

SP_TEST(pb_struct, depth_and_memory_are_bounded)
{
	sp_buf deep = {.limit_bytes = 1 << 16};
	size_t opened[70];
	for (size_t i = 0; i < SP_LEN(opened); i++)
		opened[i] = sp_pb_open(&deep, 15);
	for (size_t i = SP_LEN(opened); i-- > 0;)
		sp_pb_close(&deep, opened[i]);
	outer o;
	sp_code code = sp_pb_decode(&outer_message, (sp_str){(char *)deep.ptr, deep.len}, T_ARENA, &o, NULL);
	sp_buf_done(&deep);
	T_CODE(code, SP_EINVAL);
	sp_arena small;
	sp_arena_init(&small, 1 << 12);
	char many[4000];
	for (size_t i = 0; i < sizeof many; i += 2)
		memcpy(many + i, "\x52\x00", 2);
	code = sp_pb_decode(&outer_message, (sp_str){many, sizeof many}, &small, &o, NULL);
	sp_arena_done(&small);
	T_CODE(code, SP_ENOMEM);
}
