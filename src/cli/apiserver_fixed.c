/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apiserver_fixed.h"

#define NO_FILE_OF_AUTHENTICATORS "users come by certificates, tokens and front proxies"
#define NO_WEBHOOK "no webhook is asked who somebody is or what they may"
#define NO_OIDC "tokens of OpenID Connect are not known here"

/* Of those with a text the only one is the default. */
static const struct {
	const char *name;
	cli_flag_type type;
	bool truth;
	const char *text, *why;
} fixed[] = {
	{"audit-webhook-config-file", CLI_STR, false, "", "audit events go to a log only"},
	{"authentication-config", CLI_STR, false, "", NO_FILE_OF_AUTHENTICATORS},
	{"authentication-token-webhook-config-file", CLI_STR, false, "", NO_WEBHOOK},
	{"authorization-config", CLI_STR, false, "", "--authorization-mode says who decides"},
	{"authorization-webhook-config-file", CLI_STR, false, "", NO_WEBHOOK},
	{"contention-profiling", CLI_BOOL, false, NULL, "there is no profiling by HTTP"},
	{"egress-selector-config-file", CLI_STR, false, "", "others are reached directly"},
	{"enable-aggregator-routing", CLI_BOOL, true, NULL, "requests go straight to a ready endpoint"},
	{"enable-garbage-collector", CLI_BOOL, true, NULL, "finalizers of dependents are always kept"},
	{"encryption-provider-config", CLI_STR, false, "", "what is stored is not encrypted"},
	{"etcd-servers", CLI_STR, false, "", "objects are kept in --data-dir"},
	{"external-hostname", CLI_STR, false, "", "no URL that is told holds a host name"},
	{"goaway-chance", CLI_STR, false, "0", "no client is sent away to spread load"},
	{"logging-format", CLI_STR, false, "json", "logs are lines of JSON"},
	{"oidc-client-id", CLI_STR, false, "", NO_OIDC},
	{"oidc-issuer-url", CLI_STR, false, "", NO_OIDC},
	{"permit-address-sharing", CLI_BOOL, false, NULL, "the address is this server's alone"},
	{"permit-port-sharing", CLI_BOOL, false, NULL, "the port is this server's alone"},
	{"profiling", CLI_BOOL, false, NULL, "there is no profiling by HTTP"},
	{"service-account-lookup", CLI_BOOL, true, NULL,
	 "tokens of accounts that are gone are worth nothing"},
	{"shutdown-delay-duration", CLI_STR, false, "0s",
	 "new clients are refused as soon as the server stops"},
	{"storage-backend", CLI_STR, false, "", "objects are kept in --data-dir"},
	{"strict-transport-security-directives", CLI_STR, false, "", "no such header is sent"},
	{"tls-sni-cert-key", CLI_STR, false, "", "one certificate is served, whoever is asked for"},
};
_Static_assert(SP_LEN(fixed) <= CLI_FIXED_MAX, "a value for each");

size_t cli_fixed_flags(cli_fixed *f, cli_flag *to)
{
	for (size_t i = 0; i < SP_LEN(fixed); i++) {
		bool is_truth = fixed[i].type == CLI_BOOL;
		f->truths[i] = fixed[i].truth;
		f->texts[i] = is_truth ? SP_STR("") : sp_str_c(fixed[i].text);
		to[i] = (cli_flag){fixed[i].name, fixed[i].type,
				   is_truth ? (void *)&f->truths[i] : (void *)&f->texts[i], fixed[i].why};
	}
	return SP_LEN(fixed);
}

sp_code cli_fixed_check(const cli_fixed *f, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(fixed); i++) {
		bool is_truth = fixed[i].type == CLI_BOOL;
		const char *only = is_truth ? fixed[i].truth ? "true" : "false" : fixed[i].text;
		if (is_truth ? f->truths[i] == fixed[i].truth
			     : sp_str_eq(f->texts[i], sp_str_c(fixed[i].text)))
			continue;
		return sp_fail(err, SP_EINVAL, "--%s can only be %s: %s", fixed[i].name,
			       only[0] == '\0' ? "empty" : only, fixed[i].why);
	}
	return SP_OK;
}
