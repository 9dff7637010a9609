/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and the changes that only touch names. */
#include "base/alloc.h"
#include "runtime/image/reference.h"
#include "runtime/image/store_int.h"

#define LAYER_BYTES_MAX ((uint64_t)64 << 30)
#define LAYER_INODES_MAX UINT64_C(4000000)
#define RESERVE_BYTES ((uint64_t)256 << 20)
#define LIST_BYTES ((size_t)64 << 20)

/* ---- life ---- */

static void free_store(image_store *s)
{
	const sp_map_entry *m;
	for (size_t i = 0; (m = sp_map_next(&s->containers, &i)) != NULL;) {
		image_container *c = m->value;
		sp_arena_done(&c->arena);
		sp_free(c);
	}
	for (size_t i = 0; (m = sp_map_next(&s->layers, &i)) != NULL;)
		sp_free(m->value);
	SP_LIST_FOREACH (node, &s->entries)
		image_entry_free(SP_CONTAINER_OF(node, image_entry, node));
	SP_LIST_FOREACH (node, &s->broken)
		image_name_free(SP_CONTAINER_OF(node, image_name, node));
	sp_map_done(&s->containers);
	sp_map_done(&s->layers);
	image_content_done(&s->content);
	sp_file_close(s->lock);
	sp_buf_done(&s->commit_text);
	sp_arena_done(&s->list_arena);
	sp_arena_done(&s->arena);
	sp_free(s);
}

static void close_step(sp_defer *d)
{
	image_store *s = d->arg;
	if (s->n_ops > 0 || s->committing || !sp_list_is_empty(&s->waiting) ||
	    !sp_list_is_empty(&s->content.writers))
		return;
	void (*closed)(void *arg) = s->closed;
	void *arg = s->closed_arg;
	free_store(s);
	closed(arg);
}

void image_op_begin(image_store *s, image_op *op, void (*cancel)(image_op *op))
{
	op->cancel = cancel;
	s->n_ops++;
	sp_list_push_back(&s->ops, &op->node);
}

void image_op_end(image_store *s, image_op *op)
{
	SP_ASSERT(s->n_ops > 0);
	s->n_ops--;
	sp_list_remove(&op->node);
	if (s->closing)
		sp_defer_call(s->world, &s->close_later);
}

void image_store_close(image_store *s, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!s->closing);
	s->closing = true;
	s->closed = done;
	s->closed_arg = arg;
	s->content.idle = &s->close_later;
	/* Ending one operation may end others: begin again after each. */
	for (bool again = true; again;) {
		again = false;
		SP_LIST_FOREACH (node, &s->ops) {
			image_op *op = SP_CONTAINER_OF(node, image_op, node);
			void (*cancel)(image_op * op) = op->cancel;
			if (cancel == NULL)
				continue;
			op->cancel = NULL;
			cancel(op);
			again = true;
			break;
		}
	}
	sp_defer_call(s->world, &s->close_later);
}

/* Numbers of directories that a crash left behind are not given out again. */
static sp_code skip_numbers(image_store *s, sp_err *err)
{
	sp_arena a;
	sp_dir_entry *entries;
	size_t n = 0;
	uint64_t number;
	sp_arena_init(&a, LIST_BYTES);
	sp_code code = sp_dir_list(s->world, s->snapshots, &a, &entries, &n, err);
	for (size_t i = 0; code == SP_OK && i < n; i++) {
		if (sp_parse_u64(entries[i].name, 0, INT64_MAX - 1, &number, NULL) == SP_OK)
			s->next_number = SP_MAX(s->next_number, number + 1);
	}
	sp_arena_done(&a);
	return code;
}

