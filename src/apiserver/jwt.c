/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/jwt.h"

#include "base/base64.h"

static sp_code decode(sp_arena *a, sp_str text, sp_str *ret, sp_err *err)
{
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, text.len + 2);
	if (bytes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a token");
	SP_TRY(sp_base64url_decode(text, bytes, &n, err));
	*ret = (sp_str){(const char *)bytes, n};
	return SP_OK;
}

static sp_code decode_object(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err)
{
	sp_str json = {NULL, 0};
	SP_TRY(decode(a, text, &json, err));
	SP_TRY(sp_json_parse(a, json, ret, err));
	return yyjson_is_obj(*ret) ? SP_OK : sp_fail(err, SP_EINVAL, "a token's part is no object");
}

sp_code api_jwt_parse(sp_arena *a, sp_str token, api_jwt *ret, sp_err *err)
{
	sp_str rest = token, header, payload;
	yyjson_val *head = NULL;
	api_jwt t = {0};
	if (token.len > API_JWT_BYTES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "the token is longer than %zu bytes", API_JWT_BYTES_MAX);
	if (!sp_str_cut(&rest, '.', &header) || !sp_str_cut(&rest, '.', &payload) || header.len == 0 ||
	    payload.len == 0 || rest.len == 0)
		return sp_fail(err, SP_EINVAL, "the token has no three parts");
	t.input = sp_str_sub(token, 0, header.len + 1 + payload.len);
	SP_TRY(decode_object(a, header, &head, err));
	SP_TRY(decode_object(a, payload, &t.claims, err));
	SP_TRY(decode(a, rest, &t.signature, err));
	t.alg = sp_json_str(sp_json_last(head, SP_STR("alg")));
	t.kid = sp_json_str(sp_json_last(head, SP_STR("kid")));
	if (t.alg.len == 0 || sp_json_last(head, SP_STR("crit")) != NULL)
		return sp_fail(err, SP_EINVAL, "the token's header can't be understood");
	*ret = t;
	return SP_OK;
}

bool api_jwt_date(yyjson_val *claims, const char *name, double *ret)
{
	yyjson_val *v = sp_json_last(claims, sp_str_c(name));
	*ret = yyjson_get_num(v);
	return yyjson_is_num(v);
}
