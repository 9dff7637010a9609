/* SPDX-License-Identifier: Apache-2.0 */
/* Calls, discovery, events and bodies of the client library against the API server. */
#include "base/map.h"
#include "client/accounts.h"
#include "client/discover.h"
#include "client/events.h"
#include "client/informer_int.h"
#include "client/patch.h"
#include "client/reflector_int.h"
#include "kube/schema.h"
#include "kube/view.h"
#include "lib/client_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define NS_DEFAULT SP_STR("default")
#define BOATS                                                                                           \
	"{\"metadata\":{\"name\":\"boats.example.com\"},\"spec\":{\"group\":\"example.com\",\"scope\":" \
	"\"Namespaced\",\"names\":{\"plural\":\"boats\",\"singular\":\"boat\",\"kind\":\"Boat\","       \
	"\"listKind\":"                                                                                 \
	"\"BoatList\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"    \
	"\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}"

typedef struct rig {
	t_api api;
	t_user user;
} rig;

static rig *rig_open(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	if (t_api_open(&r->api, &(sp_sim_opts){.seed = t_random()}, NULL))
		(void)t_user_open(&r->user, &r->api, "user", true);
	return r;
}

static sp_ask config_map(sp_ask_verb verb, sp_str name, sp_str body)
{
	return (sp_ask){.verb = verb, .gvr = SP_CONFIGMAPS, .ns = NS_DEFAULT, .name = name, .body = body};
}

SP_TEST(sim_client, verbs_and_errors)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	const sp_str body = SP_STR("{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\"}}");
	sp_ask get = config_map(SP_ASK_GET, SP_STR("m"), SP_STR(""));
	sp_ask create = config_map(SP_ASK_CREATE, SP_STR(""), body);
	T_TRUE(t_ask_ok(&r->user, &get, SP_ENOTFOUND));
	T_EQ_C(sp_str_c(t_err()->msg),
	       "GET /api/v1/namespaces/default/configmaps/m: configmaps \"m\" not found");
	T_TRUE(t_ask_ok(&r->user, &create, SP_OK));
	T_TRUE(t_ask_ok(&r->user, &create, SP_EEXISTS));
	T_TRUE(t_ask_ok(&r->user, &get, SP_OK));
	sp_ask merge =
		config_map(SP_ASK_MERGE_PATCH, SP_STR("m"),
			   SP_STR("{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"b\":\"2\"}}"));
	T_TRUE(t_ask_ok(&r->user, &merge, SP_ECONFLICT));
	merge.body = SP_STR("{\"data\":{\"b\":\"2\"}}");
	T_TRUE(t_ask_ok(&r->user, &merge, SP_OK));
	T_TRUE(sp_str_find(sp_buf_view(&r->user.body), SP_STR("\"data\":{\"a\":\"1\",\"b\":\"2\"}")) > 0);
	sp_ask json = config_map(SP_ASK_JSON_PATCH, SP_STR("m"),
				 SP_STR("[{\"op\":\"remove\",\"path\":\"/data/a\"}]"));
	T_TRUE(t_ask_ok(&r->user, &json, SP_OK));
	T_TRUE(t_ask_ok(&r->user, &json, SP_EINVAL));
	sp_ask apply =
		config_map(SP_ASK_APPLY, SP_STR("m"),
			   SP_STR("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
				  "\"m\"},\"data\":{\"b\":\"3\"}}"));
	T_TRUE(t_ask_ok(&r->user, &apply, SP_ECONFLICT));
	apply.force = true;
	T_TRUE(t_ask_ok(&r->user, &apply, SP_OK));
	sp_ask gone =
		config_map(SP_ASK_DELETE, SP_STR("m"),
			   SP_STR("{\"preconditions\":{\"uid\":\"00000000-0000-0000-0000-000000000000\"}}"));
	T_TRUE(t_ask_ok(&r->user, &gone, SP_ECONFLICT));
	gone.body = SP_STR("");
	gone.dry_run = true;
	T_TRUE(t_ask_ok(&r->user, &gone, SP_OK));
	gone.dry_run = false;
	T_TRUE(t_ask_ok(&r->user, &gone, SP_OK));
	T_TRUE(t_ask_ok(&r->user, &gone, SP_ENOTFOUND));
	sp_ask all = config_map(SP_ASK_DELETE_ALL, SP_STR(""), SP_STR(""));
	T_TRUE(t_ask_ok(&r->user, &all, SP_OK));
	T_TRUE(t_ask_ok(&r->user, &(sp_ask){.path = SP_STR("/version")}, SP_OK));
}

