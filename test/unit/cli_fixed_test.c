/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of kube-apiserver that are taken with one value. */
#include "cli/apiserver_fixed.h"
#include "lib/t.h"

SP_TEST(cli_fixed, one_value_each)
{
	static const struct {
		const char *flag, *good, *bad, *why;
	} rows[] = {
		{"allow-privileged", "true", "false",
		 "--allow-privileged can only be true: privileged containers are a matter of PodSecurity"},
		{"profiling", "false", "true",
		 "--profiling can only be false: there is no profiling by HTTP"},
		{"goaway-chance", "0", "0.01",
		 "--goaway-chance can only be 0: no client is sent away to spread load"},
		{"encryption-provider-config", "", "/etc/enc.yaml",
		 "--encryption-provider-config can only be empty: what is stored is not encrypted"},
		{"feature-gates", "", "AllAlpha=true",
		 "--feature-gates can only be empty: every gate is as by default in 1.36"},
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
