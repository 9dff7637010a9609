/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_app.h"

#include "base/alloc.h"
#include "base/num.h"
#include "io/pump.h"

#define FLOW_BYTES ((size_t)1 << 20)

typedef struct visit {
	http_app *app;
	sp_timer timer;
	size_t n_sent;
	bool paused;
} visit;

typedef struct echo {
	sp_pump pump;
} echo;

static void note(http_app *a, const char *what, sp_str s)
{
	if (a->log != NULL)
		(void)sp_buf_printf(a->log, "%s " SP_FMT "\n", what, SP_ARG(s));
}

static void refused(sp_http_exchange *ex, sp_code code)
{
	if (code != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static void answer(sp_http_exchange *ex, uint16_t status, sp_str body)
{
	sp_http_header type = {SP_STR("content-type"), SP_STR("text/plain")};
	refused(ex, sp_http_respond(ex, status, &type, 1, body, NULL));
}

/* ---- tunnel: an echo ---- */

static void echo_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	echo *e = arg;
	(void)sp_buf_append(&e->pump.out, bytes, n);
	sp_pump_flush(&e->pump);
}
static void echo_end(void *arg)
{
	sp_pump_close(&((echo *)arg)->pump, true);
}
static void echo_fail(void *arg, const sp_err *err)
{
	(void)err;
	sp_pump_close(&((echo *)arg)->pump, false);
}
static void echo_close(void *arg)
{
	sp_pump_done(&((echo *)arg)->pump);
	sp_free(arg);
}
static const sp_pump_handler echo_handler = {echo_bytes, echo_end, echo_fail, NULL, echo_close};

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	static const sp_pump_marks marks = {1 << 16, 1 << 17, 1 << 24};
	echo *e = SP_NEW(echo);
	sp_pump_init(&e->pump, ex->world, s, &marks, &echo_handler, e);
	sp_pump_start(&e->pump);
	sp_pump_read(&e->pump, true);
}

/* ---- handlers ---- */

static void echo_done(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	if (err == NULL)
		answer(ex, 200, body);
	else
		answer(ex, err->code == SP_ETOOLARGE ? 413 : 500, SP_STR(""));
}

static void do_hello(sp_http_exchange *ex)
{
	answer(ex, 200, SP_STR("hello\n"));
}

static void do_nobody(sp_http_exchange *ex)
{
	answer(ex, 200, SP_STR("no"));
}

static void do_echo(sp_http_exchange *ex)
{
	sp_http_read_body(ex, 1000, echo_done);
}

static void spec_done(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	(void)body;
	answer(ex, err == NULL ? 200 : 413, SP_STR("spec\n"));
}
static void do_spec(sp_http_exchange *ex)
{
	sp_http_read_body(ex, 1 << 20, spec_done);
}

