/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a forwarded stream. */
#include "base/num.h"
#include "io/spdy/forward.h"

static sp_code bad_port(sp_str text, const char *why, sp_err *err)
{
	return sp_fail(err, SP_EINVAL,
		       "unable to parse \"" SP_FMT "\" as a port: strconv.ParseUint: parsing \"" SP_FMT
		       "\": %s",
		       SP_ARG(text), SP_ARG(text), why);
}

static sp_code read_port(sp_str text, uint16_t *ret, sp_err *err)
{
	uint64_t v = 0;
	bool digits = true;
	for (size_t i = 0; i < text.len; i++)
		digits = digits && text.ptr[i] >= '0' && text.ptr[i] <= '9';
	if (!digits)
		return bad_port(text, "invalid syntax", err);
	if (sp_parse_u64(text, 0, UINT16_MAX, &v, NULL) != SP_OK)
		return bad_port(text, "value out of range", err);
	if (v < 1)
		return sp_fail(err, SP_EINVAL, "port \"" SP_FMT "\" must be > 0", SP_ARG(text));
	*ret = (uint16_t)v;
	return SP_OK;
}

sp_code sp_forward_head_read(sp_str block, sp_forward_head *ret, sp_err *err)
{
	sp_forward_head h = {0};
	sp_str port = sp_spdy_headers_get(block, SP_STR("port"));
	sp_str type = sp_spdy_headers_get(block, SP_STR("streamtype"));
	if (port.len == 0)
		return sp_fail(err, SP_EINVAL, "\"port\" header is required");
	SP_TRY(read_port(port, &h.port, err));
	if (type.len == 0)
		return sp_fail(err, SP_EINVAL, "\"streamType\" header is required");
	h.is_error = sp_str_eq(type, SP_STR("error"));
	if (!h.is_error && !sp_str_eq(type, SP_STR("data")))
		return sp_fail(err, SP_EINVAL, "invalid stream type \"" SP_FMT "\"", SP_ARG(type));
	h.request = sp_spdy_headers_get(block, SP_STR("requestid"));
	*ret = h;
	return SP_OK;
}
