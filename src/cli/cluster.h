/* SPDX-License-Identifier: Apache-2.0 */
/* What the roles of one cluster agree about. */
#pragma once

#define CLI_DNS_ADDRESS "10.96.0.10" /* of the service kube-dns, as upstream's installers choose it */
#define CLI_DNS_PORT "10053" /* where it is served on a node: the well-known port may be somebody else's */

#define CLI_CLUSTER_CIDR "10.88.0.0/16" /* of the pods of all nodes */

#define CLI_SNAPSHOTS "snapshots" /* of the store, below the API server's data directory */
