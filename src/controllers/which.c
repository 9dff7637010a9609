/* SPDX-License-Identifier: Apache-2.0 */
/* Which controllers run: names, those of old, and those of upstream that are not here. U: kubernetes
 * cmd/kube-controller-manager/names, app/controllermanager.go. */
#include "controllers/controller.h"

/* Upstream's names of old. */
static const struct {
	const char *old, *now;
} aliases[] = {
	{"attachdetach", "persistentvolume-attach-detach-controller"},
	{"bootstrapsigner", "bootstrap-signer-controller"},
	{"clusterrole-aggregation", "clusterrole-aggregation-controller"},
	{"cronjob", "cronjob-controller"},
	{"csrapproving", "certificatesigningrequest-approving-controller"},
	{"csrcleaner", "certificatesigningrequest-cleaner-controller"},
	{"csrsigning", "certificatesigningrequest-signing-controller"},
	{"daemonset", "daemonset-controller"},
	{"deployment", "deployment-controller"},
	{"disruption", "disruption-controller"},
	{"endpoint", "endpoints-controller"},
	{"endpointslice", "endpointslice-controller"},
	{"endpointslicemirroring", "endpointslice-mirroring-controller"},
	{"ephemeral-volume", "ephemeral-volume-controller"},
	{"garbagecollector", "garbage-collector-controller"},
	{"horizontalpodautoscaling", "horizontal-pod-autoscaler-controller"},
	{"job", "job-controller"},
	{"legacy-service-account-token-cleaner", "legacy-serviceaccount-token-cleaner-controller"},
	{"namespace", "namespace-controller"},
	{"nodeipam", "node-ipam-controller"},
	{"nodelifecycle", "node-lifecycle-controller"},
	{"persistentvolume-binder", "persistentvolume-binder-controller"},
	{"persistentvolume-expander", "persistentvolume-expander-controller"},
	{"podgc", "pod-garbage-collector-controller"},
	{"pv-protection", "persistentvolume-protection-controller"},
	{"pvc-protection", "persistentvolumeclaim-protection-controller"},
	{"replicaset", "replicaset-controller"},
	{"replicationcontroller", "replicationcontroller-controller"},
	{"resource-claim-controller", "resourceclaim-controller"},
	{"resourcequota", "resourcequota-controller"},
	{"root-ca-cert-publisher", "root-ca-certificate-publisher-controller"},
	{"serviceaccount", "serviceaccount-controller"},
	{"serviceaccount-token", "serviceaccount-token-controller"},
	{"statefulset", "statefulset-controller"},
	{"tokencleaner", "token-cleaner-controller"},
	{"ttl", "ttl-controller"},
	{"ttl-after-finished", "ttl-after-finished-controller"},
};

/* Upstream's that are not here: they may be turned off. README.md says why. */
static const char *const absent[] = {
	"cloud-node-lifecycle",
	"cloud-node-lifecycle-controller",
	"kube-apiserver-serving-clustertrustbundle-publisher-controller",
	"node-route-controller",
	"podcertificaterequest-cleaner-controller",
	"podgroup-protection-controller",
	"resourcepoolstatusrequest-controller",
	"route",
	"selinux-warning-controller",
	"service",
	"service-lb-controller",
	"storage-version-gc",
	"storage-version-migrator-controller",
	"storageversion-garbage-collector-controller",
	"svm",
};

static sp_str without_alias(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(aliases); i++) {
		if (sp_str_eq(name, sp_str_c(aliases[i].old)))
			return sp_str_c(aliases[i].now);
	}
	return name;
}

static bool is_there(sp_str name)
{
	for (size_t i = 0; i < n_controller_types; i++) {
		if (sp_str_eq(sp_str_c(controller_types[i]->name), name))
			return true;
	}
	return false;
}

static bool is_absent(sp_str name)
{
	for (size_t i = 0; i < SP_LEN(absent); i++) {
		if (sp_str_eq(name, sp_str_c(absent[i])))
			return true;
	}
	return false;
}

sp_code controllers_check_list(sp_str list, sp_err *err)
{
	sp_str name;
	while (sp_str_next(&list, ',', &name)) {
		sp_str bare = sp_str_trim(name);
		bool off = sp_str_take(&bare, SP_STR("-"));
		if (sp_str_eq(bare, SP_STR("*")) || is_there(without_alias(bare)) || (off && is_absent(bare)))
			continue;
		if (is_absent(bare))
			return sp_fail(err, SP_EINVAL,
				       "the controller '" SP_FMT "' is not here, only its absence "
				       "can be asked for",
				       SP_ARG(bare));
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no controller", SP_ARG(bare));
	}
	return SP_OK;
}

bool controllers_is_enabled(sp_str list, const controller_type *t)
{
	sp_str name, own = sp_str_c(t->name);
	bool star = list.len == 0;
	while (sp_str_next(&list, ',', &name)) {
		sp_str bare = sp_str_trim(name);
		bool off = sp_str_take(&bare, SP_STR("-"));
		if (sp_str_eq(without_alias(bare), own))
			return !off;
		star = star || (!off && sp_str_eq(bare, SP_STR("*")));
	}
	return star && !t->off_by_default;
}
