/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubelet, and the program in a pod, on a simulated machine: port 10250 and 8080 of host 10.0.0.3. What is
 * asked of it is told back as text, a line each: method and path, fields, body. Some paths do more:
 *
 *   …/sNNN…      status NNN
 *   …/moved      302 to /x/y?z, …/gone: 302 to another host
 *   …/html       a page with links
 *   …/big        64 MiB
 *   upgrades     SPDY of /exec and /attach: a command that echoes stdin and ends with status 0; others: an
 *                echo of bytes, or what sNNN says
 */
#pragma once

#include "lib/api_ask.h"

typedef struct t_kubelet {
	t_asker *asker;
	sp_sim_host *host;
	sp_world *world;
	sp_http_server *http;
	sp_listener *listeners[2];
	size_t n_tunnels;  /* under way */
	size_t n_big;      /* bytes of big answers that were accepted so far */
	size_t queued_max; /* of one of them */
	bool drained;
} t_kubelet;

/* A server with node "n" and pods "p" (containers c, s400 …), "two" (a and b), "init" (i before m) and "free"
 * (no node) in "default", service "svc" (80, "web", to p) with its endpoints. NULL: the test has failed. */
t_kubelet *t_kubelet_open(void);
