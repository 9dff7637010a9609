/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl_host.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/addons.h"
#include "kube/view.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define TRIES 20u
#define PATIENCE_NS (120 * SECOND)

/* ---- the kubelet ---- */

typedef struct t_ctl_pod {
	struct t_ctl_pod *next;
	t_ctl *t;
	sp_timer timer;
	sp_call call;
	bool is_going;
	char ns[64], name[254], uid[64]; /* another pod may get the name meanwhile */
} t_ctl_pod;

static void pod_free(t_ctl_pod *p)
{
	t_ctl_pod **at = &p->t->under_way;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	sp_timer_stop(p->t->kubelet.world, &p->timer);
	sp_call_cancel(&p->call);
	sp_free(p);
}

static void on_step(sp_timer *timer);

static void on_told(sp_call *c, const sp_answer *a)
{
	t_ctl_pod *p = c->arg;
	if (a->code == SP_OK || a->code == SP_ENOTFOUND || a->code == SP_EINVAL || a->code == SP_ECONFLICT)
		pod_free(p);
	else
		sp_timer_start(p->t->kubelet.world, &p->timer, 300 * MS, on_step);
}

static void print_status(const t_ctl_pod *p, char *body, size_t size)
{
	const char *phase = p->t->phase, *fails = p->t->fails, *ends = p->t->ends;
	if (ends != NULL && strncmp(p->name, ends, strlen(ends)) == 0)
		phase = "Succeeded";
	sp_sim *sim = p->t->api.sim;
	if (fails != NULL && strncmp(p->name, fails, strlen(fails)) == 0) {
		(void)snprintf(
			body, size,
			"{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"phase\":\"Failed\","
			""
			"\"containerStatuses\":[{\"name\":\"c\",\"image\":\"i\","
			"\"imageID\":\"i\",\"ready\":false,\"restartCount\":0,\"state\":{\"terminated\":{"
			"\"exitCode\":%d,\"reason\":\"Error\"}}}]}}",
			p->uid, p->t->exit_code);
		return;
	}
	(void)snprintf(body, size,
		       "{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"phase\":\"%s\",\"podIP\":\"10.1.%u.%u\","
		       "\"conditions\":[{\"type\":"
		       "\"Ready\",\"status\":\"%s\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}",
		       p->uid, phase == NULL ? "Running" : phase, (unsigned)sp_sim_random_below(sim, 256),
		       1 + (unsigned)sp_sim_random_below(sim, 254), phase == NULL ? "True" : "False");
}

static void on_step(sp_timer *timer)
{
	t_ctl_pod *p = timer->arg;
	sp_ask q = {.gvr = SP_PODS, .ns = sp_str_c(p->ns), .name = sp_str_c(p->name)};
	char body[500];
	if (p->is_going) {
		(void)snprintf(body, sizeof body,
			       "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}", p->uid);
		q.verb = SP_ASK_DELETE;
		q.body = sp_str_c(body);
	} else {
		print_status(p, body, sizeof body);
		q.verb = SP_ASK_STRATEGIC_PATCH;
		q.subresource = SP_STR("status");
		q.body = sp_str_c(body);
	}
	p->call = (sp_call){.done = on_told, .arg = p};
	sp_call_start(p->t->kubelet.client, &p->call, &q);
}

static bool is_going(yyjson_val *v)
{
	return sp_view_str_at(v, "metadata.deletionTimestamp").len > 0;
}

/* It has a node, and waits to be run or was told not to be ready while its node was not heard of. */
static bool has_to_run(yyjson_val *v)
{
	sp_str phase = sp_view_str_at(v, "status.phase");
	bool ready = false;
	size_t i, max;
	yyjson_val *c;
	yyjson_arr_foreach(sp_view_at(v, "status.conditions"), i, max, c) ready |=
		sp_str_eq(sp_view_str_at(c, "type"), SP_STR("Ready")) &&
		sp_str_eq(sp_view_str_at(c, "status"), SP_STR("True"));
	return sp_view_str_at(v, "spec.nodeName").len > 0 &&
	       (sp_str_eq(phase, SP_STR("Pending")) || (sp_str_eq(phase, SP_STR("Running")) && !ready));
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	t_ctl *t = arg;
	yyjson_val *v;
	(void)old;
	sp_arena a;
	if (now == NULL || t->no_kubelet)
		return;
	sp_arena_init(&a, (size_t)16 << 20);
	bool ok = sp_json_parse(&a, now->json, &v, NULL) == SP_OK;
	bool going = ok && is_going(v);
	bool pending = ok && sp_str_eq(sp_view_str_at(v, "status.phase"), SP_STR("Pending"));
	if (t->of_nodes)
		pending = ok && has_to_run(v);
	sp_arena_done(&a);
	if (!going && !pending)
		return;
	t_ctl_pod *p = SP_NEW(t_ctl_pod);
	p->t = t;
	p->is_going = going;
	p->timer.arg = p;
	(void)snprintf(p->ns, sizeof p->ns, SP_FMT, SP_ARG(now->ns));
	(void)snprintf(p->name, sizeof p->name, SP_FMT, SP_ARG(now->name));
	(void)snprintf(p->uid, sizeof p->uid, SP_FMT, SP_ARG(now->uid));
	p->next = t->under_way;
	t->under_way = p;
	sp_timer_start(t->kubelet.world, &p->timer, 50 * MS + sp_sim_random_below(t->api.sim, 500 * MS),
		       on_step);
}

