/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking the layers of an image, lowest first, each once for all images that have it: whoever needs a
 * layer that another run is unpacking waits for it.
 */
#include "base/alloc.h"
#include "runtime/image/reference.h"
#include "runtime/image/store_int.h"

struct layer_run {
	sp_list node; /* of the store */
	image_op op;
	image_store *store;
	sp_strs chain_ids, diff_ids;
	const image_part *layers;
	size_t i;
	const layer_run_events *events;
	void *arg;
	sp_defer later;
	bool over, cancelled;

	/* of the layer that is being unpacked */
	image_layer *layer; /* NULL: none */
	bool making;        /* its directory, by a worker */
	sp_work work;
	sp_code code;
	sp_err err;
	sp_arena arena;
	image_job job;
	bool unpacking;
};

/* ---- dropping ---- */

typedef struct drop {
	image_op op;
	image_store *store;
	image_job job;
	sp_arena arena;
} drop;

static void drop_end(drop *d)
{
	image_op_end(d->store, &d->op);
	sp_arena_done(&d->arena);
	sp_free(d);
}

static void on_dropped(image_job *j, sp_code code, const sp_err *err)
{
	(void)code; /* what is left behind is found by the next collection */
	(void)err;
	drop_end(j->arg);
}

void image_snapshot_drop(image_store *s, uint64_t number)
{
	drop *d = sp_try_alloc(sizeof *d);
	if (d == NULL)
		return;
	d->store = s;
	sp_arena_init(&d->arena, 8192);
	image_op_begin(s, &d->op, NULL);
	d->job = (image_job){.kind = IMAGE_JOB_REMOVE,
			     .dir = image_snapshot_path(s, number, NULL, &d->arena),
			     .done = on_dropped,
			     .arg = d};
	const image_unpacker *u = s->opts.unpacker;
	if (d->job.dir.ptr == NULL || u->start(u->arg, &d->job, NULL) != SP_OK)
		drop_end(d);
}

/* ---- the end of a run ---- */

void image_layers_wake(image_store *s)
{
	SP_LIST_FOREACH (node, &s->runs)
		image_layers_poke(SP_CONTAINER_OF(node, layer_run, node));
}

static void run_free(layer_run *r)
{
	sp_list_remove(&r->node);
	sp_defer_cancel(&r->later);
	image_op_end(r->store, &r->op);
	sp_arena_done(&r->arena);
	sp_free(r);
}

static void run_finish(layer_run *r, sp_code code)
{
	const layer_run_events *events = r->events;
	void *arg = r->arg;
	sp_err err = r->err;
	r->over = true;
	events->done(arg, code, code == SP_OK ? NULL : &err);
	run_free(r);
}

/* The layer is not to be: its directory goes, others may try. */
static void give_up_layer(layer_run *r)
{
	image_layer *l = r->layer;
	r->layer = NULL;
	(void)sp_map_remove(&r->store->layers, l->chain_id);
	image_snapshot_drop(r->store, l->number);
	sp_free(l);
	image_layers_wake(r->store);
}

/* ---- one layer ---- */

static sp_code check_layer(layer_run *r)
{
	sp_str want = r->diff_ids.items[r->i];
	if (sp_str_eq(sp_str_c(r->job.diff_id), want))
		return SP_OK;
	return sp_fail(&r->err, SP_EPROTO, "the layer " SP_FMT " has the diff id %s instead of " SP_FMT,
		       SP_ARG(r->layers[r->i].digest), r->job.diff_id, SP_ARG(want));
}

static void on_unpacked(image_job *j, sp_code code, const sp_err *err)
{
	layer_run *r = j->arg;
	image_store *s = r->store;
	r->unpacking = false;
	if (r->cancelled) {
		give_up_layer(r);
		run_free(r);
		return;
	}
	if (code != SP_OK) {
		r->err = *err;
		(void)sp_wrap(&r->err, "layer " SP_FMT, SP_ARG(r->layers[r->i].digest));
	} else {
		code = check_layer(r);
	}
	if (code != SP_OK) {
		give_up_layer(r);
		run_finish(r, code);
		return;
	}
	r->layer->state = LAYER_READY;
	r->layer->bytes = j->bytes;
	r->layer->inodes = j->inodes;
	s->layer_bytes += j->bytes;
	s->layer_inodes += j->inodes;
	r->layer = NULL;
	image_layers_wake(s);
	image_layers_poke(r);
}

static void make_dir(sp_work *job)
{
	layer_run *r = job->arg;
	r->code = sp_dir_make(r->store->world, r->job.dir, 0755, &r->err);
}

static void on_made(sp_work *job)
{
	layer_run *r = job->arg;
	const image_unpacker *u = r->store->opts.unpacker;
	r->making = false;
	if (r->cancelled) {
		give_up_layer(r);
		run_free(r);
		return;
	}
	if (r->code == SP_OK)
		r->code = u->start(u->arg, &r->job, &r->err);
	if (r->code != SP_OK) {
		give_up_layer(r);
		run_finish(r, r->code);
		return;
	}
	r->unpacking = true;
}

