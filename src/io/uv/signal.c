/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "io/uv/uv_int.h"

typedef struct watch {
	sp_signal_watch base;
	sp_list node;
	uv_signal_t handle;
	void (*fn)(void *arg, int signal);
	void *arg;
	bool came;
} watch;

static void on_signal(uv_signal_t *handle, int signal)
{
	(void)signal; /* there is one per watch */
	watch *s = handle->data;
	s->came = true;
	uvw_of(s->base.world)->signal_came = true; /* told at the end of the turn */
}

static void on_closed(uv_handle_t *handle)
{
	sp_free(handle->data);
}

sp_code uvw_signal_watch_new(sp_world *base, int signal, void (*fn)(void *arg, int signal), void *arg,
			     sp_signal_watch **ret, sp_err *err)
{
	uvw_world *w = uvw_of(base);
	watch *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to watch signal %d", signal);
	int uv_err = uv_signal_init(&w->loop, &s->handle);
	if (uv_err != 0) {
		sp_free(s);
		return sp_fail_sys(err, -uv_err, "watch signal %d", signal);
	}
	s->base.world = base;
	s->handle.data = s;
	s->fn = fn;
	s->arg = arg;
	uv_err = uv_signal_start(&s->handle, on_signal, signal);
	if (uv_err != 0) {
		uv_close((uv_handle_t *)&s->handle, on_closed);
		return sp_fail_sys(err, -uv_err, "watch signal %d", signal);
	}
	sp_list_push_back(&w->signals, &s->node);
	*ret = &s->base;
	return SP_OK;
}

void uvw_signal_watch_free(sp_signal_watch *base)
{
	watch *s = SP_CONTAINER_OF(base, watch, base);
	sp_list_remove(&s->node);
	uv_close((uv_handle_t *)&s->handle, on_closed);
}

bool uvw_signal_run(uvw_world *w)
{
	if (!w->signal_came)
		return false;
	SP_LIST_FOREACH (n, &w->signals) {
		watch *s = SP_CONTAINER_OF(n, watch, node);
		if (!s->came)
			continue;
		s->came = false;
		s->fn(s->arg, s->handle.signum);
		return true; /* it may have released any watch: look again in the next round */
	}
	w->signal_came = false;
	return false;
}

void uvw_signals_free_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->signals)
		uvw_signal_watch_free(&SP_CONTAINER_OF(n, watch, node)->base);
}
