/* SPDX-License-Identifier: Apache-2.0 */
/* Real processes: shells that end by themselves or wait to be told. */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>

#include "base/json.h"
#include "io/stream.h"
#include "lib/peer.h"
#include "lib/t.h"

static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
static const char *const waits[] = {"/bin/sleep", "1000", NULL};
static const char *const stubborn[] = {"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done", NULL};
static const char *const fails[] = {"/bin/sh", "-c", "exit 3", NULL};
static const char *const missing[] = {"/no/such/program", NULL};

static void drop_line(void *arg, sp_str line)
{
	(void)arg, (void)line;
}

static int64_t no_time(void *arg)
{
	(void)arg;
	return 0;
}

static sp_log *quiet(void)
{
	sp_log *log = sp_log_new(&(sp_log_opts){.wall_ns = no_time, .write = drop_line});
	T_DEFER(sp_log_free, log);
	return log;
}

static void stop_world(void *arg)
{
	sp_world_stop(arg);
}

static yyjson_val *state_of(const supervisor *s, size_t i)
{
	SP_AUTO_BUF text;
	yyjson_val *root = NULL;
	sp_buf_init(&text, 1 << 16);
	SP_ASSERT(sup_print(s, &text) == SP_OK);
	SP_ASSERT(sp_json_parse(T_ARENA, sp_arena_try_dup(T_ARENA, sp_buf_view(&text)), &root, NULL) ==
		  SP_OK);
	return yyjson_arr_get(yyjson_obj_get(root, "roles"), i);
}

static int64_t number_at(yyjson_val *v, const char *key)
{
	return yyjson_get_sint(yyjson_obj_get(v, key));
}

static sp_str text_at(yyjson_val *v, const char *key)
{
	return sp_json_str(yyjson_obj_get(v, key));
}

/* Looks each millisecond until the role was started again. */
typedef struct watch {
	sp_timer timer;
	sp_world *world;
	supervisor *s;
	size_t i;
	int64_t n_restarts;
} watch;

static void on_look(sp_timer *t)
{
	watch *v = t->arg;
	if (number_at(state_of(v->s, v->i), "restarts") >= v->n_restarts)
		sp_world_stop(v->world);
	else
		sp_timer_start(v->world, t, 1000000, on_look);
}

static void until_restarted(sp_world *w, supervisor *s, size_t i, int64_t n)
{
	watch v = {.world = w, .s = s, .i = i, .n_restarts = n, .timer = {.arg = &v}};
	sp_timer_start(w, &v.timer, 0, on_look);
	sp_world_run(w);
}

SP_TEST(supervisor, starts_again_and_stops)
{
	if (t_torture())
		t_skip("real processes");
	sp_world *w = t_world_uv();
	const sup_role roles[] = {
		{.name = "a", .argv = waits}, {.name = "b", .argv = fails}, {.name = "c", .argv = missing}};
	const sup_opts o = {.roles = roles, .n_roles = 3, .env = env, .log = quiet()};
	supervisor *s = NULL;
	T_OK(sup_new(w, &o, &s, T_ERR));
	T_EQ_C(text_at(state_of(s, 0), "state"), "running");
	T_EQ_C(text_at(state_of(s, 2), "state"), "waiting");
	until_restarted(w, s, 1, 2);
	T_EQ_C(text_at(state_of(s, 1), "last"), "exited with status 3");
	T_EQ_I64(number_at(state_of(s, 0), "restarts"), 0);
	T_EQ_C(text_at(state_of(s, 2), "last"), "start '/no/such/program': No such file or directory");
	/* One that is killed comes again. */
	int64_t pid = number_at(state_of(s, 0), "pid");
	T_TRUE(kill((pid_t)pid, SIGKILL) == 0);
	until_restarted(w, s, 0, 1);
	T_EQ_C(text_at(state_of(s, 0), "last"), "killed by signal 9");
	T_TRUE(number_at(state_of(s, 0), "pid") != pid);
	sup_stop(s, stop_world, w);
	sp_world_run(w);
	T_EQ_C(text_at(state_of(s, 0), "state"), "stopped");
	T_EQ_C(text_at(state_of(s, 0), "last"), "killed by signal 15");
	sup_free(s);
}

/* ---- the socket ---- */

typedef struct reader {
	sp_world *world;
	sp_connect_req req;
	sp_stream *stream;
	char text[4096];
	size_t n;
	bool ended;
} reader;

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	reader *r = arg;
	SP_ASSERT(r->n + n < sizeof r->text);
	memcpy(r->text + r->n, bytes, n);
	r->n += n;
}

static void on_end(void *arg)
{
	reader *r = arg;
	r->ended = true;
	sp_stream_close(r->stream);
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	sp_stream_close(((reader *)arg)->stream);
}

static void on_close(void *arg)
{
	sp_world_stop(((reader *)arg)->world);
}

static void on_connect(sp_connect_req *req, sp_stream *stream, const sp_err *err)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};
	reader *r = req->arg;
	(void)err;
	SP_ASSERT(stream != NULL);
	r->stream = stream;
	sp_stream_handle(stream, &handler, r);
	sp_stream_read(stream, true);
}

SP_TEST(supervisor, tells_who_connects)
{
	if (t_torture())
		t_skip("real processes");
	sp_world *w = t_world_uv();
	char path[64];
	(void)snprintf(path, sizeof path, "unix:@sampan-supervisor-test-%d", (int)getpid());
	const sup_role roles[] = {{.name = "a", .argv = waits}};
	const sup_opts o = {
		.roles = roles, .n_roles = 1, .env = env, .log = quiet(), .socket = sp_str_c(path)};
	supervisor *s = NULL;
	T_OK(sup_new(w, &o, &s, T_ERR));
	reader r = {.world = w};
	r.req = (sp_connect_req){.done = on_connect, .arg = &r};
	T_OK(sp_connect(w, &r.req, o.socket, UINT64_C(1000000000), T_ERR));
	sp_world_run(w);
	T_TRUE(r.ended);
	T_TRUE(sp_str_find((sp_str){r.text, r.n}, SP_STR("\"name\":\"a\",\"state\":\"running\"")) >= 0);
	sup_stop(s, stop_world, w);
	sp_world_run(w);
	sup_free(s);
}

SP_TEST(supervisor, bad_options)
{
	if (t_torture())
		t_skip("real processes");
	sp_world *w = t_world_uv();
	supervisor *s = NULL;
	T_CODE(sup_new(w, &(sup_opts){0}, &s, T_ERR), SP_EINVAL);
	const sup_role roles[] = {{.name = "a", .argv = stubborn}};
	const sup_opts o = {.roles = roles,
			    .n_roles = 1,
			    .env = env,
			    .log = quiet(),
			    .socket = SP_STR("unix:/no/such/dir/s")};
	T_TRUE(sup_new(w, &o, &s, T_ERR) != SP_OK);
}
