/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format of protobuf. Error texts: Go's generated code. */
#include "base/pb.h"
#include "lib/t.h"

static sp_str bytes(const char *p, size_t n)
{
	return (sp_str){p, n};
}
#define BYTES(lit) bytes("" lit, sizeof(lit) - 1)

SP_TEST(pb, fields_one_by_one)
{
	sp_str in = BYTES("\x08\x96\x01\x12\x03"
			  "abc"
			  "\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x00\x00\x00"
			  "\x2b\x08\x01\x33\x34\x2c"
			  "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
	sp_pb_field f;
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 1 && f.wire == SP_PB_VARINT && f.value == 150);
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 2 && f.wire == SP_PB_LEN);
	T_EQ_C(f.bytes, "abc");
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 3 && f.wire == SP_PB_I64 && f.value == UINT64_C(0x0807060504030201));
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 4 && f.wire == SP_PB_I32 && f.value == 1);
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 5 && f.wire == SP_PB_GROUP);
	T_OK(sp_pb_next(&in, "M", &f, T_ERR));
	T_TRUE(f.number == 6 && (int64_t)f.value == -1);
	T_EQ_U64(in.len, 0);
}

SP_TEST(pb, malformed)
{
	const struct {
		sp_str in;
		const char *message;
	} rows[] = {
		{BYTES("\x08"), "unexpected EOF"},
		{BYTES("\x88"), "unexpected EOF"},
		{BYTES("\x12\x05"
		       "abc"),
		 "unexpected EOF"},
		{BYTES("\x19\x01"), "unexpected EOF"},
		{BYTES("\x25\x01"), "unexpected EOF"},
		{BYTES("\x2b\x08\x01"), "unexpected EOF"},
		{BYTES("\x67"), "proto: illegal wireType 7"},
		{BYTES("\x0c"), "proto: M: wiretype end group for non-group"},
		{BYTES("\x02"), "proto: M: illegal tag 0 (wire type 2)"},
		{BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "proto: integer overflow"},
		{BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "proto: integer overflow"},
		{BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		 "proto: negative length found during unmarshaling"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		sp_pb_field f;
		sp_str in = rows[i].in;
		t_row("%zu", i);
		T_CODE(sp_pb_next(&in, "M", &f, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
}

SP_TEST(pb, nested_messages_of_every_length)
{
	static const size_t sizes[] = {0, 1, 127, 128, 16383, 16384, 70000};
	for (size_t i = 0; i < SP_LEN(sizes); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)1 << 20);
		t_row("%zu", sizes[i]);
		sp_pb_uint(&out, 1, UINT64_MAX);
		size_t outer = sp_pb_open(&out, 2);
		size_t inner = sp_pb_open(&out, 3);
		for (size_t k = 0; k < sizes[i]; k++)
			sp_buf_char(&out, 'x');
		sp_pb_close(&out, inner);
		sp_pb_fixed64(&out, 4, 7);
		sp_pb_close(&out, outer);
		sp_pb_bytes(&out, 536870911, SP_STR("end"));
		T_OK(sp_buf_code(&out));
		sp_str in = sp_buf_view(&out);
		sp_pb_field f;
		T_OK(sp_pb_next(&in, "M", &f, T_ERR));
		T_TRUE(f.value == UINT64_MAX);
		T_OK(sp_pb_next(&in, "M", &f, T_ERR));
		sp_str nested = f.bytes;
		T_OK(sp_pb_next(&in, "M", &f, T_ERR));
		T_TRUE(f.number == 536870911 && in.len == 0);
		T_OK(sp_pb_next(&nested, "M", &f, T_ERR));
		T_EQ_U64(f.bytes.len, sizes[i]);
		T_OK(sp_pb_next(&nested, "M", &f, T_ERR));
		T_TRUE(f.value == 7 && nested.len == 0);
	}
	SP_AUTO_BUF small;
	sp_buf_init(&small, 200);
	size_t opened = sp_pb_open(&small, 1);
	for (size_t k = 0; k < 198; k++)
		sp_buf_char(&small, 'x');
	sp_pb_close(&small, opened);
	T_CODE(sp_buf_code(&small), SP_ETOOLARGE);
}
