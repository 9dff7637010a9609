/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own node: its object, its status, its lease. U: kubernetes pkg/kubelet/kubelet_node_status.go,
 * pkg/kubelet/nodestatus/setters.go, k8s.io/component-helpers apimachinery/lease.
 */
#include "base/alloc.h"
#include "base/json_out.h"
#include "base/version.h"
#include "contracts/local_path.h"
#include "kube/kinds/resources.h"
#include "node/features.h"
#include "node/image_list.h"
#include "node/machine.h"
#include "node/node_int.h"
#include "node/own_node.h"
#include "node/statics.h"

#define LEASE_SECONDS 40
#define RENEW_NS (10 * NODE_SECOND_NS)
#define STATUS_NS (10 * NODE_SECOND_NS)
#define IMAGES_NS (30 * NODE_SECOND_NS) /* U: imageCachePeriod */
/* Between attempts to register: doubled each time. U: registerWithAPIServer. */
#define REGISTER_AGAIN_NS (NODE_SECOND_NS / 10)
#define REGISTER_AGAIN_MOST_NS (7 * NODE_SECOND_NS)
#define POST_ANYWAY_NS (300 * (int64_t)NODE_SECOND_NS)
#define BODY_BYTES_MAX ((size_t)1 << 20)

typedef struct node_self {
	node_agent *agent;
	node_machine machine;
	sp_call object_call, lease_call, status_call;
	sp_timer lease_timer, status_timer, object_timer;
	unsigned n_refused; /* attempts to register in a row */
	sp_cri_call cri_call, range_call;
	sp_informers *set; /* of the own node */
	sp_informer *informer;
	sp_informer_watch watch;
	sp_bytes *range, *told;     /* spec.podCIDRs, and what the runtime knows of them; NULL: nothing */
	sp_bytes *posted, *posting; /* the status without times */
	int64_t posted_ns;
	bool is_registered, lease_exists;
	bool is_ready, looks_again;
	int64_t ready_since_ns, pressed_since_ns[NODE_PRESSURE_COUNT_];
	bool is_pressed[NODE_PRESSURE_COUNT_];
	char not_ready[300];
	bool network_is_down; /* as the runtime says; not_ready says why */
	bool was_looked_at;   /* the runtime was: whether it is ready is more than a guess */
	node_says ready_told; /* what the API has, as far as we know */
	uint64_t posted_revision;
	bool was_unschedulable, told_reboot;
	char uid[64]; /* of the Node object */
	sp_call ask_call;
	sp_bytes *asked;        /* the object as it was asked for last; NULL: never, or in vain */
	node_features features; /* of the runtime */
	sp_cri_call images_call;
	sp_bytes *images;      /* as they are told; NULL: not known yet */
	uint64_t images_at_ns; /* monotonic: when they are looked at next */
} node_self;

typedef struct ranges_view {
	sp_str one;
	sp_vlist all;
} ranges_view;
SP_VIEW(ranges_desc, ranges_view, "v1/Node", SP_V(ranges_view, one, "spec.podCIDR"),
	SP_V(ranges_view, all, "spec.podCIDRs"));

static sp_world *world(const node_self *s)
{
	return s->agent->world;
}
static void out_time(sp_jout *j, sp_str key, int64_t ns, unsigned digits)
{
	char text[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(
		text, (sp_time){.seconds = ns / 1000000000, .nanos = (uint32_t)(ns % 1000000000)}, digits);
	sp_jout_member_str(j, key, (sp_str){text, n});
}

/* ---- the status ---- */

/* What others have the node count is all for pods. */
static void out_extended(const node_self *s, sp_jout *j)
{
	sp_fit_node self;
	sp_vmap amounts;
	yyjson_val *key, *value;
	size_t i, n;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, BODY_BYTES_MAX * 4);
	if (!node_self_is_known(s->agent) || !node_self_view(s->agent, false, &arena, &self, &amounts) ||
	    amounts.object == NULL)
		return;
	yyjson_obj_foreach(amounts.object, i, n, key, value)
	{
		if (sp_res_is_extended(sp_json_str(key)))
			sp_jout_member_str(j, sp_json_str(key), sp_json_str(value));
	}
}

int64_t node_memory_for_pods(const node_agent *a)
{
	int64_t memory =
		a->memory_bytes - node_eviction_kept(&a->opts.eviction, NODE_SIGNAL_MEMORY, a->memory_bytes);
	for (size_t i = 0; i < a->place.huge.n; i++)
		memory -= a->place.huge.at[i].total_bytes;
	return SP_MAX(memory, 0);
}

/* As upstream prints amounts of powers of two. */
static sp_str huge_text(int64_t bytes, char text[64])
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi"};
	size_t unit = 0;
	while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < SP_LEN(units)) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(text, 64, "%lld%s", (long long)bytes, units[unit]);
	return sp_str_c(text);
}

