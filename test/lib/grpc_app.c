/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/grpc_app.h"

#include "base/num.h"

#define COUNT_MAX 100000u

/* ---- unary ---- */

static void echo(void *arg, sp_grpc_call *call, sp_str payload)
{
	grpc_app *a = arg;
	sp_grpc_metadata head[4], tail[4];
	sp_grpc_status st = {.trailers = tail};
	size_t n = 0, n_head = 0;
	const sp_grpc_metadata *md = sp_grpc_call_metadata(call, &n);
	a->n_called++;
	for (size_t i = 0; i < n; i++) {
		if (sp_str_starts(md[i].key, SP_STR("x-head")) && n_head < SP_LEN(head))
			head[n_head++] = md[i];
		if (sp_str_starts(md[i].key, SP_STR("x-tail")) && st.n_trailers < SP_LEN(tail))
			tail[st.n_trailers++] = md[i];
	}
	sp_err err = {0};
	if (n_head > 0 && sp_grpc_call_head(call, head, n_head, &err) != SP_OK) {
		sp_grpc_call_fail(call, &err);
		return;
	}
	sp_grpc_call_finish(call, &st, payload);
}

static void fail(void *arg, sp_grpc_call *call, sp_str payload)
{
	sp_grpc_metadata why = {SP_STR("x-why"), SP_STR("asked for")};
	sp_grpc_status st = {.trailers = &why, .n_trailers = 1};
	sp_str number;
	int64_t code = 0;
	((grpc_app *)arg)->n_called++;
	if (!sp_str_cut(&payload, ' ', &number) || sp_parse_i64(number, 0, INT32_MAX, &code, NULL) != SP_OK)
		code = SP_RPC_INVALID_ARGUMENT;
	st.code = (int32_t)code;
	st.message = payload;
	sp_grpc_call_finish(call, &st, (sp_str){NULL, 0});
}

static void never(void *arg, sp_grpc_call *call, sp_str payload)
{
	(void)call, (void)payload;
	((grpc_app *)arg)->n_called++;
}

static void cancelled(void *arg, sp_grpc_call *call)
{
	((grpc_app *)arg)->n_cancelled++;
	SP_ASSERT(sp_grpc_call_is_cancelled(call));
	SP_ASSERT(sp_grpc_call_head(call, NULL, 0, NULL) == SP_ECANCELED);
	sp_grpc_call_finish(call, NULL, (sp_str){NULL, 0});
}

static void uid(void *arg, sp_grpc_call *call, sp_str payload)
{
	sp_err err = {0};
	sp_peer_cred cred;
	char text[SP_NUM_TEXT_BYTES];
	(void)arg, (void)payload;
	if (sp_grpc_call_peer_cred(call, &cred, &err) != SP_OK) {
		sp_grpc_call_fail(call, &err);
		return;
	}
	sp_grpc_call_finish(call, NULL, (sp_str){text, sp_print_u64(text, cred.uid)});
}

/* ---- streams ---- */

typedef struct collected {
	sp_buf all;
} collected;

static void collected_done(void *arg)
{
	sp_buf_done(&((collected *)arg)->all);
}

static void collect(void *arg, sp_grpc_call *call, sp_str payload)
{
	collected *c = sp_try_new(sp_grpc_call_arena(call), collected, 1);
	(void)payload;
	((grpc_app *)arg)->n_called++;
	if (c != NULL)
		sp_buf_init(&c->all, (size_t)1 << 24);
	if (c == NULL || !sp_arena_on_reset(sp_grpc_call_arena(call), collected_done, c)) {
		sp_grpc_call_fail(call, &(sp_err){.code = SP_ENOMEM});
		return;
	}
	sp_grpc_call_set_user(call, c);
}

static void collect_data(void *arg, sp_grpc_call *call, sp_str payload)
{
	collected *c = sp_grpc_call_user(call);
	(void)arg;
	(void)sp_buf_append(&c->all, payload.ptr == NULL ? "" : payload.ptr, payload.len); /* sticky */
}

static void collect_end(void *arg, sp_grpc_call *call)
{
	collected *c = sp_grpc_call_user(call);
	(void)arg;
	if (sp_buf_code(&c->all) != SP_OK)
		sp_grpc_call_fail(call, &(sp_err){.code = sp_buf_code(&c->all)});
	else
		sp_grpc_call_finish(call, NULL, sp_buf_view(&c->all));
}

typedef struct counter {
	uint64_t left, size;
	sp_bytes *frame;
} counter;

static void counter_done(void *arg)
{
	(void)sp_bytes_unref(((counter *)arg)->frame);
}

static void count_on(void *arg, sp_grpc_call *call)
{
	counter *c = sp_grpc_call_user(call);
	sp_err err = {0};
	(void)arg;
	while (c->left > 0 && !sp_grpc_call_is_full(call)) {
		c->left--;
		if (sp_grpc_call_send_frame(call, c->frame, &err) != SP_OK) {
			sp_grpc_call_fail(call, &err);
			return;
		}
	}
	if (c->left == 0)
		sp_grpc_call_finish(call, NULL, (sp_str){NULL, 0});
}

static sp_code count_begin(sp_grpc_call *call, sp_str payload, sp_err *err)
{
	sp_str number;
	sp_arena *a = sp_grpc_call_arena(call);
	counter *c = sp_try_new(a, counter, 1);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a counter");
	if (!sp_str_cut(&payload, ' ', &number))
		return sp_fail(err, SP_EINVAL, "no size");
	SP_TRY(sp_parse_u64(number, 0, COUNT_MAX, &c->left, err));
	SP_TRY(sp_parse_u64(payload, 0, (uint64_t)1 << 20, &c->size, err));
	char *letters = sp_arena_try_alloc(a, c->size + 1);
	if (letters == NULL || !sp_arena_on_reset(a, counter_done, c))
		return sp_fail(err, SP_ENOMEM, "no memory for a counter");
	memset(letters, 'a', c->size);
	sp_grpc_call_set_user(call, c);
	return sp_grpc_frame_new((sp_str){letters, c->size}, &c->frame, err);
}

