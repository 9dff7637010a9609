/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/checks.h"
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

SP_TEST(cli, a_bare_chroot_is_no_mount)
{
	T_TRUE(cli_root_is_a_mount(
		SP_STR("20 1 8:1 /home/x / rw - ext4 /dev/sda1 rw\n21 20 0:5 / /proc rw - proc proc rw\n")));
	T_TRUE(!cli_root_is_a_mount(
		SP_STR("21 20 0:5 / /proc rw - proc proc rw\n22 20 0:6 / /sys rw - sysfs s rw\n")));
	T_TRUE(!cli_root_is_a_mount(SP_STR("")) && !cli_root_is_a_mount(SP_STR("1 2 3 /\n")));
}
