/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "io/grpc/grpc_int.h"

/* The protocol's own; more beginning with "grpc-" are reserved, but some travel as metadata (grpc-trace-bin,
 * grpc-status-details-bin). */
static const sp_str reserved[] = {
	SP_STR_INIT("te"),
	SP_STR_INIT("host"),
	SP_STR_INIT("content-type"),
	SP_STR_INIT("content-length"),
	SP_STR_INIT("grpc-encoding"),
	SP_STR_INIT("grpc-accept-encoding"),
	SP_STR_INIT("grpc-message"),
	SP_STR_INIT("grpc-message-type"),
	SP_STR_INIT("grpc-status"),
	SP_STR_INIT("grpc-timeout"),
};

static bool is_reserved(sp_str key)
{
	for (size_t i = 0; i < SP_LEN(reserved); i++) {
		if (sp_str_eq(reserved[i], key))
			return true;
	}
	return false;
}

static bool is_binary(sp_str key)
{
	return sp_str_ends(key, SP_STR("-bin"));
}

sp_str sp_grpc_metadata_get(const sp_grpc_metadata *md, size_t n, sp_str key)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(md[i].key, key))
			return md[i].value;
	}
	return (sp_str){NULL, 0};
}

/* ---- in ---- */

static sp_code no_memory(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for metadata");
}

/* With padding or without. */
static sp_code decode(sp_arena *a, sp_str text, sp_str *ret, sp_err *err)
{
	size_t n = 0;
	char *padded = sp_arena_try_alloc(a, text.len + 4);
	if (padded == NULL)
		return no_memory(err);
	if (text.len > 0)
		memcpy(padded, text.ptr, text.len);
	while (text.len % 4 != 0)
		padded[text.len++] = '=';
	SP_TRY(sp_base64_decode((sp_str){padded, text.len}, (uint8_t *)padded, &n, err));
	*ret = (sp_str){padded, n};
	return SP_OK;
}

static size_t count_values(const sp_http_header *h)
{
	size_t n = 1;
	for (size_t i = 0; i < h->value.len && is_binary(h->name); i++)
		n += h->value.ptr[i] == ',';
	return n;
}

static sp_code take_one(sp_arena *a, const sp_http_header *h, bool copy, sp_grpc_metadata *out, size_t *n,
			sp_err *err)
{
	sp_str key = h->name, rest = h->value, one;
	if (copy) {
		key = sp_arena_try_dup(a, key);
		if (key.ptr == NULL)
			return no_memory(err);
	}
	if (!is_binary(key)) {
		out[*n] = (sp_grpc_metadata){key, rest};
		if (copy && rest.len > 0) {
			out[*n].value = sp_arena_try_dup(a, rest);
			if (out[*n].value.ptr == NULL)
				return no_memory(err);
		}
		(*n)++;
		return SP_OK;
	}
	bool more;
	do {
		more = sp_str_cut(&rest, ',', &one);
		out[*n].key = key;
		SP_TRY(decode(a, sp_str_trim(more ? one : rest), &out[*n].value, err));
		(*n)++;
	} while (more);
	return SP_OK;
}

sp_code grpc_metadata_take(sp_arena *a, const sp_http_fields *f, bool copy, sp_grpc_metadata **ret,
			   size_t *ret_n, const sp_http_header **ret_bad, sp_err *err)
{
	size_t n = 0;
	for (uint32_t i = 0; i < f->n; i++)
		n += is_reserved(f->at[i].name) ? 0 : count_values(&f->at[i]);
	sp_grpc_metadata *md = n == 0 ? NULL : sp_try_new(a, sp_grpc_metadata, n);
	if (n > 0 && md == NULL)
		return no_memory(err);
	size_t at = 0;
	for (uint32_t i = 0; i < f->n; i++) {
		if (is_reserved(f->at[i].name))
			continue;
		SP_ASSERT(md != NULL);
		*ret_bad = &f->at[i];
		SP_TRY(take_one(a, &f->at[i], copy, md, &at, err));
	}
	SP_ASSERT(at == n);
	*ret = md;
	*ret_n = n;
	return SP_OK;
}

/* ---- out ---- */

static bool key_ok(sp_str key)
{
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];
		bool ok =
			(c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
		if (!ok)
			return false;
	}
	return key.len > 0 && !is_reserved(key);
}

static sp_code text_put(const sp_grpc_metadata *md, sp_str *ret, sp_err *err)
{
	*ret = sp_str_trim(md->value);
	for (size_t i = 0; i < ret->len; i++) {
		if (ret->ptr[i] < ' ' || ret->ptr[i] > '~')
			return sp_fail(err, SP_EINVAL, "metadata '" SP_FMT "' is not printable ASCII",
				       SP_ARG(md->key));
	}
	return SP_OK;
}

sp_code grpc_metadata_put(sp_arena *a, const sp_grpc_metadata *md, size_t n, sp_http_header *out, sp_err *err)
{
	for (size_t i = 0; i < n; i++) {
		out[i].name = md[i].key;
		if (!key_ok(md[i].key))
			return sp_fail(err, SP_EINVAL, "bad metadata key '" SP_FMT "'", SP_ARG(md[i].key));
		if (!is_binary(md[i].key)) {
			SP_TRY(text_put(&md[i], &out[i].value, err));
			continue;
		}
		size_t len = sp_base64_text_len(md[i].value.len);
		char *text = len == 0 ? NULL : sp_arena_try_alloc(a, len);
		if (len > 0 && text == NULL)
			return no_memory(err);
		if (len > 0)
			sp_base64_encode(text, md[i].value.ptr, md[i].value.len);
		while (len > 0 && text[len - 1] == '=')
			len--; /* senders leave the padding out */
		out[i].value = (sp_str){text, len};
	}
	return SP_OK;
}
