/* SPDX-License-Identifier: Apache-2.0 */
/* Admission plugins that are off by default, those that look at a pod's node, and what plugins are told by
 * --admission-control-config-file. Texts are kube-apiserver's. */
#include "apiserver/admission/config.h"
#include "apiserver/admission/event_rate.h"
#include "apiserver/admission/tolerations.h"
#include "kube/kinds/values.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define PODS "/api/v1/namespaces/default/pods"
#define NODES "/api/v1/nodes"
#define NAMESPACES "/api/v1/namespaces"
#define MERGE "application/merge-patch+json"
#define POST(at, json)                                                    \
	{                                                                 \
		.method = "POST", .path = (at), .body = SP_STR_INIT(json) \
	}
#define PATCH(at, json)                                                                   \
	{                                                                                 \
		.method = "PATCH", .path = (at), .type = MERGE, .body = SP_STR_INIT(json) \
	}
/* A pod with members of the metadata, of the spec and of its container. */
#define POD(name, meta, spec, container)                                                                   \
	"{\"metadata\":{\"name\":\"" name "\"" meta "},\"spec\":{" spec "\"containers\":[{\"name\":\"c\"," \
	"\"image\":\"i:1\"" container "}]}}"
#define FORBIDDEN(resource, name, why)                                                                   \
	"*\"message\":\"" resource " \\\"" name "\\\" is forbidden: " why "\",\"reason\":\"Forbidden\"," \
	"\"details\":*"

static void config_free(void *arg)
{
	api_admission_config_free(arg);
}

/* A server with those plugins, which are told that. */
static t_asker *with(const char *enable, const char *config)
{
	t_asker *f = t_asker_open();
	api_admission_config *c = NULL;
	sp_err err = {0};
	if (f == NULL)
		return NULL;
	if (api_admission_choose(sp_str_c(enable), SP_STR(""), &f->api.admission, &err) != SP_OK ||
	    (config != NULL &&
	     api_admission_config_new(NULL, SP_STR(""), sp_str_c(config), &c, &err) != SP_OK)) {
		(void)t_fail(__FILE__, __LINE__, "no plugins: %s", err.msg);
		return NULL;
	}
	if (c != NULL)
		t_defer(config_free, c);
	f->api.admission_config = c;
	return t_api_restart(&f->api, SECOND) ? f : NULL;
}

/* ---- a pod's node ---- */

#define NODE                                                                                               \
	POST(NODES,                                                                                        \
	     "{\"metadata\":{\"name\":\"n\",\"labels\":{\"topology.kubernetes.io/zone\":\"z\",\"topology." \
	     "kubernetes.io/region\":\"r\",\"topology.k8s.io/other\":\"o\",\"kubernetes.io/"               \
	     "os\":\"linux\"}}}")

