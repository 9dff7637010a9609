/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in pod network: one bridge on the node, a veth pair and an address per pod, masquerading towards
 * the world, host ports. What needs root is asked of the host process.
 */
#pragma once

#include "base/ip.h"
#include "base/list.h"
#include "base/log.h"
#include "contracts/host.h"
#include "contracts/pod_network.h"
#include "io/world.h"

typedef struct network_bridge_opts {
	sp_log *log;
	sp_host *host;
	sp_str bridge;    /* name, "sampan0": also of the nftables table */
	sp_str if_prefix; /* of the pods' interfaces on the host, at most 4 characters: "sp" */
	sp_str prefix;    /* "10.88.0.0/16"; empty: none until set_range */
	sp_str cluster;   /* prefix of the pods of all nodes: they are reached by their own addresses; empty:
			     this node's prefix */
	uint32_t mtu;     /* 0 = the kernel's */
} network_bridge_opts;

/* `opts` and all it names outlive the network. SP_EINVAL: the prefix, a name. */
sp_code network_bridge_new(sp_world *w, const network_bridge_opts *opts, sp_pod_network **ret,
			   sp_err *err) SP_MUST_USE;
/* Without requests under way. NULL is a no-op. */
void network_bridge_free(sp_pod_network *n);

/* ---- the nftables program (ports.c) ---- */

typedef struct network_port {
	sp_list node;
	char sandbox_id[SP_HOST_ID_BYTES];
	size_t id_len;
	sp_ip pod, host; /* host: unspecified = any address of the node */
	uint16_t pod_port, host_port;
	int32_t protocol; /* SP_CRI_TCP … */
} network_port;

/* Appends the whole program: the table sampan-BRIDGE is made anew in one transaction. What pods send to
 * `cluster` keeps their addresses. */
void network_ports_write(sp_buf *out, sp_str bridge, const sp_cidr *pods, const sp_cidr *cluster,
			 sp_list *ports);
