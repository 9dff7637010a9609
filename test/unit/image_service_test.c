/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `sampan image` on a socket, with a store that is empty. */
#include "runtime/image_service.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/image_live.h"
#include "contracts/image_service.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/t.h"
#include "runtime/server.h"

typedef struct rig {
	sp_cri cri; /* nobody calls it */
	sp_world *world;
	image_helper helper;
	image_store *store;
	image_registry *registry;
	image_service *service;
	cri_server *server;
	sp_http_client *http;
	sp_grpc_channel channel;
	sp_grpc_rpc rpc;
	sp_str dir, address;
	sp_buf out, message;
	bool ended;
	int32_t code;
} rig;

static void stop(void *arg)
{
	rig *r = arg;
	sp_world_stop(r->world);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	sp_grpc_rpc_cancel(&r->rpc);
	if (r->http != NULL) {
		sp_http_client_close(r->http, stop, r);
		sp_world_run(r->world);
		sp_http_client_free(r->http);
	}
	if (r->server != NULL) {
		cri_server_close(r->server, 0, stop, r);
		sp_world_run(r->world);
		cri_server_free(r->server);
	}
	if (r->service != NULL) {
		image_service_close(r->service, stop, r);
		sp_world_run(r->world);
	}
	if (r->registry != NULL) {
		image_registry_close(r->registry, stop, r);
		sp_world_run(r->world);
	}
	if (r->store != NULL) {
		image_store_close(r->store, stop, r);
		sp_world_run(r->world);
	}
	sp_buf_done(&r->out);
	sp_buf_done(&r->message);
	sp_world_uv_free(r->world);
}

static sp_code begin(rig *r, sp_err *err)
{
	sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	const image_registry_opts registry = {.n_parallel = 1};
	*r = (rig){.dir = sp_arena_printf(T_ARENA, "%s/images", t_tmpdir()),
		   .address = sp_arena_printf(T_ARENA, "unix:%s/s", t_tmpdir())};
	sp_buf_init(&r->out, 65536);
	sp_buf_init(&r->message, 4096);
	SP_TRY(sp_world_uv_new(&r->world, err));
	T_DEFER(rig_done, r);
	image_helper_init(&r->helper, r->world, "/nonexistent");
	const image_store_opts store = {.dir = r->dir, .unpacker = &r->helper.unpacker};
	SP_TRY(image_store_open(r->world, &store, &r->store, err));
	SP_TRY(image_registry_new(r->world, &registry, &r->registry, err));
	SP_TRY(image_service_new(r->world, r->store, r->registry, r->dir, r->address, &r->service, err));
	SP_TRY(cri_server_new(r->world, &r->cri, image_service_methods(r->service), r->address, &r->server,
			      err));
	sp_grpc_client_http(&o);
	SP_TRY(sp_http_client_new(r->world, &o, &r->http, err));
	r->channel = (sp_grpc_channel){.http = r->http, .address = r->address};
	return SP_OK;
}

static void on_data(sp_grpc_rpc *rpc, sp_str payload)
{
	rig *r = rpc->arg;
	sp_image_run_response a;
	if (sp_pb_decode(&sp_image_run_response_message, payload, T_ARENA, &a, NULL) == SP_OK)
		(void)sp_buf_str(&r->out, a.out);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	rig *r = rpc->arg;
	(void)payload;
	(void)sp_buf_str(&r->message, status->message);
	r->code = status->code;
	r->ended = true;
	sp_world_stop(r->world);
}

static sp_code open_call(rig *r, sp_err *err)
{
	const sp_grpc_rpc_opts o = {.service = SP_STR(SP_IMAGE_SERVICE),
				    .method = SP_STR(SP_IMAGE_SERVICE_RUN),
				    .client_streams = true,
				    .server_streams = true};
	sp_buf_clear(&r->out);
	sp_buf_clear(&r->message);
	r->ended = false;
	r->rpc = (sp_grpc_rpc){.on_data = on_data, .on_end = on_end, .arg = r};
	return sp_grpc_rpc_start(&r->channel, &r->rpc, &o, err);
}

