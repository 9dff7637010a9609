/* SPDX-License-Identifier: Apache-2.0 */
/* U: kubernetes pkg/probe/{exec,http,tcp,grpc}, pkg/kubelet/lifecycle/handlers.go. */
#include "node/node_int.h"

#include "base/num.h"
#include "base/pb_struct.h"

#define BODY_BYTES_MAX ((size_t)10 << 10)
#define EXEC_TEXT_BYTES_MAX 512u
#define HTTP_BYTES_MAX ((size_t)1 << 20) /* of requests that follow each other */
#define HEADERS_MAX 32u
#define REQUESTS_MAX 10u /* U: RedirectChecker */

enum { IDLE, EXEC, HTTP, TCP, GRPC, SLEEP, TOLD };

static sp_world *world(const node_hook *h)
{
	return h->worker->agent->world;
}

/* Nothing of it is under way any more. */
static void end(node_hook *h, node_outcome outcome, sp_str text)
{
	sp_timer_stop(world(h), &h->timer);
	sp_buf_done(&h->body);
	sp_arena_done(&h->arena);
	h->running = IDLE;
	h->done(h, outcome, text);
}

static void on_later(sp_defer *d)
{
	node_hook *h = d->arg;
	if (h->of_lifecycle && h->outcome > NODE_OUTCOME_WARNING)
		node_hook_explain(h, sp_str_c(h->text), SP_STR(""));
	end(h, h->outcome, sp_str_c(h->text));
}

/* The end comes from the loop, also for what could not begin. */
static void tell(node_hook *h, node_outcome outcome, const char *text)
{
	h->running = TOLD;
	h->outcome = outcome;
	if (text != h->text)
		(void)snprintf(h->text, sizeof h->text, "%s", text);
	sp_defer_call(world(h), &h->later);
}

/* ---- exec ---- */

static sp_str joined(sp_arena *a, yyjson_val *list)
{
	yyjson_val *item;
	size_t i, n;
	sp_str text = SP_STR("");
	yyjson_arr_foreach(list, i, n, item)
	{
		text = SP_CONCAT(a, text, i == 0 ? SP_STR("") : SP_STR(" "), sp_json_str(item));
	}
	return text;
}

/* A probe's event has what was printed; the end of a hook has both. */
static void exec_failed(node_hook *h, const sp_cri_exec_sync_response *r)
{
	sp_str all = SP_CONCAT(&h->arena, sp_str_sub(r->stdout, 0, BODY_BYTES_MAX),
			       sp_str_sub(r->stderr, 0, BODY_BYTES_MAX));
	if (!h->of_lifecycle) {
		sp_str out = sp_str_sub(all, 0, EXEC_TEXT_BYTES_MAX - 1);
		(void)snprintf(h->text, sizeof h->text, SP_FMT, SP_ARG(out));
	} else {
		sp_str words = joined(&h->arena, sp_view_at(h->handler, "exec.command"));
		sp_str error = sp_arena_printf(&h->arena, "command '" SP_FMT "' exited with %d: " SP_FMT,
					       SP_ARG(words), r->exit_code,
					       SP_ARG(sp_str_sub(r->stderr, 0, BODY_BYTES_MAX)));
		node_hook_explain(h, error, all);
	}
	end(h, NODE_OUTCOME_FAILED, sp_str_c(h->text));
}

static void on_exec(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_hook *h = c->arg;
	const sp_cri_exec_sync_response *r = response;
	if (status == SP_RPC_DEADLINE_EXCEEDED) {
		(void)snprintf(h->text, sizeof h->text, "command timed out: " SP_FMT, SP_ARG(message));
		end(h, NODE_OUTCOME_FAILED, sp_str_c(h->text));
		return;
	}
	if (status != SP_RPC_OK) {
		(void)snprintf(h->text, sizeof h->text, "rpc error: code = %s desc = " SP_FMT,
			       node_rpc_code_name(status), SP_ARG(message));
		if (h->of_lifecycle)
			node_hook_explain(h, sp_str_c(h->text), SP_STR(""));
		end(h, NODE_OUTCOME_ERROR, sp_str_c(h->text));
		return;
	}
	if (r->exit_code == 0)
		end(h, NODE_OUTCOME_OK, (sp_str){NULL, 0});
	else
		exec_failed(h, r);
}

