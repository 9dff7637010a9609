/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_client.h"

#include "base/alloc.h"
#include "runtime/rpc.h"

typedef struct client {
	sp_host base;
	sp_world *world;
	sp_ttrpc_client *conn; /* NULL: gone */
	void (*on_close)(void *arg);
	void *arg;
} client;

/* A call under way; an error of its start is told from the loop like any other. */
typedef struct under_way {
	rt_rpc rpc;
	sp_host_call *call;
	sp_defer late;
	sp_err err;
} under_way;

static void tell(under_way *u, const void *response, const sp_err *err)
{
	sp_host_call *call = u->call;
	call->impl = NULL;
	call->done(call, response, err);
	sp_free(u);
}

static void on_rpc(rt_rpc *r, const void *response, const sp_err *err)
{
	tell(r->arg, response, err);
}

static void on_late(sp_defer *d)
{
	under_way *u = d->arg;
	tell(u, NULL, &u->err);
}

static void call(sp_host *h, sp_host_method method, const void *request, sp_host_call *c)
{
	client *me = SP_CONTAINER_OF(h, client, base);
	const sp_host_method_info *info = &sp_host_methods[method];
	const rt_rpc_method m = {.service = SP_HOST_SERVICE,
				 .name = info->name,
				 .request = info->request,
				 .response = info->response};
	under_way *u = SP_NEW(under_way);
	*u = (under_way){.call = c, .rpc = {.done = on_rpc, .arg = u}};
	sp_defer_init(&u->late, on_late, u);
	c->impl = u;
	sp_code code = me->conn == NULL ? sp_fail(&u->err, SP_EUNAVAILABLE, "the host process is gone")
					: rt_rpc_start(me->conn, &u->rpc, &m, request, &u->err);
	if (code != SP_OK)
		sp_defer_call(me->world, &u->late);
}

static void cancel(sp_host *h, sp_host_call *c)
{
	under_way *u = c->impl;
	(void)h;
	if (u == NULL)
		return;
	c->impl = NULL;
	rt_rpc_cancel(&u->rpc);
	sp_defer_cancel(&u->late);
	sp_free(u);
}

static void on_conn_close(void *arg, const sp_err *err)
{
	client *me = arg;
	(void)err;
	me->conn = NULL;
	me->on_close(me->arg);
}

sp_code rt_host_client_new(sp_world *w, sp_stream *s, void (*on_close)(void *arg), void *arg, sp_host **ret,
			   sp_err *err)
{
	client *me = SP_NEW(client);
	*me = (client){
		.base = {.call = call, .cancel = cancel}, .world = w, .on_close = on_close, .arg = arg};
	sp_code code = sp_ttrpc_client_open(w, s, on_conn_close, me, &me->conn, err);
	if (code != SP_OK) {
		sp_free(me);
		return code;
	}
	*ret = &me->base;
	return SP_OK;
}

void rt_host_client_close(sp_host *h)
{
	client *me = SP_CONTAINER_OF(h, client, base);
	if (me->conn != NULL)
		sp_ttrpc_client_close(me->conn);
}

void rt_host_client_free(sp_host *h)
{
	if (h != NULL)
		sp_free(SP_CONTAINER_OF(h, client, base));
}