static void kubelet_close(void *arg)
{
	t_ctl *t = arg;
	while (t->under_way != NULL)
		pod_free(t->under_way);
	sp_informers_free(t->informers);
}

static bool kubelet_open(t_ctl *t)
{
	if (!t_user_open(&t->kubelet, &t->api, "kubelet", true) ||
	    sp_informers_new(t->kubelet.client, NULL, &t->informers, t_err()) != SP_OK)
		return false;
	T_DEFER(kubelet_close, t);
	if (sp_informers_get(t->informers, &(sp_informer_opts){.gvr = SP_PODS}, &t->pods, t_err()) != SP_OK)
		return false;
	t->watch = (sp_informer_watch){.on_change = on_pod, .arg = t};
	sp_informer_watch_add(t->pods, &t->watch);
	sp_informers_start(t->informers);
	return true;
}

/* ---- the controllers ---- */

static int64_t wall_ns(void *arg)
{
	(void)arg;
	return 0;
}

static void write_nothing(void *arg, sp_str line)
{
	(void)arg;
	(void)line;
}

static void on_closed(void *arg)
{
	((t_ctl *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((t_ctl *)arg)->closed;
}

static void controllers_end(void *arg)
{
	t_ctl *t = arg;
	sp_sim *s = t->api.sim;
	controllers_close(t->all, on_closed, t);
	if (!sp_sim_run(s, is_closed, t, sp_sim_now_ns(s) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "the controllers do not close");
	else
		controllers_free(t->all);
	sp_accounts_free(t->accounts);
}

static void log_free(void *arg)
{
	sp_log_free(arg);
}

static bool is_started(void *arg)
{
	return controllers_are_started(((t_ctl *)arg)->all);
}

/* The roles of controllers that upstream has not, as an installation brings them. */
static bool add_roles(t_ctl *t)
{
	size_t n;
	const cli_addon *all = cli_role_addons(&n);
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++) {
		unsigned n_tries = 0;
		do
			t_ask(&t->user,
			      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = all[i].gvr, .body = all[i].json});
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && n_tries++ < TRIES);
		ok = n_tries <= TRIES;
	}
	return ok;
}

bool t_ctl_open(t_ctl *t, const sp_sim_opts *o, const char *list)
{
	if (!t_api_open(&t->api, o, NULL) || !t_api_guard(&t->api) ||
	    !t_user_open(&t->user, &t->api, "user", true) ||
	    !t_user_open(&t->manager, &t->api, "manager", true) || !add_roles(t) || !kubelet_open(t)) {
		(void)t_fail(__FILE__, __LINE__, "no clients: %s", t_err()->msg);
		return false;
	}
	t->log = sp_log_new(&(sp_log_opts){.wall_ns = wall_ns, .write = write_nothing});
	T_DEFER(log_free, t->log);
	if (sp_accounts_new(t->manager.client, t->log, SP_STR("kube-system"), &t->accounts, t_err()) != SP_OK)
		return false;
	const controllers_opts c = {.client = t->manager.client,
				    .accounts = t->accounts,
				    .log = t->log,
				    .config = &t->config,
				    .list = sp_str_c(list)};
	if (controllers_new(&c, &t->all, t_err()) != SP_OK) {
		sp_accounts_free(t->accounts);
		(void)t_fail(__FILE__, __LINE__, "no controllers: %s", t_err()->msg);
		return false;
	}
	T_DEFER(controllers_end, t);
	if (sp_sim_run(t->api.sim, is_started, t, sp_sim_now_ns(t->api.sim) + PATIENCE_NS))
		return true;
	(void)t_fail(__FILE__, __LINE__, "the controllers do not start");
	return false;
}

/* ---- the user ---- */

bool t_ctl_create(t_ctl *t, sp_gvr gvr, const char *ns, const char *json)
{
	return t_ask_ok(
		&t->user,
		&(sp_ask){.verb = SP_ASK_CREATE, .gvr = gvr, .ns = sp_str_c(ns), .body = sp_str_c(json)},
		SP_OK);
}

