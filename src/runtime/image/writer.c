/* SPDX-License-Identifier: Apache-2.0 */
/* Writers of contents. The loop gathers bytes in one buffer while a worker hashes and writes the other. */
#include "base/alloc.h"
#include "base/buf.h"
#include "io/file.h"
#include "io/tls/sha256.h"
#include "runtime/image/content.h"
#include "runtime/image/reference.h"

#define STEP_BYTES ((size_t)512 << 10) /* a job's worth */
#define QUEUE_BYTES ((size_t)32 << 20) /* nobody gets this far who looks at is_full */
#define REHASH_BYTES ((size_t)256 << 10)

typedef enum job_kind { JOB_OPEN, JOB_WRITE, JOB_RESTART, JOB_COMMIT } job_kind;

struct image_writer {
	sp_list node;
	image_content *content;
	const image_writer_events *events;
	void *arg;
	char digest[72];
	uint64_t size_bytes;
	uint64_t taken; /* bytes handed to write, with those that were there */
	bool active;    /* the one writer of its digest; others wait */
	bool ready, ended, restarting, over, freed;
	bool was_full;
	sp_code failed; /* by the caller's doing: told later */
	sp_err failure;
	sp_buf queue;
	sp_defer later; /* takes the next step */

	/* of the job under way; the worker's while it runs */
	sp_work work;
	bool working;
	job_kind kind;
	sp_buf batch;
	sp_file *file;
	sp_sha256_sum *sum;
	uint64_t written;
	sp_code code;
	sp_err err;
};

static sp_str digest_of(const image_writer *w)
{
	return (sp_str){w->digest, IMAGE_DIGEST_BYTES};
}

/* ---- on the worker ---- */

static sp_code rehash(image_writer *w, sp_err *err)
{
	char *bytes = sp_try_alloc(REHASH_BYTES);
	sp_code code = bytes == NULL ? sp_fail(err, SP_ENOMEM, "no memory to read a content") : SP_OK;
	for (size_t n = REHASH_BYTES; code == SP_OK && n == REHASH_BYTES;) {
		code = sp_file_pread(w->file, w->written, bytes, REHASH_BYTES, &n, err);
		if (code == SP_OK) {
			sp_sha256_update(w->sum, bytes, n);
			w->written += n;
		}
	}
	sp_free(bytes);
	return code;
}

static sp_code restart(image_writer *w, sp_err *err)
{
	char unused[SP_SHA256_TEXT_BYTES + 1];
	sp_sha256_text(w->sum, unused); /* begins anew */
	w->written = 0;
	return sp_file_truncate(w->file, 0, err);
}

