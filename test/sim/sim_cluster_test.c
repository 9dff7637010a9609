/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole cluster in the simulator: the API server, all controllers, the scheduler, nodes that are heard of
 * by their leases, and a user who does things in an order of chance while the network fails and the server
 * and the scheduler start again. After every change of the store what must always hold is looked at; when the
 * faults end the cluster must come to what was asked for, within a time, and then rest.
 */
#include <stdarg.h>

#include "base/num.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "scheduler/scheduler.h"
#include "store/record.h"

#define SECOND UINT64_C(1000000000)
#define N_NODES 3u
#define N_DEEDS 12u
#define THINGS_MAX 600u
#define CPU_M 4000
#define BEAT_NS (10 * SECOND)
#define FAULTS_NS (40 * SECOND)
#define WEB SP_DEPLOYMENTS, "default", "web"
#define DB SP_STATEFULSETS, "default", "db"

/* An object as the store last had it. */
typedef struct thing {
	char key[160], uid[40];
	char ref[80]; /* pod: its node; claim: its volume; volume: the uid of its claim; service: its address
		       */
	char partner[80]; /* volume: its name */
	bool is_there, is_over, is_bound, is_alone;
	int64_t cpu_m;
} thing;

typedef struct rig rig;

typedef struct table {
	rig *r;
	thing *all;
	size_t n;
	uint64_t revision;
	sp_store_watch *watch;
} table;

typedef enum kind { PODS, CLAIMS, VOLUMES, SERVICES, KIND_COUNT_ } kind;

typedef struct node {
	rig *r;
	t_user user; /* its machine */
	char name[8];
	sp_timer timer;
	sp_call call;
	bool tells_status; /* in turns: the lease, the status */
} node;

struct rig {
	t_ctl ctl;
	t_user identity;
	sched_config config;
	scheduler *scheduler;
	bool closed;
	node nodes[N_NODES];
	table tables[KIND_COUNT_];
	uint64_t n_pod_changes;
	sp_arena scratch;
	char broken[400]; /* the first promise that was broken */
	unsigned n_web, n_db;
};

/* ---- what must hold after every change ---- */

static SP_PRINTF(2, 3) void broken(rig *r, const char *fmt, ...)
{
	va_list ap;
	if (r->broken[0] != '\0')
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->broken, sizeof r->broken, fmt, ap);
	va_end(ap);
}

static thing *find(table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++) {
		if (strcmp(t->all[i].key, key) == 0)
			return &t->all[i];
	}
	return NULL;
}

static void judge_pod(rig *r, const thing *p, const thing *was)
{
	bool same = was->is_there && strcmp(was->uid, p->uid) == 0;
	int64_t sum_m = 0;
	unsigned n_alone = 0;
	if (same && was->ref[0] != '\0' && strcmp(was->ref, p->ref) != 0)
		broken(r, "pod %s was bound to %s and is now to '%s'", p->key, was->ref, p->ref);
	if (same && was->is_over && !p->is_over)
		broken(r, "pod %s was over and is not any more", p->key);
	if (p->ref[0] == '\0')
		return;
	for (size_t i = 0; i < r->tables[PODS].n; i++) {
		const thing *o = &r->tables[PODS].all[i];
		if (!o->is_there || o->is_over || strcmp(o->ref, p->ref) != 0)
			continue;
		sum_m += o->cpu_m;
		n_alone += o->is_alone;
	}
	if (sum_m > CPU_M)
		broken(r, "pods of %s ask for %lldm when %s comes", p->ref, (long long)sum_m, p->key);
	if (n_alone > 1)
		broken(r, "two of which each wants to be alone are on %s when %s comes", p->ref, p->key);
}

/* No two have what is one's; whom `p` points at points back. */
static void judge_claim(rig *r, const thing *p, const thing *was)
{
	const table *volumes = &r->tables[VOLUMES], *claims = &r->tables[CLAIMS];
	if (was->is_there && strcmp(was->uid, p->uid) == 0 && was->ref[0] != '\0' &&
	    strcmp(was->ref, p->ref) != 0)
		broken(r, "claim %s had volume %s and has now '%s'", p->key, was->ref, p->ref);
	for (size_t i = 0; i < claims->n && p->ref[0] != '\0'; i++) {
		const thing *o = &claims->all[i];
		if (o != p && o->is_there && strcmp(o->ref, p->ref) == 0)
			broken(r, "volume %s is of claim %s and of %s", p->ref, o->key, p->key);
	}
	for (size_t i = 0; i < volumes->n && p->is_bound; i++) {
		const thing *v = &volumes->all[i];
		if (v->is_there && strcmp(v->partner, p->ref) == 0 && strcmp(v->ref, p->uid) != 0)
			broken(r, "claim %s is bound to volume %s, which is of '%s'", p->key, p->ref, v->ref);
	}
}