static void out_amounts(const node_self *s, sp_jout *j, sp_str key, bool allocatable)
{
	const node_agent *a = s->agent;
	char text[64];
	int64_t memory = a->memory_bytes, disk = a->disk_bytes;
	if (allocatable) { /* what eviction begins at is nobody's */
		memory = node_memory_for_pods(a);
		disk -= node_eviction_kept(&a->opts.eviction, NODE_SIGNAL_NODEFS, disk);
	}
	sp_jout_member_open(j, key, '{');
	if (a->cpu_milli % 1000 == 0)
		(void)snprintf(text, sizeof text, "%lld", (long long)(a->cpu_milli / 1000));
	else
		(void)snprintf(text, sizeof text, "%lldm", (long long)a->cpu_milli);
	sp_jout_member_str(j, SP_STR("cpu"), sp_str_c(text));
	(void)snprintf(text, sizeof text, allocatable ? "%lld" : "%lldKi",
		       (long long)(allocatable ? disk : disk / 1024));
	sp_jout_member_str(j, SP_STR("ephemeral-storage"), sp_str_c(text));
	for (size_t i = 0; i < a->place.huge.n; i++) {
		char name[NODE_HUGE_NAME_BYTES];
		node_huge_resource(a->place.huge.at[i].page_bytes, name);
		sp_jout_member_str(j, sp_str_c(name), huge_text(a->place.huge.at[i].total_bytes, text));
	}
	(void)snprintf(text, sizeof text, "%lldKi", (long long)(memory / 1024));
	sp_jout_member_str(j, SP_STR("memory"), sp_str_c(text));
	(void)snprintf(text, sizeof text, "%lld",
		       (long long)(a->opts.pods_max == 0 ? NODE_PODS_MAX_DEFAULT : a->opts.pods_max));
	sp_jout_member_str(j, SP_STR("pods"), sp_str_c(text));
	if (allocatable)
		out_extended(s, j);
	sp_jout_close(j, '}');
}

static void out_condition(sp_jout *j, const char *type, bool is_true, const char *reason, const char *message,
			  int64_t now_ns, int64_t since_ns)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), sp_str_c(type));
	sp_jout_member_str(j, SP_STR("status"), is_true ? SP_STR("True") : SP_STR("False"));
	if (now_ns != 0) {
		out_time(j, SP_STR("lastHeartbeatTime"), now_ns, 0);
		out_time(j, SP_STR("lastTransitionTime"), since_ns, 0);
	}
	sp_jout_member_str(j, SP_STR("reason"), sp_str_c(reason));
	sp_jout_member_str(j, SP_STR("message"), sp_str_c(message));
	sp_jout_close(j, '}');
}

/* Without it, with it. U: pkg/kubelet/nodestatus/setters.go. */
typedef struct pressure_words {
	const char *reason, *message, *event;
} pressure_words;
static const pressure_words pressures[NODE_PRESSURE_COUNT_][2] = {
	[NODE_PRESSURE_MEMORY] = {{"KubeletHasSufficientMemory", "kubelet has sufficient memory available",
				   "NodeHasSufficientMemory"},
				  {"KubeletHasInsufficientMemory",
				   "kubelet has insufficient memory available", "NodeHasInsufficientMemory"}},
	[NODE_PRESSURE_DISK] = {{"KubeletHasNoDiskPressure", "kubelet has no disk pressure",
				 "NodeHasNoDiskPressure"},
				{"KubeletHasDiskPressure", "kubelet has disk pressure",
				 "NodeHasDiskPressure"}},
	[NODE_PRESSURE_PID] = {{"KubeletHasSufficientPID", "kubelet has sufficient PID available",
				"NodeHasSufficientPID"},
			       {"KubeletHasInsufficientPID", "kubelet has insufficient PID available",
				"NodeHasInsufficientPID"}},
};

static sp_event_ref about_node(const node_agent *a)
{
	return (sp_event_ref){.kind = SP_STR("Node"), .name = a->opts.node_name, .uid = a->opts.node_name};
}

/* U: recordNodeStatusEvent. */
static void tell_status(const node_self *s, const char *event)
{
	const node_agent *a = s->agent;
	const sp_event_ref about = about_node(a);
	sp_events_emitf(a->events, &about, false, event, "Node " SP_FMT " status is now: %s",
			SP_ARG(a->opts.node_name), event);
}

static void out_conditions(const node_self *s, sp_jout *j, int64_t now_ns)
{
	sp_jout_member_open(j, SP_STR("conditions"), '[');
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++) {
		const pressure_words *words = &pressures[k][s->is_pressed[k]];
		out_condition(j, node_pressure_name((node_pressure)k).ptr, s->is_pressed[k], words->reason,
			      words->message, now_ns, s->pressed_since_ns[k]);
	}
	if (s->is_ready)
		out_condition(j, "Ready", true, "KubeletReady", "kubelet is posting ready status", now_ns,
			      s->ready_since_ns);
	else
		out_condition(j, "Ready", false, "KubeletNotReady", s->not_ready, now_ns, s->ready_since_ns);
	sp_jout_close(j, ']');
}

