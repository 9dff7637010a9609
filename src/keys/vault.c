/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/vault.h"

#include "base/alloc.h"
#include "base/ip.h"
#include "io/file.h"
#include "io/tls/sign.h"
#include "keys/pki.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)
#define KEY_BYTES_ROOM ((size_t)16 << 10) /* of a private key's text */
#define NS_PER_S INT64_C(1000000000)
#define YEAR_S INT64_C(31536000)
/* U: kubernetes pkg/controller/certificates/signer, authority. */
#define BACKDATE_S INT64_C(300)
#define SHORT_S INT64_C(28800) /* the end of what lives shorter is not dated back */

struct keys_vault {
	sp_world *world;
	sp_arena paths, keys_arena; /* keys_arena: of `keys` */
	sp_str dir, ca_dir;
	int64_t announce_s, cert_most_s;
	sp_key *current, *next; /* next: may be NULL */
	int64_t next_made_s;
	keys_vault_key keys[KEYS_VAULT_KEYS_MAX];
	size_t n_keys;
	sp_x509_ca *ca; /* may be NULL */
};

static int64_t now_s(const keys_vault *v)
{
	return sp_wall_ns(v->world) / NS_PER_S;
}

/* ---- files ---- */

static sp_str path_in(keys_vault *v, sp_arena *a, const char *name)
{
	return SP_CONCAT(a, v->dir, SP_STR("/"), sp_str_c(name));
}

static sp_code load_key(keys_vault *v, sp_str path, sp_key **ret, sp_err *err)
{
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&pem, KEY_BYTES_ROOM); /* no copy is left behind by growing */
	sp_code code = sp_file_read_all(v->world, path, &pem, err);
	if (code == SP_OK)
		code = sp_key_parse(sp_buf_view(&pem), ret, err);
	sp_buf_cleanse(&pem);
	return code;
}

static sp_code make_key(keys_vault *v, sp_str path, sp_key **ret, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&pem, KEY_BYTES_ROOM); /* no copy is left behind by growing */
	SP_TRY(sp_key_new(&key, err));
	sp_code code = sp_key_print(key, &pem, err);
	if (code == SP_OK)
		code = sp_file_replace(v->world, path, sp_buf_view(&pem), 0600, err);
	sp_buf_cleanse(&pem);
	SP_TRY(code);
	*ret = key;
	key = NULL;
	return SP_OK;
}

/* ---- public halves ---- */

