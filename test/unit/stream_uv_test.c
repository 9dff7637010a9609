/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/pump.h"
#include "lib/peer.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

/* ---- pairs ---- */

typedef struct ends {
	sp_world *world;
	t_peer *a, *b;
} ends;

static bool pair_new(ends *e)
{
	sp_stream *s[2];
	e->world = t_world_uv();
	if (e->world == NULL || sp_stream_pair(e->world, s, t_err()) != SP_OK)
		return false;
	e->a = t_peer_new(e->world);
	e->b = t_peer_new(e->world);
	t_peer_attach(e->a, s[0]);
	t_peer_attach(e->b, s[1]);
	return true;
}

SP_TEST(stream_uv, echo_and_half_close)
{
	ends e;
	T_TRUE(pair_new(&e));
	e.b->echo = e.b->shutdown_on_end = e.a->stop_on_end = true;
	t_peer_send(e.a, "hello", 5);
	t_peer_send(e.a, "", 0);
	t_peer_send(e.a, " world", 6);
	T_EQ_U64(sp_stream_queued(e.a->stream), 11);
	T_EQ_U64(e.a->n_done, 0);
	sp_stream_shutdown(e.a->stream);
	sp_world_run(e.world);
	T_EQ_STR(sp_buf_view(&e.a->got), SP_STR("hello world"));
	T_EQ_U64(e.a->n_done, 3);
	T_EQ_I64(e.a->done_code, SP_OK);
	T_EQ_U64(sp_stream_queued(e.a->stream), 0);
	T_EQ_U64(e.b->n_ends, 1);
	e.b->stop_on_close = true;
	sp_stream_close(e.a->stream);
	sp_stream_close(e.b->stream);
	sp_stream_close(e.b->stream);
	sp_world_run(e.world);
	T_EQ_U64(e.a->n_closes, 1);
	T_EQ_U64(e.b->n_closes, 1);
}

static void read_slowly(t_peer *p)
{
	/* Off and on again in the same callback, and off for a while now and then. */
	sp_stream_read(p->stream, false);
	sp_stream_read(p->stream, true);
}

SP_TEST(stream_uv, much_data_keeps_its_order)
{
	ends e;
	T_TRUE(pair_new(&e));
	enum { N = 3 << 20, PART = 100000 };
	uint8_t *bytes = sp_arena_alloc(T_ARENA, N);
	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t at = 0; at < N; at += PART)
		t_peer_send(e.a, bytes + at, SP_MIN((size_t)PART, N - at));
	e.b->on_data = read_slowly;
	e.b->stop_at = N;
	sp_world_run(e.world);
	T_EQ_U64(e.b->got.len, N);
	T_TRUE(memcmp(e.b->got.ptr, bytes, N) == 0);
}

SP_TEST(stream_uv, not_reading_holds_the_writer)
{
	ends e;
	T_TRUE(pair_new(&e));
	static uint8_t block[1 << 20];
	sp_stream_read(e.b->stream, false);
	for (int i = 0; i < 4; i++)
		t_peer_send(e.a, block, sizeof block);
	sp_stream *probe[2];
	t_peer *c = t_peer_new(e.world), *d = t_peer_new(e.world);
	T_OK(sp_stream_pair(e.world, probe, T_ERR));
	t_peer_attach(c, probe[0]);
	t_peer_attach(d, probe[1]);
	d->stop_at = 1;
	t_peer_send(c, "x", 1);
	sp_world_run(e.world);
	T_TRUE(sp_stream_queued(e.a->stream) > 2 << 20);
	T_EQ_U64(e.b->got.len, 0);
	sp_stream_read(e.b->stream, true);
	e.b->stop_at = 4 << 20;
	sp_world_run(e.world);
	T_EQ_U64(e.b->got.len, 4 << 20);
}

SP_TEST(stream_uv, close_cancels_what_is_queued)
{
	ends e;
	T_TRUE(pair_new(&e));
	static uint8_t block[1 << 20];
	sp_stream_read(e.b->stream, false);
	t_peer_send(e.a, block, sizeof block);
	t_peer_send(e.a, "x", 1);
	sp_stream_close(e.a->stream);
	T_EQ_U64(e.a->n_closes, 0);
	T_EQ_U64(e.a->n_done, 0);
	e.a->stop_on_close = true;
	sp_world_run(e.world);
	T_EQ_U64(e.a->n_done, 2);
	T_EQ_I64(e.a->done_code, SP_ECANCELED);
	T_EQ_U64(e.a->n_closes, 1);
}

SP_TEST(stream_uv, close_inside_each_callback)
{
	static const struct {
		const char *name;
		size_t flag;
		bool shut;
	} rows[] = {
		{"on_data", offsetof(t_peer, close_on_data), false},
		{"on_end", offsetof(t_peer, close_on_end), true},
		{"done", offsetof(t_peer, close_on_done), false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		ends e;
		T_TRUE(pair_new(&e));
		*(bool *)(void *)((char *)e.a + rows[i].flag) = true;
		e.a->stop_on_close = true;
		t_peer_send(e.a, "1", 1);
		t_peer_send(e.a, "2", 1);
		t_peer_send(e.b, "data", 4);
		if (rows[i].shut)
			sp_stream_shutdown(e.b->stream);
		sp_world_run(e.world);
		T_EQ_U64(e.a->n_closes, 1);
		T_EQ_U64(e.a->n_done, 2);
		T_EQ_U64(e.a->n_errors, 0);
	}
}

SP_TEST(stream_uv, close_inside_on_error)
{
	ends e;
	T_TRUE(pair_new(&e));
	e.a->stop_on_close = true;
	static uint8_t block[1 << 20];
	t_peer_send(e.b, "last words", 10);
	t_peer_send(e.a, block, sizeof block);
	sp_stream_read(e.b->stream, false);
	e.b->close_on_done = true;
	sp_world_run(e.world);
	/* What the peer said before it went comes before the error. */
	T_EQ_STR(sp_buf_view(&e.a->got), SP_STR("last words"));
	T_EQ_U64(e.a->n_errors, 1);
	T_EQ_I64(e.a->error, SP_EUNAVAILABLE);
	T_EQ_I64(e.a->done_code, SP_EUNAVAILABLE);
	T_EQ_U64(e.a->n_closes, 1);
}

static t_peer *second_owner;

static void hand_over(t_peer *p)
{
	t_peer_attach(second_owner, p->stream);
	p->stream = NULL;
	t_peer_send(second_owner, "new", 3);
}

SP_TEST(stream_uv, a_new_owner_mid_stream)
{
	ends e;
	T_TRUE(pair_new(&e));
	second_owner = t_peer_new(e.world);
	second_owner->stop_at = 3;
	e.a->on_data = hand_over;
	e.b->echo = true;
	t_peer_send(e.b, "first", 5);
	sp_world_run(e.world);
	T_EQ_STR(sp_buf_view(&e.a->got), SP_STR("first"));
	T_EQ_STR(sp_buf_view(&second_owner->got), SP_STR("new"));
}
