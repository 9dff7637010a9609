/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/flow/flow.h"

#include "apiserver/flow/config.h"
#include "apiserver/metrics/metrics.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"

struct api_flows {
	api_server *server;
	api_flow_config config;
	bool off;
};

/* ---- kinds of requests ---- */

static bool is_among(sp_str s, const sp_str *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(s, list[i]))
			return true;
	}
	return false;
}

bool api_is_long_running(const api_reqinfo *i)
{
	static const sp_str verbs[] = {SP_STR_INIT("watch"), SP_STR_INIT("proxy")};
	static const sp_str subresources[] = {SP_STR_INIT("attach"), SP_STR_INIT("exec"),
					      SP_STR_INIT("proxy"), SP_STR_INIT("log"),
					      SP_STR_INIT("portforward")};
	return i->is_resource && (is_among(i->verb, verbs, SP_LEN(verbs)) ||
				  is_among(i->subresource, subresources, SP_LEN(subresources)));
}

bool api_is_read_only(const api_reqinfo *i)
{
	static const sp_str verbs[] = {SP_STR_INIT("get"), SP_STR_INIT("list"), SP_STR_INIT("watch")};
	return is_among(i->verb, verbs, SP_LEN(verbs));
}

/* ---- what is told ---- */

static const sp_str *flow_labels(const api_request *r, sp_str labels[3], sp_str third)
{
	labels[0] = r->flow.level;
	labels[1] = r->flow.schema;
	labels[2] = third;
	return labels;
}

static void count_kind(api_request *r, api_metric id, double by)
{
	sp_str kind = api_is_read_only(&r->info) ? SP_STR("readOnly") : SP_STR("mutating");
	sp_metric_add(r->server->metrics, id, &kind, by);
}

static void count_place(api_request *r, double by)
{
	sp_str l[3];
	bool runs = r->flow.ticket.place == API_PLACE_RUNS;
	count_kind(r, runs ? API_METRIC_INFLIGHT : API_METRIC_INQUEUE, by);
	sp_metric_add(r->server->metrics, runs ? API_METRIC_FLOW_EXECUTING : API_METRIC_FLOW_INQUEUE,
		      flow_labels(r, l, SP_STR("")), by);
	if (runs)
		sp_metric_add(r->server->metrics, API_METRIC_FLOW_SEATS_USED, l, by);
}

static void count_wait(api_request *r, uint64_t ns, bool execute)
{
	sp_str l[3];
	sp_metric_observe(r->server->metrics, API_METRIC_FLOW_WAIT_SECONDS,
			  flow_labels(r, l, execute ? SP_STR("true") : SP_STR("false")), (double)ns / 1e9);
}

static void count_start(api_request *r, uint64_t waited_ns)
{
	sp_str l[3];
	sp_metric_add(r->server->metrics, API_METRIC_FLOW_DISPATCHED, flow_labels(r, l, SP_STR("")), 1);
	count_wait(r, waited_ns, true);
	count_place(r, 1);
}

/* ---- refusals ---- */

static void refuse(api_request *r, sp_str reason)
{
	static const sp_http_header more[] = {
		{SP_STR_INIT("retry-after"), SP_STR_INIT("1")},
		{SP_STR_INIT("x-content-type-options"), SP_STR_INIT("nosniff")}};
	sp_str l[3];
	sp_metric_add(r->server->metrics, API_METRIC_FLOW_REJECTED, flow_labels(r, l, reason), 1);
	r->dropped = true;
	api_reply_with(r, 429, SP_STR("text/plain; charset=utf-8"), more, SP_LEN(more),
		       SP_STR("Too many requests, please try again later.\n"));
}

/* ---- the way through ---- */

static void on_seat(api_ticket *t)
{
	api_request *r = SP_CONTAINER_OF(t, api_request, flow.ticket);
	count_kind(r, API_METRIC_INQUEUE, -1);
	sp_str l[3];
	sp_metric_add(r->server->metrics, API_METRIC_FLOW_INQUEUE, flow_labels(r, l, SP_STR("")), -1);
	count_start(r, sp_now_ns(r->server->world) - r->flow.began_ns);
	r->on_admitted(r);
}

