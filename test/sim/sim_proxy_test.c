/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server passes on while connections break and hosts are parted. An answer that ended in order
 * is whole, everything ends on both sides when one side is gone, and then it works again.
 */
#include "lib/fake_kubelet.h"
#include "lib/t.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define PODS "/api/v1/namespaces/default/pods/"
#define N_ROUNDS 60u
#define N_ASKED 8u /* at once */
#define PAYLOAD_BYTES 300000u

typedef struct asked {
	sp_http_exchange *ex;
	sp_stream *s;
	uint16_t status;
	bool has_payload;
	size_t n; /* bytes of the answer */
	size_t n_wrong, n_done;
	sp_write req;
} asked;

typedef struct sim {
	t_kubelet *k;
	asked all[N_ASKED];
	sp_bytes *payload;
} sim;

static void on_written(sp_write *req, sp_code code)
{
	(void)req, (void)code;
}

static void stream_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)bytes;
	((asked *)arg)->n += n;
}

static void stream_over(void *arg)
{
	sp_stream_close(((asked *)arg)->s);
}

static void stream_error(void *arg, const sp_err *err)
{
	(void)err;
	stream_over(arg);
}

static void stream_close(void *arg)
{
	((asked *)arg)->s = NULL;
}

static const sp_stream_handler stream_handler = {stream_data, stream_over, stream_error, stream_close};

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	static const char text[] = "there and back";
	asked *a = ex->arg;
	a->s = s;
	sp_stream_handle(s, &stream_handler, a);
	sp_stream_read(s, true);
	a->req = (sp_write){.n_iov = 1, .iov = {{text, sizeof text}}, .done = on_written};
	sp_stream_write(s, &a->req);
}

static void on_response(sp_http_exchange *ex)
{
	((asked *)ex->arg)->status = ex->status;
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	stream_data(ex->arg, bytes, n);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	asked *a = ex->arg;
	a->ex = NULL;
	a->n_done++;
	if (err == NULL && a->status == 200 && a->has_payload && a->n < PAYLOAD_BYTES)
		a->n_wrong++;
}

static const sp_http_events events = {
	.on_response = on_response, .on_body = on_body, .on_tunnel = on_tunnel, .on_close = on_close};

static void start(sim *m, asked *a)
{
	static const struct {
		const char *method, *path, *protocol;
		bool payload;
	} kinds[] = {
		{"GET", PODS "p/log", "", false},
		{"POST", PODS "p/proxy/x", "", true},
		{"POST", PODS "p/portforward", "SPDY/3.1", false},
		{"GET", PODS "p/proxy/ws", "something", false},
		{"GET", "/api/v1/nodes/n/proxy/healthz", "", false},
	};
	size_t i = (size_t)t_random_below(SP_LEN(kinds));
	sp_http_request q = {.address = SP_STR("server:80"),
			     .method = sp_str_c(kinds[i].method),
			     .path = sp_str_c(kinds[i].path),
			     .protocol = sp_str_c(kinds[i].protocol),
			     .body = kinds[i].payload ? m->payload : NULL};
	a->status = 0;
	a->n = 0;
	a->has_payload = kinds[i].payload;
	if (sp_http_request_start(m->k->asker->api.maker.http, &q, &events, a, &a->ex, t_err()) != SP_OK)
		a->ex = NULL;
}

static void disturb(sim *m)
{
	t_api *api = &m->k->asker->api;
	sp_sim_host *ends[] = {m->k->host, api->maker.host};
	sp_sim_host *end = ends[t_random_below(2)];
	asked *a = &m->all[t_random_below(N_ASKED)];
	uint64_t how = t_random_below(5);
	if (how == 0) {
		sp_sim_reset_streams(api->host, end);
	} else if (how == 1) {
		sp_sim_part(api->host, end);
		sp_sim_run_until(api->sim, sp_sim_now_ns(api->sim) + t_random_below(40 * SECOND));
		sp_sim_heal(api->host, end);
	} else if (how == 2 && a->ex != NULL) {
		sp_http_reset(a->ex, SP_HTTP2_CANCEL);
	} else if (how == 3 && a->s != NULL) {
		sp_stream_shutdown(a->s);
	} else if (how == 4 && a->s != NULL) {
		sp_stream_close(a->s);
	}
}

static bool is_over(void *arg)
{
	sim *m = arg;
	for (size_t i = 0; i < N_ASKED; i++) {
		if (m->all[i].ex != NULL || m->all[i].s != NULL)
			return false;
	}
	return m->k->n_tunnels == 0;
}

static void payload_done(void *arg)
{
	sp_bytes_unref(((sim *)arg)->payload);
}

static void tunnels_done(void *arg)
{
	sim *m = arg;
	for (size_t i = 0; i < N_ASKED; i++) {
		if (m->all[i].s != NULL)
			sp_stream_close(m->all[i].s);
	}
}

SP_TEST(sim_proxy, what_breaks_ends_and_what_ends_is_whole)
{
	static const t_req again = {.method = "GET", .path = PODS "p/log", .within_ns = 30 * SECOND};
	static char zeros[PAYLOAD_BYTES];
	sim *m = sp_new(T_ARENA, sim, 1);
	m->k = t_kubelet_open();
	if (m->k == NULL)
		return;
	m->payload = sp_bytes_try_dup((sp_str){zeros, sizeof zeros});
	t_defer(payload_done, m);
	t_defer(tunnels_done, m);
	sp_sim *s = m->k->asker->api.sim;
	for (unsigned round = 0; round < N_ROUNDS && m->payload != NULL; round++) {
		for (size_t i = 0; i < N_ASKED; i++) {
			if (m->all[i].ex == NULL && m->all[i].s == NULL)
				start(m, &m->all[i]);
		}
		sp_sim_run_until(s, sp_sim_now_ns(s) + t_random_below(200 * MS));
		disturb(m);
	}
	/* The clients go; nobody may stay behind on the other side. */
	sp_sim_run_until(s, sp_sim_now_ns(s) + SECOND);
	for (size_t i = 0; i < N_ASKED; i++) {
		if (m->all[i].ex != NULL)
			sp_http_reset(m->all[i].ex, SP_HTTP2_CANCEL);
		if (m->all[i].s != NULL)
			sp_stream_close(m->all[i].s);
	}
	T_TRUE(sp_sim_run(s, is_over, m, sp_sim_now_ns(s) + 100 * SECOND));
	for (size_t i = 0; i < N_ASKED; i++) {
		T_EQ_U64(m->all[i].n_wrong, 0);
		T_TRUE(m->all[i].n_done > 1);
	}
	t_ask_one(m->k->asker, &again, 200, "GET /containerLogs/default/p/c\n*");
}
