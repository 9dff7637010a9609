/* SPDX-License-Identifier: Apache-2.0 */
#include "node/status.h"

#include "node/conditions.h"
#include "node/resources.h"

/* What the API was last told about a container. */
typedef struct old_status {
	sp_str name, image, image_id, container_id;
	int32_t restarts;
	yyjson_val *running, *terminated, *last;
	sp_vmap requests, limits;
} old_status;

SP_VIEW(old_status_desc, old_status, "io.k8s.api.core.v1.ContainerStatus", SP_V(old_status, name, "name"),
	SP_V(old_status, image, "image"), SP_V(old_status, image_id, "imageID"),
	SP_V(old_status, container_id, "containerID"), SP_V(old_status, restarts, "restartCount"),
	SP_V(old_status, running, "state.running"), SP_V(old_status, terminated, "state.terminated"),
	SP_V(old_status, last, "lastState.terminated"), SP_V(old_status, requests, "resources.requests"),
	SP_V(old_status, limits, "resources.limits"));

typedef struct old_ended {
	int32_t exit_code, signal;
	sp_str reason, message, container_id;
	sp_time started, finished;
	bool has_started, has_finished;
} old_ended;

SP_VIEW(old_ended_desc, old_ended, "io.k8s.api.core.v1.ContainerStateTerminated",
	SP_V(old_ended, exit_code, "exitCode"), SP_V(old_ended, signal, "signal"),
	SP_V(old_ended, reason, "reason"), SP_V(old_ended, message, "message"),
	SP_V(old_ended, container_id, "containerID"), SP_VH(old_ended, started, "startedAt"),
	SP_VH(old_ended, finished, "finishedAt"));

static const char *const list_of_role[] = {
	[NODE_INIT] = "initContainerStatuses",
	[NODE_REGULAR] = "containerStatuses",
	[NODE_EPHEMERAL] = "ephemeralContainerStatuses",
};

static node_ended ended_of_json(yyjson_val *v)
{
	old_ended o;
	sp_view_fill(v, &old_ended_desc, &o);
	return (node_ended){.exit_code = o.exit_code,
			    .signal = o.signal,
			    .reason = o.reason,
			    .message = o.message,
			    .container_id = o.container_id,
			    .started_ns = o.has_started ? sp_time_ns(o.started) : 0,
			    .finished_ns = o.has_finished ? sp_time_ns(o.finished) : 0};
}

/* False: the API does not know it. */
static bool find_old(const node_pod *p, const node_container *c, old_status *ret)
{
	yyjson_val *list = sp_json_last(p->v.status, sp_str_c(list_of_role[c->role])), *item;
	size_t i, n;
	yyjson_arr_foreach(list, i, n, item)
	{
		sp_view_fill(item, &old_status_desc, ret);
		if (sp_str_eq(ret->name, c->name))
			return true;
	}
	return false;
}

static sp_str with_scheme(const node_status_input *in, sp_arena *a, sp_str id)
{
	return SP_CONCAT(a, in->runtime, SP_STR("://"), id);
}

static void unlocated(node_container_status *s, const char *message)
{
	s->is = NODE_IS_TERMINATED;
	s->ended = (node_ended){.exit_code = 137, .reason = NODE_LOST, .message = sp_str_c(message)};
}

/* ---- resources in force ---- */

/* Where no limit is written below these, what the cgroup has says nothing. U: cm.MinMilliCPULimit,
 * cm.MinShares. */
#define CPU_LIMIT_LEAST_MILLI 10
#define CPU_REQUEST_LEAST_MILLI 2

/* An amount as the API writes it; {NULL, 0} without room. */
static sp_str amount_text(sp_arena *a, int64_t n, bool milli)
{
	char text[32];
	sp_qty q;
	bool kibi = !milli && n % 1024 == 0;
	(void)snprintf(text, sizeof text, "%lld%s", (long long)(kibi ? n / 1024 : n),
		       milli  ? "m"
		       : kibi ? "Ki"
			      : "");
	return sp_qty_parse(sp_str_c(text), &q, NULL) == SP_OK ? sp_qty_print(a, q) : (sp_str){NULL, 0};
}

