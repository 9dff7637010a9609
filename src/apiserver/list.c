/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST: at one revision, chunk by chunk of short reads, filtered by the records' headers, from the stored
 * bytes to the socket under back-pressure. A page (limit) is gathered first, for its metadata stands in front
 * of its items; it may be shorter than asked for, which the API allows. A whole list is streamed. The front
 * of a protobuf list tells how long it is: one that is not short is read twice at its revision, first for its
 * length.
 */
#include "apiserver/continue.h"
#include "apiserver/custom/convert_chunk.h"
#include "apiserver/gzip.h"
#include "apiserver/list_writer.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define PAGE_BYTES_MAX ((size_t)8 << 20)
/* A protobuf list that is longer is read twice. */
#define SHORT_BYTES_MAX ((size_t)4 << 20)
#define OUT_BYTES_MAX ((size_t)64 << 20)

typedef struct api_lister {
	api_request *r;
	api_list_options o;
	api_list_writer writer;
	api_gzip *gzip; /* of a streamed answer, or NULL */
	sp_buf out;
	sp_str prefix, indexed_value;
	bool indexed, begun, at_end;
	uint64_t revision; /* of the whole list; 0 before the first chunk */
	uint64_t n_items, n_remaining;
	char revision_text[SP_NUM_TEXT_BYTES];
	size_t from_len;
	char from[SP_LIMIT_STORE_REST_BYTES + 1];
	sp_code code; /* of an item that could not be written */
	/* Of kinds that a webhook converts: the records of a chunk first become those of the version. */
	api_convert_chunk *converts;
	/* Of a list that is read twice. */
	bool is_counting;
	size_t n_bytes, n_sent; /* of its items: in all, and written so far */
	sp_defer again;
	size_t first_from_len;
	char first_from[SP_LIMIT_STORE_REST_BYTES + 1];
	bool is_read, is_last;                /* a chunk is read, and there is none behind it */
	void (*resume)(struct api_lister *l); /* when it is converted */
} api_lister;

static void lister_free(api_lister *l)
{
	sp_defer_cancel(&l->again);
	sp_buf_done(&l->out);
	api_list_writer_done(&l->writer);
	api_gzip_free(l->gzip);
	api_convert_chunk_free(l->converts);
	sp_free(l);
}

static void lister_gone(api_request *r)
{
	lister_free(r->state);
	r->state = NULL;
}

/* ---- one chunk ---- */

/* One record of the version; *ret_taken: it is in the list. */
static sp_code put(api_lister *l, const sp_record *rec, sp_str rest, uint64_t revision, bool *ret_taken)
{
	*ret_taken = api_selects(&l->o, l->r->res, rec, rest);
	if (!*ret_taken)
		return SP_OK;
	SP_TRY(api_list_writer_put(&l->writer, &l->out, rec, revision));
	l->n_items++;
	return SP_OK;
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	api_lister *l = arg;
	sp_record rec;
	bool taken = false;
	if (l->converts != NULL) {
		l->code = api_convert_chunk_add(l->converts, e);
		return l->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
	}
	if (l->o.limit > 0 && l->n_items > 0 && l->out.len >= PAGE_BYTES_MAX)
		return SP_STORE_STOP;
	l->code = sp_record_decode(e->record, &rec, NULL);
	if (l->code == SP_OK)
		l->code = put(l, &rec, e->rest, e->revision, &taken);
	if (l->code != SP_OK)
		return SP_STORE_STOP;
	return taken ? SP_STORE_TAKE : SP_STORE_SKIP;
}

static sp_code read_chunk(api_lister *l, sp_err *err)
{
	sp_store_chunk chunk;
	const sp_store_query q = {
		.resource = l->r->res->prefix,
		.prefix = l->prefix,
		.from = {l->from, l->from_len},
		.indexed = l->indexed ? &l->indexed_value : NULL,
		.revision = l->revision,
		.n_max = l->o.limit > 0 ? (size_t)(l->o.limit - l->n_items) : 0,
		.scan_bytes_max = CHUNK_BYTES,
		.want_remaining = l->o.limit > 0 && l->o.labels.n == 0 && l->o.fields.n == 0,
	};
	SP_TRY(sp_store_range(l->r->server->store, &q, visit, l, &chunk, err));
	if (l->code != SP_OK)
		return sp_fail(err, l->code, "an object of the list can't be read");
	l->revision = chunk.revision;
	l->n_remaining = chunk.n_remaining;
	l->is_last = !chunk.more;
	if (chunk.more) {
		memcpy(l->from, chunk.next, chunk.next_len);
		l->from_len = chunk.next_len;
	}
	return SP_OK;
}

/* The converted records of a chunk. */
static sp_code put_converted(api_lister *l)
{
	api_converted one;
	sp_record rec;
	bool taken;
	while (api_convert_chunk_next(l->converts, &one)) {
		SP_TRY(sp_record_decode(sp_bytes_view(one.record), &rec, NULL));
		SP_TRY(put(l, &rec, one.rest, one.revision, &taken));
	}
	api_convert_chunk_clear(l->converts);
	return SP_OK;
}

