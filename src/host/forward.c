/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of pods: the connection is made inside the pod's network, its bytes go through a unix socket that
 * takes one connection. A socket stays in the network it was made in, whoever reads it.
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

/* Loopback answers at once; a listener whose queue is full must not hold up the others for long. */
#define DIAL_SECONDS 1
#define ACCEPT_NS UINT64_C(10000000000)

typedef struct forward {
	host_run run;
	sp_listener *listener;
	sp_stream *pod;
	sp_splice *splice;
	sp_timer timer;
} forward;

/* ---- the pod's end ---- */

static int dial(int family, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct timeval limit = {.tv_sec = DIAL_SECONDS};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	const struct sockaddr *to = family == AF_INET ? (void *)&v4 : (void *)&v6;
	if (connect(fd, to, family == AF_INET ? sizeof v4 : sizeof v6) == 0)
		return fd;
	int failed = errno;
	(void)close(fd);
	errno = failed;
	return -1;
}

static sp_code dial_pod(const host *h, const sp_host_forward *m, int *ret, sp_err *err)
{
	host_path_buf ns;
	struct stat st;
	SP_TRY(host_path_of(h, "sandboxes", m->id, "/ns/net", &ns, err));
	bool own = stat(ns.text, &st) == 0; /* else the pod has the host's network */
	if (own)
		SP_TRY(host_enter_net(h, m->id, err));
	int fd = dial(AF_INET, (uint16_t)m->port);
	if (fd < 0)
		fd = dial(AF_INET6, (uint16_t)m->port);
	int failed = errno;
	if (own)
		host_leave(h, HOST_NS_NET);
	if (fd < 0)
		return sp_fail_sys(err, failed, "dial localhost:%u", (unsigned)m->port);
	*ret = fd;
	return SP_OK;
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
	give_up(SP_CONTAINER_OF(r, forward, run));
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

sp_code host_forward(host_request *r, const void *message, sp_err *err)
{
	const sp_host_forward *m = message;
	host *h = r->h;
	int fd = -1;
	if (m->port == 0 || m->port > UINT16_MAX)
		return sp_fail(err, SP_EINVAL, "%u is no port", (unsigned)m->port);
	SP_TRY(dial_pod(h, m, &fd, err));
	forward *f = SP_NEW(forward);
	*f = (forward){.timer = {.arg = f}, .run = {.h = h}};
	sp_code code = sp_stream_from_fd(h->world, fd, &f->pod, err);
	if (code != SP_OK) {
		(void)close(fd);
		sp_free(f);
		return code;
	}
	host_run_begin(h, &f->run, stop);
	/* Not below the sandbox: a socket's path has 107 bytes. */
	sp_str address = sp_arena_printf(&r->arena, "unix:" SP_FMT "/f%016llx", SP_ARG(h->opts->run_dir),
					 (unsigned long long)sp_random_u64(h->world));
	code = sp_listen(h->world, address, NULL, on_accept, f, &f->listener, err);
	if (code == SP_OK)
		code = host_give(h, address.ptr + strlen("unix:"), false, 0600, err);
	if (code != SP_OK) {
		give_up(f);
		return code;
	}
	sp_timer_start(h->world, &f->timer, ACCEPT_NS, on_timeout);
	const sp_host_forwarded answer = {.address = address};
	host_answer(r, &answer);
	return SP_OK;
}
