/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what parses prints, and the print parses to the same. */
#include "io/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512], again[512];
	sp_address a, b;
	sp_err err = {0};
	if (sp_address_parse((sp_str){(const char *)data, size}, &a, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	sp_str printed = {text, sp_address_print(&a, text, sizeof text)};
	SP_ASSERT(strlen(text) == printed.len);
	SP_ASSERT(sp_address_parse(printed, &b, NULL) == SP_OK);
	SP_ASSERT(a.kind == b.kind);
	SP_ASSERT(a.port == b.port);
	SP_ASSERT(a.fd == b.fd);
	SP_ASSERT(memcmp(a.ip, b.ip, sizeof a.ip) == 0);
	SP_ASSERT(sp_str_eq(a.name, b.name));
	SP_ASSERT(sp_address_print(&b, again, sizeof again) == printed.len);
	SP_ASSERT(memcmp(text, again, printed.len) == 0);
	char tiny[8];
	SP_ASSERT(sp_address_print(&a, tiny, sizeof tiny) < sizeof tiny);
	return 0;
}
