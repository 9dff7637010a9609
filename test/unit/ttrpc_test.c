/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "io/ttrpc/client_core.h"
#include "io/ttrpc/server_core.h"

/* ---- messages ---- */

SP_TEST(ttrpc_message, request_bytes_are_protobufs)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, 1024);
	sp_ttrpc_metadata md[] = {{SP_STR("k"), SP_STR("v")}, {SP_STR("e"), SP_STR("")}};
	T_OK(sp_ttrpc_request_encode(&b, SP_STR("s.S"), SP_STR("M"), SP_STR("pp"), 300, md, 2));
	T_EQ_STR(sp_buf_view(&b),
		 SP_STR("\x0a\3s.S\x12\1M\x1a\2pp\x20\xac\x02\x2a\6\x0a\1k\x12\1v\x2a\3\x0a\1e"));
	sp_ttrpc_request r;
	T_OK(sp_ttrpc_request_decode(sp_buf_view(&b), &r, T_ERR));
	T_EQ_C(r.service, "s.S");
	T_EQ_C(r.method, "M");
	T_EQ_C(r.payload, "pp");
	T_EQ_I64(r.timeout_ns, 300);
	T_EQ_C(sp_ttrpc_metadata_get(&r, SP_STR("K")), "v");
	T_EQ_C(sp_ttrpc_metadata_get(&r, SP_STR("x")), "");
	sp_ttrpc_metadata m;
	size_t i = 0, n = 0;
	while (sp_ttrpc_metadata_next(&r, &i, &m))
		n++;
	T_EQ_U64(n, 2);
}

SP_TEST(ttrpc_message, response_with_status)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, 1024);
	sp_ttrpc_status st = {.code = 5, .message = SP_STR("gone"), .details = SP_STR("\x1a\2\x0a\0\x1a\0")};
	T_OK(sp_ttrpc_response_encode(&b, &st, SP_STR("x")));
	T_EQ_STR(sp_buf_view(&b), SP_STR("\x0a\x0e\x08\5\x12\4gone\x1a\2\x0a\0\x1a\0\x12\1x"));
	sp_ttrpc_response r;
	T_OK(sp_ttrpc_response_decode(sp_buf_view(&b), &r, T_ERR));
	T_EQ_I64(r.status.code, 5);
	T_EQ_C(r.status.message, "gone");
	T_EQ_STR(r.status.details, st.details);
	T_EQ_C(r.payload, "x");
	sp_buf_clear(&b);
	st = (sp_ttrpc_status){.code = -1};
	T_OK(sp_ttrpc_response_encode(&b, &st, (sp_str){NULL, 0}));
	T_OK(sp_ttrpc_response_decode(sp_buf_view(&b), &r, T_ERR));
	T_EQ_I64(r.status.code, -1);
	sp_buf_clear(&b);
	T_OK(sp_ttrpc_response_encode(&b, NULL, (sp_str){NULL, 0}));
	T_EQ_C(sp_buf_view(&b), "");
	T_OK(sp_ttrpc_response_decode(sp_buf_view(&b), &r, T_ERR));
	T_EQ_I64(r.status.code, 0);
}

