/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The task service over ttrpc in memory, with an OCI runtime that is a shell script: it makes the orders
 * happen that a real one shows once in a thousand runs.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/rpc_status.h"
#include "io/ttrpc/client_core.h"
#include "lib/t.h"
#include "shim/files.h"
#include "shim/task.h"

/*
 * fake: create leaves a process that waits for a FIFO, start opens it. With a file `slow`, start and exec
 * return only when the process is gone. With a FIFO `late` that process is, as with real ones, a fork of
 * create; it handles SIGTERM itself (runc's init) until `late` is opened, and then becomes the container's
 * program. `9` as process spec: it can't be run.
 */
static const char fake[] =
	"#!/bin/sh\n"
	"log=$4 verb=$7\n"
	"dir=${2%/root/*}\n"
	"shift 7\n"
	"fail() { printf '{\"level\":\"error\",\"msg\":\"%s\"}\\n' \"$1\" >>\"$log\"; exit 1; }\n"
	"gone() { while kill -0 \"$1\" 2>/dev/null; do :; done; }\n"
	"case $verb in\n"
	"create)\n"
	"	bundle=$2 pidfile=$4\n"
	"	[ ! -e \"$dir/bad-create\" ] || fail 'no such thing'\n"
	"	mkfifo \"$dir/go\"\n"
	"	if [ -e \"$dir/late\" ]; then\n"
	"		(trap 'exit 2' TERM; read x <\"$dir/go\"; read x <\"$dir/late\"; exec sh "
	"\"$dir/cmd\") <&0 &\n"
	"	else\n"
	"		sh -c 'read x <\"$0/go\"; exec sh \"$0/cmd\"' \"$dir\" <&0 &\n"
	"	fi\n"
	"	echo $! >\"$pidfile\"; echo $! >\"$dir/pid\" ;;\n"
	"start)\n"
	"	echo >\"$dir/go\"\n"
	"	[ ! -e \"$dir/slow\" ] || gone \"$(cat \"$dir/pid\")\" ;;\n"
	"exec)\n"
	"	pidfile=$5\n"
	"	[ \"$(cat \"$2\")\" != 9 ] || fail 'not found'\n"
	"	setsid -f sh -c 's=$(cat \"$0\"); echo $$ >\"$1\"; exec sh -c \"$s\"' \"$2\" \"$pidfile\"\n"
	"	while [ ! -s \"$pidfile\" ]; do :; done\n"
	"	[ ! -e \"$dir/slow\" ] || gone \"$(cat \"$pidfile\")\" ;;\n"
	"kill)\n"
	"	echo >\"$dir/killing\"\n"
	"	kill -9 \"$(cat \"$dir/pid\")\"\n"
	"	i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done\n"
	"	[ ! -e \"$dir/deleted\" ] || echo >\"$dir/overtaken\"\n"
	"	rm -f \"$dir/killing\"; echo >\"$dir/killed\" ;;\n"
	"delete)\n"
	"	[ ! -e \"$dir/bad-delete\" ] || fail 'no'\n"
	"	[ ! -e \"$dir/killing\" ] || fail 'invalid state transition from stopped to paused'\n"
	"	rm -f \"$dir/go\"; echo >\"$dir/deleted\" ;;\n"
	"esac\n";

typedef struct rig {
	shim_loop loop;
	shim_reaper reaper;
	shim_publisher *publisher;
	shim_tasks *tasks;
	sp_log *log;
	sp_buf to_server, to_client;
	sp_ttrpc_server_core *server;
	sp_ttrpc_client_core *client;
	shim_turn turn;
	shim_timer give_up;
	bool late, shut_down;
} rig;

typedef struct answer {
	sp_ttrpc_rpc rpc;
	rig *rig;
	bool ended;
	int32_t code;
	sp_str payload, text;
	unsigned order; /* of all ends */
} answer;

static rig the_rig;
static unsigned n_ends;

