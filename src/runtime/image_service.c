/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image_service.h"

#include "base/alloc.h"
#include "contracts/image_service.h"
#include "io/file.h"
#include "runtime/image/verbs.h"

#define QUEUE_BYTES ((size_t)8 << 20) /* of a file that comes: read ahead of the disk */
#define STOP_BYTES ((size_t)1 << 20)  /* the client is held back above */
#define TRANSFERS_MAX 16u
#define ARENA_BYTES ((size_t)1 << 20)
#define MESSAGE_BYTES ((size_t)5 << 20) /* out: a whole listing */

struct image_service {
	sp_world *world;
	image_store *store;
	image_registry *registry;
	sp_str dir;
	sp_grpc_method method;
	sp_grpc_service service;
	sp_list transfers;
	size_t n_transfers;
	uint64_t next_number;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

typedef enum step { STEP_REQUEST, STEP_TAKING, STEP_VERB, STEP_GIVING, STEP_ENDING } step;

/* One call, and what goes on when its client is gone. */
typedef struct transfer {
	sp_list node;
	image_service *service;
	sp_grpc_call *grpc; /* NULL: nobody waits any more */
	sp_arena arena;
	sp_image_run_request request;
	image_verb *verb;
	step step;
	bool half_closed;
	sp_str path; /* of the file that stands here; empty: none */
	sp_buf queue;

	/* of the job under way; the worker's while it runs */
	sp_work work;
	bool working;
	sp_file *file;
	sp_buf batch;
	uint64_t offset;
	sp_code code;
	sp_err err;
} transfer;

static void serve(transfer *t);

/* ---- the end ---- */

static void closed(image_service *s)
{
	if (s->on_closed == NULL || s->n_transfers > 0)
		return;
	void (*done)(void *arg) = s->on_closed;
	void *arg = s->closed_arg;
	sp_free(s);
	done(arg);
}

static void answer(transfer *t, sp_code code, const sp_err *err)
{
	sp_grpc_call *grpc = SP_TAKE(t->grpc);
	if (grpc == NULL)
		return;
	if (code == SP_OK)
		sp_grpc_call_finish(grpc, NULL, SP_STR(""));
	else
		sp_grpc_call_fail(grpc, err);
}

static void release(transfer *t)
{
	image_service *s = t->service;
	sp_list_remove(&t->node);
	s->n_transfers--;
	sp_buf_done(&t->queue);
	sp_buf_done(&t->batch);
	sp_arena_done(&t->arena);
	sp_free(t);
	closed(s);
}

static void remove_file(sp_work *job)
{
	transfer *t = job->arg;
	sp_file_close(SP_TAKE(t->file));
	(void)!sp_path_unlink(t->service->world, t->path, NULL); /* the next start empties the directory */
}

static void file_removed(sp_work *job)
{
	transfer *t = job->arg;
	answer(t, t->code, &t->err);
	release(t);
}

/* Answers when nothing of it stands here any more. */
static void finish(transfer *t, sp_code code, const sp_err *err)
{
	t->step = STEP_ENDING;
	t->code = code;
	if (code != SP_OK && err != &t->err)
		t->err = *err;
	t->work = (sp_work){.fn = remove_file, .done = file_removed, .arg = t};
	if (t->path.len > 0 && sp_work_start(t->service->world, &t->work, NULL) == SP_OK)
		return;
	sp_file_close(SP_TAKE(t->file));
	file_removed(&t->work);
}

/* ---- on the worker ---- */

static void take_bytes(sp_work *job)
{
	transfer *t = job->arg;
	const uint32_t flags = SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE | SP_FILE_NOFOLLOW;
	t->code = t->file != NULL ? SP_OK
				  : sp_file_open(t->service->world, t->path, flags, 0600, &t->file, &t->err);
	if (t->code == SP_OK)
		t->code = sp_file_pwrite(t->file, t->offset, t->batch.ptr, t->batch.len, &t->err);
	t->offset += t->batch.len;
}

static void give_bytes(sp_work *job)
{
	transfer *t = job->arg;
	size_t n = 0;
	sp_buf_clear(&t->batch);
	char *room = sp_buf_reserve(&t->batch, SP_IMAGE_DATA_BYTES);
	t->code = t->file != NULL ? SP_OK
				  : sp_file_open(t->service->world, t->path, SP_FILE_READ | SP_FILE_NOFOLLOW,
						 0, &t->file, &t->err);
	if (t->code == SP_OK && room == NULL)
		t->code = sp_fail(&t->err, SP_ENOMEM, "no memory for a part of the file");
	if (t->code == SP_OK)
		t->code = sp_file_pread(t->file, t->offset, room, SP_IMAGE_DATA_BYTES, &n, &t->err);
	if (t->code == SP_OK)
		sp_buf_added(&t->batch, n);
	t->offset += n;
}

static void send(transfer *t, const sp_image_run_response *r)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, MESSAGE_BYTES);
	if (t->grpc == NULL)
		return;
	sp_pb_encode(&sp_image_run_response_message, r, &out);
	sp_err err;
	sp_code code = sp_buf_code(&out) != SP_OK ? sp_fail(&err, sp_buf_code(&out), "the answer is too long")
						  : sp_grpc_call_send(t->grpc, sp_buf_view(&out), &err);
	if (code != SP_OK)
		answer(t, code, &err);
}

