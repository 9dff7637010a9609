/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing images to a tar that is an OCI layout and a docker archive at once. What goes in is decided on the
 * loop; a worker copies.
 */
#include "base/alloc.h"
#include "base/json_out.h"
#include "base/tar.h"
#include "io/file.h"
#include "runtime/image/reference.h"
#include "runtime/image/store_int.h"
#include "runtime/image/transfer.h"

#define EXPORT_BYTES ((size_t)64 << 20)
#define COPY_BYTES ((size_t)256 << 10)

typedef struct export
{
	image_op op;
	image_store *store;
	image_turn turn;
	sp_work work;
	sp_arena arena;
	image_entry **entries; /* held */
	sp_str *names;
	size_t n;
	sp_str path, temp;
	sp_str *blobs; /* digests, each once */
	uint64_t *sizes;
	size_t n_blobs;
	sp_map seen;
	sp_buf index, docker;
	_Atomic bool stop;
	image_done *done;
	void *arg;
	sp_code code;
	sp_err err;
}
export;

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for an export");
}

/* ---- on the worker ---- */

static sp_code put(sp_file *f, uint64_t *at, const void *bytes, size_t n, sp_err *err)
{
	SP_TRY(sp_file_pwrite(f, *at, bytes, n, err));
	*at += n;
	return SP_OK;
}

static sp_code put_head(sp_file *f, uint64_t *at, sp_str name, uint64_t size, sp_err *err)
{
	uint8_t head[SP_TAR_BLOCK];
	SP_TRY(sp_tar_head(head, name, sp_str_ends(name, SP_STR("/")) ? 0755 : 0644, size, err));
	return put(f, at, head, sizeof head, err);
}

static sp_code put_padding(sp_file *f, uint64_t *at, sp_err *err)
{
	static const uint8_t zeros[SP_TAR_BLOCK];
	return put(f, at, zeros, (SP_TAR_BLOCK - *at % SP_TAR_BLOCK) % SP_TAR_BLOCK, err);
}

static sp_code put_text(sp_file *f, uint64_t *at, sp_str name, sp_str text, sp_err *err)
{
	SP_TRY(put_head(f, at, name, text.len, err));
	SP_TRY(put(f, at, text.ptr, text.len, err));
	return put_padding(f, at, err);
}

static sp_code put_blob(export *x, sp_file *f, uint64_t *at, size_t i, char *bytes, sp_err *err)
{
	SP_AUTO_FILE from = NULL;
	sp_arena a;
	uint64_t done = 0;
	sp_arena_init(&a, 16 << 10);
	sp_str path = image_content_path(&x->store->content, x->blobs[i], &a);
	sp_str name = SP_CONCAT(&a, SP_STR("blobs/sha256/"), sp_str_sub(x->blobs[i], 7, x->blobs[i].len));
	sp_code code = path.ptr == NULL || name.ptr == NULL
			       ? no_room(err)
			       : sp_file_open(x->store->world, path, SP_FILE_READ, 0, &from, err);
	if (code == SP_OK)
		code = put_head(f, at, name, x->sizes[i], err);
	sp_arena_done(&a);
	for (size_t n = 0; code == SP_OK && done < x->sizes[i]; done += n) {
		uint64_t left = x->sizes[i] - done;
		code = x->stop ? sp_fail(err, SP_ECANCELED, "canceled")
			       : sp_file_pread(from, done, bytes,
					       left < COPY_BYTES ? (size_t)left : COPY_BYTES, &n, err);
		if (code == SP_OK && n == 0)
			code = sp_fail(err, SP_EIO, SP_FMT " is shorter than it was", SP_ARG(x->blobs[i]));
		if (code != SP_OK)
			return code;
		SP_TRY(put(f, at, bytes, n, err));
	}
	SP_TRY(code);
	return put_padding(f, at, err);
}

static sp_code write_all(export *x, sp_file *f, char *bytes, sp_err *err)
{
	static const uint8_t end[2 * SP_TAR_BLOCK];
	uint64_t at = 0;
	SP_TRY(put_head(f, &at, SP_STR("blobs/"), 0, err));
	SP_TRY(put_head(f, &at, SP_STR("blobs/sha256/"), 0, err));
	for (size_t i = 0; i < x->n_blobs; i++)
		SP_TRY(put_blob(x, f, &at, i, bytes, err));
	SP_TRY(put_text(f, &at, SP_STR("index.json"), sp_buf_view(&x->index), err));
	SP_TRY(put_text(f, &at, SP_STR("manifest.json"), sp_buf_view(&x->docker), err));
	SP_TRY(put_text(f, &at, SP_STR("oci-layout"), SP_STR("{\"imageLayoutVersion\":\"1.0.0\"}"), err));
	SP_TRY(put(f, &at, end, sizeof end, err));
	return sp_file_sync(f, false, err);
}

