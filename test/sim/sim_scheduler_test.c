/* SPDX-License-Identifier: Apache-2.0 */
/* The live scheduler and the volume controllers against the API server, in the simulator: claims that wait
 * for their first consumer. */
#include "controllers/volumes.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "scheduler/scheduler.h"

#define SECOND UINT64_C(1000000000)
#define LIST                                                         \
	"persistentvolume-binder-controller,local-path-provisioner," \
	"persistentvolumeclaim-protection-controller,ephemeral-volume-controller"
#define PVC(name) SP_PERSISTENTVOLUMECLAIMS, "default", name
#define PV(name) SP_PERSISTENTVOLUMES, "", name
#define POD(name) SP_PODS, "default", name
#define N_PODS 6u
#define N_NODES 3u

typedef struct rig {
	t_ctl ctl;
	t_user identity;
	sched_config config;
	scheduler *scheduler;
	bool closed;
} rig;

static void on_closed(void *arg)
{
	((rig *)arg)->closed = true;
}
static bool is_closed(void *arg)
{
	return ((rig *)arg)->closed;
}

static void scheduler_end(void *arg)
{
	rig *r = arg;
	scheduler_close(r->scheduler, on_closed, r);
	sp_sim *sim = r->ctl.api.sim;
	if (!sp_sim_run(sim, is_closed, r, sp_sim_now_ns(sim) + 100 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "the scheduler does not close");
	else
		scheduler_free(r->scheduler);
}

static rig *rig_open(const sp_sim_opts *o, uint64_t bind_timeout_ns)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	r->ctl.no_kubelet = true; /* pods stay where the scheduler puts them */
	t_no_faults();
	if (!t_ctl_open(&r->ctl, o, LIST) || !t_user_open(&r->identity, &r->ctl.api, "scheduler", true))
		return NULL;
	sched_config_default(&r->config);
	r->config.profiles[0].bind_timeout_ns = bind_timeout_ns;
	const scheduler_opts opts = {
		.client = r->identity.client, .log = r->ctl.log, .config = &r->config, .seed = t_random()};
	if (scheduler_new(&opts, &r->scheduler, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no scheduler: %s", t_err()->msg);
		return NULL;
	}
	T_DEFER(scheduler_end, r);
	return r;
}

static rig *open_calm(uint64_t bind_timeout_ns)
{
	return rig_open(&(sp_sim_opts){.seed = t_random()}, bind_timeout_ns);
}

/* Until the server has it, however often the network fails. */
static void insist(t_ctl *t, sp_gvr gvr, const char *ns, sp_str json)
{
	do
		t_ask(&t->user,
		      &(sp_ask){.verb = SP_ASK_CREATE, .gvr = gvr, .ns = sp_str_c(ns), .body = json});
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
}

static void insist_patch(t_ctl *t, sp_gvr gvr, const char *name, const char *subresource, const char *json)
{
	do
		t_ask(&t->user, &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
					  .gvr = gvr,
					  .name = sp_str_c(name),
					  .subresource = sp_str_c(subresource),
					  .body = sp_str_c(json)});
	while (t->user.code != SP_OK && !t_failed());
}

static void make_node(t_ctl *t, const char *name)
{
	insist(t, SP_NODES, "",
	       sp_arena_printf(
		       T_ARENA,
		       "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"},"
		       "\"annotations\":{\"local-path.sampan/directory\":\"/srv\"}}}",
		       name, name));
	insist_patch(t, SP_NODES, name, "", "{\"spec\":{\"taints\":null}}");
	insist_patch(t, SP_NODES, name, "status",
		     "{\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"4Gi\",\"pods\":\"9\"}}}");
}

static void make_class(t_ctl *t, const char *name, const char *provisioner)
{
	insist(t, SP_STORAGECLASSES, "",
	       sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"name\":\"%s\"},\"provisioner\":\"%s\","
			       "\"volumeBindingMode\":\"WaitForFirstConsumer\"}",
			       name, provisioner));
}

