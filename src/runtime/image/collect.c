/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collection: contents, layers and leftovers that nothing refers to. What is needed is marked and the rest
 * forgotten in one turn of the loop; images.json is written; only then files go. A crash in between leaves
 * files that the next collection finds.
 */
#include "base/alloc.h"
#include "runtime/image/store_int.h"

#define COLLECT_BYTES ((size_t)256 << 20)

typedef struct collector {
	image_op op;
	image_turn turn;
	image_store *store;
	bool prune, keep_downloads;
	sp_arena arena;
	sp_map marks;      /* digests of contents */
	sp_map chains;     /* chain ids: a first layer's may be that of a content */
	sp_strs gone;      /* contents */
	sp_map written;    /* hex names in DIR/ingest that are being written */
	uint64_t *numbers; /* of snapshots to remove; those of the map `known` stay */
	size_t n_numbers, i_number, cap_numbers;
	uint64_t limit; /* numbers below were given out before */
	sp_map known;   /* numbers as text */
	image_usage freed;
	sp_work work;
	image_commit commit;
	image_job job;
	sp_arena job_arena;
	image_collected *done;
	void *arg;
	sp_code code;
	sp_err err;
} collector;

static char mark; /* the value of sets */

static bool set_add(sp_map *m, sp_str key)
{
	return sp_map_put(m, key, &mark, NULL) == SP_OK;
}

/* ---- marking ---- */

static bool mark_entry(collector *c, image_entry *e)
{
	bool wanted = !sp_list_is_empty(&e->names) || e->n_held > 0;
	if (!set_add(&c->marks, e->pub.id) || !set_add(&c->marks, e->pub.manifest_digest))
		return false;
	SP_LIST_FOREACH (node, &e->names) {
		if (!set_add(&c->marks, SP_CONTAINER_OF(node, image_name, node)->target))
			return false;
	}
	/* Containers need the unpacked layers only. */
	for (size_t i = 0; wanted && i < e->chain_ids.n; i++) {
		if (!set_add(&c->marks, e->layers[i].digest) || !set_add(&c->chains, e->chain_ids.items[i]))
			return false;
	}
	return true;
}

static bool mark_number(collector *c, uint64_t number)
{
	sp_str text = sp_arena_printf(&c->arena, "%llu", (unsigned long long)number);
	return text.ptr != NULL && set_add(&c->known, text);
}

static bool is_known(const collector *c, uint64_t number)
{
	char digits[SP_NUM_TEXT_BYTES];
	return sp_map_get(&c->known, (sp_str){digits, sp_print_u64(digits, number)}) != NULL;
}

static sp_code mark_all(collector *c)
{
	image_store *s = c->store;
	const sp_map_entry *m;
	bool ok = true;
	SP_LIST_FOREACH (node, &s->entries)
		ok = ok && mark_entry(c, SP_CONTAINER_OF(node, image_entry, node));
	SP_LIST_FOREACH (node, &s->leases) {
		image_lease *l = SP_CONTAINER_OF(node, image_lease, node);
		ok = ok && l->mark(l, &c->marks, &c->chains);
	}
	for (size_t i = 0; ok && (m = sp_map_next(&s->containers, &i)) != NULL;) {
		const image_container *k = m->value;
		ok = mark_number(c, k->number);
		for (size_t n = 0; ok && n < k->n_lower; n++)
			ok = mark_number(c, k->lower[n]);
	}
	return ok ? SP_OK : sp_fail(&c->err, SP_ENOMEM, "no memory to collect");
}

static bool keep(void *arg, sp_str digest)
{
	return sp_map_get(&((collector *)arg)->marks, digest) != NULL;
}

/* ---- forgetting ---- */

static bool add_number(collector *c, uint64_t number)
{
	if (c->n_numbers == c->cap_numbers) {
		size_t cap = c->cap_numbers == 0 ? 64 : c->cap_numbers * 2;
		uint64_t *wider = sp_arena_try_grow(&c->arena, c->numbers, c->cap_numbers * sizeof *wider,
						    cap * sizeof *wider);
		if (wider == NULL)
			return false;
		c->numbers = wider;
		c->cap_numbers = cap;
	}
	c->numbers[c->n_numbers++] = number;
	return true;
}

