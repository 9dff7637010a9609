/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/pki.h"

#include "base/base64.h"
#include "base/ip.h"
#include "io/file.h"
#include "io/tls/x509.h"

#define DAY_S INT64_C(86400)
#define CA_DAYS 3650
#define BACK_S 3600
#define NS_PER_S INT64_C(1000000000)
#define FILE_BYTES_MAX ((size_t)64 << 10)
#define NAMES_MAX 16u

typedef struct pki_run {
	sp_world *world;
	sp_arena *arena;
	const keys_pki_opts *o;
	int64_t now_s;
	sp_x509_ca *ca;
	sp_str ca_pem;
} pki_run;

static const sp_str cluster_names[] = {
	SP_STR_INIT("localhost"), SP_STR_INIT("kubernetes"), SP_STR_INIT("kubernetes.default"),
	SP_STR_INIT("kubernetes.default.svc"), SP_STR_INIT("kubernetes.default.svc.cluster.local")};

bool keys_pki_is_cluster_name(sp_str name)
{
	const sp_str inside = SP_STR("kubernetes.default.svc.");
	if (sp_str_ends(name, SP_STR(".")))
		name.len--;
	for (size_t i = 0; i < SP_LEN(cluster_names); i++) {
		if (sp_str_eq_nocase(name, cluster_names[i]))
			return true;
	}
	return sp_str_index(name, '*') >= 0 ||
	       (name.len > inside.len && sp_str_eq_nocase(sp_str_sub(name, 0, inside.len), inside));
}

static sp_str path_of(const pki_run *p, const char *name)
{
	return sp_arena_printf(p->arena, SP_FMT "/%s", SP_ARG(p->o->dir), name);
}

static sp_code read_file(const pki_run *p, const char *name, sp_str *ret, sp_err *err)
{
	return sp_file_read_arena(p->world, path_of(p, name), p->arena, FILE_BYTES_MAX, ret, err);
}

/* The caller's arena may stay for long: no private key gets into it. */
static sp_code read_key(const pki_run *p, const char *name, sp_key **ret, sp_err *err)
{
	SP_CLEANUP(sp_arena_done) sp_arena secret;
	sp_str pem;
	sp_arena_init_secret(&secret, 4 * FILE_BYTES_MAX);
	SP_TRY(sp_file_read_arena(p->world, path_of(p, name), &secret, FILE_BYTES_MAX, &pem, err));
	return sp_key_parse(pem, ret, err);
}

static bool has_key(const pki_run *p, const char *name)
{
	SP_AUTO_KEY key = NULL;
	return read_key(p, name, &key, NULL) == SP_OK;
}

static sp_code write_key(const pki_run *p, const char *name, const sp_key *key, sp_err *err)
{
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&pem, 4096); /* no copy is left behind by growing */
	sp_code code = sp_key_print(key, &pem, err);
	if (code == SP_OK)
		code = sp_file_replace(p->world, path_of(p, name), sp_buf_view(&pem), 0600, err);
	sp_buf_cleanse(&pem);
	return code;
}

static int64_t lifetime_s(const pki_run *p)
{
	return p->o->lifetime_s > 0 ? p->o->lifetime_s : KEYS_PKI_LIFETIME_S;
}

static bool lasts(const pki_run *p, const sp_x509_info *cert, int64_t lifetime)
{
	return cert->not_after_s > p->now_s + KEYS_PKI_LEFT(lifetime);
}

static sp_x509_template template_of(const pki_run *p, const char *name, int64_t seconds, uint32_t usages)
{
	/* An hour back, for clocks that are behind ours. */
	return (sp_x509_template){.common_name = sp_str_c(name),
				  .not_before_s = p->now_s - SP_MIN(BACK_S, seconds / 10),
				  .not_after_s = p->now_s + seconds,
				  .usages = usages};
}

/* ---- the authority ---- */

static sp_code make_ca(pki_run *p, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	SP_TRY(sp_key_new(&key, err));
	sp_x509_template t = template_of(p, "sampan-ca", CA_DAYS * DAY_S, SP_X509_CA);
	SP_TRY(sp_x509_issue(&t, key, NULL, &pem, err));
	SP_TRY(write_key(p, "ca.key", key, err));
	/* The certificate last: without it the next start makes both anew. */
	return sp_file_replace(p->world, path_of(p, "ca.crt"), sp_buf_view(&pem), 0644, err);
}

