/* SPDX-License-Identifier: Apache-2.0 */
#include "io/world.h"

#include "io/world_ops.h"

static sp_code unsupported(sp_err *err, const char *what)
{
	return sp_fail(err, SP_EUNSUPPORTED, "this world has no %s", what);
}

void sp_world_run(sp_world *w)
{
	w->ops->run(w);
}

void sp_world_stop(sp_world *w)
{
	w->ops->stop(w);
}

uint64_t sp_now_ns(sp_world *w)
{
	return w->ops->now_ns(w);
}

uint64_t sp_clock_ns(sp_world *w)
{
	return w->ops->clock_ns(w);
}

int64_t sp_wall_ns(sp_world *w)
{
	return w->ops->wall_ns(w);
}

void sp_random(sp_world *w, void *bytes, size_t n)
{
	w->ops->random(w, bytes, n);
}

uint64_t sp_random_u64(sp_world *w)
{
	uint64_t v;
	w->ops->random(w, &v, sizeof v);
	return v;
}

bool sp_buggify(sp_world *w, uint32_t p_ppm)
{
	return w->ops->buggify != NULL && w->ops->buggify(w, p_ppm);
}

void sp_timer_start(sp_world *w, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t))
{
	w->ops->timer_start(w, t, delay_ns, fn);
}

void sp_timer_stop(sp_world *w, sp_timer *t)
{
	w->ops->timer_stop(w, t);
}

void sp_defer_init(sp_defer *d, void (*fn)(sp_defer *d), void *arg)
{
	sp_list_init(&d->node);
	d->fn = fn;
	d->arg = arg;
}

void sp_defer_call(sp_world *w, sp_defer *d)
{
	if (sp_list_is_empty(&d->node))
		w->ops->defer_call(w, d);
}

void sp_defer_cancel(sp_defer *d)
{
	sp_list_remove(&d->node);
}

sp_code sp_work_start(sp_world *w, sp_work *job, sp_err *err)
{
	if (w->ops->work_start == NULL)
		return unsupported(err, "workers");
	return w->ops->work_start(w, job, err);
}

sp_code sp_wakeup_new(sp_world *w, void (*fn)(void *arg), void *arg, sp_wakeup **ret, sp_err *err)
{
	if (w->ops->wakeup_new == NULL)
		return unsupported(err, "threads");
	return w->ops->wakeup_new(w, fn, arg, ret, err);
}

void sp_wakeup_call(sp_wakeup *u)
{
	u->world->ops->wakeup_call(u);
}

void sp_wakeup_free(sp_wakeup *u)
{
	if (u != NULL)
		u->world->ops->wakeup_free(u);
}

sp_code sp_signal_watch_new(sp_world *w, int signal, void (*fn)(void *arg, int signal), void *arg,
			    sp_signal_watch **ret, sp_err *err)
{
	if (w->ops->signal_watch_new == NULL)
		return unsupported(err, "signals");
	return w->ops->signal_watch_new(w, signal, fn, arg, ret, err);
}

void sp_signal_watch_free(sp_signal_watch *s)
{
	if (s != NULL)
		s->world->ops->signal_watch_free(s);
}

sp_code sp_path_watch_new(sp_world *w, sp_str path, void (*fn)(void *arg), void *arg, sp_path_watch **ret,
			  sp_err *err)
{
	if (w->ops->path_watch_new == NULL)
		return unsupported(err, "watches of directories");
	return w->ops->path_watch_new(w, path, fn, arg, ret, err);
}

void sp_path_watch_free(sp_path_watch *s)
{
	if (s != NULL)
		s->world->ops->path_watch_free(s);
}

sp_code sp_listen(sp_world *w, sp_str address, const sp_listen_opts *opts,
		  void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret, sp_err *err)
{
	static const sp_listen_opts defaults = {0};
	if (w->ops->listen == NULL)
		return unsupported(err, "listeners");
	return w->ops->listen(w, address, opts == NULL ? &defaults : opts, on_accept, arg, ret, err);
}

sp_str sp_listener_address(const sp_listener *l)
{
	return sp_str_c(l->address);
}

void sp_listener_close(sp_listener *l)
{
	if (l != NULL)
		l->world->ops->listener_close(l);
}

sp_code sp_udp_open(sp_world *w, sp_str address,
		    void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes), void *arg,
		    sp_udp **ret, sp_err *err)
{
	if (w->ops->udp_open == NULL)
		return unsupported(err, "datagrams");
	return w->ops->udp_open(w, address, on_packet, arg, ret, err);
}

void sp_udp_send(sp_udp *u, const sp_udp_peer *to, sp_str bytes)
{
	u->world->ops->udp_send(u, to, bytes);
}

sp_str sp_udp_address(const sp_udp *u)
{
	return sp_str_c(u->address);
}

sp_code sp_udp_peer_of(sp_world *w, sp_str address, sp_udp_peer *ret, sp_err *err)
{
	if (w->ops->udp_peer == NULL)
		return unsupported(err, "datagrams");
	return w->ops->udp_peer(w, address, ret, err);
}

void sp_udp_close(sp_udp *u)
{
	if (u != NULL)
		u->world->ops->udp_close(u);
}

sp_code sp_connect(sp_world *w, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err)
{
	if (w->ops->connect == NULL)
		return unsupported(err, "connections");
	return w->ops->connect(w, r, address, timeout_ns, err);
}

void sp_connect_cancel(sp_world *w, sp_connect_req *r)
{
	if (r->impl != NULL)
		w->ops->connect_cancel(w, r);
}

sp_code sp_stream_pair(sp_world *w, sp_stream *ret[2], sp_err *err)
{
	if (w->ops->stream_pair == NULL)
		return unsupported(err, "stream pairs");
	return w->ops->stream_pair(w, ret, err);
}

sp_code sp_stream_from_fd(sp_world *w, int fd, sp_stream **ret, sp_err *err)
{
	if (w->ops->stream_from_fd == NULL)
		return unsupported(err, "descriptors");
	return w->ops->stream_from_fd(w, fd, ret, err);
}

sp_code sp_stream_peer_cred(sp_stream *s, sp_peer_cred *ret, sp_err *err)
{
	if (s->ops->peer_cred == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "not a unix socket: no credentials of the peer");
	return s->ops->peer_cred(s, ret, err);
}

sp_code sp_spawn(sp_world *w, const sp_spawn_opts *opts, void (*on_exit)(void *arg, sp_exit exit), void *arg,
		 sp_process **ret, sp_err *err)
{
	if (w->ops->spawn == NULL)
		return unsupported(err, "processes");
	return w->ops->spawn(w, opts, on_exit, arg, ret, err);
}

int64_t sp_process_pid(const sp_process *p)
{
	return p->pid;
}

sp_code sp_process_kill(sp_process *p, int signal, sp_err *err)
{
	return p->world->ops->process_kill(p, signal, err);
}

void sp_process_free(sp_process *p)
{
	if (p != NULL)
		p->world->ops->process_free(p);
}
