/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_live.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/grpc.h"
#include "io/tls/x509.h"

#define ADDRESS_BYTES 256u
#define MESSAGE_BYTES ((size_t)5 << 20) /* out: a whole listing */
#define ARENA_BYTES ((size_t)16 << 20)

typedef struct live {
	sp_world *world;
	const cli_image_live_opts *o;
	sp_http_client *http;
	sp_grpc_channel channel;
	sp_grpc_rpc rpc;
	sp_arena arena;
	sp_file *file;
	uint64_t offset;
	bool sends, sent;
	sp_str temp; /* what is written until it is whole */
	bool over;
	sp_code code;
	sp_err *err;
} live;

sp_code cli_image_live_address(sp_world *w, sp_str images_dir, sp_arena *a, sp_str *ret, sp_err *err)
{
	sp_str path = SP_CONCAT(a, images_dir, SP_STR("/" SP_IMAGE_SERVICE_FILE));
	return sp_file_read_arena(w, path, a, ADDRESS_BYTES, ret, err);
}

static void stop(live *l, sp_code code)
{
	l->over = true;
	l->code = code;
	sp_grpc_rpc_cancel(&l->rpc);
	sp_world_stop(l->world);
}

/* ---- out ---- */

static sp_code send(live *l, const sp_image_run_request *q)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, MESSAGE_BYTES);
	sp_pb_encode(&sp_image_run_request_message, q, &out);
	sp_code code = sp_buf_code(&out);
	if (code != SP_OK)
		code = sp_fail(l->err, code, "the request is too long");
	else
		code = sp_grpc_rpc_send(&l->rpc, sp_buf_view(&out), l->err);
	sp_buf_cleanse(&out);
	return code;
}

/* Blocks for the disk: there is nothing else that this process could do. */
static sp_code send_part(live *l)
{
	static char part[SP_IMAGE_DATA_BYTES];
	size_t n;
	SP_TRY(sp_file_pread(l->file, l->offset, part, sizeof part, &n, l->err));
	const sp_image_run_request more = {.data = {part, n}};
	if (n > 0)
		SP_TRY(send(l, &more));
	l->offset += n;
	l->sent = n < sizeof part;
	return l->sent ? sp_grpc_rpc_close_send(&l->rpc, l->err) : SP_OK;
}

static void pump(live *l)
{
	while (l->sends && !l->sent && !l->over && sp_grpc_rpc_is_open(&l->rpc) &&
	       !sp_grpc_rpc_is_full(&l->rpc)) {
		sp_code code = send_part(l);
		if (code == SP_ECANCELED) /* it is over: on_end says why */
			return;
		if (code != SP_OK)
			stop(l, code);
	}
}

static void on_writable(sp_grpc_rpc *rpc)
{
	pump(rpc->arg);
}

/* ---- in ---- */

static void show_step(live *l, const sp_image_step *s)
{
	const image_progress p = {.stage = (image_stage)s->stage,
				  .digest = s->digest,
				  .i_layer = s->i_layer,
				  .n_layers = s->n_layers,
				  .done_bytes = s->done_bytes,
				  .total_bytes = s->total_bytes};
	cli_image_progress_event(l->o->progress, s->reference, &p, sp_now_ns(l->world));
}

static sp_code take(live *l, sp_str payload, sp_arena *a)
{
	sp_image_run_response r;
	SP_TRY(sp_pb_decode(&sp_image_run_response_message, payload, a, &r, l->err));
	if (r.step != NULL)
		show_step(l, r.step);
	if (r.out.len > 0 && fwrite(r.out.ptr, 1, r.out.len, stdout) != r.out.len)
		return sp_fail(l->err, SP_EIO, "standard output can't be written");
	if (r.data.len > 0 && l->temp.len == 0)
		return sp_fail(l->err, SP_EPROTO, "the runtime sends a file that nobody asked for");
	if (r.data.len > 0)
		SP_TRY(sp_file_pwrite(l->file, l->offset, r.data.ptr, r.data.len, l->err));
	l->offset += r.data.len;
	return SP_OK;
}

