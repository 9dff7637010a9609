/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan kubeconfig`: the administrator's, on standard output. ~/.kube/config is never touched. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/process.h"
#include "client/config.h"
#include "io/file.h"
#include "keys/pki.h"

typedef struct process {
	sp_str data_dir;
	bool path;
	cli_process base;
} process;

static sp_code print(process *p, sp_err *err)
{
	sp_str text;
	SP_TRY(cli_process_open(&p->base, "kubeconfig", SP_STR("error"), err));
	sp_str path =
		sp_arena_printf(&p->base.arena, SP_FMT "/pki/%s", SP_ARG(p->data_dir), keys_pki_admin.file);
	sp_code code = sp_file_read_arena(p->base.world, path, &p->base.arena, SP_LIMIT_KUBECONFIG_BYTES,
					  &text, err);
	if (code == SP_ENOTFOUND)
		return sp_fail(err, code, "there is no cluster in '" SP_FMT "': 'sampan up' makes one",
			       SP_ARG(p->data_dir));
	if (code == SP_EFORBIDDEN)
		return sp_fail(err, code, "'" SP_FMT "' is the administrator's: run it with sudo",
			       SP_ARG(path));
	SP_TRY(code);
	if (p->path)
		printf(SP_FMT "\n", SP_ARG(path));
	else
		printf(SP_FMT, SP_ARG(text));
	return SP_OK;
}

int cli_kubeconfig(int argc, char **argv)
{
	process p = {.data_dir = SP_STR("/var/lib/sampan")};
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &p.data_dir, "as for sampan server"},
		{"path", CLI_BOOL, &p.path,
		 "print where the file is instead: export KUBECONFIG=$(sampan kubeconfig --path)"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("kubeconfig", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = print(&p, &err);
	cli_process_done(&p.base);
	return cli_end("kubeconfig", code, &err);
}