static sp_code open_file(image_writer *w, sp_arena *a, sp_err *err)
{
	sp_str path = image_content_ingest_path(w->content, digest_of(w), a);
	w->sum = sp_sha256_new();
	if (path.ptr == NULL || w->sum == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a content");
	SP_TRY(sp_file_open(w->content->world, path,
			    SP_FILE_READ | SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_NOFOLLOW, 0600, &w->file,
			    err));
	SP_TRY(rehash(w, err));
	return w->written > w->size_bytes ? restart(w, err) : SP_OK;
}

static sp_code write_batch(image_writer *w, sp_err *err)
{
	sp_sha256_update(w->sum, w->batch.ptr, w->batch.len);
	SP_TRY(sp_file_pwrite(w->file, w->written, w->batch.ptr, w->batch.len, err));
	w->written += w->batch.len;
	return SP_OK;
}

static sp_code commit(image_writer *w, sp_arena *a, sp_err *err)
{
	char sum[SP_SHA256_TEXT_BYTES + 1];
	sp_str from = image_content_ingest_path(w->content, digest_of(w), a);
	sp_str to = image_content_path(w->content, digest_of(w), a);
	if (from.ptr == NULL || to.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a content");
	sp_sha256_text(w->sum, sum);
	bool same =
		memcmp(sum, w->digest + IMAGE_DIGEST_BYTES - SP_SHA256_TEXT_BYTES, SP_SHA256_TEXT_BYTES) == 0;
	if (w->written != w->size_bytes || !same) {
		(void)!sp_path_unlink(w->content->world, from, NULL); /* never to be taken up again */
		return w->written != w->size_bytes
			       ? sp_fail(err, SP_EPROTO, "%s has %llu bytes instead of %llu", w->digest,
					 (unsigned long long)w->written, (unsigned long long)w->size_bytes)
			       : sp_fail(err, SP_EPROTO, "what came as %s has the digest sha256:%s",
					 w->digest, sum);
	}
	sp_code code = sp_file_sync(w->file, false, err);
	if (code != SP_OK) {
		/* What a failed sync did not save no later one saves, while the cache still shows it: whoever
		 * took the file up again would hash what is not on the disk. */
		(void)!sp_path_unlink(w->content->world, from, NULL);
		return code;
	}
	SP_TRY(sp_path_rename(w->content->world, from, to, err));
	code = sp_dir_sync(w->content->world, sp_str_sub(to, 0, (size_t)sp_str_rindex(to, '/')), err);
	if (code != SP_OK)
		(void)!sp_path_unlink(w->content->world, to, NULL); /* nobody would know of it */
	return code;
}

static void work(sp_work *job)
{
	image_writer *w = job->arg;
	sp_arena a;
	sp_arena_init(&a, 64 << 10);
	switch (w->kind) {
	case JOB_OPEN:
		w->code = open_file(w, &a, &w->err);
		break;
	case JOB_WRITE:
		w->code = write_batch(w, &w->err);
		break;
	case JOB_RESTART:
		w->code = restart(w, &w->err);
		break;
	case JOB_COMMIT:
		w->code = commit(w, &a, &w->err);
		break;
	}
	sp_arena_done(&a);
}

/* ---- on the loop ---- */

static void step(image_writer *w);

static bool has_other(const image_writer *w)
{
	SP_LIST_FOREACH (node, &w->content->writers) {
		const image_writer *o = SP_CONTAINER_OF(node, image_writer, node);
		if (o != w && o->active && strcmp(o->digest, w->digest) == 0)
			return true;
	}
	return false;
}

static void release(image_writer *w)
{
	image_content *c = w->content;
	bool was_active = w->active;
	sp_list_remove(&w->node);
	sp_defer_cancel(&w->later);
	sp_file_close(w->file);
	sp_sha256_free(w->sum);
	sp_buf_done(&w->queue);
	sp_buf_done(&w->batch);
	sp_free(w);
	if (c->idle != NULL && sp_list_is_empty(&c->writers))
		sp_defer_call(c->world, c->idle);
	if (!was_active)
		return;
	SP_LIST_FOREACH (node, &c->writers) {
		image_writer *o = SP_CONTAINER_OF(node, image_writer, node);
		if (!o->active)
			sp_defer_call(c->world, &o->later);
	}
}

static void finish(image_writer *w, sp_code code, const sp_err *err)
{
	w->over = true;
	w->events->done(w->arg, code, code == SP_OK ? NULL : err);
}

static void after_open(image_writer *w)
{
	w->ready = true;
	w->taken = w->written;
	w->events->ready(w->arg, w->written);
}

static void job_done(sp_work *job)
{
	image_writer *w = job->arg;
	w->working = false;
	if (w->kind == JOB_COMMIT && w->code == SP_OK) /* also when nobody waits for it any more */
		w->code = image_content_adopt(w->content, digest_of(w), w->size_bytes, &w->err);
	if (w->freed) {
		release(w);
		return;
	}
	if (w->code != SP_OK) {
		finish(w, w->code, &w->err);
	} else if (w->kind == JOB_COMMIT) {
		finish(w, SP_OK, NULL);
	} else if (w->kind == JOB_OPEN || w->kind == JOB_RESTART) {
		if (w->kind == JOB_RESTART)
			w->restarting = false;
		sp_defer_call(w->content->world, &w->later); /* before the event, which may free it */
		after_open(w);
	} else {
		sp_buf_clear(&w->batch);
		step(w);
	}
}

/* False: it is over, and perhaps gone. */
static bool start_job(image_writer *w, job_kind kind)
{
	w->kind = kind;
	w->working = true;
	w->work = (sp_work){.fn = work, .done = job_done, .arg = w};
	sp_code code = sp_work_start(w->content->world, &w->work, &w->err);
	if (code == SP_OK)
		return true;
	w->working = false;
	finish(w, code, &w->err);
	return false;
}

static void begin(image_writer *w)
{
	if (w->content->removing || has_other(w))
		return;
	w->active = true;
	if (image_content_find(w->content, digest_of(w)) != NULL)
		finish(w, SP_OK, NULL);
	else
		(void)start_job(w, JOB_OPEN);
}

/* The next thing to do, when nothing is under way. */
static void step(image_writer *w)
{
	if (w->working || w->over || w->freed)
		return;
	if (!w->active) {
		begin(w);
		return;
	}
	if (w->failed != SP_OK) {
		finish(w, w->failed, &w->failure);
		return;
	}
	if (w->restarting) {
		(void)start_job(w, JOB_RESTART);
		return;
	}
	if (w->queue.len >= STEP_BYTES || (w->ended && w->queue.len > 0)) {
		sp_buf batch = w->batch;
		w->batch = w->queue;
		w->queue = batch;
		if (!start_job(w, JOB_WRITE))
			return;
	} else if (w->ended) {
		(void)start_job(w, JOB_COMMIT);
		return;
	}
	if (w->was_full) {
		w->was_full = false;
		w->events->room(w->arg);
	}
}

static void on_later(sp_defer *d)
{
	step(d->arg);
}

image_writer *image_writer_new(image_content *c, sp_str digest, uint64_t size_bytes,
			       const image_writer_events *events, void *arg)
{
	SP_ASSERT(digest.len == IMAGE_DIGEST_BYTES);
	image_writer *w = sp_try_alloc(sizeof *w);
	if (w == NULL)
		return NULL;
	w->content = c;
	w->events = events;
	w->arg = arg;
	w->size_bytes = size_bytes;
	memcpy(w->digest, digest.ptr, digest.len);
	sp_buf_init(&w->queue, QUEUE_BYTES);
	sp_buf_init(&w->batch, QUEUE_BYTES);
	sp_defer_init(&w->later, on_later, w);
	sp_list_push_back(&c->writers, &w->node);
	sp_defer_call(c->world, &w->later);
	return w;
}

static void fail_later(image_writer *w, sp_code code, const char *what)
{
	w->failed = sp_fail(&w->failure, code, "%s: %s", w->digest, what);
	sp_defer_call(w->content->world, &w->later);
}

void image_writer_write(image_writer *w, const void *bytes, size_t n)
{
	SP_ASSERT(w->ready && !w->ended);
	if (w->over || w->restarting || w->failed != SP_OK)
		return;
	if (n > w->size_bytes - w->taken) {
		fail_later(w, SP_EPROTO, "more bytes come than it has");
		return;
	}
	if (sp_buf_append(&w->queue, bytes, n) != SP_OK) {
		fail_later(w, sp_buf_code(&w->queue), "no memory");
		return;
	}
	w->taken += n;
	if (w->queue.len < STEP_BYTES)
		return;
	w->was_full = true;
	sp_defer_call(w->content->world, &w->later);
}

bool image_writer_is_full(const image_writer *w)
{
	return w->queue.len >= STEP_BYTES;
}

void image_writer_end(image_writer *w)
{
	SP_ASSERT(w->ready && !w->ended);
	w->ended = true;
	sp_defer_call(w->content->world, &w->later);
}

void image_writer_restart(image_writer *w)
{
	SP_ASSERT(w->ready && !w->ended);
	w->ready = false;
	w->was_full = false;
	w->restarting = true;
	sp_buf_clear(&w->queue);
	sp_defer_call(w->content->world, &w->later);
}

void image_writer_free(image_writer *w)
{
	if (w == NULL)
		return;
	w->freed = true;
	if (!w->working)
		release(w);
}

sp_code image_content_written(const image_content *c, sp_arena *a, sp_map *set, sp_err *err)
{
	SP_LIST_FOREACH (node, &c->writers) {
		image_writer *w = SP_CONTAINER_OF(node, image_writer, node);
		if (!w->active)
			continue;
		sp_str key = sp_arena_try_dup(a, digest_of(w));
		if (key.ptr == NULL || sp_map_put(set, key, w, NULL) != SP_OK)
			return sp_fail(err, SP_ENOMEM, "no memory for a list of contents");
	}
	return SP_OK;
}

void image_writers_go_on(image_content *c)
{
	SP_LIST_FOREACH (node, &c->writers)
		sp_defer_call(c->world, &SP_CONTAINER_OF(node, image_writer, node)->later);
}
