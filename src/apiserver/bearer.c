/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/bearer.h"

#include "base/base64.h"

sp_str api_bearer_token(sp_str authorization)
{
	sp_str rest = sp_str_trim(authorization), scheme, token;
	if (!sp_str_cut(&rest, ' ', &scheme) || !sp_str_eq_nocase(scheme, SP_STR("bearer")))
		return (sp_str){NULL, 0};
	return sp_str_cut(&rest, ' ', &token) ? token : rest;
}

static sp_code decode(sp_arena *a, sp_str text, sp_str *ret, sp_err *err)
{
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, text.len + 2);
	if (bytes == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a token");
	while (sp_str_ends(text, SP_STR("=")))
		text.len--;
	SP_TRY(sp_base64url_decode(text, bytes, &n, err));
	*ret = (sp_str){(const char *)bytes, n};
	return sp_str_is_utf8(*ret) ? SP_OK : sp_fail(err, SP_EINVAL, "a token is no UTF-8");
}

sp_code api_bearer_from_protocols(sp_arena *a, sp_str protocols, sp_str *ret, sp_err *err)
{
	sp_str item, token = {NULL, 0};
	size_t n_tokens = 0, n_others = 0;
	while (sp_str_next(&protocols, ',', &item)) {
		item = sp_str_trim(item);
		if (!sp_str_take(&item, SP_STR("base64url.bearer.authorization.k8s.io."))) {
			n_others += item.len > 0;
			continue;
		}
		if (n_tokens++ > 0)
			return sp_fail(err, SP_EINVAL,
				       "multiple base64.bearer.authorization tokens specified");
		SP_TRY(decode(a, item, &token, err));
	}
	if (n_tokens > 0 && n_others == 0)
		return sp_fail(err, SP_EINVAL, "missing additional subprotocol");
	*ret = token;
	return SP_OK;
}
