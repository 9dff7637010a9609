/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a directory, and both seams over a socket. */
#include "apiserver/jwt.h"
#include "base/ip.h"
#include "io/file.h"
#include "io/tls/sign.h"
#include "io/uv/uv.h"
#include "keys/messages.h"
#include "keys/pki.h"
#include "keys/remote.h"
#include "keys/server.h"
#include "keys/vault.h"
#include "lib/csrs.h"
#include "lib/t.h"

#include <unistd.h>

static void world_free(void *w)
{
	sp_world_uv_free(w);
}

static void vault_free(void *v)
{
	keys_vault_free(v);
}

static sp_world *open_world(void)
{
	sp_world *w = NULL;
	if (sp_world_uv_new(&w, T_ERR) != SP_OK)
		return NULL;
	T_DEFER(world_free, w);
	return w;
}

static keys_vault *open_vault(sp_world *w, int64_t announce_s)
{
	keys_vault *v = NULL;
	if (keys_vault_open(w, &(keys_vault_opts){.dir = sp_str_c(t_tmpdir()), .announce_s = announce_s}, &v,
			    T_ERR) != SP_OK)
		return NULL;
	T_DEFER(vault_free, v);
	return v;
}

static bool make_ca(sp_world *w)
{
	keys_pki pki;
	return keys_pki_ensure(w, T_ARENA, &(keys_pki_opts){.dir = sp_str_c(t_tmpdir())}, &pki, T_ERR) ==
	       SP_OK;
}

static bool load_key(sp_world *w, sp_key **ret)
{
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, 8192);
	return sp_file_read_all(w, sp_arena_printf(T_ARENA, "%s/sa.key", t_tmpdir()), &pem, T_ERR) == SP_OK &&
	       sp_key_parse(sp_buf_view(&pem), ret, T_ERR) == SP_OK;
}

/* Pods call the API by the first address of services: the serving certificate has it. */
SP_TEST(keys, serving_certificate_is_for_pods_too)
{
	sp_world *w = open_world();
	keys_pki pki;
	keys_pki_opts o = {.dir = sp_str_c(t_tmpdir()),
			   .service_cidrs = SP_STR("10.96.0.0/16,fd00:96::/112")};
	static const char *const wanted[] = {"127.0.0.1", "::1", "10.96.0.1", "fd00:96::1"};
	sp_str pem;
	sp_x509_info *certs = NULL;
	size_t n = 0;
	T_TRUE(w != NULL);
	T_OK(keys_pki_ensure(w, T_ARENA, &o, &pki, T_ERR));
	T_OK(sp_file_read_arena(w, pki.tls_crt, T_ARENA, (size_t)64 << 10, &pem, T_ERR));
	T_OK(sp_x509_inspect_pem(pem, T_ARENA, &certs, &n, T_ERR));
	T_EQ_U64(certs[0].ips.n, SP_LEN(wanted));
	for (size_t i = 0; i < SP_LEN(wanted); i++) {
		sp_ip want, got;
		T_TRUE(sp_ip_parse(sp_str_c(wanted[i]), &want) && sp_ip_parse(certs[0].ips.items[i], &got));
		T_TRUE(sp_ip_eq(&want, &got));
	}
	o.service_cidrs = SP_STR("10.96.0.0/16,x");
	T_CODE(keys_pki_ensure(w, T_ARENA, &o, &pki, T_ERR), SP_EINVAL);
}

SP_TEST(keys, tokens_are_signed_by_the_first_key)
{
	sp_world *w = open_world();
	SP_AUTO_BUF header, signature;
	SP_AUTO_KEY key = NULL;
	sp_buf_init(&header, 4096);
	sp_buf_init(&signature, 4096);
	T_TRUE(w != NULL);
	keys_vault *v = open_vault(w, 3600);
	T_TRUE(v != NULL);
	T_OK(keys_vault_sign(v, SP_STR("e30"), &header, &signature, T_ERR));
	sp_str token = sp_arena_printf(T_ARENA, SP_FMT ".e30." SP_FMT, SP_ARG(sp_buf_view(&header)),
				       SP_ARG(sp_buf_view(&signature)));
	api_jwt t;
	T_OK(api_jwt_parse(T_ARENA, token, &t, T_ERR));
	const keys_vault_key *keys;
	T_EQ_U64(keys_vault_keys(v, &keys), 1);
	T_EQ_STR(t.kid, keys[0].id);
	T_EQ_C(t.alg, "ES256");
	T_TRUE(load_key(w, &key));
	T_OK(sp_jws_verify(key, t.input, t.signature, T_ERR));
	T_CODE(sp_jws_verify(key, SP_STR("other"), t.signature, T_ERR), SP_EUNAUTH);
}

