/* SPDX-License-Identifier: Apache-2.0 */
/* The services as tables: a method, its request, what it does. */
#include "base/alloc.h"
#include "shim/task_int.h"

typedef struct method {
	const char *name;
	const sp_pb_message *request;
	void (*run)(shim_op *op);
} method;

static const method methods[] = {
	{"State", &shim_id_req_message, shim_do_state},
	{"Create", &shim_create_req_message, shim_do_create},
	{"Start", &shim_id_req_message, shim_do_start},
	{"Delete", &shim_id_req_message, shim_do_delete},
	{"Pids", &shim_id_req_message, shim_do_pids},
	{"Pause", &shim_id_req_message, shim_do_pause},
	{"Resume", &shim_id_req_message, shim_do_resume},
	{"Checkpoint", &shim_id_req_message, shim_do_checkpoint},
	{"Kill", &shim_kill_req_message, shim_do_kill},
	{"Exec", &shim_exec_req_message, shim_do_exec},
	{"ResizePty", &shim_resize_req_message, shim_do_resize},
	{"CloseIO", &shim_close_req_message, shim_do_close_io},
	{"Update", &shim_update_req_message, shim_do_update},
	{"Wait", &shim_id_req_message, shim_do_wait},
	{"Stats", &shim_id_req_message, shim_do_stats},
	{"Connect", &shim_id_req_message, shim_do_connect},
	{"Shutdown", &shim_shutdown_req_message, shim_do_shutdown},
	{"Reopen", &shim_id_req_message, shim_do_reopen},
	{"Descriptors", &shim_id_req_message, shim_do_descriptors},
};

static const method *find_method(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(methods); i++) {
		if (sp_str_eq(name, sp_str_c(methods[i].name)))
			return &methods[i];
	}
	SP_UNREACHABLE(); /* ttrpc knows only those of the tables below */
}

/* The request's bytes are good during the call only; operations live on. */
static sp_code decode(const method *m, shim_op *op, sp_str payload, sp_err *err)
{
	sp_str copy = sp_arena_try_dup(&op->arena, payload);
	void *req = sp_arena_try_alloc(&op->arena, m->request->size);
	if (req == NULL || copy.len != payload.len)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	op->req = req;
	return sp_pb_decode(m->request, copy, &op->arena, req, err);
}

static void on_call(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	const method *m = find_method(sp_ttrpc_call_request(call)->method);
	shim_op *op = sp_try_alloc(sizeof *op);
	sp_err err = {0};
	if (op == NULL) {
		(void)sp_fail(&err, SP_ENOMEM, "no memory for a request");
		sp_ttrpc_call_fail(call, &err);
		return;
	}
	op->tasks = arg;
	op->call = call;
	sp_list_init(&op->node);
	sp_arena_init(&op->arena, SHIM_OP_ARENA_BYTES);
	sp_ttrpc_call_set_user(call, op);
	if (decode(m, op, payload, &err) != SP_OK)
		shim_op_fail_err(op, &err);
	else
		m->run(op);
}

#define M(name_)                                                                               \
	{                                                                                      \
		.name = SP_STR_INIT(name_), .on_call = on_call, .on_cancel = shim_op_on_cancel \
	}
static const sp_ttrpc_method task_methods[] = {
	M("State"),  M("Create"),     M("Start"), M("Delete"),  M("Pids"),      M("Pause"),
	M("Resume"), M("Checkpoint"), M("Kill"),  M("Exec"),    M("ResizePty"), M("CloseIO"),
	M("Update"), M("Wait"),       M("Stats"), M("Connect"), M("Shutdown"),
};
static const sp_ttrpc_method log_methods[] = {M("Reopen")};
static const sp_ttrpc_method figures_methods[] = {M("Descriptors")};

const sp_ttrpc_service *shim_tasks_services(shim_tasks *t)
{
	t->services[0] =
		(sp_ttrpc_service){SP_STR("containerd.task.v2.Task"), task_methods, SP_LEN(task_methods), t};
	t->services[1] =
		(sp_ttrpc_service){SP_STR("containerd.task.v3.Task"), task_methods, SP_LEN(task_methods), t};
	t->services[2] =
		(sp_ttrpc_service){SP_STR("sampan.shim.v1.Log"), log_methods, SP_LEN(log_methods), t};
	t->services[3] = (sp_ttrpc_service){SP_STR("sampan.shim.v1.Figures"), figures_methods,
					    SP_LEN(figures_methods), t};
	return t->services;
}
