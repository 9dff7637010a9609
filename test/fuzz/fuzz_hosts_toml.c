/* SPDX-License-Identifier: Apache-2.0 */
/* TOML, and hosts.toml. */
#include "base/toml.h"
#include "runtime/image/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str text = {(const char *)data, size};
	sp_arena a;
	image_hosts h;
	yyjson_mut_val *root;
	sp_arena_init(&a, (size_t)8 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	if (sp_toml_parse(&a, text, doc, &root, NULL) == SP_OK) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)1 << 20);
		SP_ASSERT(yyjson_mut_is_obj(root));
		(void)sp_json_write_mut(&out, root);
	}
	if (image_hosts_parse(&a, text, SP_STR("/etc/x"), SP_STR("registry.example"), &h, NULL) == SP_OK) {
		SP_ASSERT(h.n > 0 && h.n <= IMAGE_HOSTS_MAX && h.items[h.n - 1].is_registry);
		for (size_t i = 0; i < h.n; i++)
			SP_ASSERT(h.items[i].authority.len > 0 && h.items[i].address.len > 0);
	}
	sp_arena_done(&a);
	return 0;
}
