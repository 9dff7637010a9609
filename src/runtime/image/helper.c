/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs done by `sampan-unpack`, one process each; what it says is believed as little as what it reads. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/num.h"
#include "io/stream.h"
#include "io/tls/sha256.h"
#include "runtime/image/manifest.h"
#include "runtime/image/unpacker.h"

#define ANSWER_BYTES 512u
#define ARGS_BYTES ((size_t)4 << 20)

typedef struct running {
	image_job *job;
	sp_process *process;
	sp_stream *out;
	sp_buf answer;
	bool exited, ended, closed, cancelled;
	sp_exit exit;
} running;

/* ---- the answer ---- */

static sp_code nonsense(sp_err *err)
{
	return sp_fail(err, SP_EINTERNAL, "sampan-unpack answers nonsense");
}

/* "ok BYTES INODES [DIGEST]" */
static sp_code parse_ok(sp_str text, image_job *j, sp_err *err)
{
	sp_str bytes, inodes;
	if (!sp_str_cut(&text, ' ', &bytes) || !sp_str_cut(&text, ' ', &inodes) ||
	    sp_parse_u64(bytes, 0, INT64_MAX, &j->bytes, NULL) != SP_OK ||
	    sp_parse_u64(inodes, 0, INT64_MAX, &j->inodes, NULL) != SP_OK)
		return nonsense(err);
	if (j->kind != IMAGE_JOB_UNPACK)
		return SP_OK;
	if (text.len != SP_SHA256_TEXT_BYTES)
		return nonsense(err);
	memcpy(j->diff_id, "sha256:", 7);
	memcpy(j->diff_id + 7, text.ptr, text.len);
	j->diff_id[7 + SP_SHA256_TEXT_BYTES] = '\0';
	return SP_OK;
}

/* "CODE MESSAGE" */
static sp_code parse_failed(sp_str text, sp_err *err)
{
	sp_str number;
	uint64_t code;
	if (!sp_str_cut(&text, ' ', &number) ||
	    sp_parse_u64(number, 1, SP_CODE_COUNT_ - 1, &code, NULL) != SP_OK)
		return nonsense(err);
	return sp_fail(err, (sp_code)code, SP_FMT, SP_ARG(text));
}

sp_code image_job_judge(image_job *j, sp_str output, sp_exit exit, sp_err *err)
{
	sp_str line, rest = output;
	if (exit.signal != 0)
		return sp_fail(err, SP_EINTERNAL, "sampan-unpack was ended by signal %d", exit.signal);
	if (!sp_str_cut(&rest, '\n', &line))
		return sp_fail(err, SP_EINTERNAL, "sampan-unpack ended with status %d and no word",
			       exit.code);
	if (sp_str_take(&line, SP_STR("ok ")))
		return parse_ok(line, j, err);
	return sp_str_take(&line, SP_STR("failed ")) ? parse_failed(line, err) : nonsense(err);
}

static void check_end(running *r)
{
	sp_err err;
	if (!r->exited || !r->ended)
		return;
	if (!r->closed && r->out != NULL) { /* on_close comes back here */
		r->closed = true;
		sp_stream_close(r->out);
		return;
	}
	if (r->out != NULL)
		return;
	image_job *j = r->job;
	sp_code code = r->cancelled ? sp_fail(&err, SP_ECANCELED, "canceled")
				    : image_job_judge(j, sp_buf_view(&r->answer), r->exit, &err);
	sp_process_free(r->process);
	sp_buf_done(&r->answer);
	sp_free(r);
	j->done(j, code, code == SP_OK ? NULL : &err);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)sp_buf_append(&((running *)arg)->answer, bytes, n); /* too much is nonsense, as is nothing */
}

static void on_end(void *arg)
{
	running *r = arg;
	r->ended = true;
	check_end(r);
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	on_end(arg);
}

static void on_close(void *arg)
{
	running *r = arg;
	r->out = NULL;
	check_end(r);
}

static void on_exit_of(void *arg, sp_exit exit)
{
	running *r = arg;
	r->exited = true;
	r->exit = exit;
	check_end(r);
}

/* ---- starting ---- */

static const char *const verbs[] = {
	[IMAGE_JOB_UNPACK] = "unpack", [IMAGE_JOB_REMOVE] = "remove", [IMAGE_JOB_USAGE] = "usage"};

static bool add_number(sp_arena *a, const char **argv, size_t *n, const char *flag, uint64_t v)
{
	sp_str text = sp_arena_printf(a, "%llu", (unsigned long long)v);
	argv[(*n)++] = flag;
	argv[(*n)++] = text.ptr;
	return text.ptr != NULL;
}