SP_TEST(api_plugins, pods_get_the_topology_labels_of_their_node)
{
	static const t_ask_row rows[] = {
		{NODE, 201, NULL},
		{POST(PODS, POD("a", ",\"labels\":{\"topology.kubernetes.io/zone\":\"mine\"}",
				"\"nodeName\":\"n\",", "")),
		 201,
		 "*\"labels\":{\"topology.kubernetes.io/region\":\"r\",\"topology.kubernetes.io/"
		 "zone\":\"z\"}*"},
		{POST(PODS, POD("b", "", "\"nodeName\":\"gone\",", "")), 201,
		 "*\"name\":\"b\",\"namespace\":*"},
		{POST(PODS, POD("c", ",\"labels\":{\"own\":\"1\",\"topology.kubernetes.io/zone\":\"mine\"}",
				"", "")),
		 201, "*\"labels\":{\"own\":\"1\",\"topology.kubernetes.io/zone\":\"mine\"}*"},
		{POST(PODS "/c/binding",
		      "{\"metadata\":{\"name\":\"c\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}"),
		 201, NULL},
		{{.method = "GET", .path = PODS "/c"},
		 200,
		 "*\"labels\":{\"own\":\"1\",\"topology.kubernetes.io/"
		 "region\":\"r\",\"topology.kubernetes.io/"
		 "zone\":\"z\"}*\"nodeName\":\"n\"*"},
		{POST(PODS, POD("d", "", "", "")), 201, NULL},
		/* By the old way nothing is added. */
		{POST("/api/v1/namespaces/default/bindings",
		      "{\"metadata\":{\"name\":\"d\"},\"target\":{\"kind\":\"Node\",\"name\":\"n\"}}"),
		 201, NULL},
		{{.method = "GET", .path = PODS "/d"},
		 200,
		 "*\"name\":\"d\",\"namespace\":\"default\",\"uid\":*\"nodeName\":\"n\"*"},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(api_plugins, topology_labels_can_be_off)
{
	static const t_ask_row rows[] = {
		{NODE, 201, NULL},
		{POST(PODS, POD("a", "", "\"nodeName\":\"n\",", "")), 201,
		 "*\"name\":\"a\",\"namespace\":\"default\",\"uid\":*"},
	};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	T_OK(api_admission_choose(SP_STR(""), SP_STR("PodTopologyLabels"), &f->api.admission, T_ERR));
	T_TRUE(t_api_restart(&f->api, SECOND));
	t_ask_all(f, rows, SP_LEN(rows));
}

#define CPU(n) ",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}"
#define RESIZE(list, n) "{\"spec\":{\"" list "\":[{\"name\":\"c\"" CPU(n) "}]}}"
#define STRATEGIC(at, json)                                                                        \
	{                                                                                          \
		.method = "PATCH", .path = (at), .type = "application/strategic-merge-patch+json", \
		.body = SP_STR_INIT(json)                                                          \
	}

SP_TEST(api_plugins, resizes_fit_the_node)
{
	static const t_ask_row rows[] = {
		{NODE, 201, NULL},
		{PATCH(NODES "/n/status", "{\"status\":{\"capacity\":{\"cpu\":\"2\",\"memory\":"
					  "\"1Gi\"},\"allocatable\":{\"cpu\":\"2\","
					  "\"memory\":\"1Gi\"}}}"),
		 200, NULL},
		{POST(PODS, POD("a", "", "\"nodeName\":\"n\",", CPU("1"))), 201, NULL},
		{STRATEGIC(PODS "/a/resize", RESIZE("containers", "2")), 200, NULL},
		{STRATEGIC(PODS "/a/resize", "{\"spec\":{\"containers\":[{\"name\":\"c\","
					     "\"resources\":{\"requests\":{\"cpu\":\"2100m\","
					     "\"memory\":\"2Gi\"}}}]}}"),
		 403,
		 "*\"message\":\"pods \\\"a\\\" is forbidden: node didn't have enough allocatable "
		 "resources: cpu, "
		 "requested: 2100, allocatable: 2000; memory, requested: 2147483648, allocatable: "
		 "1073741824\",\"reason\":\"Forbidden\",\"details\":{\"name\":\"a\",\"kind\":"
		 "\"pods\",\"causes\":[{"
		 "\"reason\":\"NodeCapacity\"}]},\"code\":403}\n"},
		{PATCH(NODES "/n", "{\"metadata\":{\"labels\":{\"kubernetes.io/os\":\"windows\"}}}"), 200,
		 NULL},
		{STRATEGIC(PODS "/a/resize", RESIZE("containers", "1")), 403,
		 FORBIDDEN("pods", "a",
			   "pod resize is only supported on linux nodes, node \\\"n\\\" is "
			   "\\\"windows\\\"") "\"causes\":[{\"reason\":\"UnsupportedPlatform\"}]*"},
		{{.method = "DELETE", .path = NODES "/n"}, 200, NULL},
		{STRATEGIC(PODS "/a/resize", RESIZE("containers", "1")), 403,
		 FORBIDDEN("pods", "a", "node \\\"n\\\" not found")},
		/* What has no node yet has room everywhere. */
		{POST(PODS, POD("b", "", "", CPU("1"))), 201, NULL},
		{STRATEGIC(PODS "/b/resize", RESIZE("containers", "1000")), 200, NULL},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

SP_TEST(api_plugins, resizes_need_what_the_node_declares)
{
	static const t_ask_row rows[] = {
		{NODE, 201, NULL},
		{PATCH(NODES "/n/status", "{\"status\":{\"capacity\":{\"cpu\":\"9\",\"memory\":\"1Gi\"},"
					  "\"allocatable\":{\"cpu\":\"9\","
					  "\"memory\":\"1Gi\"}}}"),
		 200, NULL},
		{POST(PODS, POD("a", "",
				"\"nodeName\":\"n\",\"resources\":{\"requests\":{\"cpu\":\"2\"}},"
				"\"initContainers\":[{"
				"\"name\":\"i\",\"image\":\"i\"" CPU("1") "}],",
				CPU("1"))),
		 201, NULL},
		{STRATEGIC(PODS "/a/resize", "{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}}"),
		 403,
		 FORBIDDEN(
			 "pods", "a",
			 "pod update requires features InPlacePodLevelResourcesVerticalScaling which are not "
			 "available on node \\\"n\\\"")},
		{STRATEGIC(PODS "/a/resize", RESIZE("containers", "2")), 200, NULL},
		{PATCH(NODES "/n/status",
		       "{\"status\":{\"declaredFeatures\":[\"InPlacePodLevelResourcesVerticalScaling\"]}}"),
		 200, NULL},
		{STRATEGIC(PODS "/a/resize", "{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"3\"}}}}"),
		 200, NULL},
	};
	t_ask_rows(rows, SP_LEN(rows));
}

/* ---- off by default ---- */

SP_TEST(api_plugins, images_are_always_pulled)
{
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "",
				"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"imagePullPolicy\":"
				"\"Never\"}],"
				"\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"r\",\"pullPolicy\":"
				"\"Never\"}}],",
				"")),
		 201,
		 "*\"volumes\":[{\"name\":\"v\",\"image\":{\"reference\":\"r\",\"pullPolicy\":\"Always\"}}*"
		 "\"initContainers\":[{*\"imagePullPolicy\":\"Always\"}]*\"containers\":[{*"
		 "\"imagePullPolicy\":"
		 "\"Always\"}]*"},
		{STRATEGIC(PODS "/a", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:2\"}]}}"),
		 200, "*\"image\":\"i:2\"*\"imagePullPolicy\":\"Always\"*"},
	};
	t_ask_all(with("AlwaysPullImages", NULL), rows, SP_LEN(rows));
}

/* A policy that has the last word is refused by it. */
SP_TEST(api_plugins, images_are_always_pulled_after_all)
{
#define POLICIES "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
	static const t_ask_row rows[] = {
		{POST(POLICIES, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"matchConstraints\":{"
				"\"resourceRules\":[{\"apiGroups\":["
				"\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],\"resources\":["
				"\"pods\"]}]},"
				"\"reinvocationPolicy\":\"IfNeeded\",\"mutations\":[{\"patchType\":"
				"\"JSONPatch\",\"jsonPatch\":{"
				"\"expression\":\"[JSONPatch{op: \\\"replace\\\", path: "
				"\\\"/spec/containers/0/imagePullPolicy\\\", "
				"value: \\\"Never\\\"}]\"}}]}}"),
		 201, NULL},
		{POST("/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
		      "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"policyName\":\"p\"}}"),
		 201, NULL},
	};
	static const t_req pod = POST(PODS, POD("a", "", "", ""));
	t_asker *f = with("AlwaysPullImages", NULL);
	t_ask_all(f, rows, SP_LEN(rows));
	T_TRUE(f != NULL && !t_failed());
	sp_sim_run_until(f->api.sim, sp_sim_now_ns(f->api.sim) + SECOND); /* until the policy is seen */
	t_ask_one(f, &pod, 500,
		  "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		  "\"message\":\"pods \\\"a\\\" is forbidden: spec.containers[0].imagePullPolicy: "
		  "Unsupported value: \\\"Never\\\": supported values: \\\"Always\\\"\",\"code\":500}\n");
}

