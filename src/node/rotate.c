/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of running containers that have grown too large are set aside: every ten seconds all of them are
 * looked at, as kubelet does. U: kubernetes pkg/kubelet/logs/container_log_manager.go. */
#include "base/alloc.h"
#include "base/num.h"
#include "node/log_files.h"
#include "node/node_int.h"

#define EVERY_NS (10 * NODE_SECOND_NS)
#define ROTATE_BYTES_MAX ((size_t)16 << 20)

typedef struct grown {
	sp_str id, path, aside; /* aside: its new name; empty: it has its own */
	bool reopens;           /* it is not where it was */
	sp_code code;
	sp_err err;
} grown;

struct node_rotate {
	node_agent *agent;
	sp_timer timer;
	sp_arena arena; /* of a round */
	sp_cri_call call;
	grown *at;
	size_t n, next; /* next: to be opened anew */
	sp_work work;
	bool is_working, is_freed;
};

static void begin(node_rotate *t);

static void on_time(sp_timer *timer)
{
	begin(timer->arg);
}

static void end_round(node_rotate *t)
{
	sp_timer_start(t->agent->world, &t->timer, EVERY_NS, on_time);
}

static void complain(const node_rotate *t, const grown *g)
{
	sp_log(t->agent->log, SP_LOG_WARN, "the log of a container can't be rotated", SP_KS("log", g->path),
	       SP_KE(&g->err));
}

/* ---- opened anew ---- */

static void reopen_next(node_rotate *t);

static void on_reopened(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_rotate *t = c->arg;
	grown *g = &t->at[t->next++];
	(void)response;
	if (status != SP_RPC_OK) { /* it goes on where it was */
		(void)sp_fail(&g->err, SP_EUNAVAILABLE, "it can't be opened anew: " SP_FMT, SP_ARG(message));
		complain(t, g);
		if (g->aside.len != 0 && sp_path_rename(t->agent->world, g->aside, g->path, &g->err) != SP_OK)
			complain(t, g);
	}
	reopen_next(t);
}

static void reopen_next(node_rotate *t)
{
	while (t->next < t->n && (t->at[t->next].code != SP_OK || !t->at[t->next].reopens)) {
		if (t->at[t->next].code != SP_OK)
			complain(t, &t->at[t->next]);
		t->next++;
	}
	if (t->next == t->n) {
		end_round(t);
		return;
	}
	t->call = (sp_cri_call){.done = on_reopened, .arg = t, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	t->agent->cri->call(t->agent->cri, SP_CRI_REOPEN_CONTAINER_LOG,
			    &(sp_cri_reopen_container_log_request){.container_id = t->at[t->next].id},
			    &t->call);
}

/* ---- set aside, on a worker thread ---- */

static sp_code set_aside(node_rotate *t, grown *g)
{
	const node_agent *a = t->agent;
	sp_stat st;
	sp_code code = sp_path_stat(a->world, g->path, &st, &g->err);
	g->reopens = code == SP_ENOTFOUND; /* somebody removed it */
	if (g->reopens || (code == SP_OK && st.size < (uint64_t)a->opts.log_bytes_max))
		return SP_OK;
	SP_TRY(code);
	SP_TRY(node_log_make_room(a->world, g->path, (size_t)a->opts.log_files_max, &t->arena, &g->err));
	sp_str aside = node_log_rotated_name(&t->arena, g->path, sp_wall_ns(a->world));
	if (aside.ptr == NULL)
		return sp_fail(&g->err, SP_ENOMEM, "no memory for the name of a log");
	SP_TRY(sp_path_rename(a->world, g->path, aside, &g->err));
	g->aside = aside;
	g->reopens = true;
	return SP_OK;
}

static void on_job(sp_work *job)
{
	node_rotate *t = job->arg;
	for (size_t i = 0; i < t->n; i++)
		t->at[i].code = set_aside(t, &t->at[i]);
}

static void free_it(node_rotate *t)
{
	t->agent->rotate = NULL;
	sp_arena_done(&t->arena);
	sp_free(t);
}

static void on_done(sp_work *job)
{
	node_rotate *t = job->arg;
	t->is_working = false;
	if (t->is_freed) {
		node_agent *a = t->agent;
		free_it(t);
		node_agent_check_closed(a);
		return;
	}
	reopen_next(t);
}

/* ---- what there is ---- */

static sp_str path_of(node_rotate *t, const sp_cri_container *c)
{
	static const char *const keys[] = {NODE_LABEL_POD_NAMESPACE, NODE_LABEL_POD_NAME, NODE_LABEL_POD_UID,
					   NODE_LABEL_CONTAINER};
	sp_str of[SP_LEN(keys)];
	for (size_t i = 0; i < SP_LEN(keys); i++) {
		of[i] = node_pair_get(c->labels.at, c->labels.n, keys[i]);
		if (of[i].len == 0 || sp_str_index(of[i], '/') >= 0)
			return (sp_str){NULL, 0};
	}
	return sp_arena_printf(&t->arena, SP_FMT "/" SP_FMT "_" SP_FMT "_" SP_FMT "/" SP_FMT "/%u.log",
			       SP_ARG(t->agent->place.log_root), SP_ARG(of[0]), SP_ARG(of[1]), SP_ARG(of[2]),
			       SP_ARG(of[3]), c->metadata == NULL ? 0 : c->metadata->attempt);
}

static void on_listed(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_rotate *t = c->arg;
	const sp_cri_list_containers_response *r = response;
	(void)message;
	t->n = t->next = 0;
	t->at = status == SP_RPC_OK ? sp_try_new(&t->arena, grown, r->containers.n + 1) : NULL;
	for (size_t i = 0; t->at != NULL && i < r->containers.n; i++) {
		sp_str path = path_of(t, &r->containers.at[i]);
		sp_str id = sp_arena_try_dup(&t->arena, r->containers.at[i].id);
		if (path.ptr != NULL && id.ptr != NULL &&
		    r->containers.at[i].state == SP_CRI_CONTAINER_RUNNING)
			t->at[t->n++] = (grown){.id = id, .path = path};
	}
	t->work = (sp_work){.fn = on_job, .done = on_done, .arg = t};
	if (t->n == 0 || sp_work_start(t->agent->world, &t->work, NULL) != SP_OK)
		end_round(t);
	else
		t->is_working = true;
}

static void begin(node_rotate *t)
{
	sp_arena_rewind(&t->arena);
	t->call = (sp_cri_call){.done = on_listed, .arg = t, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	t->agent->cri->call(t->agent->cri, SP_CRI_LIST_CONTAINERS, &(sp_cri_list_containers_request){0},
			    &t->call);
}

/* ---- life ---- */

void node_rotate_new(node_agent *a)
{
	if (a->opts.log_bytes_max <= 0)
		return;
	node_rotate *t = SP_NEW(node_rotate);
	t->agent = a;
	t->timer.arg = t;
	sp_arena_init(&t->arena, ROTATE_BYTES_MAX);
	a->rotate = t;
	end_round(t);
}

void node_rotate_free(node_agent *a)
{
	node_rotate *t = a->rotate;
	if (t == NULL)
		return;
	sp_timer_stop(a->world, &t->timer);
	a->cri->cancel(a->cri, &t->call);
	t->is_freed = true; /* a job has our memory: its end is ours */
	if (!t->is_working)
		free_it(t);
}