static void do_dump(sp_http_exchange *ex)
{
	SP_AUTO_BUF b;
	sp_buf_init(&b, (size_t)1 << 20);
	(void)sp_buf_printf(&b, SP_FMT " " SP_FMT " " SP_FMT " " SP_FMT " " SP_FMT " %u\n",
			    SP_ARG(ex->method), SP_ARG(ex->scheme), SP_ARG(ex->authority), SP_ARG(ex->path),
			    SP_ARG(ex->protocol), ex->version);
	for (uint32_t i = 0; i < ex->headers.n; i++)
		(void)sp_buf_printf(&b, SP_FMT "=" SP_FMT "\n", SP_ARG(ex->headers.at[i].name),
				    SP_ARG(ex->headers.at[i].value));
	if (sp_buf_code(&b) != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
	else
		answer(ex, 200, sp_buf_view(&b));
}

static sp_code stream_all(sp_http_exchange *ex)
{
	sp_http_header sum = {SP_STR("x-sum"), SP_STR("7")};
	SP_AUTO_BYTES two = sp_bytes_try_dup(SP_STR("..two.."));
	if (two == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_http_begin(ex, 200, NULL, 0, NULL));
	SP_TRY(sp_http_write(ex, SP_STR("one "), NULL));
	SP_TRY(sp_http_write_bytes(ex, two, 2, 3, NULL));
	return sp_http_end(ex, &sum, 1, NULL);
}
static void do_stream(sp_http_exchange *ex)
{
	refused(ex, stream_all(ex));
}

static sp_code sized_all(sp_http_exchange *ex)
{
	sp_http_header length = {SP_STR("content-length"), SP_STR("5")};
	SP_TRY(sp_http_begin(ex, 200, &length, 1, NULL));
	SP_TRY(sp_http_write(ex, SP_STR("12345"), NULL));
	return sp_http_end(ex, NULL, 0, NULL);
}
static void do_sized(sp_http_exchange *ex)
{
	refused(ex, sized_all(ex));
}

static void do_big(sp_http_exchange *ex)
{
	SP_AUTO_BYTES b = sp_bytes_try_new(100000);
	if (b != NULL)
		memset(b->data, 'x', b->len);
	refused(ex, b == NULL ? SP_ENOMEM : sp_http_respond_bytes(ex, 200, NULL, 0, b, NULL));
}

static sp_code flow_more(sp_http_exchange *ex)
{
	visit *v = ex->arg;
	static char piece[50000];
	memset(piece, 'f', sizeof piece);
	while (v->n_sent < FLOW_BYTES && !sp_http_is_full(ex)) {
		size_t n = SP_MIN(sizeof piece, FLOW_BYTES - v->n_sent);
		SP_TRY(sp_http_write(ex, (sp_str){piece, n}, NULL));
		v->n_sent += n;
	}
	return v->n_sent < FLOW_BYTES ? SP_OK : sp_http_end(ex, NULL, 0, NULL);
}
static void do_flow(sp_http_exchange *ex)
{
	sp_code code = sp_http_begin(ex, 200, NULL, 0, NULL);
	refused(ex, code == SP_OK ? flow_more(ex) : code);
}

static void on_later(sp_timer *t)
{
	answer(t->arg, 200, SP_STR("later"));
}
static void do_later(sp_http_exchange *ex)
{
	visit *v = ex->arg;
	v->timer.arg = ex;
	sp_timer_start(ex->world, &v->timer, UINT64_C(5000000000), on_later);
}

static void do_never(sp_http_exchange *ex)
{
	(void)ex;
}

static void do_deadline(sp_http_exchange *ex)
{
	sp_http_deadline(ex, sp_now_ns(ex->world) + UINT64_C(3000000000));
}

static void do_hint(sp_http_exchange *ex)
{
	sp_http_header link = {SP_STR("link"), SP_STR("</a.css>")};
	sp_code code = sp_http_interim(ex, 103, &link, 1, NULL);
	if (code == SP_OK)
		answer(ex, 200, SP_STR("hinted"));
	else
		refused(ex, code);
}

static void do_pipe(sp_http_exchange *ex)
{
	sp_code code = sp_http_begin(ex, 200, NULL, 0, NULL);
	refused(ex, code);
	if (code == SP_OK)
		sp_http_read(ex, true);
}

static void do_up(sp_http_exchange *ex)
{
	if (ex->protocol.len > 0 || ex->method_id == SP_HTTP_CONNECT)
		refused(ex, sp_http_accept_tunnel(ex, NULL, 0, NULL));
	else
		answer(ex, 426, SP_STR(""));
}

static void do_reset(sp_http_exchange *ex)
{
	sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static const struct {
	sp_str path;
	void (*fn)(sp_http_exchange *ex);
} routes[] = {
	{SP_STR_INIT("/hello"), do_hello},       {SP_STR_INIT("/echo"), do_echo},
	{SP_STR_INIT("/dump"), do_dump},         {SP_STR_INIT("/stream"), do_stream},
	{SP_STR_INIT("/sized"), do_sized},       {SP_STR_INIT("/big"), do_big},
	{SP_STR_INIT("/flow"), do_flow},         {SP_STR_INIT("/later"), do_later},
	{SP_STR_INIT("/never"), do_never},       {SP_STR_INIT("/hint"), do_hint},
	{SP_STR_INIT("/pipe"), do_pipe},         {SP_STR_INIT("/up"), do_up},
	{SP_STR_INIT("/reset"), do_reset},       {SP_STR_INIT("/nobody"), do_nobody},
	{SP_STR_INIT("/deadline"), do_deadline}, {SP_STR_INIT("/spec"), do_spec},
};

/* ---- events ---- */

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	visit *v = ex->arg;
	if (!sp_str_starts(ex->path, SP_STR("/pipe")))
		return;
	refused(ex, sp_http_write(ex, (sp_str){(const char *)bytes, n}, NULL));
	if (sp_http_is_full(ex)) {
		v->paused = true;
		sp_http_read(ex, false);
	}
}

static void on_end(sp_http_exchange *ex)
{
	visit *v = ex->arg;
	note(v->app, "end", ex->path);
	if (sp_str_starts(ex->path, SP_STR("/pipe")))
		refused(ex, sp_http_end(ex, NULL, 0, NULL));
}

static void on_writable(sp_http_exchange *ex)
{
	visit *v = ex->arg;
	if (v->paused) {
		v->paused = false;
		sp_http_read(ex, true);
	} else if (sp_str_eq(ex->path, SP_STR("/flow"))) {
		refused(ex, flow_more(ex));
	}
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	visit *v = ex->arg;
	if (err != NULL)
		note(v->app, "close", sp_str_c(sp_code_lookup(err->code)->name));
	else
		note(v->app, "close", SP_STR("ok"));
	sp_timer_stop(ex->world, &v->timer);
	v->app->n_open--;
	sp_free(v);
}

static const sp_http_events events = {.on_body = on_body,
				      .on_end = on_end,
				      .on_writable = on_writable,
				      .on_tunnel = on_tunnel,
				      .on_close = on_close};

static void on_request(void *arg, sp_http_exchange *ex)
{
	http_app *a = arg;
	visit *v = SP_NEW(visit);
	v->app = a;
	a->n_open++;
	a->n_requests++;
	sp_http_handle(ex, &events, v);
	note(a, "request", ex->path);
	sp_str rest = ex->path;
	uint64_t status;
	if (sp_str_take(&rest, SP_STR("/status/")) && sp_parse_u64(rest, 200, 999, &status, NULL) == SP_OK) {
		answer(ex, (uint16_t)status, SP_STR("x"));
		return;
	}
	sp_str path = ex->method_id == SP_HTTP_CONNECT && ex->path.len == 0 ? SP_STR("/up") : ex->path;
	ptrdiff_t query = sp_str_index(path, '?');
	path = query < 0 ? path : sp_str_sub(path, 0, (size_t)query);
	for (size_t i = 0; i < SP_LEN(routes); i++) {
		if (sp_str_eq(routes[i].path, path)) {
			routes[i].fn(ex);
			return;
		}
	}
	answer(ex, 404, SP_STR("none\n"));
}

sp_code http_app_init(http_app *a, sp_world *w, const sp_http_server_opts *opts, sp_buf *log, sp_err *err)
{
	sp_http_server_opts o = {0};
	if (opts != NULL)
		o = *opts;
	*a = (http_app){.world = w, .log = log};
	o.on_request = on_request;
	o.arg = a;
	return sp_http_server_new(w, &o, &a->server, err);
}

void http_app_done(http_app *a)
{
	SP_ASSERT(a->n_open == 0);
	sp_http_server_free(a->server);
}

/* ---- raw peer ---- */

static void raw_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)sp_buf_append(&((http_raw *)arg)->got, bytes, n);
}
static void raw_end(void *arg)
{
	http_raw *r = arg;
	r->ended = true;
	if (r->stream != NULL)
		sp_stream_close(SP_TAKE(r->stream));
}
static void raw_error(void *arg, const sp_err *err)
{
	(void)err;
	raw_end(arg);
}
static void raw_close(void *arg)
{
	((http_raw *)arg)->closed = true;
}
static const sp_stream_handler raw_handler = {raw_data, raw_end, raw_error, raw_close};

