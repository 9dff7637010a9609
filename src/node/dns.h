/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: the resolver configuration, hosts file and host name of a pod. U: kubernetes
 * pkg/kubelet/network/dns/dns.go, pkg/kubelet/kubelet_pods.go (managedHostsFileContent,
 * GeneratePodHostNameAndDomain).
 */
#pragma once

#include "node/pod.h"

#define NODE_DNS_SERVERS_MAX 3u
#define NODE_DNS_SEARCHES_MAX 32u
#define NODE_DNS_SEARCH_BYTES_MAX 2048u /* of all of them, with blanks */
#define NODE_DNS_SEARCH_ONE_MAX 253u
#define NODE_DNS_OPTIONS_MAX 64u

typedef struct node_resolv {
	sp_str servers[NODE_DNS_SERVERS_MAX], searches[NODE_DNS_SEARCHES_MAX], options[NODE_DNS_OPTIONS_MAX];
	size_t n_servers, n_searches, n_options;
	bool cut_servers, cut_searches; /* some were beyond the limits: they are left out */
} node_resolv;

/* Reads a resolv.conf; what is beyond the limits is dropped. Views of the text. */
void node_resolv_read(sp_str text, node_resolv *ret);

typedef struct node_dns_opts {
	const node_resolv *host; /* of the node */
	const sp_str *cluster;   /* addresses of the cluster's DNS */
	size_t n_cluster;
	sp_str domain; /* "cluster.local" */
} node_dns_opts;

/* What goes wrong without failing: events of the pod. */
typedef struct node_dns_notes {
	bool no_cluster_dns; /* MissingClusterDNS */
} node_dns_notes;

/* Texts stand in the arena or in the inputs. SP_ETOOLARGE without room. */
sp_code node_dns_make(const node_pod *p, const node_dns_opts *o, sp_arena *a, node_resolv *ret,
		      node_dns_notes *ret_notes, sp_err *err) SP_MUST_USE;

/* The host name, and the domain behind it (empty: none). SP_ETOOLARGE. */
sp_code node_host_name(const node_pod *p, sp_str cluster_domain, sp_arena *a, sp_str *ret_name,
		       sp_str *ret_domain, sp_err *err) SP_MUST_USE;

/* /etc/hosts of a pod with a network of its own; of one on the node's network, from the node's file. */
sp_code node_hosts_file(sp_buf *out, const node_pod *p, const sp_str *ips, size_t n_ips, sp_str name,
			sp_str domain);
sp_code node_hosts_file_of_host(sp_buf *out, const node_pod *p, sp_str host_file);