/* ---- answers ---- */

static sp_str revision_text(api_lister *l)
{
	return (sp_str){l->revision_text, sp_print_u64(l->revision_text, l->revision)};
}

/* Everything is here before the answer begins: a page, or a medium made of the whole. */
static void reply_gathered(api_lister *l)
{
	api_request *r = l->r;
	bool all = l->o.labels.n == 0 && l->o.fields.n == 0;
	sp_list_meta meta = {.resource_version = revision_text(l)};
	if (!l->at_end) {
		meta.cont =
			api_continue_make(r->arena, l->revision, (sp_str){l->from, l->from_len}, l->prefix);
		meta.remaining = all ? (int64_t)l->n_remaining : 0;
	}
	api_list_writer_reply(&l->writer, &meta, sp_buf_view(&l->out));
}

static void expired(api_lister *l)
{
	static const sp_str why = SP_STR_INIT("The provided continue parameter is too old to display a "
					      "consistent list result. You can start a new "
					      "list without the continue parameter, or use the continue "
					      "token in this response to retrieve the "
					      "remainder of the results. Continuing with the provided token "
					      "results in an inconsistent list - "
					      "objects that were created, modified, or deleted between the "
					      "time the first chunk was returned and "
					      "now may show up in the list.");
	sp_status s = sp_status_expired(why);
	s.continue_token = api_continue_make(l->r->arena, API_CONTINUE_LATEST, (sp_str){l->from, l->from_len},
					     l->prefix);
	api_reply_status(l->r, &s);
}

static void fail(api_lister *l, sp_code code, const sp_err *err)
{
	if (l->r->answered)
		sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR);
	else if (code == SP_EGONE && l->o.cont.len > 0)
		expired(l);
	else
		api_reply_error(l->r, code, err);
}

/* False: it failed and is told, or a webhook is asked. */
static bool take_converted(api_lister *l, void (*resume)(api_lister *l))
{
	sp_status status;
	sp_code code;
	if (!l->is_read) {
		l->is_read = true;
		l->resume = resume;
		if (!api_convert_chunk_start(l->converts))
			return false;
	}
	l->is_read = false;
	if (api_convert_chunk_result(l->converts, l->r->arena, &status) == SP_OK) {
		code = put_converted(l);
		if (code == SP_OK)
			return true;
		fail(l, code, NULL);
	} else if (l->r->answered) {
		sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR);
	} else {
		api_reply_status(l->r, &status);
	}
	return false;
}

/* One more chunk. False: it failed and is told, or `resume` goes on from here, later. */
static bool next_chunk(api_lister *l, void (*resume)(api_lister *l))
{
	sp_err err;
	sp_code code = l->is_read ? SP_OK : read_chunk(l, &err);
	if (code != SP_OK) {
		fail(l, code, &err);
		return false;
	}
	if (l->converts != NULL && !take_converted(l, resume))
		return false;
	l->at_end = l->is_last;
	return true;
}

static void on_converted(void *arg)
{
	api_lister *l = arg;
	l->resume(l);
}

static void run_page(api_lister *l)
{
	do {
		if (!next_chunk(l, run_page))
			return;
	} while (!l->at_end && l->n_items < l->o.limit && l->out.len < PAGE_BYTES_MAX);
	reply_gathered(l);
}

/* Through the compressor, when there is one. */
static bool send(api_lister *l, sp_str text, bool last)
{
	if (l->gzip == NULL)
		return sp_http_write(l->r->ex, text, NULL) == SP_OK;
	SP_AUTO_BUF gz;
	sp_buf_init(&gz, OUT_BYTES_MAX);
	return api_gzip_write(l->gzip, text, last, &gz) == SP_OK &&
	       sp_http_write(l->r->ex, sp_buf_view(&gz), NULL) == SP_OK;
}

/* The list is longer than one chunk: its answer begins before its end is known. */
static bool begin_stream(api_lister *l)
{
	const sp_list_meta meta = {.resource_version = revision_text(l)};
	SP_AUTO_BUF head;
	sp_buf_init(&head, OUT_BYTES_MAX);
	l->begun = true;
	if (api_gzips(l->r, SIZE_MAX))
		l->gzip = api_gzip_new();
	return l->writer.begin(&l->writer, &head, &meta, l->n_bytes) == SP_OK &&
	       api_begin(l->r, 200, api_media_type(l->r->out.media), l->gzip != NULL) &&
	       send(l, sp_buf_view(&head), false);
}

static bool send_chunk(api_lister *l)
{
	if (!l->begun && !begin_stream(l))
		return false;
	l->n_sent += l->out.len;
	if (l->writer.is_sized && (l->n_sent > l->n_bytes || (l->at_end && l->n_sent != l->n_bytes)))
		return false; /* not what was counted: better no answer than a wrong one */
	if (l->at_end && api_list_writer_end(&l->writer, &l->out) != SP_OK)
		return false;
	if (!send(l, sp_buf_view(&l->out), l->at_end))
		return false;
	sp_buf_clear(&l->out);
	return !l->at_end || sp_http_end(l->r->ex, NULL, 0, NULL) == SP_OK;
}