SP_TEST(ttrpc_message, malformed)
{
	static const struct {
		const char *name;
		sp_str in;
		sp_code code;
	} rows[] = {
		{"unknown fields are skipped", SP_STR_INIT("\x30\1\x39xxxxxxxx\x45xxxx\x4a\1x"), SP_OK},
		{"the last one counts", SP_STR_INIT("\x0a\1a\x0a\1b"), SP_OK},
		{"cut tag", SP_STR_INIT("\x80"), SP_EINVAL},
		{"cut text", SP_STR_INIT("\x0a\5ab"), SP_EINVAL},
		{"field 0", SP_STR_INIT("\x02\1a"), SP_EINVAL},
		{"group", SP_STR_INIT("\x33"), SP_EINVAL},
		{"wrong wire type", SP_STR_INIT("\x08\1"), SP_EINVAL},
		{"varint of eleven bytes", SP_STR_INIT("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
		 SP_EINVAL},
		{"varint beyond 64 bits", SP_STR_INIT("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"),
		 SP_EINVAL},
		{"not utf-8", SP_STR_INIT("\x0a\1\xff"), SP_EINVAL},
		{"metadata not utf-8", SP_STR_INIT("\x2a\3\x0a\1\xff"), SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		sp_ttrpc_request r;
		T_CODE(sp_ttrpc_request_decode(rows[i].in, &r, T_ERR), rows[i].code);
	}
}

/* ---- a server with logging handlers ---- */

typedef struct server {
	sp_ttrpc_server_core *core;
	sp_buf out, log;
	sp_ttrpc_call *kept[8];
	size_t n_kept;
	sp_ttrpc_service services[1];
} server;

static void echo(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, payload);
}
static void keep(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	server *s = arg;
	s->kept[s->n_kept++] = call;
	sp_buf_printf(&s->log, "call:" SP_FMT ";", SP_ARG(payload));
}
static void keep_cancelled(void *arg, sp_ttrpc_call *call)
{
	server *s = arg;
	sp_buf_printf(&s->log, "cancel;");
	for (size_t i = 0; i < s->n_kept; i++) {
		if (s->kept[i] == call)
			s->kept[i] = s->kept[--s->n_kept];
	}
	sp_ttrpc_call_finish(call, NULL, (sp_str){NULL, 0});
}
static void refuse(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ENOTFOUND, "no task '" SP_FMT "'", SP_ARG(payload));
	sp_ttrpc_call_fail(call, &err);
}
static void sum_call(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_set_user(call, (void *)payload.len);
}
static void sum_data(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_set_user(call, (void *)((size_t)sp_ttrpc_call_user(call) + payload.len));
}
static void sum_end(void *arg, sp_ttrpc_call *call)
{
	(void)arg;
	char text[SP_NUM_TEXT_BYTES];
	size_t n = sp_print_u64(text, (size_t)sp_ttrpc_call_user(call));
	sp_ttrpc_call_finish(call, NULL, (sp_str){text, n});
}
static void sum_cancel(void *arg, sp_ttrpc_call *call)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, (sp_str){NULL, 0});
}
static void count_call(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	for (size_t i = 0; i < payload.len; i++)
		(void)sp_ttrpc_call_send(call, sp_str_sub(payload, i, i + 1), NULL);
	sp_ttrpc_call_finish(call, NULL, (sp_str){NULL, 0});
}
static void big(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	(void)payload;
	size_t n = SP_LIMIT_TTRPC_MESSAGE_BYTES + 1;
	char *p = sp_alloc(n);
	sp_ttrpc_call_finish(call, NULL, (sp_str){p, n});
	sp_free(p);
}
static void chat_data(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	(void)sp_ttrpc_call_send(call, payload, NULL);
}

static const sp_ttrpc_method methods[] = {
	{SP_STR_INIT("Echo"), .on_call = echo},
	{SP_STR_INIT("Keep"), .on_call = keep, .on_cancel = keep_cancelled},
	{SP_STR_INIT("Refuse"), .on_call = refuse},
	{SP_STR_INIT("Big"), .on_call = big},
	{SP_STR_INIT("Sum"), .client_streams = true, .on_call = sum_call, .on_data = sum_data,
	 .on_half_close = sum_end, .on_cancel = sum_cancel},
	{SP_STR_INIT("Count"), .server_streams = true, .on_call = count_call},
	{SP_STR_INIT("Chat"), .client_streams = true, .server_streams = true, .on_call = sum_call,
	 .on_data = chat_data, .on_half_close = sum_cancel, .on_cancel = sum_cancel},
};

static void server_done(void *arg)
{
	server *s = arg;
	if (s->core != NULL)
		sp_ttrpc_server_core_end(s->core);
	sp_ttrpc_server_core_free(s->core);
	sp_buf_done(&s->out);
	sp_buf_done(&s->log);
	sp_free(s);
}

static sp_code server_new(size_t calls_max, server **ret)
{
	server *s = SP_NEW(server);
	sp_buf_init(&s->out, (size_t)16 << 20);
	sp_buf_init(&s->log, 1 << 16);
	s->services[0] = (sp_ttrpc_service){SP_STR("t.Test"), methods, SP_LEN(methods), s};
	T_DEFER(server_done, s);
	*ret = s;
	return sp_ttrpc_server_core_new(s->services, 1, calls_max, s, NULL, &s->out, &s->core, T_ERR);
}

/* ---- a client ---- */

typedef struct client {
	sp_ttrpc_client_core *core;
	sp_buf out, log;
	sp_ttrpc_rpc rpcs[8];
} client;