static void out_address(sp_jout *j, sp_str type, sp_str address)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), type);
	sp_jout_member_str(j, SP_STR("address"), address);
	sp_jout_close(j, '}');
}

static void out_info(const node_self *s, sp_jout *j)
{
	const node_machine *m = &s->machine;
	char runtime[160];
	(void)snprintf(runtime, sizeof runtime, "%s://%s", s->agent->runtime_name, s->agent->runtime_version);
	sp_jout_member_open(j, SP_STR("nodeInfo"), '{');
	sp_jout_member_str(j, SP_STR("machineID"), m->machine_id);
	sp_jout_member_str(j, SP_STR("systemUUID"), m->system_uuid);
	sp_jout_member_str(j, SP_STR("bootID"), m->boot_id);
	sp_jout_member_str(j, SP_STR("kernelVersion"), m->kernel);
	sp_jout_member_str(j, SP_STR("osImage"), m->os_image);
	sp_jout_member_str(j, SP_STR("containerRuntimeVersion"), sp_str_c(runtime));
	sp_jout_member_str(j, SP_STR("kubeletVersion"), SP_STR(SP_KUBERNETES_VERSION));
	sp_jout_member_str(j, SP_STR("kubeProxyVersion"), SP_STR(""));
	sp_jout_member_str(j, SP_STR("operatingSystem"), SP_STR("linux"));
	sp_jout_member_str(j, SP_STR("architecture"), m->architecture);
	sp_jout_close(j, '}');
}

/* now_ns 0: without times, to compare. */
static void out_status(const node_self *s, sp_jout *j, int64_t now_ns)
{
	const node_agent *a = s->agent;
	sp_jout_open(j, '{');
	out_amounts(s, j, SP_STR("capacity"), false);
	out_amounts(s, j, SP_STR("allocatable"), true);
	out_conditions(s, j, now_ns);
	sp_jout_member_open(j, SP_STR("addresses"), '[');
	for (size_t i = 0; i < a->n_host_ips; i++)
		out_address(j, SP_STR("InternalIP"), a->host_ips[i]);
	out_address(j, SP_STR("Hostname"), a->opts.node_name);
	sp_jout_close(j, ']');
	if (a->opts.port != 0) {
		sp_jout_member_open(j, SP_STR("daemonEndpoints"), '{');
		sp_jout_member_open(j, SP_STR("kubeletEndpoint"), '{');
		sp_jout_member_i64(j, SP_STR("Port"), a->opts.port);
		sp_jout_close(j, '}');
		sp_jout_close(j, '}');
	}
	out_info(s, j);
	if (s->images != NULL) {
		sp_jout_key(j, SP_STR("images"));
		sp_jout_raw(j, sp_bytes_view(s->images));
	}
	node_features_write(&s->features, j);
	/* What pods may need that not every node has. U: component-helpers nodedeclaredfeatures. */
	sp_jout_member_open(j, SP_STR("declaredFeatures"), '[');
	sp_jout_str(j, SP_STR("RestartAllContainersOnContainerExits"));
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

/* ---- registration ---- */

static void out_labels(const node_self *s, sp_jout *j)
{
	const sp_str name = s->agent->opts.node_name, arch = s->machine.architecture;
	sp_jout_member_open(j, SP_STR("labels"), '{');
	sp_jout_member_str(j, SP_STR("beta.kubernetes.io/arch"), arch);
	sp_jout_member_str(j, SP_STR("beta.kubernetes.io/os"), SP_STR("linux"));
	sp_jout_member_str(j, SP_STR("kubernetes.io/arch"), arch);
	sp_jout_member_str(j, SP_STR("kubernetes.io/hostname"), name);
	sp_jout_member_str(j, SP_STR("kubernetes.io/os"), SP_STR("linux"));
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	sp_jout_member_str(j, SP_STR("volumes.kubernetes.io/controller-managed-attach-detach"),
			   SP_STR("true"));
	if (s->agent->opts.local_path_dir.len != 0)
		sp_jout_member_str(j, SP_STR(SP_LOCAL_PATH_DIR_NOTE), s->agent->opts.local_path_dir);
	sp_jout_close(j, '}');
}

static void begin(node_self *s);
static void renew(node_self *s);
static void look(node_self *s);
static void tell_range(node_self *s);

static void on_begin_again(sp_timer *t)
{
	begin(t->arg);
}

/* Conditions that the API has as they are keep the time of their change. U: tryRegisterWithAPIServer, setters
 * of the node's status. */
static void take_object(node_self *s, sp_str body)
{
	yyjson_val *tree;
	node_own_node own;
	const sp_event_ref about = about_node(s->agent);
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, BODY_BYTES_MAX * 4);
	if (sp_json_parse(&arena, body, &tree, NULL) != SP_OK)
		return;
	node_own_node_read(tree, &own);
	(void)snprintf(s->uid, sizeof s->uid, SP_FMT, SP_ARG(own.uid));
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++) {
		if (own.says[k] == (s->is_pressed[k] ? NODE_SAYS_TRUE : NODE_SAYS_FALSE) &&
		    own.since_ns[k] != 0)
			s->pressed_since_ns[k] = own.since_ns[k];
	}
	s->ready_told = own.says[NODE_OWN_READY];
	if (own.since_ns[NODE_OWN_READY] != 0)
		s->ready_since_ns = own.since_ns[NODE_OWN_READY];
	if (own.boot_id.len != 0 && !sp_str_eq(own.boot_id, s->machine.boot_id) && !s->told_reboot) {
		s->told_reboot = true;
		sp_events_emitf(s->agent->events, &about, true, "Rebooted",
				"Node " SP_FMT " has been rebooted, boot id: " SP_FMT,
				SP_ARG(s->agent->opts.node_name), SP_ARG(s->machine.boot_id));
	}
}