static void judge_service(rig *r, const thing *p)
{
	const table *t = &r->tables[SERVICES];
	for (size_t i = 0; i < t->n && p->ref[0] != '\0'; i++) {
		const thing *o = &t->all[i];
		if (o != p && o->is_there && strcmp(o->ref, p->ref) == 0)
			broken(r, "services %s and %s have the address %s", o->key, p->key, p->ref);
	}
}

static void copy(char *to, size_t size, sp_str from)
{
	(void)snprintf(to, size, SP_FMT, SP_ARG(from));
}

static int64_t cpu_of(yyjson_val *v)
{
	sp_str text = sp_view_str_at(v, "spec.containers[0].resources.requests.cpu");
	int64_t n = 0;
	if (text.len == 0 || !sp_str_ends(text, SP_STR("m")))
		return 0;
	return sp_parse_i64(sp_str_sub(text, 0, text.len - 1), 0, CPU_M, &n, NULL) == SP_OK ? n : 0;
}

static void read_thing(kind k, yyjson_val *v, thing *p)
{
	static const char *const refs[] = {"spec.nodeName", "spec.volumeName", "spec.claimRef.uid",
					   "spec.clusterIP"};
	sp_str phase = sp_view_str_at(v, "status.phase"), ref = sp_view_str_at(v, refs[k]);
	copy(p->uid, sizeof p->uid, sp_view_str_at(v, "metadata.uid"));
	copy(p->ref, sizeof p->ref, sp_str_eq(ref, SP_STR("None")) ? SP_STR("") : ref);
	copy(p->partner, sizeof p->partner, sp_view_str_at(v, "metadata.name"));
	p->is_over = sp_str_eq(phase, SP_STR("Succeeded")) || sp_str_eq(phase, SP_STR("Failed"));
	p->is_bound = sp_str_eq(phase, SP_STR("Bound"));
	p->is_alone = k == PODS && sp_str_eq(sp_view_str_at(v, "metadata.labels.app"), SP_STR("lone"));
	p->cpu_m = k == PODS ? cpu_of(v) : 0;
}

static thing *slot(table *t, const char *key)
{
	thing *p = find(t, key);
	if (p != NULL || t->n == THINGS_MAX)
		return p;
	p = &t->all[t->n++];
	*p = (thing){.is_there = false};
	copy(p->key, sizeof p->key, sp_str_c(key));
	return p;
}

static void note(table *t, const sp_store_event *e)
{
	rig *r = t->r;
	kind k = (kind)(t - r->tables);
	sp_record rec;
	yyjson_val *v = NULL;
	char key[160];
	sp_arena_rewind(&r->scratch);
	if (sp_record_decode(sp_bytes_view(e->is_delete ? e->prev : e->record), &rec, NULL) != SP_OK ||
	    sp_json_parse(&r->scratch, rec.object, &v, NULL) != SP_OK) {
		broken(r, "a record can't be read");
		return;
	}
	(void)snprintf(key, sizeof key, SP_FMT "/" SP_FMT, SP_ARG(sp_view_str_at(v, "metadata.namespace")),
		       SP_ARG(sp_view_str_at(v, "metadata.name")));
	thing *p = slot(t, key);
	if (p == NULL || e->revision <= t->revision) {
		broken(r, "revision %llu of %s comes after %llu", (unsigned long long)e->revision, key,
		       (unsigned long long)t->revision);
		return;
	}
	thing was = *p;
	t->revision = e->revision;
	read_thing(k, v, p);
	p->is_there = !e->is_delete;
	r->n_pod_changes += k == PODS;
	if (e->is_delete)
		return;
	if (k == PODS)
		judge_pod(r, p, &was);
	else if (k == CLAIMS)
		judge_claim(r, p, &was);
	else if (k == SERVICES)
		judge_service(r, p);
}

static void read_table(void *arg)
{
	table *t = arg;
	sp_store_event *e;
	while ((e = sp_store_watch_next(t->watch)) != NULL) {
		note(t, e);
		e = sp_store_event_unref(e);
	}
}

static void tables_close(void *arg)
{
	rig *r = arg;
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		sp_store_watch_close(r->tables[k].watch);
	sp_arena_done(&r->scratch);
}

