/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our side of the gRPC interop test, on libuv. "serve ADDRESS": the service of lib/grpc_app.h; prints the
 * address it got and serves until its parent ends. "call ADDRESS": calls the same service there; exit status
 * 0 when everything came back as it should.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/alloc.h"
#include "io/uv/uv.h"
#include "lib/grpc_app.h"

#define BIG ((size_t)5 << 20)
#define N_ECHO 40u

static sp_world *world;
static grpc_app app;

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	sp_http_server_accept(app.http.server, s);
}

static void serve(const char *address)
{
	sp_listener *l = NULL;
	sp_err err = {0};
	SP_ASSERT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	SP_ASSERT(grpc_app_init(&app, world, 0, &err) == SP_OK);
	if (sp_listen(world, sp_str_c(address), NULL, on_accept, NULL, &l, &err) != SP_OK) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return;
	}
	sp_str at = sp_listener_address(l);
	(void)printf("at " SP_FMT "\n", SP_ARG(at));
	(void)fflush(stdout);
	sp_world_run(world);
}

/* ---- calls ---- */

enum { FAIL = N_ECHO, COLLECT, COUNT, CHAT, LATE, UNKNOWN, LARGE, NO_SERVICE, N_CALLS };

static sp_http_client *client;
static grpc_got got[N_CALLS];
static char big[BIG];
static sp_timer watch;
static int n_wrong;

static void wrong(size_t i, const char *what)
{
	(void)fprintf(
		stderr,
		"call %zu: %s: status %d '" SP_FMT "', head '" SP_FMT "', trailers '" SP_FMT "', %zu bytes\n",
		i, what, got[i].code, SP_ARG(sp_buf_view(&got[i].message)), SP_ARG(sp_buf_view(&got[i].head)),
		SP_ARG(sp_buf_view(&got[i].trailers)), got[i].messages.len);
	n_wrong++;
}

static void want(size_t i, int32_t code, const char *message, const char *messages)
{
	if (got[i].n_ends != 1 || got[i].code != code)
		wrong(i, "another status");
	else if (message != NULL && !sp_str_eq(sp_buf_view(&got[i].message), sp_str_c(message)))
		wrong(i, "another text");
	else if (messages != NULL && !sp_str_eq(sp_buf_view(&got[i].messages), sp_str_c(messages)))
		wrong(i, "another answer");
}

static void judge(void)
{
	for (size_t i = 0; i < N_ECHO; i++) {
		want(i, SP_RPC_OK, "", NULL);
		if (!sp_str_eq(sp_buf_view(&got[i].messages), (sp_str){big, i * 20000}))
			wrong(i, "another echo");
		sp_str head = sp_buf_view(&got[i].head); /* Go sends it in any order */
		if (sp_str_find(head, SP_STR("x-head=a b;")) < 0 ||
		    sp_str_find(head, SP_STR("x-head-bin=\1\xff;")) < 0 ||
		    !sp_str_eq(sp_buf_view(&got[i].trailers), SP_STR("x-tail-bin=\2;")))
			wrong(i, "other metadata");
	}
	want(FAIL, SP_RPC_NOT_FOUND, "nothing: 100% \xe2\x82\xac\n", "");
	want(COLLECT, SP_RPC_OK, "", "onetwothree");
	want(COUNT, SP_RPC_OK, "", "aaaa|aaaa|aaaa|");
	want(CHAT, SP_RPC_OK, "", "one|two|three|");
	want(LATE, SP_RPC_DEADLINE_EXCEEDED, "context deadline exceeded", "");
	want(UNKNOWN, SP_RPC_UNIMPLEMENTED, "unknown method Nothing for service interop.Test", "");
	want(NO_SERVICE, SP_RPC_UNIMPLEMENTED, "unknown service no.Such", "");
	want(LARGE, SP_RPC_OK, "", NULL);
	if (!sp_str_eq(sp_buf_view(&got[LARGE].messages), (sp_str){big, BIG}))
		wrong(LARGE, "another echo");
}