sp_str node_self_uid(const node_agent *a)
{
	return a->self == NULL ? (sp_str){NULL, 0} : sp_str_c(a->self->uid);
}

static void on_patched(sp_call *c, const sp_answer *a)
{
	node_self *s = c->arg;
	if (a->code != SP_OK) {
		sp_log(s->agent->log, SP_LOG_ERROR, "the node can't be registered", SP_KS("err", a->message));
		uint64_t pause = (uint64_t)REGISTER_AGAIN_NS << SP_MIN(s->n_refused, 10u);
		s->n_refused++;
		sp_timer_start(world(s), &s->object_timer, SP_MIN(pause, (uint64_t)REGISTER_AGAIN_MOST_NS),
			       on_begin_again);
		return;
	}
	s->n_refused = 0;
	take_object(s, a->body);
	if (!s->is_registered)
		sp_log(s->agent->log, SP_LOG_INFO, "the node is registered",
		       SP_KS("node", s->agent->opts.node_name));
	s->is_registered = true;
	node_statics_look(s->agent);
	renew(s);
	look(s);
}

static void on_created(sp_call *c, const sp_answer *a)
{
	node_self *s = c->arg;
	if (a->code != SP_EEXISTS) {
		on_patched(c, a);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	out_labels(s, &j);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	s->object_call.done = on_patched;
	sp_call_start(s->agent->client, &s->object_call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = s->agent->opts.node_name,
				.body = sp_buf_view(&body)});
}

static void begin(node_self *s)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Node"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), s->agent->opts.node_name);
	out_labels(s, &j);
	sp_jout_close(&j, '}');
	sp_jout_key(&j, SP_STR("status"));
	out_status(s, &j, sp_wall_ns(world(s)));
	sp_jout_close(&j, '}');
	s->object_call = (sp_call){.done = on_created, .arg = s};
	sp_call_start(s->agent->client, &s->object_call,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = SP_NODES, .body = sp_buf_view(&body)});
}

/* ---- the range of pods' addresses. U: pkg/kubelet/kubelet_network.go updatePodCIDR ---- */

static bool same_bytes(const sp_bytes *a, const sp_bytes *b)
{
	return a != NULL && b != NULL && sp_str_eq(sp_bytes_view(a), sp_bytes_view(b));
}

static void on_range_told(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_self *s = c->arg;
	(void)response;
	if (status != SP_RPC_OK) { /* again after the next look at the runtime */
		sp_log(s->agent->log, SP_LOG_ERROR, "the runtime does not take the range of pods' addresses",
		       SP_KS("err", message));
		s->told = sp_bytes_unref(s->told);
		return;
	}
	sp_log(s->agent->log, SP_LOG_INFO, "the runtime knows the range of pods' addresses");
	look(s);
}

/* The runtime is told what it does not know yet. */
static void tell_range(node_self *s)
{
	sp_cri *cri = s->agent->cri;
	if (s->range == NULL || same_bytes(s->range, s->told) || s->range_call.impl != NULL)
		return;
	s->told = sp_bytes_unref(s->told);
	s->told = sp_bytes_ref(s->range);
	sp_cri_network_config network = {.pod_cidr = sp_bytes_view(s->told)};
	sp_cri_runtime_config config = {.network_config = &network};
	const sp_cri_update_runtime_config_request request = {.runtime_config = &config};
	s->range_call = (sp_cri_call){.done = on_range_told, .arg = s, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	cri->call(cri, SP_CRI_UPDATE_RUNTIME_CONFIG, &request, &s->range_call);
}

static void compare(node_self *s);

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	node_self *s = arg;
	ranges_view v;
	(void)old;
	compare(s);
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, BODY_BYTES_MAX);
	if (now == NULL || sp_view(&arena, now->json, &ranges_desc, &v, NULL) != SP_OK)
		return;
	sp_str text = v.one;
	bool first = true;
	SP_VLIST_FOREACH(item, v.all)
	{
		text = first ? sp_json_str(item) : SP_CONCAT(&arena, text, SP_STR(","), sp_json_str(item));
		first = false;
	}
	if (text.len == 0)
		return;
	s->range = sp_bytes_unref(s->range);
	s->range = sp_bytes_try_dup(text);
	tell_range(s);
}

