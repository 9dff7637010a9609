/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI messages: statistics and metrics. U: as cri_common.h.
 */
#pragma once

#include "contracts/cri_container.h"

enum { SP_CRI_METRIC_COUNTER = 0, SP_CRI_METRIC_GAUGE = 1 };

typedef struct sp_cri_pod_sandbox_stats_request {
	sp_str pod_sandbox_id;
} sp_cri_pod_sandbox_stats_request;
extern const sp_pb_message sp_cri_pod_sandbox_stats_request_message;

typedef struct sp_cri_pod_sandbox_attributes {
	sp_str id;
	sp_cri_pod_sandbox_metadata *metadata;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
} sp_cri_pod_sandbox_attributes;
extern const sp_pb_message sp_cri_pod_sandbox_attributes_message;

typedef struct sp_cri_psi_data {
	uint64_t total;
	double avg10;
	double avg60;
	double avg300;
} sp_cri_psi_data;
extern const sp_pb_message sp_cri_psi_data_message;

typedef struct sp_cri_psi_stats {
	sp_cri_psi_data *full;
	sp_cri_psi_data *some;
} sp_cri_psi_stats;
extern const sp_pb_message sp_cri_psi_stats_message;

typedef struct sp_cri_cpu_usage {
	int64_t timestamp;
	sp_cri_uint64_value *usage_core_nano_seconds;
	sp_cri_uint64_value *usage_nano_cores;
	sp_cri_psi_stats *psi;
} sp_cri_cpu_usage;
extern const sp_pb_message sp_cri_cpu_usage_message;

typedef struct sp_cri_memory_usage {
	int64_t timestamp;
	sp_cri_uint64_value *working_set_bytes;
	sp_cri_uint64_value *available_bytes;
	sp_cri_uint64_value *usage_bytes;
	sp_cri_uint64_value *rss_bytes;
	sp_cri_uint64_value *page_faults;
	sp_cri_uint64_value *major_page_faults;
	sp_cri_psi_stats *psi;
} sp_cri_memory_usage;
extern const sp_pb_message sp_cri_memory_usage_message;

typedef struct sp_cri_network_interface_usage {
	sp_str name;
	sp_cri_uint64_value *rx_bytes;
	sp_cri_uint64_value *rx_errors;
	sp_cri_uint64_value *tx_bytes;
	sp_cri_uint64_value *tx_errors;
} sp_cri_network_interface_usage;
extern const sp_pb_message sp_cri_network_interface_usage_message;

typedef struct sp_cri_network_usage {
	int64_t timestamp;
	sp_cri_network_interface_usage *default_interface;
	SP_PB_LIST(sp_cri_network_interface_usage) interfaces;
} sp_cri_network_usage;
extern const sp_pb_message sp_cri_network_usage_message;

typedef struct sp_cri_process_usage {
	int64_t timestamp;
	sp_cri_uint64_value *process_count;
} sp_cri_process_usage;
extern const sp_pb_message sp_cri_process_usage_message;

typedef struct sp_cri_container_attributes {
	sp_str id;
	sp_cri_container_metadata *metadata;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
} sp_cri_container_attributes;
extern const sp_pb_message sp_cri_container_attributes_message;

typedef struct sp_cri_filesystem_identifier {
	sp_str mountpoint;
} sp_cri_filesystem_identifier;
extern const sp_pb_message sp_cri_filesystem_identifier_message;

typedef struct sp_cri_filesystem_usage {
	int64_t timestamp;
	sp_cri_filesystem_identifier *fs_id;
	sp_cri_uint64_value *used_bytes;
	sp_cri_uint64_value *inodes_used;
} sp_cri_filesystem_usage;
extern const sp_pb_message sp_cri_filesystem_usage_message;

typedef struct sp_cri_swap_usage {
	int64_t timestamp;
	sp_cri_uint64_value *swap_available_bytes;
	sp_cri_uint64_value *swap_usage_bytes;
} sp_cri_swap_usage;
extern const sp_pb_message sp_cri_swap_usage_message;

typedef struct sp_cri_io_usage {
	int64_t timestamp;
	sp_cri_psi_stats *psi;
} sp_cri_io_usage;
extern const sp_pb_message sp_cri_io_usage_message;

typedef struct sp_cri_container_stats {
	sp_cri_container_attributes *attributes;
	sp_cri_cpu_usage *cpu;
	sp_cri_memory_usage *memory;
	sp_cri_filesystem_usage *writable_layer;
	sp_cri_swap_usage *swap;
	sp_cri_io_usage *io;
} sp_cri_container_stats;
extern const sp_pb_message sp_cri_container_stats_message;