SP_TEST(sim_client, limits_and_ends)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	sp_ask list = {.verb = SP_ASK_LIST, .gvr = SP_NAMESPACES, .answer_bytes = 100};
	T_TRUE(t_ask_ok(&r->user, &list, SP_ETOOLARGE));
	sp_sim_part(r->api.host, r->user.host);
	list.within_ns = 3 * SECOND;
	list.answer_bytes = 0;
	T_TRUE(t_ask_ok(&r->user, &list, SP_ETIMEOUT));
	T_EQ_U64(r->user.status, 0);
	sp_sim_heal(r->api.host, r->user.host);
	T_TRUE(t_ask_ok(&r->user, &list, SP_OK));
	r->user.done = false;
	sp_call_start(r->user.client, &r->user.call, &list);
	sp_call_cancel(&r->user.call);
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + 5 * SECOND);
	T_TRUE(!r->user.done);
}

/* ---- discovery ---- */

typedef struct discovering {
	sp_discover d;
	bool done, ok;
	size_t n;
} discovering;

static void on_found(sp_discover *d, const sp_discovery *f, const sp_err *err)
{
	discovering *x = d->arg;
	bool pods = false, nodes = false;
	x->done = true;
	for (size_t i = 0; f != NULL && i < f->n; i++) {
		const sp_api_resource *v = &f->items[i];
		if (sp_str_eq(v->gvr.resource, SP_STR("pods")) && v->gvr.group.len == 0)
			pods = v->namespaced && v->preferred && (v->verbs & SP_VERB_DELETECOLLECTION) != 0 &&
			       sp_str_eq(v->kind, SP_STR("Pod"));
		if (sp_str_eq(v->gvr.resource, SP_STR("nodes")))
			nodes = !v->namespaced;
	}
	x->n = f == NULL ? 0 : f->n;
	x->ok = err == NULL && pods && nodes && !f->partial;
}

static bool is_found(void *arg)
{
	return ((discovering *)arg)->done;
}

SP_TEST(sim_client, discovery)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	discovering *x = sp_new(T_ARENA, discovering, 1);
	x->d = (sp_discover){.done = on_found, .arg = x};
	sp_discover_start(r->user.client, &x->d);
	T_TRUE(sp_sim_run(r->api.sim, is_found, x, sp_sim_now_ns(r->api.sim) + 100 * SECOND));
	T_TRUE(x->ok);
	T_TRUE(x->n > 50);
	sp_discover_start(r->user.client, &x->d);
	sp_discover_cancel(&x->d);
}

/* ---- what is not served ---- */

static void on_all_synced(void *arg)
{
	*(bool *)arg = true;
}

static bool is_set(void *arg)
{
	return *(const bool *)arg;
}

static bool has_boat(void *arg)
{
	return sp_informer_is_synced(arg) && sp_informer_count(arg) == 1;
}

/* A server that lacks a group does not keep the others' caches; what comes later is followed. */
SP_TEST(sim_client, resources_that_are_not_served)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	sp_informers *set = NULL;
	sp_informer *maps, *boats, *ships;
	const sp_gvr gvr = SP_GVR("example.com", "v1", "boats");
	bool *synced = sp_new(T_ARENA, bool, 1);
	T_OK(sp_informers_new(r->user.client, NULL, &set, T_ERR));
	T_DEFER(sp_informers_free, set);
	T_OK(sp_informers_get(set, &(sp_informer_opts){.gvr = SP_CONFIGMAPS}, &maps, T_ERR));
	T_OK(sp_informers_get(set, &(sp_informer_opts){.gvr = gvr}, &boats, T_ERR));
	T_OK(sp_informers_get(set, &(sp_informer_opts){.gvr = SP_GVR("example.com", "v1", "ships")}, &ships,
			      T_ERR));
	ships->reflector->no_stream = true; /* pages say the same */
	sp_informers_on_synced(set, on_all_synced, synced);
	sp_informers_start(set);
	T_TRUE(sp_sim_run(r->api.sim, is_set, synced, sp_sim_now_ns(r->api.sim) + 20 * SECOND));
	T_TRUE(sp_informer_is_synced(maps));
	T_TRUE(!sp_informer_is_synced(boats) && !sp_informer_is_synced(ships));
	T_TRUE(sp_informer_counts(ships).n_lists > 0 && sp_informer_counts(ships).n_streams == 0);
	const sp_ask kind = {.verb = SP_ASK_CREATE,
			     .gvr = SP_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
			     .body = SP_STR(BOATS)};
	T_TRUE(t_ask_ok(&r->user, &kind, SP_OK));
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + 10 * SECOND);
	const sp_ask boat = {.verb = SP_ASK_CREATE,
			     .gvr = gvr,
			     .ns = NS_DEFAULT,
			     .body = SP_STR("{\"apiVersion\":\"example.com/v1\",\"kind\":\"Boat\","
					    "\"metadata\":{\"name\":\"a\"}}")};
	T_TRUE(t_ask_ok(&r->user, &boat, SP_OK));
	T_TRUE(sp_sim_run(r->api.sim, has_boat, boats, sp_sim_now_ns(r->api.sim) + 100 * SECOND));
}