bool t_ctl_patch(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *subresource,
		 const char *json)
{
	return t_ask_ok(&t->user,
			&(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				  .gvr = gvr,
				  .ns = sp_str_c(ns),
				  .name = sp_str_c(name),
				  .subresource = sp_str_c(subresource),
				  .body = sp_str_c(json)},
			SP_OK);
}

bool t_ctl_delete(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *propagation)
{
	char body[100] = "";
	if (propagation[0] != '\0')
		(void)snprintf(body, sizeof body, "{\"propagationPolicy\":\"%s\"}", propagation);
	return t_ask_ok(&t->user,
			&(sp_ask){.verb = SP_ASK_DELETE,
				  .gvr = gvr,
				  .ns = sp_str_c(ns),
				  .name = sp_str_c(name),
				  .body = sp_str_c(body)},
			SP_OK);
}

static yyjson_val *answer(t_ctl *t)
{
	yyjson_val *v = NULL;
	if (t->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&t->user.body), &v, T_ERR) != SP_OK)
		return NULL;
	return v;
}

yyjson_val *t_ctl_get(t_ctl *t, sp_gvr gvr, const char *ns, const char *name)
{
	t_ask(&t->user, &(sp_ask){.gvr = gvr, .ns = sp_str_c(ns), .name = sp_str_c(name)});
	return answer(t);
}

yyjson_val *t_ctl_list(t_ctl *t, sp_gvr gvr, const char *ns, const char *selector, size_t *ret_n)
{
	SP_AUTO_BUF query;
	sp_buf_init(&query, 1000);
	if (selector[0] != '\0')
		(void)sp_query_add(&query, "labelSelector", sp_str_c(selector));
	t_ask(&t->user,
	      &(sp_ask){.verb = SP_ASK_LIST, .gvr = gvr, .ns = sp_str_c(ns), .query = sp_buf_view(&query)});
	yyjson_val *items = sp_json_last(answer(t), SP_STR("items"));
	*ret_n = yyjson_arr_size(items);
	return items;
}

void t_ctl_run(t_ctl *t, uint64_t ns)
{
	sp_sim_run_until(t->api.sim, sp_sim_now_ns(t->api.sim) + ns);
}

sp_str t_ctl_text(yyjson_val *v, const char *path)
{
	yyjson_val *at = sp_view_at(v, path);
	if (yyjson_is_str(at))
		return sp_json_str(at);
	if (yyjson_is_bool(at))
		return yyjson_get_bool(at) ? SP_STR("true") : SP_STR("false");
	return yyjson_is_int(at) ? sp_arena_printf(T_ARENA, "%lld", (long long)yyjson_get_sint(at))
				 : SP_STR("");
}

bool t_ctl_wait(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, const char *path, const char *want)
{
	uint64_t until = sp_sim_now_ns(t->api.sim) + PATIENCE_NS;
	sp_str got;
	do {
		got = t_ctl_text(t_ctl_get(t, gvr, ns, name), path);
		if (sp_str_eq(got, sp_str_c(want)))
			return true;
		t_ctl_run(t, 200 * MS);
	} while (sp_sim_now_ns(t->api.sim) < until && !t_failed());
	(void)t_fail(__FILE__, __LINE__, "%s of %s: got '" SP_FMT "', want '%s'", path, name, SP_ARG(got),
		     want);
	return false;
}

bool t_ctl_wait_count(t_ctl *t, sp_gvr gvr, const char *ns, const char *selector, size_t n)
{
	uint64_t until = sp_sim_now_ns(t->api.sim) + PATIENCE_NS;
	size_t got;
	do {
		(void)t_ctl_list(t, gvr, ns, selector, &got);
		if (got == n)
			return true;
		t_ctl_run(t, 200 * MS);
	} while (sp_sim_now_ns(t->api.sim) < until && !t_failed());
	(void)t_fail(__FILE__, __LINE__, SP_FMT " %s: got %zu, want %zu", SP_ARG(gvr.resource), selector, got,
		     n);
	return false;
}

bool t_ctl_wait_gone(t_ctl *t, sp_gvr gvr, const char *ns, const char *name)
{
	uint64_t until = sp_sim_now_ns(t->api.sim) + PATIENCE_NS;
	while (sp_sim_now_ns(t->api.sim) < until && !t_failed()) {
		t_ask(&t->user, &(sp_ask){.gvr = gvr, .ns = sp_str_c(ns), .name = sp_str_c(name)});
		if (t->user.code == SP_ENOTFOUND)
			return true;
		t_ctl_run(t, 200 * MS);
	}
	(void)t_fail(__FILE__, __LINE__, "%s does not go", name);
	return false;
}
