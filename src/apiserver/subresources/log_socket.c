/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/subresources/log_socket.h"

#include "base/base64.h"
#include "io/ws/handshake.h"

#define MESSAGE_BYTES 2048u

bool api_log_socket_wanted(const api_request *r)
{
	return sp_str_eq_nocase(r->ex->protocol, SP_STR("websocket"));
}

/* The first protocol of the client's that is ours; none is one, too. Tokens of bearers are no protocols. */
static bool choose(sp_str list, sp_str *ret, bool *ret_base64)
{
	static const struct {
		sp_str name;
		bool base64;
	} known[] = {{SP_STR_INIT("binary.k8s.io"), false}, {SP_STR_INIT("base64.binary.k8s.io"), true}};
	bool any = false;
	sp_str one;
	while (sp_str_next(&list, ',', &one)) {
		one = sp_str_trim(one);
		if (one.len == 0 || sp_str_starts(one, SP_STR("base64url.bearer.authorization.k8s.io.")))
			continue;
		any = true;
		for (size_t i = 0; i < SP_LEN(known); i++) {
			if (!sp_str_eq(one, known[i].name))
				continue;
			*ret = known[i].name;
			*ret_base64 = known[i].base64;
			return true;
		}
	}
	*ret = (sp_str){NULL, 0};
	*ret_base64 = false;
	return !any;
}

uint16_t api_log_socket_judge(const api_request *r, api_log_socket *s, sp_str *ret_protocol)
{
	const sp_http_fields *f = &r->ex->headers;
	if (r->ex->method_id != SP_HTTP_GET)
		return 405;
	if (!sp_ws_key_is_valid(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_KEY)) ||
	    !sp_str_eq(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_VERSION), SP_STR("13")))
		return 400;
	return choose(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_PROTOCOL), ret_protocol, &s->base64) ? 0 : 403;
}

bool api_log_socket_accept(api_request *r, sp_str protocol)
{
	char accept[SP_WS_ACCEPT_BYTES];
	const sp_http_header fields[] = {{SP_STR("sec-websocket-accept"), {accept, sizeof accept}},
					 {SP_STR("sec-websocket-protocol"), protocol}};
	sp_ws_accept_of(sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY), accept);
	r->answered = true;
	if (sp_http_accept_tunnel(r->ex, fields, protocol.len > 0 ? 2 : 1, NULL) == SP_OK)
		return true;
	sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
	return false;
}

/* ---- open ---- */

static void on_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg, (void)kind, (void)bytes, (void)n, (void)last; /* clients have nothing to say */
}

static void on_drain(void *arg)
{
	api_log_socket *s = arg;
	s->on_drain(s->arg);
}

static void on_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	api_log_socket *s = arg;
	(void)code, (void)reason, (void)err;
	s->ws = NULL;
	s->on_gone(s->arg);
}

static sp_code send_one(api_log_socket *s, sp_str bytes)
{
	char text[(MESSAGE_BYTES + 2) / 3 * 4];
	sp_iov part = {bytes.ptr, bytes.len};
	if (s->base64) {
		sp_base64_encode(text, bytes.ptr, bytes.len);
		part = (sp_iov){text, sp_base64_text_len(bytes.len)};
	}
	return sp_ws_send(s->ws, s->base64 ? SP_WS_TEXT : SP_WS_BINARY, &part, 1, NULL);
}

sp_code api_log_socket_open(api_log_socket *s, sp_world *w, sp_stream *stream)
{
	static const sp_ws_handler handler = {on_message, on_drain, on_close};
	const sp_ws_conn_opts o = {.core.pieces = true};
	sp_stream_handle(stream, &sp_stream_waiting, NULL);
	sp_code code = sp_ws_open(w, stream, &o, &handler, s, &s->ws, NULL);
	if (code != SP_OK) {
		sp_stream_close(stream);
		return code;
	}
	sp_ws_read(s->ws, true);
	if (send_one(s, SP_STR("")) != SP_OK)
		sp_ws_abort(s->ws);
	s->on_open(s->arg);
	return SP_OK;
}

sp_code api_log_socket_send(api_log_socket *s, sp_str bytes)
{
	while (bytes.len > 0) {
		size_t n = SP_MIN(bytes.len, MESSAGE_BYTES);
		if (s->ws == NULL)
			return SP_ECANCELED;
		SP_TRY(send_one(s, sp_str_sub(bytes, 0, n)));
		bytes = sp_str_sub(bytes, n, bytes.len);
	}
	return SP_OK;
}

void api_log_socket_end(api_log_socket *s)
{
	if (s->ws != NULL)
		sp_ws_close(s->ws, SP_WS_NORMAL, SP_STR(""));
}