static void to_client(shim_turn *t)
{
	rig *r = t->arg;
	(void)!sp_ttrpc_client_core_feed(r->client, sp_buf_view(&r->to_client), NULL);
	sp_buf_clear(&r->to_client);
}

static void changed(void *owner)
{
	rig *r = owner;
	shim_turn_call(&r->loop, &r->turn);
}

static void no_signal(void *arg, int signal)
{
	(void)arg;
	(void)signal;
}

static void on_shutdown(void *arg)
{
	((rig *)arg)->shut_down = true;
}

static void no_line(void *arg, sp_str line)
{
	(void)arg;
	(void)line;
}

static void give_up(shim_timer *t)
{
	rig *r = t->arg;
	r->late = true;
	shim_loop_stop(&r->loop);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	sp_ttrpc_server_core_end(r->server);
	shim_tasks_free(r->tasks);
	sp_ttrpc_server_core_free(r->server);
	sp_ttrpc_client_core_free(r->client);
	shim_publisher_free(r->publisher);
	sp_buf_done(&r->to_server);
	sp_buf_done(&r->to_client);
	sp_log_free(r->log);
	shim_timer_stop(&r->loop, &r->give_up);
	shim_reaper_done(&r->reaper);
	shim_loop_done(&r->loop);
}

static const char *in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name).ptr;
}

static void put(const char *name, const char *text, mode_t mode)
{
	T_OK(shim_write_file(AT_FDCWD, in_tmp(name), sp_str_c(text), mode, T_ERR));
}

static sp_str content(const char *name)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 65536);
	if (shim_read_file(AT_FDCWD, in_tmp(name), &text, NULL) != SP_OK)
		return SP_STR("absent");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&text));
}

/* cmd: what the container runs. */
static rig *begin(const char *cmd)
{
	rig *r = &the_rig;
	/* Descriptors, signals and the reaper are the subject; faults of memory have tests of their own. */
	if (t_torture())
		t_skip("real processes");
	put("fake", fake, 0755);
	put("cmd", cmd, 0644);
	put("config.json", "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}", 0644);
	sp_code code = shim_loop_init(&r->loop, T_ERR);
	if (code == SP_OK)
		code = shim_reaper_init(&r->reaper, &r->loop, no_signal, r, T_ERR);
	SP_ASSERT(code == SP_OK);
	r->publisher = shim_publisher_new(&r->loop, SP_STR(""), SP_STR("ns"));
	const sp_log_opts log = {.wall_ns = shim_wall_ns, .write = no_line};
	r->log = sp_log_new(&log);
	const shim_tasks_opts o = {.loop = &r->loop,
				   .reaper = &r->reaper,
				   .publisher = r->publisher,
				   .log = r->log,
				   .cgroups = {"/none", false},
				   .ns = SP_STR("ns"),
				   .path = SP_STR("/usr/bin:/bin"),
				   .on_shutdown = on_shutdown,
				   .arg = r};
	r->tasks = shim_tasks_new(&o);
	sp_buf_init(&r->to_server, (size_t)1 << 20);
	sp_buf_init(&r->to_client, (size_t)1 << 20);
	shim_turn_init(&r->turn, to_client, r);
	r->give_up = (shim_timer){.fn = give_up, .arg = r};
	code = sp_ttrpc_server_core_new(shim_tasks_services(r->tasks), SHIM_SERVICES, 0, r, changed,
					&r->to_client, &r->server, T_ERR);
	if (code == SP_OK)
		code = sp_ttrpc_client_core_new(&r->to_server, &r->client, T_ERR);
	SP_ASSERT(code == SP_OK);
	T_DEFER(rig_done, r);
	return r;
}

static void on_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	answer *a = rpc->arg;
	a->ended = true;
	a->code = status->code;
	a->payload = sp_arena_try_dup(T_ARENA, payload);
	a->text = sp_arena_try_dup(T_ARENA, status->message);
	a->order = ++n_ends;
	shim_loop_stop(&a->rig->loop);
}

