/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "io/uv/uv_int.h"

typedef struct watch {
	sp_path_watch base;
	uv_fs_event_t handle;
	sp_defer told; /* many changes of one turn are one */
	void (*fn)(void *arg);
	void *arg;
} watch;

static void on_told(sp_defer *d)
{
	const watch *s = d->arg;
	s->fn(s->arg);
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status)
{
	watch *s = handle->data;
	(void)name, (void)events, (void)status; /* whoever is told looks for himself */
	sp_defer_call(s->base.world, &s->told);
}

static void on_closed(uv_handle_t *handle)
{
	sp_free(handle->data);
}

sp_code uvw_path_watch_new(sp_world *base, sp_str path, void (*fn)(void *arg), void *arg, sp_path_watch **ret,
			   sp_err *err)
{
	char text[4096];
	watch *s = sp_try_alloc(sizeof *s);
	if (s == NULL || path.len >= sizeof text) {
		sp_free(s);
		return sp_fail(err, SP_ENOMEM, "no memory to watch " SP_FMT, SP_ARG(path));
	}
	memcpy(text, path.ptr, path.len);
	text[path.len] = '\0';
	int uv_err = uv_fs_event_init(&uvw_of(base)->loop, &s->handle);
	if (uv_err != 0) {
		sp_free(s);
		return sp_fail_sys(err, -uv_err, "watch %s", text);
	}
	s->base.world = base;
	s->handle.data = s;
	s->fn = fn;
	s->arg = arg;
	sp_defer_init(&s->told, on_told, s);
	uv_err = uv_fs_event_start(&s->handle, on_change, text, 0);
	if (uv_err != 0) {
		uv_close((uv_handle_t *)&s->handle, on_closed);
		return sp_fail_sys(err, -uv_err, "watch %s", text);
	}
	*ret = &s->base;
	return SP_OK;
}

void uvw_path_watch_free(sp_path_watch *base)
{
	watch *s = SP_CONTAINER_OF(base, watch, base);
	sp_defer_cancel(&s->told);
	uv_close((uv_handle_t *)&s->handle, on_closed);
}
