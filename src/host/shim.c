/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and deleting shims. U: containerd docs/runtime-v2.md, "Commands". */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "host/host_int.h"

#define OUTPUT_BYTES 16384u
#define TIMEOUT_NS UINT64_C(10000000000)
#define ARGS_MAX 16
#define SOCKET_DIR "/run/containerd/s" /* shim/start.c */
#define SOCKET_DIGITS 32u

/* One command of the shim. Over when the process ended and its output was read to the end. */
typedef struct command {
	host_run run;
	host_request *r;
	const char *verb;
	sp_process *process;
	sp_stream *out;
	sp_buf text;
	sp_timer timer;
	sp_exit exit;
	bool exited, timed_out;
} command;

/* ---- the answer ---- */

/* The address: the whole output, or the member of a JSON object (containerd 1.7). */
static sp_code address_of(host_request *r, sp_str text, sp_str *ret, sp_err *err)
{
	text = sp_str_trim(text);
	if (sp_str_starts(text, SP_STR("{"))) {
		yyjson_val *v;
		SP_TRY(sp_json_parse(&r->arena, text, &v, err));
		text = sp_json_str(sp_json_last(v, SP_STR("address")));
	}
	if (!sp_str_starts(text, SP_STR("unix://")))
		return sp_fail(err, SP_EPROTO, "the shim said '" SP_FMT "' instead of an address",
			       SP_ARG(text));
	*ret = text;
	return SP_OK;
}

static sp_code outcome(command *c, sp_host_shim *ret, sp_err *err)
{
	sp_str text = sp_buf_view(&c->text);
	if (c->timed_out)
		return sp_fail(err, SP_ETIMEOUT, "shim %s did not end in time", c->verb);
	if (c->exit.code != 0)
		return sp_fail(err, SP_EINTERNAL, "shim %s exited with %d: " SP_FMT, c->verb, c->exit.code,
			       SP_ARG(sp_str_trim(text)));
	return strcmp(c->verb, "start") == 0 ? address_of(c->r, text, &ret->address, err) : SP_OK;
}

static void maybe_over(command *c)
{
	if (!c->exited || c->out != NULL)
		return;
	sp_err err;
	sp_host_shim shim = {.address = {NULL, 0}};
	sp_timer_stop(c->run.h->world, &c->timer);
	if (outcome(c, &shim, &err) != SP_OK)
		host_refuse(c->r, &err);
	else
		host_answer(c->r, c->r->method == SP_HOST_SHIM_START ? (void *)&shim : NULL);
	sp_process_free(c->process);
	sp_buf_done(&c->text);
	host_run_end(&c->run);
	sp_free(c);
}

/* ---- events ---- */

static void on_exit_(void *arg, sp_exit exit)
{
	command *c = arg;
	c->exit = exit;
	c->exited = true;
	maybe_over(c);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	command *c = arg;
	size_t room = OUTPUT_BYTES - c->text.len;
	(void)sp_buf_append(&c->text, bytes, SP_MIN(n, room)); /* more is no address anyway */
}

static void on_end(void *arg)
{
	sp_stream_close(((command *)arg)->out);
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	on_end(arg);
}

static void on_close(void *arg)
{
	command *c = arg;
	c->out = NULL;
	maybe_over(c);
}

static const sp_stream_handler output_handler = {on_data, on_end, on_error, on_close};

static void on_timeout(sp_timer *t)
{
	command *c = t->arg;
	c->timed_out = true;
	(void)!sp_process_kill(c->process, SIGKILL, NULL);
	if (c->out != NULL)
		sp_stream_close(c->out);
}

static void stop(host_run *r)
{
	command *c = SP_CONTAINER_OF(r, command, run);
	on_timeout(&c->timer);
}

/* ---- the socket ---- */

/* "DIR/" and 32 digits, as the shim names it; nothing else is ever removed here. */
static bool is_socket(sp_str path)
{
	if (!sp_str_take(&path, SP_STR(SOCKET_DIR "/")) || path.len != SOCKET_DIGITS)
		return false;
	for (size_t i = 0; i < path.len; i++) {
		char c = path.ptr[i];
		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
	}
	return true;
}

