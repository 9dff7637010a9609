/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/archive.h"

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/tar.h"
#include "io/file.h"
#include "io/tls/sha256.h"
#include "io/tls/sign.h"
#include "runtime/image/reference.h"

#define READ_BYTES ((size_t)256 << 10)
#define FILES_MAX 100000u
#define LINKS_MAX 8

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "the archive has too many files");
}

/* ---- files into the store ---- */

/* Where bytes come from: a tar's entry, or a file. */
typedef struct feed {
	sp_code (*next)(struct feed *f, const uint8_t **ret, size_t *ret_n, sp_err *err);
	sp_tar *tar;
	sp_file *file;
	uint64_t offset;
	uint8_t *bytes;
} feed;

static sp_code feed_tar(feed *f, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	uint64_t offset;
	SP_TRY(sp_tar_data(f->tar, ret, ret_n, &offset, err));
	if (*ret_n > 0 && offset != f->offset)
		return sp_fail(err, SP_EUNSUPPORTED, "it is a sparse file");
	f->offset += *ret_n;
	return SP_OK;
}

static sp_code feed_file(feed *f, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	SP_TRY(sp_file_pread(f->file, f->offset, f->bytes, READ_BYTES, ret_n, err));
	f->offset += *ret_n;
	*ret = f->bytes;
	return SP_OK;
}

static sp_code copy(const image_archive *r, feed *f, sp_file *to, char hex[SP_SHA256_TEXT_BYTES + 1],
		    uint64_t *ret_size, sp_err *err)
{
	sp_sha256_sum *sum = sp_sha256_new();
	sp_code code = sum == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a digest") : SP_OK;
	uint64_t size = 0;
	for (size_t n = 1; code == SP_OK && n > 0;) {
		const uint8_t *p = NULL;
		code = r->stop ? sp_fail(err, SP_ECANCELED, "canceled") : f->next(f, &p, &n, err);
		if (code != SP_OK || n == 0)
			continue;
		sp_sha256_update(sum, p, n);
		code = sp_file_pwrite(to, size, p, n, err);
		size += n;
	}
	if (code == SP_OK) {
		sp_sha256_text(sum, hex);
		code = sp_file_sync(to, false, err);
	}
	sp_sha256_free(sum);
	*ret_size = size;
	return code;
}

static sp_code add_blob(image_archive *r, sp_str digest, uint64_t size, image_blob **ret, sp_err *err)
{
	image_blob *b = sp_try_new(&r->arena, image_blob, 1);
	if (r->n_blobs == r->cap_blobs) {
		size_t cap = r->cap_blobs == 0 ? 64 : r->cap_blobs * 2;
		const image_blob **wider =
			sp_arena_try_grow(&r->arena, (void *)(uintptr_t)r->blobs,
					  r->cap_blobs * sizeof(void *), cap * sizeof(void *));
		if (wider == NULL || cap > (size_t)FILES_MAX * 2)
			return no_room(err);
		r->blobs = wider;
		r->cap_blobs = cap;
	}
	if (b == NULL)
		return no_room(err);
	memcpy(b->text, digest.ptr, digest.len);
	b->digest = (sp_str){b->text, digest.len};
	b->size_bytes = size;
	r->blobs[r->n_blobs++] = b;
	*ret = b;
	return SP_OK;
}

/* Into DIR/blobs under its own digest; on disk then, but for the directory. */
static sp_code store(image_archive *r, feed *f, image_blob **ret, sp_err *err)
{
	char digest[IMAGE_DIGEST_BYTES + 1] = "sha256:";
	uint64_t size;
	SP_AUTO_FILE to = NULL;
	sp_str temp = sp_arena_printf(&r->arena, SP_FMT "/ingest/import-%llu", SP_ARG(r->content->dir),
				      (unsigned long long)r->serial);
	if (temp.ptr == NULL)
		return no_room(err);
	SP_TRY(sp_file_open(r->world, temp,
			    SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_TRUNCATE | SP_FILE_NOFOLLOW, 0600, &to,
			    err));
	SP_TRY(copy(r, f, to, digest + 7, &size, err));
	sp_str path = image_content_path(r->content, (sp_str){digest, IMAGE_DIGEST_BYTES}, &r->arena);
	if (path.ptr == NULL)
		return no_room(err);
	SP_TRY(sp_path_rename(r->world, temp, path, err));
	return add_blob(r, (sp_str){digest, IMAGE_DIGEST_BYTES}, size, ret, err);
}

