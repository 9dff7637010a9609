/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan snapshot`: copies of the API server's store. Made by the server while it runs, else from its files.
 */
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "apiserver/snapshots.h"
#include "base/hash.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/process.h"
#include "client/call.h"
#include "io/file.h"
#include "keys/pki.h"
#include "store/lmdb/lmdb.h"

#define COPY_NS UINT64_C(600000000000) /* a server may have gigabytes to write */

typedef struct snapshot {
	sp_str data_dir;
	sp_str name; /* the argument, or empty */
	cli_process base;
	sp_str dir; /* the API server's: data_dir itself, or api in it */
	sp_stat owner;
	sp_client *client;
	sp_call call;
	sp_code code;
	sp_err err;
} snapshot;

static sp_str below(snapshot *s, const char *name)
{
	return sp_arena_printf(&s->base.arena, SP_FMT "/%s", SP_ARG(s->dir), name);
}

static sp_str file_of(snapshot *s)
{
	return sp_arena_printf(&s->base.arena, SP_FMT "/" CLI_SNAPSHOTS "/" SP_FMT, SP_ARG(s->dir),
			       SP_ARG(s->name));
}

/* `sampan server` keeps the API server's directory in its own. */
static sp_code find_dir(snapshot *s, sp_err *err)
{
	sp_str inner = sp_arena_printf(&s->base.arena, SP_FMT "/api", SP_ARG(s->data_dir));
	s->dir = sp_path_stat(s->base.world, inner, &s->owner, NULL) == SP_OK ? inner : s->data_dir;
	SP_TRY(sp_path_stat(s->base.world, s->dir, &s->owner, err));
	return s->owner.type == SP_TYPE_DIR
		       ? SP_OK
		       : sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no directory", SP_ARG(s->dir));
}

/* What is written has to be the server's. From here on as its user, when that is somebody else. */
static sp_code become_owner(const snapshot *s, sp_err *err)
{
	if (geteuid() != 0 || s->owner.uid == 0)
		return SP_OK;
	if (setgroups(0, NULL) != 0 || setgid(s->owner.gid) != 0 || setuid(s->owner.uid) != 0)
		return sp_fail(err, SP_EFORBIDDEN, "cannot become the owner of '" SP_FMT "'", SP_ARG(s->dir));
	return SP_OK;
}

/* ---- save ---- */

static void name_by_time(snapshot *s)
{
	char text[64];
	struct tm tm;
	time_t now = (time_t)(sp_wall_ns(s->base.world) / 1000000000);
	(void)strftime(text, sizeof text, "sampan-%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	s->name = sp_arena_try_dup(&s->base.arena, sp_str_c(text));
}

static void on_closed(void *arg)
{
	sp_world_stop(((snapshot *)arg)->base.world);
}

static void on_answer(sp_call *c, const sp_answer *a)
{
	snapshot *s = c->arg;
	if (a->code != SP_OK && a->status != 0 && a->body.len > 0) /* a sentence of the server's */
		s->code = sp_fail(&s->err, a->code, SP_FMT, SP_ARG(sp_str_trim(a->body)));
	else if (a->code != SP_OK)
		s->code = sp_fail(&s->err, a->code, "%s", a->err->msg);
	sp_client_close(s->client, on_closed, s);
}

/* The server has the store open: it makes the copy. */
static sp_code ask_server(snapshot *s, const sp_client_config *config, sp_err *err)
{
	const sp_client_opts o = {.config = config, .user_agent = SP_STR("sampan-snapshot")};
	const sp_ask ask = {.verb = SP_ASK_CREATE,
			    .path = SP_STR("/sampan/v1/snapshots"),
			    .query = SP_CONCAT(&s->base.arena, SP_STR("name="), s->name),
			    .within_ns = COPY_NS};
	SP_TRY(sp_client_new(s->base.world, &o, &s->client, err));
	s->call = (sp_call){.done = on_answer, .arg = s};
	sp_call_start(s->client, &s->call, &ask);
	sp_world_run(s->base.world);
	sp_client_free(s->client);
	if (s->code != SP_OK && err != &s->err)
		*err = s->err;
	return s->code;
}

/* Of the server, when there is one: read before its user is taken on. */
static bool load_config(snapshot *s, sp_client_config *ret)
{
	sp_str pki =
		sp_arena_printf(&s->base.arena, SP_FMT "/pki/%s", SP_ARG(s->data_dir), keys_pki_admin.file);
	return sp_client_config_load(s->base.world, &s->base.arena, pki, SP_STR(""), ret, NULL) == SP_OK ||
	       sp_client_config_load(s->base.world, &s->base.arena, below(s, keys_pki_admin.file), SP_STR(""),
				     ret, NULL) == SP_OK;
}

static sp_code save(snapshot *s, sp_err *err)
{
	sp_client_config config = {0};
	sp_stat data;
	if (s->name.len == 0)
		name_by_time(s);
	if (!api_snapshot_name_ok(s->name))
		return sp_fail(err, SP_EINVAL,
			       "'" SP_FMT "' is no name of a snapshot: letters, digits, '.', "
			       "'-' and '_'",
			       SP_ARG(s->name));
	bool has_config = load_config(s, &config);
	SP_TRY(sp_path_stat(s->base.world, below(s, "db/data.mdb"), &data, err));
	SP_TRY(become_owner(s, err));
	SP_TRY(sp_dir_make(s->base.world, below(s, CLI_SNAPSHOTS), 0700, err));
	sp_code code = sp_store_lmdb_snapshot_dir(below(s, "db"), file_of(s), err);
	if (code == SP_EUNAVAILABLE && has_config)
		code = ask_server(s, &config, err);
	if (code == SP_EEXISTS)
		return sp_fail(err, code, "there is a snapshot '" SP_FMT "' already", SP_ARG(s->name));
	if (code == SP_OK)
		printf(SP_FMT "\n", SP_ARG(file_of(s)));
	return code;
}

/* ---- list ---- */

static sp_code list(snapshot *s, sp_err *err)
{
	sp_store_snapshot *items = NULL;
	size_t n = 0;
	sp_code code = sp_store_lmdb_snapshot_list(below(s, CLI_SNAPSHOTS), &s->base.arena, &items, &n, err);
	if (code != SP_OK && code != SP_ENOTFOUND) /* no directory: none was ever made */
		return code;
	printf("%-32s %12s %9s %10s  %s\n", "NAME", "REVISION", "OBJECTS", "SIZE", "MADE");
	for (size_t i = 0; i < n; i++) {
		char made[32];
		struct tm tm;
		time_t at = (time_t)(items[i].mtime_ns / 1000000000);
		(void)strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
		printf("%-32.*s %12" PRIu64 " %9" PRIu64 " %6.1f MiB  %s\n", SP_ARG(items[i].name),
		       items[i].revision, items[i].n_objects, (double)items[i].file_bytes / (1 << 20), made);
	}
	return SP_OK;
}

/* ---- restore ---- */

static sp_code restore(snapshot *s, sp_err *err)
{
	bool is_path = sp_str_index(s->name, '/') >= 0;
	if (!is_path && !api_snapshot_name_ok(s->name))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is neither a snapshot's name nor a path",
			       SP_ARG(s->name));
	SP_TRY(become_owner(s, err));
	sp_code code = sp_store_lmdb_restore(is_path ? s->name : file_of(s), below(s, "db"), err);
	if (code == SP_EUNAVAILABLE)
		return sp_fail(err, code, "the API server runs: stop it first ('sampan down')");
	if (code == SP_OK)
		printf("restored; every client will list anew\n");
	return code;
}

/* ---- verbs ---- */

enum { LIST, RESTORE, SAVE };
static const cli_action actions[] = {
	[LIST] = {"list", "sampan snapshot list [FLAGS]", false, false},
	[RESTORE] = {"restore", "sampan snapshot restore NAME|/PATH [FLAGS]", true, true},
	[SAVE] = {"save", "sampan snapshot save [NAME] [FLAGS]", true, false},
};
static sp_code (*const runs[])(snapshot *s,
			       sp_err *err) = {[LIST] = list, [RESTORE] = restore, [SAVE] = save};

static sp_code run(snapshot *s, size_t action, sp_err *err)
{
	SP_TRY(cli_process_open(&s->base, "snapshot", SP_STR("error"), err));
	SP_TRY(find_dir(s, err));
	return runs[action](s, err);
}

int cli_snapshot(int argc, char **argv)
{
	snapshot s = {.data_dir = SP_STR("/var/lib/sampan")};
	const cli_flag table[] = {{"data-dir", CLI_STR, &s.data_dir,
				   "of 'sampan server' or of 'sampan apiserver'; the copies are in its "
				   "directory " CLI_SNAPSHOTS}};
	sp_err err = {0};
	int status;
	size_t action;
	if (!cli_begin_action("snapshot", actions, SP_LEN(actions), table, SP_LEN(table), argc, argv, &action,
			      &s.name, &status))
		return status;
	sp_code code = run(&s, action, &err);
	cli_process_done(&s.base);
	return cli_end("snapshot", code, &err);
}