static void make_volume(t_ctl *t, const char *name)
{
	insist(t, SP_PERSISTENTVOLUMES, "",
	       sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"capacity\":{\"storage\":\"2Gi\"},"
			       "\"storageClassName\":\"static\",\"accessModes\":[\"ReadWriteOnce\"],"
			       "\"hostPath\":{\"path\":\"/tmp/x\"}}}",
			       name));
}

/* A pod and its claim, of the same name. */
static void make_pair(t_ctl *t, const char *name, const char *klass)
{
	insist(t, SP_PODS, "default",
	       sp_arena_printf(
		       T_ARENA,
		       "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
		       "\"i\"}],\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":"
		       "\"%s\"}}]}}",
		       name, name));
	insist(t, SP_PERSISTENTVOLUMECLAIMS, "default",
	       sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"storageClassName\":\"%s\","
			       "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":"
			       "\"1Gi\"}}}}",
			       name, klass));
}

static sp_str note(yyjson_val *object, const char *key)
{
	return sp_json_str(sp_json_last(sp_view_at(object, "metadata.annotations"), sp_str_c(key)));
}

/* Until a condition of the pod says that; it is the only one. */
static bool says(t_ctl *t, const char *pod, const char *part)
{
	for (int i = 0; i < 600 && !t_failed(); i++) {
		if (sp_str_find(t_ctl_text(t_ctl_get(t, POD(pod)), "status.conditions[0].message"),
				sp_str_c(part)) >= 0)
			return true;
		t_ctl_run(t, SECOND / 10);
	}
	return false;
}

SP_TEST(sim_scheduler, a_volume_is_made_where_the_pod_goes)
{
	rig *r = open_calm(600 * SECOND);
	T_TRUE(r != NULL);
	t_ctl *t = &r->ctl;
	make_node(t, "n1");
	make_class(t, "made", "sampan/local-path");
	make_pair(t, "p", "made");
	T_TRUE(t_ctl_wait(t, POD("p"), "spec.nodeName", "n1"));
	yyjson_val *c = t_ctl_get(t, PVC("p"));
	T_EQ_C(t_ctl_text(c, "status.phase"), "Bound");
	T_EQ_C(note(c, "volume.kubernetes.io/selected-node"), "n1");
	/* The claim of an ephemeral volume comes after its pod. */
	insist(t, SP_PODS, "default",
	       SP_STR("{\"metadata\":{\"name\":\"q\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
		      "\"i\"}],"
		      "\"volumes\":[{\"name\":\"v\",\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{"
		      "\"storageClassName\":\"made\",\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{"
		      "\"requests\":{\"storage\":\"1Gi\"}}}}}}]}}"));
	uint64_t before = sp_sim_now_ns(t->api.sim);
	T_TRUE(t_ctl_wait(t, POD("q"), "spec.nodeName", "n1"));
	T_TRUE(sp_sim_now_ns(t->api.sim) - before < 10 * SECOND);
}

SP_TEST(sim_scheduler, one_volume_is_for_one_claim)
{
	rig *r = open_calm(600 * SECOND);
	T_TRUE(r != NULL);
	t_ctl *t = &r->ctl;
	make_node(t, "n1");
	make_class(t, "static", "kubernetes.io/no-provisioner");
	make_pair(t, "p", "static");
	make_pair(t, "q", "static");
	T_TRUE(says(t, "p", "node(s) didn't find available persistent volumes to bind"));
	T_TRUE(says(t, "q", "node(s) didn't find available persistent volumes to bind"));
	make_volume(t, "v1");
	T_TRUE(t_ctl_wait(t, PV("v1"), "status.phase", "Bound"));
	yyjson_val *v = t_ctl_get(t, PV("v1"));
	T_EQ_C(note(v, "pv.kubernetes.io/bound-by-controller"), "yes");
	T_EQ_C(t_ctl_text(v, "spec.claimRef.kind"), "PersistentVolumeClaim");
	T_EQ_C(t_ctl_text(v, "spec.claimRef.apiVersion"), "v1");
	bool first = sp_str_eq(t_ctl_text(v, "spec.claimRef.name"), SP_STR("p"));
	T_TRUE(t_ctl_wait(t, POD(first ? "p" : "q"), "spec.nodeName", "n1"));
	t_ctl_run(t, 20 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, POD(first ? "q" : "p")), "spec.nodeName"), "");
	make_volume(t, "v2");
	T_TRUE(t_ctl_wait(t, POD(first ? "q" : "p"), "spec.nodeName", "n1"));
}

