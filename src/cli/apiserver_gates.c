/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/apiserver_gates.h"

#include "kube/kinds/values.h"

#define AS_BY_DEFAULT "every gate is as by default in 1.36"
#define SERVED "the versions that are served are those by default in 1.36"

/* ---- names ---- */

/* U: kube-apiserver 1.36.2, the gates of component "kube"; the last two lists: no value but that can be set.
 */
static const char *const on[] = {
	"APIResponseCompression",
	"APIServerIdentity",
	"AllowParsingUserUIDFromCertAuth",
	"AllowServiceExternalIPs",
	"AtomicFIFO",
	"AuthorizePodWebsocketUpgradeCreatePermission",
	"CPUManagerPolicyBetaOptions",
	"CRDObservedGenerationTracking",
	"ClearingNominatedNodeNameAfterBinding",
	"ClientsAllowCARotation",
	"ClientsAllowTLSCacheGC",
	"ComponentFlagz",
	"ComponentStatusz",
	"ConstrainedImpersonation",
	"ContainerCheckpoint",
	"ContainerRestartRules",
	"CustomCPUCFSQuotaPeriod",
	"DRAConsumableCapacity",
	"DRADeviceBindingConditions",
	"DRADeviceTaints",
	"DRAExtendedResource",
	"DRAPartitionableDevices",
	"DRAPrioritizedList",
	"DRAResourceClaimDeviceStatus",
	"DRAResourceClaimGranularStatusAuthorization",
	"DRASchedulerFilterTimeout",
	"DeclarativeValidationBeta",
	"DeploymentReplicaSetTerminatingReplicas",
	"DetectCacheInconsistency",
	"DisableCPUQuotaWithExclusiveCPUs",
	"EnvFiles",
	"ExtendWebSocketsToKubelet",
	"GracefulNodeShutdown",
	"GracefulNodeShutdownBasedOnPodPriority",
	"HPAConfigurableTolerance",
	"HostnameOverride",
	"InOrderInformersBatchProcess",
	"InPlacePodLevelResourcesVerticalScaling",
	"InPlacePodVerticalScalingInitContainers",
	"InformerResourceVersion",
	"KubeletCrashLoopBackOffMax",
	"KubeletEnsureSecretPulledImages",
	"KubeletPodResourcesListUseActivePods",
	"KubeletSeparateDiskGC",
	"KubeletServiceAccountTokenForCredentialProviders",
	"ListFromCacheSnapshot",
	"MatchLabelKeysInPodTopologySpread",
	"MatchLabelKeysInPodTopologySpreadSelectorMerge",
	"MutablePodResourcesForSuspendedJobs",
	"MutableSchedulingDirectivesForSuspendedJobs",
	"MutatingAdmissionPolicy",
	"NodeDeclaredFeatures",
	"NominatedNodeNameForExpectation",
	"OpenAPIEnums",
	"OpportunisticBatching",
	"PLEGOnDemandRelist",
	"PodDeletionCost",
	"PodLevelResources",
	"PodReadyToStartContainersCondition",
	"PodTopologyLabelsAdmission",
	"PortForwardWebsockets",
	"PreventStaticPodAPIReferences",
	"RelaxedServiceNameValidation",
	"ReloadKubeletClientCAFile",
	"ReloadKubeletServerCertificateFile",
	"RemoteRequestHeaderUID",
	"ResourceHealthStatus",
	"ResourceHealthStatusMessage",
	"RestartAllContainersOnContainerExits",
	"RotateKubeletServerCertificate",
	"SchedulerAsyncPreemption",
	"SchedulerPopFromBackoffQ",
	"ServiceAccountNodeAudienceRestriction",
	"ServiceCIDRStatusFieldWiping",
	"SizeBasedListCostEstimate",
	"StaleControllerConsistencyDaemonSet",
	"StaleControllerConsistencyJob",
	"StaleControllerConsistencyReplicaSet",
	"StaleControllerConsistencyStatefulSet",
	"StatefulSetSemanticRevisionComparison",
	"StorageNamespaceIndex",
	"StorageVersionHash",
	"StrictIPCIDRValidation",
	"StructuredAuthenticationConfigurationEgressSelector",
	"StructuredAuthenticationConfigurationJWKSMetrics",
	"TokenRequestServiceAccountUIDValidation",
	"TopologyManagerPolicyBetaOptions",
	"TranslateStreamCloseWebsocketRequests",
	"UnauthenticatedHTTP2DOSMitigation",
	"UnknownVersionInteroperabilityProxy",
	"UnlockWhileProcessingFIFO",
	"WatchCacheInitializationPostStartHook",
	"WatchList",
	"WatchListClient",
	"WindowsGracefulNodeShutdown",
};
static const char *const off[] = {
	"APIServingWithRoutine",
	"AllAlpha",
	"AllowDNSOnlyNodeCSR",
	"AllowInsecureKubeletCertificateSigningRequests",
	"AllowUnsafeMalformedObjectDeletion",
	"CBORServingAndStorage",
	"CPUManagerPolicyAlphaOptions",
	"CRIListStreaming",
	"CSIVolumeHealth",
	"ChangeContainerStatusOnKubeletRestart",
	"ClientsAllowCBOR",
	"ClientsPreferCBOR",
	"CloudControllerManagerWatchBasedRoutesReconciliation",
	"CloudControllerManagerWebhook",
	"ClusterTrustBundle",
	"ClusterTrustBundleProjection",
	"ConcurrentWatchObjectDecode",
	"ContainerStopSignals",
	"ControllerManagerReleaseLeaderElectionLockOnExit",
	"CoordinatedLeaderElection",
	"CrossNamespaceVolumeDataSource",
	"DRADeviceTaintRules",
	"DRAListTypeAttributes",
	"DRANodeAllocatableResources",
	"DRAResourcePoolStatus",
	"DRAWorkloadResourceClaims",
	"DeclarativeValidationTakeover",
	"EventedPLEG",
	"GangScheduling",
	"GenericWorkload",
	"HPAScaleToZero",
	"ImageVolumeWithDigest",
	"InPlacePodVerticalScalingExclusiveCPUs",
	"InPlacePodVerticalScalingExclusiveMemory",
	"KMSv1",
	"KubeletInUserNamespace",
	"KubeletRegistrationGetOnExistsOnly",
	"LocalStorageCapacityIsolationFSQuotaMonitoring",
	"ManifestBasedAdmissionControlConfig",
	"MaxUnavailableStatefulSet",
	"MemoryQoS",
	"MutablePVNodeAffinity",
	"NativeHistograms",
	"PersistentVolumeClaimUnusedSinceTime",
	"PodAndContainerStatsFromCRI",
	"PodCertificateRequest",
	"PodLevelResourceManagers",
	"PodLogsQuerySplitStreams",
	"PodsAPI",
	"QOSReserved",
	"ReduceDefaultCrashLoopBackOffDecay",
	"RuntimeClassInImageCriApi",
	"SELinuxMount",
	"SchedulerAsyncAPICalls",
	"ShardedListAndWatch",
	"StorageCapacityScoring",
	"StorageVersionAPI",
	"StorageVersionMigrator",
	"TaintTolerationComparisonOperators",
	"TopologyAwareWorkloadScheduling",
	"TopologyManagerPolicyAlphaOptions",
	"UserNamespacesHostNetworkSupport",
	"VolumeLimitScaling",
	"WindowsCPUAndMemoryAffinity",
	"WindowsHostNetwork",
	"WorkloadAwarePreemption",
	"WorkloadWithJob",
};
static const char *const locked_on[] = {
	"APIServerTracing",
	"AggregatedDiscoveryRemoveBetaType",
	"AnonymousAuthConfigurableEndpoints",
	"AnyVolumeDataSource",
	"AuthorizeNodeWithSelectors",
	"AuthorizeWithSelectors",
	"BtreeWatchCache",
	"CPUManagerPolicyOptions",
	"CRDValidationRatcheting",
	"CSIServiceAccountTokenSecrets",
	"ConsistentListFromCache",
	"CustomResourceFieldSelectors",
	"DRAAdminAccess",
	"DeclarativeValidation",
	"DisableAllocatorDualWrite",
	"DisableNodeKubeProxyVersion",
	"DynamicResourceAllocation",
	"ExecProbeTimeout",
	"ExternalServiceAccountTokenSigner",
	"ImageMaximumGCAge",
	"ImageVolume",
	"InOrderInformers",
	"InPlacePodVerticalScaling",
	"JobBackoffLimitPerIndex",
	"JobManagedBy",
	"JobPodReplacementPolicy",
	"JobSuccessPolicy",
	"KubeletCgroupDriverFromCRI",
	"KubeletFineGrainedAuthz",
	"KubeletPSI",
	"KubeletPodResourcesDynamicResources",
	"KubeletPodResourcesGet",
	"KubeletTracing",
	"LogarithmicScaleDown",
	"MatchLabelKeysInPodAffinity",
	"MultiCIDRServiceAllocator",
	"MutableCSINodeAllocatableCount",
	"NFTablesProxyMode",
	"NodeInclusionPolicyInPodTopologySpread",
	"NodeLogQuery",
	"NodeSwap",
	"OrderedNamespaceDeletion",
	"PodLifecycleSleepAction",
	"PodLifecycleSleepActionAllowZero",
	"PodObservedGenerationTracking",
	"PodSchedulingReadiness",
	"PreferSameTrafficDistribution",
	"ProcMountType",
	"RecoverVolumeExpansionFailure",
	"RecursiveReadOnlyMounts",
	"RelaxedDNSSearchValidation",
	"RelaxedEnvironmentVariableValidation",
	"ResilientWatchCacheInitialization",
	"RetryGenerateName",
	"SELinuxChangePolicy",
	"SELinuxMountReadWriteOncePod",
	"SchedulerQueueingHints",
	"SeparateTaintEvictionController",
	"ServiceAccountTokenJTI",
	"ServiceAccountTokenNodeBinding",
	"ServiceAccountTokenNodeBindingValidation",
	"ServiceAccountTokenPodNodeInfo",
	"SidecarContainers",
	"StreamingCollectionEncodingToJSON",
	"StreamingCollectionEncodingToProtobuf",
	"StructuredAuthenticationConfiguration",
	"SupplementalGroupsPolicy",
	"SystemdWatchdog",
	"TopologyManagerPolicyOptions",
	"UserNamespacesSupport",
	"VolumeAttributesClass",
	"WinDSR",
	"WinOverlay",
};
static const char *const locked_off[] = {
	"AllowOverwriteTerminationGracePeriodSeconds",
	"GitRepoVolumeDriver",
	"SeparateCacheWatchRPC",
};

