/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: messages in by the tables of contracts/host.h, handlers, answers out. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/alloc.h"
#include "host/host_int.h"

#define REQUEST_BYTES ((size_t)16 << 20)

static host_handler *const handlers[SP_HOST_METHODS_] = {
	[SP_HOST_SANDBOX_MAKE] = host_sandbox_make,
	[SP_HOST_SANDBOX_REMOVE] = host_sandbox_remove,
	[SP_HOST_PIDS_MAKE] = host_pids_make,
	[SP_HOST_LINK_MAKE] = host_link_make,
	[SP_HOST_LINK_REMOVE] = host_link_remove,
	[SP_HOST_ROOTFS_MOUNT] = host_rootfs_mount,
	[SP_HOST_IMAGE_MOUNT] = host_image_mount,
	[SP_HOST_BUNDLE_WRITE] = host_bundle_write,
	[SP_HOST_BUNDLE_REMOVE] = host_bundle_remove,
	[SP_HOST_PATH] = host_path,
	[SP_HOST_SHIM_START] = host_shim_start,
	[SP_HOST_SHIM_DELETE] = host_shim_delete,
	[SP_HOST_FORWARD] = host_forward,
	[SP_HOST_PORTS] = host_ports,
	[SP_HOST_CNI] = host_cni,
	[SP_HOST_LAYER] = host_layer,
	[SP_HOST_LAYER_STOP] = host_layer_stop,
	[SP_HOST_VOLUME] = host_volume,
	[SP_HOST_CNI_CONFS] = host_cni_confs,
	[SP_HOST_IMAGE_VOLUME] = host_image_volume,
	[SP_HOST_DEVICES] = host_devices,
};

/* ---- the end ---- */

static void maybe_end(host *h)
{
	if (h->is_gone && sp_list_is_empty(&h->running))
		h->on_end(h->arg);
}

void host_run_begin(host *h, host_run *r, void (*stop)(host_run *r))
{
	r->h = h;
	r->stop = stop;
	sp_list_push_back(&h->running, &r->node);
}

void host_run_end(host_run *r)
{
	sp_list_remove(&r->node);
	maybe_end(r->h);
}

static void on_conn_close(void *arg, const sp_err *err)
{
	host *h = arg;
	(void)err; /* whichever way it ended, there is nobody left to work for */
	h->conn = NULL;
	h->is_gone = true;
	SP_LIST_FOREACH (n, &h->running) {
		host_run *r = SP_CONTAINER_OF(n, host_run, node);
		r->stop(r);
	}
	maybe_end(h);
}

/* ---- requests ---- */

static void release(host_request *r)
{
	sp_arena_done(&r->arena);
	sp_free(r);
}

void host_answer(host_request *r, const void *response)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, REQUEST_BYTES);
	if (response != NULL)
		sp_pb_encode(sp_host_methods[r->method].response, response, &out);
	if (sp_buf_code(&out) == SP_OK) {
		sp_ttrpc_call_finish(r->call, NULL, sp_buf_view(&out));
		release(r);
		return;
	}
	sp_err err;
	(void)sp_fail(&err, sp_buf_code(&out), "the answer is too large");
	host_refuse(r, &err);
}

void host_refuse(host_request *r, const sp_err *err)
{
	sp_ttrpc_call_fail(r->call, err);
	release(r);
}

static void on_call(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	host *h = arg;
	sp_str name = sp_ttrpc_call_request(call)->method;
	sp_host_method method = 0;
	while (!sp_str_eq(sp_host_methods[method].name, name))
		method++; /* the core has found the name in our table */
	const sp_pb_message *m = sp_host_methods[method].request;
	host_request *r = SP_NEW(host_request);
	*r = (host_request){.h = h, .method = method, .call = call};
	sp_arena_init(&r->arena, REQUEST_BYTES);
	sp_err err;
	sp_code code = SP_OK;
	void *message = sp_arena_try_alloc(&r->arena, m->size);
	sp_str copy = sp_arena_try_dup(&r->arena, payload);
	if (message == NULL || copy.len != payload.len)
		code = sp_fail(&err, SP_ENOMEM, "no memory for the request");
	if (code == SP_OK)
		code = sp_pb_decode(m, copy, &r->arena, message, &err);
	if (code == SP_OK)
		code = handlers[method](r, message, &err);
	if (code != SP_OK)
		host_refuse(r, &err);
}

