/* SPDX-License-Identifier: Apache-2.0 */
#include "client/reflector.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/num.h"
#include "client/reflector_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define BACKOFF_NS (800 * UINT64_C(1000000))
#define BACKOFF_MOST_NS (30 * NS_PER_S)
#define WATCH_S 300u                   /* to twice of it, drawn, so that clients don't come back together */
#define WATCH_GRACE_NS (30 * NS_PER_S) /* a watch that does not end by itself is broken off */
#define LIST_NS (60 * NS_PER_S)
#define QUIET_NS (10 * NS_PER_S) /* without a word of a state: the server may not know how to stream it */
#define SHORT_NS NS_PER_S        /* a watch that ends so soon and empty counts as a failure */
#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define PAGE 500u
#define PAGE_MOST 10000u
#define SCRATCH_BYTES_MAX ((size_t)512 << 20) /* a parsed page: some three times its text */

static void go_on(sp_reflector *r);

static void on_timer(sp_timer *t)
{
	go_on(t->arg);
}

/* 0.8 s, doubled with each failure, and up to as much again by chance. */
static uint64_t back_off(sp_reflector *r)
{
	uint64_t ns = BACKOFF_NS;
	for (uint32_t i = 1; i < r->n_failures && ns < BACKOFF_MOST_NS; i++)
		ns *= 2;
	ns = SP_MIN(ns, BACKOFF_MOST_NS);
	return ns + sp_random_u64(r->world) % ns;
}

/* Of a server that is older, or newer, than who follows. It is said once. */
static void note_absent(sp_reflector *r)
{
	if (!r->is_absent && r->o.log != NULL)
		sp_log(r->o.log, SP_LOG_INFO, "following a resource: it is not served",
		       SP_KS("resource", r->o.gvr.resource), SP_KS("group", r->o.gvr.group),
		       SP_KS("version", r->o.gvr.version));
	r->is_absent = true;
	if (r->o.sink->absent != NULL)
		r->o.sink->absent(r->o.arg);
}

static void note(sp_reflector *r, const char *what, const sp_err *err)
{
	r->stats.n_errors++;
	if (r->status == 404) {
		note_absent(r);
		return;
	}
	if (r->o.log != NULL && err->code != SP_ECANCELED) /* that is the client's own end */
		sp_log(r->o.log, SP_LOG_WARN, "following a resource: trying again", SP_KC("what", what),
		       SP_KS("resource", r->o.gvr.resource), SP_KS("group", r->o.gvr.group), SP_KE(err));
}

/* After something went wrong. `answered`: the server said something. */
static void pause_then_go_on(sp_reflector *r, const char *what, const sp_err *err, bool answered)
{
	r->n_failures++;
	r->phase = REFLECTOR_IDLE;
	note(r, what, err);
	uint64_t ns = SP_MAX(back_off(r), r->retry_after_s * NS_PER_S);
	sp_timer_start(r->world, &r->timer, ns, on_timer);
	r->failed_ns = sp_now_ns(r->world);
	if (!answered)
		client_wait(r->o.client, &r->waiter);
}

/* There is a server again, so a long pause has no reason any more. It becomes that of a first failure, which
 * keeps many from coming at once, and one whose own connections fail from asking without a rest. */
static void on_answered(client_waiter *w)
{
	sp_reflector *r = SP_CONTAINER_OF(w, sp_reflector, waiter);
	uint64_t spent = sp_now_ns(r->world) - r->failed_ns;
	if (r->n_failures <= 1)
		return;
	r->n_failures = 1;
	uint64_t ns = back_off(r);
	sp_timer_start(r->world, &r->timer, spent < ns ? ns - spent : 0, on_timer);
	r->n_failures = 0;
}

