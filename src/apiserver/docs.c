/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/docs.h"

#include "apiserver/aggregate/aggregate.h"
#include "apiserver/gzip.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "base/map.h"
#include "base/version.h"
#include "kube/discovery.h"
#include "kube/openapi/openapi.h"

#define SCRATCH_BYTES ((size_t)512 << 20)
#define EPOCH_MIX UINT64_C(0x9e3779b97f4a7c15)

/* One document in one form; its key stands behind it. */
typedef struct doc {
	sp_bytes *gz;
	uint64_t mark; /* of the custom kinds and other servers' documents that it was made of, or 0 */
	char etag[SP_DISC_ETAG_BYTES];
	sp_str key; /* "v2/", "v3/apis/apps/v1", with "+pb" behind it for protobuf */
} doc;

struct api_docs {
	api_server *server;
	sp_map docs;
	uint64_t epoch;  /* of the custom kinds when this was last in order */
	sp_bytes *index; /* of v3, or NULL */
	char index_etag[SP_DISC_ETAG_BYTES];
};

/* The built-in kinds, and the custom ones of a group (empty: of all); in the arena. */
static sp_code source(api_docs *d, sp_arena *a, sp_str group, sp_openapi_source *ret, sp_err *err)
{
	*ret = (sp_openapi_source){
		.builtin = sp_kinds, .n_builtin = sp_n_kinds, .version = SP_STR(SP_KUBERNETES_VERSION)};
	return api_customs_openapi(d->server->customs, a, group, &ret->custom, &ret->n_custom, err);
}

static void doc_free(doc *d)
{
	sp_bytes_unref(d->gz);
	sp_free(d);
}

api_docs *api_docs_new(api_server *server)
{
	api_docs *d = SP_NEW(api_docs);
	d->server = server;
	sp_map_init(&d->docs);
	return d;
}

void api_docs_free(api_docs *d)
{
	const sp_map_entry *e;
	if (d == NULL)
		return;
	for (size_t i = 0; (e = sp_map_next(&d->docs, &i)) != NULL;)
		doc_free(e->value);
	sp_map_done(&d->docs);
	sp_bytes_unref(d->index);
	sp_free(d);
}

/* The group of "apis/GROUP/VERSION" when it is no built-in one. */
static sp_str custom_group(api_docs *d, sp_str path)
{
	sp_str group;
	if (!sp_str_take(&path, SP_STR("apis/")))
		return (sp_str){NULL, 0};
	if (!sp_str_cut(&path, '/', &group))
		group = path;
	return api_resource_has_group(&d->server->resources, group) ? (sp_str){NULL, 0} : group;
}

/* What a document is made of, as a number that changes with it: 0 without custom kinds and other servers. */
static uint64_t mark_of(api_docs *d, sp_str path, bool v2)
{
	sp_str group = custom_group(d, path);
	uint64_t mark = v2 || group.len > 0 ? api_customs_mark(d->server->customs, group) : 0;
	return v2 ? mark + api_aggregates_epoch(d->server->aggregates) * EPOCH_MIX : mark;
}

/* The path of a key of version 3. */
static sp_str path_of(sp_str key)
{
	if (!sp_str_take(&key, SP_STR("v3/")))
		return (sp_str){NULL, 0};
	return sp_str_ends(key, SP_STR("+pb")) ? sp_str_sub(key, 0, key.len - 3) : key;
}

static doc *find_stale(api_docs *d)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&d->docs, &i)) != NULL;) {
		doc *one = e->value;
		if (one->mark != mark_of(d, path_of(one->key), sp_str_starts(one->key, SP_STR("v2/"))))
			return one;
	}
	return NULL;
}

/* Drops what was made of what has changed since. */
static void refresh(api_docs *d)
{
	/* Both only grow. */
	uint64_t epoch = api_customs_epoch(d->server->customs) + api_aggregates_epoch(d->server->aggregates);
	doc *stale;
	if (epoch == d->epoch)
		return;
	while ((stale = find_stale(d)) != NULL) {
		(void)sp_map_remove(&d->docs, stale->key);
		doc_free(stale);
	}
	d->index = sp_bytes_unref(d->index);
	d->epoch = epoch;
}

/* ---- making ---- */

static sp_code take_text(sp_arena *a, sp_buf *out, sp_str *ret, sp_err *err)
{
	*ret = sp_arena_try_dup(a, sp_buf_view(out));
	sp_buf_clear(out);
	return ret->ptr == NULL ? sp_fail(err, SP_ETOOLARGE, "no room for the document") : SP_OK;
}

static sp_code to_proto(sp_arena *a, sp_buf *out, sp_code (*form)(sp_arena *, sp_buf *, sp_str, sp_err *),
			sp_err *err)
{
	sp_str json;
	SP_TRY(take_text(a, out, &json, err));
	return form(a, out, json, err);
}

/* Documents of other servers that have no protobuf form are no reason to have none at all: they are left out
 * there. */