static answer *call(rig *r, const char *method, const sp_pb_message *m, const void *req)
{
	SP_AUTO_BUF payload;
	sp_buf_init(&payload, 65536);
	sp_pb_encode(m, req, &payload);
	answer *a = sp_new(T_ARENA, answer, 1);
	a->rig = r;
	a->rpc = (sp_ttrpc_rpc){.on_end = on_end, .arg = a};
	const sp_ttrpc_call_opts o = {.service = SP_STR("containerd.task.v2.Task"),
				      .method = sp_str_c(method),
				      .payload = sp_buf_view(&payload)};
	sp_code code = sp_ttrpc_client_core_call(r->client, &a->rpc, &o, shim_now_ns(), T_ERR);
	SP_ASSERT(code == SP_OK);
	code = sp_ttrpc_server_core_feed(r->server, sp_buf_view(&r->to_server), shim_now_ns(), T_ERR);
	SP_ASSERT(code == SP_OK);
	sp_buf_clear(&r->to_server);
	return a;
}

/* Turns the loop until the answer is there; false: never. */
static bool await(answer *a)
{
	rig *r = a->rig;
	shim_timer_start(&r->loop, &r->give_up, 8 * SHIM_S);
	while (!a->ended && !r->late) {
		r->loop.stopped = false;
		shim_loop_run(&r->loop);
	}
	shim_timer_stop(&r->loop, &r->give_up);
	return a->ended;
}

static answer *done(rig *r, const char *method, const sp_pb_message *m, const void *req)
{
	answer *a = call(r, method, m, req);
	(void)await(a);
	return a;
}

static answer *by_id(rig *r, const char *method, const char *exec_id)
{
	const shim_id_req req = {SP_STR("c"), sp_str_c(exec_id)};
	return done(r, method, &shim_id_req_message, &req);
}

static answer *create(rig *r, const char *std_out)
{
	SP_AUTO_BUF value;
	sp_buf_init(&value, 4096);
	const shim_options options = {.binary_name = sp_str_c(in_tmp("fake")),
				      .root = sp_str_c(in_tmp("root"))};
	sp_pb_encode(&shim_options_message, &options, &value);
	shim_any any = {SP_STR("containerd.runc.v1.Options"), sp_buf_view(&value)};
	const shim_create_req req = {.id = SP_STR("c"),
				     .bundle = sp_str_c(t_tmpdir()),
				     .std_out = sp_str_c(std_out),
				     .options = &any};
	return done(r, "Create", &shim_create_req_message, &req);
}

static answer *exec(rig *r, const char *exec_id, const char *script, const char *std_out)
{
	shim_any spec = {SP_STR("process"), sp_str_c(script)};
	const shim_exec_req req = {
		.id = SP_STR("c"), .exec_id = sp_str_c(exec_id), .std_out = sp_str_c(std_out), .spec = &spec};
	return done(r, "Exec", &shim_exec_req_message, &req);
}

static uint32_t exit_of(const answer *a, const sp_pb_message *m)
{
	union {
		shim_wait_resp wait;
		shim_delete_resp removed;
	} u = {.removed = {0}};
	if (sp_pb_decode(m, a->payload, T_ARENA, &u, NULL) != SP_OK)
		return 9999;
	return m == &shim_wait_resp_message ? u.wait.exit_status : u.removed.exit_status;
}

static int32_t status_of(rig *r, const char *exec_id)
{
	shim_state_resp s = {0};
	const answer *a = by_id(r, "State", exec_id);
	return a->code == SP_RPC_OK &&
			       sp_pb_decode(&shim_state_resp_message, a->payload, T_ARENA, &s, NULL) == SP_OK
		       ? s.status
		       : -1;
}

#define T_ANSWER(a, want_code)                                                                       \
	do {                                                                                         \
		const answer *t_a_ = (a);                                                            \
		if (!t_a_->ended || t_a_->code != (want_code))                                       \
			T_FAIL("%s: %s %d " SP_FMT, #a, t_a_->ended ? "code" : "no end", t_a_->code, \
			       SP_ARG(t_a_->text));                                                  \
	} while (0)