static bool tables_open(rig *r)
{
	static const sp_str resources[] = {
		SP_STR_INIT("/registry/pods/"), SP_STR_INIT("/registry/persistentvolumeclaims/"),
		SP_STR_INIT("/registry/persistentvolumes/"), SP_STR_INIT("/registry/services/specs/")};
	sp_code code = SP_OK;
	sp_arena_init(&r->scratch, (size_t)16 << 20);
	T_DEFER(tables_close, r);
	for (unsigned k = 0; k < KIND_COUNT_ && code == SP_OK; k++) {
		table *t = &r->tables[k];
		t->r = r;
		t->all = sp_new(T_ARENA, thing, THINGS_MAX);
		code = sp_store_watch_open(
			r->ctl.api.store,
			&(sp_store_watch_opts){.resource = resources[k], .on_ready = read_table, .arg = t},
			&t->watch, NULL);
	}
	return code == SP_OK;
}

/* ---- who works ---- */

static void on_closed(void *arg)
{
	((rig *)arg)->closed = true;
}
static bool is_closed(void *arg)
{
	return ((rig *)arg)->closed;
}

static void scheduler_stop(void *arg)
{
	rig *r = arg;
	sp_sim *sim = r->ctl.api.sim;
	if (r->scheduler == NULL)
		return;
	r->closed = false;
	scheduler_close(r->scheduler, on_closed, r);
	if (!sp_sim_run(sim, is_closed, r, sp_sim_now_ns(sim) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "the scheduler does not close");
	else
		scheduler_free(r->scheduler);
	r->scheduler = NULL;
}

static bool scheduler_begin(rig *r)
{
	const scheduler_opts opts = {
		.client = r->identity.client, .log = r->ctl.log, .config = &r->config, .seed = t_random()};
	if (scheduler_new(&opts, &r->scheduler, t_err()) == SP_OK)
		return true;
	r->scheduler = NULL;
	return !t_fail(__FILE__, __LINE__, "no scheduler: %s", t_err()->msg);
}

/* Until the server has it, however often the network fails. */
static void insist(t_ctl *t, sp_ask_verb verb, sp_gvr gvr, const char *ns, const char *name,
		   const char *subresource, sp_str json)
{
	sp_code code;
	do {
		t_ask(&t->user, &(sp_ask){.verb = verb,
					  .gvr = gvr,
					  .ns = sp_str_c(ns),
					  .name = sp_str_c(name),
					  .subresource = sp_str_c(subresource),
					  .body = json});
		code = t->user.code;
	} while (code != SP_OK && code != SP_EEXISTS && code != SP_ENOTFOUND && !t_failed());
}

static void make(t_ctl *t, sp_gvr gvr, const char *ns, sp_str json)
{
	insist(t, SP_ASK_CREATE, gvr, ns, "", "", json);
}

static void patch(t_ctl *t, sp_gvr gvr, const char *ns, const char *name, sp_str json)
{
	insist(t, SP_ASK_MERGE_PATCH, gvr, ns, name, "", json);
}

/* ---- nodes ---- */

static void beat(sp_timer *timer);

static void on_beat(sp_call *c, const sp_answer *a)
{
	node *n = c->arg;
	sp_timer_start(n->user.world, &n->timer, a->code == SP_OK ? BEAT_NS / 2 : SECOND, beat);
}

static void beat(sp_timer *timer)
{
	node *n = timer->arg;
	char body[300], now[SP_TIME_TEXT_BYTES];
	const uint64_t ns = sp_sim_now_ns(n->r->ctl.api.sim);
	now[sp_time_print(now, (sp_time){1767225600 + (int64_t)(ns / SECOND), (uint32_t)(ns % SECOND)}, 6)] =
		'\0';
	sp_ask q = {.verb = SP_ASK_MERGE_PATCH, .name = sp_str_c(n->name)};
	n->tells_status = !n->tells_status;
	if (n->tells_status) {
		(void)snprintf(
			body, sizeof body,
			"{\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"4Gi\",\"pods\":\"30\"},"
			"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
		q.gvr = SP_NODES;
		q.subresource = SP_STR("status");
	} else {
		(void)snprintf(body, sizeof body, "{\"spec\":{\"renewTime\":\"%s\"}}", now);
		q.gvr = SP_LEASES;
		q.ns = SP_STR("kube-node-lease");
	}
	q.body = sp_str_c(body);
	n->call = (sp_call){.done = on_beat, .arg = n};
	sp_call_start(n->user.client, &n->call, &q);
}

static void node_stop(void *arg)
{
	node *n = arg;
	sp_timer_stop(n->user.world, &n->timer);
	sp_call_cancel(&n->call);
}

static bool node_start(rig *r, unsigned i)
{
	node *n = &r->nodes[i];
	t_ctl *t = &r->ctl;
	n->r = r;
	n->timer.arg = n;
	(void)snprintf(n->name, sizeof n->name, "n%u", i);
	if (!t_user_open(&n->user, &t->api, n->name, true))
		return false;
	make(t, SP_NODES, "",
	     sp_arena_printf(T_ARENA,
			     "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"},"
			     "\"annotations\":{\"local-path.sampan/directory\":\"/srv\"}}}",
			     n->name, n->name));
	make(t, SP_LEASES, "kube-node-lease",
	     sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{}}", n->name));
	T_DEFER(node_stop, n);
	sp_timer_start(n->user.world, &n->timer, 0, beat);
	return true;
}

/* ---- what is asked for ---- */

#define POD_OF(app, cpu, more)                                                          \
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"" app "\"}},\"spec\":{" more \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{" \
	"\"cpu\":\"" cpu "\"}}}]}}"
#define HIGH "\"priorityClassName\":\"high\","
#define ALONE                                                                                      \
	"\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{" \
	"\"labelSelector\":{\"matchLabels\":{\"app\":\"lone\"}},\"topologyKey\":\"kubernetes.io/"  \
	"hostname\"}]}},"
#define VOLUMES_OF                                                                                           \
	",\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"},\"spec\":{\"storageClassName\":\"made\"," \
	"\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]"
#define OF(app) "\"selector\":{\"matchLabels\":{\"app\":\"" app "\"}},"

static void make_all(t_ctl *t)
{
	make(t, SP_GVR("storage.k8s.io", "v1", "storageclasses"), "",
	     SP_STR("{\"metadata\":{\"name\":\"made\"},\"provisioner\":\"sampan/local-path\","
		    "\"volumeBindingMode\":\"WaitForFirstConsumer\"}"));
	make(t, SP_GVR("scheduling.k8s.io", "v1", "priorityclasses"), "",
	     SP_STR("{\"metadata\":{\"name\":\"high\"},\"value\":1000}"));
	make(t, SP_SERVICES, "default",
	     SP_STR("{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{"
		    "\"port\":80}]}}"));
	make(t, SP_DEPLOYMENTS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":3," OF("web")
			    POD_OF("web", "500m", "") "}}"));
	make(t, SP_DAEMONSETS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"every\"},\"spec\":{" OF("every")
			    POD_OF("every", "100m", HIGH) "}}"));
	make(t, SP_DEPLOYMENTS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"lone\"},\"spec\":{\"replicas\":2," OF("lone")
			    POD_OF("lone", "100m", HIGH ALONE) "}}"));
	make(t, SP_STATEFULSETS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"db\"},\"spec\":{\"replicas\":2,\"serviceName\":\"db\"," OF(
		     "db") POD_OF("db", "400m", HIGH) VOLUMES_OF "}}"));
	make(t, SP_JOBS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"once\"},\"spec\":{\"completions\":4,\"parallelism\":2," POD_OF(
		     "once", "200m", "\"restartPolicy\":\"Never\",") "}}"));
	make(t, SP_NAMESPACES, "", SP_STR("{\"metadata\":{\"name\":\"other\"}}"));
	make(t, SP_DEPLOYMENTS, "other",
	     SP_STR("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"replicas\":2," OF("x")
			    POD_OF("x", "100m", "") "}}"));
}

