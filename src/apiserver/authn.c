/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/audit.h"
#include "apiserver/auth.h"
#include "apiserver/bearer.h"
#include "apiserver/metrics/measure.h"
#include "apiserver/request_header.h"
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

typedef enum outcome { ABSENT, ACCEPTED, REJECTED } outcome;

/* A certificate that nobody vouches for is a bad credential, not none. */
static outcome by_certificate(api_request *r)
{
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	if (peer == NULL)
		return ABSENT;
	if (!peer->verified)
		return REJECTED;
	if (peer->cert.common_name.len == 0)
		return ABSENT;
	r->user = (api_user){.name = peer->cert.common_name,
			     .groups = peer->cert.organizations.items,
			     .n_groups = peer->cert.organizations.n};
	return add_credential(r, peer->cert.sha256) && api_user_settle_groups(r->arena, &r->user) ? ACCEPTED
												  : REJECTED;
}

static outcome by_header(api_request *r)
{
	switch (api_user_by_header(r)) {
	case API_NAMED_NONE:
		return ABSENT;
	case API_NAMED_USER:
		return api_user_settle_groups(r->arena, &r->user) ? ACCEPTED : REJECTED;
	case API_NAMED_REFUSED:
	case API_NAMED_NO_ROOM:
		break;
	}
	return REJECTED;
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

static outcome by_bearer(api_request *r)
{
	outcome o = by_token(r, api_bearer_token(sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION)));
	return o == ABSENT ? by_protocol(r) : o;
}

/* The first that knows the client; when none does, whether a credential was bad. */
bool api_authenticate(api_request *r)
{
	static outcome (*const ways[])(api_request *) = {by_header, by_certificate, by_bearer};
	bool rejected = false;
	for (size_t i = 0; i < SP_LEN(ways); i++) {
		outcome o = ways[i](r);
		if (o == ACCEPTED)
			return accept(r);
		rejected = rejected || o == REJECTED;
	}
	if (rejected || r->server->no_anonymous)
		return refuse(r, rejected ? API_AUTHN_ERROR : API_AUTHN_FAILURE);
	r->user = (api_user){
		.name = API_USER_ANONYMOUS, .groups = anonymous_groups, .n_groups = SP_LEN(anonymous_groups)};
	return accept(r);
}
