/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/list_writer.h"

#include "apiserver/audit/audit.h"

#include "apiserver/object.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/pb.h"
#include "kube/protobuf.h"

#define SCRATCH_BYTES_MAX ((size_t)64 << 20)
#define ITEM_BYTES_MAX (SP_LIMIT_STORED_VALUE_BYTES + 64)
#define LIST_BYTES_MAX ((size_t)64 << 20)

#define META_LIST_KIND SP_STR("PartialObjectMetadataList")
#define META_API_VERSION SP_STR("meta.k8s.io/v1")

/* ---- JSON, objects as stored ---- */

static sp_code json_begin(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len)
{
	const api_resource *res = w->r->res;
	(void)items_len;
	(void)sp_buf_printf(out, "{\"kind\":\"" SP_FMT "\",\"apiVersion\":\"" SP_FMT "\",\"metadata\":{",
			    SP_ARG(res->kind->list_kind), SP_ARG(res->api_version));
	if (meta->resource_version.len > 0) /* what is not stored has none */
		(void)sp_buf_printf(out, "\"resourceVersion\":\"" SP_FMT "\"",
				    SP_ARG(meta->resource_version));
	if (meta->cont.len > 0)
		(void)sp_buf_printf(out, ",\"continue\":\"" SP_FMT "\"", SP_ARG(meta->cont));
	if (meta->remaining > 0)
		(void)sp_buf_printf(out, ",\"remainingItemCount\":%lld", (long long)meta->remaining);
	return sp_buf_str(out, SP_STR("},\"items\":["));
}

/* ---- the same of custom resources: members sorted, items whole ---- */

static sp_code custom_begin(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len)
{
	const api_resource *res = w->r->res;
	(void)items_len;
	/* What comes behind the items; `meta` is gone by then. */
	w->tail = sp_arena_printf(w->r->arena,
				  "],\"kind\":\"" SP_FMT "\",\"metadata\":{\"continue\":\"" SP_FMT "\",",
				  SP_ARG(res->kind->list_kind), SP_ARG(meta->cont));
	if (meta->remaining > 0)
		w->tail = sp_arena_printf(w->r->arena, SP_FMT "\"remainingItemCount\":%lld,", SP_ARG(w->tail),
					  (long long)meta->remaining);
	w->tail = sp_arena_printf(w->r->arena, SP_FMT "\"resourceVersion\":\"" SP_FMT "\"}}", SP_ARG(w->tail),
				  SP_ARG(meta->resource_version));
	if (w->tail.ptr == NULL)
		return SP_ENOMEM;
	return sp_buf_printf(out, "{\"apiVersion\":\"" SP_FMT "\",\"items\":[", SP_ARG(res->api_version));
}

static sp_code custom_item(api_list_writer *w, sp_buf *out, sp_str json)
{
	(void)sp_buf_str(out, w->any ? SP_STR(",") : SP_STR(""));
	return sp_buf_str(out, json);
}

static sp_code custom_end(api_list_writer *w, sp_buf *out)
{
	return sp_buf_str(out, w->tail);
}

/* Items of typed lists carry no kind and apiVersion of their own. */
static sp_code json_item(api_list_writer *w, sp_buf *out, sp_str json)
{
	size_t skip = w->r->res->type_meta.len;
	(void)sp_buf_str(out, w->any ? SP_STR(",{") : SP_STR("{"));
	return sp_buf_str(out, sp_str_sub(json, skip, json.len));
}

static sp_code json_end(api_list_writer *w, sp_buf *out)
{
	(void)w;
	return sp_buf_str(out, SP_STR("]}"));
}

/* ---- JSON, rows of a table ---- */

static sp_code table_begin(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len)
{
	(void)items_len;
	w->table.j = sp_jout_to(out);
	return sp_table_begin(&w->table, meta);
}

static sp_code table_item(api_list_writer *w, sp_buf *out, sp_str json)
{
	w->table.j.out = out;
	w->table.j.comma = w->any;
	return sp_table_row(&w->table, json, NULL);
}

static sp_code table_end(api_list_writer *w, sp_buf *out)
{
	w->table.j.out = out;
	return sp_table_end(&w->table);
}

/* ---- JSON, metadata alone ---- */

static sp_code partial_begin(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len)
{
	(void)items_len;
	w->jout = sp_jout_to(out);
	return sp_partial_list_begin(&w->jout, meta);
}

static sp_code partial_item(api_list_writer *w, sp_buf *out, sp_str json)
{
	w->jout = (sp_jout){.out = out, .comma = w->any};
	return sp_partial_write(&w->jout, w->r->res->kind, json);
}

static sp_code partial_end(api_list_writer *w, sp_buf *out)
{
	w->jout.out = out;
	return sp_partial_list_end(&w->jout);
}

/* ---- protobuf: the list's message is {metadata=1, items=2} ---- */

static void put_list_meta(sp_buf *out, const sp_list_meta *meta)
{
	size_t opened = sp_pb_open(out, 1);
	sp_pb_bytes(out, 1, SP_STR("")); /* selfLink */
	sp_pb_bytes(out, 2, meta->resource_version);
	sp_pb_bytes(out, 3, meta->cont);
	if (meta->remaining > 0)
		sp_pb_uint(out, 4, (uint64_t)meta->remaining);
	sp_pb_close(out, opened);
}