static void scale_web(rig *r)
{
	r->n_web = (unsigned)t_random_below(7);
	patch(&r->ctl, WEB, sp_arena_printf(T_ARENA, "{\"spec\":{\"replicas\":%u}}", r->n_web));
}

static void scale_db(rig *r)
{
	r->n_db = (unsigned)t_random_below(N_NODES + 1);
	patch(&r->ctl, DB, sp_arena_printf(T_ARENA, "{\"spec\":{\"replicas\":%u}}", r->n_db));
}

static void new_template(rig *r)
{
	patch(&r->ctl, WEB,
	      sp_arena_printf(T_ARENA,
			      "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"v\":\"%llu\"}}}}}",
			      (unsigned long long)t_random_below(100)));
}

static void delete_a_pod(rig *r)
{
	const table *t = &r->tables[PODS];
	const thing *p = t->n == 0 ? NULL : &t->all[t_random_below(t->n)];
	if (p == NULL || !p->is_there || strncmp(p->key, "default/", 8) != 0)
		return;
	insist(&r->ctl, SP_ASK_DELETE, SP_PODS, "default", p->partner, "", SP_STR(""));
}

static void delete_namespace(rig *r)
{
	insist(&r->ctl, SP_ASK_DELETE, SP_NAMESPACES, "", "other", "", SP_STR(""));
}

