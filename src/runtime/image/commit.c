/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images.json on disk. Changes are made in memory and written as a whole, in one step; those that come while
 * it is being written share the next write.
 */
#include "io/file.h"
#include "runtime/image/store_int.h"

static void work(sp_work *job)
{
	image_store *s = job->arg;
	s->commit_code =
		sp_file_replace(s->world, s->meta_path, sp_buf_view(&s->commit_text), 0600, &s->commit_err);
}

static void finish(image_store *s)
{
	sp_list *node;
	sp_list done;
	sp_list_init(&done);
	while ((node = sp_list_pop_front(&s->writing)) != NULL)
		sp_list_push_back(&done, node);
	s->committing = false;
	if (!sp_list_is_empty(&s->waiting))
		sp_defer_call(s->world, &s->commit_later);
	sp_code code = s->commit_code;
	sp_err err = s->commit_err;
	while ((node = sp_list_pop_front(&done)) != NULL) {
		image_commit *c = SP_CONTAINER_OF(node, image_commit, node);
		c->done(c->arg, code, code == SP_OK ? NULL : &err);
	}
}

static void work_done(sp_work *job)
{
	finish(job->arg);
}

static void on_later(sp_defer *d)
{
	image_store *s = d->arg;
	sp_list *node;
	if (s->committing)
		return;
	while ((node = sp_list_pop_front(&s->waiting)) != NULL)
		sp_list_push_back(&s->writing, node);
	s->committing = true;
	sp_buf_clear(&s->commit_text);
	s->commit_work = (sp_work){.fn = work, .done = work_done, .arg = s};
	s->commit_code = image_meta_print(s, &s->commit_text);
	if (s->commit_code != SP_OK)
		(void)sp_fail(&s->commit_err, s->commit_code, "no memory to write '" SP_FMT "'",
			      SP_ARG(s->meta_path));
	else {
		sp_code started = sp_work_start(s->world, &s->commit_work, &s->commit_err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		s->commit_code = started;
	}
	finish(s);
}

void image_commit_start(image_store *s, image_commit *c)
{
	if (s->commit_later.fn == NULL)
		sp_defer_init(&s->commit_later, on_later, s);
	sp_list_push_back(&s->waiting, &c->node);
	sp_defer_call(s->world, &s->commit_later);
}