/* Pods wait to be let in. */
static void on_known(node_self *s)
{
	if (!node_self_is_known(s->agent))
		return;
	SP_LIST_FOREACH (node, &s->agent->workers)
		node_worker_poke(SP_CONTAINER_OF(node, node_worker, node));
}

static void on_synced(void *arg)
{
	on_known(arg);
}

static sp_code follow(node_self *s, sp_err *err)
{
	node_agent *a = s->agent;
	sp_str selector = sp_arena_printf(&a->arena, "metadata.name=" SP_FMT, SP_ARG(a->opts.node_name));
	SP_TRY(sp_informers_new(a->client, a->log, &s->set, err));
	SP_TRY(sp_informers_get(s->set, &(sp_informer_opts){.gvr = SP_NODES, .field_selector = selector},
				&s->informer, err));
	SP_TRY(sp_informer_keep(s->informer, &ranges_desc));
	SP_TRY(sp_informer_keep(s->informer, sp_fit_node_view));
	SP_TRY(sp_informer_keep_path(s->informer, SP_STR("status.capacity")));
	SP_TRY(sp_informer_keep_path(s->informer, SP_STR("status.conditions")));
	SP_TRY(sp_informer_keep_path(s->informer, SP_STR("spec.unschedulable")));
	s->watch = (sp_informer_watch){.on_change = on_node, .arg = s};
	sp_informer_watch_add(s->informer, &s->watch);
	sp_informers_start(s->set);
	sp_informers_on_synced(s->set, on_synced, s);
	return SP_OK;
}

void node_self_runtime_is_back(node_agent *a)
{
	node_self *s = a->self;
	if (s == NULL)
		return;
	s->told = sp_bytes_unref(s->told);
	tell_range(s);
}

/* ---- its object, for the admission of pods ---- */

bool node_self_is_known(const node_agent *a)
{
	const node_self *s = a->self;
	return s != NULL && s->informer != NULL && sp_informer_is_synced(s->informer) && s->features.is_known;
}

sp_code node_self_check_users(const node_agent *a, sp_str handler, sp_err *err)
{
	static const node_features none;
	return node_features_check_users(a->self == NULL ? &none : &a->self->features, handler, err);
}

bool node_self_has_strict_groups(const node_agent *a)
{
	return a->self != NULL && a->self->features.strict_groups;
}

/* What the object will have. U: initialNode. */
static bool make_object(const node_self *s, sp_buf *out)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), s->agent->opts.node_name);
	out_labels(s, &j);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out) == SP_OK;
}

bool node_self_view(const node_agent *a, bool asked, sp_arena *arena, sp_fit_node *ret, sp_vmap *ret_amounts)
{
	const node_self *s = a->self;
	yyjson_val *tree;
	SP_AUTO_BUF made;
	sp_buf_init(&made, BODY_BYTES_MAX);
	const sp_object *o = node_self_is_known(a) ? sp_informer_get(s->informer, a->opts.node_name) : NULL;
	if (o == NULL && !make_object(s, &made))
		return false;
	sp_str json = asked && s->asked != NULL ? sp_bytes_view(s->asked)
		      : o != NULL               ? o->json
						: sp_buf_view(&made);
	if (sp_view(arena, json, sp_fit_node_view, ret, NULL) != SP_OK ||
	    sp_json_parse(arena, json, &tree, NULL) != SP_OK)
		return false;
	yyjson_val *amounts = sp_view_at(tree, "status.capacity");
	*ret_amounts = (sp_vmap){.object = yyjson_is_obj(amounts) ? amounts : NULL};
	return true;
}

static void on_asked(sp_call *c, const sp_answer *a)
{
	node_self *s = c->arg;
	s->asked = sp_bytes_unref(s->asked);
	if (a->code == SP_OK)
		s->asked = sp_bytes_try_dup(a->body);
	else
		sp_log(s->agent->log, SP_LOG_ERROR, "the node's object can't be had",
		       SP_KS("err", a->message));
	SP_LIST_FOREACH (node, &s->agent->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		w->knows_node = w->knows_node || w->asks_node;
		if (SP_TAKE(w->asks_node))
			node_worker_poke(w);
	}
}

