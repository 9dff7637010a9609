/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fake_kubelet.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/spdy/remote.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define BIG_BYTES ((size_t)64 << 20)
#define PIECE_BYTES ((size_t)64 << 10)
#define BODY_BYTES_MAX ((size_t)16 << 20)

/* ---- answers ---- */

static void respond(sp_http_exchange *ex, uint16_t status, const char *name, const char *value, sp_str body)
{
	const sp_http_header h = {sp_str_c(name), sp_str_c(value)};
	if (sp_http_respond(ex, status, &h, 1, body, NULL) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static void tell_back(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 2 * BODY_BYTES_MAX);
	if (err != NULL) {
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	(void)sp_buf_printf(&out, SP_FMT " " SP_FMT "\n", SP_ARG(ex->method), SP_ARG(ex->path));
	for (uint32_t i = 0; i < ex->headers.n; i++)
		(void)sp_buf_printf(&out, SP_FMT ": " SP_FMT "\n", SP_ARG(ex->headers.at[i].name),
				    SP_ARG(ex->headers.at[i].value));
	(void)sp_buf_str(&out, body);
	respond(ex, 200, "content-type", "text/plain", sp_buf_view(&out));
}

/* The number behind "/s" in the path; 0: none. */
static uint16_t status_of(sp_str path)
{
	ptrdiff_t at = sp_str_find(path, SP_STR("/s"));
	char text[4] = {0};
	if (at < 0 || (size_t)at + 5 > path.len)
		return 0;
	memcpy(text, path.ptr + at + 2, 3);
	long n = strtol(text, NULL, 10);
	return n >= 200 && n < 600 ? (uint16_t)n : 0;
}

static void send_big(sp_http_exchange *ex)
{
	static const char piece[PIECE_BYTES];
	t_kubelet *k = ex->arg;
	while (k->n_big < BIG_BYTES && !sp_http_is_full(ex)) {
		if (sp_http_write(ex, (sp_str){piece, sizeof piece}, NULL) != SP_OK)
			return;
		k->n_big += sizeof piece;
		k->queued_max = SP_MAX(k->queued_max, sp_http_queued(ex));
	}
	if (k->n_big == BIG_BYTES)
		(void)sp_http_end(ex, NULL, 0, NULL);
}

/* ---- upgrades ---- */

typedef struct tunnel {
	t_kubelet *k;
	sp_stream *s;
	sp_spdy *spdy;
	sp_remote_collect collect;
	size_t n_streams;
	bool spdy_gone, told;
} tunnel;

typedef struct piece {
	sp_write req;
	tunnel *t;
	char bytes[];
} piece;

static void tunnel_over(tunnel *t)
{
	t->k->n_tunnels--;
	sp_free(t);
}

static void on_written(sp_write *req, sp_code code)
{
	(void)code;
	sp_free(SP_CONTAINER_OF(req, piece, req));
}

static void write_to(sp_stream *s, const void *bytes, size_t n)
{
	piece *p = sp_try_alloc(sizeof *p + n);
	if (p == NULL)
		return;
	memcpy(p->bytes, bytes, n);
	p->req = (sp_write){.n_iov = 1, .iov = {{p->bytes, n}}, .done = on_written};
	sp_stream_write(s, &p->req);
}

static void echo_data(void *arg, const uint8_t *bytes, size_t n)
{
	tunnel *t = arg;
	write_to(t->s, bytes, n);
}

static void echo_end(void *arg)
{
	tunnel *t = arg;
	sp_stream_shutdown(t->s);
	sp_stream_close(t->s);
}

static void echo_error(void *arg, const sp_err *err)
{
	tunnel *t = arg;
	(void)err;
	sp_stream_close(t->s);
}

static void echo_close(void *arg)
{
	tunnel_over(arg);
}

static const sp_stream_handler echo_handler = {echo_data, echo_end, echo_error, echo_close};

/* ---- a command ---- */

static void command_maybe_over(tunnel *t)
{
	if (t->spdy_gone && t->n_streams == 0)
		tunnel_over(t);
}

static void command_finish(tunnel *t)
{
	if (t->told)
		return;
	t->told = true;
	static const sp_str status = SP_STR_INIT("{\"metadata\":{},\"status\":\"Success\"}");
	sp_remote_streams *g = &t->collect.got;
	write_to(g->error, status.ptr, status.len);
	sp_stream *all[] = {g->out, g->err, g->error};
	for (size_t i = 0; i < SP_LEN(all); i++) {
		if (all[i] != NULL)
			sp_stream_shutdown(all[i]);
	}
}

static void command_data(void *arg, const uint8_t *bytes, size_t n)
{
	tunnel *t = arg;
	if (t->collect.got.out != NULL)
		write_to(t->collect.got.out, bytes, n);
}

static void command_end(void *arg)
{
	command_finish(arg);
}

static void command_error(void *arg, const sp_err *err)
{
	(void)arg, (void)err; /* the session ends, too */
}

static void command_stream_close(void *arg)
{
	tunnel *t = arg;
	t->n_streams--;
	command_maybe_over(t);
}

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}

static void ignore_end(void *arg)
{
	(void)arg;
}

static const sp_stream_handler stdin_handler = {command_data, command_end, command_error,
						command_stream_close};
static const sp_stream_handler output_handler = {ignore_data, ignore_end, command_error,
						 command_stream_close};

static void on_streams(sp_remote_collect *c, const sp_remote_streams *s)
{
	tunnel *t = c->arg;
	if (s->in != NULL)
		sp_stream_handle(s->in, &stdin_handler, t);
	else
		write_to(s->out, "out", 3);
	if (s->in != NULL)
		sp_stream_read(s->in, true);
	else
		command_finish(t);
}

static void on_streams_late(sp_remote_collect *c)
{
	sp_spdy_abort(((tunnel *)c->arg)->spdy);
}

static void on_spdy_stream(void *arg, sp_stream *s, sp_str block)
{
	tunnel *t = arg;
	(void)block;
	t->n_streams++;
	sp_stream_handle(s, &output_handler, t);
	if (sp_remote_collect_add(&t->collect, s, NULL) != SP_OK)
		sp_stream_close(s);
}

static void on_spdy_close(void *arg, const sp_err *err)
{
	tunnel *t = arg;
	sp_remote_streams *g = &t->collect.got;
	sp_stream *all[] = {g->in, g->out, g->err, g->error, g->resize};
	(void)err;
	t->spdy_gone = true;
	sp_remote_collect_stop(&t->collect);
	for (size_t i = 0; i < SP_LEN(all); i++) {
		if (all[i] != NULL)
			sp_stream_close(all[i]);
	}
	command_maybe_over(t);
}

static bool start_command(tunnel *t, sp_str path)
{
	static const sp_spdy_handler handler = {.on_stream = on_spdy_stream, .on_close = on_spdy_close};
	static const sp_spdy_conn_opts opts = {0};
	t->collect = (sp_remote_collect){.world = t->k->world,
					 .protocol = sp_channel_choose(SP_STR("v4.channel.k8s.io"), true, 4),
					 .want_in = sp_str_find(path, SP_STR("input=1")) >= 0,
					 .want_out = sp_str_find(path, SP_STR("output=1")) >= 0,
					 .want_err = sp_str_find(path, SP_STR("error=1")) >= 0,
					 .tty = sp_str_find(path, SP_STR("tty=1")) >= 0,
					 .on_ready = on_streams,
					 .on_timeout = on_streams_late,
					 .arg = t};
	if (sp_spdy_open(t->k->world, t->s, &opts, &handler, t, &t->spdy, NULL) != SP_OK)
		return false;
	sp_remote_collect_start(&t->collect, 0);
	return true;
}

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	t_kubelet *k = ex->arg;
	tunnel *t = sp_try_alloc(sizeof *t);
	bool spdy = sp_str_eq(ex->protocol, SP_STR("SPDY/3.1")) &&
		    !sp_str_starts(ex->path, SP_STR("/portForward"));
	sp_stream_handle(s, &echo_handler, NULL);
	if (t == NULL) {
		static const sp_stream_handler nobody = {ignore_data, ignore_end, command_error, NULL};
		sp_stream_handle(s, &nobody, NULL);
		sp_stream_close(s);
		return;
	}
	*t = (tunnel){.k = k, .s = s};
	k->n_tunnels++;
	if (spdy && start_command(t, ex->path))
		return;
	sp_stream_handle(s, &echo_handler, t);
	if (spdy)
		sp_stream_close(s);
	else
		sp_stream_read(s, true);
}

