/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a server answers for its group, and with what. */
#include "apiserver/aggregate/int.h"
#include "apiserver/conditions.h"
#include "apiserver/gzip.h"
#include "base/alloc.h"

#define NS_PER_S UINT64_C(1000000000)
#define ANSWER_NS (5 * NS_PER_S)
#define PAUSE_NS (30 * NS_PER_S)
#define PAUSE_MIN_NS NS_PER_S
#define LIST_BYTES_MAX ((size_t)4 << 20)
#define WHY_BYTES_MAX 4096u
#define HASH_BYTES_MAX 256u
#define SPEC_BYTES_MAX ((size_t)16 << 20)
#define SPEC_NS (60 * NS_PER_S) /* U: kube-aggregator, specDownloadTimeout */

/* Each of the later ones follows the one before. */
enum { ASK_RESOURCES, ASK_INDEX, ASK_SPEC, ASK_COUNT_ };
static const char *const question_paths[ASK_COUNT_] = {
	[ASK_INDEX] = "/openapi/v3", [ASK_SPEC] = "/openapi/v2"};

static void on_pause_over(sp_timer *t)
{
	aggregate_ask(t->arg);
}

void aggregate_init_probe(aggregate *s)
{
	sp_buf_init(&s->why, WHY_BYTES_MAX);
	sp_buf_init(&s->resources, LIST_BYTES_MAX);
	sp_buf_init(&s->hash, HASH_BYTES_MAX);
	sp_buf_init(&s->spec_etag, HASH_BYTES_MAX);
	sp_arena_init(&s->scratch, 4 * LIST_BYTES_MAX);
	s->timer.arg = s;
}

void aggregate_free(aggregate *s)
{
	sp_buf_done(&s->why);
	sp_buf_done(&s->resources);
	sp_buf_done(&s->hash);
	sp_buf_done(&s->spec_etag);
	sp_bytes_unref(s->spec_gz);
	sp_arena_done(&s->scratch);
	sp_arena_done(&s->arena);
	sp_free(s);
}

bool aggregate_stop(aggregate *s)
{
	sp_timer_stop(s->owner->server->world, &s->timer);
	if (s->ex == NULL)
		return true;
	sp_http_reset(s->ex, SP_HTTP2_CANCEL);
	return false;
}

/* One that fails is asked again soon, then more and more seldom. */
static void settle(aggregate *s, api_aggregate_state state, sp_str why)
{
	api_server *server = s->owner->server;
	bool same = s->state == state && sp_str_eq(sp_buf_view(&s->why), why);
	s->state = (uint8_t)state;
	if (!same) {
		sp_buf_clear(&s->why);
		(void)sp_buf_str(&s->why, why);
	}
	s->pause_ns = state == API_AGGREGATE_PASSED ? PAUSE_NS
		      : s->pause_ns == 0            ? PAUSE_MIN_NS
						    : SP_MIN(2 * s->pause_ns, PAUSE_NS);
	sp_timer_start(server->world, &s->timer, s->pause_ns, on_pause_over);
	if (!same)
		api_conditions_look(server->conditions);
	if (state == API_AGGREGATE_PASSED)
		s->pause_ns = 0;
}

static void fail(aggregate *s, sp_str why)
{
	settle(s, API_AGGREGATE_FAILED,
	       sp_arena_printf(&s->scratch, "failing or missing response from " SP_FMT ": " SP_FMT,
			       SP_ARG(s->asked), SP_ARG(why)));
}

static void take_hash(aggregate *s, sp_str index)
{
	sp_str hash;
	if (aggregate_doc_hash(&s->scratch, index, s->group, s->version, &hash, NULL) != SP_OK ||
	    sp_str_eq(hash, sp_buf_view(&s->hash)))
		return;
	sp_buf_clear(&s->hash);
	(void)sp_buf_str(&s->hash, hash);
	s->owner->epoch++;
}

/* The last one that came is kept, as upstream does it. */
static void take_spec(aggregate *s, const sp_http_exchange *ex, sp_str body)
{
	sp_str etag = sp_http_find(&ex->headers, SP_STR("etag"));
	SP_AUTO_BUF gz;
	sp_buf_init(&gz, SPEC_BYTES_MAX);
	SP_AUTO_BYTES made = api_gzip_all(body, &gz) == SP_OK ? sp_bytes_try_dup(sp_buf_view(&gz)) : NULL;
	if (made == NULL || (s->spec_gz != NULL && sp_str_eq(sp_bytes_view(s->spec_gz), sp_bytes_view(made))))
		return;
	sp_bytes_unref(s->spec_gz);
	s->spec_gz = sp_bytes_ref(made);
	sp_buf_clear(&s->spec_etag);
	(void)sp_buf_str(&s->spec_etag, etag);
	if (sp_buf_code(&s->spec_etag) != SP_OK) /* too long to be told */
		sp_buf_clear(&s->spec_etag);
	s->owner->epoch++;
}