static sp_str accept_of(const sp_reflector *r, bool is_list)
{
	if (!r->o.metadata_only)
		return SP_STR("application/json");
	return is_list ? SP_STR("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
		       : SP_STR("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
}

static void add_selectors(const sp_reflector *r, sp_buf *query)
{
	if (r->o.label_selector.len > 0)
		(void)sp_query_add(query, "labelSelector", r->o.label_selector);
	if (r->o.field_selector.len > 0)
		(void)sp_query_add(query, "fieldSelector", r->o.field_selector);
}

/* ---- watches ---- */

static void watch_broken(sp_reflector *r, const sp_err *err)
{
	bool was_stream = r->phase == REFLECTOR_STREAM;
	r->phase = REFLECTOR_IDLE;
	if (r->is_gone) { /* the state is asked for anew, at once the first time */
		r->has_state = false;
		r->stats.n_expired++;
		if (r->n_failures++ == 0) {
			sp_timer_start(r->world, &r->timer, 0, on_timer);
			return;
		}
		r->n_failures--;
	} else if (was_stream && err->code == SP_EINVAL && r->status != 200) {
		r->no_stream = true;
		sp_timer_start(r->world, &r->timer, 0, on_timer);
		return;
	}
	pause_then_go_on(r, was_stream ? "state" : "watch", err, r->status != 0);
}

static uint64_t lived_ns(const sp_reflector *r)
{
	return sp_now_ns(r->world) - r->watch_ns;
}

/* It ended well: its time was over, or the server stops. */
static void watch_ended(sp_reflector *r)
{
	sp_err err = {0};
	bool was_stream = r->phase == REFLECTOR_STREAM;
	r->phase = REFLECTOR_IDLE;
	if (!was_stream && (r->got_any || lived_ns(r) > SHORT_NS)) {
		sp_timer_start(r->world, &r->timer, 0, on_timer);
		return;
	}
	(void)sp_fail(&err, SP_EUNAVAILABLE,
		      was_stream ? "it ended before the state was whole" : "it ended at once");
	pause_then_go_on(r, was_stream ? "state" : "watch", &err, true);
}

static void on_response(sp_http_exchange *ex)
{
	sp_reflector *r = ex->arg;
	uint64_t after;
	r->status = ex->status;
	r->is_absent = r->is_absent && r->status != 200;
	client_answered(r->o.client);
	if (sp_parse_u64(sp_http_get(&ex->headers, SP_HTTP_RETRY_AFTER), 0, 3600, &after, NULL) == SP_OK)
		r->retry_after_s = (uint32_t)after;
}

static void on_quiet(sp_timer *t)
{
	sp_reflector *r = t->arg;
	r->no_stream = true;
	(void)sp_fail(&r->err, SP_ETIMEOUT, "no state came");
	if (r->ex != NULL)
		sp_http_reset(r->ex, SP_HTTP2_CANCEL);
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	sp_reflector *r = ex->arg;
	if (r->err.code != SP_OK)
		return;
	if (r->status != 200) { /* a Status, read when it is whole */
		(void)sp_buf_append(&r->line, bytes, n);
		return;
	}
	if (r->phase == REFLECTOR_STREAM)
		sp_timer_start(r->world, &r->quiet, QUIET_NS, on_quiet);
	if (reflector_read(r, bytes, n, &r->err) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_CANCEL);
}

static void read_refusal(sp_reflector *r, sp_err *err)
{
	yyjson_val *root;
	client_status s = {.code = 0};
	sp_arena_rewind(&r->scratch);
	if (sp_json_parse(&r->scratch, sp_buf_view(&r->line), &root, NULL) == SP_OK)
		s = client_read_status(root);
	if (r->retry_after_s == 0)
		r->retry_after_s = SP_MIN(s.retry_after_s, 3600u);
	sp_code code = sp_code_of_status(s.reason, r->status);
	r->is_gone = reflector_is_gone(code, r->status);
	if (r->status == 401) /* a token that is not taken any more; the next try has another */
		(void)client_refresh_token(r->o.client);
	(void)sp_fail(err, code, "status %u: " SP_FMT, r->status, SP_ARG(s.message));
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	sp_reflector *r = ex->arg;
	sp_err why = {0};
	r->ex = NULL;
	sp_timer_stop(r->world, &r->quiet);
	if (r->got_any || lived_ns(r) > BACKOFF_MOST_NS)
		r->n_failures = 0;
	if (r->err.code != SP_OK)
		why = r->err;
	else if (r->status != 0 && r->status != 200)
		read_refusal(r, &why);
	else if (err != NULL)
		why = *err;
	sp_buf_clear(&r->line);
	if (why.code == SP_OK)
		watch_ended(r);
	else
		watch_broken(r, &why);
}

static sp_code watch_path(sp_reflector *r, uint64_t seconds, sp_buf *path)
{
	char text[SP_NUM_TEXT_BYTES];
	SP_AUTO_BUF query;
	sp_buf_init(&query, path->limit_bytes);
	(void)sp_buf_str(&query, SP_STR("watch=true&allowWatchBookmarks=true"));
	(void)sp_query_add(&query, "timeoutSeconds", (sp_str){text, sp_print_u64(text, seconds)});
	if (r->phase == REFLECTOR_STREAM)
		(void)sp_buf_str(&query, SP_STR("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"));
	else
		(void)sp_query_add(&query, "resourceVersion", reflector_revision(r));
	add_selectors(r, &query);
	(void)client_path(path, &r->o.gvr, r->o.ns, SP_STR(""), SP_STR(""));
	(void)sp_buf_char(path, '?');
	(void)sp_buf_str(path, sp_buf_view(&query));
	return sp_buf_code(&query) != SP_OK ? sp_buf_code(&query) : sp_buf_code(path);
}

static void watch(sp_reflector *r)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_body, .on_close = on_close};
	uint64_t now = sp_now_ns(r->world), seconds = WATCH_S + sp_random_u64(r->world) % WATCH_S;
	if (sp_buggify(r->world, 500000))
		seconds = 1 + seconds % 15;
	sp_err err = {0};
	SP_AUTO_BUF path;
	sp_buf_init(&path, (size_t)64 << 10);
	r->status = 0;
	r->retry_after_s = 0;
	r->got_any = r->is_gone = false;
	r->err = (sp_err){0};
	r->watch_ns = now;
	sp_code code = watch_path(r, seconds, &path);
	const client_req q = {.method = SP_STR("GET"),
			      .path = sp_buf_view(&path),
			      .accept = accept_of(r, false),
			      .deadline_ns = now + seconds * NS_PER_S + WATCH_GRACE_NS};
	if (code != SP_OK)
		(void)sp_fail(&err, code, "no room for a request");
	else
		code = client_request(r->o.client, &q, &events, r, &r->ex, &err);
	if (code != SP_OK) {
		r->ex = NULL;
		pause_then_go_on(r, "watch", &err, true);
	} else if (r->phase == REFLECTOR_STREAM) {
		sp_timer_start(r->world, &r->quiet, QUIET_NS, on_quiet);
	}
}

