/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/addons.h"

#include "base/base64.h"
#include "base/json_out.h"

#define RBAC "rbac.authorization.k8s.io"
#define TEXT_BYTES_MAX ((size_t)256 << 10)

#define BINDING(name_, role, kind, subject)                                                            \
	{                                                                                              \
		{SP_STR_INIT(RBAC), SP_STR_INIT("v1"), SP_STR_INIT("clusterrolebindings")}, {NULL, 0}, \
			SP_STR_INIT(name_),                                                            \
			SP_STR_INIT("{\"apiVersion\":\"" RBAC "/v1\",\"kind\":\"ClusterRoleBinding\"," \
				    "\"metadata\":{\"name\":\"" name_                                  \
				    "\"},\"roleRef\":{\"apiGroup\":\"" RBAC                            \
				    "\",\"kind\":\"ClusterRole\",\"name\":\"" role                     \
				    "\"},\"subjects\":[{\"apiGroup\":\"" RBAC "\",\"kind\":\"" kind    \
				    "\",\"name\":\"" subject "\"}]}")                                  \
	}

/* As kubeadm makes them, but for the last four. */
static const cli_addon fixed[] = {
	BINDING("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", "Group", CLI_JOIN_GROUP),
	BINDING("kubeadm:node-autoapprove-bootstrap",
		"system:certificates.k8s.io:certificatesigningrequests:nodeclient", "Group", CLI_JOIN_GROUP),
	BINDING("kubeadm:node-autoapprove-certificate-rotation",
		"system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group",
		"system:nodes"),
	{{SP_STR_INIT(RBAC), SP_STR_INIT("v1"), SP_STR_INIT("roles")},
	 SP_STR_INIT("kube-public"),
	 SP_STR_INIT("kubeadm:bootstrap-signer-clusterinfo"),
	 SP_STR_INIT("{\"apiVersion\":\"" RBAC "/v1\",\"kind\":\"Role\",\"metadata\":{\"name\":"
		     "\"kubeadm:bootstrap-signer-clusterinfo\",\"namespace\":\"kube-public\"},\"rules\":[{"
		     "\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"],\"resourceNames\":["
		     "\"cluster-info\"],\"verbs\":[\"get\"]}]}")},
	{{SP_STR_INIT(RBAC), SP_STR_INIT("v1"), SP_STR_INIT("rolebindings")},
	 SP_STR_INIT("kube-public"),
	 SP_STR_INIT("kubeadm:bootstrap-signer-clusterinfo"),
	 SP_STR_INIT("{\"apiVersion\":\"" RBAC "/v1\",\"kind\":\"RoleBinding\",\"metadata\":{\"name\":"
		     "\"kubeadm:bootstrap-signer-clusterinfo\",\"namespace\":\"kube-public\"},\"roleRef\":{"
		     "\"apiGroup\":\"" RBAC "\",\"kind\":\"Role\",\"name\":"
		     "\"kubeadm:bootstrap-signer-clusterinfo\"},\"subjects\":[{\"apiGroup\":\"" RBAC
		     "\",\"kind\":\"User\",\"name\":\"system:anonymous\"}]}")},
	/* A node's service proxy and DNS are the node to the API. */
	BINDING("sampan:node-proxier", "system:node-proxier", "Group", "system:nodes"),
	BINDING("sampan:node-dns", "sampan:dns", "Group", "system:nodes"),
	{{SP_STR_INIT(RBAC), SP_STR_INIT("v1"), SP_STR_INIT("clusterroles")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:controller:kubelet-serving-approver"),
	 SP_STR_INIT("{\"apiVersion\":\"" RBAC "/v1\",\"kind\":\"ClusterRole\",\"metadata\":{\"name\":"
		     "\"sampan:controller:kubelet-serving-approver\"},\"rules\":[{\"apiGroups\":["
		     "\"certificates.k8s.io\"],\"resources\":[\"certificatesigningrequests/approval\"],"
		     "\"verbs\":[\"update\"]},{\"apiGroups\":[\"certificates.k8s.io\"],\"resources\":["
		     "\"signers\"],\"resourceNames\":[\"kubernetes.io/kubelet-serving\"],\"verbs\":["
		     "\"approve\"]}]}")},
	{{SP_STR_INIT(RBAC), SP_STR_INIT("v1"), SP_STR_INIT("clusterrolebindings")},
	 {NULL, 0},
	 SP_STR_INIT("sampan:controller:kubelet-serving-approver"),
	 SP_STR_INIT("{\"apiVersion\":\"" RBAC "/v1\",\"kind\":\"ClusterRoleBinding\",\"metadata\":{\"name\":"
		     "\"sampan:controller:kubelet-serving-approver\"},\"roleRef\":{\"apiGroup\":\"" RBAC
		     "\",\"kind\":\"ClusterRole\",\"name\":\"sampan:controller:kubelet-serving-approver\"},"
		     "\"subjects\":[{\"kind\":\"ServiceAccount\",\"namespace\":\"kube-system\",\"name\":"
		     "\"kubelet-serving-approver\"}]}")},
};

/* A kubeconfig without users, as everybody may read it. */
static sp_str cluster_info(sp_arena *a, sp_str address, sp_str ca_pem)
{
	SP_AUTO_BUF kubeconfig, out;
	sp_buf_init(&kubeconfig, TEXT_BYTES_MAX);
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_str(&kubeconfig, SP_STR("apiVersion: v1\nclusters:\n- cluster:\n"
					     "    certificate-authority-data: "));
	(void)sp_base64_append(&kubeconfig, ca_pem.ptr, ca_pem.len);
	(void)sp_buf_printf(
		&kubeconfig,
		"\n    server: https://" SP_FMT
		"\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\nkind: Config\nusers: null\n",
		SP_ARG(address));
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("ConfigMap"));
	sp_jout_member_raw(&j, SP_STR("metadata"),
			   SP_STR("{\"name\":\"cluster-info\",\"namespace\":\"kube-public\"}"));
	sp_jout_member_open(&j, SP_STR("data"), '{');
	sp_jout_member_str(&j, SP_STR("kubeconfig"), sp_buf_view(&kubeconfig));
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

const cli_addon *cli_join_addons(sp_arena *a, sp_str address, sp_str ca_pem, size_t *ret_n)
{
	size_t n = SP_LEN(fixed);
	cli_addon *all = sp_new(a, cli_addon, n + 1);
	memcpy(all, fixed, sizeof fixed);
	all[n] = (cli_addon){.gvr = SP_CONFIGMAPS,
			     .ns = SP_STR("kube-public"),
			     .name = SP_STR("cluster-info"),
			     .json = cluster_info(a, address, ca_pem)};
	*ret_n = n + 1;
	return all;
}
