/* SPDX-License-Identifier: Apache-2.0 */
/* The seam: requests are copied and become jobs. */
#include "base/alloc.h"
#include "runtime/rt_int.h"

/* A deep copy, by the message's own bytes: whoever calls may forget the request at once. */
static sp_code copy_request(rt_job *j, const sp_pb_message *m, const void *request, sp_err *err)
{
	SP_AUTO_BUF bytes;
	sp_buf_init(&bytes, RT_OBJECT_BYTES);
	sp_pb_encode(m, request, &bytes);
	sp_str own = sp_arena_try_dup(&j->arena, sp_buf_view(&bytes));
	void *copy = sp_arena_try_alloc(&j->arena, m->size);
	if (sp_buf_code(&bytes) != SP_OK || own.len != bytes.len || copy == NULL)
		return sp_fail(err, SP_ETOOLARGE, "%s is too large", m->name);
	j->request = copy;
	return sp_pb_decode(m, own, &j->arena, copy, err);
}

static void on_deadline(sp_timer *t)
{
	rt_job *j = t->arg;
	sp_cri_call *c = SP_TAKE(j->call); /* the job goes on */
	c->impl = NULL;
	c->done(c, SP_RPC_DEADLINE_EXCEEDED, SP_STR("context deadline exceeded"), NULL);
}

/* A job that only tells its error. */
static void refuse(rt_job *j, const sp_err *err)
{
	j->code = err->code;
	j->err = *err;
	j->steps = NULL;
}

static void call(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *c)
{
	rt *r = SP_CONTAINER_OF(cri, rt, cri);
	rt_job *j = rt_job_new(r, rt_methods[method].steps);
	sp_err err;
	sp_code code;
	j->undo = rt_methods[method].undo;
	j->method = method;
	j->call = c;
	j->deadline.arg = j;
	c->impl = j;
	if (r->closing)
		code = sp_fail(&err, SP_EUNAVAILABLE, "the runtime is stopping");
	else if (j->steps == NULL)
		code = sp_fail(&err, SP_EUNSUPPORTED, "method " SP_FMT " not implemented",
			       SP_ARG(sp_cri_methods[method].name));
	else
		code = copy_request(j, sp_cri_methods[method].request, request, &err);
	if (code != SP_OK)
		refuse(j, &err);
	else if (c->timeout_ns > 0)
		sp_timer_start(r->world, &j->deadline, c->timeout_ns, on_deadline);
	rt_job_start(j);
}

static void cancel(sp_cri *cri, sp_cri_call *c)
{
	rt_job *j = c->impl;
	(void)cri;
	if (j == NULL)
		return;
	sp_timer_stop(j->r->world, &j->deadline);
	j->call = NULL;
	c->impl = NULL;
}

static void free_nothing(sp_cri *cri)
{
	(void)cri; /* goes with the runtime */
}

void rt_cri_init(rt *r)
{
	r->cri = (sp_cri){.call = call,
			  .cancel = cancel,
			  .subscribe = rt_subscribe,
			  .unsubscribe = rt_unsubscribe,
			  .free = free_nothing};
}

sp_cri *rt_cri(rt *r)
{
	return &r->cri;
}