SP_TEST(api_plugins, no_external_addresses)
{
#define SERVICES "/api/v1/namespaces/default/services"
#define SERVICE(name, ips)                                                                                   \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"ports\":[{\"port\":1}],\"externalIPs\":[" ips "]" \
	"}"                                                                                                  \
	"}"
#define DENIED(name) FORBIDDEN("services", name, "Use of external IPs is denied by admission control")
	static const t_ask_row rows[] = {
		{POST(SERVICES, SERVICE("s", "\"1.2.3.4\"")), 403, DENIED("s")},
		{POST(SERVICES, SERVICE("s", "")), 201, NULL},
		{PATCH(SERVICES "/s", "{\"spec\":{\"externalIPs\":[\"1.2.3.4\"]}}"), 403, DENIED("s")},
		{PATCH(SERVICES "/old", "{\"spec\":{\"externalIPs\":[\"1.2.3.5\"]}}"), 200, NULL},
		{PATCH(SERVICES "/old", "{\"spec\":{\"externalIPs\":[\"1.2.3.5\",\"1.2.3.6\"]}}"), 403,
		 DENIED("old")},
	};
	static const t_req old = POST(SERVICES, SERVICE("old", "\"1.2.3.4\",\"1.2.3.5\""));
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	t_ask_one(f, &old, 201, NULL);
	T_OK(api_admission_choose(SP_STR("DenyServiceExternalIPs"), SP_STR(""), &f->api.admission, T_ERR));
	T_TRUE(t_api_restart(&f->api, SECOND));
	t_ask_all(f, rows, SP_LEN(rows));
}

SP_TEST(api_plugins, extended_resources_are_tolerated)
{
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "",
				"\"tolerations\":[{\"key\":\"b.com/"
				"x\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}],"
				"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{"
				"\"limits\":{\"a.com/x\":1,"
				"\"cpu\":1}}}],",
				",\"resources\":{\"limits\":{\"b.com/x\":2,\"a.com/x\":1}}")),
		 201,
		 "*\"tolerations\":[{\"key\":\"b.com/"
		 "x\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"},{\"key\":"
		 "\"node.kubernetes.io/"
		 "not-ready\",*\"NoExecute\",\"tolerationSeconds\":300},{\"key\":\"a.com/"
		 "x\",\"operator\":\"Exists\","
		 "\"effect\":\"NoSchedule\"}]*"},
	};
	t_ask_all(with("ExtendedResourceToleration", NULL), rows, SP_LEN(rows));
}

SP_TEST(api_plugins, hard_anti_affinity_is_by_host)
{
#define ANTI(kind, key)                                                                                 \
	"\"affinity\":{\"podAntiAffinity\":{\"" kind "\":[{\"labelSelector\":{},\"topologyKey\":\"" key \
	"\"}]}},"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "", ANTI(REQUIRED, "zone"), "")), 403,
		 FORBIDDEN("pods", "a",
			   "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only "
			   "key "
			   "kubernetes.io/hostname is allowed")},
		{POST(PODS, POD("a", "", ANTI(REQUIRED, "kubernetes.io/hostname"), "")), 201, NULL},
	};
	t_ask_all(with("LimitPodHardAntiAffinityTopology", NULL), rows, SP_LEN(rows));
}

SP_TEST(api_plugins, namespaces_are_made)
{
#define MAPS(ns) NAMESPACES "/" ns "/configmaps"
	static const t_ask_row rows[] = {
		{POST(MAPS("made") "?dryRun=All", "{\"metadata\":{\"name\":\"m\"}}"), 404,
		 "*namespaces \\\"made\\\" not found*"},
		{POST(MAPS("made"), "{\"metadata\":{\"name\":\"m\"}}"), 201, NULL},
		{{.method = "GET", .path = NAMESPACES "/made"},
		 200,
		 "*\"labels\":{\"kubernetes.io/"
		 "metadata.name\":\"made\"},\"managedFields\":[{\"manager\":\"kube-"
		 "apiserver\",\"operation\":\"Update\",*\"spec\":{\"finalizers\":[\"kubernetes\"]},"
		 "\"status\":{"
		 "\"phase\":\"Active\"}}\n"},
		{POST(MAPS("made"), "{\"metadata\":{\"name\":\"n\"}}"), 201, NULL},
		/* The namespace stays, as upstream's. */
		{POST(MAPS("next"), "{\"metadata\":{\"name\":\"M\"}}"), 422, NULL},
		{{.method = "GET", .path = NAMESPACES "/next"}, 200, NULL},
		{POST(MAPS("No"), "{\"metadata\":{\"name\":\"m\"}}"), 403,
		 FORBIDDEN("configmaps", "m", "metadata.name: Invalid value: \\\"No\\\": *")},
	};
	t_ask_all(with("NamespaceAutoProvision", NULL), rows, SP_LEN(rows));
}

