/* SPDX-License-Identifier: Apache-2.0 */
#include "io/spdy/forward.h"

#include "base/alloc.h"
#include "base/num.h"

#define TIMEOUT_NS (UINT64_C(30) * 1000000000)
#define PAIRS_MAX 256u
#define REQUEST_BYTES 64u /* of a request's name; upstream's clients count upwards */

typedef struct waiting {
	sp_list node;
	sp_forward *forward;
	sp_stream *stream;
	sp_timer timer;
	bool is_error;
	size_t n_request;
	char request[REQUEST_BYTES];
} waiting;

void sp_forward_init(sp_forward *f)
{
	sp_list_init(&f->waiting);
	if (f->timeout_ns == 0)
		f->timeout_ns = TIMEOUT_NS;
	if (f->pairs_max == 0)
		f->pairs_max = PAIRS_MAX;
}

static void drop(sp_stream *s)
{
	sp_spdy_reset(s, SP_SPDY_CANCEL);
	sp_stream_close(s);
}

static void forget(waiting *w)
{
	sp_timer_stop(w->forward->world, &w->timer);
	sp_list_remove(&w->node);
	sp_free(w);
}

static void on_timeout(sp_timer *t)
{
	waiting *w = t->arg;
	drop(w->stream);
	forget(w);
}

void sp_forward_done(sp_forward *f)
{
	while (!sp_list_is_empty(&f->waiting)) {
		waiting *w = SP_CONTAINER_OF(f->waiting.next, waiting, node);
		drop(w->stream);
		forget(w);
	}
}

static waiting *find(const sp_forward *f, sp_str request, size_t *ret_n)
{
	size_t n = 0;
	waiting *found = NULL;
	SP_LIST_FOREACH (node, &f->waiting) {
		waiting *w = SP_CONTAINER_OF(node, waiting, node);
		n++;
		if (sp_str_eq(request, (sp_str){w->request, w->n_request}))
			found = w;
	}
	*ret_n = n;
	return found;
}

static sp_code wait_for_mate(sp_forward *f, sp_stream *s, bool is_error, sp_str request, sp_err *err)
{
	waiting *w = sp_try_alloc(sizeof *w);
	if (w == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a forwarded connection");
	w->forward = f;
	w->stream = s;
	w->is_error = is_error;
	w->n_request = request.len;
	memcpy(w->request, request.ptr, request.len);
	w->timer.arg = w;
	sp_list_init(&w->node);
	sp_list_push_back(&f->waiting, &w->node);
	sp_timer_start(f->world, &w->timer, f->timeout_ns, on_timeout);
	return SP_OK;
}

static sp_code add(sp_forward *f, sp_stream *s, sp_str block, sp_err *err)
{
	sp_forward_head h;
	SP_TRY(sp_forward_head_read(block, &h, err));
	char number[SP_NUM_TEXT_BYTES];
	if (h.request.len == 0) {
		uint32_t id = sp_spdy_stream_id(s);
		h.request =
			(sp_str){number, sp_print_i64(number, h.is_error ? (int64_t)id : (int64_t)id - 2)};
	}
	if (h.request.len > REQUEST_BYTES)
		return sp_fail(err, SP_EINVAL, "request ID of %zu bytes is too long", h.request.len);
	size_t n = 0;
	waiting *mate = find(f, h.request, &n);
	if (mate != NULL && mate->is_error == h.is_error)
		return sp_fail(err, SP_EEXISTS,
			       "error processing stream for request " SP_FMT ": %s stream already assigned",
			       SP_ARG(h.request), h.is_error ? "error" : "data");
	if (mate == NULL && n >= f->pairs_max)
		return sp_fail(err, SP_ETOOMANY,
			       "too many forwarded connections wait for their second stream");
	SP_TRY(sp_spdy_reply(s, NULL, 0, err));
	if (mate == NULL)
		return wait_for_mate(f, s, h.is_error, h.request, err);
	sp_stream *other = mate->stream;
	forget(mate);
	f->on_pair(f, h.port, h.is_error ? other : s, h.is_error ? s : other);
	return SP_OK;
}

sp_code sp_forward_add(sp_forward *f, sp_stream *s, sp_err *err)
{
	sp_code code = add(f, s, sp_spdy_stream_block(s), err);
	if (code != SP_OK)
		drop(s);
	return code;
}
