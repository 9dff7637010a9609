/* SPDX-License-Identifier: Apache-2.0 */
/* Readers that do not read, and the end of a server that is being used. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/num.h"
#include "lib/api_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define N_PATCHES 400u
#define PAYLOAD_BYTES 100000u
/* What a reader's queue, its connection and the network hold at most. */
#define HELD_BYTES_MAX (SP_LIMIT_WATCH_QUEUE_BYTES + ((size_t)4 << 20))

#define CONFIGMAPS "/api/v1/namespaces/default/configmaps"

typedef struct reader {
	t_call call;
	uint64_t revision;
	size_t n_events, n_wrong;
	bool is_slow; /* stops after the first event, until it is told to go on */
} reader;

static void on_line(reader *r, sp_str line)
{
	static const sp_str mark = SP_STR_INIT("\"resourceVersion\":\"");
	uint64_t revision = 0;
	ptrdiff_t at = sp_str_find(line, mark);
	sp_str rest = sp_str_sub(line, (size_t)at + mark.len, line.len), text;
	bool ok = at >= 0 && sp_str_cut(&rest, '"', &text) &&
		  sp_parse_u64(text, 0, UINT64_MAX, &revision, NULL) == SP_OK;
	r->n_wrong += !ok || (r->revision != 0 && revision != r->revision + 1);
	r->revision = revision;
	r->n_events++;
}

static void on_bytes(t_call *c)
{
	reader *r = c->arg;
	sp_str rest = sp_buf_view(&c->body), line;
	while (sp_str_cut(&rest, '\n', &line))
		on_line(r, line);
	sp_buf_consume(&c->body, c->body.len - rest.len);
	if (r->is_slow && r->n_events == 1) {
		r->is_slow = false;
		sp_http_read(c->ex, false);
	}
}

static void reader_done(void *arg)
{
	t_call_done(&((reader *)arg)->call);
}

static reader *reader_new(bool is_slow)
{
	reader *r = sp_new(T_ARENA, reader, 1);
	t_call_init(&r->call);
	T_DEFER(reader_done, r);
	r->call.on_bytes = on_bytes;
	r->call.arg = r;
	r->is_slow = is_slow;
	return r;
}

static bool is_closed(void *arg)
{
	return ((reader *)arg)->call.closed;
}

static bool has_all(void *arg)
{
	return ((reader *)arg)->n_events == N_PATCHES + 1;
}

static bool write_much(t_api *a, t_call *call)
{
	char *body = sp_arena_alloc(T_ARENA, PAYLOAD_BYTES + 100);
	t_req q = {.method = "POST",
		   .path = CONFIGMAPS,
		   .body = SP_STR("{\"metadata\":{\"name\":\"k\"}}"),
		   .within_ns = 20 * SECOND};
	bool ok = t_call_wait(&a->maker, call, &q) && call->status == 201;
	for (unsigned i = 0; i < N_PATCHES && ok; i++) {
		int n = snprintf(body, 100, "{\"data\":{\"n\":\"%u\",\"x\":\"", i);
		memset(body + n, 'x', PAYLOAD_BYTES);
		memcpy(body + n + PAYLOAD_BYTES, "\"}}", 4);
		q = (t_req){.method = "PATCH",
			    .path = CONFIGMAPS "/k",
			    .type = "application/merge-patch+json",
			    .body = {body, (size_t)n + PAYLOAD_BYTES + 3},
			    .within_ns = 20 * SECOND};
		ok = t_call_wait(&a->maker, call, &q) && call->status == 200;
	}
	return ok;
}

/* It gets what was held for it, then the end: never all, never with a gap. The others are not held up. */
static void slow_reader(bool h2)
{
	static const t_req watch = {.method = "GET", .path = CONFIGMAPS "?watch=1"};
	t_no_faults();
	reader *slow = reader_new(true), *fast = reader_new(false), *writer = reader_new(false);
	t_api *a = sp_new(T_ARENA, t_api, 1);
	t_client *c = sp_new(T_ARENA, t_client, 2);
	if (!t_api_open(a, &(sp_sim_opts){.seed = t_random()}, NULL) ||
	    !t_client_open(&c[0], a, "slow", h2) || !t_client_open(&c[1], a, "fast", h2))
		return;
	writer->call.on_bytes = NULL;
	T_TRUE(t_call_start(&c[0], &slow->call, &watch) && t_call_start(&c[1], &fast->call, &watch));
	sp_sim_run_until(a->sim, sp_sim_now_ns(a->sim) + SECOND);
	T_TRUE(write_much(a, &writer->call));
	T_TRUE(sp_sim_run(a->sim, has_all, fast, sp_sim_now_ns(a->sim) + 20 * SECOND));
	T_TRUE(!slow->call.closed);
	sp_http_read(slow->call.ex, true);
	T_TRUE(sp_sim_run(a->sim, is_closed, slow, sp_sim_now_ns(a->sim) + 100 * SECOND));
	T_EQ_U64(slow->n_wrong + fast->n_wrong, 0);
	T_TRUE(slow->n_events > 1 && slow->n_events * PAYLOAD_BYTES < HELD_BYTES_MAX);
	T_TRUE(!fast->call.closed);
}

SP_TEST(sim_api, slow_reader_h1)
{
	slow_reader(false);
}

SP_TEST(sim_api, slow_reader_h2)
{
	slow_reader(true);
}

/* ---- the end ---- */

/* Watches end at once and whole; what is asked is answered. */
static void drain(bool h2)
{
	static const t_req watch = {.method = "GET", .path = CONFIGMAPS "?watch=1"};
	static const t_req create = {.method = "POST",
				     .path = CONFIGMAPS,
				     .body = SP_STR_INIT("{\"metadata\":{\"name\":\"k\"}}"),
				     .within_ns = 20 * SECOND};
	static const sp_store_mem_opts store = {.commit_ns = SECOND / 2};
	t_no_faults();
	reader *watcher = reader_new(false), *writer = reader_new(false);
	t_api *a = sp_new(T_ARENA, t_api, 1);
	t_client *c = sp_new(T_ARENA, t_client, 2);
	if (!t_api_open(a, &(sp_sim_opts){.seed = t_random()}, &store) ||
	    !t_client_open(&c[0], a, "watcher", h2) || !t_client_open(&c[1], a, "writer", h2))
		return;
	writer->call.on_bytes = NULL;
	T_TRUE(t_call_start(&c[0], &watcher->call, &watch));
	sp_sim_run_until(a->sim, sp_sim_now_ns(a->sim) + SECOND);
	T_TRUE(t_call_start(&c[1], &writer->call, &create));
	sp_sim_run_until(a->sim, sp_sim_now_ns(a->sim) + SECOND / 10);
	uint64_t now = sp_sim_now_ns(a->sim);
	T_TRUE(t_api_drain(a, 60 * SECOND, now + 3 * SECOND));
	sp_sim_run_until(a->sim, now + 3 * SECOND);
	T_TRUE(watcher->call.closed && writer->call.closed);
	T_CODE(watcher->call.code, SP_OK);
	T_EQ_U64(writer->call.status, 201);
}

SP_TEST(sim_api, drain_h1)
{
	drain(false);
}

SP_TEST(sim_api, drain_h2)
{
	drain(true);
}
