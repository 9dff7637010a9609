/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WATCH: a cursor over the store's log of changes, filtered by the records' headers. What a client sees of an
 * object follows its selectors: it appears when it begins to match and is DELETED when it no longer does.
 * Current state first where the request asks for it, then changes without a gap: the watch is opened at the
 * revision the state was read at.
 */
#include "apiserver/custom/convert_chunk.h"
#include "apiserver/encode.h"
#include "apiserver/flow/flow.h"
#include "apiserver/metrics/measure.h"
#include "apiserver/server_int.h"
#include "apiserver/watch_frame.h"
#include "apiserver/watch_socket.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/pb.h"
#include "kube/protobuf.h"

#define EVENT_BYTES_MAX ((size_t)16 << 20)
#define SCRATCH_BYTES_MAX ((size_t)64 << 20)
#define CHUNK_BYTES ((size_t)256 << 10)
#define NS_PER_S UINT64_C(1000000000)
#define BOOKMARK_NS (60 * NS_PER_S)

typedef enum event_type {
	EVENT_ADDED,
	EVENT_MODIFIED,
	EVENT_DELETED,
	EVENT_BOOKMARK,
	EVENT_ERROR
} event_type;
static const char *const event_names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};

typedef struct api_watcher {
	sp_list node; /* of server->watches, until it ends */
	api_request *r;
	api_watch_socket *socket; /* over WebSocket; else NULL */
	api_list_options o;
	sp_store_watch *watch; /* NULL while the current state is sent */
	sp_buf out, text, shaped;
	sp_arena scratch;
	api_table_how table;
	sp_str prefix, rest, indexed_value;
	bool indexed, in_state, state_done;
	uint64_t revision;   /* the current state's */
	uint64_t bookmarked; /* revision of the last bookmark */
	sp_timer timeout, bookmark;
	size_t from_len;
	char from[SP_LIMIT_STORE_REST_BYTES + 1];
	sp_code code;
	/* Of kinds that a webhook converts: the state's chunk or the next events, on their way to the
	 * version. */
	api_convert_chunk *converts;
	bool state_more; /* another chunk follows that one */
} api_watcher;

/* ---- life ---- */

static void watcher_free(api_watcher *w)
{
	sp_list_remove(&w->node);
	sp_timer_stop(w->r->server->world, &w->timeout);
	sp_timer_stop(w->r->server->world, &w->bookmark);
	sp_store_watch_close(w->watch);
	sp_buf_done(&w->out);
	sp_buf_done(&w->text);
	sp_buf_done(&w->shaped);
	sp_arena_done(&w->scratch);
	api_convert_chunk_free(w->converts);
	api_watch_socket_free(w->socket);
	sp_free(w);
}

static void watcher_gone(api_request *r)
{
	api_watcher *w = r->state;
	r->state = NULL;
	watcher_free(w);
}

static void socket_gone(void *arg)
{
	watcher_free(arg);
}

/* No event comes after this. */
static void stop(api_watcher *w)
{
	sp_list_remove(&w->node);
	sp_timer_stop(w->r->server->world, &w->timeout);
	sp_timer_stop(w->r->server->world, &w->bookmark);
	sp_store_watch_close(w->watch);
	w->watch = NULL;
	w->in_state = false;
	if (w->converts != NULL)
		api_convert_chunk_clear(w->converts);
}