SP_TEST(keys, rotation_announces_signs_and_remembers)
{
	sp_world *w = open_world();
	SP_AUTO_BUF header, signature;
	const keys_vault_key *keys;
	int64_t due_s;
	sp_buf_init(&header, 4096);
	sp_buf_init(&signature, 4096);
	T_TRUE(w != NULL);
	keys_vault *v = open_vault(w, 3600);
	T_TRUE(v != NULL);
	(void)keys_vault_keys(v, &keys);
	sp_str first = sp_arena_try_dup(T_ARENA, keys[0].id);
	T_OK(keys_vault_rotate(v, T_ERR));
	T_CODE(keys_vault_rotate(v, T_ERR), SP_EEXISTS);
	T_OK(keys_vault_settle(v, &due_s, T_ERR));
	T_TRUE(due_s > 3500 && due_s <= 3600);
	T_EQ_U64(keys_vault_keys(v, &keys), 2);
	T_EQ_STR(keys[0].id, first); /* announced, not used */
	sp_str second = sp_arena_try_dup(T_ARENA, keys[1].id);
	/* The next process has no patience. */
	keys_vault *later = open_vault(w, 0);
	T_TRUE(later != NULL);
	T_EQ_U64(keys_vault_keys(later, &keys), 2);
	T_OK(keys_vault_settle(later, &due_s, T_ERR));
	T_EQ_I64(due_s, -1);
	T_EQ_U64(keys_vault_keys(later, &keys), 2);
	T_EQ_STR(keys[0].id, second);
	T_EQ_STR(keys[1].id, first);
	T_OK(keys_vault_sign(later, SP_STR("e30"), &header, &signature, T_ERR));
	keys_vault *again = open_vault(w, 0);
	T_TRUE(again != NULL);
	T_EQ_U64(keys_vault_keys(again, &keys), 2);
	T_EQ_STR(keys[0].id, second);
}

/* ---- certificates ---- */

#define CLIENT "kubernetes.io/kube-apiserver-client"
#define KUBELET "kubernetes.io/kube-apiserver-client-kubelet"
#define SERVING "kubernetes.io/kubelet-serving"

