/* SPDX-License-Identifier: Apache-2.0 */
/* A runtime behind which another one is: its calls are counted on their way. */
#include "base/alloc.h"
#include "node/counters.h"

typedef struct counted {
	sp_cri base;
	sp_world *world;
	sp_cri *inner;
	node_counters *to;
} counted;

/* One call under way; the caller's `impl`. */
typedef struct flight {
	counted *cri;
	sp_cri_call *outer, call;
	sp_cri_method method;
	uint64_t began_ns;
} flight;

static void on_done(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	flight *f = c->arg;
	counted *k = f->cri;
	sp_cri_call *outer = f->outer;
	node_count(&k->to->calls[f->method], NODE_DURATION_CALL, sp_now_ns(k->world) - f->began_ns);
	k->to->call_errors[f->method] += status != SP_RPC_OK;
	outer->impl = NULL;
	sp_free(f);
	outer->done(outer, status, message, response);
}

static void call(sp_cri *cri, sp_cri_method method, const void *request, sp_cri_call *c)
{
	counted *k = SP_CONTAINER_OF(cri, counted, base);
	flight *f = SP_NEW(flight);
	*f = (flight){.cri = k,
		      .outer = c,
		      .call = {.done = on_done, .arg = f, .timeout_ns = c->timeout_ns},
		      .method = method,
		      .began_ns = sp_now_ns(k->world)};
	c->impl = f;
	k->inner->call(k->inner, method, request, &f->call);
}

static void cancel(sp_cri *cri, sp_cri_call *c)
{
	counted *k = SP_CONTAINER_OF(cri, counted, base);
	flight *f = SP_TAKE(c->impl);
	if (f == NULL)
		return;
	k->inner->cancel(k->inner, &f->call);
	sp_free(f);
}

static void subscribe(sp_cri *cri, sp_cri_events *e)
{
	sp_cri *inner = SP_CONTAINER_OF(cri, counted, base)->inner;
	inner->subscribe(inner, e);
}
static void unsubscribe(sp_cri *cri, sp_cri_events *e)
{
	sp_cri *inner = SP_CONTAINER_OF(cri, counted, base)->inner;
	inner->unsubscribe(inner, e);
}

static void free_counted(sp_cri *cri)
{
	sp_free(SP_CONTAINER_OF(cri, counted, base));
}

sp_cri *node_cri_counted(sp_world *w, sp_cri *inner, node_counters *to)
{
	counted *k = SP_NEW(counted);
	*k = (counted){.base = {.call = call,
				.cancel = cancel,
				.subscribe = subscribe,
				.unsubscribe = unsubscribe,
				.free = free_counted},
		       .world = w,
		       .inner = inner,
		       .to = to};
	return &k->base;
}
