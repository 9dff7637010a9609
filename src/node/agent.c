/* SPDX-License-Identifier: Apache-2.0 */
#include "node/agent.h"

#include "base/alloc.h"
#include "io/https.h"
#include "node/disks.h"
#include "node/log_links.h"
#include "node/node_int.h"
#include "node/statics.h"

#define AGENT_BYTES_MAX ((size_t)8 << 20)
#define LEFTOVERS_BYTES_MAX ((size_t)64 << 20)
#define ASK_RUNTIME_AGAIN_NS NODE_SECOND_NS
#define RESOLV_BYTES_MAX ((size_t)64 << 10)

typedef struct service_keep {
	sp_str ip;
	sp_vlist ports;
} service_keep;
SP_VIEW(service_keep_desc, service_keep, "v1/Service", SP_V(service_keep, ip, "spec.clusterIP"),
	SP_V(service_keep, ports, "spec.ports"));

node_worker *node_agent_worker(node_agent *a, sp_str uid)
{
	return sp_map_get(&a->workers_by_uid, uid);
}

node_worker *node_agent_pod(node_agent *a, sp_str ns, sp_str name)
{
	node_worker *w = node_static_find(a, ns, name);
	const sp_object *o = w != NULL || a->pods == NULL ? NULL : sp_informer_get_in(a->pods, ns, name);
	return o == NULL ? w : node_agent_worker(a, o->uid);
}

/* ---- pods ---- */

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	node_agent *a = arg;
	const sp_object *o = now != NULL ? now : old;
	if (node_is_mirror(o)) {
		node_static_mirrored(a, old, now);
		return;
	}
	/* Another pod of the same name: the old one is gone without having been seen to go. */
	if (now != NULL && old != NULL && !sp_str_eq(old->uid, now->uid)) {
		node_worker *before = node_agent_worker(a, old->uid);
		if (before != NULL)
			node_worker_set(before, NULL);
	}
	node_worker *w = node_agent_worker(a, o->uid);
	if (w == NULL && now == NULL)
		return;
	if (w == NULL)
		w = node_worker_new(a, o->ns, o->name, o->uid);
	node_worker_set(w, now);
}

static void on_service(void *arg, const sp_object *old, const sp_object *now)
{
	(void)arg, (void)old, (void)now; /* variables are of the time a container starts */
}

static void on_synced(void *arg)
{
	node_agent *a = arg;
	a->is_synced = true;
	sp_log(a->log, SP_LOG_INFO, "pods are known", SP_KI("pods", (int64_t)sp_informer_count(a->pods)));
	SP_LIST_FOREACH (node, &a->workers)
		node_worker_poke(SP_CONTAINER_OF(node, node_worker, node));
	node_statics_look(a);
}

static sp_code follow(node_agent *a, sp_err *err)
{
	sp_str selector = sp_arena_printf(&a->arena, "spec.nodeName=" SP_FMT, SP_ARG(a->opts.node_name));
	SP_TRY(sp_informers_new(a->client, a->log, &a->informers, err));
	SP_TRY(sp_informers_get(a->informers, &(sp_informer_opts){.gvr = SP_PODS, .field_selector = selector},
				&a->pods, err));
	SP_TRY(sp_informers_get(a->informers, &(sp_informer_opts){.gvr = SP_SERVICES}, &a->services, err));
	SP_TRY(sp_informers_get(a->informers, &(sp_informer_opts){.gvr = SP_RUNTIMECLASSES},
				&a->runtime_classes, err));
	SP_TRY(sp_informer_keep_path(a->runtime_classes, SP_STR("handler")));
	sp_informer_keep_all(a->pods);
	SP_TRY(sp_informer_keep(a->services, &service_keep_desc));
	a->pods_watch = (sp_informer_watch){.on_change = on_pod, .arg = a};
	a->services_watch = (sp_informer_watch){.on_change = on_service, .arg = a};
	sp_informer_watch_add(a->pods, &a->pods_watch);
	sp_informer_watch_add(a->services, &a->services_watch);
	sp_informers_start(a->informers);
	sp_informers_on_synced(a->informers, on_synced, a);
	return SP_OK;
}

/* ---- the runtime ---- */

static void ask_runtime(node_agent *a);

static void on_ask_again(sp_timer *t)
{
	ask_runtime(t->arg);
}