/* Until the socket is full or the list is at its end. */
static void run_stream(api_lister *l)
{
	while (!l->at_end && !sp_http_is_full(l->r->ex)) {
		if (!next_chunk(l, run_stream))
			return;
		if (!l->begun && l->at_end && !l->writer.is_sized) {
			reply_gathered(l);
			return;
		}
		if (!send_chunk(l)) {
			sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR);
			return;
		}
	}
}

/* From the beginning again, at the same revision. */
static void stream_counted(api_lister *l)
{
	l->is_counting = false;
	l->at_end = l->is_last = false;
	l->n_items = 0;
	memcpy(l->from, l->first_from, l->first_from_len);
	l->from_len = l->first_from_len;
	run_stream(l);
}

/* A chunk per turn of the loop; others have theirs in between. */
static void run_sized(api_lister *l)
{
	if (!next_chunk(l, run_sized))
		return;
	l->is_counting = l->is_counting || l->out.len > SHORT_BYTES_MAX;
	if (l->is_counting) {
		l->n_bytes += l->out.len;
		sp_buf_clear(&l->out);
	}
	if (!l->at_end)
		sp_defer_call(l->r->server->world, &l->again);
	else if (l->is_counting)
		stream_counted(l);
	else
		reply_gathered(l);
}

static void on_again(sp_defer *d)
{
	run_sized(d->arg);
}

/* Whole lists in media that need all items first are gathered like a page without a limit. */
static void run_gathered(api_lister *l)
{
	do {
		if (!next_chunk(l, run_gathered))
			return;
	} while (!l->at_end);
	reply_gathered(l);
}

static void writable(api_request *r)
{
	api_lister *l = r->state;
	if (!l->at_end && !l->is_counting && !api_convert_chunk_is_busy(l->converts))
		run_stream(l);
}

/* ---- the beginning ---- */

/* Where to start: the continue token, or the revision asked for. False: answered. */
static bool place(api_lister *l)
{
	api_request *r = l->r;
	sp_err err;
	/* Revision 0 is answered from what is at hand, whole: pages are not for it. */
	if (l->o.has_rv && l->o.rv == 0)
		l->o.limit = 0;
	if (l->o.cont.len == 0) {
		if (l->o.has_rv && l->o.rv > 0 && !api_revision_reached(r, l->o.rv))
			return false;
		bool exact = l->o.match == API_RV_EXACT ||
			     (l->o.match == API_RV_UNSET && l->o.limit > 0 && l->o.has_rv && l->o.rv > 0);
		l->revision = exact ? l->o.rv : 0;
		return true;
	}
	sp_str from;
	if (l->o.has_rv && l->o.rv != 0) {
		sp_status s = sp_status_bad_request(
			SP_STR("specifying resource version is not allowed when using continue"));
		api_reply_status(r, &s);
		return false;
	}
	if (api_continue_read(r->arena, l->o.cont, l->prefix, &l->revision, &from, &err) != SP_OK) {
		sp_status s = sp_status_bad_request(
			sp_arena_printf(r->arena, "invalid continue token: %s", err.msg));
		api_reply_status(r, &s);
		return false;
	}
	if (from.len >= sizeof l->from) {
		sp_status s = sp_status_bad_request(SP_STR("invalid continue token"));
		api_reply_status(r, &s);
		return false;
	}
	memcpy(l->from, from.ptr, from.len);
	l->from_len = from.len;
	return true;
}

static void begin_sized(api_lister *l)
{
	memcpy(l->first_from, l->from, l->from_len);
	l->first_from_len = l->from_len;
	run_sized(l);
}

static void narrow(api_lister *l)
{
	api_request *r = l->r;
	if (r->info.ns.len > 0 && r->res->kind->namespaced)
		l->prefix = sp_arena_printf(r->arena, SP_FMT "/", SP_ARG(r->info.ns));
	l->indexed = sp_selector_exact(&l->o.fields, SP_STR("spec.nodeName"), &l->indexed_value);
}

void api_list(api_request *r)
{
	api_lister *l = SP_NEW(api_lister);
	l->r = r;
	sp_buf_init(&l->out, OUT_BYTES_MAX);
	sp_defer_init(&l->again, on_again, l);
	r->state = l;
	r->on_gone = lister_gone;
	r->on_writable = writable;
	if (!api_list_options_read(r, &l->o))
		return;
	narrow(l);
	if (!place(l))
		return;
	sp_err err;
	sp_code code = api_list_writer_init(&l->writer, r, &err);
	if (code == SP_OK)
		l->converts = api_convert_chunk_new(r->server, r->res, on_converted, l, &code);
	if (code != SP_OK)
		api_reply_error(r, code, &err);
	else if (l->o.limit > 0)
		run_page(l);
	else if (l->writer.is_sized)
		begin_sized(l);
	else if (l->writer.gathers)
		run_gathered(l);
	else
		run_stream(l);
}
