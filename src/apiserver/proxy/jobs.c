/* SPDX-License-Identifier: Apache-2.0 */
/* What is under way, and its end. */
#include "apiserver/proxy/proxy.h"
#include "base/alloc.h"
#include "io/https.h"

#define NS_PER_S UINT64_C(1000000000)
#define FOREVER_NS (UINT64_MAX / 4)

struct api_proxies {
	sp_world *world;
	sp_http_client *http;
	sp_list jobs;
	sp_defer turn;
	bool closing, client_closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void on_turn(sp_defer *d)
{
	api_proxies *p = d->arg;
	if (!p->closing || p->client_closing || !sp_list_is_empty(&p->jobs))
		return;
	p->client_closing = true;
	sp_http_client_close(p->http, p->closed, p->closed_arg);
}

sp_code api_proxies_new(sp_world *w, api_proxies **ret, sp_err *err)
{
	/* A log that is followed says nothing for hours, and each takes a connection. */
	const sp_http_client_opts o = {.limits = {.body_ns = FOREVER_NS},
				       .connector = &sp_http_connector_tls,
				       .connect_ns = 30 * NS_PER_S,
				       .n_per_origin = 10000};
	api_proxies *p = SP_NEW(api_proxies);
	p->world = w;
	sp_list_init(&p->jobs);
	sp_defer_init(&p->turn, on_turn, p);
	sp_code code = sp_http_client_new(w, &o, &p->http, err);
	if (code != SP_OK) {
		sp_free(p);
		return code;
	}
	*ret = p;
	return SP_OK;
}

void api_proxies_close(api_proxies *p, void (*done)(void *arg), void *arg)
{
	p->closing = true;
	p->closed = done;
	p->closed_arg = arg;
	SP_LIST_FOREACH (node, &p->jobs) {
		api_proxy_job *j = SP_CONTAINER_OF(node, api_proxy_job, node);
		j->abort(j);
	}
	sp_defer_call(p->world, &p->turn);
}

void api_proxies_free(api_proxies *p)
{
	if (p == NULL)
		return;
	sp_defer_cancel(&p->turn);
	sp_http_client_free(p->http);
	sp_free(p);
}

sp_http_client *api_proxies_client(api_proxies *p)
{
	return p->http;
}

void api_proxy_job_begin(api_proxies *p, api_proxy_job *j, void (*abort)(api_proxy_job *j))
{
	j->owner = p;
	j->abort = abort;
	sp_list_init(&j->node);
	sp_list_push_back(&p->jobs, &j->node);
}

void api_proxy_job_end(api_proxy_job *j)
{
	sp_list_remove(&j->node);
	if (j->owner->closing)
		sp_defer_call(j->owner->world, &j->owner->turn);
}
