/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds: every node's kubelet is asked. U: metrics-server pkg/scraper/scraper.go. */
#include "apiserver/proxy/connect.h"
#include "apiserver/usage/int.h"
#include "base/alloc.h"

#define NS_PER_S UINT64_C(1000000000)
#define FIRST_PAUSE_NS (2 * NS_PER_S)
#define WANTED_NS (300 * NS_PER_S)
#define ANSWER_NS (10 * NS_PER_S) /* upstream's --kubelet-request-timeout */
#define ROUNDS_NEEDED 2u
#define TEXT_BYTES_MAX ((size_t)32 << 20)
#define PLACES_BYTES_MAX ((size_t)16 << 20)
#define TREE_BYTES_MAX ((size_t)16 << 20)

static usage_set *set_free(usage_set *s)
{
	if (s != NULL)
		usage_set_done(s);
	sp_free(s);
	return NULL;
}

/* ---- where kubelets are ---- */

typedef struct listing {
	api_usage *u;
	usage_place **end;
	sp_arena scratch; /* of one node */
	bool full;
} listing;

static sp_str keep(listing *l, sp_str text)
{
	sp_str copy = sp_arena_try_dup(&l->u->arena, text);
	l->full = l->full || copy.ptr == NULL;
	return copy;
}

static sp_store_visit visit_node(void *arg, const sp_store_entry *e)
{
	listing *l = arg;
	sp_record rec;
	yyjson_mut_val *node;
	api_kubelet k;
	sp_arena_rewind(&l->scratch);
	yyjson_mut_doc *doc = sp_json_doc(&l->scratch);
	if (doc == NULL || sp_record_decode(e->record, &rec, NULL) != SP_OK ||
	    api_object_tree(&l->scratch, &rec, e->revision, doc, &node, NULL) != SP_OK ||
	    !api_kubelet_of(l->u->server, &l->scratch, node, &k))
		return SP_STORE_SKIP;
	usage_place *p = sp_try_new(&l->u->arena, usage_place, 1);
	if (p == NULL) {
		l->full = true;
		return SP_STORE_STOP;
	}
	*p = (usage_place){.node = keep(l, e->rest),
			   .host = keep(l, k.host),
			   .address = keep(l, k.address),
			   .scheme = k.scheme};
	if (l->full)
		return SP_STORE_STOP;
	*l->end = p;
	l->end = &p->next;
	return SP_STORE_TAKE;
}

static sp_code list_places(api_usage *u, sp_err *err)
{
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = SP_STR("/registry/minions/")};
	listing l = {.u = u, .end = &u->left};
	sp_code code = SP_OK;
	u->left = NULL;
	sp_arena_init(&l.scratch, TREE_BYTES_MAX);
	while (code == SP_OK && chunk.more && !l.full) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		code = sp_store_range(u->server->store, &q, visit_node, &l, &next, err);
		if (code != SP_OK)
			break;
		chunk = next;
		q.revision = chunk.revision;
	}
	sp_arena_done(&l.scratch);
	return l.full ? sp_fail(err, SP_ETOOLARGE, "there are too many nodes") : code;
}

/* ---- one kubelet ---- */

static void fetch_more(api_usage *u);

static void complain(api_usage *u, const usage_place *p, const sp_err *err)
{
	sp_log(u->server->log, SP_LOG_WARN, "Failed to scrape node", SP_KS("node", p->node), SP_KE(err));
}

static void on_body(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	const usage_fetch *f = ex->arg;
	api_usage *u = f->owner;
	sp_err why = {0};
	if (err != NULL || u->next == NULL)
		return; /* on_close says more */
	if (ex->status != 200)
		(void)sp_fail(&why, SP_EPROTO, "request failed, status: %u", ex->status);
	else if (usage_set_add(u->next, f->place->node, body, sp_wall_ns(u->server->world), u->set, &why) ==
		 SP_OK)
		return;
	complain(u, f->place, &why);
}

static void on_response(sp_http_exchange *ex)
{
	sp_http_read_body(ex, TEXT_BYTES_MAX, on_body);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	usage_fetch *f = ex->arg;
	f->ex = NULL;
	f->owner->n_flying--;
	if (f->owner->stopped)
		return;
	if (err != NULL)
		complain(f->owner, f->place, err);
	fetch_more(f->owner);
}