SP_TEST(shim_task, a_life)
{
	rig *r = begin("echo hello; exit 3\n");
	const char *log = in_tmp("0.log");
	T_ANSWER(create(r, sp_arena_printf(T_ARENA, "cri://%s", log).ptr), SP_RPC_OK);
	T_EQ_I64(status_of(r, ""), SHIM_CREATED);
	T_ANSWER(create(r, ""), SP_RPC_ALREADY_EXISTS);
	const shim_id_req req = {.id = SP_STR("c")};
	answer *waiter = call(r, "Wait", &shim_id_req_message, &req);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	T_TRUE(await(waiter));
	T_EQ_U64(exit_of(waiter, &shim_wait_resp_message), 3);
	/* on disk, and before anybody heard of it */
	T_TRUE(sp_str_find(content("init.exit"), SP_STR(" 3 ")) > 0);
	T_EQ_I64(status_of(r, ""), SHIM_STOPPED);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_FAILED_PRECONDITION);
	T_EQ_U64(exit_of(by_id(r, "Wait", ""), &shim_wait_resp_message), 3);
	T_EQ_U64(exit_of(by_id(r, "Delete", ""), &shim_delete_resp_message), 3);
	T_TRUE(sp_str_ends(content("0.log"), SP_STR(" stdout F hello\n")));
	T_EQ_C(content("deleted"), "\n");
	T_ANSWER(by_id(r, "State", ""), SP_RPC_NOT_FOUND);
	T_ANSWER(by_id(r, "Shutdown", ""), SP_RPC_OK);
	T_TRUE(r->shut_down);
}

/* The container ends before the runtime's start does: Start is answered first all the same. */
SP_TEST(shim_task, an_exit_that_overtakes_the_start)
{
	rig *r = begin("exit 4\n");
	put("slow", "", 0644);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	const shim_id_req req = {.id = SP_STR("c")};
	answer *waiter = call(r, "Wait", &shim_id_req_message, &req);
	answer *start = by_id(r, "Start", "");
	T_ANSWER(start, SP_RPC_OK);
	T_TRUE(await(waiter));
	T_EQ_U64(exit_of(waiter, &shim_wait_resp_message), 4);
	T_TRUE(start->order < waiter->order);
}

/* The exec ends, and is reaped, before its pid is known. */
SP_TEST(shim_task, an_exec_that_overtakes_its_pid)
{
	rig *r = begin("sleep 1000\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	put("slow", "", 0644);
	for (unsigned i = 0; i < 5; i++) {
		const char *id = sp_arena_printf(T_ARENA, "e%u", i).ptr;
		const char *script = sp_arena_printf(T_ARENA, "exit %u", 10 + i).ptr;
		T_ANSWER(exec(r, id, script, ""), SP_RPC_OK);
		T_ANSWER(exec(r, id, script, ""), SP_RPC_ALREADY_EXISTS);
		T_ANSWER(by_id(r, "Start", id), SP_RPC_OK);
		answer *waited = by_id(r, "Wait", id);
		T_ANSWER(waited, SP_RPC_OK);
		T_EQ_U64(exit_of(waited, &shim_wait_resp_message), 10 + i);
		T_EQ_U64(exit_of(by_id(r, "Delete", id), &shim_delete_resp_message), 10 + i);
		T_ANSWER(by_id(r, "State", id), SP_RPC_NOT_FOUND);
	}
	const shim_kill_req kill_it = {.id = SP_STR("c"), .signal = SIGKILL};
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &kill_it), SP_RPC_OK);
	T_EQ_U64(exit_of(by_id(r, "Wait", ""), &shim_wait_resp_message), 137);
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &kill_it), SP_RPC_NOT_FOUND);
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_OK);
}

