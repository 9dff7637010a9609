/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages at the socket of the keys process and the answers to its clients (the first byte picks the
 * message): what decodes encodes to bytes that decode to the same again. A request for a certificate that
 * decodes is looked into.
 */
#include "io/tls/x509.h"
#include "keys/messages.h"

#define BYTES_MAX ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sp_pb_message *const messages[] = {
	&keys_sign_request_message,   &keys_sign_response_message,     &keys_empty_message,
	&keys_fetch_response_message, &keys_metadata_response_message, &keys_cert_request_message,
	&keys_cert_response_message};

static void again(const sp_pb_message *m, const void *value, sp_arena *a)
{
	SP_AUTO_BUF one, two;
	sp_buf_init(&one, BYTES_MAX);
	sp_buf_init(&two, BYTES_MAX);
	void *copy = sp_arena_alloc(a, m->size);
	sp_pb_encode(m, value, &one);
	SP_ASSERT(sp_pb_decode(m, sp_buf_view(&one), a, copy, NULL) == SP_OK);
	sp_pb_encode(m, copy, &two);
	SP_ASSERT(sp_str_eq(sp_buf_view(&one), sp_buf_view(&two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_arena a;
	if (size == 0)
		return 0;
	const sp_pb_message *m = messages[data[0] % SP_LEN(messages)];
	sp_arena_init(&a, BYTES_MAX);
	void *value = sp_arena_alloc(&a, m->size);
	if (sp_pb_decode(m, (sp_str){(const char *)data + 1, size - 1}, &a, value, NULL) == SP_OK) {
		again(m, value, &a);
		if (m == &keys_cert_request_message) {
			sp_x509_info info;
			const keys_cert_request *q = value;
			(void)(sp_x509_request_inspect(q->request, &a, &info, NULL) == SP_OK);
		}
	}
	sp_arena_done(&a);
	return 0;
}
