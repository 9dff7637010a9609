/* SPDX-License-Identifier: Apache-2.0 */
/* Round trips of 100 bytes over loopback TCP, plain and with TLS, connections accepted, bulk bytes, signing.
 */
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "io/tls.h"
#include "io/uv/uv.h"

#define CLIENTS 32
#define MESSAGE_BYTES 100
#define RUN_NS UINT64_C(1000000000)

typedef struct end {
	sp_stream *stream;
	sp_write req;
	sp_tls_req tls;
	sp_connect_req connect;
	uint8_t *bytes;
	size_t n_bytes, got;
	bool client, writing;
} end;

static sp_world *world;
static sp_listener *listener;
static sp_tls_config *server_config, *client_config;
static uint64_t n_trips, n_bytes;
static bool tls, bulk, accepting;
static end clients[CLIENTS];

static double now_s(clockid_t clock)
{
	struct timespec ts;
	SP_ASSERT(clock_gettime(clock, &ts) == 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void written(sp_write *req, sp_code code)
{
	end *e = req->arg;
	e->writing = false;
	if (code != SP_OK || !bulk || !e->client)
		return;
	e->writing = true;
	sp_stream_write(e->stream, &e->req);
}

static void send_message(end *e)
{
	if (e->writing)
		return;
	e->writing = true;
	e->req = (sp_write){.n_iov = 1, .done = written, .arg = e};
	e->req.iov[0] = (sp_iov){e->bytes, e->n_bytes};
	sp_stream_write(e->stream, &e->req);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	end *e = arg;
	(void)bytes;
	n_bytes += n;
	e->got += n;
	if (bulk || e->got < MESSAGE_BYTES)
		return;
	e->got -= MESSAGE_BYTES;
	n_trips += e->client ? 1 : 0;
	send_message(e);
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err);

static void on_end(void *arg)
{
	end *e = arg;
	sp_stream_close(e->stream);
	if (accepting && e->client) {
		n_trips++;
		SP_ASSERT(sp_connect(world, &e->connect, sp_listener_address(listener), 0, NULL) == SP_OK);
	}
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	sp_stream_close(((end *)arg)->stream);
}

static void on_close(void *arg)
{
	end *e = arg;
	if (!e->client) {
		sp_free(e->bytes);
		sp_free(e);
	}
}

static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};

static void ready(end *e, sp_stream *s)
{
	SP_ASSERT(s != NULL);
	e->stream = s;
	e->got = 0;
	sp_stream_handle(s, &handler, e);
	sp_stream_read(s, true);
	if (accepting && !e->client)
		sp_stream_close(s);
	else if (!accepting && e->client)
		send_message(e);
}

static void on_tls(sp_tls_req *r, sp_stream *s, const sp_err *err)
{
	if (s == NULL) { /* the end of the run struck in the middle */
		SP_ASSERT(err->code == SP_ECANCELED || err->code == SP_EPROTO);
		on_close(r->arg);
		return;
	}
	ready(r->arg, s);
}

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	end *e = SP_NEW(end);
	e->n_bytes = MESSAGE_BYTES;
	e->bytes = sp_alloc(e->n_bytes);
	e->tls = (sp_tls_req){.done = on_tls, .arg = e};
	if (!tls)
		ready(e, s);
	else
		SP_ASSERT(sp_tls_accept(&e->tls, s, server_config, NULL) == SP_OK);
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	end *e = r->arg;
	SP_ASSERT(err->code == SP_OK);
	e->tls = (sp_tls_req){.done = on_tls, .arg = e};
	if (!tls)
		ready(e, s);
	else
		SP_ASSERT(sp_tls_connect(&e->tls, s, client_config, SP_STR("127.0.0.1"), NULL) == SP_OK);
}

static void stop(sp_timer *t)
{
	(void)t;
	sp_world_stop(world);
}