static const char *const *arguments(const image_helper *h, const image_job *j, sp_arena *a)
{
	size_t n = 0;
	const char **argv = sp_try_new(a, const char *, 12 + 2 * j->n_parents);
	sp_str dir = sp_arena_try_dup(a, j->dir); /* with a NUL */
	if (argv == NULL || dir.ptr == NULL)
		return NULL;
	argv[n++] = h->path;
	argv[n++] = verbs[j->kind];
	argv[n++] = dir.ptr;
	if (h->unpacker.user_xattr)
		argv[n++] = "--user-xattr";
	if (j->kind != IMAGE_JOB_UNPACK)
		return argv;
	if (j->allow_devices)
		argv[n++] = "--allow-devices";
	if (!add_number(a, argv, &n, "--bytes", j->bytes_max) ||
	    !add_number(a, argv, &n, "--inodes", j->inodes_max) ||
	    !add_number(a, argv, &n, "--reserve", j->reserve_bytes))
		return NULL;
	for (size_t i = 0; i < j->n_parents; i++) {
		sp_str parent = sp_arena_try_dup(a, j->parents[i]);
		if (parent.ptr == NULL)
			return NULL;
		argv[n++] = "--parent";
		argv[n++] = parent.ptr;
	}
	return argv;
}

/* Opening a file that is there does not wait for anything: on the loop. */
static sp_code open_blob(const image_job *j, sp_arena *a, int *ret, sp_err *err)
{
	sp_str path = sp_arena_try_dup(a, j->blob);
	*ret = -1;
	if (j->kind != IMAGE_JOB_UNPACK)
		return SP_OK;
	if (path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to start sampan-unpack");
	*ret = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *ret >= 0 ? SP_OK : sp_fail_sys(err, errno, "open '%s'", path.ptr);
}

static sp_code spawn(image_helper *h, running *r, const image_job *j, sp_arena *a, int out, sp_err *err)
{
	int in;
	const char *const *argv = arguments(h, j, a);
	if (argv == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to start sampan-unpack");
	SP_TRY(open_blob(j, a, &in, err));
	const int fds[] = {in, out, STDERR_FILENO};
	const sp_spawn_opts opts = {.argv = argv, .fds = fds, .n_fds = SP_LEN(fds), .death_signal = SIGKILL};
	sp_code code = sp_spawn(h->world, &opts, on_exit_of, r, &r->process, err);
	if (in >= 0)
		(void)close(in);
	return code;
}

static sp_code start_with(image_helper *h, running *r, image_job *j, sp_err *err)
{
	static const sp_stream_handler handler = {
		.on_data = on_data, .on_end = on_end, .on_error = on_error, .on_close = on_close};
	int pipe[2];
	sp_arena a;
	if (pipe2(pipe, O_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "start sampan-unpack");
	sp_arena_init(&a, ARGS_BYTES);
	sp_code code = spawn(h, r, j, &a, pipe[1], err);
	(void)close(pipe[1]);
	sp_arena_done(&a);
	if (code == SP_OK) {
		code = sp_stream_from_fd(h->world, pipe[0], &r->out, err);
		if (code != SP_OK) { /* it gets an error when it answers, and ends */
			sp_process_free(r->process);
			r->process = NULL;
		}
	}
	if (code != SP_OK) {
		(void)close(pipe[0]);
		return code;
	}
	sp_stream_handle(r->out, &handler, r);
	sp_stream_read(r->out, true);
	return SP_OK;
}

static sp_code start(void *arg, image_job *j, sp_err *err)
{
	running *r = sp_try_alloc(sizeof *r);
	if (r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to start sampan-unpack");
	r->job = j;
	sp_buf_init(&r->answer, ANSWER_BYTES);
	sp_code code = start_with(arg, r, j, err);
	if (code != SP_OK) {
		sp_buf_done(&r->answer);
		sp_free(r);
		return code;
	}
	j->impl[0] = r;
	return SP_OK;
}

static void cancel(void *arg, image_job *j)
{
	running *r = j->impl[0];
	(void)arg;
	r->cancelled = true;
	(void)!sp_process_kill(r->process, SIGKILL, NULL); /* it may have ended */
}

void image_helper_init(image_helper *h, sp_world *w, const char *path)
{
	*h = (image_helper){.world = w, .path = path};
	h->unpacker =
		(image_unpacker){.start = start, .cancel = cancel, .arg = h, .user_xattr = geteuid() != 0};
}
