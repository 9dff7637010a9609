/* SPDX-License-Identifier: Apache-2.0 */
/* Containers, their probes and security contexts as Go prints them. U: pkg/apis/core/types.go */
#include "kube/kinds/go_rows.h"

LOCAL(container_port, STR("Name", "name"), I64("HostPort", "hostPort"), I64("ContainerPort", "containerPort"),
      STR("Protocol", "protocol"), STR("HostIP", "hostIP"));
LOCAL(config_map_env_source, STR("Name", "name"), PTR("Optional", "optional"));
LOCAL(secret_env_source, STR("Name", "name"), PTR("Optional", "optional"));
LOCAL(env_from_source, STR("Prefix", "prefix"),
      STRUCT_PTR("ConfigMapRef", "configMapRef", &config_map_env_source),
      STRUCT_PTR("SecretRef", "secretRef", &secret_env_source));
LOCAL(config_map_key_selector, STR("Name", "name"), STR("Key", "key"), PTR("Optional", "optional"));
LOCAL(secret_key_selector, STR("Name", "name"), STR("Key", "key"), PTR("Optional", "optional"));
LOCAL(file_key_selector, STR("VolumeName", "volumeName"), STR("Path", "path"), STR("Key", "key"),
      PTR("Optional", "optional"));
LOCAL(env_var_source, STRUCT_PTR("FieldRef", "fieldRef", &sp_go_object_field_selector),
      STRUCT_PTR("ResourceFieldRef", "resourceFieldRef", &sp_go_resource_field_selector),
      STRUCT_PTR("ConfigMapKeyRef", "configMapKeyRef", &config_map_key_selector),
      STRUCT_PTR("SecretKeyRef", "secretKeyRef", &secret_key_selector),
      STRUCT_PTR("FileKeyRef", "fileKeyRef", &file_key_selector));
LOCAL(env_var, STR("Name", "name"), STR("Value", "value"),
      STRUCT_PTR("ValueFrom", "valueFrom", &env_var_source));
LOCAL(resource_claim, STR("Name", "name"), STR("Request", "request"));
EXPORT(sp_go_resource_requirements, PTR("Limits", "limits"), PTR("Requests", "requests"),
       STRUCT_LIST("Claims", "claims", &resource_claim));
LOCAL(container_resize_policy, STR("ResourceName", "resourceName"), STR("RestartPolicy", "restartPolicy"));
LOCAL(container_restart_rule_on_exit_codes, STR("Operator", "operator"), PTR("Values", "values"));
LOCAL(container_restart_rule, STR("Action", "action"),
      STRUCT_PTR("ExitCodes", "exitCodes", &container_restart_rule_on_exit_codes));
LOCAL(volume_mount, STR("Name", "name"), BOOL("ReadOnly", "readOnly"),
      PTR("RecursiveReadOnly", "recursiveReadOnly"), STR("MountPath", "mountPath"), STR("SubPath", "subPath"),
      PTR("MountPropagation", "mountPropagation"), STR("SubPathExpr", "subPathExpr"));
LOCAL(volume_device, STR("Name", "name"), STR("DevicePath", "devicePath"));
LOCAL(exec_action, PTR("Command", "command"));
LOCAL(http_header, STR("Name", "name"), STR("Value", "value"));
LOCAL(http_get_action, STR("Path", "path"), NUM("Port", "port"), STR("Host", "host"), STR("Scheme", "scheme"),
      STRUCT_LIST("HTTPHeaders", "httpHeaders", &http_header));
LOCAL(tcp_socket_action, NUM("Port", "port"), STR("Host", "host"));
LOCAL(grpc_action, I64("Port", "port"), PTR("Service", "service"));
LOCAL(probe, STRUCT_PTR("Exec", "exec", &exec_action), STRUCT_PTR("HTTPGet", "httpGet", &http_get_action),
      STRUCT_PTR("TCPSocket", "tcpSocket", &tcp_socket_action), STRUCT_PTR("GRPC", "grpc", &grpc_action),
      I64("InitialDelaySeconds", "initialDelaySeconds"), I64("TimeoutSeconds", "timeoutSeconds"),
      I64("PeriodSeconds", "periodSeconds"), I64("SuccessThreshold", "successThreshold"),
      I64("FailureThreshold", "failureThreshold"),
      PTR("TerminationGracePeriodSeconds", "terminationGracePeriodSeconds"));