static sp_code document(image_archive *r, feed *f, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, IMAGE_DOCUMENT_BYTES);
	for (size_t n = 1; n > 0;) {
		const uint8_t *p = NULL;
		SP_TRY(f->next(f, &p, &n, err));
		if (n > 0 && sp_buf_append(&text, p, n) != SP_OK)
			return sp_fail(err, sp_buf_code(&text), "it has more than %zu bytes",
				       IMAGE_DOCUMENT_BYTES);
	}
	*ret = sp_arena_try_dup(&r->arena, sp_buf_view(&text));
	return ret->ptr == NULL && text.len > 0 ? no_room(err) : SP_OK;
}

/* "./a/b" is "a/b". */
static sp_str plain(sp_str path)
{
	while (sp_str_take(&path, SP_STR("./")) || sp_str_take(&path, SP_STR("/")))
		;
	return path;
}

static sp_code take_file(image_archive *r, sp_str path, feed *f, sp_err *err)
{
	const struct {
		sp_str name;
		sp_str *text;
	} documents[] = {{SP_STR("oci-layout"), &r->oci_layout},
			 {SP_STR("index.json"), &r->index},
			 {SP_STR("manifest.json"), &r->docker}};
	image_blob *b;
	path = plain(path);
	for (size_t i = 0; i < SP_LEN(documents); i++) {
		if (sp_str_eq(path, documents[i].name))
			return document(r, f, documents[i].text, err);
	}
	SP_TRY(store(r, f, &b, err));
	sp_str hex = path;
	if (sp_str_take(&hex, SP_STR("blobs/sha256/")) &&
	    !sp_str_eq(hex, sp_str_sub(b->digest, 7, b->digest.len)))
		return sp_fail(err, SP_EPROTO, "'" SP_FMT "' has the digest " SP_FMT, SP_ARG(path),
			       SP_ARG(b->digest));
	sp_str key = sp_arena_try_dup(&r->arena, path);
	if (key.ptr == NULL || sp_map_count(&r->files) >= FILES_MAX ||
	    sp_map_put(&r->files, key, b, NULL) != SP_OK)
		return no_room(err);
	return SP_OK;
}

/* ---- a tar ---- */

typedef struct tar_source {
	sp_file *file;
	uint64_t offset;
	uint8_t *bytes;
} tar_source;

static sp_code tar_fill(void *arg, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	tar_source *s = arg;
	SP_TRY(sp_file_pread(s->file, s->offset, s->bytes, READ_BYTES, ret_n, err));
	s->offset += *ret_n;
	*ret = s->bytes;
	return SP_OK;
}

/* "../abc/layer.tar" of "def/layer.tar" is "abc/layer.tar": all that docker writes. */
static sp_code take_link(image_archive *r, const sp_tar_entry *e, sp_err *err)
{
	sp_str to = e->link, from = plain(e->path);
	sp_str dir = sp_str_sub(from, 0, (size_t)(sp_str_rindex(from, '/') + 1));
	if (e->type == SP_TAR_HARDLINK)
		dir = (sp_str){NULL, 0};
	while (sp_str_take(&to, SP_STR("../"))) {
		dir = sp_str_sub(dir, 0, dir.len == 0 ? 0 : dir.len - 1);
		dir = sp_str_sub(dir, 0, (size_t)(sp_str_rindex(dir, '/') + 1));
	}
	sp_str key = sp_arena_try_dup(&r->arena, from), target = SP_CONCAT(&r->arena, dir, plain(to));
	sp_str *value = sp_try_new(&r->arena, sp_str, 1);
	if (key.ptr == NULL || target.ptr == NULL || value == NULL || ++r->n_links > FILES_MAX ||
	    sp_map_put(&r->links, key, value, NULL) != SP_OK)
		return no_room(err);
	*value = target;
	return SP_OK;
}

static sp_code read_entries(image_archive *r, sp_tar *t, sp_err *err)
{
	for (;;) {
		const sp_tar_entry *e;
		SP_TRY(sp_tar_next(t, &e, err));
		if (e == NULL)
			return SP_OK;
		feed f = {.next = feed_tar, .tar = t};
		sp_code code = SP_OK;
		if (e->type == SP_TAR_FILE)
			code = take_file(r, e->path, &f, err);
		else if (e->type == SP_TAR_SYMLINK || e->type == SP_TAR_HARDLINK)
			code = take_link(r, e, err);
		if (code != SP_OK)
			return sp_wrap(err, "entry '" SP_FMT "'", SP_ARG(e->path));
	}
}

static sp_code read_tar(image_archive *r, uint8_t *bytes, sp_err *err)
{
	SP_AUTO_FILE file = NULL;
	tar_source s = {.bytes = bytes};
	sp_tar t;
	SP_TRY(sp_file_open(r->world, r->path, SP_FILE_READ, 0, &file, err));
	s.file = file;
	sp_tar_init(&t, tar_fill, &s);
	sp_code code = read_entries(r, &t, err);
	sp_tar_done(&t);
	return code;
}

