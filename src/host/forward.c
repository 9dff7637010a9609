/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of pods: the connection is made inside the pod's network, its bytes go through a unix socket that
 * takes one connection. A socket stays in the network it was made in, whoever reads it: so it is made there
 * by the loop, and connected by a worker, which may have to wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "host/host_int.h"
#include "io/pump.h"
#include "io/splice.h"

/* Loopback answers at once, unless a listener's queue is full. For each family. */
#define DIAL_SECONDS 3
#define ACCEPT_NS UINT64_C(10000000000)

enum { V4, V6, FAMILIES_ };

typedef struct forward {
	host_run run;
	host_request *r; /* while it is dialled */
	uint16_t port;
	int fds[FAMILIES_];     /* sockets in the pod's network; -1: none */
	int errnums[FAMILIES_]; /* why it has no connection */
	int connected;          /* of these; -1: none */
	sp_work dial;
	bool dialling, stopped;
	sp_listener *listener;
	sp_stream *pod;
	sp_splice *splice;
	sp_timer timer;
} forward;

/* ---- the pod's end ---- */

static void make_sockets(forward *f)
{
	static const int families[FAMILIES_] = {AF_INET, AF_INET6};
	const struct timeval limit = {.tv_sec = DIAL_SECONDS};
	for (int i = 0; i < FAMILIES_; i++) {
		f->fds[i] = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
		f->errnums[i] = f->fds[i] < 0 ? errno : 0;
		if (f->fds[i] >= 0)
			(void)setsockopt(f->fds[i], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	}
}

static sp_code make_sockets_in_pod(const host *h, sp_str id, forward *f, sp_err *err)
{
	host_path_buf ns;
	struct stat st;
	SP_TRY(host_path_of(h, "sandboxes", id, "/ns/net", &ns, err));
	bool own = stat(ns.text, &st) == 0; /* else the pod has the host's network */
	if (own)
		SP_TRY(host_enter_net(h, id, err));
	make_sockets(f);
	if (own)
		host_leave(h, HOST_NS_NET);
	return SP_OK;
}

static void close_sockets(forward *f)
{
	for (int i = 0; i < FAMILIES_; i++) {
		if (f->fds[i] >= 0)
			(void)close(f->fds[i]);
		f->fds[i] = -1;
	}
}

/* On a worker. */
static void dial(sp_work *work)
{
	forward *f = work->arg;
	const struct sockaddr_in v4 = {.sin_family = AF_INET,
				       .sin_port = htons(f->port),
				       .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(f->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr *const to[FAMILIES_] = {(const void *)&v4, (const void *)&v6};
	static const socklen_t sizes[FAMILIES_] = {sizeof v4, sizeof v6};
	for (int i = 0; i < FAMILIES_; i++) {
		if (f->fds[i] < 0)
			continue;
		if (connect(f->fds[i], to[i], sizes[i]) == 0) {
			f->connected = i;
			return;
		}
		/* a connect that was not over in time says EINPROGRESS */
		f->errnums[i] = errno == EINPROGRESS ? ETIMEDOUT : errno;
	}
}

/* ---- the client's end ---- */

static void end(forward *f)
{
	sp_timer_stop(f->run.h->world, &f->timer);
	sp_listener_close(f->listener);
	host_run_end(&f->run);
	sp_free(f);
}

static void on_pod_closed(void *arg)
{
	end(arg);
}

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}
static void ignore_end(void *arg)
{
	(void)arg;
}
static void ignore_error(void *arg, const sp_err *err)
{
	(void)arg, (void)err;
}
static const sp_stream_handler closing = {ignore_data, ignore_end, ignore_error, on_pod_closed};

static void give_up(forward *f)
{
	if (f->splice != NULL) {
		sp_splice_abort(f->splice);
		return;
	}
	if (f->pod != NULL) {
		sp_stream_handle(f->pod, &closing, f);
		sp_stream_close(SP_TAKE(f->pod));
	}
}

static void on_timeout(sp_timer *t)
{
	give_up(t->arg);
}

static void stop(host_run *r)
{
	forward *f = SP_CONTAINER_OF(r, forward, run);
	f->stopped = true;
	if (!f->dialling)
		give_up(f);
}

static void on_spliced(void *arg, const sp_err *err)
{
	(void)err; /* an end is an end */
	end(arg);
}

static void on_accept(void *arg, sp_stream *s)
{
	forward *f = arg;
	if (f->pod == NULL || f->splice != NULL) { /* one connection only */
		sp_stream_handle(s, &sp_stream_no_handler, NULL);
		sp_stream_close(s);
		return;
	}
	sp_timer_stop(f->run.h->world, &f->timer);
	if (sp_splice_start(s, f->pod, on_spliced, f, &f->splice, NULL) == SP_OK) {
		f->pod = NULL;
		return;
	}
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
	sp_stream_close(s);
	give_up(f);
}

/* ---- the request ---- */

static sp_code offer(forward *f, sp_str *ret, sp_err *err)
{
	host *h = f->run.h;
	SP_TRY(sp_stream_from_fd(h->world, f->fds[f->connected], &f->pod, err));
	f->fds[f->connected] = -1;
	/* Not below the sandbox: a socket's path has 107 bytes. */
	*ret = sp_arena_printf(&f->r->arena, "unix:" SP_FMT "/f%016llx", SP_ARG(h->opts->run_dir),
			       (unsigned long long)sp_random_u64(h->world));
	SP_TRY(sp_listen(h->world, *ret, NULL, on_accept, f, &f->listener, err));
	return host_give(h, ret->ptr + strlen("unix:"), false, 0600, err);
}

/* U: containerd internal/cri/server/sandbox_portforward_linux.go tells both errors. */
static sp_code outcome(forward *f, sp_str *ret_address, sp_err *err)
{
	if (f->stopped)
		return sp_fail(err, SP_ECANCELED, "the connection is gone");
	if (f->connected >= 0)
		return offer(f, ret_address, err);
	return sp_fail(err, SP_EUNAVAILABLE, "failed to connect to localhost:%u, IPv4: %s, IPv6: %s",
		       (unsigned)f->port, strerror(f->errnums[V4]), strerror(f->errnums[V6]));
}

static void on_dialled(sp_work *work)
{
	forward *f = work->arg;
	host_request *r = f->r;
	sp_err err;
	sp_host_forwarded answer = {.address = {NULL, 0}};
	f->dialling = false;
	sp_code code = outcome(f, &answer.address, &err);
	close_sockets(f);
	if (code == SP_OK) {
		sp_timer_start(f->run.h->world, &f->timer, ACCEPT_NS, on_timeout);
		host_answer(r, &answer);
		return;
	}
	host_refuse(r, &err);
	if (f->pod == NULL)
		end(f);
	else
		give_up(f);
}

sp_code host_forward(host_request *r, const void *message, sp_err *err)
{
	const sp_host_forward *m = message;
	host *h = r->h;
	if (m->port == 0 || m->port > UINT16_MAX)
		return sp_fail(err, SP_EINVAL, "%u is no port", (unsigned)m->port);
	forward *f = SP_NEW(forward);
	*f = (forward){.timer = {.arg = f},
		       .run = {.h = h},
		       .r = r,
		       .port = (uint16_t)m->port,
		       .fds = {-1, -1},
		       .connected = -1,
		       .dial = {.fn = dial, .done = on_dialled, .arg = f},
		       .dialling = true};
	sp_code code = make_sockets_in_pod(h, m->id, f, err);
	if (code == SP_OK)
		code = sp_work_start(h->world, &f->dial, err);
	if (code != SP_OK) {
		close_sockets(f);
		sp_free(f);
		return code;
	}
	host_run_begin(h, &f->run, stop);
	return SP_OK;
}
