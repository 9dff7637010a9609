/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Informers of the client library against the API server, under many writers, a network that breaks, history
 * that is forgotten and servers that restart: what a cache has is what the store's history says of its
 * revision, what its watchers are told is what happened to the cache (nothing twice, nothing out of order),
 * and at the end all agree.
 */
#include "client/client_int.h"
#include "client/informer_int.h"
#include "client/reflector_int.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "sim/api_world.h"

#define FAULTS_NS (20 * SECOND)
#define WRITES_NS (25 * SECOND)
#define END_NS (300 * SECOND)
#define LOOK_NS (20 * MS)
#define N_PER_HOST 4u

typedef struct follower {
	struct party *party;
	kind kind;
	unsigned selector;
	sp_informer *informer;
	sp_informer_watch watch;
	unsigned by_tier;
	uint64_t have[N_OBJECTS]; /* what it was told: revisions, 0: not there */
	size_t n_changes, n_looks;
} follower;

/* One process: a client, its informers, and somebody who looks at the caches. */
typedef struct party {
	struct rig *rig;
	sp_world *world;
	sp_client *client;
	sp_informers *set;
	sp_timer timer;
	bool closed, synced;
	follower followers[N_PER_HOST];
} party;

typedef struct rig {
	world w; /* writers and the truth */
	party parties[N_HOSTS];
	size_t n_expired; /* times that history was gone */
} rig;

static const char *const selector_raw[SELECTORS] = {"", "tier=web", "tier!=web", "tier in (web,db)"};

/* ---- what is promised ---- */

static void check_now(follower *f, uint8_t k, const sp_object *o)
{
	world *w = &f->party->rig->w;
	truth_read(w);
	yyjson_val *v = parse(w, o->json);
	const change *c = truth_at(w, f->kind, k, o->revision);
	if (c == NULL || c->revision != o->revision || c->is_delete || !sp_str_eq(o->uid, sp_str_c(c->uid)) ||
	    c->op != number_at(v, "metadata", "annotations", "op"))
		broken(w, "k%u at %llu is not what was written", k, (unsigned long long)o->revision);
	if (sp_json_last(v, SP_STR("data")) != NULL || sp_json_last(v, SP_STR("kind")) != NULL)
		broken(w, "k%u: more is kept than was asked for", k);
}

static void on_change(void *arg, const sp_object *old, const sp_object *now)
{
	follower *f = arg;
	world *w = &f->party->rig->w;
	uint8_t k = object_of(w, now != NULL ? now->name : old->name);
	uint64_t was = old == NULL ? 0 : old->revision;
	f->n_changes++;
	if (was != f->have[k])
		broken(w, "k%u: told that it was %llu, it was %llu", k, (unsigned long long)was,
		       (unsigned long long)f->have[k]);
	if (now != NULL && now->revision <= was)
		broken(w, "k%u goes from %llu to %llu", k, (unsigned long long)was,
		       (unsigned long long)now->revision);
	f->have[k] = now == NULL ? 0 : now->revision;
	if (now != NULL)
		check_now(f, k, now);
}

static void check_index(follower *f)
{
	size_t n = 0;
	for (unsigned t = 0; t < 3; t++) {
		const sp_object *o;
		sp_index_at at = sp_informer_find(f->informer, f->by_tier, sp_str_c(tiers[t]));
		size_t count = sp_informer_find_count(f->informer, f->by_tier, sp_str_c(tiers[t]));
		while ((o = sp_index_next(&at)) != NULL) {
			n++;
			count--;
			if (sp_informer_get(f->informer, o->key) != o)
				broken(&f->party->rig->w, "an index has what the cache has not");
		}
		if (count != 0)
			broken(&f->party->rig->w, "an index counts wrong");
	}
	if (f->selector == 3 && n != sp_informer_count(f->informer)) /* all of them have a tier */
		broken(&f->party->rig->w, "an index misses what the cache has");
}

/* Outside of a state that is being told, the cache is the truth of its revision. */
static void look(follower *f)
{
	world *w = &f->party->rig->w;
	uint64_t want[N_OBJECTS];
	if (!f->informer->reflector->has_state || !f->informer->synced)
		return;
	f->n_looks++;
	truth_state(w, f->kind, f->selector, f->informer->revision, want);
	for (unsigned k = 0; k < N_OBJECTS; k++) {
		char name[3] = {'k', (char)('0' + k), '\0'};
		const sp_object *o = sp_informer_get_in(f->informer, SP_STR("default"), sp_str_c(name));
		uint64_t has = o == NULL ? 0 : o->revision;
		if (has != want[k] || has != f->have[k])
			broken(w, "%s%s at %llu: %s is %llu and told as %llu, not %llu", kind_plural[f->kind],
			       selector_text(f->selector), (unsigned long long)f->informer->revision, name,
			       (unsigned long long)has, (unsigned long long)f->have[k],
			       (unsigned long long)want[k]);
	}
	check_index(f);
}