static void job_done(sp_work *job)
{
	transfer *t = job->arg;
	t->working = false;
	if (t->code != SP_OK) {
		finish(t, t->code, &t->err);
		return;
	}
	if (t->step == STEP_GIVING) {
		const sp_image_run_response r = {.data = sp_buf_view(&t->batch)};
		if (t->batch.len > 0)
			send(t, &r);
		if (t->batch.len < SP_IMAGE_DATA_BYTES) {
			finish(t, SP_OK, NULL);
			return;
		}
	}
	serve(t);
}

static void start_job(transfer *t, void (*fn)(sp_work *job))
{
	sp_err err;
	t->work = (sp_work){.fn = fn, .done = job_done, .arg = t};
	sp_code code = sp_work_start(t->service->world, &t->work, &err);
	t->working = code == SP_OK;
	if (code != SP_OK)
		finish(t, code, &err);
}

/* ---- the verb ---- */

static void on_out(void *arg, sp_str text)
{
	const sp_image_run_response r = {.out = text};
	send(arg, &r);
}

/* Steps that a slow client has no room for are left out: the next one says more. */
static void on_progress(void *arg, sp_str reference, const image_progress *p)
{
	transfer *t = arg;
	sp_image_step at = {.reference = reference,
			    .digest = p->digest,
			    .stage = (int32_t)p->stage,
			    .i_layer = p->i_layer,
			    .n_layers = p->n_layers,
			    .done_bytes = p->done_bytes,
			    .total_bytes = p->total_bytes};
	const sp_image_run_response r = {.step = &at};
	if (t->grpc != NULL && !sp_grpc_call_is_full(t->grpc))
		send(t, &r);
}

static bool is_verb(const transfer *t, const char *name)
{
	return sp_str_eq(t->request.verb, sp_str_c(name));
}

static void on_verb_done(void *arg, sp_code code, const sp_err *err)
{
	transfer *t = arg;
	t->verb = NULL;
	if (code != SP_OK || !is_verb(t, "export")) {
		finish(t, code, err);
		return;
	}
	t->step = STEP_GIVING;
	t->offset = 0;
	serve(t);
}

static void start_verb(transfer *t)
{
	image_service *s = t->service;
	const sp_image_run_request *q = &t->request;
	t->step = STEP_VERB;
	sp_file_close(SP_TAKE(t->file));
	const image_verb_opts o = {.verb = image_verb_find(q->verb),
				   .args = q->args.at,
				   .n_args = q->args.n,
				   .file = t->path,
				   .all = q->all,
				   .no_unpack = q->no_unpack,
				   .platform = q->platform,
				   .base_name = q->base_name,
				   .username = q->username,
				   .password = q->password,
				   .out = on_out,
				   .progress = on_progress,
				   .done = on_verb_done,
				   .arg = t};
	image_verb_start(s->store, s->registry, &o, &t->verb);
}

/* ---- what comes ---- */

/* The next thing to do, when nothing is under way. */
static void serve(transfer *t)
{
	if (t->working || t->step == STEP_VERB || t->step == STEP_ENDING)
		return;
	if (t->grpc == NULL) {
		sp_err err;
		finish(t, sp_fail(&err, SP_ECANCELED, "the client is gone"), &err);
	} else if (t->step == STEP_GIVING) {
		if (!sp_grpc_call_is_full(t->grpc))
			start_job(t, give_bytes);
	} else if (t->queue.len > 0) {
		sp_buf batch = t->batch;
		t->batch = t->queue;
		t->queue = batch;
		sp_buf_clear(&t->queue);
		sp_grpc_call_read(t->grpc, true);
		start_job(t, take_bytes);
	} else if (t->half_closed) {
		start_verb(t);
	}
}