/* Of a probe: $(NAME) stands for what the container's own env says, as it is written there. U:
 * ExpandContainerCommandOnlyStatic. */
static sp_str exec_word(node_hook *h, sp_str word)
{
	node_env vars = {0};
	if (h->of_lifecycle || sp_str_index(word, '$') < 0)
		return word;
	SP_VLIST_FOREACH(var, h->c->v.env)
	{
		if (node_env_set(&vars, &h->arena, sp_view_str_at(var, "name"), sp_view_str_at(var, "value"),
				 NULL) != SP_OK)
			return word;
	}
	sp_str text = node_expand_arena(&h->arena, word, &vars);
	return text.ptr == NULL ? word : text;
}

static void start_exec(node_hook *h, yyjson_val *exec, sp_str container_id, uint64_t timeout_ns)
{
	sp_cri *cri = h->worker->agent->cri;
	yyjson_val *list = sp_view_at(exec, "command"), *item;
	size_t i, n, count = 0;
	sp_str words[256];
	yyjson_arr_foreach(list, i, n, item)
	{
		if (count < SP_LEN(words))
			words[count++] = exec_word(h, sp_json_str(item));
	}
	h->running = EXEC;
	h->exec = (sp_cri_call){.done = on_exec, .arg = h};
	cri->call(cri, SP_CRI_EXEC_SYNC,
		  &(sp_cri_exec_sync_request){
			  .container_id = container_id,
			  .cmd = {.at = words, .n = count},
			  .timeout = (int64_t)((timeout_ns + NODE_SECOND_NS - 1) / NODE_SECOND_NS)},
		  &h->exec);
}

/* ---- where to ---- */

/* A port by number, or by its name among the container's. 0: none. */
static uint16_t port_of(const node_container *c, yyjson_val *port)
{
	sp_str name = sp_json_str(port);
	uint64_t number = 0;
	if (yyjson_is_int(port))
		number = (uint64_t)yyjson_get_sint(port);
	else if (sp_parse_u64(name, 1, 65535, &number, NULL) != SP_OK) {
		number = 0;
		SP_VLIST_FOREACH(p, c->v.ports)
		{
			if (sp_str_eq(sp_view_str_at(p, "name"), name))
				number = (uint64_t)yyjson_get_sint(sp_view_at(p, "containerPort"));
		}
	}
	return number > 65535 ? 0 : (uint16_t)number;
}

static bool set_address(node_hook *h, const node_container *c, sp_str host, yyjson_val *port)
{
	node_field_source fields;
	uint16_t number = port_of(c, port);
	if (host.len == 0) {
		node_worker_fields(h->worker, &fields);
		host = fields.n_pod_ips == 0 ? (sp_str){NULL, 0} : fields.pod_ips[0];
	}
	if (host.len == 0 || number == 0)
		return false;
	bool v6 = sp_str_index(host, ':') >= 0;
	int n = snprintf(h->address, sizeof h->address, "%s" SP_FMT "%s:%u", v6 ? "[" : "", SP_ARG(host),
			 v6 ? "]" : "", number);
	return n > 0 && (size_t)n < sizeof h->address;
}

/* ---- httpGet ---- */

static void fail_get(node_hook *h, const sp_http_exchange *ex, const char *why)
{
	int n = snprintf(h->text, sizeof h->text, "Get \"" SP_FMT "://%s" SP_FMT "\": %s", SP_ARG(ex->scheme),
			 h->address, SP_ARG(ex->path), why);
	(void)n; /* cut when it is longer */
	if (h->of_lifecycle)
		node_hook_explain(h, sp_str_c(h->text), (sp_str){NULL, 0});
	end(h, NODE_OUTCOME_FAILED, sp_str_c(h->text));
}

static bool redirects(uint16_t status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void on_response(sp_http_exchange *ex)
{
	node_hook *h = ex->arg;
	sp_str location = sp_http_get(&ex->headers, SP_HTTP_LOCATION);
	h->http_status = ex->status;
	if (redirects(ex->status) && location.len > 0)
		h->location = sp_arena_try_dup(&h->arena, location);
}
static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	node_hook *h = ex->arg;
	if (h->body.len < BODY_BYTES_MAX)
		(void)sp_buf_append(&h->body, bytes, SP_MIN(n, BODY_BYTES_MAX - h->body.len));
}