SP_TEST(api_plugins, namespaces_exist)
{
	static const t_ask_row rows[] = {
		{POST(NAMESPACES, "{\"metadata\":{\"name\":\"ns\"}}"), 201, NULL},
		{POST(MAPS("ns"), "{\"metadata\":{\"name\":\"m\"}}"), 201, NULL},
		{{.method = "DELETE", .path = NAMESPACES "/ns"}, 200, NULL},
		{PATCH(MAPS("ns") "/m", "{\"data\":{\"a\":\"0\"}}"), 200, NULL},
		{{.method = "PUT", /* as the controller does when nothing is left */
		  .path = NAMESPACES "/ns/finalize",
		  .body = SP_STR_INIT(
			  "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"ns\"},"
			  "\"spec\":{}}")},
		 200,
		 NULL},
		{{.method = "GET", .path = NAMESPACES "/ns"}, 404, NULL},
		{PATCH(MAPS("ns") "/m", "{\"data\":{\"a\":\"1\"}}"), 404,
		 "*\"message\":\"namespaces \\\"ns\\\" not "
		 "found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
		 "\"ns\",\"kind\":\"namespaces\"},\"code\":404}\n"},
		{{.method = "DELETE", .path = MAPS("ns") "/m"}, 404, "*namespaces \\\"ns\\\" not found*"},
		{PATCH(NAMESPACES "/default", "{\"metadata\":{\"labels\":{\"a\":\"1\"}}}"), 200, NULL},
	};
	t_ask_all(with("NamespaceExists", NULL), rows, SP_LEN(rows));
}

/* ---- owners ---- */

#define OWNER(kind, uid, block) \
	"{\"apiVersion\":\"v1\",\"kind\":\"" kind "\",\"name\":\"o\",\"uid\":\"" uid "\"" block "}"
#define BLOCKS ",\"blockOwnerDeletion\":true"
#define OWNED(owners) "{\"metadata\":{\"name\":\"m\",\"ownerReferences\":[" owners "]}}"
#define OWNERS(owners) "{\"metadata\":{\"ownerReferences\":[" owners "]}}"
#define ROLES "/apis/rbac.authorization.k8s.io/v1"
#define BIND(user, role)                                                                                  \
	POST(ROLES "/clusterrolebindings", "{\"metadata\":{\"name\":\"" user "-" role                     \
					   "\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\"," \
					   "\"kind\":\"ClusterRole\",\"name\":\"" role                    \
					   "\"},\"subjects\":[{\"kind\":\"User\",\"apiGroup\":\"rbac."    \
					   "authorization.k8s.io\",\"name\":\"" user "\"}]}")
#define ROLE(name, group, resource, verbs)                                               \
	POST(ROLES "/clusterroles",                                                      \
	     "{\"metadata\":{\"name\":\"" name "\"},\"rules\":[{\"apiGroups\":[\"" group \
	     "\"],\"resources\":[\"" resource "\"],\"verbs\":[" verbs "]}]}")
#define AS(who, verb, at, json)                                                           \
	{                                                                                 \
		.method = (verb), .path = (at), .user = (who), .body = SP_STR_INIT(json), \
		.type = sizeof(verb) == sizeof "PATCH" ? MERGE : NULL                     \
	}
#define CONFIGMAPS "/api/v1/namespaces/default/configmaps"

SP_TEST(api_plugins, owners_are_set_by_those_who_may)
{
	static const t_ask_row rows[] = {
		{ROLE("writes", "", "configmaps", "\"create\",\"patch\",\"get\""), 201, NULL},
		{ROLE("deletes", "", "configmaps", "\"delete\""), 201, NULL},
		{ROLE("finalizes", "", "secrets/finalizers", "\"update\""), 201, NULL},
		{BIND("ann", "writes"), 201, NULL},
		{AS("ann", "POST", CONFIGMAPS, OWNED(OWNER("Secret", "1", ""))), 201, NULL},
		{AS("ann", "PATCH", CONFIGMAPS "/m", "{\"data\":{\"a\":\"1\"}}"), 200, NULL},
		{AS("ann", "PATCH", CONFIGMAPS "/m", OWNERS("")), 403,
		 FORBIDDEN("configmaps", "m",
			   "cannot set an ownerRef on a resource you can't delete: , \\u003cnil\\u003e")},
		{BIND("ann", "deletes"), 201, NULL},
		{AS("ann", "PATCH", CONFIGMAPS "/m", OWNERS(OWNER("Secret", "1", BLOCKS))), 403,
		 FORBIDDEN("configmaps", "m",
			   "cannot set blockOwnerDeletion if an ownerReference refers to a resource you "
			   "can't set "
			   "finalizers on: , \\u003cnil\\u003e")},
		{BIND("ann", "finalizes"), 201, NULL},
		{AS("ann", "PATCH", CONFIGMAPS "/m", OWNERS(OWNER("Secret", "1", BLOCKS))), 200, NULL},
		/* What waited before goes on. */
		{AS("ann", "PATCH", CONFIGMAPS "/m",
		    OWNERS(OWNER("Nothing", "2", "") "," OWNER("Secret", "1", BLOCKS))),
		 200, NULL},
		{AS("ann", "PATCH", CONFIGMAPS "/m", OWNERS(OWNER("Nothing", "2", BLOCKS))), 403,
		 FORBIDDEN("configmaps", "m",
			   "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
			   "APIVersion v1 "
			   "Kind Nothing: no matches for kind \\\"Nothing\\\" in version \\\"v1\\\"")},
		/* Without a user of less rights nothing is in the way. */
		{PATCH(CONFIGMAPS "/m", OWNERS(OWNER("Nothing", "2", BLOCKS))), 200, NULL},
	};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	T_OK(api_admission_choose(SP_STR("OwnerReferencesPermissionEnforcement"), SP_STR(""),
				  &f->api.admission, T_ERR));
	T_TRUE(t_api_guard(&f->api));
	t_ask_all(f, rows, SP_LEN(rows));
}