SP_TEST(keys, certificates)
{
	static const struct {
		const char *what, *signer, *pem, *usages[2];
		sp_code code;
	} rows[] = {
		{"user", CLIENT, T_CSR_USER, {"client auth", "digital signature"}, SP_OK},
		{"kubelet", KUBELET, T_CSR_NODE, {"client auth", "digital signature"}, SP_OK},
		{"serving", SERVING, T_CSR_SERVING, {"server auth", "key encipherment"}, SP_OK},
		{"masters", CLIENT, T_CSR_MASTERS, {"client auth", NULL}, SP_EFORBIDDEN},
		{"wrong usage", CLIENT, T_CSR_USER, {"server auth", NULL}, SP_EFORBIDDEN},
		{"no usage", CLIENT, T_CSR_USER, {NULL, NULL}, SP_EFORBIDDEN},
		{"authority", "kubernetes.io/legacy-unknown", T_CSR_USER, {"cert sign", NULL}, SP_EFORBIDDEN},
		{"no node", KUBELET, T_CSR_USER, {"client auth", NULL}, SP_EFORBIDDEN},
		{"names", KUBELET, T_CSR_SERVING, {"client auth", NULL}, SP_EFORBIDDEN},
		{"no names", SERVING, T_CSR_NODE, {"server auth", NULL}, SP_EFORBIDDEN},
		{"name of the API", SERVING, T_CSR_SERVING_API, {"server auth", NULL}, SP_EFORBIDDEN},
		{"in a domain", SERVING, T_CSR_SERVING_DOMAIN, {"server auth", NULL}, SP_EFORBIDDEN},
		{"loopback", SERVING, T_CSR_SERVING_LOOP, {"server auth", NULL}, SP_EFORBIDDEN},
		{"stranger", "example.com/x", T_CSR_USER, {"client auth", NULL}, SP_EFORBIDDEN},
		{"garbage", CLIENT, "x", {"client auth", NULL}, SP_EINVAL},
	};
	sp_world *w = open_world();
	T_TRUE(w != NULL && make_ca(w));
	keys_vault *v = open_vault(w, 0);
	T_TRUE(v != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 65536);
		sp_str usages[2];
		size_t n = 0;
		while (n < 2 && rows[i].usages[n] != NULL) {
			usages[n] = sp_str_c(rows[i].usages[n]);
			n++;
		}
		t_row("%s", rows[i].what);
		const keys_vault_request r = {.pem = sp_str_c(rows[i].pem),
					      .signer = sp_str_c(rows[i].signer),
					      .usages = usages,
					      .n_usages = n,
					      .duration_s = 3600};
		T_CODE(keys_vault_certify(v, &r, &out, T_ERR), rows[i].code);
		T_TRUE((out.len > 0) == (rows[i].code == SP_OK));
		if (rows[i].code != SP_OK)
			continue;
		sp_x509_info *info;
		size_t n_info;
		T_OK(sp_x509_inspect_pem(sp_buf_view(&out), T_ARENA, &info, &n_info, T_ERR));
		T_TRUE(!info->is_ca);
		T_EQ_C(info->issuer_common_name, "sampan-ca");
		T_EQ_I64(info->not_after_s - info->not_before_s, 3900);
		T_EQ_C(info->common_name, i == 0 ? "jane" : "system:node:n1");
		T_EQ_U64(info->ips.n, i == 2 ? 1 : 0);
	}
}

SP_TEST(keys, no_authority_no_certificates)
{
	sp_world *w = open_world();
	SP_AUTO_BUF out;
	sp_buf_init(&out, 65536);
	const sp_str usage = SP_STR("client auth");
	T_TRUE(w != NULL);
	keys_vault *v = open_vault(w, 0);
	T_TRUE(v != NULL);
	const keys_vault_request r = {
		.pem = SP_STR(T_CSR_USER), .signer = SP_STR(CLIENT), .usages = &usage, .n_usages = 1};
	T_CODE(keys_vault_certify(v, &r, &out, T_ERR), SP_EUNSUPPORTED);
}

/* ---- over the socket ---- */

typedef struct rig {
	sp_world *world;
	keys_vault *vault;
	keys_server *server;
	sp_signer *signer;
	sp_log *log;
	bool closed, done;
	sp_code code;
	sp_str kid;
} rig;

static int64_t wall_ns(void *arg)
{
	(void)arg;
	return 0;
}

static void write_nothing(void *arg, sp_str line)
{
	(void)arg;
	(void)line;
}

static void on_closed(void *arg)
{
	rig *r = arg;
	r->closed = true;
	sp_world_stop(r->world);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	if (r->signer != NULL)
		r->signer->free(r->signer);
	if (r->server != NULL) {
		keys_server_close(r->server, on_closed, r);
		while (!r->closed)
			sp_world_run(r->world);
		keys_server_free(r->server);
	}
	sp_log_free(r->log);
}

static rig *open_rig(uint32_t user)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	r->world = open_world();
	if (r->world == NULL || !make_ca(r->world))
		return NULL;
	r->log = sp_log_new(&(sp_log_opts){.wall_ns = wall_ns, .write = write_nothing});
	r->vault = open_vault(r->world, 0);
	T_DEFER(rig_done, r);
	const keys_server_opts o = {.vault = r->vault,
				    .log = r->log,
				    .address = sp_arena_printf(T_ARENA, "unix:%s/s", t_tmpdir()),
				    .users = {user},
				    .n_users = 1};
	return r->vault != NULL && keys_server_new(r->world, &o, &r->server, T_ERR) == SP_OK ? r : NULL;
}

static sp_str socket_path(void)
{
	return sp_arena_printf(T_ARENA, "%s/s", t_tmpdir());
}