LOCAL(sleep_action, I64("Seconds", "seconds"));
LOCAL(lifecycle_handler, STRUCT_PTR("Exec", "exec", &exec_action),
      STRUCT_PTR("HTTPGet", "httpGet", &http_get_action),
      STRUCT_PTR("TCPSocket", "tcpSocket", &tcp_socket_action), STRUCT_PTR("Sleep", "sleep", &sleep_action));
LOCAL(lifecycle, STRUCT_PTR("PostStart", "postStart", &lifecycle_handler),
      STRUCT_PTR("PreStop", "preStop", &lifecycle_handler), PTR("StopSignal", "stopSignal"));
LOCAL(capabilities, PTR("Add", "add"), PTR("Drop", "drop"));
EXPORT(sp_go_selinux_options, STR("User", "user"), STR("Role", "role"), STR("Type", "type"),
       STR("Level", "level"));
EXPORT(sp_go_windows_security_context_options, PTR("GMSACredentialSpecName", "gmsaCredentialSpecName"),
       PTR("GMSACredentialSpec", "gmsaCredentialSpec"), PTR("RunAsUserName", "runAsUserName"),
       PTR("HostProcess", "hostProcess"));
EXPORT(sp_go_seccomp_profile, STR("Type", "type"), PTR("LocalhostProfile", "localhostProfile"));
EXPORT(sp_go_app_armor_profile, STR("Type", "type"), PTR("LocalhostProfile", "localhostProfile"));
EXPORT(sp_go_security_context, STRUCT_PTR("Capabilities", "capabilities", &capabilities),
       PTR("Privileged", "privileged"),
       STRUCT_PTR("SELinuxOptions", "seLinuxOptions", &sp_go_selinux_options),
       STRUCT_PTR("WindowsOptions", "windowsOptions", &sp_go_windows_security_context_options),
       PTR("RunAsUser", "runAsUser"), PTR("RunAsGroup", "runAsGroup"), PTR("RunAsNonRoot", "runAsNonRoot"),
       PTR("ReadOnlyRootFilesystem", "readOnlyRootFilesystem"),
       PTR("AllowPrivilegeEscalation", "allowPrivilegeEscalation"), PTR("ProcMount", "procMount"),
       STRUCT_PTR("SeccompProfile", "seccompProfile", &sp_go_seccomp_profile),
       STRUCT_PTR("AppArmorProfile", "appArmorProfile", &sp_go_app_armor_profile));
/* Ephemeral ones embed the fields that all have. */
#define CONTAINER                                                                                         \
	STR("Name", "name"), STR("Image", "image"), PTR("Command", "command"), PTR("Args", "args"),       \
		STR("WorkingDir", "workingDir"), STRUCT_LIST("Ports", "ports", &container_port),          \
		STRUCT_LIST("EnvFrom", "envFrom", &env_from_source), STRUCT_LIST("Env", "env", &env_var), \
		STRUCT("Resources", "resources", &sp_go_resource_requirements),                           \
		STRUCT_LIST("ResizePolicy", "resizePolicy", &container_resize_policy),                    \
		PTR("RestartPolicy", "restartPolicy"),                                                    \
		STRUCT_LIST("RestartPolicyRules", "restartPolicyRules", &container_restart_rule),         \
		STRUCT_LIST("VolumeMounts", "volumeMounts", &volume_mount),                               \
		STRUCT_LIST("VolumeDevices", "volumeDevices", &volume_device),                            \
		STRUCT_PTR("LivenessProbe", "livenessProbe", &probe),                                     \
		STRUCT_PTR("ReadinessProbe", "readinessProbe", &probe),                                   \
		STRUCT_PTR("StartupProbe", "startupProbe", &probe),                                       \
		STRUCT_PTR("Lifecycle", "lifecycle", &lifecycle),                                         \
		STR("TerminationMessagePath", "terminationMessagePath"),                                  \
		STR("TerminationMessagePolicy", "terminationMessagePolicy"),                              \
		STR("ImagePullPolicy", "imagePullPolicy"),                                                \
		STRUCT_PTR("SecurityContext", "securityContext", &sp_go_security_context),                \
		BOOL("Stdin", "stdin"), BOOL("StdinOnce", "stdinOnce"), BOOL("TTY", "tty")
EXPORT(sp_go_container, CONTAINER);
EXPORT(sp_go_ephemeral_container, CONTAINER, STR("TargetContainerName", "targetContainerName"));
