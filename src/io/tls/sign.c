/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls/sign.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/base64.h"
#include "base/json_out.h"
#include "io/tls/tls_int.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX ((int)SP_KEY_NUMBER_BYTES * 8)
#define DER_BYTES_MAX 160u /* of an ECDSA signature on P-521 */
#define HALF_BYTES_MAX 66u

typedef struct alg_info {
	sp_str name;
	const char *group, *curve; /* OpenSSL's and JOSE's name; NULL: RSA */
	size_t half_bytes;         /* of r and of s */
	const EVP_MD *(*md)(void);
} alg_info;

static const alg_info algs[SP_JWS_COUNT_] = {
	[SP_JWS_ES256] = {SP_STR_INIT("ES256"), "prime256v1", "P-256", 32, EVP_sha256},
	[SP_JWS_ES384] = {SP_STR_INIT("ES384"), "secp384r1", "P-384", 48, EVP_sha384},
	[SP_JWS_ES512] = {SP_STR_INIT("ES512"), "secp521r1", "P-521", 66, EVP_sha512},
	[SP_JWS_RS256] = {SP_STR_INIT("RS256"), NULL, NULL, 0, EVP_sha256},
};

sp_str sp_jws_name(sp_jws_alg alg)
{
	return algs[alg].name;
}

sp_code sp_jws_alg_of(const sp_key *k, sp_jws_alg *ret, sp_err *err)
{
	char group[64];
	size_t n = 0;
	if (EVP_PKEY_is_a(k->pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(k->pkey);
		if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
			return sp_fail(err, SP_EUNSUPPORTED, "an RSA key of %d bits", bits);
		*ret = SP_JWS_RS256;
		return SP_OK;
	}
	if (!EVP_PKEY_is_a(k->pkey, "EC") || EVP_PKEY_get_group_name(k->pkey, group, sizeof group, &n) != 1)
		return sp_fail(err, SP_EUNSUPPORTED, "the key is neither RSA nor ECDSA");
	for (unsigned i = 0; i < SP_JWS_COUNT_; i++) {
		if (algs[i].group != NULL && strcmp(algs[i].group, group) == 0) {
			*ret = (sp_jws_alg)i;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_EUNSUPPORTED, "a key on the curve %s", group);
}

/* ---- ECDSA between DER and JOSE ---- */

static void sig_cleanup(ECDSA_SIG **s)
{
	ECDSA_SIG_free(*s);
}
static void ctx_cleanup(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}
static void bn_cleanup(BIGNUM **b)
{
	BN_free(*b);
}

static sp_code split_der(const alg_info *alg, const uint8_t *der, size_t n, sp_buf *out, sp_err *err)
{
	uint8_t raw[2 * HALF_BYTES_MAX];
	SP_CLEANUP(sig_cleanup) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	int half = (int)alg->half_bytes;
	if (sig == NULL || BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half) != half ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half) != half)
		return tls_fail(err, SP_EINTERNAL, "cannot write a signature");
	return sp_buf_append(out, raw, 2 * alg->half_bytes);
}

static sp_code join_der(const alg_info *alg, sp_str raw, uint8_t der[DER_BYTES_MAX], size_t *ret_n,
			sp_err *err)
{
	SP_CLEANUP(sig_cleanup) ECDSA_SIG *sig = ECDSA_SIG_new();
	const uint8_t *p = (const uint8_t *)raw.ptr;
	int half = (int)alg->half_bytes;
	SP_CLEANUP(bn_cleanup) BIGNUM *r = BN_bin2bn(p, half, NULL);
	SP_CLEANUP(bn_cleanup) BIGNUM *s = BN_bin2bn(p + half, half, NULL);
	if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
		return tls_fail(err, SP_ENOMEM, "no memory for a signature");
	r = s = NULL; /* the signature's now */
	int n = i2d_ECDSA_SIG(sig, NULL);
	if (n <= 0 || n > (int)DER_BYTES_MAX || i2d_ECDSA_SIG(sig, &der) != n)
		return tls_fail(err, SP_EINTERNAL, "cannot read a signature");
	*ret_n = (size_t)n;
	return SP_OK;
}

/* ---- signing ---- */

sp_code sp_jws_sign(const sp_key *k, sp_str input, sp_buf *out, sp_err *err)
{
	sp_jws_alg alg = SP_JWS_ES256;
	uint8_t sig[SP_KEY_NUMBER_BYTES];
	size_t n = sizeof sig;
	SP_TRY(sp_jws_alg_of(k, &alg, err));
	SP_CLEANUP(ctx_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, algs[alg].md(), NULL, k->pkey) != 1 ||
	    EVP_DigestSign(ctx, sig, &n, (const uint8_t *)input.ptr, input.len) != 1)
		return tls_fail(err, SP_EINTERNAL, "cannot sign");
	if (algs[alg].curve != NULL)
		return split_der(&algs[alg], sig, n, out, err);
	return sp_buf_append(out, sig, n) == SP_OK
		       ? SP_OK
		       : sp_fail(err, sp_buf_code(out), "no room for a signature");
}