/* ---- node selectors and tolerations of namespaces ---- */

#define ANNOTATE(key, value)         \
	PATCH(NAMESPACES "/default", \
	      "{\"metadata\":{\"annotations\":{\"scheduler.alpha.kubernetes.io/" key "\":" value "}}}")

SP_TEST(api_plugins, node_selectors_of_namespaces)
{
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "", "", "")), 201, "*\"nodeSelector\":{\"env\":\"dev\"}*"},
		{POST(PODS, POD("b", "", "\"nodeSelector\":{\"env\":\"prod\"},", "")), 403,
		 FORBIDDEN("pods", "b",
			   "pod node label selector conflicts with its namespace node label selector")},
		{POST(PODS, POD("b", "", "\"nodeSelector\":{\"disk\":\"hdd\"},", "")), 403,
		 FORBIDDEN("pods", "b",
			   "pod node label selector labels conflict with its namespace whitelist")},
		{ANNOTATE("node-selector", "\" disk = ssd ,env=dev\""), 200, NULL},
		{POST(PODS, POD("c", "", "", "")), 201,
		 "*\"nodeSelector\":{\"disk\":\"ssd\",\"env\":\"dev\"}*"},
		{ANNOTATE("node-selector", "\"\""), 200, NULL},
		{POST(PODS, POD("d", "", "", "")), 201, "*\"spec\":{\"volumes\"*"},
		{ANNOTATE("node-selector", "\"a=b=c\""), 200, NULL},
		{POST(PODS, POD("e", "", "", "")), 500,
		 "*\"message\":\"invalid selector: [a b c]\",\"code\":500}\n"},
		{ANNOTATE("node-selector", "\"a b=c\""), 200, NULL},
		{POST(PODS, POD("e", "", "", "")), 500,
		 "*\"message\":\"\\u003cnil\\u003e: Invalid value: \\\"a b\\\": name part*"},
		/* Pods that are there stay as they are. */
		{PATCH(PODS "/a", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"), 200, NULL},
	};
	t_ask_all(with("PodNodeSelector", "podNodeSelectorPluginConfig:\n"
					  "  clusterDefaultNodeSelector: env=dev\n"
					  "  default: disk=ssd,env=dev\n"),
		  rows, SP_LEN(rows));
}

#define TOLERATION(key, op, effect) "{\"key\":\"" key "\",\"operator\":\"" op "\",\"effect\":\"" effect "\"}"
#define NOT_READY                        \
	"{\"key\":\"node.kubernetes.io/" \
	"not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}"

SP_TEST(api_plugins, tolerations_of_namespaces)
{
	static const t_ask_row rows[] = {
		/* The cluster's, as the namespace says nothing. */
		{POST(PODS, POD("a", "", "", "")), 201,
		 "*\"tolerations\":[*," TOLERATION("c", "Exists", "NoSchedule") "]*"},
		{POST(PODS,
		      POD("b", "", "\"tolerations\":[" TOLERATION("d", "Exists", "NoSchedule") "],", "")),
		 500,
		 "*\"message\":\"pod tolerations (possibly merged with namespace default tolerations) "
		 "conflict with its "
		 "cluster whitelist\",\"code\":500}\n"},
		{PATCH(NAMESPACES "/default",
		       "{\"metadata\":{\"annotations\":{\"scheduler.alpha.kubernetes.io/defaultTolerations\":"
		       "\"[{\\\"operator\\\":\\\"Exists\\\",\\\"effect\\\":\\\"NoExecute\\\"}]\","
		       "\"scheduler.alpha.kubernetes.io/tolerationsWhitelist\":"
		       "\"[{\\\"operator\\\":\\\"Exists\\\",\\\"effect\\\":\\\"NoExecute\\\"},{"
		       "\\\"operator\\\":"
		       "\\\"Exists\\\",\\\"key\\\":\\\"node.kubernetes.io/memory-pressure\\\"}]\"}}}"),
		 200, NULL},
		/* Those of DefaultTolerationSeconds are covered by it. */
		{POST(PODS, POD("c", "", "", "")), 201,
		 "*\"tolerations\":[{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]*"},
		{POST(PODS, POD("d", "", "", CPU("1"))), 201,
		 "*\"tolerations\":[{\"operator\":\"Exists\",\"effect\":\"NoExecute\"},{\"key\":\"node."
		 "kubernetes.io/"
		 "memory-pressure\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]*"},
		{POST(PODS,
		      POD("e", "", "\"tolerations\":[" TOLERATION("d", "Exists", "NoSchedule") "],", "")),
		 500, "*conflict with its namespace whitelist\",\"code\":500}\n"},
		{PATCH(NAMESPACES "/default",
		       "{\"metadata\":{\"annotations\":{\"scheduler.alpha.kubernetes.io/"
		       "defaultTolerations\":\"\","
		       "\"scheduler.alpha.kubernetes.io/tolerationsWhitelist\":\"\"}}}"),
		 200, NULL},
		{POST(PODS,
		      POD("f", "", "\"tolerations\":[" TOLERATION("d", "Exists", "NoSchedule") "],", "")),
		 201, NULL},
		{ANNOTATE("defaultTolerations", "\"{\""), 200, NULL},
		{POST(PODS, POD("g", "", "", "")), 500, "*\"code\":500}\n"},
		{PATCH(PODS "/f", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}"), 200, NULL},
	};
	t_ask_all(with("PodTolerationRestriction",
		       "{\"apiVersion\":\"apiserver.config.k8s.io/"
		       "v1\",\"kind\":\"AdmissionConfiguration\",\"plugins\":[{"
		       "\"name\":\"PodTolerationRestriction\",\"configuration\":{\"apiVersion\":"
		       "\"podtolerationrestriction.admission.k8s.io/v1alpha1\",\"kind\":\"Configuration\","
		       "\"default\":[{\"key\":\"c\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}],"
		       "\"whitelist\":[{\"key\":"
		       "\"c\",\"operator\":\"Exists\"},{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]}}]"
		       "}"),
		  rows, SP_LEN(rows));
}

static yyjson_mut_val *tree(yyjson_mut_doc *doc, const char *json)
{
	yyjson_mut_val *v = NULL;
	if (doc == NULL || sp_json_parse_mut(T_ARENA, sp_str_c(json), doc, &v, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no tree");
	return v;
}

/* U: kubernetes pkg/util/tolerations/tolerations_test.go */
SP_TEST(api_plugins, wide_tolerations)
{
	static const struct {
		const char *wide, *t;
		bool covers;
	} rows[] = {
		{"{\"operator\":\"Exists\"}", "{\"key\":\"a\",\"operator\":\"Equal\",\"value\":\"b\"}", true},
		{"{\"operator\":\"Equal\"}", "{\"key\":\"a\",\"operator\":\"Equal\"}", false},
		{"{\"key\":\"a\",\"operator\":\"Exists\"}", "{\"key\":\"b\",\"operator\":\"Exists\"}", false},
		{"{\"key\":\"a\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}",
		 "{\"key\":\"a\",\"operator\":\"Exists\"}", false},
		{"{\"key\":\"a\",\"value\":\"b\"}",
		 "{\"key\":\"a\",\"operator\":\"Equal\",\"value\":\"b\",\"effect\":\"NoSchedule\"}", true},
		{"{\"key\":\"a\",\"value\":\"b\"}", "{\"key\":\"a\",\"operator\":\"Exists\"}", false},
		{"{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":10}",
		 "{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":11,\"key\":\"a\"}",
		 false},
		{"{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":10}",
		 "{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":10,\"key\":\"a\"}",
		 true},
		{"{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":10}",
		 "{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"key\":\"a\"}", false},
		{"{\"operator\":\"Lt\",\"key\":\"a\",\"value\":\"1\"}",
		 "{\"operator\":\"Lt\",\"key\":\"a\",\"value\":\"1\",\"effect\":\"NoExecute\"}", false},
	};
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		yyjson_mut_val *wide = tree(doc, rows[i].wide), *t = tree(doc, rows[i].t);
		T_TRUE(wide != NULL && t != NULL);
		T_TRUE(api_toleration_covers(wide, t) == rows[i].covers);
		T_TRUE(api_toleration_covers(wide, wide));
	}
}