typedef struct sp_cri_linux_pod_sandbox_stats {
	sp_cri_cpu_usage *cpu;
	sp_cri_memory_usage *memory;
	sp_cri_network_usage *network;
	sp_cri_process_usage *process;
	SP_PB_LIST(sp_cri_container_stats) containers;
	sp_cri_io_usage *io;
} sp_cri_linux_pod_sandbox_stats;
extern const sp_pb_message sp_cri_linux_pod_sandbox_stats_message;

typedef struct sp_cri_pod_sandbox_stats {
	sp_cri_pod_sandbox_attributes *attributes;
	sp_cri_linux_pod_sandbox_stats *linux_;
} sp_cri_pod_sandbox_stats;
extern const sp_pb_message sp_cri_pod_sandbox_stats_message;

typedef struct sp_cri_pod_sandbox_stats_response {
	sp_cri_pod_sandbox_stats *stats;
} sp_cri_pod_sandbox_stats_response;
extern const sp_pb_message sp_cri_pod_sandbox_stats_response_message;

typedef struct sp_cri_pod_sandbox_stats_filter {
	sp_str id;
	SP_PB_LIST(sp_pb_pair) label_selector;
} sp_cri_pod_sandbox_stats_filter;
extern const sp_pb_message sp_cri_pod_sandbox_stats_filter_message;

typedef struct sp_cri_list_pod_sandbox_stats_request {
	sp_cri_pod_sandbox_stats_filter *filter;
} sp_cri_list_pod_sandbox_stats_request;
extern const sp_pb_message sp_cri_list_pod_sandbox_stats_request_message;

typedef struct sp_cri_list_pod_sandbox_stats_response {
	SP_PB_LIST(sp_cri_pod_sandbox_stats) stats;
} sp_cri_list_pod_sandbox_stats_response;
extern const sp_pb_message sp_cri_list_pod_sandbox_stats_response_message;

typedef struct sp_cri_container_stats_request {
	sp_str container_id;
} sp_cri_container_stats_request;
extern const sp_pb_message sp_cri_container_stats_request_message;

typedef struct sp_cri_container_stats_response {
	sp_cri_container_stats *stats;
} sp_cri_container_stats_response;
extern const sp_pb_message sp_cri_container_stats_response_message;

typedef struct sp_cri_container_stats_filter {
	sp_str id;
	sp_str pod_sandbox_id;
	SP_PB_LIST(sp_pb_pair) label_selector;
} sp_cri_container_stats_filter;
extern const sp_pb_message sp_cri_container_stats_filter_message;

typedef struct sp_cri_list_container_stats_request {
	sp_cri_container_stats_filter *filter;
} sp_cri_list_container_stats_request;
extern const sp_pb_message sp_cri_list_container_stats_request_message;

typedef struct sp_cri_list_container_stats_response {
	SP_PB_LIST(sp_cri_container_stats) stats;
} sp_cri_list_container_stats_response;
extern const sp_pb_message sp_cri_list_container_stats_response_message;

typedef struct sp_cri_metric_descriptor {
	sp_str name;
	sp_str help;
	SP_PB_LIST(sp_str) label_keys;
} sp_cri_metric_descriptor;
extern const sp_pb_message sp_cri_metric_descriptor_message;

typedef struct sp_cri_list_metric_descriptors_response {
	SP_PB_LIST(sp_cri_metric_descriptor) descriptors;
} sp_cri_list_metric_descriptors_response;
extern const sp_pb_message sp_cri_list_metric_descriptors_response_message;

typedef struct sp_cri_metric {
	sp_str name;
	int64_t timestamp;
	int32_t metric_type;
	SP_PB_LIST(sp_str) label_values;
	sp_cri_uint64_value *value;
} sp_cri_metric;
extern const sp_pb_message sp_cri_metric_message;

typedef struct sp_cri_container_metrics {
	sp_str container_id;
	SP_PB_LIST(sp_cri_metric) metrics;
} sp_cri_container_metrics;
extern const sp_pb_message sp_cri_container_metrics_message;

typedef struct sp_cri_pod_sandbox_metrics {
	sp_str pod_sandbox_id;
	SP_PB_LIST(sp_cri_metric) metrics;
	SP_PB_LIST(sp_cri_container_metrics) container_metrics;
} sp_cri_pod_sandbox_metrics;
extern const sp_pb_message sp_cri_pod_sandbox_metrics_message;

typedef struct sp_cri_list_pod_sandbox_metrics_response {
	SP_PB_LIST(sp_cri_pod_sandbox_metrics) pod_metrics;
} sp_cri_list_pod_sandbox_metrics_response;
extern const sp_pb_message sp_cri_list_pod_sandbox_metrics_response_message;