/* ---- a directory ---- */

static sp_code read_one(image_archive *r, sp_str name, uint8_t *bytes, sp_err *err)
{
	SP_AUTO_FILE file = NULL;
	sp_str path = SP_CONCAT(&r->arena, r->path, SP_STR("/"), name);
	if (path.ptr == NULL)
		return no_room(err);
	SP_TRY(sp_file_open(r->world, path, SP_FILE_READ, 0, &file, err));
	feed f = {.next = feed_file, .file = file, .bytes = bytes};
	return take_file(r, name, &f, err);
}

static sp_code read_dir(image_archive *r, uint8_t *bytes, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n;
	sp_str dir = SP_CONCAT(&r->arena, r->path, SP_STR("/blobs/sha256"));
	if (dir.ptr == NULL)
		return no_room(err);
	SP_TRY(read_one(r, SP_STR("oci-layout"), bytes, err));
	SP_TRY(read_one(r, SP_STR("index.json"), bytes, err));
	SP_TRY(sp_dir_list(r->world, dir, &r->arena, &entries, &n, err));
	for (size_t i = 0; i < n; i++) {
		sp_str name = SP_CONCAT(&r->arena, SP_STR("blobs/sha256/"), entries[i].name);
		if (name.ptr == NULL)
			return no_room(err);
		if (entries[i].type == SP_TYPE_FILE)
			SP_TRY(read_one(r, name, bytes, err));
	}
	return SP_OK;
}

/* ---- what is what ---- */

static image_found *add_image(image_archive *r, sp_err *err)
{
	if (r->n_images == r->cap_images) {
		size_t cap = r->cap_images == 0 ? 8 : r->cap_images * 2;
		image_found *wider = sp_arena_try_grow(&r->arena, r->images, r->cap_images * sizeof *wider,
						       cap * sizeof *wider);
		if (wider == NULL) {
			(void)no_room(err);
			return NULL;
		}
		r->images = wider;
		r->cap_images = cap;
	}
	return &r->images[r->n_images++];
}

static const image_blob *blob_of(const image_archive *r, sp_str digest)
{
	for (size_t i = 0; i < r->n_blobs; i++) {
		if (sp_str_eq(r->blobs[i]->digest, digest))
			return r->blobs[i];
	}
	return NULL;
}

static sp_code read_blob(image_archive *r, sp_str digest, sp_str *ret, sp_err *err)
{
	sp_str path = image_content_path(r->content, digest, &r->arena);
	if (path.ptr == NULL)
		return no_room(err);
	if (blob_of(r, digest) == NULL)
		return sp_fail(err, SP_EPROTO, "the archive lacks " SP_FMT, SP_ARG(digest));
	return sp_file_read_arena(r->world, path, &r->arena, IMAGE_DOCUMENT_BYTES, ret, err);
}

static sp_code check_layers(const image_archive *r, const image_document *m, sp_err *err)
{
	for (size_t i = 0; i < m->n_layers; i++) {
		const image_blob *b = blob_of(r, m->layers[i].digest);
		if (b == NULL || b->size_bytes != m->layers[i].size_bytes)
			return sp_fail(err, SP_EPROTO, "the archive lacks the layer " SP_FMT,
				       SP_ARG(m->layers[i].digest));
	}
	return SP_OK;
}

