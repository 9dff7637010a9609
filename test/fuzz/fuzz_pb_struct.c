/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as structs: what was read is written so that it reads as the same. */
#include "base/pb_struct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct node {
	bool on;
	int32_t small;
	double ratio;
	sp_str name;
	struct node *one;
	SP_PB_LIST(struct node) many;
	SP_PB_LIST(uint32_t) numbers;
	SP_PB_LIST(sp_pb_pair) labels;
} node;

static const sp_pb_message message;
static const sp_pb_slot slots[] = {
	SP_PB_SLOT(node, on, 1, BOOL),
	SP_PB_SLOT(node, small, 2, INT32),
	SP_PB_SLOT(node, ratio, 3, DOUBLE),
	SP_PB_SLOT(node, name, 4, STRING),
	SP_PB_SLOT_MSG(node, one, 5, &message),
	SP_PB_SLOT_MSGS(node, many, 6, &message),
	SP_PB_SLOT_LIST(node, numbers, 7, UINT32),
	SP_PB_SLOT_MAP(node, labels, 8),
};
static const sp_pb_message message = SP_PB_MESSAGE_OF("Node", node, slots);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	SP_AUTO_BUF once;
	SP_AUTO_BUF twice;
	sp_buf_init(&once, (size_t)16 << 20);
	sp_buf_init(&twice, (size_t)16 << 20);
	node n;
	sp_err err = {0};
	if (sp_pb_decode(&message, (sp_str){(const char *)data, size}, &a, &n, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	sp_pb_encode(&message, &n, &once);
	sp_code code = sp_pb_decode(&message, sp_buf_view(&once), &a, &n, &err);
	if (code == SP_ENOMEM)
		return 0;
	SP_ASSERT(code == SP_OK);
	sp_pb_encode(&message, &n, &twice);
	SP_ASSERT(sp_str_eq(sp_buf_view(&once), sp_buf_view(&twice)));
	return 0;
}
