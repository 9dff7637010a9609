/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests: whom they name, and the certificates they ask for. U: kubernetes
 * pkg/controller/certificates/authority. */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "io/tls/tls_int.h"

#define LOCKED_BYTES ((size_t)128 << 10)
#define LOCKED_BLOCK_BYTES ((size_t)32)

static void x509_cleanup(X509 **x)
{
	X509_free(*x);
}
#define AUTO_X509 SP_CLEANUP(x509_cleanup) X509 *

static void request_cleanup(X509_REQ **r)
{
	X509_REQ_free(*r);
}
#define AUTO_REQUEST SP_CLEANUP(request_cleanup) X509_REQ *

/* ---- reading ---- */

static sp_code parse(sp_str pem, X509_REQ **ret, sp_err *err)
{
	BIO *bio = pem.len > SP_LIMIT_PEM_BYTES ? NULL : tls_bio_of(pem);
	AUTO_REQUEST r = bio == NULL ? NULL : PEM_read_bio_X509_REQ(bio, NULL, tls_no_passphrase, NULL);
	BIO_free_all(bio);
	if (r == NULL)
		return tls_fail(err, SP_EINVAL, "bad certificate request");
	EVP_PKEY *key = X509_REQ_get0_pubkey(r);
	if (key == NULL || X509_REQ_verify(r, key) != 1)
		return tls_fail(err, SP_EINVAL, "the request's signature is not its key's");
	*ret = SP_TAKE(r);
	return SP_OK;
}

/* Only the kinds of names that certificates get here. */
static bool is_plain(const GENERAL_NAMES *names)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type = sk_GENERAL_NAME_value(names, i)->type;
		if (type != GEN_DNS && type != GEN_EMAIL && type != GEN_URI && type != GEN_IPADD)
			return false;
	}
	return true;
}

static sp_code copy_names(X509 *x, X509_REQ *r, sp_err *err)
{
	if (X509_set_subject_name(x, X509_REQ_get_subject_name(r)) != 1)
		return tls_fail(err, SP_EINVAL, "subject of the request");
	STACK_OF(X509_EXTENSION) *exts = X509_REQ_get_extensions(r);
	GENERAL_NAMES *names = exts == NULL ? NULL : X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
	sp_code code = SP_OK;
	int critical = X509_NAME_entry_count(X509_get_subject_name(x)) == 0 ? 1 : 0;
	if (names != NULL && !is_plain(names))
		code = sp_fail(err, SP_EINVAL,
			       "the request has alternative names of a kind that is not signed");
	else if (names != NULL && X509_add1_ext_i2d(x, NID_subject_alt_name, names, critical, 0) != 1)
		code = tls_fail(err, SP_EINTERNAL, "alternative names");
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	ERR_clear_error();
	return code;
}

