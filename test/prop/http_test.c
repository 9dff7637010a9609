/* SPDX-License-Identifier: Apache-2.0 */
/* However the bytes are cut, client and server see the same. */
#include "lib/http_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

static const sp_http_request requests[] = {
	{.path = SP_STR_INIT("/hello")},
	{.method = SP_STR_INIT("HEAD"), .path = SP_STR_INIT("/hello")},
	{.path = SP_STR_INIT("/stream")},
	{.path = SP_STR_INIT("/sized")},
	{.path = SP_STR_INIT("/hint")},
	{.path = SP_STR_INIT("/big")},
	{.path = SP_STR_INIT("/later")},
	{.path = SP_STR_INIT("/none")},
	{.path = SP_STR_INIT("/status/204")},
	{.method = SP_STR_INIT("POST"), .path = SP_STR_INIT("/pipe"), .streaming = true},
	{.method = SP_STR_INIT("POST"), .path = SP_STR_INIT("/echo"), .streaming = true},
};

typedef struct session {
	sp_world *world;
	http_app app;
	sp_http_client *client;
	http_got got[SP_LEN(requests)];
} session;

static void session_done(session *s)
{
	if (s->client != NULL) {
		sp_http_client_close(s->client, NULL, NULL);
		sp_world_run(s->world);
		sp_http_client_free(s->client);
	}
	for (size_t i = 0; i < SP_LEN(requests); i++)
		http_got_done(&s->got[i]);
	http_app_done(&s->app);
	mem_world_free(s->world);
}

static sp_code start(session *s, size_t i, size_t which, bool h2)
{
	sp_http_request r = requests[which];
	http_got *g = &s->got[i];
	r.address = SP_STR("a:1");
	r.h2 = h2;
	SP_TRY(sp_http_request_start(s->client, &r, &http_got_events, g, &g->ex, T_ERR));
	if (!r.streaming)
		return SP_OK;
	for (size_t n = 0; n < 5; n++)
		SP_TRY(sp_http_write(g->ex, SP_STR("0123456789 abcdefghijklmnopqrstuvwxyz"), T_ERR));
	return sp_http_end(g->ex, NULL, 0, T_ERR);
}

/* Runs them one after the other, in random order and at random moments; what came back, as text. */
static sp_code run(sp_buf *out, uint64_t seed, uint64_t order, bool h2, size_t piece_max)
{
	SP_CLEANUP(session_done) session s = {.world = mem_world_new(seed, piece_max)};
	sp_http_client_opts o = {
		.connector = &http_app_connector, .connector_arg = &s.app, .n_per_origin = 1};
	for (size_t i = 0; i < SP_LEN(requests); i++)
		http_got_init(&s.got[i]);
	SP_TRY(http_app_init(&s.app, s.world, NULL, NULL, T_ERR));
	SP_TRY(sp_http_client_new(s.world, &o, &s.client, T_ERR));
	for (size_t i = 0; i < SP_LEN(requests); i++) {
		SP_TRY(start(&s, i, (i + order) % SP_LEN(requests), h2));
		mem_world_run_until(s.world, sp_now_ns(s.world) + (order % 3) * 1000000000);
	}
	mem_world_run_until(s.world, sp_now_ns(s.world) + UINT64_C(20000000000));
	for (size_t i = 0; i < SP_LEN(requests); i++) {
		const http_got *g = &s.got[i];
		(void)sp_buf_printf(out, "%u %d %u %d %d ", g->status, g->closed, g->code, g->ended,
				    g->interim);
		(void)sp_buf_str(out, sp_buf_view(&g->body));
		(void)sp_buf_str(out, sp_buf_view(&g->trailers));
		(void)sp_buf_char(out, '\n');
	}
	return sp_buf_code(out);
}

SP_TEST(http, any_pieces_give_the_same)
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t order = t_random();
		size_t piece_max = (size_t)1 << t_random_below(12);
		t_row("HTTP/%zu, pieces of %zu, order %llu", i % 2 + 1, piece_max, (unsigned long long)order);
		SP_AUTO_BUF whole, cut;
		sp_buf_init(&whole, (size_t)8 << 20);
		sp_buf_init(&cut, (size_t)8 << 20);
		T_OK(run(&whole, t_random(), order, i % 2 == 1, (size_t)1 << 20));
		T_OK(run(&cut, t_random(), order, i % 2 == 1, piece_max));
		T_EQ_STR(sp_buf_view(&cut), sp_buf_view(&whole));
		T_TRUE(sp_str_find(sp_buf_view(&whole), SP_STR("200 1 0 1 0 hello\n")) >= 0);
	}
}
