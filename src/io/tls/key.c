/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "io/tls/tls_int.h"

sp_code tls_fail(sp_err *err, sp_code code, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
	ERR_clear_error();
	if (reason == NULL)
		return sp_fail(err, code, "%s", what);
	return sp_fail(err, code, "%s: %s", what, reason);
}

int tls_no_passphrase(char *out, int out_bytes, int writing, void *arg)
{
	(void)out;
	(void)out_bytes;
	(void)writing;
	(void)arg;
	return -1;
}

BIO *tls_bio_of(sp_str text)
{
	if (text.len > INT32_MAX)
		return NULL;
	return BIO_new_mem_buf(text.len == 0 ? "" : text.ptr, (int)text.len);
}

static void pkey_cleanup(EVP_PKEY **k)
{
	EVP_PKEY_free(*k);
}
#define AUTO_PKEY SP_CLEANUP(pkey_cleanup) EVP_PKEY *

static void bio_cleanup(BIO **b)
{
	BIO_free_all(*b);
}
#define AUTO_BIO SP_CLEANUP(bio_cleanup) BIO *

static sp_code wrap(EVP_PKEY *pkey, sp_key **ret, sp_err *err)
{
	sp_key *k = sp_try_alloc(sizeof *k);
	if (k == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a key");
	k->pkey = pkey;
	*ret = k;
	return SP_OK;
}

sp_code sp_key_new(sp_key **ret, sp_err *err)
{
	AUTO_PKEY pkey = EVP_EC_gen("P-256");
	if (pkey == NULL)
		return tls_fail(err, SP_EINTERNAL, "cannot make a key");
	SP_TRY(wrap(pkey, ret, err));
	pkey = NULL;
	return SP_OK;
}

sp_code sp_key_parse(sp_str pem, sp_key **ret, sp_err *err)
{
	if (pem.len > SP_LIMIT_PEM_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "private key of %zu bytes", pem.len);
	if (sp_str_find(pem, SP_STR("-----BEGIN ENCRYPTED PRIVATE KEY-----")) >= 0 ||
	    sp_str_find(pem, SP_STR("Proc-Type: 4,ENCRYPTED")) >= 0)
		return sp_fail(err, SP_EUNSUPPORTED, "private key is protected by a passphrase");
	AUTO_BIO bio = tls_bio_of(pem);
	AUTO_PKEY pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, NULL);
	if (pkey == NULL)
		return tls_fail(err, SP_EINVAL, "bad private key");
	ERR_clear_error();
	SP_TRY(wrap(pkey, ret, err));
	pkey = NULL;
	return SP_OK;
}

sp_code sp_key_parse_public(sp_str pem, sp_key **ret, sp_err *err)
{
	if (pem.len > SP_LIMIT_PEM_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "public key of %zu bytes", pem.len);
	AUTO_BIO bio = tls_bio_of(pem);
	AUTO_PKEY pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, tls_no_passphrase, NULL);
	if (pkey == NULL)
		return tls_fail(err, SP_EINVAL, "bad public key");
	ERR_clear_error();
	SP_TRY(wrap(pkey, ret, err));
	pkey = NULL;
	return SP_OK;
}

static sp_code append_bio(BIO *bio, sp_buf *out, sp_err *err)
{
	char *text = NULL;
	long n = BIO_get_mem_data(bio, &text);
	if (n <= 0 || sp_buf_append(out, text, (size_t)n) != SP_OK)
		return sp_fail(err, n <= 0 ? SP_EINTERNAL : sp_buf_code(out), "no room for a key as text");
	return SP_OK;
}

sp_code sp_key_print(const sp_key *k, sp_buf *out, sp_err *err)
{
	AUTO_BIO bio = BIO_new(BIO_s_secmem()); /* cleansed when it goes */
	if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return tls_fail(err, SP_EINTERNAL, "cannot print a key");
	return append_bio(bio, out, err);
}

sp_code sp_key_print_public(const sp_key *k, sp_buf *out, sp_err *err)
{
	AUTO_BIO bio = BIO_new(BIO_s_mem());
	if (bio == NULL || PEM_write_bio_PUBKEY(bio, k->pkey) != 1)
		return tls_fail(err, SP_EINTERNAL, "cannot print a public key");
	return append_bio(bio, out, err);
}

void sp_key_free(sp_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey);
	sp_free(k);
}

void sp_key_cleanup(sp_key **k)
{
	sp_key_free(*k);
}

void sp_buf_cleanse(sp_buf *b)
{
	if (b->ptr != NULL)
		OPENSSL_cleanse(b->ptr, b->cap);
	sp_buf_clear(b);
}
