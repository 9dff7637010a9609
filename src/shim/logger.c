/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"

#define TERM_AFTER (2 * SHIM_S)
#define KILL_AFTER (12 * SHIM_S)

struct shim_logger {
	shim_loop *loop;
	shim_child child;
	shim_watch ready; /* -1 once it is */
	shim_timer timer;
	void (*on_ready)(void *arg);
	void *arg;
	bool released, told;
};

static void set_ready(shim_logger *l)
{
	if (l->ready.fd < 0)
		return;
	shim_watch_close(l->loop, &l->ready);
	if (l->on_ready != NULL)
		l->on_ready(l->arg);
}

static void free_logger(shim_logger *l)
{
	shim_timer_stop(l->loop, &l->timer);
	shim_watch_close(l->loop, &l->ready);
	shim_child_remove(&l->child);
	sp_free(l);
}

static void on_ready(shim_watch *w, uint32_t events)
{
	(void)events;
	set_ready(w->arg);
}

static void on_child_exit(shim_child *c, const shim_exit *e)
{
	(void)e;
	shim_logger *l = c->arg;
	if (l->released)
		free_logger(l);
	else
		set_ready(l); /* its output goes nowhere, the container runs */
}

static void on_timer(shim_timer *t)
{
	shim_logger *l = t->arg;
	if (l->child.pid == 0)
		return;
	(void)kill(l->child.pid, l->told ? SIGKILL : SIGTERM);
	if (!l->told)
		shim_timer_start(l->loop, &l->timer, KILL_AFTER - TERM_AFTER);
	l->told = true;
}

/* path, then key and value of each pair of the query. */
static const char *const *make_argv(const shim_uri *uri, sp_arena *a)
{
	const char **argv = sp_try_new(a, const char *, 2 * uri->query.n + 2);
	if (argv == NULL)
		return NULL;
	size_t n = 0;
	argv[n++] = uri->path;
	for (size_t i = 0; i < uri->query.n; i++) {
		argv[n++] = uri->query.pairs[i].key.ptr;
		if (uri->query.pairs[i].value.len > 0)
			argv[n++] = uri->query.pairs[i].value.ptr;
	}
	return argv;
}

static sp_code spawn(shim_logger *l, const shim_logger_opts *o, int ready_fd, sp_arena *a, sp_err *err)
{
	sp_str id = sp_arena_printf(a, "CONTAINER_ID=" SP_FMT, SP_ARG(o->id));
	sp_str ns = sp_arena_printf(a, "CONTAINER_NAMESPACE=" SP_FMT, SP_ARG(o->ns));
	const char *const *argv = make_argv(o->uri, a);
	if (id.ptr == NULL || ns.ptr == NULL || argv == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a logging program");
	const char *const env[] = {id.ptr, ns.ptr, NULL};
	const int fds[] = {-1, -1, -1, o->out_fd, o->err_fd, ready_fd};
	const shim_spawn_opts spawn_opts = {
		.path = o->uri->path, .argv = argv, .env = env, .fds = fds, .n_fds = SP_LEN(fds)};
	int pid;
	shim_exit ended;
	SP_TRY(shim_spawn(&spawn_opts, &pid, err));
	bool over = shim_child_add(o->reaper, &l->child, pid, &ended);
	SP_ASSERT(!over); /* children are reaped by the loop only */
	return SP_OK;
}

sp_code shim_logger_start(const shim_logger_opts *o, sp_arena *a, shim_logger **ret, sp_err *err)
{
	int pipe_fds[2];
	shim_logger *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a logging program");
	l->loop = o->loop;
	l->on_ready = o->on_ready;
	l->arg = o->arg;
	l->child = (shim_child){.on_exit = on_child_exit, .arg = l};
	l->timer = (shim_timer){.fn = on_timer, .arg = l};
	l->ready = (shim_watch){.fd = -1, .fn = on_ready, .arg = l};
	if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
		sp_free(l);
		return sp_fail_sys(err, errno, "pipe");
	}
	l->ready.fd = pipe_fds[0];
	sp_code code = spawn(l, o, pipe_fds[1], a, err);
	(void)close(pipe_fds[1]);
	if (code == SP_OK)
		code = shim_watch_set(o->loop, &l->ready, EPOLLIN, err);
	if (code != SP_OK) {
		free_logger(l);
		return code;
	}
	*ret = l;
	return SP_OK;
}

bool shim_logger_is_ready(const shim_logger *l)
{
	return l->ready.fd < 0;
}

void shim_logger_release(shim_logger *l)
{
	if (l == NULL)
		return;
	l->on_ready = NULL;
	l->released = true;
	if (l->child.pid == 0)
		free_logger(l);
	else
		shim_timer_start(l->loop, &l->timer, TERM_AFTER);
}
