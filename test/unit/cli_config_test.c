/* SPDX-License-Identifier: Apache-2.0 */
/* Options by file and environment, and the tables that everything is made of. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/process.h"
#include "lib/t.h"

typedef struct values {
	sp_str dir;
	bool verbose;
	int64_t port;
} values;

static sp_code apply(values *v, const char *yaml, const char *variable)
{
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &v->dir, "where"},
		{"verbose", CLI_BOOL, &v->verbose, ""},
		{"secure-port", CLI_I64, &v->port, "port"},
	};
	char named[600], path[500];
	(void)snprintf(path, sizeof path, "%s/c.yaml", t_tmpdir());
	(void)snprintf(named, sizeof named, "SAMPAN_CONFIG=%s", path);
	const char *env[] = {"HOME=/root", yaml != NULL ? named : "X=y", variable, NULL};
	if (yaml != NULL) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		bool ok = fd >= 0 && write(fd, yaml, strlen(yaml)) == (ssize_t)strlen(yaml);
		(void)close(fd);
		if (!ok)
			(void)t_fail(__FILE__, __LINE__, "no file");
	}
	return cli_config_apply(T_ARENA, "server", table, SP_LEN(table), env, T_ERR);
}

SP_TEST(cli_config, file_then_environment)
{
	values v = {.dir = SP_STR("/default"), .port = 1};
	T_OK(apply(&v, NULL, NULL));
	T_EQ_C(v.dir, "/default");
	T_OK(apply(&v, "server:\n  data-dir: /file\n  secure-port: 7\n  verbose: true\nup:\n  timeout: 9\n",
		   NULL));
	T_EQ_C(v.dir, "/file");
	T_EQ_I64(v.port, 7);
	T_TRUE(v.verbose);
	T_OK(apply(&v, "server:\n  secure-port: 7\n", "SAMPAN_SECURE_PORT=8"));
	T_EQ_I64(v.port, 8);
	T_OK(apply(&v, "server:\n  data-dir: [a, 2, true]\n", NULL));
	T_EQ_C(v.dir, "a,2,true");
	T_OK(apply(&v, "server:\n  data-dir: 0.1\n", NULL));
	T_EQ_C(v.dir, "0.1");
	T_OK(apply(&v, "", "SAMPAN_TIMEOUT=5")); /* another verb's */
	/* in a pod beside a Service called sampan */
	static const char *const of_service[] = {
		"SAMPAN_SERVICE_HOST=10.96.0.9",     "SAMPAN_SERVICE_PORT=80",
		"SAMPAN_SERVICE_PORT_HTTPS=443",     "SAMPAN_PORT=tcp://10.96.0.9:80",
		"SAMPAN_PORT_80_TCP_ADDR=10.96.0.9", "SAMPAN_DNS_PORT=udp://10.96.0.9:53"};
	for (size_t i = 0; i < SP_LEN(of_service); i++)
		T_OK(apply(&v, "", of_service[i]));
	T_OK(apply(&v, "server:\n", NULL));
}

SP_TEST(cli_config, says_what_it_does_not_know)
{
	static const struct {
		const char *yaml, *variable, *want;
	} rows[] = {
		{"server:\n  secure-prt: 1\n", NULL,
		 "section 'server': unknown option secure-prt; did you mean secure-port?"},
		{"server:\n  nothing-like-it: 1\n", NULL, "unknown option nothing-like-it"},
		{"servr:\n  secure-port: 1\n", NULL, "unknown section 'servr'; did you mean 'server'?"},
		{"nothing-like-it: {}\n", NULL, "unknown section 'nothing-like-it': sections are verbs"},
		{"server:\n  secure-port: x\n", NULL, "--secure-port is a number, not 'x'"},
		{"server:\n  secure-port: {a: 1}\n", NULL, "secure-port: a text, a number"},
		{"server:\n  data-dir: [[1]]\n", NULL, "data-dir: a list of texts or numbers is wanted"},
		{"server: 1\n", NULL, "section 'server': it is no list of options"},
		{"- 1\n", NULL, "it has no sections"},
		{"a: b: c\n", NULL, "yaml:"},
		{NULL, "SAMPAN_CONFIG=/nowhere", "'/nowhere' can't be read: there is no such file"},
		{NULL, "SAMPAN_SECURE_PRT=1",
		 "unknown variable SAMPAN_SECURE_PRT; did you mean SAMPAN_SECURE_PORT?"},
		{NULL, "SAMPAN_NOTHING_LIKE_IT=1", "no verb has such an option"},
		{NULL, "SAMPAN_VERBOSE=maybe", "SAMPAN_VERBOSE: --verbose is true or false, not 'maybe'"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		values v = {.port = 1};
		t_row("%s %s", rows[i].yaml == NULL ? "" : rows[i].yaml, rows[i].variable);
		T_CODE(apply(&v, rows[i].yaml, rows[i].variable), SP_EINVAL);
		if (strstr(t_err()->msg, rows[i].want) == NULL)
			(void)t_fail(__FILE__, __LINE__, "got: %s", t_err()->msg);
	}
}

static void check_table(void *arg, const cli_flag *flags, size_t n)
{
	size_t *ret_n = arg;
	*ret_n += n;
	for (size_t i = 0; i < n; i++) {
		if (flags[i].help == NULL || flags[i].help[0] == '\0' || strchr(flags[i].name, '_') != NULL)
			(void)t_fail(__FILE__, __LINE__, "flag '%s'", flags[i].name);
	}
}

SP_TEST(cli_config, every_verb_tells_its_options)
{
	size_t n;
	const cli_verb *verbs = cli_verbs(&n);
	for (size_t i = 0; i < n; i++) {
		size_t n_flags = 0;
		t_row("%s", verbs[i].name);
		cli_describe(&verbs[i], check_table, &n_flags);
		T_TRUE(verbs[i].has_no_flags || n_flags > 0 || strcmp(verbs[i].name, "plugins") == 0);
	}
	T_TRUE(cli_option_is_known(SP_STR("certificate-lifetime")));
	T_TRUE(!cli_option_is_known(SP_STR("certificate-lifetim")));
}
