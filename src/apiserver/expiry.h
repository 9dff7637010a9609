/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that leave by themselves some time after their last write: events. What is there at the start is
 * judged by the times it states, what is written later by when it was seen. One timer runs, for the object
 * that leaves next; nothing is looked at twice. U: --event-ttl, kubernetes
 * pkg/registry/core/event/storage/storage.go.
 */
#pragma once

#include "store/store.h"

typedef struct api_expiry api_expiry;

/* Beyond this many the oldest leave before their time. */
#define API_EXPIRY_MAX 200000u

/* Objects of a prefix ("/registry/events/"). The store outlives it; its reading begins with the next turn of
 * the loop. Aborts without memory. */
api_expiry *api_expiry_new(sp_world *w, sp_store *store, sp_str prefix, uint64_t ttl_ns);
/* Removes nothing more; before the store is closed. NULL is a no-op, for both. */
void api_expiry_stop(api_expiry *x);
/* After the store has reported all writes. */
void api_expiry_free(api_expiry *x);
