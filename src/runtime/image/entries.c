/* SPDX-License-Identifier: Apache-2.0 */
/* Images in memory: what their documents say, and their names. */
#include "base/alloc.h"
#include "runtime/image/reference.h"
#include "runtime/image/store_int.h"

#define ENTRY_BYTES ((size_t)16 << 20)
#define LIST_BYTES ((size_t)64 << 20)
#define SHORT_ID_MIN 4u

void image_changed(image_store *s)
{
	s->list_stale = true;
}

/* ---- entries ---- */

void image_name_free(image_name *n)
{
	sp_list_remove(&n->node);
	sp_free(n);
}

void image_entry_free(image_entry *e)
{
	SP_LIST_FOREACH (node, &e->names)
		image_name_free(SP_CONTAINER_OF(node, image_name, node));
	sp_list_remove(&e->node);
	sp_arena_done(&e->arena);
	sp_free(e);
}

void image_entry_drop_unused(image_store *s, image_entry *e)
{
	image_changed(s);
	if (sp_list_is_empty(&e->names) && e->n_containers == 0 && e->n_held == 0)
		image_entry_free(e);
}

void image_entry_release(image_store *s, image_entry *e)
{
	SP_ASSERT(e->n_held > 0);
	e->n_held--;
	image_entry_drop_unused(s, e);
}

image_entry *image_entry_of_id(image_store *s, sp_str id)
{
	SP_LIST_FOREACH (node, &s->entries) {
		image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		if (sp_str_eq(e->pub.id, id))
			return e;
	}
	return NULL;
}

