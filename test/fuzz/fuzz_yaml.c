/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: what is read is written as YAML that reads back as the same. */
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 16384)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)128 << 20);
	sp_str text = {(const char *)data, size};
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *v;
	yyjson_mut_val *w;
	sp_str strict;
	sp_err err = {0};
	SP_AUTO_BUF out;
	SP_AUTO_BUF one;
	SP_AUTO_BUF two;
	sp_buf_init(&out, (size_t)64 << 20);
	sp_buf_init(&one, (size_t)64 << 20);
	sp_buf_init(&two, (size_t)64 << 20);
	SP_ASSERT(doc != NULL);
	if (sp_yaml_parse(&a, text, doc, &strict, &v, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	SP_ASSERT(sp_yaml_write(&out, v, &err) == SP_OK);
	if (sp_json_write_mut(&one, v) != SP_OK)
		return 0;
	sp_code code = sp_yaml_parse(&a, sp_buf_view(&out), doc, NULL, &w, &err);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	if (code != SP_OK)
		return 0;
	/* Numbers may lose their form on the way (1.0 is 1), so the second text is compared with the first's
	 * form. */
	sp_buf_clear(&one);
	SP_ASSERT(sp_yaml_write(&one, w, &err) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&out), sp_buf_view(&one)));
	return 0;
}