static void restart_server(rig *r)
{
	if (!t_api_restart(&r->ctl.api, t_random_below(SECOND)))
		broken(r, "the server does not start again");
}

static void restart_scheduler(rig *r)
{
	scheduler_stop(r);
	(void)scheduler_begin(r);
}

static void cordon(rig *r)
{
	patch(&r->ctl, SP_NODES, "", r->nodes[t_random_below(N_NODES)].name,
	      t_random_below(2) == 0 ? SP_STR("{\"spec\":{\"unschedulable\":true}}")
				     : SP_STR("{\"spec\":{\"unschedulable\":null}}"));
}

/* Others have to leave for it, perhaps. */
static void make_important(rig *r)
{
	make(&r->ctl, SP_PODS, "default",
	     SP_STR("{\"metadata\":{\"name\":\"vip\"},\"spec\":{\"priorityClassName\":\"high\","
		    "\"containers\":["
		    "{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"3500m\"}}}]}}"));
}

static void delete_important(rig *r)
{
	insist(&r->ctl, SP_ASK_DELETE, SP_PODS, "default", "vip", "", SP_STR(""));
}

static void make_service(rig *r)
{
	make(&r->ctl, SP_SERVICES, "default",
	     sp_arena_printf(T_ARENA,
			     "{\"metadata\":{\"name\":\"s%u\"},\"spec\":{\"ports\":[{\"port\":80}]}}",
			     (unsigned)t_random_below(4)));
}

static void (*const deeds[])(rig *r) = {scale_web,        scale_web,         scale_db,     new_template,
					delete_a_pod,     delete_a_pod,      delete_a_pod, delete_namespace,
					restart_server,   restart_scheduler, cordon,       make_important,
					delete_important, make_service,      new_template};

/* ---- the runs ---- */

static rig *rig_open(const sp_sim_opts *o)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	*r = (rig){.n_web = 3, .n_db = 2};
	r->ctl.of_nodes = true;
	r->ctl.ends = "once-";
	t_no_faults();
	if (!t_ctl_open(&r->ctl, o, "*") || !t_user_open(&r->identity, &r->ctl.api, "scheduler", true) ||
	    !tables_open(r))
		return NULL;
	sched_config_default(&r->config);
	r->config.profiles[0].bind_timeout_ns = 20 * SECOND;
	T_DEFER(scheduler_stop, r);
	for (unsigned i = 0; i < N_NODES; i++) {
		if (!node_start(r, i))
			return NULL;
	}
	return scheduler_begin(r) ? r : NULL;
}

/* What of the ready ones the slices of the service say, against the pods. */
static bool slices_are_right(t_ctl *t)
{
	size_t n_pods, n_slices, i, k, max, max2, n_ready = 0;
	yyjson_val *v, *e;
	(void)t_ctl_list(t, SP_PODS, "default", "app=web", &n_pods);
	yyjson_val *slices =
		t_ctl_list(t, SP_ENDPOINTSLICES, "default", "kubernetes.io/service-name=web", &n_slices);
	yyjson_arr_foreach(slices, i, max, v)
	{
		yyjson_arr_foreach(sp_view_at(v, "endpoints"), k, max2, e) n_ready +=
			yyjson_get_bool(sp_view_at(e, "conditions.ready"));
	}
	return n_ready == n_pods;
}

/* A pod whose creation was not answered is made again, so there may be more that ended well than were asked
 * for. */
static bool job_is_complete(t_ctl *t)
{
	yyjson_val *v = t_ctl_get(t, SP_JOBS, "default", "once"), *c;
	int64_t n = 0;
	size_t i, max;
	bool ok = false;
	yyjson_arr_foreach(sp_view_at(v, "status.conditions"), i, max, c) ok |=
		sp_str_eq(t_ctl_text(c, "type"), SP_STR("Complete"));
	return ok && sp_parse_i64(t_ctl_text(v, "status.succeeded"), 4, 100, &n, NULL) == SP_OK;
}

