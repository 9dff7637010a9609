/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri_stats.h"

static const sp_pb_slot pod_sandbox_stats_request_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_stats_request, pod_sandbox_id, 1, STRING),
};
const sp_pb_message sp_cri_pod_sandbox_stats_request_message = SP_PB_MESSAGE_OF(
	"PodSandboxStatsRequest", sp_cri_pod_sandbox_stats_request, pod_sandbox_stats_request_slots);

static const sp_pb_slot pod_sandbox_attributes_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_attributes, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_attributes, metadata, 2, &sp_cri_pod_sandbox_metadata_message),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_attributes, labels, 3),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_attributes, annotations, 4),
};
const sp_pb_message sp_cri_pod_sandbox_attributes_message =
	SP_PB_MESSAGE_OF("PodSandboxAttributes", sp_cri_pod_sandbox_attributes, pod_sandbox_attributes_slots);

static const sp_pb_slot psi_data_slots[] = {
	SP_PB_SLOT(sp_cri_psi_data, total, 1, UINT64),
	SP_PB_SLOT(sp_cri_psi_data, avg10, 2, DOUBLE),
	SP_PB_SLOT(sp_cri_psi_data, avg60, 3, DOUBLE),
	SP_PB_SLOT(sp_cri_psi_data, avg300, 4, DOUBLE),
};
const sp_pb_message sp_cri_psi_data_message = SP_PB_MESSAGE_OF("PsiData", sp_cri_psi_data, psi_data_slots);

static const sp_pb_slot psi_stats_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_psi_stats, full, 1, &sp_cri_psi_data_message),
	SP_PB_SLOT_MSG(sp_cri_psi_stats, some, 2, &sp_cri_psi_data_message),
};
const sp_pb_message sp_cri_psi_stats_message =
	SP_PB_MESSAGE_OF("PsiStats", sp_cri_psi_stats, psi_stats_slots);

static const sp_pb_slot cpu_usage_slots[] = {
	SP_PB_SLOT(sp_cri_cpu_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_cpu_usage, usage_core_nano_seconds, 2, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_cpu_usage, usage_nano_cores, 3, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_cpu_usage, psi, 4, &sp_cri_psi_stats_message),
};
const sp_pb_message sp_cri_cpu_usage_message =
	SP_PB_MESSAGE_OF("CpuUsage", sp_cri_cpu_usage, cpu_usage_slots);

static const sp_pb_slot memory_usage_slots[] = {
	SP_PB_SLOT(sp_cri_memory_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, working_set_bytes, 2, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, available_bytes, 3, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, usage_bytes, 4, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, rss_bytes, 5, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, page_faults, 6, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, major_page_faults, 7, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_memory_usage, psi, 8, &sp_cri_psi_stats_message),
};
const sp_pb_message sp_cri_memory_usage_message =
	SP_PB_MESSAGE_OF("MemoryUsage", sp_cri_memory_usage, memory_usage_slots);

static const sp_pb_slot network_interface_usage_slots[] = {
	SP_PB_SLOT(sp_cri_network_interface_usage, name, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_network_interface_usage, rx_bytes, 2, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_network_interface_usage, rx_errors, 3, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_network_interface_usage, tx_bytes, 4, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_network_interface_usage, tx_errors, 5, &sp_cri_uint64_value_message),
};
const sp_pb_message sp_cri_network_interface_usage_message = SP_PB_MESSAGE_OF(
	"NetworkInterfaceUsage", sp_cri_network_interface_usage, network_interface_usage_slots);

static const sp_pb_slot network_usage_slots[] = {
	SP_PB_SLOT(sp_cri_network_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_network_usage, default_interface, 2, &sp_cri_network_interface_usage_message),
	SP_PB_SLOT_MSGS(sp_cri_network_usage, interfaces, 3, &sp_cri_network_interface_usage_message),
};
const sp_pb_message sp_cri_network_usage_message =
	SP_PB_MESSAGE_OF("NetworkUsage", sp_cri_network_usage, network_usage_slots);

