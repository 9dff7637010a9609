/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a front proxy's headers name. U: apiserver pkg/authentication/request/headerrequest */
#include "apiserver/request_header.h"
#include "apiserver/server_int.h"
#include "io/tls.h"
#include "lib/t.h"

static api_named read(api_request *r, const sp_http_header *headers, uint32_t n, const sp_tls_peer *peer)
{
	static api_server server;
	static sp_http_exchange ex;
	static sp_stream stream;
	static const sp_str names[] = {SP_STR_INIT("proxy")}, groups[] = {SP_STR_INIT("x-remote-group")},
			    users[] = {SP_STR_INIT("x-remote-user"), SP_STR_INIT("x-user")},
			    uids[] = {SP_STR_INIT("x-remote-uid")},
			    extra[] = {SP_STR_INIT("x-remote-extra-")};
	server = (api_server){.front_proxy = {.names = {names, 1},
					      .user_headers = {users, 2},
					      .uid_headers = {uids, 1},
					      .group_headers = {groups, 1},
					      .extra_prefixes = {extra, 1}}};
	ex = (sp_http_exchange){.stream = &stream};
	stream = (sp_stream){.tls = peer};
	ex.headers.at = (sp_http_header *)(uintptr_t)headers;
	ex.headers.n = n;
	*r = (api_request){.server = &server, .ex = &ex, .arena = T_ARENA};
	return api_user_by_header(r);
}

SP_TEST(request_header, what_names_a_user)
{
	static const struct {
		const char *name;
		bool yes;
	} rows[] = {{"x-remote-user", true}, {"x-remote-extra-a", true}, {"x-user", true},
		    {"x-user-agent", false}, {"x-forwarded-for", false}, {"remote-user", false}};
	static const sp_str users[] = {SP_STR_INIT("x-user")};
	const api_server s = {.front_proxy = {.user_headers = {users, 1}}}, plain = {.log = NULL};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		T_TRUE(api_header_names_user(&s, sp_str_c(rows[i].name)) == rows[i].yes);
	}
	T_TRUE(api_header_names_user(&plain, SP_STR("x-remote-group")));
	T_TRUE(!api_header_names_user(&plain, SP_STR("x-user")));
}

SP_TEST(request_header, who_is_named)
{
	static const sp_http_header headers[] = {
		{SP_STR_INIT("x-remote-user"), SP_STR_INIT("")},
		{SP_STR_INIT("x-user"), SP_STR_INIT("carol")},
		{SP_STR_INIT("x-remote-group"), SP_STR_INIT("g1")},
		{SP_STR_INIT("x-remote-group"), SP_STR_INIT("")},
		{SP_STR_INIT("x-remote-group"), SP_STR_INIT("g2")},
		{SP_STR_INIT("x-remote-uid"), SP_STR_INIT("u")},
		{SP_STR_INIT("x-remote-extra-a%2fb"), SP_STR_INIT("1")},
		{SP_STR_INIT("x-remote-extra-a%2fb"), SP_STR_INIT("2")},
		{SP_STR_INIT("x-remote-extra-%zz"), SP_STR_INIT("3")},
	};
	sp_tls_peer peer = {.also_verified = true, .cert = {.common_name = SP_STR("proxy")}};
	api_request r;
	T_TRUE(read(&r, headers, SP_LEN(headers), &peer) == API_NAMED_USER);
	T_EQ_C(r.user.name, "carol");
	T_EQ_C(r.user.uid, "u");
	T_EQ_U64(r.user.n_groups, 2);
	T_EQ_C(r.user.groups[1], "g2");
	T_EQ_U64(r.user.n_extra, 2);
	T_EQ_C(r.user.extra[0].key, "a/b");
	T_EQ_U64(r.user.extra[0].n, 2);
	T_EQ_C(r.user.extra[1].key, "%zz");
	T_TRUE(read(&r, headers + 2, SP_LEN(headers) - 2, &peer) == API_NAMED_NONE);
	peer.cert.common_name = SP_STR("other");
	T_TRUE(read(&r, headers, SP_LEN(headers), &peer) == API_NAMED_REFUSED);
	peer.cert.common_name = SP_STR("proxy");
	peer.also_verified = false;
	peer.verified = true;
	T_TRUE(read(&r, headers, SP_LEN(headers), &peer) == API_NAMED_NONE);
	T_TRUE(read(&r, headers, SP_LEN(headers), NULL) == API_NAMED_NONE);
}
