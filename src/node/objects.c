/* SPDX-License-Identifier: Apache-2.0 */
#include "node/objects.h"

#include "base/base64.h"

sp_str node_ref_word(node_ref_kind kind)
{
	static const sp_str words[NODE_REF_KINDS_] = {
		[NODE_REF_CONFIG_MAP] = SP_STR_INIT("configmap"), [NODE_REF_SECRET] = SP_STR_INIT("secret")};
	return words[kind];
}

sp_code node_base64_value(sp_str text, sp_arena *a, sp_str *ret, sp_err *err)
{
	size_t n = 0;
	if (text.len == 0) {
		*ret = SP_STR("");
		return SP_OK;
	}
	uint8_t *plain = sp_arena_try_alloc(a, text.len / 4 * 3 + 1);
	if (plain == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no memory for a secret's value");
	SP_TRY(sp_base64_decode(text, plain, &n, err));
	*ret = (sp_str){(const char *)plain, n};
	return SP_OK;
}
