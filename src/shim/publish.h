/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to containerd: Forward calls on a ttrpc socket, one at a time, so that they arrive in order. What
 * the peer refuses is tried five times, a second longer apart each time, and then dropped. While the peer is
 * away nothing is dropped: its return is noticed by shim_publisher_retry (somebody connected to us) or by a
 * timer that grows to 16 s. Of more than 2048 events the oldest go.
 */
#pragma once

#include "io/ttrpc/client_core.h"
#include "shim/loop.h"
#include "shim/messages.h"

#define SHIM_EVENTS_MAX 2048u

typedef struct shim_publisher shim_publisher;

/* address: a path, or "" for nobody: events are then dropped. Both are copied. */
shim_publisher *shim_publisher_new(shim_loop *l, sp_str address, sp_str ns);
void shim_publisher_free(shim_publisher *p);
void shim_publish(shim_publisher *p, shim_event_kind kind, const shim_event *e);
void shim_publisher_retry(shim_publisher *p);
bool shim_publisher_is_idle(const shim_publisher *p);
/* Called when it becomes idle. */
void shim_publisher_on_idle(shim_publisher *p, void (*fn)(void *arg), void *arg);
