/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apiserver_tls.h"

#include "kube/kinds/values.h"

#include "base/buf.h"

#define LIST_BYTES 1024u

/* OpenSSL's name; empty: of TLS 1.3, whose suites are always offered. */
static const struct {
	const char *name, *openssl;
} suites[] = {
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
	{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{"TLS_AES_128_GCM_SHA256", ""},
	{"TLS_AES_256_GCM_SHA384", ""},
	{"TLS_CHACHA20_POLY1305_SHA256", ""},
};

/* Without forward secrecy or without authentication of what is encrypted. */
static const char *const weak[] = {
	"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",  "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",  "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
	"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",   "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
	"TLS_ECDHE_RSA_WITH_RC4_128_SHA",        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
	"TLS_RSA_WITH_AES_128_CBC_SHA",          "TLS_RSA_WITH_AES_128_CBC_SHA256",
	"TLS_RSA_WITH_AES_128_GCM_SHA256",       "TLS_RSA_WITH_AES_256_CBC_SHA",
	"TLS_RSA_WITH_AES_256_GCM_SHA384",       "TLS_RSA_WITH_RC4_128_SHA",
};

static sp_code add_suite(sp_str name, sp_buf *to, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(suites); i++) {
		if (!sp_str_eq(name, sp_str_c(suites[i].name)))
			continue;
		if (suites[i].openssl[0] != '\0' &&
		    sp_buf_printf(to, "%s%s", to->len > 0 ? ":" : "", suites[i].openssl) != SP_OK)
			return sp_fail(err, SP_EINVAL, "--tls-cipher-suites is too long");
		return SP_OK;
	}
	return SP_STR_IN(name, weak)
		       ? sp_fail(err, SP_EINVAL, "--tls-cipher-suites: " SP_FMT " is too weak to be offered",
				 SP_ARG(name))
		       : sp_fail(err, SP_EINVAL, "Cipher suite " SP_FMT " not supported or doesn't exist",
				 SP_ARG(name));
}

static sp_code choose_version(sp_str version, sp_tls_opts *ret, sp_err *err)
{
	static const char *const old[] = {"VersionTLS10", "VersionTLS11"};
	ret->tls13_only = sp_str_eq(version, SP_STR("VersionTLS13"));
	if (version.len == 0 || ret->tls13_only || sp_str_eq(version, SP_STR("VersionTLS12")))
		return SP_OK;
	return SP_STR_IN(version, old)
		       ? sp_fail(err, SP_EINVAL,
				 "--tls-min-version can't be " SP_FMT ": TLS 1.2 and 1.3 are served",
				 SP_ARG(version))
		       : sp_fail(err, SP_EINVAL, "unknown tls version \"" SP_FMT "\"", SP_ARG(version));
}

sp_code cli_tls_choose(sp_arena *a, sp_str min_version, sp_str names, sp_tls_opts *ret, sp_err *err)
{
	sp_str name;
	SP_AUTO_BUF list;
	bool any = names.len > 0;
	sp_buf_init(&list, LIST_BYTES);
	SP_TRY(choose_version(min_version, ret, err));
	while (sp_str_next(&names, ',', &name))
		SP_TRY(add_suite(sp_str_trim(name), &list, err));
	ret->tls13_only = ret->tls13_only || (any && list.len == 0);
	ret->ciphers = SP_CONCAT(a, sp_buf_view(&list));
	return SP_OK;
}
