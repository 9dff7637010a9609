/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Priority and fairness: how many requests are worked on at once, and who waits. A request takes a seat of
 * its priority level after impersonation and before authorization, and gives it back when its exchange is
 * over; a watch when its initial state is sent. Other long-running requests take none. U: apiserver
 * pkg/server/filters/priority-and-fairness.go.
 */
#pragma once

#include "apiserver/flow/level.h"
#include "apiserver/request.h"

typedef struct api_flows api_flows;

/* seats: of all levels together; 0: nobody is ever held up. */
api_flows *api_flows_new(api_server *s, uint32_t seats);
/* When no request is under way. NULL is a no-op. */
void api_flows_free(api_flows *f);

/* Whether the request may go on now. Otherwise it has been answered (429), or waits: r->on_admitted is called
 * when it may. */
bool api_flow_admit(api_request *r);
/* Gives back what api_flow_admit took, if it did and it is not given back already. */
void api_flow_leave(api_request *r);

/* exec, attach, port-forward, logs, proxy, watch. U: kube-apiserver's BasicLongRunningRequestCheck. */
bool api_is_long_running(const api_reqinfo *i);
/* Whether it changes nothing. */
bool api_is_read_only(const api_reqinfo *i);

/* Gauges of the moment into the server's metrics. */
void api_flows_measure(api_flows *f);