/* Registered there: served by default, and those that are not. */
static const char *const served[] = {
	"admissionregistration.k8s.io/v1",
	"apiextensions.k8s.io/v1",
	"apiregistration.k8s.io/v1",
	"apps/v1",
	"authentication.k8s.io/v1",
	"authorization.k8s.io/v1",
	"autoscaling/v1",
	"autoscaling/v2",
	"batch/v1",
	"certificates.k8s.io/v1",
	"coordination.k8s.io/v1",
	"discovery.k8s.io/v1",
	"events.k8s.io/v1",
	"flowcontrol.apiserver.k8s.io/v1",
	"networking.k8s.io/v1",
	"node.k8s.io/v1",
	"policy/v1",
	"rbac.authorization.k8s.io/v1",
	"resource.k8s.io/v1",
	"scheduling.k8s.io/v1",
	"storage.k8s.io/v1",
	"v1",
};
static const char *const unserved[] = {
	"admission.k8s.io/v1",
	"admission.k8s.io/v1beta1",
	"admissionregistration.k8s.io/v1alpha1",
	"admissionregistration.k8s.io/v1beta1",
	"apiextensions.k8s.io/v1beta1",
	"apiregistration.k8s.io/v1beta1",
	"apps/v1beta1",
	"apps/v1beta2",
	"authentication.k8s.io/v1alpha1",
	"authentication.k8s.io/v1beta1",
	"authorization.k8s.io/v1beta1",
	"batch/v1beta1",
	"certificates.k8s.io/v1alpha1",
	"certificates.k8s.io/v1beta1",
	"coordination.k8s.io/v1alpha2",
	"coordination.k8s.io/v1beta1",
	"discovery.k8s.io/v1beta1",
	"events.k8s.io/v1beta1",
	"extensions/v1beta1",
	"flowcontrol.apiserver.k8s.io/v1beta1",
	"flowcontrol.apiserver.k8s.io/v1beta2",
	"flowcontrol.apiserver.k8s.io/v1beta3",
	"imagepolicy.k8s.io/v1alpha1",
	"internal.apiserver.k8s.io/v1alpha1",
	"networking.k8s.io/v1beta1",
	"node.k8s.io/v1alpha1",
	"node.k8s.io/v1beta1",
	"policy/v1beta1",
	"rbac.authorization.k8s.io/v1alpha1",
	"rbac.authorization.k8s.io/v1beta1",
	"resource.k8s.io/v1alpha3",
	"resource.k8s.io/v1beta1",
	"resource.k8s.io/v1beta2",
	"scheduling.k8s.io/v1alpha2",
	"scheduling.k8s.io/v1beta1",
	"storage.k8s.io/v1alpha1",
	"storage.k8s.io/v1beta1",
	"storagemigration.k8s.io/v1beta1",
};