static bool comes_true(t_ctl *t, bool (*is)(t_ctl *t))
{
	bool ok = is(t);
	for (int i = 0; i < 600 && !ok && !t_failed(); i++) {
		t_ctl_run(t, SECOND / 5);
		ok = is(t);
	}
	return ok;
}

/* Everything is as it was asked for. */
static void come_to_rest(rig *r)
{
	t_ctl *t = &r->ctl;
	const char *n_web = sp_arena_printf(T_ARENA, "%u", r->n_web).ptr;
	const char *n_db = r->n_db == 0 ? "" : sp_arena_printf(T_ARENA, "%u", r->n_db).ptr;
	t_ctl_run(t, 5 * SECOND); /* whom the last deed concerns know of it */
	delete_important(r);
	delete_namespace(r);
	for (unsigned i = 0; i < N_NODES; i++)
		patch(t, SP_NODES, "", r->nodes[i].name, SP_STR("{\"spec\":{\"unschedulable\":null}}"));
	yyjson_val *web = t_ctl_get(t, WEB);
	const char *generation = t_ctl_text(web, "metadata.generation").ptr;
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "vip"));
	T_TRUE(t_ctl_wait(t, WEB, "status.observedGeneration", generation));
	T_TRUE(t_ctl_wait(t, WEB, "status.updatedReplicas", r->n_web == 0 ? "" : n_web));
	T_TRUE(t_ctl_wait(t, WEB, "status.availableReplicas", r->n_web == 0 ? "" : n_web));
	T_TRUE(t_ctl_wait(t, WEB, "status.replicas", r->n_web == 0 ? "" : n_web));
	T_TRUE(t_ctl_wait(t, WEB, "status.terminatingReplicas", "0"));
	T_TRUE(t_ctl_wait(t, DB, "status.replicas", n_db[0] == '\0' ? "0" : n_db));
	T_TRUE(t_ctl_wait(t, DB, "status.readyReplicas", n_db));
	T_TRUE(t_ctl_wait(t, SP_DEPLOYMENTS, "default", "lone", "status.readyReplicas", "2"));
	T_TRUE(t_ctl_wait(t, SP_DAEMONSETS, "default", "every", "status.numberReady", "3"));
	if (!comes_true(t, job_is_complete))
		(void)t_fail(__FILE__, __LINE__, "the job is not complete: %s",
			     yyjson_val_write(t_ctl_get(t, SP_JOBS, "default", "once"), 0, NULL));
	T_TRUE(t_ctl_wait_gone(t, SP_NAMESPACES, "", "other"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "app=web", r->n_web));
	T_TRUE(comes_true(t, slices_are_right));
}

/* Nothing is left of what was deleted, and nobody has anything to do. */
static void judge_rest(rig *r)
{
	const table *t = &r->tables[PODS];
	uint64_t before = r->n_pod_changes;
	t_ctl_run(&r->ctl, 30 * SECOND);
	if (r->n_pod_changes != before)
		broken(r, "%llu changes of pods while nothing happens",
		       (unsigned long long)(r->n_pod_changes - before));
	for (size_t i = 0; i < t->n; i++) {
		const thing *p = &t->all[i];
		if (p->is_there && strncmp(p->key, "other/", 6) == 0)
			broken(r, "pod %s outlives its namespace", p->key);
		if (p->is_there && p->ref[0] == '\0')
			broken(r, "pod %s has no node", p->key);
	}
	if (r->broken[0] != '\0')
		(void)t_fail(__FILE__, __LINE__, "%s", r->broken);
}

static void run(const sp_sim_opts *o)
{
	rig *r = rig_open(o);
	T_TRUE(r != NULL);
	make_all(&r->ctl);
	for (unsigned i = 0; i < N_DEEDS && !t_failed(); i++) {
		t_ctl_run(&r->ctl, t_random_below(4 * SECOND));
		deeds[t_random_below(SP_LEN(deeds))](r);
		if (r->broken[0] != '\0')
			(void)t_fail(__FILE__, __LINE__, "%s", r->broken);
	}
	uint64_t now = sp_sim_now_ns(r->ctl.api.sim);
	if (now < FAULTS_NS)
		t_ctl_run(&r->ctl, FAULTS_NS - now + SECOND);
	if (!t_failed())
		come_to_rest(r);
	if (!t_failed())
		judge_rest(r);
}

SP_TEST(sim_cluster, lives)
{
	run(&(sp_sim_opts){.seed = t_random()});
}

SP_TEST(sim_cluster, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = FAULTS_NS;
	run(&o);
}
