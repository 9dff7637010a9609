/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of kube-apiserver that are taken with one value. */
#include "cli/apiserver_fixed.h"
#include "cli/apiserver_gates.h"
#include "cli/apiserver_tls.h"
#include "lib/t.h"

SP_TEST(cli_fixed, one_value_each)
{
	static const struct {
		const char *flag, *good, *bad, *why;
	} rows[] = {
		{"profiling", "false", "true",
		 "--profiling can only be false: there is no profiling by HTTP"},
		{"goaway-chance", "0", "0.01",
		 "--goaway-chance can only be 0: no client is sent away to spread load"},
		{"encryption-provider-config", "", "/etc/enc.yaml",
		 "--encryption-provider-config can only be empty: what is stored is not encrypted"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		cli_fixed f;
		cli_flag table[CLI_FIXED_MAX];
		sp_err err = {0};
		size_t n = cli_fixed_flags(&f, table);
		const cli_flag *flag = cli_flags_find(table, n, sp_str_c(rows[i].flag));
		t_row("%s", rows[i].flag);
		T_TRUE(flag != NULL);
		T_OK(cli_fixed_check(&f, T_ERR));
		T_OK(cli_flags_set(flag, sp_str_c(rows[i].good), T_ERR));
		T_OK(cli_fixed_check(&f, T_ERR));
		T_OK(cli_flags_set(flag, sp_str_c(rows[i].bad), T_ERR));
		T_CODE(cli_fixed_check(&f, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].why);
	}
}

typedef struct t_choice {
	const char *text, *why; /* NULL: taken */
} t_choice;

static void check_choices(sp_code (*check)(sp_str text, sp_err *err), const t_choice *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sp_err err = {0};
		t_row("%s", rows[i].text);
		sp_code code = check(sp_str_c(rows[i].text), &err);
		T_EQ_C(sp_str_c(err.msg), rows[i].why == NULL ? "" : rows[i].why);
		T_TRUE(code == (rows[i].why == NULL ? SP_OK : SP_EINVAL));
	}
}

SP_TEST(cli_fixed, feature_gates)
{
	static const t_choice rows[] = {
		{"", NULL},
		{"PodsAPI=false,kube:EnvFiles=true, SidecarContainers = 1 ,", NULL},
		{"AllAlpha=false", NULL},
		{"PodsAPI=true",
		 "--feature-gates: PodsAPI can only be false: every gate is as by default in 1.36"},
		{"AllAlpha=t",
		 "--feature-gates: AllAlpha can only be false: every gate is as by default in 1.36"},
		{"AllBeta=false",
		 "--feature-gates: AllBeta can't be set: every gate is as by default in 1.36"},
		{"SidecarContainers=false",
		 "cannot set feature gate SidecarContainers to false, feature is locked to true"},
		{"EnvFiles=true,Foo=true", "unrecognized feature gate: Foo"},
		{"AllAlpha", "missing bool value for AllAlpha"},
		{"AllAlpha=maybe", "invalid value of AllAlpha=maybe, err: strconv.ParseBool: parsing "
				   "\"maybe\": invalid syntax"},
		{"wardle:Foo=true", "component not registered: wardle"},
	};
	check_choices(cli_gates_check, rows, SP_LEN(rows));
}

SP_TEST(cli_fixed, runtime_config)
{
	static const t_choice rows[] = {
		{"", NULL},
		{"v1,apps/v1=true,apps/v1/deployments=1,storage.k8s.io/v1beta1=false,", NULL},
		{"api/ga=true,api/beta=false,api/alpha=false,api/legacy=true", NULL},
		{"api/all=true", "--runtime-config: api/all can't be set: the versions that are served are "
				 "those by default in "
				 "1.36"},
		{"api/beta=true",
		 "--runtime-config: api/beta can only be false: the versions that are served "
		 "are those by default in 1.36"},
		{"api/beta=maybe", "invalid value api/beta=maybe"},
		{"resource.k8s.io/v1beta1=true",
		 "--runtime-config: resource.k8s.io/v1beta1 can only be false: the versions that are served "
		 "are those by default in 1.36"},
		{"apps/v1=false", "--runtime-config: apps/v1 can only be true: the versions that are served "
				  "are those by default in 1.36"},
		{"foo/v1=true", "unknown api groups foo/v1"},
		{"api/foo=true", "unknown api groups api/foo"},
		{"apps/v9=true", "group version apps/v9 that has not been registered"},
		{"apps/v9/foo=true", "group version apps/v9 that has not been registered"},
		{"apps=true", "runtime-config invalid key apps"},
		{"a/b/c/d=true", "runtime-config invalid key a/b/c/d"},
		{"v1=maybe",
		 "invalid value of /v1: maybe, err: strconv.ParseBool: parsing \"maybe\": invalid syntax"},
	};
	check_choices(cli_runtime_config_check, rows, SP_LEN(rows));
}

static sp_code check_version(sp_str text, sp_err *err)
{
	sp_tls_opts o = {.tls13_only = false};
	SP_TRY(cli_tls_choose(T_ARENA, text, SP_STR(""), &o, err));
	return o.tls13_only == sp_str_eq(text, SP_STR("VersionTLS13")) ? SP_OK : SP_EINTERNAL;
}

static sp_code check_suites(sp_str text, sp_err *err)
{
	sp_tls_opts o = {.tls13_only = false};
	return cli_tls_choose(T_ARENA, SP_STR("VersionTLS12"), text, &o, err);
}

SP_TEST(cli_fixed, tls)
{
	static const t_choice versions[] = {
		{"", NULL},
		{"VersionTLS12", NULL},
		{"VersionTLS13", NULL},
		{"VersionTLS14", "unknown tls version \"VersionTLS14\""},
		{"VersionTLS11", "--tls-min-version can't be VersionTLS11: TLS 1.2 and 1.3 are served"},
	};
	static const t_choice suites[] = {
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256", NULL},
		{"FOO", "Cipher suite FOO not supported or doesn't exist"},
		{"TLS_RSA_WITH_AES_128_GCM_SHA256",
		 "--tls-cipher-suites: TLS_RSA_WITH_AES_128_GCM_SHA256 is too weak to be offered"},
	};
	sp_tls_opts o = {.tls13_only = false};
	check_choices(check_version, versions, SP_LEN(versions));
	check_choices(check_suites, suites, SP_LEN(suites));
	T_OK(cli_tls_choose(T_ARENA, SP_STR(""),
			    SP_STR("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_CHACHA20_"
				   "POLY1305_SHA256"),
			    &o, T_ERR));
	T_EQ_C(o.ciphers, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305");
	T_OK(cli_tls_choose(T_ARENA, SP_STR(""), SP_STR("TLS_AES_128_GCM_SHA256"), &o, T_ERR));
	T_TRUE(o.tls13_only && o.ciphers.len == 0);
}