static void raw_written(sp_write *req, sp_code code)
{
	http_raw *r = req->arg;
	if (code == SP_OK && r->shut_after && r->stream != NULL)
		sp_stream_shutdown(r->stream);
}

void http_raw_send(http_raw *r, sp_str bytes)
{
	if (r->stream == NULL)
		return;
	r->req = (sp_write){.n_iov = 1, .iov[0] = {bytes.ptr, bytes.len}, .done = raw_written, .arg = r};
	sp_stream_write(r->stream, &r->req);
}

void http_raw_attach(http_raw *r, sp_stream *s, sp_str bytes, bool shut)
{
	*r = (http_raw){.shut_after = shut, .stream = s};
	sp_buf_init(&r->got, (size_t)16 << 20);
	sp_stream_handle(s, &raw_handler, r);
	sp_stream_read(s, true);
	http_raw_send(r, bytes);
}

void http_raw_open(http_raw *r, http_app *a, sp_str bytes, bool shut)
{
	sp_stream *pair[2];
	SP_ASSERT(sp_stream_pair(a->world, pair, NULL) == SP_OK);
	http_raw_attach(r, pair[0], bytes, shut);
	sp_http_server_accept(a->server, pair[1]);
}

void http_raw_done(http_raw *r)
{
	sp_buf_done(&r->got);
}