static sp_code write_file(export *x, sp_err *err)
{
	SP_AUTO_FILE f = NULL;
	sp_world *w = x->store->world;
	SP_TRY(sp_file_open(w, x->temp, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_TRUNCATE, 0644, &f, err));
	char *bytes = sp_try_alloc(COPY_BYTES);
	sp_code code = bytes == NULL ? no_room(err) : write_all(x, f, bytes, err);
	sp_free(bytes);
	if (code == SP_OK)
		code = sp_path_rename(w, x->temp, x->path, err);
	if (code != SP_OK)
		(void)!sp_path_unlink(w, x->temp, NULL); /* the first error is the one to tell */
	return code;
}

static void work(sp_work *job)
{
	export *x = job->arg;
	x->code = write_file(x, &x->err);
}

/* ---- on the loop ---- */

static void finish(export *x)
{
	image_store *s = x->store;
	x->done(x->arg, x->code, x->code == SP_OK ? NULL : &x->err);
	for (size_t i = 0; i < x->n; i++)
		image_entry_release(s, x->entries[i]);
	image_turn_end(s, &x->turn);
	sp_map_done(&x->seen);
	sp_buf_done(&x->index);
	sp_buf_done(&x->docker);
	sp_arena_done(&x->arena);
	image_op_end(s, &x->op);
	sp_free(x);
}

static void on_written(sp_work *job)
{
	finish(job->arg);
}

static sp_code add_blob(export *x, sp_str digest)
{
	const image_blob *b = image_content_find(&x->store->content, digest);
	if (b == NULL)
		return sp_fail(&x->err, SP_ENOTFOUND, "the content " SP_FMT " is missing", SP_ARG(digest));
	if (sp_map_get(&x->seen, digest) != NULL)
		return SP_OK;
	x->blobs[x->n_blobs] = digest;
	x->sizes[x->n_blobs++] = b->size_bytes;
	return sp_map_put(&x->seen, digest, x, NULL) == SP_OK ? SP_OK : no_room(&x->err);
}

static sp_code add_blobs(export *x)
{
	size_t most = 1;
	for (size_t i = 0; i < x->n; i++)
		most += 2 + x->entries[i]->chain_ids.n;
	x->blobs = sp_try_new(&x->arena, sp_str, most);
	x->sizes = sp_try_new(&x->arena, uint64_t, most);
	if (x->blobs == NULL || x->sizes == NULL)
		return no_room(&x->err);
	for (size_t i = 0; i < x->n; i++) {
		const image_entry *e = x->entries[i];
		SP_TRY(add_blob(x, e->pub.manifest_digest));
		SP_TRY(add_blob(x, e->pub.id));
		for (size_t k = 0; k < e->chain_ids.n; k++)
			SP_TRY(add_blob(x, e->layers[k].digest));
	}
	return SP_OK;
}

static void print_index(export *x)
{
	sp_jout j = sp_jout_to(&x->index);
	sp_jout_open(&j, '{');
	sp_jout_member_i64(&j, SP_STR("schemaVersion"), 2);
	sp_jout_member_str(&j, SP_STR("mediaType"), SP_STR(IMAGE_TYPE_OCI_INDEX));
	sp_jout_member_open(&j, SP_STR("manifests"), '[');
	for (size_t i = 0; i < x->n; i++) {
		const image_entry *e = x->entries[i];
		sp_str name = x->names[i];
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("mediaType"), e->media_type);
		sp_jout_member_str(&j, SP_STR("digest"), e->pub.manifest_digest);
		sp_jout_member_i64(
			&j, SP_STR("size"),
			(int64_t)image_content_find(&x->store->content, e->pub.manifest_digest)->size_bytes);
		sp_jout_member_open(&j, SP_STR("annotations"), '{');
		sp_jout_member_str(&j, SP_STR("io.containerd.image.name"), name);
		if (sp_str_index(name, '@') < 0)
			sp_jout_member_str(
				&j, SP_STR("org.opencontainers.image.ref.name"),
				sp_str_sub(name, (size_t)(sp_str_rindex(name, ':') + 1), name.len));
		sp_jout_close(&j, '}');
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
}

