/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/auth.h"
#include "io/tls.h"

static const sp_str anonymous_groups[] = {SP_STR_INIT("system:unauthenticated")};

static bool by_certificate(api_request *r)
{
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	if (peer == NULL || !peer->verified || peer->cert.common_name.len == 0)
		return false;
	size_t n = peer->cert.organizations.n;
	sp_str *groups = sp_try_new(r->arena, sp_str, n + 1);
	if (groups == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		groups[i] = peer->cert.organizations.items[i];
	groups[n] = SP_STR("system:authenticated");
	r->user = (api_user){.name = peer->cert.common_name, .groups = groups, .n_groups = n + 1};
	return true;
}

bool api_authenticate(api_request *r)
{
	if (by_certificate(r))
		return true;
	if (sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION).len > 0) {
		/* Credentials that nobody knows are not the same as none. */
		sp_status s = sp_status_unauthorized(SP_STR("Unauthorized"));
		api_reply_status(r, &s);
		return false;
	}
	r->user = (api_user){.name = SP_STR("system:anonymous"),
			     .groups = anonymous_groups,
			     .n_groups = SP_LEN(anonymous_groups)};
	return true;
}
