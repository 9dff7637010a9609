/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unary calls per second over a unix socket, one at a time and 64 at a time, and processor time per call of
 * server and client, which are a process each. The peer is any server of "interop.Test/Echo", called by the
 * same client: PEER_GRPC names a program that serves it when run with "serve unix:PATH", like
 * test/interop/grpc (grpc-go).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/grpc.h"
#include "io/uv/uv.h"

#define N_MAX 64u
#define PAYLOAD 100u

static char dir[] = "/tmp/bench_grpc_XXXXXX";
static char address[100];

static double cpu_us(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e6 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

/* ---- the server ---- */

static sp_http_server *http;

static void echo(void *arg, sp_grpc_call *call, sp_str payload)
{
	(void)arg;
	sp_grpc_call_finish(call, NULL, payload);
}

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	sp_http_server_accept(http, s);
}

static void serve(void)
{
	static const sp_grpc_method methods[] = {{SP_STR_INIT("Echo"), .on_call = echo}};
	static const sp_grpc_service service = {SP_STR_INIT("interop.Test"), methods, SP_LEN(methods), NULL};
	sp_grpc_server_opts o = {.services = &service, .n_services = 1};
	sp_http_server_opts ho = {0};
	sp_grpc_server *server = NULL;
	sp_listener *l = NULL;
	sp_world *w = NULL;
	SP_ASSERT(sp_world_uv_new(&w, NULL) == SP_OK && sp_grpc_server_new(w, &o, &server, NULL) == SP_OK);
	sp_grpc_server_http(server, &ho);
	SP_ASSERT(sp_http_server_new(w, &ho, &http, NULL) == SP_OK &&
		  sp_listen(w, sp_str_c(address), NULL, on_accept, NULL, &l, NULL) == SP_OK);
	sp_world_run(w);
	_exit(0);
}

/* ---- the client ---- */

static sp_world *world;
static sp_grpc_channel channel;
static size_t n_left, n_open;
static char payload[PAYLOAD];

static void call(sp_grpc_rpc *rpc)
{
	sp_grpc_rpc_opts o = {.service = SP_STR("interop.Test"),
			      .method = SP_STR("Echo"),
			      .payload = {payload, PAYLOAD},
			      .timeout_ns = UINT64_C(20000000000)};
	n_left--;
	n_open++;
	SP_ASSERT(sp_grpc_rpc_start(&channel, rpc, &o, NULL) == SP_OK);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *st, sp_str answer)
{
	if (st->code != SP_RPC_OK || answer.len != PAYLOAD) {
		(void)fprintf(stderr, "status %d: " SP_FMT "\n", st->code, SP_ARG(st->message));
		exit(1);
	}
	n_open--;
	if (n_left > 0)
		call(rpc);
	else if (n_open == 0)
		sp_world_stop(world);
}

static void run(size_t concurrent, size_t n)
{
	static sp_grpc_rpc rpcs[N_MAX];
	n_left = n;
	for (size_t i = 0; i < concurrent; i++) {
		rpcs[i].on_end = on_end;
		call(&rpcs[i]);
	}
	sp_world_run(world);
}

static bool wait_for(const char *path)
{
	struct stat st;
	struct timespec pause = {.tv_nsec = 10000000};
	for (int i = 0; i < 300; i++) {
		if (stat(path, &st) == 0)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

typedef struct figures {
	double rate, server_us, client_us;
} figures;

static figures measure(const char *peer, size_t concurrent, size_t n)
{
	struct rusage server = {0}, before = {0}, after = {0};
	struct timespec t0, t1;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (peer == NULL)
			serve();
		(void)execl(peer, peer, "serve", address, (char *)NULL);
		_exit(127);
	}
	SP_ASSERT(wait_for(address + 5) && sp_world_uv_new(&world, NULL) == SP_OK);
	sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	sp_grpc_client_http(&o);
	SP_ASSERT(sp_http_client_new(world, &o, &channel.http, NULL) == SP_OK);
	run(concurrent, 1000);
	(void)getrusage(RUSAGE_SELF, &before);
	(void)clock_gettime(CLOCK_MONOTONIC, &t0);
	run(concurrent, n);
	(void)clock_gettime(CLOCK_MONOTONIC, &t1);
	(void)getrusage(RUSAGE_SELF, &after);
	(void)kill(pid, SIGKILL);
	SP_ASSERT(wait4(pid, &status, 0, &server) == pid && unlink(address + 5) == 0);
	double s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
	sp_http_client_close(channel.http, NULL, NULL); /* the process ends with it */
	return (figures){(double)n / s, cpu_us(&server) / (double)(n + 1000),
			 (cpu_us(&after) - cpu_us(&before)) / (double)n};
}

static void print(const char *what, size_t concurrent, double ours, double theirs, const char *unit)
{
	if (theirs > 0)
		(void)printf("bench grpc_unary_%zu_%s %.2f %s peer=grpc-server %.2f ratio=%.2f\n", concurrent,
			     what, ours, unit, theirs, ours / theirs);
	else
		(void)printf("bench grpc_unary_%zu_%s %.2f %s peer=none\n", concurrent, what, ours, unit);
}

static void report(size_t concurrent, size_t n)
{
	const char *peer = getenv("PEER_GRPC");
	figures ours = measure(NULL, concurrent, n), theirs = {0};
	if (peer != NULL)
		theirs = measure(peer, concurrent, n);
	print("rate", concurrent, ours.rate, theirs.rate, "calls/s");
	print("server_cpu", concurrent, ours.server_us, theirs.server_us, "us");
	print("client_cpu", concurrent, ours.client_us, 0, "us");
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	memset(payload, 'p', sizeof payload);
	(void)snprintf(address, sizeof address, "unix:%s/s", dir);
	channel.address = sp_str_c(address);
	report(1, 20000);
	report(N_MAX, 200000);
	return rmdir(dir);
}