static sp_code pb_begin(api_list_writer *w, sp_buf *out, const sp_list_meta *meta, size_t items_len)
{
	const api_resource *res = w->r->res;
	bool partial = w->r->out.shape != API_SHAPE_OBJECT;
	SP_AUTO_BUF head;
	sp_buf_init(&head, (size_t)64 << 10);
	put_list_meta(&head, meta);
	sp_protobuf_begin(out, partial ? META_API_VERSION : res->api_version,
			  partial ? META_LIST_KIND : res->kind->list_kind, head.len + items_len);
	return sp_buf_code(&head) != SP_OK ? sp_buf_code(&head) : sp_buf_str(out, sp_buf_view(&head));
}

static sp_code pb_item(api_list_writer *w, sp_buf *out, sp_str json)
{
	const api_output *how = &w->r->out;
	SP_AUTO_BUF shaped;
	sp_buf_init(&shaped, ITEM_BYTES_MAX);
	SP_TRY(api_encode_shape(&shaped, how, w->r->res, NULL, json, SP_STR(""), NULL));
	size_t opened = sp_pb_open(out, 2);
	SP_TRY(sp_protobuf_encode_raw(&w->scratch, out, api_shape_schema(how, w->r->res),
				      sp_buf_view(&shaped), NULL));
	sp_pb_close(out, opened);
	return sp_buf_code(out);
}

static sp_code pb_end(api_list_writer *w, sp_buf *out)
{
	(void)w;
	sp_protobuf_end(out);
	return sp_buf_code(out);
}

/* ---- choice ---- */

static const api_list_writer writers[] = {
	[API_SHAPE_OBJECT] = {.begin = json_begin, .item = json_item, .end = json_end},
	[API_SHAPE_TABLE] = {.begin = table_begin, .item = table_item, .end = table_end},
	[API_SHAPE_METADATA] = {.begin = partial_begin, .item = partial_item, .end = partial_end},
	[API_SHAPE_METADATA_LIST] = {.begin = partial_begin, .item = partial_item, .end = partial_end},
};
static const api_list_writer custom_writer = {.begin = custom_begin, .item = custom_item, .end = custom_end};
static const api_list_writer pb_writer = {
	.begin = pb_begin, .item = pb_item, .end = pb_end, .is_sized = true};

sp_code api_list_writer_init(api_list_writer *w, api_request *r, sp_err *err)
{
	SP_ASSERT(r->out.shape < SP_LEN(writers));
	*w = r->out.media == API_MEDIA_PROTOBUF ? pb_writer : writers[r->out.shape];
	if (r->res->custom != NULL && r->out.shape == API_SHAPE_OBJECT)
		*w = custom_writer;
	w->r = r;
	/* YAML and indented text are made of the whole. */
	w->gathers =
		w->gathers || api_audit_wants_answer(r) || r->out.media == API_MEDIA_YAML || r->out.pretty;
	sp_arena_init(&w->scratch, SCRATCH_BYTES_MAX);
	sp_buf_init(&w->text, ITEM_BYTES_MAX);
	if (r->out.shape != API_SHAPE_TABLE)
		return SP_OK;
	api_table_how how;
	SP_TRY(api_table_how_read(r, &how, err));
	const sp_table_options options = {.include = how.include, .now = how.now};
	sp_table_init(&w->table, r->res->plan, &options, NULL);
	return SP_OK;
}

void api_list_writer_done(api_list_writer *w)
{
	if (w->r == NULL)
		return;
	if (w->r->out.shape == API_SHAPE_TABLE)
		sp_table_done(&w->table);
	sp_buf_done(&w->text);
	sp_arena_done(&w->scratch);
}

sp_code api_list_writer_put_json(api_list_writer *w, sp_buf *out, sp_str json)
{
	if (w->r->res->custom == NULL && !sp_str_starts(json, w->r->res->type_meta))
		return SP_EINTERNAL;
	SP_TRY(w->item(w, out, json));
	w->any = true;
	sp_arena_reset(&w->scratch);
	return SP_OK;
}

sp_code api_list_writer_put(api_list_writer *w, sp_buf *out, const sp_record *rec, uint64_t revision)
{
	sp_buf_clear(&w->text);
	SP_TRY(api_object_json(&w->text, w->r->res, rec, revision));
	return api_list_writer_put_json(w, out, sp_buf_view(&w->text));
}

/* U: apimachinery pkg/runtime/serializer/json/collections.go */
sp_code api_list_writer_end(api_list_writer *w, sp_buf *out)
{
	const api_output *how = &w->r->out;
	SP_TRY(w->end(w, out));
	return how->media == API_MEDIA_JSON && !how->pretty ? sp_buf_char(out, '\n') : SP_OK;
}

void api_list_writer_reply(api_list_writer *w, const sp_list_meta *meta, sp_str items)
{
	api_request *r = w->r;
	bool convert = r->out.media == API_MEDIA_YAML || r->out.pretty;
	SP_AUTO_BUF text, other;
	sp_buf_init(&text, LIST_BYTES_MAX);
	sp_buf_init(&other, LIST_BYTES_MAX);
	sp_code code = w->begin(w, &text, meta, items.len);
	if (code == SP_OK)
		code = sp_buf_str(&text, items);
	if (code == SP_OK)
		code = api_list_writer_end(w, &text);
	if (code == SP_OK && r->out.media != API_MEDIA_PROTOBUF)
		api_audit_answer(r, sp_buf_view(&text));
	if (code == SP_OK && convert)
		code = api_encode_medium(&other, r->arena, &r->out, NULL, sp_buf_view(&text), NULL);
	if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		api_reply(r, 200, api_media_type(r->out.media), sp_buf_view(convert ? &other : &text));
}