/* ---- events ---- */

static sp_events *events_open(rig *r, bool series)
{
	sp_events *e = NULL;
	const sp_events_opts o = {
		.client = r->user.client, .component = SP_STR("test-controller"), .series = series};
	if (sp_events_new(&o, &e, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no recorder");
	T_DEFER(sp_events_free, e);
	return e;
}

static const sp_event_ref about_pod = {.api_version = SP_STR_INIT("v1"),
				       .kind = SP_STR_INIT("Pod"),
				       .ns = SP_STR_INIT("default"),
				       .name = SP_STR_INIT("p"),
				       .uid = SP_STR_INIT("u1")};

static yyjson_val *events(rig *r, size_t *ret_n)
{
	yyjson_val *root = NULL;
	t_ask(&r->user, &(sp_ask){.verb = SP_ASK_LIST, .gvr = SP_EVENTS_CORE, .ns = NS_DEFAULT});
	if (sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &root, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no list of events");
	yyjson_val *items = sp_json_last(root, SP_STR("items"));
	*ret_n = yyjson_arr_size(items);
	return items;
}

static void settle(rig *r, uint64_t seconds)
{
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + seconds * SECOND);
}

SP_TEST(sim_client, events_are_counted)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	sp_events *e = events_open(r, false);
	size_t n;
	for (unsigned i = 0; i < 3; i++)
		sp_events_emitf(e, &about_pod, true, "Failed", "it %s", "failed");
	sp_events_emitf(e, &about_pod, false, "Done", "it worked");
	settle(r, 5);
	yyjson_val *items = events(r, &n);
	T_EQ_U64(n, 2);
	yyjson_val *first = yyjson_arr_get(items, 0), *second = yyjson_arr_get(items, 1);
	if (!sp_str_eq(sp_json_str(sp_json_last(first, SP_STR("reason"))), SP_STR("Failed")))
		first = second;
	T_EQ_I64(yyjson_get_int(sp_json_last(first, SP_STR("count"))), 3);
	T_EQ_C(sp_json_str(sp_json_last(first, SP_STR("message"))), "it failed");
	T_EQ_C(sp_json_str(sp_json_last(first, SP_STR("type"))), "Warning");
}

SP_TEST(sim_client, similar_events_are_combined)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	sp_events *e = events_open(r, false);
	size_t n;
	for (unsigned i = 0; i < 40; i++) /* 25 pass; the 10th and later of these are one */
		sp_events_emitf(e, &about_pod, true, "Failed", "try %u", i);
	settle(r, 5);
	yyjson_val *items = events(r, &n), *v;
	T_EQ_U64(n, 10);
	int64_t most = 0;
	size_t i, max;
	yyjson_arr_foreach(items, i, max, v) most =
		SP_MAX(most, yyjson_get_sint(sp_json_last(v, SP_STR("count"))));
	T_EQ_I64(most, 16);
	sp_events_emitf(e, &about_pod, true, "Failed", "later");
	settle(r, 301);
	sp_events_emitf(e, &about_pod, true, "Failed", "later"); /* one more in 5 minutes */
	sp_events_emitf(e, &about_pod, true, "Failed", "later");
	settle(r, 5);
	items = events(r, &n);
	T_EQ_U64(n, 10);
	most = 0;
	yyjson_arr_foreach(items, i, max, v) most =
		SP_MAX(most, yyjson_get_sint(sp_json_last(v, SP_STR("count"))));
	T_EQ_I64(most, 17);
}

