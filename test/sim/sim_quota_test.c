/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas: what is admitted is charged, what goes is given back. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "resourcequota-controller"
#define QUOTA(hard) "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{" hard "}}}"
#define QUOTA_IN(hard, scopes) "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{" hard "}," scopes "}}"
#define POD(name, more, resources)                                                                           \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" more "\"containers\":[{\"name\":\"c\",\"image\":" \
	"\"i\",\"resources\":{" resources "}}]}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static sp_str status_of(t_ctl *t, const char *map, const char *name)
{
	yyjson_val *v = sp_view_at(t_ctl_get(t, SP_RESOURCEQUOTAS, "default", "q"), map);
	sp_str s = sp_json_str(sp_json_last(v, sp_str_c(name)));
	return s.ptr == NULL ? SP_STR("") : s;
}

/* Until that much is used; fails after a minute. */
static bool used(t_ctl *t, const char *name, const char *want)
{
	for (int i = 0; i < 600 && !t_failed(); i++) {
		if (sp_str_eq(status_of(t, "status.used", name), sp_str_c(want)))
			return true;
		t_ctl_run(t, SECOND / 10);
	}
	sp_str is = status_of(t, "status.used", name);
	(void)t_fail(__FILE__, __LINE__, "%s: '" SP_FMT "' is used, not '%s'", name, SP_ARG(is), want);
	return false;
}

static bool make_quota(t_ctl *t, const char *json)
{
	return t_ctl_create(t, SP_RESOURCEQUOTAS, "default", json);
}

static sp_code try_pod(t_ctl *t, const char *json)
{
	t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE,
				  .gvr = SP_PODS,
				  .ns = SP_STR("default"),
				  .body = sp_str_c(json)});
	return t->user.code;
}

SP_TEST(sim_quota, life_of_a_pod)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_quota(t, QUOTA("\"pods\":\"2\",\"cpu\":\"1\",\"requests.memory\":\"1Gi\",\"limits.cpu\":"
				   "\"2\",\"requests.example.com/dongle\":\"3\",\"count/pods\":\"5\"")));
	T_TRUE(used(t, "pods", "0"));
	T_TRUE(used(t, "cpu", "0"));
	T_TRUE(used(t, "requests.example.com/dongle", "0"));
	T_EQ_C(status_of(t, "status.hard", "requests.memory"), "1Gi");
	T_OK(try_pod(t,
		     POD("a", "",
			 "\"requests\":{\"cpu\":\"500m\",\"memory\":\"252Mi\",\"example.com/dongle\":\"2\"}"
			 ",\"limits\":{\"cpu\":\"1\",\"memory\":\"300Mi\",\"example.com/dongle\":\"2\"}")));
	T_TRUE(used(t, "pods", "1"));
	T_TRUE(used(t, "cpu", "500m"));
	T_TRUE(used(t, "requests.memory", "252Mi"));
	T_TRUE(used(t, "requests.example.com/dongle", "2"));
	T_EQ_I64(try_pod(t, POD("b", "",
				"\"requests\":{\"cpu\":\"600m\",\"memory\":\"1Mi\"},\"limits\":{\"cpu\":"
				"\"1\",\"memory\":\"1Mi\"}")),
		 SP_EFORBIDDEN);
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(used(t, "cpu", "500m"));
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "a", ""));
	T_TRUE(used(t, "pods", "0"));
	T_TRUE(used(t, "cpu", "0"));
	T_TRUE(used(t, "requests.memory", "0"));
	T_TRUE(used(t, "count/pods", "0"));
}

SP_TEST(sim_quota, a_pod_that_is_over_takes_its_count_only)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->phase = "Succeeded";
	T_TRUE(t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, LIST));
	T_TRUE(make_quota(t, QUOTA("\"pods\":\"5\",\"count/pods\":\"5\"")));
	T_TRUE(used(t, "pods", "0"));
	T_OK(try_pod(t, POD("a", "", "")));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "a", "status.phase", "Succeeded"));
	T_TRUE(used(t, "pods", "0"));
	T_TRUE(used(t, "count/pods", "1"));
}

