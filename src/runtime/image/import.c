/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "runtime/image/archive.h"
#include "runtime/image/store_int.h"

#define ARCHIVE_BYTES ((size_t)256 << 20) /* documents and names of one archive */

typedef struct import {
	image_op op;
	image_store *store;
	image_archive archive;
	sp_work work;
	image_commit commit;
	image_turn turn;
	sp_str *names;
	void (*done)(void *arg, sp_code code, sp_strs names, const sp_err *err);
	void *arg;
	sp_code code;
	sp_err err;
} import;

static void finish(import *m)
{
	image_store *s = m->store;
	sp_strs names = {m->names, m->code == SP_OK ? m->archive.n_images : 0};
	m->done(m->arg, m->code, names, m->code == SP_OK ? NULL : &m->err);
	image_turn_end(s, &m->turn);
	sp_arena_done(&m->archive.arena);
	image_op_end(s, &m->op);
	sp_free(m);
}

static void work(sp_work *job)
{
	import *m = job->arg;
	m->code = image_archive_read(&m->archive, &m->err);
}

static void on_committed(void *arg, sp_code code, const sp_err *err)
{
	import *m = arg;
	m->code = code;
	if (code != SP_OK)
		m->err = *err;
	finish(m);
}

static sp_code add_images(import *m)
{
	image_archive *r = &m->archive;
	m->names = sp_try_new(&r->arena, sp_str, r->n_images + 1);
	if (m->names == NULL)
		return sp_fail(&m->err, SP_ENOMEM, "no memory for names");
	for (size_t i = 0; i < r->n_images; i++) {
		const image_found *f = &r->images[i];
		image_entry *e;
		SP_TRY(image_entry_put(m->store, f->manifest_digest, f->manifest, f->config, &e, &m->err));
		image_entry_hold(e);
		sp_code code = image_entry_name(m->store, e, f->name, f->target, &m->err);
		image_entry_release(m->store, e);
		SP_TRY(code);
		m->names[i] = f->name;
	}
	return SP_OK;
}

static void on_read(sp_work *job)
{
	import *m = job->arg;
	for (size_t i = 0; i < m->archive.n_blobs; i++) {
		const image_blob *b = m->archive.blobs[i];
		sp_err err;
		sp_code code = image_content_adopt(&m->store->content, b->digest, b->size_bytes, &err);
		if (code != SP_OK && m->code == SP_OK) {
			m->code = code;
			m->err = err;
		}
	}
	if (m->code == SP_OK)
		m->code = add_images(m);
	if (m->code == SP_OK)
		image_commit_start(m->store, &m->commit);
	else
		finish(m);
}

static void on_turn(sp_defer *d)
{
	import *m = d->arg;
	m->work = (sp_work){.fn = work, .done = on_read, .arg = m};
	if (m->store->closing)
		m->code = sp_fail(&m->err, SP_ECANCELED, "the image store closes");
	if (m->code == SP_OK) {
		sp_code started = sp_work_start(m->store->world, &m->work, &m->err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		m->code = started;
	}
	finish(m);
}

static void cancel(image_op *op)
{
	SP_CONTAINER_OF(op, import, op)->archive.stop = true;
}

void image_import(image_store *s, const image_import_opts *opts)
{
	const image_platform want = {opts->os, opts->architecture, opts->variant};
	import *m = sp_alloc(sizeof *m);
	image_archive *r = &m->archive;
	m->store = s;
	m->done = opts->done;
	m->arg = opts->arg;
	m->commit = (image_commit){.done = on_committed, .arg = m};
	sp_arena_init(&r->arena, ARCHIVE_BYTES);
	r->world = s->world;
	r->content = &s->content;
	r->serial = s->next_number++;
	r->path = sp_arena_try_dup(&r->arena, opts->path);
	r->shown = opts->shown.len > 0 ? sp_arena_try_dup(&r->arena, opts->shown) : r->path;
	r->base_name = sp_arena_try_dup(&r->arena, opts->base_name);
	const image_platform own = image_platform_or_own(&want);
	r->platform = (image_platform){sp_arena_try_dup(&r->arena, own.os),
				       sp_arena_try_dup(&r->arena, own.architecture),
				       sp_arena_try_dup(&r->arena, own.variant)};
	if (r->path.ptr == NULL || r->shown.ptr == NULL || r->platform.os.ptr == NULL ||
	    r->platform.architecture.ptr == NULL)
		m->code = sp_fail(&m->err, SP_ENOMEM, "no memory for an import");
	sp_defer_init(&m->turn.go, on_turn, m);
	image_op_begin(s, &m->op, cancel);
	image_turn_wait(s, &m->turn);
}
