/* SPDX-License-Identifier: Apache-2.0 */
/* Get and list of PodMetrics and NodeMetrics: the pods and nodes that are stored, with what they use. U:
 * metrics-server pkg/api/{pod,node}.go. */
#include "apiserver/list_writer.h"
#include "apiserver/usage/int.h"
#include "base/duration.h"
#include "base/quantity.h"

#define OBJECT_BYTES_MAX ((size_t)4 << 20)
#define LIST_BYTES_MAX ((size_t)64 << 20)

typedef struct usage_waiter {
	sp_list node;
	api_request *r;
} usage_waiter;

/* ---- one object ---- */

typedef struct telling {
	api_request *r;
	const usage_set *set;   /* NULL: nothing is known */
	const api_resource *of; /* pods or nodes */
	sp_arena scratch;       /* of one object */
	char now[SP_TIME_TEXT_BYTES];
	size_t now_len;
} telling;

static void put_time(sp_jout *j, const char *key, int64_t ns)
{
	char text[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(text, (sp_time){.seconds = ns / 1000000000}, 0);
	sp_jout_member_str(j, sp_str_c(key), (sp_str){text, n});
}

static void put_metadata(telling *t, sp_jout *j, const sp_record *rec, sp_str rest)
{
	sp_str ns, packed = rec->labels;
	sp_record_pair pair;
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	if (!sp_str_cut(&rest, '/', &ns))
		ns = (sp_str){NULL, 0};
	sp_jout_member_str(j, SP_STR("name"), rest);
	if (ns.len > 0)
		sp_jout_member_str(j, SP_STR("namespace"), ns);
	sp_jout_member_str(j, SP_STR("creationTimestamp"), (sp_str){t->now, t->now_len});
	if (rec->n_labels > 0) {
		sp_jout_member_open(j, SP_STR("labels"), '{');
		while (sp_record_pair_next(&packed, &pair))
			sp_jout_member_str(j, pair.key, pair.value);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
}

static void put_times(telling *t, sp_jout *j, const usage_rate *rate)
{
	put_time(j, "timestamp", rate->at_ns);
	sp_jout_member_str(j, SP_STR("window"), sp_duration_print(&t->scratch, rate->window_ns));
}

static void put_usage(telling *t, sp_jout *j, const usage_rate *rate)
{
	const sp_qty cpu = {.nanos = rate->nano_cores, .format = SP_QTY_DECIMAL_SI};
	const sp_qty memory = {.nanos = (__int128)rate->memory_bytes * 1000000000,
			       .format = SP_QTY_BINARY_SI};
	sp_jout_member_open(j, SP_STR("usage"), '{');
	sp_jout_member_str(j, SP_STR("cpu"), sp_qty_print(&t->scratch, cpu));
	sp_jout_member_str(j, SP_STR("memory"), sp_qty_print(&t->scratch, memory));
	sp_jout_close(j, '}');
}

static bool put_node(telling *t, sp_jout *j, sp_str rest)
{
	usage_rate rate;
	const usage_pair *p = usage_set_node(t->set, rest);
	if (p == NULL || !usage_rate_of(p, &rate))
		return false;
	put_times(t, j, &rate);
	put_usage(t, j, &rate);
	return true;
}

/* A pod's times are those of the container that was looked at first. */
static bool put_pod(telling *t, sp_jout *j, sp_str rest)
{
	usage_rate rate, first = {0};
	const usage_pod *p = usage_set_pod(t->set, rest);
	if (p == NULL)
		return false;
	for (const usage_container *c = p->containers; c != NULL; c = c->next) {
		if (usage_rate_of(&c->pair, &rate) && (first.at_ns == 0 || rate.at_ns < first.at_ns))
			first = rate;
	}
	put_times(t, j, &first);
	sp_jout_member_open(j, SP_STR("containers"), '[');
	for (const usage_container *c = p->containers; c != NULL; c = c->next) {
		if (!usage_rate_of(&c->pair, &rate))
			continue;
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), c->name);
		put_usage(t, j, &rate);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
	return true;
}

/* The JSON of what one pod or node uses. False: nothing is known of it. */
static bool tell_one(telling *t, const sp_record *rec, sp_str rest, sp_buf *out)
{
	bool is_pod = t->of->kind->namespaced;
	sp_arena_rewind(&t->scratch);
	if (t->set == NULL)
		return false;
	sp_jout j = sp_jout_to(out);
	(void)sp_buf_str(out, t->r->res->type_meta);
	put_metadata(t, &j, rec, rest);
	if (!(is_pod ? put_pod : put_node)(t, &j, rest))
		return false;
	(void)sp_buf_char(out, '}');
	return true;
}

static void begin_telling(telling *t, api_request *r, const usage_set *set)
{
	const api_server *s = r->server;
	*t = (telling){.r = r,
		       .set = set,
		       .of = api_resource_find(&s->resources, SP_STR(""), SP_STR("v1"), r->info.resource)};
	sp_arena_init(&t->scratch, OBJECT_BYTES_MAX);
	t->now_len = sp_time_print(t->now, (sp_time){.seconds = sp_wall_ns(s->world) / 1000000000}, 0);
}

/* ---- get ---- */

static void refuse_unknown(telling *t, bool is_stored)
{
	api_request *r = t->r;
	bool is_pod = t->of->kind->namespaced;
	sp_str name = r->info.name;
	if (is_stored && is_pod)
		name = sp_arena_printf(r->arena, SP_FMT "/" SP_FMT, SP_ARG(r->info.ns), SP_ARG(name));
	sp_status s = sp_status_not_found(r->arena, is_stored ? r->res->gr : t->of->gr, name);
	api_reply_status(r, &s);
}

static void tell_object(telling *t)
{
	api_request *r = t->r;
	sp_store_value value;
	sp_record rec;
	sp_err err = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, OBJECT_BYTES_MAX);
	sp_str rest = api_object_rest(r->arena, t->of, r->info.ns, r->info.name);
	const sp_store_key key = {t->of->prefix, rest};
	sp_code code = rest.ptr == NULL ? SP_ENOMEM : SP_OK;
	if (code == SP_OK && sp_store_key_check(key, NULL) != SP_OK)
		code = SP_ENOTFOUND;
	if (code == SP_OK)
		code = sp_store_get(r->server->store, key, 0, &value, &err);
	if (code == SP_ENOTFOUND) {
		refuse_unknown(t, false);
		return;
	}
	if (code != SP_OK) {
		api_reply_error(r, code, code == SP_ENOMEM ? NULL : &err);
		return;
	}
	SP_AUTO_BYTES held = value.record;
	if (sp_record_decode(sp_bytes_view(held), &rec, &err) != SP_OK)
		api_reply_error(r, SP_EINTERNAL, &err);
	else if (!tell_one(t, &rec, rest, &out))
		refuse_unknown(t, true);
	else if (sp_buf_code(&out) != SP_OK)
		api_reply_error(r, SP_ETOOLARGE, NULL);
	else
		api_reply_object(r, 200, sp_buf_view(&out), 0);
}