static void on_look(sp_timer *t)
{
	party *p = t->arg;
	for (unsigned i = 0; i < N_PER_HOST; i++)
		look(&p->followers[i]);
	sp_timer_start(p->world, &p->timer, LOOK_NS, on_look);
}

/* ---- the party ---- */

static void keys_of_tier(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys, text_at(object, "metadata", "labels", "tier"));
}

static void on_synced(void *arg)
{
	party *p = arg;
	p->synced = true;
	if (!sp_informers_are_synced(p->set))
		broken(&p->rig->w, "synced, and not");
}

static void on_client_closed(void *arg)
{
	((party *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((party *)arg)->closed;
}

static void party_close(void *arg)
{
	party *p = arg;
	sp_sim *s = p->rig->w.api.sim;
	sp_timer_stop(p->world, &p->timer);
	sp_informers_free(p->set);
	sp_client_close(p->client, on_client_closed, p);
	if (!sp_sim_run(s, is_closed, p, sp_sim_now_ns(s) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "a client does not close");
	else
		sp_client_free(p->client);
}

static sp_code follow(party *p, unsigned i)
{
	follower *f = &p->followers[i];
	*f = (follower){.party = p, .kind = (kind)(i % KIND_COUNT_)};
	f->selector = i < KIND_COUNT_ ? 0 : 1 + (unsigned)below(&p->rig->w, SELECTORS - 1);
	const sp_informer_opts o = {.gvr = f->kind == POD ? SP_PODS : SP_CONFIGMAPS,
				    .ns = SP_STR("default"),
				    .label_selector = sp_str_c(selector_raw[f->selector])};
	SP_TRY(sp_informers_get(p->set, &o, &f->informer, t_err()));
	SP_TRY(sp_informer_keep_path(f->informer, SP_STR("spec.nodeName")));
	SP_TRY(sp_informer_index(f->informer, keys_of_tier, NULL, &f->by_tier, t_err()));
	f->watch = (sp_informer_watch){.on_change = on_change, .arg = f};
	sp_informer_watch_add(f->informer, &f->watch);
	return SP_OK;
}

static void party_open(rig *r, unsigned i)
{
	party *p = &r->parties[i];
	const sp_client_config config = {.scheme = SP_STR("http"),
					 .address = SP_STR("server:80"),
					 .namespace_ = SP_STR("default"),
					 .h2 = i % 2 == 1};
	*p = (party){.rig = r, .world = r->w.clients[i].world};
	p->timer.arg = p;
	const sp_client_opts o = {.config = &config, .user_agent = SP_STR("test/1")};
	T_OK(sp_client_new(p->world, &o, &p->client, t_err()));
	T_OK(sp_informers_new(p->client, NULL, &p->set, t_err()));
	T_DEFER(party_close, p);
	for (unsigned k = 0; k < N_PER_HOST; k++)
		T_OK(follow(p, k));
	sp_informers_on_synced(p->set, on_synced, p);
	sp_informers_start(p->set);
	sp_timer_start(p->world, &p->timer, LOOK_NS, on_look);
}

/* ---- the run ---- */

static bool has_converged(follower *f)
{
	uint64_t want[N_OBJECTS];
	truth_state(&f->party->rig->w, f->kind, f->selector, UINT64_MAX, want);
	return f->informer->synced && f->informer->reflector->has_state &&
	       memcmp(want, f->have, sizeof want) == 0;
}

static bool is_over(void *arg)
{
	rig *r = arg;
	if (r->w.broken[0] != '\0')
		return true;
	if (sp_sim_now_ns(r->w.api.sim) <= r->w.end_ns + SECOND)
		return false;
	for (unsigned i = 0; i < N_WRITERS; i++) {
		if (r->w.writers[i].op != NULL)
			return false;
	}
	for (unsigned i = 0; i < N_HOSTS * N_PER_HOST; i++) {
		if (!has_converged(&r->parties[i / N_PER_HOST].followers[i % N_PER_HOST]))
			return false;
	}
	return true;
}

static void world_done(void *arg)
{
	world *w = arg;
	for (unsigned i = 0; i < N_WRITERS; i++)
		t_call_done(&w->writers[i].call);
	sp_arena_done(&w->scratch);
	sp_arena_done(&w->log_scratch);
}

static void stop_writers(void *arg)
{
	world *w = arg;
	for (unsigned i = 0; i < N_WRITERS; i++) {
		writer *v = &w->writers[i];
		v->call.on_done = NULL;
		sp_timer_stop(v->client->world, &v->timer);
		sp_timer_stop(v->client->world, &v->vanish);
	}
	truth_close(w);
}

static void start_all(rig *r)
{
	static const char *const names[N_HOSTS] = {"a", "b", "c", "d"};
	world *w = &r->w;
	for (unsigned i = 0; i < N_HOSTS; i++) {
		if (!t_client_open(&w->clients[i], &w->api, names[i], i % 2 == 1))
			return;
	}
	T_DEFER(stop_writers, w);
	for (unsigned i = 0; i < N_WRITERS; i++) {
		w->writers[i] = (writer){.w = w, .client = &w->clients[i % N_HOSTS]};
		writer_start(&w->writers[i]);
	}
	for (unsigned i = 0; i < N_HOSTS && !t_failed(); i++)
		party_open(r, i);
}

static void judge(rig *r, bool over)
{
	size_t n_changes = 0, n_looks = 0;
	sp_reflector_stats sum = {0};
	if (r->w.broken[0] != '\0')
		T_FAIL("%s", r->w.broken);
	T_TRUE(over);
	for (unsigned i = 0; i < N_HOSTS * N_PER_HOST; i++) {
		follower *f = &r->parties[i / N_PER_HOST].followers[i % N_PER_HOST];
		sp_reflector_stats s = sp_informer_counts(f->informer);
		n_changes += f->n_changes;
		n_looks += f->n_looks;
		sum.n_streams += s.n_streams;
		sum.n_watches += s.n_watches;
		r->n_expired += s.n_expired;
		sum.n_events += s.n_events;
		T_TRUE(f->party->synced);
	}
	T_TRUE(n_changes > 20);
	T_TRUE(n_looks > 100);
	T_TRUE(sum.n_streams > 0);
	T_TRUE(sum.n_events > 20);
}

/* Half of the hosts are cut off for longer than history is kept. */
static void cut_off(rig *r)
{
	world *w = &r->w;
	sp_sim_run_until(w->api.sim, sp_sim_now_ns(w->api.sim) + 3 * SECOND);
	for (unsigned i = 0; i < N_HOSTS / 2; i++)
		sp_sim_part(w->clients[i].host, w->api.host);
	sp_sim_run_until(w->api.sim, sp_sim_now_ns(w->api.sim) + 40 * SECOND);
	for (unsigned i = 0; i < N_HOSTS / 2; i++)
		sp_sim_heal(w->clients[i].host, w->api.host);
}

static void run(const sp_sim_opts *o, unsigned n_restarts, bool cut)
{
	const sp_store_mem_opts store = {.commit_ns = 3 * MS, .keep_ns = 5 * SECOND};
	rig *r = sp_new(T_ARENA, rig, 1);
	world *w = &r->w;
	t_no_faults();
	sp_arena_init(&w->scratch, (size_t)64 << 20);
	sp_arena_init(&w->log_scratch, (size_t)64 << 20);
	T_DEFER(world_done, w);
	w->end_ns = WRITES_NS;
	w->ops = sp_new(T_ARENA, op, OPS_MAX);
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		w->truth[k].log = sp_new(T_ARENA, change, CHANGES_MAX);
	if (!t_api_open(&w->api, o, &store))
		return;
	T_TRUE(truth_open(w));
	start_all(r);
	for (unsigned i = 0; i < n_restarts && !t_failed(); i++) {
		sp_sim_run_until(w->api.sim, sp_sim_now_ns(w->api.sim) + 2 * SECOND);
		if (!t_api_restart(&w->api, below(w, SECOND)))
			return;
	}
	if (cut && !t_failed())
		cut_off(r);
	if (!t_failed())
		judge(r, sp_sim_run(w->api.sim, is_over, r, END_NS));
	T_TRUE(t_failed() || !cut || r->n_expired > 0);
}

SP_TEST(sim_informer, calm)
{
	run(&(sp_sim_opts){.seed = t_random()}, 0, false);
}

SP_TEST(sim_informer, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = FAULTS_NS;
	run(&o, 0, false);
}

/* Whatever the client may do otherwise now and then, it does: pages, short watches. */
SP_TEST(sim_informer, faults_and_whims)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = FAULTS_NS;
	o.faults.buggify_ppm = 1000000;
	run(&o, 0, false);
}

SP_TEST(sim_informer, restarts)
{
	run(&(sp_sim_opts){.seed = t_random(), .faults = {.buggify_ppm = 1000000, .until_ns = FAULTS_NS}}, 6,
	    false);
}

SP_TEST(sim_informer, forgotten_history)
{
	run(&(sp_sim_opts){.seed = t_random()}, 0, true);
}