static void rpc_data(sp_ttrpc_rpc *rpc, sp_str payload)
{
	client *c = rpc->arg;
	sp_buf_printf(&c->log, "data:" SP_FMT ";", SP_ARG(payload));
}
static void rpc_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *st, sp_str payload)
{
	client *c = rpc->arg;
	sp_buf_printf(&c->log, "%zu=%d:" SP_FMT ":" SP_FMT ";", (size_t)(rpc - c->rpcs), st->code,
		      SP_ARG(st->message), SP_ARG(payload));
}

static void client_done(void *arg)
{
	client *c = arg;
	sp_ttrpc_client_core_free(c->core);
	sp_buf_done(&c->out);
	sp_buf_done(&c->log);
	sp_free(c);
}

static sp_code client_new(client **ret)
{
	client *c = SP_NEW(client);
	sp_buf_init(&c->out, (size_t)16 << 20);
	sp_buf_init(&c->log, 1 << 16);
	for (size_t i = 0; i < SP_LEN(c->rpcs); i++)
		c->rpcs[i] = (sp_ttrpc_rpc){.on_data = rpc_data, .on_end = rpc_end, .arg = c};
	T_DEFER(client_done, c);
	*ret = c;
	return sp_ttrpc_client_core_new(&c->out, &c->core, T_ERR);
}

static sp_code call(client *c, size_t i, const char *method, const char *payload, uint64_t timeout_ns)
{
	sp_str m = sp_str_c(method);
	sp_ttrpc_call_opts o = {.service = SP_STR("t.Test"),
				.method = m,
				.payload = sp_str_c(payload),
				.timeout_ns = timeout_ns};
	o.client_streams = sp_str_eq(m, SP_STR("Sum")) || sp_str_eq(m, SP_STR("Chat"));
	o.server_streams = sp_str_eq(m, SP_STR("Count")) || sp_str_eq(m, SP_STR("Chat"));
	return sp_ttrpc_client_core_call(c->core, &c->rpcs[i], &o, 1000, T_ERR);
}

/* Everything the client said goes to the server and back, cut at `step`. */
static sp_code exchange(client *c, server *s, size_t step)
{
	for (size_t at = 0; at < c->out.len; at += step)
		SP_TRY(sp_ttrpc_server_core_feed(s->core, sp_str_sub(sp_buf_view(&c->out), at, at + step),
						 1000, T_ERR));
	sp_buf_clear(&c->out);
	for (size_t at = 0; at < s->out.len; at += step)
		SP_TRY(sp_ttrpc_client_core_feed(c->core, sp_str_sub(sp_buf_view(&s->out), at, at + step),
						 T_ERR));
	sp_buf_clear(&s->out);
	return SP_OK;
}

#define BOTH(c, s)            \
	client *c = NULL;     \
	server *s = NULL;     \
	T_OK(client_new(&c)); \
	T_OK(server_new(3, &s))

SP_TEST(ttrpc_core, unary_calls_end_in_any_order)
{
	for (size_t step = 1; step < 2000; step += 1999 / 2) {
		t_row("by %zu", step);
		BOTH(c, s);
		T_OK(call(c, 0, "Keep", "first", 0));
		T_OK(call(c, 1, "Echo", "second", 0));
		T_OK(exchange(c, s, step));
		T_EQ_C(sp_buf_view(&c->log), "1=0::second;");
		T_EQ_U64(s->n_kept, 1);
		s->n_kept = 0;
		sp_ttrpc_call_finish(s->kept[0], NULL, SP_STR("done"));
		T_OK(exchange(c, s, step));
		T_OK(sp_buf_code(&c->log));
		T_EQ_C(sp_buf_view(&c->log), "1=0::second;0=0::done;");
		T_EQ_U64(sp_ttrpc_client_core_n_calls(c->core), 0);
	}
}

SP_TEST(ttrpc_core, errors_are_statuses)
{
	BOTH(c, s);
	T_OK(call(c, 0, "Refuse", "x", 0));
	T_OK(call(c, 1, "Nothing", "", 0));
	sp_ttrpc_call_opts o = {.service = SP_STR("no.Such"), .method = SP_STR("Echo")};
	T_OK(sp_ttrpc_client_core_call(c->core, &c->rpcs[2], &o, 0, T_ERR));
	T_OK(call(c, 3, "Big", "", 0));
	T_OK(exchange(c, s, SIZE_MAX / 2));
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "0=5:no task 'x':;1=12:method Nothing:;2=12:service no.Such:;"
				     "3=8:message length 4194310 exceed maximum message size of 4194304:;");
}