static void on_timeout(api_ticket *t)
{
	api_request *r = SP_CONTAINER_OF(t, api_request, flow.ticket);
	sp_str l[3];
	count_kind(r, API_METRIC_INQUEUE, -1);
	sp_metric_add(r->server->metrics, API_METRIC_FLOW_INQUEUE, flow_labels(r, l, SP_STR("")), -1);
	count_wait(r, sp_now_ns(r->server->world) - r->flow.began_ns, false);
	refuse(r, SP_STR("time-out"));
}

/* The texts are good as long as the request: those of the configuration may go before. */
static bool classify(api_request *r, const api_flow_schema *s)
{
	r->flow.schema = sp_arena_try_dup(r->arena, s->name);
	r->flow.level = sp_arena_try_dup(r->arena, s->level_name);
	r->flow.schema_uid = sp_arena_try_dup(r->arena, s->uid);
	r->flow.level_uid = sp_arena_try_dup(r->arena, s->level_uid);
	return r->flow.schema.ptr != NULL && r->flow.level.ptr != NULL;
}

bool api_flow_admit(api_request *r)
{
	api_flows *f = r->server->flows;
	sp_err err;
	if (f->off || (api_is_long_running(&r->info) && !sp_str_eq(r->info.verb, SP_STR("watch"))))
		return true;
	if (api_flow_config_follow(&f->config, &err) != SP_OK)
		sp_log(r->server->log, SP_LOG_ERROR, "flow schemas can't be read, the last ones stay in use",
		       SP_KE(&err));
	const api_flow_schema *s = api_flow_match(&f->config, &r->user, &r->info);
	if (s == NULL)
		return true; /* the store has not been readable yet: nothing else is either */
	if (!classify(r, s)) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return false;
	}
	r->flow.ticket.on_seat = on_seat;
	r->flow.ticket.on_timeout = on_timeout;
	r->flow.began_ns = sp_now_ns(r->server->world);
	switch (api_level_enter(s->level, &r->flow.ticket, api_flow_hash(s, &r->user, &r->info))) {
	case API_ENTRY_RUNS:
		count_start(r, 0);
		return true;
	case API_ENTRY_WAITS:
		count_place(r, 1);
		break;
	case API_ENTRY_NO_SEAT:
		refuse(r, SP_STR("concurrency-limit"));
		break;
	case API_ENTRY_QUEUE_FULL:
		refuse(r, SP_STR("queue-full"));
		break;
	}
	return false;
}

void api_flow_leave(api_request *r)
{
	api_ticket *t = &r->flow.ticket;
	sp_str l[3];
	uint64_t now = sp_now_ns(r->server->world);
	if (t->place == API_PLACE_NONE)
		return;
	count_place(r, -1);
	if (t->place == API_PLACE_RUNS) {
		bool watch = sp_str_eq(r->info.verb, SP_STR("watch"));
		sp_metric_observe(r->server->metrics, API_METRIC_FLOW_EXECUTION_SECONDS,
				  flow_labels(r, l, watch ? SP_STR("watch") : SP_STR("regular")),
				  (double)(now - t->since_ns) / 1e9);
	} else {
		count_wait(r, now - r->flow.began_ns, false);
		sp_metric_add(r->server->metrics, API_METRIC_FLOW_REJECTED,
			      flow_labels(r, l, SP_STR("cancelled")), 1);
	}
	api_ticket_leave(t);
}

void api_flows_measure(api_flows *f)
{
	sp_metric_clear(f->server->metrics, API_METRIC_FLOW_NOMINAL);
	for (size_t i = 0; i < f->config.n_levels && !f->off; i++) {
		sp_str name = api_level_name(f->config.levels[i]);
		sp_metric_set(f->server->metrics, API_METRIC_FLOW_NOMINAL, &name,
			      (double)api_level_seats(f->config.levels[i]));
	}
}

/* ---- life ---- */

api_flows *api_flows_new(api_server *s, uint32_t seats)
{
	api_flows *f = SP_NEW(api_flows);
	f->server = s;
	f->off = seats == 0;
	api_flow_config_init(&f->config, s->world, s->store, seats);
	return f;
}

void api_flows_free(api_flows *f)
{
	if (f == NULL)
		return;
	api_flow_config_done(&f->config);
	sp_free(f);
}