static sp_code name_of(image_archive *r, const image_descriptor *d, sp_str *ret, sp_err *err)
{
	image_reference ref;
	sp_str text = d->full_name.len > 0 ? d->full_name : d->ref_name;
	if (text.len > 0 && d->full_name.len == 0 && sp_str_index(text, '/') < 0 &&
	    sp_str_index(text, ':') < 0) {
		/* A tag alone. */
		if (r->base_name.len == 0)
			return sp_fail(err, SP_EINVAL,
				       "the image is called '" SP_FMT
				       "' only: give the name that goes before it",
				       SP_ARG(text));
		text = SP_CONCAT(&r->arena, r->base_name, SP_STR(":"), text);
	} else if (text.len == 0) {
		if (r->base_name.len == 0)
			return sp_fail(err, SP_EINVAL, "the image has no name: give one");
		text = SP_CONCAT(&r->arena, r->base_name, SP_STR("@"), d->digest);
	}
	if (text.ptr == NULL)
		return no_room(err);
	SP_TRY(image_reference_parse(&r->arena, text, &ref, err));
	*ret = image_reference_print(&r->arena, &ref);
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

/* From a descriptor down to the configuration. */
static sp_code follow(image_archive *r, const image_descriptor *d, image_found *ret, sp_err *err)
{
	image_document doc;
	ret->manifest_digest = d->digest;
	for (unsigned depth = 0;; depth++) {
		SP_TRY(read_blob(r, ret->manifest_digest, &ret->manifest, err));
		SP_TRY(image_document_parse(&r->arena, ret->manifest, (sp_str){NULL, 0}, &doc, err));
		if (doc.kind == IMAGE_DOCUMENT_MANIFEST)
			break;
		const image_descriptor *pick = image_index_pick(&doc, &r->platform);
		if (pick == NULL || depth == 4)
			return sp_fail(err, SP_ENOTFOUND, "there is no image for " SP_FMT "/" SP_FMT,
				       SP_ARG(r->platform.os), SP_ARG(r->platform.architecture));
		ret->manifest_digest = pick->digest;
	}
	SP_TRY(check_layers(r, &doc, err));
	return read_blob(r, doc.config.digest, &ret->config, err);
}

static sp_code find_oci(image_archive *r, sp_err *err)
{
	image_document index;
	if (sp_str_find(r->oci_layout, SP_STR("imageLayoutVersion")) < 0)
		return sp_fail(err, SP_EPROTO, "its oci-layout is malformed");
	SP_TRY(image_document_parse(&r->arena, r->index, (sp_str){NULL, 0}, &index, err));
	if (index.kind != IMAGE_DOCUMENT_INDEX)
		return sp_fail(err, SP_EPROTO, "its index.json is no index");
	for (size_t i = 0; i < index.n_entries; i++) {
		image_found *found = add_image(r, err);
		if (found == NULL)
			return SP_ETOOLARGE;
		found->target = index.entries[i].digest;
		SP_TRY(name_of(r, &index.entries[i], &found->name, err));
		if (follow(r, &index.entries[i], found, err) != SP_OK)
			return sp_wrap(err, "image '" SP_FMT "'", SP_ARG(found->name));
	}
	return SP_OK;
}

/* ---- docker archives ---- */

static const image_blob *file_of(const image_archive *r, sp_str path)
{
	path = plain(path);
	for (int i = 0; i < LINKS_MAX; i++) {
		const image_blob *b = sp_map_get(&r->files, path);
		const sp_str *to = sp_map_get(&r->links, path);
		if (b != NULL || to == NULL)
			return b;
		path = *to;
	}
	return NULL;
}

static void write_descriptor(sp_jout *j, sp_str type, const image_blob *b)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("mediaType"), type);
	sp_jout_member_str(j, SP_STR("digest"), b->digest);
	sp_jout_member_i64(j, SP_STR("size"), (int64_t)b->size_bytes);
	sp_jout_close(j, '}');
}

/* By its first bytes: that is all that the type of a layer tells. */
static sp_code layer_type(image_archive *r, const image_blob *b, sp_str *ret, sp_err *err)
{
	SP_AUTO_FILE f = NULL;
	uint8_t head[4] = {0};
	size_t n;
	sp_str path = image_content_path(r->content, b->digest, &r->arena);
	if (path.ptr == NULL)
		return no_room(err);
	SP_TRY(sp_file_open(r->world, path, SP_FILE_READ, 0, &f, err));
	SP_TRY(sp_file_pread(f, 0, head, sizeof head, &n, err));
	*ret = SP_STR(IMAGE_TYPE_OCI_LAYER);
	if (head[0] == 0x1f && head[1] == 0x8b)
		*ret = SP_STR(IMAGE_TYPE_OCI_LAYER "+gzip");
	if (memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0)
		*ret = SP_STR(IMAGE_TYPE_OCI_LAYER "+zstd");
	return SP_OK;
}

/* Docker archives have no manifest in today's sense: one is written that names what they have. */
static sp_code write_manifest(image_archive *r, yyjson_val *v, sp_buf *out, sp_err *err)
{
	yyjson_val *layers = yyjson_obj_get(v, "Layers"), *item;
	sp_str config_path = sp_json_str(yyjson_obj_get(v, "Config"));
	const image_blob *config = file_of(r, config_path);
	size_t i, n;
	sp_jout j = sp_jout_to(out);
	if (config == NULL)
		return sp_fail(err, SP_EPROTO, "the archive lacks '" SP_FMT "'", SP_ARG(config_path));
	sp_jout_open(&j, '{');
	sp_jout_member_i64(&j, SP_STR("schemaVersion"), 2);
	sp_jout_member_str(&j, SP_STR("mediaType"), SP_STR(IMAGE_TYPE_OCI_MANIFEST));
	sp_jout_key(&j, SP_STR("config"));
	write_descriptor(&j, SP_STR(IMAGE_TYPE_OCI_CONFIG), config);
	sp_jout_member_open(&j, SP_STR("layers"), '[');
	yyjson_arr_foreach(layers, i, n, item)
	{
		const image_blob *b = file_of(r, sp_json_str(item));
		sp_str type;
		if (b == NULL)
			return sp_fail(err, SP_EPROTO, "the archive lacks the layer '" SP_FMT "'",
				       SP_ARG(sp_json_str(item)));
		SP_TRY(layer_type(r, b, &type, err));
		write_descriptor(&j, type, b);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out) == SP_OK ? SP_OK : no_room(err);
}