static sp_code take_request(transfer *t, sp_str payload, sp_err *err)
{
	sp_str copy = sp_arena_try_dup(&t->arena, payload); /* ours as long as the transfer */
	if (copy.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "the request is too long");
	SP_TRY(sp_pb_decode(&sp_image_run_request_message, copy, &t->arena, &t->request, err));
	if (image_verb_find(t->request.verb) == NULL)
		return sp_fail(err, SP_EINVAL, "there is no verb '" SP_FMT "'", SP_ARG(t->request.verb));
	bool file = is_verb(t, "import") || is_verb(t, "export");
	if (file && (t->request.args.n == 0 || (is_verb(t, "import") && t->request.args.n > 1)))
		return sp_fail(err, SP_EINVAL, "one file at a time");
	if (file) {
		t->path = sp_arena_printf(&t->arena, SP_FMT "/transfer/%llu", SP_ARG(t->service->dir),
					  (unsigned long long)t->service->next_number++);
		if (t->path.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a path");
	}
	t->step = STEP_TAKING;
	return SP_OK;
}

static sp_code take_data(transfer *t, sp_str payload, sp_err *err)
{
	sp_arena a;
	sp_image_run_request more;
	sp_arena_init(&a, ARENA_BYTES);
	sp_code code = sp_pb_decode(&sp_image_run_request_message, payload, &a, &more, err);
	if (code == SP_OK && !is_verb(t, "import"))
		code = sp_fail(err, SP_EINVAL, "only an import has more than one request");
	if (code == SP_OK && sp_buf_append(&t->queue, more.data.ptr, more.data.len) != SP_OK)
		code = sp_fail(err, sp_buf_code(&t->queue), "more bytes come than were asked for");
	sp_arena_done(&a);
	return code;
}

static void on_call(void *arg, sp_grpc_call *grpc, sp_str payload)
{
	image_service *s = arg;
	sp_err err;
	(void)payload; /* empty: the messages follow */
	if (s->n_transfers == TRANSFERS_MAX) {
		(void)sp_fail(&err, SP_ETOOMANY, "%u requests for images are under way", TRANSFERS_MAX);
		sp_grpc_call_fail(grpc, &err);
		return;
	}
	transfer *t = SP_NEW(transfer);
	*t = (transfer){.service = s, .grpc = grpc};
	sp_arena_init_secret(&t->arena, ARENA_BYTES); /* there may be a password in the request */
	sp_buf_init(&t->queue, QUEUE_BYTES);
	sp_buf_init(&t->batch, QUEUE_BYTES);
	sp_list_push_back(&s->transfers, &t->node);
	s->n_transfers++;
	sp_grpc_call_set_user(grpc, t);
}

static void on_data(void *arg, sp_grpc_call *grpc, sp_str payload)
{
	transfer *t = sp_grpc_call_user(grpc);
	sp_err err;
	(void)arg;
	sp_code code = t->step == STEP_REQUEST ? take_request(t, payload, &err) : take_data(t, payload, &err);
	if (code != SP_OK)
		answer(t, code, &err);
	else if (t->queue.len > STOP_BYTES)
		sp_grpc_call_read(grpc, false);
	serve(t);
}

static void on_half_close(void *arg, sp_grpc_call *grpc)
{
	transfer *t = sp_grpc_call_user(grpc);
	sp_err err;
	(void)arg;
	t->half_closed = true;
	if (t->step == STEP_REQUEST)
		answer(t, sp_fail(&err, SP_EINVAL, "no request came"), &err);
	serve(t);
}

static void on_writable(void *arg, sp_grpc_call *grpc)
{
	(void)arg;
	serve(sp_grpc_call_user(grpc));
}

static void on_cancel(void *arg, sp_grpc_call *grpc)
{
	transfer *t = sp_grpc_call_user(grpc);
	sp_err err;
	(void)arg;
	answer(t, sp_fail(&err, SP_ECANCELED, "the client is gone"), &err);
	if (t->verb != NULL)
		image_verb_cancel(t->verb);
	else
		serve(t);
}

/* ---- life ---- */

static sp_code prepare(image_service *s, sp_arena *a, sp_str address, sp_err *err)
{
	sp_str dir = SP_CONCAT(a, s->dir, SP_STR("/transfer"));
	sp_dir_entry *left;
	size_t n;
	SP_TRY(sp_dir_make(s->world, dir, 0700, err));
	SP_TRY(sp_dir_list(s->world, dir, a, &left, &n, err));
	for (size_t i = 0; i < n; i++)
		SP_TRY(sp_path_unlink(s->world, SP_CONCAT(a, dir, SP_STR("/"), left[i].name), err));
	return sp_file_replace(s->world, SP_CONCAT(a, s->dir, SP_STR("/" SP_IMAGE_SERVICE_FILE)), address,
			       0600, err);
}

sp_code image_service_new(sp_world *w, image_store *store, image_registry *registry, sp_str dir,
			  sp_str address, image_service **ret, sp_err *err)
{
	image_service *s = SP_NEW(image_service);
	*s = (image_service){.world = w, .store = store, .registry = registry, .dir = dir};
	sp_list_init(&s->transfers);
	s->method = (sp_grpc_method){.name = SP_STR(SP_IMAGE_SERVICE_RUN),
				     .client_streams = true,
				     .server_streams = true,
				     .on_call = on_call,
				     .on_data = on_data,
				     .on_half_close = on_half_close,
				     .on_writable = on_writable,
				     .on_cancel = on_cancel};
	s->service = (sp_grpc_service){
		.name = SP_STR(SP_IMAGE_SERVICE), .methods = &s->method, .n_methods = 1, .arg = s};
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES);
	sp_code code = prepare(s, &a, address, err);
	sp_arena_done(&a);
	if (code != SP_OK) {
		sp_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

const sp_grpc_service *image_service_methods(const image_service *s)
{
	return &s->service;
}

void image_service_close(image_service *s, void (*done)(void *arg), void *arg)
{
	s->on_closed = done;
	s->closed_arg = arg;
	SP_LIST_FOREACH (node, &s->transfers) {
		transfer *t = SP_CONTAINER_OF(node, transfer, node);
		if (t->verb != NULL)
			image_verb_cancel(t->verb);
	}
	closed(s);
}