static sp_str blob_name(export *x, sp_str digest)
{
	return SP_CONCAT(&x->arena, SP_STR("blobs/sha256/"), sp_str_sub(digest, 7, digest.len));
}

static void print_docker(export *x)
{
	sp_jout j = sp_jout_to(&x->docker);
	sp_jout_open(&j, '[');
	for (size_t i = 0; i < x->n; i++) {
		const image_entry *e = x->entries[i];
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("Config"), blob_name(x, e->pub.id));
		sp_jout_member_open(&j, SP_STR("RepoTags"), '[');
		if (sp_str_index(x->names[i], '@') < 0)
			sp_jout_str(&j, x->names[i]);
		sp_jout_close(&j, ']');
		sp_jout_member_open(&j, SP_STR("Layers"), '[');
		for (size_t k = 0; k < e->chain_ids.n; k++)
			sp_jout_str(&j, blob_name(x, e->layers[k].digest));
		sp_jout_close(&j, ']');
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
}

/* The name it was asked for by, when it was a name; else its first. */
static sp_code choose_name(export *x, image_entry *e, sp_str reference, sp_str *ret)
{
	image_reference r;
	image_entry *owner;
	*ret = SP_CONTAINER_OF(e->names.next, image_name, node)->name;
	if (image_reference_parse(&x->arena, reference, &r, NULL) == SP_OK) {
		sp_str name = image_reference_print(&x->arena, &r);
		if (name.ptr != NULL && image_name_find(x->store, name, &owner) != NULL)
			*ret = name;
	}
	*ret = sp_arena_try_dup(&x->arena, *ret); /* names may go while it is written */
	return ret->ptr != NULL ? SP_OK : no_room(&x->err);
}

static sp_code begin(export *x, const image_export_opts *o)
{
	x->entries = sp_try_new(&x->arena, image_entry *, o->n_references + 1);
	x->names = sp_try_new(&x->arena, sp_str, o->n_references + 1);
	x->path = sp_arena_try_dup(&x->arena, o->path);
	x->temp = SP_CONCAT(&x->arena, o->path, SP_STR(".tmp"));
	if (x->entries == NULL || x->names == NULL || x->path.ptr == NULL || x->temp.ptr == NULL)
		return no_room(&x->err);
	for (size_t i = 0; i < o->n_references; i++) {
		image_entry *e = image_entry_find(x->store, o->references[i]);
		if (e == NULL)
			return sp_fail(&x->err, SP_ENOTFOUND, "there is no image '" SP_FMT "'",
				       SP_ARG(o->references[i]));
		SP_TRY(choose_name(x, e, o->references[i], &x->names[i]));
		image_entry_hold(e);
		x->entries[x->n++] = e;
	}
	SP_TRY(add_blobs(x));
	print_index(x);
	print_docker(x);
	return sp_buf_code(&x->index) == SP_OK && sp_buf_code(&x->docker) == SP_OK ? SP_OK : no_room(&x->err);
}

static void on_turn(sp_defer *d)
{
	export *x = d->arg;
	x->work = (sp_work){.fn = work, .done = on_written, .arg = x};
	if (x->code == SP_OK && x->store->closing)
		x->code = sp_fail(&x->err, SP_ECANCELED, "the image store closes");
	if (x->code == SP_OK) {
		sp_code started = sp_work_start(x->store->world, &x->work, &x->err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		x->code = started;
	}
	finish(x);
}

static void cancel(image_op *op)
{
	SP_CONTAINER_OF(op, export, op)->stop = true;
}

void image_export(image_store *s, const image_export_opts *opts)
{
	export *x = sp_alloc(sizeof *x);
	x->store = s;
	x->done = opts->done;
	x->arg = opts->arg;
	sp_arena_init(&x->arena, EXPORT_BYTES);
	sp_map_init(&x->seen);
	sp_buf_init(&x->index, IMAGE_DOCUMENT_BYTES);
	sp_buf_init(&x->docker, IMAGE_DOCUMENT_BYTES);
	sp_defer_init(&x->turn.go, on_turn, x);
	image_op_begin(s, &x->op, cancel);
	x->code = begin(x, opts);
	image_turn_wait(s, &x->turn);
}