static sp_code feed_once(feed *f, const uint8_t **ret, size_t *ret_n, sp_err *err)
{
	(void)err;
	*ret = f->bytes;
	*ret_n = (size_t)f->offset;
	f->offset = 0;
	return SP_OK;
}

static sp_code docker_image(image_archive *r, yyjson_val *v, sp_err *err)
{
	SP_AUTO_BUF manifest;
	yyjson_val *tags = yyjson_obj_get(v, "RepoTags"), *tag;
	image_blob *b;
	size_t i, n;
	sp_buf_init(&manifest, IMAGE_DOCUMENT_BYTES);
	SP_TRY(write_manifest(r, v, &manifest, err));
	feed f = {.next = feed_once, .bytes = (uint8_t *)manifest.ptr, .offset = manifest.len};
	SP_TRY(store(r, &f, &b, err));
	if (yyjson_arr_size(tags) == 0 && r->base_name.len == 0)
		return sp_fail(err, SP_EINVAL, "the image has no name: give one");
	image_descriptor d = {.digest = b->digest};
	if (yyjson_arr_size(tags) == 0) {
		image_found *found = add_image(r, err);
		if (found == NULL)
			return SP_ETOOLARGE;
		found->target = b->digest;
		SP_TRY(name_of(r, &d, &found->name, err));
		return follow(r, &d, found, err);
	}
	yyjson_arr_foreach(tags, i, n, tag)
	{
		image_found *found = add_image(r, err);
		if (found == NULL)
			return SP_ETOOLARGE;
		d.full_name = sp_json_str(tag);
		found->target = b->digest;
		SP_TRY(name_of(r, &d, &found->name, err));
		SP_TRY(follow(r, &d, found, err));
	}
	return SP_OK;
}

static sp_code find_docker(image_archive *r, sp_err *err)
{
	yyjson_val *root, *v;
	size_t i, n;
	if (sp_json_parse(&r->arena, r->docker, &root, NULL) != SP_OK || !yyjson_is_arr(root))
		return sp_fail(err, SP_EPROTO, "its manifest.json is malformed");
	yyjson_arr_foreach(root, i, n, v) SP_TRY(docker_image(r, v, err));
	return SP_OK;
}

/* ---- all of it ---- */

static sp_code read_all(image_archive *r, uint8_t *bytes, sp_err *err)
{
	sp_stat st;
	sp_str blobs = SP_CONCAT(&r->arena, r->content->dir, SP_STR("/blobs/sha256"));
	if (blobs.ptr == NULL)
		return no_room(err);
	SP_TRY(sp_path_stat(r->world, r->path, &st, err));
	SP_TRY(st.type == SP_TYPE_DIR ? read_dir(r, bytes, err) : read_tar(r, bytes, err));
	if (r->oci_layout.ptr != NULL && r->index.ptr != NULL)
		SP_TRY(find_oci(r, err));
	else if (r->docker.ptr != NULL)
		SP_TRY(find_docker(r, err));
	else
		return sp_fail(err, SP_EPROTO, "it is neither an OCI layout nor a docker archive");
	if (r->n_images == 0)
		return sp_fail(err, SP_EPROTO, "there is no image in it");
	return sp_dir_sync(r->world, blobs, err);
}

sp_code image_archive_read(image_archive *r, sp_err *err)
{
	uint8_t *bytes = sp_try_alloc(READ_BYTES);
	if (bytes == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to read '" SP_FMT "'", SP_ARG(r->shown));
	sp_map_init(&r->files);
	sp_map_init(&r->links);
	sp_code code = read_all(r, bytes, err);
	if (code != SP_OK)
		(void)sp_wrap(err, "'" SP_FMT "'", SP_ARG(r->shown));
	sp_map_done(&r->files);
	sp_map_done(&r->links);
	sp_free(bytes);
	return code;
}