static void send_get(node_hook *h);

/* False: this answer counts, for it leads to another host, or nowhere. U: RedirectChecker. */
static bool follow(node_hook *h, const sp_http_exchange *ex)
{
	node_url next;
	bool absolute;
	if (h->location.len == 0 ||
	    node_redirect(&h->url, h->location, &h->arena, &next, &absolute, NULL) != SP_OK ||
	    !sp_str_eq(next.host, h->first_host))
		return false;
	if (h->n_requests >= REQUESTS_MAX) {
		fail_get(h, ex, "stopped after 10 redirects");
		return true;
	}
	if (absolute) /* it knows whom it wants */
		h->authority = (sp_str){NULL, 0};
	h->url = next;
	send_get(h);
	return true;
}

/* A hook that was answered in plain text asks so, without what may be secret. */
static void fall_back(node_hook *h)
{
	sp_http_header *at = (sp_http_header *)(uintptr_t)h->headers; /* take_headers made them */
	size_t n = 0;
	for (size_t i = 0; i < h->n_headers; i++) {
		if (!sp_str_eq(at[i].name, SP_STR("authorization")))
			at[n++] = at[i];
	}
	h->n_headers = n;
	h->url.tls = false;
	h->fell_back = true;
	send_get(h);
}

/* Any answer is one; U: runHTTPHandler. */
static void end_lifecycle(node_hook *h)
{
	if (h->fell_back)
		node_worker_event(h->worker, NULL, true, "LifecycleHTTPFallback",
				  "request to HTTPS lifecycle hook %s got HTTP response, retry with HTTP "
				  "succeeded",
				  h->address);
	end(h, NODE_OUTCOME_OK, (sp_str){NULL, 0});
}

static void on_http_close(sp_http_exchange *ex, const sp_err *err)
{
	node_hook *h = ex->arg;
	h->get = NULL;
	if (h->http_status == 0) {
		const char *why = err == NULL ? "no answer" : err->msg;
		if (h->of_lifecycle && h->url.tls && strstr(why, SP_TLS_HTTP_ANSWER) != NULL)
			fall_back(h);
		else
			fail_get(h, ex, why);
		return;
	}
	if (follow(h, ex))
		return;
	if (h->of_lifecycle) {
		end_lifecycle(h);
		return;
	}
	node_outcome outcome = NODE_OUTCOME_OK;
	if (h->http_status < 200 || h->http_status >= 400) {
		(void)snprintf(h->text, sizeof h->text, "HTTP probe failed with statuscode: %u",
			       h->http_status);
		outcome = NODE_OUTCOME_FAILED;
	} else {
		bool ends = h->http_status >= 300;
		(void)snprintf(h->text, sizeof h->text, "%s" SP_FMT,
			       ends ? "Probe terminated redirects, Response body: " : "",
			       SP_ARG(sp_str_sub(sp_buf_view(&h->body), 0, sizeof h->text)));
		outcome = ends ? NODE_OUTCOME_WARNING : NODE_OUTCOME_OK;
	}
	end(h, outcome, sp_str_c(h->text));
}
static void on_forgotten_close(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex, (void)err;
}
static const sp_http_events http_events = {
	.on_response = on_response, .on_body = on_body, .on_close = on_http_close};
static const sp_http_events forgotten = {.on_close = on_forgotten_close};

/* Whatever certificate a container shows. */
static sp_code need_tls(node_agent *a, sp_err *err)
{
	return a->http_tls != NULL ? SP_OK
				   : sp_tls_client_config(&(sp_tls_opts){.insecure_skip_verify = true},
							  &a->http_tls, err);
}