static const sp_pb_slot process_usage_slots[] = {
	SP_PB_SLOT(sp_cri_process_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_process_usage, process_count, 2, &sp_cri_uint64_value_message),
};
const sp_pb_message sp_cri_process_usage_message =
	SP_PB_MESSAGE_OF("ProcessUsage", sp_cri_process_usage, process_usage_slots);

static const sp_pb_slot container_attributes_slots[] = {
	SP_PB_SLOT(sp_cri_container_attributes, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_container_attributes, metadata, 2, &sp_cri_container_metadata_message),
	SP_PB_SLOT_MAP(sp_cri_container_attributes, labels, 3),
	SP_PB_SLOT_MAP(sp_cri_container_attributes, annotations, 4),
};
const sp_pb_message sp_cri_container_attributes_message =
	SP_PB_MESSAGE_OF("ContainerAttributes", sp_cri_container_attributes, container_attributes_slots);

static const sp_pb_slot filesystem_identifier_slots[] = {
	SP_PB_SLOT(sp_cri_filesystem_identifier, mountpoint, 1, STRING),
};
const sp_pb_message sp_cri_filesystem_identifier_message =
	SP_PB_MESSAGE_OF("FilesystemIdentifier", sp_cri_filesystem_identifier, filesystem_identifier_slots);

static const sp_pb_slot filesystem_usage_slots[] = {
	SP_PB_SLOT(sp_cri_filesystem_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_filesystem_usage, fs_id, 2, &sp_cri_filesystem_identifier_message),
	SP_PB_SLOT_MSG(sp_cri_filesystem_usage, used_bytes, 3, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_filesystem_usage, inodes_used, 4, &sp_cri_uint64_value_message),
};
const sp_pb_message sp_cri_filesystem_usage_message =
	SP_PB_MESSAGE_OF("FilesystemUsage", sp_cri_filesystem_usage, filesystem_usage_slots);

static const sp_pb_slot swap_usage_slots[] = {
	SP_PB_SLOT(sp_cri_swap_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_swap_usage, swap_available_bytes, 2, &sp_cri_uint64_value_message),
	SP_PB_SLOT_MSG(sp_cri_swap_usage, swap_usage_bytes, 3, &sp_cri_uint64_value_message),
};
const sp_pb_message sp_cri_swap_usage_message =
	SP_PB_MESSAGE_OF("SwapUsage", sp_cri_swap_usage, swap_usage_slots);

static const sp_pb_slot io_usage_slots[] = {
	SP_PB_SLOT(sp_cri_io_usage, timestamp, 1, INT64),
	SP_PB_SLOT_MSG(sp_cri_io_usage, psi, 2, &sp_cri_psi_stats_message),
};
const sp_pb_message sp_cri_io_usage_message = SP_PB_MESSAGE_OF("IoUsage", sp_cri_io_usage, io_usage_slots);

static const sp_pb_slot container_stats_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_stats, attributes, 1, &sp_cri_container_attributes_message),
	SP_PB_SLOT_MSG(sp_cri_container_stats, cpu, 2, &sp_cri_cpu_usage_message),
	SP_PB_SLOT_MSG(sp_cri_container_stats, memory, 3, &sp_cri_memory_usage_message),
	SP_PB_SLOT_MSG(sp_cri_container_stats, writable_layer, 4, &sp_cri_filesystem_usage_message),
	SP_PB_SLOT_MSG(sp_cri_container_stats, swap, 5, &sp_cri_swap_usage_message),
	SP_PB_SLOT_MSG(sp_cri_container_stats, io, 6, &sp_cri_io_usage_message),
};
const sp_pb_message sp_cri_container_stats_message =
	SP_PB_MESSAGE_OF("ContainerStats", sp_cri_container_stats, container_stats_slots);

