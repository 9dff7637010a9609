/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "base/version.h"

int cli_version(int argc, char **argv)
{
	if (argc > 1) {
		(void)fprintf(stderr, "sampan version: unexpected argument '%s'\n", argv[1]);
		return CLI_EXIT_USAGE;
	}
	printf("sampan %s\nKubernetes API %s\n", SP_VERSION, SP_KUBERNETES_VERSION);
	return 0;
}