static void send_get(node_hook *h)
{
	node_agent *a = h->worker->agent;
	sp_err err = {0};
	bool v6 = sp_str_index(h->url.host, ':') >= 0;
	int n = snprintf(h->address, sizeof h->address, "%s" SP_FMT "%s:" SP_FMT, v6 ? "[" : "",
			 SP_ARG(h->url.host), v6 ? "]" : "", SP_ARG(h->url.port));
	if (n < 0 || (size_t)n >= sizeof h->address) {
		tell(h, NODE_OUTCOME_ERROR, "no address or port to ask");
		return;
	}
	if (h->url.tls && need_tls(a, &err) != SP_OK) {
		tell(h, NODE_OUTCOME_ERROR, err.msg);
		return;
	}
	h->http_status = 0;
	h->location = (sp_str){NULL, 0};
	h->n_requests++;
	sp_buf_clear(&h->body);
	const sp_http_request req = {.scheme = h->url.tls ? SP_STR("https") : SP_STR("http"),
				     .address = sp_str_c(h->address),
				     .tls_config = h->url.tls ? a->http_tls : NULL,
				     .path = h->url.path,
				     .authority = h->authority,
				     .headers = h->headers,
				     .n_headers = h->n_headers,
				     .deadline_ns = h->deadline_ns};
	if (sp_http_request_start(a->http, &req, &http_events, h, &h->get, &err) != SP_OK)
		tell(h, NODE_OUTCOME_ERROR, err.msg);
	else
		h->running = HTTP;
}

static sp_str lower_case(sp_arena *a, sp_str s)
{
	char *to = sp_arena_try_array(a, s.len + 1, 1);
	for (size_t i = 0; to != NULL && i < s.len; i++)
		to[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + 32 : s.ptr[i]);
	return (sp_str){to, to == NULL ? 0 : s.len};
}

/* Headers of the handler, and what kubelet adds; without memory some are missing. */
static void take_headers(node_hook *h, yyjson_val *list)
{
	const sp_http_header own[] = {
		{SP_STR("user-agent"),
		 h->of_lifecycle ? SP_STR("kube-lifecycle/1.36") : SP_STR("kube-probe/1.36")},
		{SP_STR("accept"), SP_STR("*/*")},
	};
	bool given[SP_LEN(own)] = {false};
	size_t i, n, count = 0;
	yyjson_val *item;
	sp_http_header *at = sp_try_new(&h->arena, sp_http_header, HEADERS_MAX + SP_LEN(own));
	if (at == NULL)
		return;
	yyjson_arr_foreach(list, i, n, item)
	{
		sp_str name = lower_case(&h->arena, sp_view_str_at(item, "name")),
		       value = sp_arena_try_dup(&h->arena, sp_view_str_at(item, "value"));
		if (count == HEADERS_MAX || name.len == 0 || value.ptr == NULL)
			continue;
		if (sp_str_eq(name, SP_STR("host"))) {
			h->authority = value;
			continue;
		}
		bool is_own = false;
		for (size_t k = 0; k < SP_LEN(own); k++) {
			is_own |= sp_str_eq(name, own[k].name);
			given[k] |= sp_str_eq(name, own[k].name);
		}
		if (!is_own || value.len > 0) /* these are taken away with an empty value */
			at[count++] = (sp_http_header){name, value};
	}
	for (size_t k = 0; k < SP_LEN(own); k++) {
		if (!given[k])
			at[count++] = own[k];
	}
	h->headers = at;
	h->n_headers = count;
}

static void start_http(node_hook *h, const node_container *c, yyjson_val *get, uint64_t timeout_ns)
{
	sp_str path = sp_view_str_at(get, "path");
	if (!set_address(h, c, sp_view_str_at(get, "host"), sp_view_at(get, "port"))) {
		tell(h, NODE_OUTCOME_ERROR, "no address or port to ask");
		return;
	}
	sp_str address = sp_arena_try_dup(&h->arena, sp_str_c(h->address));
	size_t colon = (size_t)SP_MAX(sp_str_rindex(address, ':'), 0);
	bool v6 = address.len > 0 && address.ptr[0] == '[';
	h->url = (node_url){.tls = sp_str_eq(sp_view_str_at(get, "scheme"), SP_STR("HTTPS")),
			    .host = sp_str_sub(address, v6, colon - v6),
			    .port = sp_str_sub(address, colon + 1, address.len),
			    .path = SP_CONCAT(&h->arena,
					      path.len == 0 || path.ptr[0] != '/' ? SP_STR("/") : SP_STR(""),
					      path)};
	if (address.ptr == NULL || h->url.path.ptr == NULL) {
		tell(h, NODE_OUTCOME_ERROR, "no memory for a request");
		return;
	}
	h->first_host = h->url.host;
	h->authority = (sp_str){NULL, 0};
	h->n_requests = 0;
	h->deadline_ns = timeout_ns == 0 ? 0 : sp_now_ns(world(h)) + timeout_ns;
	take_headers(h, sp_view_at(get, "httpHeaders"));
	sp_buf_init(&h->body, BODY_BYTES_MAX);
	send_get(h);
}