/* ---- events ---- */

#define LIMIT(type, qps, burst, more) "{\"type\":\"" type "\",\"qps\":" qps ",\"burst\":" burst more "}"
#define ADMISSION(name, config)                                                   \
	"{\"apiVersion\":\"apiserver.config.k8s.io/"                              \
	"v1\",\"kind\":\"AdmissionConfiguration\",\"plugins\":[{\"name\":\"" name \
	"\",\"configuration\":" config "}]}"
#define LIMITS(limits)                                                                                       \
	ADMISSION("EventRateLimit",                                                                          \
		  "{\"apiVersion\":\"eventratelimit.admission.k8s.io/v1alpha1\",\"kind\":\"Configuration\"," \
		  "\"limits\":[" limits "]}")
#define EVENTS "/api/v1/namespaces/default/events"
#define EVENT(name, of)                                                                \
	"{\"metadata\":{\"name\":\"" name                                              \
	"\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":" \
	"\"" of "\"},\"source\":{\"component\":\"c\"}}"

SP_TEST(api_plugins, events_are_limited)
{
	static const t_ask_row rows[] = {
		{POST(EVENTS, EVENT("e1", "p")), 201, NULL},
		{POST(EVENTS "?dryRun=All", EVENT("e2", "p")), 201, NULL},
		{POST(EVENTS, EVENT("e2", "p")), 429,
		 "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
		 "\"message\":\"Too many "
		 "requests: limit reached on type SourceAndObject for key "
		 "cPoddefaultp\",\"reason\":\"TooManyRequests\","
		 "\"code\":429}\n"},
		{POST(EVENTS, EVENT("e3", "q")), 201, NULL},
		{POST(EVENTS, EVENT("e4", "q")), 429,
		 "*\"message\":\"Too many requests: [limit reached on type Namespace for key default, limit "
		 "reached on type "
		 "SourceAndObject for key cPoddefaultq]\"*"},
		{POST(CONFIGMAPS, "{\"metadata\":{\"name\":\"m\"}}"), 201, NULL},
	};
	t_ask_all(with("EventRateLimit",
		       LIMITS(LIMIT("Namespace", "1", "3", "") "," LIMIT("SourceAndObject", "1", "1", ""))),
		  rows, SP_LEN(rows));
}

static void rate_free(void *arg)
{
	api_event_rate_free(arg);
}

