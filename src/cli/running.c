/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/running.h"

#include "io/stream.h"
#include "io/uv/uv.h"

#define STATE_BYTES_MAX ((size_t)64 << 10)
#define TIMEOUT_NS UINT64_C(5000000000)

typedef struct asking {
	sp_world *world;
	sp_connect_req req;
	sp_stream *stream;
	sp_buf text;
	sp_peer_cred peer;
	sp_code code;
	sp_err *err;
} asking;

static void end(asking *q, sp_code code)
{
	q->code = code;
	sp_stream_close(q->stream);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)sp_buf_append(&((asking *)arg)->text, bytes, n); /* sticky */
}

static void on_end(void *arg)
{
	asking *q = arg;
	end(q, sp_buf_code(&q->text));
}

static void on_error(void *arg, const sp_err *err)
{
	asking *q = arg;
	*q->err = *err;
	end(q, err->code);
}

static void on_close(void *arg)
{
	sp_world_stop(((asking *)arg)->world);
}

static void on_connect(sp_connect_req *req, sp_stream *stream, const sp_err *err)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};
	asking *q = req->arg;
	if (stream == NULL) {
		*q->err = *err;
		q->code = err->code;
		sp_world_stop(q->world);
		return;
	}
	q->stream = stream;
	sp_stream_handle(stream, &handler, q);
	sp_code code = sp_stream_peer_cred(stream, &q->peer, q->err);
	if (code != SP_OK)
		end(q, code);
	else
		sp_stream_read(stream, true);
}

static sp_code ask(asking *q, sp_arena *a, sp_str run_dir)
{
	sp_str address = sp_arena_printf(a, "unix:" SP_FMT "/supervisor.sock", SP_ARG(run_dir));
	SP_TRY(sp_connect(q->world, &q->req, address, TIMEOUT_NS, q->err));
	sp_world_run(q->world);
	return q->code;
}

sp_code cli_running_find(sp_arena *a, sp_str run_dir, cli_running *ret, sp_err *err)
{
	asking q = {.req = {.done = on_connect, .arg = &q}, .err = err};
	yyjson_val *root = NULL;
	SP_TRY(sp_world_uv_new(&q.world, err));
	sp_buf_init(&q.text, STATE_BYTES_MAX);
	sp_code code = ask(&q, a, run_dir);
	sp_world_uv_free(q.world);
	if (code == SP_OK)
		code = sp_json_parse(a, sp_arena_try_dup(a, sp_buf_view(&q.text)), &root, err);
	sp_buf_done(&q.text);
	if (code == SP_ENOTFOUND || code == SP_EUNAVAILABLE)
		return sp_fail(err, SP_ENOTFOUND, "no sampan runs here (nobody answers in '" SP_FMT "')",
			       SP_ARG(run_dir));
	SP_TRY(code);
	*ret = (cli_running){q.peer.pid, yyjson_obj_get(root, "roles")};
	return SP_OK;
}
