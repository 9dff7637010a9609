/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of nodes that join, and what a server must prove to them. */
#include "base/base64.h"
#include "client/cluster_info.h"
#include "io/tls/x509.h"
#include "io/uv/uv.h"
#include "keys/pki.h"
#include "lib/t.h"

#include "io/file.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

SP_TEST(join, tokens)
{
	sp_join_token t;
	T_OK(sp_join_token_parse(SP_STR("abcdef.0123456789abcdef"), &t, T_ERR));
	T_EQ_C(t.id, "abcdef");
	T_EQ_C(t.secret, "0123456789abcdef");
	T_EQ_U64(t.ca_hash.len, 0);
	T_OK(sp_join_token_parse(SP_STR("abcdef.0123456789abcdef:sha256:" HASH), &t, T_ERR));
	T_EQ_C(t.secret, "0123456789abcdef");
	T_EQ_C(t.ca_hash, HASH);
	static const char *const bad[] = {"",
					  "abcdef",
					  "abcdef.",
					  "abcde.0123456789abcdef",
					  "abcdef.0123456789abcde",
					  "abcdeF.0123456789abcdef",
					  "abcdef.0123456789abcdef:",
					  "abcdef.0123456789abcdef:" HASH,
					  "abcdef.0123456789abcdef:sha256:",
					  "abcdef.0123456789abcdef:sha256:" HASH "0",
					  "abcdef.0123456789abcdef:sha512:" HASH};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i]);
		T_CODE(sp_join_token_parse(sp_str_c(bad[i]), &t, T_ERR), SP_EINVAL);
	}
}

typedef struct authority {
	sp_str pem, hash;
} authority;

static bool make_authority(authority *ret)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_x509_info *all;
	size_t n;
	sp_buf_init(&pem, 10000);
	const sp_x509_template t = {
		.common_name = SP_STR("ca"), .not_after_s = 2000000000, .usages = SP_X509_CA};
	if (sp_key_new(&key, T_ERR) != SP_OK || sp_x509_issue(&t, key, NULL, &pem, T_ERR) != SP_OK)
		return false;
	ret->pem = sp_arena_try_dup(T_ARENA, sp_buf_view(&pem));
	if (sp_x509_inspect_pem(ret->pem, T_ARENA, &all, &n, T_ERR) != SP_OK)
		return false;
	ret->hash = all[0].key_sha256;
	return true;
}

static sp_str info_of(const authority *ca, const char *id, const char *secret)
{
	SP_AUTO_BUF base64;
	sp_buf_init(&base64, 10000);
	(void)sp_base64_append(&base64, ca->pem.ptr, ca->pem.len);
	sp_str kubeconfig = sp_arena_printf(T_ARENA,
					    "{\"clusters\":[{\"cluster\":{\"server\":\"https://"
					    "h:1\",\"certificate-authority-data\":\"" SP_FMT "\"}}]}",
					    SP_ARG(sp_buf_view(&base64)));
	sp_str signature = sp_join_sign(T_ARENA, kubeconfig, sp_str_c(id), sp_str_c(secret));
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, 20000);
	for (size_t i = 0; i < kubeconfig.len; i++) {
		if (kubeconfig.ptr[i] == '"')
			(void)sp_buf_char(&quoted, '\\');
		(void)sp_buf_char(&quoted, kubeconfig.ptr[i]);
	}
	return sp_arena_printf(
		T_ARENA, "{\"data\":{\"kubeconfig\":\"" SP_FMT "\",\"jws-kubeconfig-%s\":\"" SP_FMT "\"}}",
		SP_ARG(sp_buf_view(&quoted)), id, SP_ARG(signature));
}

SP_TEST(join, the_server_proves_itself)
{
	authority ca, other;
	sp_client_config c;
	T_TRUE(make_authority(&ca));
	T_TRUE(make_authority(&other));
	sp_join_token t = {SP_STR("abcdef"), SP_STR("0123456789abcdef"), ca.hash};
	sp_str json = info_of(&ca, "abcdef", "0123456789abcdef");
	T_OK(sp_join_verify(T_ARENA, json, &t, &c, T_ERR));
	T_EQ_C(c.address, "h:1");
	T_TRUE(sp_str_eq(c.ca_pem, ca.pem));
	t.ca_hash = other.hash;
	T_CODE(sp_join_verify(T_ARENA, json, &t, &c, T_ERR), SP_EUNAUTH);
	t.ca_hash = SP_STR("");
	T_OK(sp_join_verify(T_ARENA, json, &t, &c, T_ERR));
	T_CODE(sp_join_verify(T_ARENA, info_of(&ca, "abcdef", "another-secret00"), &t, &c, T_ERR),
	       SP_EUNAUTH);
	T_CODE(sp_join_verify(T_ARENA, info_of(&ca, "fedcba", "0123456789abcdef"), &t, &c, T_ERR),
	       SP_EUNAUTH);
	T_CODE(sp_join_verify(T_ARENA, SP_STR("{\"data\":{}}"), &t, &c, T_ERR), SP_EINVAL);
}

SP_TEST(join, requests_name_the_node)
{
	static const sp_str group = SP_STR_INIT("system:nodes"), dns = SP_STR_INIT("n1"),
			    ip = SP_STR_INIT("10.0.0.1");
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_x509_info who;
	sp_buf_init(&pem, 10000);
	T_OK(sp_key_new(&key, T_ERR));
	const sp_x509_template t = {.common_name = SP_STR("system:node:n1"),
				    .organizations = &group,
				    .n_organizations = 1,
				    .dns = &dns,
				    .n_dns = 1,
				    .ips = &ip,
				    .n_ips = 1};
	T_OK(sp_x509_request_new(&t, key, &pem, T_ERR));
	T_OK(sp_x509_request_inspect(sp_buf_view(&pem), T_ARENA, &who, T_ERR));
	T_EQ_C(who.common_name, "system:node:n1");
	T_EQ_C(who.organizations.items[0], "system:nodes");
	T_EQ_C(who.dns.items[0], "n1");
	T_EQ_C(who.ips.items[0], "10.0.0.1");
}

static void world_free(void *w)
{
	sp_world_uv_free(w);
}

SP_TEST(join, certificates_are_made_anew_in_time)
{
	sp_world *w = NULL;
	keys_pki pki;
	sp_str first, again, anew;
	T_OK(sp_world_uv_new(&w, T_ERR));
	T_DEFER(world_free, w);
	keys_pki_opts o = {.dir = sp_str_c(t_tmpdir()), .lifetime_s = 100};
	T_OK(keys_pki_ensure(w, T_ARENA, &o, &pki, T_ERR));
	T_OK(sp_file_read_arena(w, pki.tls_crt, T_ARENA, 100000, &first, T_ERR));
	T_OK(keys_pki_ensure(w, T_ARENA, &o, &pki, T_ERR));
	T_OK(sp_file_read_arena(w, pki.tls_crt, T_ARENA, 100000, &again, T_ERR));
	T_TRUE(sp_str_eq(first, again));
	o.lifetime_s = 1000; /* of which less than three tenths are left */
	T_OK(keys_pki_ensure(w, T_ARENA, &o, &pki, T_ERR));
	T_OK(sp_file_read_arena(w, pki.tls_crt, T_ARENA, 100000, &anew, T_ERR));
	T_TRUE(!sp_str_eq(first, anew));
}
