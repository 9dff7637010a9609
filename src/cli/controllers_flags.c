/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/controllers_flags.h"

/* U: kubernetes cmd/kube-controller-manager/app/options. */
static const struct {
	const char *flag, *controller;
} syncs[] = {
	{"concurrent-cron-job-syncs", "cronjob-controller"},
	{"concurrent-daemonset-syncs", "daemonset-controller"},
	{"concurrent-deployment-syncs", "deployment-controller"},
	{"concurrent-device-taint-eviction-syncs", "device-taint-eviction-controller"},
	{"concurrent-endpoint-syncs", "endpoints-controller"},
	{"concurrent-ephemeralvolume-syncs", "ephemeral-volume-controller"},
	{"concurrent-gc-syncs", "garbage-collector-controller"},
	{"concurrent-horizontal-pod-autoscaler-syncs", "horizontal-pod-autoscaler-controller"},
	{"concurrent-job-syncs", "job-controller"},
	{"concurrent-namespace-syncs", "namespace-controller"},
	{"concurrent-rc-syncs", "replicationcontroller-controller"},
	{"concurrent-replicaset-syncs", "replicaset-controller"},
	{"concurrent-resource-quota-syncs", "resourcequota-controller"},
	{"concurrent-resourceclaim-syncs", "resourceclaim-controller"},
	{"concurrent-service-endpoint-syncs", "endpointslice-controller"},
	{"concurrent-serviceaccount-token-syncs", "serviceaccount-token-controller"},
	{"concurrent-statefulset-syncs", "statefulset-controller"},
	{"concurrent-ttl-after-finished-syncs", "ttl-after-finished-controller"},
	{"concurrent-validating-admission-policy-status-syncs",
	 "validatingadmissionpolicy-status-controller"},
	{"mirroring-concurrent-service-endpoint-syncs", "endpointslice-mirroring-controller"},
};
_Static_assert(SP_LEN(syncs) <= CLI_SYNC_FLAGS_MAX, "room for all of them");

size_t cli_sync_flags(cli_flag rows[CLI_SYNC_FLAGS_MAX], controllers_workers of[CLI_SYNC_FLAGS_MAX],
		      int64_t values[CLI_SYNC_FLAGS_MAX])
{
	for (size_t i = 0; i < SP_LEN(syncs); i++) {
		values[i] = 0;
		rows[i] = (cli_flag){syncs[i].flag, CLI_I64, &values[i],
				     "keys that controller works on at once; 0: its own"};
		of[i] = (controllers_workers){.controller = syncs[i].controller};
	}
	return SP_LEN(syncs);
}

/* ---- what is refused ---- */

#define NO_CLOUD "no cloud provider is built in"
#define NO_SERVER "its endpoints are served in one way only; leave it out"
#define NO_PERIOD "the work follows events, there is no period to set; leave it out"
#define NO_CLIENT_LIMIT "the rate of requests is the API server's to limit; leave it out"
#define NO_FILES "certificates are signed by `sampan keys`, which --cluster-signing-endpoint names"
#define NO_RECYCLER "volumes are not recycled here"
#define NO_LOG "logs are JSON lines; --log-level says how much of them"
#define NO_GATES "there are no feature gates and versions to emulate here"
#define NO_KEY "tokens of secrets are asked of the API server, whose `sampan keys` signs them"
#define NO_BATCH "endpoints are written as soon as they change"
#define FIXED_SLICES "slices hold 100 endpoints, subsets 1,000"