/* The parts that the manifest names; their sizes are those of the manifest. */
static sp_code fill_parts(image_entry *e, const image_document *m, size_t manifest_bytes, sp_err *err)
{
	image_part *layers = sp_try_new(&e->arena, image_part, m->n_layers + 1);
	if (layers == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an image");
	e->pub.size_bytes = manifest_bytes + m->config.size_bytes;
	for (size_t i = 0; i < m->n_layers; i++) {
		layers[i] = (image_part){m->layers[i].digest, m->layers[i].size_bytes};
		if (!sp_add(e->pub.size_bytes, layers[i].size_bytes, &e->pub.size_bytes))
			return sp_fail(err, SP_EPROTO, "the layers' sizes are absurd");
	}
	e->layers = layers;
	e->config = (image_part){m->config.digest, m->config.size_bytes};
	return SP_OK;
}

static sp_code fill(image_entry *e, sp_str digest, sp_str manifest, sp_str config, sp_err *err)
{
	image_document m;
	SP_TRY(image_document_parse(&e->arena, manifest, (sp_str){NULL, 0}, &m, err));
	if (m.kind != IMAGE_DOCUMENT_MANIFEST)
		return sp_fail(err, SP_EPROTO, SP_FMT " is no manifest", SP_ARG(digest));
	SP_TRY(image_config_parse(&e->arena, config, &e->pub.config, err));
	if (e->pub.config.diff_ids.n != m.n_layers)
		return sp_fail(err, SP_EPROTO, "the configuration has %zu layers, the manifest %zu",
			       e->pub.config.diff_ids.n, m.n_layers);
	SP_TRY(fill_parts(e, &m, manifest.len, err));
	SP_TRY(image_chain_ids(&e->arena, &e->pub.config.diff_ids, &e->chain_ids, err));
	e->media_type = m.media_type;
	e->pub.id = m.config.digest;
	e->pub.manifest_digest = sp_arena_try_dup(&e->arena, digest);
	return e->pub.manifest_digest.ptr != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for an image");
}

sp_code image_entry_put(image_store *s, sp_str manifest_digest, sp_str manifest, sp_str config,
			image_entry **ret, sp_err *err)
{
	image_entry *e = sp_try_alloc(sizeof *e);
	if (e == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an image");
	sp_list_init(&e->node);
	sp_list_init(&e->names);
	sp_arena_init(&e->arena, ENTRY_BYTES);
	sp_code code = fill(e, manifest_digest, manifest, config, err);
	image_entry *old = code == SP_OK ? image_entry_of_id(s, e->pub.id) : NULL;
	if (code != SP_OK || old != NULL) {
		image_entry_free(e);
		e = old;
	} else {
		sp_list_push_back(&s->entries, &e->node);
		image_changed(s);
	}
	if (code == SP_OK)
		*ret = e;
	return code;
}

/* ---- names ---- */

image_name *image_name_find(image_store *s, sp_str name, image_entry **ret_entry)
{
	SP_LIST_FOREACH (node, &s->entries) {
		image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		SP_LIST_FOREACH (at, &e->names) {
			image_name *n = SP_CONTAINER_OF(at, image_name, node);
			if (sp_str_eq(n->name, name)) {
				*ret_entry = e;
				return n;
			}
		}
	}
	return NULL;
}

sp_code image_entry_name(image_store *s, image_entry *e, sp_str name, sp_str target, sp_err *err)
{
	image_entry *owner;
	image_name *old = image_name_find(s, name, &owner),
		   *n = sp_try_alloc(sizeof *n + name.len + target.len);
	if (n == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a name");
	memcpy(n->text, name.ptr, name.len);
	memcpy(n->text + name.len, target.ptr, target.len);
	n->name = (sp_str){n->text, name.len};
	n->target = (sp_str){n->text + name.len, target.len};
	if (old != NULL && owner == e) { /* keeps its place */
		sp_list_insert_before(&old->node, &n->node);
	} else {
		sp_list_push_back(&e->names, &n->node);
	}
	if (old != NULL) {
		image_name_free(old);
		if (owner != e)
			image_entry_drop_unused(s, owner);
	}
	image_changed(s);
	return SP_OK;
}

/* ---- looking ---- */

static bool is_hex(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
			return false;
	}
	return true;
}

/* By id, or by so much of it that only one has it. */
static image_entry *find_id(image_store *s, sp_str reference)
{
	image_entry *found = NULL;
	(void)sp_str_take(&reference, SP_STR("sha256:"));
	if (reference.len < SHORT_ID_MIN || reference.len > 64 || !is_hex(reference))
		return NULL;
	SP_LIST_FOREACH (node, &s->entries) {
		image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		sp_str hex = sp_str_sub(e->pub.id, sizeof "sha256:" - 1, e->pub.id.len);
		if (sp_list_is_empty(&e->names) || !sp_str_starts(hex, reference))
			continue;
		if (found != NULL)
			return NULL;
		found = e;
	}
	return found;
}

image_entry *image_entry_find(image_store *s, sp_str reference)
{
	sp_arena a;
	image_reference r;
	image_entry *e = NULL;
	sp_arena_init(&a, 4096);
	if (image_reference_parse(&a, reference, &r, NULL) == SP_OK) {
		sp_str name = image_reference_print(&a, &r);
		if (name.ptr == NULL || image_name_find(s, name, &e) == NULL)
			e = NULL;
	}
	sp_arena_done(&a);
	return e != NULL ? e : find_id(s, reference);
}

const image *image_find(image_store *s, sp_str reference)
{
	size_t n;
	(void)image_list(s, &n); /* tags and digests of each are made with the list */
	image_entry *e = image_entry_find(s, reference);
	return e == NULL ? NULL : &e->pub;
}

/* Tags and digests of one image. False: no memory. */
static bool list_names(image_store *s, image_entry *e)
{
	size_t n = 0, n_tags = 0, n_digests = 0;
	SP_LIST_FOREACH (node, &e->names)
		n++;
	sp_str *tags = sp_try_new(&s->list_arena, sp_str, n + 1);
	sp_str *digests = sp_try_new(&s->list_arena, sp_str, n + 1);
	if (tags == NULL || digests == NULL)
		return false;
	SP_LIST_FOREACH (node, &e->names) {
		const image_name *name = SP_CONTAINER_OF(node, image_name, node);
		if (sp_str_index(name->name, '@') >= 0)
			digests[n_digests++] = name->name;
		else
			tags[n_tags++] = name->name;
	}
	e->pub.tags = (sp_strs){tags, n_tags};
	e->pub.digests = (sp_strs){digests, n_digests};
	return true;
}

const image *const *image_list(image_store *s, size_t *ret_n)
{
	if (s->list_stale) {
		size_t n = 0;
		sp_arena_done(&s->list_arena);
		sp_arena_init(&s->list_arena, LIST_BYTES);
		s->n_list = 0;
		SP_LIST_FOREACH (node, &s->entries)
			n++;
		s->list = sp_try_new(&s->list_arena, const image *, n + 1);
		s->list_stale = s->list == NULL;
		SP_LIST_FOREACH (node, &s->entries) {
			image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
			if (s->list == NULL || sp_list_is_empty(&e->names))
				continue;
			if (!list_names(s, e)) {
				s->list_stale = true; /* the next call tries again */
				break;
			}
			s->list[s->n_list++] = &e->pub;
		}
	}
	*ret_n = s->n_list;
	return s->list;
}