/* ---- tcpSocket ---- */

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}
static void ignore_end(void *arg)
{
	(void)arg;
}
static void ignore_error(void *arg, const sp_err *err)
{
	(void)arg, (void)err;
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	static const sp_stream_handler nobody = {
		.on_data = ignore_data, .on_end = ignore_end, .on_error = ignore_error};
	node_hook *h = r->arg;
	if (s == NULL) {
		(void)snprintf(h->text, sizeof h->text, "dial tcp %s: %s", h->address, err->msg);
		end(h, NODE_OUTCOME_FAILED, sp_str_c(h->text));
		return;
	}
	sp_stream_handle(s, &nobody, NULL);
	sp_stream_close(s);
	end(h, NODE_OUTCOME_OK, (sp_str){NULL, 0});
}

static void start_tcp(node_hook *h, const node_container *c, yyjson_val *tcp, uint64_t timeout_ns)
{
	sp_err err = {0};
	if (!set_address(h, c, sp_view_str_at(tcp, "host"), sp_view_at(tcp, "port"))) {
		tell(h, NODE_OUTCOME_ERROR, "no address or port to connect to");
		return;
	}
	h->connect = (sp_connect_req){.done = on_connected, .arg = h};
	if (sp_connect(world(h), &h->connect, sp_str_c(h->address),
		       timeout_ns == 0 ? NODE_SECOND_NS : timeout_ns, &err) != SP_OK)
		tell(h, NODE_OUTCOME_FAILED, err.msg);
	else
		h->running = TCP;
}

/* ---- grpc ---- */

/* grpc.health.v1. */
typedef struct health_request {
	sp_str service;
} health_request;
static const sp_pb_slot health_request_slots[] = {SP_PB_SLOT(health_request, service, 1, STRING)};
static const sp_pb_message health_request_message =
	SP_PB_MESSAGE_OF("HealthCheckRequest", health_request, health_request_slots);
typedef struct health_response {
	int32_t status;
} health_response;
static const sp_pb_slot health_response_slots[] = {SP_PB_SLOT(health_response, status, 1, INT32)};
static const sp_pb_message health_response_message =
	SP_PB_MESSAGE_OF("HealthCheckResponse", health_response, health_response_slots);
#define SERVING 1

static void on_health(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	node_hook *h = rpc->arg;
	health_response r = {0};
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, 4096);
	if (status->code == SP_RPC_OK &&
	    sp_pb_decode(&health_response_message, payload, &arena, &r, NULL) == SP_OK &&
	    r.status == SERVING) {
		end(h, NODE_OUTCOME_OK, SP_STR("service healthy"));
		return;
	}
	if (status->code == SP_RPC_OK)
		(void)snprintf(h->text, sizeof h->text, "service unhealthy (responded with \"%s\")",
			       r.status == 2   ? "NOT_SERVING"
			       : r.status == 3 ? "SERVICE_UNKNOWN"
					       : "UNKNOWN");
	else if (status->code == SP_RPC_UNIMPLEMENTED)
		(void)snprintf(h->text, sizeof h->text,
			       "error: this server does not implement the grpc health protocol "
			       "(grpc.health.v1.Health)");
	else if (status->code == SP_RPC_DEADLINE_EXCEEDED)
		(void)snprintf(h->text, sizeof h->text, "timeout: health rpc did not complete");
	else
		(void)snprintf(h->text, sizeof h->text, "error: health rpc probe failed: " SP_FMT,
			       SP_ARG(status->message));
	end(h, NODE_OUTCOME_FAILED, sp_str_c(h->text));
}