/* One of them: what is in force, when that is known and not what was granted; else what the API was told of
 * the same life of the container. */
static sp_str in_force(sp_arena *a, bool milli, sp_vmap granted, sp_vmap old, int64_t now, int64_t least)
{
	sp_str name = milli ? SP_STR("cpu") : SP_STR("memory");
	int64_t want = SP_MAX(0, node_amount(granted, name, milli));
	if (sp_vmap_count(granted) == 0)
		return (sp_str){NULL, 0};
	if (now > 0)
		return now == want || (now <= least && want <= least) ? (sp_str){NULL, 0}
								      : amount_text(a, now, milli);
	int64_t told = node_amount(old, name, milli);
	return told < 0 || told == want ? (sp_str){NULL, 0} : sp_vmap_str(old, name);
}

/* U: convertContainerStatusResources. */
static void actual_resources(sp_arena *a, const node_container *c, const node_seen_container *seen,
			     const old_status *old, node_container_status *s)
{
	sp_vmap requests = {0}, limits = {0};
	const node_amounts *r = &seen->reported;
	if (old != NULL && old->running != NULL && sp_str_eq(old->container_id, s->container_id)) {
		requests = old->requests;
		limits = old->limits;
	}
	s->cpu_limit = in_force(a, true, c->v.limits, limits, r->cpu_limit, CPU_LIMIT_LEAST_MILLI);
	s->memory_limit = in_force(a, false, c->v.limits, limits, r->memory_limit, 0);
	s->cpu_request = in_force(a, true, c->v.requests, requests, r->cpu_request, CPU_REQUEST_LEAST_MILLI);
	s->memory_request = in_force(a, false, c->v.requests, requests,
				     seen->has_actuated ? seen->actuated.memory_request : 0, 0);
}