/* A name that ends in '*' stands for all that begin so. */
static const struct {
	const char *flag, *why;
} refused[] = {
	{"allow-metric-labels*", NO_SERVER},
	{"attach-detach-reconcile-sync-period", NO_PERIOD},
	{"authentication-*", NO_SERVER},
	{"authorization-*", NO_SERVER},
	{"cert-dir", NO_SERVER},
	{"cidr-allocator-type", NO_CLOUD ", ranges are given by --cluster-cidr"},
	{"cloud-config", NO_CLOUD},
	{"cloud-provider", NO_CLOUD},
	{"cluster-name", NO_CLOUD ", and nothing else has use for it"},
	{"cluster-signing-cert-file", NO_FILES},
	{"cluster-signing-duration", NO_FILES " and limits how long they last"},
	{"cluster-signing-key-file", NO_FILES},
	{"cluster-signing-kube*", NO_FILES},
	{"cluster-signing-legacy*", NO_FILES},
	{"concurrent-service-syncs", NO_CLOUD},
	{"configure-cloud-routes", NO_CLOUD},
	{"contention-profiling", NO_SERVER},
	{"controller-shutdown-timeout", "whatever is under way when it ends is given up at once"},
	{"controller-start-interval", "controllers start together, as soon as the caches are filled"},
	{"disable-attach-detach-reconcile-sync", NO_PERIOD},
	{"disable-http2-serving", NO_SERVER},
	{"disabled-metrics", NO_SERVER},
	{"emulated-version", NO_GATES},
	{"enable-dynamic-provisioning", "claims are handed to the provisioners of their classes, always"},
	{"enable-hostpath-provisioner", "local-path-provisioner makes volumes of directories"},
	{"enable-leader-migration", "controllers of one lease are never moved to another"},
	{"endpoint-updates-batch-period", NO_BATCH},
	{"endpointslice-updates-batch-period", NO_BATCH},
	{"external-cloud-volume-plugin", NO_CLOUD},
	{"feature-gates", NO_GATES},
	{"flex-volume-plugin-dir", "there are no flex volumes here"},
	{"http2-max-streams-per-connection", NO_SERVER},
	{"kube-api-*", NO_CLIENT_LIMIT},
	{"leader-elect-lease-duration", "leases last 15 s, as upstream's by default"},
	{"leader-elect-renew-deadline", "a lease is given up after 10 s, as upstream's by default"},
	{"leader-elect-resource-lock", "the lock is a Lease, always"},
	{"leader-elect-retry-period", "a lease is renewed every 2 s, as upstream's by default"},
	{"leader-migration-config", "controllers of one lease are never moved to another"},
	{"log-flush-frequency", NO_LOG},
	{"log-json-*", NO_LOG},
	{"log-text-*", NO_LOG},
	{"logging-format", NO_LOG},
	{"master", "the server is the kubeconfig's"},
	{"max-endpoints-per-slice", FIXED_SLICES},
	{"min-compatibility-version", NO_GATES},
	{"min-resync-period", NO_PERIOD},
	{"mirroring-endpointslice-updates-batch-period", NO_BATCH},
	{"mirroring-max-endpoints-per-subset", FIXED_SLICES},
	{"namespace-sync-period", NO_PERIOD},
	{"node-monitor-period", NO_PERIOD},
	{"permit-*", NO_SERVER},
	{"profiling", NO_SERVER},
	{"pv-recycler-*", NO_RECYCLER},
	{"pvclaimbinder-sync-period", NO_PERIOD},
	{"requestheader-*", NO_SERVER},
	{"resource-quota-sync-period", NO_PERIOD},
	{"route-reconciliation-period", NO_CLOUD},
	{"service-account-private-key-file", NO_KEY},
	{"show-hidden-metrics-for-version", NO_SERVER},
	{"tls-*", NO_SERVER},
	{"v", NO_LOG},
	{"vmodule", NO_LOG},
};

static bool is_named(sp_str name, const char *flag)
{
	sp_str f = sp_str_c(flag);
	if (!sp_str_ends(f, SP_STR("*")))
		return sp_str_eq(name, f);
	return sp_str_starts(name, sp_str_sub(f, 0, f.len - 1));
}

static bool is_taken(sp_str name, const cli_flag *taken, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(name, sp_str_c(taken[i].name)))
			return true;
	}
	return false;
}

sp_code cli_refuse_flags(int argc, char **argv, const cli_flag *taken, size_t n, sp_err *err)
{
	for (int i = 1; i < argc; i++) {
		sp_str rest = sp_str_c(argv[i]), name;
		if (!sp_str_take(&rest, SP_STR("--")) && !sp_str_take(&rest, SP_STR("-")))
			continue;
		if (!sp_str_cut(&rest, '=', &name))
			name = rest;
		if (is_taken(name, taken, n))
			continue;
		for (size_t k = 0; k < SP_LEN(refused); k++) {
			if (is_named(name, refused[k].flag))
				return sp_fail(err, SP_EINVAL, "--" SP_FMT " is not taken: %s", SP_ARG(name),
					       refused[k].why);
		}
	}
	return SP_OK;
}