static void on_signed(sp_sign_call *c, sp_str header, sp_str signature, const sp_err *err)
{
	rig *r = c->arg;
	api_jwt t;
	r->done = true;
	r->code = err == NULL ? SP_OK : err->code;
	if (err == NULL &&
	    api_jwt_parse(T_ARENA,
			  sp_arena_printf(T_ARENA, SP_FMT ".e30." SP_FMT, SP_ARG(header), SP_ARG(signature)),
			  &t, T_ERR) == SP_OK)
		r->kid = t.kid;
	sp_world_stop(r->world);
}

static void sign(rig *r)
{
	sp_sign_call c = {.claims = SP_STR("e30"), .done = on_signed, .arg = r};
	r->done = false;
	r->signer->sign(r->signer, &c);
	while (!r->done)
		sp_world_run(r->world);
}

SP_TEST(keys, a_signer_over_the_socket)
{
	rig *r = open_rig((uint32_t)geteuid());
	T_TRUE(r != NULL);
	T_OK(keys_remote_signer_open(r->world, r->log, socket_path(), &r->signer, T_ERR));
	T_EQ_U64(r->signer->n_keys, 1);
	T_EQ_I64(r->signer->max_expiration_s, KEYS_TOKEN_SECONDS_MAX);
	uint64_t generation = r->signer->generation;
	sign(r);
	T_CODE(r->code, SP_OK);
	T_EQ_STR(r->kid, r->signer->keys[0].id);
	/* Another key signs meanwhile: it is learned before its first token is handed out. */
	int64_t due_s;
	T_OK(keys_vault_rotate(r->vault, T_ERR));
	T_OK(keys_vault_settle(r->vault, &due_s, T_ERR));
	sign(r);
	T_CODE(r->code, SP_OK);
	T_EQ_U64(r->signer->n_keys, 2);
	T_TRUE(r->signer->generation != generation);
	T_EQ_STR(r->kid, r->signer->keys[0].id);
}

static void on_certificate(sp_cert_call *c, sp_str certificate, const sp_err *err)
{
	rig *r = c->arg;
	r->done = true;
	r->code = err == NULL ? SP_OK : err->code;
	r->kid = sp_arena_try_dup(T_ARENA, certificate);
	sp_world_stop(r->world);
}

static void free_certs(void *arg)
{
	sp_cert_signer *s = arg;
	s->free(s);
}

SP_TEST(keys, certificates_over_the_socket)
{
	rig *r = open_rig((uint32_t)geteuid());
	sp_cert_signer *s = NULL;
	const sp_str usage = SP_STR("client auth");
	T_TRUE(r != NULL);
	T_OK(keys_remote_certs_open(r->world, socket_path(), &s, T_ERR));
	T_DEFER(free_certs, s);
	sp_cert_call c = {.request = SP_STR(T_CSR_USER),
			  .signer = SP_STR(CLIENT),
			  .usages = &usage,
			  .n_usages = 1,
			  .done = on_certificate,
			  .arg = r};
	s->sign(s, &c);
	while (!r->done)
		sp_world_run(r->world);
	T_CODE(r->code, SP_OK);
	T_TRUE(sp_str_starts(r->kid, SP_STR("-----BEGIN CERTIFICATE-----")));
	c.request = SP_STR(T_CSR_MASTERS);
	r->done = false;
	s->sign(s, &c);
	while (!r->done)
		sp_world_run(r->world);
	T_CODE(r->code, SP_EFORBIDDEN);
}

/* Whoever is of another user is cut off. */
SP_TEST(keys, strangers_are_cut_off)
{
	rig *r = open_rig((uint32_t)geteuid() + 1);
	sp_cert_signer *s = NULL;
	const sp_str usage = SP_STR("client auth");
	T_TRUE(r != NULL);
	T_OK(keys_remote_certs_open(r->world, socket_path(), &s, T_ERR));
	T_DEFER(free_certs, s);
	sp_cert_call c = {.request = SP_STR(T_CSR_USER),
			  .signer = SP_STR(CLIENT),
			  .usages = &usage,
			  .n_usages = 1,
			  .done = on_certificate,
			  .arg = r};
	s->sign(s, &c);
	while (!r->done)
		sp_world_run(r->world);
	T_CODE(r->code, SP_EUNAVAILABLE);
}