/* ---- client ---- */

typedef struct dialed {
	sp_defer turn;
	sp_http_dial *dial;
	http_app *app;
} dialed;

static void dial_turn(sp_defer *d)
{
	dialed *di = d->arg;
	sp_http_dial *dial = di->dial;
	http_app *app = di->app;
	sp_stream *pair[2];
	sp_free(di);
	SP_ASSERT(sp_stream_pair(app->world, pair, NULL) == SP_OK);
	dial->done(dial, pair[0], NULL);
	sp_http_server_accept(app->server, pair[1]);
}

static sp_code dial_start(void *arg, sp_http_dial *d, sp_err *err)
{
	dialed *di = sp_try_alloc(sizeof *di);
	if (di == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to dial");
	di->dial = d;
	di->app = arg;
	d->impl[0] = di;
	sp_defer_init(&di->turn, dial_turn, di);
	sp_defer_call(d->world, &di->turn);
	return SP_OK;
}

static void dial_cancel(void *arg, sp_http_dial *d)
{
	dialed *di = d->impl[0];
	(void)arg;
	sp_defer_cancel(&di->turn);
	sp_free(di);
}

const sp_http_connector http_app_connector = {.dial = dial_start, .cancel = dial_cancel};

static void got_response(sp_http_exchange *ex)
{
	http_got *g = ex->arg;
	g->responded = true;
	g->status = ex->status;
}
static void got_interim(sp_http_exchange *ex, uint16_t status, const sp_http_fields *headers)
{
	http_got *g = ex->arg;
	g->interim = status == 103 && sp_http_find(headers, SP_STR("link")).len > 0;
}
static void got_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	http_got *g = ex->arg;
	(void)sp_buf_append(&g->body, bytes, n);
	if (g->n_slow != 0 && g->body.len >= g->n_slow) {
		g->n_slow = 0;
		sp_http_read(ex, false);
	}
}
static void got_end(sp_http_exchange *ex)
{
	http_got *g = ex->arg;
	g->ended = true;
	for (uint32_t i = 0; i < ex->trailers.n; i++)
		(void)sp_buf_printf(&g->trailers, SP_FMT "=" SP_FMT ";", SP_ARG(ex->trailers.at[i].name),
				    SP_ARG(ex->trailers.at[i].value));
}
static void got_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	http_got *g = ex->arg;
	g->status = ex->status;
	g->tunnel = s;
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
}
static void got_close(sp_http_exchange *ex, const sp_err *err)
{
	http_got *g = ex->arg;
	g->closed = true;
	g->ex = NULL;
	g->reset_code = ex->reset_code;
	g->code = err == NULL ? SP_OK : err->code;
	if (err != NULL)
		memcpy(g->msg, err->msg, sizeof g->msg);
}

const sp_http_events http_got_events = {
	.on_response = got_response,
	.on_interim = got_interim,
	.on_body = got_body,
	.on_end = got_end,
	.on_tunnel = got_tunnel,
	.on_close = got_close,
};

void http_got_init(http_got *g)
{
	*g = (http_got){0};
	sp_buf_init(&g->body, (size_t)16 << 20);
	sp_buf_init(&g->trailers, (size_t)1 << 20);
}

void http_got_done(http_got *g)
{
	sp_buf_done(&g->body);
	sp_buf_done(&g->trailers);
}
