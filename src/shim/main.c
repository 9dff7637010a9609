/* SPDX-License-Identifier: Apache-2.0 */
/* containerd-shim-sampan-v1: see README.md. */
#include <unistd.h>

#include "base/version.h"
#include "shim/commands.h"
#include "shim/oci.h"

int main(int argc, char **argv)
{
	shim_args args;
	sp_err err = {0};
	if (argc > 2 && strcmp(argv[1], "hide-unified") == 0)
		return shim_hide_unified(argv + 2);
	if (shim_args_parse(argc, (const char *const *)argv, &args, &err) != SP_OK)
		return shim_complain(&err);
	if (args.version)
		return printf("%s:\n  Version:  %s\n", argv[0], SP_VERSION) > 0 ? 0 : 1;
	if (args.info)
		return shim_info(&args);
	if (*args.ns == 0 || *args.id == 0) {
		(void)sp_fail(&err, SP_EINVAL, "-namespace and -id are required");
		return shim_complain(&err);
	}
	static const struct {
		const char *name;
		int (*run)(const shim_args *args);
	} actions[] = {{"", shim_serve}, {"start", shim_start}, {"delete", shim_delete}};
	for (size_t i = 0; i < SP_LEN(actions); i++) {
		if (strcmp(args.action, actions[i].name) == 0)
			return actions[i].run(&args);
	}
	(void)sp_fail(&err, SP_EINVAL, "unknown action %s", args.action);
	return shim_complain(&err);
}