static sp_code load_ca(pki_run *p, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	sp_code code = read_file(p, "ca.crt", &p->ca_pem, err);
	if (code == SP_ENOTFOUND) {
		SP_TRY(make_ca(p, err));
		code = read_file(p, "ca.crt", &p->ca_pem, err);
	}
	SP_TRY(code);
	SP_TRY(read_key(p, "ca.key", &key, err));
	return sp_x509_ca_new(p->ca_pem, key, &p->ca, err);
}

/* ---- leaves ---- */

static sp_code issue(pki_run *p, const sp_x509_template *t, const char *crt, const char *key_name,
		     sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	SP_TRY(sp_key_new(&key, err));
	SP_TRY(sp_x509_issue(t, key, p->ca, &pem, err));
	SP_TRY(write_key(p, key_name, key, err));
	return sp_file_replace(p->world, path_of(p, crt), sp_buf_view(&pem), 0644, err);
}

/* Is there a certificate that lasts and carries these addresses? */
static bool is_good(const pki_run *p, const char *crt, const sp_str *ips, size_t n_ips)
{
	sp_str pem;
	sp_x509_info *certs = NULL;
	size_t n = 0;
	return read_file(p, crt, &pem, NULL) == SP_OK &&
	       sp_x509_inspect_pem(pem, p->arena, &certs, &n, NULL) == SP_OK &&
	       lasts(p, &certs[0], lifetime_s(p)) &&
	       sp_strs_have(&certs[0].dns, cluster_names, SP_LEN(cluster_names)) &&
	       sp_strs_have(&certs[0].ips, ips, n_ips);
}

/* Pods know the API by the first address of services. False: no prefix, or no more room. */
static bool add_services(const pki_run *p, sp_str *ips, size_t *n)
{
	sp_str rest = p->o->service_cidrs;
	while (rest.len > 0) {
		sp_cidr cidr;
		sp_str one;
		char text[SP_IP_TEXT_BYTES];
		(void)sp_str_next(&rest, ',', &one);
		if (*n == NAMES_MAX || !sp_cidr_parse(one, &cidr))
			return false;
		sp_ip first = sp_cidr_network(&cidr);
		first.bytes[15]++; /* a prefix of services is no single address */
		size_t len = sp_ip_print(text, &first);
		ips[(*n)++] = sp_arena_try_dup(p->arena, (sp_str){text, len});
	}
	return true;
}

static sp_code ensure_serving(pki_run *p, sp_err *err)
{
	sp_str ips[NAMES_MAX] = {SP_STR("127.0.0.1"), SP_STR("::1")};
	size_t n = 2;
	if (p->o->n_ips > NAMES_MAX - n)
		return sp_fail(err, SP_EINVAL, "more than %u addresses", NAMES_MAX - 2);
	for (size_t i = 0; i < p->o->n_ips; i++)
		ips[n++] = p->o->ips[i];
	if (!add_services(p, ips, &n))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no prefix of services",
			       SP_ARG(p->o->service_cidrs));
	if (is_good(p, "apiserver.crt", ips, n))
		return SP_OK;
	sp_x509_template t = template_of(p, "kube-apiserver", lifetime_s(p), SP_X509_SERVER);
	t.dns = cluster_names;
	t.n_dns = SP_LEN(cluster_names);
	t.ips = ips;
	t.n_ips = n;
	return issue(p, &t, "apiserver.crt", "apiserver.key", err);
}

/* ---- pairs of files ---- */

const keys_pki_pair keys_pki_kubelet_client = {.file = "apiserver-kubelet-client",
					       .name = SP_STR_INIT("kube-apiserver-kubelet-client"),
					       .group = SP_STR_INIT("system:masters")};

static bool pair_is_good(const pki_run *p, const keys_pki_pair *pair, const char *crt, const char *key)
{
	sp_str pem;
	sp_x509_info *certs = NULL;
	size_t n = 0;
	return has_key(p, key) && read_file(p, crt, &pem, NULL) == SP_OK &&
	       sp_x509_inspect_pem(pem, p->arena, &certs, &n, NULL) == SP_OK &&
	       lasts(p, &certs[0], lifetime_s(p)) && sp_str_eq(certs[0].common_name, pair->name) &&
	       sp_strs_have(&certs[0].dns, pair->dns, pair->n_dns) &&
	       sp_strs_have(&certs[0].ips, pair->ips, pair->n_ips) &&
	       sp_strs_have(&certs[0].organizations, &pair->group, pair->group.len > 0 ? 1 : 0);
}

