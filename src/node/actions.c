/* SPDX-License-Identifier: Apache-2.0 */
#include "node/actions.h"

/* What is being worked out. */
typedef struct plan {
	const node_pod *pod;
	const node_seen *seen;
	const node_verdicts *verdicts;
	sp_arena *arena;
	node_actions *out;
	/* Init containers to start, last one first, for the walk goes backwards; and main ones. */
	const node_container **inits, **mains;
	size_t n_inits, n_mains;
	bool short_of_memory;
} plan;

static node_verdict verdict(const plan *l, node_probe_kind kind, sp_str id)
{
	return l->verdicts == NULL ? NODE_VERDICT_NONE : l->verdicts->of(l->verdicts->arg, kind, id);
}

static void start(plan *l, const node_container *c)
{
	l->out->starts[l->out->n_starts++] = c;
}
static void start_main(plan *l, const node_container *c)
{
	l->mains[l->n_mains++] = c;
}
static void start_init(plan *l, const node_container *c)
{
	l->inits[l->n_inits++] = c;
}

static void kill_it(plan *l, const node_container *c, const node_seen_container *seen,
		    node_kill_reason reason, sp_str message)
{
	l->short_of_memory |= message.ptr == NULL;
	l->out->kills[l->out->n_kills++] =
		(node_kill){.seen = seen, .container = c, .message = message, .reason = reason};
}

/* True: the container has to be started anew for what it is granted now. U: computePodResizeAction. */
static bool resize_restarts(const node_container *c, const node_amounts *now, const node_amounts *want)
{
	bool cpu = now->cpu_request != want->cpu_request || now->cpu_limit != want->cpu_limit;
	bool memory = now->memory_request != want->memory_request || now->memory_limit != want->memory_limit;
	SP_VLIST_FOREACH(item, c->v.resize_policy)
	{
		sp_str name = sp_view_str_at(item, "resourceName");
		bool touched = (cpu && sp_str_eq(name, SP_STR("cpu"))) ||
			       (memory && sp_str_eq(name, SP_STR("memory")));
		if (touched && sp_str_eq(sp_view_str_at(item, "restartPolicy"), SP_STR("RestartContainer")))
			return true;
	}
	return false;
}

static void resize(plan *l, const node_seen_container *seen, bool loses)
{
	const node_seen_container **at = l->out->resizes;
	size_t n = l->out->n_resizes++;
	if (loses) {
		memmove(&at[1], at, n * sizeof(void *));
		n = 0;
	}
	at[n] = seen;
}

/* True: it is to be killed and started again; else it gets what it is granted in place, when it has not. */
static bool plan_resize(plan *l, const node_container *c, const node_seen_container *seen)
{
	node_amounts want = node_amounts_of(c);
	if (!seen->has_actuated || node_amounts_eq(&want, &seen->actuated))
		return false;
	if (resize_restarts(c, &seen->actuated, &want)) {
		kill_it(l, c, seen, NODE_KILL_OTHER,
			sp_arena_printf(l->arena, "Container " SP_FMT " resize requires restart",
					SP_ARG(c->name)));
		return true;
	}
	resize(l, seen,
	       want.cpu_limit < seen->actuated.cpu_limit || want.memory_limit < seen->actuated.memory_limit);
	return false;
}

static bool is_changed(const node_container *c, const node_seen_container *seen)
{
	return seen->has_hash && seen->hash != c->hash;
}

/* Of what was created by us; an exit code other than 0, or one we can't know. U: isInitContainerFailed. */
static bool init_failed(const node_seen_container *s)
{
	return (s->state == NODE_EXITED && s->exit_code != 0) || s->state == NODE_UNKNOWN;
}

static bool restarts_on_failure(const node_pod *p)
{
	return p->restart != NODE_RESTART_NEVER;
}

bool node_should_start(const node_pod *p, const node_seen *seen, const node_container *c)
{
	if (p->v.has_deletion)
		return false;
	const node_seen_container *s = node_seen_newest(seen, c->name);
	if (s == NULL || s->state == NODE_UNKNOWN || s->state == NODE_CREATED)
		return true;
	if (s->state == NODE_RUNNING)
		return false;
	return node_container_restarts(p, c, s->exit_code);
}

bool node_sandbox_changed(const node_pod *p, const node_seen *seen, uint32_t *ret_attempt, sp_str *ret_id)
{
	*ret_attempt = 0;
	*ret_id = (sp_str){NULL, 0};
	const node_seen_sandbox *now = node_seen_sandbox_now(seen);
	if (now == NULL)
		return true;
	size_t n_ready = 0;
	for (size_t i = 0; i < seen->n_sandboxes; i++)
		n_ready += seen->sandboxes[i].ready;
	*ret_attempt = now->attempt + 1;
	*ret_id = now->id;
	if (n_ready > 1 || !now->ready)
		return true;
	if (now->host_network != p->v.host_network) {
		*ret_id = (sp_str){NULL, 0};
		return true;
	}
	if (!p->v.host_network && now->n_ips == 0)
		return true;
	*ret_attempt = now->attempt;
	return false;
}