static sp_code forget_layers(collector *c)
{
	image_store *s = c->store;
	const sp_map_entry *m;
	image_layer **gone = sp_try_new(&c->arena, image_layer *, sp_map_count(&s->layers) + 1);
	size_t n = 0;
	bool ok = gone != NULL;
	for (size_t i = 0; ok && (m = sp_map_next(&s->layers, &i)) != NULL;) {
		image_layer *l = m->value;
		if (l->state == LAYER_READY && sp_map_get(&c->chains, l->chain_id) == NULL &&
		    !is_known(c, l->number) && !image_layers_use(s, l->chain_id))
			gone[n++] = l;
		else
			ok = mark_number(c, l->number);
	}
	for (size_t i = 0; ok && i < n; i++)
		ok = add_number(c, gone[i]->number);
	if (!ok)
		return sp_fail(&c->err, SP_ENOMEM, "no memory to collect");
	for (size_t i = 0; i < n; i++) {
		image_layer *l = gone[i];
		c->freed.bytes += l->bytes;
		c->freed.inodes += l->inodes;
		s->layer_bytes -= l->bytes;
		s->layer_inodes -= l->inodes;
		(void)sp_map_remove(&s->layers, l->chain_id);
		sp_free(l);
	}
	return SP_OK;
}

static void forget_images(image_store *s)
{
	SP_LIST_FOREACH (node, &s->entries) {
		image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		if (e->pub.pinned || e->n_containers > 0 || e->n_held > 0)
			continue;
		SP_LIST_FOREACH (at, &e->names)
			image_name_free(SP_CONTAINER_OF(at, image_name, node));
		image_entry_drop_unused(s, e);
	}
}

/* ---- files, on a worker ---- */

static void remove_contents(collector *c)
{
	for (size_t i = 0; i < c->gone.n; i++) {
		sp_str path = image_content_path(&c->store->content, c->gone.items[i], &c->arena);
		/* What can't be removed stands there again after the next start, and is collected then. */
		if (path.ptr != NULL && sp_path_unlink(c->store->world, path, NULL) == SP_OK)
			c->freed.inodes++;
	}
}

static sp_code remove_downloads(collector *c)
{
	sp_dir_entry *entries;
	size_t n;
	sp_str dir = SP_CONCAT(&c->arena, c->store->dir, SP_STR("/ingest"));
	SP_TRY(sp_dir_list(c->store->world, dir, &c->arena, &entries, &n, &c->err));
	for (size_t i = 0; i < n; i++) {
		sp_stat st;
		sp_str digest = SP_CONCAT(&c->arena, SP_STR("sha256:"), entries[i].name);
		sp_str path = SP_CONCAT(&c->arena, dir, SP_STR("/"), entries[i].name);
		if (digest.ptr == NULL || path.ptr == NULL)
			return sp_fail(&c->err, SP_ENOMEM, "no memory to collect");
		if (entries[i].type != SP_TYPE_FILE || sp_map_get(&c->written, digest) != NULL ||
		    sp_path_stat(c->store->world, path, &st, NULL) != SP_OK)
			continue;
		if (sp_path_unlink(c->store->world, path, NULL) == SP_OK) {
			c->freed.bytes += st.size;
			c->freed.inodes++;
		}
	}
	return SP_OK;
}

static sp_code find_leftovers(collector *c)
{
	sp_dir_entry *entries;
	size_t n;
	uint64_t number;
	SP_TRY(sp_dir_list(c->store->world, c->store->snapshots, &c->arena, &entries, &n, &c->err));
	for (size_t i = 0; i < n; i++) {
		if (sp_parse_u64(entries[i].name, 0, c->limit - 1, &number, NULL) != SP_OK ||
		    is_known(c, number))
			continue;
		bool listed = false;
		for (size_t k = 0; k < c->n_numbers && !listed; k++)
			listed = c->numbers[k] == number;
		if (!listed && !add_number(c, number))
			return sp_fail(&c->err, SP_ENOMEM, "no memory to collect");
	}
	return SP_OK;
}

static void work(sp_work *job)
{
	collector *c = job->arg;
	remove_contents(c);
	c->code = c->keep_downloads ? SP_OK : remove_downloads(c);
	if (c->code == SP_OK)
		c->code = find_leftovers(c);
}

/* ---- one after the other ---- */

