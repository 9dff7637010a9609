/* SPDX-License-Identifier: Apache-2.0 */
/* However the bytes are cut and whenever the reader pauses, the messages are the same. */
#include "base/num.h"
#include "io/grpc/grpc_int.h"
#include "lib/grpc_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

/* ---- the reader alone ---- */

typedef struct reader {
	grpc_in in;
	sp_buf events;
	uint32_t pause_ppm;
	bool over;
} reader;

static void message(grpc_in *in, sp_str payload)
{
	reader *r = SP_CONTAINER_OF(in, reader, in);
	(void)sp_buf_printf(&r->events, "%zu:", payload.len);
	(void)sp_buf_str(&r->events, payload);
	if (t_random_below(1000000) < r->pause_ppm)
		grpc_in_read(in, false);
}
static void end(grpc_in *in, bool any, sp_str payload)
{
	reader *r = SP_CONTAINER_OF(in, reader, in);
	(void)sp_buf_printf(&r->events, "end %d ", any);
	(void)sp_buf_str(&r->events, payload);
	r->over = true;
}
static void failed(grpc_in *in, int32_t code, const char *text)
{
	reader *r = SP_CONTAINER_OF(in, reader, in);
	(void)sp_buf_printf(&r->events, "fail %d %s", code, text);
	r->over = true;
}
static const grpc_in_ops ops = {message, end, failed};

static void reader_done(reader *r)
{
	grpc_in_done(&r->in);
	sp_buf_done(&r->events);
}
#define AUTO_READER SP_CLEANUP(reader_done) reader

static void reader_init(reader *r, sp_world *w, bool single, uint32_t pause_ppm)
{
	*r = (reader){.in = {.ops = &ops, .world = w, .message_bytes = 300, .single = single},
		      .pause_ppm = pause_ppm};
	sp_buf_init(&r->events, (size_t)1 << 20);
	grpc_in_init(&r->in);
}

/* Feeds pieces of 1 to piece_max bytes; while the reader pauses, HTTP gives it nothing. */
static void feed(reader *r, sp_world *w, sp_str bytes, size_t piece_max)
{
	while (!r->over) {
		sp_world_run(w);
		if (r->in.paused) {
			grpc_in_read(&r->in, true);
			continue;
		}
		if (bytes.len == 0) {
			if (!r->in.ended)
				grpc_in_end(&r->in);
			continue;
		}
		size_t n = SP_MIN(bytes.len, 1 + (size_t)t_random_below(piece_max));
		grpc_in_body(&r->in, (const uint8_t *)bytes.ptr, n);
		bytes = sp_str_sub(bytes, n, bytes.len);
	}
}

static void put_random(sp_buf *b)
{
	uint8_t head[5] = {0};
	size_t n = t_random_below(4) == 0 ? t_random_below(301) : t_random_below(8);
	uint64_t odd = t_random_below(60);
	head[0] = (uint8_t)(odd < 2 ? odd : odd == 2 ? 9 : 0);
	sp_be32_put(head + 1, odd == 3 ? 301 + (uint32_t)t_random_below(1000) : (uint32_t)n);
	(void)sp_buf_append(b, head, sizeof head - (odd == 4 ? t_random_below(5) : 0));
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_char(b, (char)t_random());
}

static void mem_world_done(sp_world **w)
{
	mem_world_free(*w);
}

SP_TEST(grpc, any_pieces_give_the_same_messages)
{
	SP_CLEANUP(mem_world_done) sp_world *w = mem_world_new(t_seed(), 1 << 16);
	static const size_t piece_max[] = {1, 2, 7, 400};
	for (size_t round = 0; round < (t_torture() ? 5 : 40); round++) {
		t_row("round %zu", round);
		SP_AUTO_BUF bytes;
		sp_buf_init(&bytes, (size_t)1 << 20);
		bool single = t_random_below(5) == 0;
		for (uint64_t n = single ? t_random_below(3) : t_random_below(30); n > 0; n--)
			put_random(&bytes);
		T_OK(sp_buf_code(&bytes));
		AUTO_READER whole;
		reader_init(&whole, w, single, 0);
		feed(&whole, w, sp_buf_view(&bytes), SIZE_MAX / 2);
		T_OK(sp_buf_code(&whole.events));
		for (size_t i = 0; i < SP_LEN(piece_max); i++) {
			AUTO_READER cut;
			reader_init(&cut, w, single, i % 2 == 0 ? 0 : 300000);
			feed(&cut, w, sp_buf_view(&bytes), piece_max[i]);
			T_EQ_STR(sp_buf_view(&cut.events), sp_buf_view(&whole.events));
		}
	}
}

