/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/sm.h"
#include "io/stream.h"

#define STATE_BYTES_MAX ((size_t)64 << 10)
#define CLIENTS_MAX 16u

enum { RUNNING, WAITING, STOPPING, STOPPED };
static const sp_sm_state states[] = {
	[RUNNING] = {"running", SP_TO(WAITING) | SP_TO(STOPPING), false},
	[WAITING] = {"waiting", SP_TO(WAITING) | SP_TO(RUNNING) | SP_TO(STOPPED), false},
	[STOPPING] = {"stopping", SP_TO(STOPPED), false},
	[STOPPED] = {"stopped", 0, true},
};

typedef struct child {
	supervisor *of;
	const sup_role *role;
	sp_sm state;
	sp_process *process;
	sp_timer timer; /* to the next start, or to SIGKILL */
	uint64_t since_ns, backoff_ns, n_restarts;
	char last[SP_ERR_MSG_BYTES]; /* how it ended the last time */
} child;

typedef struct client {
	sp_list node;
	supervisor *of;
	sp_stream *stream;
	sp_write write;
	sp_buf text;
} client;

struct supervisor {
	sp_world *world;
	sup_opts opts;
	sp_listener *listener;
	sp_list clients;
	size_t n_clients, n_children;
	bool stopping, ended;
	void (*done)(void *arg);
	void *arg;
	child children[SUP_ROLES_MAX];
};

/* ---- starting ---- */

static void start(child *c);
static void stop_last(supervisor *s);

static void on_start_timer(sp_timer *t)
{
	start(t->arg);
}

static void start_later(child *c)
{
	uint64_t now = sp_now_ns(c->of->world);
	if (now - c->since_ns >= SUP_GOOD_NS)
		c->backoff_ns = SUP_BACKOFF_MIN_NS;
	sp_sm_move(&c->state, WAITING);
	c->since_ns = now;
	sp_timer_start(c->of->world, &c->timer, c->backoff_ns, on_start_timer);
	c->backoff_ns = SP_MIN(2 * c->backoff_ns, SUP_BACKOFF_MAX_NS);
}

static void describe(child *c, sp_exit exit)
{
	if (exit.signal != 0)
		(void)snprintf(c->last, sizeof c->last, "killed by signal %d", exit.signal);
	else
		(void)snprintf(c->last, sizeof c->last, "exited with status %d", exit.code);
}

static void on_exit_(void *arg, sp_exit exit)
{
	child *c = arg;
	sp_process_free(c->process);
	c->process = NULL;
	describe(c, exit);
	if (c->state.now == STOPPING) {
		sp_timer_stop(c->of->world, &c->timer);
		sp_sm_move(&c->state, STOPPED);
		stop_last(c->of);
		return;
	}
	sp_log(c->of->opts.log, SP_LOG_ERROR, "a role ended", SP_KS("role", sp_str_c(c->role->name)),
	       SP_KS("how", sp_str_c(c->last)));
	start_later(c);
}

static void start(child *c)
{
	const int fds[] = {-1, 2, 2, c->role->socket}; /* what a role prints belongs to the log */
	sp_spawn_opts o = {.argv = c->role->argv,
			   .env = c->of->opts.env,
			   .fds = fds,
			   .n_fds = c->role->socket > 0 ? SP_LEN(fds) : SUP_SOCKET_FD,
			   .set_ids = c->role->set_ids,
			   .uid = c->role->uid,
			   .gid = c->role->gid,
			   .death_signal = SIGTERM};
	sp_err err = {0};
	c->n_restarts += c->state.now == WAITING && c->last[0] != '\0';
	if (sp_spawn(c->of->world, &o, on_exit_, c, &c->process, &err) != SP_OK) {
		(void)snprintf(c->last, sizeof c->last, "%s", err.msg);
		sp_log(c->of->opts.log, SP_LOG_ERROR, "a role can't be started",
		       SP_KS("role", sp_str_c(c->role->name)), SP_KE(&err));
		start_later(c);
		return;
	}
	sp_sm_move(&c->state, RUNNING);
	c->since_ns = sp_now_ns(c->of->world);
}

/* ---- stopping ---- */

static void on_kill_timer(sp_timer *t)
{
	child *c = t->arg;
	sp_log(c->of->opts.log, SP_LOG_WARN, "a role did not end in time and is killed",
	       SP_KS("role", sp_str_c(c->role->name)));
	(void)!sp_process_kill(c->process, SIGKILL, NULL); /* gone: on_exit_ is on its way */
}

/* The end is told from the loop, never from inside sup_stop, and when nobody is listening any more. */
static void on_end_timer(sp_timer *t)
{
	supervisor *s = ((child *)t->arg)->of;
	sp_listener_close(s->listener);
	s->listener = NULL;
	s->ended = true;
	SP_LIST_FOREACH (n, &s->clients)
		sp_stream_close(SP_CONTAINER_OF(n, client, node)->stream);
	if (s->n_clients == 0)
		s->done(s->arg);
}

