/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and deleting shims. U: containerd docs/runtime-v2.md, "Commands". */
#include <unistd.h>

#include "base/alloc.h"
#include "host/program.h"

#define OUTPUT_BYTES 16384u
#define TIMEOUT_NS UINT64_C(10000000000)
#define ARGS_MAX 16
#define SOCKET_DIGITS 32u

/* One command of the shim. */
typedef struct command {
	host_request *r;
	const char *verb;
} command;

/* ---- the answer ---- */

/* BootstrapResult of containerd.runtime.bootstrap.v1 */
typedef struct result_message {
	int32_t version;
	sp_str address, protocol;
} result_message;
static const sp_pb_slot result_slots[] = {
	SP_PB_SLOT(result_message, version, 1, INT32),
	SP_PB_SLOT(result_message, address, 2, STRING),
	SP_PB_SLOT(result_message, protocol, 3, STRING),
};
static const sp_pb_message result_pb = SP_PB_MESSAGE_OF("BootstrapResult", result_message, result_slots);

static sp_code address_of(host_request *r, sp_str text, sp_str *ret, sp_err *err)
{
	result_message m = {0};
	SP_TRY(sp_pb_decode(&result_pb, sp_arena_try_dup(&r->arena, text), &r->arena, &m, err));
	text = m.address;
	if (!sp_str_starts(text, SP_STR("unix://")))
		return sp_fail(err, SP_EPROTO, "the shim said '" SP_FMT "' instead of an address",
			       SP_ARG(text));
	*ret = text;
	return SP_OK;
}

static sp_code outcome(const command *c, const host_program_result *result, sp_host_shim *ret, sp_err *err)
{
	if (result->timed_out)
		return sp_fail(err, SP_ETIMEOUT, "shim %s did not end in time", c->verb);
	if (result->code != 0)
		return sp_fail(err, SP_EINTERNAL, "shim %s exited with %d: " SP_FMT, c->verb, result->code,
			       SP_ARG(sp_str_trim(result->out)));
	return strcmp(c->verb, "start") == 0 ? address_of(c->r, result->out, &ret->address, err) : SP_OK;
}

static void on_done(void *arg, const host_program_result *result)
{
	command *c = arg;
	sp_err err;
	sp_host_shim shim = {.address = {NULL, 0}};
	sp_code code = outcome(c, result, &shim, &err);
	if (code != SP_OK)
		host_refuse(c->r, &err);
	else
		host_answer(c->r, c->r->method == SP_HOST_SHIM_START ? (void *)&shim : NULL);
	sp_free(c);
}

/* ---- the socket ---- */

/* "RUN-DIR/" and 32 digits, as the shim names it; nothing else is ever removed here. */
static bool is_socket(const host *h, sp_str path)
{
	if (!sp_str_take(&path, h->opts->run_dir) || !sp_str_take(&path, SP_STR("/")) ||
	    path.len != SOCKET_DIGITS)
		return false;
	for (size_t i = 0; i < path.len; i++) {
		char c = path.ptr[i];
		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return false;
	}
	return true;
}

void host_shim_forget(const host *h, sp_str address)
{
	char path[HOST_PATH_BYTES];
	if (!sp_str_take(&address, SP_STR("unix://")) || !is_socket(h, address) || address.len >= sizeof path)
		return;
	(void)snprintf(path, sizeof path, SP_FMT, SP_ARG(address));
	(void)unlink(path);
}

/* ---- starting ---- */

static const char *text(host_request *r, sp_str s)
{
	sp_str copy = sp_arena_try_dup(&r->arena, s);
	return copy.ptr == NULL ? "" : copy.ptr;
}

static sp_code run(host_request *r, const char *verb, sp_str id, sp_str events, sp_err *err)
{
	host *h = r->h;
	const host_opts *o = h->opts;
	host_path_buf bundle;
	SP_TRY(host_path_of(h, "containers", id, "", &bundle, err));
	const char *const argv[ARGS_MAX] = {text(r, o->shim),
					    "-namespace",
					    text(r, o->namespace_),
					    "-address",
					    text(r, o->run_dir),
					    "-publish-binary",
					    text(r, o->containerd),
					    "-id",
					    text(r, id),
					    "-bundle",
					    bundle.text,
					    verb,
					    NULL};
	sp_str address = sp_arena_printf(&r->arena, "TTRPC_ADDRESS=" SP_FMT, SP_ARG(events));
	sp_str grpc = sp_arena_printf(&r->arena, "GRPC_ADDRESS=" SP_FMT, SP_ARG(o->run_dir));
	const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				   "MAX_SHIM_VERSION=2",
				   "GOMAXPROCS=2",
				   address.ptr,
				   grpc.ptr,
				   NULL};
	command *c = SP_NEW(command);
	*c = (command){.r = r, .verb = verb};
	const host_program_opts opts = {.argv = argv,
					.env = env,
					.cwd = bundle.text,
					.input = o->shim_options,
					.out_bytes = OUTPUT_BYTES, /* more is no address anyway */
					.timeout_ns = TIMEOUT_NS,
					.holds_lock = true,
					.done = on_done,
					.arg = c};
	sp_code code = host_program_run(h, &opts, NULL, err);
	if (code != SP_OK)
		sp_free(c);
	return code;
}

sp_code host_shim_start(host_request *r, const void *message, sp_err *err)
{
	const sp_host_shim_start *m = message;
	return run(r, "start", m->id, m->events, err);
}

sp_code host_shim_delete(host_request *r, const void *message, sp_err *err)
{
	const sp_host_id *m = message;
	return run(r, "delete", m->id, SP_STR(""), err);
}