SP_TEST(ttrpc_core, streams)
{
	BOTH(c, s);
	T_OK(call(c, 0, "Sum", "", 0));
	T_OK(call(c, 1, "Count", "abc", 0));
	T_OK(call(c, 2, "Chat", "", 0));
	T_OK(sp_ttrpc_rpc_send(&c->rpcs[0], SP_STR("12345"), T_ERR));
	T_OK(sp_ttrpc_rpc_send(&c->rpcs[2], SP_STR("hi"), T_ERR));
	T_OK(sp_ttrpc_rpc_send(&c->rpcs[0], SP_STR("67"), T_ERR));
	T_OK(sp_ttrpc_rpc_close_send(&c->rpcs[0], T_ERR));
	T_OK(sp_ttrpc_rpc_close_send(&c->rpcs[2], T_ERR));
	T_CODE(sp_ttrpc_rpc_send(&c->rpcs[0], SP_STR("8"), NULL), SP_ECANCELED);
	T_OK(exchange(c, s, 7));
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "data:a;data:b;data:c;1=0::;data:hi;0=0::7;2=0::;");
	T_EQ_U64(sp_ttrpc_server_core_n_calls(s->core), 0);
}

SP_TEST(ttrpc_core, deadlines_on_both_sides)
{
	BOTH(c, s);
	T_OK(call(c, 0, "Keep", "a", 500));
	T_OK(call(c, 1, "Keep", "b", 200));
	T_OK(call(c, 2, "Keep", "c", 0));
	T_EQ_U64(sp_ttrpc_client_core_deadline(c->core), 1200);
	T_OK(exchange(c, s, 100));
	T_EQ_U64(s->n_kept, 3);
	T_EQ_U64(sp_ttrpc_call_deadline(s->kept[2]), UINT64_MAX);
	T_EQ_U64(sp_ttrpc_server_core_deadline(s->core), 1200);
	sp_ttrpc_server_core_expire(s->core, 1499);
	T_EQ_C(sp_buf_view(&s->log), "call:a;call:b;call:c;cancel;");
	T_OK(exchange(c, s, 100));
	T_EQ_C(sp_buf_view(&c->log), "1=4:context deadline exceeded:;");
	sp_ttrpc_client_core_expire(c->core, 1500);
	T_EQ_C(sp_buf_view(&c->log), "1=4:context deadline exceeded:;0=4:context deadline exceeded:;");
	sp_ttrpc_client_core_end(c->core, NULL);
	T_OK(sp_buf_code(&c->log));
	T_TRUE(sp_str_ends(sp_buf_view(&c->log), SP_STR("2=14:ttrpc: closed:;")));
	T_CODE(call(c, 0, "Echo", "", 0), SP_EUNAVAILABLE);
	sp_ttrpc_server_core_end(s->core);
	T_TRUE(sp_str_ends(sp_buf_view(&s->log), SP_STR("cancel;cancel;cancel;")));
}

SP_TEST(ttrpc_core, too_many_calls)
{
	BOTH(c, s);
	for (size_t i = 0; i < 4; i++)
		T_OK(call(c, i, "Keep", "", 0));
	T_OK(exchange(c, s, 1000));
	T_EQ_C(sp_buf_view(&c->log), "3=8:too many concurrent calls:;");
}

SP_TEST(ttrpc_core, a_cancelled_rpc_hears_nothing)
{
	BOTH(c, s);
	T_OK(call(c, 0, "Echo", "x", 50));
	sp_ttrpc_rpc_cancel(&c->rpcs[0]);
	sp_ttrpc_rpc_cancel(&c->rpcs[0]);
	T_OK(exchange(c, s, 1000));
	T_EQ_C(sp_buf_view(&c->log), "");
	T_EQ_U64(sp_ttrpc_client_core_deadline(c->core), UINT64_MAX);
}

SP_TEST(ttrpc_core, requests_above_the_limit_never_leave)
{
	BOTH(c, s);
	(void)s;
	size_t n = SP_LIMIT_TTRPC_MESSAGE_BYTES + 1;
	char *p = sp_alloc(n);
	T_DEFER(sp_free, p);
	sp_ttrpc_call_opts o = {.service = SP_STR("t.Test"), .method = SP_STR("Echo"), .payload = {p, n}};
	sp_err err = {0};
	T_CODE(sp_ttrpc_client_core_call(c->core, &c->rpcs[0], &o, 0, &err), SP_ETOOLARGE);
	T_EQ_C(sp_str_c(err.msg), "message length 4194305 exceed maximum message size of 4194304");
	T_EQ_U64(c->out.len, 0);
	T_TRUE(!sp_ttrpc_rpc_is_open(&c->rpcs[0]));
}

