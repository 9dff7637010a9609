/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/addons.h"

#include "cli/cluster.h"
#include "contracts/local_path.h"

static const cli_addon roles[] = {
	/* The only controller that upstream has no account for. */
	{{SP_STR_INIT("rbac.authorization.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("clusterroles")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:controller:local-path-provisioner"),
	 SP_STR_INIT("{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRole\","
		     "\"metadata\":{\"name\":\"sampan:controller:local-path-provisioner\"},\"rules\":["
		     "{\"apiGroups\":[\"\"],\"resources\":[\"persistentvolumes\"],"
		     "\"verbs\":[\"create\",\"delete\",\"patch\"]},"
		     "{\"apiGroups\":[\"\"],\"resources\":[\"nodes\",\"persistentvolumeclaims\"],"
		     "\"verbs\":[\"get\",\"patch\"]},"
		     "{\"apiGroups\":[\"\",\"events.k8s.io\"],\"resources\":[\"events\"],"
		     "\"verbs\":[\"create\",\"patch\",\"update\"]}]}")},
	{{SP_STR_INIT("rbac.authorization.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("clusterrolebindings")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:controller:local-path-provisioner"),
	 SP_STR_INIT("{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"ClusterRoleBinding\","
		     "\"metadata\":{\"name\":\"sampan:controller:local-path-provisioner\"},\"roleRef\":{"
		     "\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":"
		     "\"sampan:controller:local-path-provisioner\"},\"subjects\":[{\"kind\":"
		     "\"ServiceAccount\",\"namespace\":\"kube-system\",\"name\":"
		     "\"local-path-provisioner\"}]}")},
	{{SP_STR_INIT("rbac.authorization.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("clusterroles")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:dns"),
	 SP_STR_INIT("{\"apiVersion\":\"rbac.authorization.k8s.io/"
		     "v1\",\"kind\":\"ClusterRole\",\"metadata\":{\"name\":"
		     "\"sampan:dns\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"services\","
		     "\"namespaces\"],"
		     "\"verbs\":[\"list\",\"watch\"]},{\"apiGroups\":[\"discovery.k8s.io\"],\"resources\":["
		     "\"endpointslices\"],\"verbs\":[\"list\",\"watch\"]}]}")},
	{{SP_STR_INIT("rbac.authorization.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("clusterrolebindings")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:dns"),
	 SP_STR_INIT(
		 "{\"apiVersion\":\"rbac.authorization.k8s.io/"
		 "v1\",\"kind\":\"ClusterRoleBinding\",\"metadata\":{"
		 "\"name\":\"sampan:dns\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
		 "\"ClusterRole\",\"name\":\"sampan:dns\"},\"subjects\":[{\"kind\":\"User\",\"apiGroup\":"
		 "\"rbac.authorization.k8s.io\",\"name\":\"system:sampan-dns\"}]}")},
};

static const cli_addon fixed[] = {
	{{SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("services")},
	 SP_STR_INIT("kube-system"),
	 SP_STR_INIT("kube-dns"),
	 SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kube-dns\","
		     "\"labels\":{"
		     "\"k8s-app\":\"kube-dns\",\"kubernetes.io/name\":\"CoreDNS\"}},\"spec\":{\"clusterIP\":"
		     "\"" CLI_DNS_ADDRESS "\",\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\","
		     "\"targetPort\":" CLI_DNS_PORT
		     "},{\"name\":\"dns-tcp\",\"port\":53,\"protocol\":\"TCP\","
		     "\"targetPort\":" CLI_DNS_PORT "}]}}")},
	{{SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("storageclasses")},
	 {NULL, 0},
	 SP_STR_INIT("local-path"),
	 SP_STR_INIT("{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":"
		     "\"local-path\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":"
		     "\"true\"}},\"provisioner\":\"" SP_LOCAL_PATH_PROVISIONER
		     "\",\"reclaimPolicy\":\"Delete\",\"volumeBindingMode\":\"WaitForFirstConsumer\"}")},
	{{SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("deployments")},
	 SP_STR_INIT("default"),
	 SP_STR_INIT(CLI_SAMPLE_NAME),
	 SP_STR_INIT("{\"apiVersion\":\"apps/"
		     "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"" CLI_SAMPLE_NAME
		     "\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"" CLI_SAMPLE_NAME
		     "\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"" CLI_SAMPLE_NAME
		     "\"}},\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"" CLI_SAMPLE_IMAGE
		     "\",\"imagePullPolicy\":\"IfNotPresent\",\"ports\":[{\"containerPort\":8080}],"
		     "\"readinessProbe\":{\"tcpSocket\":{\"port\":8080},\"periodSeconds\":1}}]}}}}")},
	{{SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("services")},
	 SP_STR_INIT("default"),
	 SP_STR_INIT(CLI_SAMPLE_NAME),
	 SP_STR_INIT("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"" CLI_SAMPLE_NAME
		     "\"},\"spec\":{\"selector\":{\"app\":\"" CLI_SAMPLE_NAME
		     "\"},\"ports\":[{\"port\":80,\"targetPort\":8080}]}}")},
};

const cli_addon *cli_addons(sp_arena *a, sp_str node_ip, size_t *ret_n)
{
	size_t n = SP_LEN(fixed);
	cli_addon *all = sp_new(a, cli_addon, n + 1);
	memcpy(all, fixed, sizeof fixed);
	bool v6 = sp_str_index(node_ip, ':') >= 0;
	all[n] = (cli_addon){
		.gvr = SP_ENDPOINTSLICES,
		.ns = SP_STR("kube-system"),
		.name = SP_STR("kube-dns"),
		.json = sp_arena_printf(
			a,
			"{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":"
			"{\"name\":\"kube-dns\",\"labels\":{\"kubernetes.io/service-name\":\"kube-dns\","
			"\"endpointslice.kubernetes.io/managed-by\":\"sampan\"}},\"addressType\":\"%s\","
			"\"ports\":[{\"name\":\"dns\",\"port\":" CLI_DNS_PORT
			",\"protocol\":\"UDP\"},{\"name\":\"dns-tcp\",\"port\":" CLI_DNS_PORT
			",\"protocol\":\"TCP\"}],\"endpoints\":[{\"addresses\":[\"" SP_FMT
			"\"],\"conditions\":{\"ready\":true}}]}",
			v6 ? "IPv6" : "IPv4", SP_ARG(node_ip)),
	};
	*ret_n = n + 1;
	return all;
}

const cli_addon *cli_role_addons(size_t *ret_n)
{
	*ret_n = SP_LEN(roles);
	return roles;
}
