/* SPDX-License-Identifier: Apache-2.0 */
/* Which controllers run, and flags of kube-controller-manager. */
#include "cli/cli.h"
#include "cli/controllers_flags.h"
#include "lib/t.h"

static const controller_type *find(const char *name)
{
	for (size_t i = 0; i < n_controller_types; i++) {
		if (sp_str_eq(sp_str_c(controller_types[i]->name), sp_str_c(name)))
			return controller_types[i];
	}
	return NULL;
}

SP_TEST(controllers_flags, lists)
{
	static const struct {
		const char *list, *controller;
		bool runs;
	} rows[] = {
		{"", "job-controller", true},
		{"*", "job-controller", true},
		{"*", "token-cleaner-controller", false},
		{"*,tokencleaner", "token-cleaner-controller", true},
		{"*,-job", "job-controller", false},
		{"*, -job-controller", "job-controller", false},
		{"job", "job-controller", true},
		{"cronjob", "job-controller", false},
		{"-attachdetach,*", "persistentvolume-attach-detach-controller", false},
		{"*,-service-lb-controller", "job-controller", true},
		{"-*", "job-controller", false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const controller_type *t = find(rows[i].controller);
		T_OK(controllers_check_list(sp_str_c(rows[i].list), T_ERR));
		T_TRUE(t != NULL && controllers_is_enabled(sp_str_c(rows[i].list), t) == rows[i].runs);
	}
	T_CODE(controllers_check_list(SP_STR("*,nonsense"), T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "'nonsense' is no controller");
	T_CODE(controllers_check_list(SP_STR("*,service-lb-controller"), T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg),
	       "the controller 'service-lb-controller' is not here, only its absence can be asked for");
}

SP_TEST(controllers_flags, each_is_of_a_controller)
{
	cli_flag rows[CLI_SYNC_FLAGS_MAX];
	controllers_workers of[CLI_SYNC_FLAGS_MAX] = {{NULL, 0}};
	int64_t values[CLI_SYNC_FLAGS_MAX];
	size_t n = cli_sync_flags(rows, of, values);
	T_TRUE(n > 10);
	for (size_t i = 0; i < n; i++) {
		if (find(of[i].controller) == NULL || rows[i].value != &values[i])
			T_FAIL("%s is of no controller", rows[i].name);
	}
}

static sp_code refuse(const char *arg)
{
	char program[] = "controllers", copy[100];
	char *argv[] = {program, copy, NULL};
	(void)snprintf(copy, sizeof copy, "%s", arg);
	static const cli_flag taken[] = {{"secure-port", CLI_STR, NULL, ""},
					 {"tls-cert-file", CLI_STR, NULL, ""}};
	return cli_refuse_flags(2, argv, taken, SP_LEN(taken), T_ERR);
}

SP_TEST(controllers_flags, refused)
{
	T_OK(refuse("--controllers=*"));
	T_OK(refuse("--cluster-signing-endpoint=x"));
	T_OK(refuse("--leader-elect-resource-name"));
	T_OK(refuse("secure-port"));
	T_OK(refuse("--secure-port=0"));
	T_OK(refuse("--tls-cert-file"));
	T_CODE(refuse("--tls-min-version=VersionTLS12"), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg),
	       "--tls-min-version is not taken: its endpoints are served in one way only; leave it out");
	T_CODE(refuse("--pvclaimbinder-sync-period"), SP_EINVAL);
	T_CODE(refuse("-v=2"), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg),
	       "--v is not taken: logs are JSON lines; --log-level says how much of them");
	/* The verb says so before it does anything. */
	char program[] = "sampan", verb[] = "controllers", flag[] = "--cloud-provider=aws",
	     bad[] = "--node-eviction-rate=-1";
	char *argv[] = {program, verb, flag, NULL};
	T_EQ_I64(cli_main(3, argv), CLI_EXIT_USAGE);
	argv[2] = bad;
	T_TRUE(cli_main(3, argv) != 0);
}