/* Frames of a client that breaks rules; what upstream's server answers. */
SP_TEST(ttrpc_core, bad_frames_get_upstreams_status)
{
#define REQ(id, method, flags) "\0\0\0\x0e\0\0\0" id "\1" flags "\x0a\6t.Test\x12\4" method
	static const struct {
		const char *name;
		sp_str in;
		const char *message; /* NULL: no answer */
		int code;
	} rows[] = {
		{"even stream", SP_STR_INIT(REQ("\2", "Echo", "\0")),
		 "StreamID must be odd for client initiated streams", 3},
		{"stream 0", SP_STR_INIT(REQ("\0", "Echo", "\0")),
		 "StreamID must be odd for client initiated streams", 3},
		{"reuse", SP_STR_INIT(REQ("\5", "Keep", "\0") REQ("\5", "Echo", "\0")),
		 "StreamID cannot be re-used and must increment", 3},
		{"going down", SP_STR_INIT(REQ("\5", "Keep", "\0") REQ("\3", "Echo", "\0")),
		 "StreamID cannot be re-used and must increment", 3},
		{"not a request", SP_STR_INIT("\0\0\0\1\0\0\0\1\1\0\xff"),
		 "unmarshal request error: proto: cannot parse invalid wire-format data", 3},
		{"data for nobody", SP_STR_INIT("\0\0\0\1\0\0\0\1\3\0x"), "StreamID is no longer active", 3},
		{"unknown type", SP_STR_INIT("\0\0\0\1\0\0\0\1\x63\0x"), NULL, 0},
		{"too long", SP_STR_INIT("\0\x40\0\1\0\0\0\1\1\0"), NULL, 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		server *s = NULL;
		T_OK(server_new(0, &s));
		T_OK(sp_ttrpc_server_core_feed(s->core, rows[i].in, 0, T_ERR));
		if (rows[i].message == NULL) {
			T_EQ_U64(s->out.len, 0);
			continue;
		}
		T_TRUE(s->out.len > 10);
		sp_ttrpc_response r;
		T_OK(sp_ttrpc_response_decode(sp_str_sub(sp_buf_view(&s->out), 10, s->out.len), &r, T_ERR));
		T_EQ_C(r.status.message, rows[i].message);
		T_EQ_I64(r.status.code, rows[i].code);
		/* the connection goes on */
		sp_buf_clear(&s->out);
		T_OK(sp_ttrpc_server_core_feed(s->core, SP_STR(REQ("\x07", "Echo", "\0")), 0, T_ERR));
		T_EQ_STR(sp_buf_view(&s->out), SP_STR("\0\0\0\0\0\0\0\7\2\0"));
	}
}

SP_TEST(ttrpc_core, an_oversized_message_is_skipped_and_answered)
{
	server *s = NULL;
	T_OK(server_new(0, &s));
	T_OK(sp_ttrpc_server_core_feed(s->core, SP_STR("\0\x40\0\1\0\0\0\1\1\0"), 0, T_ERR));
	size_t n = SP_LIMIT_TTRPC_MESSAGE_BYTES + 1;
	char *p = sp_alloc(n);
	T_DEFER(sp_free, p);
	T_OK(sp_ttrpc_server_core_feed(s->core, (sp_str){p, n}, 0, T_ERR));
	T_TRUE(s->out.len > 10);
	sp_ttrpc_response r;
	T_OK(sp_ttrpc_response_decode(sp_str_sub(sp_buf_view(&s->out), 10, s->out.len), &r, T_ERR));
	T_EQ_C(r.status.message, "message length 4194305 exceed maximum message size of 4194304");
	T_EQ_I64(r.status.code, SP_RPC_RESOURCE_EXHAUSTED);
	sp_buf_clear(&s->out);
	T_OK(sp_ttrpc_server_core_feed(s->core, SP_STR(REQ("\x07", "Echo", "\0")), 0, T_ERR));
	T_EQ_STR(sp_buf_view(&s->out), SP_STR("\0\0\0\0\0\0\0\7\2\0"));
}