static void run(size_t n_clients, size_t n)
{
	static sp_timer timer;
	/* Ports of closed connections rest for a second: fewer than there are must do. */
	uint64_t run_ns = accepting ? RUN_NS / 5 : RUN_NS;
	SP_ASSERT(sp_world_uv_new(&world, NULL) == SP_OK);
	SP_ASSERT(sp_listen(world, SP_STR("127.0.0.1:0"), NULL, on_accept, NULL, &listener, NULL) == SP_OK);
	for (size_t i = 0; i < n_clients; i++) {
		clients[i] = (end){.client = true, .n_bytes = n, .bytes = sp_alloc(n)};
		clients[i].connect = (sp_connect_req){.done = on_connected, .arg = &clients[i]};
		SP_ASSERT(sp_connect(world, &clients[i].connect, sp_listener_address(listener), 0, NULL) ==
			  SP_OK);
	}
	sp_timer_start(world, &timer, run_ns / 5, stop);
	sp_world_run(world); /* warm */
	n_trips = n_bytes = 0;
	sp_timer_start(world, &timer, run_ns, stop);
	double start = now_s(CLOCK_MONOTONIC);
	sp_world_run(world);
	double seconds = now_s(CLOCK_MONOTONIC) - start;
	n_trips = (uint64_t)((double)n_trips / seconds);
	n_bytes = (uint64_t)((double)n_bytes / seconds);
	accepting = false;
	sp_world_uv_free(world);
	for (size_t i = 0; i < n_clients; i++)
		sp_free(clients[i].bytes);
}

static void configs(void)
{
	static const sp_str ips[] = {SP_STR_INIT("127.0.0.1")};
	struct timespec ts;
	SP_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	sp_x509_template t = {.common_name = SP_STR("CA"),
			      .ips = ips,
			      .n_ips = 1,
			      .not_before_s = ts.tv_sec - 60,
			      .not_after_s = ts.tv_sec + 3600,
			      .usages = SP_X509_CA};
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF ca_pem;
	SP_AUTO_BUF pem;
	SP_AUTO_BUF key_pem;
	sp_x509_ca *ca = NULL;
	sp_buf_init(&ca_pem, 1 << 16);
	sp_buf_init(&pem, (size_t)1 << 30);
	sp_buf_init(&key_pem, 1 << 16);
	SP_ASSERT(sp_key_new(&key, NULL) == SP_OK);
	SP_ASSERT(sp_key_print(key, &key_pem, NULL) == SP_OK);
	SP_ASSERT(sp_x509_issue(&t, key, NULL, &ca_pem, NULL) == SP_OK);
	SP_ASSERT(sp_x509_ca_new(sp_buf_view(&ca_pem), key, &ca, NULL) == SP_OK);
	t.usages = SP_X509_SERVER | SP_X509_CLIENT;
	t.common_name = SP_STR("server");
	double start = now_s(CLOCK_PROCESS_CPUTIME_ID); /* the budget is per core */
	const size_t n = 5000;
	for (size_t i = 0; i < n; i++) {
		sp_buf_clear(&pem);
		SP_ASSERT(sp_x509_issue(&t, key, ca, &pem, NULL) == SP_OK);
	}
	printf("bench x509_issue_p256 %.0f certificates/cpu-s peer=none\n",
	       (double)n / (now_s(CLOCK_PROCESS_CPUTIME_ID) - start));
	SP_ASSERT(sp_tls_server_config(
			  &(sp_tls_opts){.cert_pem = sp_buf_view(&pem), .key_pem = sp_buf_view(&key_pem)},
			  &server_config, NULL) == SP_OK);
	SP_ASSERT(sp_tls_client_config(&(sp_tls_opts){.ca_pem = sp_buf_view(&ca_pem)}, &client_config,
				       NULL) == SP_OK);
	sp_x509_ca_free(ca);
}

int main(void)
{
	configs();
	for (int with_tls = 0; with_tls < 2; with_tls++) {
		const char *kind = with_tls ? "tls" : "tcp";
		tls = with_tls != 0;
		run(1, MESSAGE_BYTES);
		printf("bench io_%s_echo_1_client %llu roundtrips/s peer=none\n", kind,
		       (unsigned long long)n_trips);
		run(CLIENTS, MESSAGE_BYTES);
		printf("bench io_%s_echo_%d_clients %llu roundtrips/s peer=none\n", kind, CLIENTS,
		       (unsigned long long)n_trips);
		bulk = true;
		run(1, (size_t)1 << 20);
		bulk = false;
		printf("bench io_%s_bulk %llu MB/s peer=none\n", kind,
		       (unsigned long long)(n_bytes / 1000000));
	}
	tls = false;
	accepting = true;
	run(CLIENTS, MESSAGE_BYTES);
	printf("bench io_tcp_connect_accept_close %llu connections/s peer=none\n",
	       (unsigned long long)n_trips);
	(void)sp_tls_config_unref(server_config);
	(void)sp_tls_config_unref(client_config);
	return 0;
}