static sp_code add_public(keys_vault *v, const sp_key *key, sp_err *err)
{
	SP_AUTO_BUF id, der;
	sp_buf_init(&id, 64);
	sp_buf_init(&der, 8192);
	SP_TRY(sp_jws_key_id(key, &id, err));
	SP_TRY(sp_key_public_der(key, &der, err));
	for (size_t i = 0; i < v->n_keys; i++) {
		if (sp_str_eq(v->keys[i].id, sp_buf_view(&id)))
			return SP_OK;
	}
	if (v->n_keys == KEYS_VAULT_KEYS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u keys of tokens", KEYS_VAULT_KEYS_MAX);
	keys_vault_key k = {sp_arena_try_dup(&v->keys_arena, sp_buf_view(&id)),
			    sp_arena_try_dup(&v->keys_arena, sp_buf_view(&der))};
	if (k.id.ptr == NULL || k.der.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a key");
	v->keys[v->n_keys++] = k;
	return SP_OK;
}

static sp_code add_retired(keys_vault *v, sp_arena *a, const char *name, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	sp_str path = path_in(v, a, name), pem;
	sp_stat st;
	SP_TRY(sp_path_stat(v->world, path, &st, err));
	if (st.mtime_ns / NS_PER_S + KEYS_TOKEN_SECONDS_MAX < now_s(v))
		return sp_path_unlink(v->world, path, err); /* no token of its can be good any more */
	SP_TRY(sp_file_read_arena(v->world, path, a, FILE_BYTES_MAX, &pem, err));
	SP_TRY(sp_key_parse_public(pem, &key, err));
	return add_public(v, key, err);
}

static sp_code gather_in(keys_vault *v, sp_arena *a, sp_err *err)
{
	sp_dir_entry *entries = NULL;
	size_t n = 0;
	v->n_keys = 0;
	sp_arena_reset(&v->keys_arena);
	SP_TRY(add_public(v, v->current, err));
	if (v->next != NULL)
		SP_TRY(add_public(v, v->next, err));
	SP_TRY(sp_dir_list(v->world, v->dir, a, &entries, &n, err));
	for (size_t i = 0; i < n; i++) {
		sp_str name = entries[i].name;
		if (entries[i].type == SP_TYPE_FILE && sp_str_starts(name, SP_STR("sa-")) &&
		    sp_str_ends(name, SP_STR(".pub")))
			SP_TRY(add_retired(v, a, name.ptr, err));
	}
	return SP_OK;
}

static sp_code gather(keys_vault *v, sp_err *err)
{
	sp_arena a;
	sp_arena_init(&a, (size_t)4 << 20);
	sp_code code = gather_in(v, &a, err);
	sp_arena_done(&a);
	return code;
}

/* ---- opening ---- */

static sp_code load_next(keys_vault *v, sp_err *err)
{
	sp_str path = path_in(v, &v->paths, "sa-next.key");
	sp_stat st;
	sp_code code = sp_path_stat(v->world, path, &st, err);
	if (code == SP_ENOTFOUND)
		return SP_OK;
	SP_TRY(code);
	v->next_made_s = st.mtime_ns / NS_PER_S;
	return load_key(v, path, &v->next, err);
}

static sp_code load_ca(keys_vault *v, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	sp_str crt, path = SP_CONCAT(&v->paths, v->ca_dir, SP_STR("/ca.key"));
	sp_code code = load_key(v, path, &key, err);
	if (code == SP_ENOTFOUND)
		return SP_OK;
	SP_TRY(code);
	path = SP_CONCAT(&v->paths, v->ca_dir, SP_STR("/ca.crt"));
	SP_TRY(sp_file_read_arena(v->world, path, &v->paths, FILE_BYTES_MAX, &crt, err));
	return sp_x509_ca_new(crt, key, &v->ca, err);
}

static sp_code load(keys_vault *v, const keys_vault_opts *o, sp_err *err)
{
	v->dir = sp_arena_try_dup(&v->paths, o->dir);
	v->ca_dir = o->ca_dir.len > 0 ? sp_arena_try_dup(&v->paths, o->ca_dir) : v->dir;
	if (v->dir.ptr == NULL || v->ca_dir.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a path");
	sp_str path = path_in(v, &v->paths, "sa.key");
	sp_code code = load_key(v, path, &v->current, err);
	if (code == SP_ENOTFOUND)
		code = make_key(v, path, &v->current, err);
	SP_TRY(code);
	SP_TRY(load_next(v, err));
	SP_TRY(load_ca(v, err));
	return gather(v, err);
}

sp_code keys_vault_open(sp_world *w, const keys_vault_opts *o, keys_vault **ret, sp_err *err)
{
	keys_vault *v = SP_NEW(keys_vault);
	v->world = w;
	v->announce_s = o->announce_s;
	v->cert_most_s = o->cert_most_s;
	sp_arena_init(&v->paths, (size_t)1 << 20);
	sp_arena_init(&v->keys_arena, (size_t)1 << 20);
	sp_code code = load(v, o, err);
	if (code != SP_OK) {
		keys_vault_free(v);
		return sp_wrap(err, "keys in '" SP_FMT "'", SP_ARG(o->dir));
	}
	*ret = v;
	return SP_OK;
}

void keys_vault_free(keys_vault *v)
{
	if (v == NULL)
		return;
	sp_key_free(v->current);
	sp_key_free(v->next);
	sp_x509_ca_free(v->ca);
	sp_arena_done(&v->paths);
	sp_arena_done(&v->keys_arena);
	sp_free(v);
}

/* ---- rotation ---- */

sp_code keys_vault_rotate(keys_vault *v, sp_err *err)
{
	if (v->next != NULL)
		return sp_fail(err, SP_EEXISTS, "a new key of tokens is on its way already");
	SP_TRY(make_key(v, path_in(v, &v->paths, "sa-next.key"), &v->next, err));
	v->next_made_s = now_s(v);
	return gather(v, err);
}

/* The old key's public half is on disk before the new one takes its name: at no moment a token is left that
 * nothing verifies. */
static sp_code promote(keys_vault *v, sp_err *err)
{
	SP_AUTO_BUF pem, id;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	sp_buf_init(&id, 64);
	SP_TRY(sp_key_print_public(v->current, &pem, err));
	SP_TRY(sp_jws_key_id(v->current, &id, err));
	sp_str pub = SP_CONCAT(&v->paths, v->dir, SP_STR("/sa-"), sp_buf_view(&id), SP_STR(".pub"));
	SP_TRY(sp_file_replace(v->world, pub, sp_buf_view(&pem), 0644, err));
	SP_TRY(sp_path_rename(v->world, path_in(v, &v->paths, "sa-next.key"), path_in(v, &v->paths, "sa.key"),
			      err));
	SP_TRY(sp_dir_sync(v->world, v->dir, err));
	sp_key_free(v->current);
	v->current = SP_TAKE(v->next);
	return gather(v, err);
}

sp_code keys_vault_settle(keys_vault *v, int64_t *ret_due_s, sp_err *err)
{
	*ret_due_s = -1;
	if (v->next == NULL)
		return SP_OK;
	int64_t left = v->next_made_s + v->announce_s - now_s(v);
	if (left <= 0)
		return promote(v, err);
	*ret_due_s = left;
	return SP_OK;
}

/* ---- tokens ---- */

sp_code keys_vault_sign(keys_vault *v, sp_str claims, sp_buf *header, sp_buf *signature, sp_err *err)
{
	return sp_jws_sign_claims(v->current, v->keys[0].id, true, claims, header, signature, err);
}

size_t keys_vault_keys(const keys_vault *v, const keys_vault_key **ret)
{
	*ret = v->keys;
	return v->n_keys;
}

/* ---- certificates ---- */

#define KU_SIGN 1u
#define KU_ENCIPHER 2u
#define KU_CLIENT 4u
#define KU_SERVER 8u

typedef sp_code check_fn(const sp_x509_info *who, sp_err *err);

static bool has_organization(const sp_x509_info *who, sp_str name)
{
	for (size_t i = 0; i < who->organizations.n; i++) {
		if (sp_str_eq(who->organizations.items[i], name))
			return true;
	}
	return false;
}

/* Whoever is in this group may do everything. U: kubernetes plugin/pkg/admission/certificates/
 * subjectrestriction. */
static sp_code check_client(const sp_x509_info *who, sp_err *err)
{
	if (has_organization(who, SP_STR("system:masters")))
		return sp_fail(err, SP_EFORBIDDEN, "no certificate is signed for the group system:masters");
	return SP_OK;
}

static sp_code check_node(const sp_x509_info *who, sp_err *err)
{
	if (who->organizations.n != 1 || !has_organization(who, SP_STR("system:nodes")) ||
	    !sp_str_starts(who->common_name, SP_STR("system:node:")))
		return sp_fail(err, SP_EFORBIDDEN, "the request is not of a node");
	return SP_OK;
}

static sp_code check_kubelet(const sp_x509_info *who, sp_err *err)
{
	SP_TRY(check_node(who, err));
	if (who->dns.n + who->ips.n + who->emails.n + who->uris.n > 0)
		return sp_fail(err, SP_EFORBIDDEN, "a kubelet's client certificate has no alternative names");
	return SP_OK;
}

/* Whoever approved it: with the API server's names a node could pass for that. */
static sp_code check_serving(const sp_x509_info *who, sp_err *err)
{
	SP_TRY(check_node(who, err));
	if (who->emails.n + who->uris.n > 0 || who->dns.n + who->ips.n == 0)
		return sp_fail(err, SP_EFORBIDDEN,
			       "a serving certificate has names and addresses of its machine only");
	for (size_t i = 0; i < who->dns.n; i++) {
		if (keys_pki_is_cluster_name(who->dns.items[i]))
			return sp_fail(err, SP_EFORBIDDEN, "'" SP_FMT "' is the API server's name",
				       SP_ARG(who->dns.items[i]));
	}
	for (size_t i = 0; i < who->ips.n; i++) {
		sp_ip ip;
		if (!sp_ip_parse(who->ips.items[i], &ip) || sp_ip_is_loopback(&ip) ||
		    sp_ip_is_unspecified(&ip))
			return sp_fail(err, SP_EFORBIDDEN, "'" SP_FMT "' is no address of one machine",
				       SP_ARG(who->ips.items[i]));
	}
	return SP_OK;
}

static sp_code check_nothing(const sp_x509_info *who, sp_err *err)
{
	(void)who;
	(void)err;
	return SP_OK;
}

static const struct {
	const char *name;
	unsigned usages; /* 0: any but that of an authority */
	check_fn *check;
} signers[] = {
	{"kubernetes.io/kube-apiserver-client", KU_SIGN | KU_ENCIPHER | KU_CLIENT, check_client},
	{"kubernetes.io/kube-apiserver-client-kubelet", KU_SIGN | KU_ENCIPHER | KU_CLIENT, check_kubelet},
	{"kubernetes.io/kubelet-serving", KU_SIGN | KU_ENCIPHER | KU_SERVER, check_serving},
	{"kubernetes.io/legacy-unknown", 0, check_nothing},
};

static const struct {
	const char *name;
	unsigned bit;
} usages[] = {{"digital signature", KU_SIGN},
	      {"key encipherment", KU_ENCIPHER},
	      {"client auth", KU_CLIENT},
	      {"server auth", KU_SERVER}};

static bool usage_is_fine(sp_str usage, unsigned allowed)
{
	if (allowed == 0) /* what legacy-unknown signs must not sign others or pass for a client */
		return !sp_str_eq(usage, SP_STR("cert sign")) && !sp_str_eq(usage, SP_STR("crl sign")) &&
		       !sp_str_eq(usage, SP_STR("client auth")) && !sp_str_eq(usage, SP_STR("any"));
	for (size_t i = 0; i < SP_LEN(usages); i++) {
		if (sp_str_eq(usage, sp_str_c(usages[i].name)))
			return (allowed & usages[i].bit) != 0;
	}
	return false;
}

static sp_code check(const keys_vault_request *r, sp_err *err)
{
	sp_x509_info who;
	sp_arena a;
	size_t k = 0;
	while (k < SP_LEN(signers) && !sp_str_eq(r->signer, sp_str_c(signers[k].name)))
		k++;
	if (k == SP_LEN(signers))
		return sp_fail(err, SP_EFORBIDDEN, "'" SP_FMT "' is no signer of ours", SP_ARG(r->signer));
	for (size_t i = 0; i < r->n_usages; i++) {
		if (!usage_is_fine(r->usages[i], signers[k].usages))
			return sp_fail(err, SP_EFORBIDDEN, SP_FMT " does not sign for '" SP_FMT "'",
				       SP_ARG(r->signer), SP_ARG(r->usages[i]));
	}
	if (r->n_usages == 0)
		return sp_fail(err, SP_EFORBIDDEN, "the request says no usage");
	sp_arena_init(&a, (size_t)8 << 20);
	sp_code code = sp_x509_request_inspect(r->pem, &a, &who, err);
	if (code == SP_OK)
		code = signers[k].check(&who, err);
	sp_arena_done(&a);
	return code;
}

sp_code keys_vault_certify(keys_vault *v, const keys_vault_request *r, sp_buf *out, sp_err *err)
{
	if (v->ca == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "there is no authority here that signs");
	SP_TRY(check(r, err));
	int64_t most = v->cert_most_s > 0 ? v->cert_most_s : YEAR_S;
	int64_t seconds = r->duration_s > 0 && r->duration_s < most ? r->duration_s : most;
	const sp_x509_request q = {.pem = r->pem,
				   .usages = r->usages,
				   .n_usages = r->n_usages,
				   .not_before_s = now_s(v) - BACKDATE_S,
				   .not_after_s = now_s(v) + seconds - (seconds < SHORT_S ? 0 : BACKDATE_S)};
	return sp_x509_request_sign(&q, v->ca, out, err);
}
