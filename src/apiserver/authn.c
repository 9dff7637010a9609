/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/auth.h"
#include "apiserver/server_int.h"
#include "io/tls.h"

static const sp_str anonymous_groups[] = {SP_STR_INIT("system:unauthenticated")};

static bool by_certificate(api_request *r)
{
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	if (peer == NULL || !peer->verified || peer->cert.common_name.len == 0)
		return false;
	r->user = (api_user){.name = peer->cert.common_name,
			     .groups = peer->cert.organizations.items,
			     .n_groups = peer->cert.organizations.n};
	return true;
}

/* Credentials that nobody knows are not the same as none. */
static bool refuse(api_request *r)
{
	sp_status s = sp_status_unauthorized(SP_STR("Unauthorized"));
	api_reply_status(r, &s);
	return false;
}

bool api_authenticate(api_request *r)
{
	if (by_certificate(r))
		return api_user_settle_groups(r->arena, &r->user) || refuse(r);
	if (sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION).len > 0 || r->server->no_anonymous)
		return refuse(r);
	r->user = (api_user){
		.name = API_USER_ANONYMOUS, .groups = anonymous_groups, .n_groups = SP_LEN(anonymous_groups)};
	return true;
}