static void count(void *arg, sp_grpc_call *call, sp_str payload)
{
	sp_err err = {0};
	((grpc_app *)arg)->n_called++;
	if (count_begin(call, payload, &err) != SP_OK)
		sp_grpc_call_fail(call, &err);
	else
		count_on(arg, call);
}

static void chat(void *arg, sp_grpc_call *call, sp_str payload)
{
	(void)call, (void)payload;
	((grpc_app *)arg)->n_called++;
}

static void chat_data(void *arg, sp_grpc_call *call, sp_str payload)
{
	sp_err err = {0};
	(void)arg;
	if (sp_grpc_call_send(call, payload, &err) != SP_OK)
		sp_grpc_call_fail(call, &err);
	else if (sp_grpc_call_is_full(call))
		sp_grpc_call_read(call, false);
}

static void chat_on(void *arg, sp_grpc_call *call)
{
	(void)arg;
	sp_grpc_call_read(call, true);
}

static void chat_end(void *arg, sp_grpc_call *call)
{
	(void)arg;
	sp_grpc_call_finish(call, NULL, (sp_str){NULL, 0});
}

static const sp_grpc_method methods[] = {
	{SP_STR_INIT("Echo"), .on_call = echo, .on_cancel = cancelled},
	{SP_STR_INIT("Fail"), .on_call = fail, .on_cancel = cancelled},
	{SP_STR_INIT("Never"), .on_call = never, .on_cancel = cancelled},
	{SP_STR_INIT("Uid"), .on_call = uid, .on_cancel = cancelled},
	{SP_STR_INIT("Collect"), .client_streams = true, .on_call = collect, .on_data = collect_data,
	 .on_half_close = collect_end, .on_cancel = cancelled},
	{SP_STR_INIT("Count"), .server_streams = true, .on_call = count, .on_writable = count_on,
	 .on_cancel = cancelled},
	{SP_STR_INIT("Chat"), .client_streams = true, .server_streams = true, .on_call = chat,
	 .on_data = chat_data, .on_half_close = chat_end, .on_writable = chat_on, .on_cancel = cancelled},
};

sp_code grpc_app_init(grpc_app *a, sp_world *w, size_t message_bytes, sp_err *err)
{
	*a = (grpc_app){.http.world = w, .service = {SP_STR("interop.Test"), methods, SP_LEN(methods), a}};
	sp_grpc_server_opts o = {.services = &a->service, .n_services = 1, .message_bytes = message_bytes};
	SP_TRY(sp_grpc_server_new(w, &o, &a->server, err));
	sp_http_server_opts ho = {0};
	sp_grpc_server_http(a->server, &ho);
	return sp_http_server_new(w, &ho, &a->http.server, err);
}

void grpc_app_done(grpc_app *a)
{
	sp_http_server_free(a->http.server);
	sp_grpc_server_free(a->server);
}

/* ---- client ---- */

static grpc_got *got_of(sp_grpc_rpc *rpc)
{
	return SP_CONTAINER_OF(rpc, grpc_got, rpc);
}

static void put(sp_buf *b, const sp_grpc_metadata *md, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(md[i].key, SP_STR("date")))
			continue;
		(void)sp_buf_str(b, md[i].key);
		(void)sp_buf_char(b, '=');
		(void)sp_buf_str(b, md[i].value);
		(void)sp_buf_char(b, ';');
	}
}

static void got_head(sp_grpc_rpc *rpc, const sp_grpc_metadata *md, size_t n)
{
	grpc_got *g = got_of(rpc);
	SP_ASSERT(g->n_ends == 0 && g->n_messages == 0 && g->n_heads == 0);
	g->n_heads++;
	put(&g->head, md, n);
}

static void got_data(sp_grpc_rpc *rpc, sp_str payload)
{
	grpc_got *g = got_of(rpc);
	SP_ASSERT(g->n_ends == 0);
	g->n_messages++;
	(void)sp_buf_str(&g->messages, payload);
	(void)sp_buf_char(&g->messages, '|');
	if (g->cancel_on_data)
		sp_grpc_rpc_cancel(rpc);
	else if (g->n_messages == g->n_pause)
		sp_grpc_rpc_read(rpc, false);
}

static void got_end(sp_grpc_rpc *rpc, const sp_grpc_status *st, sp_str payload)
{
	grpc_got *g = got_of(rpc);
	SP_ASSERT(g->n_ends == 0 && !sp_grpc_rpc_is_open(rpc));
	SP_ASSERT(st->code == SP_RPC_OK || payload.len == 0);
	g->n_ends++;
	g->code = st->code;
	(void)sp_buf_str(&g->message, st->message);
	(void)sp_buf_str(&g->messages, payload);
	put(&g->trailers, st->trailers, st->n_trailers);
}

void grpc_got_init(grpc_got *g)
{
	*g = (grpc_got){.rpc = {.on_head = got_head, .on_data = got_data, .on_end = got_end}};
	sp_buf_init(&g->head, (size_t)1 << 20);
	sp_buf_init(&g->messages, (size_t)1 << 26);
	sp_buf_init(&g->trailers, (size_t)1 << 20);
	sp_buf_init(&g->message, (size_t)1 << 20);
}

void grpc_got_done(grpc_got *g)
{
	sp_buf_done(&g->head);
	sp_buf_done(&g->messages);
	sp_buf_done(&g->trailers);
	sp_buf_done(&g->message);
}
