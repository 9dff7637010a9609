/* SPDX-License-Identifier: Apache-2.0 */
/* images.json: what stands in it, and what becomes of it at start. */
#include "base/alloc.h"
#include "base/json_out.h"
#include "io/file.h"
#include "runtime/image/reference.h"
#include "runtime/image/store_int.h"

#define VERSION 1

/* ---- writing ---- */

static void print_entry(const image_entry *e, sp_jout *j)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("id"), e->pub.id);
	sp_jout_member_str(j, SP_STR("manifest"), e->pub.manifest_digest);
	sp_jout_member_bool(j, SP_STR("pinned"), e->pub.pinned);
	sp_jout_member_open(j, SP_STR("names"), '[');
	SP_LIST_FOREACH (node, &e->names) {
		const image_name *n = SP_CONTAINER_OF(node, image_name, node);
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), n->name);
		sp_jout_member_str(j, SP_STR("target"), n->target);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

static void print_layer(const image_layer *l, sp_jout *j)
{
	if (l->state != LAYER_READY)
		return;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("chain"), l->chain_id);
	sp_jout_member_i64(j, SP_STR("number"), (int64_t)l->number);
	sp_jout_member_i64(j, SP_STR("bytes"), (int64_t)l->bytes);
	sp_jout_member_i64(j, SP_STR("inodes"), (int64_t)l->inodes);
	sp_jout_close(j, '}');
}

static void print_container(const image_container *c, sp_jout *j)
{
	if (!c->ready)
		return;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("key"), c->key);
	sp_jout_member_i64(j, SP_STR("number"), (int64_t)c->number);
	sp_jout_member_str(j, SP_STR("image"), c->image_id);
	sp_jout_member_open(j, SP_STR("lower"), '[');
	for (size_t i = 0; i < c->n_lower; i++)
		sp_jout_i64(j, (int64_t)c->lower[i]);
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

sp_code image_meta_print(const image_store *s, sp_buf *out)
{
	const sp_map_entry *m;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_i64(&j, SP_STR("version"), VERSION);
	sp_jout_member_open(&j, SP_STR("images"), '[');
	SP_LIST_FOREACH (node, &s->entries) {
		const image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		if (!sp_list_is_empty(&e->names) || e->n_containers > 0)
			print_entry(e, &j);
	}
	sp_jout_close(&j, ']');
	sp_jout_member_open(&j, SP_STR("layers"), '[');
	for (size_t i = 0; (m = sp_map_next(&s->layers, &i)) != NULL;)
		print_layer(m->value, &j);
	sp_jout_close(&j, ']');
	sp_jout_member_open(&j, SP_STR("containers"), '[');
	for (size_t i = 0; (m = sp_map_next(&s->containers, &i)) != NULL;)
		print_container(m->value, &j);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

/* ---- reading ---- */

static sp_code damaged(const image_store *s, sp_err *err, const char *what)
{
	return sp_fail(err, SP_EIO, "'" SP_FMT "' is damaged: %s", SP_ARG(s->meta_path), what);
}

static sp_code number_of(const image_store *s, yyjson_val *v, uint64_t *ret, sp_err *err)
{
	if (!yyjson_is_uint(v) || yyjson_get_uint(v) > INT64_MAX)
		return damaged(s, err, "a number");
	*ret = yyjson_get_uint(v);
	return SP_OK;
}

static void add_broken(image_store *s, sp_str name)
{
	image_name *n = sp_try_alloc(sizeof *n + name.len);
	if (n == NULL)
		return; /* the next start tells of it */
	memcpy(n->text, name.ptr, name.len);
	n->name = (sp_str){n->text, name.len};
	sp_list_push_back(&s->broken, &n->node);
}

/* A document whose digest is right. */
static sp_code read_document(image_store *s, sp_str digest, sp_arena *a, sp_str *ret, sp_err *err)
{
	if (!image_is_digest(digest))
		return sp_fail(err, SP_EIO, "'" SP_FMT "' is no digest", SP_ARG(digest));
	if (image_content_find(&s->content, digest) == NULL)
		return sp_fail(err, SP_ENOTFOUND, "the content " SP_FMT " is missing", SP_ARG(digest));
	sp_str path = image_content_path(&s->content, digest, a);
	return path.ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory")
				: sp_file_read_arena(s->world, path, a, IMAGE_DOCUMENT_BYTES, ret, err);
}

static sp_code load_entry(image_store *s, yyjson_val *v, sp_arena *a, image_entry **ret, sp_err *err)
{
	sp_str digest = sp_json_str(yyjson_obj_get(v, "manifest")), id = sp_json_str(yyjson_obj_get(v, "id"));
	sp_str manifest, config;
	image_entry *e;
	SP_TRY(read_document(s, digest, a, &manifest, err));
	SP_TRY(read_document(s, id, a, &config, err));
	SP_TRY(image_entry_put(s, digest, manifest, config, &e, err));
	if (!sp_str_eq(e->pub.id, id)) {
		image_entry_drop_unused(s, e);
		return sp_fail(err, SP_EIO, "the manifest " SP_FMT " is another image's", SP_ARG(digest));
	}
	e->pub.pinned = yyjson_get_bool(yyjson_obj_get(v, "pinned"));
	*ret = e;
	return SP_OK;
}

static sp_code load_names(image_store *s, image_entry *e, yyjson_val *names, sp_err *err)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(names, i, n, v)
	{
		sp_str name = sp_json_str(yyjson_obj_get(v, "name"));
		sp_str target = sp_json_str(yyjson_obj_get(v, "target"));
		if (name.len == 0 || !image_is_digest(target))
			return damaged(s, err, "a name");
		if (e == NULL)
			add_broken(s, name);
		else
			SP_TRY(image_entry_name(s, e, name, target, err));
	}
	return SP_OK;
}

