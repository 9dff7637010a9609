/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/messages.h"
#include "keys/remote_int.h"

sp_code remote_channel_open(sp_world *w, sp_str path, remote_channel *c, sp_err *err)
{
	sp_http_client_opts opts = {.connector = &sp_http_connector_plain};
	*c = (remote_channel){0};
	sp_buf_init(&c->address, 4200);
	(void)sp_str_take(&path, SP_STR("unix://"));
	if (!sp_str_starts(path, SP_STR("/")))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no absolute path of a socket", SP_ARG(path));
	(void)sp_buf_str(&c->address, SP_STR("unix:"));
	if (sp_buf_str(&c->address, path) != SP_OK)
		return sp_fail(err, SP_EINVAL, "the path of the socket is too long");
	sp_grpc_client_http(&opts);
	SP_TRY(sp_http_client_new(w, &opts, &c->http, err));
	c->channel = (sp_grpc_channel){
		.http = c->http, .address = sp_buf_view(&c->address), .message_bytes = KEYS_MESSAGE_BYTES};
	return SP_OK;
}

typedef struct closing {
	sp_world *world;
	bool done;
} closing;

static void on_closed(void *arg)
{
	closing *x = arg;
	x->done = true;
	sp_world_stop(x->world);
}

void remote_channel_done(sp_world *w, remote_channel *c)
{
	closing x = {.world = w};
	if (c->http != NULL) {
		sp_http_client_close(c->http, on_closed, &x);
		while (!x.done)
			sp_world_run(w);
		sp_http_client_free(c->http);
	}
	sp_buf_done(&c->address);
}

void remote_status(const sp_grpc_status *status, sp_err *err)
{
	(void)sp_fail(err, sp_code_of_grpc((uint32_t)status->code), SP_FMT, SP_ARG(status->message));
}