static void stop_last(supervisor *s)
{
	for (size_t i = s->n_children; i-- > 0;) {
		child *c = &s->children[i];
		if (c->state.now == STOPPED)
			continue;
		sp_timer_stop(s->world, &c->timer);
		c->since_ns = sp_now_ns(s->world);
		if (c->state.now == WAITING) {
			sp_sm_move(&c->state, STOPPED);
			continue;
		}
		sp_sm_move(&c->state, STOPPING);
		(void)!sp_process_kill(c->process, SIGTERM, NULL);
		sp_timer_start(s->world, &c->timer, SUP_GRACE_NS, on_kill_timer);
		return;
	}
	sp_timer_start(s->world, &s->children[0].timer, 0, on_end_timer);
}

void sup_stop(supervisor *s, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!s->stopping);
	s->stopping = true;
	s->done = done;
	s->arg = arg;
	stop_last(s);
}

/* ---- the state ---- */

sp_code sup_print(const supervisor *s, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	uint64_t now = sp_now_ns(s->world);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("roles"), '[');
	for (size_t i = 0; i < s->n_children; i++) {
		const child *c = &s->children[i];
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("name"), sp_str_c(c->role->name));
		sp_jout_member_str(&j, SP_STR("state"), sp_str_c(sp_sm_name(&c->state)));
		sp_jout_member_i64(&j, SP_STR("pid"), c->process == NULL ? 0 : sp_process_pid(c->process));
		sp_jout_member_i64(&j, SP_STR("restarts"), (int64_t)c->n_restarts);
		sp_jout_member_i64(&j, SP_STR("forMilliseconds"), (int64_t)((now - c->since_ns) / 1000000));
		sp_jout_member_str(&j, SP_STR("last"), sp_str_c(c->last));
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

static void on_client_close(void *arg)
{
	client *c = arg;
	supervisor *s = c->of;
	sp_list_remove(&c->node);
	sp_buf_done(&c->text);
	sp_free(c);
	if (--s->n_clients == 0 && s->ended)
		s->done(s->arg);
}

static void on_client_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n; /* never read */
}

static void on_client_end(void *arg)
{
	sp_stream_close(((client *)arg)->stream);
}

static void on_client_error(void *arg, const sp_err *err)
{
	(void)err;
	sp_stream_close(((client *)arg)->stream);
}

static void on_told(sp_write *req, sp_code code)
{
	(void)code;
	if (code != SP_ECANCELED)
		sp_stream_close(((client *)req->arg)->stream);
}

static void on_accept(void *arg, sp_stream *stream)
{
	static const sp_stream_handler handler = {on_client_data, on_client_end, on_client_error,
						  on_client_close};
	supervisor *s = arg;
	client *c = SP_NEW(client);
	*c = (client){.of = s, .stream = stream};
	sp_list_init(&c->node);
	sp_list_push_back(&s->clients, &c->node);
	s->n_clients++;
	sp_buf_init(&c->text, STATE_BYTES_MAX);
	sp_stream_handle(stream, &handler, c);
	if (s->n_clients > CLIENTS_MAX || sup_print(s, &c->text) != SP_OK) {
		sp_stream_close(stream);
		return;
	}
	sp_str text = sp_buf_view(&c->text);
	c->write = (sp_write){.iov = {{text.ptr, text.len}}, .n_iov = 1, .done = on_told, .arg = c};
	sp_stream_write(stream, &c->write);
}

/* ---- life ---- */

sp_code sup_new(sp_world *w, const sup_opts *o, supervisor **ret, sp_err *err)
{
	if (o->n_roles == 0 || o->n_roles > SUP_ROLES_MAX)
		return sp_fail(err, SP_EINVAL, "1 to %u roles", SUP_ROLES_MAX);
	supervisor *s = SP_NEW(supervisor);
	*s = (supervisor){.world = w, .opts = *o, .n_children = o->n_roles};
	sp_list_init(&s->clients);
	if (o->socket.len > 0) {
		sp_code code = sp_listen(w, o->socket, NULL, on_accept, s, &s->listener, err);
		if (code != SP_OK) {
			sp_free(s);
			return code;
		}
	}
	for (size_t i = 0; i < s->n_children; i++) {
		child *c = &s->children[i];
		*c = (child){
			.of = s, .role = &o->roles[i], .timer = {.arg = c}, .backoff_ns = SUP_BACKOFF_MIN_NS};
		sp_sm_init(&c->state, "role", states, SP_LEN(states), WAITING);
		start(c);
	}
	*ret = s;
	return SP_OK;
}

void sup_free(supervisor *s)
{
	SP_ASSERT(s == NULL || (s->ended && s->n_clients == 0));
	sp_free(s);
}