static sp_code load_image(image_store *s, yyjson_val *v, sp_err *err)
{
	sp_arena a;
	image_entry *e = NULL;
	sp_arena_init(&a, 4 * IMAGE_DOCUMENT_BYTES);
	sp_code code = load_entry(s, v, &a, &e, err);
	sp_arena_done(&a);
	if (code == SP_ENOMEM)
		return code;
	return load_names(s, e, yyjson_obj_get(v, "names"), err);
}

static sp_code load_layer(image_store *s, yyjson_val *v, sp_err *err)
{
	sp_str chain = sp_json_str(yyjson_obj_get(v, "chain"));
	if (!image_is_digest(chain))
		return damaged(s, err, "a layer");
	image_layer *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a layer");
	memcpy(l->chain, chain.ptr, chain.len);
	l->chain_id = (sp_str){l->chain, chain.len};
	l->state = LAYER_READY;
	sp_code code = number_of(s, yyjson_obj_get(v, "number"), &l->number, err);
	if (code == SP_OK)
		code = number_of(s, yyjson_obj_get(v, "bytes"), &l->bytes, err);
	if (code == SP_OK)
		code = number_of(s, yyjson_obj_get(v, "inodes"), &l->inodes, err);
	if (code == SP_OK && sp_map_get(&s->layers, l->chain_id) != NULL)
		code = damaged(s, err, "a layer twice");
	if (code == SP_OK && sp_map_put(&s->layers, l->chain_id, l, NULL) != SP_OK)
		code = sp_fail(err, SP_ENOMEM, "no memory for a layer");
	if (code != SP_OK) {
		sp_free(l);
		return code;
	}
	s->layer_bytes += l->bytes;
	s->layer_inodes += l->inodes;
	s->next_number = SP_MAX(s->next_number, l->number + 1);
	return SP_OK;
}

static sp_code fill_container(image_store *s, image_container *c, yyjson_val *v, sp_err *err)
{
	yyjson_val *lower = yyjson_obj_get(v, "lower"), *item;
	size_t i, n = yyjson_arr_size(lower);
	c->key = sp_arena_try_dup(&c->arena, sp_json_str(yyjson_obj_get(v, "key")));
	c->image_id = sp_arena_try_dup(&c->arena, sp_json_str(yyjson_obj_get(v, "image")));
	uint64_t *numbers = sp_try_new(&c->arena, uint64_t, n + 1);
	if (numbers == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a container");
	if (c->key.len == 0 || c->image_id.len == 0 || sp_map_get(&s->containers, c->key) != NULL)
		return damaged(s, err, "a container");
	SP_TRY(number_of(s, yyjson_obj_get(v, "number"), &c->number, err));
	yyjson_arr_foreach(lower, i, n, item) SP_TRY(number_of(s, item, &numbers[i], err));
	c->lower = numbers;
	c->n_lower = n;
	c->ready = true;
	return SP_OK;
}

static sp_code load_container(image_store *s, yyjson_val *v, sp_err *err)
{
	image_container *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a container");
	sp_arena_init(&c->arena, 64 << 10);
	sp_code code = fill_container(s, c, v, err);
	if (code == SP_OK && sp_map_put(&s->containers, c->key, c, NULL) != SP_OK)
		code = sp_fail(err, SP_ENOMEM, "no memory for a container");
	if (code != SP_OK) {
		sp_arena_done(&c->arena);
		sp_free(c);
		return code;
	}
	s->next_number = SP_MAX(s->next_number, c->number + 1);
	c->entry = image_entry_of_id(s, c->image_id);
	if (c->entry != NULL)
		c->entry->n_containers++;
	return SP_OK;
}

static sp_code load_all(image_store *s, sp_arena *a, sp_err *err)
{
	sp_str text;
	yyjson_val *root, *v;
	size_t i, n;
	sp_code code = sp_file_read_arena(s->world, s->meta_path, a, IMAGE_META_BYTES, &text, err);
	if (code == SP_ENOTFOUND)
		return SP_OK; /* a new store */
	SP_TRY(code);
	if (sp_json_parse(a, text, &root, NULL) != SP_OK || !yyjson_is_obj(root))
		return damaged(s, err, "no JSON object");
	if (yyjson_get_int(yyjson_obj_get(root, "version")) != VERSION)
		return sp_fail(err, SP_EUNSUPPORTED, "'" SP_FMT "' is of another version",
			       SP_ARG(s->meta_path));
	yyjson_arr_foreach(yyjson_obj_get(root, "images"), i, n, v) SP_TRY(load_image(s, v, err));
	yyjson_arr_foreach(yyjson_obj_get(root, "layers"), i, n, v) SP_TRY(load_layer(s, v, err));
	yyjson_arr_foreach(yyjson_obj_get(root, "containers"), i, n, v) SP_TRY(load_container(s, v, err));
	return SP_OK;
}

sp_code image_meta_load(image_store *s, sp_err *err)
{
	sp_arena a;
	sp_arena_init(&a, 4 * IMAGE_META_BYTES);
	sp_code code = load_all(s, &a, err);
	sp_arena_done(&a);
	return code;
}
