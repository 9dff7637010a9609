/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/node_rig.h"

#include "base/log.h"
#include "kube/view.h"
#include "lib/store_help.h"
#include "lib/t.h"

/* ---- the agent ---- */

static void no_line(void *arg, sp_str line)
{
	(void)arg, (void)line;
}
static int64_t no_time(void *arg)
{
	(void)arg;
	return 0;
}

node_disk nr_disk, nr_root_disk;
unsigned nr_n_looks;
node_eviction nr_eviction;
sp_str nr_dns;

static sp_code read_disk(sp_str path, node_disk *ret, sp_err *err)
{
	nr_n_looks++;
	if (sp_str_eq(path, SP_STR("/images")))
		*ret = nr_disk;
	else if (sp_str_eq(path, SP_STR("/node")))
		*ret = nr_root_disk;
	else
		return sp_fail(err, SP_ENOTFOUND, "another path");
	return SP_OK;
}

bool nr_agent_open(node_rig *r)
{
	const node_agent_opts o = {.world = r->machine.world,
				   .log = r->log,
				   .client = r->machine.client,
				   .cri = &r->cri.base,
				   .files = fake_pod_files(),
				   .node_name = SP_STR("n1"),
				   .node_ip = SP_STR("192.0.2.7"),
				   .root_dir = SP_STR("/node"),
				   .log_dir = SP_STR("/logs"),
				   .manifest_dir = SP_STR("/manifests"),
				   .local_path_dir = SP_STR("/volumes"),
				   .log_bytes_max = 100,
				   .log_files_max = 3,
				   .disk = read_disk,
				   .eviction = nr_eviction,
				   .cluster_dns = &nr_dns,
				   .n_cluster_dns = nr_dns.len != 0,
				   .cgroup_root = SP_STR("kubepods"),
				   .cluster_domain = SP_STR("cluster.local"),
				   .cpu_milli = 4000,
				   .memory_bytes = INT64_C(8) << 30,
				   .disk_bytes = INT64_C(100) << 30};
	if (node_agent_new(&o, &r->agent, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no agent: %s", T_ERR->msg);
	return r->agent != NULL;
}

static void on_closed(void *arg)
{
	((node_rig *)arg)->closed = true;
}
static bool is_closed(void *arg)
{
	return ((node_rig *)arg)->closed;
}

void nr_agent_close(node_rig *r)
{
	if (r->agent == NULL)
		return;
	r->closed = false;
	node_agent_close(r->agent, on_closed, r);
	if (!sp_sim_run(r->api.sim, is_closed, r, sp_sim_now_ns(r->api.sim) + 100 * SECOND)) {
		(void)t_fail(__FILE__, __LINE__, "the agent does not close");
		return;
	}
	node_agent_free(r->agent);
	r->agent = NULL;
}

static void rig_close(void *arg)
{
	node_rig *r = arg;
	nr_agent_close(r);
	fake_cri_done(&r->cri);
	sp_log_free(r->log);
}

node_rig *nr_open(const sp_sim_opts *opts)
{
	node_rig *r = sp_new(T_ARENA, node_rig, 1);
	t_no_faults();
	nr_disk = (node_disk){.capacity = 100000, .available = 50000};
	nr_root_disk = nr_disk;
	nr_eviction = (node_eviction){0};
	fake_usage = (fake_use){0};
	if (!t_api_open(&r->api, opts, NULL) || !t_user_open(&r->user, &r->api, "user", true) ||
	    !t_user_open(&r->machine, &r->api, "n1", true))
		return r;
	r->log = sp_log_new(&(sp_log_opts){.level = SP_LOG_ERROR, .wall_ns = no_time, .write = no_line});
	fake_cri_init(&r->cri, r->machine.world);
	T_DEFER(rig_close, r);
	(void)nr_agent_open(r);
	return r;
}

/* ---- pods ---- */

/* Makes the pod, also over a network that breaks connections: an answer that was lost shows as one that
 * exists. */
void nr_make(node_rig *r, const char *name, const char *spec)
{
	sp_str body = sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"n1\","
				      "\"automountServiceAccountToken\":false,"
				      "\"terminationGracePeriodSeconds\":5,%s}}",
				      name, spec);
	sp_ask ask = {.verb = SP_ASK_CREATE, .gvr = SP_PODS, .ns = SP_STR("default"), .body = body};
	do
		t_ask(&r->user, &ask);
	while (r->user.code == SP_EUNAVAILABLE && !t_failed());
	if (r->user.code != SP_OK && r->user.code != SP_EEXISTS)
		T_FAIL("%s: %s", name, t_err()->msg);
}

void nr_run(node_rig *r, uint64_t ns)
{
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + ns);
}

/* A value of the pod as the API has it; "-" when there is none. */
sp_str nr_of(node_rig *r, const char *name, const char *path)
{
	yyjson_val *tree;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_PODS, .ns = SP_STR("default"), .name = sp_str_c(name)};
	t_ask(&r->user, &ask);
	if (r->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return SP_STR("-");
	yyjson_val *v = sp_view_at(tree, path);
	if (yyjson_is_int(v))
		return sp_arena_printf(T_ARENA, "%lld", (long long)yyjson_get_sint(v));
	if (yyjson_is_bool(v))
		return yyjson_get_bool(v) ? SP_STR("true") : SP_STR("false");
	return v == NULL ? SP_STR("-") : sp_json_str(v);
}

/* Waits until it is so; fails after `seconds`. */
bool nr_becomes(node_rig *r, const char *name, const char *path, const char *want, unsigned seconds)
{
	sp_str got = {NULL, 0};
	for (unsigned i = 0; i < seconds * 2 && !t_failed(); i++) {
		got = nr_of(r, name, path);
		if (sp_str_eq(got, sp_str_c(want)))
			return true;
		nr_run(r, SECOND / 2);
	}
	(void)t_fail(__FILE__, __LINE__, "%s %s: got '" SP_FMT "', want '%s'", name, path, SP_ARG(got), want);
	return false;
}

void nr_delete(node_rig *r, const char *name)
{
	sp_ask ask = {.verb = SP_ASK_DELETE, .gvr = SP_PODS, .ns = SP_STR("default"), .name = sp_str_c(name)};
	t_ask(&r->user, &ask);
}

bool nr_has_event(node_rig *r, const char *reason, const char *message)
{
	yyjson_val *tree, *item;
	size_t i, n;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_EVENTS_V1, .ns = SP_STR("default")};
	t_ask(&r->user, &ask);
	if (r->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return false;
	yyjson_arr_foreach(sp_view_at(tree, "items"), i, n, item)
	{
		if (sp_str_eq(sp_view_str_at(item, "reason"), sp_str_c(reason)) &&
		    sp_str_eq(sp_view_str_at(item, "note"), sp_str_c(message)))
			return true;
	}
	return false;
}
