/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "io/tls/tls_int.h"

static void x509_cleanup(X509 **x)
{
	X509_free(*x);
}
#define AUTO_X509 SP_CLEANUP(x509_cleanup) X509 *

sp_code sp_x509_ca_new(sp_str cert_pem, const sp_key *key, sp_x509_ca **ret, sp_err *err)
{
	BIO *bio = cert_pem.len > SP_LIMIT_PEM_BYTES ? NULL : tls_bio_of(cert_pem);
	AUTO_X509 x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL);
	BIO_free_all(bio);
	if (x == NULL)
		return tls_fail(err, SP_EINVAL, "bad certificate of the authority");
	if (X509_check_ca(x) != 1)
		return tls_fail(err, SP_EINVAL, "certificate is not of an authority");
	if (X509_check_private_key(x, key->pkey) != 1)
		return tls_fail(err, SP_EINVAL, "certificate and key of the authority");
	sp_x509_ca *ca = sp_try_alloc(sizeof *ca);
	if (ca == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an authority");
	ca->cert = SP_TAKE(x);
	ca->pkey = key->pkey;
	(void)EVP_PKEY_up_ref(ca->pkey); /* cannot fail on a live key */
	*ret = ca;
	return SP_OK;
}

void sp_x509_ca_free(sp_x509_ca *ca)
{
	if (ca == NULL)
		return;
	X509_free(ca->cert);
	EVP_PKEY_free(ca->pkey);
	sp_free(ca);
}

/* ---- fields ---- */

static bool add_name(X509_NAME *name, int nid, sp_str value)
{
	return value.len <= INT32_MAX &&
	       X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)value.ptr,
					  (int)value.len, -1, 0) == 1;
}

static sp_code set_subject(X509 *x, const sp_x509_template *t, sp_err *err)
{
	X509_NAME *name = X509_get_subject_name(x);
	for (size_t i = 0; i < t->n_organizations; i++) {
		if (!add_name(name, NID_organizationName, t->organizations[i]))
			return tls_fail(err, SP_EINVAL, "bad organization");
	}
	if (t->common_name.len > 0 && !add_name(name, NID_commonName, t->common_name))
		return tls_fail(err, SP_EINVAL, "bad common name");
	return SP_OK;
}

static sp_code set_dates(X509 *x, const sp_x509_template *t, sp_err *err)
{
	if (t->not_after_s < t->not_before_s)
		return sp_fail(err, SP_EINVAL, "certificate ends before it begins");
	if (ASN1_TIME_set(X509_getm_notBefore(x), t->not_before_s) == NULL ||
	    ASN1_TIME_set(X509_getm_notAfter(x), t->not_after_s) == NULL)
		return tls_fail(err, SP_EINVAL, "bad date");
	return SP_OK;
}

bool tls_set_serial(X509 *x)
{
	unsigned char bytes[16];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always of one length */
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
	BN_free(number);
	return ok;
}

/* ---- extensions ---- */

static bool add_name_of_type(GENERAL_NAMES *names, int type, const void *bytes, size_t n)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	bool ok = g != NULL && s != NULL && n <= INT32_MAX && ASN1_STRING_set(s, bytes, (int)n) == 1;
	if (ok) {
		GENERAL_NAME_set0_value(g, type, s);
		s = NULL;
		ok = sk_GENERAL_NAME_push(names, g) > 0;
	}
	ASN1_STRING_free(s);
	if (!ok)
		GENERAL_NAME_free(g);
	return ok;
}

static sp_code add_ip(GENERAL_NAMES *names, sp_str text, sp_err *err)
{
	char copy[INET6_ADDRSTRLEN];
	unsigned char ip[16];
	if (text.len < sizeof copy && sp_str_index(text, '\0') < 0) {
		if (text.len > 0)
			memcpy(copy, text.ptr, text.len);
		copy[text.len] = '\0';
		if (inet_pton(AF_INET, copy, ip) == 1)
			return add_name_of_type(names, GEN_IPADD, ip, 4) ? SP_OK : SP_ENOMEM;
		if (inet_pton(AF_INET6, copy, ip) == 1)
			return add_name_of_type(names, GEN_IPADD, ip, 16) ? SP_OK : SP_ENOMEM;
	}
	return sp_fail(err, SP_EINVAL, "bad IP address '" SP_FMT "'", SP_ARG(text));
}