static void finish(api_watcher *w)
{
	stop(w);
	if (w->socket != NULL)
		api_watch_socket_end(w->socket);
	else if (sp_http_end(w->r->ex, NULL, 0, NULL) != SP_OK)
		sp_http_reset(w->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void give_up(api_watcher *w)
{
	stop(w);
	if (w->socket != NULL)
		api_watch_socket_abort(w->socket);
	else
		sp_http_reset(w->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

/* ---- where events go ---- */

static bool is_full(const api_watcher *w)
{
	return w->socket != NULL ? api_watch_socket_is_full(w->socket) : sp_http_is_full(w->r->ex);
}

static sp_code write_frames(api_watcher *w, sp_str frames)
{
	if (w->socket != NULL)
		return api_watch_socket_send(w->socket, w->r->out.media == API_MEDIA_PROTOBUF, frames);
	return sp_http_write(w->r->ex, frames, NULL);
}

/* ---- events ---- */

/* One frame: a line of JSON, or four bytes of length and a WatchEvent{type=1, object=2{raw=1}}. `json` is the
 * object in its shape; `schema` is that of it. */
static sp_code put_frame(api_watcher *w, event_type type, const sp_schema *schema, sp_str json)
{
	sp_str name = sp_str_c(event_names[type]);
	if (w->r->out.media != API_MEDIA_PROTOBUF) {
		(void)sp_buf_printf(&w->out, "{\"type\":\"" SP_FMT "\",\"object\":", SP_ARG(name));
		(void)sp_buf_str(&w->out, json);
		return sp_buf_str(&w->out, SP_STR("}\n"));
	}
	size_t start = w->out.len;
	(void)sp_buf_append(&w->out, "\0\0\0", 4);
	sp_pb_bytes(&w->out, 1, name);
	size_t object = sp_pb_open(&w->out, 2), raw = sp_pb_open(&w->out, 1);
	SP_TRY(sp_protobuf_encode(&w->scratch, &w->out, schema, json, NULL));
	sp_pb_close(&w->out, raw);
	sp_pb_close(&w->out, object);
	sp_arena_reset(&w->scratch);
	if (sp_buf_code(&w->out) == SP_OK)
		sp_be32_put((uint8_t *)w->out.ptr + start, (uint32_t)(w->out.len - start - 4));
	return sp_buf_code(&w->out);
}

static sp_code put_event(api_watcher *w, event_type type, const sp_record *rec, uint64_t revision)
{
	char text[SP_NUM_TEXT_BYTES];
	const api_output *how = &w->r->out;
	sp_buf_clear(&w->text);
	sp_buf_clear(&w->shaped);
	SP_TRY(api_object_json(&w->text, w->r->res, rec, revision));
	if (how->shape == API_SHAPE_OBJECT)
		return put_frame(w, type, w->r->res->kind->schema, sp_buf_view(&w->text));
	SP_TRY(api_encode_shape(&w->shaped, how, w->r->res, &w->table, sp_buf_view(&w->text),
				(sp_str){text, sp_print_u64(text, revision)}, NULL));
	w->table.no_headers = true; /* the first event has told them */
	return put_frame(w, type, api_shape_schema(how, w->r->res), sp_buf_view(&w->shaped));
}

static void put_error(api_watcher *w, const sp_status *status)
{
	sp_buf_clear(&w->text);
	if (sp_status_write(&w->text, status) == SP_OK)
		(void)put_frame(w, EVENT_ERROR,
				sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.Status")),
				sp_buf_view(&w->text));
}

static void put_bookmark(api_watcher *w, uint64_t revision, bool initial_end)
{
	const api_resource *res = w->r->res;
	sp_buf_clear(&w->text);
	(void)sp_buf_str(&w->text, res->type_meta);
	(void)sp_buf_printf(&w->text, "\"metadata\":{\"resourceVersion\":\"%llu\"%s}}",
			    (unsigned long long)revision,
			    initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
	w->bookmarked = revision;
	if (sp_buf_code(&w->text) == SP_OK)
		(void)put_frame(w, EVENT_BOOKMARK, res->kind->schema, sp_buf_view(&w->text));
}

/* Sends what is gathered; false: the connection is given up. */
static bool send_out(api_watcher *w)
{
	if (w->out.len == 0 && sp_buf_code(&w->out) == SP_OK)
		return true;
	if (sp_buf_code(&w->out) != SP_OK || write_frames(w, sp_buf_view(&w->out)) != SP_OK) {
		give_up(w);
		return false;
	}
	sp_buf_clear(&w->out);
	return true;
}

static sp_code matches(const api_watcher *w, const sp_bytes *record, sp_str rest, sp_record *ret,
		       bool *ret_match)
{
	*ret_match = false;
	if (record == NULL)
		return SP_OK;
	SP_TRY(sp_record_decode(sp_bytes_view(record), ret, NULL));
	*ret_match = api_selects(&w->o, w->r->res, ret, rest);
	return SP_OK;
}

/* Objects as they are look the same to every watcher: the first encodes the frame, all send it by reference.
 */
static sp_code share_event(api_watcher *w, event_type type, sp_store_event *e, const sp_record *rec)
{
	const api_frame_key key = {w->r->res, w->r->out.media, type};
	if (w->r->out.shape != API_SHAPE_OBJECT)
		return put_event(w, type, rec, e->revision);
	sp_bytes *frame = api_frame_find(e, &key);
	api_measure_watch_event(w->r);
	if (frame == NULL) {
		SP_TRY(put_event(w, type, rec, e->revision));
		frame = api_frame_keep(e, &key, sp_buf_view(&w->out));
		if (frame == NULL)
			return SP_OK; /* this watcher's own then */
		sp_buf_clear(&w->out);
	}
	if (w->socket != NULL)
		return write_frames(w, sp_bytes_view(frame));
	return sp_http_write_bytes(w->r->ex, frame, 0, frame->len, NULL);
}

static sp_code put_change(api_watcher *w, sp_store_event *e, const sp_bytes *record, const sp_bytes *prev)
{
	sp_record now, before;
	bool is, was;
	SP_TRY(matches(w, record, e->key.rest, &now, &is));
	SP_TRY(matches(w, prev, e->key.rest, &before, &was));
	if (is)
		return share_event(w, was ? EVENT_MODIFIED : EVENT_ADDED, e, &now);
	/* What it was last, with the revision of its leaving. */
	return was ? share_event(w, EVENT_DELETED, e, &before) : SP_OK;
}

static void ended(api_watcher *w, sp_code code, const sp_err *err)
{
	if (code == SP_EGONE) {
		sp_status s = sp_status_expired(sp_str_c(err->msg));
		put_error(w, &s);
	}
	if (send_out(w))
		finish(w);
}

/* ---- what a webhook converts ---- */

static void tell(api_watcher *w, const sp_status *status)
{
	put_error(w, status);
	if (send_out(w))
		finish(w);
}

/* Upstream's watch ends too when an event can't be decoded. */
static bool is_converted(api_watcher *w)
{
	sp_status status;
	if (api_convert_chunk_result(w->converts, w->r->arena, &status) == SP_OK)
		return true;
	tell(w, &status);
	return false;
}

/* Until the socket is full, nothing is left or the webhook is asked. */
static void pump_converted(api_watcher *w)
{
	api_converted one;
	sp_err err;
	bool both = w->o.labels.n > 0 || w->o.fields.n > 0;
	while (!is_full(w)) {
		sp_code code = SP_OK;
		if (api_convert_chunk_next(w->converts, &one)) {
			code = put_change(w, one.event, one.record, one.prev);
		} else {
			api_convert_chunk_clear(w->converts);
			code = api_convert_chunk_take(w->converts, w->watch, both);
			if (code == SP_OK && api_convert_chunk_is_empty(w->converts)) {
				code = sp_store_watch_state(w->watch, &err);
				if (code != SP_OK)
					ended(w, code, &err);
				return;
			}
			if (code == SP_OK && !api_convert_chunk_start(w->converts))
				return;
			if (code == SP_OK && !is_converted(w))
				return;
		}
		if (code != SP_OK) {
			give_up(w);
			return;
		}
		if (!send_out(w))
			return;
	}
}

static void pump(api_watcher *w)
{
	sp_err err;
	if (w->converts != NULL) {
		if (!api_convert_chunk_is_busy(w->converts))
			pump_converted(w);
		return;
	}
	while (!is_full(w)) {
		sp_store_event *e = sp_store_watch_next(w->watch);
		if (e == NULL) {
			sp_code code = sp_store_watch_state(w->watch, &err);
			if (code != SP_OK)
				ended(w, code, &err);
			return;
		}
		sp_code code = put_change(w, e, e->record, e->prev);
		sp_store_event_unref(e);
		if (code != SP_OK) {
			give_up(w);
			return;
		}
		if (!send_out(w))
			return;
	}
}

static void on_ready(void *arg)
{
	pump(arg);
}

/* ---- the current state ---- */

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	api_watcher *w = arg;
	sp_record rec;
	if (w->converts != NULL) {
		w->code = api_convert_chunk_add(w->converts, e);
		return w->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
	}
	w->code = sp_record_decode(e->record, &rec, NULL);
	if (w->code != SP_OK)
		return SP_STORE_STOP;
	if (!api_selects(&w->o, w->r->res, &rec, e->rest))
		return SP_STORE_SKIP;
	w->code = put_event(w, EVENT_ADDED, &rec, e->revision);
	return w->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

static sp_code read_state(api_watcher *w, bool *ret_more, sp_err *err)
{
	sp_store_chunk chunk;
	const sp_store_query q = {.resource = w->r->res->prefix,
				  .prefix = w->prefix,
				  .from = {w->from, w->from_len},
				  .indexed = w->indexed ? &w->indexed_value : NULL,
				  .revision = w->revision,
				  .scan_bytes_max = CHUNK_BYTES};
	SP_TRY(sp_store_range(w->r->server->store, &q, visit, w, &chunk, err));
	if (w->code != SP_OK)
		return sp_fail(err, w->code, "an object can't be read");
	w->revision = chunk.revision;
	*ret_more = chunk.more;
	if (chunk.more) {
		memcpy(w->from, chunk.next, chunk.next_len);
		w->from_len = chunk.next_len;
	}
	return SP_OK;
}

static sp_status too_old(api_watcher *w, uint64_t revision)
{
	sp_store_info info = {0};
	if (sp_store_info_get(w->r->server->store, &info, NULL) != SP_OK)
		info.compacted = revision + 1; /* the second number is for people */
	return sp_status_expired(sp_arena_printf(w->r->arena, "too old resource version: %llu (%llu)",
						 (unsigned long long)revision,
						 (unsigned long long)info.compacted));
}

static bool follow(api_watcher *w, uint64_t after)
{
	sp_err err;
	const sp_store_watch_opts opts = {.resource = w->r->res->prefix,
					  .prefix = w->prefix,
					  .rest = w->rest,
					  .indexed = w->indexed ? &w->indexed_value : NULL,
					  .after = after,
					  .on_ready = on_ready,
					  .arg = w};
	sp_code code = sp_store_watch_open(w->r->server->store, &opts, &w->watch, &err);
	api_flow_leave(w->r); /* it has begun: from now on it takes no seat */
	if (code == SP_OK)
		return true;
	sp_status s = code == SP_EGONE ? too_old(w, after) : api_status_of(w->r, code, &err);
	put_error(w, &s);
	if (send_out(w))
		finish(w);
	return false;
}

static void end_state(api_watcher *w)
{
	w->in_state = false;
	if (w->o.send_initial && w->o.bookmarks) {
		put_bookmark(w, w->revision, true);
		if (!send_out(w))
			return;
	}
	if (follow(w, w->revision))
		pump(w);
}

/* The converted records of a chunk into w->out. */
static sp_code put_state(api_watcher *w)
{
	api_converted one;
	sp_record rec;
	while (api_convert_chunk_next(w->converts, &one)) {
		SP_TRY(sp_record_decode(sp_bytes_view(one.record), &rec, NULL));
		if (api_selects(&w->o, w->r->res, &rec, one.rest))
			SP_TRY(put_event(w, EVENT_ADDED, &rec, one.revision));
	}
	api_convert_chunk_clear(w->converts);
	return SP_OK;
}

/* A chunk that is read and converted, and those behind it. */
static void send_converted(api_watcher *w)
{
	sp_err err;
	for (;;) {
		if (!api_convert_chunk_is_empty(w->converts)) {
			if (!is_converted(w))
				return;
			if (put_state(w) != SP_OK) {
				give_up(w);
				return;
			}
			if (!send_out(w))
				return;
		}
		if (!w->state_more) {
			end_state(w);
			return;
		}
		if (is_full(w))
			return; /* again when the socket takes more */
		if (read_state(w, &w->state_more, &err) != SP_OK) {
			give_up(w);
			return;
		}
		if (!api_convert_chunk_start(w->converts))
			return;
	}
}

static void send_state(api_watcher *w)
{
	sp_err err;
	bool more = true;
	if (w->converts != NULL) {
		if (!api_convert_chunk_is_busy(w->converts))
			send_converted(w);
		return;
	}
	while (more && !is_full(w)) {
		if (read_state(w, &more, &err) != SP_OK) {
			give_up(w);
			return;
		}
		if (!send_out(w))
			return;
	}
	if (more)
		return; /* again when the socket takes more */
	end_state(w);
}

static void go_on(void *arg)
{
	api_watcher *w = arg;
	if (w->in_state)
		send_state(w);
	else if (w->watch != NULL)
		pump(w);
}

static void converted(void *arg)
{
	api_watcher *w = arg;
	if (!w->in_state && !is_converted(w))
		return;
	go_on(w);
}

static void writable(api_request *r)
{
	go_on(r->state);
}

/* ---- time ---- */

static void on_bookmark(sp_timer *t)
{
	api_watcher *w = t->arg;
	sp_timer_start(w->r->server->world, t, BOOKMARK_NS, on_bookmark);
	if (w->watch == NULL || !api_convert_chunk_is_idle(w->converts))
		return;
	uint64_t progress = sp_store_watch_progress(w->watch);
	if (progress > w->bookmarked) {
		put_bookmark(w, progress, false);
		(void)send_out(w);
	}
}

static void on_timeout(sp_timer *t)
{
	api_watcher *w = t->arg;
	if (w->watch != NULL && w->o.bookmarks && api_convert_chunk_is_idle(w->converts)) {
		uint64_t progress = sp_store_watch_progress(w->watch);
		if (progress > w->bookmarked)
			put_bookmark(w, progress, false);
		if (!send_out(w))
			return;
	}
	finish(w);
}

static void start_timers(api_watcher *w)
{
	sp_world *world = w->r->server->world;
	uint64_t least = w->r->server->min_request_timeout_s;
	uint64_t seconds = w->o.has_timeout && w->o.timeout_s > 0 ? (uint64_t)w->o.timeout_s
								  : least + sp_random_u64(world) % least;
	w->timeout.arg = w->bookmark.arg = w;
	sp_timer_start(world, &w->timeout, SP_MIN(seconds, UINT64_C(86400)) * NS_PER_S, on_timeout);
	if (w->o.bookmarks)
		sp_timer_start(world, &w->bookmark, BOOKMARK_NS, on_bookmark);
}

/* ---- the beginning ---- */

static void narrow(api_watcher *w)
{
	api_request *r = w->r;
	bool namespaced = r->res->kind->namespaced;
	if (r->info.ns.len > 0 && namespaced)
		w->prefix = sp_arena_printf(r->arena, SP_FMT "/", SP_ARG(r->info.ns));
	if (w->o.name.len > 0 && (!namespaced || r->info.ns.len > 0))
		w->rest = api_object_rest(r->arena, r->res, r->info.ns, w->o.name);
	w->indexed = sp_selector_exact(&w->o.fields, SP_STR("spec.nodeName"), &w->indexed_value);
}

static bool is_stale(const api_watcher *w)
{
	const api_custom *v = w->r->res->custom;
	return v != NULL && !api_customs_has(w->r->server->customs, v);
}

static void begin(void *arg)
{
	api_watcher *w = arg;
	api_server *s = w->r->server;
	if (s->is_draining || is_stale(w)) {
		finish(w);
		return;
	}
	sp_list_push_back(&s->watches, &w->node);
	start_timers(w);
	bool from_revision = w->o.has_rv && w->o.rv > 0 && !w->o.send_initial;
	bool wants_state = !w->o.has_send_initial || w->o.send_initial;
	if (from_revision) {
		if (follow(w, w->o.rv))
			pump(w);
	} else if (wants_state) {
		w->in_state = w->state_more = true;
		send_state(w);
	} else if (follow(w, sp_store_revision(s->store))) {
		pump(w);
	}
}

static bool begin_http(api_watcher *w)
{
	sp_str type = w->r->out.media == API_MEDIA_PROTOBUF
			      ? SP_STR("application/vnd.kubernetes.protobuf;stream=watch")
			      : api_media_type(w->r->out.media);
	return api_begin(w->r, 200, type, false);
}

static const api_watch_socket_handler socket_handler = {begin, go_on, socket_gone};

void api_watch(api_request *r)
{
	api_watcher *w = SP_NEW(api_watcher);
	w->r = r;
	sp_list_init(&w->node);
	sp_buf_init(&w->out, EVENT_BYTES_MAX);
	sp_buf_init(&w->text, EVENT_BYTES_MAX);
	sp_buf_init(&w->shaped, EVENT_BYTES_MAX);
	sp_arena_init(&w->scratch, SCRATCH_BYTES_MAX);
	r->state = w;
	r->on_gone = watcher_gone;
	r->on_writable = writable;
	if (api_watch_socket_wanted(r)) {
		w->socket = api_watch_socket_new(r, &socket_handler, w);
		if (w->socket == NULL)
			return;
		w->r = r = api_watch_socket_request(w->socket);
	}
	if (!api_list_options_read(r, &w->o))
		return;
	narrow(w);
	sp_err err;
	sp_code code = api_table_how_read(r, &w->table, &err);
	if (code == SP_OK)
		w->converts = api_convert_chunk_new(r->server, r->res, converted, w, &code);
	if (code != SP_OK) {
		api_reply_error(r, code, &err);
		return;
	}
	if (w->o.has_rv && !api_revision_reached(r, w->o.rv))
		return;
	if (w->socket != NULL)
		(void)api_watch_socket_accept(w->socket);
	else if (begin_http(w))
		begin(w);
}

void api_watches_end(api_server *s)
{
	s->is_draining = true;
	SP_LIST_FOREACH (node, &s->watches)
		finish(SP_CONTAINER_OF(node, api_watcher, node));
}

void api_watches_end_stale(api_server *s)
{
	SP_LIST_FOREACH (node, &s->watches) {
		api_watcher *w = SP_CONTAINER_OF(node, api_watcher, node);
		if (is_stale(w))
			finish(w);
	}
}