static void finish(collector *c)
{
	image_store *s = c->store;
	image_turn_end(s, &c->turn);
	c->done(c->arg, c->code, c->freed, c->code == SP_OK ? NULL : &c->err);
	sp_map_done(&c->marks);
	sp_map_done(&c->chains);
	sp_map_done(&c->written);
	sp_map_done(&c->known);
	sp_arena_done(&c->arena);
	sp_arena_done(&c->job_arena);
	image_op_end(s, &c->op);
	sp_free(c);
}

static void remove_next(collector *c);

static void on_removed(image_job *j, sp_code code, const sp_err *err)
{
	collector *c = j->arg;
	(void)code; /* the next collection finds it again */
	(void)err;
	remove_next(c);
}

static void remove_next(collector *c)
{
	image_store *s = c->store;
	const image_unpacker *u = s->opts.unpacker;
	while (c->i_number < c->n_numbers && !s->closing) {
		sp_arena_reset(&c->job_arena);
		c->job = (image_job){
			.kind = IMAGE_JOB_REMOVE,
			.dir = image_snapshot_path(s, c->numbers[c->i_number++], NULL, &c->job_arena),
			.done = on_removed,
			.arg = c};
		if (c->job.dir.ptr != NULL && u->start(u->arg, &c->job, NULL) == SP_OK)
			return;
	}
	finish(c);
}

static void on_work_done(sp_work *job)
{
	collector *c = job->arg;
	image_content_removed(&c->store->content, true);
	if (c->code == SP_OK)
		remove_next(c);
	else
		finish(c);
}

static void on_committed(void *arg, sp_code code, const sp_err *err)
{
	collector *c = arg;
	c->code = code;
	if (code != SP_OK)
		c->err = *err;
	if (code == SP_OK) {
		c->work = (sp_work){.fn = work, .done = on_work_done, .arg = c};
		sp_code started = sp_work_start(c->store->world, &c->work, &c->err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		c->code = started;
	}
	image_content_removed(&c->store->content, false);
	finish(c);
}

static sp_code begin(collector *c)
{
	image_store *s = c->store;
	uint64_t bytes;
	if (s->closing)
		return sp_fail(&c->err, SP_ECANCELED, "the image store closes");
	if (c->prune)
		forget_images(s);
	c->limit = s->next_number;
	SP_TRY(mark_all(c));
	SP_TRY(forget_layers(c));
	SP_LIST_FOREACH (node, &s->entries) {
		image_entry *e = SP_CONTAINER_OF(node, image_entry, node);
		if (sp_list_is_empty(&e->names))
			image_entry_drop_unused(s, e);
	}
	SP_TRY(image_content_written(&s->content, &c->arena, &c->written, &c->err));
	SP_TRY(image_content_remove_begin(&s->content, keep, c, &c->arena, &c->gone, &bytes, &c->err));
	c->freed.bytes += bytes;
	return SP_OK;
}

static void on_turn(sp_defer *d)
{
	collector *c = d->arg;
	c->code = begin(c);
	if (c->code == SP_OK)
		image_commit_start(c->store, &c->commit);
	else
		finish(c);
}

static void start(image_store *s, bool prune, bool keep_downloads, image_collected *done, void *arg)
{
	collector *c = sp_alloc(sizeof *c);
	c->store = s;
	c->prune = prune;
	c->keep_downloads = keep_downloads;
	c->done = done;
	c->arg = arg;
	c->commit = (image_commit){.done = on_committed, .arg = c};
	sp_map_init(&c->marks);
	sp_map_init(&c->chains);
	sp_map_init(&c->written);
	sp_map_init(&c->known);
	sp_arena_init(&c->arena, COLLECT_BYTES);
	sp_arena_init(&c->job_arena, 16 << 10);
	c->turn.alone = true;
	sp_defer_init(&c->turn.go, on_turn, c);
	image_op_begin(s, &c->op, NULL);
	image_turn_wait(s, &c->turn);
}

void image_collect(image_store *s, image_collected *done, void *arg)
{
	start(s, false, false, done, arg);
}

void image_collect_leftovers(image_store *s, image_collected *done, void *arg)
{
	start(s, false, true, done, arg);
}

void image_prune(image_store *s, image_collected *done, void *arg)
{
	start(s, true, false, done, arg);
}