static bool has_succeeded(const plan *l, const node_container *c)
{
	const node_seen_container *s = node_seen_newest(l->seen, c->name);
	return s != NULL && s->state == NODE_EXITED && s->exit_code == 0;
}

/* ---- init containers ---- */

/* A main container that was begun proves that initialisation is over, even when its traces are gone. An
 * exited one proves nothing: it may be of an earlier sandbox. U: podHasInitialized in
 * computeInitContainerActions. */
static bool any_main_was_begun(const plan *l)
{
	for (size_t i = 0; i < l->pod->n_regular; i++) {
		const node_seen_container *s = node_seen_newest(l->seen, node_pod_regular(l->pod, i)->name);
		if (s != NULL && (s->state == NODE_RUNNING || s->state == NODE_CREATED))
			return true;
	}
	return false;
}

/* The init container after the i-th may begin, or all of them are done. */
static void init_passed(plan *l, size_t i, bool was_initialized, bool *initialized)
{
	if (i + 1 == l->pod->n_init)
		*initialized = true;
	else if (!was_initialized)
		start_init(l, node_pod_init(l->pod, i + 1));
}

static void sidecar_running(plan *l, size_t i, const node_seen_container *s, bool was_initialized,
			    bool *initialized)
{
	const node_container *c = node_pod_init(l->pod, i);
	if (c->v.startup != NULL) {
		node_verdict startup = verdict(l, NODE_PROBE_STARTUP, s->id);
		if (startup == NODE_VERDICT_FAILURE) {
			kill_it(l, c, s, NODE_KILL_STARTUP,
				sp_arena_printf(l->arena, "Init container " SP_FMT " failed startup probe",
						SP_ARG(c->name)));
			start_init(l, c);
		}
		if (startup != NODE_VERDICT_SUCCESS)
			return;
	}
	init_passed(l, i, was_initialized, initialized);
	if (is_changed(c, s)) {
		kill_it(l, c, s, NODE_KILL_OTHER,
			sp_arena_printf(l->arena, "Init container " SP_FMT " definition changed",
					SP_ARG(c->name)));
		start_init(l, c);
	} else if (c->v.liveness != NULL && verdict(l, NODE_PROBE_LIVENESS, s->id) == NODE_VERDICT_FAILURE) {
		kill_it(l, c, s, NODE_KILL_LIVENESS,
			sp_arena_printf(l->arena, "Init container " SP_FMT " failed liveness probe",
					SP_ARG(c->name)));
		start_init(l, c);
	} else if (plan_resize(l, c, s)) {
		start_init(l, c);
	}
}

/* False: initialisation failed for good. */
static bool init_stopped(plan *l, size_t i, const node_seen_container *s, bool *initialized)
{
	const node_container *c = node_pod_init(l->pod, i);
	if (c->is_sidecar) {
		start_init(l, c);
		return true;
	}
	if (!init_failed(s)) {
		init_passed(l, i, false, initialized);
		return true;
	}
	if (!node_container_restarts(l->pod, c, s->state == NODE_EXITED ? s->exit_code : 1))
		return false;
	start_init(l, c);
	return true;
}

static bool init_unknown(plan *l, size_t i, const node_seen_container *s)
{
	const node_container *c = node_pod_init(l->pod, i);
	if (!c->is_sidecar && !restarts_on_failure(l->pod))
		return false;
	kill_it(l, c, s, NODE_KILL_UNKNOWN,
		sp_arena_printf(l->arena,
				"Init container is in \"unknown\" state, try killing it before restart"));
	start_init(l, c);
	return true;
}

static bool init_step(plan *l, size_t i, const node_seen_container *s, bool was_initialized,
		      bool *initialized)
{
	const node_container *c = node_pod_init(l->pod, i);
	switch (s->state) {
	case NODE_CREATED:
		start_init(l, c);
		return true; /* its start must have failed */
	case NODE_RUNNING:
		if (c->is_sidecar)
			sidecar_running(l, i, s, was_initialized, initialized);
		return true;
	case NODE_EXITED:
		return init_stopped(l, i, s, initialized);
	case NODE_UNKNOWN:
		return init_unknown(l, i, s);
	}
	SP_UNREACHABLE();
}

/* Fills `inits` and kills; true when the main containers may run. Walks backwards: traces of early init
 * containers may be gone already, the last one found tells how far initialisation came. */
static bool plan_inits(plan *l)
{
	if (l->pod->n_init == 0)
		return true;
	bool initialized = any_main_was_begun(l), was = initialized;
	for (size_t i = l->pod->n_init; i-- > 0;) {
		const node_container *c = node_pod_init(l->pod, i);
		const node_seen_container *s = node_seen_newest(l->seen, c->name);
		if (s == NULL) {
			if (was && c->is_sidecar)
				start_init(l, c);
			continue;
		}
		if (was && !c->is_sidecar)
			continue;
		if (!init_step(l, i, s, was, &initialized)) {
			l->out->kill_pod = true;
			l->n_inits = 0;
			return false;
		}
		was = true;
	}
	if (!was)
		start_init(l, node_pod_init(l->pod, 0));
	return initialized;
}

