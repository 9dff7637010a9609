/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/uri.h"

static const struct {
	sp_str scheme;
	shim_uri_kind kind;
} schemes[] = {
	{SP_STR_INIT("fifo"), SHIM_URI_FIFO},     {SP_STR_INIT("file"), SHIM_URI_FILE},
	{SP_STR_INIT("binary"), SHIM_URI_BINARY}, {SP_STR_INIT("cri"), SHIM_URI_CRI},
	{SP_STR_INIT("stream"), SHIM_URI_STREAM},
};

static sp_code set_path(shim_uri *out, sp_str path, sp_str text, sp_arena *a, sp_err *err)
{
	if (!sp_str_starts(path, SP_STR("/")) || memchr(path.ptr, 0, path.len) != NULL)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' names no absolute path", SP_ARG(text));
	sp_str copy = sp_arena_try_dup(a, path);
	if (copy.len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for a path");
	out->path = copy.ptr;
	return SP_OK;
}

sp_code shim_uri_parse(sp_str text, sp_arena *a, shim_uri *ret, sp_err *err)
{
	shim_uri out = {.kind = SHIM_URI_NONE, .path = ""};
	ptrdiff_t mark = sp_str_find(text, SP_STR("://"));
	if (text.len == 0) {
		*ret = out;
		return SP_OK;
	}
	if (mark < 0) {
		out.kind = SHIM_URI_FIFO;
		SP_TRY(set_path(&out, text, text, a, err));
		*ret = out;
		return SP_OK;
	}
	sp_str scheme = sp_str_sub(text, 0, (size_t)mark);
	sp_str query = sp_str_sub(text, (size_t)mark + 3, text.len), path;
	if (!sp_str_cut(&query, '?', &path)) {
		path = query;
		query = (sp_str){NULL, 0};
	}
	for (size_t i = 0; i < SP_LEN(schemes); i++) {
		if (sp_str_eq(scheme, schemes[i].scheme))
			out.kind = schemes[i].kind;
	}
	if (out.kind == SHIM_URI_NONE)
		return sp_fail(err, SP_EUNSUPPORTED, "unknown STDIO scheme " SP_FMT, SP_ARG(scheme));
	SP_TRY(sp_url_decode_path(a, path, &path, err));
	SP_TRY(set_path(&out, path, text, a, err));
	SP_TRY(sp_url_query_parse(a, query, &out.query, err));
	*ret = out;
	return SP_OK;
}
