/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan plugins`: what is built in, by the tables that are really used, and the programs that were found.
 */
#include <stdio.h>
#include <unistd.h>

#include "apiserver/admission/admission.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "controllers/controller.h"
#include "scheduler/plugins/plugins.h"

static void row(const char *type, const char *name, const char *state)
{
	printf("%-16s %-46s %s\n", type, name, state);
}

static void print_oci_runtimes(void)
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",        "/sbin",          "/bin"};
	static const char *const names[] = {"crun", "runc"};
	for (size_t n = 0; n < SP_LEN(names); n++) {
		char path[64] = "not found";
		for (size_t d = 0; d < SP_LEN(dirs); d++) {
			char at[64];
			(void)snprintf(at, sizeof at, "%s/%s", dirs[d], names[n]);
			if (access(at, X_OK) != 0)
				continue;
			(void)snprintf(path, sizeof path, "%s", at);
			break;
		}
		row("oci-runtime", names[n], path);
	}
}

int cli_plugins(int argc, char **argv)
{
	const cli_flag table[] = {{0}};
	int status;
	if (!cli_begin("plugins", NULL, table, 0, argc, argv, &status))
		return status;
	row("TYPE", "NAME", "STATE");
	for (size_t i = 0; i < api_n_admission_plugins; i++)
		row("admission", api_admission_plugins[i].name,
		    api_admission_plugins[i].is_off ? "off unless named" : "on");
	for (size_t i = 0; i < n_controller_types; i++)
		row("controller", controller_types[i]->name,
		    controller_types[i]->off_by_default ? "off unless named" : "on");
	for (size_t i = 0; i < SCHED_PLUGINS_; i++)
		row("scheduler", sched_plugins[i]->name, "by profile");
	print_oci_runtimes();
	return 0;
}
