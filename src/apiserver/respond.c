/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/request.h"

#include "apiserver/audit/audit.h"
#include "apiserver/cors.h"
#include "apiserver/encode.h"
#include "apiserver/gzip.h"
#include "base/limits.h"
#include "base/num.h"

#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define WARNING_BYTES_MAX 4096u /* of all together */
#define HEADERS_MAX (10 + API_CORS_HEADERS + SP_WARNINGS_MAX)

void api_warn(api_request *r, sp_str text)
{
	sp_warnings *w = &r->warnings;
	for (size_t i = 0; i < w->n; i++) {
		if (sp_str_eq(w->items[i], text))
			return;
	}
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 8 : w->cap * 2;
		sp_str *items = cap > SP_WARNINGS_MAX
					? NULL
					: sp_arena_try_grow(r->arena, w->items, w->cap * sizeof *items,
							    cap * sizeof *items);
		if (items == NULL)
			return; /* a warning is not worth a failure */
		w->items = items;
		w->cap = cap;
	}
	w->items[w->n++] = text;
}

/* `299 - "text"`, control bytes left out, quotes escaped. */
static sp_str warning_value(sp_arena *a, sp_str text)
{
	static const sp_str front = SP_STR_INIT("299 - \"");
	char *out = sp_arena_try_alloc(a, front.len + 2 * text.len + 1);
	if (out == NULL)
		return (sp_str){NULL, 0};
	memcpy(out, front.ptr, front.len);
	size_t n = front.len;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.ptr[i];
		if (c < 0x20 || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = (char)c;
	}
	out[n++] = '"';
	return (sp_str){out, n};
}

static size_t add_warnings(api_request *r, sp_http_header *headers, size_t n)
{
	size_t n_bytes = 0;
	for (size_t i = 0; i < r->warnings.n && n < HEADERS_MAX; i++) {
		sp_str value = warning_value(r->arena, r->warnings.items[i]);
		n_bytes += value.len;
		if (value.ptr == NULL || n_bytes > WARNING_BYTES_MAX)
			break;
		headers[n++] = (sp_http_header){SP_STR("warning"), value};
	}
	return n;
}

#define CACHE_CONTROL_AT 1u

static size_t add_flow(const api_request *r, sp_http_header *headers, size_t n)
{
	const api_request_flow *f = &r->flow;
	if (f->schema_uid.len > 0)
		headers[n++] = (sp_http_header){SP_STR("x-kubernetes-pf-flowschema-uid"), f->schema_uid};
	if (f->level_uid.len > 0)
		headers[n++] = (sp_http_header){SP_STR("x-kubernetes-pf-prioritylevel-uid"), f->level_uid};
	return n;
}

static size_t common_headers(api_request *r, sp_str content_type, sp_http_header headers[HEADERS_MAX])
{
	size_t n = 0;
	headers[n++] = (sp_http_header){SP_STR("audit-id"), r->audit_id};
	headers[n++] = (sp_http_header){SP_STR("cache-control"), SP_STR("no-cache, private")};
	if (content_type.len > 0) /* 204 has none */
		headers[n++] = (sp_http_header){SP_STR("content-type"), content_type};
	n += api_cors_headers(r, &headers[n]);
	return add_warnings(r, headers, add_flow(r, headers, n));
}

static bool accepts_gzip(const api_request *r)
{
	return sp_http_has_token(&r->ex->headers, SP_HTTP_ACCEPT_ENCODING, SP_STR("gzip"));
}

bool api_gzips(const api_request *r, size_t n_bytes)
{
	return n_bytes > API_GZIP_MIN_BYTES && accepts_gzip(r);
}

