/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan completion bash`: verbs, what may follow them, and their flags, from the same tables as everything.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/process.h"

static void print_flags(void *arg, const cli_flag *flags, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		printf(" --%s%s", flags[i].name, flags[i].type == CLI_BOOL ? "" : "=");
	printf(" --help");
}

static void print_bash(void)
{
	size_t n;
	const cli_verb *verbs = cli_verbs(&n);
	printf("# bash completion of sampan: source <(sampan completion bash)\n"
	       "_sampan() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=''\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i == 0 ? "" : " ", verbs[i].name);
	printf("' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < n; i++) {
		printf("\t%s) words='%s", verbs[i].name, verbs[i].words != NULL ? verbs[i].words : "");
		cli_describe(&verbs[i], print_flags, NULL);
		printf("' ;;\n");
	}
	printf("\tesac\n"
	       "\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n"
	       "\t=) COMPREPLY=($(compgen -f -- \"$cur\")) ; return ;;\n"
	       "\tesac\n"
	       "\tcase $cur in\n"
	       "\t=) COMPREPLY=($(compgen -f)) ; return ;;\n"
	       "\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\tif [ \"${#COMPREPLY[@]}\" -eq 1 ] && [ \"${COMPREPLY[0]: -1}\" = = ]; then compopt -o "
	       "nospace; fi\n"
	       "}\n"
	       "complete -F _sampan sampan\n");
}

int cli_completion(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "bash") == 0) {
		print_bash();
		return 0;
	}
	if (argc == 2 && cli_is_help(argv[1])) {
		printf("Usage: sampan completion bash\n");
		return 0;
	}
	(void)fprintf(stderr, "sampan completion: usage: sampan completion bash\n");
	return CLI_EXIT_USAGE;
}