static const sp_pb_slot linux_pod_sandbox_stats_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_stats, cpu, 1, &sp_cri_cpu_usage_message),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_stats, memory, 2, &sp_cri_memory_usage_message),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_stats, network, 3, &sp_cri_network_usage_message),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_stats, process, 4, &sp_cri_process_usage_message),
	SP_PB_SLOT_MSGS(sp_cri_linux_pod_sandbox_stats, containers, 5, &sp_cri_container_stats_message),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_stats, io, 6, &sp_cri_io_usage_message),
};
const sp_pb_message sp_cri_linux_pod_sandbox_stats_message = SP_PB_MESSAGE_OF(
	"LinuxPodSandboxStats", sp_cri_linux_pod_sandbox_stats, linux_pod_sandbox_stats_slots);

static const sp_pb_slot pod_sandbox_stats_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_stats, attributes, 1, &sp_cri_pod_sandbox_attributes_message),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_stats, linux_, 2, &sp_cri_linux_pod_sandbox_stats_message),
};
const sp_pb_message sp_cri_pod_sandbox_stats_message =
	SP_PB_MESSAGE_OF("PodSandboxStats", sp_cri_pod_sandbox_stats, pod_sandbox_stats_slots);

static const sp_pb_slot pod_sandbox_stats_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_stats_response, stats, 1, &sp_cri_pod_sandbox_stats_message),
};
const sp_pb_message sp_cri_pod_sandbox_stats_response_message = SP_PB_MESSAGE_OF(
	"PodSandboxStatsResponse", sp_cri_pod_sandbox_stats_response, pod_sandbox_stats_response_slots);

static const sp_pb_slot pod_sandbox_stats_filter_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_stats_filter, id, 1, STRING),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_stats_filter, label_selector, 2),
};
const sp_pb_message sp_cri_pod_sandbox_stats_filter_message = SP_PB_MESSAGE_OF(
	"PodSandboxStatsFilter", sp_cri_pod_sandbox_stats_filter, pod_sandbox_stats_filter_slots);

static const sp_pb_slot list_pod_sandbox_stats_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_list_pod_sandbox_stats_request, filter, 1,
		       &sp_cri_pod_sandbox_stats_filter_message),
};
const sp_pb_message sp_cri_list_pod_sandbox_stats_request_message =
	SP_PB_MESSAGE_OF("ListPodSandboxStatsRequest", sp_cri_list_pod_sandbox_stats_request,
			 list_pod_sandbox_stats_request_slots);

static const sp_pb_slot list_pod_sandbox_stats_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_pod_sandbox_stats_response, stats, 1, &sp_cri_pod_sandbox_stats_message),
};
const sp_pb_message sp_cri_list_pod_sandbox_stats_response_message =
	SP_PB_MESSAGE_OF("ListPodSandboxStatsResponse", sp_cri_list_pod_sandbox_stats_response,
			 list_pod_sandbox_stats_response_slots);

static const sp_pb_slot container_stats_request_slots[] = {
	SP_PB_SLOT(sp_cri_container_stats_request, container_id, 1, STRING),
};
const sp_pb_message sp_cri_container_stats_request_message = SP_PB_MESSAGE_OF(
	"ContainerStatsRequest", sp_cri_container_stats_request, container_stats_request_slots);

static const sp_pb_slot container_stats_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_stats_response, stats, 1, &sp_cri_container_stats_message),
};
const sp_pb_message sp_cri_container_stats_response_message = SP_PB_MESSAGE_OF(
	"ContainerStatsResponse", sp_cri_container_stats_response, container_stats_response_slots);

static const sp_pb_slot container_stats_filter_slots[] = {
	SP_PB_SLOT(sp_cri_container_stats_filter, id, 1, STRING),
	SP_PB_SLOT(sp_cri_container_stats_filter, pod_sandbox_id, 2, STRING),
	SP_PB_SLOT_MAP(sp_cri_container_stats_filter, label_selector, 3),
};
const sp_pb_message sp_cri_container_stats_filter_message =
	SP_PB_MESSAGE_OF("ContainerStatsFilter", sp_cri_container_stats_filter, container_stats_filter_slots);

