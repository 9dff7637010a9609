/* SPDX-License-Identifier: Apache-2.0 */
#include "client/election.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/time.h"
#include "client/client_int.h"
#include "kube/kinds/values.h"
#include "kube/view.h"

#define NS_PER_S UINT64_C(1000000000)
#define BYTES_MAX ((size_t)1 << 20)
#define GIVE_BACK_NS (2 * NS_PER_S)

typedef struct lease_view {
	sp_str revision, holder, acquired, renewed;
	int64_t transitions, duration_s;
} lease_view;
SP_VIEW(lease_view_desc, lease_view, "coordination.k8s.io/v1/Lease",
	SP_V(lease_view, revision, "metadata.resourceVersion"),
	SP_V(lease_view, holder, "spec.holderIdentity"), SP_V(lease_view, acquired, "spec.acquireTime"),
	SP_V(lease_view, renewed, "spec.renewTime"), SP_V(lease_view, transitions, "spec.leaseTransitions"),
	SP_V(lease_view, duration_s, "spec.leaseDurationSeconds"));

struct sp_election {
	sp_election_opts o; /* texts in the arena */
	sp_world *world;
	sp_arena arena;
	sp_arena scratch[2]; /* the lease as it was read last stands in [at]: documents know their arena */
	unsigned at;
	lease_view seen;     /* what everybody knows */
	yyjson_mut_doc *doc; /* the same as a whole, to be changed and put back */
	yyjson_mut_val *lease;
	bool has_seen;
	uint64_t seen_ns;   /* when it last changed, by our clock */
	uint64_t write_ns;  /* when the last write began */
	bool must_read;     /* what was seen may be old */
	sp_buf said_leader; /* whom on_leader was told of */
	sp_call call;
	sp_timer timer, deadline;
	bool leading, closing;
	sp_defer closed;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

static void attempt(sp_election *e);

static void on_timer(sp_timer *t)
{
	attempt(t->arg);
}

/* Those who don't lead come at different times. */
static void try_later(sp_election *e)
{
	uint64_t ns = e->o.retry_ns;
	if (!e->leading)
		ns += sp_random_u64(e->world) % (ns + ns / 5);
	sp_timer_start(e->world, &e->timer, ns, on_timer);
}

/* ---- leading ---- */

static void lose(sp_election *e, const char *why)
{
	e->leading = false;
	sp_timer_stop(e->world, &e->deadline);
	if (e->o.log != NULL)
		sp_log(e->o.log, SP_LOG_WARN, "leadership lost", SP_KS("lease", e->o.name),
		       SP_KC("why", why));
	e->o.on_lost(e->o.arg);
}

static void on_deadline(sp_timer *t)
{
	sp_election *e = t->arg;
	sp_call_cancel(&e->call);
	lose(e, "the lease could not be renewed");
	try_later(e);
}

static void tell_leader(sp_election *e)
{
	if (e->seen.holder.len == 0 || sp_str_eq(sp_buf_view(&e->said_leader), e->seen.holder))
		return;
	sp_buf_clear(&e->said_leader);
	(void)sp_buf_str(&e->said_leader, e->seen.holder); /* told once more when there is no room */
	if (e->o.on_leader != NULL)
		e->o.on_leader(e->o.arg, e->seen.holder);
}

static void succeed(sp_election *e)
{
	/* The others count from when the write was done, which may be long before its answer. */
	uint64_t until = e->write_ns + e->o.renew_ns, now = sp_now_ns(e->world);
	sp_timer_start(e->world, &e->deadline, until > now ? until - now : 0, on_deadline);
	tell_leader(e);
	if (e->leading)
		return;
	e->leading = true;
	if (e->o.log != NULL)
		sp_log(e->o.log, SP_LOG_INFO, "leading", SP_KS("lease", e->o.name),
		       SP_KS("identity", e->o.identity));
	e->o.on_leading(e->o.arg);
}

/* ---- the lease ---- */

/* False: it can't be read; then nothing is known. */
static bool see(sp_election *e, sp_str json)
{
	sp_arena *next = &e->scratch[1 - e->at];
	lease_view v;
	yyjson_mut_val *lease = NULL;
	sp_arena_reset(next);
	yyjson_mut_doc *doc = sp_json_doc(next);
	if (doc == NULL || sp_json_parse_mut(next, json, doc, &lease, NULL) != SP_OK ||
	    sp_view(next, json, &lease_view_desc, &v, NULL) != SP_OK || v.revision.len == 0) {
		e->has_seen = false;
		return false;
	}
	bool same = e->has_seen && sp_str_eq(e->seen.holder, v.holder) &&
		    sp_str_eq(e->seen.renewed, v.renewed) && sp_str_eq(e->seen.acquired, v.acquired);
	if (!same)
		e->seen_ns = sp_now_ns(e->world);
	e->at = 1 - e->at;
	e->seen = v;
	e->doc = doc;
	e->lease = lease;
	e->has_seen = true;
	return true;
}

static bool is_ours(const sp_election *e)
{
	return e->has_seen && sp_str_eq(e->seen.holder, e->o.identity);
}

static bool is_held_by_another(const sp_election *e)
{
	return e->seen.holder.len > 0 && !is_ours(e) && sp_now_ns(e->world) - e->seen_ns < e->o.lease_ns;
}

static sp_str now_text(sp_world *w, char out[SP_TIME_TEXT_BYTES])
{
	int64_t ns = sp_wall_ns(w);
	const sp_time t = {.seconds = ns / (int64_t)NS_PER_S, .nanos = (uint32_t)(ns % (int64_t)NS_PER_S)};
	return (sp_str){out, sp_time_print(out, t, 6)};
}

static bool fill_spec(sp_election *e, yyjson_mut_doc *doc, yyjson_mut_val *lease, bool give_back)
{
	char text[SP_TIME_TEXT_BYTES];
	bool was = is_ours(e);
	sp_str now = now_text(e->world, text);
	yyjson_mut_val *spec = sp_kv_need_obj(doc, lease, "spec");
	int64_t transitions = e->has_seen ? e->seen.transitions + (was ? 0 : 1) : 0;
	return spec != NULL &&
	       sp_kv_set_str(doc, spec, "holderIdentity", give_back ? SP_STR("") : e->o.identity) &&
	       sp_kv_set_i64(doc, spec, "leaseDurationSeconds",
			     give_back ? 1 : (int64_t)(e->o.lease_ns / NS_PER_S)) &&
	       ((was && !give_back) || sp_kv_set_str(doc, spec, "acquireTime", now)) &&
	       sp_kv_set_str(doc, spec, "renewTime", now) &&
	       sp_kv_set_i64(doc, spec, "leaseTransitions", transitions);
}

static bool make_lease(sp_election *e, sp_arena *a, yyjson_mut_doc **doc, yyjson_mut_val **lease)
{
	*doc = sp_json_doc(a);
	*lease = *doc == NULL ? NULL : yyjson_mut_obj(*doc);
	yyjson_mut_val *meta = *lease == NULL ? NULL : sp_kv_need_obj(*doc, *lease, "metadata");
	return meta != NULL && sp_kv_set_str(*doc, meta, "name", e->o.name) &&
	       sp_kv_set_str(*doc, meta, "namespace", e->o.ns);
}

/* A PUT of the whole: the roles of upstream's components let them update leases, not patch them. Without room
 * the body is empty, which the server refuses: tried again like any other failure. */
static void write_lease(sp_election *e, bool give_back, void (*done)(sp_call *c, const sp_answer *a))
{
	yyjson_mut_doc *doc = e->doc;
	yyjson_mut_val *lease = e->lease;
	sp_arena a;
	SP_AUTO_BUF body;
	sp_arena_init(&a, BYTES_MAX);
	sp_buf_init(&body, BYTES_MAX);
	if (e->has_seen || make_lease(e, &a, &doc, &lease)) {
		if (fill_spec(e, doc, lease, give_back))
			(void)sp_json_write_mut(&body, lease);
	}
	sp_arena_done(&a);
	e->call.done = done;
	e->write_ns = sp_now_ns(e->world);
	sp_call_start(e->o.client, &e->call,
		      &(sp_ask){.verb = e->has_seen ? SP_ASK_UPDATE : SP_ASK_CREATE,
				.gvr = SP_LEASES,
				.ns = e->o.ns,
				.name = e->has_seen ? e->o.name : SP_STR(""),
				.body = sp_buf_view(&body),
				.within_ns = give_back ? GIVE_BACK_NS : e->o.renew_ns / 2});
}

/* ---- one try ---- */

static void note(sp_election *e, const sp_answer *a)
{
	if (e->o.log != NULL)
		sp_log(e->o.log, SP_LOG_WARN, "leader election: trying again", SP_KS("lease", e->o.name),
		       SP_KE(a->err));
}

static void on_written(sp_call *c, const sp_answer *a)
{
	sp_election *e = c->arg;
	e->must_read = a->code != SP_OK || !see(e, a->body);
	if (!e->must_read) {
		succeed(e);
	} else if (e->leading && (a->code == SP_ECONFLICT || a->code == SP_ENOTFOUND)) {
		attempt(e); /* somebody wrote it: who leads now? */
		return;
	} else if (a->code != SP_OK && a->code != SP_ECONFLICT && a->code != SP_EEXISTS) {
		note(e, a);
	}
	try_later(e);
}

static void on_read(sp_call *c, const sp_answer *a)
{
	sp_election *e = c->arg;
	if (a->code == SP_ENOTFOUND) {
		e->has_seen = false;
		write_lease(e, false, on_written);
		return;
	}
	if (a->code != SP_OK || !see(e, a->body)) {
		if (a->err != NULL)
			note(e, a);
		try_later(e);
		return;
	}
	e->must_read = false;
	if (is_held_by_another(e)) {
		if (e->leading)
			lose(e, "somebody else holds the lease");
		tell_leader(e);
		try_later(e);
		return;
	}
	write_lease(e, false, on_written);
}

static void attempt(sp_election *e)
{
	if (e->leading && !e->must_read) {
		write_lease(e, false, on_written);
		return;
	}
	e->call.done = on_read;
	sp_call_start(e->o.client, &e->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = SP_LEASES,
				.ns = e->o.ns,
				.name = e->o.name,
				.within_ns = e->o.renew_ns / 2});
}