static bool fetch(usage_fetch *f, const usage_place *p)
{
	static const sp_http_events events = {.on_response = on_response, .on_close = on_close};
	static const sp_http_header accept = {SP_STR_INIT("accept"), SP_STR_INIT("text/plain")};
	api_server *server = f->owner->server;
	const sp_http_request q = {.scheme = p->scheme,
				   .address = p->address,
				   .tls_config = server->kubelet.tls,
				   .server_name = p->host,
				   .path = SP_STR("/metrics/resource"),
				   .headers = &accept,
				   .n_headers = 1,
				   .deadline_ns = sp_now_ns(server->world) + ANSWER_NS};
	sp_err err;
	f->place = p;
	if (sp_http_request_start(api_proxies_client(server->proxies), &q, &events, f, &f->ex, &err) ==
	    SP_OK) {
		f->owner->n_flying++;
		return true;
	}
	f->ex = NULL;
	complain(f->owner, p, &err);
	return false;
}

/* ---- rounds ---- */

static void begin_round(api_usage *u);

static void sleep_again(api_usage *u)
{
	u->awake = false;
	u->n_rounds = 0;
	u->set = set_free(u->set);
	sp_arena_reset(&u->arena);
}

static void on_time(sp_timer *t)
{
	api_usage *u = t->arg;
	if (sp_now_ns(u->server->world) >= u->wanted_until_ns)
		sleep_again(u);
	else
		begin_round(u);
}

static void end_round(api_usage *u)
{
	u->in_round = false;
	(void)set_free(u->set);
	u->set = SP_TAKE(u->next);
	u->n_rounds = SP_MIN(u->n_rounds + 1, ROUNDS_NEEDED);
	sp_arena_rewind(&u->arena);
	sp_timer_start(u->server->world, &u->timer,
		       u->n_rounds < ROUNDS_NEEDED ? FIRST_PAUSE_NS : (uint64_t)USAGE_RESOLUTION_NS, on_time);
	if (u->n_rounds == ROUNDS_NEEDED)
		usage_answer_all(u);
}

static void fetch_more(api_usage *u)
{
	for (size_t i = 0; i < USAGE_FETCHES_MAX && u->left != NULL; i++) {
		while (u->fetches[i].ex == NULL && u->left != NULL) {
			const usage_place *p = u->left;
			u->left = p->next;
			if (fetch(&u->fetches[i], p))
				break;
		}
	}
	if (u->n_flying == 0 && u->left == NULL && u->in_round)
		end_round(u);
}

static void begin_round(api_usage *u)
{
	sp_err err;
	u->in_round = true;
	u->next = sp_try_alloc(sizeof *u->next);
	if (u->next == NULL) {
		sp_log(u->server->log, SP_LOG_ERROR, "no memory for what nodes use");
		u->left = NULL;
	} else {
		usage_set_init(u->next);
		if (list_places(u, &err) != SP_OK)
			sp_log(u->server->log, SP_LOG_ERROR, "nodes can't be listed", SP_KE(&err));
	}
	fetch_more(u);
}

bool usage_want(api_usage *u)
{
	u->wanted_until_ns = sp_now_ns(u->server->world) + WANTED_NS;
	if (u->stopped || u->n_rounds == ROUNDS_NEEDED)
		return false;
	if (!u->awake) {
		u->awake = true;
		sp_timer_start(u->server->world, &u->timer, 0, on_time);
	}
	return true;
}

/* ---- life ---- */

api_usage *api_usage_new(api_server *s)
{
	api_usage *u = SP_NEW(api_usage);
	u->server = s;
	u->timer.arg = u;
	sp_list_init(&u->waiters);
	sp_arena_init(&u->arena, PLACES_BYTES_MAX);
	for (size_t i = 0; i < USAGE_FETCHES_MAX; i++)
		u->fetches[i].owner = u;
	return u;
}

void api_usage_stop(api_usage *u)
{
	u->stopped = true;
	sp_timer_stop(u->server->world, &u->timer);
	for (size_t i = 0; i < USAGE_FETCHES_MAX; i++) {
		if (u->fetches[i].ex != NULL)
			sp_http_reset(u->fetches[i].ex, SP_HTTP2_CANCEL);
	}
	usage_answer_all(u);
}

void api_usage_free(api_usage *u)
{
	if (u == NULL)
		return;
	sp_timer_stop(u->server->world, &u->timer);
	(void)set_free(u->set);
	(void)set_free(u->next);
	sp_arena_done(&u->arena);
	sp_free(u);
}