/* ---- lists ---- */

static void list(sp_reflector *r);

static sp_code put_items(sp_reflector *r, yyjson_val *root, sp_err *err)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("items")), i, n, item)
		SP_TRY(r->o.sink->put(r->o.arg, item, err));
	return SP_OK;
}

static sp_code on_page(sp_reflector *r, sp_str body, sp_err *err)
{
	yyjson_val *root;
	sp_arena_rewind(&r->scratch);
	SP_TRY(sp_json_parse(&r->scratch, body, &root, err));
	yyjson_val *meta = sp_json_last(root, SP_STR("metadata"));
	SP_TRY(put_items(r, root, err));
	SP_TRY(reflector_reach(r, sp_json_str(sp_json_last(meta, SP_STR("resourceVersion"))), err));
	sp_buf_clear(&r->cont);
	if (sp_buf_str(&r->cont, sp_json_str(sp_json_last(meta, SP_STR("continue")))) != SP_OK)
		return sp_fail(err, sp_buf_code(&r->cont), "no room for a continue token");
	return SP_OK;
}

static void on_listed(sp_call *c, const sp_answer *a)
{
	sp_reflector *r = c->arg;
	sp_err err = {0};
	r->retry_after_s = a->retry_after_s;
	r->status = a->status;
	r->is_absent = r->is_absent && a->code != SP_OK;
	sp_code code = a->code;
	if (code == SP_OK)
		code = on_page(r, a->body, &err);
	else
		err = *a->err;
	if (code == SP_OK && r->cont.len > 0) {
		list(r);
	} else if (code == SP_OK) {
		r->has_state = true;
		r->no_stream = r->o.no_stream;
		r->o.sink->commit(r->o.arg, reflector_revision(r));
		r->phase = REFLECTOR_WATCH;
		watch(r);
	} else {
		if (code == SP_ETOOLARGE)
			r->page = SP_MAX(r->page / 2, 1u);
		else if (code == SP_EGONE) /* pages took too long: fewer of them next time */
			r->page = SP_MIN(r->page * 4, PAGE_MOST);
		pause_then_go_on(r, "list", &err, a->status != 0 || code == SP_ETOOLARGE);
	}
}