SP_TEST(sim_client, events_in_series)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	sp_events *e = events_open(r, true);
	size_t n;
	for (unsigned i = 0; i < 5; i++)
		sp_events_emitf(e, &about_pod, true, "FailedScheduling", "try %u", i);
	settle(r, 5);
	yyjson_val *v = yyjson_arr_get(events(r, &n), 0);
	T_EQ_U64(n, 1);
	T_EQ_C(sp_json_str(sp_json_last(v, SP_STR("message"))), "try 0");
	T_EQ_I64(yyjson_get_int(sp_json_last(sp_json_last(v, SP_STR("series")), SP_STR("count"))), 2);
	settle(r, 400);
	v = yyjson_arr_get(events(r, &n), 0);
	T_EQ_I64(yyjson_get_int(sp_json_last(sp_json_last(v, SP_STR("series")), SP_STR("count"))), 5);
}

/* ---- bodies ---- */

static void check_patch(const char *old_text, const char *now_text, const char *want)
{
	SP_AUTO_BUF out;
	bool changed;
	yyjson_mut_val *old, *now;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	sp_buf_init(&out, 10000);
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(old_text), doc, &old, T_ERR));
	T_OK(sp_json_parse_mut(T_ARENA, sp_str_c(now_text), doc, &now, T_ERR));
	T_OK(sp_patch_merge(&out, T_ARENA, old, now, NULL, &changed, T_ERR));
	T_TRUE(changed == (want[0] != '\0'));
	T_EQ_C(sp_buf_view(&out), want);
}

SP_TEST(sim_client, merge_patches)
{
	check_patch("{}", "{}", "");
	check_patch("{\"a\":{\"b\":1,\"c\":[1,2]}}", "{\"a\":{\"c\":[1,2],\"b\":1}}", "");
	check_patch("{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"a\":null}");
	check_patch("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3}}", "{\"a\":{\"c\":3}}");
	check_patch("{\"a\":{\"l\":[1,2]}}", "{\"a\":{\"l\":[1]}}", "{\"a\":{\"l\":[1]}}");
	check_patch("{\"a\":1}", "{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1}}");
	check_patch("{\"a\":{\"x\":{\"y\":1}}}", "{\"a\":{}}", "{\"a\":{\"x\":null}}");
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *old, *now;
	SP_AUTO_BUF out;
	bool changed;
	sp_buf_init(&out, 1000);
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, SP_STR("{\"n\":3}"), doc, &old, T_ERR));
	now = yyjson_mut_obj(doc); /* a number that was made is one that was read */
	T_TRUE(yyjson_mut_obj_add_int(doc, now, "n", 3));
	T_OK(sp_patch_member(&out, T_ARENA, "status", old, now, NULL, &changed, T_ERR));
	T_TRUE(!changed);
}

/* ---- views ---- */

/* Those of every controller too: they are linked into this program. */
SP_TEST(sim_client, views_match_the_schema)
{
	size_t n;
	const sp_view_desc *const *all = sp_view_all(&n);
	T_TRUE(n > 20);
	for (size_t i = 0; i < n; i++) {
		t_row("%s", all[i]->name);
		T_OK(sp_view_check(all[i], T_ERR));
	}
}

/* ---- accounts ---- */

typedef struct acting {
	rig *r;
	sp_accounts *accounts;
	sp_client *client;
	sp_call call;
	sp_code code;
	bool ready, done;
} acting;

static void on_ready(void *arg)
{
	((acting *)arg)->ready = true;
}

static bool is_ready(void *arg)
{
	return ((acting *)arg)->ready;
}

static void on_acted(sp_call *c, const sp_answer *a)
{
	acting *x = c->arg;
	x->code = a->code;
	x->done = true;
}

static bool has_acted(void *arg)
{
	return ((acting *)arg)->done;
}