sp_code sp_jws_verify(const sp_key *k, sp_str input, sp_str signature, sp_err *err)
{
	sp_jws_alg alg = SP_JWS_ES256;
	uint8_t der[DER_BYTES_MAX];
	const uint8_t *sig = (const uint8_t *)signature.ptr;
	size_t n = signature.len;
	SP_TRY(sp_jws_alg_of(k, &alg, err));
	if (algs[alg].curve != NULL) {
		if (n != 2 * algs[alg].half_bytes)
			return sp_fail(err, SP_EUNAUTH, "the signature has a wrong length");
		SP_TRY(join_der(&algs[alg], signature, der, &n, err));
		sig = der;
	}
	SP_CLEANUP(ctx_cleanup) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, algs[alg].md(), NULL, k->pkey) != 1)
		return tls_fail(err, SP_EINTERNAL, "cannot verify");
	int ok = EVP_DigestVerify(ctx, sig, n, (const uint8_t *)input.ptr, input.len);
	ERR_clear_error();
	return ok == 1 ? SP_OK : sp_fail(err, SP_EUNAUTH, "the signature is not the key's");
}

/* ---- public halves ---- */

sp_code sp_key_public_der(const sp_key *k, sp_buf *out, sp_err *err)
{
	uint8_t *der = NULL;
	int n = i2d_PUBKEY(k->pkey, &der);
	if (n <= 0)
		return tls_fail(err, SP_EINTERNAL, "cannot print a public key");
	sp_code code = sp_buf_append(out, der, (size_t)n);
	OPENSSL_free(der);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for a public key");
}

sp_code sp_jws_key_id(const sp_key *k, sp_buf *out, sp_err *err)
{
	uint8_t digest[32];
	SP_AUTO_BUF der;
	sp_buf_init(&der, 8192);
	SP_TRY(sp_key_public_der(k, &der, err));
	sp_sha256(sp_buf_view(&der), digest);
	sp_code code = sp_base64url_append(out, digest, sizeof digest);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for a key's name");
}

sp_code sp_jws_sign_claims(const sp_key *k, sp_str key_id, bool type, sp_str claims, sp_buf *header,
			   sp_buf *signature, sp_err *err)
{
	sp_jws_alg alg = SP_JWS_ES256;
	SP_AUTO_BUF json, input, bytes;
	sp_buf_init(&json, 4096);
	sp_buf_init(&input, SP_JWS_CLAIMS_BYTES_MAX * 2);
	sp_buf_init(&bytes, 4096);
	if (claims.len > SP_JWS_CLAIMS_BYTES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %zu bytes of claims", SP_JWS_CLAIMS_BYTES_MAX);
	SP_TRY(sp_jws_alg_of(k, &alg, err));
	sp_jout j = sp_jout_to(&json);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("alg"), sp_jws_name(alg));
	sp_jout_member_str(&j, SP_STR("kid"), key_id);
	if (type)
		sp_jout_member_str(&j, SP_STR("typ"), SP_STR("JWT"));
	sp_jout_close(&j, '}');
	(void)sp_base64url_append(header, json.ptr, json.len);
	(void)sp_buf_str(&input, sp_buf_view(header));
	(void)sp_buf_char(&input, '.');
	(void)sp_buf_str(&input, claims);
	if (sp_buf_code(&json) != SP_OK || sp_buf_code(&input) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no room for a token");
	SP_TRY(sp_jws_sign(k, sp_buf_view(&input), &bytes, err));
	sp_code code = sp_base64url_append(signature, bytes.ptr, bytes.len);
	return code == SP_OK ? sp_buf_code(header) : sp_fail(err, code, "no room for a signature");
}

/* `width`: the bytes to fill; 0: as many as it takes. */
static sp_code get_number(const sp_key *k, const char *name, size_t width, uint8_t *out, size_t *ret_n,
			  sp_err *err)
{
	BIGNUM *raw = NULL;
	if (EVP_PKEY_get_bn_param(k->pkey, name, &raw) != 1)
		return tls_fail(err, SP_EINTERNAL, "cannot read a public key");
	SP_CLEANUP(bn_cleanup) BIGNUM *number = raw;
	size_t n = width > 0 ? width : (size_t)BN_num_bytes(number);
	if (n > SP_KEY_NUMBER_BYTES || BN_bn2binpad(number, out, (int)n) != (int)n)
		return tls_fail(err, SP_EUNSUPPORTED, "the public key is too large");
	*ret_n = n;
	return SP_OK;
}

sp_code sp_key_public_numbers(const sp_key *k, sp_key_numbers *ret, sp_err *err)
{
	sp_jws_alg alg = SP_JWS_ES256;
	SP_TRY(sp_jws_alg_of(k, &alg, err));
	bool rsa = algs[alg].curve == NULL;
	ret->curve = algs[alg].curve;
	SP_TRY(get_number(k, rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, algs[alg].half_bytes,
			  ret->first, &ret->n_first, err));
	return get_number(k, rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, algs[alg].half_bytes,
			  ret->second, &ret->n_second, err);
}

void sp_sha256(sp_str in, uint8_t out[32])
{
	(void)SHA256((const unsigned char *)in.ptr, in.len, out);
}
