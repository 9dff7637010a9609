/* SPDX-License-Identifier: Apache-2.0 */
/* Root filesystems of containers: layers below, a directory above. */
#include "base/alloc.h"
#include "runtime/image/store_int.h"

#define ROOT_MODE 0755u

/* ---- looking ---- */

static sp_str layer_dir(uint64_t number, const char *name, sp_arena *a)
{
	char digits[SP_NUM_TEXT_BYTES];
	return SP_CONCAT(a, ((sp_str){digits, sp_print_u64(digits, number)}), SP_STR("/"), sp_str_c(name));
}

static bool fill_rootfs(const image_store *s, const image_container *c, sp_arena *a, image_rootfs *ret)
{
	sp_str *lower = sp_try_new(a, sp_str, c->n_lower + 1);
	if (lower == NULL)
		return false;
	for (size_t i = 0; i < c->n_lower; i++) {
		lower[i] = layer_dir(c->lower[i], "fs", a);
		if (lower[i].ptr == NULL)
			return false;
	}
	*ret = (image_rootfs){
		.key = c->key,
		.image_id = c->image_id,
		.snapshots_dir = s->snapshots,
		.lower = {lower, c->n_lower},
		.upper = layer_dir(c->number, "fs", a),
		.work = layer_dir(c->number, "work", a),
		.user_xattr = s->opts.unpacker->user_xattr,
	};
	return ret->upper.ptr != NULL && ret->work.ptr != NULL;
}

bool image_rootfs_find(image_store *s, sp_str key, sp_arena *a, image_rootfs *ret)
{
	const image_container *c = sp_map_get(&s->containers, key);
	return c != NULL && c->ready && fill_rootfs(s, c, a, ret);
}

sp_strs image_rootfs_keys(image_store *s)
{
	size_t n_images, n = 0;
	const sp_map_entry *m;
	image_changed(s);
	(void)image_list(s, &n_images); /* the arena is that of the list */
	sp_str *keys = sp_try_new(&s->list_arena, sp_str, sp_map_count(&s->containers) + 1);
	for (size_t i = 0; keys != NULL && (m = sp_map_next(&s->containers, &i)) != NULL;) {
		if (((const image_container *)m->value)->ready)
			keys[n++] = m->key;
	}
	return (sp_strs){keys, n};
}

/* ---- preparing ---- */

typedef struct prepare {
	image_op op;
	image_store *store;
	image_entry *entry; /* held */
	image_container *container;
	layer_run *run;
	sp_work work;
	bool making, cancelled;
	image_commit commit;
	sp_defer later;
	sp_arena arena; /* paths */
	sp_str upper, work_dir, top;
	image_rootfs_done *done;
	void *arg;
	sp_code code;
	sp_err err;
} prepare;

static void container_free(image_store *s, image_container *c)
{
	image_entry *e = c->entry;
	(void)sp_map_remove(&s->containers, c->key);
	sp_arena_done(&c->arena);
	sp_free(c);
	if (e != NULL) {
		e->n_containers--;
		image_entry_drop_unused(s, e);
	}
}

static void prepare_end(prepare *p)
{
	image_store *s = p->store;
	image_rootfs rootfs;
	sp_code code = p->code;
	if (code == SP_OK && !fill_rootfs(s, p->container, &p->arena, &rootfs))
		code = sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
	if (code != SP_OK && p->container != NULL && !p->container->ready) {
		image_snapshot_drop(s, p->container->number);
		container_free(s, p->container);
	}
	p->done(p->arg, code, code == SP_OK ? &rootfs : NULL, code == SP_OK ? NULL : &p->err);
	if (p->entry != NULL)
		image_entry_release(s, p->entry);
	sp_defer_cancel(&p->later);
	image_op_end(s, &p->op);
	sp_arena_done(&p->arena);
	sp_free(p);
}

static void on_later(sp_defer *d)
{
	prepare_end(d->arg);
}

static void on_committed(void *arg, sp_code code, const sp_err *err)
{
	prepare *p = arg;
	p->code = code;
	if (code != SP_OK) {
		p->err = *err;
		p->container->ready = false;
	}
	prepare_end(p);
}

/* The upper directory is the root of what the container sees: it looks like that of the image. */
static sp_code make_dirs(prepare *p, sp_err *err)
{
	sp_stat st = {.mode = ROOT_MODE};
	sp_world *w = p->store->world;
	if (p->top.ptr != NULL)
		SP_TRY(sp_path_stat(w, p->top, &st, err));
	SP_TRY(sp_dir_make(w, sp_str_sub(p->upper, 0, (size_t)sp_str_rindex(p->upper, '/')), 0700, err));
	SP_TRY(sp_dir_make(w, p->upper, st.mode, err));
	SP_TRY(sp_dir_make(w, p->work_dir, 0711, err));
	SP_TRY(sp_dir_sync(w, sp_str_sub(p->upper, 0, (size_t)sp_str_rindex(p->upper, '/')), err));
	return sp_dir_sync(w, p->store->snapshots, err);
}

static void work(sp_work *job)
{
	prepare *p = job->arg;
	p->code = make_dirs(p, &p->err);
}