/* ---- the sandbox is to be made anew ---- */

static void plan_new_sandbox(plan *l)
{
	const node_pod *p = l->pod;
	l->out->kill_pod = l->out->create_sandbox = true;
	/* A pod that never restarts and has run is over; without traces of containers the sandbox failed
	 * before. */
	if (!restarts_on_failure(p) && l->out->attempt != 0 && l->seen->n_containers != 0) {
		l->out->create_sandbox = false;
		return;
	}
	size_t n = 0;
	for (size_t i = 0; i < p->n_regular; i++) {
		const node_container *c = node_pod_regular(p, i);
		n += !(p->restart == NODE_RESTART_ON_FAILURE && has_succeeded(l, c));
	}
	if (n == 0) {
		l->out->create_sandbox = false; /* all of them are done, and so is initialisation */
		return;
	}
	if (p->n_init > 0) {
		start(l, node_pod_init(p, 0));
		return;
	}
	for (size_t i = 0; i < p->n_regular; i++) {
		const node_container *c = node_pod_regular(p, i);
		if (!(p->restart == NODE_RESTART_ON_FAILURE && has_succeeded(l, c)))
			start(l, c);
	}
}

/* ---- main containers ---- */

/* True: it is kept as it is. */
static bool plan_running(plan *l, const node_container *c, const node_seen_container *s)
{
	bool again = node_container_restarts(l->pod, c, 1);
	node_kill_reason reason = NODE_KILL_OTHER;
	const char *what = "definition changed";
	if (is_changed(c, s)) {
		again = true; /* whatever the policy */
	} else if (verdict(l, NODE_PROBE_LIVENESS, s->id) == NODE_VERDICT_FAILURE) {
		what = "failed liveness probe";
		reason = NODE_KILL_LIVENESS;
	} else if (verdict(l, NODE_PROBE_STARTUP, s->id) == NODE_VERDICT_FAILURE) {
		what = "failed startup probe";
		reason = NODE_KILL_STARTUP;
	} else {
		again = plan_resize(l, c, s);
		if (again)
			start_main(l, c);
		return !again;
	}
	kill_it(l, c, s, reason,
		sp_arena_printf(l->arena, "Container " SP_FMT " %s%s", SP_ARG(c->name), what,
				again ? ", will be restarted" : ""));
	if (again)
		start_main(l, c);
	return false;
}

static void plan_main(plan *l)
{
	size_t n_kept = 0;
	for (size_t i = 0; i < l->pod->n_regular; i++) {
		const node_container *c = node_pod_regular(l->pod, i);
		const node_seen_container *s = node_seen_newest(l->seen, c->name);
		if (s != NULL && s->state == NODE_RUNNING) {
			n_kept += plan_running(l, c, s);
			continue;
		}
		if (!node_should_start(l->pod, l->seen, c))
			continue;
		start_main(l, c);
		if (s != NULL && s->state == NODE_UNKNOWN)
			kill_it(l, c, s, NODE_KILL_UNKNOWN,
				sp_arena_printf(
					l->arena,
					"Container is in \"unknown\" state, try killing it before restart"));
	}
	if (n_kept == 0 && l->n_mains == 0) {
		l->out->kill_pod = true;
		l->n_inits = 0; /* sidecars don't keep a pod alive */
	}
}

sp_code node_compute_actions(const node_pod *p, const node_seen *seen, const node_verdicts *verdicts,
			     sp_arena *a, node_actions *ret, sp_err *err)
{
	*ret = (node_actions){0};
	/* An init container can be asked to start by its own state and by the one before it. */
	size_t n = p->n_containers + p->n_init;
	plan l = {.pod = p, .seen = seen, .verdicts = verdicts, .arena = a, .out = ret};
	l.inits = sp_try_new(a, const node_container *, n);
	l.mains = sp_try_new(a, const node_container *, n);
	ret->starts = sp_try_new(a, const node_container *, n);
	ret->kills = sp_try_new(a, node_kill, n);
	ret->resizes = sp_try_new(a, const node_seen_container *, n);
	if (l.inits == NULL || l.mains == NULL || ret->starts == NULL || ret->kills == NULL ||
	    ret->resizes == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to plan a pod");
	if (node_sandbox_changed(p, seen, &ret->attempt, &ret->sandbox_id)) {
		plan_new_sandbox(&l);
		return SP_OK;
	}
	for (size_t i = 0; i < p->n_ephemeral; i++) {
		const node_container *c = node_pod_ephemeral(p, i);
		if (node_seen_newest(seen, c->name) == NULL)
			start(&l, c);
	}
	if (plan_inits(&l))
		plan_main(&l);
	while (l.n_inits > 0)
		start(&l, l.inits[--l.n_inits]);
	for (size_t i = 0; i < l.n_mains; i++)
		start(&l, l.mains[i]);
	return l.short_of_memory ? sp_fail(err, SP_ENOMEM, "no memory to plan a pod") : SP_OK;
}