static void upgrade(t_kubelet *k, sp_http_exchange *ex)
{
	static const sp_http_events events = {.on_tunnel = on_tunnel};
	sp_str offered = sp_http_get(&ex->headers, SP_HTTP_X_STREAM_PROTOCOL_VERSION);
	const sp_http_header h = {SP_STR("x-stream-protocol-version"), offered};
	uint16_t status = status_of(ex->path);
	sp_http_handle(ex, &events, k);
	if (status != 0)
		respond(ex, status, "content-type", "text/plain", SP_STR("no such thing"));
	else if (sp_http_accept_tunnel(ex, &h, offered.len > 0 ? 1 : 0, NULL) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

/* ---- requests ---- */

static void on_request(void *arg, sp_http_exchange *ex)
{
	static const sp_http_events events = {.on_writable = send_big};
	t_kubelet *k = arg;
	uint16_t status = status_of(ex->path);
	sp_http_handle(ex, &events, k);
	if (ex->protocol.len > 0) {
		upgrade(k, ex);
	} else if (status != 0) {
		respond(ex, status, "access-control-allow-origin", "*", SP_STR("no such thing"));
	} else if (sp_str_ends(ex->path, SP_STR("/moved"))) {
		respond(ex, 302, "location", "/x/y?z", SP_STR(""));
	} else if (sp_str_ends(ex->path, SP_STR("/gone"))) {
		respond(ex, 302, "location", "http://else.where/x", SP_STR(""));
	} else if (sp_str_ends(ex->path, SP_STR("/html"))) {
		respond(ex, 200, "content-type", "text/html; charset=utf-8",
			SP_STR("<a href=\"/q\">q</a><a href='rel'>r</a>"));
	} else if (sp_str_ends(ex->path, SP_STR("/big"))) {
		static const sp_http_header type = {SP_STR_INIT("content-type"), SP_STR_INIT("a/b")};
		if (sp_http_begin(ex, 200, &type, 1, NULL) == SP_OK)
			send_big(ex);
	} else {
		sp_http_read_body(ex, BODY_BYTES_MAX, tell_back);
	}
}

/* ---- life ---- */

static void on_drained(void *arg)
{
	((t_kubelet *)arg)->drained = true;
}

static bool is_drained(void *arg)
{
	const t_kubelet *k = arg;
	return k->drained && k->n_tunnels == 0;
}

static void kubelet_close(void *arg)
{
	t_kubelet *k = arg;
	sp_sim *sim = k->asker->api.sim;
	for (size_t i = 0; i < SP_LEN(k->listeners); i++)
		sp_listener_close(k->listeners[i]);
	sp_http_server_drain(k->http, SECOND, on_drained, k);
	if (sp_sim_run(sim, is_drained, k, sp_sim_now_ns(sim) + 100 * SECOND))
		sp_http_server_free(k->http);
	else
		(void)t_fail(__FILE__, __LINE__, "the kubelet does not end: %zu tunnels", k->n_tunnels);
}

static void on_accept(void *arg, sp_stream *s)
{
	sp_http_server_accept(((t_kubelet *)arg)->http, s);
}

#define CONTAINER(name) "{\"name\":\"" name "\",\"image\":\"i\",\"ports\":[{\"containerPort\":8080}]}"
#define POD(name, node, inits, containers)                                                   \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" node "\"initContainers\":[" inits \
	"],\"containers\":[" containers "]}}"
#define NODE "\"nodeName\":\"n\","

static const t_ask_row world[] = {
	{{.method = "POST", .path = "/api/v1/nodes", .body = SP_STR_INIT("{\"metadata\":{\"name\":\"n\"}}")},
	 201,
	 NULL},
	{{.method = "PATCH",
	  .path = "/api/v1/nodes/n/status",
	  .type = "application/merge-patch+json",
	  .body = SP_STR_INIT(
		  "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.0.3\"}],"
		  "\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":10250}}}}")},
	 200,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/pods",
	  .body = SP_STR_INIT(POD("p", NODE, "", CONTAINER("c")))},
	 201,
	 NULL},
	{{.method = "PATCH",
	  .path = "/api/v1/namespaces/default/pods/p/status",
	  .type = "application/merge-patch+json",
	  .body = SP_STR_INIT("{\"status\":{\"podIP\":\"10.0.0.3\",\"podIPs\":[{\"ip\":\"10.0.0.3\"}]}}")},
	 200,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/pods",
	  .body = SP_STR_INIT(POD("two", NODE, "", CONTAINER("a") "," CONTAINER("b")))},
	 201,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/pods",
	  .body = SP_STR_INIT(POD("init", NODE, CONTAINER("i"), CONTAINER("m") "," CONTAINER("n")))},
	 201,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/pods",
	  .body = SP_STR_INIT(POD("free", "", "", CONTAINER("c")))},
	 201,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/pods",
	  .body = SP_STR_INIT(POD("faults", NODE, "",
				  CONTAINER("s400") "," CONTAINER("s404") "," CONTAINER("s500") "," CONTAINER(
					  "s503") "," CONTAINER("s200") "," CONTAINER("big")))},
	 201,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/services",
	  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"svc\"},\"spec\":{\"ports\":[{\"name\":\"web\","
			      "\"port\":80,\"targetPort\":8080}]}}")},
	 201,
	 NULL},
	{{.method = "POST",
	  .path = "/api/v1/namespaces/default/endpoints",
	  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"svc\"},\"subsets\":[{\"addresses\":[{\"ip\":"
			      "\"10.0.0.3\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"default\","
			      "\"name\":\"p\"}},{\"ip\":\"10.0.0.9\"}],\"ports\":[{\"name\":\"web\","
			      "\"port\":8080}]}]}")},
	 201,
	 NULL},
};

t_kubelet *t_kubelet_open(void)
{
	static const char *const addresses[] = {"0.0.0.0:10250", "0.0.0.0:8080"};
	const sp_http_server_opts o = {.on_request = on_request};
	t_kubelet *k = sp_new(T_ARENA, t_kubelet, 1);
	sp_http_server_opts mine = o;
	mine.arg = k;
	k->asker = t_asker_open();
	if (k->asker == NULL)
		return NULL;
	k->host = sp_sim_host_new(k->asker->api.sim, "kubelet", NULL, NULL);
	k->world = sp_sim_world(k->host);
	if (sp_http_server_new(k->world, &mine, &k->http, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no kubelet: %s", t_err()->msg);
		return NULL;
	}
	t_defer(kubelet_close, k);
	for (size_t i = 0; i < SP_LEN(addresses); i++) {
		if (sp_listen(k->world, sp_str_c(addresses[i]), NULL, on_accept, k, &k->listeners[i],
			      t_err()) != SP_OK) {
			(void)t_fail(__FILE__, __LINE__, "no kubelet: %s", t_err()->msg);
			return NULL;
		}
	}
	t_ask_all(k->asker, world, SP_LEN(world));
	return t_failed() ? NULL : k;
}