static const sp_pb_slot list_container_stats_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_list_container_stats_request, filter, 1,
		       &sp_cri_container_stats_filter_message),
};
const sp_pb_message sp_cri_list_container_stats_request_message = SP_PB_MESSAGE_OF(
	"ListContainerStatsRequest", sp_cri_list_container_stats_request, list_container_stats_request_slots);

static const sp_pb_slot list_container_stats_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_container_stats_response, stats, 1, &sp_cri_container_stats_message),
};
const sp_pb_message sp_cri_list_container_stats_response_message =
	SP_PB_MESSAGE_OF("ListContainerStatsResponse", sp_cri_list_container_stats_response,
			 list_container_stats_response_slots);

static const sp_pb_slot metric_descriptor_slots[] = {
	SP_PB_SLOT(sp_cri_metric_descriptor, name, 1, STRING),
	SP_PB_SLOT(sp_cri_metric_descriptor, help, 2, STRING),
	SP_PB_SLOT_LIST(sp_cri_metric_descriptor, label_keys, 3, STRING),
};
const sp_pb_message sp_cri_metric_descriptor_message =
	SP_PB_MESSAGE_OF("MetricDescriptor", sp_cri_metric_descriptor, metric_descriptor_slots);

static const sp_pb_slot list_metric_descriptors_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_metric_descriptors_response, descriptors, 1,
			&sp_cri_metric_descriptor_message),
};
const sp_pb_message sp_cri_list_metric_descriptors_response_message =
	SP_PB_MESSAGE_OF("ListMetricDescriptorsResponse", sp_cri_list_metric_descriptors_response,
			 list_metric_descriptors_response_slots);

static const sp_pb_slot metric_slots[] = {
	SP_PB_SLOT(sp_cri_metric, name, 1, STRING),
	SP_PB_SLOT(sp_cri_metric, timestamp, 2, INT64),
	SP_PB_SLOT(sp_cri_metric, metric_type, 3, INT32),
	SP_PB_SLOT_LIST(sp_cri_metric, label_values, 4, STRING),
	SP_PB_SLOT_MSG(sp_cri_metric, value, 5, &sp_cri_uint64_value_message),
};
const sp_pb_message sp_cri_metric_message = SP_PB_MESSAGE_OF("Metric", sp_cri_metric, metric_slots);

static const sp_pb_slot container_metrics_slots[] = {
	SP_PB_SLOT(sp_cri_container_metrics, container_id, 1, STRING),
	SP_PB_SLOT_MSGS(sp_cri_container_metrics, metrics, 2, &sp_cri_metric_message),
};
const sp_pb_message sp_cri_container_metrics_message =
	SP_PB_MESSAGE_OF("ContainerMetrics", sp_cri_container_metrics, container_metrics_slots);

static const sp_pb_slot pod_sandbox_metrics_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_metrics, pod_sandbox_id, 1, STRING),
	SP_PB_SLOT_MSGS(sp_cri_pod_sandbox_metrics, metrics, 2, &sp_cri_metric_message),
	SP_PB_SLOT_MSGS(sp_cri_pod_sandbox_metrics, container_metrics, 3, &sp_cri_container_metrics_message),
};
const sp_pb_message sp_cri_pod_sandbox_metrics_message =
	SP_PB_MESSAGE_OF("PodSandboxMetrics", sp_cri_pod_sandbox_metrics, pod_sandbox_metrics_slots);

static const sp_pb_slot list_pod_sandbox_metrics_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_pod_sandbox_metrics_response, pod_metrics, 1,
			&sp_cri_pod_sandbox_metrics_message),
};
const sp_pb_message sp_cri_list_pod_sandbox_metrics_response_message =
	SP_PB_MESSAGE_OF("ListPodSandboxMetricsResponse", sp_cri_list_pod_sandbox_metrics_response,
			 list_pod_sandbox_metrics_response_slots);