/* What the runtime says of one container. U: convertContainerStatus. */
static sp_code of_seen(const node_status_input *in, sp_arena *a, const node_container *c,
		       const node_seen_container *seen, const old_status *old, node_container_status *s,
		       sp_err *err)
{
	*s = (node_container_status){.container = c,
				     .image = seen->image,
				     .image_id = seen->image_ref,
				     .restarts = seen->restarts,
				     .has_resources = true,
				     .has_user = seen->has_user && seen->state == NODE_RUNNING,
				     .uid = seen->user_uid,
				     .gid = seen->user_gid,
				     .groups = seen->groups,
				     .n_groups = seen->n_groups};
	s->container_id = with_scheme(in, a, seen->id);
	if (s->container_id.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's status");
	switch (seen->state) {
	case NODE_RUNNING:
		s->is = NODE_IS_RUNNING;
		s->running_since_ns = seen->started_ns;
		actual_resources(a, c, seen, old, s);
		break;
	case NODE_CREATED:
		break; /* it waits to be begun */
	case NODE_EXITED:
		s->is = NODE_IS_TERMINATED;
		s->ended = (node_ended){.exit_code = seen->exit_code,
					.reason = seen->reason,
					.message = seen->message,
					.started_ns = seen->started_ns,
					.finished_ns = seen->finished_ns,
					.container_id = s->container_id};
		break;
	case NODE_UNKNOWN:
		if (old == NULL || old->running == NULL)
			break;
		unlocated(s, "The container could not be located when the pod was terminated");
		s->restarts = (uint32_t)old->restarts + 1;
		break;
	}
	return SP_OK;
}

#define LOST_AT_DELETION \
	"The container could not be located when the pod was deleted.  The container used to be Running"

static node_ended ended_by_reset(void)
{
	return (node_ended){.exit_code = 137,
			    .reason = NODE_RESETTING,
			    .message =
				    SP_STR("The container is removed because RestartAllContainers in place")};
}

/* It ran, by what the API was told, and the runtime has no trace of it: how it ended nobody knows, but it
 * did. */
static void of_lost(const node_status_input *in, const old_status *old, node_container_status *s)
{
	if (in->pod->v.has_deletion) {
		unlocated(s, LOST_AT_DELETION);
		s->container_id = old->container_id;
		return;
	}
	s->has_last = true;
	s->restarts++;
	/* What the API has may be older than the pod's new beginning, which took the container away. */
	if (in->anew_of != NULL && in->anew_of(in->arg, s->container) == s->restarts)
		s->last = ended_by_reset();
	else
		s->last = (node_ended){
			.exit_code = 137, .reason = NODE_LOST, .message = SP_STR(LOST_AT_DELETION)};
}

/* The status before the runtime is asked: waiting, or how the API knows that it ended. */
static void of_api(const node_status_input *in, const node_container *c, const old_status *old,
		   node_container_status *s)
{
	bool initializing = in->pod->n_init > 0; /* init containers say so, too */
	*s = (node_container_status){.container = c,
				     .image = c->v.image,
				     .waiting = {.reason = initializing ? SP_STR("PodInitializing")
									: SP_STR("ContainerCreating")}};
	if (old == NULL)
		return;
	s->restarts = old->restarts < 0 ? 0 : (uint32_t)old->restarts;
	if (in->is_resetting && c->role != NODE_EPHEMERAL &&
	    (old->running != NULL || old->terminated != NULL)) {
		s->has_last = true;
		s->last = ended_by_reset();
		s->waiting = (node_wait){s->last.reason, s->last.message};
		s->restarts++;
		return;
	}
	if (old->last != NULL) {
		s->has_last = true;
		s->last = ended_of_json(old->last);
	}
	if (old->terminated != NULL) {
		s->is = NODE_IS_TERMINATED;
		s->ended = ended_of_json(old->terminated);
		s->image = old->image;
		s->image_id = old->image_id;
		s->container_id = old->container_id;
	} else if (old->running != NULL && !s->has_last) {
		of_lost(in, old, s);
	}
}

/* A container that is to be started again and could not be: it waits. */
static void apply_wait(const node_status_input *in, node_container_status *s)
{
	const node_container *c = s->container;
	if (c->role == NODE_INIT && !c->is_sidecar) {
		const node_seen_container *seen = node_seen_newest(in->seen, c->name);
		if (seen != NULL && seen->state == NODE_EXITED && seen->exit_code == 0)
			return;
	}
	if (in->wait_of == NULL || !node_should_start(in->pod, in->seen, c))
		return;
	node_wait wait = in->wait_of(in->arg, c);
	if (wait.reason.len == 0)
		return;
	if (s->is == NODE_IS_TERMINATED) {
		s->has_last = true;
		s->last = s->ended;
	}
	s->is = NODE_IS_WAITING;
	s->waiting = wait;
}

/* Of an init container without a trace, though main ones were made after it. U:
 * HasAnyRegularContainerCreated. */
static void infer_init(const node_status_input *in, node_container_status *s)
{
	const node_container *c = s->container;
	if (c->role != NODE_INIT || c->is_sidecar || s->is != NODE_IS_WAITING ||
	    node_seen_newest(in->seen, c->name) != NULL)
		return;
	for (size_t i = 0; i < in->pod->n_regular; i++) {
		if (node_seen_newest(in->seen, node_pod_regular(in->pod, i)->name) == NULL)
			continue;
		s->is = NODE_IS_TERMINATED;
		s->ended = (node_ended){
			.reason = SP_STR("Completed"),
			.message =
				SP_STR("Unable to get init container status from container runtime and pod "
				       "has been initialized, treat it as exited normally")};
		return;
	}
}

/* Whole characters. */
static void shorten(sp_str *text, size_t bytes)
{
	if (text->len <= bytes)
		return;
	while (bytes > 0 && ((unsigned char)text->ptr[bytes] & 0xc0) == 0x80)
		bytes--;
	text->len = bytes;
}

static sp_code container_status(const node_status_input *in, sp_arena *a, const node_container *c,
				node_container_status *s, sp_err *err)
{
	old_status old_buf, *old = find_old(in->pod, c, &old_buf) ? &old_buf : NULL;
	unsigned n_seen = 0;
	of_api(in, c, old, s);
	bool has_last = s->has_last;
	node_ended last = s->last;
	for (size_t i = 0; i < in->seen->n_containers && n_seen < 2; i++) {
		const node_seen_container *seen = &in->seen->containers[i];
		node_container_status one;
		if (!sp_str_eq(seen->name, c->name))
			continue;
		SP_TRY(of_seen(in, a, c, seen, old, &one, err));
		if (n_seen++ == 0) {
			*s = one;
		} else if (one.is == NODE_IS_TERMINATED) {
			s->has_last = true;
			s->last = one.ended;
		}
	}
	/* The one before may have been removed from the runtime; the API still knows how it ended. */
	if (n_seen == 1 && !s->has_last && has_last && s->restarts > 0) {
		s->has_last = true;
		s->last = last;
	} else if (n_seen == 1 && !s->has_last && s->restarts > 0 && in->anew_of != NULL &&
		   in->anew_of(in->arg, c) == s->restarts) {
		s->has_last = true; /* what the API has may be older than that */
		s->last = ended_by_reset();
	}
	infer_init(in, s);
	apply_wait(in, s);
	size_t bytes = NODE_LAST_WORDS_BYTES / in->pod->n_containers;
	shorten(&s->ended.message, bytes);
	shorten(&s->last.message, bytes);
	return SP_OK;
}

/* ---- started, ready ---- */

static sp_str bare_id(const node_status_input *in, const node_container_status *s)
{
	const node_seen_container *seen = node_seen_newest(in->seen, s->container->name);
	return seen == NULL ? (sp_str){NULL, 0} : seen->id;
}

static node_verdict verdict(const node_status_input *in, node_probe_kind kind, const node_container_status *s)
{
	return in->verdicts == NULL ? NODE_VERDICT_NONE
				    : in->verdicts->of(in->verdicts->arg, kind, bare_id(in, s));
}

static void apply_probes(const node_status_input *in, node_container_status *s)
{
	const node_container *c = s->container;
	bool running = s->is == NODE_IS_RUNNING;
	if (c->role == NODE_EPHEMERAL)
		return;
	s->has_started = true;
	s->started = running &&
		     (c->v.startup == NULL || verdict(in, NODE_PROBE_STARTUP, s) == NODE_VERDICT_SUCCESS);
	if (c->role == NODE_INIT && !c->is_sidecar) {
		s->ready = s->is == NODE_IS_TERMINATED && s->ended.exit_code == 0;
		return;
	}
	s->ready = s->started &&
		   (c->v.readiness == NULL || verdict(in, NODE_PROBE_READINESS, s) == NODE_VERDICT_SUCCESS);
}

/* ---- phase ---- */

typedef struct tally {
	size_t unknown, running, waiting, stopped, succeeded;
	size_t pending_inits, pending_sidecars;
	size_t stopped_for_good, failed_inits_for_good; /* those that nothing starts again */
	bool any_main_started;
} tally;

static bool comes_back(const node_pod *p, const node_container_status *s, const node_ended *e)
{
	return node_container_restarts(p, s->container, e->exit_code) || sp_str_eq(e->reason, NODE_RESETTING);
}

static void tally_failed_init(tally *t, const node_pod *p, const node_container_status *s,
			      const node_ended *e)
{
	t->failed_inits_for_good += e->exit_code != 0 && !comes_back(p, s, e);
}

static void tally_init(tally *t, const node_pod *p, const node_container_status *s)
{
	switch (s->is) {
	case NODE_IS_RUNNING:
		t->pending_inits++;
		break;
	case NODE_IS_TERMINATED:
		tally_failed_init(t, p, s, &s->ended);
		break;
	case NODE_IS_WAITING:
		if (!s->has_last)
			t->pending_inits++;
		else
			tally_failed_init(t, p, s, &s->last);
		break;
	}
}
static void tally_sidecar(tally *t, const node_container_status *s)
{
	switch (s->is) {
	case NODE_IS_RUNNING:
		t->pending_sidecars += !s->started;
		t->running++;
		break;
	case NODE_IS_TERMINATED:
		break; /* those that ended don't count */
	case NODE_IS_WAITING:
		if (!s->has_last) {
			t->pending_sidecars++;
			t->waiting++;
		}
		break;
	}
}
static void tally_stopped(tally *t, const node_pod *p, const node_container_status *s, const node_ended *e)
{
	t->stopped++;
	t->stopped_for_good += !comes_back(p, s, e);
}

static void tally_main(tally *t, const node_pod *p, const node_container_status *s)
{
	t->any_main_started |= s->is != NODE_IS_WAITING || s->has_last;
	switch (s->is) {
	case NODE_IS_RUNNING:
		t->running++;
		break;
	case NODE_IS_TERMINATED:
		tally_stopped(t, p, s, &s->ended);
		t->succeeded += s->ended.exit_code == 0;
		break;
	case NODE_IS_WAITING:
		if (s->has_last)
			tally_stopped(t, p, s, &s->last);
		else
			t->waiting++;
		break;
	}
}

static sp_str phase_of_stopped(const node_pod *p, const tally *t, bool is_terminal)
{
	bool all_good = t->stopped == t->succeeded;
	if (is_terminal && !p->is_static)
		return all_good ? SP_STR("Succeeded") : SP_STR("Failed");
	if (t->stopped != t->stopped_for_good)
		return SP_STR("Running"); /* some are on their way back */
	return all_good ? SP_STR("Succeeded") : SP_STR("Failed");
}

sp_str node_phase_of(const node_pod *p, const node_container_status *all, bool is_terminal)
{
	tally t = {0};
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		if (all[i].container->role == NODE_REGULAR)
			tally_main(&t, p, &all[i]);
		else if (all[i].container->is_sidecar)
			tally_sidecar(&t, &all[i]);
		else
			tally_init(&t, p, &all[i]);
	}
	if (t.failed_inits_for_good > 0)
		return SP_STR("Failed");
	if (t.pending_inits > 0 || (t.pending_sidecars > 0 && !t.any_main_started) || t.waiting > 0)
		return SP_STR("Pending");
	if (t.running > 0)
		return SP_STR("Running");
	if (t.stopped > 0)
		return phase_of_stopped(p, &t, is_terminal);
	return SP_STR("Pending");
}