SP_TEST(api_plugins, buckets_of_events)
{
	static const struct {
		uint64_t at_ns;
		const char *user;
		size_t refused;
	} rows[] = {
		{0, "a", 0},
		{0, "a", 0},
		{0, "a", 1},
		{SECOND / 2 - 1, "a", 1},
		{SECOND / 2, "a", 0},
		{SECOND / 2, "a", 1},
		{SECOND / 2, "b", 0}, /* drops nobody yet */
		{SECOND / 2, "a", 1},
		{SECOND / 2, "c", 0}, /* now b was used longest ago */
		{SECOND / 2, "a", 1},
		{SECOND / 2, "b", 0}, /* anew, with a whole burst; c is dropped */
		{SECOND / 2, "b", 0},
		{SECOND / 2, "b", 1},
		{UINT64_MAX / 2, "b", 0}, /* never more than the burst */
		{UINT64_MAX / 2, "b", 0},
		{UINT64_MAX / 2, "b", 1},
	};
	SP_AUTO_BUF why;
	sp_buf_init(&why, 1000);
	yyjson_mut_val *config =
		tree(sp_json_doc(T_ARENA), "{\"limits\":[" LIMIT("User", "2", "2", ",\"cacheSize\":2") "]}");
	T_TRUE(config != NULL);
	api_event_rate *e = api_event_rate_new(config);
	t_defer(rate_free, e);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_str keys[API_EVENT_LIMIT_COUNT_] = {[API_EVENTS_USER] = sp_str_c(rows[i].user)};
		t_row("%zu", i);
		sp_buf_clear(&why);
		T_EQ_U64(api_event_rate_take(e, keys, rows[i].at_ns, &why), rows[i].refused);
		if (rows[i].refused > 0)
			T_TRUE(sp_str_starts(sp_buf_view(&why),
					     SP_STR("limit reached on type User for key ")));
	}
}

/* ---- configurations ---- */

SP_TEST(api_plugins, configurations_that_are_refused)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"[]", "no AdmissionConfiguration of apiserver.config.k8s.io/v1"},
		{"a: b", "no AdmissionConfiguration of apiserver.config.k8s.io/v1"},
		{"a: [", "yaml: line 1: did not find expected node content"},
		{"{\"apiVersion\":\"apiserver.config.k8s.io/"
		 "v1\",\"kind\":\"AdmissionConfiguration\",\"plugin\":[]}",
		 "strict decoding error: unknown field \"plugin\""},
		{ADMISSION("ResourceQuota", "{}"),
		 "admission plugin \"ResourceQuota\" takes no configuration here"},
		{ADMISSION("EventRateLimit", "{}"), "the configuration of EventRateLimit is no Configuration "
						    "of eventratelimit.admission.k8s.io/v1alpha1"},
		{ADMISSION("EventRateLimit", "3"), "the configuration of EventRateLimit is no object"},
		{LIMITS(""),
		 "the configuration of EventRateLimit: limits: Invalid value: null: must not be empty"},
		{LIMITS(LIMIT("Pod", "1", "1", "")),
		 "the configuration of EventRateLimit: limits[0].type: Unsupported value: \"Pod\": supported "
		 "values: \"Namespace\", \"Server\", \"SourceAndObject\", \"User\""},
		{LIMITS(LIMIT("User", "0", "-1", ",\"cacheSize\":-1")),
		 "the configuration of EventRateLimit: [limits[0].burst: Invalid value: -1: must be "
		 "positive, "
		 "limits[0].qps: Invalid value: 0: must be positive, limits[0].cacheSize: Invalid value: -1: "
		 "must not be negative]"},
		{"podNodeSelectorPluginConfig:\n  a: [b]\n",
		 "the configuration of PodNodeSelector: podNodeSelectorPluginConfig[a]: Invalid value: "
		 "[\"b\"]: must be a "
		 "string"},
		{ADMISSION("PodTolerationRestriction",
			   "{\"apiVersion\":\"podtolerationrestriction.admission.k8s.io/v1alpha1\",\"kind\":"
			   "\"Configuration\",\"default\":[{\"key\":\"a\",\"operator\":\"Exists\",\"value\":"
			   "\"b\"}]}"),
		 "the configuration of PodTolerationRestriction: "
		 "podtolerationrestriction.default[0].operator: Invalid "
		 "value: \"b\": value must be empty when `operator` is 'Exists'"},
		{ADMISSION("PodSecurity",
			   "{\"apiVersion\":\"pod-security.admission.config.k8s.io/v1\",\"kind\":"
			   "\"PodSecurityConfiguration\",\"defaults\":{\"enforce\":\"x\",\"warn-version\":"
			   "\"2\"}}"),
		 "the configuration of PodSecurity: [defaults.enforce: Invalid value: \"x\": must be one of "
		 "privileged, baseline, restricted, defaults.warn-version: Invalid value: \"2\": must be "
		 "\"latest\" or \"v1.x\"]"},
		{ADMISSION("PodSecurity",
			   "{\"apiVersion\":\"pod-security.admission.config.k8s.io/v1\",\"kind\":"
			   "\"PodSecurityConfiguration\",\"exemptions\":{\"namespaces\":[\"a\",\"a\"],"
			   "\"usernames\":[\"\"]}}"),
		 "the configuration of PodSecurity: [exemptions.namespaces[1]: Duplicate value: \"a\", "
		 "exemptions.usernames[0]: Invalid value: \"\": username must not be empty]"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		api_admission_config *c = NULL;
		sp_err err = {0};
		t_row("%zu", i);
		T_CODE(api_admission_config_new(NULL, SP_STR(""), sp_str_c(rows[i].text), &c, &err),
		       SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].why);
	}
}