static void list(sp_reflector *r)
{
	char text[SP_NUM_TEXT_BYTES];
	SP_AUTO_BUF query;
	sp_buf_init(&query, (size_t)64 << 10);
	uint32_t page = sp_buggify(r->world, 500000) ? 2 : r->page;
	r->status = 0;
	(void)sp_query_add(&query, "limit", (sp_str){text, sp_print_u64(text, page)});
	if (r->cont.len > 0)
		(void)sp_query_add(&query, "continue", sp_buf_view(&r->cont));
	add_selectors(r, &query);
	if (sp_buf_code(&query) != SP_OK) {
		sp_err err = {0};
		(void)sp_fail(&err, sp_buf_code(&query), "no room for a request");
		pause_then_go_on(r, "list", &err, true);
		return;
	}
	sp_call_start(r->o.client, &r->call,
		      &(sp_ask){.verb = SP_ASK_LIST,
				.gvr = r->o.gvr,
				.ns = r->o.ns,
				.query = sp_buf_view(&query),
				.accept = accept_of(r, true),
				.within_ns = LIST_NS,
				.answer_bytes = PAGE_BYTES_MAX});
}

/* ---- life ---- */

static void go_on(sp_reflector *r)
{
	sp_list_remove(&r->waiter.node);
	if (r->has_state) {
		r->phase = REFLECTOR_WATCH;
		r->stats.n_watches++;
		watch(r);
		return;
	}
	r->o.sink->begin(r->o.arg);
	if (r->no_stream || sp_buggify(r->world, 300000)) {
		r->phase = REFLECTOR_LIST;
		r->stats.n_lists++;
		sp_buf_clear(&r->cont);
		list(r);
		return;
	}
	r->phase = REFLECTOR_STREAM;
	r->stats.n_streams++;
	watch(r);
}

static bool copy_texts(sp_reflector *r)
{
	sp_str *texts[] = {&r->o.gvr.group, &r->o.gvr.version,    &r->o.gvr.resource,
			   &r->o.ns,        &r->o.label_selector, &r->o.field_selector};
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		if (texts[i]->len > 0) {
			*texts[i] = sp_arena_try_dup(&r->arena, *texts[i]);
			if (texts[i]->ptr == NULL)
				return false;
		}
	}
	return true;
}

sp_code sp_reflector_new(const sp_reflector_opts *o, sp_reflector **ret, sp_err *err)
{
	sp_reflector *r = SP_NEW(sp_reflector);
	r->o = *o;
	r->world = o->client->world;
	r->no_stream = o->no_stream;
	r->page = o->page == 0 ? PAGE : o->page;
	r->timer.arg = r->quiet.arg = r;
	r->waiter.answered = on_answered;
	sp_list_init(&r->waiter.node);
	r->call = (sp_call){.done = on_listed, .arg = r};
	sp_arena_init(&r->arena, (size_t)1 << 20);
	sp_arena_init(&r->scratch, SCRATCH_BYTES_MAX);
	sp_buf_init(&r->line, LINE_BYTES_MAX);
	sp_buf_init(&r->cont, (size_t)32 << 10);
	if (!copy_texts(r)) {
		sp_reflector_free(r);
		return sp_fail(err, SP_ENOMEM, "no memory for a reflector");
	}
	*ret = r;
	return SP_OK;
}

void sp_reflector_start(sp_reflector *r)
{
	SP_ASSERT(r->phase == REFLECTOR_IDLE);
	sp_timer_start(r->world, &r->timer, 0, on_timer);
}

static void forget(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex;
	(void)err;
}

void sp_reflector_free(sp_reflector *r)
{
	static const sp_http_events nobody = {.on_close = forget};
	if (r == NULL)
		return;
	sp_list_remove(&r->waiter.node);
	sp_timer_stop(r->world, &r->timer);
	sp_timer_stop(r->world, &r->quiet);
	sp_call_cancel(&r->call);
	if (r->ex != NULL) {
		sp_http_handle(r->ex, &nobody, NULL);
		sp_http_reset(r->ex, SP_HTTP2_CANCEL);
	}
	sp_arena_done(&r->arena);
	sp_arena_done(&r->scratch);
	sp_buf_done(&r->line);
	sp_buf_done(&r->cont);
	sp_free(r);
}

sp_reflector_stats sp_reflector_counts(const sp_reflector *r)
{
	return r->stats;
}