/* ---- life ---- */

static sp_code open_own(host *h, sp_err *err)
{
	static const char *const paths[] = {"/proc/self/ns/net", "/proc/self/ns/ipc", "/proc/self/ns/uts",
					    "/proc/self/ns/pid"};
	_Static_assert(SP_LEN(paths) == SP_LEN(((host *)0)->ns), "one for each");
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		h->ns[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (h->ns[i] < 0)
			return sp_fail_sys(err, errno, "open %s", paths[i]);
	}
	return SP_OK;
}

static sp_code make_dirs(const host *h, sp_err *err)
{
	static const char *const subs[] = {"", "/sandboxes", "/containers"};
	host_path_buf path;
	for (size_t i = 0; i < SP_LEN(subs); i++) {
		int n = snprintf(path.text, sizeof path.text, SP_FMT "%s", SP_ARG(h->opts->run_dir), subs[i]);
		if (n < 0 || (size_t)n >= sizeof path.text)
			return sp_fail(err, SP_ETOOLARGE, "run directory: path too long");
		SP_TRY(host_mkdir(path.text, 0711, err));
		SP_TRY(host_give(h, path.text, true, 0751, err));
	}
	return SP_OK;
}

/* Waits until the host process before and the programs it had started are gone: they end with it. */
static sp_code take_lock(host *h, sp_err *err)
{
	host_path_buf path;
	int n = snprintf(path.text, sizeof path.text, SP_FMT "/lock", SP_ARG(h->opts->run_dir));
	if (n < 0 || (size_t)n >= sizeof path.text)
		return sp_fail(err, SP_ETOOLARGE, "run directory: path too long");
	h->lock = open(path.text, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (h->lock < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	int got;
	do
		got = flock(h->lock, LOCK_EX);
	while (got != 0 && errno == EINTR);
	return got == 0 ? SP_OK : sp_fail_sys(err, errno, "lock %s", path.text);
}

sp_code host_new(sp_world *w, sp_stream *s, const host_opts *opts, void (*on_end)(void *arg), void *arg,
		 host **ret, sp_err *err)
{
	host *h = SP_NEW(host);
	*h = (host){
		.world = w, .opts = opts, .on_end = on_end, .arg = arg, .ns = {-1, -1, -1, -1}, .lock = -1};
	sp_list_init(&h->running);
	sp_list_init(&h->layers);
	for (size_t i = 0; i < SP_HOST_METHODS_; i++)
		h->methods[i] = (sp_ttrpc_method){.name = sp_host_methods[i].name, .on_call = on_call};
	h->service = (sp_ttrpc_service){
		.name = SP_HOST_SERVICE, .methods = h->methods, .n_methods = SP_HOST_METHODS_, .arg = h};
	const sp_ttrpc_server_opts server = {
		.services = &h->service, .n_services = 1, .on_close = on_conn_close, .arg = h};
	sp_code code = open_own(h, err);
	if (code == SP_OK)
		code = make_dirs(h, err);
	if (code == SP_OK)
		code = take_lock(h, err);
	if (code == SP_OK)
		code = sp_ttrpc_serve(w, s, &server, &h->conn, err);
	if (code != SP_OK) {
		host_free(h);
		return code;
	}
	*ret = h;
	return SP_OK;
}

void host_free(host *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < SP_LEN(h->ns); i++) {
		if (h->ns[i] >= 0)
			(void)close(h->ns[i]);
	}
	if (h->lock >= 0)
		(void)close(h->lock);
	sp_free(h);
}
