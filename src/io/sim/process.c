/* SPDX-License-Identifier: Apache-2.0 */
/* Spawned programs and signals. A child is a world of its own on the same host; it outlives its parent. */
#include <errno.h>
#include <signal.h>

#include "base/alloc.h"
#include "io/sim/sim_int.h"

typedef struct sim_process {
	sp_process base;
	sp_list node; /* of the parent's world */
	sim_world *child;
	sim_event start, exited;
	const sp_sim_binary *binary;
	sp_exit status;
	void (*on_exit)(void *arg, sp_exit exit);
	void *arg;
} sim_process;

typedef struct sim_signal_watch {
	sp_signal_watch base;
	sp_list node;
	int signal;
	bool pending;
	void (*fn)(void *arg, int signal);
	void *arg;
} sim_signal_watch;

/* ---- spawning ---- */

static void on_start(sim_event *e)
{
	sim_process *p = SP_CONTAINER_OF(e, sim_process, start);
	sim_world_start(p->child, p->binary->arg);
}

static void on_exited(sim_event *e)
{
	const sim_process *p = SP_CONTAINER_OF(e, sim_process, exited);
	p->on_exit(p->arg, p->status);
}

static const sp_sim_binary *find_binary(const sp_sim *s, const char *path)
{
	for (size_t i = 0; i < s->opts.n_binaries; i++) {
		if (strcmp(s->opts.binaries[i].path, path) == 0)
			return &s->opts.binaries[i];
	}
	return NULL;
}

sp_code sim_spawn(sp_world *base, const sp_spawn_opts *opts, void (*on_exit)(void *arg, sp_exit exit),
		  void *arg, sp_process **ret, sp_err *err)
{
	sim_world *w = sim_of(base);
	if (w->sim->opts.n_binaries == 0)
		return sp_fail(err, SP_EUNSUPPORTED, "this world has no processes");
	const sp_sim_binary *binary = find_binary(w->sim, opts->argv[0]);
	if (binary == NULL)
		return sp_fail_sys(err, ENOENT, "start '%s'", opts->argv[0]);
	for (size_t i = 0; i < opts->n_fds; i++) {
		if (opts->fds[i] >= 0)
			return sp_fail(err, SP_EUNSUPPORTED, "this world has no descriptors");
	}
	if (!w->alive)
		return sp_fail_sys(err, EIO, "start '%s'", opts->argv[0]);
	sim_process *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a process");
	p->child = sim_world_new(w->host, binary->program);
	p->child->parent = p;
	p->binary = binary;
	p->on_exit = on_exit;
	p->arg = arg;
	p->base = (sp_process){base, p->child->pid};
	sim_event_init(&p->start, p->child, SIM_BOOT, on_start);
	sim_event_init(&p->exited, w, SIM_EXIT, on_exited);
	sp_list_init(&p->node);
	sp_list_push_back(&w->processes, &p->node);
	sim_event_at(w->sim, &p->start, w->sim->now_ns);
	*ret = &p->base;
	return SP_OK;
}

void sim_process_ended(sim_world *w, sp_exit status)
{
	sim_process *p = w->parent;
	if (p == NULL)
		return;
	w->parent = NULL;
	p->child = NULL;
	p->status = status;
	sim_event_stop(w->sim, &p->start);
	sim_event_at(w->sim, &p->exited, w->sim->now_ns);
}

void sim_process_free(sp_process *base)
{
	sim_process *p = SP_CONTAINER_OF(base, sim_process, base);
	sp_sim *s = sim_of(base->world)->sim;
	sim_event_stop(s, &p->exited);
	if (sim_event_is_queued(&p->start)) {
		/* It starts all the same, with nobody to tell: at once, as this memory goes. */
		sim_event_stop(s, &p->start);
		sim_world_start(p->child, p->binary->arg);
	}
	if (p->child != NULL)
		p->child->parent = NULL;
	sp_list_remove(&p->node);
	sp_free(p);
}

void sp_sim_exit(sp_world *w, int code)
{
	sim_world_end(sim_of(w), (sp_exit){.code = code});
}

/* ---- signals ---- */

static bool is_ignored(int signal)
{
	return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT ||
	       signal == 0;
}

static void deliver(sim_world *w, int signal)
{
	bool watched = false;
	SP_LIST_FOREACH (n, &w->signals) {
		sim_signal_watch *s = SP_CONTAINER_OF(n, sim_signal_watch, node);
		if (s->signal == signal && signal != SIGKILL)
			watched = s->pending = true;
	}
	if (watched)
		sim_touch(w);
	else if (!is_ignored(signal))
		sim_world_end(w, (sp_exit){.code = 128 + signal, .signal = signal});
}

void sp_sim_signal(sp_sim_host *h, int signal)
{
	if (h->main != NULL)
		deliver(h->main, signal);
}

sp_code sim_process_kill(sp_process *base, int signal, sp_err *err)
{
	sim_process *p = SP_CONTAINER_OF(base, sim_process, base);
	if (p->child == NULL)
		return sp_fail_sys(err, ESRCH, "signal %d to process %lld", signal, (long long)base->pid);
	deliver(p->child, signal);
	return SP_OK;
}

bool sim_signals_run(sim_world *w)
{
	/* Each may release itself or others: one at a time. */
	SP_LIST_FOREACH (n, &w->signals) {
		sim_signal_watch *s = SP_CONTAINER_OF(n, sim_signal_watch, node);
		if (s->pending) {
			s->pending = false;
			s->fn(s->arg, s->signal);
			return true;
		}
	}
	return false;
}

sp_code sim_signal_watch_new(sp_world *base, int signal, void (*fn)(void *arg, int signal), void *arg,
			     sp_signal_watch **ret, sp_err *err)
{
	sim_world *w = sim_of(base);
	SP_LIST_FOREACH (n, &w->signals) {
		if (SP_CONTAINER_OF(n, sim_signal_watch, node)->signal == signal)
			return sp_fail(err, SP_EEXISTS, "signal %d is watched already", signal);
	}
	sim_signal_watch *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to watch a signal");
	s->base.world = base;
	s->signal = signal;
	s->fn = fn;
	s->arg = arg;
	sp_list_init(&s->node);
	sp_list_push_back(&w->signals, &s->node);
	*ret = &s->base;
	return SP_OK;
}

void sim_signal_watch_free(sp_signal_watch *base)
{
	sim_signal_watch *s = SP_CONTAINER_OF(base, sim_signal_watch, base);
	sp_list_remove(&s->node);
	sp_free(s);
}

void sim_processes_forget(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->processes)
		sim_process_free(&SP_CONTAINER_OF(n, sim_process, node)->base);
	SP_LIST_FOREACH (m, &w->signals)
		sim_signal_watch_free(&SP_CONTAINER_OF(m, sim_signal_watch, node)->base);
}