/* The init's end is told after that of its execs. */
SP_TEST(shim_task, execs_end_before_the_init)
{
	rig *r = begin("exit 0\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	put("cmd", "read x <\"$0.fifo\"\n", 0644);
	T_TRUE(mkfifo(in_tmp("cmd.fifo"), 0600) == 0);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	T_ANSWER(exec(r, "long", "sleep 1000", ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", "long"), SP_RPC_OK);
	const shim_id_req init = {.id = SP_STR("c")}, long_one = {SP_STR("c"), SP_STR("long")};
	answer *of_init = call(r, "Wait", &shim_id_req_message, &init);
	answer *of_exec = call(r, "Wait", &shim_id_req_message, &long_one);
	/* the init goes; the exec still runs */
	int fd = open(in_tmp("cmd.fifo"), O_WRONLY | O_CLOEXEC);
	T_TRUE(fd >= 0);
	T_TRUE(close(fd) == 0);
	T_EQ_I64(status_of(r, ""), SHIM_RUNNING);
	const shim_kill_req kill_it = {.id = SP_STR("c"), .exec_id = SP_STR("long"), .signal = SIGTERM};
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &kill_it), SP_RPC_OK);
	T_TRUE(await(of_exec));
	T_TRUE(await(of_init));
	T_TRUE(of_exec->order < of_init->order);
	T_EQ_U64(exit_of(of_exec, &shim_wait_resp_message), 143);
}

SP_TEST(shim_task, failures_of_the_runtime)
{
	rig *r = begin("sleep 1000\n");
	put("bad-create", "", 0644);
	answer *a = create(r, "");
	T_ANSWER(a, SP_RPC_UNKNOWN);
	T_EQ_C(a->text, "OCI runtime create failed: no such thing");
	T_ANSWER(by_id(r, "State", ""), SP_RPC_NOT_FOUND);
	T_TRUE(unlink(in_tmp("bad-create")) == 0);
	T_ANSWER(create(r, "ftp:///x"), SP_RPC_UNIMPLEMENTED);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(exec(r, "early", "true", ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", "early"), SP_RPC_FAILED_PRECONDITION);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_FAILED_PRECONDITION);
	T_ANSWER(exec(r, "bad", "9", ""), SP_RPC_OK);
	a = by_id(r, "Start", "bad");
	T_ANSWER(a, SP_RPC_UNKNOWN);
	T_EQ_C(a->text, "OCI runtime exec failed: not found");
	T_EQ_U64(exit_of(by_id(r, "Wait", "bad"), &shim_wait_resp_message), 255);
	T_ANSWER(by_id(r, "Delete", "bad"), SP_RPC_OK);
	T_ANSWER(exec(r, "../bad", "true", ""), SP_RPC_INVALID_ARGUMENT);
	T_ANSWER(by_id(r, "Checkpoint", ""), SP_RPC_UNIMPLEMENTED);
	const shim_kill_req kill_it = {.id = SP_STR("c"), .signal = SIGKILL};
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &kill_it), SP_RPC_OK);
	T_EQ_U64(exit_of(by_id(r, "Wait", ""), &shim_wait_resp_message), 137);
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_OK);
}

/* Deleting what was created but never started ends it. */
SP_TEST(shim_task, deleted_before_its_start)
{
	rig *r = begin("exit 0\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_EQ_U64(exit_of(by_id(r, "Delete", ""), &shim_delete_resp_message), 137);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_OK);
}

/* What is left without a pid namespace is killed before the end is told: no Delete meets the runtime at it.
 */
SP_TEST(shim_task, the_rest_is_killed_before_the_end_is_told)
{
	rig *r = begin("exit 3\n");
	put("config.json", "{\"linux\":{\"namespaces\":[]}}", 0644);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	const shim_id_req req = {.id = SP_STR("c")};
	answer *waiter = call(r, "Wait", &shim_id_req_message, &req);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	T_TRUE(await(waiter));
	T_EQ_C(content("killed"), "\n");
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_OK);
	T_EQ_C(content("overtaken"), "absent");
}

/* A container that ended and can't be deleted keeps the shim unless it is told to end now; one that runs
 * does in any case. */
