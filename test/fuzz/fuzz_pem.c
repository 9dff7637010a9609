/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and keys from outside: any bytes as PEM bundle, DER, private and public key end in a value or
 * an error, within the arena's ceiling; what was read as a certificate reads again from its DER with the same
 * result.
 */
#include "base/arena.h"
#include "io/tls.h"

static void same(sp_strs a, sp_strs b)
{
	SP_ASSERT(a.n == b.n);
	for (size_t i = 0; i < a.n; i++)
		SP_ASSERT(sp_str_eq(a.items[i], b.items[i]));
}

static void again(const sp_x509_info *info, sp_arena *a)
{
	sp_x509_info second;
	if (sp_x509_inspect(info->der, a, &second, NULL) != SP_OK)
		return; /* the arena is full */
	SP_ASSERT(sp_str_eq(info->common_name, second.common_name));
	SP_ASSERT(sp_str_eq(info->serial, second.serial));
	SP_ASSERT(info->not_after_s == second.not_after_s);
	SP_ASSERT(info->is_ca == second.is_ca);
	same(info->organizations, second.organizations);
	same(info->dns, second.dns);
	same(info->uris, second.uris);
	same(info->emails, second.emails);
	same(info->ips, second.ips);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str text = {(const char *)data, size};
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	sp_x509_info *list = NULL, one;
	size_t n = 0;
	sp_err err = {0};
	if (sp_x509_inspect_pem(text, &a, &list, &n, &err) == SP_OK) {
		SP_ASSERT(n > 0);
		for (size_t i = 0; i < n; i++)
			again(&list[i], &a);
		sp_tls_config *c = NULL;
		if (sp_tls_client_config(&(sp_tls_opts){.ca_pem = text}, &c, NULL) == SP_OK)
			(void)sp_tls_config_unref(c);
	} else {
		SP_ASSERT(err.msg[0] != '\0');
	}
	if (sp_x509_inspect(text, &a, &one, NULL) == SP_OK)
		again(&one, &a);
	/* OpenSSL takes a millisecond to find that something is no key at all. */
	sp_key *key = NULL;
	bool armored = sp_str_find(text, SP_STR("-----BEGIN ")) >= 0;
	if (armored && sp_key_parse(text, &key, NULL) == SP_OK)
		sp_key_free(key);
	if (armored && sp_key_parse_public(text, &key, NULL) == SP_OK)
		sp_key_free(key);
	sp_arena_done(&a);
	return 0;
}