/* ---- list ---- */

typedef struct lister {
	telling *t;
	api_list_options o;
	api_list_writer writer;
	sp_buf items, one;
	sp_code code;
} lister;

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	lister *l = arg;
	sp_record rec;
	l->code = sp_record_decode(e->record, &rec, NULL);
	if (l->code != SP_OK)
		return SP_STORE_STOP;
	if (!api_selects(&l->o, l->t->of, &rec, e->rest))
		return SP_STORE_SKIP;
	sp_buf_clear(&l->one);
	if (!tell_one(l->t, &rec, e->rest, &l->one))
		return SP_STORE_SKIP;
	l->code = sp_buf_code(&l->one);
	if (l->code == SP_OK)
		l->code = api_list_writer_put_json(&l->writer, &l->items, sp_buf_view(&l->one));
	return l->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

static sp_code read_all(lister *l, sp_err *err)
{
	const api_request *r = l->t->r;
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = l->t->of->prefix, .prefix = SP_STR("")};
	if (r->info.ns.len > 0 && l->t->of->kind->namespaced)
		q.prefix = sp_arena_printf(r->arena, SP_FMT "/", SP_ARG(r->info.ns));
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		SP_TRY(sp_store_range(r->server->store, &q, visit, l, &next, err));
		if (l->code != SP_OK)
			return sp_fail(err, l->code, "an object of the list can't be read");
		chunk = next;
		q.revision = chunk.revision;
	}
	return SP_OK;
}

static void tell_list(telling *t)
{
	lister l = {.t = t};
	sp_err err;
	const sp_list_meta meta = {0};
	if (!api_list_options_read(t->r, &l.o))
		return;
	sp_buf_init(&l.items, LIST_BYTES_MAX);
	sp_buf_init(&l.one, OBJECT_BYTES_MAX);
	sp_code code = api_list_writer_init(&l.writer, t->r, &err);
	if (code == SP_OK)
		code = read_all(&l, &err);
	if (code == SP_OK)
		api_list_writer_reply(&l.writer, &meta, sp_buf_view(&l.items));
	else
		api_reply_error(t->r, code, &err);
	api_list_writer_done(&l.writer);
	sp_buf_done(&l.items);
	sp_buf_done(&l.one);
}

/* ---- requests ---- */

bool api_usage_takes(const api_request *r)
{
	return r->held == NULL && r->res != NULL && sp_str_eq(r->res->gr.group, SP_STR("metrics.k8s.io"));
}

static void tell(api_request *r)
{
	telling t;
	begin_telling(&t, r, r->server->usage->set);
	if (sp_str_eq(r->info.verb, SP_STR("get")))
		tell_object(&t);
	else
		tell_list(&t);
	sp_arena_done(&t.scratch);
}

static void waiter_gone(api_request *r)
{
	usage_waiter *w = r->state;
	sp_list_remove(&w->node);
	r->state = NULL;
}

void usage_answer_all(api_usage *u)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&u->waiters)) != NULL) {
		api_request *r = SP_CONTAINER_OF(node, usage_waiter, node)->r;
		r->state = NULL;
		tell(r);
	}
}

void api_usage_answer(api_request *r)
{
	api_usage *u = r->server->usage;
	usage_waiter *w = usage_want(u) ? sp_try_new(r->arena, usage_waiter, 1) : NULL;
	if (w == NULL) {
		tell(r);
		return;
	}
	*w = (usage_waiter){.r = r};
	sp_list_init(&w->node);
	sp_list_push_back(&u->waiters, &w->node);
	r->state = w;
	r->on_gone = waiter_gone;
}