static const struct {
	const char *const *names;
	size_t n;
	bool value, locked;
} gates[] = {
	{on, SP_LEN(on), true, false},
	{off, SP_LEN(off), false, false},
	{locked_on, SP_LEN(locked_on), true, true},
	{locked_off, SP_LEN(locked_off), false, true},
};

/* What speaks of many versions. */
static const struct {
	const char *name;
	bool any, value; /* any: either value changes nothing */
} sweeping[] = {
	{"api/alpha", false, false},
	{"api/beta", false, false},
	{"api/ga", false, true},
	{"api/legacy", true, false},
};

static const char *word(bool truth)
{
	return truth ? "true" : "false";
}

/* strconv.ParseBool. */
static bool parse_truth(sp_str text, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	*ret = SP_STR_IN(text, yes);
	return *ret || SP_STR_IN(text, no);
}

/* ---- gates ---- */

static sp_code check_gate(sp_str name, bool value, sp_err *err)
{
	if (sp_str_eq(name, SP_STR("AllBeta"))) /* unset it is neither */
		return sp_fail(err, SP_EINVAL, "--feature-gates: AllBeta can't be set: " AS_BY_DEFAULT);
	for (size_t i = 0; i < SP_LEN(gates); i++) {
		if (!sp_str_in(name, gates[i].names, gates[i].n))
			continue;
		if (gates[i].value == value)
			return SP_OK;
		return gates[i].locked
			       ? sp_fail(err, SP_EINVAL,
					 "cannot set feature gate " SP_FMT " to %s, feature is locked to %s",
					 SP_ARG(name), word(value), word(gates[i].value))
			       : sp_fail(err, SP_EINVAL,
					 "--feature-gates: " SP_FMT " can only be %s: " AS_BY_DEFAULT,
					 SP_ARG(name), word(gates[i].value));
	}
	return sp_fail(err, SP_EINVAL, "unrecognized feature gate: " SP_FMT, SP_ARG(name));
}