static void stopped(void *arg)
{
	(void)arg;
	sp_world_stop(world);
}

/* All calls end by themselves; the deadline of the last is the longest. */
static void look(sp_timer *t)
{
	static int n_looks;
	for (size_t i = 0; i < N_CALLS; i++) {
		if (got[i].n_ends == 0 && n_looks++ < 3000) {
			sp_timer_start(world, t, 10000000, look);
			return;
		}
	}
	judge();
	sp_http_client_close(client, stopped, NULL);
}

static void call(const sp_grpc_channel *ch, size_t i, const char *method, sp_str payload, bool c, bool s)
{
	static const sp_grpc_metadata md[] = {{SP_STR_INIT("x-head"), SP_STR_INIT("a b")},
					      {SP_STR_INIT("x-head-bin"), SP_STR_INIT("\1\xff")},
					      {SP_STR_INIT("x-tail-bin"), SP_STR_INIT("\2")}};
	sp_err err = {0};
	sp_grpc_rpc_opts o = {.service = i == NO_SERVICE ? SP_STR("no.Such") : SP_STR("interop.Test"),
			      .method = sp_str_c(method),
			      .payload = payload,
			      .metadata = md,
			      .n_metadata = SP_LEN(md),
			      .client_streams = c,
			      .server_streams = s,
			      .timeout_ns = i == LATE ? 200000000 : UINT64_C(20000000000)};
	grpc_got_init(&got[i]);
	if (sp_grpc_rpc_start(ch, &got[i].rpc, &o, &err) != SP_OK) {
		(void)fprintf(stderr, "%s\n", err.msg);
		n_wrong++;
	}
	for (size_t n = 0; c && n < 3; n++) {
		static const char *const texts[] = {"one", "two", "three"};
		SP_ASSERT(sp_grpc_rpc_send(&got[i].rpc, sp_str_c(texts[n]), &err) == SP_OK);
	}
	if (c)
		SP_ASSERT(sp_grpc_rpc_close_send(&got[i].rpc, &err) == SP_OK);
}

static void call_all(const char *address)
{
	sp_err err = {0};
	sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	sp_grpc_client_http(&o);
	SP_ASSERT(sp_http_client_new(world, &o, &client, &err) == SP_OK);
	static sp_grpc_channel ch;
	ch = (sp_grpc_channel){.http = client, .address = sp_str_c(address)};
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + (i >> 9));
	for (size_t i = 0; i < N_ECHO; i++)
		call(&ch, i, "Echo", (sp_str){big, i * 20000}, false, false);
	call(&ch, FAIL, "Fail", SP_STR("5 nothing: 100% \xe2\x82\xac\n"), false, false);
	call(&ch, COLLECT, "Collect", SP_STR(""), true, false);
	call(&ch, COUNT, "Count", SP_STR("3 4"), false, true);
	call(&ch, CHAT, "Chat", SP_STR(""), true, true);
	call(&ch, LATE, "Never", SP_STR(""), false, false);
	call(&ch, UNKNOWN, "Nothing", SP_STR(""), false, false);
	call(&ch, NO_SERVICE, "Echo", SP_STR(""), false, false);
	call(&ch, LARGE, "Echo", (sp_str){big, BIG}, false, false);
	sp_timer_start(world, &watch, 10000000, look);
	sp_world_run(world);
	sp_http_client_free(client);
	for (size_t i = 0; i < N_CALLS; i++)
		grpc_got_done(&got[i]);
}

int main(int argc, char **argv)
{
	sp_err err = {0};
	SP_ASSERT(argc == 3 && sp_world_uv_new(&world, &err) == SP_OK);
	if (sp_str_eq(sp_str_c(argv[1]), SP_STR("serve")))
		serve(argv[2]);
	else
		call_all(argv[2]);
	sp_world_uv_free(world);
	return n_wrong == 0 ? 0 : 1;
}