static sp_code ensure_pair(pki_run *p, const keys_pki_pair *pair, sp_err *err)
{
	const char *crt = sp_arena_printf(p->arena, "%s.crt", pair->file).ptr;
	const char *key = sp_arena_printf(p->arena, "%s.key", pair->file).ptr;
	if (pair_is_good(p, pair, crt, key))
		return SP_OK;
	const char *name = sp_arena_printf(p->arena, SP_FMT, SP_ARG(pair->name)).ptr;
	sp_x509_template t =
		template_of(p, name, lifetime_s(p), pair->serves ? SP_X509_SERVER : SP_X509_CLIENT);
	t.organizations = &pair->group;
	t.n_organizations = pair->group.len > 0 ? 1 : 0;
	t.dns = pair->dns;
	t.n_dns = pair->n_dns;
	t.ips = pair->ips;
	t.n_ips = pair->n_ips;
	return issue(p, &t, crt, key, err);
}

/* ---- the front proxy ---- */

#define FRONT_CA_BYTES 8u

/* The authority's name is one of its own, so that a certificate of an earlier one is known as such. */
static bool front_proxy_is_good(const pki_run *p)
{
	sp_str pem;
	sp_x509_info *leaf = NULL, *ca = NULL;
	size_t n = 0;
	return has_key(p, "front-proxy-client.key") &&
	       read_file(p, "front-proxy-client.crt", &pem, NULL) == SP_OK &&
	       sp_x509_inspect_pem(pem, p->arena, &leaf, &n, NULL) == SP_OK &&
	       read_file(p, "front-proxy-ca.crt", &pem, NULL) == SP_OK &&
	       sp_x509_inspect_pem(pem, p->arena, &ca, &n, NULL) == SP_OK &&
	       lasts(p, &leaf[0], CA_DAYS * DAY_S) &&
	       sp_str_eq(leaf[0].issuer_common_name, ca[0].common_name);
}

static const char *front_ca_name(const pki_run *p)
{
	uint8_t bytes[FRONT_CA_BYTES];
	SP_AUTO_BUF name;
	sp_buf_init(&name, 256);
	sp_random(p->world, bytes, sizeof bytes);
	(void)sp_buf_str(&name, SP_STR("front-proxy-ca-"));
	for (size_t i = 0; i < sizeof bytes; i++)
		(void)sp_buf_printf(&name, "%02x", bytes[i]);
	return sp_arena_printf(p->arena, SP_FMT, SP_ARG(sp_buf_view(&name))).ptr;
}

/* The run's authority becomes one that nobody can sign with once this is over; so what it signed lasts as
 * long as it does, and a server that runs for years needs no other one. */
static sp_code make_front_proxy(pki_run *p, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	SP_TRY(sp_key_new(&key, err));
	sp_x509_template ca = template_of(p, front_ca_name(p), CA_DAYS * DAY_S, SP_X509_CA);
	SP_TRY(sp_x509_issue(&ca, key, NULL, &pem, err));
	SP_TRY(sp_x509_ca_new(sp_buf_view(&pem), key, &p->ca, err));
	sp_x509_template t = template_of(p, "front-proxy-client", CA_DAYS * DAY_S, SP_X509_CLIENT);
	SP_TRY(issue(p, &t, "front-proxy-client.crt", "front-proxy-client.key", err));
	return sp_file_replace(p->world, path_of(p, "front-proxy-ca.crt"), sp_buf_view(&pem), 0644, err);
}

/* ---- kubeconfig ---- */

const keys_pki_client keys_pki_admin = {"admin.kubeconfig", SP_STR_INIT("admin"),
					SP_STR_INIT("system:masters")};

static sp_code add_base64(sp_buf *out, const char *name, sp_str pem)
{
	(void)sp_buf_printf(out, "    %s: ", name);
	(void)sp_base64_append(out, pem.ptr, pem.len);
	return sp_buf_char(out, '\n');
}