SP_TEST(sim_quota, everything_is_counted)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	/* What is there already counts. */
	T_TRUE(t_ctl_create(t, SP_CONFIGMAPS, "default", "{\"metadata\":{\"name\":\"m\"}}"));
	T_TRUE(make_quota(
		t, QUOTA("\"configmaps\":\"3\",\"secrets\":\"3\",\"services\":\"3\",\"services.nodeports\":"
			 "\"1\",\"services.loadbalancers\":\"1\",\"count/deployments.apps\":\"2\","
			 "\"replicationcontrollers\":\"2\",\"persistentvolumeclaims\":\"2\","
			 "\"requests.storage\":\"5Gi\","
			 "\"gold.storageclass.storage.k8s.io/requests.storage\":\"4Gi\","
			 "\"gold.storageclass.storage.k8s.io/persistentvolumeclaims\":\"2\","
			 "\"resourcequotas\":\"1\"")));
	T_TRUE(used(t, "configmaps", "1"));
	T_TRUE(used(t, "resourcequotas", "1"));
	T_TRUE(used(t, "count/deployments.apps", "0"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "default", "{\"metadata\":{\"name\":\"s\"}}"));
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default",
			    "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{"
			    "\"port\":80}]}}"));
	T_TRUE(t_ctl_create(
		t, SP_DEPLOYMENTS, "default",
		"{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
		"\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":"
		"\"c\",\"image\":\"i\"}]}}}}"));
	T_TRUE(t_ctl_create(t, SP_PERSISTENTVOLUMECLAIMS, "default",
			    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"storageClassName\":\"gold\","
			    "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":"
			    "\"1Gi\"}}}}"));
	T_TRUE(used(t, "secrets", "1"));
	T_TRUE(used(t, "services", "2")); /* kubernetes is one */
	T_TRUE(used(t, "services.nodeports", "1"));
	T_TRUE(used(t, "count/deployments.apps", "1"));
	T_TRUE(used(t, "gold.storageclass.storage.k8s.io/requests.storage", "1Gi"));
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "v", "",
			   "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{\"port\":80}]}}"));
	T_TRUE(used(t, "services.nodeports", "0"));
	T_TRUE(t_ctl_delete(t, SP_CONFIGMAPS, "default", "m", ""));
	T_TRUE(t_ctl_delete(t, SP_SECRETS, "default", "s", ""));
	T_TRUE(t_ctl_delete(t, SP_SERVICES, "default", "v", ""));
	T_TRUE(t_ctl_delete(t, SP_DEPLOYMENTS, "default", "d", ""));
	T_TRUE(t_ctl_patch(t, SP_PERSISTENTVOLUMECLAIMS, "default", "p", "",
			   "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_delete(t, SP_PERSISTENTVOLUMECLAIMS, "default", "p", ""));
	T_TRUE(used(t, "configmaps", "0"));
	T_TRUE(used(t, "secrets", "0"));
	T_TRUE(used(t, "services", "1"));
	T_TRUE(used(t, "count/deployments.apps", "0"));
	T_TRUE(used(t, "persistentvolumeclaims", "0"));
	T_TRUE(used(t, "requests.storage", "0"));
	T_TRUE(used(t, "gold.storageclass.storage.k8s.io/persistentvolumeclaims", "0"));
}

SP_TEST(sim_quota, scopes)
{
	static const struct {
		const char *quota, *in, *out;
	} rows[] = {
		{QUOTA_IN("\"pods\":\"5\"", "\"scopes\":[\"Terminating\"]"),
		 POD("a", "\"activeDeadlineSeconds\":3600,", ""), POD("b", "", "")},
		{QUOTA_IN("\"pods\":\"5\"", "\"scopes\":[\"NotTerminating\"]"), POD("a", "", ""),
		 POD("b", "\"activeDeadlineSeconds\":3600,", "")},
		{QUOTA_IN("\"pods\":\"5\"", "\"scopes\":[\"BestEffort\"]"), POD("a", "", ""),
		 POD("b", "", "\"requests\":{\"cpu\":\"1\"}")},
		{QUOTA_IN("\"pods\":\"5\"", "\"scopes\":[\"NotBestEffort\"]"),
		 POD("a", "", "\"requests\":{\"cpu\":\"1\"}"), POD("b", "", "")},
		{QUOTA_IN("\"pods\":\"5\"",
			  "\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\","
			  "\"operator\":\"In\",\"values\":[\"high\"]}]}"),
		 POD("a", "\"priorityClassName\":\"high\",", ""), POD("b", "", "")},
		{QUOTA_IN("\"pods\":\"5\"", "\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":"
					    "\"CrossNamespacePodAffinity\",\"operator\":\"Exists\"}]}"),
		 POD("a",
		     "\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
		     "\"topologyKey\":\"k\",\"namespaces\":[\"x\"]}]}},",
		     ""),
		 POD("b", "", "")},
	};
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_GVR("scheduling.k8s.io", "v1", "priorityclasses"), "",
			    "{\"metadata\":{\"name\":\"high\"},\"value\":1000}"));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		T_TRUE(make_quota(t, rows[i].quota));
		T_TRUE(used(t, "pods", "0"));
		T_OK(try_pod(t, rows[i].out));
		t_ctl_run(t, 3 * SECOND);
		T_TRUE(used(t, "pods", "0"));
		T_OK(try_pod(t, rows[i].in));
		T_TRUE(used(t, "pods", "1"));
		t_ctl_run(t, 3 * SECOND);
		T_TRUE(used(t, "pods", "1"));
		T_TRUE(t_ctl_delete(t, SP_PODS, "default", "a", ""));
		T_TRUE(used(t, "pods", "0"));
		T_TRUE(t_ctl_delete(t, SP_PODS, "default", "b", ""));
		T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "b"));
		T_TRUE(t_ctl_delete(t, SP_RESOURCEQUOTAS, "default", "q", ""));
		t_ctl_run(t, 2 * SECOND); /* the kubelet knows pods by their names */
	}
}