/* ---- the whole ---- */

static void set_phase(const node_status_input *in, node_status *s)
{
	const node_pod *p = in->pod;
	s->phase = node_phase_of(p, s->containers, in->is_terminal);
	/* What was told once is never taken back. */
	if (node_phase_is_terminal(p->v.phase))
		s->phase = p->v.phase;
	else if (in->forced_phase.len != 0)
		s->phase = in->forced_phase;
	if (in->forced_phase.len != 0 && sp_str_eq(s->phase, in->forced_phase)) {
		s->reason = in->reason;
		s->message = in->message;
	} else if (sp_str_eq(s->phase, p->v.phase)) {
		s->reason = p->v.reason;
		s->message = p->v.message;
	}
	bool waits = in->may_run && node_phase_is_terminal(s->phase) && !node_phase_is_terminal(p->v.phase);
	s->told_phase = !waits ? s->phase : p->v.phase.len == 0 ? SP_STR("Pending") : p->v.phase;
	s->told_reason = waits ? p->v.reason : s->reason;
	s->told_message = waits ? p->v.message : s->message;
}

static void set_addresses(const node_status_input *in, node_status *s)
{
	const node_seen_sandbox *sandbox = node_seen_sandbox_now(in->seen);
	s->host_ips = in->host_ips;
	s->n_host_ips = in->n_host_ips;
	if (in->pod->v.host_network && sandbox != NULL) {
		s->ips = in->host_ips;
		s->n_ips = in->n_host_ips;
	} else if (sandbox != NULL) {
		s->ips = sandbox->ips;
		s->n_ips = sandbox->n_ips;
	}
}

sp_code node_status_make(const node_status_input *in, sp_arena *a, node_status *ret, sp_err *err)
{
	const node_pod *p = in->pod;
	*ret = (node_status){.qos = node_qos_text(node_qos_of(p))};
	ret->containers = sp_try_new(a, node_container_status, p->n_containers);
	if (ret->containers == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's status");
	for (size_t i = 0; i < p->n_containers; i++) {
		SP_TRY(container_status(in, a, &p->containers[i], &ret->containers[i], err));
		apply_probes(in, &ret->containers[i]);
	}
	set_phase(in, ret);
	set_addresses(in, ret);
	return node_conditions_make(in, a, ret, err);
}