SP_TEST(shim_task, shut_down_now)
{
	rig *r = begin("read x\n");
	const shim_shutdown_req later = {.id = SP_STR("c")}, now = {.id = SP_STR("c"), .now = true};
	put("bad-delete", "", 0644);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(done(r, "Shutdown", &shim_shutdown_req_message, &now), SP_RPC_OK);
	T_TRUE(!r->shut_down);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Wait", ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Delete", ""), SP_RPC_UNKNOWN);
	T_ANSWER(done(r, "Shutdown", &shim_shutdown_req_message, &later), SP_RPC_OK);
	T_TRUE(!r->shut_down);
	T_ANSWER(done(r, "Shutdown", &shim_shutdown_req_message, &now), SP_RPC_OK);
	T_TRUE(r->shut_down);
}

/* As the first process of a namespace it would never hear of a signal that comes before its handler. */
SP_TEST(shim_task, a_signal_waits_for_its_handler)
{
	rig *r = begin("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done\n"
		       "trap 'exit 7' TERM; echo >\"${0%/cmd}/listens\"; while :; do :; done\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	const shim_id_req req = {.id = SP_STR("c")};
	const shim_kill_req term = {.id = SP_STR("c"), .signal = SIGTERM};
	answer *waiter = call(r, "Wait", &shim_id_req_message, &req);
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &term), SP_RPC_OK);
	T_TRUE(await(waiter));
	T_EQ_C(content("listens"), "\n");
	T_EQ_U64(exit_of(waiter, &shim_wait_resp_message), 7);
}

/* The handlers of a process that is still the OCI runtime's are not those of the program. */
SP_TEST(shim_task, a_signal_waits_for_the_program)
{
	rig *r = begin("trap 'exit 7' TERM; while :; do :; done\n");
	T_TRUE(mkfifo(in_tmp("late"), 0600) == 0);
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	const shim_id_req req = {.id = SP_STR("c")};
	const shim_kill_req term = {.id = SP_STR("c"), .signal = SIGTERM};
	answer *waiter = call(r, "Wait", &shim_id_req_message, &req),
	       *killed = call(r, "Kill", &shim_kill_req_message, &term);
	/* It has been looked at, and sent if the process was thought to hear. */
	int late = open(in_tmp("late"), O_RDWR | O_CLOEXEC);
	T_TRUE(late >= 0 && write(late, "\n", 1) == 1);
	bool both = await(killed) && await(waiter);
	(void)close(late);
	T_TRUE(both);
	T_ANSWER(killed, SP_RPC_OK);
	T_EQ_U64(exit_of(waiter, &shim_wait_resp_message), 7);
}

SP_TEST(shim_task, a_signal_for_one_that_ends_meanwhile)
{
	rig *r = begin("while :; do :; done\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	const shim_kill_req term = {.id = SP_STR("c"), .signal = SIGTERM},
			    kill_it = {.id = SP_STR("c"), .signal = SIGKILL};
	answer *first = call(r, "Kill", &shim_kill_req_message, &term);
	answer *second = done(r, "Kill", &shim_kill_req_message, &kill_it);
	T_TRUE(await(first));
	T_ANSWER(second, SP_RPC_OK);
	T_ANSWER(first, SP_RPC_NOT_FOUND);
	T_EQ_U64(exit_of(by_id(r, "Wait", ""), &shim_wait_resp_message), 128 + SIGKILL);
}

SP_TEST(shim_task, a_signal_does_not_wait_for_ever)
{
	rig *r = begin("while :; do :; done\n");
	T_ANSWER(create(r, ""), SP_RPC_OK);
	T_ANSWER(by_id(r, "Start", ""), SP_RPC_OK);
	const shim_kill_req term = {.id = SP_STR("c"), .signal = SIGTERM};
	T_ANSWER(done(r, "Kill", &shim_kill_req_message, &term), SP_RPC_OK);
	T_EQ_U64(exit_of(by_id(r, "Wait", ""), &shim_wait_resp_message), 128 + SIGTERM);
}