SP_TEST(api_plugins, the_first_configuration_counts)
{
	static const char text[] = "apiVersion: apiserver.config.k8s.io/v1\n"
				   "kind: AdmissionConfiguration\n"
				   "plugins:\n"
				   "- name: PodNodeSelector\n"
				   "- name: PodNodeSelector\n"
				   "  configuration: {podNodeSelectorPluginConfig: {a: b=c}}\n"
				   "- name: PodNodeSelector\n"
				   "  configuration: {podNodeSelectorPluginConfig: {a: b=d}}\n";
	api_admission_config *c = NULL;
	T_OK(api_admission_config_new(NULL, SP_STR(""), sp_str_c(text), &c, T_ERR));
	t_defer(config_free, c);
	yyjson_mut_val *v = api_admission_config_of(c, "PodNodeSelector");
	T_EQ_C(sp_kv_str(sp_kv_get(v, "podNodeSelectorPluginConfig"), "a"), "b=c");
	T_TRUE(api_admission_config_of(c, "EventRateLimit") == NULL);
	T_TRUE(api_admission_config_of(NULL, "EventRateLimit") == NULL);
}

SP_TEST(api_plugins, a_plugin_without_its_configuration)
{
	sp_err err = {0};
	api_server *s = NULL;
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	api_server_opts o = {.store = f->api.store,
			     .log = f->api.log,
			     .service_cidrs = SP_STR("10.96.0.0/16"),
			     .node_ports = SP_STR("30000-32767")};
	T_OK(api_admission_choose(SP_STR("EventRateLimit"), SP_STR(""), &o.admission, T_ERR));
	T_CODE(api_server_new(f->api.world, &o, &s, &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg),
	       "couldn't init admission plugin \"EventRateLimit\": it has no configuration in "
	       "--admission-control-config-file");
}

SP_TEST(api_plugins, pod_security_of_the_cluster)
{
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "", "\"hostNetwork\":true,", "")), 403,
		 FORBIDDEN(
			 "pods", "a",
			 "violates PodSecurity \\\"baseline:latest\\\": host namespaces (hostNetwork=true)")},
		{{.method = "POST",
		  .path = PODS,
		  .user = "admin",
		  .body = SP_STR_INIT(POD("a", "", "\"hostNetwork\":true,", ""))},
		 201,
		 NULL},
		{POST("/apis/node.k8s.io/v1/runtimeclasses",
		      "{\"metadata\":{\"name\":\"vm\"},\"handler\":\"h\"}"),
		 201, NULL},
		{POST(PODS, POD("b", "", "\"runtimeClassName\":\"vm\",\"hostNetwork\":true,", "")), 201,
		 NULL},
		{PATCH(NAMESPACES "/default",
		       "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"privileged\"}}}"),
		 200, NULL},
		{POST(PODS, POD("c", "", "\"hostNetwork\":true,", "")), 201, NULL},
		{POST(NAMESPACES, "{\"metadata\":{\"name\":\"free\"}}"), 201, NULL},
		{POST(NAMESPACES "/free/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}"), 201,
		 NULL},
		{POST(NAMESPACES "/free/pods", POD("a", "", "\"hostNetwork\":true,", "")), 201, NULL},
	};
	t_ask_all(with("", ADMISSION("PodSecurity",
				     "{\"apiVersion\":\"pod-security.admission.config.k8s.io/v1\",\"kind\":"
				     "\"PodSecurityConfiguration\",\"defaults\":{\"enforce\":\"baseline\"},"
				     "\"exemptions\":{"
				     "\"namespaces\":[\"free\"],\"usernames\":[\"admin\"],\"runtimeClasses\":"
				     "[\"vm\"]}}")),
		  rows, SP_LEN(rows));
}

/* ---- nothing, and nothing privileged ---- */

SP_TEST(api_plugins, nothing_is_let_in)
{
	static const t_req map = POST(MAPS("default"), "{\"metadata\":{\"name\":\"m\"}}");
	static const t_ask_row rows[] = {
		{POST(MAPS("default"), "{\"metadata\":{\"name\":\"x\"}}"), 403,
		 FORBIDDEN("configmaps", "x", "admission control is denying all modifications")},
		{PATCH(MAPS("default") "/m", "{\"data\":{\"a\":\"b\"}}"), 403,
		 FORBIDDEN("configmaps", "m", "admission control is denying all modifications")},
		{{.method = "DELETE", .path = MAPS("default") "/m"},
		 403,
		 FORBIDDEN("configmaps", "m", "admission control is denying all modifications")},
		{{.method = "GET", .path = MAPS("default") "/m"}, 200, NULL},
	};
	t_asker *f = with("", NULL);
	T_TRUE(f != NULL);
	t_ask_one(f, &map, 201, NULL);
	T_OK(api_admission_choose(SP_STR("AlwaysDeny"), SP_STR(""), &f->api.admission, T_ERR));
	T_TRUE(t_api_restart(&f->api, SECOND));
	t_ask_all(f, rows, SP_LEN(rows));
}

SP_TEST(api_plugins, nothing_privileged)
{
	static const t_ask_row rows[] = {
		{POST(PODS, POD("a", "", "", ",\"securityContext\":{\"privileged\":true}")), 422,
		 "*\"message\":\"Pod \\\"a\\\" is invalid: spec.containers[0].securityContext.privileged: "
		 "Forbidden: disallowed by cluster policy\"*"},
		{POST(PODS, POD("a", "",
				"\"hostNetwork\":true,\"securityContext\":{\"windowsOptions\":{"
				"\"hostProcess\":true}},",
				"")),
		 422,
		 "*\"message\":\"Pod \\\"a\\\" is invalid: spec: Forbidden: hostProcess containers are "
		 "disallowed by cluster policy\"*"},
		{POST(PODS, POD("a", "", "", ",\"securityContext\":{\"privileged\":false}")), 201, NULL},
	};
	t_asker *f = t_asker_open();
	T_TRUE(f != NULL);
	f->api.no_privileged = true;
	T_TRUE(t_api_restart(&f->api, SECOND));
	t_ask_all(f, rows, SP_LEN(rows));
}
