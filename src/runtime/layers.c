/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/layers.h"

#include "base/alloc.h"
#include "base/arena.h"

#define REQUEST_BYTES ((size_t)4 << 20)
#define KILLED 128 /* and the signal */

typedef struct running {
	image_job *job;
	uint64_t token;
	sp_host_call call, stop;
	bool answered, cancelled;
} running;

/* ---- the end ---- */

static void maybe_free(running *r)
{
	if (r->answered && r->stop.impl == NULL)
		sp_free(r);
}

static void on_stopped(sp_host_call *c, const void *response, const sp_err *err)
{
	(void)response, (void)err; /* it ran, or had ended: the answer tells */
	maybe_free(c->arg);
}

static void on_answer(sp_host_call *c, const void *response, const sp_err *err)
{
	running *r = c->arg;
	image_job *j = r->job;
	const sp_host_layer_answer *a = response;
	sp_err mine;
	sp_code code;
	r->answered = true;
	if (r->cancelled) {
		code = sp_fail(&mine, SP_ECANCELED, "canceled");
	} else if (err != NULL) {
		mine = *err;
		code = err->code;
	} else {
		const sp_exit exit = {.code = a->status,
				      .signal = a->status > KILLED ? a->status - KILLED : 0};
		code = image_job_judge(j, a->output, exit, &mine);
	}
	maybe_free(r);
	j->done(j, code, code == SP_OK ? NULL : &mine);
}

/* ---- the beginning ---- */

/* "snapshots/12/fs" of "DIR/snapshots/12/fs". */
static sp_str below(const rt_layers *l, sp_str path)
{
	bool is_below = sp_str_take(&path, l->images_dir) && sp_str_take(&path, SP_STR("/"));
	SP_ASSERT(is_below);
	return path;
}

static sp_code start(void *arg, image_job *j, sp_err *err)
{
	static const sp_host_layer_kind kinds[] = {[IMAGE_JOB_UNPACK] = SP_HOST_LAYER_UNPACK,
						   [IMAGE_JOB_REMOVE] = SP_HOST_LAYER_REMOVE,
						   [IMAGE_JOB_USAGE] = SP_HOST_LAYER_USAGE};
	rt_layers *l = arg;
	sp_arena a;
	running *r = sp_try_alloc(sizeof *r);
	if (r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to work on a layer");
	sp_arena_init(&a, REQUEST_BYTES);
	sp_str *parents = sp_try_new(&a, sp_str, j->n_parents + 1);
	if (parents == NULL) {
		sp_arena_done(&a);
		sp_free(r);
		return sp_fail(err, SP_ENOMEM, "no memory to work on a layer");
	}
	*r = (running){.job = j, .token = ++l->tokens};
	for (size_t i = 0; i < j->n_parents; i++)
		parents[i] = below(l, j->parents[i]);
	sp_host_layer q = {.token = r->token,
			   .kind = kinds[j->kind],
			   .dir = below(l, j->dir),
			   .bytes_max = j->bytes_max,
			   .inodes_max = j->inodes_max,
			   .reserve_bytes = j->reserve_bytes,
			   .allow_devices = j->allow_devices};
	if (j->kind == IMAGE_JOB_UNPACK)
		q.blob = below(l, j->blob);
	q.parents.at = parents;
	q.parents.n = j->n_parents;
	r->call = (sp_host_call){.done = on_answer, .arg = r};
	l->host->call(l->host, SP_HOST_LAYER, &q, &r->call);
	sp_arena_done(&a);
	j->impl[0] = r;
	return SP_OK;
}

static void cancel(void *arg, image_job *j)
{
	rt_layers *l = arg;
	running *r = j->impl[0];
	const sp_host_layer_stop q = {.token = r->token};
	if (r->cancelled)
		return;
	r->cancelled = true;
	r->stop = (sp_host_call){.done = on_stopped, .arg = r};
	l->host->call(l->host, SP_HOST_LAYER_STOP, &q, &r->stop);
}

void rt_layers_init(rt_layers *l, sp_host *host, sp_str images_dir)
{
	*l = (rt_layers){.host = host, .images_dir = images_dir};
	l->unpacker = (image_unpacker){.start = start, .cancel = cancel, .arg = l};
}
