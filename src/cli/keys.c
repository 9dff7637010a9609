/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sampan keys`: holds the keys that sign tokens and certificates, and nothing else: no network, no file that
 * is not its own. SIGHUP makes a new key for tokens.
 */
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/num.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "keys/confine.h"
#include "keys/server.h"

#define NS_PER_S UINT64_C(1000000000)

typedef struct flags {
	sp_str dir, ca_dir, listen, users, log_level;
	int64_t announce_s;
	sp_str cert_duration;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	keys_vault *vault;
	keys_server *server;
	sp_signal_watch *hangup;
	sp_timer timer;
	bool stopping;
} process;

/* ---- rotation ---- */

static void settle(process *p);

static void on_due(sp_timer *t)
{
	settle(t->arg);
}

static void settle(process *p)
{
	sp_err err;
	int64_t due_s = -1;
	if (keys_vault_settle(p->vault, &due_s, &err) != SP_OK)
		sp_log(p->base.log, SP_LOG_ERROR, "the new key does not sign yet", SP_KE(&err));
	else if (due_s >= 0)
		sp_timer_start(p->base.world, &p->timer, (uint64_t)due_s * NS_PER_S, on_due);
}

static void on_hangup(void *arg, int signal)
{
	process *p = arg;
	sp_err err;
	(void)signal;
	if (keys_vault_rotate(p->vault, &err) != SP_OK)
		sp_log(p->base.log, SP_LOG_ERROR, "no new key", SP_KE(&err));
	else
		sp_log(p->base.log, SP_LOG_INFO, "a new key of tokens",
		       SP_KI("signsInSeconds", p->f.announce_s));
	settle(p);
}

/* ---- beginning and end ---- */

static void on_closed(void *arg)
{
	sp_world_stop(((process *)arg)->base.world);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	p->stopping = true;
	sp_timer_stop(p->base.world, &p->timer);
	keys_server_close(p->server, on_closed, p);
}

/* "root,1000": names or numbers. We ourselves may always speak. */
static sp_code read_users(process *p, keys_server_opts *o, sp_err *err)
{
	sp_str rest = p->f.users, name;
	o->users[o->n_users++] = (uint32_t)geteuid();
	while (rest.len > 0) {
		uint64_t id;
		(void)sp_str_next(&rest, ',', &name);
		if (o->n_users == KEYS_USERS_MAX)
			return sp_fail(err, SP_EINVAL, "--allow-users: more than %u", KEYS_USERS_MAX - 1);
		if (sp_parse_u64(name, 0, UINT32_MAX, &id, NULL) != SP_OK) {
			const struct passwd *user = getpwnam(sp_arena_try_dup(&p->base.arena, name).ptr);
			if (user == NULL)
				return sp_fail(err, SP_ENOTFOUND,
					       "--allow-users: there is no user '" SP_FMT "'", SP_ARG(name));
			id = user->pw_uid;
		}
		o->users[o->n_users++] = (uint32_t)id;
	}
	return SP_OK;
}

static sp_code start(process *p, sp_err *err)
{
	keys_server_opts o = {.n_users = 0};
	int64_t cert_ns;
	SP_TRY(sp_duration_parse(p->f.cert_duration, &cert_ns, err));
	if (cert_ns < INT64_C(1000000000))
		return sp_fail(err, SP_EINVAL, "--cluster-signing-duration is a second or more");
	if (!sp_str_starts(p->f.dir, SP_STR("/")) || !sp_str_starts(p->f.listen, SP_STR("/")))
		return sp_fail(err, SP_EINVAL, "--dir and --listen are absolute paths");
	SP_TRY(cli_process_open(&p->base, "keys", p->f.log_level, err));
	o.address = SP_CONCAT(&p->base.arena, SP_STR("unix:"), p->f.listen);
	SP_TRY(read_users(p, &o, err));
	SP_TRY(keys_confine(err));
	SP_TRY(keys_vault_open(p->base.world,
			       &(keys_vault_opts){.dir = p->f.dir,
						  .ca_dir = p->f.ca_dir,
						  .cert_most_s = cert_ns / INT64_C(1000000000),
						  .announce_s = p->f.announce_s},
			       &p->vault, err));
	o.vault = p->vault;
	o.log = p->base.log;
	p->timer.arg = p;
	settle(p);
	SP_TRY(keys_server_new(p->base.world, &o, &p->server, err));
	SP_TRY(sp_signal_watch_new(p->base.world, SIGHUP, on_hangup, p, &p->hangup, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	sp_log(p->base.log, SP_LOG_INFO, "holding the keys", SP_KS("address", o.address));
	return SP_OK;
}

int cli_keys(int argc, char **argv)
{
	process p = {.f = {.dir = SP_STR("/var/lib/sampan/keys"),
			   .listen = SP_STR("/run/sampan/keys/keys.sock"),
			   .log_level = SP_STR("info"),
			   .cert_duration = SP_STR("8760h"),
			   .announce_s = 3600}};
	const cli_flag table[] = {
		{"allow-users", CLI_STR, &p.f.users,
		 "who may speak besides this process's user: names or uids"},
		{"announce-seconds", CLI_I64, &p.f.announce_s,
		 "how long others learn of a new key before it signs"},
		{"ca-dir", CLI_STR, &p.f.ca_dir, "directory of ca.crt and ca.key; default: --dir"},
		{"cluster-signing-duration", CLI_STR, &p.f.cert_duration,
		 "how long certificates last that are signed, at most"},
		{"dir", CLI_STR, &p.f.dir, "directory of the keys of tokens"},
		{"listen", CLI_STR, &p.f.listen, "path of the socket"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("keys", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	sp_signal_watch_free(p.hangup);
	keys_server_free(p.server);
	keys_vault_free(p.vault);
	cli_process_done(&p.base);
	return cli_end("keys", code, &err);
}
