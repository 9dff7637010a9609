/* SPDX-License-Identifier: Apache-2.0 */
#include "host/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

#define ERRORS_BYTES 4096u

/* Over when the process ended and its output was read to the end. */
struct host_program {
	host_run run;
	sp_process *process;
	sp_stream *out;
	sp_buf text;
	sp_timer timer;
	sp_exit exit;
	int errors; /* -1: with the output */
	bool exited, timed_out, cut;
	void (*done)(void *arg, const host_program_result *result);
	void *arg;
};

static void maybe_over(host_program *p)
{
	char errors[ERRORS_BYTES];
	if (!p->exited || p->out != NULL)
		return;
	sp_timer_stop(p->run.h->world, &p->timer);
	ssize_t n = p->errors >= 0 ? pread(p->errors, errors, sizeof errors, 0) : 0;
	const host_program_result result = {.code = p->exit.code,
					    .timed_out = p->timed_out,
					    .out = sp_buf_view(&p->text),
					    .cut = p->cut,
					    .errors = {errors, n > 0 ? (size_t)n : 0}};
	p->done(p->arg, &result);
	if (p->errors >= 0)
		(void)close(p->errors);
	sp_process_free(p->process);
	sp_buf_done(&p->text);
	host_run_end(&p->run);
	sp_free(p);
}

/* ---- events ---- */

static void on_exit_(void *arg, sp_exit exit)
{
	host_program *p = arg;
	p->exit = exit;
	p->exited = true;
	maybe_over(p);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	host_program *p = arg;
	size_t room = p->text.limit_bytes - p->text.len;
	p->cut = p->cut || n > room || sp_buf_append(&p->text, bytes, SP_MIN(n, room)) != SP_OK;
}

static void on_end(void *arg)
{
	sp_stream_close(((host_program *)arg)->out);
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	on_end(arg);
}

static void on_close(void *arg)
{
	host_program *p = arg;
	p->out = NULL;
	maybe_over(p);
}

static const sp_stream_handler output_handler = {on_data, on_end, on_error, on_close};

static void on_timeout(sp_timer *t)
{
	host_program *p = t->arg;
	p->timed_out = true;
	(void)!sp_process_kill(p->process, SIGKILL, NULL);
	if (p->out != NULL)
		sp_stream_close(p->out);
}

static void stop(host_run *r)
{
	on_timeout(&SP_CONTAINER_OF(r, host_program, run)->timer);
}

/* ---- the start ---- */

/* A file without a name: a pipe would hold 64 KiB only. */
static sp_code memory_file(sp_str content, int *ret, sp_err *err)
{
	int fd = memfd_create("program", MFD_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "memfd");
	if (pwrite(fd, content.ptr, content.len, 0) != (ssize_t)content.len) {
		(void)close(fd);
		return sp_fail(err, SP_ENOMEM, "no memory for a program's input");
	}
	*ret = fd;
	return SP_OK;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
}

static sp_code spawn(host_program *p, const host_program_opts *o, sp_err *err)
{
	enum { IN, OUT, OUR_END, N };
	int own[N] = {-1, -1, -1};
	host *h = p->run.h;
	int fds[3 + HOST_PROGRAM_FDS_MAX + 1];
	size_t n = 3;
	SP_ASSERT(o->n_more <= HOST_PROGRAM_FDS_MAX);
	sp_code code = o->in != 0 ? SP_OK : memory_file(o->input, &own[IN], err);
	if (code == SP_OK && o->apart)
		code = memory_file(SP_STR(""), &p->errors, err);
	int ends[2];
	if (code == SP_OK && pipe2(ends, O_CLOEXEC) != 0)
		code = sp_fail_sys(err, errno, "pipe");
	if (code == SP_OK) {
		own[OUR_END] = ends[0];
		own[OUT] = ends[1];
		fds[0] = o->in != 0 ? o->in : own[IN];
		fds[1] = own[OUT];
		fds[2] = o->apart ? p->errors : own[OUT];
		for (size_t i = 0; i < o->n_more; i++)
			fds[n++] = o->more[i];
		if (o->holds_lock)
			fds[n++] = h->lock;
		const sp_spawn_opts s = {.argv = o->argv,
					 .env = o->env,
					 .cwd = o->cwd,
					 .fds = fds,
					 .n_fds = n,
					 .death_signal = SIGKILL};
		code = sp_spawn(h->world, &s, on_exit_, p, &p->process, err);
	}
	if (code == SP_OK) {
		code = sp_stream_from_fd(h->world, own[OUR_END], &p->out, err);
		if (code == SP_OK) {
			own[OUR_END] = -1;
		} else {
			(void)!sp_process_kill(p->process, SIGKILL, NULL);
			sp_process_free(p->process);
		}
	}
	close_all(own, N);
	return code;
}

void host_program_kill(host_program *p)
{
	(void)!sp_process_kill(p->process, SIGKILL, NULL); /* it may have ended */
}

sp_code host_program_run(host *h, const host_program_opts *o, host_program **ret, sp_err *err)
{
	host_program *p = SP_NEW(host_program);
	*p = (host_program){
		.run = {.h = h}, .timer = {.arg = p}, .errors = -1, .done = o->done, .arg = o->arg};
	sp_buf_init(&p->text, o->out_bytes);
	sp_code code = spawn(p, o, err);
	if (code != SP_OK) {
		close_all(&p->errors, 1);
		sp_free(p);
		return code;
	}
	host_run_begin(h, &p->run, stop);
	sp_stream_handle(p->out, &output_handler, p);
	sp_stream_read(p->out, true);
	if (o->timeout_ns != 0)
		sp_timer_start(h->world, &p->timer, o->timeout_ns, on_timeout);
	if (ret != NULL)
		*ret = p;
	return SP_OK;
}
