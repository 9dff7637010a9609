/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cri_cleanup.h"

#include "base/alloc.h"
#include "base/arena.h"

#define IDS_BYTES_MAX ((size_t)8 << 20)
#define CALL_NS UINT64_C(60000000000)

struct cri_cleanup {
	cri_cleanup_opts o;
	sp_arena arena;
	sp_str *ids;
	size_t n, i;
	sp_cri_call call;
	sp_host_call host_call;
	sp_err err;
	bool failed;
};

static void stop_next(cri_cleanup *c);

/* The first trouble is told; the rest is cleaned up none the less. */
static void note(cri_cleanup *c, sp_str what, sp_str message)
{
	if (!c->failed)
		(void)sp_fail(&c->err, SP_EINTERNAL, SP_FMT ": " SP_FMT, SP_ARG(what), SP_ARG(message));
	c->failed = true;
}

static void finish(cri_cleanup *c)
{
	c->o.done(c->o.arg, c->n, c->failed ? &c->err : NULL);
}

/* ---- the network ---- */

static void on_link_removed(sp_host_call *call, const void *response, const sp_err *err)
{
	cri_cleanup *c = call->arg;
	(void)response;
	if (err != NULL)
		note(c, c->o.bridge, sp_str_c(err->msg));
	finish(c);
}

static void on_rules_removed(sp_host_call *call, const void *response, const sp_err *err)
{
	cri_cleanup *c = call->arg;
	const sp_host_link_remove m = {.host_if = c->o.bridge};
	(void)response;
	if (err != NULL && err->code != SP_ENOTFOUND) /* no bridge: nothing was there */
		note(c, SP_STR("rules of the pod network"), sp_str_c(err->msg));
	c->host_call = (sp_host_call){.done = on_link_removed, .arg = c};
	c->o.host->call(c->o.host, SP_HOST_LINK_REMOVE, &m, &c->host_call);
}

static void remove_network(cri_cleanup *c)
{
	sp_str rules = sp_arena_printf(&c->arena,
				       "add table ip sampan-" SP_FMT "\ndelete table ip sampan-" SP_FMT "\n",
				       SP_ARG(c->o.bridge), SP_ARG(c->o.bridge));
	const sp_host_ports m = {.bridge = c->o.bridge, .ruleset = rules};
	c->host_call = (sp_host_call){.done = on_rules_removed, .arg = c};
	c->o.host->call(c->o.host, SP_HOST_PORTS, &m, &c->host_call);
}

/* ---- pods ---- */

static void on_removed(sp_cri_call *call, int32_t status, sp_str message, const void *response)
{
	cri_cleanup *c = call->arg;
	(void)response;
	if (status != SP_RPC_OK)
		note(c, c->ids[c->i], message);
	c->i++;
	stop_next(c);
}

static void on_stopped(sp_cri_call *call, int32_t status, sp_str message, const void *response)
{
	cri_cleanup *c = call->arg;
	const sp_cri_remove_pod_sandbox_request q = {.pod_sandbox_id = c->ids[c->i]};
	(void)response;
	if (status != SP_RPC_OK)
		note(c, c->ids[c->i], message);
	c->call = (sp_cri_call){.done = on_removed, .arg = c, .timeout_ns = CALL_NS};
	c->o.cri->call(c->o.cri, SP_CRI_REMOVE_POD_SANDBOX, &q, &c->call);
}

static void stop_next(cri_cleanup *c)
{
	if (c->i == c->n) {
		remove_network(c);
		return;
	}
	const sp_cri_stop_pod_sandbox_request q = {.pod_sandbox_id = c->ids[c->i]};
	c->call = (sp_cri_call){.done = on_stopped, .arg = c, .timeout_ns = CALL_NS};
	c->o.cri->call(c->o.cri, SP_CRI_STOP_POD_SANDBOX, &q, &c->call);
}

static void on_listed(sp_cri_call *call, int32_t status, sp_str message, const void *response)
{
	cri_cleanup *c = call->arg;
	const sp_cri_list_pod_sandbox_response *list = response;
	if (status != SP_RPC_OK) {
		note(c, SP_STR("list of pods"), message);
		finish(c);
		return;
	}
	c->ids = sp_try_new(&c->arena, sp_str, list->items.n);
	for (size_t i = 0; i < list->items.n && c->ids != NULL; i++)
		c->ids[c->n++] = sp_arena_try_dup(&c->arena, list->items.at[i].id);
	stop_next(c);
}

void cri_cleanup_start(const cri_cleanup_opts *o, cri_cleanup **ret)
{
	static const sp_cri_list_pod_sandbox_request all;
	cri_cleanup *c = SP_NEW(cri_cleanup);
	*c = (cri_cleanup){.o = *o};
	sp_arena_init(&c->arena, IDS_BYTES_MAX);
	c->call = (sp_cri_call){.done = on_listed, .arg = c, .timeout_ns = CALL_NS};
	*ret = c;
	o->cri->call(o->cri, SP_CRI_LIST_POD_SANDBOX, &all, &c->call);
}

void cri_cleanup_free(cri_cleanup *c)
{
	if (c == NULL)
		return;
	sp_arena_done(&c->arena);
	sp_free(c);
}