static void on_data(sp_grpc_rpc *rpc, sp_str payload)
{
	live *l = rpc->arg;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES);
	sp_code code = take(l, payload, &a);
	sp_arena_done(&a);
	if (code != SP_OK)
		stop(l, code);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	live *l = rpc->arg;
	(void)payload;
	sp_code code = status->code == SP_RPC_OK ? SP_OK
						 : sp_fail(l->err, sp_code_of_grpc((uint32_t)status->code),
							   SP_FMT, SP_ARG(status->message));
	if (code == SP_OK && l->temp.len > 0)
		code = sp_file_sync(l->file, false, l->err);
	if (code == SP_OK && l->temp.len > 0)
		code = sp_path_rename(l->world, l->temp, l->o->file, l->err);
	if (code == SP_OK)
		l->temp = (sp_str){NULL, 0};
	stop(l, code);
}

/* ---- the whole ---- */

static sp_code open_file(live *l)
{
	sp_str verb = l->o->request->verb;
	sp_stat st;
	if (sp_str_eq(verb, SP_STR("export"))) {
		l->temp = SP_CONCAT(&l->arena, l->o->file, SP_STR(".tmp"));
		if (l->temp.ptr == NULL)
			return sp_fail(l->err, SP_ENOMEM, "no memory for a path");
		return sp_file_open(l->world, l->temp, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_TRUNCATE,
				    0644, &l->file, l->err);
	}
	l->sends = sp_str_eq(verb, SP_STR("import"));
	if (!l->sends)
		return SP_OK;
	SP_TRY(sp_file_open(l->world, l->o->file, SP_FILE_READ, 0, &l->file, l->err));
	SP_TRY(sp_file_stat(l->file, &st, l->err));
	if (st.type != SP_TYPE_FILE)
		return sp_fail(l->err, SP_EINVAL,
			       "'" SP_FMT
			       "' is no file: a runtime has the images, and is given a tar of a directory",
			       SP_ARG(l->o->file));
	return SP_OK;
}

static sp_code begin(live *l)
{
	sp_http_client_opts http = {.connector = &sp_http_connector_plain};
	sp_grpc_client_http(&http);
	SP_TRY(open_file(l));
	SP_TRY(sp_http_client_new(l->world, &http, &l->http, l->err));
	l->channel = (sp_grpc_channel){.http = l->http, .address = l->o->address};
	l->rpc = (sp_grpc_rpc){.on_data = on_data, .on_writable = on_writable, .on_end = on_end, .arg = l};
	const sp_grpc_rpc_opts call = {.service = SP_STR(SP_IMAGE_SERVICE),
				       .method = SP_STR(SP_IMAGE_SERVICE_RUN),
				       .client_streams = true,
				       .server_streams = true};
	SP_TRY(sp_grpc_rpc_start(&l->channel, &l->rpc, &call, l->err));
	SP_TRY(send(l, l->o->request));
	if (!l->sends)
		return sp_grpc_rpc_close_send(&l->rpc, l->err);
	pump(l);
	return SP_OK;
}

static void on_closed(void *arg)
{
	live *l = arg;
	sp_http_client_free(SP_TAKE(l->http));
	sp_world_stop(l->world);
}

sp_code cli_image_live(sp_world *w, const cli_image_live_opts *opts, sp_err *err)
{
	live l = {.world = w, .o = opts, .err = err};
	sp_arena_init(&l.arena, ARENA_BYTES);
	sp_code code = begin(&l);
	if (code != SP_OK && !l.over)
		stop(&l, code);
	while (!l.over)
		sp_world_run(w);
	sp_file_close(l.file);
	if (l.temp.len > 0)
		(void)!sp_path_unlink(w, l.temp, NULL); /* half a file is worth nothing */
	if (l.http != NULL)
		sp_http_client_close(l.http, on_closed, &l);
	while (l.http != NULL)
		sp_world_run(w);
	sp_arena_done(&l.arena);
	return l.code;
}
