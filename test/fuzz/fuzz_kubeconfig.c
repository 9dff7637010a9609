/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfigs: whatever the text is, there is a configuration that can be used or a sentence. */
#include "client/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_client_config c;
	sp_err err = {0};
	if (size > 16384)
		return 0;
	if (sp_client_config_parse(NULL, &a, (sp_str){(const char *)data, size}, SP_STR("/d"), SP_STR(""), &c,
				   &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	SP_ASSERT(c.address.len > 2);
	SP_ASSERT(sp_str_rindex(c.address, ':') > 0);
	SP_ASSERT(c.prefix.len == 0 || c.prefix.ptr[0] == '/');
	SP_ASSERT((c.cert_pem.len > 0) == (c.key_pem.len > 0));
	SP_ASSERT(c.namespace_.len > 0);
	return 0;
}