static void start_grpc(node_hook *h, const node_container *c, yyjson_val *grpc, uint64_t timeout_ns)
{
	const health_request request = {.service = sp_view_str_at(grpc, "service")};
	sp_err err = {0};
	if (!set_address(h, c, (sp_str){NULL, 0}, sp_view_at(grpc, "port"))) {
		tell(h, NODE_OUTCOME_ERROR, "no address or port to ask");
		return;
	}
	SP_AUTO_BUF payload;
	sp_buf_init(&payload, 4096);
	sp_pb_encode(&health_request_message, &request, &payload);
	h->channel = (sp_grpc_channel){.http = h->worker->agent->http, .address = sp_str_c(h->address)};
	h->rpc = (sp_grpc_rpc){.on_end = on_health, .arg = h};
	if (sp_grpc_rpc_start(
		    &h->channel, &h->rpc,
		    &(sp_grpc_rpc_opts){.service = SP_STR("grpc.health.v1.Health"),
					.method = SP_STR("Check"),
					.payload = sp_buf_view(&payload),
					.timeout_ns = timeout_ns == 0 ? NODE_SECOND_NS : timeout_ns},
		    &err) != SP_OK)
		tell(h, NODE_OUTCOME_FAILED, err.msg);
	else
		h->running = GRPC;
}

/* ---- sleep, time-outs ---- */

static void on_slept(sp_timer *t)
{
	end(t->arg, NODE_OUTCOME_OK, (sp_str){NULL, 0});
}

static void stop_all(node_hook *h)
{
	sp_cri *cri = h->worker->agent->cri;
	switch (h->running) {
	case EXEC:
		cri->cancel(cri, &h->exec);
		break;
	case HTTP:
		sp_http_handle(h->get, &forgotten, NULL);
		sp_http_reset(h->get, SP_HTTP2_CANCEL);
		h->get = NULL;
		break;
	case TCP:
		sp_connect_cancel(world(h), &h->connect);
		break;
	case GRPC:
		sp_grpc_rpc_cancel(&h->rpc);
		break;
	default:
		break;
	}
}

static void on_timeout(sp_timer *t)
{
	node_hook *h = t->arg;
	stop_all(h);
	end(h, NODE_OUTCOME_FAILED, SP_STR("context deadline exceeded"));
}

void node_hook_start(node_hook *h, node_worker *w, const node_container *c, sp_str container_id,
		     yyjson_val *handler, uint64_t timeout_ns)
{
	yyjson_val *v;
	SP_ASSERT(h->running == IDLE);
	h->worker = w;
	h->c = c;
	h->handler = handler;
	h->fell_back = false;
	h->timer.arg = h;
	sp_defer_init(&h->later, on_later, h);
	sp_buf_init(&h->body, 0);
	sp_arena_init(&h->arena, HTTP_BYTES_MAX);
	/* The runtime ends an exec by itself; this is for one that does not. */
	if (timeout_ns != 0)
		sp_timer_start(w->agent->world, &h->timer, timeout_ns + 2 * NODE_SECOND_NS, on_timeout);
	if ((v = sp_view_at(handler, "exec")) != NULL) {
		start_exec(h, v, container_id, timeout_ns);
	} else if ((v = sp_view_at(handler, "httpGet")) != NULL) {
		start_http(h, c, v, timeout_ns);
	} else if ((v = sp_view_at(handler, "tcpSocket")) != NULL) {
		start_tcp(h, c, v, timeout_ns);
	} else if ((v = sp_view_at(handler, "grpc")) != NULL) {
		start_grpc(h, c, v, timeout_ns);
	} else if ((v = sp_view_at(handler, "sleep")) != NULL) {
		int64_t seconds = yyjson_get_sint(sp_view_at(v, "seconds"));
		h->running = SLEEP;
		sp_timer_start(w->agent->world, &h->timer, (uint64_t)SP_MAX(seconds, 0) * NODE_SECOND_NS,
			       on_slept);
	} else {
		tell(h, NODE_OUTCOME_ERROR, "missing probe handler");
	}
}

void node_hook_cancel(node_hook *h)
{
	if (h->running == IDLE)
		return;
	stop_all(h);
	sp_timer_stop(world(h), &h->timer);
	sp_defer_cancel(&h->later);
	sp_buf_done(&h->body);
	sp_arena_done(&h->arena);
	h->running = IDLE;
}
