/* SPDX-License-Identifier: Apache-2.0 */
/* Specs and templates of pods as Go prints them. U: pkg/apis/core/types.go */
#include "kube/kinds/go_rows.h"

LOCAL(sysctl, STR("Name", "name"), STR("Value", "value"));
LOCAL(pod_security_context, OUTER_BOOL("HostNetwork", "hostNetwork"), OUTER_BOOL("HostPID", "hostPID"),
      OUTER_BOOL("HostIPC", "hostIPC"), OUTER_PTR("ShareProcessNamespace", "shareProcessNamespace"),
      OUTER_PTR("HostUsers", "hostUsers"),
      STRUCT_PTR("SELinuxOptions", "seLinuxOptions", &sp_go_selinux_options),
      STRUCT_PTR("WindowsOptions", "windowsOptions", &sp_go_windows_security_context_options),
      PTR("RunAsUser", "runAsUser"), PTR("RunAsGroup", "runAsGroup"), PTR("RunAsNonRoot", "runAsNonRoot"),
      PTR("SupplementalGroups", "supplementalGroups"),
      PTR("SupplementalGroupsPolicy", "supplementalGroupsPolicy"), PTR("FSGroup", "fsGroup"),
      PTR("FSGroupChangePolicy", "fsGroupChangePolicy"), STRUCT_LIST("Sysctls", "sysctls", &sysctl),
      STRUCT_PTR("SeccompProfile", "seccompProfile", &sp_go_seccomp_profile),
      STRUCT_PTR("AppArmorProfile", "appArmorProfile", &sp_go_app_armor_profile),
      PTR("SELinuxChangePolicy", "seLinuxChangePolicy"));
EXPORT(sp_go_toleration, STR("Key", "key"), STR("Operator", "operator"), STR("Value", "value"),
       STR("Effect", "effect"), PTR("TolerationSeconds", "tolerationSeconds"));
LOCAL(host_alias, STR("IP", "ip"), PTR("Hostnames", "hostnames"));
LOCAL(pod_dns_config_option, STR("Name", "name"), PTR("Value", "value"));
LOCAL(pod_dns_config, PTR("Nameservers", "nameservers"), PTR("Searches", "searches"),
      STRUCT_LIST("Options", "options", &pod_dns_config_option));
LOCAL(pod_readiness_gate, STR("ConditionType", "conditionType"));
LOCAL(topology_spread_constraint, I64("MaxSkew", "maxSkew"), STR("TopologyKey", "topologyKey"),
      STR("WhenUnsatisfiable", "whenUnsatisfiable"), PTR("LabelSelector", "labelSelector"),
      PTR("MinDomains", "minDomains"), PTR("NodeAffinityPolicy", "nodeAffinityPolicy"),
      PTR("NodeTaintsPolicy", "nodeTaintsPolicy"), PTR("MatchLabelKeys", "matchLabelKeys"));
LOCAL(pod_os, STR("Name", "name"));
LOCAL(pod_scheduling_gate, STR("Name", "name"));
EXPORT(sp_go_pod_resource_claim, STR("Name", "name"), PTR("ResourceClaimName", "resourceClaimName"),
       PTR("ResourceClaimTemplateName", "resourceClaimTemplateName"));
LOCAL(pod_scheduling_group, PTR("PodGroupName", "podGroupName"));
EXPORT(sp_go_pod_spec, STRUCT_LIST("Volumes", "volumes", &sp_go_volume),
       STRUCT_LIST("InitContainers", "initContainers", &sp_go_container),
       STRUCT_LIST("Containers", "containers", &sp_go_container),
       STRUCT_LIST("EphemeralContainers", "ephemeralContainers", &sp_go_ephemeral_container),
       STR("RestartPolicy", "restartPolicy"),
       PTR("TerminationGracePeriodSeconds", "terminationGracePeriodSeconds"),
       PTR("ActiveDeadlineSeconds", "activeDeadlineSeconds"), STR("DNSPolicy", "dnsPolicy"),
       PTR("NodeSelector", "nodeSelector"), STR("ServiceAccountName", "serviceAccountName"),
       PTR("AutomountServiceAccountToken", "automountServiceAccountToken"), STR("NodeName", "nodeName"),
       STRUCT("SecurityContext", "securityContext", &pod_security_context),
       STRUCT_LIST("ImagePullSecrets", "imagePullSecrets", &sp_go_local_object_reference),
       STR("Hostname", "hostname"), STR("Subdomain", "subdomain"),
       PTR("SetHostnameAsFQDN", "setHostnameAsFQDN"), STRUCT_PTR("Affinity", "affinity", &sp_go_affinity),
       STR("SchedulerName", "schedulerName"), STRUCT_LIST("Tolerations", "tolerations", &sp_go_toleration),
       STRUCT_LIST("HostAliases", "hostAliases", &host_alias), STR("PriorityClassName", "priorityClassName"),
       PTR("Priority", "priority"), PTR("PreemptionPolicy", "preemptionPolicy"),
       STRUCT_PTR("DNSConfig", "dnsConfig", &pod_dns_config),
       STRUCT_LIST("ReadinessGates", "readinessGates", &pod_readiness_gate),
       PTR("RuntimeClassName", "runtimeClassName"), PTR("Overhead", "overhead"),
       PTR("EnableServiceLinks", "enableServiceLinks"),
       STRUCT_LIST("TopologySpreadConstraints", "topologySpreadConstraints", &topology_spread_constraint),
       STRUCT_PTR("OS", "os", &pod_os),
       STRUCT_LIST("SchedulingGates", "schedulingGates", &pod_scheduling_gate),
       STRUCT_LIST("ResourceClaims", "resourceClaims", &sp_go_pod_resource_claim),
       STRUCT_PTR("Resources", "resources", &sp_go_resource_requirements),
       PTR("HostnameOverride", "hostnameOverride"),
       STRUCT_PTR("SchedulingGroup", "schedulingGroup", &pod_scheduling_group));
EXPORT(sp_go_pod_template_spec, META, STRUCT("Spec", "spec", &sp_go_pod_spec));