SP_TEST(sim_quota, limits_change_and_status_is_reset)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_quota(t, QUOTA("\"pods\":\"5\",\"configmaps\":\"3\"")));
	T_TRUE(used(t, "pods", "0"));
	T_TRUE(t_ctl_patch(t, SP_RESOURCEQUOTAS, "default", "q", "",
			   "{\"spec\":{\"hard\":{\"pods\":\"7\",\"configmaps\":null,\"secrets\":\"1\"}}}"));
	T_TRUE(used(t, "secrets", "0"));
	T_EQ_C(status_of(t, "status.hard", "pods"), "7");
	T_EQ_C(status_of(t, "status.used", "configmaps"), "");
	T_EQ_C(status_of(t, "status.hard", "configmaps"), "");
	/* Somebody else's status stands until the next full look. */
	T_TRUE(t_ctl_patch(t, SP_RESOURCEQUOTAS, "default", "q", "status",
			   "{\"status\":{\"hard\":{\"pods\":\"9\"},\"used\":{\"pods\":\"4\"}}}"));
	t_ctl_run(t, SECOND);
	T_EQ_C(status_of(t, "status.used", "pods"), "4");
	t_ctl_run(t, 310 * SECOND);
	T_EQ_C(status_of(t, "status.used", "pods"), "0");
	T_EQ_C(status_of(t, "status.hard", "pods"), "7");
}

SP_TEST(sim_quota, devices)
{
	const sp_gvr claims = SP_GVR("resource.k8s.io", "v1", "resourceclaims");
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_quota(t, QUOTA("\"gpu.deviceclass.resource.k8s.io/devices\":\"3\"")));
	T_TRUE(used(t, "gpu.deviceclass.resource.k8s.io/devices", "0"));
	sp_ask ask = {.verb = SP_ASK_CREATE,
		      .gvr = claims,
		      .ns = SP_STR("default"),
		      .body = SP_STR("{\"metadata\":{\"name\":\"c\"},\"spec\":{\"devices\":{\"requests\":[{"
				     "\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"gpu\","
				     "\"allocationMode\":\"ExactCount\",\"count\":2}}]}}}")};
	T_TRUE(t_ask_ok(&t->user, &ask, SP_OK));
	T_TRUE(used(t, "gpu.deviceclass.resource.k8s.io/devices", "2"));
	ask.body = SP_STR("{\"metadata\":{\"name\":\"d\"},\"spec\":{\"devices\":{\"requests\":[{\"name\":"
			  "\"r\",\"exactly\":{\"deviceClassName\":\"gpu\",\"allocationMode\":\"ExactCount\","
			  "\"count\":2}}]}}}");
	T_TRUE(t_ask_ok(&t->user, &ask, SP_EFORBIDDEN));
	T_TRUE(t_ctl_delete(t, claims, "default", "c", ""));
	T_TRUE(used(t, "gpu.deviceclass.resource.k8s.io/devices", "0"));
}

/* A kind that comes later is counted when it is there. */
SP_TEST(sim_quota, custom_kinds)
{
	const sp_gvr crds = SP_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions");
	const sp_gvr boats = SP_GVR("example.com", "v1", "boats");
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_quota(t, QUOTA("\"count/boats.example.com\":\"3\",\"pods\":\"1\"")));
	T_TRUE(used(t, "pods", "0"));
	T_EQ_C(status_of(t, "status.used", "count/boats.example.com"), "");
	T_TRUE(t_ctl_create(
		t, crds, "",
		"{\"metadata\":{\"name\":\"boats.example.com\"},\"spec\":{\"group\":\"example.com\","
		"\"scope\":\"Namespaced\",\"names\":{\"plural\":\"boats\",\"kind\":\"Boat\"},\"versions\":[{"
		"\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"
		"\"object\"}}}]}}"));
	T_TRUE(used(t, "count/boats.example.com", "0"));
	T_TRUE(t_ctl_create(t, boats, "default",
			    "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Boat\",\"metadata\":{\"name\":"
			    "\"b\"}}"));
	T_TRUE(used(t, "count/boats.example.com", "1"));
	T_TRUE(t_ctl_delete(t, boats, "default", "b", ""));
	T_TRUE(used(t, "count/boats.example.com", "0"));
}

SP_TEST(sim_quota, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	sp_ask quota = {.verb = SP_ASK_CREATE,
			.gvr = SP_RESOURCEQUOTAS,
			.ns = SP_STR("default"),
			.body = SP_STR(QUOTA("\"pods\":\"3\",\"configmaps\":\"9\""))};
	sp_ask pod = {.verb = SP_ASK_CREATE,
		      .gvr = SP_PODS,
		      .ns = SP_STR("default"),
		      .body = SP_STR(POD("a", "", ""))};
	do
		t_ask(&t->user, &quota);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	do
		t_ask(&t->user, &pod);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(used(t, "pods", "1"));
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "a", ""));
	T_TRUE(used(t, "pods", "0"));
	T_TRUE(used(t, "configmaps", "0"));
}