static sp_code send(rig *r, const sp_image_run_request *q, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_pb_encode(&sp_image_run_request_message, q, &out);
	if (sp_buf_code(&out) != SP_OK)
		return sp_fail(err, sp_buf_code(&out), "no memory");
	return sp_grpc_rpc_send(&r->rpc, sp_buf_view(&out), err);
}

static sp_code run(rig *r, sp_err *err)
{
	SP_TRY(sp_grpc_rpc_close_send(&r->rpc, err));
	while (!r->ended)
		sp_world_run(r->world);
	return SP_OK;
}

static sp_code ask(rig *r, const char *verb, sp_str *args, size_t n_args, sp_err *err)
{
	sp_image_run_request q = {.verb = sp_str_c(verb)};
	q.args.at = args;
	q.args.n = n_args;
	SP_TRY(open_call(r, err));
	SP_TRY(send(r, &q, err));
	return run(r, err);
}

static size_t n_files(rig *r)
{
	sp_dir_entry *e;
	size_t n = 0;
	sp_str dir = SP_CONCAT(T_ARENA, r->dir, SP_STR("/transfer"));
	return sp_dir_list(r->world, dir, T_ARENA, &e, &n, NULL) == SP_OK ? n : 99;
}

static void on_tick(sp_timer *t)
{
	stop(t->arg);
}

static rig the_rig;

SP_TEST(image_service, answers_of_the_verbs)
{
	static const struct {
		const char *name, *verb;
		size_t n_args;
		int32_t code;
		const char *message;
	} rows[] = {
		{"nothing to list", "list", 0, SP_RPC_OK, ""},
		{"too many arguments", "list", 1, SP_RPC_INVALID_ARGUMENT, "usage: sampan image list "},
		{"no such verb", "push", 1, SP_RPC_INVALID_ARGUMENT, "there is no verb 'push'"},
		{"several files", "import", 2, SP_RPC_INVALID_ARGUMENT, "one file at a time"},
		{"no file", "export", 0, SP_RPC_INVALID_ARGUMENT, "one file at a time"},
		{"no reference", "export", 1, SP_RPC_INVALID_ARGUMENT,
		 "usage: sampan image export FILE REFERENCE …"},
		{"no such image", "remove", 1, SP_RPC_NOT_FOUND, "there is no image 'a'"},
		{"an empty file", "import", 1, SP_RPC_INTERNAL, NULL},
		{"no name", "pull", 1, SP_RPC_INVALID_ARGUMENT, NULL},
	};
	rig *r = &the_rig;
	sp_str args[] = {SP_STR("a"), SP_STR("b")};
	sp_str no_name[] = {SP_STR("A B")};
	T_OK(begin(r, T_ERR));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		T_OK(ask(r, rows[i].verb, strcmp(rows[i].verb, "pull") == 0 ? no_name : args, rows[i].n_args,
			 T_ERR));
		if (rows[i].message != NULL)
			T_EQ_STR(sp_buf_view(&r->message), sp_str_c(rows[i].message));
		T_EQ_I64(r->code == SP_RPC_OK, rows[i].code == SP_RPC_OK);
		if (rows[i].message != NULL)
			T_EQ_I64(r->code, rows[i].code);
		T_EQ_U64(n_files(r), 0);
	}
}

SP_TEST(image_service, no_request_and_too_many)
{
	rig *r = &the_rig;
	const sp_image_run_request list = {.verb = SP_STR("list")};
	T_OK(begin(r, T_ERR));
	T_OK(open_call(r, T_ERR));
	T_OK(run(r, T_ERR));
	T_EQ_STR(sp_buf_view(&r->message), SP_STR("no request came"));
	T_OK(open_call(r, T_ERR));
	T_OK(send(r, &list, T_ERR));
	T_OK(send(r, &list, T_ERR));
	(void)run(r, T_ERR); /* the server may have ended it already */
	T_EQ_STR(sp_buf_view(&r->message), SP_STR("only an import has more than one request"));
}

