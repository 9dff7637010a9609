/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/content.h"

#include "base/alloc.h"
#include "io/file.h"
#include "runtime/image/reference.h"

#define LIST_BYTES ((size_t)64 << 20) /* names in a directory, at start */

static sp_str hex_of(sp_str digest)
{
	return sp_str_sub(digest, sizeof "sha256:" - 1, digest.len);
}

sp_str image_content_path(const image_content *c, sp_str digest, sp_arena *a)
{
	return SP_CONCAT(a, c->dir, SP_STR("/blobs/sha256/"), hex_of(digest));
}

sp_str image_content_ingest_path(const image_content *c, sp_str digest, sp_arena *a)
{
	return SP_CONCAT(a, c->dir, SP_STR("/ingest/"), hex_of(digest));
}

const image_blob *image_content_find(const image_content *c, sp_str digest)
{
	return sp_map_get(&c->blobs, digest);
}

sp_code image_content_adopt(image_content *c, sp_str digest, uint64_t size_bytes, sp_err *err)
{
	SP_ASSERT(digest.len == IMAGE_DIGEST_BYTES);
	if (image_content_find(c, digest) != NULL)
		return SP_OK;
	image_blob *b = sp_try_alloc(sizeof *b);
	if (b == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a content");
	memcpy(b->text, digest.ptr, digest.len);
	b->digest = (sp_str){b->text, digest.len};
	b->size_bytes = size_bytes;
	if (sp_map_put(&c->blobs, b->digest, b, NULL) != SP_OK) {
		sp_free(b);
		return sp_fail(err, SP_ENOMEM, "no memory for a content");
	}
	c->bytes += size_bytes;
	return SP_OK;
}

static sp_code load(image_content *c, sp_arena *a, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n;
	sp_str dir = SP_CONCAT(a, c->dir, SP_STR("/blobs/sha256")),
	       ingest = SP_CONCAT(a, c->dir, SP_STR("/ingest"));
	if (dir.ptr == NULL || ingest.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to list contents");
	SP_TRY(sp_dir_make(c->world, dir, 0700, err));
	SP_TRY(sp_dir_make(c->world, ingest, 0700, err));
	SP_TRY(sp_dir_list(c->world, dir, a, &entries, &n, err));
	for (size_t i = 0; i < n; i++) {
		sp_stat st;
		sp_str digest = SP_CONCAT(a, SP_STR("sha256:"), entries[i].name);
		sp_str path = SP_CONCAT(a, dir, SP_STR("/"), entries[i].name);
		if (digest.ptr == NULL || path.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory to list contents");
		if (entries[i].type != SP_TYPE_FILE || !image_is_digest(digest))
			continue; /* not ours */
		SP_TRY(sp_path_stat(c->world, path, &st, err));
		SP_TRY(image_content_adopt(c, digest, st.size, err));
	}
	return SP_OK;
}

sp_code image_content_open(image_content *c, sp_world *w, sp_str dir, sp_err *err)
{
	sp_arena a;
	*c = (image_content){.world = w, .dir = dir};
	sp_map_init(&c->blobs);
	sp_list_init(&c->writers);
	sp_arena_init(&a, LIST_BYTES);
	sp_code code = load(c, &a, err);
	sp_arena_done(&a);
	if (code != SP_OK)
		image_content_done(c);
	return code;
}

void image_content_done(image_content *c)
{
	const sp_map_entry *e;
	SP_ASSERT(sp_list_is_empty(&c->writers));
	for (size_t i = 0; (e = sp_map_next(&c->blobs, &i)) != NULL;)
		sp_free(e->value);
	sp_map_done(&c->blobs);
}

/* ---- removing ---- */

sp_code image_content_remove_begin(image_content *c, bool (*keep)(void *arg, sp_str digest), void *arg,
				   sp_arena *a, sp_strs *ret, uint64_t *ret_bytes, sp_err *err)
{
	const sp_map_entry *e;
	sp_str *gone = sp_try_new(a, sp_str, sp_map_count(&c->blobs) + 1);
	size_t n = 0;
	SP_ASSERT(!c->removing);
	c->leaving = sp_try_new(a, image_blob *, sp_map_count(&c->blobs) + 1);
	if (c->leaving == NULL)
		gone = NULL;
	for (size_t i = 0; gone != NULL && (e = sp_map_next(&c->blobs, &i)) != NULL;) {
		if (keep(arg, e->key))
			continue;
		gone[n] = sp_arena_try_dup(a, e->key);
		if (gone[n++].ptr == NULL)
			gone = NULL;
	}
	if (gone == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a list of contents");
	*ret_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		image_blob *b = sp_map_remove(&c->blobs, gone[i]);
		c->bytes -= b->size_bytes;
		*ret_bytes += b->size_bytes;
		c->leaving[i] = b;
	}
	c->n_leaving = n;
	c->removing = true;
	*ret = (sp_strs){gone, n};
	return SP_OK;
}

static void put_back(image_content *c, image_blob *b)
{
	if (sp_map_put(&c->blobs, b->digest, b, NULL) == SP_OK)
		c->bytes += b->size_bytes;
	else
		sp_free(b); /* its file is found again at the next start */
}

void image_content_removed(image_content *c, bool began)
{
	c->removing = false;
	for (size_t i = 0; i < c->n_leaving; i++) {
		if (began)
			sp_free(c->leaving[i]);
		else
			put_back(c, c->leaving[i]);
	}
	c->n_leaving = 0;
	image_writers_go_on(c);
}