/* ---- both sides over a connection ---- */

typedef struct session {
	sp_world *world;
	grpc_app app;
	sp_http_client *client;
	grpc_got got[6];
} session;

static void session_done(session *s)
{
	for (size_t i = 0; i < SP_LEN(s->got); i++)
		sp_grpc_rpc_cancel(&s->got[i].rpc);
	if (s->client != NULL)
		sp_http_client_close(s->client, NULL, NULL);
	sp_world_run(s->world);
	sp_http_client_free(s->client);
	for (size_t i = 0; i < SP_LEN(s->got); i++)
		grpc_got_done(&s->got[i]);
	grpc_app_done(&s->app);
	mem_world_free(s->world);
}

static sp_code run(sp_buf *out, uint64_t seed, size_t piece_max)
{
	static const char *const methods[] = {"Echo", "Fail", "Collect", "Count", "Chat", "Nothing"};
	static const char *const payloads[] = {"hello", "7 no", "", "40 900", "", ""};
	SP_CLEANUP(session_done) session s = {.world = mem_world_new(seed, piece_max)};
	sp_http_client_opts o = {
		.connector = &http_app_connector, .connector_arg = &s.app.http, .n_per_origin = 1};
	for (size_t i = 0; i < SP_LEN(s.got); i++)
		grpc_got_init(&s.got[i]);
	SP_TRY(grpc_app_init(&s.app, s.world, 0, T_ERR));
	SP_TRY(sp_http_client_new(s.world, &o, &s.client, T_ERR));
	sp_grpc_channel ch = {.http = s.client, .address = SP_STR("x:1")};
	for (size_t i = 0; i < SP_LEN(s.got); i++) {
		sp_grpc_rpc_opts c = {.service = SP_STR("interop.Test"),
				      .method = sp_str_c(methods[i]),
				      .payload = sp_str_c(payloads[i]),
				      .client_streams = i == 2 || i == 4,
				      .server_streams = i == 3 || i == 4};
		SP_TRY(sp_grpc_rpc_start(&ch, &s.got[i].rpc, &c, T_ERR));
		for (size_t n = 0; n < 5 && c.client_streams; n++)
			SP_TRY(sp_grpc_rpc_send(&s.got[i].rpc, (sp_str){"abcdefghij", n * 2}, T_ERR));
		if (c.client_streams)
			SP_TRY(sp_grpc_rpc_close_send(&s.got[i].rpc, T_ERR));
	}
	mem_world_run_until(s.world, sp_now_ns(s.world) + UINT64_C(20000000000));
	for (size_t i = 0; i < SP_LEN(s.got); i++) {
		const grpc_got *g = &s.got[i];
		(void)sp_buf_printf(out, "%u %d %u ", g->n_ends, g->code, g->n_messages);
		(void)sp_buf_str(out, sp_buf_view(&g->messages));
		(void)sp_buf_str(out, sp_buf_view(&g->message));
		(void)sp_buf_str(out, sp_buf_view(&g->trailers));
		(void)sp_buf_char(out, '\n');
	}
	return sp_buf_code(out);
}

SP_TEST(grpc, any_pieces_give_the_same_calls)
{
	static const size_t piece_max[] = {1, 3, 50, 1000};
	SP_AUTO_BUF whole;
	sp_buf_init(&whole, (size_t)1 << 20);
	T_OK(run(&whole, t_seed(), 1 << 16));
	T_TRUE(sp_str_starts(sp_buf_view(&whole),
			     SP_STR("1 0 0 hello\n1 7 0 nox-why=asked for;\n1 0 0 abab")));
	for (size_t i = 0; i < SP_LEN(piece_max); i++) {
		t_row("pieces of %zu", piece_max[i]);
		SP_AUTO_BUF cut;
		sp_buf_init(&cut, (size_t)1 << 20);
		T_OK(run(&cut, t_seed() + i, piece_max[i]));
		T_EQ_STR(sp_buf_view(&cut), sp_buf_view(&whole));
	}
}