static sp_code add_remotes(api_docs *d, sp_arena *a, sp_buf *out, bool proto, sp_err *err)
{
	sp_openapi_remote *remotes;
	size_t n;
	sp_str ours;
	SP_TRY(api_aggregates_specs(d->server->aggregates, a, &remotes, &n));
	if (n == 0)
		return proto ? to_proto(a, out, sp_openapi_v2_proto, err) : SP_OK;
	SP_TRY(take_text(a, out, &ours, err));
	SP_TRY(sp_openapi_v2_merge(a, out, ours, remotes, n, err));
	if (!proto)
		return SP_OK;
	sp_code code = to_proto(a, out, sp_openapi_v2_proto, err);
	if (code != SP_EINVAL)
		return code;
	sp_buf_clear(out);
	return sp_openapi_v2_proto(a, out, ours, err);
}

static sp_code write_doc(api_docs *d, sp_arena *a, sp_buf *out, sp_str path, bool v2, bool proto, sp_err *err)
{
	sp_openapi_source from = {
		.builtin = sp_kinds, .n_builtin = sp_n_kinds, .version = SP_STR(SP_KUBERNETES_VERSION)};
	sp_str group = custom_group(d, path);
	if (v2 || group.len > 0)
		SP_TRY(source(d, a, group, &from, err));
	sp_code code = v2 ? sp_openapi_v2(a, out, &from) : sp_openapi_v3(a, out, &from, path);
	if (code != SP_OK)
		return code;
	if (v2)
		return add_remotes(d, a, out, proto, err);
	return proto ? to_proto(a, out, sp_openapi_v3_proto, err) : SP_OK;
}

static sp_code keep(api_docs *d, sp_str key, uint64_t mark, const sp_buf *text, doc **ret)
{
	SP_AUTO_BUF gz;
	sp_buf_init(&gz, SP_OPENAPI_BYTES_MAX);
	SP_TRY(api_gzip_all(sp_buf_view(text), &gz));
	doc *made = sp_try_alloc(sizeof *made + key.len);
	if (made == NULL)
		return SP_ENOMEM;
	memcpy(made + 1, key.ptr, key.len);
	made->key = (sp_str){(const char *)(made + 1), key.len};
	made->mark = mark;
	sp_disc_etag(made->etag, sp_buf_view(text));
	made->gz = sp_bytes_try_dup(sp_buf_view(&gz));
	if (made->gz == NULL || sp_map_put(&d->docs, made->key, made, NULL) != SP_OK) {
		doc_free(made);
		return SP_ENOMEM;
	}
	*ret = made;
	return SP_OK;
}

static sp_code find(api_docs *d, sp_str path, bool v2, bool proto, doc **ret, sp_err *err)
{
	char key[256];
	int n = snprintf(key, sizeof key, "%s/" SP_FMT "%s", v2 ? "v2" : "v3", SP_ARG(path),
			 proto ? "+pb" : "");
	if (n >= (int)sizeof key)
		return SP_ENOTFOUND;
	refresh(d);
	*ret = sp_map_get(&d->docs, (sp_str){key, (size_t)n});
	if (*ret != NULL)
		return SP_OK;
	sp_arena scratch;
	SP_AUTO_BUF text;
	sp_arena_init(&scratch, SCRATCH_BYTES);
	sp_buf_init(&text, SP_OPENAPI_BYTES_MAX);
	sp_code code = write_doc(d, &scratch, &text, path, v2, proto, err);
	if (code == SP_OK)
		code = keep(d, (sp_str){key, (size_t)n}, mark_of(d, path, v2), &text, ret);
	sp_arena_done(&scratch);
	return code;
}

/* ---- answering ---- */

static void reply_doc(api_request *r, const doc *found, sp_str type, bool immutable)
{
	sp_str etag = {found->etag, sizeof found->etag};
	sp_http_header headers[4] = {{SP_STR("etag"), etag},
				     {SP_STR("vary"), SP_STR("Accept-Encoding, Accept")}};
	size_t n = 2;
	if (immutable)
		headers[n++] = (sp_http_header){SP_STR("cache-control"), SP_STR("public, immutable")};
	if (sp_str_eq(sp_http_get(&r->ex->headers, SP_HTTP_IF_NONE_MATCH), etag)) {
		api_reply_with(r, 304, type, headers, n, SP_STR(""));
		return;
	}
	if (sp_http_has_token(&r->ex->headers, SP_HTTP_ACCEPT_ENCODING, SP_STR("gzip"))) {
		headers[n++] = (sp_http_header){SP_STR("content-encoding"), SP_STR("gzip")};
		api_reply_with(r, 200, type, headers, n, sp_bytes_view(found->gz));
		return;
	}
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_OPENAPI_BYTES_MAX);
	sp_code code = api_gunzip_all(sp_bytes_view(found->gz), &text);
	if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		api_reply_with(r, 200, type, headers, n, sp_buf_view(&text));
}

/* Does a clause of Accept name a protobuf form of OpenAPI? */
static bool wants_proto(const api_request *r)
{
	sp_str accept = sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT);
	ptrdiff_t proto = sp_str_find(accept, SP_STR("application/com.github.proto-openapi.spec."));
	ptrdiff_t json = sp_str_find(accept, SP_STR("application/json"));
	return proto >= 0 && (json < 0 || proto < json);
}