static sp_code add_texts(GENERAL_NAMES *names, int type, const sp_str *texts, size_t n, sp_err *err)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < texts[i].len; k++) {
			if (texts[i].ptr[k] <= ' ' || texts[i].ptr[k] >= 0x7f)
				return sp_fail(err, SP_EINVAL, "bad alternative name '" SP_FMT "'",
					       SP_ARG(texts[i]));
		}
		if (texts[i].len == 0 || !add_name_of_type(names, type, texts[i].ptr, texts[i].len))
			return sp_fail(err, SP_EINVAL, "bad alternative name '" SP_FMT "'", SP_ARG(texts[i]));
	}
	return SP_OK;
}

static sp_code fill_alt_names(GENERAL_NAMES *names, const sp_x509_template *t, sp_err *err)
{
	SP_TRY(add_texts(names, GEN_DNS, t->dns, t->n_dns, err));
	SP_TRY(add_texts(names, GEN_URI, t->uris, t->n_uris, err));
	for (size_t i = 0; i < t->n_ips; i++)
		SP_TRY(add_ip(names, t->ips[i], err));
	return SP_OK;
}

static sp_code add_alt_names(X509 *x, const sp_x509_template *t, sp_err *err)
{
	if (t->n_dns + t->n_ips + t->n_uris == 0)
		return SP_OK;
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	sp_code code = names == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a certificate")
				     : fill_alt_names(names, t, err);
	/* Critical when nothing else names the subject (RFC 5280, 4.2.1.6). */
	int critical = X509_NAME_entry_count(X509_get_subject_name(x)) == 0 ? 1 : 0;
	if (code == SP_OK && X509_add1_ext_i2d(x, NID_subject_alt_name, names, critical, 0) != 1)
		code = tls_fail(err, SP_EINTERNAL, "alternative names");
	GENERAL_NAMES_free(names);
	return code;
}

static bool add_basic(X509 *x, bool ca)
{
	BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
	if (basic == NULL)
		return false;
	basic->ca = ca ? 0xff : 0;
	bool ok = X509_add1_ext_i2d(x, NID_basic_constraints, basic, 1, 0) == 1;
	BASIC_CONSTRAINTS_free(basic);
	return ok;
}

/* Bits of RFC 5280, 4.2.1.3. */
static bool add_key_usage(X509 *x, bool ca)
{
	enum { DIGITAL_SIGNATURE = 0, KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	if (bits == NULL)
		return false;
	bool ok = ASN1_BIT_STRING_set_bit(bits, DIGITAL_SIGNATURE, 1) == 1;
	if (ca)
		ok = ok && ASN1_BIT_STRING_set_bit(bits, KEY_CERT_SIGN, 1) == 1 &&
		     ASN1_BIT_STRING_set_bit(bits, CRL_SIGN, 1) == 1;
	ok = ok && X509_add1_ext_i2d(x, NID_key_usage, bits, 1, 0) == 1;
	ASN1_BIT_STRING_free(bits);
	return ok;
}

static bool add_extended_usage(X509 *x, uint32_t usages)
{
	static const struct {
		uint32_t usage;
		int nid;
	} rows[] = {{SP_X509_SERVER, NID_server_auth}, {SP_X509_CLIENT, NID_client_auth}};
	EXTENDED_KEY_USAGE *list = sk_ASN1_OBJECT_new_null();
	bool ok = list != NULL;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if ((usages & rows[i].usage) != 0) /* these objects are constants: nothing to free */
			ok = ok && sk_ASN1_OBJECT_push(list, OBJ_nid2obj(rows[i].nid)) > 0;
	}
	if (ok && sk_ASN1_OBJECT_num(list) > 0)
		ok = X509_add1_ext_i2d(x, NID_ext_key_usage, list, 0, 0) == 1;
	sk_ASN1_OBJECT_free(list);
	return ok;
}

bool tls_add_key_ids(X509 *x, const X509 *issuer)
{
	/* RFC 7093, method 1: 160 bits of the SHA-256 of the key. */
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	bool ok = id != NULL && X509_pubkey_digest(x, EVP_sha256(), digest, &n) == 1 && n >= 20 &&
		  ASN1_OCTET_STRING_set(id, digest, 20) == 1 &&
		  X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0, 0) == 1;
	ASN1_OCTET_STRING_free(id);
	const ASN1_OCTET_STRING *of_issuer =
		issuer == NULL ? NULL : X509_get0_subject_key_id((X509 *)(uintptr_t)issuer);
	if (!ok || of_issuer == NULL)
		return ok;
	AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();
	ok = authority != NULL && (authority->keyid = ASN1_OCTET_STRING_dup(of_issuer)) != NULL &&
	     X509_add1_ext_i2d(x, NID_authority_key_identifier, authority, 0, 0) == 1;
	AUTHORITY_KEYID_free(authority);
	return ok;
}