/* Nobody makes the volume: the provisioner gives up, then time is up; the pod goes back and tries again. */
SP_TEST(sim_scheduler, volumes_that_do_not_come)
{
	rig *r = open_calm(20 * SECOND);
	T_TRUE(r != NULL);
	t_ctl *t = &r->ctl;
	make_node(t, "n1");
	make_class(t, "never", "example.com/none");
	make_pair(t, "p", "never");
	for (int i = 0;
	     i < 100 && note(t_ctl_get(t, PVC("p")), "volume.kubernetes.io/selected-node").len == 0; i++)
		t_ctl_run(t, SECOND / 10);
	t_ctl_run(t, SECOND);
	T_TRUE(t_ctl_patch(t, PVC("p"), "",
			   "{\"metadata\":{\"annotations\":{\"volume.kubernetes.io/selected-node\":null}}}"));
	T_TRUE(says(t, "p",
		    "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed for PVC "
		    "\"p\""));
	T_TRUE(says(t, "p",
		    "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded"));
	T_EQ_C(note(t_ctl_get(t, PVC("p")), "volume.kubernetes.io/selected-node"), "n1");
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_delete(t, PVC("p"), ""));
	T_TRUE(says(t, "p", "persistentvolumeclaim \"p\" not found"));
	make_pair(t, "p", "never");
	/* Its pod goes while it waits: nothing is left of it, and its name can come again. */
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_delete(t, POD("p"), ""));
	T_TRUE(t_ctl_wait_gone(t, POD("p")));
	t_ctl_run(t, 60 * SECOND);
}

SP_TEST(sim_scheduler, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	char name[20];
	size_t n, i, max;
	yyjson_val *v;
	o.faults.until_ns = 40 * SECOND;
	rig *r = rig_open(&o, 30 * SECOND);
	T_TRUE(r != NULL);
	t_ctl *t = &r->ctl;
	make_class(t, "made", "sampan/local-path");
	make_class(t, "static", "kubernetes.io/no-provisioner");
	for (unsigned k = 0; k < N_NODES; k++) {
		(void)snprintf(name, sizeof name, "n%u", k);
		make_node(t, name);
	}
	for (unsigned k = 0; k < N_PODS && !t_failed(); k++) {
		(void)snprintf(name, sizeof name, "p%u", k);
		make_pair(t, name, k % 2 == 0 ? "static" : "made");
		if (k % 2 == 0) {
			(void)snprintf(name, sizeof name, "v%u", k);
			make_volume(t, name);
		}
	}
	t_ctl_run(t, 60 * SECOND);
	for (unsigned k = 0; k < N_PODS && !t_failed(); k++) {
		(void)snprintf(name, sizeof name, "p%u", k);
		T_TRUE(t_ctl_wait(t, PVC(name), "status.phase", "Bound"));
		for (int w = 0; w < 600 && t_ctl_text(t_ctl_get(t, POD(name)), "spec.nodeName").len == 0; w++)
			t_ctl_run(t, SECOND / 10);
		T_TRUE(t_ctl_text(t_ctl_get(t, POD(name)), "spec.nodeName").len > 0);
	}
	/* Every claim has the one volume that names it. */
	yyjson_val *all = t_ctl_list(t, SP_PERSISTENTVOLUMES, "", "", &n);
	yyjson_arr_foreach(all, i, max, v)
	{
		sp_str claim = t_ctl_text(v, "spec.claimRef.name");
		if (claim.len == 0)
			continue;
		(void)snprintf(name, sizeof name, SP_FMT, SP_ARG(claim));
		T_EQ_STR(t_ctl_text(t_ctl_get(t, PVC(name)), "spec.volumeName"),
			 t_ctl_text(v, "metadata.name"));
	}
}