static sp_code take_gate(sp_str item, sp_err *err)
{
	sp_str component, name, rest = item;
	bool value = false;
	if (sp_str_cut(&rest, ':', &component) && !sp_str_eq(component, SP_STR("kube")))
		return sp_fail(err, SP_EINVAL, "component not registered: " SP_FMT, SP_ARG(component));
	sp_str text = rest;
	if (!sp_str_cut(&text, '=', &name))
		return sp_fail(err, SP_EINVAL, "missing bool value for " SP_FMT, SP_ARG(rest));
	name = sp_str_trim(name);
	text = sp_str_trim(text);
	if (!parse_truth(text, &value))
		return sp_fail(err, SP_EINVAL,
			       "invalid value of " SP_FMT "=" SP_FMT
			       ", err: strconv.ParseBool: parsing \"" SP_FMT "\": invalid syntax",
			       SP_ARG(name), SP_ARG(text), SP_ARG(text));
	return check_gate(name, value, err);
}

sp_code cli_gates_check(sp_str text, sp_err *err)
{
	sp_str item;
	while (sp_str_next(&text, ',', &item)) {
		item = sp_str_trim(item);
		if (item.len > 0)
			SP_TRY(take_gate(item, err));
	}
	return SP_OK;
}

/* ---- versions ---- */