sp_code sp_x509_request_inspect(sp_str pem, sp_arena *a, sp_x509_info *ret, sp_err *err)
{
	AUTO_REQUEST r = NULL;
	AUTO_X509 x = X509_new();
	sp_x509_info info = {0};
	if (x == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	SP_TRY(parse(pem, &r, err));
	SP_TRY(copy_names(x, r, err));
	SP_TRY(tls_inspect_names(x, a, &info, err));
	*ret = info;
	return SP_OK;
}

/* ---- signing ---- */

/* Names of certificates.k8s.io; text as OpenSSL has it. U: kubernetes pkg/apis/certificates/v1/types. */
static const struct {
	const char *name, *text;
	bool extended;
} usages[] = {
	{"signing", "digitalSignature", false},
	{"digital signature", "digitalSignature", false},
	{"content commitment", "nonRepudiation", false},
	{"key encipherment", "keyEncipherment", false},
	{"key agreement", "keyAgreement", false},
	{"data encipherment", "dataEncipherment", false},
	{"cert sign", "keyCertSign", false},
	{"crl sign", "cRLSign", false},
	{"encipher only", "encipherOnly", false},
	{"decipher only", "decipherOnly", false},
	{"any", "anyExtendedKeyUsage", true},
	{"server auth", "serverAuth", true},
	{"client auth", "clientAuth", true},
	{"code signing", "codeSigning", true},
	{"email protection", "emailProtection", true},
	{"s/mime", "emailProtection", true},
	{"ipsec end system", "ipsecEndSystem", true},
	{"ipsec tunnel", "ipsecTunnel", true},
	{"ipsec user", "ipsecUser", true},
	{"timestamping", "timeStamping", true},
	{"ocsp signing", "OCSPSigning", true},
	{"microsoft sgc", "msSGC", true},
	{"netscape sgc", "nsSGC", true},
};

static sp_code usage_texts(const sp_x509_request *r, sp_buf *plain, sp_buf *extended, sp_err *err)
{
	for (size_t i = 0; i < r->n_usages; i++) {
		size_t k = 0;
		while (k < SP_LEN(usages) && !sp_str_eq(r->usages[i], sp_str_c(usages[k].name)))
			k++;
		if (k == SP_LEN(usages))
			return sp_fail(err, SP_EINVAL, "unrecognized usage values: [\"" SP_FMT "\"]",
				       SP_ARG(r->usages[i]));
		sp_buf *out = usages[k].extended ? extended : plain;
		if (out->len > 0)
			(void)sp_buf_char(out, ',');
		(void)sp_buf_str(out, sp_str_c(usages[k].text));
	}
	(void)sp_buf_char(plain, '\0');
	(void)sp_buf_char(extended, '\0');
	return sp_buf_code(plain) == SP_OK ? sp_buf_code(extended) : sp_buf_code(plain);
}

static bool add_usage(X509 *x, int nid, const char *text, int critical)
{
	if (text[0] == '\0')
		return true;
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
	bool ok = e != NULL && X509_EXTENSION_set_critical(e, critical) == 1 && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static bool add_basic(X509 *x)
{
	BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new(); /* no authority */
	bool ok = basic != NULL && X509_add1_ext_i2d(x, NID_basic_constraints, basic, 1, 0) == 1;
	BASIC_CONSTRAINTS_free(basic);
	return ok;
}

static sp_code set_dates(X509 *x, const sp_x509_request *r, const sp_x509_ca *ca, sp_err *err)
{
	const ASN1_TIME *end = X509_get0_notAfter(ca->cert);
	if (r->not_after_s <= r->not_before_s)
		return sp_fail(err, SP_EINVAL, "certificate ends before it begins");
	if (ASN1_TIME_set(X509_getm_notBefore(x), r->not_before_s) == NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(x), r->not_after_s) == NULL)
		return tls_fail(err, SP_EINVAL, "bad date");
	if (ASN1_TIME_compare(X509_get0_notAfter(x), end) > 0 && X509_set1_notAfter(x, end) != 1)
		return tls_fail(err, SP_EINTERNAL, "bad date");
	return SP_OK;
}

sp_code sp_x509_request_sign(const sp_x509_request *r, const sp_x509_ca *ca, sp_buf *out, sp_err *err)
{
	AUTO_REQUEST req = NULL;
	AUTO_X509 x = X509_new();
	SP_AUTO_BUF plain, extended;
	sp_buf_init(&plain, 1024);
	sp_buf_init(&extended, 1024);
	if (x == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a certificate");
	SP_TRY(parse(r->pem, &req, err));
	SP_TRY(usage_texts(r, &plain, &extended, err));
	if (X509_set_version(x, X509_VERSION_3) != 1 || !tls_set_serial(x) ||
	    X509_set_pubkey(x, X509_REQ_get0_pubkey(req)) != 1 ||
	    X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) != 1)
		return tls_fail(err, SP_EINTERNAL, "new certificate");
	SP_TRY(set_dates(x, r, ca, err));
	if (!add_usage(x, NID_key_usage, plain.ptr, 1) || !add_usage(x, NID_ext_key_usage, extended.ptr, 0) ||
	    !add_basic(x) || !tls_add_key_ids(x, ca->cert))
		return tls_fail(err, SP_EINTERNAL, "new certificate");
	SP_TRY(copy_names(x, req, err));
	return tls_sign_certificate(x, ca->pkey, out, err);
}

bool sp_key_lock_memory(void)
{
	return CRYPTO_secure_malloc_init(LOCKED_BYTES, LOCKED_BLOCK_BYTES) == 1;
}