/* OpenSSL 3 sends a key through its encoder and back through its decoder to put it into a certificate, which
 * costs ten times as much as signing. For our own kind of key the point itself will do. */
static bool set_public_key(X509 *x, EVP_PKEY *pkey)
{
	char group[32] = "";
	size_t len = 0;
	unsigned char *point = NULL;
	if (EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) != 1 ||
	    !sp_str_eq(sp_str_c(group), SP_STR("prime256v1")))
		return X509_set_pubkey(x, pkey) == 1;
	size_t n = EVP_PKEY_get1_encoded_public_key(pkey, &point);
	if (n > 0 &&
	    X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(x), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
				   V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1), point, (int)n) == 1)
		return true; /* the point is the certificate's now */
	OPENSSL_free(point);
	return false;
}

static sp_code fill(X509 *x, const sp_x509_template *t, const sp_key *key, const sp_x509_ca *ca, sp_err *err)
{
	bool is_ca = (t->usages & SP_X509_CA) != 0;
	if (X509_set_version(x, X509_VERSION_3) != 1 || !tls_set_serial(x) || !set_public_key(x, key->pkey))
		return tls_fail(err, SP_EINTERNAL, "new certificate");
	SP_TRY(set_subject(x, t, err));
	SP_TRY(set_dates(x, t, err));
	if (X509_set_issuer_name(x, X509_get_subject_name(ca == NULL ? x : ca->cert)) != 1 ||
	    !add_basic(x, is_ca) || !add_key_usage(x, is_ca) ||
	    (!is_ca && !add_extended_usage(x, t->usages)) ||
	    !tls_add_key_ids(x, ca == NULL ? NULL : ca->cert))
		return tls_fail(err, SP_EINTERNAL, "new certificate");
	return add_alt_names(x, t, err);
}

sp_code tls_sign_certificate(X509 *x, EVP_PKEY *pkey, sp_buf *out, sp_err *err)
{
	if (X509_sign(x, pkey, EVP_sha256()) == 0)
		return tls_fail(err, SP_EINVAL, "cannot sign the certificate");
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = bio != NULL && PEM_write_bio_X509(bio, x) == 1 ? BIO_get_mem_data(bio, &text) : 0;
	sp_code code = n > 0 ? sp_buf_append(out, text, (size_t)n) : SP_ENOMEM;
	BIO_free_all(bio);
	if (code != SP_OK)
		return sp_fail(err, code, "no room for a certificate as text");
	return SP_OK;
}

sp_code sp_x509_issue(const sp_x509_template *t, const sp_key *key, const sp_x509_ca *ca, sp_buf *out,
		      sp_err *err)
{
	AUTO_X509 x = X509_new();
	if (x == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a certificate");
	SP_TRY(fill(x, t, key, ca, err));
	return tls_sign_certificate(x, ca == NULL ? key->pkey : ca->pkey, out, err);
}

static sp_code fill_request(X509_REQ *r, X509 *names, const sp_x509_template *t, const sp_key *key,
			    sp_err *err)
{
	SP_TRY(set_subject(names, t, err));
	SP_TRY(add_alt_names(names, t, err));
	const STACK_OF(X509_EXTENSION) *exts = X509_get0_extensions(names);
	STACK_OF(X509_EXTENSION) *copy = exts == NULL ? NULL : sk_X509_EXTENSION_dup(exts);
	bool ok = X509_REQ_set_subject_name(r, X509_get_subject_name(names)) == 1 &&
		  X509_REQ_set_pubkey(r, key->pkey) == 1 &&
		  (copy == NULL || X509_REQ_add_extensions(r, copy) == 1) &&
		  X509_REQ_sign(r, key->pkey, EVP_sha256()) != 0;
	sk_X509_EXTENSION_free(copy);
	return ok ? SP_OK : tls_fail(err, SP_EINTERNAL, "new certificate request");
}

sp_code sp_x509_request_new(const sp_x509_template *t, const sp_key *key, sp_buf *out, sp_err *err)
{
	AUTO_X509 names = X509_new(); /* only carries them */
	X509_REQ *r = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	sp_code code = names == NULL || r == NULL || bio == NULL
			       ? sp_fail(err, SP_ENOMEM, "no memory for a certificate request")
			       : fill_request(r, names, t, key, err);
	long n = code == SP_OK && PEM_write_bio_X509_REQ(bio, r) == 1 ? BIO_get_mem_data(bio, &text) : 0;
	if (code == SP_OK && (n <= 0 || sp_buf_append(out, text, (size_t)n) != SP_OK))
		code = sp_fail(err, SP_ENOMEM, "no room for a certificate request");
	BIO_free_all(bio);
	X509_REQ_free(r);
	return code;
}