void api_reply_with(api_request *r, uint16_t code, sp_str content_type, const sp_http_header *more,
		    size_t n_more, sp_str body)
{
	SP_ASSERT(!r->answered);
	SP_ASSERT(n_more <= API_REPLY_HEADERS_MAX);
	r->answered = true;
	sp_http_header headers[HEADERS_MAX + API_REPLY_HEADERS_MAX];
	api_audit_started(r, code);
	size_t n = common_headers(r, content_type, headers);
	for (size_t i = 0; i < n_more; i++) {
		if (sp_str_eq(more[i].name, SP_STR("cache-control")))
			headers[CACHE_CONTROL_AT].value = more[i].value;
		else
			headers[n++] = more[i];
	}
	if (sp_http_respond(r->ex, code, headers, n, body, NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

void api_reply(api_request *r, uint16_t code, sp_str content_type, sp_str body)
{
	static const sp_http_header gzip_headers[] = {{SP_STR_INIT("content-encoding"), SP_STR_INIT("gzip")},
						      {SP_STR_INIT("vary"), SP_STR_INIT("Accept-Encoding")}};
	SP_AUTO_BUF gz;
	sp_buf_init(&gz, REPLY_BYTES_MAX);
	if (api_gzips(r, body.len) && api_gzip_all(body, &gz) == SP_OK)
		api_reply_with(r, code, content_type, gzip_headers, SP_LEN(gzip_headers), sp_buf_view(&gz));
	else
		api_reply_with(r, code, content_type, NULL, 0, body);
}

bool api_begin(api_request *r, uint16_t code, sp_str content_type, bool gzipped)
{
	SP_ASSERT(!r->answered);
	r->answered = true;
	sp_http_header headers[HEADERS_MAX + 1];
	api_audit_started(r, code);
	size_t n = common_headers(r, content_type, headers);
	if (gzipped)
		headers[n++] = (sp_http_header){SP_STR("content-encoding"), SP_STR("gzip")};
	if (sp_http_begin(r->ex, code, headers, n, NULL) == SP_OK)
		return true;
	sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
	return false;
}

bool api_begin_with(api_request *r, uint16_t code, const sp_http_header *more, size_t n_more)
{
	SP_ASSERT(!r->answered);
	r->answered = true;
	sp_http_header common[HEADERS_MAX];
	size_t n = common_headers(r, SP_STR(""), common);
	sp_http_header *all = sp_try_new(r->arena, sp_http_header, n + n_more);
	if (all != NULL) {
		memcpy(all, common, n * sizeof *all);
		memcpy(all + n, more, n_more * sizeof *all);
		if (sp_http_begin(r->ex, code, all, n + n_more, NULL) == SP_OK)
			return true;
	}
	sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
	return false;
}

/* The last word when an answer can't be made. */
static void reply_no_room(api_request *r)
{
	static const sp_str text = SP_STR_INIT("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
					       "\"status\":\"Failure\",\"message\":"
					       "\"Internal error occurred: the answer is too "
					       "large\",\"reason\":\"InternalError\",\"code\":500}");
	api_reply(r, 500, SP_STR("application/json"), text);
}

void api_reply_json(api_request *r, uint16_t code, const sp_schema *schema, sp_str json)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, REPLY_BYTES_MAX);
	api_audit_answer(r, json);
	if (api_encode_medium(&out, r->arena, &r->out, schema, json, NULL) != SP_OK) {
		reply_no_room(r);
		return;
	}
	api_reply(r, code, api_media_type(r->out.media), sp_buf_view(&out));
}

void api_reply_object(api_request *r, uint16_t code, sp_str json, uint64_t revision)
{
	api_table_how how = {0};
	char text[SP_NUM_TEXT_BYTES];
	sp_err err;
	SP_AUTO_BUF shaped;
	sp_buf_init(&shaped, REPLY_BYTES_MAX);
	sp_code done = r->out.shape == API_SHAPE_TABLE ? api_table_how_read(r, &how, &err) : SP_OK;
	if (done == SP_OK)
		done = api_encode_shape(&shaped, &r->out, r->res, &how, json,
					(sp_str){text, revision == 0 ? 0 : sp_print_u64(text, revision)},
					&err);
	if (done != SP_OK) {
		r->out.shape = API_SHAPE_OBJECT;
		api_reply_error(r, done, &err);
		return;
	}
	api_reply_json(r, code, api_shape_schema(&r->out, r->res), sp_buf_view(&shaped));
}

void api_reply_status(api_request *r, const sp_status *status)
{
	SP_AUTO_BUF json;
	sp_buf_init(&json, REPLY_BYTES_MAX);
	if (sp_status_write(&json, status) != SP_OK) {
		reply_no_room(r);
		return;
	}
	r->out.shape = API_SHAPE_OBJECT;
	api_audit_status(r, status);
	api_reply_json(r, status->code,
		       sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.Status")),
		       sp_buf_view(&json));
}

sp_status api_status_of(api_request *r, sp_code code, const sp_err *err)
{
	sp_group_resource gr = r->res == NULL ? (sp_group_resource){0} : r->res->gr;
	sp_str why = err == NULL ? (sp_str){NULL, 0} : sp_arena_try_dup(r->arena, sp_str_c(err->msg));
	switch (code) {
	case SP_ENOTFOUND:
		return sp_status_not_found(r->arena, gr, r->info.name);
	case SP_EEXISTS:
		return sp_status_already_exists(r->arena, gr, r->info.name);
	case SP_ECONFLICT:
		return sp_status_conflict(r->arena, gr, r->info.name, SP_STR(SP_STATUS_MODIFIED));
	case SP_EINVAL:
		return sp_status_bad_request(why);
	case SP_EGONE:
		return sp_status_expired(why);
	case SP_ETOOLARGE:
		return sp_status_too_large(r->arena, why);
	case SP_EUNAVAILABLE:
		return sp_status_service_unavailable(why);
	case SP_ETIMEOUT:
		return sp_status_timeout(r->arena, why, 0);
	case SP_OK:
	case SP_EFORBIDDEN:
	case SP_EUNAUTH:
	case SP_ETOOMANY:
	case SP_ECANCELED:
	case SP_EUNSUPPORTED:
	case SP_ENOMEM:
	case SP_EIO:
	case SP_EPROTO:
	case SP_EINTERNAL:
	case SP_CODE_COUNT_:
		break;
	}
	return sp_status_internal(r->arena, why);
}

void api_reply_error(api_request *r, sp_code code, const sp_err *err)
{
	sp_status status = api_status_of(r, code, err);
	api_reply_status(r, &status);
}