static sp_code print_kubeconfig(pki_run *p, sp_str address, sp_str user, const sp_key *key, sp_str crt,
				sp_buf *out, sp_err *err)
{
	SP_AUTO_BUF key_pem;
	sp_buf_init(&key_pem, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&key_pem, 4096);
	SP_TRY(sp_key_print(key, &key_pem, err));
	(void)sp_buf_printf(out,
			    "apiVersion: v1\nkind: Config\nclusters:\n- name: sampan\n  cluster:\n"
			    "    server: https://" SP_FMT "\n",
			    SP_ARG(address));
	(void)add_base64(out, "certificate-authority-data", p->ca_pem);
	(void)sp_buf_printf(out, "users:\n- name: " SP_FMT "\n  user:\n", SP_ARG(user));
	(void)add_base64(out, "client-certificate-data", crt);
	(void)add_base64(out, "client-key-data", sp_buf_view(&key_pem));
	(void)sp_buf_printf(out,
			    "contexts:\n- name: sampan\n  context:\n    cluster: sampan\n"
			    "    user: " SP_FMT "\ncurrent-context: sampan\n",
			    SP_ARG(user));
	sp_buf_cleanse(&key_pem);
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, sp_buf_code(out), "kubeconfig");
	return SP_OK;
}

static sp_code write_kubeconfig(pki_run *p, sp_str address, const keys_pki_client *client, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF crt, out;
	sp_buf_init(&crt, FILE_BYTES_MAX);
	sp_buf_init(&out, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&out, 16384);
	const char *user = sp_arena_printf(p->arena, SP_FMT, SP_ARG(client->user)).ptr;
	sp_x509_template t = template_of(p, user, lifetime_s(p), SP_X509_CLIENT);
	t.organizations = &client->group;
	t.n_organizations = client->group.len > 0 ? 1 : 0;
	SP_TRY(sp_key_new(&key, err));
	SP_TRY(sp_x509_issue(&t, key, p->ca, &crt, err));
	sp_code code = print_kubeconfig(p, address, client->user, key, sp_buf_view(&crt), &out, err);
	if (code == SP_OK)
		code = sp_file_replace(p->world, path_of(p, client->file), sp_buf_view(&out), 0600, err);
	sp_buf_cleanse(&out);
	return code;
}

static pki_run run_of(sp_world *w, sp_arena *a, const keys_pki_opts *o)
{
	return (pki_run){.world = w, .arena = a, .o = o, .now_s = sp_wall_ns(w) / NS_PER_S};
}

static sp_code finish(pki_run *p, sp_code code, sp_err *err)
{
	sp_x509_ca_free(p->ca);
	return code == SP_OK ? SP_OK : sp_wrap(err, "certificates in '" SP_FMT "'", SP_ARG(p->o->dir));
}

sp_code keys_pki_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o, keys_pki *ret, sp_err *err)
{
	pki_run p = run_of(w, a, o);
	sp_code code = load_ca(&p, err);
	if (code == SP_OK)
		code = ensure_serving(&p, err);
	SP_TRY(finish(&p, code, err));
	*ret = (keys_pki){path_of(&p, "ca.crt"), path_of(&p, "apiserver.crt"), path_of(&p, "apiserver.key")};
	return SP_OK;
}

sp_code keys_pki_pair_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o, const keys_pki_pair *pair,
			     sp_str *ret_crt, sp_str *ret_key, sp_err *err)
{
	pki_run p = run_of(w, a, o);
	sp_code code = load_ca(&p, err);
	if (code == SP_OK)
		code = ensure_pair(&p, pair, err);
	SP_TRY(finish(&p, code, err));
	*ret_crt = path_of(&p, sp_arena_printf(a, "%s.crt", pair->file).ptr);
	*ret_key = path_of(&p, sp_arena_printf(a, "%s.key", pair->file).ptr);
	return SP_OK;
}

sp_code keys_pki_front_proxy_ensure(sp_world *w, sp_arena *a, const keys_pki_opts *o,
				    keys_pki_front_proxy *ret, sp_err *err)
{
	pki_run p = run_of(w, a, o);
	sp_code code = front_proxy_is_good(&p) ? SP_OK : make_front_proxy(&p, err);
	SP_TRY(finish(&p, code, err));
	*ret = (keys_pki_front_proxy){path_of(&p, "front-proxy-client.crt"),
				      path_of(&p, "front-proxy-client.key"),
				      path_of(&p, "front-proxy-ca.crt")};
	return SP_OK;
}

sp_code keys_pki_kubeconfig(sp_world *w, sp_arena *a, const keys_pki_opts *o, sp_str address,
			    const keys_pki_client *client, sp_err *err)
{
	pki_run p = run_of(w, a, o);
	sp_code code = load_ca(&p, err);
	if (code == SP_OK)
		code = write_kubeconfig(&p, address, client, err);
	return finish(&p, code, err);
}
