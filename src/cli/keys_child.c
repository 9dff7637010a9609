/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/keys_child.h"

#include <signal.h>

#include "base/alloc.h"
#include "cli/process.h"

#define PAUSE_NS UINT64_C(100000000) /* before it is started again */

struct cli_keys_child {
	sp_world *world;
	sp_log *log;
	sp_arena arena;
	const char *argv[6];
	sp_process *process;
	sp_timer timer;
};

static void on_time(sp_timer *t);

static void on_exit_(void *arg, sp_exit exit)
{
	cli_keys_child *c = arg;
	sp_process_free(SP_TAKE(c->process));
	sp_log(c->log, SP_LOG_ERROR, "the keys process has ended, starting it again",
	       SP_KI("status", exit.code));
	sp_timer_start(c->world, &c->timer, PAUSE_NS, on_time);
}

static sp_code spawn(cli_keys_child *c, sp_err *err)
{
	static const int fds[] = {-1, -1, 2};
	const sp_spawn_opts o = {.argv = c->argv, .fds = fds, .n_fds = SP_LEN(fds), .death_signal = SIGTERM};
	return sp_spawn(c->world, &o, on_exit_, c, &c->process, err);
}

static void on_time(sp_timer *t)
{
	cli_keys_child *c = t->arg;
	sp_err err;
	if (spawn(c, &err) == SP_OK)
		return;
	sp_log(c->log, SP_LOG_ERROR, "the keys process can't be started", SP_KE(&err));
	sp_timer_start(c->world, &c->timer, PAUSE_NS, on_time);
}

sp_code cli_keys_child_start(sp_world *w, sp_log *log, sp_str dir, cli_keys_child **ret, sp_str *ret_socket,
			     sp_err *err)
{
	cli_keys_child *c = SP_NEW(cli_keys_child);
	sp_str self = {NULL, 0};
	c->world = w;
	c->log = log;
	c->timer.arg = c;
	sp_arena_init(&c->arena, (size_t)1 << 16);
	sp_str socket = SP_CONCAT(&c->arena, dir, SP_STR("/keys.sock"));
	sp_code code = cli_self(&c->arena, &self, err);
	if (code == SP_OK) {
		c->argv[0] = self.ptr;
		c->argv[1] = "keys";
		c->argv[2] = SP_CONCAT(&c->arena, SP_STR("--dir="), dir).ptr;
		c->argv[3] = SP_CONCAT(&c->arena, SP_STR("--listen="), socket).ptr;
		code = spawn(c, err);
	}
	if (code != SP_OK) {
		cli_keys_child_free(c);
		return code;
	}
	*ret = c;
	*ret_socket = socket;
	return SP_OK;
}

void cli_keys_child_free(cli_keys_child *c)
{
	sp_err err;
	if (c == NULL)
		return;
	sp_timer_stop(c->world, &c->timer);
	if (c->process != NULL && sp_process_kill(c->process, SIGTERM, &err) != SP_OK)
		sp_log(c->log, SP_LOG_ERROR, "the keys process can't be stopped", SP_KE(&err));
	sp_process_free(c->process);
	sp_arena_done(&c->arena);
	sp_free(c);
}