void node_self_ask(node_worker *w)
{
	node_self *s = w->agent->self;
	w->asks_node = true;
	if (sp_call_is_running(&s->ask_call))
		return;
	s->ask_call = (sp_call){.done = on_asked, .arg = s};
	sp_call_start(s->agent->client, &s->ask_call,
		      &(sp_ask){.verb = SP_ASK_GET, .gvr = SP_NODES, .name = s->agent->opts.node_name});
}

/* ---- status, again and again ---- */

static void on_look_again(sp_timer *t)
{
	look(t->arg);
}

static void post(node_self *s);

static uint64_t revision_of(sp_str body)
{
	yyjson_val *tree;
	node_own_node own;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, BODY_BYTES_MAX * 4);
	if (sp_json_parse(&arena, body, &tree, NULL) != SP_OK)
		return 0;
	node_own_node_read(tree, &own);
	return own.revision;
}

static void set_ready_told(node_self *s)
{
	node_says now = s->is_ready ? NODE_SAYS_TRUE : NODE_SAYS_FALSE;
	if (s->ready_told == now)
		return;
	s->ready_since_ns = sp_wall_ns(world(s));
	s->ready_told = now;
	tell_status(s, s->is_ready ? "NodeReady" : "NodeNotReady");
}

/* Others write conditions, too: the controller of nodes has them unknown when it hears nothing of us for a
 * while. What is told then is told again, whether or not it changed. U: tryUpdateNodeStatus. */
static void compare(node_self *s)
{
	yyjson_val *tree;
	node_own_node own;
	bool differs = false;
	const sp_object *o =
		s->informer == NULL ? NULL : sp_informer_get(s->informer, s->agent->opts.node_name);
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, BODY_BYTES_MAX * 4);
	if (o == NULL || sp_json_parse(&arena, o->json, &tree, NULL) != SP_OK)
		return;
	node_own_node_read(tree, &own);
	if (own.is_unschedulable != s->was_unschedulable) {
		s->was_unschedulable = own.is_unschedulable;
		tell_status(s, own.is_unschedulable ? "NodeNotSchedulable" : "NodeSchedulable");
	}
	if (!s->was_looked_at || o->revision <= s->posted_revision || sp_call_is_running(&s->status_call))
		return;
	for (size_t k = 0; k < NODE_OWN_CONDITIONS; k++) {
		bool is_true = k == NODE_OWN_READY ? s->is_ready : s->is_pressed[k];
		differs |= own.says[k] != (is_true ? NODE_SAYS_TRUE : NODE_SAYS_FALSE);
	}
	if (!differs)
		return;
	s->ready_told = own.says[NODE_OWN_READY];
	set_ready_told(s);
	s->posted = sp_bytes_unref(s->posted);
	post(s);
}

static void on_posted(sp_call *c, const sp_answer *a)
{
	node_self *s = c->arg;
	if (a->code == SP_OK) {
		s->posted = sp_bytes_unref(s->posted);
		s->posted = SP_TAKE(s->posting);
		s->posted_ns = sp_wall_ns(world(s));
		s->posted_revision = revision_of(a->body);
		post(s); /* what changed meanwhile */
		compare(s);
		return;
	}
	s->posting = sp_bytes_unref(s->posting);
	sp_log(s->agent->log, SP_LOG_WARN, "the status of the node was not taken", SP_KS("err", a->message));
	if (a->code == SP_ENOTFOUND) { /* somebody deleted it */
		s->is_registered = false;
		begin(s);
	}
}

