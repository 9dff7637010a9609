/* SPDX-License-Identifier: Apache-2.0 */
#include "io/csr_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/quote.h"

/* One PEM block; zero it. */
typedef struct block {
	char *name, *header;
	unsigned char *data;
	long n;
} block;

static void block_done(block *b)
{
	OPENSSL_free(b->name);
	OPENSSL_free(b->header);
	OPENSSL_free(b->data);
	*b = (block){.n = 0};
}

/* The next block, text around it is skipped; false when there is none. */
static bool next_block(BIO *in, block *b)
{
	block_done(b);
	bool found = in != NULL && PEM_read_bio(in, &b->name, &b->header, &b->data, &b->n) == 1;
	ERR_clear_error();
	return found;
}

static BIO *reader(sp_str pem)
{
	return pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.len > 0 ? pem.ptr : "", (int)pem.len) : NULL;
}

static sp_str request_fault(const block *b)
{
	const unsigned char *at = b->data;
	X509_REQ *req = d2i_X509_REQ(NULL, &at, b->n);
	sp_str fault = {NULL, 0};
	if (req == NULL) {
		fault = SP_STR("asn1: structure error: malformed certificate request");
	} else if (at != b->data + b->n) {
		fault = SP_STR("asn1: syntax error: trailing data");
	} else {
		EVP_PKEY *key = X509_REQ_get0_pubkey(req);
		if (key == NULL || X509_REQ_verify(req, key) != 1)
			fault = SP_STR("x509: signature verification failed");
	}
	X509_REQ_free(req);
	ERR_clear_error();
	return fault;
}

sp_str sp_csr_request_fault(sp_str pem)
{
	block b = {.n = 0};
	BIO *in = reader(pem);
	sp_str fault = SP_STR("PEM block type must be CERTIFICATE REQUEST");
	if (next_block(in, &b) && strcmp(b.name, "CERTIFICATE REQUEST") == 0)
		fault = request_fault(&b);
	block_done(&b);
	BIO_free(in);
	return fault;
}

static bool subject_has(const X509_NAME *subject, sp_str organization)
{
	bool found = false;
	int at = -1;
	while (!found && (at = X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)subject,
							  NID_organizationName, at)) >= 0) {
		unsigned char *text = NULL;
		int n = ASN1_STRING_to_UTF8(&text,
					    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
		found = n >= 0 && sp_str_eq((sp_str){(const char *)text, (size_t)n}, organization);
		OPENSSL_free(text);
	}
	return found;
}

bool sp_csr_has_organization(sp_str pem, sp_str organization)
{
	block b = {.n = 0};
	bool found = false;
	BIO *in = reader(pem);
	if (next_block(in, &b)) {
		const unsigned char *at = b.data;
		X509_REQ *req = d2i_X509_REQ(NULL, &at, b.n);
		found = req != NULL && subject_has(X509_REQ_get_subject_name(req), organization);
		X509_REQ_free(req);
	}
	ERR_clear_error();
	block_done(&b);
	BIO_free(in);
	return found;
}

/* The DER certificates of one block, of which there must be one at least. */
static sp_str certificates_fault(const block *b)
{
	const unsigned char *at = b->data, *end = b->data + b->n;
	sp_str fault = {NULL, 0};
	if (b->n == 0)
		return SP_STR("found CERTIFICATE PEM block containing 0 certificates");
	while (at < end && fault.len == 0) {
		X509 *cert = d2i_X509(NULL, &at, end - at);
		if (cert == NULL)
			fault = SP_STR("x509: malformed certificate");
		X509_free(cert);
	}
	ERR_clear_error();
	return fault;
}

static sp_str wrong_type(sp_arena *a, const char *name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, a->limit_bytes);
	(void)sp_buf_str(&text, SP_STR("only CERTIFICATE PEM blocks are allowed, found "));
	(void)sp_quote_go(&text, sp_str_c(name));
	sp_str dup = sp_arena_try_dup(a, sp_buf_view(&text));
	return dup.len > 0 ? dup : SP_STR("only CERTIFICATE PEM blocks are allowed");
}

sp_str sp_csr_certificates_fault(sp_arena *a, sp_str pem)
{
	block b = {.n = 0};
	sp_str fault = {NULL, 0};
	size_t n = 0;
	if (pem.len == 0)
		return fault;
	BIO *in = reader(pem);
	for (; fault.len == 0 && next_block(in, &b); n++) {
		if (strcmp(b.name, "CERTIFICATE") != 0)
			fault = wrong_type(a, b.name);
		else if (b.header[0] != 0)
			fault = SP_STR("no PEM block headers are permitted");
		else
			fault = certificates_fault(&b);
	}
	if (n == 0)
		fault = SP_STR("must contain at least one CERTIFICATE PEM block");
	block_done(&b);
	BIO_free(in);
	return fault;
}
