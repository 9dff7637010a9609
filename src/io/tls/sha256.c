/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls/sha256.h"

#include <openssl/evp.h>

#include "base/alloc.h"

struct sp_sha256_sum {
	EVP_MD_CTX *ctx;
};

/* The algorithm is built into the default provider: once made, using it cannot fail. */
sp_sha256_sum *sp_sha256_new(void)
{
	sp_sha256_sum *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return NULL;
	s->ctx = EVP_MD_CTX_new();
	if (s->ctx == NULL || EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) != 1) {
		sp_sha256_free(s);
		return NULL;
	}
	return s;
}

void sp_sha256_free(sp_sha256_sum *s)
{
	if (s == NULL)
		return;
	EVP_MD_CTX_free(s->ctx);
	sp_free(s);
}

void sp_sha256_update(sp_sha256_sum *s, const void *bytes, size_t n)
{
	int ok = EVP_DigestUpdate(s->ctx, bytes, n);
	SP_ASSERT(ok == 1);
}

void sp_sha256_text(sp_sha256_sum *s, char out[SP_SHA256_TEXT_BYTES + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum[32];
	int ok = EVP_DigestFinal_ex(s->ctx, sum, NULL);
	SP_ASSERT(ok == 1);
	ok = EVP_DigestInit_ex(s->ctx, NULL, NULL);
	SP_ASSERT(ok == 1);
	for (size_t i = 0; i < sizeof sum; i++) {
		out[2 * i] = hex[sum[i] >> 4];
		out[2 * i + 1] = hex[sum[i] & 15];
	}
	out[SP_SHA256_TEXT_BYTES] = '\0';
}
