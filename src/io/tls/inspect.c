/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "io/tls/sign.h"
#include "io/tls/tls_int.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "certificate does not fit");
}

/* Any ASN.1 string type as UTF-8. */
static sp_code dup_utf8(sp_arena *a, const ASN1_STRING *s, sp_str *ret, sp_err *err)
{
	unsigned char *text = NULL;
	int n = ASN1_STRING_to_UTF8(&text, s);
	if (n < 0)
		return tls_fail(err, SP_EINVAL, "bad text in a certificate");
	sp_str copy = sp_arena_try_dup(a, (sp_str){(const char *)text, (size_t)n});
	OPENSSL_free(text);
	if (copy.ptr == NULL && n > 0)
		return no_room(err);
	*ret = copy;
	return SP_OK;
}

static sp_code last_common_name(const X509_NAME *name, sp_arena *a, sp_str *ret, sp_err *err)
{
	int at = -1;
	for (int i; (i = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;)
		at = i;
	*ret = (sp_str){NULL, 0};
	if (at < 0)
		return SP_OK;
	return dup_utf8(a, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), ret, err);
}

static sp_code get_organizations(const X509_NAME *name, sp_arena *a, sp_strs *ret, sp_err *err)
{
	size_t n = 0;
	int at = -1;
	while ((at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0)
		n++;
	*ret = (sp_strs){NULL, 0};
	if (n == 0)
		return SP_OK;
	sp_str *items = sp_try_new(a, sp_str, n);
	if (items == NULL)
		return no_room(err);
	n = 0;
	while ((at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0)
		SP_TRY(dup_utf8(a, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), &items[n++],
				err));
	*ret = (sp_strs){items, n};
	return SP_OK;
}

static sp_code alt_name_text(const GENERAL_NAME *g, sp_arena *a, sp_str *ret, sp_err *err)
{
	char ip[INET6_ADDRSTRLEN];
	const ASN1_STRING *s = GENERAL_NAME_get0_value(g, NULL);
	sp_str text = {(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
	if (g->type == GEN_IPADD) {
		if (text.len != 4 && text.len != 16)
			return sp_fail(err, SP_EINVAL, "certificate with an IP address of %zu bytes",
				       text.len);
		text = sp_str_c(inet_ntop(text.len == 4 ? AF_INET : AF_INET6, text.ptr, ip, sizeof ip));
	}
	*ret = sp_arena_try_dup(a, text);
	return ret->ptr == NULL && text.len > 0 ? no_room(err) : SP_OK;
}

static sp_code collect(const GENERAL_NAMES *names, int type, sp_arena *a, sp_strs *ret, sp_err *err)
{
	int n_all = sk_GENERAL_NAME_num(names);
	size_t n = 0;
	for (int i = 0; i < n_all; i++)
		n += sk_GENERAL_NAME_value(names, i)->type == type ? 1 : 0;
	if (n == 0)
		return SP_OK;
	sp_str *items = sp_try_new(a, sp_str, n);
	if (items == NULL)
		return no_room(err);
	n = 0;
	for (int i = 0; i < n_all; i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		if (g->type == type)
			SP_TRY(alt_name_text(g, a, &items[n++], err));
	}
	*ret = (sp_strs){items, n};
	return SP_OK;
}

static sp_code get_alt_names(const X509 *x, sp_arena *a, sp_x509_info *ret, sp_err *err)
{
	const struct {
		int type;
		sp_strs *to;
	} rows[] = {{GEN_DNS, &ret->dns},
		    {GEN_URI, &ret->uris},
		    {GEN_EMAIL, &ret->emails},
		    {GEN_IPADD, &ret->ips}};
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	if (names == NULL && critical != -1)
		return tls_fail(err, SP_EINVAL, "bad alternative names in a certificate"); /* or twice */
	if (names == NULL)
		return SP_OK;
	sp_code code = SP_OK;
	for (size_t i = 0; i < SP_LEN(rows) && code == SP_OK; i++)
		code = collect(names, rows[i].type, a, rows[i].to, err);
	GENERAL_NAMES_free(names);
	return code;
}

static sp_code get_time(const ASN1_TIME *t, int64_t *ret, sp_err *err)
{
	struct tm tm = {0};
	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return tls_fail(err, SP_EINVAL, "bad date in a certificate");
	*ret = timegm(&tm);
	return SP_OK;
}

static sp_code get_serial(const X509 *x, sp_arena *a, sp_str *ret, sp_err *err)
{
	static const char digits[] = "0123456789abcdef";
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	size_t n = (size_t)ASN1_STRING_length(serial);
	char *text = sp_arena_try_alloc(a, n * 2 + 1);
	if (text == NULL)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	*ret = (sp_str){text, n * 2};
	return SP_OK;
}

static sp_code get_der(const X509 *x, sp_arena *a, sp_str *ret, sp_err *err)
{
	int n = i2d_X509(x, NULL);
	if (n <= 0)
		return tls_fail(err, SP_EINVAL, "bad certificate");
	unsigned char *der = sp_arena_try_alloc(a, (size_t)n);
	if (der == NULL)
		return no_room(err);
	unsigned char *to = der;
	(void)i2d_X509(x, &to); /* as above */
	*ret = (sp_str){(const char *)der, (size_t)n};
	return SP_OK;
}

static sp_code get_sha256(sp_str der, sp_arena *a, sp_str *ret, sp_err *err)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[32];
	char text[2 * sizeof digest];
	sp_sha256(der, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	*ret = sp_arena_try_dup(a, (sp_str){text, sizeof text});
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

static sp_code get_key_sha256(const X509 *x, sp_arena *a, sp_str *ret, sp_err *err)
{
	unsigned char *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	if (n <= 0)
		return tls_fail(err, SP_EINVAL, "key of the certificate");
	sp_code code = get_sha256((sp_str){(const char *)der, (size_t)n}, a, ret, err);
	OPENSSL_free(der);
	return code;
}

sp_code tls_inspect_names(const X509 *x, sp_arena *a, sp_x509_info *ret, sp_err *err)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	SP_TRY(last_common_name(subject, a, &ret->common_name, err));
	SP_TRY(get_organizations(subject, a, &ret->organizations, err));
	return get_alt_names(x, a, ret, err);
}

sp_code tls_inspect(const X509 *x, sp_arena *a, sp_x509_info *ret, sp_err *err)
{
	sp_x509_info info = {0};
	SP_TRY(get_der(x, a, &info.der, err));
	SP_TRY(get_sha256(info.der, a, &info.sha256, err));
	SP_TRY(get_key_sha256(x, a, &info.key_sha256, err));
	SP_TRY(tls_inspect_names(x, a, &info, err));
	SP_TRY(last_common_name(X509_get_issuer_name(x), a, &info.issuer_common_name, err));
	SP_TRY(get_time(X509_get0_notBefore(x), &info.not_before_s, err));
	SP_TRY(get_time(X509_get0_notAfter(x), &info.not_after_s, err));
	SP_TRY(get_serial(x, a, &info.serial, err));
	BASIC_CONSTRAINTS *basic = X509_get_ext_d2i(x, NID_basic_constraints, NULL, NULL);
	info.is_ca = basic != NULL && basic->ca != 0;
	BASIC_CONSTRAINTS_free(basic);
	ERR_clear_error();
	*ret = info;
	return SP_OK;
}

sp_code sp_x509_inspect(sp_str der, sp_arena *a, sp_x509_info *ret, sp_err *err)
{
	if (der.len > SP_LIMIT_PEM_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "certificate of %zu bytes", der.len);
	const unsigned char *at = (const unsigned char *)der.ptr;
	X509 *x = der.len == 0 ? NULL : d2i_X509(NULL, &at, (long)der.len);
	if (x == NULL)
		return tls_fail(err, SP_EINVAL, "bad certificate");
	sp_code code = SP_OK;
	if ((size_t)((const char *)at - der.ptr) != der.len)
		code = sp_fail(err, SP_EINVAL, "bad certificate: bytes after its end");
	else
		code = tls_inspect(x, a, ret, err);
	X509_free(x);
	return code;
}

#define CERTS_MAX 10000u /* of one bundle; the room grows by doubling */

sp_code sp_x509_inspect_pem(sp_str pem, sp_arena *a, sp_x509_info **ret, size_t *ret_n, sp_err *err)
{
	sp_x509_info *list = NULL;
	size_t n = 0, cap = 0;
	sp_code code = SP_OK;
	if (pem.len > SP_LIMIT_PEM_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "certificates of %zu bytes", pem.len);
	BIO *bio = tls_bio_of(pem);
	if (bio == NULL)
		return no_room(err);
	X509 *x = NULL;
	while (code == SP_OK && n < CERTS_MAX &&
	       (x = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
		if (n == cap) {
			size_t more = cap == 0 ? 4 : cap * 2;
			void *grown = sp_arena_try_grow(a, list, cap * sizeof *list, more * sizeof *list);
			if (grown == NULL) {
				X509_free(x);
				code = no_room(err);
				break;
			}
			list = grown;
			cap = more;
		}
		code = tls_inspect(x, a, &list[n++], err);
		X509_free(x);
	}
	BIO_free_all(bio);
	if (code != SP_OK)
		return code;
	bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (n == 0 || !at_end)
		return tls_fail(err, SP_EINVAL, n == 0 ? "no certificate" : "bad certificate");
	ERR_clear_error();
	*ret = list;
	*ret_n = n;
	return SP_OK;
}