static sp_code can_only_be(sp_str name, bool value, sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "--runtime-config: " SP_FMT " can only be %s: " SERVED, SP_ARG(name),
		       word(value));
}

static bool has_group(sp_str group, const char *const *versions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sp_str rest = sp_str_c(versions[i]);
		if (sp_str_take(&rest, group) && sp_str_starts(rest, SP_STR("/")))
			return true;
	}
	return false;
}

/* "group/version" of "group/version/resource"; false: neither. */
static bool version_of(sp_str key, sp_str *ret)
{
	size_t slashes = 0, end = key.len;
	for (size_t i = 0; i < key.len; i++) {
		slashes += key.ptr[i] == '/';
		if (key.ptr[i] == '/' && slashes == 2)
			end = i;
	}
	*ret = sp_str_sub(key, 0, end);
	return slashes == 1 || slashes == 2;
}

/* Of one version, or of a resource in it. */
static sp_code check_version(sp_str key, bool value, sp_err *err)
{
	sp_str version = key, group, rest;
	if (!sp_str_eq(key, SP_STR("v1")) && !version_of(key, &version))
		return sp_fail(err, SP_EINVAL, "runtime-config invalid key " SP_FMT, SP_ARG(key));
	bool is_on = SP_STR_IN(version, served);
	if (is_on || SP_STR_IN(version, unserved))
		return is_on == value ? SP_OK : can_only_be(key, is_on, err);
	rest = version;
	if (sp_str_cut(&rest, '/', &group) && !has_group(group, served, SP_LEN(served)) &&
	    !has_group(group, unserved, SP_LEN(unserved)))
		return sp_fail(err, SP_EINVAL, "unknown api groups " SP_FMT, SP_ARG(version));
	return sp_fail(err, SP_EINVAL, "group version " SP_FMT " that has not been registered",
		       SP_ARG(version));
}

static sp_code take_version(sp_str item, sp_err *err)
{
	sp_str key, text = item;
	bool value = true, has_text = sp_str_cut(&text, '=', &key);
	if (!has_text)
		key = item;
	key = sp_str_trim(key);
	text = has_text ? sp_str_trim(text) : SP_STR("");
	bool sweeps = sp_str_starts(key, SP_STR("api/"));
	if (text.len > 0 && !parse_truth(text, &value))
		return sweeps ? sp_fail(err, SP_EINVAL, "invalid value " SP_FMT "=" SP_FMT, SP_ARG(key),
					SP_ARG(text))
			      : sp_fail(err, SP_EINVAL,
					"invalid value of %s" SP_FMT ": " SP_FMT
					", err: strconv.ParseBool: parsing \"" SP_FMT "\": invalid syntax",
					sp_str_eq(key, SP_STR("v1")) ? "/" : "", SP_ARG(key), SP_ARG(text),
					SP_ARG(text));
	if (sp_str_eq(key, SP_STR("api/all")))
		return sp_fail(err, SP_EINVAL, "--runtime-config: api/all can't be set: " SERVED);
	for (size_t i = 0; i < SP_LEN(sweeping); i++) {
		if (sp_str_eq(key, sp_str_c(sweeping[i].name)))
			return sweeping[i].any || sweeping[i].value == value ? SP_OK
									     : can_only_be(key, !value, err);
	}
	return check_version(key, value, err);
}

sp_code cli_runtime_config_check(sp_str text, sp_err *err)
{
	sp_str item;
	while (sp_str_next(&text, ',', &item)) {
		item = sp_str_trim(item);
		if (item.len > 0)
			SP_TRY(take_version(item, err));
	}
	return SP_OK;
}
