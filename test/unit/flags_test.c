/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include "lib/t.h"

typedef struct values {
	sp_str dir;
	bool verbose;
	int64_t port;
} values;

#define TABLE(v)                                                                                   \
	{                                                                                          \
		{"data-dir", CLI_STR, &(v).dir, "where"}, {"verbose", CLI_BOOL, &(v).verbose, ""}, \
			{"secure-port", CLI_I64, &(v).port, "port"},                               \
	}

static sp_code parse(values *v, const char *a, const char *b, const char *c, bool *ret_help)
{
	const cli_flag table[] = TABLE(*v);
	const char *argv[] = {"verb", a, b, c};
	int argc = 1;
	while (argc < 4 && argv[argc] != NULL)
		argc++;
	return cli_flags_parse(table, SP_LEN(table), argc, (char **)(uintptr_t)argv, ret_help, T_ERR);
}

SP_TEST(flags, takes_both_forms)
{
	values v = {.port = 1};
	bool help;
	T_OK(parse(&v, "--data-dir=/x", "--secure-port", "-5", &help));
	T_EQ_C(v.dir, "/x");
	T_EQ_I64(v.port, -5);
	T_OK(parse(&v, "--verbose", "--data-dir", "/y", &help));
	T_TRUE(v.verbose);
	T_EQ_C(v.dir, "/y");
	T_OK(parse(&v, "--verbose=false", NULL, NULL, &help));
	T_TRUE(!v.verbose);
	T_TRUE(!help);
	T_OK(parse(&v, "--nope", "--help", NULL, &help));
	T_TRUE(help);
}

/* Whoever looks at the processes of the machine does not see it. */
SP_TEST(flags, secrets_are_wiped)
{
	cli_secret s = {.len = 0};
	char verb[] = "verb";
	const cli_flag table[] = {{"token", CLI_SECRET, &s, "secret"}};
	char one[] = "--token=abc", two[] = "--token", value[] = "defg", long_one[400];
	bool help;
	T_OK(cli_flags_parse(table, 1, 2, (char *[]){verb, one}, &help, T_ERR));
	T_EQ_C(cli_secret_view(&s), "abc");
	T_EQ_C(sp_str_c(one), "--token=");
	T_OK(cli_flags_parse(table, 1, 3, (char *[]){verb, two, value}, &help, T_ERR));
	T_EQ_C(cli_secret_view(&s), "defg");
	T_EQ_C(sp_str_c(value), "");
	memset(long_one, 'x', sizeof long_one);
	long_one[sizeof long_one - 1] = '\0';
	T_CODE(cli_flags_parse(table, 1, 3, (char *[]){verb, two, long_one}, &help, T_ERR), SP_EINVAL);
}

SP_TEST(flags, refuses_what_it_does_not_know)
{
	static const struct {
		const char *a, *b, *want;
	} rows[] = {
		{"--data-dri", "x", "unknown flag --data-dri; did you mean --data-dir?"},
		{"--something-else", NULL, "unknown flag --something-else; --help lists them"},
		{"x", NULL, "unexpected argument 'x'"},
		{"--data-dir", NULL, "--data-dir needs a value"},
		{"--secure-port=x", NULL, "--secure-port is a number, not 'x'"},
		{"--verbose=maybe", NULL, "--verbose is true or false, not 'maybe'"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].a);
		values v = {0};
		bool help;
		T_CODE(parse(&v, rows[i].a, rows[i].b, NULL, &help), SP_EINVAL);
		T_EQ_C(sp_str_c(t_err()->msg), rows[i].want);
	}
}