static void on_body(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	aggregate *s = ex->arg;
	SP_AUTO_BUF list;
	sp_buf_init(&list, LIST_BYTES_MAX);
	if (err != NULL || s->owner == NULL)
		return; /* on_close says more */
	if (ex->status < 200 || ex->status >= 300)
		return;
	if (s->question == ASK_INDEX) {
		take_hash(s, body);
		return;
	}
	if (s->question == ASK_SPEC) {
		take_spec(s, ex, body);
		return;
	}
	/* Upstream asks only for a good status; what is no list is served, but nothing is known of it. */
	if (aggregate_resources(&s->scratch, body, s->group, s->version, &list, NULL) != SP_OK)
		return;
	sp_buf_clear(&s->resources);
	(void)sp_buf_str(&s->resources, sp_buf_view(&list));
}

static void on_response(sp_http_exchange *ex)
{
	const aggregate *s = ex->arg;
	sp_http_read_body(ex, s->question == ASK_SPEC ? SPEC_BYTES_MAX : LIST_BYTES_MAX, on_body);
}

static sp_code start(aggregate *s, sp_str address, sp_str path, sp_err *err);

/* What it says of its kinds, in several forms. */
static void ask_next(aggregate *s)
{
	sp_str address, why;
	s->question++;
	if (s->question == ASK_COUNT_) {
		sp_arena_reset(&s->scratch);
		s->asked = SP_STR("");
	} else if (!aggregate_address(s, &s->scratch, &address, &why) ||
		   start(s, address, sp_str_c(question_paths[s->question]), NULL) != SP_OK) {
		s->ex = NULL; /* at the next occasion */
	}
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	aggregate *s = ex->arg;
	s->ex = NULL;
	if (s->owner == NULL) {
		aggregate_free(s);
		return;
	}
	if (s->owner->stopped)
		return;
	if (s->question != ASK_RESOURCES) /* a server need not have documents */
		ask_next(s);
	else if (err != NULL && ex->status == 0)
		fail(s,
		     err->code == SP_ETIMEOUT
			     ? sp_arena_printf(&s->scratch, "Get \"" SP_FMT "\": context deadline exceeded",
					       SP_ARG(s->asked))
			     : sp_arena_printf(&s->scratch, "Get \"" SP_FMT "\": " SP_FMT, SP_ARG(s->asked),
					       SP_ARG(api_proxy_why(&s->scratch, s->server_name, err))));
	else if (ex->status < 200 || ex->status >= 300)
		fail(s, sp_arena_printf(&s->scratch, "bad status from " SP_FMT ": %u", SP_ARG(s->asked),
					ex->status));
	else {
		settle(s, API_AGGREGATE_PASSED, SP_STR(""));
		ask_next(s);
	}
}

static sp_code start(aggregate *s, sp_str address, sp_str path, sp_err *err)
{
	static const sp_http_events events = {.on_response = on_response, .on_close = on_close};
	const bool spec = s->question == ASK_SPEC;
	const sp_http_header headers[] = {{SP_STR("accept"), SP_STR("application/json")},
					  {SP_STR("x-remote-user"), SP_STR("system:kube-aggregator")},
					  {SP_STR("x-remote-group"), SP_STR("system:masters")},
					  {SP_STR("if-none-match"), sp_buf_view(&s->spec_etag)}};
	api_server *server = s->owner->server;
	const sp_http_request q = {.scheme = aggregate_scheme(s),
				   .address = address,
				   .tls_config = s->tls,
				   .server_name = s->server_name,
				   .path = path,
				   .headers = headers,
				   .n_headers = SP_LEN(headers) - (spec && s->spec_etag.len > 0 ? 0 : 1),
				   .deadline_ns = sp_now_ns(server->world) + (spec ? SPEC_NS : ANSWER_NS)};
	return sp_http_request_start(api_proxies_client(server->proxies), &q, &events, s, &s->ex, err);
}

void aggregate_ask(aggregate *s)
{
	sp_str address, why;
	sp_err err;
	if (s->ex != NULL || s->owner->stopped)
		return;
	sp_timer_stop(s->owner->server->world, &s->timer);
	sp_arena_reset(&s->scratch);
	s->asked = SP_STR("");
	if (!aggregate_address(s, &s->scratch, &address, &why)) {
		settle(s, API_AGGREGATE_FAILED, why);
		return;
	}
	s->asked = sp_arena_printf(&s->scratch, SP_FMT "://" SP_FMT "/apis/" SP_FMT "/" SP_FMT,
				   SP_ARG(aggregate_scheme(s)), SP_ARG(address), SP_ARG(s->group),
				   SP_ARG(s->version));
	s->question = ASK_RESOURCES;
	sp_str path = sp_arena_printf(&s->scratch, "/apis/" SP_FMT "/" SP_FMT, SP_ARG(s->group),
				      SP_ARG(s->version));
	if (start(s, address, path, &err) != SP_OK) {
		s->ex = NULL;
		fail(s, sp_arena_try_dup(&s->scratch, sp_str_c(err.msg)));
	}
}