static void on_made(sp_work *job)
{
	prepare *p = job->arg;
	p->making = false;
	if (p->cancelled)
		p->code = sp_fail(&p->err, SP_ECANCELED, "the image store closes");
	if (p->code != SP_OK) {
		prepare_end(p);
		return;
	}
	p->container->ready = true;
	image_commit_start(p->store, &p->commit);
}

static sp_code fill_lower(prepare *p)
{
	image_container *c = p->container;
	const sp_strs *chain = &p->entry->chain_ids;
	uint64_t *lower = sp_try_new(&c->arena, uint64_t, chain->n + 1);
	if (lower == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
	for (size_t i = 0; i < chain->n; i++) {
		const image_layer *l = sp_map_get(&p->store->layers, chain->items[chain->n - 1 - i]);
		SP_ASSERT(l != NULL && l->state == LAYER_READY);
		lower[i] = l->number;
	}
	c->lower = lower;
	c->n_lower = chain->n;
	p->upper = image_snapshot_path(p->store, c->number, "fs", &p->arena);
	p->work_dir = image_snapshot_path(p->store, c->number, "work", &p->arena);
	if (chain->n > 0)
		p->top = image_snapshot_path(p->store, lower[0], "fs", &p->arena);
	if (p->upper.ptr == NULL || p->work_dir.ptr == NULL || (chain->n > 0 && p->top.ptr == NULL))
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
	return SP_OK;
}

static void on_progress(void *arg, size_t i, bool ready)
{
	(void)arg;
	(void)i;
	(void)ready;
}

static void on_layers(void *arg, sp_code code, const sp_err *err)
{
	prepare *p = arg;
	p->run = NULL;
	p->code = code;
	if (code != SP_OK)
		p->err = *err;
	else
		p->code = fill_lower(p);
	if (p->code == SP_OK) {
		p->work = (sp_work){.fn = work, .done = on_made, .arg = p};
		p->making = true;
		sp_code started = sp_work_start(p->store->world, &p->work, &p->err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		p->making = false;
		p->code = started;
	}
	prepare_end(p);
}

/* Contents that were collected meanwhile (an image without names) would be waited for without end. */
static sp_code check_contents(const prepare *p, sp_err *err)
{
	for (size_t i = 0; i < p->entry->chain_ids.n; i++) {
		const image_layer *l = sp_map_get(&p->store->layers, p->entry->chain_ids.items[i]);
		if (l == NULL && image_content_find(&p->store->content, p->entry->layers[i].digest) == NULL)
			return sp_fail(err, SP_ENOTFOUND, "the layer " SP_FMT " is missing",
				       SP_ARG(p->entry->layers[i].digest));
	}
	return SP_OK;
}

static sp_code new_container(prepare *p, sp_str key)
{
	image_container *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
	sp_arena_init(&c->arena, 64 << 10);
	c->key = sp_arena_try_dup(&c->arena, key);
	c->image_id = sp_arena_try_dup(&c->arena, p->entry->pub.id);
	if (c->key.ptr == NULL || c->image_id.ptr == NULL ||
	    sp_map_put(&p->store->containers, c->key, c, NULL) != SP_OK) {
		sp_arena_done(&c->arena);
		sp_free(c);
		return sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
	}
	c->number = p->store->next_number++;
	c->entry = p->entry;
	c->entry->n_containers++;
	p->container = c;
	return SP_OK;
}

static bool is_key(sp_str key)
{
	for (size_t i = 0; i < key.len; i++) {
		char c = key.ptr[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			  c == '_' || c == '-' || (c == '.' && i > 0);
		if (!ok)
			return false;
	}
	return key.len > 0 && key.len <= IMAGE_KEY_BYTES;
}

/* SP_OK with a ready container: it was there. */
static sp_code prepare_begin(prepare *p, sp_str reference, sp_str key)
{
	static const layer_run_events events = {on_progress, on_layers};
	image_store *s = p->store;
	if (!is_key(key))
		return sp_fail(&p->err, SP_EINVAL, "'" SP_FMT "' can't be a key", SP_ARG(key));
	image_container *c = sp_map_get(&s->containers, key);
	if (c != NULL && !c->ready)
		return sp_fail(&p->err, SP_ECONFLICT, "the root filesystem '" SP_FMT "' is being made",
			       SP_ARG(key));
	p->container = c;
	if (c != NULL)
		return SP_OK;
	image_entry *e = image_entry_find(s, reference);
	if (e == NULL)
		return sp_fail(&p->err, SP_ENOTFOUND, "there is no image '" SP_FMT "'", SP_ARG(reference));
	p->entry = e;
	image_entry_hold(e);
	SP_TRY(check_contents(p, &p->err));
	SP_TRY(new_container(p, key));
	p->run = image_layers_start(s, &e->chain_ids, &e->pub.config.diff_ids, e->layers, &events, p);
	return p->run != NULL ? SP_OK : sp_fail(&p->err, SP_ENOMEM, "no memory for a root filesystem");
}

static void prepare_cancel(image_op *op)
{
	prepare *p = SP_CONTAINER_OF(op, prepare, op);
	p->cancelled = true;
	if (p->run == NULL)
		return; /* it ends by itself */
	image_layers_cancel(p->run);
	p->run = NULL;
	p->code = sp_fail(&p->err, SP_ECANCELED, "the image store closes");
	sp_defer_call(p->store->world, &p->later);
}

void image_rootfs_prepare(image_store *s, sp_str reference, sp_str key, image_rootfs_done *done, void *arg)
{
	prepare *p = sp_alloc(sizeof *p);
	p->store = s;
	p->done = done;
	p->arg = arg;
	p->commit = (image_commit){.done = on_committed, .arg = p};
	sp_arena_init(&p->arena, (size_t)1 << 20);
	sp_defer_init(&p->later, on_later, p);
	image_op_begin(s, &p->op, prepare_cancel);
	p->code = prepare_begin(p, reference, key);
	if (p->run == NULL)
		sp_defer_call(s->world, &p->later);
}

/* ---- removing ---- */

typedef struct removal {
	image_op op;
	image_store *store;
	image_commit commit;
	image_job job;
	sp_arena arena;
	image_done *done;
	void *arg;
} removal;

static void removal_end(removal *r, sp_code code, const sp_err *err)
{
	r->done(r->arg, code, err);
	image_op_end(r->store, &r->op);
	sp_arena_done(&r->arena);
	sp_free(r);
}

static void on_removed(image_job *j, sp_code code, const sp_err *err)
{
	removal_end(j->arg, code, err);
}

/* First the note that it is there, then the thing: a crash in between leaves something to collect, nothing to
 * miss. */
static void on_forgotten(void *arg, sp_code code, const sp_err *err)
{
	removal *r = arg;
	sp_err e;
	const image_unpacker *u = r->store->opts.unpacker;
	if (code == SP_OK) {
		code = u->start(u->arg, &r->job, &e);
		err = &e;
	}
	if (code != SP_OK)
		removal_end(r, code, err);
}

void image_rootfs_remove(image_store *s, sp_str key, image_done *done, void *arg)
{
	image_container *c = sp_map_get(&s->containers, key);
	sp_err err;
	if (c == NULL) {
		image_answer_later(s, done, arg, SP_OK, NULL);
		return;
	}
	if (!c->ready) {
		sp_code code = sp_fail(&err, SP_ECONFLICT, "the root filesystem '" SP_FMT "' is being made",
				       SP_ARG(key));
		image_answer_later(s, done, arg, code, &err);
		return;
	}
	removal *r = sp_alloc(sizeof *r);
	r->store = s;
	r->done = done;
	r->arg = arg;
	r->commit = (image_commit){.done = on_forgotten, .arg = r};
	sp_arena_init(&r->arena, 16 << 10);
	r->job = (image_job){.kind = IMAGE_JOB_REMOVE,
			     .dir = image_snapshot_path(s, c->number, NULL, &r->arena),
			     .done = on_removed,
			     .arg = r};
	SP_ASSERT(r->job.dir.ptr != NULL); /* paths are at most 4 KiB */
	image_op_begin(s, &r->op, NULL);
	container_free(s, c);
	image_commit_start(s, &r->commit);
}

/* ---- measuring ---- */

typedef struct measure {
	image_op op;
	image_store *store;
	image_job job;
	sp_arena arena;
	sp_defer later;
	image_usage_done *done;
	void *arg;
	sp_code code;
	sp_err err;
} measure;

static void measure_end(measure *m)
{
	image_usage usage = {m->job.bytes, m->job.inodes};
	m->done(m->arg, m->code, usage, m->code == SP_OK ? NULL : &m->err);
	image_op_end(m->store, &m->op);
	sp_arena_done(&m->arena);
	sp_free(m);
}

static void on_measure_later(sp_defer *d)
{
	measure_end(d->arg);
}

static void on_measured(image_job *j, sp_code code, const sp_err *err)
{
	measure *m = j->arg;
	m->code = code;
	if (code != SP_OK)
		m->err = *err;
	measure_end(m);
}

void image_rootfs_usage(image_store *s, sp_str key, image_usage_done *done, void *arg)
{
	measure *m = sp_alloc(sizeof *m);
	const image_container *c = sp_map_get(&s->containers, key);
	const image_unpacker *u = s->opts.unpacker;
	m->store = s;
	m->done = done;
	m->arg = arg;
	sp_arena_init(&m->arena, 16 << 10);
	sp_defer_init(&m->later, on_measure_later, m);
	image_op_begin(s, &m->op, NULL);
	m->job = (image_job){.kind = IMAGE_JOB_USAGE, .done = on_measured, .arg = m};
	if (c == NULL || !c->ready) {
		m->code = sp_fail(&m->err, SP_ENOTFOUND, "there is no root filesystem '" SP_FMT "'",
				  SP_ARG(key));
	} else {
		m->job.dir = image_snapshot_path(s, c->number, "fs", &m->arena);
		m->code = u->start(u->arg, &m->job, &m->err);
	}
	if (m->code != SP_OK)
		sp_defer_call(s->world, &m->later);
}