static void on_version(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_agent *a = c->arg;
	const sp_cri_version_response *r = response;
	sp_err err = {0};
	if (status != SP_RPC_OK) {
		sp_log(a->log, SP_LOG_WARN, "the runtime does not answer yet", SP_KS("err", message));
		sp_timer_start(a->world, &a->version_timer, ASK_RUNTIME_AGAIN_NS, on_ask_again);
		return;
	}
	(void)snprintf(a->runtime_name, sizeof a->runtime_name, SP_FMT, SP_ARG(r->runtime_name));
	(void)snprintf(a->runtime_version, sizeof a->runtime_version, SP_FMT, SP_ARG(r->runtime_version));
	sp_log(a->log, SP_LOG_INFO, "runtime", SP_KC("name", a->runtime_name),
	       SP_KC("version", a->runtime_version));
	sp_code code = node_self_new(a, &err);
	if (code == SP_OK)
		code = follow(a, &err);
	if (code == SP_OK)
		code = node_statics_new(a, &err);
	if (code == SP_OK)
		code = node_relist_new(a, &err);
	if (code == SP_OK)
		code = node_local_path_new(a, &err);
	if (code == SP_OK)
		node_rotate_new(a);
	if (code == SP_OK) {
		node_disks_new(a);
		node_image_gc_new(a);
		node_pressure_start(a);
	}
	if (code != SP_OK)
		sp_log(a->log, SP_LOG_ERROR, "the agent can't begin", SP_KE(&err));
}

static void ask_runtime(node_agent *a)
{
	a->version_call = (sp_cri_call){.done = on_version, .arg = a, .timeout_ns = NODE_CALL_TIMEOUT_NS};
	a->cri->call(a->cri, SP_CRI_VERSION, &(sp_cri_version_request){.version = SP_STR("0.1.0")},
		     &a->version_call);
}

/* ---- life ---- */

void node_agent_set_port(node_agent *a, uint16_t port)
{
	a->opts.port = port;
}

static sp_str keep(node_agent *a, sp_str s)
{
	return s.len == 0 ? (sp_str){NULL, 0} : sp_arena_try_dup(&a->arena, s);
}

static void copy_opts(node_agent *a, const node_agent_opts *o)
{
	sp_str *servers = sp_new(&a->arena, sp_str, o->n_cluster_dns + 1);
	a->opts = *o;
	for (size_t i = 0; i < o->n_cluster_dns; i++)
		servers[i] = keep(a, o->cluster_dns[i]);
	a->opts.cluster_dns = servers;
	a->opts.node_name = keep(a, o->node_name);
	a->opts.manifest_dir = keep(a, o->manifest_dir);
	a->opts.local_path_dir = keep(a, o->local_path_dir);
	a->opts.cluster_domain = keep(a, o->cluster_domain);
	a->host_ips[0] = keep(a, o->node_ip);
	a->n_host_ips = o->node_ip.len == 0 ? 0 : 1;
	a->place = (node_place){.root = keep(a, o->root_dir),
				.log_root = keep(a, o->log_dir),
				.cgroup_root = keep(a, o->cgroup_root),
				.systemd = o->systemd_cgroups,
				.domain = a->opts.cluster_domain,
				.host_name = a->opts.node_name};
	a->opts.log_dir = a->place.log_root;
	a->opts.cgroup_root = a->place.cgroup_root;
	a->opts.resolv_conf = keep(a, o->resolv_conf);
	a->opts.unsafe_sysctls = keep(a, o->unsafe_sysctls);
	a->place.links_root = node_log_links_root(&a->arena, a->place.log_root);
	a->place.seccomp_root = SP_CONCAT(&a->arena, a->place.root, SP_STR("/seccomp"));
}

static sp_code make_links_root(node_agent *a, sp_err *err)
{
	sp_err why = {0};
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, LEFTOVERS_BYTES_MAX);
	if (a->place.links_root.len == 0)
		return SP_OK;
	SP_TRY(sp_dir_make(a->world, a->place.links_root, 0755, err));
	if (node_log_links_sweep(a->world, a->files, a->place.links_root, &arena, &why) != SP_OK)
		sp_log(a->log, SP_LOG_WARN, "links of logs that are gone stay", SP_KE(&why));
	return SP_OK;
}