/* ---- life ---- */

static void on_closed(sp_defer *d)
{
	sp_election *e = d->arg;
	SP_TAKE(e->on_closed)(e->closed_arg);
}

sp_code sp_election_new(const sp_election_opts *o, sp_election **ret, sp_err *err)
{
	sp_election *e = SP_NEW(sp_election);
	e->o = *o;
	e->world = sp_client_world(o->client);
	e->o.lease_ns = o->lease_ns == 0 ? 15 * NS_PER_S : o->lease_ns;
	e->o.renew_ns = o->renew_ns == 0 ? 10 * NS_PER_S : o->renew_ns;
	e->o.retry_ns = o->retry_ns == 0 ? 2 * NS_PER_S : o->retry_ns;
	e->call.arg = e->timer.arg = e->deadline.arg = e;
	sp_arena_init(&e->arena, BYTES_MAX);
	sp_arena_init(&e->scratch[0], BYTES_MAX);
	sp_arena_init(&e->scratch[1], BYTES_MAX);
	sp_buf_init(&e->said_leader, BYTES_MAX);
	sp_defer_init(&e->closed, on_closed, e);
	sp_str *texts[] = {&e->o.ns, &e->o.name, &e->o.identity};
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		*texts[i] = sp_arena_try_dup(&e->arena, *texts[i]);
		if (texts[i]->ptr == NULL) {
			sp_election_free(e);
			return sp_fail(err, SP_ENOMEM, "no memory for a leader election");
		}
	}
	sp_timer_start(e->world, &e->timer, 0, on_timer);
	*ret = e;
	return SP_OK;
}

static void on_given_back(sp_call *c, const sp_answer *a)
{
	sp_election *e = c->arg;
	(void)a; /* it runs out by itself */
	sp_defer_call(e->world, &e->closed);
}

void sp_election_close(sp_election *e, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!e->closing);
	e->closing = true;
	e->on_closed = done;
	e->closed_arg = arg;
	sp_timer_stop(e->world, &e->timer);
	sp_timer_stop(e->world, &e->deadline);
	sp_call_cancel(&e->call);
	if (e->leading && is_ours(e))
		write_lease(e, true, on_given_back);
	else
		sp_defer_call(e->world, &e->closed);
	e->leading = false;
}

void sp_election_free(sp_election *e)
{
	if (e == NULL)
		return;
	sp_timer_stop(e->world, &e->timer);
	sp_timer_stop(e->world, &e->deadline);
	sp_call_cancel(&e->call);
	sp_defer_cancel(&e->closed);
	sp_buf_done(&e->said_leader);
	sp_arena_done(&e->scratch[0]);
	sp_arena_done(&e->scratch[1]);
	sp_arena_done(&e->arena);
	sp_free(e);
}