/* The directories of the layers below, top first. */
static sp_code fill_parents(layer_run *r)
{
	sp_str *parents = sp_try_new(&r->arena, sp_str, r->i + 1);
	for (size_t k = 0; parents != NULL && k < r->i; k++) {
		const image_layer *below = sp_map_get(&r->store->layers, r->chain_ids.items[r->i - 1 - k]);
		SP_ASSERT(below != NULL && below->state == LAYER_READY);
		parents[k] = image_snapshot_path(r->store, below->number, "fs", &r->arena);
		if (parents[k].ptr == NULL)
			parents = NULL;
	}
	if (parents == NULL)
		return sp_fail(&r->err, SP_ENOMEM, "no memory to unpack a layer");
	r->job.parents = parents;
	r->job.n_parents = r->i;
	return SP_OK;
}

static sp_code start_layer(layer_run *r)
{
	image_store *s = r->store;
	sp_str chain = r->chain_ids.items[r->i];
	image_layer *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(&r->err, SP_ENOMEM, "no memory for a layer");
	memcpy(l->chain, chain.ptr, chain.len);
	l->chain_id = (sp_str){l->chain, chain.len};
	if (sp_map_put(&s->layers, l->chain_id, l, NULL) != SP_OK) {
		sp_free(l);
		return sp_fail(&r->err, SP_ENOMEM, "no memory for a layer");
	}
	l->number = s->next_number++;
	r->layer = l;
	sp_arena_reset(&r->arena);
	r->job = (image_job){.kind = IMAGE_JOB_UNPACK,
			     .dir = image_snapshot_path(s, l->number, "fs", &r->arena),
			     .blob = image_content_path(&s->content, r->layers[r->i].digest, &r->arena),
			     .bytes_max = s->opts.layer_bytes_max,
			     .inodes_max = s->opts.layer_inodes_max,
			     .reserve_bytes = s->opts.reserve_bytes,
			     .allow_devices = s->opts.allow_devices,
			     .done = on_unpacked,
			     .arg = r};
	if (r->job.dir.ptr == NULL || r->job.blob.ptr == NULL)
		return sp_fail(&r->err, SP_ENOMEM, "no memory to unpack a layer");
	SP_TRY(fill_parents(r));
	r->work = (sp_work){.fn = make_dir, .done = on_made, .arg = r};
	SP_TRY(sp_work_start(s->world, &r->work, &r->err));
	r->making = true;
	return SP_OK;
}

/* ---- the run ---- */

static void step(sp_defer *d)
{
	layer_run *r = d->arg;
	if (r->layer != NULL || r->over || r->cancelled)
		return;
	for (; r->i < r->chain_ids.n; r->i++) {
		const image_layer *l = sp_map_get(&r->store->layers, r->chain_ids.items[r->i]);
		if (l != NULL && l->state == LAYER_READY) {
			r->events->progress(r->arg, r->i, true);
			continue;
		}
		if (l != NULL || image_content_find(&r->store->content, r->layers[r->i].digest) == NULL)
			return; /* somebody else unpacks it, or its content has not come */
		r->events->progress(r->arg, r->i, false);
		sp_code code = start_layer(r);
		if (code != SP_OK) {
			if (r->layer != NULL)
				give_up_layer(r);
			run_finish(r, code);
		}
		return;
	}
	run_finish(r, SP_OK);
}

layer_run *image_layers_start(image_store *s, const sp_strs *chain_ids, const sp_strs *diff_ids,
			      const image_part *layers, const layer_run_events *events, void *arg)
{
	layer_run *r = sp_try_alloc(sizeof *r);
	if (r == NULL)
		return NULL;
	r->store = s;
	r->chain_ids = *chain_ids;
	r->diff_ids = *diff_ids;
	r->layers = layers;
	r->events = events;
	r->arg = arg;
	sp_arena_init(&r->arena, (size_t)1 << 20);
	sp_defer_init(&r->later, step, r);
	sp_list_push_back(&s->runs, &r->node);
	image_op_begin(s, &r->op, NULL); /* whoever started it cancels it */
	sp_defer_call(s->world, &r->later);
	return r;
}

void image_layers_poke(layer_run *r)
{
	if (!r->over)
		sp_defer_call(r->store->world, &r->later);
}

void image_layers_cancel(layer_run *r)
{
	if (r == NULL)
		return;
	const image_unpacker *u = r->store->opts.unpacker;
	r->cancelled = true;
	if (r->unpacking)
		u->cancel(u->arg, &r->job);
	if (!r->unpacking && !r->making) /* else what comes back releases it */
		run_free(r);
}

bool image_layers_use(const image_store *s, sp_str chain_id)
{
	SP_LIST_FOREACH (node, &s->runs) {
		const layer_run *r = SP_CONTAINER_OF(node, layer_run, node);
		for (size_t i = 0; i < r->chain_ids.n; i++) {
			if (sp_str_eq(r->chain_ids.items[i], chain_id))
				return true;
		}
	}
	return false;
}
