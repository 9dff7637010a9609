/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/audit.h"
#include "apiserver/auth.h"
#include "apiserver/bearer.h"
#include "apiserver/metrics/measure.h"
#include "apiserver/server_int.h"
#include "io/tls.h"

static const sp_str anonymous_groups[] = {SP_STR_INIT("system:unauthenticated")};

/* The certificate itself, so that audits can tell two of one name apart. */
static bool add_credential(api_request *r, sp_str sha256)
{
	sp_str *value = sp_try_new(r->arena, sp_str, 1);
	api_extra *extra = sp_try_new(r->arena, api_extra, 1);
	if (value == NULL || extra == NULL)
		return false;
	*value = SP_CONCAT(r->arena, SP_STR("X509SHA256="), sha256);
	*extra = (api_extra){SP_STR("authentication.kubernetes.io/credential-id"), value, 1};
	r->user.extra = extra;
	r->user.n_extra = 1;
	return value->ptr != NULL;
}

static bool by_certificate(api_request *r)
{
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	if (peer == NULL || !peer->verified || peer->cert.common_name.len == 0)
		return false;
	r->user = (api_user){.name = peer->cert.common_name,
			     .groups = peer->cert.organizations.items,
			     .n_groups = peer->cert.organizations.n};
	return add_credential(r, peer->cert.sha256);
}

/* Credentials that nobody knows are not the same as none. */
static bool refuse(api_request *r, api_authn_result result)
{
	sp_status s = sp_status_unauthorized(SP_STR("Unauthorized"));
	api_measure_authn(r, result);
	api_audit_unauthenticated(r);
	api_reply_status(r, &s);
	return false;
}

typedef enum outcome { ABSENT, ACCEPTED, REJECTED } outcome;

static outcome by_token(api_request *r, sp_str token)
{
	api_token_verdict v;
	if (token.len == 0)
		return ABSENT;
	api_tokens_check(r->server, r->arena, token, NULL, 0, &v);
	if (!v.ok)
		return REJECTED;
	r->user = v.user;
	return ACCEPTED;
}

/* Browsers can't set headers of WebSockets. */
static outcome by_protocol(api_request *r)
{
	sp_str protocols = sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_PROTOCOL), token;
	if (protocols.len == 0)
		return ABSENT;
	if (api_bearer_from_protocols(r->arena, protocols, &token, NULL) != SP_OK)
		return REJECTED;
	return by_token(r, token);
}

static bool accept(api_request *r)
{
	api_measure_authn(r, API_AUTHN_SUCCESS);
	return true;
}

bool api_authenticate(api_request *r)
{
	if (by_certificate(r))
		return api_user_settle_groups(r->arena, &r->user) ? accept(r) : refuse(r, API_AUTHN_ERROR);
	outcome o = by_token(r, api_bearer_token(sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION)));
	if (o == ABSENT)
		o = by_protocol(r);
	if (o == ACCEPTED)
		return accept(r);
	if (o == REJECTED || r->server->no_anonymous)
		return refuse(r, o == REJECTED ? API_AUTHN_ERROR : API_AUTHN_FAILURE);
	r->user = (api_user){
		.name = API_USER_ANONYMOUS, .groups = anonymous_groups, .n_groups = SP_LEN(anonymous_groups)};
	return accept(r);
}