static void post(node_self *s)
{
	SP_AUTO_BUF plain, body;
	int64_t now = sp_wall_ns(world(s));
	sp_buf_init(&plain, BODY_BYTES_MAX);
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&plain);
	out_status(s, &j, 0);
	if (!s->was_looked_at || sp_buf_code(&plain) != SP_OK || sp_call_is_running(&s->status_call))
		return;
	bool same = s->posted != NULL && sp_str_eq(sp_bytes_view(s->posted), sp_buf_view(&plain));
	if (same && now - s->posted_ns < POST_ANYWAY_NS && now >= s->posted_ns)
		return;
	j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_key(&j, SP_STR("status"));
	out_status(s, &j, now);
	sp_jout_close(&j, '}');
	s->posting = sp_bytes_try_dup(sp_buf_view(&plain));
	s->status_call = (sp_call){.done = on_posted, .arg = s};
	sp_call_start(s->agent->client, &s->status_call,
		      &(sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
				.gvr = SP_NODES,
				.name = s->agent->opts.node_name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

void node_self_changed(node_agent *a)
{
	node_self *s = a->self;
	if (s == NULL)
		return;
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++) {
		bool now = node_pressure_is_on(a, (node_pressure)k);
		if (now == s->is_pressed[k])
			continue;
		s->is_pressed[k] = now;
		s->pressed_since_ns[k] = sp_wall_ns(a->world);
		tell_status(s, pressures[k][now].event);
	}
	if (s->is_registered)
		post(s);
}

static void set_ready(node_self *s, bool ready)
{
	s->is_ready = ready;
	s->was_looked_at = true;
	set_ready_told(s);
	post(s);
	sp_timer_start(world(s), &s->status_timer, STATUS_NS, on_look_again);
}

/* The first condition of the runtime that does not hold, in kubelet's words. */
static bool runtime_is_ready(node_self *s, const sp_cri_status_response *r)
{
	enum { NETWORK = 1 };
	static const struct {
		sp_str type;
		const char *text;
	} wanted[] = {{SP_STR_INIT("RuntimeReady"), "container runtime not ready"},
		      [NETWORK] = {SP_STR_INIT("NetworkReady"), "container runtime network not ready"}};
	for (size_t k = 0; k < SP_LEN(wanted); k++) {
		const sp_cri_runtime_condition *found = NULL;
		for (size_t i = 0; r->status != NULL && i < r->status->conditions.n; i++) {
			if (sp_str_eq(r->status->conditions.at[i].type, wanted[k].type))
				found = &r->status->conditions.at[i];
		}
		if (found != NULL && found->status)
			continue;
		(void)snprintf(s->not_ready, sizeof s->not_ready,
			       "%s: " SP_FMT "=false reason:" SP_FMT " message:" SP_FMT, wanted[k].text,
			       SP_ARG(wanted[k].type), SP_ARG(found == NULL ? SP_STR("") : found->reason),
			       SP_ARG(found == NULL ? SP_STR("") : found->message));
		s->network_is_down = k == NETWORK;
		return false;
	}
	s->network_is_down = false;
	return true;
}

bool node_self_network_is_down(const node_agent *a, sp_str *ret_why)
{
	const node_self *s = a->self;
	if (s == NULL || !s->network_is_down)
		return false;
	*ret_why = sp_str_c(s->not_ready);
	return true;
}

static void on_status(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_self *s = c->arg;
	if (status != SP_RPC_OK) {
		(void)snprintf(s->not_ready, sizeof s->not_ready, "container runtime is down: " SP_FMT,
			       SP_ARG(message));
		s->told = sp_bytes_unref(s->told); /* another may come back */
		set_ready(s, false);
		return;
	}
	bool was_known = s->features.is_known;
	node_features_take(&s->features, response);
	if (!was_known)
		on_known(s);
	set_ready(s, runtime_is_ready(s, response));
	if (SP_TAKE(s->looks_again))
		look(s);
	else
		tell_range(s);
}

static void on_images(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_self *s = c->arg;
	SP_AUTO_BUF text;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	(void)message;
	sp_buf_init(&text, BODY_BYTES_MAX);
	sp_arena_init(&arena, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	if (status != SP_RPC_OK || node_image_list_write(response, &arena, &j, NULL) != SP_OK ||
	    sp_buf_code(&text) != SP_OK) /* what was known is told until the next look */
		return;
	s->images = sp_bytes_unref(s->images);
	s->images = sp_bytes_try_dup(sp_buf_view(&text));
	post(s);
}

static void look_at_images(node_self *s)
{
	const sp_cri_list_images_request request = {0};
	sp_cri *cri = s->agent->cri;
	uint64_t now = sp_now_ns(world(s));
	if (s->images_call.impl != NULL || now < s->images_at_ns)
		return;
	s->images_at_ns = now + IMAGES_NS;
	s->images_call = (sp_cri_call){.done = on_images, .arg = s, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	cri->call(cri, SP_CRI_LIST_IMAGES, &request, &s->images_call);
}

static void look(node_self *s)
{
	sp_cri_status_request request = {0};
	sp_cri *cri = s->agent->cri;
	if (!s->is_registered)
		return;
	look_at_images(s);
	if (s->cri_call.impl != NULL) { /* what it says may be of before */
		s->looks_again = true;
		return;
	}
	sp_timer_stop(world(s), &s->status_timer);
	s->cri_call = (sp_cri_call){.done = on_status, .arg = s, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	cri->call(cri, SP_CRI_STATUS, &request, &s->cri_call);
}

/* ---- the lease ---- */

static void on_renew(sp_timer *t)
{
	renew(t->arg);
}

static void on_renewed(sp_call *c, const sp_answer *a)
{
	node_self *s = c->arg;
	uint64_t again = RENEW_NS;
	if (a->code == SP_OK) {
		s->lease_exists = true;
	} else if (a->code == SP_ENOTFOUND || a->code == SP_EEXISTS) {
		s->lease_exists = a->code == SP_EEXISTS;
		again = a->code == SP_EEXISTS ? 0 : NODE_SECOND_NS / 5;
	} else {
		sp_log(s->agent->log, SP_LOG_WARN, "the lease was not renewed", SP_KS("err", a->message));
		again = NODE_SECOND_NS;
	}
	sp_timer_start(world(s), &s->lease_timer, again, on_renew);
}

static void renew(node_self *s)
{
	const sp_str name = s->agent->opts.node_name;
	if (sp_call_is_running(&s->lease_call))
		return;
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	if (!s->lease_exists) {
		sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("coordination.k8s.io/v1"));
		sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Lease"));
		sp_jout_member_open(&j, SP_STR("metadata"), '{');
		sp_jout_member_str(&j, SP_STR("name"), name);
		sp_jout_member_open(&j, SP_STR("ownerReferences"), '[');
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
		sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Node"));
		sp_jout_member_str(&j, SP_STR("name"), name);
		sp_jout_member_str(&j, SP_STR("uid"), sp_str_c(s->uid));
		sp_jout_close(&j, '}');
		sp_jout_close(&j, ']');
		sp_jout_close(&j, '}');
	}
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_str(&j, SP_STR("holderIdentity"), name);
	sp_jout_member_i64(&j, SP_STR("leaseDurationSeconds"), LEASE_SECONDS);
	out_time(&j, SP_STR("renewTime"), sp_wall_ns(world(s)), 6);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	s->lease_call = (sp_call){.done = on_renewed, .arg = s};
	sp_ask ask = {.verb = SP_ASK_CREATE,
		      .gvr = SP_LEASES,
		      .ns = SP_STR("kube-node-lease"),
		      .body = sp_buf_view(&body),
		      .within_ns = RENEW_NS};
	if (s->lease_exists) {
		ask.verb = SP_ASK_MERGE_PATCH;
		ask.name = name;
	}
	sp_call_start(s->agent->client, &s->lease_call, &ask);
}

/* ---- life ---- */

sp_code node_self_new(node_agent *a, sp_err *err)
{
	node_self *s = SP_NEW(node_self);
	s->agent = a;
	sp_list_init(&s->watch.node);
	s->lease_timer.arg = s->status_timer.arg = s->object_timer.arg = s;
	s->lease_exists = true; /* tried first: it mostly does */
	s->ready_since_ns = sp_wall_ns(a->world);
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++)
		s->pressed_since_ns[k] = s->ready_since_ns;
	(void)snprintf(s->not_ready, sizeof s->not_ready,
		       "container runtime status check may not have completed yet");
	node_machine_read(a->world, a->place.root, &a->arena, &s->machine);
	node_huge_read(a->world, SP_STR("/sys/kernel/mm/hugepages"), &a->arena, &a->place.huge);
	a->cpu_milli = a->opts.cpu_milli != 0 ? a->opts.cpu_milli : s->machine.cpu_milli;
	a->memory_bytes = a->opts.memory_bytes != 0 ? a->opts.memory_bytes : s->machine.memory_bytes;
	a->disk_bytes = a->opts.disk_bytes != 0 ? a->opts.disk_bytes : s->machine.disk_bytes;
	a->place.memory_capacity = a->memory_bytes;
	a->self = s;
	const sp_event_ref about = about_node(a);
	sp_events_emitf(a->events, &about, false, "Starting", "Starting kubelet.");
	for (size_t k = 0; k < NODE_PRESSURE_COUNT_; k++)
		tell_status(s, pressures[k][false].event);
	begin(s);
	return follow(s, err);
}

void node_self_free(node_agent *a)
{
	node_self *s = SP_TAKE(a->self);
	if (s == NULL)
		return;
	sp_call_cancel(&s->object_call);
	sp_call_cancel(&s->lease_call);
	sp_call_cancel(&s->status_call);
	sp_call_cancel(&s->ask_call);
	s->asked = sp_bytes_unref(s->asked);
	node_features_done(&s->features);
	a->cri->cancel(a->cri, &s->cri_call);
	a->cri->cancel(a->cri, &s->range_call);
	a->cri->cancel(a->cri, &s->images_call);
	s->images = sp_bytes_unref(s->images);
	sp_informer_watch_remove(&s->watch);
	if (s->set != NULL)
		sp_informers_free(SP_TAKE(s->set));
	s->range = sp_bytes_unref(s->range);
	s->told = sp_bytes_unref(s->told);
	sp_timer_stop(a->world, &s->lease_timer);
	sp_timer_stop(a->world, &s->status_timer);
	sp_timer_stop(a->world, &s->object_timer);
	s->posted = sp_bytes_unref(s->posted);
	s->posting = sp_bytes_unref(s->posting);
	sp_free(s);
}

void node_self_ids(const node_agent *a, sp_str *ret_boot, sp_str *ret_machine, sp_str *ret_system)
{
	static const node_machine unknown;
	const node_machine *m = a->self == NULL ? &unknown : &a->self->machine;
	*ret_boot = m->boot_id;
	*ret_machine = m->machine_id;
	*ret_system = m->system_uuid;
}
