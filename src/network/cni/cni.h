/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod network of CNI plugins. While the directory of configurations is empty everything is left to
 * another network. The directory is read whenever a pod is attached or the state is asked for, so a change
 * counts at once; one that cannot be used leaves the one before in use. Plugins are run by the host process;
 * what they say is read here. U: containerd/go-cni, containernetworking/cni libcni.
 */
#pragma once

#include "base/log.h"
#include "contracts/host.h"
#include "contracts/pod_network.h"
#include "io/world.h"

typedef struct cni_opts {
	sp_log *log;
	sp_host *host;
	sp_pod_network *builtin; /* while there is no configuration */
	sp_str conf_dir;         /* absolute; may be missing */
	bool copied;             /* it is a copy that the host process brings up to date when asked */
	sp_str cache_dir;        /* absolute, ours: what DEL needs of each attachment; made when missing */
	sp_str ip_range;         /* given to plugins with the capability ipRanges; empty: that of set_range */
} cni_opts;

/* `opts` and all it names outlive the network. */
sp_pod_network *cni_new(sp_world *w, const cni_opts *opts);
/* Without requests under way. NULL is a no-op. */
void cni_free(sp_pod_network *base);
