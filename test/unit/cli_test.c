/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "lib/t.h"

SP_TEST(cli, suggests_only_near_verbs)
{
	T_TRUE(cli_nearest(SP_STR("verison")) != NULL);
	T_EQ_C(sp_str_c(cli_nearest(SP_STR("verison"))->name), "version");
	T_TRUE(cli_nearest(SP_STR("launch")) == NULL);
	T_TRUE(cli_nearest(SP_STR("a-verb-that-is-much-too-long-to-be-one")) == NULL);
}

SP_TEST(cli, unknown_verb_is_a_usage_error)
{
	char *argv[] = {(char[]){"sampan"}, (char[]){"nonsense"}, NULL};
	T_EQ_I64(cli_main(2, argv), CLI_EXIT_USAGE);
	T_EQ_I64(cli_main(1, argv), CLI_EXIT_USAGE);
}