/* What is no archive is refused, by the client's name of it; nothing is left. */
SP_TEST(image_service, what_is_no_archive)
{
	rig *r = &the_rig;
	sp_str name = SP_STR("/home/me/x.tar");
	static char junk[200000];
	sp_image_run_request q = {.verb = SP_STR("import")};
	q.args.at = &name;
	q.args.n = 1;
	const sp_image_run_request more = {.data = {junk, sizeof junk}};
	memset(junk, 'x', sizeof junk);
	T_OK(begin(r, T_ERR));
	T_OK(open_call(r, T_ERR));
	T_OK(send(r, &q, T_ERR));
	for (int i = 0; i < 20; i++)
		T_OK(send(r, &more, T_ERR));
	T_OK(run(r, T_ERR));
	T_TRUE(r->code != SP_RPC_OK);
	T_TRUE(sp_str_starts(sp_buf_view(&r->message), SP_STR("'/home/me/x.tar': ")));
	T_EQ_U64(n_files(r), 0);
}

/* Runs the loop until the first bytes of a file stand there, for 10 s at most. */
static bool file_stands(rig *r)
{
	sp_timer t = {.arg = r};
	uint64_t end = sp_now_ns(r->world) + UINT64_C(10000000000);
	while (n_files(r) == 0 && sp_now_ns(r->world) < end) {
		sp_timer_start(r->world, &t, 1000000, on_tick);
		sp_world_run(r->world);
	}
	return n_files(r) == 1;
}

/* The client goes in the middle of a file: the service ends, with nothing left. */
SP_TEST(image_service, a_client_that_leaves)
{
	rig *r = &the_rig;
	sp_str name = SP_STR("/x.tar");
	sp_image_run_request q = {.verb = SP_STR("import")};
	q.args.at = &name;
	q.args.n = 1;
	const sp_image_run_request more = {.data = SP_STR("some of it")};
	T_OK(begin(r, T_ERR));
	T_OK(open_call(r, T_ERR));
	T_OK(send(r, &q, T_ERR));
	T_OK(send(r, &more, T_ERR));
	T_TRUE(file_stands(r));
	sp_grpc_rpc_cancel(&r->rpc);
	cri_server_close(r->server, 0, stop, r);
	sp_world_run(r->world);
	cri_server_free(SP_TAKE(r->server));
	image_service_close(SP_TAKE(r->service), stop, r);
	sp_world_run(r->world);
	T_EQ_U64(n_files(r), 0);
}

/* What a command does with it: half a file is not left, a directory is not sent. */
SP_TEST(image_service, files_of_the_command)
{
	rig *r = &the_rig;
	cli_image_progress progress = {0};
	sp_str args[] = {sp_arena_printf(T_ARENA, "%s/out.tar", t_tmpdir()), SP_STR("a")};
	sp_image_run_request q = {.verb = SP_STR("export")};
	sp_str address;
	q.args.at = args;
	q.args.n = 2;
	T_OK(begin(r, T_ERR));
	T_OK(cli_image_live_address(r->world, r->dir, T_ARENA, &address, T_ERR));
	cli_image_live_opts o = {.address = address, .request = &q, .file = args[0], .progress = &progress};
	T_EQ_I64(cli_image_live(r->world, &o, T_ERR), SP_ENOTFOUND);
	sp_stat st;
	T_EQ_I64(sp_path_stat(r->world, args[0], &st, NULL), SP_ENOTFOUND);
	T_EQ_I64(sp_path_stat(r->world, SP_CONCAT(T_ARENA, args[0], SP_STR(".tmp")), &st, NULL),
		 SP_ENOTFOUND);
	q.verb = SP_STR("import");
	o.file = r->dir;
	T_EQ_I64(cli_image_live(r->world, &o, T_ERR), SP_EINVAL);
}