void host_shim_forget(sp_str address)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!sp_str_take(&address, SP_STR("unix://")) || !is_socket(address))
		return;
	memcpy(to.sun_path, address.ptr, address.len); /* fits: see is_socket */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* One that listens is at its end and takes its name along. */
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno == ECONNREFUSED)
		(void)unlink(to.sun_path);
	(void)close(fd);
}

/* ---- starting ---- */

/* The options on a pipe that is full of them and closed behind. */
static sp_code options_pipe(const host *h, int *ret, sp_err *err)
{
	int fds[2];
	sp_str o = h->opts->shim_options;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "pipe");
	ssize_t n = o.len == 0 ? 0 : write(fds[1], o.ptr, o.len);
	(void)close(fds[1]);
	if (n != (ssize_t)o.len) {
		(void)close(fds[0]);
		return sp_fail(err, SP_ETOOLARGE, "the shim's options are too long");
	}
	*ret = fds[0];
	return SP_OK;
}

static const char *text(host_request *r, sp_str s)
{
	sp_str copy = sp_arena_try_dup(&r->arena, s);
	return copy.ptr == NULL ? "" : copy.ptr;
}

static sp_code spawn(command *c, const sp_spawn_opts *base, sp_err *err)
{
	int in = -1, out[2];
	SP_TRY(options_pipe(c->run.h, &in, err));
	if (pipe2(out, O_CLOEXEC) != 0) {
		(void)close(in);
		return sp_fail_sys(err, errno, "pipe");
	}
	/* The last: the next host process waits for what runs for this one. */
	const int fds[] = {in, out[1], out[1], c->run.h->lock};
	sp_spawn_opts o = *base;
	o.fds = fds;
	o.n_fds = SP_LEN(fds);
	sp_code code = sp_spawn(c->run.h->world, &o, on_exit_, c, &c->process, err);
	(void)close(in);
	(void)close(out[1]);
	if (code == SP_OK) {
		code = sp_stream_from_fd(c->run.h->world, out[0], &c->out, err);
		if (code == SP_OK)
			return SP_OK;
		(void)!sp_process_kill(c->process, SIGKILL, NULL);
		sp_process_free(c->process);
	}
	(void)close(out[0]);
	return code;
}

static sp_code run(host_request *r, const char *verb, sp_str id, sp_str events, sp_err *err)
{
	host *h = r->h;
	const host_opts *o = h->opts;
	host_path_buf bundle;
	SP_TRY(host_path_of(h, "containers", id, "", &bundle, err));
	const char *const argv[ARGS_MAX] = {text(r, o->shim),
					    "-namespace",
					    text(r, o->namespace_),
					    "-address",
					    text(r, o->run_dir),
					    "-publish-binary",
					    text(r, o->containerd),
					    "-id",
					    text(r, id),
					    "-bundle",
					    bundle.text,
					    verb,
					    NULL};
	sp_str address = sp_arena_printf(&r->arena, "TTRPC_ADDRESS=" SP_FMT, SP_ARG(events));
	sp_str grpc = sp_arena_printf(&r->arena, "GRPC_ADDRESS=" SP_FMT, SP_ARG(o->run_dir));
	const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				   "MAX_SHIM_VERSION=2",
				   "GOMAXPROCS=2",
				   address.ptr,
				   grpc.ptr,
				   NULL};
	command *c = SP_NEW(command);
	*c = (command){.r = r, .verb = verb, .timer = {.arg = c}, .run = {.h = h}};
	sp_buf_init(&c->text, OUTPUT_BYTES);
	const sp_spawn_opts opts = {.argv = argv, .env = env, .cwd = bundle.text, .death_signal = SIGKILL};
	sp_code code = spawn(c, &opts, err);
	if (code != SP_OK) {
		sp_free(c);
		return code;
	}
	host_run_begin(h, &c->run, stop);
	sp_stream_handle(c->out, &output_handler, c);
	sp_stream_read(c->out, true);
	sp_timer_start(h->world, &c->timer, TIMEOUT_NS, on_timeout);
	return SP_OK;
}

sp_code host_shim_start(host_request *r, const void *message, sp_err *err)
{
	const sp_host_shim_start *m = message;
	return run(r, "start", m->id, m->events, err);
}

sp_code host_shim_delete(host_request *r, const void *message, sp_err *err)
{
	const sp_host_id *m = message;
	return run(r, "delete", m->id, SP_STR(""), err);
}
