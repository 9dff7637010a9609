/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/list.h"
#include "keys/messages.h"
#include "keys/remote.h"
#include "keys/remote_int.h"

typedef struct remote_certs {
	sp_cert_signer base;
	sp_world *world;
	remote_channel channel;
	sp_list flights;
} remote_certs;

typedef struct flight {
	sp_list node;
	remote_certs *certs;
	sp_cert_call *call;
	sp_grpc_rpc rpc;
	sp_defer failed; /* it could not even be sent */
	sp_err why;
} flight;

static void end(flight *f, sp_str certificate, const sp_err *err)
{
	sp_cert_call *call = f->call;
	sp_list_remove(&f->node);
	sp_defer_cancel(&f->failed);
	sp_err why = err == NULL ? (sp_err){0} : *err;
	sp_free(f);
	call->impl = NULL;
	call->done(call, certificate, err == NULL ? NULL : &why);
}

static void on_failed(sp_defer *d)
{
	flight *f = d->arg;
	end(f, SP_STR(""), &f->why);
}

static void on_end(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	flight *f = rpc->arg;
	keys_cert_response a;
	sp_arena arena;
	sp_err err = {0};
	if (status->code != SP_RPC_OK) {
		remote_status(status, &err);
		end(f, SP_STR(""), &err);
		return;
	}
	sp_arena_init(&arena, KEYS_MESSAGE_BYTES);
	sp_code code = sp_pb_decode(&keys_cert_response_message, payload, &arena, &a, &err);
	if (code == SP_OK && a.certificate.len == 0)
		code = sp_fail(&err, SP_EINVAL, "the signer sent no certificate");
	end(f, code == SP_OK ? a.certificate : SP_STR(""), code == SP_OK ? NULL : &err);
	sp_arena_done(&arena);
}

static void sign(sp_cert_signer *s, sp_cert_call *c)
{
	remote_certs *r = SP_CONTAINER_OF(s, remote_certs, base);
	flight *f = SP_NEW(flight);
	SP_AUTO_BUF body;
	*f = (flight){.certs = r, .call = c, .rpc = {.on_end = on_end, .arg = f}};
	c->impl = f;
	sp_defer_init(&f->failed, on_failed, f);
	sp_list_push_back(&r->flights, &f->node);
	keys_cert_request q = {.request = c->request, .signer = c->signer, .duration_s = c->duration_s};
	q.usages.at = (sp_str *)(uintptr_t)c->usages;
	q.usages.n = c->n_usages;
	sp_buf_init(&body, KEYS_MESSAGE_BYTES);
	sp_pb_encode(&keys_cert_request_message, &q, &body);
	sp_code code = sp_buf_code(&body) == SP_OK
			       ? SP_OK
			       : sp_fail(&f->why, SP_ETOOLARGE, "the request is too large");
	if (code == SP_OK)
		code = sp_grpc_rpc_start(&r->channel.channel, &f->rpc,
					 &(sp_grpc_rpc_opts){.service = KEYS_CERTS_SERVICE,
							     .method = SP_STR("Sign"),
							     .payload = sp_buf_view(&body),
							     .timeout_ns = REMOTE_TIMEOUT_NS},
					 &f->why);
	if (code != SP_OK)
		sp_defer_call(r->world, &f->failed);
}

static void cancel_all(sp_cert_signer *s)
{
	remote_certs *r = SP_CONTAINER_OF(s, remote_certs, base);
	sp_err err;
	(void)sp_fail(&err, SP_ECANCELED, "the signer is closed");
	SP_LIST_FOREACH (n, &r->flights) {
		flight *f = SP_CONTAINER_OF(n, flight, node);
		sp_grpc_rpc_cancel(&f->rpc);
		end(f, SP_STR(""), &err);
	}
}

static void free_certs(sp_cert_signer *s)
{
	remote_certs *r = SP_CONTAINER_OF(s, remote_certs, base);
	cancel_all(s);
	remote_channel_done(r->world, &r->channel);
	sp_free(r);
}

sp_code keys_remote_certs_open(sp_world *w, sp_str path, sp_cert_signer **ret, sp_err *err)
{
	remote_certs *r = SP_NEW(remote_certs);
	r->world = w;
	r->base = (sp_cert_signer){.sign = sign, .cancel = cancel_all, .free = free_certs};
	sp_list_init(&r->flights);
	sp_code code = remote_channel_open(w, path, &r->channel, err);
	if (code != SP_OK) {
		free_certs(&r->base);
		return code;
	}
	*ret = &r->base;
	return SP_OK;
}