static sp_code act(acting *x, const sp_ask *ask)
{
	sp_sim *s = x->r->api.sim;
	x->done = false;
	x->call = (sp_call){.done = on_acted, .arg = x};
	sp_call_start(x->client, &x->call, ask);
	return sp_sim_run(s, has_acted, x, sp_sim_now_ns(s) + 100 * SECOND) ? x->code : SP_EINTERNAL;
}

static acting *acting_open(void)
{
	acting *x = sp_new(T_ARENA, acting, 1);
	x->r = rig_open();
	if (t_failed() || !t_api_guard(&x->r->api) ||
	    sp_accounts_new(x->r->user.client, NULL, SP_STR("kube-system"), &x->accounts, T_ERR) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no accounts");
		return x;
	}
	T_DEFER(sp_accounts_free, x->accounts);
	return x;
}

SP_TEST(sim_client, accounts_act_for_themselves)
{
	acting *x = acting_open();
	T_TRUE(!t_failed());
	sp_client *again = NULL;
	T_OK(sp_accounts_client(x->accounts, SP_STR("job-controller"), &x->client, T_ERR));
	T_OK(sp_accounts_client(x->accounts, SP_STR("job-controller"), &again, T_ERR));
	T_TRUE(x->client == again);
	const sp_ask jobs = {.verb = SP_ASK_LIST, .gvr = SP_JOBS};
	const sp_ask nodes = {.verb = SP_ASK_LIST, .gvr = SP_NODES};
	T_CODE(act(x, &jobs), SP_EUNAUTH); /* never as somebody else */
	sp_accounts_start(x->accounts, on_ready, x);
	T_TRUE(sp_sim_run(x->r->api.sim, is_ready, x, sp_sim_now_ns(x->r->api.sim) + 100 * SECOND));
	T_CODE(act(x, &jobs), SP_OK);
	T_CODE(act(x, &nodes), SP_EFORBIDDEN);
	/* Tokens go on: after their hour, and when the account was made anew. */
	sp_sim_run_until(x->r->api.sim, sp_sim_now_ns(x->r->api.sim) + 7300 * SECOND);
	T_CODE(act(x, &jobs), SP_OK);
	const sp_ask gone = {.verb = SP_ASK_DELETE,
			     .gvr = SP_SERVICEACCOUNTS,
			     .ns = SP_STR("kube-system"),
			     .name = SP_STR("job-controller")};
	T_TRUE(t_ask_ok(&x->r->user, &gone, SP_OK));
	sp_sim_run_until(x->r->api.sim, sp_sim_now_ns(x->r->api.sim) + 60 * SECOND);
	T_CODE(act(x, &jobs), SP_OK);
}

SP_TEST(sim_client, changes_by_update)
{
	acting *x = acting_open();
	T_TRUE(!t_failed());
	T_OK(sp_accounts_client(x->accounts, SP_STR("root-ca-cert-publisher"), &x->client, T_ERR));
	sp_accounts_start(x->accounts, on_ready, x);
	T_TRUE(sp_sim_run(x->r->api.sim, is_ready, x, sp_sim_now_ns(x->r->api.sim) + 100 * SECOND));
	const sp_str body = SP_STR("{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\",\"b\":\"2\"}}");
	sp_ask create = config_map(SP_ASK_CREATE, SP_STR(""), body);
	sp_ask patch =
		config_map(SP_ASK_MERGE_PATCH, SP_STR("m"), SP_STR("{\"data\":{\"a\":null,\"c\":\"3\"}}"));
	sp_ask update = patch;
	update.verb = SP_ASK_MERGE_UPDATE;
	T_CODE(act(x, &update), SP_ENOTFOUND);
	T_CODE(act(x, &create), SP_OK);
	T_CODE(act(x, &patch), SP_EFORBIDDEN); /* upstream's role for it has create and update */
	T_CODE(act(x, &update), SP_OK);
	sp_ask get = config_map(SP_ASK_GET, SP_STR("m"), SP_STR(""));
	T_TRUE(t_ask_ok(&x->r->user, &get, SP_OK));
	T_TRUE(sp_str_find(sp_buf_view(&x->r->user.body), SP_STR("\"data\":{\"b\":\"2\",\"c\":\"3\"}")) > 0);
	update.body = SP_STR("{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"d\":\"4\"}}");
	T_CODE(act(x, &update), SP_ECONFLICT);
	update.body = SP_STR("[]");
	T_CODE(act(x, &update), SP_EINVAL);
}