static sp_code begin(node_agent *a, sp_err *err)
{
	sp_str resolv;
	SP_TRY(node_sysctls_parse(a->opts.unsafe_sysctls, &a->arena, &a->sysctls, err));
	SP_TRY(node_userns_restore(&a->userns, a->world, a->place.root, err));
	SP_TRY(node_leftovers_read(a->world, a->place.root, a->place.log_root, &a->leftovers_arena,
				   &a->leftovers, err));
	SP_TRY(sp_dir_make(a->world, a->place.root, 0750, err));
	SP_TRY(sp_dir_make(a->world, a->place.log_root, 0755, err));
	SP_TRY(make_links_root(a, err));
	if (a->opts.resolv_conf.len != 0) {
		SP_TRY(sp_file_read_arena(a->world, a->opts.resolv_conf, &a->arena, RESOLV_BYTES_MAX, &resolv,
					  err));
		node_resolv_read(resolv, &a->host_resolv);
	}
	SP_TRY(sp_http_client_new(a->world,
				  &(sp_http_client_opts){.connector = &sp_http_connector_tls,
							 .limits = {.idle_ns = NODE_SECOND_NS}},
				  &a->http, err));
	SP_TRY(sp_events_new(&(sp_events_opts){.client = a->client,
					       .log = a->log,
					       .component = SP_STR("kubelet"),
					       .host = a->opts.node_name},
			     &a->events, err));
	ask_runtime(a);
	return SP_OK;
}

sp_code node_agent_new(const node_agent_opts *o, node_agent **ret, sp_err *err)
{
	node_agent *a = SP_NEW(node_agent);
	a->world = o->world;
	a->log = o->log;
	a->client = o->client;
	a->cri = node_cri_counted(o->world, o->cri, &a->counters);
	a->files = o->files;
	a->started_ns = sp_now_ns(o->world);
	a->started_wall_ns = sp_wall_ns(o->world);
	a->version_timer.arg = a;
	sp_arena_init(&a->arena, AGENT_BYTES_MAX);
	sp_arena_init(&a->leftovers_arena, LEFTOVERS_BYTES_MAX);
	sp_list_init(&a->workers);
	sp_map_init(&a->workers_by_uid);
	sp_map_init(&a->refs);
	node_userns_init(&a->userns);
	sp_reviews_init(&a->reviews, a->world);
	sp_list_init(&a->pods_watch.node);
	sp_list_init(&a->services_watch.node);
	copy_opts(a, o);
	sp_code code = begin(a, err);
	if (code != SP_OK) {
		node_agent_free(a);
		return code;
	}
	*ret = a;
	return SP_OK;
}

static void on_closed(sp_defer *d)
{
	node_agent *a = d->arg;
	a->on_closed(a->on_closed_arg);
}

static void on_http_closed(void *arg)
{
	node_agent *a = arg;
	sp_http_client_free(SP_TAKE(a->http));
	node_agent_check_closed(a);
}

void node_agent_check_closed(node_agent *a)
{
	if (a->closing && a->http == NULL && a->local_path == NULL && a->rotate == NULL &&
	    a->statics == NULL && a->pressure == NULL && a->image_gc == NULL && a->disks == NULL &&
	    sp_list_is_empty(&a->workers))
		sp_defer_call(a->world, &a->closed_check);
}

void node_agent_close(node_agent *a, void (*done)(void *arg), void *arg)
{
	a->closing = true;
	a->on_closed = done;
	a->on_closed_arg = arg;
	sp_defer_init(&a->closed_check, on_closed, a);
	sp_timer_stop(a->world, &a->version_timer);
	a->cri->cancel(a->cri, &a->version_call);
	node_relist_free(a);
	node_self_free(a);
	node_local_path_free(a);
	node_rotate_free(a);
	node_statics_free(a);
	node_pressure_free(a);
	node_image_gc_free(a);
	node_disks_free(a);
	sp_informer_watch_remove(&a->pods_watch);
	sp_informer_watch_remove(&a->services_watch);
	SP_LIST_FOREACH (node, &a->workers)
		node_worker_free(SP_CONTAINER_OF(node, node_worker, node));
	if (a->informers != NULL)
		sp_informers_free(SP_TAKE(a->informers));
	sp_events_free(SP_TAKE(a->events));
	sp_http_client_close(a->http, on_http_closed, a);
}

void node_agent_free(node_agent *a)
{
	if (a == NULL)
		return;
	SP_ASSERT(sp_list_is_empty(&a->workers));
	sp_events_free(a->events);
	if (a->http != NULL)
		sp_http_client_free(a->http);
	sp_tls_config_unref(a->http_tls);
	sp_map_done(&a->workers_by_uid);
	sp_map_done(&a->refs);
	node_userns_done(&a->userns);
	sp_reviews_done(&a->reviews);
	a->cri->free(a->cri);
	sp_arena_done(&a->leftovers_arena);
	sp_arena_done(&a->arena);
	sp_free(a);
}
