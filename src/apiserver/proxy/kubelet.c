/* SPDX-License-Identifier: Apache-2.0 */
/* exec, attach and portforward: the kubelet of the pod's node does them. U: kubernetes
 * pkg/registry/core/pod/{strategy,rest/subresources}.go. */
#include "apiserver/proxy/connect.h"
#include "io/ws/channels.h"
#include "io/ws/handshake.h"
#include "kube/meta.h"

#define QUERY_BYTES_MAX ((size_t)1 << 20)

/* ---- where ---- */

static void no_host(api_request *r)
{
	api_reply_bad_request(r, sp_arena_printf(r->arena, "pod " SP_FMT " does not have a host assigned",
						 SP_ARG(r->info.name)));
}

static void on_fault(api_request *r, const api_proxy_target *t, api_proxy_fault fault, uint16_t status,
		     const sp_err *err)
{
	if (fault == API_PROXY_NO_UPGRADE)
		api_reply_plain(
			r, sp_arena_printf(r->arena, "invalid upgrade response: status code %u", status));
	else
		api_reply_plain(r, sp_arena_printf(r->arena, "error dialing backend: " SP_FMT,
						   SP_ARG(api_proxy_why(r->arena, t->address, err))));
}

static void add(sp_buf *query, const char *key, sp_str value)
{
	(void)sp_buf_printf(query, "%s%s=", query->len == 0 ? "?" : "&", key);
	(void)sp_url_escape(query, value);
}

/* In the order of Go's Encode: keys sorted. */
static void put_streams(sp_buf *query, yyjson_mut_val *options)
{
	static const struct {
		const char *option, *param;
	} flags[] = {{"stderr", "error"}, {"stdin", "input"}, {"stdout", "output"}, {"tty", "tty"}};
	SP_KV_EACH (c, i, sp_kv_list(options, "command"))
		add(query, "command", sp_jmut_str(c));
	for (size_t i = 0; i < SP_LEN(flags); i++) {
		if (sp_kv_bool(options, flags[i].option))
			add(query, flags[i].param, SP_STR("1"));
	}
}

static void put_ports(sp_buf *query, yyjson_mut_val *options)
{
	SP_AUTO_BUF list;
	sp_buf_init(&list, QUERY_BYTES_MAX);
	SP_KV_EACH (p, i, sp_kv_list(options, "ports"))
		(void)sp_buf_printf(&list, "%s%lld", i == 0 ? "" : ",", (long long)sp_kv_num(p, 0));
	if (list.len > 0)
		add(query, "port", sp_buf_view(&list));
}

/* The kubelet's path for a pod; false: answered. `container` is empty where there is none in it. */
static bool find(api_request *r, const char *what, yyjson_mut_val *options, api_proxy_target *ret)
{
	api_kubelet k;
	SP_AUTO_BUF query;
	sp_buf_init(&query, QUERY_BYTES_MAX);
	bool has_container = !sp_str_eq(sp_str_c(what), SP_STR("portForward"));
	sp_str container = {NULL, 0};
	yyjson_mut_val *pod = api_connect_load(r, "pods", r->info.ns, r->info.name);
	if (pod == NULL)
		return false;
	if (has_container) {
		container = api_connect_container(r, pod, sp_kv_str(options, "container"));
		if (container.len == 0)
			return false;
	}
	sp_str node = sp_kv_str(sp_kv_get(pod, "spec"), "nodeName");
	if (node.len == 0) {
		no_host(r);
		return false;
	}
	if (!api_kubelet_find(r, node, &k))
		return false;
	if (has_container)
		put_streams(&query, options);
	else
		put_ports(&query, options);
	*ret = (api_proxy_target){
		.scheme = k.scheme,
		.address = k.address,
		.server_name = k.host,
		.tls = r->server->kubelet.tls,
		.path = sp_arena_printf(r->arena, "/%s/" SP_FMT "/" SP_FMT "%s" SP_FMT SP_FMT, what,
					SP_ARG(r->info.ns), SP_ARG(r->info.name), has_container ? "/" : "",
					SP_ARG(container), SP_ARG(sp_buf_view(&query))),
		.fail = on_fault};
	if (sp_buf_code(&query) == SP_OK && ret->path.len > 0)
		return true;
	api_reply_error(r, SP_ETOOLARGE, NULL);
	return false;
}

/* ---- what ---- */

static bool wants_upgrade(api_request *r)
{
	if (r->ex->protocol.len > 0)
		return true;
	api_reply_bad_request(r, SP_STR("Upgrade request required"));
	return false;
}

static void remote(api_request *r, const char *what, yyjson_mut_val *options)
{
	api_proxy_target t;
	if (!find(r, what, options, &t))
		return;
	if (api_remote_is_v5(r))
		api_remote_translate(r, &t, options);
	else if (wants_upgrade(r))
		api_proxy(r, &t);
}

void api_connect_exec(api_request *r, yyjson_mut_val *options)
{
	remote(r, "exec", options);
}

void api_connect_attach(api_request *r, yyjson_mut_val *options)
{
	remote(r, "attach", options);
}

/* "portforward.k8s.io" of "SPDY/3.1+portforward.k8s.io, …": what the server is offered. */
static sp_str tunnelled(api_request *r)
{
	sp_str list = sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_PROTOCOL), one;
	sp_str found = {NULL, 0};
	if (!sp_str_eq_nocase(r->ex->protocol, SP_STR("websocket")))
		return found;
	while (sp_str_next(&list, ',', &one)) {
		one = sp_str_trim(one);
		if (!sp_channel_is_tunnel(one))
			continue;
		one = sp_str_sub(one, sizeof "SPDY/3.1+" - 1, one.len);
		found = found.len == 0
				? one
				: sp_arena_printf(r->arena, SP_FMT ", " SP_FMT, SP_ARG(found), SP_ARG(one));
	}
	return found;
}

void api_connect_port_forward(api_request *r, yyjson_mut_val *options)
{
	api_proxy_target t;
	sp_str inner = tunnelled(r);
	const sp_http_header offer = {SP_STR("x-stream-protocol-version"), inner};
	if (!find(r, "portForward", options, &t) || !wants_upgrade(r))
		return;
	if (inner.len > 0) {
		if (!sp_ws_key_is_valid(sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY)) ||
		    !sp_str_eq(sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_VERSION), SP_STR("13"))) {
			api_reply(r, 400, SP_STR("text/plain; charset=utf-8"), SP_STR("Bad Request\n"));
			return;
		}
		t.spdy_in_websocket = true;
		t.drop = SP_STR("sec-websocket-");
		t.headers = &offer;
		t.n_headers = 1;
	}
	api_proxy(r, &t);
}