static sp_code open_lock(image_store *s, sp_err *err)
{
	sp_str path = SP_CONCAT(&s->arena, s->dir, SP_STR("/lock"));
	if (path.ptr == NULL || s->snapshots.ptr == NULL || s->meta_path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	SP_TRY(sp_dir_make(s->world, s->dir, 0700, err));
	SP_TRY(sp_dir_make(s->world, s->snapshots, 0700, err));
	SP_TRY(sp_file_open(s->world, path, SP_FILE_WRITE | SP_FILE_CREATE, 0600, &s->lock, err));
	if (sp_file_lock(s->lock, err) != SP_OK)
		return sp_wrap(err, "the image store '" SP_FMT "'", SP_ARG(s->dir));
	return SP_OK;
}

static sp_code list_broken(image_store *s, sp_err *err)
{
	size_t n = 0;
	SP_LIST_FOREACH (node, &s->broken)
		n++;
	sp_str *names = sp_try_new(&s->arena, sp_str, n + 1);
	if (names == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	n = 0;
	SP_LIST_FOREACH (node, &s->broken)
		names[n++] = SP_CONTAINER_OF(node, image_name, node)->name;
	s->broken_names = (sp_strs){names, n};
	return SP_OK;
}

/* The directories that were made are on disk, up to the root: what is in them else is not, whatever it says.
 */
static sp_code sync_dirs(image_store *s, sp_err *err)
{
	sp_str blobs = SP_CONCAT(&s->arena, s->dir, SP_STR("/blobs")), dir = s->dir;
	if (blobs.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	SP_TRY(sp_dir_sync(s->world, blobs, err));
	for (;;) {
		sp_code code = sp_dir_sync(s->world, dir, err);
		if (code != SP_OK && code != SP_EFORBIDDEN) /* one that may not be read was not made by us */
			return code;
		if (dir.len == 1)
			return SP_OK;
		ptrdiff_t slash = sp_str_rindex(dir, '/');
		dir = sp_str_sub(dir, 0, slash == 0 ? 1 : (size_t)slash);
	}
}

static sp_code open_all(image_store *s, sp_err *err)
{
	SP_TRY(open_lock(s, err));
	SP_TRY(image_content_open(&s->content, s->world, s->dir, err));
	SP_TRY(sync_dirs(s, err));
	SP_TRY(skip_numbers(s, err));
	SP_TRY(image_meta_load(s, err));
	return list_broken(s, err);
}

sp_code image_store_open(sp_world *w, const image_store_opts *opts, image_store **ret, sp_err *err)
{
	image_store *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	s->world = w;
	s->opts = *opts;
	s->opts.layer_bytes_max = opts->layer_bytes_max == 0 ? LAYER_BYTES_MAX : opts->layer_bytes_max;
	s->opts.layer_inodes_max = opts->layer_inodes_max == 0 ? LAYER_INODES_MAX : opts->layer_inodes_max;
	s->opts.reserve_bytes = opts->reserve_bytes == 0 ? RESERVE_BYTES : opts->reserve_bytes;
	sp_list *const lists[] = {&s->entries, &s->broken, &s->waiting, &s->writing,        &s->ops,
				  &s->runs,    &s->turns,  &s->leases,  &s->content.writers};
	for (size_t i = 0; i < SP_LEN(lists); i++)
		sp_list_init(lists[i]);
	sp_map_init(&s->layers);
	sp_map_init(&s->containers);
	sp_map_init(&s->content.blobs);
	sp_buf_init(&s->commit_text, IMAGE_META_BYTES);
	sp_arena_init(&s->arena, LIST_BYTES);
	sp_arena_init(&s->list_arena, LIST_BYTES);
	sp_defer_init(&s->close_later, close_step, s);
	s->next_number = 1;
	s->list_stale = true;
	s->dir = sp_arena_try_dup(&s->arena, opts->dir);
	s->snapshots = SP_CONCAT(&s->arena, opts->dir, SP_STR("/snapshots"));
	s->meta_path = SP_CONCAT(&s->arena, opts->dir, SP_STR("/images.json"));
	sp_code code = open_all(s, err);
	if (code == SP_OK)
		*ret = s;
	else
		free_store(s);
	return code;
}

sp_strs image_broken(const image_store *s)
{
	return s->broken_names;
}

image_usage image_fs_usage(const image_store *s)
{
	return (image_usage){s->content.bytes + s->layer_bytes,
			     sp_map_count(&s->content.blobs) + s->layer_inodes};
}

sp_str image_snapshot_path(const image_store *s, uint64_t number, const char *name, sp_arena *a)
{
	char digits[SP_NUM_TEXT_BYTES];
	sp_str text = {digits, sp_print_u64(digits, number)};
	return name == NULL ? SP_CONCAT(a, s->snapshots, SP_STR("/"), text)
			    : SP_CONCAT(a, s->snapshots, SP_STR("/"), text, SP_STR("/"), sp_str_c(name));
}

/* ---- turns ---- */

static void next_turns(image_store *s)
{
	while (!sp_list_is_empty(&s->turns)) {
		image_turn *t = SP_CONTAINER_OF(s->turns.next, image_turn, node);
		if (s->alone || (t->alone && s->n_shared > 0))
			return;
		sp_list_remove(&t->node);
		s->alone = t->alone;
		s->n_shared += !t->alone;
		sp_defer_call(s->world, &t->go);
	}
}

void image_turn_wait(image_store *s, image_turn *t)
{
	sp_list_push_back(&s->turns, &t->node);
	next_turns(s);
}

void image_turn_end(image_store *s, image_turn *t)
{
	if (t->alone)
		s->alone = false;
	else
		s->n_shared--;
	next_turns(s);
}

/* ---- answers ---- */

typedef struct answer {
	image_op op;
	image_store *store;
	image_commit commit;
	sp_defer later;
	image_done *done;
	void *arg;
	bool collect; /* what nothing needs any more goes, too */
	sp_code code;
	sp_err err;
} answer;

static void answer_now(answer *a)
{
	image_done *done = a->done;
	void *arg = a->arg;
	sp_code code = a->code;
	sp_err err = a->err;
	image_op_end(a->store, &a->op);
	sp_free(a);
	done(arg, code, code == SP_OK ? NULL : &err);
}

static void on_answer(sp_defer *d)
{
	answer_now(d->arg);
}

/* The disk says more about its room than whoever asked wants to know: the names are gone, which was the
 * question. */
static void on_collected(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	answer *a = arg;
	(void)code;
	(void)freed;
	(void)err;
	answer_now(a);
}

static void on_committed(void *arg, sp_code code, const sp_err *err)
{
	answer *a = arg;
	a->code = code;
	if (err != NULL)
		a->err = *err;
	if (code == SP_OK && a->collect && !a->store->closing)
		image_collect(a->store, on_collected, a);
	else
		answer_now(a);
}

static answer *answer_new(image_store *s, image_done *done, void *arg)
{
	answer *a = sp_alloc(sizeof *a); /* small, and nobody could be told otherwise */
	a->store = s;
	a->done = done;
	a->arg = arg;
	a->commit.done = on_committed;
	a->commit.arg = a;
	sp_defer_init(&a->later, on_answer, a);
	image_op_begin(s, &a->op, NULL);
	return a;
}

void image_answer_later(image_store *s, image_done *done, void *arg, sp_code code, const sp_err *err)
{
	answer *a = answer_new(s, done, arg);
	a->code = code;
	if (err != NULL)
		a->err = *err;
	sp_defer_call(s->world, &a->later);
}

static void answer_with(answer *a, sp_code code)
{
	a->code = code;
	if (code == SP_OK)
		image_commit_start(a->store, &a->commit);
	else
		sp_defer_call(a->store->world, &a->later);
}

/* ---- names ---- */

static sp_code no_image(sp_str reference, sp_err *err)
{
	return sp_fail(err, SP_ENOTFOUND, "there is no image '" SP_FMT "'", SP_ARG(reference));
}

static sp_code normal_name(sp_arena *a, sp_str text, sp_str *ret, sp_err *err)
{
	image_reference r;
	SP_TRY(image_reference_parse(a, text, &r, err));
	*ret = image_reference_print(a, &r);
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for a name");
}

static sp_code tag(image_store *s, sp_str reference, sp_str name, sp_arena *a, sp_err *err)
{
	image_entry *e = image_entry_find(s, reference);
	sp_str normal;
	SP_TRY(normal_name(a, name, &normal, err));
	if (e == NULL)
		return no_image(reference, err);
	return image_entry_name(s, e, normal, e->pub.manifest_digest, err);
}

void image_tag(image_store *s, sp_str reference, sp_str name, image_done *done, void *arg)
{
	answer *ans = answer_new(s, done, arg);
	sp_arena a;
	sp_arena_init(&a, 8192);
	answer_with(ans, tag(s, reference, name, &a, &ans->err));
	sp_arena_done(&a);
}

static sp_code untag(image_store *s, sp_str name, sp_arena *a, sp_err *err)
{
	sp_str normal;
	image_entry *e;
	SP_TRY(normal_name(a, name, &normal, err));
	image_name *n = image_name_find(s, normal, &e);
	if (n == NULL)
		return no_image(name, err);
	image_name_free(n);
	image_entry_drop_unused(s, e);
	return SP_OK;
}

void image_untag(image_store *s, sp_str name, image_done *done, void *arg)
{
	answer *ans = answer_new(s, done, arg);
	sp_arena a;
	sp_arena_init(&a, 8192);
	ans->collect = true;
	answer_with(ans, untag(s, name, &a, &ans->err));
	sp_arena_done(&a);
}

void image_remove(image_store *s, sp_str reference, image_done *done, void *arg)
{
	answer *ans = answer_new(s, done, arg);
	image_entry *e = image_entry_find(s, reference);
	ans->collect = e != NULL;
	if (e == NULL) {
		sp_defer_call(s->world, &ans->later);
		return;
	}
	SP_LIST_FOREACH (node, &e->names)
		image_name_free(SP_CONTAINER_OF(node, image_name, node));
	image_entry_drop_unused(s, e);
	answer_with(ans, SP_OK);
}

void image_pin(image_store *s, sp_str reference, bool on, image_done *done, void *arg)
{
	answer *ans = answer_new(s, done, arg);
	image_entry *e = image_entry_find(s, reference);
	if (e != NULL)
		e->pub.pinned = on;
	answer_with(ans, e != NULL ? SP_OK : no_image(reference, &ans->err));
}