static void reply_not_found(api_request *r)
{
	api_reply(r, 404, SP_STR("text/plain; charset=utf-8"), SP_STR("404 page not found\n"));
}

static void serve(api_request *r, sp_str path, bool v2, bool immutable)
{
	doc *found = NULL;
	sp_err err = {0};
	bool proto = wants_proto(r);
	sp_code code = find(r->server->docs, path, v2, proto, &found, &err);
	sp_str type = !proto ? SP_STR("application/json")
		      : v2   ? SP_STR("application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
			     : SP_STR("application/com.github.proto-openapi.spec.v3.v1.0+protobuf");
	if (code == SP_ENOTFOUND)
		reply_not_found(r);
	else if (code != SP_OK)
		api_reply_error(r, code, &err);
	else
		reply_doc(r, found, type, immutable);
}

void api_docs_v2(api_request *r)
{
	serve(r, SP_STR(""), true, false);
}

/* The index names a hash of each document, so it needs them all; they are made once. */
static sp_code make_index(api_docs *d, sp_arena *a, sp_err *err)
{
	sp_str *paths;
	size_t n;
	sp_openapi_source from = {.builtin = sp_kinds, .n_builtin = sp_n_kinds};
	const sp_kind *const *kinds;
	SP_TRY(api_customs_kinds(d->server->customs, a, &kinds, &from.n_custom, err));
	sp_openapi_custom *custom = sp_try_new(a, sp_openapi_custom, from.n_custom + 1);
	for (size_t i = 0; custom != NULL && i < from.n_custom; i++)
		custom[i].kind = kinds[i]; /* paths need no schemas */
	from.custom = custom;
	if (custom == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_openapi_v3_paths(a, &from, &paths, &n));
	api_aggregate_doc *remotes;
	size_t n_remotes;
	SP_TRY(api_aggregates_docs(d->server->aggregates, a, &remotes, &n_remotes));
	sp_str *hashes = sp_try_new(a, sp_str, n + n_remotes + 1);
	sp_str *all = sp_try_new(a, sp_str, n + n_remotes + 1);
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_OPENAPI_BYTES_MAX);
	for (size_t i = 0; i < n && hashes != NULL && all != NULL; i++) {
		doc *found = NULL;
		SP_TRY(find(d, paths[i], false, false, &found, err));
		hashes[i] = (sp_str){found->etag + 1, sizeof found->etag - 2}; /* without quotes */
		all[i] = paths[i];
	}
	if (hashes == NULL || all == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < n_remotes; i++, n++) {
		all[n] = remotes[i].path;
		hashes[n] = remotes[i].hash;
	}
	SP_TRY(sp_openapi_v3_index(&text, all, hashes, n));
	d->index = sp_bytes_try_dup(sp_buf_view(&text));
	sp_disc_etag(d->index_etag, sp_buf_view(&text));
	return d->index == NULL ? SP_ENOMEM : SP_OK;
}

static void serve_index(api_request *r)
{
	api_docs *d = r->server->docs;
	sp_err err = {0};
	refresh(d);
	sp_code code = d->index != NULL ? SP_OK : make_index(d, r->arena, &err);
	if (code != SP_OK) {
		api_reply_error(r, code, &err);
		return;
	}
	sp_str etag = {d->index_etag, sizeof d->index_etag};
	const sp_http_header headers[] = {{SP_STR("etag"), etag}};
	bool same = sp_str_eq(sp_http_get(&r->ex->headers, SP_HTTP_IF_NONE_MATCH), etag);
	api_reply_with(r, same ? 304 : 200, SP_STR("text/plain; charset=utf-8"), headers, 1,
		       same ? SP_STR("") : sp_bytes_view(d->index));
}

/* A hash that is no longer that of the document is sent on to the one that is. */
static bool redirect(api_request *r, sp_str path, sp_str hash)
{
	doc *found = NULL;
	if (find(r->server->docs, path, false, false, &found, NULL) != SP_OK ||
	    sp_str_eq(hash, (sp_str){found->etag + 1, sizeof found->etag - 2}))
		return false;
	const sp_http_header headers[] = {
		{SP_STR("location"),
		 sp_arena_printf(r->arena, "/openapi/v3/" SP_FMT "?hash=" SP_FMT, SP_ARG(path),
				 SP_ARG(((sp_str){found->etag + 1, sizeof found->etag - 2})))}};
	api_reply_with(r, 301, SP_STR("text/plain; charset=utf-8"), headers, 1, SP_STR(""));
	return true;
}

void api_docs_v3(api_request *r)
{
	sp_str path = r->info.path, hash = sp_url_query_get(&r->query, SP_STR("hash"));
	(void)sp_str_take(&path, SP_STR("/openapi/v3"));
	(void)sp_str_take(&path, SP_STR("/"));
	if (path.len == 0)
		serve_index(r);
	else if (hash.len == 0 || !redirect(r, path, hash))
		serve(r, path, false, hash.len > 0);
}
